//! Linear recurrences along an axis. In: factors and addends. Out: yᵢ = aᵢ·yᵢ₋₁ + bᵢ from either end, each rounded twice.

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{SliceElement, each_float},
    lanes::Lanes,
    partition::Partition,
};
use crate::{
    graph::{LinearRecurrence as Op, ScanDirection},
    ops::{OpError, Real},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct LinearRecurrenceKernel {
    direction: ScanDirection,
    lanes: Lanes,
}

impl LinearRecurrenceKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> LinearRecurrenceKernel {
        LinearRecurrenceKernel { direction: op.direction, lanes: Lanes::along(place.operands[0].1, op.axis) }
    }

    /// The lanes of a slab side by side, row after row.
    fn run_slab<T: Real>(&self, a: &[T], b: &[T], y: &mut [T]) {
        let Lanes { size, inner, .. } = self.lanes;
        let is_forward = self.direction == ScanDirection::Forward;
        y.copy_from_slice(b);
        for step in 1..size {
            let row = if is_forward { step } else { size - 1 - step };
            let (previous, current) = if is_forward {
                let (previous, current) = y.split_at_mut(row * inner);
                (&previous[(row - 1) * inner..], &mut current[..inner])
            } else {
                let (current, previous) = y.split_at_mut((row + 1) * inner);
                (&previous[..inner], &mut current[row * inner..])
            };
            for ((current, previous), a) in current.iter_mut().zip(previous).zip(&a[row * inner..]) {
                *current = a.mul(*previous).add(*current);
            }
        }
    }
}

impl FallbackRun for LinearRecurrenceKernel {
    fn partition(&self) -> Partition {
        Partition::new(self.lanes.outer, self.lanes.slab(), 2 * self.lanes.slab())
    }

    fn run(&self, KernelPart { units, operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        let slab = self.lanes.slab();
        let elements = units.start * slab..units.end * slab;
        each_float!(out, out => {
            let (a, b) = (&SliceElement::as_slice(&operands[0])[elements.clone()], &SliceElement::as_slice(&operands[1])[elements]);
            if slab > 0 {
                let slabs = a.chunks_exact(slab).zip(b.chunks_exact(slab)).zip(out.chunks_exact_mut(slab));
                slabs.for_each(|((a, b), y)| self.run_slab(a, b, y));
            }
        });
        Ok(())
    }
}
