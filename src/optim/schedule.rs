//! A rate that may change. In: a few numbers, or a function of the step. Out: the rate at a step. Whether a rate makes sense
//! is checked where it is used.

use std::{f64::consts::PI, fmt, sync::Arc};

use super::{OptimizerError, error::is_finite_in_f32};
use crate::numbers::short;

/// The learning rate γₜ at each step t, counted from 0.
///
/// It is a function of the step alone and remembers nothing, so a restored optimizer is where it was. A number is a constant
/// schedule. Numbers are not checked when it is made. The first step refuses a number that makes no sense at any, as a stair
/// of no steps, and each step a rate that is negative, NaN or not finite in f32.
///
/// With the feature `serde` it is serialized by its numbers; to serialize a function of the step is an error.
///
/// # Example
/// ```
/// use pullback::optim::{Schedule, Sgd};
/// let constant = Schedule::from(0.1);
/// assert_eq!(constant.rate(1000), 0.1);
/// let halved = Schedule::steps(0.1, 0.5, 30).warm_up(10);
/// assert_eq!((halved.rate(4), halved.rate(29), halved.rate(30)), (0.05, 0.1, 0.05));
/// let custom = Schedule::function(|step| 0.1 / (1.0 + step as f64));
/// assert_eq!(custom.rate(1), 0.05);
/// let sgd = Sgd::new(custom);
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Schedule(ScheduleKind);

#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
enum ScheduleKind {
    Constant(f64),
    InverseRoot {
        smoothness: f64,
        n_steps: u64,
    },
    Steps {
        rate: f64,
        factor: f64,
        length: u64,
    },
    Exponential {
        rate: f64,
        factor: f64,
    },
    Cosine {
        rate: f64,
        last: f64,
        n_steps: u64,
    },
    WarmUp {
        then: Arc<ScheduleKind>,
        n_steps: u64,
    },
    #[cfg_attr(feature = "serde", serde(skip_deserializing, serialize_with = "refuse_function"))]
    Function(Arc<dyn Fn(u64) -> f64 + Send + Sync>),
}

impl Schedule {
    /// γₜ = `rate`.
    pub fn constant(rate: f64) -> Schedule {
        Schedule(ScheduleKind::Constant(rate))
    }

    /// γₜ = 1/(L√N), of a loss whose gradient has the Lipschitz constant L = `smoothness`, for N = `n_steps` steps in all.
    ///
    /// # Source
    /// Cevher, *Mathematics of data*, EE-556, EPFL 2018, lecture 8; Ghadimi and Lan, *Stochastic first- and zeroth-order
    /// methods for nonconvex stochastic programming*, 2013, Corollary 2.2 (the order of this rate).
    ///
    /// # Example
    /// ```
    /// assert_eq!(pullback::optim::Schedule::inverse_root(5.0, 400).rate(7), 0.01);
    /// ```
    pub fn inverse_root(smoothness: f64, n_steps: u64) -> Schedule {
        Schedule(ScheduleKind::InverseRoot { smoothness, n_steps })
    }

    /// γₜ = rate · factor^⌊t/length⌋: a step of the stairs is `length` steps long, at least one: with 0 it is NaN.
    #[doc(alias("step_lr", "piecewise_constant"))]
    pub fn steps(rate: f64, factor: f64, length: u64) -> Schedule {
        Schedule(ScheduleKind::Steps { rate, factor, length })
    }

    /// γₜ = rate · factorᵗ.
    pub fn exponential(rate: f64, factor: f64) -> Schedule {
        Schedule(ScheduleKind::Exponential { rate, factor })
    }

    /// γₜ = last + (rate − last)(1 + cos(πt/N))/2 for t < N = `n_steps`, and `last` from then on.
    ///
    /// # Source
    /// Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts*, 2017, equation 5, without restarts.
    #[doc(alias = "cosine_annealing")]
    pub fn cosine(rate: f64, last: f64, n_steps: u64) -> Schedule {
        Schedule(ScheduleKind::Cosine { rate, last, n_steps })
    }

    /// The rate `function(step)` at each step. It may be asked several times per step, also for the step
    /// before, and should depend on nothing else.
    pub fn function(function: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Schedule {
        Schedule(ScheduleKind::Function(Arc::new(function)))
    }

    /// This schedule, multiplied by (t + 1)/N for t < N = `n_steps`: a line from a small rate that is not 0 up to it.
    ///
    /// # Source
    /// Goyal et al., *Accurate, large minibatch SGD: training ImageNet in 1 hour*, 2017, section 2.2.
    #[doc(alias = "warmup")]
    pub fn warm_up(self, n_steps: u64) -> Schedule {
        Schedule(ScheduleKind::WarmUp { then: Arc::new(self.0), n_steps })
    }

    /// The rate at `step`, counted from 0.
    #[doc(alias("at", "get_lr"))]
    pub fn rate(&self, step: u64) -> f64 {
        self.0.rate(step)
    }

    /// That the numbers it was made of make sense.
    pub(super) fn check(&self) -> Result<(), OptimizerError> {
        self.0.check()
    }
}

impl ScheduleKind {
    fn check(&self) -> Result<(), OptimizerError> {
        match self {
            // A number or function is told by the rate that it gives.
            ScheduleKind::Constant(_) | ScheduleKind::Function(_) => Ok(()),
            ScheduleKind::InverseRoot { smoothness, n_steps } => {
                let is_positive = is_finite_in_f32(*smoothness) && *smoothness > 0.0;
                check_that("smoothness", "finite in f32 and positive", *smoothness, is_positive)?;
                check_some("number of steps", *n_steps)
            }
            ScheduleKind::Steps { rate, factor, length } => {
                check_schedule_factor("rate", *rate)?;
                check_schedule_factor("factor", *factor)?;
                check_some("length of a stair", *length)
            }
            ScheduleKind::Exponential { rate, factor } => {
                check_schedule_factor("rate", *rate)?;
                check_schedule_factor("factor", *factor)
            }
            ScheduleKind::Cosine { rate, last, .. } => {
                check_schedule_factor("rate", *rate)?;
                check_schedule_factor("last rate", *last)
            }
            // A part of it may be finite where it is not.
            ScheduleKind::WarmUp { then, .. } => match **then {
                ScheduleKind::Constant(rate) => check_schedule_factor("rate", rate),
                ref then => then.check(),
            },
        }
    }

