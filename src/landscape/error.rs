//! Errors in the study of a loss. In: what was asked and what was found. Out: a [`LandscapeError`] that says where.

use std::{fmt, sync::Arc};

use crate::{
    graph::Site,
    numbers::short,
    parameters::Layout,
    program::{CompileError, RunError},
};

/// Why a loss could not be studied.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LandscapeError {
    /// The loss, its gradient or its Hessian–vector product does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// What is fed does not fit, or an operation has no value.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The loss depends on no parameter.
    #[error("the loss written at {site} depends on no parameter")]
    NoParameters {
        /// Where the loss was written.
        site: Site,
    },
    /// A direction among other parameters.
    #[error("the direction has no {name:?} of shape {shape:?}, which the loss depends on")]
    Direction {
        /// The parameter.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// Two ends that are not of the same parameters.
    #[error("a direction leads between equal layouts, found {from:?} and {to:?}")]
    Layouts {
        /// The layout of the one end.
        from: Arc<Layout>,
        /// The layout of the other.
        to: Arc<Layout>,
    },
    /// The loss is NaN or infinite.
    #[error("the loss written at {site} is {value}{}", along(steps))]
    LossNotFinite {
        /// The value.
        value: f64,
        /// Where the loss was written.
        site: Site,
        /// How far along each direction; empty at the point itself or at a displacement of many coordinates.
        steps: Vec<f64>,
    },
    /// A derivative is NaN or infinite.
    #[error("the {what} is {value} at element {element:?} of {parameter:?} (declared at {site})")]
    NotFinite {
        /// What is not finite.
        what: &'static str,
        /// The first such number.
        value: f64,
        /// The parameter that it belongs to.
        parameter: String,
        /// Where it is in there, along each axis.
        element: Vec<usize>,
        /// Where the parameter was declared.
        site: Site,
    },
    /// A dense Hessian of too many parameters.
    #[error("a dense Hessian of {dimension} parameters is refused, {max} is the most; use Lanczos")]
    TooManyParameters {
        /// The number of parameters.
        dimension: usize,
        /// The most that are taken.
        max: usize,
    },
    /// Lanczos did not reach the tolerance.
    #[error(
        "after {steps} steps of Lanczos an eigenvalue is known to {error:e}, not to {tolerance:e}; allow more steps, or a \
         greater tolerance in f32"
    )]
    NotConverged {
        /// Steps taken.
        steps: usize,
        /// The error that was allowed.
        tolerance: f64,
        /// The greatest error bound of an eigenvalue asked for.
        error: f64,
    },
    /// An indefinite Hessian of many parameters, whose least |λ| Lanczos does not find.
    #[error(
        "the condition number of an indefinite Hessian (eigenvalues {} to {}) of {dimension} parameters needs its whole \
         spectrum",
        short(*lowest),
        short(*highest)
    )]
    Indefinite {
        /// The least eigenvalue.
        lowest: f64,
        /// The greatest eigenvalue.
        highest: f64,
        /// The number of parameters.
        dimension: usize,
    },
    /// The ε-sharpness divides by 1 + f.
    #[error("the ε-sharpness divides by 1 + f, which is not positive where the loss is {}", short(*value))]
    LossTooLow {
        /// The loss.
        value: f64,
    },
    /// An option that makes no sense.
    #[error("{name} must be {expected}, found {}", short(*found))]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: f64,
    },
}

/// The text for people, because that is what a `main` that returns an error prints.
impl fmt::Debug for LandscapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LandscapeError::Compile(error) => fmt::Debug::fmt(error, f),
            other => fmt::Display::fmt(other, f),
        }
    }
}

fn along(steps: &[f64]) -> String {
    if steps.is_empty() { String::new() } else { format!(" at {steps:?} along the directions") }
}

/// Checks that an option is positive and finite.
pub(super) fn check_positive(name: &'static str, found: f64) -> Result<(), LandscapeError> {
    if found > 0.0 && found.is_finite() {
        return Ok(());
    }
    Err(LandscapeError::Setting { name, expected: "positive and finite", found })
}

/// Checks that an option is finite and not negative.
pub(super) fn check_not_negative(name: &'static str, found: f64) -> Result<(), LandscapeError> {
    if found >= 0.0 && found.is_finite() {
        return Ok(());
    }
    Err(LandscapeError::Setting { name, expected: "finite and not negative", found })
}

/// Checks that a count is not zero.
pub(super) fn check_some(name: &'static str, found: usize) -> Result<(), LandscapeError> {
    if found > 0 { Ok(()) } else { Err(LandscapeError::Setting { name, expected: "at least 1", found: 0.0 }) }
}
