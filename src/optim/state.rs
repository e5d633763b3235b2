//! What a rule remembers between steps. In: the updates of its steps. Out: a step count, and buffers in the layout of the
//! parameters, zero at first; a checkpoint of both, and both from a checkpoint. Which buffer means what is each rule's.

use std::sync::Arc;

use super::{
    OptimizerError, OptimizerState,
    error::{MAX_STEPS, is_same},
    rule::{Update, UpdateArrays},
};
use crate::parameters::{Buffers, Gradients, Parameters};

/// A step count and `N` buffers of one layout, made at the first step.
#[derive(Debug, Clone, Default)]
pub(super) struct RuleState<const N: usize> {
    step: u64,
    buffers: Option<[Buffers; N]>,
    /// Memory of the steps, of which nothing is remembered.
    scratch: Buffers,
}

impl<const N: usize> RuleState<N> {
    /// How many steps were taken.
    pub(super) fn step(&self) -> u64 {
        self.step
    }

    /// The buffers, if there are any yet.
    pub(super) fn buffers(&self) -> Option<&[Buffers; N]> {
        self.buffers.as_ref()
    }

    /// Takes a step and counts it. The layouts of parameters and gradients were compared.
    ///
    /// # Errors
    /// The update has one, or there are buffers of another layout; nothing is changed then.
    pub(super) fn advance(
        &mut self,
        update: impl Update<N>,
        parameters: &mut Parameters,
        gradients: &Gradients,
    ) -> Result<(), OptimizerError> {
        let is_first = self.buffers.is_none();
        let layout = parameters.layout();
        let buffers = self.buffers.get_or_insert_with(|| std::array::from_fn(|_| Buffers::zeros(Arc::clone(layout))));
        // Restored buffers have an equal layout of their own: later steps compare addresses again.
        if let Some(other) =
            buffers.iter_mut().find_map(|buffer| (!buffer.share_layout(layout)).then_some(buffer.layout()))
        {
            return Err(OptimizerError::State { expected: Arc::clone(other), found: Arc::clone(layout) });
        }
        let done = update.apply(UpdateArrays { parameters, gradients, kept: buffers, scratch: &mut self.scratch });
        match done {
            Ok(()) => self.step += 1,
            Err(_) if is_first => self.buffers = None,
            Err(_) => {}
        }
        done
    }

    /// A copy of all of it, under the names that a rule gives it and the buffers.
    pub(super) fn save(&self, rule: &'static str, names: [&'static str; N]) -> OptimizerState {
        let arrays = self.buffers.iter().flatten().cloned();
        OptimizerState::new(rule, self.step, names.into_iter().zip(arrays))
    }

    /// Becomes what was saved.
    ///
    /// # Errors
    /// It is another rule's, other arrays, of another layout than the buffers that there are, or of more steps than can
    /// have been taken; nothing is changed then.
    pub(super) fn restore(
        &mut self,
        rule: &'static str,
        names: [&'static str; N],
        saved: OptimizerState,
    ) -> Result<(), OptimizerError> {
        self.check(rule, names, &saved)?;
        self.step = saved.step();
        let arrays = saved.into_arrays();
        let to_array = |arrays: Vec<Buffers>| arrays.try_into().expect("invariant: there are as many arrays as names");
        self.buffers = (!arrays.is_empty()).then(|| to_array(arrays));
        Ok(())
    }

    /// Checks that `saved` is of this rule and of one layout, which is that of the buffers that there are.
    fn check(
        &self,
        rule: &'static str,
        names: [&'static str; N],
        saved: &OptimizerState,
    ) -> Result<(), OptimizerError> {
        if saved.rule() != rule {
            return Err(OptimizerError::Rule { expected: rule, found: saved.rule().to_owned() });
        }
        if saved.step() > MAX_STEPS {
            return Err(OptimizerError::Steps { found: saved.step() });
        }
        let is_unused = saved.step() == 0 && saved.is_empty();
        if !is_unused && !saved.names().eq(names) {
            let found = saved.names().map(str::to_owned).collect();
            return Err(OptimizerError::Arrays { rule, expected: names.to_vec(), found });
        }
        // Those that there are come first, and so say which layout the others must have.
        let buffers = self.buffers.iter().flatten();
        let mut layouts = buffers.chain(saved.iter().map(|(_, array)| array)).map(Buffers::layout);
        if let Some(expected) = layouts.next()
            && let Some(found) = layouts.find(|found| !is_same(found, expected))
        {
            return Err(OptimizerError::State { expected: Arc::clone(expected), found: Arc::clone(found) });
        }
        Ok(())
    }
}