    fn rate(&self, step: u64) -> f64 {
        // libm's functions, because the standard library's differ from one platform to the next.
        let t = step as f64;
        match self {
            ScheduleKind::Constant(rate) => *rate,
            ScheduleKind::InverseRoot { smoothness, n_steps } => 1.0 / (smoothness * (*n_steps as f64).sqrt()),
            ScheduleKind::Steps { rate, factor, length } => {
                step.checked_div(*length).map_or(f64::NAN, |n_falls| rate * libm::pow(*factor, n_falls as f64))
            }
            ScheduleKind::Exponential { rate, factor } => rate * libm::pow(*factor, t),
            ScheduleKind::Cosine { last, n_steps, .. } if step >= *n_steps => *last,
            ScheduleKind::Cosine { rate, last, n_steps } => {
                last + (rate - last) * 0.5 * (1.0 + libm::cos(PI * t / *n_steps as f64))
            }
            ScheduleKind::WarmUp { then, n_steps } if step >= *n_steps => then.rate(step),
            ScheduleKind::WarmUp { then, n_steps } => then.rate(step) * ((t + 1.0) / *n_steps as f64),
            ScheduleKind::Function(function) => function(step),
        }
    }
}

fn check_that(name: &'static str, expected: &'static str, found: f64, is_good: bool) -> Result<(), OptimizerError> {
    if is_good { Ok(()) } else { Err(OptimizerError::Schedule { name, expected, found }) }
}

fn check_schedule_factor(name: &'static str, found: f64) -> Result<(), OptimizerError> {
    check_that(name, "finite in f32 and not negative", found, is_finite_in_f32(found) && found >= 0.0)
}

fn check_some(name: &'static str, found: u64) -> Result<(), OptimizerError> {
    check_that(name, "at least 1", found as f64, found > 0)
}

impl From<f64> for Schedule {
    fn from(rate: f64) -> Schedule {
        Schedule::constant(rate)
    }
}

impl fmt::Debug for ScheduleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScheduleKind::Constant(rate) => write!(f, "{}", short(*rate)),
            ScheduleKind::InverseRoot { smoothness, n_steps } => write!(f, "1/({} √{n_steps})", short(*smoothness)),
            ScheduleKind::Steps { rate, factor, length } => {
                write!(f, "{} times {} every {length} steps", short(*rate), short(*factor))
            }
            ScheduleKind::Exponential { rate, factor } => {
                write!(f, "{} times {} every step", short(*rate), short(*factor))
            }
            ScheduleKind::Cosine { rate, last, n_steps } => {
                write!(f, "{} to {} by a cosine in {n_steps} steps", short(*rate), short(*last))
            }
            ScheduleKind::WarmUp { then, n_steps } => write!(f, "{then:?}, warmed up in {n_steps} steps"),
            ScheduleKind::Function(_) => f.write_str("a function of the step"),
        }
    }
}

#[cfg(feature = "serde")]
fn refuse_function<S: serde::Serializer>(_: &Arc<dyn Fn(u64) -> f64 + Send + Sync>, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("a schedule that is a function of the step cannot be serialized"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_their_formulas() {
        let close = |schedule: &Schedule, step: u64, want: f64| {
            let got = schedule.rate(step);
            assert!((got - want).abs() <= 1e-15 * want.abs(), "{schedule:?} at {step}: {got} is not {want}");
        };
        let stairs = Schedule::steps(0.8, 0.5, 3);
        [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]
            .into_iter()
            .enumerate()
            .for_each(|(t, want)| close(&stairs, t as u64, want));
        close(&Schedule::exponential(2.0, 0.5), 4, 0.125);
        close(&Schedule::inverse_root(4.0, 25), 9, 0.05);
        let cosine = Schedule::cosine(1.0, 0.2, 6);
        [(0, 1.0), (2, 0.8), (3, 0.6), (4, 0.4), (6, 0.2), (600, 0.2)]
            .into_iter()
            .for_each(|(t, want)| close(&cosine, t, want));
        let warmed = Schedule::exponential(1.0, 0.5).warm_up(4);
        [(0, 0.25), (1, 0.25), (2, 0.1875), (3, 0.125), (4, 0.0625)]
            .into_iter()
            .for_each(|(t, want)| close(&warmed, t, want));
        close(&Schedule::cosine(1.0, 0.3, 0), 0, 0.3);
        close(&Schedule::constant(0.5).warm_up(0), 0, 0.5);
        let described = format!("{:?}", Schedule::steps(0.1, 0.5, 30).warm_up(10));
        assert_eq!(described, "Schedule(0.1 times 0.5 every 30 steps, warmed up in 10 steps)");
    }
}
