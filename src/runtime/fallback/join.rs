//! Concatenation along an axis. In: operands of one dtype. Out: their rows one after another, copied whole.

use std::ops::Range;

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{Data, SliceElement, each_dtype},
    lanes::Lanes,
    partition::Partition,
};
use crate::{graph::Concat as Op, ops::OpError};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct ConcatKernel {
    n_rows: usize,
    /// How many elements each operand gives to a row of the output.
    widths: Vec<usize>,
    width: usize,
}

impl ConcatKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> ConcatKernel {
        let whole = Lanes::along(place.output.1, op.axis);
        let widths = place.operands.iter().map(|(_, shape)| Lanes::along(shape, op.axis).slab()).collect();
        ConcatKernel { n_rows: whole.outer, widths, width: whole.slab() }
    }

    /// Operand by operand, so that only one is asked for its dtype at a time.
    fn join<T: SliceElement>(&self, rows: Range<usize>, operands: &[Data<'_>], out: &mut [T]) {
        let mut first = 0;
        for (operand, width) in operands.iter().zip(&self.widths).filter(|(_, width)| **width > 0) {
            let part = &T::as_slice(operand)[rows.start * width..rows.end * width];
            for (row, part) in out.chunks_exact_mut(self.width).zip(part.chunks_exact(*width)) {
                row[first..first + width].copy_from_slice(part);
            }
            first += width;
        }
    }
}

impl FallbackRun for ConcatKernel {
    fn partition(&self) -> Partition {
        Partition::new(self.n_rows, self.width, self.width / 4)
    }

    fn run(&self, KernelPart { units, operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        each_dtype!(out, out => self.join(units, operands, out));
        Ok(())
    }
}
