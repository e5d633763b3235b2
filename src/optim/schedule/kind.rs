//! The formulas of schedules. In: a kind with its numbers, and a step. Out: the rate, whether the numbers make sense, and
//! what the schedule is in words.

use std::{f64::consts::PI, fmt, sync::Arc};

use crate::{
    numbers::short,
    optim::{OptimizerError, error::is_finite_in_f32},
};

/// Which formula, with its numbers; what they mean, the constructors of [`Schedule`](super::Schedule) say.
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub(super) enum ScheduleKind {
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
    Linear {
        rate: f64,
        last: f64,
        n_steps: u64,
    },
    Piecewise {
        rate: f64,
        changes: Vec<(u64, f64)>,
    },
    Restarts {
        rate: f64,
        last: f64,
        n_steps: u64,
        factor: u64,
    },
    OneCycle {
        rate: f64,
        n_rising: u64,
        n_steps: u64,
    },
    WarmUp {
        then: Arc<ScheduleKind>,
        n_steps: u64,
    },
    Then {
        first: Arc<ScheduleKind>,
        n_steps: u64,
        next: Arc<ScheduleKind>,
    },
    Epochs {
        of: Arc<ScheduleKind>,
        n_steps: u64,
    },
    #[cfg_attr(feature = "serde", serde(skip_deserializing, serialize_with = "refuse_function"))]
    Function(Arc<dyn Fn(u64) -> f64 + Send + Sync>),
}

impl ScheduleKind {
    pub(super) fn check(&self) -> Result<(), OptimizerError> {
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
            ScheduleKind::Cosine { rate, last, .. } | ScheduleKind::Linear { rate, last, .. } => {
                check_schedule_factor("rate", *rate)?;
                check_schedule_factor("last rate", *last)
            }
            ScheduleKind::Piecewise { rate, changes } => {
                check_schedule_factor("rate", *rate)?;
                changes.iter().try_for_each(|(_, rate)| check_schedule_factor("rate", *rate))?;
                let unordered = changes.windows(2).find(|pair| pair[0].0 >= pair[1].0);
                let found = unordered.map_or(0, |pair| pair[1].0);
                check_that("step of a change", "after that of the change before", found as f64, unordered.is_none())
            }
            ScheduleKind::Restarts { rate, last, n_steps, factor } => {
                check_schedule_factor("rate", *rate)?;
                check_schedule_factor("last rate", *last)?;
                check_some("number of steps", *n_steps)?;
                check_some("factor of the number of steps", *factor)
            }
            ScheduleKind::OneCycle { rate, n_rising, n_steps } => {
                check_schedule_factor("rate", *rate)?;
                let is_within = n_rising <= n_steps;
                check_that("number of rising steps", "at most that of all steps", *n_rising as f64, is_within)
            }
            // A part of it may be finite where it is not.
            ScheduleKind::WarmUp { then, .. } => match **then {
                ScheduleKind::Constant(rate) => check_schedule_factor("rate", rate),
                ref then => then.check(),
            },
            ScheduleKind::Then { first, next, .. } => first.check().and(next.check()),
            ScheduleKind::Epochs { of, n_steps } => check_some("number of steps of an epoch", *n_steps).and(of.check()),
        }
    }

    pub(super) fn rate(&self, step: u64) -> f64 {
        // libm's functions, because the standard library's differ from one platform to the next.
        let t = step as f64;
        match self {
            ScheduleKind::Constant(rate) => *rate,
            ScheduleKind::InverseRoot { smoothness, n_steps } => 1.0 / (smoothness * (*n_steps as f64).sqrt()),
            ScheduleKind::Steps { rate, factor, length } => {
                step.checked_div(*length).map_or(f64::NAN, |n_falls| rate * libm::pow(*factor, n_falls as f64))
            }
            ScheduleKind::Exponential { rate, factor } => rate * libm::pow(*factor, t),
            ScheduleKind::Cosine { last, n_steps, .. } | ScheduleKind::Linear { last, n_steps, .. }
                if step >= *n_steps =>
            {
                *last
            }
            ScheduleKind::Cosine { rate, last, n_steps } => cosine(*rate, *last, t / *n_steps as f64),
            ScheduleKind::Linear { rate, last, n_steps } => rate + (last - rate) * (t / *n_steps as f64),
            ScheduleKind::Piecewise { rate, changes } => {
                let n_done = changes.partition_point(|(start, _)| *start <= step);
                n_done.checked_sub(1).map_or(*rate, |position| changes[position].1)
            }
            ScheduleKind::Restarts { rate, last, n_steps, factor } => {
                let (since, length) = since_restart(step, *n_steps, *factor);
                cosine(*rate, *last, since as f64 / length as f64)
            }
            ScheduleKind::OneCycle { rate, n_rising, n_steps } => one_cycle(*rate, *n_rising, *n_steps, step),
            ScheduleKind::WarmUp { then, n_steps } if step >= *n_steps => then.rate(step),
            ScheduleKind::WarmUp { then, n_steps } => then.rate(step) * ((t + 1.0) / *n_steps as f64),
            ScheduleKind::Then { first, n_steps, .. } if step < *n_steps => first.rate(step),
            ScheduleKind::Then { next, n_steps, .. } => next.rate(step - n_steps),
            ScheduleKind::Epochs { of, n_steps } => step.checked_div(*n_steps).map_or(f64::NAN, |epoch| of.rate(epoch)),
            ScheduleKind::Function(function) => function(step),
        }
    }
}

