//! What is measured beside the loss. In: an expression with a number for each example. Out: a [`Metric`], which says
//! what the numbers are and so which interval their mean has.

use crate::graph::Expr;

/// A number of each example of a batch, whose mean is of interest.
///
/// # Shapes
/// `values: [batch]`
#[derive(Debug, Clone)]
pub struct Metric<'g> {
    pub(super) name: String,
    pub(super) values: Expr<'g>,
    pub(super) kind: IntervalKind,
}

/// Which interval the mean has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntervalKind {
    /// Numbers: the normal interval.
    Mean,
    /// 0 or 1: Wilson's interval.
    Rate,
}

impl<'g> Metric<'g> {
    /// The mean of numbers.
    pub fn mean(name: impl Into<String>, values: Expr<'g>) -> Metric<'g> {
        Metric { name: name.into(), values, kind: IntervalKind::Mean }
    }

    /// The rate of something that is so (1) or not (0), such as an error.
    pub fn rate(name: impl Into<String>, values: Expr<'g>) -> Metric<'g> {
        Metric { name: name.into(), values, kind: IntervalKind::Rate }
    }
}
