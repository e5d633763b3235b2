//! What a finite sample tells of a risk. In: losses or errors that were counted on examples. Out: an [`Estimate`] with its
//! confidence interval, and the generalization gap made of two of them. Nothing here runs a model.

mod confusion;
mod joint;

use std::fmt;

pub use confusion::ConfusionMatrix;
pub(crate) use joint::JointTally;

use crate::numbers::{rounded, short};

/// An estimate of an expectation with an interval that covers it in a fraction `level` of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Estimate {
    /// The mean over the sample.
    pub value: f64,
    /// The end of the interval below.
    pub lower: f64,
    /// The end of the interval above.
    pub upper: f64,
    /// The confidence level, in (0, 1).
    pub level: f64,
}

/// Why there is no estimate.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RiskError {
    /// The level is outside (0, 1).
    #[error("the confidence level is {}, but must be between 0 and 1, both excluded", short(*level))]
    Level {
        /// The level.
        level: f64,
    },
    /// Too few examples for an interval.
    #[error("{found} examples were counted, but an interval takes at least {expected}")]
    TooFew {
        /// How many it takes.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// More errors than examples.
    #[error("{n_errors} errors were counted among {n_examples} examples")]
    Counts {
        /// The number of errors.
        n_errors: u64,
        /// The number of examples.
        n_examples: u64,
    },
    /// The losses are not finite.
    #[error("the mean of the losses is {mean}, so that no interval can be told")]
    NotFinite {
        /// Their mean.
        mean: f64,
    },
    /// A label or prediction is no class.
    #[error("the {what} is {class}, but there are {n_classes} classes, counted from 0")]
    NoClass {
        /// Which of both.
        what: &'static str,
        /// What it is.
        class: i64,
        /// How many classes there are.
        n_classes: usize,
    },
    /// More or fewer names than classes.
    #[error("{found} names are given to {expected} classes")]
    Names {
        /// How many classes there are.
        expected: usize,
        /// How many names.
        found: usize,
    },
    /// A loss is outside the range that was promised.
    #[error("a loss of {} is outside 0 to {}", short(*loss), short(*range))]
    Range {
        /// The loss, or the range itself if that is not positive and finite.
        loss: f64,
        /// The range promised.
        range: f64,
    },
}

/// The rate of errors, with Wilson's interval: (p̂ + z²/2n ± z√(p̂(1 − p̂)/n + z²/4n²))/(1 + z²/n), z the normal quantile of
/// (1 + level)/2. It lies within [0, 1], and is of use where no error was seen, when p̂ ± z√(p̂(1 − p̂)/n) would be a point.
///
/// # Errors
/// The level is outside (0, 1), there is no example, or there are more errors than examples.
///
/// # Source
/// Wilson, *Probable inference, the law of succession, and statistical inference*, 1927; recommended in Brown, Cai and
/// DasGupta, *Interval estimation for a binomial proportion*, 2001, eq. 4.
///
/// # Example
/// ```
/// use pullback::risk::error_rate;
/// let rate = error_rate(9, 300, 0.95)?;
/// assert_eq!(rate.to_string(), "0.0300 (95 %: 0.0159 to 0.0560)");
/// assert!(error_rate(0, 300, 0.95)?.upper > 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("wilson_interval", "proportion_confint", "accuracy"))]
pub fn error_rate(n_errors: u64, n_examples: u64, level: f64) -> Result<Estimate, RiskError> {
    let z = normal_quantile(level)?;
    check_examples(1, n_examples)?;
    if n_errors > n_examples {
        return Err(RiskError::Counts { n_errors, n_examples });
    }
    let (n, rate) = (n_examples as f64, n_errors as f64 / n_examples as f64);
    let scale = 1.0 + z * z / n;
    let centre = (rate + z * z / (2.0 * n)) / scale;
    let half = z * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    // Rounding must not put the rate itself outside where it is 0 or 1.
    let (lower, upper) = ((centre - half).clamp(0.0, rate), (centre + half).clamp(rate, 1.0));
    Ok(Estimate { value: rate, lower, upper, level })
}

