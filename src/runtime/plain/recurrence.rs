//! Linear recurrences along an axis. In: factors and addends. Out: yᵢ = aᵢ·yᵢ₋₁ + bᵢ from either end, each rounded twice.

use std::ops::Range;

use super::{
    Place, Run,
    cut::Cut,
    data::{Data, DataMut, Stored, each_float},
    lanes::Lanes,
};
use crate::{
    graph::{Direction, LinearRecurrence as Op},
    ops::{Fault, Real},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct LinearRecurrence {
    direction: Direction,
    lanes: Lanes,
}

impl LinearRecurrence {
    pub(super) fn resolve(op: &Op, place: Place<'_>) -> LinearRecurrence {
        LinearRecurrence { direction: op.direction, lanes: Lanes::along(place.operands[0].1, op.axis) }
    }

    /// The lanes of a slab side by side, row after row.
    fn run_slab<T: Real>(&self, a: &[T], b: &[T], y: &mut [T]) {
        let Lanes { size, inner, .. } = self.lanes;
        let is_forward = self.direction == Direction::Forward;
        y.copy_from_slice(b);
        for step in 1..size {
            let row = if is_forward { step } else { size - 1 - step };
            let (before, now) = if is_forward {
                let (before, now) = y.split_at_mut(row * inner);
                (&before[(row - 1) * inner..], &mut now[..inner])
            } else {
                let (now, before) = y.split_at_mut((row + 1) * inner);
                (&before[..inner], &mut now[row * inner..])
            };
            for ((now, before), a) in now.iter_mut().zip(before).zip(&a[row * inner..]) {
                *now = a.mul(*before).add(*now);
            }
        }
    }
}

impl Run for LinearRecurrence {
    fn cut(&self) -> Cut {
        Cut::new(self.lanes.outer, self.lanes.slab(), 2 * self.lanes.slab())
    }

    fn run(&self, units: Range<usize>, operands: &[Data<'_>], out: DataMut<'_>, _: &mut [u64]) -> Result<(), Fault> {
        let slab = self.lanes.slab();
        let elements = units.start * slab..units.end * slab;
        each_float!(out, out => {
            let (a, b) = (&Stored::of(&operands[0])[elements.clone()], &Stored::of(&operands[1])[elements]);
            if slab > 0 {
                let slabs = a.chunks_exact(slab).zip(b.chunks_exact(slab)).zip(out.chunks_exact_mut(slab));
                slabs.for_each(|((a, b), y)| self.run_slab(a, b, y));
            }
        });
        Ok(())
    }
}
