//! Errors at a step. In: layouts and hyperparameters. Out: an [`OptimizerError`], and the checks that return it.

use std::sync::Arc;

use super::Schedule;
use crate::{names, numbers::short, parameters::Layout};

/// Why a step was not taken, or a state not restored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizerError {
    /// The gradients, or what is to be moved by them, are not of these parameters.
    #[error("the gradients are of other parameters: {}", expected.difference_of_part(found))]
    Gradients {
        /// The layout of the parameters, or of the gradients where these lack what is to be moved.
        expected: Arc<Layout>,
        /// The layout of the gradients, or of what is to be moved.
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
    /// The state is of other groups than the rule has.
    #[error("`{rule}` has the groups {expected:?}, but the state has {found:?}")]
    Parts {
        /// The name of the rule.
        rule: &'static str,
        /// The names of its groups.
        expected: Vec<String>,
        /// The names of the groups in the state.
        found: Vec<String>,
    },
    /// The optimizer of a group has an error.
    #[error("in the group `{name}`: {source}")]
    Group {
        /// The name of the group.
        name: String,
        /// Its error.
        source: Box<OptimizerError>,
    },
    /// A pattern matches no parameter.
    #[error("no parameter matches `{pattern}`{}", names::suggestion(nearest.as_deref()))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The name most like it, if one is alike.
        nearest: Option<String>,
    },
    /// A group without a pattern has no parameters.
    #[error("a group has no pattern; give it one, or the optimizer to `Groups::new`")]
    NoPattern,
    /// All parameters of a group are of groups before it.
    #[error("all parameters of the group `{name}` match groups that were added before it")]
    Taken {
        /// The name of the group.
        name: String,
    },
    /// A sweep is of no optimizers.
    #[error("a sweep has no optimizers; give it one for each copy")]
    NoCopies,
    /// What a sweep is to move is not of as many copies as it has optimizers.
    #[error(
        "the sweep has {expected} optimizers, one for each copy along the first axis, but `{name}` has the shape {found:?}; stack so many copies"
    )]
    Copies {
        /// The parameter.
        name: String,
        /// How many optimizers there are.
        expected: usize,
        /// The shape of the parameter.
        found: Vec<usize>,
    },
    /// The rate is negative, NaN, or not finite in f32.
    #[error("the rate is {} at step {step}, but must be finite in f32 and not negative", short(*rate))]
    Rate {
        /// The step, counted from 0.
        step: u64,
        /// The rate.
        rate: f64,
    },
    /// A factor that old values decay by is outside [0, 1).
    #[error("{name} is {}, but must be in [0, 1)", short(*value))]
    Decay {
        /// Which hyperparameter.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// The number that keeps a denominator from zero would not.
    #[error("epsilon is {epsilon:e}, but must be finite in f32 and not less than {:e}", f32::MIN_POSITIVE)]
    Epsilon {
        /// Its value.
        epsilon: f64,
    },
    /// A factor that may be of any size is negative, NaN, or not finite in f32.
    #[error("{name} is {}, but must be finite in f32 and not negative", short(*value))]
    Factor {
        /// Which hyperparameter.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// A number of a schedule makes no sense at any step.
    #[error("the schedule's {name} is {}, but must be {expected}", short(*found))]
    Schedule {
        /// Which number.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: f64,
    },
    /// Hyperparameters that are in their ranges make a number of the step that is not finite in f32.
    #[error("{name} is {} at this step, which is not finite in f32", short(*value))]
    Overflow {
        /// What they make.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// A state of more steps than anybody can have taken.
    #[error("the state is of {found} steps, but at most {MAX_STEPS} can have been taken")]
    Steps {
        /// How many it says.
        found: u64,
    },
}

/// Steps are numbers of f64 in the formulas, where one more must be another number.
pub(super) const MAX_STEPS: u64 = 1 << 53;

/// Parameters may be f32, so that no number may be beyond it: one rule for both dtypes, as for ε.
pub(super) fn is_finite_in_f32(number: f64) -> bool {
    (number as f32).is_finite()
}

/// Whether two layouts are equal: by address if they can be, which is the case at every step of a training.
pub(super) fn is_same(left: &Arc<Layout>, right: &Arc<Layout>) -> bool {
    Arc::ptr_eq(left, right) || left == right
}

/// The rate of `schedule` at `step` times `factor`, if it is finite and not negative.
pub(super) fn check_rate(schedule: &Schedule, step: u64, factor: f64) -> Result<f64, OptimizerError> {
    schedule.check()?;
    let rate = schedule.rate(step) * factor;
    if is_finite_in_f32(rate) && rate >= 0.0 { Ok(rate) } else { Err(OptimizerError::Rate { step, rate }) }
}

/// Checks that a number that hyperparameters make is finite in the dtype of any array.
pub(super) fn check_made(name: &'static str, value: f64) -> Result<(), OptimizerError> {
    if is_finite_in_f32(value) { Ok(()) } else { Err(OptimizerError::Overflow { name, value }) }
}

/// Checks that a decay factor is in [0, 1).
pub(super) fn check_decay(name: &'static str, value: f64) -> Result<(), OptimizerError> {
    if (0.0..1.0).contains(&value) { Ok(()) } else { Err(OptimizerError::Decay { name, value }) }
}

/// Checks that a factor is finite and not negative.
pub(super) fn check_factor(name: &'static str, value: f64) -> Result<(), OptimizerError> {
    if is_finite_in_f32(value) && value >= 0.0 { Ok(()) } else { Err(OptimizerError::Factor { name, value }) }
}

/// Checks that `epsilon` keeps a denominator from zero in either dtype: 0 / 0 would make a parameter with no gradient
/// NaN.
pub(super) fn check_epsilon(epsilon: f64) -> Result<(), OptimizerError> {
    let is_enough = is_finite_in_f32(epsilon) && epsilon >= f64::from(f32::MIN_POSITIVE);
    if is_enough { Ok(()) } else { Err(OptimizerError::Epsilon { epsilon }) }
}
