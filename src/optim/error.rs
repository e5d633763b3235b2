//! Mistakes at a step. In: layouts and hyperparameters. Out: an [`OptimizerError`], and the checks that return it.

use std::sync::Arc;

use super::Schedule;
use crate::parameters::{Gradients, Layout, Parameters};

/// Why a step was not taken, or a state not restored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizerError {
    /// The gradients are not of these parameters.
    #[error("the gradients are of other parameters: {}", expected.difference(found))]
    Gradients {
        /// The layout of the parameters.
        expected: Arc<Layout>,
        /// The layout of the gradients.
        found: Arc<Layout>,
    },
    /// Earlier steps were of other parameters.
    #[error("earlier steps of this optimizer were of other parameters: {}", expected.difference(found))]
    State {
        /// The layout of the state.
        expected: Arc<Layout>,
        /// The layout of the parameters, or of the state that was to be restored.
        found: Arc<Layout>,
    },
    /// The state is another rule's.
    #[error("the state is of the rule `{found}`, but this is `{expected}`")]
    Rule {
        /// The name of this rule.
        expected: &'static str,
        /// The name in the state.
        found: String,
    },
    /// The state has other arrays than the rule remembers.
    #[error("`{rule}` remembers {expected:?}, but the state has {found:?}")]
    Arrays {
        /// The name of the rule.
        rule: &'static str,
        /// The names of the arrays that it remembers.
        expected: Vec<&'static str>,
        /// The names of the arrays in the state.
        found: Vec<String>,
    },
    /// The rate is negative, infinite or NaN.
    #[error("the rate is {rate} at step {step}, but must be finite and not negative")]
    Rate {
        /// The step, counted from 0.
        step: u64,
        /// The rate.
        rate: f64,
    },
    /// A factor that old values decay by is outside [0, 1).
    #[error("{name} is {value}, but must be in [0, 1)")]
    Decay {
        /// Which hyperparameter.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// The number that keeps a denominator from zero would not.
    #[error("epsilon is {epsilon:e}, but must be finite and not less than {:e}", f32::MIN_POSITIVE)]
    Epsilon {
        /// Its value.
        epsilon: f64,
    },
    /// A factor that may be of any size is negative, infinite or NaN.
    #[error("{name} is {value}, but must be finite and not negative")]
    Factor {
        /// Which hyperparameter.
        name: &'static str,
        /// Its value.
        value: f64,
    },
}

/// Checks that `gradients` are of `parameters`. Layouts that are one and the same are not compared.
pub(super) fn check_layouts(parameters: &Parameters, gradients: &Gradients) -> Result<(), OptimizerError> {
    let (expected, found) = (parameters.layout(), gradients.layout());
    if is_same(expected, found) {
        return Ok(());
    }
    Err(OptimizerError::Gradients { expected: Arc::clone(expected), found: Arc::clone(found) })
}

/// Whether two layouts are equal: by address if they can be, which is the case at every step of a training.
pub(super) fn is_same(one: &Arc<Layout>, other: &Arc<Layout>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// The rate of `schedule` at `step`, if it is finite and not negative.
pub(super) fn check_rate(schedule: &Schedule, step: u64) -> Result<f64, OptimizerError> {
    let rate = schedule.at(step);
    if rate.is_finite() && rate >= 0.0 { Ok(rate) } else { Err(OptimizerError::Rate { step, rate }) }
}

/// Checks that a decay factor is in [0, 1).
pub(super) fn check_decay(name: &'static str, value: f64) -> Result<(), OptimizerError> {
    if (0.0..1.0).contains(&value) { Ok(()) } else { Err(OptimizerError::Decay { name, value }) }
}

/// Checks that a factor is finite and not negative.
pub(super) fn check_factor(name: &'static str, value: f64) -> Result<(), OptimizerError> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { Err(OptimizerError::Factor { name, value }) }
}

/// Checks that `epsilon` keeps a denominator from zero in either dtype: 0 / 0 would make a parameter with no gradient
/// NaN.
pub(super) fn check_epsilon(epsilon: f64) -> Result<(), OptimizerError> {
    let is_enough = epsilon.is_finite() && epsilon >= f64::from(f32::MIN_POSITIVE);
    if is_enough { Ok(()) } else { Err(OptimizerError::Epsilon { epsilon }) }
}
