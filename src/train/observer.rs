//! Who watches training. In: what happened. Out: whether to go on.

use std::ops::ControlFlow;

use super::history::Epoch;
use crate::parameters::Parameters;

/// One step that was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The step since the beginning, from 1.
    pub step: u64,
    /// The step within the epoch, from 1.
    pub step_of_epoch: usize,
    /// How many steps the epoch has, if the source knows it.
    pub n_steps: Option<usize>,
    /// The mean loss of the batch, with penalties, before the step.
    pub loss: f64,
}

/// Is told of every step and every epoch, and may end the training; both methods do nothing unless written.
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
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        let _ = step;
        ControlFlow::Continue(())
    }

    /// After an epoch and its validation, with the parameters as they are.
    fn epoch(&mut self, epoch: &Epoch, parameters: &Parameters) -> ControlFlow<()> {
        let _ = (epoch, parameters);
        ControlFlow::Continue(())
    }
}
