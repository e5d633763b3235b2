//! A primitive for each example of a batch at once. In: operands, of which some have the batch as one more axis in front.
//! Out: nodes whose result has it in front. Which class a primitive is of is in its rule; what its class asks of it is here.

mod convolution;
mod indexing;
mod products;
mod shifted;

use super::rule::{BatchApplication, BatchOperand, Batching, Rule};
use crate::graph::{Axes, Dim, Expr, List, Op, Shape, each_operation};

/// The result of a primitive for each example, stacked; an operand is stacked.
pub(crate) fn batch<'g>(op: &Op, application: &BatchApplication<'g>) -> Expr<'g> {
    match each_operation!(op, rule => rule.batching()) {
        Batching::Leaf => unreachable!("invariant: what has no operands is not batched"),
        Batching::Same => application.apply_to_repeated(op.clone()),
        Batching::Shifted(rule) => application.apply_to_repeated(rule.shifted(&application.size)),
        Batching::Written(rule) => rule.batch(application),
        Batching::Nested => unreachable!("invariant: operations with bodies are taken with their siblings"),
    }
}

impl<'g> BatchApplication<'g> {
    /// A primitive on the operands, shared ones repeated along the batch.
    fn apply_to_repeated(&self, op: impl Into<Op>) -> Expr<'g> {
        let operands = self.repeated();
        operands[0].graph().apply(op, &operands)
    }
}

impl<'g> BatchOperand<'g> {
    /// The expression, with the batch in front or without.
    pub fn expr(self) -> Expr<'g> {
        match self {
            BatchOperand::Stacked(expr) | BatchOperand::Shared(expr) => expr,
        }
    }

    /// Whether it differs from example to example.
    pub fn is_stacked(self) -> bool {
        matches!(self, BatchOperand::Stacked(_))
    }

    /// The expression with the batch in front; a shared one is the same along it, which costs no memory where it is read
    /// by strides.
    pub fn repeated(self, batch: &Dim) -> Expr<'g> {
        match self {
            BatchOperand::Stacked(expr) => expr,
            BatchOperand::Shared(expr) if expr.is_poisoned() => expr,
            BatchOperand::Shared(expr) => expr.stretch(&in_front(batch, &expr.shape())),
        }
    }

    /// A stacked expression with the batch behind the first `n` of its other axes; a shared one as it is.
    fn with_batch_behind(self, n: usize) -> Expr<'g> {
        match self {
            BatchOperand::Stacked(expr) => expr.with_axis_moved(0, n),
            BatchOperand::Shared(expr) => expr,
        }
    }
}

/// A shape with one more axis in front.
pub(crate) fn in_front(batch: &Dim, shape: &Shape) -> Shape {
    std::iter::once(batch).chain(shape.iter()).cloned().collect()
}

/// What is said of each axis, with one more in front.
fn with_first<T: Clone>(first: T, others: &[T]) -> List<T> {
    std::iter::once(first).chain(others.iter().cloned()).collect()
}

/// The same axes of an array that has one more in front.
fn one_later(axes: &[usize]) -> Axes {
    axes.iter().map(|axis| axis + 1).collect()
}
