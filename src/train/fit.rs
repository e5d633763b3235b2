//! How a training goes. In: choices of the user. Out: a [`Fit`], a plain value.

use super::{checkpoint::Checkpoint, plateau::Plateau};

/// When to stop before the last epoch: `epochs` in a row without a better value of `measure` on the validation set.
#[doc(alias = "early_stopping")]
#[derive(Debug, Clone, PartialEq)]
pub struct Patience {
    pub(super) epochs: u64,
    pub(super) measure: String,
    pub(super) min_delta: f64,
}

impl Patience {
    /// Waits so many epochs for a lower loss.
    pub fn new(epochs: u64) -> Patience {
        Patience { epochs, measure: "loss".to_owned(), min_delta: 0.0 }
    }

    /// Watches another measure than the loss; less is better.
    #[doc(alias = "monitor")]
    pub fn on(self, measure: impl Into<String>) -> Patience {
        Patience { measure: measure.into(), ..self }
    }

    /// Counts as better only what is lower by more than this.
    #[doc(alias = "least_gain")]
    pub fn min_delta(self, min_delta: f64) -> Patience {
        Patience { min_delta, ..self }
    }
}

/// How many epochs, in which batches, and what else happens.
///
/// # Example
/// ```
/// use pullback::train::{Checkpoint, Fit, Patience};
/// let fit = Fit::new(100, 64)
///     .seed(7)
///     .patience(Patience::new(5).on("error"))
///     .clip_norm(1.0)
///     .checkpoint(Checkpoint::new("run.safetensors").every_steps(500));
/// ```
#[doc(alias = "TrainingArguments")]
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    pub(super) epochs: u64,
    pub(super) batch_size: usize,
    pub(super) seed: u64,
    pub(super) accumulate: usize,
    pub(super) clip_norm: Option<f64>,
    pub(super) clip_value: Option<f64>,
    pub(super) patience: Option<Patience>,
    pub(super) plateau: Option<Plateau>,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) level: f64,
}

impl Fit {
    /// So many epochs in batches of so many examples, the last of an epoch shorter where they do not divide.
    pub fn new(epochs: u64, batch_size: usize) -> Fit {
        Fit {
            epochs,
            batch_size,
            seed: 0,
            accumulate: 1,
            clip_norm: None,
            clip_value: None,
            patience: None,
            plateau: None,
            checkpoint: None,
            level: 0.95,
        }
    }

    /// The seed of the order of examples, 0 unless set: the order of an epoch depends on seed and epoch alone.
    pub fn seed(self, seed: u64) -> Fit {
        Fit { seed, ..self }
    }

    /// Adds up the gradients of so many batches for one step, weighted by their examples, as if they were one batch; at
    /// least one. What is left at the end of an epoch is a step of its own.
    #[doc(alias = "gradient_accumulation")]
    pub fn accumulate(self, batches: usize) -> Fit {
        Fit { accumulate: batches.max(1), ..self }
    }

    /// Scales gradients down to this Euclidean norm where theirs is greater.
    pub fn clip_norm(self, most: f64) -> Fit {
        Fit { clip_norm: Some(most), ..self }
    }

    /// Bounds each element of the gradients by this in absolute value, after their norm.
    pub fn clip_value(self, most: f64) -> Fit {
        Fit { clip_value: Some(most), ..self }
    }

    /// Stops early, and gives the parameters of the best epoch in place of the last one's.
    pub fn patience(self, patience: Patience) -> Fit {
        Fit { patience: Some(patience), ..self }
    }

    /// Lowers the rates of the optimizer where a measure no longer falls.
    pub fn plateau(self, plateau: Plateau) -> Fit {
        Fit { plateau: Some(plateau), ..self }
    }

    /// Keeps a file from which a stopped training goes on.
    pub fn checkpoint(self, checkpoint: Checkpoint) -> Fit {
        Fit { checkpoint: Some(checkpoint), ..self }
    }

    /// The confidence level of intervals, 0.95 unless set.
    pub fn level(self, level: f64) -> Fit {
        Fit { level, ..self }
    }
}
