//! Why gradients could not be checked. In: what was asked. Out: a [`GradientCheckError`] that says what to do.

use std::fmt;

use thiserror::Error;

use crate::{
    graph::{Diagnostics, Site, Type},
    names,
    program::{CompileError, RunError},
};

/// Why gradients could not be checked. A wrong gradient is none: the report tells of it.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum GradientCheckError {
    /// The expression does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Its derivative cannot be built.
    #[error(transparent)]
    Graph(#[from] Diagnostics),
    /// What is fed does not fit, or an operation has no value.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What is differentiated is no float scalar.
    #[error(
        "gradients are of a float scalar, but what is written at {site} is {found}\n   = help: sum it, or check one element"
    )]
    NotScalar {
        /// Its type.
        found: Type,
        /// Where it was written.
        site: Site,
    },
    /// A variable that there is none of.
    #[error("no input or parameter that the scalar needs is named {name:?}{}", names::suggestion(nearest.as_deref()))]
    UnknownVariable {
        /// The name as given.
        name: String,
        /// The name that is most like it.
        nearest: Option<String>,
    },
    /// A variable of integers or truth values.
    #[error("{name:?} is {found} (declared at {site}), and derivatives are by floats")]
    NotFloat {
        /// Its name.
        name: String,
        /// Its type.
        found: Type,
        /// Where it was declared.
        site: Site,
    },
    /// Nothing to differentiate by.
    #[error("the scalar written at {site} needs no float input or parameter")]
    NoVariables {
        /// Where it was written.
        site: Site,
    },
    /// The scalar is NaN or infinite at the point.
    #[error(
        "the scalar written at {site} is {value} at this point\n   = help: `run_checked` of its program tells which operation \
         makes it so"
    )]
    NotFinite {
        /// Its value.
        value: f64,
        /// Where it was written.
        site: Site,
    },
    /// A result that a program does not have.
    #[error("the program has no output named {name:?}{}", names::suggestion(nearest.as_deref()))]
    UnknownOutput {
        /// The name as given.
        name: String,
        /// The name that is most like it.
        nearest: Option<String>,
    },
    /// A result that is no gradient of its variable, by its shape.
    #[error(
        "the output {output:?} has shape {found:?}, but {variable:?}, of which it is to be the gradient, has {expected:?}"
    )]
    GradientShape {
        /// The output.
        output: String,
        /// The variable.
        variable: String,
        /// The shape of the variable.
        expected: Vec<usize>,
        /// The shape of the output.
        found: Vec<usize>,
    },
    /// An option that makes no sense.
    #[error("`{name}` must be {expected}, found {found}")]
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
impl fmt::Debug for GradientCheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GradientCheckError::Compile(error) => fmt::Debug::fmt(error, f),
            other => fmt::Display::fmt(other, f),
        }
    }
}
