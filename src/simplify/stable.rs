//! Expressions that lose digits or overflow where their value does not, and the ones to compute instead. In: a logarithm, a
//! difference or a quotient that is about to be made. Out: the stable form, where nothing that is computed anyway is
//! computed twice.

use super::{movement::embedding, rewriter::Rewriter, term::Term};
use crate::graph::{
    Axes, Binary, Broadcast, Comparison, NodeId, Op, Predicate, Reduce, Reduction, Select, Shape, Unary,
};

fn is_unary(rewriter: &Rewriter<'_>, id: NodeId, function: Unary) -> bool {
    rewriter.node(id).op == Op::Unary(function)
}

fn unary(rewriter: &mut Rewriter<'_>, function: Unary, x: NodeId) -> NodeId {
    rewriter.build(Op::Unary(function), &[x])
}

/// 1 − σ(x) is 0 from x ≈ 17 on in `f32`; σ(−x) is not.
pub(super) fn one_minus_sigmoid(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let [one, sigmoid] = term.operands[..] else { return None };
    let fits = term.op == Op::Binary(Binary::Sub)
        && rewriter.is_number(one, 1.0)
        && is_unary(rewriter, sigmoid, Unary::Sigmoid)
        && rewriter.is_read_once(sigmoid);
    fits.then(|| {
        let x = rewriter.operand(sigmoid);
        let negated = unary(rewriter, Unary::Negate, x);
        unary(rewriter, Unary::Sigmoid, negated)
    })
}

/// e^x overflows to a quotient of 0 where σ(−x) is still a number.
pub(super) fn sigmoid_of_neg(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let [one, sum] = term.operands[..] else { return None };
    if !rewriter.is_number(one, 1.0) || rewriter.node(sum).op != Op::Binary(Binary::Add) {
        return None;
    }
    let parts = rewriter.operands(sum);
    let (other, exponential) =
        if rewriter.is_number(parts[0], 1.0) { (parts[0], parts[1]) } else { (parts[1], parts[0]) };
    let fits =
        rewriter.is_number(other, 1.0) && is_unary(rewriter, exponential, Unary::Exp) && rewriter.is_read_once(sum);
    fits.then(|| {
        let x = rewriter.operand(exponential);
        let negated = unary(rewriter, Unary::Negate, x);
        unary(rewriter, Unary::Sigmoid, negated)
    })
}

/// e^x σ(−x) is σ(x), and no number where e^x is infinite; σ(−x) may have a factor already, as in a
/// derivative of log(1 + e^x).
pub(super) fn sigmoid_of_exp(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let [left, right] = term.operands[..] else { return None };
    let (exponential, other) = if is_unary(rewriter, left, Unary::Exp) { (left, right) } else { (right, left) };
    if !is_unary(rewriter, exponential, Unary::Exp) || !rewriter.is_read_once(exponential) {
        return None;
    }
    let x = rewriter.operand(exponential);
    let is_reflected =
        |id: NodeId| is_unary(rewriter, id, Unary::Sigmoid) && are_opposite(rewriter, rewriter.operand(id), x);
    if is_reflected(other) && rewriter.is_read_once(other) {
        return Some(unary(rewriter, Unary::Sigmoid, x));
    }
    if rewriter.node(other).op != Op::Binary(Binary::Mul) || !rewriter.is_read_once(other) {
        return None;
    }
    let factors = rewriter.operands(other);
    let (factor, sigmoid) = if is_reflected(factors[1]) { (factors[0], factors[1]) } else { (factors[1], factors[0]) };
    let fits = is_reflected(sigmoid) && rewriter.has_one_reader(sigmoid);
    fits.then(|| {
        let sigmoid = unary(rewriter, Unary::Sigmoid, x);
        rewriter.build(Op::Binary(Binary::Mul), &[factor, sigmoid])
    })
}

/// Whether two values are known to differ in sign alone. Which of them has the minus is up to the user, and literals
/// have taken it over where they are factors.
fn are_opposite(rewriter: &Rewriter<'_>, one: NodeId, other: NodeId) -> bool {
    let is_negated =
        |negated: NodeId, x: NodeId| is_unary(rewriter, negated, Unary::Negate) && rewriter.operand(negated) == x;
    let scaled = |id: NodeId| {
        if rewriter.node(id).op != Op::Binary(Binary::Mul) {
            return None;
        }
        let factors = rewriter.operands(id);
        let by = |literal: usize| Some((factors[1 - literal], rewriter.float(factors[literal])?));
        by(0).or_else(|| by(1))
    };
    let are_scaled = || matches!((scaled(one), scaled(other)), (Some((x, c)), Some((y, d))) if x == y && c == -d);
    is_negated(one, other) || is_negated(other, one) || are_scaled()
}

/// σ(x) is 0 far below, and its logarithm −∞.
pub(super) fn log_sigmoid(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let sigmoid = term.operands[0];
    (is_unary(rewriter, sigmoid, Unary::Sigmoid) && rewriter.is_read_once(sigmoid)).then(|| {
        let x = rewriter.operand(sigmoid);
        let negated = unary(rewriter, Unary::Negate, x);
        let softplus = unary(rewriter, Unary::Softplus, negated);
        unary(rewriter, Unary::Negate, softplus)
    })
}

