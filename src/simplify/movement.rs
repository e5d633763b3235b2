//! Merging movements and dropping those that move nothing. In: a movement that is about to be made. Out: an equal
//! shorter chain, or the operand itself. All of these rules keep every bit.

use super::{rewriter::Rewriter, term::Term};
use crate::graph::{
    Axes, Broadcast, Concat, DType, Dim, Dims, NodeId, Op, Pad, Reshape, Reverse, Shape, Slice, Transpose,
};

pub(super) fn cast_to_same(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let x = term.operands[0];
    (rewriter.node(x).ty == term.ty).then_some(x)
}

/// cast(cast(x)) → cast(x), only where the inner cast loses nothing.
pub(super) fn cast_of_cast(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let inner = term.operands[0];
    if !matches!(rewriter.op(inner), Op::Cast(_)) {
        return None;
    }
    let x = rewriter.operand(inner);
    let (from, through) = (rewriter.ty(x).dtype, rewriter.ty(inner).dtype);
    let is_lossless = from == DType::Bool || (from, through) == (DType::F32, DType::F64);
    is_lossless.then(|| rewriter.build(term.op.clone(), &[x]))
}

/// The value itself: derivatives are taken before.
pub(super) fn value_without_derivative(_: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    match &term.op {
        Op::WithDerivative(value) => Some(term.operands[value.output]),
        _ => None,
    }
}

pub(super) fn same_shape(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    cast_to_same(rewriter, term)
}

pub(super) fn broadcast_as_reshape(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let x = term.operands[0];
    embedding(&rewriter.shape(x), &term.ty.shape)?;
    Some(rewriter.build(Reshape { shape: term.ty.shape.clone() }, &[x]))
}

pub(super) fn broadcast_of_broadcast(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (Op::Broadcast(outer), Op::Broadcast(inner)) = (&term.op, rewriter.op(term.operands[0])) else { return None };
    let axes = inner.axes.iter().map(|axis| outer.axes[*axis]).collect();
    let x = rewriter.operand(term.operands[0]);
    Some(rewriter.build(Broadcast { axes, shape: outer.shape.clone() }, &[x]))
}

pub(super) fn broadcast_of_unit_axes(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::Broadcast(broadcast) = &term.op else { return None };
    let (x, kept) = added_unit_axes(rewriter, term.operands[0])?;
    let axes = kept.iter().map(|axis| broadcast.axes[*axis]).collect();
    Some(rewriter.build(Broadcast { axes, shape: broadcast.shape.clone() }, &[x]))
}

pub(super) fn reshape_of_reshape(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let inner = term.operands[0];
    if !matches!(rewriter.node(inner).op, Op::Reshape(_)) {
        return None;
    }
    let x = rewriter.operand(inner);
    Some(rewriter.build(term.op.clone(), &[x]))
}

pub(super) fn transpose_of_transpose(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (Op::Transpose(outer), Op::Transpose(inner)) = (&term.op, rewriter.op(term.operands[0])) else { return None };
    let permutation = outer.permutation.iter().map(|axis| inner.permutation[*axis]).collect();
    let x = rewriter.operand(term.operands[0]);
    Some(rewriter.build(Transpose { permutation }, &[x]))
}

pub(super) fn transpose_by_identity(_: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::Transpose(Transpose { permutation }) = &term.op else { return None };
    is_ascending(permutation).then_some(term.operands[0])
}

pub(super) fn transpose_as_reshape(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::Transpose(Transpose { permutation }) = &term.op else { return None };
    let shape = rewriter.shape(term.operands[0]);
    let long: Axes = permutation.iter().copied().filter(|axis| !shape[*axis].is(1)).collect();
    is_ascending(&long).then(|| rewriter.build(Reshape { shape: term.ty.shape.clone() }, &[term.operands[0]]))
}

pub(super) fn slice_of_whole(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::Slice(slice) = &term.op else { return None };
    let is_whole = slice.step.iter().all(|step| *step == 1) && rewriter.node(term.operands[0]).ty == term.ty;
    is_whole.then_some(term.operands[0])
}

/// slice(slice(x)) → slice(x), only where the inner slice has step 1, since else the outer bound is not known to be
/// within the array; and only where it is certainly within the array, since else it is an error that must be reported.
pub(super) fn slice_of_slice(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (Op::Slice(outer), Op::Slice(inner)) = (&term.op, rewriter.op(term.operands[0])) else { return None };
    let x = rewriter.operand(term.operands[0]);
    let shape = rewriter.shape(x);
    let is_within = |axis: usize| {
        let (start, stop, size) = (&inner.start[axis], &inner.stop[axis], &shape[axis]);
        let distances = [start.clone(), stop.clone() - start, size.clone() - stop];
        start.is(0) && stop == size || distances.iter().all(is_known_not_negative)
    };
    if inner.step.iter().any(|step| *step != 1) || !(0..shape.rank()).all(is_within) {
        return None;
    }
    let shifted = |bounds: &Dims| bounds.iter().zip(&inner.start).map(|(bound, start)| bound.clone() + start).collect();
    let slice = Slice { start: shifted(&outer.start), stop: shifted(&outer.stop), step: outer.step.clone() };
    Some(rewriter.build(slice, &[x]))
}

