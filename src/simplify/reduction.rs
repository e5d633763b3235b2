//! Reductions of values that were transposed, broadcast, scaled or reduced before. In: a reduction that is about to be
//! made. Out: an equal reduction over fewer elements, or none.

use super::{
    guard::{estimate, is_normal},
    movement::{embedding, is_ascending},
    rewriter::Rewriter,
    term::Term,
};
use crate::graph::{
    Axes, Binary, Broadcast, Dim, DimSize, NodeId, Op, Reduce, Reduction, Reshape, ScatterAdd, Shape, Type, Unary,
};

pub(super) const ALL: &[&str] = &["sum", "prod", "max", "min"];
pub(super) const BUT_SUM: &[&str] = &["prod", "max", "min"];
pub(super) const EXTREMES: &[&str] = &["max", "min"];

/// The reduction of a term, and its operand.
fn reduction(term: &Term) -> Option<(&Reduce, NodeId)> {
    match &term.op {
        Op::Reduce(reduce) => Some((reduce, term.operands[0])),
        _ => None,
    }
}

pub(super) fn over_no_axes(_: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    reduction(term).filter(|(reduce, _)| reduce.axes.is_empty()).map(|(_, x)| x)
}

/// reduce(x) over axes of size 1 → reshape(x), and a reduction over the other axes if there are any.
pub(super) fn of_unit_axes(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (reduce, x) = reduction(term)?;
    let shape = rewriter.shape(x);
    let units: Axes = reduce.axes.iter().copied().filter(|axis| shape[*axis].is(1)).collect();
    if units.is_empty() {
        return None;
    }
    let place = |axis: usize| axis - units.iter().filter(|unit| **unit < axis).count();
    let axes: Axes = reduce.axes.iter().filter(|axis| !units.contains(axis)).map(|axis| place(*axis)).collect();
    let rest = rewriter.build(Reshape { shape: shape.without(&units) }, &[x]);
    Some(if axes.is_empty() { rest } else { rewriter.build(Reduce { kind: reduce.kind, axes }, &[rest]) })
}

/// reduce(reshape(x)) → reshape(reduce(x)), where the reshape only adds or removes axes of size 1.
pub(super) fn after_unit_axes(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (reduce, reshaped) = reduction(term)?;
    if !matches!(rewriter.op(reshaped), Op::Reshape(_)) {
        return None;
    }
    let x = rewriter.operand(reshaped);
    let (before, after) = (rewriter.shape(x), rewriter.shape(reshaped));
    let axes: Axes = match embedding(&before, &after) {
        Some(places) => (0..before.rank()).filter(|axis| reduce.axes.contains(&places[*axis])).collect(),
        None => embedding(&after, &before).map(|places| reduce.axes.iter().map(|axis| places[*axis]).collect())?,
    };
    let reduced = rewriter.build(Reduce { kind: reduce.kind, axes }, &[x]);
    Some(rewriter.build(Reshape { shape: term.ty.shape.clone() }, &[reduced]))
}

/// reduce(broadcast(x)) → broadcast(n·reduce(x)), over axes along which the broadcast repeats n times (and perhaps
/// others); an extreme needs no factor n.
pub(super) fn of_broadcast(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (reduce, repeated) = reduction(term)?;
    let Op::Broadcast(broadcast) = rewriter.op(repeated) else { return None };
    let x = rewriter.operand(repeated);
    let shape = rewriter.shape(x);
    let operand_axis = |axis: usize| broadcast.axes.iter().position(|place| *place == axis);
    let is_repeated = |axis: &usize| operand_axis(*axis).is_none_or(|operand_axis| shape[operand_axis].is(1));
    let count: Dim =
        reduce.axes.iter().filter(|axis| is_repeated(axis)).map(|axis| broadcast.shape[*axis].clone()).product();
    // An empty sum is 0 even where x is infinite, and an empty extreme is an error: n must be known to be positive.
    let count = count.as_number().filter(|count| *count > 0)?;
    if !reduce.axes.iter().any(is_repeated) || count == 2 && !rewriter.has_one_use(repeated) {
        return None;
    }
    let axes: Axes = (0..shape.rank()).filter(|axis| reduce.axes.contains(&broadcast.axes[*axis])).collect();
    let kept: Vec<usize> = broadcast.axes.iter().copied().filter(|axis| !reduce.axes.contains(axis)).collect();
    let place = |axis: &usize| axis - reduce.axes.iter().filter(|reduced| *reduced < axis).count();
    let mut value = rewriter.build(Reduce { kind: reduce.kind, axes }, &[x]);
    if reduce.kind == Reduction::Sum {
        value = times(rewriter, value, count as f64);
    }
    Some(rewriter.build(Broadcast { axes: kept.iter().map(place).collect(), shape: term.ty.shape.clone() }, &[value]))
}

