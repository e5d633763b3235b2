//! Gather: reads rows at computed positions. In: x and an index. Out: rows of x, copied whole.

use std::ops::Range;

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{SliceElement, each_dtype},
    partition::Partition,
};
use crate::{graph::Gather as Op, ops::OpError};

/// x is `[batch, outer, size, row]`, the index `[batch, positions]`, the output `[batch, outer, positions, row]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GatherKernel {
    pub(super) n_batch: usize,
    pub(super) n_outer: usize,
    pub(super) n_positions: usize,
    pub(super) row: usize,
    /// The size of the axis that is selected from.
    pub(super) size: usize,
    /// That axis, for the error.
    pub(super) axis: usize,
}

impl GatherKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> GatherKernel {
        GatherKernel::of_shapes(op, place.operands[0].1, place.operands[1].1)
    }

    pub(super) fn of_shapes(op: &Op, x: &[usize], index: &[usize]) -> GatherKernel {
        let Op { axis, batch } = *op;
        GatherKernel {
            n_batch: x[..batch].iter().product(),
            n_outer: x[batch..axis].iter().product(),
            n_positions: index[batch..].iter().product(),
            row: x[axis + 1..].iter().product(),
            size: x[axis],
            axis,
        }
    }

    /// Checks every position, whether or not anything is read there.
    pub(super) fn check(&self, index: &[i64]) -> Result<(), OpError> {
        // Without a way out in the middle the loop is vectorized; who is wrong is asked only if somebody is.
        let is_wrong = index.iter().fold(false, |is_wrong, position| is_wrong | self.row_of(*position).is_none());
        if is_wrong { index.iter().try_for_each(|position| self.row_at(*position).map(|_| ())) } else { Ok(()) }
    }

    fn row_of(&self, position: i64) -> Option<usize> {
        // A negative position becomes one beyond every axis.
        let row = position as u64;
        (row < self.size as u64).then_some(row as usize)
    }

    fn row_at(&self, position: i64) -> Result<usize, OpError> {
        self.row_of(position).ok_or(OpError::Index { index: position, axis: self.axis, size: self.size })
    }

    /// Rows `units` of the output.
    fn read<T: Copy>(&self, units: Range<usize>, (x, index): (&[T], &[i64]), mut out: &mut [T]) -> Result<(), OpError> {
        if out.is_empty() {
            return Ok(());
        }
        if self.n_outer == 1 && self.n_positions == 1 && self.row == 1 {
            return self.pick(&x[units.start * self.size..], &index[units], out);
        }
        let (mut slab, mut first) = (units.start / self.n_positions, units.start % self.n_positions);
        while !out.is_empty() {
            let n_rows = (self.n_positions - first).min(out.len() / self.row);
            let (segment, rest) = out.split_at_mut(n_rows * self.row);
            let positions = &index[slab / self.n_outer * self.n_positions + first..][..n_rows];
            self.read_slab(&x[slab * self.size * self.row..][..self.size * self.row], positions, segment)?;
            (slab, first, out) = (slab + 1, 0, rest);
        }
        Ok(())
    }

    /// One element of each lane, as of a label's score among all.
    fn pick<T: Copy>(&self, x: &[T], index: &[i64], out: &mut [T]) -> Result<(), OpError> {
        for ((lane, position), out) in x.chunks_exact(self.size).zip(index).zip(out) {
            *out = lane[self.row_at(*position)?];
        }
        Ok(())
    }

    fn read_slab<T: Copy>(&self, x: &[T], positions: &[i64], out: &mut [T]) -> Result<(), OpError> {
        if self.row == 1 {
            for (position, out) in positions.iter().zip(out) {
                *out = x[self.row_at(*position)?];
            }
            return Ok(());
        }
        for (position, out) in positions.iter().zip(out.chunks_exact_mut(self.row)) {
            out.copy_from_slice(&x[self.row_at(*position)? * self.row..][..self.row]);
        }
        Ok(())
    }
}

impl FallbackRun for GatherKernel {
    fn partition(&self) -> Partition {
        Partition::new(self.n_batch * self.n_outer * self.n_positions, self.row, 2 + self.row / 4)
    }

    fn run(&self, KernelPart { units, operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        let index = i64::as_slice(&operands[1]);
        if units.start == 0 {
            self.check(index)?;
        }
        each_dtype!(out, out => self.read(units, (SliceElement::as_slice(&operands[0]), index), out))
    }
}
