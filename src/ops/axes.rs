//! Which axes a user means. In: numbers, negative ones from the end. Out: positions, or the error.

use crate::graph::{Axes, Expr, GraphError};

/// Axes of an operation: one, several, or all.
///
/// # Example
/// ```
/// # use pullback::{AllAxes, Graph};
/// let g = Graph::new();
/// let x = g.input("x", (2, 3, 4));
/// assert_eq!(x.sum_over(-1).shape().to_string(), "[2, 3]");
/// assert_eq!(x.sum_over([0, 2]).shape().to_string(), "[3]");
/// assert_eq!(x.sum_over(AllAxes).shape().to_string(), "[]");
/// ```
pub trait IntoAxes {
    /// The positions, ascending, or the first axis that is out of range or twice there.
    fn positions(&self, rank: usize) -> Result<Axes, GraphError>;
}

/// Every axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllAxes;

impl IntoAxes for AllAxes {
    fn positions(&self, rank: usize) -> Result<Axes, GraphError> {
        Ok((0..rank).collect())
    }
}

impl IntoAxes for i64 {
    fn positions(&self, rank: usize) -> Result<Axes, GraphError> {
        Ok(Axes::from_iter([normalize(*self, rank)?]))
    }
}

impl IntoAxes for i32 {
    fn positions(&self, rank: usize) -> Result<Axes, GraphError> {
        i64::from(*self).positions(rank)
    }
}

impl<A: Copy + Into<i64>, const N: usize> IntoAxes for [A; N] {
    fn positions(&self, rank: usize) -> Result<Axes, GraphError> {
        self.as_slice().positions(rank)
    }
}

impl<A: Copy + Into<i64>> IntoAxes for &[A] {
    fn positions(&self, rank: usize) -> Result<Axes, GraphError> {
        let mut axes = self.iter().map(|axis| normalize((*axis).into(), rank)).collect::<Result<Axes, GraphError>>()?;
        axes.sort_unstable();
        if axes.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(GraphError::BadAxes { axes, rank });
        }
        Ok(axes)
    }
}

/// The position of an axis that may be counted from the end.
pub(crate) fn normalize(axis: i64, rank: usize) -> Result<usize, GraphError> {
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(from_start).ok().filter(|axis| *axis < rank).ok_or(GraphError::AxisOutOfRange { axis, rank })
}

/// The permutation that undoes another: `inverse[order[i]] = i`.
pub(crate) fn inverse_permutation(order: &[usize]) -> Axes {
    let mut inverse = Axes::from_elem(0, order.len());
    for (position, axis) in order.iter().enumerate() {
        inverse[*axis] = position;
    }
    inverse
}

/// That there is such an axis.
pub(crate) fn check_axis(axis: usize, rank: usize) -> Result<(), GraphError> {
    let as_written = i64::try_from(axis).unwrap_or(i64::MAX);
    if axis < rank { Ok(()) } else { Err(GraphError::AxisOutOfRange { axis: as_written, rank }) }
}

impl<'g> Expr<'g> {
    /// The positions meant, or the poison in their place; silent on poison.
    pub(crate) fn axes(self, axes: impl IntoAxes) -> Result<Axes, Expr<'g>> {
        if self.is_poisoned() {
            return Err(self);
        }
        axes.positions(self.rank()).map_err(|error| self.graph().report(error, &[self]))
    }

    /// The position of one axis, or the poison in its place; silent on poison.
    pub(crate) fn axis(self, axis: i64) -> Result<usize, Expr<'g>> {
        Ok(self.axes(axis)?[0])
    }
}
