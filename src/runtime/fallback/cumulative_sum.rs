//! Running sums along an axis. In: numbers. Out: their sums from either end, added in that order with more digits than
//! theirs.

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{SliceElement, each_number},
    lanes::Lanes,
    partition::Partition,
};
use crate::{
    graph::{CumulativeSum as Op, ScanDirection},
    ops::{Number, OpError, Total},
    vectorize::{self, Loop},
};

/// How many contiguous lanes run together: a sum waits for the one before it, but not for its neighbours'.
const N_LANES: usize = 4;

/// How many lanes side by side run together.
const N_COLUMNS: usize = 256;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct CumulativeSumKernel {
    direction: ScanDirection,
    lanes: Lanes,
}

impl CumulativeSumKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> CumulativeSumKernel {
        CumulativeSumKernel { direction: op.direction, lanes: Lanes::along(place.operands[0].1, op.axis) }
    }

    fn accumulate<T: Number>(&self, x: &[T], out: &mut [T]) {
        let (slab, inner) = (self.lanes.slab(), self.lanes.inner);
        if out.is_empty() {
            return;
        }
        if inner > 1 {
            let slabs = x.chunks_exact(slab).zip(out.chunks_exact_mut(slab));
            return slabs.for_each(|(x, out)| vectorize::run(LaneRows { sums: self, x, out }));
        }
        let (groups, grouped_out) = (x.chunks_exact(N_LANES * slab), out.chunks_exact_mut(N_LANES * slab));
        let n_grouped = groups.len() * N_LANES * slab;
        groups.zip(grouped_out).for_each(|(x, out)| self.accumulate_lanes::<T, N_LANES>(x, out));
        let rest = x[n_grouped..].chunks_exact(slab).zip(out[n_grouped..].chunks_exact_mut(slab));
        rest.for_each(|(x, out)| self.accumulate_lanes::<T, 1>(x, out));
    }

    /// `N` lanes, one after another in memory.
    fn accumulate_lanes<T: Number, const N: usize>(&self, x: &[T], out: &mut [T]) {
        let size = self.lanes.size;
        let row_of = |step: usize| if self.direction == ScanDirection::Forward { step } else { size - 1 - step };
        let x: [&[T]; N] = std::array::from_fn(|lane| &x[lane * size..][..size]);
        let mut sums: [T::Total; N] = x.map(|lane| T::Total::start(lane[row_of(0)]));
        let mut rest = out;
        let out: [&mut [T]; N] = std::array::from_fn(|_| {
            let (lane, later) = std::mem::take(&mut rest).split_at_mut(size);
            rest = later;
            lane
        });
        for lane in 0..N {
            out[lane][row_of(0)] = sums[lane].rounded();
        }
        for place in (1..size).map(row_of) {
            for lane in 0..N {
                sums[lane] = sums[lane].add(x[lane][place]);
                out[lane][place] = sums[lane].rounded();
            }
        }
    }
}

/// The lanes of a slab side by side, some columns at a time.
struct LaneRows<'a, T> {
    sums: &'a CumulativeSumKernel,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Number> Loop for LaneRows<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Lanes { size, inner, .. } = self.sums.lanes;
        let row = |step: usize| if self.sums.direction == ScanDirection::Forward { step } else { size - 1 - step };
        for first in (0..inner).step_by(N_COLUMNS) {
            let columns = first..inner.min(first + N_COLUMNS);
            let mut sums = [T::Total::ZERO; N_COLUMNS];
            let start = &self.x[row(0) * inner..][columns.clone()];
            sums.iter_mut().zip(start).for_each(|(sum, x)| *sum = T::Total::start(*x));
            self.out[row(0) * inner..][columns.clone()].copy_from_slice(start);
            for row in (1..size).map(row) {
                let (x, out) = (&self.x[row * inner..][columns.clone()], &mut self.out[row * inner..][columns.clone()]);
                for ((sum, x), out) in sums.iter_mut().zip(x).zip(out) {
                    *sum = sum.add(*x);
                    *out = sum.rounded();
                }
            }
        }
    }
}

impl FallbackRun for CumulativeSumKernel {
    fn partition(&self) -> Partition {
        Partition::new(self.lanes.outer, self.lanes.slab(), self.lanes.slab())
    }

    fn run(&self, KernelPart { units, operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        let elements = units.start * self.lanes.slab()..units.end * self.lanes.slab();
        each_number!(out, out => self.accumulate(&SliceElement::as_slice(&operands[0])[elements], out));
        Ok(())
    }
}