pub(super) fn slice_of_pad(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (Op::Slice(slice), Op::Pad(pad)) = (&term.op, rewriter.op(term.operands[0])) else { return None };
    let x = rewriter.operand(term.operands[0]);
    let shape = rewriter.shape(x);
    let is_inside = |axis: usize| {
        let (start, stop) = (slice.start[axis].clone() - &pad.low[axis], slice.stop[axis].clone() - &pad.low[axis]);
        let distances = [start, shape[axis].clone() - stop, pad.low[axis].clone(), pad.high[axis].clone()];
        pad.interior[axis] == 0 && distances.iter().all(is_known_not_negative)
    };
    if !(0..shape.rank()).all(is_inside) {
        return None;
    }
    let shifted = |bounds: &Dims| bounds.iter().zip(&pad.low).map(|(bound, low)| bound.clone() - low).collect();
    let slice = Slice { start: shifted(&slice.start), stop: shifted(&slice.stop), step: slice.step.clone() };
    Some(rewriter.build(slice, &[x]))
}

/// The most parts of a concat that a slice of it is compared with.
const MAX_PARTS: usize = 64;

pub(super) fn slice_of_concat(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (Op::Slice(slice), Op::Concat(Concat { axis })) = (&term.op, rewriter.op(term.operands[0])) else {
        return None;
    };
    if rewriter.operands(term.operands[0]).len() > MAX_PARTS {
        return None;
    }
    let (start, stop) = (&slice.start[axis], &slice.stop[axis]);
    let mut before = Dim::from(0);
    for part in rewriter.operands(term.operands[0]) {
        let after = before.clone() + &rewriter.shape(part)[axis];
        if is_known_not_negative(&(start.clone() - &before)) && is_known_not_negative(&(after.clone() - stop)) {
            let mut slice = slice.clone();
            slice.start[axis] = start.clone() - &before;
            slice.stop[axis] = stop.clone() - &before;
            return Some(rewriter.build(slice, &[part]));
        }
        before = after;
    }
    None
}

pub(super) fn pad_by_nothing(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::Pad(Pad { low, high, interior }) = &term.op else { return None };
    let shape = rewriter.shape(term.operands[0]);
    let is_nothing = |axis: usize| low[axis].is(0) && high[axis].is(0) && (interior[axis] == 0 || shape[axis].is(1));
    (0..shape.rank()).all(is_nothing).then_some(term.operands[0])
}

pub(super) fn reverse_of_reverse(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (Op::Reverse(outer), Op::Reverse(inner)) = (&term.op, rewriter.op(term.operands[0])) else { return None };
    let is_in_one = |axis: &usize| outer.axes.contains(axis) != inner.axes.contains(axis);
    let axes = (0..term.ty.rank()).filter(is_in_one).collect();
    let x = rewriter.operand(term.operands[0]);
    Some(rewriter.build(Reverse { axes }, &[x]))
}

pub(super) fn reverse_of_nothing(_: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::Reverse(Reverse { axes }) = &term.op else { return None };
    axes.iter().all(|axis| term.ty.shape[*axis].is(1)).then_some(term.operands[0])
}

pub(super) fn concat_of_one(_: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    (term.operands.len() == 1).then(|| term.operands[0])
}

/// For each axis of `from` its position in `to`, if all other axes of `to` have size 1.
pub(super) fn embedding(from: &Shape, to: &Shape) -> Option<Axes> {
    let mut places = Axes::new();
    for (axis, size) in to.iter().enumerate() {
        if from.get(places.len()) == Some(size) {
            places.push(axis);
        } else if !size.is(1) {
            return None;
        }
    }
    (places.len() == from.rank()).then_some(places)
}

/// Matches a reshape that only adds axes of size 1: its operand, and where the axes of that are in the result.
pub(super) fn added_unit_axes(rewriter: &Rewriter<'_>, id: NodeId) -> Option<(NodeId, Axes)> {
    if !matches!(rewriter.node(id).op, Op::Reshape(_)) {
        return None;
    }
    let x = rewriter.operand(id);
    Some((x, embedding(&rewriter.shape(x), &rewriter.shape(id))?))
}

pub(super) fn is_ascending(axes: &[usize]) -> bool {
    axes.windows(2).all(|pair| pair[0] < pair[1])
}

fn is_known_not_negative(dim: &Dim) -> bool {
    dim.as_number().is_some_and(|number| number >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_embed_where_only_ones_are_added() {
        let axes_of =
            |from: &[i64], to: &[i64]| embedding(&Shape::from(from), &Shape::from(to)).map(|axes| axes.to_vec());
        assert_eq!(axes_of(&[3], &[1, 3, 1]), Some(vec![1]));
        assert_eq!(axes_of(&[], &[1, 1]), Some(vec![]));
        assert_eq!(axes_of(&[1, 3], &[1, 1, 3]), Some(vec![0, 2]));
        assert_eq!(axes_of(&[3], &[3, 2]), None);
        assert_eq!(axes_of(&[3, 1], &[3]), None);
    }
}
