//! Shifted exponentials (the log-sum-exp trick): sums of exponentials overflow where their logarithms and quotients are
//! ordinary numbers. In: a logarithm, a quotient or a difference of such sums that is about to be made. Out: the same
//! of e^(x − m), m the maximum of x, or another form without overflow.
//!
//! The shift m is the maximum where that is finite and 0 elsewhere. It is a constant for differentiation, since no
//! result depends on it. Blanchard, Higham and Higham, *Accurately computing the log-sum-exp and softmax functions*,
//! 2021; `local_log_sum_exp` and `local_log_add_exp` of PyTensor.

use smallvec::SmallVec;

use super::{
    moved::ViewChain,
    rewriter::Rewriter,
    shifted::{are_shifted, is_shifted, select},
    stable::unary,
    term::Term,
};
use crate::graph::{
    Axes, Binary, Broadcast, Comparison, Concat, DimSize, NodeId, Op, Predicate, Reduce, Reduction, Select,
    StopGradient, Unary,
};

/// The most exponentials in a sum that is written out.
const MAX_TERMS: usize = 16;

/// Shifted exponentials: e^(x − m), with m the maximum of x over some axes.
struct Shifted {
    /// e^(x − m).
    exponentials: NodeId,
    /// Their sum over the axes.
    total: NodeId,
    /// m, without the axes.
    shift: NodeId,
}

impl Shifted {
    /// The shifted form of Σ eˣ; none if the sum is not of exponentials or is shifted already.
    fn from_sum(rewriter: &mut Rewriter<'_>, sum: NodeId) -> Option<Shifted> {
        let (x, axes) = unshifted(rewriter, sum)?;
        let shape = rewriter.shape(x);
        let maximum = greatest(rewriter, x, &axes);
        let shift = finite_or_zero(rewriter, maximum);
        let kept: Axes = (0..shape.rank()).filter(|axis| !axes.contains(axis)).collect();
        let spread = rewriter.build(Broadcast { axes: kept, shape }, &[shift]);
        let difference = rewriter.build(Op::Binary(Binary::Sub), &[x, spread]);
        let exponentials = unary(rewriter, Unary::Exp, difference);
        let total = rewriter.build(Reduce { kind: Reduction::Sum, axes }, &[exponentials]);
        Some(Shifted { exponentials, total, shift })
    }
}

/// The maximum over axes. The maximum of an empty axis is an error, so an axis that may be empty gets a −∞ appended,
/// after the other axes have been reduced.
fn greatest(rewriter: &mut Rewriter<'_>, x: NodeId, axes: &[usize]) -> NodeId {
    let shape = rewriter.shape(x);
    let is_open = |axis: &usize| shape[*axis].as_number().is_none();
    let (open, closed): (Axes, Axes) = axes.iter().copied().partition(is_open);
    let mut greatest = x;
    if open.is_empty() || !closed.is_empty() {
        greatest = rewriter.build(Reduce { kind: Reduction::Max, axes: closed.clone() }, &[greatest]);
    }
    if open.is_empty() {
        return greatest;
    }
    let axes: Axes = open.iter().map(|axis| axis - closed.iter().filter(|removed| *removed < axis).count()).collect();
    for axis in &axes {
        let mut ty = rewriter.ty(greatest);
        ty.shape = ty
            .shape
            .iter()
            .enumerate()
            .map(|(position, size)| if position == *axis { 1.into() } else { size.clone() })
            .collect();
        let least = rewriter.fill(f64::NEG_INFINITY, &ty);
        greatest = rewriter.build(Concat { axis: *axis }, &[greatest, least]);
    }
    rewriter.build(Reduce { kind: Reduction::Max, axes }, &[greatest])
}

/// The maximum where it is finite, else 0, behind `stop_gradient`.
fn finite_or_zero(rewriter: &mut Rewriter<'_>, maximum: NodeId) -> NodeId {
    let ty = rewriter.ty(maximum);
    let is_finite = rewriter.build(Op::Predicate(Predicate::IsFinite), &[maximum]);
    let zero = rewriter.fill(0.0, &ty);
    let shift = rewriter.build(Select {}, &[is_finite, maximum, zero]);
    rewriter.build(StopGradient {}, &[shift])
}

/// Matches Σ eˣ that is not shifted and gives x and the axes.
fn unshifted(rewriter: &Rewriter<'_>, sum: NodeId) -> Option<(NodeId, Axes)> {
    let (x, axes) = sum_of_exponentials(rewriter, sum)?;
    let shape = rewriter.shape(x);
    let is_something = axes.iter().all(|axis| !shape[*axis].is(0));
    (is_something && !is_shifted(rewriter, x, &axes)).then_some((x, axes))
}

