//! What is measured beside the loss. In: an expression with a number for each example. Out: a [`Metric`], which says what
//! the numbers are and so which interval their mean has.

use crate::graph::Expr;

/// A number of each example of a batch, whose mean is of interest.
///
/// # Shapes
/// `of_each: [batch]`
#[derive(Debug, Clone)]
pub struct Metric<'g> {
    pub(super) name: String,
    pub(super) of_each: Expr<'g>,
    pub(super) kind: Kind,
}

/// Which interval the mean has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers: the normal interval.
    Mean,
    /// 0 or 1: Wilson's interval.
    Rate,
}

impl<'g> Metric<'g> {
    /// The mean of numbers.
    pub fn mean(name: impl Into<String>, of_each: Expr<'g>) -> Metric<'g> {
        Metric { name: name.into(), of_each, kind: Kind::Mean }
    }

    /// The rate of something that is so (1) or not (0), such as a mistake.
    pub fn rate(name: impl Into<String>, of_each: Expr<'g>) -> Metric<'g> {
        Metric { name: name.into(), of_each, kind: Kind::Rate }
    }
}
