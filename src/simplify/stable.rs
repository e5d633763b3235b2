//! Sigmoids that are written as something else. In: a difference or a product that is about to be made. Out: the stable
//! form. It fires whatever other uses the operands have: a value does not depend on what is computed beside it.
//!
//! The ideas are those of PyTensor's rewrites of sigmoids (`pytensor/tensor/rewriting/math.py`, Theano before it).

use super::{moved::ViewChain, rewriter::Rewriter, shift::argument, term::Term};
use crate::graph::{Binary, NodeId, Op, Unary};

pub(super) fn unary(rewriter: &mut Rewriter<'_>, function: Unary, x: NodeId) -> NodeId {
    rewriter.build(Op::Unary(function), &[x])
}

/// 1 − σ(x) is 0 from x ≈ 17 on in `f32`; σ(−x) is not.
pub(super) fn one_minus_sigmoid(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let [minuend, subtrahend] = term.operands[..] else { return None };
    let moved = ViewChain::trace_movements(rewriter, subtrahend);
    let x = argument(rewriter, moved.value, Unary::Sigmoid).filter(|_| rewriter.is_number(minuend, 1.0))?;
    let negated = unary(rewriter, Unary::Negate, x);
    let sigmoid = unary(rewriter, Unary::Sigmoid, negated);
    Some(moved.reapply(rewriter, sigmoid))
}

/// e^x σ(−x) is σ(x), and no number where e^x is infinite; σ(−x) may have a factor already, as in a
/// derivative of log(1 + e^x).
pub(super) fn sigmoid_of_exp(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let [left, right] = term.operands[..] else { return None };
    [(left, right), (right, left)].into_iter().find_map(|(exponential, other)| {
        let x = argument(rewriter, exponential, Unary::Exp)?;
        let is_reflected =
            |id: NodeId| argument(rewriter, id, Unary::Sigmoid).is_some_and(|other| are_opposite(rewriter, other, x));
        let factor = if is_reflected(other) {
            None
        } else if *rewriter.visible_op(other) == Op::Binary(Binary::Mul) {
            let factors = rewriter.operands(other);
            let side = (0..2).find(|side| is_reflected(factors[*side]))?;
            Some(factors[1 - side])
        } else {
            return None;
        };
        let sigmoid = unary(rewriter, Unary::Sigmoid, x);
        Some(factor.map_or(sigmoid, |factor| rewriter.build(Op::Binary(Binary::Mul), &[factor, sigmoid])))
    })
}

/// Whether two values are known to differ in sign alone. Which of them has the minus is up to the user, and literals
/// have taken it over where they are factors.
fn are_opposite(rewriter: &Rewriter<'_>, left: NodeId, right: NodeId) -> bool {
    let is_negated = |negated: NodeId, x: NodeId| argument(rewriter, negated, Unary::Negate) == Some(x);
    let scaled = |id: NodeId| {
        if *rewriter.visible_op(id) != Op::Binary(Binary::Mul) {
            return None;
        }
        let factors = rewriter.operands(id);
        let by = |literal: usize| Some((factors[1 - literal], rewriter.float(factors[literal])?));
        by(0).or_else(|| by(1))
    };
    let are_scaled = || matches!((scaled(left), scaled(right)), (Some((x, c)), Some((y, d))) if x == y && c == -d);
    is_negated(left, right) || is_negated(right, left) || are_scaled()
}
