//! Where a training is: all that its rest depends on, beside parameters, optimizer and data. In: what happened. Out: what
//! is asked when the next thing is to happen.

use super::{history::History, measure::Sums};
use crate::parameters::Parameters;

#[derive(Debug, Clone)]
pub(super) struct TrainingState {
    /// Epochs that are done.
    pub(super) epoch: u64,
    /// Batches of the epoch at work that are done.
    pub(super) batch: u64,
    pub(super) step: u64,
    /// Epochs since the best.
    pub(super) waited: u64,
    /// What is measured, summed over the batches of this epoch.
    pub(super) running: Sums,
    pub(super) best: Option<Best>,
    pub(super) history: History,
}

/// A mean that is not finished: numbers times their weights, and the weights.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Running {
    pub(super) sum: f64,
    pub(super) weight: f64,
}

/// The epoch with the least value of what is watched.
#[derive(Debug, Clone)]
pub(super) struct Best {
    pub(super) epoch: u64,
    pub(super) value: f64,
    pub(super) parameters: Parameters,
}

impl TrainingState {
    pub(super) fn new(names: Vec<String>, running: Sums) -> TrainingState {
        TrainingState { epoch: 0, batch: 0, step: 0, waited: 0, running, best: None, history: History::new(names) }
    }
}

impl Running {
    pub(super) fn add(&mut self, other: Running) {
        self.sum += other.sum;
        self.weight += other.weight;
    }

    pub(super) fn mean(self) -> f64 {
        self.sum / self.weight
    }
}