/// The generalization gap: true risk − training risk, estimated as held-out − training risk.
///
/// The model is taken as given. Its risk on the training set is then a known number, and all uncertainty is that of the
/// held-out sample, which the model must not have seen: the interval is that of `held_out`, moved by `training`. Both are
/// means of the same loss of the same model.
///
/// # Source
/// Shalev-Shwartz and Ben-David, *Understanding Machine Learning*, 2014, section 11.2 (validation).
///
/// # Example
/// ```
/// use pullback::risk::{error_rate, generalization_gap};
/// let (held_out, training) = (error_rate(9, 300, 0.95)?, error_rate(2, 1000, 0.95)?);
/// let gap = generalization_gap(held_out, training.value);
/// assert!((gap.value - 0.028).abs() < 1e-15);
/// assert!(gap.lower > 0.0); // overfitted, at this level
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "generalization_error")]
pub fn generalization_gap(held_out: Estimate, training: f64) -> Estimate {
    let moved = |number: f64| number - training;
    Estimate {
        value: moved(held_out.value),
        lower: moved(held_out.lower),
        upper: moved(held_out.upper),
        level: held_out.level,
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.level * 1e4).round() / 1e2;
        let digits = f.precision().unwrap_or(4);
        let [value, lower, upper] = [self.value, self.lower, self.upper].map(|number| rounded(number, digits));
        write!(f, "{value} ({percent} %: {lower} to {upper})")
    }
}

/// Losses added one after another: their number, mean and spread, without keeping them.
///
/// # Source
/// Welford, *Note on a method for calculating corrected sums of squares and products*, 1962; Chan, Golub and LeVeque,
/// *Updating formulae and a pairwise algorithm for computing sample variances*, 1979, for two tallies.
///
/// # Example
/// ```
/// use pullback::risk::Tally;
/// let mut tally = Tally::default();
/// tally.extend([0.5, 1.5, 1.0, 1.0]);
/// assert_eq!((tally.len(), tally.mean()), (4, 1.0));
/// let risk = tally.estimate(0.95)?;
/// assert!(risk.lower < 0.7 && risk.upper > 1.3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    n_examples: u64,
    mean: f64,
    /// Σ(xᵢ − mean)².
    squares: f64,
}

impl Tally {
    /// One more loss.
    pub fn add(&mut self, loss: f64) {
        self.n_examples += 1;
        let deviation = loss - self.mean;
        self.mean += deviation / self.n_examples as f64;
        self.squares += deviation * (loss - self.mean);
    }

    /// All losses of another tally too: of another batch, or of another thread.
    pub fn merge(&mut self, other: &Tally) {
        let n_examples = self.n_examples + other.n_examples;
        if other.n_examples == 0 {
            return;
        }
        let (n_self, n_others) = (self.n_examples as f64, other.n_examples as f64);
        let (deviation, total) = (other.mean - self.mean, n_examples as f64);
        self.mean += deviation * (n_others / total);
        self.squares += other.squares + deviation * deviation * (n_self * n_others / total);
        self.n_examples = n_examples;
    }

    /// How many losses were added.
    pub fn len(&self) -> u64 {
        self.n_examples
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.n_examples == 0
    }

    /// The empirical risk: the mean of the losses, 0 of none.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The risk with its normal interval: mean ± z·s/√n, s² = Σ(x − mean)²/(n − 1), z the normal quantile of (1 + level)/2.
    /// By the central limit theorem it covers for many independent losses of finite variance; for few, or with rare
    /// large ones, it covers less often than it says. See [`Tally::bounded_estimate`], which always covers.
    ///
    /// # Errors
    /// The level is outside (0, 1), there are fewer than two losses, or one was not finite.
    ///
    /// # Source
    /// Wasserman, *All of Statistics*, 2004, theorem 6.16 and section 5.4.
    pub fn estimate(&self, level: f64) -> Result<Estimate, RiskError> {
        let z = normal_quantile(level)?;
        check_examples(2, self.n_examples)?;
        let n = self.n_examples as f64;
        self.around(z * (self.squares / (n - 1.0) / n).sqrt(), level)
    }

