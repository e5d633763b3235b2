//! Sums and extremes over windows of at most two neighbouring axes: pooling of images, with channels first or last. In:
//! numbers. Out: for each window its sum, its maximum, or the position of the maximum. A row of windows is computed in
//! blocks of neighbouring windows that are kept in vector registers while the elements of the windows are visited in
//! row-major order, which is the order of the reference.

use std::ops::Range;

use super::{
    FallbackRun, KernelPart,
    data::{Data, DataMut, SliceElement, each_number},
    partition::Partition,
    window::{WindowAxis, WindowKernel},
};
use crate::{
    graph::WindowReduction,
    ops::{Number, OpError},
};

/// The most elements of a window whose sum is added in order: after so many roundings a sum of random numbers is off by
/// some 5 ε.
const MAX_SUM: usize = 1024;

/// x is `[n_planes, rows, columns, inner]`, with windows along rows and columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlaneWindowKernel {
    kind: WindowReduction,
    n_planes: usize,
    rows: WindowAxis,
    columns: WindowAxis,
    inner: usize,
}

impl PlaneWindowKernel {
    /// `None` if more axes have windows than two, these are not neighbours, a plane is beyond 32-bit positions, or sums
    /// would be too long to be added in order.
    pub(super) fn new(window: &WindowKernel) -> Option<PlaneWindowKernel> {
        let axes = &window.axes[..];
        let start = axes.iter().position(|axis| !axis.is_whole()).unwrap_or(axes.len());
        let end = axes.iter().rposition(|axis| !axis.is_whole()).map_or(start, |last| last + 1);
        let (rows, columns) = match axes[start..end] {
            [] => (WindowAxis::whole(1), WindowAxis::whole(1)),
            [columns] => (WindowAxis::whole(1), columns),
            [rows, columns] => (rows, columns),
            _ => return None,
        };
        let size = |axes: &[WindowAxis]| axes.iter().map(|axis| axis.size).product();
        let spread =
            |axis: WindowAxis| axis.n_taps.saturating_mul(axis.dilation).saturating_mul(2).saturating_add(axis.size);
        let is_small = spread(rows).saturating_mul(spread(columns)) < i32::MAX as usize;
        let n_taps = rows.n_taps.saturating_mul(columns.n_taps);
        let is_small = is_small && (window.kind != WindowReduction::Sum || n_taps <= MAX_SUM);
        let (n_planes, inner) = (size(&axes[..start]), size(&axes[end..]));
        is_small.then_some(PlaneWindowKernel { kind: window.kind, n_planes, rows, columns, inner })
    }

    fn reduce<T: Number, K: WindowCombiner<T>>(&self, units: Range<usize>, x: &[T], out: &mut [K::Out]) {
        let width = self.columns.n_places * self.inner;
        if width == 0 || x.is_empty() {
            return out.fill(K::nothing());
        }
        let size = self.rows.size * self.columns.size * self.inner;
        let padded = self.padded();
        let mut copy = padded.as_ref().map(|_| [K::start(); MAX_COPY]);
        let (mut first, mut out) = (units.start, out);
        while !out.is_empty() {
            let (plane, row) = (first / self.rows.n_places, first % self.rows.n_places);
            let rows = row..(row + out.len() / width).min(self.rows.n_places);
            let (segment, later) = out.split_at_mut(rows.len() * width);
            let x = &x[plane * size..][..size];
            let source = match (&padded, &mut copy) {
                (Some(padded), Some(copy)) => {
                    self.copy(padded, x, copy);
                    PlaneSource { x: &copy[..], of: padded, origin: (plane * size) as i64 }
                }
                _ => PlaneSource { x, of: self, origin: (plane * size) as i64 },
            };
            first += rows.len();
            for (row, out) in rows.zip(segment.chunks_exact_mut(width)) {
                self.reduce_row::<T, K>(&source, row, out);
            }
            out = later;
        }
    }

    /// The same windows on a plane whose padding is there as elements, if it has padding and is small: large planes
    /// have few windows at their edges.
    fn padded(&self) -> Option<PlaneWindowKernel> {
        let surrounding = |axis: WindowAxis| {
            let last = axis.n_places.saturating_sub(1) * axis.stride + (axis.n_taps - 1) * axis.dilation;
            WindowAxis { size: (axis.low + axis.size).max(last + 1), low: 0, ..axis }
        };
        let (rows, columns) = (surrounding(self.rows), surrounding(self.columns));
        let is_small = rows.size.saturating_mul(columns.size).saturating_mul(self.inner) <= MAX_COPY;
        let is_padded = self.inner == 1 && (columns.size, columns.low) != (self.columns.size, self.columns.low);
        (is_small && is_padded).then_some(PlaneWindowKernel { rows, columns, ..self.clone() })
    }

