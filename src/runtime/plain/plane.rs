//! Sums and extremes over windows of at most two neighbouring axes: the pooling of images, with channels first or last.
//! In: numbers. Out: for each window its sum, its greatest, or where that is. A row of windows is made in blocks that are
//! kept in vectors while the elements of the windows go by in row-major order, which is the reference's.

use std::ops::Range;

use super::{
    Run,
    cut::Cut,
    data::{Data, DataMut, Stored, each_number},
    window::{Axis, Window},
};
use crate::{
    graph::WindowReduction,
    ops::{Fault, Number},
};

/// x is `[n_planes, rows, columns, inner]`, with windows along rows and columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlaneWindow {
    kind: WindowReduction,
    n_planes: usize,
    rows: Axis,
    columns: Axis,
    inner: usize,
}

impl PlaneWindow {
    /// `None` if more axes have windows than two, these are not neighbours, or a plane is beyond 32-bit positions.
    pub(super) fn new(window: &Window) -> Option<PlaneWindow> {
        let axes = &window.axes[..];
        let start = axes.iter().position(|axis| !axis.is_whole()).unwrap_or(axes.len());
        let end = axes.iter().rposition(|axis| !axis.is_whole()).map_or(start, |last| last + 1);
        let (rows, columns) = match axes[start..end] {
            [] => (Axis::whole(1), Axis::whole(1)),
            [columns] => (Axis::whole(1), columns),
            [rows, columns] => (rows, columns),
            _ => return None,
        };
        let size = |axes: &[Axis]| axes.iter().map(|axis| axis.size).product();
        let spread = |axis: Axis| axis.size + axis.n_taps.saturating_mul(axis.dilation);
        let is_small = spread(rows).saturating_mul(spread(columns)) < i32::MAX as usize;
        let (n_planes, inner) = (size(&axes[..start]), size(&axes[end..]));
        is_small.then_some(PlaneWindow { kind: window.kind, n_planes, rows, columns, inner })
    }

    fn reduce<T: Number, K: Kind<T>>(&self, units: Range<usize>, x: &[T], out: &mut [K::Out]) {
        let width = self.columns.n_places * self.inner;
        if width == 0 || x.is_empty() {
            return out.fill(K::nothing());
        }
        let plane_size = self.rows.size * self.columns.size * self.inner;
        for (unit, out) in units.zip(out.chunks_exact_mut(width)) {
            let (plane, place) = (unit / self.rows.n_places, unit % self.rows.n_places);
            let taps = self.rows.taps(place);
            let line = self.columns.size * self.inner;
            let first = if taps.is_empty() { 0 } else { self.rows.element(place, taps.start) };
            let band = Band {
                x: &x[plane * plane_size..][..plane_size],
                n_lines: taps.len(),
                first: first * line,
                step: self.rows.dilation * line,
                origin: (plane * plane_size) as i64,
            };
            self.reduce_band::<T, K>(&band, out);
        }
    }

    /// One row of windows, by the widest blocks that fit in it.
    fn reduce_band<T: Number, K: Kind<T>>(&self, band: &Band<'_, T>, out: &mut [K::Out]) {
        let run = if self.inner > 1 { self.inner } else { self.columns.n_places };
        match (if self.inner > 1 { 1 } else { self.columns.stride }, run) {
            (1, 8..) => self.reduce_blocks::<T, K, 8, 1>(band, out),
            (1, 4..) => self.reduce_blocks::<T, K, 4, 1>(band, out),
            (2, 8..) => self.reduce_blocks::<T, K, 8, 2>(band, out),
            (2, 4..) => self.reduce_blocks::<T, K, 4, 2>(band, out),
            _ => self.reduce_blocks::<T, K, 1, 1>(band, out),
        }
    }

