//! What makes an optimizer of a rule. In: its name, what it keeps, and its update at a step. Out: steps, states and restored
//! states, written once for all rules. An update is of one level: by element (`elementwise.rs`) or by parameter
//! (`parameterwise.rs`).

use super::{OptimizerError, alignment::Alignment};
use crate::parameters::{Buffers, Parameters};

/// A rule with `N` arrays that it keeps between steps. [`optimizer`] makes an [`Optimizer`](super::Optimizer) of it.
pub(super) trait UpdateRule<const N: usize> {
    /// What the arrays are called in a checkpoint.
    const KEEPS: [&'static str; N];

    /// The wrapper of its level around what becomes of one thing of that level.
    type Update: Update<N>;

    /// What its state is called in a checkpoint: a name of its own wherever the arrays mean something else.
    fn name(&self) -> &'static str;

    /// Its update at a step, counted from 0.
    ///
    /// # Errors
    /// A hyperparameter is out of its range.
    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError>;
}

/// A step of some parameters.
pub(super) trait Update<const N: usize> {
    /// Checks the numbers that hyperparameters make.
    ///
    /// # Errors
    /// One is not finite in f32.
    fn check(&self) -> Result<(), OptimizerError>;

    /// Takes it, once it was checked.
    fn apply(self, arrays: UpdateArrays<'_, N>);
}

/// What a step reads and writes.
pub(super) struct UpdateArrays<'a, const N: usize> {
    /// Where what is moved lies in each of the others.
    pub(super) alignment: &'a Alignment,
    pub(super) parameters: &'a mut Parameters,
    pub(super) gradients: &'a Buffers,
    /// In the layout of what is moved.
    pub(super) kept: &'a mut [Buffers; N],
    /// Memory that no step finds as another left it, empty until an update gives it a layout.
    pub(super) scratch: &'a mut Buffers,
}

/// The optimizer of a rule that has its [`RuleState`](super::state::RuleState) in a field `state`, and its schedule in a field `rate`
/// or in the one that is named.
macro_rules! optimizer {
    ($rule:ident) => {
        $crate::optim::rule::optimizer!($rule, rate);
    };
    ($rule:ident, $($schedule:ident).+) => {
        impl $crate::optim::Optimizer for $rule {
            fn check_part(
                &self,
                parameters: &$crate::Parameters,
                gradients: &$crate::Gradients,
                part: &std::sync::Arc<$crate::parameters::Layout>,
            ) -> Result<(), $crate::optim::OptimizerError> {
                self.state.check(parameters, gradients, part)?;
                $crate::optim::rule::Update::check(&self.update_at(self.state.step())?)
            }

            fn step_part(
                &mut self,
                parameters: &mut $crate::Parameters,
                gradients: &$crate::Gradients,
                part: &std::sync::Arc<$crate::parameters::Layout>,
            ) -> Result<(), $crate::optim::OptimizerError> {
                self.state.check(parameters, gradients, part)?;
                let update = self.update_at(self.state.step())?;
                $crate::optim::rule::Update::check(&update)?;
                self.state.advance(update, parameters, gradients, part);
                Ok(())
            }

            fn scale_rate(&mut self, factor: f64) {
                self.state.scale_rate(factor);
            }

            fn rates(&self) -> Vec<$crate::optim::GroupRate> {
                vec![$crate::optim::GroupRate::of_all(self.state.unchecked_rate(&self.$($schedule).+))]
            }

            fn averages(&self) -> Option<Vec<&$crate::parameters::Buffers>> {
                None
            }

            fn state(&self) -> $crate::optim::OptimizerState {
                self.state.save(self.name(), Self::KEEPS)
            }

            fn restore(&mut self, state: $crate::optim::OptimizerState) -> Result<(), $crate::optim::OptimizerError> {
                let name = self.name();
                self.state.restore(name, Self::KEEPS, state)
            }
        }
    };
}
pub(super) use optimizer;