    /// Writes a plane into the middle of one that is padded.
    fn copy<T: Number>(&self, padded: &PlaneWindowKernel, x: &[T], copy: &mut [T]) {
        let lines = copy.chunks_exact_mut(padded.columns.size).skip(self.rows.low);
        for (line, x) in lines.zip(x.chunks_exact(self.columns.size)) {
            line[self.columns.low..][..x.len()].copy_from_slice(x);
        }
    }

    /// One row of windows, by the widest blocks that fit in it.
    fn reduce_row<T: Number, K: WindowCombiner<T>>(&self, source: &PlaneSource<'_, T>, row: usize, out: &mut [K::Out]) {
        let line = self.columns.size * self.inner;
        let (taps, real_taps) = (source.of.rows.taps(row), self.rows.taps(row));
        let first =
            |axis: &WindowAxis, taps: &Range<usize>| if taps.is_empty() { 0 } else { axis.element(row, taps.start) };
        let padding = if source.of.rows.low < self.rows.low { self.rows.low * line } else { 0 };
        let band = PlaneBand {
            x: source.x,
            n_lines: taps.len(),
            first: first(&source.of.rows, &taps) * source.of.columns.size * self.inner,
            step: self.rows.dilation * source.of.columns.size * self.inner,
            position: (first(&source.of.rows, &taps) * line) as i32 - padding as i32,
            position_step: (self.rows.dilation * line) as i32,
            first_position: (first(&self.rows, &real_taps) * line) as i32,
            origin: source.origin,
        };
        let n_neighbours = if self.inner > 1 { self.inner } else { self.columns.n_places };
        match (if self.inner > 1 { 1 } else { self.columns.stride }, n_neighbours) {
            (1, 16..) if !K::IS_POSITION => self.reduce_blocks::<T, K, 16, 1>(source.of, &band, out),
            (1, 8..) => self.reduce_blocks::<T, K, 8, 1>(source.of, &band, out),
            (1, 4..) => self.reduce_blocks::<T, K, 4, 1>(source.of, &band, out),
            (2, 8..) => self.reduce_blocks::<T, K, 8, 2>(source.of, &band, out),
            (2, 4..) => self.reduce_blocks::<T, K, 4, 2>(source.of, &band, out),
            _ => self.reduce_blocks::<T, K, 1, 1>(source.of, &band, out),
        }
    }

    /// Blocks of `L` windows, `S` elements of x from one to the next. The last block overlaps the one before rather
    /// than be shorter.
    fn reduce_blocks<T: Number, K: WindowCombiner<T>, const L: usize, const S: usize>(
        &self,
        window: &PlaneWindowKernel,
        band: &PlaneBand<'_, T>,
        out: &mut [K::Out],
    ) {
        if self.inner == 1 {
            for first in (0..out.len()).step_by(L) {
                let first = first.min(out.len() - L);
                let start = first * self.columns.stride;
                let mut block = self.new_block::<T, K, L, S>(band, start);
                let end = start + (L - 1) * S + (self.columns.n_taps - 1) * self.columns.dilation;
                if start >= window.columns.low && end < window.columns.low + window.columns.size {
                    self.take_inside::<T, K, L, S>(band, start - window.columns.low, &mut block);
                } else {
                    self.take_at_edge::<T, K, L, S>(band, start, &mut block);
                }
                K::finish(&block, band.origin + start as i64, S as i64, &mut out[first..]);
            }
            return;
        }
        for (place, out) in out.chunks_exact_mut(self.inner).enumerate() {
            for first in (0..self.inner).step_by(L) {
                let first = first.min(self.inner - L);
                let block = self.along_inner::<T, K, L>(band, place, first);
                K::finish(&block, band.origin + first as i64, 1, &mut out[first..]);
            }
        }
    }

    /// A block of windows that start at `start` and after; positions are relative to the start of each.
    #[inline(always)]
    fn new_block<T: Number, K: WindowCombiner<T>, const L: usize, const S: usize>(
        &self,
        band: &PlaneBand<'_, T>,
        start: usize,
    ) -> WindowBlock<T, L> {
        let WindowAxis { dilation, low, .. } = self.columns;
        let first_tap = |lane: usize| (low.saturating_sub(start + lane * S)).div_ceil(dilation) * dilation;
        WindowBlock::new::<K>(|lane| band.first_position + first_tap(lane) as i32 - low as i32)
    }

