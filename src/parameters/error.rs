//! Errors with parameters. In: what was asked and the layout. Out: a [`ParameterError`], with the nearest name where
//! a name is unknown. Errors of layouts and initializers are described beside these.

use std::sync::Arc;

use super::{
    initialize::InitializerError,
    layout::{Layout, LayoutError},
};
use crate::{graph::DType, names, numbers::short};

/// Why parameters could not be made, read or written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// There is no array of that name.
    #[error("nothing is named `{name}`{}", names::suggestion(nearest.as_deref()))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The known name most like it, if one is alike.
        nearest: Option<String>,
    },
    /// A pattern matches no array.
    #[error("nothing matches `{pattern}`{}", names::suggestion(nearest.as_deref()))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The name most like it, if one is alike.
        nearest: Option<String>,
    },
    /// The array has another dtype.
    #[error("`{name}` is {expected}, not {found}")]
    WrongDType {
        /// The name.
        name: String,
        /// The dtype it has.
        expected: DType,
        /// The dtype that was asked for or given.
        found: DType,
    },
    /// All arrays are of another dtype.
    #[error("no array is {asked}: all are {found}")]
    NoneOfDType {
        /// The dtype that was asked for.
        asked: DType,
        /// The dtype that there is.
        found: DType,
    },
    /// The array has another shape.
    #[error("`{name}` has shape {expected:?}, not {found:?}")]
    WrongShape {
        /// The name.
        name: String,
        /// The shape it has.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// What is added is laid out otherwise.
    #[error("these are of other parameters: {}", found.difference_of_part(expected))]
    OtherLayout {
        /// The layout of what is added to.
        expected: Arc<Layout>,
        /// The layout of what is added.
        found: Arc<Layout>,
    },
    /// There is nothing to stack.
    #[error("no parameters to stack: give those of one model at least")]
    NoParts,
    /// An array that the others were not stacked with.
    #[error("`{name}` of shape {found:?} is not stacked: its first axis is not {size}, as the first array's")]
    NotStacked {
        /// Its name.
        name: String,
        /// The size of the first array's first axis.
        size: usize,
        /// Its shape.
        found: Vec<usize>,
    },
    /// Memory that cannot be had.
    #[error("{bytes} bytes of memory for the parameters cannot be had")]
    OutOfMemory {
        /// How many.
        bytes: usize,
    },
    /// What gradients are clipped to is NaN or negative.
    #[error("gradients cannot be clipped to {}, which must not be negative or NaN", short(*limit))]
    Limit {
        /// The norm or the value.
        limit: f64,
    },
    /// A factor is NaN, infinite, or becomes infinite in a dtype.
    #[error("the factor is {}, which is not finite in {dtype}", short(*factor))]
    Factor {
        /// The factor.
        factor: f64,
        /// A dtype of the arrays.
        dtype: DType,
    },
    /// The parameters cannot be laid out.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// An initializer does not fit its parameter.
    #[error(transparent)]
    Initializer(#[from] InitializerError),
}

impl ParameterError {
    /// The error for a name that `layout` does not have.
    pub(super) fn unknown(name: &str, layout: &Layout) -> ParameterError {
        ParameterError::Unknown { name: name.to_owned(), nearest: names::nearest(name, layout.names()) }
    }
}
