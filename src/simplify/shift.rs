//! Sums of exponentials overflow where their logarithms and quotients are ordinary numbers. In: a logarithm, a quotient or a
//! difference of such sums that is about to be made. Out: the same of exponentials less the greatest, or of the other
//! differences that are right.
//!
//! The shift is the greatest where that is finite and 0 elsewhere; it is a constant of the derivative, since no result
//! depends on it. Blanchard, Higham and Higham, *Accurately computing the log-sum-exp and softmax functions*, 2021;
//! `local_log_sum_exp` and `local_log_add_exp` of PyTensor.

use smallvec::SmallVec;

use super::{moved::Moved, rewriter::Rewriter, stable::unary, term::Term};
use crate::graph::{
    Axes, Binary, Broadcast, Comparison, DimSize, NodeId, Op, Predicate, Reduce, Reduction, Select, StopGradient, Unary,
};

/// Exponentials in a sum that is written out, at most.
const MOST_TERMS: usize = 16;

/// Exponentials of x less its greatest element over some axes.
struct Shifted {
    /// e^(x − m).
    exponentials: NodeId,
    /// Their sum over the axes.
    total: NodeId,
    /// m, without the axes.
    shift: NodeId,
}

impl Shifted {
    /// Of Σ eˣ, where that is not shifted yet.
    fn of(rewriter: &mut Rewriter<'_>, sum: NodeId) -> Option<Shifted> {
        let (x, axes) = unshifted(rewriter, sum)?;
        let shape = rewriter.shape(x);
        let maximum = rewriter.build(Reduce { kind: Reduction::Max, axes: axes.clone() }, &[x]);
        let shift = finite_or_zero(rewriter, maximum);
        let kept: Axes = (0..shape.rank()).filter(|axis| !axes.contains(axis)).collect();
        let spread = rewriter.build(Broadcast { axes: kept, shape }, &[shift]);
        let difference = rewriter.build(Op::Binary(Binary::Sub), &[x, spread]);
        let exponentials = unary(rewriter, Unary::Exp, difference);
        let total = rewriter.build(Reduce { kind: Reduction::Sum, axes }, &[exponentials]);
        Some(Shifted { exponentials, total, shift })
    }
}

/// The greatest where it is finite, else 0, as a constant of the derivative.
fn finite_or_zero(rewriter: &mut Rewriter<'_>, maximum: NodeId) -> NodeId {
    let ty = rewriter.ty(maximum);
    let is_finite = rewriter.build(Op::Predicate(Predicate::IsFinite), &[maximum]);
    let zero = rewriter.fill(0.0, &ty);
    let shift = rewriter.build(Select {}, &[is_finite, maximum, zero]);
    rewriter.build(StopGradient {}, &[shift])
}

/// x and the axes of Σ eˣ, where a greatest x can be subtracted and has not been.
fn unshifted(rewriter: &Rewriter<'_>, sum: NodeId) -> Option<(NodeId, Axes)> {
    let (x, axes) = sum_of_exponentials(rewriter, sum)?;
    let shape = rewriter.shape(x);
    // The greatest of nothing is an error, so that there is something must be known.
    let is_something = axes.iter().all(|axis| shape[*axis].as_number().is_some_and(|size| size > 0));
    (is_something && !is_shifted(rewriter, x)).then_some((x, axes))
}

fn sum_of_exponentials(rewriter: &Rewriter<'_>, sum: NodeId) -> Option<(NodeId, Axes)> {
    let Op::Reduce(Reduce { kind: Reduction::Sum, axes }) = rewriter.op(sum) else { return None };
    Some((argument(rewriter, rewriter.operand(sum), Unary::Exp)?, axes))
}

/// The x of f(x).
pub(super) fn argument(rewriter: &Rewriter<'_>, id: NodeId, function: Unary) -> Option<NodeId> {
    (*rewriter.sees(id) == Op::Unary(function)).then(|| rewriter.operand(id))
}

/// ln Σ eˣ = ln Σ e^(x − m) + m. It takes more work than what it replaces, and is worth it: from x ≈ 89 on in `f32` that was
/// infinite.
pub(super) fn logsumexp(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let of = Shifted::of(rewriter, term.operands[0])?;
    let logarithm = unary(rewriter, Unary::Log, of.total);
    Some(rewriter.build(Op::Binary(Binary::Add), &[logarithm, of.shift]))
}