    /// For windows without padding; `start` is the first element in its line.
    #[inline(always)]
    fn take_inside<T: Number, K: WindowCombiner<T>, const L: usize, const S: usize>(
        &self,
        band: &PlaneBand<'_, T>,
        start: usize,
        block: &mut WindowBlock<T, L>,
    ) {
        let WindowAxis { n_taps, dilation, low, .. } = self.columns;
        let mut position = band.position - low as i32;
        for line in 0..band.n_lines {
            let line = &band.x[band.first + line * band.step + start..][..(n_taps - 1) * dilation + (L - 1) * S + 1];
            for shift in (0..n_taps).map(|tap| tap * dilation) {
                let whole = &line[shift..][..(L - 1) * S + 1];
                let elements: [T; L] = std::array::from_fn(|lane| whole[lane * S]);
                K::take(block, elements, position + shift as i32);
            }
            position += band.position_step;
        }
    }

    /// For windows that reach into the padding, in place of which the neutral element is taken.
    fn take_at_edge<T: Number, K: WindowCombiner<T>, const L: usize, const S: usize>(
        &self,
        band: &PlaneBand<'_, T>,
        start: usize,
        block: &mut WindowBlock<T, L>,
    ) {
        let WindowAxis { size, n_taps, dilation, low, .. } = self.columns;
        let mut position = band.position - low as i32;
        for line in 0..band.n_lines {
            let line = band.first + line * band.step;
            for shift in (0..n_taps).map(|tap| tap * dilation) {
                let reached = |bound: usize| bound.saturating_sub(start + shift).div_ceil(S).min(L);
                let mut elements = [K::start(); L];
                let (left, right) = (reached(low), reached(low + size));
                for (lane, element) in elements.iter_mut().enumerate().take(right).skip(left) {
                    *element = band.x[line + start + shift + lane * S - low];
                }
                K::take(block, elements, position + shift as i32);
            }
            position += band.position_step;
        }
    }

    /// The windows at one place, for the inner elements from `first` on; positions are relative to the first of those.
    fn along_inner<T: Number, K: WindowCombiner<T>, const L: usize>(
        &self,
        band: &PlaneBand<'_, T>,
        place: usize,
        first: usize,
    ) -> WindowBlock<T, L> {
        let taps = self.columns.taps(place);
        let offset = |tap: usize| self.columns.element(place, tap) * self.inner;
        let start = if taps.is_empty() { 0 } else { offset(taps.start) };
        let mut block = WindowBlock::<T, L>::new::<K>(|_| (band.first + start) as i32);
        for line in 0..band.n_lines {
            for tap in taps.clone() {
                let position = band.first + line * band.step + offset(tap);
                let elements = &band.x[position + first..][..L];
                let elements: [T; L] = std::array::from_fn(|lane| elements[lane]);
                K::take(&mut block, elements, position as i32);
            }
        }
        block
    }
}

/// Planes with at most so many elements, padding included, are copied with it.
const MAX_COPY: usize = 4096;

/// Where the elements of one plane are: in x, or in a copy with its padding.
struct PlaneSource<'a, T> {
    x: &'a [T],
    /// The windows on it.
    of: &'a PlaneWindowKernel,
    /// Where the plane starts in x.
    origin: i64,
}

/// The lines of one plane that a row of windows sees.
struct PlaneBand<'a, T> {
    x: &'a [T],
    n_lines: usize,
    /// Where the first line starts in its plane, and from one to the next.
    first: usize,
    step: usize,
    /// The same as positions in x, which has no padding.
    position: i32,
    position_step: i32,
    /// That of the first line that is not padding.
    first_position: i32,
    /// Where the plane starts in x.
    origin: i64,
}

/// The results so far of some neighbouring windows. Positions are 32-bit so that a vector holds as many as of f32.
struct WindowBlock<T, const L: usize> {
    best: [T; L],
    positions: [i32; L],
}

impl<T: Number, const L: usize> WindowBlock<T, L> {
    #[inline(always)]
    fn new<K: WindowCombiner<T>>(position: impl Fn(usize) -> i32) -> WindowBlock<T, L> {
        let positions = if K::IS_POSITION { std::array::from_fn(position) } else { [0; L] };
        WindowBlock { best: [K::start(); L], positions }
    }
}

/// What is computed over each window: sum, maximum, or position of the maximum.
trait WindowCombiner<T: Number> {
    type Out: Copy;
    const IS_POSITION: bool;

