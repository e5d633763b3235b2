//! Who watches training. In: what happened. Out: whether to go on.

use std::ops::ControlFlow;

use super::history::Epoch;
use crate::{optim::GroupRate, parameters::Parameters};

/// One step that was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Step<'a> {
    /// On which rank this observer is: 0, but where [several processes](super::Trainer::over) train together.
    pub rank: usize,
    /// The epoch, from 1.
    pub epoch: u64,
    /// How many epochs the training has, if nothing ends it before.
    pub n_epochs: u64,
    /// The step since the beginning, from 1.
    pub step: u64,
    /// The step within the epoch, from 1.
    pub step_of_epoch: usize,
    /// How many steps the epoch has, if the source knows it.
    pub n_steps: Option<usize>,
    /// How many examples it was of.
    pub n_examples: usize,
    /// The mean loss of the batch, with penalties, before the step.
    pub loss: f64,
    /// The Euclidean norm of the gradient of all parameters, before it was clipped.
    pub gradient_norm: f64,
    /// The rates at which the step was taken, as [`Optimizer::rates`](crate::optim::Optimizer::rates) tells them: one, or one of
    /// each group.
    pub rates: &'a [GroupRate],
}

/// Is told of every step and every epoch, and may end the training; both methods do nothing unless written.
///
/// Where [several processes](super::Trainer::over) train together, those of each are told the same, and the first rank with an
/// observer that ends the training ends it for all.
///
/// # Example
/// ```
/// use std::ops::ControlFlow;
/// use pullback::{Parameters, train::{Epoch, Observer}};
///
/// /// Ends the training at a goal.
/// struct Goal(f64);
///
/// impl Observer for Goal {
///     fn epoch(&mut self, epoch: &Epoch, _: &Parameters) -> ControlFlow<()> {
///         if epoch.train[0] < self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
///     }
/// }
/// ```
#[doc(alias = "callback")]
pub trait Observer {
    /// After a step.
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<()> {
        let _ = step;
        ControlFlow::Continue(())
    }

    /// After an epoch and its validation, with the parameters as they are.
    fn epoch(&mut self, epoch: &Epoch, parameters: &Parameters) -> ControlFlow<()> {
        let _ = (epoch, parameters);
        ControlFlow::Continue(())
    }
}
