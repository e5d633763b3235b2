//! Commutes elementwise primitives with movements: the primitive is computed on the operands of the movements, which
//! often have fewer elements, and the result is moved once. Every element is computed as before, so every bit stays.

use super::{fold::reshaped_splat, guard::estimate, movement::embedding, rewriter::Rewriter, term::Term};
use crate::graph::{Axes, Broadcast, NodeId, Op, Shape};

/// On fewer elements.
pub(super) fn broadcast(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let moved = CommonMovement::alike(rewriter, term, |op| matches!(op, Op::Broadcast(_)))?;
    // With what is not read otherwise the broadcasts go too; else the smaller operation must make up for one more.
    let goes = moved.ids.iter().any(|id| rewriter.has_one_use(*id));
    let (large, small) = (estimate(&term.ty.shape.size()), estimate(&moved.shape.size()));
    let is_free = matches!(term.op, Op::Connective(_) | Op::Predicate(_) | Op::Cast(_));
    if small > large || !goes && (is_free || large < 2 * small) {
        return None;
    }
    moved.swap(rewriter, term)
}

/// On fewer elements, where one operand is repeated along all axes along which another one is, and more: it is repeated
/// to the other's shape first.
pub(super) fn nested_broadcast(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let is_broadcast = |id: &&NodeId| matches!(rewriter.op(**id), Op::Broadcast(_));
    let size = |id: &&NodeId| estimate(&rewriter.shape(rewriter.operand(**id)).size());
    let carrier = *term.operands.iter().filter(is_broadcast).max_by_key(size)?;
    let Op::Broadcast(outer) = rewriter.op(carrier) else { return None };
    let shape = rewriter.shape(rewriter.operand(carrier));
    let (large, small) = (estimate(&term.ty.shape.size()), estimate(&shape.size()));
    let is_free = matches!(term.op, Op::Connective(_) | Op::Predicate(_) | Op::Cast(_));
    if is_free || large < 4 * small {
        return None;
    }
    let inside = |id: &NodeId| {
        let operand = *id;
        if rewriter.splat(operand).is_some() {
            return Some(Inside::Literal(operand));
        }
        let Op::Broadcast(inner) = rewriter.op(operand) else { return None };
        let x = rewriter.operand(operand);
        let (inner_shape, place) =
            (rewriter.shape(x), |axis: &usize| outer.axes.iter().position(|place| place == axis));
        let axes: Axes = inner.axes.iter().map(place).collect::<Option<_>>()?;
        let fits = axes.iter().zip(inner_shape.iter()).all(|(axis, size)| size.is(1) || *size == shape[*axis]);
        fits.then_some(Inside::Repeated(x, axes))
    };
    let parts: Vec<Inside> = term.operands.iter().map(inside).collect::<Option<_>>()?;
    let operands: Vec<NodeId> = parts
        .into_iter()
        .map(|part| match part {
            Inside::Literal(id) => reshaped_splat(rewriter, id, &shape),
            Inside::Repeated(x, axes) => Some(rewriter.build(Broadcast { axes, shape: shape.clone() }, &[x])),
        })
        .collect::<Option<_>>()?;
    let small = rewriter.build(term.op.clone(), &operands);
    Some(rewriter.build(outer, &[small]))
}

/// An operand in the shape of the largest one before it was repeated.
enum Inside {
    Literal(NodeId),
    Repeated(NodeId, Axes),
}

/// Past axes of size 1, so that movements meet and a broadcast or a reduction takes them up.
pub(super) fn unit_axes(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let moved = CommonMovement::alike(rewriter, term, |op| matches!(op, Op::Reshape(_)))?;
    let (inside, outside) = (&moved.shape, &term.ty.shape);
    embedding(inside, outside).or_else(|| embedding(outside, inside))?;
    moved.swap(rewriter, term)
}

/// Towards a product or another transpose, which take it up.
pub(super) fn transpose(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let moved = CommonMovement::alike(rewriter, term, |op| matches!(op, Op::Transpose(_)))?;
    moved.ids.iter().all(|id| rewriter.has_one_use(*id)).then(|| moved.swap(rewriter, term))?
}

/// The operands of a term that are one and the same movement of arrays of one shape; the others are splats.
struct CommonMovement {
    movement: Op,
    shape: Shape,
    ids: Vec<NodeId>,
}

impl CommonMovement {
    fn alike(rewriter: &Rewriter<'_>, term: &Term, accept: fn(&Op) -> bool) -> Option<CommonMovement> {
        let mut moved: Option<CommonMovement> = None;
        for id in &term.operands {
            if rewriter.splat(*id).is_some() {
                continue;
            }
            if !accept(&rewriter.node(*id).op) {
                return None;
            }
            let shape = rewriter.shape(rewriter.operand(*id));
            match &mut moved {
                None => moved = Some(CommonMovement { movement: rewriter.op(*id), shape, ids: vec![*id] }),
                Some(first) if first.shape == shape && first.movement == rewriter.node(*id).op => first.ids.push(*id),
                Some(_) => return None,
            }
        }
        moved
    }

    /// The movement of the primitive of what was moved.
    fn swap(self, rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
        let inside = |id: &NodeId| match self.ids.contains(id) {
            true => Some(rewriter.operand(*id)),
            false => reshaped_splat(rewriter, *id, &self.shape),
        };
        let operands: Vec<NodeId> = term.operands.iter().map(inside).collect::<Option<_>>()?;
        let small = rewriter.build(term.op.clone(), &operands);
        Some(rewriter.build(self.movement, &[small]))
    }
}
