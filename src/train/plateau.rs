//! A rate that falls where a measure no longer does. In: a measure, epoch by epoch. Out: a factor of the rate, which depends on
//! these numbers alone, so that a resumed training finds it again.

/// Multiplies the rates of the optimizer by `factor` after `epochs` in a row without a better value of a measure on the
/// validation set, and again after as many more.
///
/// # Example
/// ```
/// use pullback::train::Plateau;
/// let halved = Plateau::new(0.5, 2);
/// // The third and the fourth are no better than the second.
/// assert_eq!(halved.factor_after([0.9, 0.5, 0.6, 0.5]), 0.5);
/// assert_eq!(halved.factor_after([0.9, 0.5, 0.6, 0.5, 0.4, 0.6]), 0.5);
/// ```
#[doc(alias = "ReduceLROnPlateau")]
#[derive(Debug, Clone, PartialEq)]
pub struct Plateau {
    pub(super) factor: f64,
    epochs: u64,
    pub(super) measure: String,
    pub(super) min_delta: f64,
    least: f64,
}

impl Plateau {
    /// Waits so many epochs, at least one, for a lower loss; then the rate is multiplied by `factor`, in [0, 1).
    pub fn new(factor: f64, epochs: u64) -> Plateau {
        Plateau { factor, epochs: epochs.max(1), measure: "loss".to_owned(), min_delta: 0.0, least: 0.0 }
    }

    /// Watches another measure than the loss; less is better.
    #[doc(alias = "monitor")]
    pub fn on(self, measure: impl Into<String>) -> Plateau {
        Plateau { measure: measure.into(), ..self }
    }

    /// Counts as better only what is lower by more than this.
    #[doc(alias = "threshold")]
    pub fn min_delta(self, min_delta: f64) -> Plateau {
        Plateau { min_delta, ..self }
    }

    /// The rate does not fall below this part of what it would be without a plateau: 0.01 is a hundredth of it.
    pub fn at_least(self, least: f64) -> Plateau {
        Plateau { least, ..self }
    }

    /// What the rate is multiplied by after epochs with these values.
    pub fn factor_after(&self, values: impl IntoIterator<Item = f64>) -> f64 {
        let (mut best, mut n_waited, mut factor) = (f64::INFINITY, 0, 1.0);
        for value in values {
            let is_better = value < best - self.min_delta;
            (best, n_waited) = if is_better { (value, 0) } else { (best, n_waited + 1) };
            if n_waited >= self.epochs {
                (factor, n_waited) = (f64::max(factor * self.factor, self.least), 0);
            }
        }
        factor
    }
}