/// From `first` to `last` along half a cosine, of which the part `done` is behind.
fn cosine(first: f64, last: f64, done: f64) -> f64 {
    last + (first - last) * 0.5 * (1.0 + libm::cos(PI * done))
}

/// How many steps ago the present period began, and how many it has; of no steps if it is never over.
fn since_restart(step: u64, n_steps: u64, factor: u64) -> (u64, u64) {
    if n_steps == 0 || factor < 2 {
        return (step.checked_rem(n_steps).unwrap_or(0), n_steps);
    }
    let (mut since, mut length) = (step, n_steps);
    // Lengths at least double, so that this is soon over.
    while since >= length {
        since -= length;
        length = length.saturating_mul(factor);
    }
    (since, length)
}

fn one_cycle(rate: f64, n_rising: u64, n_steps: u64, step: u64) -> f64 {
    let first = rate / 25.0;
    let (highest, end) = (n_rising.saturating_sub(1), n_steps.saturating_sub(1));
    if step < highest {
        cosine(first, rate, step as f64 / highest as f64)
    } else if step < end {
        cosine(rate, first / 1e4, (step - highest) as f64 / (end - highest) as f64)
    } else if highest == end && step == end {
        rate
    } else {
        first / 1e4
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
            ScheduleKind::Linear { rate, last, n_steps } => {
                write!(f, "{} to {} by a line in {n_steps} steps", short(*rate), short(*last))
            }
            ScheduleKind::Piecewise { rate, changes } => {
                write!(f, "{}", short(*rate))?;
                changes.iter().try_for_each(|(start, rate)| write!(f, ", from step {start} on {}", short(*rate)))
            }
            ScheduleKind::Restarts { rate, last, n_steps, factor } => {
                write!(f, "{} to {} by a cosine in {n_steps} steps, ", short(*rate), short(*last))?;
                write!(f, "restarted with {factor} times as many")
            }
            ScheduleKind::OneCycle { rate, n_rising, n_steps } => {
                write!(f, "one cycle of {n_steps} steps up to {} at the last of {n_rising}", short(*rate))
            }
            ScheduleKind::Then { first, n_steps, next } => write!(f, "{first:?} for {n_steps} steps, then {next:?}"),
            ScheduleKind::Epochs { of, n_steps } => write!(f, "{of:?}, in epochs of {n_steps} steps"),
            ScheduleKind::WarmUp { then, n_steps } => write!(f, "{then:?}, warmed up in {n_steps} steps"),
            ScheduleKind::Function(_) => f.write_str("a function of the step"),
        }
    }
}

#[cfg(feature = "serde")]
fn refuse_function<S: serde::Serializer>(_: &Arc<dyn Fn(u64) -> f64 + Send + Sync>, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("a schedule that is a function of the step cannot be serialized"))
}
