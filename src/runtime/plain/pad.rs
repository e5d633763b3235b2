//! Zeros around and between elements. In: numbers. Out: rows of them, copied whole where nothing is between them.

use std::ops::Range;

use super::{
    Place, Run,
    cut::Cut,
    data::{Data, DataMut, Stored, each_number},
};
use crate::{
    graph::Pad as Op,
    ops::{CheckSizes, Fault, Number},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pad {
    /// The first of them is what the work is cut along.
    axes: Vec<Axis>,
}

/// One axis, or several without padding merged into one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    /// Elements of x along it.
    size: usize,
    /// Elements of the output along it.
    padded: usize,
    low: usize,
    /// From one element of x to the next in the output.
    step: usize,
    /// Elements of x, and of the output, for each position of this axis.
    slab: [usize; 2],
}

impl Pad {
    pub(super) fn resolve(op: &Op, place: Place<'_>) -> Result<Pad, Fault> {
        let (x, out) = (place.operands[0].1, place.output.1);
        op.check_sizes(&[x], place.bindings)?;
        let lows = op.zeros(&op.low, place.bindings)?;
        let mut axes: Vec<Axis> = Vec::new();
        let mut slab = [1, 1];
        for axis in (0..x.len()).rev() {
            let now = Axis { size: x[axis], padded: out[axis], low: lows[axis], step: op.interior[axis] + 1, slab };
            match axes.last_mut().filter(|inner| inner.is_bare() && now.is_bare()) {
                Some(inner) => (inner.size, inner.padded) = (inner.size * now.size, inner.padded * now.padded),
                None => axes.push(now),
            }
            slab = [slab[0] * now.size, slab[1] * now.padded];
        }
        axes.reverse();
        Ok(Pad { axes })
    }

    fn surround<T: Number>(&self, units: Range<usize>, x: &[T], out: &mut [T]) {
        match self.axes.split_first() {
            Some((axis, inner)) => axis.surround(inner, units, x, out),
            None => out.copy_from_slice(x),
        }
    }
}

impl Axis {
    fn is_bare(&self) -> bool {
        self.low == 0 && self.step == 1 && self.padded == self.size
    }

    /// The positions `places` of the output along this axis; `out` is theirs alone, x is whole.
    fn surround<T: Number>(&self, inner: &[Axis], places: Range<usize>, x: &[T], out: &mut [T]) {
        let [slab_of_x, slab] = self.slab;
        let reached = |place: usize| place.saturating_sub(self.low).div_ceil(self.step).min(self.size);
        let (first, last) = (reached(places.start), reached(places.end));
        if first == last || slab == 0 {
            return out.fill(T::ZERO);
        }
        let place_of = |element: usize| self.low + element * self.step - places.start;
        out[..place_of(first) * slab].fill(T::ZERO);
        if inner.is_empty() && self.step == 1 {
            out[place_of(first) * slab..][..(last - first) * slab].copy_from_slice(&x[first * slab..last * slab]);
            return out[(place_of(last - 1) + 1) * slab..].fill(T::ZERO);
        }
        for element in first..last {
            let (place, next) = (place_of(element), place_of(element + 1).min(places.len()));
            let (now, between) = out[place * slab..next * slab].split_at_mut(slab);
            let x = &x[element * slab_of_x..][..slab_of_x];
            match inner.split_first() {
                Some((axis, inner)) => axis.surround(inner, 0..axis.padded, x, now),
                None => now.copy_from_slice(x),
            }
            between.fill(T::ZERO);
        }
        out[place_of(last).min(places.len()) * slab..].fill(T::ZERO);
    }
}

impl Run for Pad {
    fn cut(&self) -> Cut {
        match self.axes.first() {
            Some(axis) => Cut::new(axis.padded, axis.slab[1], axis.slab[1] / 2),
            None => Cut::new(1, 1, 1),
        }
    }

    fn run(&self, units: Range<usize>, operands: &[Data<'_>], out: DataMut<'_>, _: &mut [u64]) -> Result<(), Fault> {
        each_number!(out, out => self.surround(units, Stored::of(&operands[0]), out));
        Ok(())
    }
}