fn times(rewriter: &mut Rewriter<'_>, x: NodeId, number: f64) -> NodeId {
    let ty = rewriter.ty(x);
    let factor = rewriter.fill(number, &ty);
    rewriter.build(Op::Binary(Binary::Mul), &[factor, x])
}

/// sum of n elements c → n·c, with n as a `dim_size` where it is symbolic.
pub(super) fn of_literal(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (reduce, x) = reduction(term)?;
    let dtype = term.ty.dtype;
    let literal = rewriter.float(x).filter(|literal| is_normal(*literal, dtype))?;
    let shape = rewriter.shape(x);
    let count: Dim = reduce.axes.iter().map(|axis| shape[*axis].clone()).product();
    if let Some(number) = count.as_number() {
        let sum = literal * number as f64;
        return is_normal(sum, dtype).then(|| rewriter.fill(sum, &term.ty));
    }
    let scalar = Type::new(dtype, ());
    let size = rewriter.build(DimSize { dim: count, dtype }, &[]);
    let factor = rewriter.fill(literal, &scalar);
    let sum = rewriter.build(Op::Binary(Binary::Mul), &[factor, size]);
    Some(rewriter.build(Broadcast { axes: Axes::new(), shape: term.ty.shape.clone() }, &[sum]))
}

/// reduce(transpose(x)) → reduce(x), where the transpose changes neither the order of the reduced axes nor that of the
/// others.
pub(super) fn of_transpose(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (reduce, moved) = reduction(term)?;
    let Op::Transpose(transpose) = rewriter.op(moved) else { return None };
    let before = |reduced: bool| -> Axes {
        let axes = (0..transpose.permutation.len()).filter(|axis| reduce.axes.contains(axis) == reduced);
        axes.map(|axis| transpose.permutation[axis]).collect()
    };
    let (axes, kept) = (before(true), before(false));
    let x = rewriter.operand(moved);
    (is_ascending(&axes) && is_ascending(&kept)).then(|| rewriter.build(Reduce { kind: reduce.kind, axes }, &[x]))
}

/// reduce(reduce(x)) → reduce(x) over the axes of both, where the inner one has no other use.
pub(super) fn of_reduction(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (outer, reduced) = reduction(term)?;
    let Op::Reduce(inner) = rewriter.op(reduced) else { return None };
    if inner.kind != outer.kind || !rewriter.has_one_use(reduced) {
        return None;
    }
    let x = rewriter.operand(reduced);
    let left: Axes = (0..rewriter.shape(x).rank()).filter(|axis| !inner.axes.contains(axis)).collect();
    let mut axes: Axes = inner.axes.iter().copied().chain(outer.axes.iter().map(|axis| left[*axis])).collect();
    axes.sort_unstable();
    Some(rewriter.build(Reduce { kind: outer.kind, axes }, &[x]))
}

/// Matches c·x or x/c without other uses, c a normal number: the primitive, c and x.
pub(super) fn scaled(rewriter: &Rewriter<'_>, id: NodeId) -> Option<(Binary, f64, NodeId)> {
    let Op::Binary(function @ (Binary::Mul | Binary::Div)) = rewriter.node(id).op else { return None };
    let operands = rewriter.operands(id);
    let dtype = rewriter.node(id).ty.dtype;
    let literal = |position: usize| rewriter.float(operands[position]).filter(|number| is_normal(*number, dtype));
    let (number, x) = match (function, literal(0), literal(1)) {
        (_, _, Some(number)) => (number, operands[0]),
        (Binary::Mul, Some(number), _) => (number, operands[1]),
        _ => return None,
    };
    rewriter.has_one_use(id).then_some((function, number, x))
}

/// sum(c·x) → c·sum(x), where that scales fewer elements.
pub(super) fn of_scaled(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (_, product) = reduction(term)?;
    let (function, number, x) = scaled(rewriter, product)?;
    if !is_smaller(&term.ty.shape, &rewriter.shape(product)) {
        return None;
    }
    let sum = rewriter.build(term.op.clone(), &[x]);
    let factor = rewriter.fill(number, &term.ty);
    Some(rewriter.build(Op::Binary(function), &[sum, factor]))
}

