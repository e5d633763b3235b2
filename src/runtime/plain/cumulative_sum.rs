//! Running sums along an axis. In: numbers. Out: their sums from either end, added in that order.

use std::ops::Range;

use super::{
    Place, Run,
    cut::Cut,
    data::{Data, DataMut, Stored, each_number},
    lanes::Lanes,
};
use crate::{
    graph::{CumulativeSum as Op, Direction},
    ops::{Fault, Number},
};

/// How many contiguous lanes run together: a sum waits for the one before it, but not for its neighbours'.
const N_LANES: usize = 4;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct CumulativeSum {
    direction: Direction,
    lanes: Lanes,
}

impl CumulativeSum {
    pub(super) fn resolve(op: &Op, place: Place<'_>) -> CumulativeSum {
        CumulativeSum { direction: op.direction, lanes: Lanes::along(place.operands[0].1, op.axis) }
    }

    fn accumulate<T: Number>(&self, x: &[T], out: &mut [T]) {
        let (slab, inner) = (self.lanes.slab(), self.lanes.inner);
        if out.is_empty() {
            return;
        }
        if inner > 1 {
            let slabs = x.chunks_exact(slab).zip(out.chunks_exact_mut(slab));
            return slabs.for_each(|(x, out)| self.accumulate_rows(x, out));
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
        let at = |step: usize| if self.direction == Direction::Forward { step } else { size - 1 - step };
        let x: [&[T]; N] = std::array::from_fn(|lane| &x[lane * size..][..size]);
        let mut sums: [T; N] = x.map(|lane| lane[at(0)]);
        let mut rest = out;
        let out: [&mut [T]; N] = std::array::from_fn(|_| {
            let (lane, later) = std::mem::take(&mut rest).split_at_mut(size);
            rest = later;
            lane
        });
        for lane in 0..N {
            out[lane][at(0)] = sums[lane];
        }
        for place in (1..size).map(at) {
            for lane in 0..N {
                sums[lane] = sums[lane].add(x[lane][place]);
                out[lane][place] = sums[lane];
            }
        }
    }

    /// The lanes of a slab side by side, row after row.
    fn accumulate_rows<T: Number>(&self, x: &[T], out: &mut [T]) {
        let Lanes { size, inner, .. } = self.lanes;
        let is_forward = self.direction == Direction::Forward;
        let first = if is_forward { 0 } else { size - 1 };
        out[first * inner..][..inner].copy_from_slice(&x[first * inner..][..inner]);
        for step in 1..size {
            let (row, before, now) = if is_forward {
                let (before, now) = out.split_at_mut(step * inner);
                (step, &before[(step - 1) * inner..], now)
            } else {
                let row = size - 1 - step;
                let (now, before) = out.split_at_mut((row + 1) * inner);
                (row, &*before, &mut now[row * inner..])
            };
            let terms = before.iter().zip(&x[row * inner..][..inner]);
            now.iter_mut().zip(terms).for_each(|(sum, (before, term))| *sum = before.add(*term));
        }
    }
}

impl Run for CumulativeSum {
    fn cut(&self) -> Cut {
        Cut::new(self.lanes.outer, self.lanes.slab(), self.lanes.slab())
    }

    fn run(&self, units: Range<usize>, operands: &[Data<'_>], out: DataMut<'_>) -> Result<(), Fault> {
        let elements = units.start * self.lanes.slab()..units.end * self.lanes.slab();
        each_number!(out, out => self.accumulate(&Stored::of(&operands[0])[elements], out));
        Ok(())
    }
}