fn sum_of_exponentials(rewriter: &Rewriter<'_>, sum: NodeId) -> Option<(NodeId, Axes)> {
    let Op::Reduce(Reduce { kind: Reduction::Sum, axes }) = rewriter.op(sum) else { return None };
    Some((argument(rewriter, rewriter.operand(sum), Unary::Exp)?, axes))
}

/// Matches f(x) and gives x.
pub(super) fn argument(rewriter: &Rewriter<'_>, id: NodeId, function: Unary) -> Option<NodeId> {
    (*rewriter.visible_op(id) == Op::Unary(function)).then(|| rewriter.operand(id))
}

/// ln Σ eˣ = ln Σ e^(x − m) + m. It costs more than what it replaces, which is infinite from x ≈ 89 on in `f32`.
pub(super) fn logsumexp(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let shifted = Shifted::from_sum(rewriter, term.operands[0])?;
    let logarithm = unary(rewriter, Unary::Log, shifted.total);
    Some(rewriter.build(Op::Binary(Binary::Add), &[logarithm, shifted.shift]))
}

/// eˣ/Σ eˣ, where each element is divided by the sum that it is in.
pub(super) fn softmax(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let [exponential, divisor] = term.operands[..] else { return None };
    let x = argument(rewriter, exponential, Unary::Exp)?;
    let moved = ViewChain::trace_movements(rewriter, divisor);
    let (summed, axes) = unshifted(rewriter, moved.value)?;
    let shape = rewriter.shape(x);
    let places = moved.places(rewriter)?;
    let is_own = |(place, axis): (Option<usize>, usize)| place.is_none_or(|place| place == axis);
    let kept = (0..shape.rank()).filter(|axis| !axes.contains(axis));
    if summed != x || !places.into_iter().zip(kept).all(is_own) {
        return None;
    }
    let shifted = Shifted::from_sum(rewriter, moved.value)?;
    let total = moved.reapply(rewriter, shifted.total);
    Some(rewriter.build(Op::Binary(Binary::Div), &[shifted.exponentials, total]))
}

/// x − (ln Σ e^(x − m) + m) = (x − m) − ln Σ e^(x − m): m is often much greater than what is left of it.
pub(super) fn less_logsumexp(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let [x, subtrahend] = term.operands[..] else { return None };
    let outer = ViewChain::trace_movements(rewriter, subtrahend);
    if *rewriter.visible_op(outer.value) != Op::Binary(Binary::Add) {
        return None;
    }
    let parts = rewriter.operands(outer.value);
    let (logarithm, shift) =
        if argument(rewriter, parts[0], Unary::Log).is_some() { (parts[0], parts[1]) } else { (parts[1], parts[0]) };
    let total = total(rewriter, argument(rewriter, logarithm, Unary::Log)?);
    let (difference, axes) = sum_of_exponentials(rewriter, total)?;
    if !is_shifted(rewriter, difference, &axes) || rewriter.operand(difference) != x {
        return None;
    }
    let inner = ViewChain::trace_movements(rewriter, rewriter.operands(difference)[1]);
    let is_same = inner.value == shift || is_guard_of(rewriter, inner.value, shift);
    let is_alike = is_same && inner.places(rewriter)? == outer.places(rewriter)?;
    is_alike.then(|| {
        let logarithm = outer.reapply(rewriter, logarithm);
        rewriter.build(Op::Binary(Binary::Sub), &[difference, logarithm])
    })
}

/// Whether a value is select(shift is finite, shift, 0) itself, moved nowhere, and constant in the derivative only if
/// the shift is.
fn is_guard_of(rewriter: &Rewriter<'_>, id: NodeId, shift: NodeId) -> bool {
    let is_stopped = |id| matches!(*rewriter.visible_op(id), Op::StopGradient(_));
    if is_stopped(id) && !is_stopped(shift) {
        return false;
    }
    let mut value = id;
    while is_stopped(value) {
        value = rewriter.operand(value);
    }
    select(rewriter, value).is_some_and(|[condition, x, zero]| {
        x == shift
            && *rewriter.visible_op(condition) == Op::Predicate(Predicate::IsFinite)
            && rewriter.operand(condition) == shift
            && rewriter.float(zero) == Some(0.0)
    })
}

/// ln(eᵃ + eᵇ + …) = ln(e^(a − m) + e^(b − m) + …) + m, m the greatest of them; 1 is e⁰. Of two it is a softplus.
pub(super) fn log_of_terms(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let arguments = arguments(rewriter, term.operands[0])?;
    if let [a, b] = arguments[..] {
        return Some(log_of_two(rewriter, a, b));
    }
    let (total, shift) = shifted_terms(rewriter, arguments)?;
    let logarithm = unary(rewriter, Unary::Log, total);
    Some(rewriter.build(Op::Binary(Binary::Add), &[logarithm, shift]))
}