/// eˣ/Σ eˣ, where each element is divided by the sum that it is in.
pub(super) fn softmax(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let [exponential, divisor] = term.operands[..] else { return None };
    let x = argument(rewriter, exponential, Unary::Exp)?;
    let moved = Moved::behind(rewriter, divisor);
    let (summed, axes) = unshifted(rewriter, moved.value)?;
    let shape = rewriter.shape(x);
    let places = moved.places(rewriter)?;
    let is_own = |(place, axis): (Option<usize>, usize)| place.is_none_or(|place| place == axis);
    let kept = (0..shape.rank()).filter(|axis| !axes.contains(axis));
    if summed != x || !places.into_iter().zip(kept).all(is_own) {
        return None;
    }
    let of = Shifted::of(rewriter, moved.value)?;
    let total = moved.again(rewriter, of.total);
    Some(rewriter.build(Op::Binary(Binary::Div), &[of.exponentials, total]))
}

/// x − (ln Σ e^(x − m) + m) = (x − m) − ln Σ e^(x − m): m is often much greater than what is left of it.
pub(super) fn less_logsumexp(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let [x, subtrahend] = term.operands[..] else { return None };
    let outer = Moved::behind(rewriter, subtrahend);
    if *rewriter.sees(outer.value) != Op::Binary(Binary::Add) {
        return None;
    }
    let parts = rewriter.operands(outer.value);
    let (logarithm, shift) =
        if argument(rewriter, parts[0], Unary::Log).is_some() { (parts[0], parts[1]) } else { (parts[1], parts[0]) };
    let total = total(rewriter, argument(rewriter, logarithm, Unary::Log)?);
    let (difference, _) = sum_of_exponentials(rewriter, total)?;
    if *rewriter.sees(difference) != Op::Binary(Binary::Sub) || rewriter.operand(difference) != x {
        return None;
    }
    let inner = Moved::behind(rewriter, rewriter.operands(difference)[1]);
    let is_same = inner.value == shift || is_guard_of(rewriter, inner.value, shift);
    let is_alike = is_same && inner.places(rewriter)? == outer.places(rewriter)?;
    is_alike.then(|| {
        let logarithm = outer.again(rewriter, logarithm);
        rewriter.build(Op::Binary(Binary::Sub), &[difference, logarithm])
    })
}

/// Whether a value is select(shift is finite, shift, 0) itself, moved nowhere, and constant in the derivative only if the
/// shift is.
fn is_guard_of(rewriter: &Rewriter<'_>, id: NodeId, shift: NodeId) -> bool {
    let is_stopped = |id| matches!(*rewriter.sees(id), Op::StopGradient(_));
    if is_stopped(id) && !is_stopped(shift) {
        return false;
    }
    let mut value = id;
    while is_stopped(value) {
        value = rewriter.operand(value);
    }
    select(rewriter, value).is_some_and(|[condition, x, zero]| {
        x == shift
            && *rewriter.sees(condition) == Op::Predicate(Predicate::IsFinite)
            && rewriter.operand(condition) == shift
            && rewriter.float(zero) == Some(0.0)
    })
}

/// ln(eᵃ + eᵇ + …) = ln(e^(a − m) + e^(b − m) + …) + m, m the greatest of them; 1 is e⁰. Of two it is a softplus.
pub(super) fn log_of_terms(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let terms = exponentials(rewriter, term.operands[0])?;
    let mut arguments = Vec::with_capacity(terms.len());
    for of in terms {
        arguments.push(match of {
            Exponential::One => rewriter.fill(0.0, &term.ty),
            Exponential::Moved(x, moved) => moved.again(rewriter, x),
        });
    }
    if let [a, b] = arguments[..] {
        return Some(log_of_two(rewriter, a, b));
    }
    let maximum = arguments.iter().copied().reduce(|a, b| rewriter.build(Op::Binary(Binary::Maximum), &[a, b]))?;
    let shift = finite_or_zero(rewriter, maximum);
    let mut sum: Option<NodeId> = None;
    for x in arguments {
        let difference = rewriter.build(Op::Binary(Binary::Sub), &[x, shift]);
        let exponential = unary(rewriter, Unary::Exp, difference);
        sum = Some(match sum {
            None => exponential,
            Some(sum) => rewriter.build(Op::Binary(Binary::Add), &[sum, exponential]),
        });
    }
    let logarithm = unary(rewriter, Unary::Log, sum?);
    Some(rewriter.build(Op::Binary(Binary::Add), &[logarithm, shift]))
}

