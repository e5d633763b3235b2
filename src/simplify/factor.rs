//! Moving signs and literal factors. Signs move outwards, where they meet other signs, a sum or a product of matrices;
//! literal factors move into a broadcast, where there are fewer elements. In: a product or a quotient that is about to
//! be made. Out: an equal one with less to compute. Only factors without other uses are moved.
//!
//! Literals do not move outwards: where c·x·y is finite, x·y may not be.

use super::{guard::is_normal, reduction::is_smaller, reduction::scaled, rewriter::Rewriter, term::Term};
use crate::graph::{Binary, DType, NodeId, Op, Unary};

/// Literals between this and its reciprocal are moved: the largest shift of what overflows and of what is subnormal.
const MAX_FACTOR: f64 = 65536.0;

/// (−x)·y → −(x·y), and so for quotients: no rounding depends on a sign.
pub(super) fn sign_outwards(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    // −MIN is MIN, and the quotient of an integer by 0 is −1 whatever its sign.
    if term.op == Op::Binary(Binary::Div) && term.ty.dtype == DType::I64 {
        return None;
    }
    let is_negated = |side: &usize| {
        let operand = term.operands[*side];
        rewriter.node(operand).op == Op::Unary(Unary::Negate) && rewriter.has_one_use(operand)
    };
    let side = (0..2).find(is_negated)?;
    let mut operands = term.operands.clone();
    operands[side] = rewriter.operand(operands[side]);
    let unsigned = rewriter.build(term.op.clone(), &operands);
    Some(rewriter.build(Op::Unary(Unary::Negate), &[unsigned]))
}

/// c·(broadcast(x)·y) → broadcast(c·x)·y, in whichever order the three are multiplied.
pub(super) fn literal_into_broadcast(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (number, repeated, y) = (0..2).find_map(|side| {
        let (first, second) = (term.operands[side], term.operands[1 - side]);
        let outer = literal(rewriter, first).and_then(|number| {
            let (repeated, y) = repeated_factor(rewriter, second)?;
            rewriter.has_one_use(second).then_some((number, repeated, y))
        });
        let inner = || {
            let (number, y) = moderate(rewriter, second)?;
            is_repeated(rewriter, first).then_some((number, first, y))
        };
        outer.or_else(inner)
    })?;
    let (movement, x) = (rewriter.op(repeated), rewriter.operand(repeated));
    let small = rewriter.ty(x);
    let factor = rewriter.fill(number, &small);
    let scaled = rewriter.build(Op::Binary(Binary::Mul), &[factor, x]);
    let repeated = rewriter.build(movement, &[scaled]);
    Some(rewriter.build(Op::Binary(Binary::Mul), &[repeated, y]))
}

/// The literal and the other factor of a product that nothing else reads.
fn moderate(rewriter: &Rewriter<'_>, id: NodeId) -> Option<(f64, NodeId)> {
    let (function, number, x) = scaled(rewriter, id)?;
    (function == Binary::Mul && is_moderate(number)).then_some((number, x))
}

fn literal(rewriter: &Rewriter<'_>, id: NodeId) -> Option<f64> {
    let dtype = rewriter.node(id).ty.dtype;
    rewriter.float(id).filter(|number| is_normal(*number, dtype) && is_moderate(*number))
}

fn is_moderate(number: f64) -> bool {
    (1.0 / MAX_FACTOR..=MAX_FACTOR).contains(&number.abs())
}

/// The broadcast among the factors of a product, and the other factor.
fn repeated_factor(rewriter: &Rewriter<'_>, id: NodeId) -> Option<(NodeId, NodeId)> {
    if rewriter.node(id).op != Op::Binary(Binary::Mul) {
        return None;
    }
    let operands = rewriter.operands(id);
    let side = (0..2).find(|side| is_repeated(rewriter, operands[*side]))?;
    Some((operands[side], operands[1 - side]))
}

fn is_repeated(rewriter: &Rewriter<'_>, id: NodeId) -> bool {
    matches!(rewriter.op(id), Op::Broadcast(_))
        && is_smaller(&rewriter.shape(rewriter.operand(id)), &rewriter.shape(id))
}