/// The arguments of the exponentials in a sum of [`exponentials`].
fn arguments(rewriter: &mut Rewriter<'_>, sum: NodeId) -> Option<Vec<NodeId>> {
    let (ty, terms) = (rewriter.ty(sum), exponentials(rewriter, sum)?);
    let argument = |exponential| match exponential {
        Exponential::One => rewriter.fill(0.0, &ty),
        Exponential::Moved(x, moved) => moved.reapply(rewriter, x),
    };
    Some(terms.into_iter().map(argument).collect())
}

/// e^(a − m) + e^(b − m) + … and m.
fn shifted_terms(rewriter: &mut Rewriter<'_>, arguments: Vec<NodeId>) -> Option<(NodeId, NodeId)> {
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
    Some((sum?, shift))
}

/// ln(eᵃ + eᵇ) is the greater plus softplus(less − greater), which keeps the digits of small slopes at any order. Each
/// choice of the greater is right on both sides of a tie, so that derivatives are right there too.
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

/// A term of a sum of exponentials that is written out.
enum Exponential {
    One,
    /// The exponential of this, moved.
    Moved(NodeId, ViewChain),
}

/// The terms of a sum of at least two exponentials and perhaps a 1, unless they are shifted.
fn exponentials(rewriter: &Rewriter<'_>, sum: NodeId) -> Option<Vec<Exponential>> {
    let mut open: SmallVec<[NodeId; 4]> = SmallVec::from_slice(&[sum]);
    let (mut terms, mut unmoved, mut n_ones) = (Vec::new(), Vec::new(), 0);
    while let Some(id) = open.pop() {
        if *rewriter.visible_op(id) == Op::Binary(Binary::Add) {
            open.extend(rewriter.operands(id).into_iter().rev());
        } else if rewriter.is_number(id, 1.0) {
            n_ones += 1;
            terms.push(Exponential::One);
        } else {
            let moved = ViewChain::trace_movements(rewriter, id);
            let x = argument(rewriter, moved.value, Unary::Exp)?;
            unmoved.extend((!moved.is_moved()).then_some(x));
            terms.push(Exponential::Moved(x, moved));
        }
        if terms.len() + open.len() > MAX_TERMS {
            return None;
        }
    }
    let is_shifted = || unmoved.len() == terms.len() && are_shifted(rewriter, &unmoved);
    (n_ones <= 1 && terms.len() >= 2 + n_ones && !is_shifted()).then_some(terms)
}

/// A sum c·S or S/n, c > 0, n a size.
struct ScaledSum {
    sum: NodeId,
    scale: NodeId,
    by: Binary,
    /// Whether the scale neither over- nor underflows with a sum between 1 and 2⁴⁶.
    is_moderate: bool,
}

impl ScaledSum {
    fn from_product(rewriter: &Rewriter<'_>, scaled: NodeId) -> Option<ScaledSum> {
        let by = match *rewriter.visible_op(scaled) {
            Op::Binary(by @ (Binary::Mul | Binary::Div)) => by,
            _ => return None,
        };
        let operands = rewriter.operands(scaled);
        let positive = |id: NodeId| rewriter.float(id).filter(|number| *number > 0.0 && number.is_finite());
        let is_scale = |id: NodeId| positive(id).is_some() || (by == Binary::Div && is_size(rewriter, id));
        let (sum, scale) = match by {
            Binary::Mul if !is_scale(operands[1]) => (operands[1], operands[0]),
            _ => (operands[0], operands[1]),
        };
        let is_moderate =
            positive(scale).is_none_or(|number| (libm::ldexp(1.0, -64)..=libm::ldexp(1.0, 64)).contains(&number));
        is_scale(scale).then_some(ScaledSum { sum, scale, by, is_moderate })
    }

    /// ln S + ln c or ln S − ln n, of the logarithm of S.
    fn outside(&self, rewriter: &mut Rewriter<'_>, logarithm: NodeId) -> NodeId {
        let scale = unary(rewriter, Unary::Log, self.scale);
        let by = if self.by == Binary::Mul { Binary::Add } else { Binary::Sub };
        rewriter.build(Op::Binary(by), &[logarithm, scale])
    }

    /// ln(c·S) of a shifted S: the scale stays inside, since ln S and ln c may nearly cancel.
    fn logarithm(&self, rewriter: &mut Rewriter<'_>, total: NodeId) -> NodeId {
        if self.is_moderate {
            let scaled = rewriter.build(Op::Binary(self.by), &[total, self.scale]);
            return unary(rewriter, Unary::Log, scaled);
        }
        let logarithm = unary(rewriter, Unary::Log, total);
        self.outside(rewriter, logarithm)
    }
}

