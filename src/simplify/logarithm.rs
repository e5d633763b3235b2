//! Stable logarithms: of operands near 1, where log loses digits, and of operands that over- or underflow although the
//! logarithm does not. In: a logarithm that is about to be made. Out: an equal expression without the loss.

use std::f64::consts::LN_2;

use super::{
    moved::ViewChain,
    rewriter::Rewriter,
    shift::{argument, has_stable_logarithm},
    stable::unary,
    term::Term,
};
use crate::graph::{Binary, Comparison, DType, IntegerPower, NodeId, Op, Select, Type, Unary};

/// σ(x) is 0 far below, and its logarithm −∞.
pub(super) fn of_sigmoid(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let x = argument(rewriter, term.operands[0], Unary::Sigmoid)?;
    let negated = unary(rewriter, Unary::Negate, x);
    let softplus = unary(rewriter, Unary::Softplus, negated);
    Some(unary(rewriter, Unary::Negate, softplus))
}

/// Of what was moved, such as one column of a softmax, before it is moved, where the logarithm is right then. It may be
/// taken of more elements.
pub(super) fn of_moved(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let moved = ViewChain::trace_movements(rewriter, term.operands[0]);
    let is_right =
        argument(rewriter, moved.value, Unary::Sigmoid).is_some() || has_stable_logarithm(rewriter, moved.value);
    (moved.is_moved() && is_right).then(|| {
        let logarithm = unary(rewriter, Unary::Log, moved.value);
        moved.reapply(rewriter, logarithm)
    })
}

/// ln(1 − eˣ) = ln(−expm1(x)) near 0 and log1p(−eˣ) below −ln 2: the one loses digits where the other does not.
///
/// Mächler, *Accurately computing log(1 − exp(−|a|))*, 2012.
pub(super) fn of_one_minus_exp(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let function = if term.op == Op::Unary(Unary::Log) { Unary::ExpM1 } else { Unary::Exp };
    let negated = argument(rewriter, term.operands[0], Unary::Negate)?;
    let x = argument(rewriter, negated, function).filter(|x| !is_bounded(rewriter, *x, &term.ty))?;
    let bound = rewriter.fill(-LN_2, &term.ty);
    // Each branch has the other's arguments replaced: what is not chosen is finite.
    let low = rewriter.build(Op::Binary(Binary::Minimum), &[x, bound]);
    let high = rewriter.build(Op::Binary(Binary::Maximum), &[x, bound]);
    let exponential = unary(rewriter, Unary::Exp, low);
    let exponential = unary(rewriter, Unary::Negate, exponential);
    let far = unary(rewriter, Unary::Log1p, exponential);
    let difference = unary(rewriter, Unary::ExpM1, high);
    let difference = unary(rewriter, Unary::Negate, difference);
    let near = unary(rewriter, Unary::Log, difference);
    let is_low = rewriter.build(Op::Comparison(Comparison::Less), &[x, bound]);
    Some(rewriter.build(Select {}, &[is_low, far, near]))
}

/// Whether x is on one side of −ln 2 already.
fn is_bounded(rewriter: &Rewriter<'_>, x: NodeId, ty: &Type) -> bool {
    let x = ViewChain::trace_movements(rewriter, x).value;
    let bound = if ty.dtype == DType::F32 { f64::from(-LN_2 as f32) } else { -LN_2 };
    matches!(*rewriter.visible_op(x), Op::Binary(Binary::Maximum | Binary::Minimum))
        && rewriter.float(rewriter.operands(x)[1]) == Some(bound)
}

/// ln(eˣ − 1) = x + ln(1 − e^−x): eˣ overflows and its logarithm does not. It undoes softplus.
pub(super) fn of_expm1(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let operand = term.operands[0];
    // As it is written, where nothing has been rewritten yet.
    let less_one = || {
        let operands = rewriter.operands(operand);
        let is_difference =
            *rewriter.visible_op(operand) == Op::Binary(Binary::Sub) && rewriter.is_number(operands[1], 1.0);
        is_difference.then(|| argument(rewriter, operands[0], Unary::Exp))?
    };
    let x = argument(rewriter, operand, Unary::ExpM1).or_else(less_one)?;
    let negated = unary(rewriter, Unary::Negate, x);
    let rest = unary(rewriter, Unary::ExpM1, negated);
    let rest = unary(rewriter, Unary::Negate, rest);
    let logarithm = unary(rewriter, Unary::Log, rest);
    Some(rewriter.build(Op::Binary(Binary::Add), &[x, logarithm]))
}

/// ln(1 − tanh²x) = log1p(−tanh²x) near 0, and ln 4 − 2|x| − 2·softplus(−2|x|) from 1 on: tanh is 1 from x ≈ 9 on in
/// `f32`. Policies with squashed actions subtract it.
pub(super) fn of_slope_of_tanh(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let difference = term.operands[0];
    if *rewriter.visible_op(difference) != Op::Binary(Binary::Sub) {
        return None;
    }
    let operands = rewriter.operands(difference);
    let square = operands[1];
    let y = rewriter.is_number(operands[0], 1.0).then(|| root(rewriter, square))??;
    let x = argument(rewriter, y, Unary::Tanh)?;
    let mut literal = |number| rewriter.fill(number, &term.ty);
    let (one, two, minus_two, log_4) = (literal(1.0), literal(2.0), literal(-2.0), literal(2.0 * LN_2));
    let magnitude = unary(rewriter, Unary::Abs, x);
    let is_near = rewriter.build(Op::Comparison(Comparison::Less), &[magnitude, one]);
    let negated = unary(rewriter, Unary::Negate, square);
    let near = unary(rewriter, Unary::Log1p, negated);
    let doubled = rewriter.build(Op::Binary(Binary::Mul), &[magnitude, minus_two]);
    let softplus = unary(rewriter, Unary::Softplus, doubled);
    let sum = rewriter.build(Op::Binary(Binary::Add), &[magnitude, softplus]);
    let sum = rewriter.build(Op::Binary(Binary::Mul), &[sum, two]);
    let far = rewriter.build(Op::Binary(Binary::Sub), &[log_4, sum]);
    Some(rewriter.build(Select {}, &[is_near, near, far]))
}

/// The y of y², however that is written.
fn root(rewriter: &Rewriter<'_>, square: NodeId) -> Option<NodeId> {
    let operands = rewriter.operands(square);
    let is_square = match *rewriter.visible_op(square) {
        Op::Binary(Binary::Mul) => operands[0] == operands[1],
        Op::Binary(Binary::Pow) => rewriter.is_number(operands[1], 2.0),
        Op::IntegerPower(IntegerPower { exponent }) => exponent == 2,
        _ => false,
    };
    is_square.then(|| operands[0])
}
