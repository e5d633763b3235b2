//! What a rule remembers between steps. In: the updates of its steps. Out: a step count, and buffers in the layout of what it
//! moves, zero at first; a checkpoint of both, and both from a checkpoint. Which buffer means what is each rule's.

use std::sync::Arc;

use super::{
    OptimizerError, OptimizerState, Schedule,
    alignment::Alignment,
    error::{MAX_STEPS, check_rate, is_same},
    rule::{Update, UpdateArrays},
};
use crate::parameters::{Buffers, Gradients, Layout, Parameters};

/// A step count and `N` buffers of one layout, made at the first step.
#[derive(Debug, Clone, Default)]
pub(super) struct RuleState<const N: usize> {
    step: u64,
    buffers: Option<[Buffers; N]>,
    /// Memory of the steps, of which nothing is remembered.
    scratch: Buffers,
    alignment: Alignment,
    /// What rates are multiplied by, if it is not 1; no part of what is saved.
    rate_factor: Option<f64>,
}

impl<const N: usize> RuleState<N> {
    /// How many steps were taken.
    pub(super) fn step(&self) -> u64 {
        self.step
    }

    /// Multiplies the rates of later steps.
    pub(super) fn scale_rate(&mut self, factor: f64) {
        self.rate_factor = Some(factor);
    }

    /// What rates are multiplied by.
    pub(super) fn rate_factor(&self) -> f64 {
        self.rate_factor.unwrap_or(1.0)
    }

    /// The rate of a schedule at a step, multiplied.
    ///
    /// # Errors
    /// It is negative, or not finite in f32.
    pub(super) fn rate(&self, schedule: &Schedule, step: u64) -> Result<f64, OptimizerError> {
        check_rate(schedule, step, self.rate_factor())
    }

    /// The rate of the step to come, whether or not it makes sense.
    pub(super) fn unchecked_rate(&self, schedule: &Schedule) -> f64 {
        schedule.rate(self.step) * self.rate_factor()
    }

    /// The buffers, if there are any yet.
    pub(super) fn buffers(&self) -> Option<&[Buffers; N]> {
        self.buffers.as_ref()
    }

    /// Checks that `part` is of the parameters and of the gradients, and what earlier steps moved.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn check(
        &self,
        parameters: &Parameters,
        gradients: &Gradients,
        part: &Arc<Layout>,
    ) -> Result<(), OptimizerError> {
        self.alignment.check(part, parameters.layout(), gradients.layout())?;
        let mut known = self.buffers.iter().flatten().map(Buffers::layout);
        match known.find(|known| !is_same(known, part)) {
            Some(known) => Err(OptimizerError::State { expected: Arc::clone(known), found: Arc::clone(part) }),
            None => Ok(()),
        }
    }

    /// Takes a step, which was checked, and counts it.
    pub(super) fn advance(
        &mut self,
        update: impl Update<N>,
        parameters: &mut Parameters,
        gradients: &Gradients,
        part: &Arc<Layout>,
    ) {
        self.alignment.follow(part, parameters.layout(), gradients.layout());
        let kept = self.buffers.get_or_insert_with(|| std::array::from_fn(|_| Buffers::zeros(Arc::clone(part))));
        // Restored buffers have an equal layout of their own: later steps compare addresses again.
        for buffers in kept.iter_mut() {
            buffers.share_layout(part);
        }
        let (alignment, scratch) = (&self.alignment, &mut self.scratch);
        update.apply(UpdateArrays { alignment, parameters, gradients, kept, scratch });
        self.step += 1;
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
        self.check_saved(rule, names, &saved)?;
        self.step = saved.step();
        let arrays = saved.into_arrays();
        let to_array = |arrays: Vec<Buffers>| arrays.try_into().expect("invariant: there are as many arrays as names");
        self.buffers = (!arrays.is_empty()).then(|| to_array(arrays));
        Ok(())
    }

    /// Checks that `saved` is of this rule and of one layout, which is that of the buffers that there are.
    fn check_saved(
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
        if saved.parts().len() > 0 {
            let found = saved.parts().map(|(name, _)| name.to_owned()).collect();
            return Err(OptimizerError::Parts { rule, expected: Vec::new(), found });
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