/// ln(c·Σ eˣ) = ln(c·Σ e^(x − m)) + m: a mean has its scale.
pub(super) fn log_of_scaled(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let scaled = ScaledSum::from_product(rewriter, term.operands[0])?;
    let moved = ViewChain::trace_movements(rewriter, scaled.sum);
    let (total, shift) = match Shifted::from_sum(rewriter, moved.value) {
        Some(shifted) => (shifted.total, shifted.shift),
        None => match arguments(rewriter, moved.value)? {
            // At most ln 2 is lost to the scale.
            arguments if arguments.len() == 2 => {
                let logarithm = log_of_two(rewriter, arguments[0], arguments[1]);
                let logarithm = moved.reapply(rewriter, logarithm);
                return Some(scaled.outside(rewriter, logarithm));
            }
            arguments => shifted_terms(rewriter, arguments)?,
        },
    };
    let (total, shift) = (moved.reapply(rewriter, total), moved.reapply(rewriter, shift));
    let logarithm = scaled.logarithm(rewriter, total);
    Some(rewriter.build(Op::Binary(Binary::Add), &[logarithm, shift]))
}

/// Whether a node is the size of an axis, as a mean divides by it.
fn is_size(rewriter: &Rewriter<'_>, id: NodeId) -> bool {
    let value = ViewChain::trace_movements(rewriter, id).value;
    let is_dim = |id: NodeId| matches!(*rewriter.visible_op(id), Op::DimSize(DimSize { .. }));
    let is_bounded = *rewriter.visible_op(value) == Op::Binary(Binary::Maximum)
        && is_dim(rewriter.operand(value))
        && rewriter.float(rewriter.operands(value)[1]) == Some(0.0);
    is_dim(value) || is_bounded
}

/// Whether the logarithm of a node is a difference or a sum of ordinary numbers where the node itself is not: of a sum
/// of exponentials, scaled or not, or of a softmax.
pub(super) fn has_stable_logarithm(rewriter: &Rewriter<'_>, id: NodeId) -> bool {
    let is_sum = |id| unshifted(rewriter, id).is_some() || exponentials(rewriter, id).is_some();
    let is_scaled = || {
        let scaled = ScaledSum::from_product(rewriter, id);
        scaled.is_some_and(|scaled| is_sum(ViewChain::trace_movements(rewriter, scaled.sum).value))
    };
    let is_softmax = || {
        *rewriter.visible_op(id) == Op::Binary(Binary::Div) && {
            let operands = rewriter.operands(id);
            argument(rewriter, operands[0], Unary::Exp).is_some_and(|s| is_shifted_softmax(rewriter, s, operands[1]))
        }
    };
    is_sum(id) || is_softmax() || is_scaled()
}

/// Whether b is Σ exp(s) over some axes, repeated to the shape of s, and s is less its maximum: then one exponential is
/// 1 and the sum is at least 1, or there is no finite number among them.
pub(super) fn is_shifted_softmax(rewriter: &Rewriter<'_>, s: NodeId, b: NodeId) -> bool {
    let sum = sum_of_exponentials(rewriter, total(rewriter, b));
    sum.is_some_and(|(x, axes)| x == s && is_shifted(rewriter, s, &axes))
}

/// The sum, traced back through movements and a mask of zeros.
fn total(rewriter: &Rewriter<'_>, id: NodeId) -> NodeId {
    let total = origin(rewriter, id);
    masked(rewriter, total).map_or(total, |total| origin(rewriter, total))
}

/// The value, traced back through movements and `stop_gradient`.
fn origin(rewriter: &Rewriter<'_>, id: NodeId) -> NodeId {
    let mut value = ViewChain::trace_movements(rewriter, id).value;
    while matches!(*rewriter.visible_op(value), Op::StopGradient(_)) {
        value = ViewChain::trace_movements(rewriter, rewriter.operand(value)).value;
    }
    value
}

/// Matches select(x = 0, 1, x) and gives x.
fn masked(rewriter: &Rewriter<'_>, id: NodeId) -> Option<NodeId> {
    let [condition, one, x] = select(rewriter, id)?;
    let is_zero = *rewriter.visible_op(condition) == Op::Comparison(Comparison::Equal) && {
        let compared = rewriter.operands(condition);
        compared[0] == x && rewriter.float(compared[1]) == Some(0.0)
    };
    (is_zero && rewriter.is_number(one, 1.0)).then_some(x)
}
