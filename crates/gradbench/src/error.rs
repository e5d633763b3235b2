//! Why a message has no good answer. In: what is wrong. Out: the text that the response gives.

use std::io;

use pullback::{CompileError, RunError};
use thiserror::Error;

/// Why a function was not evaluated: told in the response, after which the next message is read.
#[derive(Debug, Error)]
pub(crate) enum EvalError {
    #[error("a message to evaluate something has a module, a function and an input")]
    Incomplete,
    #[error("there is no function {function:?} in the module {module:?}")]
    UnknownFunction { module: String, function: String },
    #[error("the input is not of the form that the evaluation has: {0}")]
    Input(#[from] serde_json::Error),
    #[error("{name} has {found} where {expected} belong")]
    Length { name: &'static str, expected: usize, found: usize },
    #[error("{name} is {found}, and may be from 1 to {max}")]
    Size { name: &'static str, max: usize, found: usize },
    #[error("{name} is empty")]
    Empty { name: &'static str },
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Why the session ends early.
#[derive(Debug, Error)]
pub(crate) enum ServeError {
    #[error("a message cannot be read or a response not be written: {0}")]
    Io(#[from] io::Error),
    #[error("a message is not of the protocol: {0}")]
    Json(#[from] serde_json::Error),
}