    /// The risk of a loss within 0 to `range`, with Hoeffding's interval: mean ± range·√(ln(2/(1 − level))/(2n)), cut to
    /// 0 to `range`. It covers at least as often as it says, for any number of independent losses of any distribution.
    ///
    /// # Errors
    /// The level is outside (0, 1), there is no loss, the range is not positive and finite, or the mean lies outside of
    /// it.
    ///
    /// # Source
    /// Hoeffding, *Probability inequalities for sums of bounded random variables*, 1963, theorem 2.
    ///
    /// # Example
    /// ```
    /// use pullback::risk::Tally;
    /// let mut errors = Tally::default();
    /// errors.extend((0..800).map(|example| if example % 8 == 0 { 1.0 } else { 0.0 }));
    /// let risk = errors.bounded_estimate(1.0, 0.95)?;
    /// assert!((risk.upper - risk.value - (40f64.ln() / 1600.0).sqrt()).abs() < 1e-14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bounded_estimate(&self, range: f64, level: f64) -> Result<Estimate, RiskError> {
        check_level(level)?;
        check_examples(1, self.n_examples)?;
        if !(range > 0.0 && range.is_finite()) {
            return Err(RiskError::Range { loss: range, range });
        }
        if self.mean < 0.0 || self.mean > range {
            return Err(RiskError::Range { loss: self.mean, range });
        }
        let half = range * (libm::log(2.0 / (1.0 - level)) / (2.0 * self.n_examples as f64)).sqrt();
        let wide = self.around(half, level)?;
        Ok(Estimate { lower: wide.lower.max(0.0), upper: wide.upper.min(range), ..wide })
    }

    fn around(&self, half: f64, level: f64) -> Result<Estimate, RiskError> {
        let mean = self.mean;
        if !(mean.is_finite() && half.is_finite()) {
            return Err(RiskError::NotFinite { mean });
        }
        Ok(Estimate { value: mean, lower: mean - half, upper: mean + half, level })
    }
}

impl Extend<f64> for Tally {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, losses: I) {
        losses.into_iter().for_each(|loss| self.add(loss));
    }
}

pub(crate) fn check_level(level: f64) -> Result<(), RiskError> {
    if level > 0.0 && level < 1.0 { Ok(()) } else { Err(RiskError::Level { level }) }
}

fn check_examples(expected: u64, found: u64) -> Result<(), RiskError> {
    if found >= expected { Ok(()) } else { Err(RiskError::TooFew { expected, found }) }
}

/// z with P(|Z| ≤ z) = `level` for a standard normal Z: the root of erfc(z/√2) = 1 − level, by bisection down to
/// neighbouring numbers.
fn normal_quantile(level: f64) -> Result<f64, RiskError> {
    check_level(level)?;
    // erfc(38/√2) is below the least distance of a level from 1.
    let (mut low, mut high) = (0.0f64, 38.0f64);
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return Ok(middle);
        }
        if libm::erfc(middle * std::f64::consts::FRAC_1_SQRT_2) > 1.0 - level {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two-sided quantiles as they are tabled.
    #[test]
    fn quantiles_are_those_of_tables() {
        let cases = [
            (0.5, 0.674_489_750_196_081_7),
            (0.9, 1.644_853_626_951_472_7),
            (0.95, 1.959_963_984_540_054),
            (0.99, 2.575_829_303_548_900_4),
            (0.999_999, 4.891_638_475_699_413),
        ];
        for (level, expected) in cases {
            let found = normal_quantile(level).unwrap();
            // 1 − level has lost digits where the level is near 1.
            assert!((found - expected).abs() < 1e-10, "{level}: {found}");
        }
    }
}