    /// Blocks of `L` windows, `S` elements of x from one to the next. The last block overlaps the one before rather than
    /// be shorter.
    fn reduce_blocks<T: Number, K: Kind<T>, const L: usize, const S: usize>(
        &self,
        band: &Band<'_, T>,
        out: &mut [K::Out],
    ) {
        if self.inner == 1 {
            for first in (0..out.len()).step_by(L) {
                let first = first.min(out.len() - L);
                let block = self.along_columns::<T, K, L, S>(band, first);
                K::finish(&block, band.origin + (first * self.columns.stride) as i64, S as i64, &mut out[first..]);
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

    /// The windows at the places from `first` on; positions are relative to the first of them, then to each.
    fn along_columns<T: Number, K: Kind<T>, const L: usize, const S: usize>(
        &self,
        band: &Band<'_, T>,
        first: usize,
    ) -> Block<T, L> {
        let Axis { size, n_taps, stride, dilation, low, .. } = self.columns;
        let start = first * stride;
        let first_tap = |lane: usize| (low.saturating_sub(start + lane * S)).div_ceil(dilation) * dilation;
        let position = |lane: usize| (band.first + first_tap(lane)) as i32 - low as i32;
        let mut block = Block::<T, L>::new::<K>(position);
        for line in 0..band.n_lines {
            let line = band.first + line * band.step;
            for shift in (0..n_taps).map(|tap| tap * dilation) {
                let position = (line + shift) as i32 - low as i32;
                let reached = |bound: usize| bound.saturating_sub(start + shift).div_ceil(S).min(L);
                let (left, right) = (reached(low), reached(low + size));
                if left == 0 && right == L {
                    let elements = &band.x[line + start + shift - low..][..(L - 1) * S + 1];
                    let elements: [T; L] = std::array::from_fn(|lane| elements[lane * S]);
                    (0..L).for_each(|lane| K::take(&mut block, lane, elements[lane], position));
                } else {
                    for lane in left..right {
                        let element = band.x[line + start + shift + lane * S - low];
                        K::take(&mut block, lane, element, position);
                    }
                }
            }
        }
        block
    }

    /// The windows at one place, for the inner elements from `first` on; positions are relative to the first of those.
    fn along_inner<T: Number, K: Kind<T>, const L: usize>(
        &self,
        band: &Band<'_, T>,
        place: usize,
        first: usize,
    ) -> Block<T, L> {
        let taps = self.columns.taps(place);
        let offset = |tap: usize| self.columns.element(place, tap) * self.inner;
        let start = if taps.is_empty() { 0 } else { offset(taps.start) };
        let mut block = Block::<T, L>::new::<K>(|_| (band.first + start) as i32);
        for line in 0..band.n_lines {
            for tap in taps.clone() {
                let position = band.first + line * band.step + offset(tap);
                let elements = &band.x[position + first..][..L];
                let elements: [T; L] = std::array::from_fn(|lane| elements[lane]);
                (0..L).for_each(|lane| K::take(&mut block, lane, elements[lane], position as i32));
            }
        }
        block
    }
}

/// The lines of one plane that a row of windows sees.
struct Band<'a, T> {
    x: &'a [T],
    n_lines: usize,
    /// Where the first line starts in the plane, and from one to the next.
    first: usize,
    step: usize,
    /// Where the plane starts in x.
    origin: i64,
}

/// What some neighbouring windows have come to. Positions are 32-bit so that a vector holds as many as of f32.
struct Block<T, const L: usize> {
    best: [T; L],
    positions: [i32; L],
}

impl<T: Number, const L: usize> Block<T, L> {
    fn new<K: Kind<T>>(position: impl Fn(usize) -> i32) -> Block<T, L> {
        let positions = if K::IS_POSITION { std::array::from_fn(position) } else { [0; L] };
        Block { best: [K::start(); L], positions }
    }
}

/// What is taken over each window.
trait Kind<T: Number> {
    type Out: Copy;
    const IS_POSITION: bool;

    /// What there is before the first element.
    fn start() -> T;
    /// What comes of a window on an empty array, which inference allows a sum alone.
    fn nothing() -> Self::Out;
    fn take<const L: usize>(block: &mut Block<T, L>, lane: usize, element: T, position: i32);
    /// Writes a block; positions are `origin` and `step` times the lane above those taken.
    fn finish<const L: usize>(block: &Block<T, L>, origin: i64, step: i64, out: &mut [Self::Out]);
}

struct Sum;
struct Max;
struct ArgMax;

impl<T: Number> Kind<T> for Sum {
    type Out = T;
    const IS_POSITION: bool = false;

    fn start() -> T {
        T::ZERO
    }
    fn nothing() -> T {
        T::ZERO
    }
    #[inline(always)]
    fn take<const L: usize>(block: &mut Block<T, L>, lane: usize, element: T, _: i32) {
        block.best[lane] = block.best[lane].add(element);
    }
    fn finish<const L: usize>(block: &Block<T, L>, _: i64, _: i64, out: &mut [T]) {
        out[..L].copy_from_slice(&block.best);
    }
}

/// Below or equal to every number.
fn least<T: Number>() -> T {
    T::from_f64(f64::NEG_INFINITY)
}

/// Whether an element replaces the best so far: the first NaN stays.
#[inline(always)]
fn wins<T: Number>(element: T, best: T) -> bool {
    !best.is_nan() & (element.is_nan() | (element > best))
}

impl<T: Number> Kind<T> for Max {
    type Out = T;
    const IS_POSITION: bool = false;

    fn start() -> T {
        least()
    }
    fn nothing() -> T {
        least()
    }
    #[inline(always)]
    fn take<const L: usize>(block: &mut Block<T, L>, lane: usize, element: T, _: i32) {
        block.best[lane] = if wins(element, block.best[lane]) { element } else { block.best[lane] };
    }
    fn finish<const L: usize>(block: &Block<T, L>, _: i64, _: i64, out: &mut [T]) {
        out[..L].copy_from_slice(&block.best);
    }
}

impl<T: Number> Kind<T> for ArgMax {
    type Out = i64;
    const IS_POSITION: bool = true;

    fn start() -> T {
        least()
    }
    fn nothing() -> i64 {
        0
    }
    #[inline(always)]
    fn take<const L: usize>(block: &mut Block<T, L>, lane: usize, element: T, position: i32) {
        let wins = wins(element, block.best[lane]);
        block.best[lane] = if wins { element } else { block.best[lane] };
        block.positions[lane] = if wins { position } else { block.positions[lane] };
    }
    fn finish<const L: usize>(block: &Block<T, L>, origin: i64, step: i64, out: &mut [i64]) {
        for (lane, out) in out[..L].iter_mut().enumerate() {
            *out = origin + i64::from(block.positions[lane]) + lane as i64 * step;
        }
    }
}

impl Run for PlaneWindow {
    fn cut(&self) -> Cut {
        let width = self.columns.n_places * self.inner;
        let each = self.rows.n_taps * self.columns.n_taps;
        Cut::new(self.n_planes * self.rows.n_places, width, width * each / 2)
    }

    fn run(&self, units: Range<usize>, operands: &[Data<'_>], out: DataMut<'_>) -> Result<(), Fault> {
        match (self.kind, operands[0], out) {
            (WindowReduction::Sum, _, out) => {
                each_number!(out, out => self.reduce::<_, Sum>(units, Stored::of(&operands[0]), out));
            }
            (WindowReduction::Max, _, out) => {
                each_number!(out, out => self.reduce::<_, Max>(units, Stored::of(&operands[0]), out));
            }
            (WindowReduction::ArgMax, Data::F32(x), DataMut::I64(out)) => self.reduce::<_, ArgMax>(units, x, out),
            (WindowReduction::ArgMax, Data::F64(x), DataMut::I64(out)) => self.reduce::<_, ArgMax>(units, x, out),
            (WindowReduction::ArgMax, Data::I64(x), DataMut::I64(out)) => self.reduce::<_, ArgMax>(units, x, out),
            (WindowReduction::ArgMax, ..) => unreachable!("invariant: inference asks for numbers and gives i64"),
        }
        Ok(())
    }
}
