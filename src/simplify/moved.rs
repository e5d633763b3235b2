//! View chains: a value and the movements (transpose, reshape, broadcast …) between it and a node. In: a node. Out: the
//! value behind its movements, and a way to apply the same movements to another value of that shape. Rules use it to
//! look through movements: elementwise functions commute with them.

use super::{movement::embedding, rewriter::Rewriter};
use crate::graph::{Axes, NodeId, Op};

/// The most movements in a row that are looked through: movements of one kind have been merged.
const MAX_MOVEMENTS: usize = 8;

/// A value and the movements between it and a node that was asked for.
pub(super) struct ViewChain {
    pub(super) value: NodeId,
    /// The outermost first.
    movements: Vec<NodeId>,
}

impl ViewChain {
    /// Traces a node back through its movements to the value behind them; the node itself if it is no movement.
    pub(super) fn trace_movements(rewriter: &Rewriter<'_>, id: NodeId) -> ViewChain {
        let mut moved = ViewChain { value: id, movements: Vec::new() };
        while moved.movements.len() < MAX_MOVEMENTS && is_movement(&rewriter.visible_op(moved.value)) {
            moved.movements.push(moved.value);
            moved.value = rewriter.operand(moved.value);
        }
        moved
    }

    pub(super) fn is_moved(&self) -> bool {
        !self.movements.is_empty()
    }

    /// Applies the same movements to another value of that shape.
    pub(super) fn reapply(&self, rewriter: &mut Rewriter<'_>, value: NodeId) -> NodeId {
        self.movements.iter().rev().fold(value, |value, movement| {
            let (op, mut operands) = (rewriter.op(*movement), rewriter.operands(*movement));
            operands[0] = value;
            rewriter.build(op, &operands)
        })
    }

    /// For each axis of the value the axis of the node that it became, if the movements only repeat, reorder, and add
    /// or drop axes of size 1. None for axes of size 1, whose position does not matter.
    pub(super) fn places(&self, rewriter: &Rewriter<'_>) -> Option<Vec<Option<usize>>> {
        let shape = rewriter.shape(self.value);
        let mut places: Vec<Option<usize>> =
            (0..shape.rank()).map(|axis| (!shape[axis].is(1)).then_some(axis)).collect();
        for movement in self.movements.iter().rev() {
            let step: Vec<Option<usize>> = match rewriter.op(*movement) {
                Op::Broadcast(broadcast) => broadcast.axes.iter().copied().map(Some).collect(),
                Op::Reshape(reshape) => {
                    let before = rewriter.shape(rewriter.operand(*movement));
                    let added = |axes: Axes| axes.into_iter().map(Some).collect();
                    let removed = |axes: Axes| {
                        (0..before.rank()).map(|axis| axes.iter().position(|kept| *kept == axis)).collect()
                    };
                    let longer = embedding(&before, &reshape.shape).map(added);
                    longer.or_else(|| embedding(&reshape.shape, &before).map(removed))?
                }
                Op::Transpose(transpose) => {
                    let place = |axis| transpose.permutation.iter().position(|from| *from == axis);
                    (0..transpose.permutation.len()).map(place).collect()
                }
                _ => return None,
            };
            for place in places.iter_mut().filter(|place| place.is_some()) {
                *place = Some(place.and_then(|place| step[place])?);
            }
        }
        Some(places)
    }
}

fn is_movement(op: &Op) -> bool {
    matches!(op, Op::Broadcast(_) | Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_) | Op::Reverse(_) | Op::Gather(_))
}