/// ln(eᵃ + eᵇ) is the greater plus softplus(less − greater), which keeps the digits of small slopes at any order. Each choice
/// of the greater is right on both sides of a tie, so that derivatives are right there too.
fn log_of_two(rewriter: &mut Rewriter<'_>, a: NodeId, b: NodeId) -> NodeId {
    let is_first = rewriter.build(Op::Comparison(Comparison::GreaterEqual), &[a, b]);
    let greater = rewriter.build(Select {}, &[is_first, a, b]);
    let less = rewriter.build(Select {}, &[is_first, b, a]);
    let difference = rewriter.build(Op::Binary(Binary::Sub), &[less, greater]);
    // Two equal infinities have no difference.
    let is_finite = rewriter.build(Op::Predicate(Predicate::IsFinite), &[greater]);
    let ty = rewriter.ty(greater);
    let zero = rewriter.fill(0.0, &ty);
    let difference = rewriter.build(Select {}, &[is_finite, difference, zero]);
    let softplus = unary(rewriter, Unary::Softplus, difference);
    rewriter.build(Op::Binary(Binary::Add), &[greater, softplus])
}

/// A term of a sum of exponentials.
enum Exponential {
    One,
    /// The exponential of this, moved.
    Moved(NodeId, Moved),
}

/// The terms of a sum of at least two exponentials and perhaps a 1, if none of them has been shifted.
fn exponentials(rewriter: &Rewriter<'_>, sum: NodeId) -> Option<Vec<Exponential>> {
    let mut open: SmallVec<[NodeId; 4]> = SmallVec::from_slice(&[sum]);
    let (mut terms, mut n_ones) = (Vec::new(), 0);
    while let Some(id) = open.pop() {
        if *rewriter.sees(id) == Op::Binary(Binary::Add) {
            open.extend(rewriter.operands(id).into_iter().rev());
        } else if rewriter.is_number(id, 1.0) {
            n_ones += 1;
            terms.push(Exponential::One);
        } else {
            let moved = Moved::behind(rewriter, id);
            let x = argument(rewriter, moved.value, Unary::Exp).filter(|x| !is_shifted(rewriter, *x))?;
            terms.push(Exponential::Moved(x, moved));
        }
        if terms.len() + open.len() > MOST_TERMS {
            return None;
        }
    }
    (n_ones <= 1 && terms.len() >= 2 + n_ones).then_some(terms)
}

/// ln(c·S) = ln S + ln c and ln(S/n) = ln S − ln n, where S is a sum of exponentials and c > 0, n a size.
pub(super) fn log_of_scaled(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let scaled = term.operands[0];
    let op = rewriter.op(scaled);
    let operands = rewriter.operands(scaled);
    let (sum, scale, outer) = match op {
        Op::Binary(Binary::Mul) if is_positive(rewriter, operands[1]) => (operands[0], operands[1], Binary::Add),
        Op::Binary(Binary::Mul) if is_positive(rewriter, operands[0]) => (operands[1], operands[0], Binary::Add),
        Op::Binary(Binary::Div) if is_positive(rewriter, operands[1]) || is_size(rewriter, operands[1]) => {
            (operands[0], operands[1], Binary::Sub)
        }
        _ => return None,
    };
    let value = Moved::behind(rewriter, sum).value;
    (unshifted(rewriter, value).is_some() || exponentials(rewriter, value).is_some()).then(|| {
        let (sum, scale) = (unary(rewriter, Unary::Log, sum), unary(rewriter, Unary::Log, scale));
        rewriter.build(Op::Binary(outer), &[sum, scale])
    })
}

fn is_positive(rewriter: &Rewriter<'_>, id: NodeId) -> bool {
    rewriter.float(id).is_some_and(|number| number > 0.0 && number.is_finite())
}

