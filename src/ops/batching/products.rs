//! Products and systems of equations: the batch is an axis of the product, and what is shared is used where it lies. In: an
//! operation and its operands. Out: the stacked result.

use super::one_later;
use crate::{
    graph::{Axes, DotGeneral, Expr, Op, Shape, Solve, TriangularSolve},
    ops::rule::{BatchApplication, BatchOperand, BatchRule},
};

impl BatchRule for DotGeneral {
    /// A batch axis of the product where both operands are stacked, else a free axis of the one that is.
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Expr<'g> {
        let [left, right] = [application.operands[0], application.operands[1]];
        let axes =
            |operand: BatchOperand<'_>, axes: &Axes| if operand.is_stacked() { one_later(axes) } else { axes.clone() };
        let mut dot = DotGeneral {
            left_batch: axes(left, &self.left_batch),
            right_batch: axes(right, &self.right_batch),
            left_contract: axes(left, &self.left_contract),
            right_contract: axes(right, &self.right_contract),
        };
        let place = match (left.is_stacked(), right.is_stacked()) {
            (true, true) => {
                (dot.left_batch, dot.right_batch) = (first_of(&dot.left_batch), first_of(&dot.right_batch));
                0
            }
            (true, false) => self.left_batch.len(),
            // Behind all axes of the left operand that stay.
            (false, _) => left.expr().rank() - self.left_contract.len(),
        };
        left.expr().graph().apply(dot, &[left.expr(), right.expr()]).with_axis_moved(place, 0)
    }
}

fn first_of(axes: &[usize]) -> Axes {
    super::with_first(0, axes)
}

impl BatchRule for TriangularSolve {
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Expr<'g> {
        solve(self.clone().into(), application)
    }
}

impl BatchRule for Solve {
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Expr<'g> {
        solve(self.clone().into(), application)
    }
}

/// A system of equations: a shared matrix solves for the right-hand sides of all examples as for so many columns.
fn solve<'g>(op: Op, application: &BatchApplication<'g>) -> Expr<'g> {
    let (BatchOperand::Shared(a), BatchOperand::Stacked(b)) = (application.operands[0], application.operands[1]) else {
        return application.apply_to_repeated(op);
    };
    if let Some(poison) = a.graph().refuse(&[a, b]) {
        return poison;
    }
    let last = b.rank() - 1;
    let columns = b.with_axis_moved(0, last - 1);
    let (shape, g) = (columns.shape(), a.graph());
    let merged: Shape = shape[..last - 1].iter().cloned().chain([shape[last - 1].clone() * &shape[last]]).collect();
    g.apply(op, &[a, columns.reshape(merged)]).reshape(shape).with_axis_moved(last - 1, 0)
}