/// ln Σ eˣ = ln Σ e^(x − m) + m, with m the greatest x where that is finite and 0 elsewhere.
///
/// Blanchard, Higham and Higham, *Accurately computing the log-sum-exp and softmax functions*, 2021. It takes more work
/// than what it replaces, and is worth it: from x ≈ 89 on in `f32` that was infinite.
pub(super) fn logsumexp(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let sum = term.operands[0];
    let Op::Reduce(Reduce { kind: Reduction::Sum, axes }) = rewriter.op(sum) else { return None };
    let exponential = rewriter.operand(sum);
    let goes = is_unary(rewriter, exponential, Unary::Exp)
        && rewriter.is_read_once(sum)
        // The sum read it already: that is the one reading.
        && rewriter.has_one_reader(exponential);
    let x = goes.then(|| rewriter.operand(exponential))?;
    let shape = rewriter.shape(x);
    // The greatest of nothing is an error, so that there is something must be known.
    let is_something = axes.iter().all(|axis| shape[*axis].as_number().is_some_and(|size| size > 0));
    if !is_something || is_shifted(rewriter, x) {
        return None;
    }
    let maximum = rewriter.build(Reduce { kind: Reduction::Max, axes: axes.clone() }, &[x]);
    let is_finite = rewriter.build(Op::Predicate(Predicate::IsFinite), &[maximum]);
    let zero = rewriter.fill(0.0, &term.ty);
    let shift = rewriter.build(Select {}, &[is_finite, maximum, zero]);
    let kept: Axes = (0..shape.rank()).filter(|axis| !axes.contains(axis)).collect();
    let spread = rewriter.build(Broadcast { axes: kept, shape }, &[shift]);
    let shifted = rewriter.build(Op::Binary(Binary::Sub), &[x, spread]);
    let exponentials = unary(rewriter, Unary::Exp, shifted);
    let total = rewriter.build(Reduce { kind: Reduction::Sum, axes }, &[exponentials]);
    let logarithm = unary(rewriter, Unary::Log, total);
    Some(rewriter.build(Op::Binary(Binary::Add), &[logarithm, shift]))
}

/// Whether b is Σ exp(s) over some axes, repeated to the shape of s, and s is less its maximum: then one exponential is 1
/// and the sum is at least 1, or there is no finite number among them.
pub(super) fn is_shifted_softmax(rewriter: &Rewriter<'_>, s: NodeId, b: NodeId) -> bool {
    let total = through_movements(rewriter, b);
    let total = masked(rewriter, total).unwrap_or(total);
    let total = through_movements(rewriter, total);
    let Op::Reduce(Reduce { kind: Reduction::Sum, .. }) = rewriter.op(total) else { return false };
    let exponential = rewriter.operand(total);
    is_unary(rewriter, exponential, Unary::Exp) && rewriter.operand(exponential) == s && is_shifted(rewriter, s)
}

/// Whether s is x less its own maximum over some axes.
fn is_shifted(rewriter: &Rewriter<'_>, s: NodeId) -> bool {
    if rewriter.node(s).op != Op::Binary(Binary::Sub) {
        return false;
    }
    let operands = rewriter.operands(s);
    let shift = through_movements(rewriter, operands[1]);
    let shift = guarded(rewriter, shift).unwrap_or(shift);
    let shift = through_movements(rewriter, shift);
    matches!(rewriter.op(shift), Op::Reduce(Reduce { kind: Reduction::Max, .. }))
        && rewriter.operand(shift) == operands[0]
}

/// The value behind broadcasts and axes of size 1.
fn through_movements(rewriter: &Rewriter<'_>, id: NodeId) -> NodeId {
    let is_unit = |id: NodeId| {
        let (inside, outside): (Shape, Shape) = (rewriter.shape(rewriter.operand(id)), rewriter.shape(id));
        embedding(&inside, &outside).or_else(|| embedding(&outside, &inside)).is_some()
    };
    let mut value = id;
    // At most a few movements stand in a row: those of one kind have been merged.
    for _ in 0..4 {
        let is_movement = match rewriter.op(value) {
            Op::Broadcast(_) | Op::StopGradient(_) => true,
            Op::Reshape(_) => is_unit(value),
            _ => false,
        };
        if !is_movement {
            break;
        }
        value = rewriter.operand(value);
    }
    value
}

/// The x of select(x = 0, 1, x).
fn masked(rewriter: &Rewriter<'_>, id: NodeId) -> Option<NodeId> {
    let [condition, one, x] = select(rewriter, id)?;
    let is_zero = rewriter.node(condition).op == Op::Comparison(Comparison::Equal) && {
        let compared = rewriter.operands(condition);
        compared[0] == x && rewriter.float(compared[1]) == Some(0.0)
    };
    (is_zero && rewriter.is_number(one, 1.0)).then_some(x)
}

/// The x of select(is_finite(x), x, 0).
fn guarded(rewriter: &Rewriter<'_>, id: NodeId) -> Option<NodeId> {
    let [condition, x, zero] = select(rewriter, id)?;
    let is_guard = rewriter.node(condition).op == Op::Predicate(Predicate::IsFinite)
        && rewriter.operand(condition) == x
        && rewriter.float(zero) == Some(0.0);
    is_guard.then_some(x)
}

fn select(rewriter: &Rewriter<'_>, id: NodeId) -> Option<[NodeId; 3]> {
    let is_select = matches!(rewriter.node(id).op, Op::Select(_));
    is_select.then(|| rewriter.operands(id).as_slice().try_into().ok())?
}
