//! Why a program cannot be written as Rust.

use crate::{graph::Site, plan::Origin, program::RunError};

/// Why there is no Rust for a program.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// A symbol has no number.
    #[error("the size `{symbol}` has no number: give it one by `CodeOptions::size`")]
    MissingSize {
        /// The symbol.
        symbol: String,
    },
    /// Sizes do not fit, or are of no symbol.
    #[error(transparent)]
    Sizes(#[from] RunError),
    /// The name is none of a function of Rust.
    #[error(
        "{name:?} is no name of a function: letters, digits and underscores, not beginning with a digit, and no word of Rust's"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// Two functions of a module have one name.
    #[error("two functions are called {name:?}: give each its `CodeOptions::name`")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// An operation has no form in Rust.
    #[error("`{call}` (in it `{operation}`) at {site} cannot be written as Rust: {reason}")]
    Operation {
        /// The operation as the user called it.
        call: &'static str,
        /// The primitive.
        operation: &'static str,
        /// Where the user called it.
        site: Site,
        /// What is the matter, and what to do instead.
        reason: &'static str,
    },
    /// A function of mathematics that the provider does not have.
    #[error(
        "the program calls `{function}`, which Rust's floats do not have: take `MathProvider::Libm`, or write the trait yourself with `MathProvider::None`"
    )]
    NoFunction {
        /// The name of the function, as in C.
        function: &'static str,
    },
    /// Parameters that are to be constants do not fit those of the program.
    #[error(
        "the parameter {name:?} of type {expected} is not among those that are to be constants, or has another type there"
    )]
    Parameter {
        /// The name.
        name: String,
        /// What the program has declared.
        expected: String,
    },
    /// The program was compiled for the reference evaluator, which has no plan.
    #[error(
        "the program is one of `Evaluation::Reference`, which plans nothing: compile it with `Evaluation::Compiled`"
    )]
    Reference,
    /// The file could not be written.
    #[error("{path}: {error}")]
    Write {
        /// The file.
        path: String,
        /// What went wrong.
        error: String,
    },
}

/// An operation that cannot be written.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    origin: Origin,
    reason: &'static str,
}

impl Refusal {
    pub(super) fn new(origin: &Origin, reason: &'static str) -> Refusal {
        Refusal { origin: *origin, reason }
    }
}

impl From<Refusal> for CodeError {
    fn from(refusal: Refusal) -> CodeError {
        let Origin { operation, call, site, .. } = refusal.origin;
        CodeError::Operation { call, operation, site, reason: refusal.reason }
    }
}
