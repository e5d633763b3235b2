//! Update rules. In: parameters and their gradients. Out: the parameters, updated in place. No rule sees a graph, and
//! none loops, measures or stops: that is training's.

mod ada_max;
mod adagrad;
mod adam;
mod adam_w;
mod alignment;
mod ams_grad;
mod averaged;
mod checkpoint;
mod elementwise;
mod error;
mod group_rate;
mod groups;
mod heavy_ball;
mod lamb;
mod lars;
mod lion;
mod members;
mod muon;
mod n_adam;
mod nesterov;
mod newton_schulz;
mod parameterwise;
mod perturbed_sgd;
mod r_adam;
mod ranges;
mod rms_prop;
mod row;
mod rule;
mod schedule;
mod sgd;
mod sign_sgd;
mod state;
mod sweep;
#[cfg(test)]
mod tests;
mod uniform;

use std::sync::Arc;

use crate::parameters::{Buffers, Gradients, Layout, Parameters};

pub use ada_max::AdaMax;
pub use adagrad::AdaGrad;
pub use adam::Adam;
pub use adam_w::AdamW;
pub use ams_grad::AmsGrad;
pub use averaged::Averaged;
pub use checkpoint::OptimizerState;
pub use error::OptimizerError;
pub use group_rate::GroupRate;
pub use groups::Groups;
pub use heavy_ball::HeavyBall;
pub use lamb::Lamb;
pub use lars::Lars;
pub use lion::Lion;
pub use muon::Muon;
pub use n_adam::NAdam;
pub use nesterov::Nesterov;
pub use perturbed_sgd::PerturbedSgd;
pub use r_adam::RAdam;
pub use rms_prop::RmsProp;
pub use row::{Momentum, Row, Scaling};
pub use schedule::Schedule;
pub use sgd::Sgd;
pub use sign_sgd::SignSgd;
pub use sweep::Sweep;
pub use uniform::Uniform;

/// A rule that moves parameters against their gradients.
///
/// The arithmetic is done in each parameter's own dtype, element by element in memory order, so that a step is the same
/// bit for bit wherever it runs, on any number of threads. From 1 MiB of parameters on, a step takes all that the machine
/// runs at once, unless a program is using them. NaN in a gradient becomes NaN in its parameter, and in what the rule
/// remembers of it, so that it stays NaN; no other parameter is touched by it. (A rule that asks for the length of an array,
/// as [`Lars`] does, makes all of that array NaN.)
///
/// A rule is resumed from a checkpoint by its [state](Optimizer::state); rates are functions of the step. Gradients are
/// clipped, decayed and accumulated by the methods of [`Gradients`], before the step.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Adam, HeavyBall, Optimizer, Sgd}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layout = Layout::new([("w", DType::F64, vec![2])])?;
/// let rules: [Box<dyn Optimizer>; 3] =
///     [Box::new(Sgd::new(0.1)), Box::new(HeavyBall::new(0.1, 0.9)), Box::new(Adam::new(0.1))];
/// for mut rule in rules {
///     let mut parameters = Parameters::zeros(layout.clone());
///     let mut gradients = Gradients::zeros(parameters.layout().clone());
///     gradients.flat_mut::<f64>()?.fill(1.0);
///     rule.step(&mut parameters, &gradients)?;
///     assert!(parameters.flat::<f64>()?.iter().all(|w| (w + 0.1).abs() < 1e-8));
/// }
/// # Ok(())
/// # }
/// ```
pub trait Optimizer {
    /// Takes one step of all parameters that have a gradient.
    ///
    /// Gradients may lack parameters: what lacks one is not touched, neither moved nor decayed, and nothing is kept of it. Those
    /// that there are have the types of their parameters, and their order.
    ///
    /// The first step makes the rule's state, in the layout of the gradients; later steps allocate nothing.
    ///
    /// # Errors
    /// `gradients` are not of `parameters`, earlier steps had gradients of other parameters, or a hyperparameter is out of its
    /// range. Nothing is changed then, neither parameters nor state nor step count.
    fn step(&mut self, parameters: &mut Parameters, gradients: &Gradients) -> Result<(), OptimizerError> {
        self.step_part(parameters, gradients, gradients.layout())
    }

    /// Takes one step of the parameters of `part` alone, a layout of some of the gradients' arrays in their order. Its state
    /// is in that layout: another part is for another optimizer, as in [`Groups`].
    ///
    /// # Errors
    /// As for [`Optimizer::step`], of that part.
    fn step_part(
        &mut self,
        parameters: &mut Parameters,
        gradients: &Gradients,
        part: &Arc<Layout>,
    ) -> Result<(), OptimizerError>;

    /// Whether [`Optimizer::step_part`] would take the step: an optimizer that is made of others asks all of them before any of
    /// them moves.
    ///
    /// # Errors
    /// Those of that step.
    fn check_part(
        &self,
        parameters: &Parameters,
        gradients: &Gradients,
        part: &Arc<Layout>,
    ) -> Result<(), OptimizerError>;

    /// Multiplies the rates of later steps by a factor, in place of an earlier one; 1 takes it back. It is no part of the state:
    /// whoever resumes an optimizer says it again, as a training with a [`Plateau`](crate::train::Plateau) does.
    fn scale_rate(&mut self, factor: f64);

    /// The rates of the step to come, as its schedules say and [`Optimizer::scale_rate`] multiplies them: one without a group of a
    /// rule alone, and one of each group of an optimizer that is made of others.
    ///
    /// # Example
    /// ```
    /// use pullback::optim::{AdamW, Groups, Optimizer, Sgd};
    /// let mut rule = Groups::new(AdamW::new(1e-3)).group(["*.bias"], Sgd::new(0.5));
    /// rule.scale_rate(0.5);
    /// let rates: Vec<String> = rule.rates().iter().map(|rate| rate.to_string()).collect();
    /// assert_eq!(rates, ["*.bias: 0.25", "others: 0.0005"]);
    /// assert_eq!(Sgd::new(0.1).rates()[0].rate, 0.1);
    /// ```
    #[doc(alias("get_last_lr", "learning_rate"))]
    fn rates(&self) -> Vec<GroupRate>;

    /// The averages of weights that it keeps, as [`Averaged`] does: none at all, or those that there are so far, each in the layout
    /// of what it averages.
    fn averages(&self) -> Option<Vec<&Buffers>>;

    /// A copy of what it remembers: the step count, arrays in the layout of what it moves, and the states of the optimizers that
    /// it is made of.
    ///
    /// # Complexity
    /// One copy of each array.
    #[doc(alias = "state_dict")]
    fn state(&self) -> OptimizerState;

    /// Becomes the optimizer that `state` was taken of, if that had the same hyperparameters: later steps are the same bit
    /// for bit.
    ///
    /// # Errors
    /// `state` is another rule's, has other arrays than this rule remembers, or arrays of different layouts, or of
    /// another layout than earlier steps of this optimizer, or is of more than 2⁵³ steps. Nothing is changed then. An
    /// optimizer that has taken no steps takes any layout; the next step compares it with that of its parameters.
    #[doc(alias = "load_state_dict")]
    fn restore(&mut self, state: OptimizerState) -> Result<(), OptimizerError>;
}