    /// The start value, and the neutral element that stands in for padding.
    fn start() -> T;
    /// The result of a window on an empty array, which type inference allows for sums alone.
    fn nothing() -> Self::Out;
    fn take<const L: usize>(block: &mut WindowBlock<T, L>, elements: [T; L], position: i32);
    /// Writes a block; positions are `origin` and `step` times the lane above those taken.
    fn finish<const L: usize>(block: &WindowBlock<T, L>, origin: i64, step: i64, out: &mut [Self::Out]);
}

struct SumWindow;
struct MaxWindow;
struct ArgMaxWindow;

impl<T: Number> WindowCombiner<T> for SumWindow {
    type Out = T;
    const IS_POSITION: bool = false;

    fn start() -> T {
        T::ZERO
    }
    fn nothing() -> T {
        T::ZERO
    }
    #[inline(always)]
    fn take<const L: usize>(block: &mut WindowBlock<T, L>, elements: [T; L], _: i32) {
        block.best = std::array::from_fn(|lane| block.best[lane].add(elements[lane]));
    }
    fn finish<const L: usize>(block: &WindowBlock<T, L>, _: i64, _: i64, out: &mut [T]) {
        out[..L].copy_from_slice(&block.best);
    }
}

/// The least number of the type: the start value of a maximum.
fn least<T: Number>() -> T {
    T::from_f64(f64::NEG_INFINITY)
}

/// Replaces what elements are greater than: the first of ties stays, and the first NaN. Returns where nothing changed,
/// as masks of all bits or none: choices by `bool` become branches, and these stay in vectors.
#[inline(always)]
fn keep_greatest<T: Number, const L: usize>(best: &mut [T; L], elements: [T; L]) -> [i32; L] {
    let stays = std::array::from_fn(|lane| -i32::from((best[lane] >= elements[lane]) | best[lane].is_nan()));
    for lane in 0..L {
        best[lane] = if stays[lane] == 0 { elements[lane] } else { best[lane] };
    }
    stays
}

impl<T: Number> WindowCombiner<T> for MaxWindow {
    type Out = T;
    const IS_POSITION: bool = false;

    fn start() -> T {
        least()
    }
    fn nothing() -> T {
        least()
    }
    #[inline(always)]
    fn take<const L: usize>(block: &mut WindowBlock<T, L>, elements: [T; L], _: i32) {
        keep_greatest(&mut block.best, elements);
    }
    fn finish<const L: usize>(block: &WindowBlock<T, L>, _: i64, _: i64, out: &mut [T]) {
        out[..L].copy_from_slice(&block.best);
    }
}

impl<T: Number> WindowCombiner<T> for ArgMaxWindow {
    type Out = i64;
    const IS_POSITION: bool = true;

    fn start() -> T {
        least()
    }
    fn nothing() -> i64 {
        0
    }
    #[inline(always)]
    fn take<const L: usize>(block: &mut WindowBlock<T, L>, elements: [T; L], position: i32) {
        let stays = keep_greatest(&mut block.best, elements);
        for (best_position, stays) in block.positions.iter_mut().zip(stays) {
            *best_position = (*best_position & stays) | (position & !stays);
        }
    }
    fn finish<const L: usize>(block: &WindowBlock<T, L>, origin: i64, step: i64, out: &mut [i64]) {
        for (lane, out) in out[..L].iter_mut().enumerate() {
            *out = origin + i64::from(block.positions[lane]) + lane as i64 * step;
        }
    }
}

impl FallbackRun for PlaneWindowKernel {
    fn partition(&self) -> Partition {
        let width = self.columns.n_places * self.inner;
        let n_taps = self.rows.n_taps * self.columns.n_taps;
        Partition::new(self.n_planes * self.rows.n_places, width, width.saturating_mul(n_taps) / 2)
    }

    fn run(&self, KernelPart { units, operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        match (self.kind, operands[0], out) {
            (WindowReduction::Sum, _, out) => {
                each_number!(out, out => self.reduce::<_, SumWindow>(units, SliceElement::as_slice(&operands[0]), out));
            }
            (WindowReduction::Max, _, out) => {
                each_number!(out, out => self.reduce::<_, MaxWindow>(units, SliceElement::as_slice(&operands[0]), out));
            }
            (WindowReduction::ArgMax, Data::F32(x), DataMut::I64(out)) => self.reduce::<_, ArgMaxWindow>(units, x, out),
            (WindowReduction::ArgMax, Data::F64(x), DataMut::I64(out)) => self.reduce::<_, ArgMaxWindow>(units, x, out),
            (WindowReduction::ArgMax, Data::I64(x), DataMut::I64(out)) => self.reduce::<_, ArgMaxWindow>(units, x, out),
            (WindowReduction::ArgMax, ..) => unreachable!("invariant: inference asks for numbers and gives i64"),
        }
        Ok(())
    }
}
