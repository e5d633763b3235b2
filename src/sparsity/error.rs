//! Why a sparse derivative could not be made or computed. In: what was asked. Out: a [`SparsityError`] that says what to do.

use std::fmt;

use thiserror::Error;

use crate::{
    graph::{DType, Diagnostics, Dim, Site, Type},
    program::{CompileError, RunError},
};

/// Why a sparse derivative could not be made or computed.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SparsityError {
    /// The derivative cannot be built.
    #[error(transparent)]
    Graph(#[from] Diagnostics),
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// What is fed does not fit, or an operation has no value.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Values were asked for before there was a structure.
    #[error(
        "there is no structure yet\n   = help: call `structure` once, with arrays of the sizes that values are asked for"
    )]
    NoStructure,
    /// An input that the structure was not made for.
    #[error(
        "the structure was made for {expected} as input {name:?}, and {found} is fed\n   = help: call `structure` with what is fed now"
    )]
    OtherInput {
        /// Its name.
        name: String,
        /// Its type when the structure was made.
        expected: Type,
        /// Its type now.
        found: Type,
    },
    /// Integers or truth values that the structure was not made for.
    #[error(
        "the structure follows from the elements of input {name:?}, which were others when it was made\n   = help: call `structure` with what is fed now"
    )]
    OtherElements {
        /// The name of the input.
        name: String,
    },
    /// A slice that is not as long as there are values.
    #[error("there are {expected} values, and the slice for them has {found}")]
    Length {
        /// How many values there are.
        expected: usize,
        /// The length of the slice.
        found: usize,
    },
    /// Values of another type than the derivative has.
    #[error("the values are {expected}, and the slice for them is of {found}")]
    DType {
        /// That of the derivative.
        expected: DType,
        /// That of the slice.
        found: DType,
    },
    /// A size that is negative or too large.
    #[error("a size of what is written at {site} is {size}, and with what is fed that is negative or too large")]
    Size {
        /// The size.
        size: Dim,
        /// Where the expression was written.
        site: Site,
    },
    /// More elements than the positions of entries can count.
    #[error("the derivative is between {n_elements} elements, and at most 2³² − 1 are counted")]
    TooLarge {
        /// How many.
        n_elements: usize,
    },
}

/// The text for people, because that is what a `main` that returns an error prints.
impl fmt::Debug for SparsityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SparsityError::Compile(error) => fmt::Debug::fmt(error, f),
            other => fmt::Display::fmt(other, f),
        }
    }
}
