//! Sums and extremes over windows of any number of axes: the slow kernel, for shapes that `plane.rs` does not take. In:
//! numbers. Out: for each window its sum, its maximum, or the position of the maximum.

use std::ops::Range;

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{Data, DataMut, SliceElement, each_number},
    partition::Partition,
};
use crate::{
    graph::{Window as Op, WindowReduction},
    ops::{Number, OpError, Total},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct WindowKernel {
    pub(super) kind: WindowReduction,
    pub(super) axes: Vec<WindowAxis>,
}

/// A window along one axis. By its [`CheckSizes`](crate::ops::CheckSizes) every position that a place or a tap has is
/// below three times the largest attribute, so that none of these products overflows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WindowAxis {
    /// Elements of x.
    pub(super) size: usize,
    /// Places of the window.
    pub(super) n_places: usize,
    /// Elements of the window.
    pub(super) n_taps: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    pub(super) low: usize,
}

impl WindowAxis {
    /// The window of one element on an axis of that size.
    pub(super) fn whole(size: usize) -> WindowAxis {
        WindowAxis { size, n_places: size, n_taps: 1, stride: 1, dilation: 1, low: 0 }
    }

    /// Whether each window has one element, its own.
    pub(super) fn is_whole(&self) -> bool {
        WindowAxis { dilation: 1, ..*self } == WindowAxis::whole(self.size)
    }

    /// The taps that are not on padding at an output position.
    pub(super) fn taps(&self, place: usize) -> Range<usize> {
        let start = place * self.stride;
        let first = self.low.saturating_sub(start).div_ceil(self.dilation);
        let end = (self.low + self.size).saturating_sub(start).div_ceil(self.dilation).min(self.n_taps);
        first.min(end)..end
    }

    /// The element of x under a tap that is not on padding.
    pub(super) fn element(&self, place: usize, tap: usize) -> usize {
        place * self.stride + tap * self.dilation - self.low
    }
}

impl WindowKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> Result<WindowKernel, OpError> {
        let (x, out) = (place.operands[0].1, place.output.1);
        let axis = |axis: usize| WindowAxis {
            size: x[axis],
            n_places: out[axis],
            n_taps: op.size[axis],
            stride: op.stride[axis],
            dilation: op.dilation[axis],
            low: op.low[axis],
        };
        let window = WindowKernel { kind: op.kind, axes: (0..x.len()).map(axis).collect() };
        if op.kind != WindowReduction::Sum && window.has_empty_window() {
            let axis = (0..x.len()).find(|axis| op.low[*axis].max(op.high[*axis]) > 0).unwrap_or(0);
            return Err(OpError::Empty { axis });
        }
        Ok(window)
    }

    fn has_empty_window(&self) -> bool {
        let is_empty = |axis: &WindowAxis| (0..axis.n_places).any(|place| axis.taps(place).is_empty());
        self.n_windows() > 0 && self.axes.iter().any(is_empty)
    }

    fn n_windows(&self) -> usize {
        self.axes.iter().map(|axis| axis.n_places).product()
    }

    fn sums<T: Number>(&self, windows: Range<usize>, x: &[T], out: &mut [T]) {
        for (window, out) in windows.zip(out) {
            let mut total = T::Total::ZERO;
            self.visit(window, &mut |position| total = total.add(x[position]));
            *out = total.rounded();
        }
    }

    fn positions<'x, T: Number>(&'x self, windows: Range<usize>, x: &'x [T]) -> impl Iterator<Item = usize> {
        windows.map(move |window| {
            let mut best: Option<usize> = None;
            self.visit(window, &mut |position| {
                let element = x[position];
                let wins = |best: usize| !x[best].is_nan() && (element.is_nan() || element > x[best]);
                if best.is_none_or(wins) {
                    best = Some(position);
                }
            });
            best.expect("invariant: an empty window is refused when the plan is made")
        })
    }

    /// Calls `visit` with the position in x of each element of a window, in row-major order.
    fn visit(&self, window: usize, visit: &mut impl FnMut(usize)) {
        let n_windows = self.n_windows();
        visit_axes(&self.axes, WindowPosition { rest: window, n_windows, position: 0 }, visit);
    }
}

/// Where a walk over the axes of a window is.
#[derive(Clone, Copy)]
struct WindowPosition {
    /// The window's number among the `n_windows` of the axes that are left.
    rest: usize,
    n_windows: usize,
    /// The position in x of the axes that are done.
    position: usize,
}

fn visit_axes(axes: &[WindowAxis], start: WindowPosition, visit: &mut impl FnMut(usize)) {
    let Some((axis, inner)) = axes.split_first() else {
        return visit(start.position);
    };
    let n_windows = start.n_windows / axis.n_places;
    let (place, rest) = (start.rest / n_windows, start.rest % n_windows);
    for tap in axis.taps(place) {
        let position = start.position * axis.size + axis.element(place, tap);
        visit_axes(inner, WindowPosition { rest, n_windows, position }, visit);
    }
}

impl FallbackRun for WindowKernel {
    fn partition(&self) -> Partition {
        // The taps of an axis that are not on padding at most.
        let n_taps: usize = self.axes.iter().map(|axis| axis.n_taps.min(axis.size)).product();
        Partition::new(self.n_windows(), 1, n_taps.saturating_mul(4))
    }

    fn run(&self, KernelPart { units, operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        match (self.kind, operands[0], out) {
            (WindowReduction::Sum, _, out) => {
                each_number!(out, out => self.sums(units, SliceElement::as_slice(&operands[0]), out))
            }
            (WindowReduction::Max, _, out) => each_number!(out, out => {
                let x = SliceElement::as_slice(&operands[0]);
                out.iter_mut().zip(self.positions(units, x)).for_each(|(out, position)| *out = x[position]);
            }),
            (WindowReduction::ArgMax, x, DataMut::I64(out)) => {
                let out = out.iter_mut();
                match x {
                    Data::F32(x) => {
                        out.zip(self.positions(units, x)).for_each(|(out, position)| *out = position as i64)
                    }
                    Data::F64(x) => {
                        out.zip(self.positions(units, x)).for_each(|(out, position)| *out = position as i64)
                    }
                    Data::I64(x) => {
                        out.zip(self.positions(units, x)).for_each(|(out, position)| *out = position as i64)
                    }
                    Data::Bool(_) => unreachable!("invariant: inference asks for numbers"),
                }
            }
            (WindowReduction::ArgMax, ..) => unreachable!("invariant: positions are i64"),
        }
        Ok(())
    }
}