/// sum(−x) → −sum(x), where that negates fewer elements.
pub(super) fn of_negated(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (_, negated) = reduction(term)?;
    let is_negated = rewriter.node(negated).op == Op::Unary(Unary::Negate) && rewriter.has_one_use(negated);
    if !is_negated || !is_smaller(&term.ty.shape, &rewriter.shape(negated)) {
        return None;
    }
    let x = rewriter.operand(negated);
    let sum = rewriter.build(term.op.clone(), &[x]);
    Some(rewriter.build(Op::Unary(Unary::Negate), &[sum]))
}

/// sum over the axis of scatter_add(0, index, updates) → sum(updates): each update is counted once wherever it is
/// added.
pub(super) fn of_scatter(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (reduce, scattered) = reduction(term)?;
    let Op::ScatterAdd(ScatterAdd { axis, batch }) = rewriter.op(scattered) else { return None };
    let operands = rewriter.operands(scattered);
    let (base, index, updates) = (operands[0], operands[1], operands[2]);
    // An index out of range is an error, which the scatter must still be there to report.
    let stays = rewriter.has_other_uses(scattered);
    if *reduce.axes != [axis] || rewriter.float(base) != Some(0.0) || !stays {
        return None;
    }
    // The axes of the updates: those before the axis, those of the index that are not shared, those after the axis.
    let axes: Axes = (axis..axis + rewriter.shape(index).rank() - batch).collect();
    let is_no_more = estimate(&rewriter.shape(updates).size()) <= estimate(&rewriter.shape(scattered).size());
    is_no_more.then(|| rewriter.build(Reduce { kind: Reduction::Sum, axes }, &[updates]))
}

/// scatter_add(0, …) + x → scatter_add(x, …), where the scatter has no other use.
pub(super) fn added_to_scatter(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let is_scatter = |side: &usize| {
        let id = term.operands[*side];
        matches!(rewriter.op(id), Op::ScatterAdd(_))
            && rewriter.float(rewriter.operand(id)) == Some(0.0)
            && rewriter.has_one_use(id)
    };
    // Of several scatters in one sum, its last addition makes one.
    let is_alone =
        |side: &usize| !matches!(rewriter.op(term.operands[1 - side]), Op::ScatterAdd(_) | Op::Binary(Binary::Add));
    let side = (0..2).find(is_scatter).filter(|side| rewriter.is_top_of_sum() || is_alone(side))?;
    let scattered = term.operands[side];
    let mut operands = rewriter.operands(scattered);
    operands[0] = term.operands[1 - side];
    let scatter = rewriter.op(scattered);
    Some(rewriter.build(scatter, &operands))
}

/// sum(broadcast(x)·y) → x·sum(y), where x is constant along the summed axes.
pub(super) fn of_row_scaled(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (reduce, product) = reduction(term)?;
    if rewriter.node(product).op != Op::Binary(Binary::Mul) || !rewriter.has_one_use(product) {
        return None;
    }
    let operands = rewriter.operands(product);
    let scale = |position: usize| {
        let Op::Broadcast(broadcast) = rewriter.op(operands[position]) else { return None };
        let is_outside = broadcast.axes.iter().all(|axis| !reduce.axes.contains(axis));
        is_outside.then_some((broadcast, operands[position], operands[1 - position]))
    };
    let (broadcast, repeated, y) = scale(0).or_else(|| scale(1))?;
    if !is_smaller(&term.ty.shape, &rewriter.shape(product)) {
        return None;
    }
    let place = |axis: &usize| axis - reduce.axes.iter().filter(|reduced| *reduced < axis).count();
    let axes = broadcast.axes.iter().map(place).collect();
    let x = rewriter.operand(repeated);
    let factor = rewriter.build(Broadcast { axes, shape: term.ty.shape.clone() }, &[x]);
    let sum = rewriter.build(term.op.clone(), &[y]);
    Some(rewriter.build(Op::Binary(Binary::Mul), &[factor, sum]))
}

/// Whether `small` has at most half of the elements of `large`, which pays for one more movement.
pub(super) fn is_smaller(small: &Shape, large: &Shape) -> bool {
    2 * estimate(&small.size()) <= estimate(&large.size())
}
