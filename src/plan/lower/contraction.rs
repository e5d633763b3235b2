//! Sums of products as products of matrices. In: the axes of a `dot` and how its operands lie. Out: a [`Contraction`]
//! of sizes and strides: a batch of matrix products. How a product is computed is the runtime's.

use smallvec::SmallVec;

use crate::{
    graph::{Axes, DotGeneral},
    plan::ir::{BatchAxis, Contraction, StridedAxis, StridedLayout},
};

/// One of the two factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// A.
    Left = 0,
    /// B.
    Right = 1,
}

/// The axes of both factors by what happens to them; both are put in the order batch, free, contracted.
pub(in crate::plan) struct DotAxes {
    orders: [Axes; 2],
    n_batch: usize,
    n_contracted: usize,
}

impl DotAxes {
    pub(in crate::plan) fn new(dot: &DotGeneral, ranks: [usize; 2]) -> DotAxes {
        let order = |rank: usize, batch: &Axes, contract: &Axes| -> Axes {
            let free = (0..rank).filter(|axis| !batch.contains(axis) && !contract.contains(axis));
            batch.iter().copied().chain(free).chain(contract.iter().copied()).collect()
        };
        DotAxes {
            orders: [
                order(ranks[0], &dot.left_batch, &dot.left_contract),
                order(ranks[1], &dot.right_batch, &dot.right_contract),
            ],
            n_batch: dot.left_batch.len(),
            n_contracted: dot.left_contract.len(),
        }
    }

    /// Puts the axes of one factor in the order of the groups.
    pub(in crate::plan) fn order(&self, layout: &mut StridedLayout, side: Side) {
        *layout = layout.transposed(&self.orders[side as usize]);
    }

    /// The contracted axes of one ordered factor as one axis, if its strides can say so.
    pub(in crate::plan) fn contracted(&self, layout: &StridedLayout, side: Side) -> Option<StridedAxis> {
        let rank = self.orders[side as usize].len();
        layout.merged(&(rank - self.n_contracted..rank).collect::<Axes>())
    }

    /// Free axes that do not merge into one join the batch, along which the other factor has stride 0.
    pub(in crate::plan) fn contraction(&self, left: &StridedLayout, right: &StridedLayout) -> Contraction {
        let free = |layout: &StridedLayout| -> SmallVec<[StridedAxis; 4]> {
            let last = layout.axes.len() - self.n_contracted;
            let axes = layout.axes[self.n_batch..last].iter().copied().collect();
            StridedLayout { offset: 0, axes }.coalesced().axes
        };
        let (rows, columns) = (free(left), free(right));
        let n: usize = columns.iter().map(|axis| axis.size).product();
        let m: usize = rows.iter().map(|axis| axis.size).product();
        let mut batch = SmallVec::new();
        let mut stride = (m * n) as isize;
        for axis in (0..self.n_batch).rev() {
            let size = left.axes[axis].size;
            batch.insert(0, BatchAxis { size, strides: [left.axes[axis].stride, right.axes[axis].stride, stride] });
            stride *= size as isize;
        }
        let (row, row_stride) = peel(&rows, n as isize, &mut batch, Side::Left);
        let (column, column_stride) = peel(&columns, 1, &mut batch, Side::Right);
        let along = |layout, side| self.contracted(layout, side).expect("invariant: contracted axes merge");
        let (left_along, right_along) = (along(left, Side::Left), along(right, Side::Right));
        Contraction {
            batch,
            m: row.size,
            n: column.size,
            k: left_along.size,
            a: [row.stride, left_along.stride],
            b: [right_along.stride, column.stride],
            c: [row_stride, column_stride],
        }
    }
}

/// The innermost of some free axes with its stride in C; the others go to the batch. `innermost` is the stride in C of
/// the innermost one.
fn peel(
    free: &[StridedAxis],
    innermost: isize,
    batch: &mut SmallVec<[BatchAxis; 2]>,
    side: Side,
) -> (StridedAxis, isize) {
    let Some((last, others)) = free.split_last() else { return (StridedAxis { size: 1, stride: 0 }, innermost) };
    let mut stride = innermost * last.size as isize;
    let position = batch.len();
    for axis in others.iter().rev() {
        let strides = match side {
            Side::Left => [axis.stride, 0, stride],
            Side::Right => [0, axis.stride, stride],
        };
        batch.insert(position, BatchAxis { size: axis.size, strides });
        stride *= axis.size as isize;
    }
    (*last, innermost)
}
