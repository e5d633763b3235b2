//! Packs the patches of one panel of outputs. In: spread input and where the outputs lie in it. Out: a panel as tiles read
//! it: tap after tap, each a row of whole vectors of outputs. This is im2col for one panel at a time.

use std::ops::Range;

use super::geometry::{Geometry, Patches};
use crate::runtime::matmul::vector::{MOST_LANES, Number, Vector};

/// The outputs of a panel: where each lies in spread input, and in out.
#[derive(Clone, Copy)]
pub(super) struct Columns<'t> {
    pub(super) places: &'t [isize],
    pub(super) outputs: &'t [isize],
}

impl Columns<'_> {
    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }
}

/// The end of the run of neighbours that begins at `start`.
#[inline(always)]
pub(super) fn run_end(offsets: &[isize], start: usize) -> usize {
    let mut end = start + 1;
    while end < offsets.len() && offsets[end] == offsets[end - 1] + 1 {
        end += 1;
    }
    end
}

/// Steps of one visit: for each channel of the block, some taps.
#[derive(Clone)]
pub(super) struct Steps {
    pub(super) channels: usize,
    pub(super) taps: Range<usize>,
}

/// # Safety
/// The machine has the vector's set; `spread` holds the channels and the columns' patches, with a vector behind them;
/// `to` has room for as many steps of whole vectors, and for as many more as a vector has lanes.
#[inline(always)]
pub(super) unsafe fn pack_patches<V: Vector>(
    geometry: &Geometry,
    columns: &Columns<'_>,
    steps: &Steps,
    spread: *const V::Element,
    to: *mut V::Element,
) {
    let row = columns.count().next_multiple_of(V::LANES);
    // SAFETY: the caller's promises are those of each of the three.
    unsafe {
        match geometry.patches {
            Patches::Copied => copy_patches::<V>(geometry, columns, steps, spread, Packed { to, row }),
            Patches::Transposed => transpose_patches::<V>(geometry, columns, steps, spread, Packed { to, row }),
            Patches::Gathered => gather_patches(geometry, columns, steps, spread, Packed { to, row }),
        }
    }
}

/// The panel, in rows of so many elements.
#[derive(Clone, Copy)]
struct Packed<T> {
    to: *mut T,
    row: usize,
}

/// Copies runs of outputs that are side by side, run after run: a vector's overhang is overwritten by the next run.
///
/// # Safety
/// As for [`pack_patches`].
#[inline(always)]
unsafe fn copy_patches<V: Vector>(
    geometry: &Geometry,
    columns: &Columns<'_>,
    steps: &Steps,
    spread: *const V::Element,
    packed: Packed<V::Element>,
) {
    let taps = &geometry.tap_offsets[steps.taps.clone()];
    let mut column = 0;
    while column < columns.count() {
        let end = run_end(columns.places, column);
        while column < end {
            let lanes = V::LANES.min(packed.row - column);
            let mut to = packed.to.wrapping_add(column);
            for channel in 0..steps.channels {
                let from = spread.wrapping_offset(channel as isize * geometry.channel_stride + columns.places[column]);
                for tap in taps {
                    // SAFETY: the patch and a vector behind it are inside spread input, the lanes inside the row.
                    unsafe {
                        let line = V::load(from.offset(*tap));
                        if lanes == V::LANES { line.store(to) } else { line.store_first(to, lanes) }
                    }
                    to = to.wrapping_add(packed.row);
                }
            }
            column = end.min(column + V::LANES);
        }
    }
}

/// Transposes squares of as many outputs by as many taps, in registers.
///
/// # Safety
/// As for [`pack_patches`].
#[inline(always)]
unsafe fn transpose_patches<V: Vector>(
    geometry: &Geometry,
    columns: &Columns<'_>,
    steps: &Steps,
    spread: *const V::Element,
    packed: Packed<V::Element>,
) {
    let tap_row = geometry.axes.last().map_or(1, |spread| spread.axis.kernel);
    for first in (0..packed.row).step_by(V::LANES) {
        let mut step = 0;
        let mut lane_places = [0; MOST_LANES];
        for (lane, place) in lane_places.iter_mut().enumerate().take(V::LANES) {
            // Columns behind the last are never shown: any patch will do for them.
            *place = columns.places[(first + lane).min(columns.count() - 1)];
        }
        for channel in 0..steps.channels {
            let from = spread.wrapping_offset(channel as isize * geometry.channel_stride);
            let mut tap = steps.taps.start;
            while tap < steps.taps.end {
                let count = V::LANES.min(steps.taps.end - tap).min(tap_row - tap % tap_row);
                let offset = geometry.tap_offsets[tap];
                // SAFETY: a row of taps and a vector behind it are inside spread input. All rows of the square are
                // written: those that are no taps are overwritten by the next square, or lie behind the panel.
                unsafe {
                    let mut square = [V::splat(V::Element::ZERO); MOST_LANES];
                    for (line, place) in square.iter_mut().zip(&lane_places).take(V::LANES) {
                        *line = V::load(from.offset(place + offset));
                    }
                    let square = V::transpose(square);
                    let mut to = packed.to.add(step * packed.row + first);
                    for line in square.iter().take(V::LANES) {
                        line.store(to);
                        to = to.wrapping_add(packed.row);
                    }
                }
                step += count;
                tap += count;
            }
        }
    }
}

/// # Safety
/// As for [`pack_patches`].
unsafe fn gather_patches<T: Number>(
    geometry: &Geometry,
    columns: &Columns<'_>,
    steps: &Steps,
    spread: *const T,
    packed: Packed<T>,
) {
    let mut to = packed.to;
    for channel in 0..steps.channels {
        let from = spread.wrapping_offset(channel as isize * geometry.channel_stride);
        for tap in &geometry.tap_offsets[steps.taps.clone()] {
            for column in 0..packed.row {
                let place = columns.places[column.min(columns.count() - 1)];
                // SAFETY: the patch is inside spread input, the column inside the row.
                unsafe { *to.wrapping_add(column) = *from.offset(place + tap) };
            }
            to = to.wrapping_add(packed.row);
        }
    }
}
