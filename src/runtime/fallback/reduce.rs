//! Any reduction over any axes: slow where the axes are not the first, and right. In: numbers. Out: one for each place
//! that is left, combined in the order of the reference, the last axis first.

use std::ops::Range;

use super::{
    FallbackRun, ResolveContext,
    data::{Data, DataMut, SliceElement, each_number},
    partition::Partition,
};
use crate::{
    graph::{Reduce as Op, Reduction},
    ops::{Number, OpError, Total},
};

/// How many neighbouring results are made together.
const N_LANES: usize = 8;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct ReduceKernel {
    kind: Reduction,
    /// What is kept, outermost first, neighbours merged.
    kept: Vec<ReduceAxis>,
    /// What is removed, outermost first.
    removed: Vec<ReduceAxis>,
    n_elements: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct ReduceAxis {
    size: usize,
    /// From one element to the next in x.
    stride: usize,
}

impl ReduceKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> Result<ReduceKernel, OpError> {
        let x = place.operands[0].1;
        let is_extreme = matches!(op.kind, Reduction::Max | Reduction::Min);
        if let Some(axis) = op.axes.iter().rev().find(|axis| is_extreme && x[**axis] == 0) {
            return Err(OpError::Empty { axis: *axis });
        }
        let (mut kept, mut removed): (Vec<ReduceAxis>, Vec<ReduceAxis>) = (Vec::new(), Vec::new());
        let mut stride = 1;
        for (axis, size) in x.iter().copied().enumerate().rev() {
            let current = ReduceAxis { size, stride };
            match kept.last_mut().filter(|inner| inner.stride * inner.size == stride) {
                _ if op.axes.contains(&axis) => removed.push(current),
                Some(inner) => inner.size *= size,
                None => kept.push(current),
            }
            stride *= size;
        }
        kept.reverse();
        removed.reverse();
        Ok(ReduceKernel { kind: op.kind, kept, removed, n_elements: place.output.1.iter().product() })
    }

    fn reduce<T: Number>(&self, places: Range<usize>, x: &[T], out: &mut [T]) {
        match self.kind {
            Reduction::Sum => self.each(places, x, out, CompensatedSums(&self.removed)),
            Reduction::Product => self.each(
                places,
                x,
                out,
                SequentialFold { removed: &self.removed, start: Some(T::ONE), combine: T::mul },
            ),
            Reduction::Max => {
                self.each(places, x, out, SequentialFold { removed: &self.removed, start: None, combine: T::maximum })
            }
            Reduction::Min => {
                self.each(places, x, out, SequentialFold { removed: &self.removed, start: None, combine: T::minimum })
            }
        }
    }

    fn each<T: Number>(&self, places: Range<usize>, x: &[T], out: &mut [T], neighbours: impl Neighbours<T>) {
        let mut place = places.start;
        while place < places.end {
            let (offset, n_neighbours) = self.locate(place);
            let (done, x) = (place - places.start, x.get(offset..).unwrap_or_default());
            if n_neighbours.min(places.end - place) >= N_LANES {
                out[done..][..N_LANES].copy_from_slice(&neighbours.reduced::<N_LANES>(x));
                place += N_LANES;
            } else {
                [out[done]] = neighbours.reduced(x);
                place += 1;
            }
        }
    }

    /// Where in x the elements of a result start, and how many results follow each other in x from there.
    fn locate(&self, place: usize) -> (usize, usize) {
        let (mut offset, mut rest, mut n_neighbours) = (0, place, 1);
        for axis in self.kept.iter().rev() {
            if axis.stride == 1 {
                n_neighbours = axis.size - rest % axis.size;
            }
            offset += rest % axis.size * axis.stride;
            rest /= axis.size;
        }
        (offset, n_neighbours)
    }
}

/// Several results at once, whose elements lie side by side in x.
trait Neighbours<T> {
    fn reduced<const N: usize>(&self, x: &[T]) -> [T; N];
}

/// Sums over axes, in row-major order; the recursion is as deep as there are axes.
struct CompensatedSums<'a>(&'a [ReduceAxis]);

impl<T: Number> Neighbours<T> for CompensatedSums<'_> {
    fn reduced<const N: usize>(&self, x: &[T]) -> [T; N] {
        // Of no axes it is the array itself, with the signs of its zeros.
        if self.0.is_empty() {
            return row(x);
        }
        let mut totals = [T::Total::ZERO; N];
        add_all(self.0, x, &mut totals);
        totals.map(T::Total::rounded)
    }
}

fn add_all<T: Number, const N: usize>(removed: &[ReduceAxis], x: &[T], totals: &mut [T::Total; N]) {
    let Some((axis, inner)) = removed.split_first() else {
        return totals.iter_mut().zip(row::<T, N>(x)).for_each(|(total, x)| *total = total.add(x));
    };
    for place in 0..axis.size {
        add_all(inner, x.get(place * axis.stride..).unwrap_or_default(), totals);
    }
}

/// How two are made one, what there is before the first, and over which axes.
struct SequentialFold<'a, T, F> {
    removed: &'a [ReduceAxis],
    start: Option<T>,
    combine: F,
}

impl<T: Number, F: Fn(T, T) -> T> Neighbours<T> for SequentialFold<'_, T, F> {
    fn reduced<const N: usize>(&self, x: &[T]) -> [T; N] {
        self.reduce_lanes(self.removed, x)
    }
}

impl<T: Number, F: Fn(T, T) -> T> SequentialFold<'_, T, F> {
    /// `N` neighbours; the recursion is as deep as there are axes.
    fn reduce_lanes<const N: usize>(&self, removed: &[ReduceAxis], x: &[T]) -> [T; N] {
        match removed {
            [] => row(x),
            [axis] => self.along(axis, |place| row(&x[place * axis.stride..])),
            [axis, inner @ ..] => self
                .along(axis, |place| self.reduce_lanes::<N>(inner, x.get(place * axis.stride..).unwrap_or_default())),
        }
    }

    fn along<const N: usize>(&self, axis: &ReduceAxis, row: impl Fn(usize) -> [T; N]) -> [T; N] {
        let combine = |one: [T; N], other: [T; N]| std::array::from_fn(|lane| (self.combine)(one[lane], other[lane]));
        match self.start {
            Some(start) => (0..axis.size).map(row).fold([start; N], combine),
            None => (1..axis.size).map(&row).fold(row(0), combine),
        }
    }
}

fn row<T: Number, const N: usize>(x: &[T]) -> [T; N] {
    let row = &x[..N];
    std::array::from_fn(|lane| row[lane])
}

impl FallbackRun for ReduceKernel {
    fn partition(&self) -> Partition {
        let n_removed: usize = self.removed.iter().map(|axis| axis.size).product();
        Partition::new(self.n_elements, 1, n_removed)
    }

    fn run(&self, units: Range<usize>, operands: &[Data<'_>], out: DataMut<'_>, _: &mut [u64]) -> Result<(), OpError> {
        each_number!(out, out => self.reduce(units, SliceElement::as_slice(&operands[0]), out));
        Ok(())
    }
}
