//! Running sums along an axis. In: numbers. Out: their sums from either end, added in that order with more digits than
//! theirs.

use std::ops::Range;

use super::{
    Place, Run,
    cut::Cut,
    data::{Data, DataMut, Stored, each_number},
    lanes::Lanes,
};
use crate::{
    graph::{CumulativeSum as Op, Direction},
    ops::{Fault, Number, Total},
    vectorize::{self, Loop},
};

/// How many contiguous lanes run together: a sum waits for the one before it, but not for its neighbours'.
const N_LANES: usize = 4;

/// How many lanes side by side run together: longer pieces of rows come from memory faster.
const N_COLUMNS: usize = 1024;

/// Rows that are added to these sums at once, and sums of a vector.
const N_ROWS: usize = 4;
const WIDTH: usize = 8;

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
            return vectorize::run(Columns { sums: self, x, out });
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
        let mut sums: [T::Total; N] = x.map(|lane| T::Total::start(lane[at(0)]));
        let mut rest = out;
        let out: [&mut [T]; N] = std::array::from_fn(|_| {
            let (lane, later) = std::mem::take(&mut rest).split_at_mut(size);
            rest = later;
            lane
        });
        for lane in 0..N {
            out[lane][at(0)] = sums[lane].rounded();
        }
        for place in (1..size).map(at) {
            for lane in 0..N {
                sums[lane] = sums[lane].add(x[lane][place]);
                out[lane][place] = sums[lane].rounded();
            }
        }
    }
}

/// Slabs whose lanes lie side by side, some columns at a time.
struct Columns<'a, T> {
    sums: &'a CumulativeSum,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Number> Loop for Columns<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Lanes { size, inner, .. } = self.sums.lanes;
        let slab = size * inner;
        let mut sums = [T::Total::ZERO; N_COLUMNS];
        for (x, out) in self.x.chunks_exact(slab).zip(self.out.chunks_exact_mut(slab)) {
            for first in (0..inner).step_by(N_COLUMNS) {
                let columns = first..inner.min(first + N_COLUMNS);
                let sums = &mut sums[..columns.len()];
                let mut block = Block { x, out: &mut *out, inner, columns, direction: self.sums.direction };
                block.start(if block.direction == Direction::Forward { 0 } else { size - 1 }, sums);
                let mut n_done = 1;
                while n_done < size {
                    let n_rows = if size - n_done < N_ROWS { 1 } else { N_ROWS };
                    let row = if block.direction == Direction::Forward { n_done } else { size - n_done - n_rows };
                    if n_rows == 1 {
                        block.add::<1>(row, sums)
                    } else {
                        block.add::<N_ROWS>(row, sums)
                    }
                    n_done += n_rows;
                }
            }
        }
    }
}

/// Some columns of a slab.
struct Block<'a, T> {
    x: &'a [T],
    out: &'a mut [T],
    inner: usize,
    columns: Range<usize>,
    direction: Direction,
}

impl<T: Number> Block<'_, T> {
    /// Sums of the elements of one row, which are as they are.
    #[inline(always)]
    fn start(&mut self, row: usize, sums: &mut [T::Total]) {
        let x = &self.x[row * self.inner..][self.columns.clone()];
        sums.iter_mut().zip(x).for_each(|(sum, x)| *sum = T::Total::start(*x));
        self.out[row * self.inner..][self.columns.clone()].copy_from_slice(x);
    }

    /// Adds `N` rows from `row` on, in the direction of the sums, which are read and written once.
    #[inline(always)]
    fn add<const N: usize>(&mut self, row: usize, sums: &mut [T::Total]) {
        let mut x: [&[T]; N] = std::array::from_fn(|place| &self.x[(row + place) * self.inner..][self.columns.clone()]);
        let mut lines = self.out[row * self.inner..].chunks_exact_mut(self.inner);
        let mut out: [&mut [T]; N] = std::array::from_fn(|_| {
            let line = lines.next().expect("invariant: the rows are in the slab");
            &mut line[self.columns.clone()]
        });
        if self.direction == Direction::Backward {
            x.reverse();
            out.reverse();
        }
        let n_wide = sums.len() / WIDTH * WIDTH;
        for first in (0..n_wide).step_by(WIDTH) {
            let mut now: [T::Total; WIDTH] = std::array::from_fn(|lane| sums[first + lane]);
            for (x, out) in x.iter().zip(&mut out) {
                let (x, out) = (&x[first..first + WIDTH], &mut out[first..first + WIDTH]);
                for ((sum, x), out) in now.iter_mut().zip(x).zip(out) {
                    *sum = sum.add(*x);
                    *out = sum.rounded();
                }
            }
            sums[first..first + WIDTH].copy_from_slice(&now);
        }
        for (column, sum) in sums.iter_mut().enumerate().skip(n_wide) {
            for (x, out) in x.iter().zip(&mut out) {
                *sum = sum.add(x[column]);
                out[column] = sum.rounded();
            }
        }
    }
}

impl Run for CumulativeSum {
    fn cut(&self) -> Cut {
        Cut::new(self.lanes.outer, self.lanes.slab(), self.lanes.slab())
    }

    fn run(&self, units: Range<usize>, operands: &[Data<'_>], out: DataMut<'_>, _: &mut [u64]) -> Result<(), Fault> {
        let elements = units.start * self.lanes.slab()..units.end * self.lanes.slab();
        each_number!(out, out => self.accumulate(&Stored::of(&operands[0])[elements], out));
        Ok(())
    }
}
