//! What came of a training. In: measures on both sets. Out: a [`Report`], printable.

use std::fmt;

use super::history::History;
use crate::{numbers::rounded, risk::Estimate};

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Stop {
    /// All epochs are done.
    Epochs,
    /// What is watched was not better for as many epochs as patience lasts.
    Patience,
    /// An observer said so.
    Observer,
    /// The flag of [`Fit::stop_flag`](super::Fit::stop_flag) was set.
    Flag,
}

/// One measure of the parameters at the end.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// The mean over the training set: for a loss, the empirical risk.
    pub training: f64,
    /// The mean over the validation set, as an estimate of that over all examples there may be.
    pub held_out: Option<Estimate>,
    /// The generalization gap, expected less training, estimated as held out less training.
    ///
    /// Where the validation set has chosen the epoch, it has seen the parameters, and is a little too kind to them: measure
    /// a test set by [`Trainer::evaluate`](super::Trainer::evaluate).
    pub generalization_gap: Option<Estimate>,
}

/// The end of a training.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Report {
    /// All epochs.
    pub history: History,
    /// Why it ended.
    pub stop: Stop,
    /// The epoch whose parameters were kept, if there was [`Patience`](super::Patience).
    pub best_epoch: Option<u64>,
    /// Each measure of the parameters that were kept.
    pub measures: Vec<Summary>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_epochs = self.history.epochs().len();
        match self.best_epoch {
            Some(best) => writeln!(f, "{n_epochs} epochs, the best is {best}")?,
            None => writeln!(f, "{n_epochs} epochs")?,
        }
        for Summary { name, training, held_out, generalization_gap } in &self.measures {
            write!(f, "{name}: training {}", rounded(*training, 4))?;
            if let (Some(held_out), Some(gap)) = (held_out, generalization_gap) {
                write!(f, ", held out {held_out}, generalization gap {gap}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
