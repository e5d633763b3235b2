//! Why a program cannot be written as StableHLO.

use crate::{graph::Site, names::suggestion, program::RunError};

/// Why there is no StableHLO for a program.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StableHloError {
    /// A symbol has no number.
    #[error("the size `{symbol}` has no number: give it one by `StableHloOptions::size`")]
    MissingSize {
        /// The symbol.
        symbol: String,
    },
    /// A size has no value for these numbers, or a negative one.
    #[error("the size `{dim}` is none that an array can have for these numbers")]
    Size {
        /// The size.
        dim: String,
    },
    /// Sizes do not fit, or are of no symbol.
    #[error(transparent)]
    Sizes(#[from] RunError),
    /// A symbol that devices are to share is none of the program.
    #[error("the program has no size `{symbol}` that devices could share{}", suggestion(nearest.as_deref()))]
    UnknownShard {
        /// The symbol.
        symbol: String,
        /// The nearest one that there is.
        nearest: Option<String>,
    },
    /// An operation has no form in StableHLO.
    #[error("`{call}` (in it `{operation}`) at {site} cannot be written as StableHLO: {reason}")]
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
    /// The program was compiled for the reference evaluator, which has no simplified graph.
    #[error(
        "the program is one of `Evaluation::Reference`, which has no graph to write: compile it with `Evaluation::Compiled`"
    )]
    Reference,
}
