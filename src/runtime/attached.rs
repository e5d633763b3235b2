//! An executable that is bound to arrays. In: numbers written into its leaves. Out: its results. Addresses are filled
//! in once, at binding, so that a run is the steps and nothing else.

use super::executable::{Executable, RunArrays};
use crate::{
    cancel::CancelToken,
    graph::{Value, ValueView, ValueViewMut},
    program::{AttachedEngine, RunError},
};

/// An executable bound to arrays that it owns; callers borrow them to write inputs and to read results.
#[derive(Debug)]
pub(super) struct AttachedExecutable {
    executable: Executable,
    leaves: Vec<Value>,
    results: Vec<Value>,
    n_threads: usize,
    cancel: CancelToken,
}

impl AttachedExecutable {
    pub(super) fn new(
        mut executable: Executable,
        mut leaves: Vec<Value>,
        mut results: Vec<Value>,
        (n_threads, cancel): (usize, CancelToken),
    ) -> Result<AttachedExecutable, RunError> {
        let views: Vec<ValueView<'_>> = leaves.iter_mut().map(|leaf| leaf.view()).collect();
        let mut targets: Vec<ValueViewMut<'_>> = results.iter_mut().map(Value::view_mut).collect();
        executable.bind(&mut RunArrays { leaves: &views, results: &mut targets })?;
        drop((views, targets));
        Ok(AttachedExecutable { executable, leaves, results, n_threads, cancel })
    }
}

impl AttachedEngine for AttachedExecutable {
    fn run(&mut self) -> Result<(), RunError> {
        self.executable.run_bound(self.n_threads, &self.cancel)
    }

    fn leaf_mut(&mut self, position: usize) -> ValueViewMut<'_> {
        self.leaves[position].view_mut()
    }

    fn result(&self, position: usize) -> ValueView<'_> {
        self.results[position].view()
    }
}
