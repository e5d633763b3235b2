//! Where a training is: all that its rest depends on, beside parameters, optimizer and data. In: what happened. Out: what
//! is asked when the next thing is to happen.

use super::history::History;
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
    /// What each measure was over the batches of this epoch.
    pub(super) running: Vec<Running>,
    pub(super) best: Option<Best>,
    pub(super) history: History,
}

/// A mean that is not finished.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Running {
    pub(super) sum: f64,
    pub(super) n_examples: u64,
}

/// The epoch with the least value of what is watched.
#[derive(Debug, Clone)]
pub(super) struct Best {
    pub(super) epoch: u64,
    pub(super) value: f64,
    pub(super) parameters: Parameters,
}

impl TrainingState {
    pub(super) fn new(names: Vec<String>) -> TrainingState {
        TrainingState {
            epoch: 0,
            batch: 0,
            step: 0,
            waited: 0,
            running: vec![Running::default(); names.len()],
            best: None,
            history: History::new(names),
        }
    }
}

impl Running {
    pub(super) fn mean(self) -> f64 {
        self.sum / self.n_examples as f64
    }
}