/// Whether a node is the size of an axis, as a mean divides by it.
fn is_size(rewriter: &Rewriter<'_>, id: NodeId) -> bool {
    let value = Moved::behind(rewriter, id).value;
    let is_dim = |id: NodeId| matches!(*rewriter.sees(id), Op::DimSize(DimSize { .. }));
    let is_bounded = *rewriter.sees(value) == Op::Binary(Binary::Maximum)
        && is_dim(rewriter.operand(value))
        && rewriter.float(rewriter.operands(value)[1]) == Some(0.0);
    is_dim(value) || is_bounded
}

/// Whether the logarithm of a node is a difference or a sum of ordinary numbers where the node itself is not: of a sum of
/// exponentials, or of a softmax.
pub(super) fn has_stable_logarithm(rewriter: &Rewriter<'_>, id: NodeId) -> bool {
    let is_softmax = || {
        *rewriter.sees(id) == Op::Binary(Binary::Div) && {
            let operands = rewriter.operands(id);
            argument(rewriter, operands[0], Unary::Exp).is_some_and(|s| is_shifted_softmax(rewriter, s, operands[1]))
        }
    };
    unshifted(rewriter, id).is_some() || is_softmax()
}

/// Whether b is Σ exp(s) over some axes, repeated to the shape of s, and s is less its maximum: then one exponential is 1
/// and the sum is at least 1, or there is no finite number among them.
pub(super) fn is_shifted_softmax(rewriter: &Rewriter<'_>, s: NodeId, b: NodeId) -> bool {
    let sum = sum_of_exponentials(rewriter, total(rewriter, b));
    sum.is_some_and(|(x, _)| x == s) && is_shifted(rewriter, s)
}

/// The sum behind movements and a mask of zeros.
fn total(rewriter: &Rewriter<'_>, id: NodeId) -> NodeId {
    let total = origin(rewriter, id);
    masked(rewriter, total).map_or(total, |total| origin(rewriter, total))
}

/// Whether s is x less its own maximum over some axes, or less what is finite or 0.
fn is_shifted(rewriter: &Rewriter<'_>, s: NodeId) -> bool {
    let (x, shift) = match *rewriter.sees(s) {
        Op::Binary(Binary::Sub) => (Some(rewriter.operand(s)), rewriter.operands(s)[1]),
        // 0 less the shift.
        Op::Unary(Unary::Negate) => (None, rewriter.operand(s)),
        _ => return false,
    };
    let shift = origin(rewriter, shift);
    let is_maximum = || {
        matches!(*rewriter.sees(shift), Op::Reduce(Reduce { kind: Reduction::Max, .. }))
            && x.is_some_and(|x| origin(rewriter, rewriter.operand(shift)) == origin(rewriter, x))
    };
    guarded(rewriter, shift).is_some() || is_maximum()
}

/// The value behind movements, constant in the derivative or not.
fn origin(rewriter: &Rewriter<'_>, id: NodeId) -> NodeId {
    let mut value = Moved::behind(rewriter, id).value;
    while matches!(*rewriter.sees(value), Op::StopGradient(_)) {
        value = Moved::behind(rewriter, rewriter.operand(value)).value;
    }
    value
}

/// The x of select(x = 0, 1, x).
fn masked(rewriter: &Rewriter<'_>, id: NodeId) -> Option<NodeId> {
    let [condition, one, x] = select(rewriter, id)?;
    let is_zero = *rewriter.sees(condition) == Op::Comparison(Comparison::Equal) && {
        let compared = rewriter.operands(condition);
        compared[0] == x && rewriter.float(compared[1]) == Some(0.0)
    };
    (is_zero && rewriter.is_number(one, 1.0)).then_some(x)
}

/// The x of select(is_finite(x), x, 0).
fn guarded(rewriter: &Rewriter<'_>, id: NodeId) -> Option<NodeId> {
    let [condition, x, zero] = select(rewriter, origin(rewriter, id))?;
    let condition = origin(rewriter, condition);
    let is_guard = *rewriter.sees(condition) == Op::Predicate(Predicate::IsFinite)
        && origin(rewriter, rewriter.operand(condition)) == origin(rewriter, x)
        && rewriter.float(zero) == Some(0.0);
    is_guard.then_some(x)
}

fn select(rewriter: &Rewriter<'_>, id: NodeId) -> Option<[NodeId; 3]> {
    let is_select = matches!(*rewriter.sees(id), Op::Select(_));
    is_select.then(|| rewriter.operands(id).as_slice().try_into().ok())?
}
