//! A tape with arrays of its own. In: numbers written into its leaves. Out: its results. Addresses are filled in once, so
//! that a run is its steps and nothing else.

use super::tape::{Arrays, Tape};
use crate::{
    graph::{Value, ValueView, ValueViewMut},
    program::{AttachedEngine, RunError},
};

/// A tape that is bound to arrays, which are lent from now on and never given away.
#[derive(Debug)]
pub(super) struct AttachedTape {
    tape: Tape,
    leaves: Vec<Value>,
    results: Vec<Value>,
    n_threads: usize,
}

impl AttachedTape {
    pub(super) fn new(
        mut tape: Tape,
        mut leaves: Vec<Value>,
        mut results: Vec<Value>,
        n_threads: usize,
    ) -> Result<AttachedTape, RunError> {
        let views: Vec<ValueView<'_>> = leaves.iter_mut().map(|leaf| leaf.view()).collect();
        let mut targets: Vec<ValueViewMut<'_>> = results.iter_mut().map(Value::view_mut).collect();
        tape.bind(&mut Arrays { leaves: &views, results: &mut targets })?;
        drop((views, targets));
        Ok(AttachedTape { tape, leaves, results, n_threads })
    }
}

impl AttachedEngine for AttachedTape {
    fn run(&mut self) -> Result<(), RunError> {
        self.tape.run_bound(self.n_threads)
    }

    fn leaf_mut(&mut self, position: usize) -> ValueViewMut<'_> {
        self.leaves[position].view_mut()
    }

    fn result(&self, position: usize) -> ValueView<'_> {
        self.results[position].view()
    }
}
