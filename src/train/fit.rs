//! How a training goes. In: choices of the user. Out: a [`Fit`], a plain value.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{checkpoint::Checkpoint, plateau::Plateau};
use crate::data::Batching;

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
    pub(super) batching: Batching,
    pub(super) seed: u64,
    pub(super) accumulate: usize,
    pub(super) clip_norm: Option<f64>,
    pub(super) clip_value: Option<f64>,
    pub(super) patience: Option<Patience>,
    pub(super) plateau: Option<Plateau>,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) level: f64,
    pub(super) stop_flag: Option<StopFlag>,
    pub(super) weights: KeptWeights,
}

/// Which weights are measured and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeptWeights {
    Last,
    Averages,
}

/// A flag that another thread sets; equal to itself alone.
#[derive(Debug, Clone)]
pub(super) struct StopFlag(Arc<AtomicBool>);

impl PartialEq for StopFlag {
    fn eq(&self, other: &StopFlag) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Fit {
    /// So many epochs in batches of so many examples, in random order and the last of an epoch shorter where they do not divide;
    /// or in such batches as a [`Batching`] says.
    pub fn new(epochs: u64, batching: impl Into<Batching>) -> Fit {
        Fit {
            epochs,
            batching: batching.into(),
            seed: 0,
            accumulate: 1,
            clip_norm: None,
            clip_value: None,
            patience: None,
            plateau: None,
            checkpoint: None,
            level: 0.95,
            stop_flag: None,
            weights: KeptWeights::Last,
        }
    }

    /// The seed of the order of examples, 0 unless set: the order of an epoch depends on seed and epoch alone.
    pub fn seed(self, seed: u64) -> Fit {
        Fit { seed, ..self }
    }

    /// Adds up the gradients of so many batches for one step, weighted by their examples (or by the weights of these), as if
    /// they were one batch; at least one. What is left at the end of an epoch is a step of its own. These are the batches that
    /// [several processes](super::Trainer::over) share.
    ///
    /// The sum is that of a fixed tree, of which log₂ of so many gradients are kept, rounded up, and one more. Running averages of a
    /// model, as of a batch norm, become the mean of what the batches of a step make of them: a step moves them once. Other states go
    /// from batch to batch.
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

    /// Validates by the averages that the optimizer keeps, such as [`Averaged`](crate::optim::Averaged), keeps those of the best
    /// epoch if there is [`Patience`], and gives averages at the end in place of the weights themselves, by which training goes on.
    /// As long as there is no average, it is the weights.
    ///
    /// Running averages of the model, as of a batch norm, are of other weights: they are computed anew for averages, by
    /// [`Trainer::update_statistics`](super::Trainer::update_statistics) over the batches of the epoch. A model that has some is
    /// evaluated once more on all training examples after each epoch for it.
    ///
    /// # Example
    /// ```
    /// use pullback::{
    ///     DType, Graph, data::digits, nn::{cross_entropy, linear}, optim::{Adam, Averaged}, train::{Fit, Patience, Trainer},
    /// };
    /// let g = Graph::new();
    /// let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    /// let mut trainer = Trainer::new(cross_entropy(linear(x, "out", 10), label), [])?;
    /// let (split, mut parameters) = (digits().first(400).split(0.25, 0)?, g.initialize(0)?);
    /// let mut rule = Averaged::ema(Adam::new(1e-2), 0.9);
    /// let training = trainer.training(&mut parameters, &mut rule).validate(&split.test);
    /// training.fit(&split.train, &Fit::new(4, 32).patience(Patience::new(2)).by_averages())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("ema", "swa"))]
    pub fn by_averages(self) -> Fit {
        Fit { weights: KeptWeights::Averages, ..self }
    }

    /// Keeps a file from which a stopped training goes on.
    pub fn checkpoint(self, checkpoint: Checkpoint) -> Fit {
        Fit { checkpoint: Some(checkpoint), ..self }
    }

    /// Ends the training where this flag is true before a step: with its checkpoint written, if there is one, and with a report
    /// of what was reached. Another thread sets it, or a handler of Ctrl-C.
    ///
    /// # Example
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
    /// use pullback::train::Fit;
    /// let stop = Arc::new(AtomicBool::new(false));
    /// let fit = Fit::new(100, 64).stop_flag(Arc::clone(&stop));
    /// // Anywhere else:
    /// stop.store(true, Ordering::Relaxed);
    /// ```
    #[doc(alias("cancel", "interrupt", "ctrl_c"))]
    pub fn stop_flag(self, flag: Arc<AtomicBool>) -> Fit {
        Fit { stop_flag: Some(StopFlag(flag)), ..self }
    }

    /// Whether the flag says to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop_flag.as_ref().is_some_and(|flag| flag.0.load(Ordering::Relaxed))
    }

    /// The confidence level of intervals, 0.95 unless set.
    pub fn level(self, level: f64) -> Fit {
        Fit { level, ..self }
    }
}
