//! What a rule remembers between steps. In: names, and the layout of the parameters. Out: a step count, and buffers in
//! that layout, zero at first; a checkpoint of both, and both from a checkpoint. Which buffer means what is each rule's.

use std::sync::Arc;

use super::{
    OptimizerError, OptimizerState,
    elementwise::{Checked, Elementwise, descend},
    error::{MOST_STEPS, is_same},
};
use crate::parameters::{Buffers, Gradients, Layout, Parameters};

/// A step count and `N` buffers of one layout, made when they are first asked for.
#[derive(Debug, Clone)]
pub(super) struct State<const N: usize> {
    rule: &'static str,
    names: [&'static str; N],
    step: u64,
    buffers: Option<[Buffers; N]>,
}

impl<const N: usize> State<N> {
    /// No step and no buffers yet, of the rule and with the buffers that are called so in a checkpoint.
    pub(super) const fn new(rule: &'static str, names: [&'static str; N]) -> State<N> {
        State { rule, names, step: 0, buffers: None }
    }

    /// How many steps were taken.
    pub(super) fn step(&self) -> u64 {
        self.step
    }

    /// The buffers, if there are any yet.
    pub(super) fn buffers(&self) -> Option<&[Buffers; N]> {
        self.buffers.as_ref()
    }

    /// Takes a step that `rule` describes, and counts it. The layouts of parameters and gradients were compared.
    ///
    /// # Errors
    /// A number of the rule is not finite in f32, or there are buffers of another layout; nothing is changed then.
    pub(super) fn advance<const K: usize>(
        &mut self,
        rule: impl Elementwise<N, K>,
        parameters: &mut Parameters,
        gradients: &Gradients,
    ) -> Result<(), OptimizerError> {
        let rule = Checked::new(rule)?;
        let buffers = self.in_layout(parameters.layout())?;
        descend(rule, parameters, gradients, buffers);
        self.step += 1;
        Ok(())
    }

    /// Counts a step that was taken otherwise.
    pub(super) fn count(&mut self) {
        self.step += 1;
    }

    /// A copy of all of it.
    pub(super) fn save(&self) -> OptimizerState {
        let arrays = self.buffers.iter().flatten().cloned();
        OptimizerState::new(self.rule, self.step, self.names.into_iter().zip(arrays))
    }

    /// Becomes what was saved.
    ///
    /// # Errors
    /// It is another rule's, other arrays, of another layout than the buffers that there are, or of more steps than can
    /// have been taken; nothing is changed then.
    pub(super) fn restore(&mut self, saved: OptimizerState) -> Result<(), OptimizerError> {
        self.check(&saved)?;
        self.step = saved.step();
        let arrays = saved.into_arrays();
        let to_array = |arrays: Vec<Buffers>| arrays.try_into().expect("invariant: there are as many arrays as names");
        self.buffers = (!arrays.is_empty()).then(|| to_array(arrays));
        Ok(())
    }

    /// Checks that `saved` is of this rule and of one layout, which is that of the buffers that there are.
    fn check(&self, saved: &OptimizerState) -> Result<(), OptimizerError> {
        if saved.rule() != self.rule {
            return Err(OptimizerError::Rule { expected: self.rule, found: saved.rule().to_owned() });
        }
        if saved.step() > MOST_STEPS {
            return Err(OptimizerError::Steps { found: saved.step() });
        }
        let is_unused = saved.step() == 0 && saved.is_empty();
        if !is_unused && !saved.names().eq(self.names) {
            let found = saved.names().map(str::to_owned).collect();
            return Err(OptimizerError::Arrays { rule: self.rule, expected: self.names.to_vec(), found });
        }
        // Those that there are come first, and so say which layout the others must have.
        let own = self.buffers.iter().flatten();
        let mut layouts = own.chain(saved.iter().map(|(_, array)| array)).map(Buffers::layout);
        if let Some(expected) = layouts.next()
            && let Some(found) = layouts.find(|found| !is_same(found, expected))
        {
            return Err(OptimizerError::State { expected: Arc::clone(expected), found: Arc::clone(found) });
        }
        Ok(())
    }

    /// The buffers, all zero if there were none.
    ///
    /// # Errors
    /// There are buffers of another layout; they are kept.
    fn in_layout(&mut self, layout: &Arc<Layout>) -> Result<&mut [Buffers; N], OptimizerError> {
        let make = || std::array::from_fn(|_| Buffers::zeros(Arc::clone(layout)));
        let buffers = self.buffers.get_or_insert_with(make);
        // Restored buffers have an equal layout of their own: later steps compare addresses again.
        let other = buffers.iter_mut().find_map(|buffers| (!buffers.share_layout(layout)).then_some(buffers.layout()));
        match other {
            Some(other) => Err(OptimizerError::State { expected: Arc::clone(other), found: Arc::clone(layout) }),
            None => Ok(self.buffers.as_mut().expect("invariant: they were made above")),
        }
    }
}
