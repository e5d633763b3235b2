//! Padding: zeros around and between elements. In: numbers. Out: the padded array; rows are copied whole where nothing
//! is between their elements.

use std::ops::Range;

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{SliceElement, each_number},
    partition::Partition,
};
use crate::{
    graph::Pad as Op,
    ops::{CheckSizes, Number, OpError},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct PadKernel {
    /// The first of them is what the work is cut along.
    axes: Vec<PadAxis>,
}

/// One axis, or several without padding merged into one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PadAxis {
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

impl PadKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> Result<PadKernel, OpError> {
        let (x, out) = (place.operands[0].1, place.output.1);
        op.check_sizes(&[x], place.bindings)?;
        let lows = op.zeros(&op.low, place.bindings)?;
        let mut axes: Vec<PadAxis> = Vec::new();
        let mut slab = [1, 1];
        for axis in (0..x.len()).rev() {
            let current =
                PadAxis { size: x[axis], padded: out[axis], low: lows[axis], step: op.interior[axis] + 1, slab };
            match axes.last_mut().filter(|inner| inner.is_bare() && current.is_bare()) {
                Some(inner) => (inner.size, inner.padded) = (inner.size * current.size, inner.padded * current.padded),
                None => axes.push(current),
            }
            slab = [slab[0] * current.size, slab[1] * current.padded];
        }
        axes.reverse();
        Ok(PadKernel { axes })
    }

    fn surround<T: Number>(&self, units: Range<usize>, x: &[T], out: &mut [T]) {
        match self.axes.split_first() {
            Some((axis, inner)) => axis.surround(inner, units, x, out),
            None => out.copy_from_slice(x),
        }
    }
}

impl PadAxis {
    fn is_bare(&self) -> bool {
        self.low == 0 && self.step == 1 && self.padded == self.size
    }

    /// The positions `places` of the output along this axis; `out` is theirs alone, x is whole.
    fn surround<T: Number>(&self, inner: &[PadAxis], places: Range<usize>, x: &[T], out: &mut [T]) {
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
            let (segment, between) = out[place * slab..next * slab].split_at_mut(slab);
            let x = &x[element * slab_of_x..][..slab_of_x];
            match inner.split_first() {
                Some((axis, inner)) => axis.surround(inner, 0..axis.padded, x, segment),
                None => segment.copy_from_slice(x),
            }
            between.fill(T::ZERO);
        }
        out[place_of(last).min(places.len()) * slab..].fill(T::ZERO);
    }
}

impl FallbackRun for PadKernel {
    fn partition(&self) -> Partition {
        match self.axes.first() {
            Some(axis) => Partition::new(axis.padded, axis.slab[1], axis.slab[1] / 2),
            None => Partition::new(1, 1, 1),
        }
    }

    fn run(&self, KernelPart { units, operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        each_number!(out, out => self.surround(units, SliceElement::as_slice(&operands[0]), out));
        Ok(())
    }
}
