//! Packs the patches of one panel of outputs. In: padded input and where the outputs lie in it. Out: a panel as tiles
//! read it: tap after tap, each a row of whole vectors of outputs. This is im2col for one panel at a time.

use std::ops::Range;

use super::geometry::{Geometry, Patches};
use crate::runtime::matmul::vector::{MAX_LANES, MatmulElement, Vector};

/// The outputs of a panel: where each lies in padded input, and in out.
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

/// Outputs side by side that one vector holds: where the first lies in padded input and in out, and how many there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct PatchVector {
    pub(super) place: isize,
    pub(super) output: isize,
    pub(super) lanes: usize,
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

/// Steps of one pass: for each channel of the block, some taps.
#[derive(Clone)]
pub(super) struct Steps {
    pub(super) channels: usize,
    pub(super) taps: Range<usize>,
}

/// # Safety
/// The machine has the vector's set; `padded` holds the channels and the columns' patches, with a vector behind them;
/// `to` has room for as many steps of whole vectors, and for as many more as a vector has lanes.
#[inline(always)]
pub(super) unsafe fn pack_patches<V: Vector>(
    geometry: &Geometry,
    columns: &Columns<'_>,
    steps: &Steps,
    padded: *const V::Element,
    to: *mut V::Element,
) {
    let row = columns.count().next_multiple_of(V::LANES);
    // SAFETY: the caller's promises are those of both.
    unsafe {
        match geometry.patches {
            Patches::Copied => copy_patches::<V>(geometry, columns, steps, padded, Packed { to, row }),
            Patches::Transposed => transpose_patches::<V>(geometry, columns, steps, padded, Packed { to, row }),
            Patches::InPlace => unreachable!("invariant: what is read in place is not packed"),
        }
    }
}

/// The panel, in rows of so many elements.
#[derive(Clone, Copy)]
struct Packed<T> {
    to: *mut T,
    row: usize,
}

/// A run of outputs that lie side by side, inside one vector.
#[derive(Clone, Copy, Default)]
struct PatchRun {
    /// The lane where it begins.
    lane: usize,
    /// Where lane 0 would lie in padded input, were the run that long.
    place: isize,
}

/// Composes each vector of the runs in it.
///
/// # Safety
/// As for [`pack_patches`].
#[inline(always)]
unsafe fn copy_patches<V: Vector>(
    geometry: &Geometry,
    columns: &Columns<'_>,
    steps: &Steps,
    padded: *const V::Element,
    packed: Packed<V::Element>,
) {
    for first in (0..packed.row).step_by(V::LANES) {
        let places = &columns.places[first..columns.count().min(first + V::LANES)];
        let (mut runs, mut n_runs, mut lane) = ([PatchRun::default(); MAX_LANES], 0, 0);
        while lane < places.len() {
            runs[n_runs] = PatchRun { lane, place: places[lane] - lane as isize };
            n_runs += 1;
            lane = run_end(places, lane);
        }
        let packed = Packed { to: packed.to.wrapping_add(first), ..packed };
        // SAFETY: the caller's promises. Few runs are told apart so that their loop is unrolled.
        unsafe {
            match n_runs {
                1 => compose::<V>(geometry, &runs[..1], steps, padded, packed),
                2 => compose::<V>(geometry, &runs[..2], steps, padded, packed),
                3 => compose::<V>(geometry, &runs[..3], steps, padded, packed),
                _ => compose::<V>(geometry, &runs[..n_runs], steps, padded, packed),
            }
        }
    }
}

/// One vector of each step; each run brings all lanes from its own to the last, and the next run replaces its own.
///
/// # Safety
/// As for [`pack_patches`], with `packed` at the vector.
#[inline(always)]
unsafe fn compose<V: Vector>(
    geometry: &Geometry,
    runs: &[PatchRun],
    steps: &Steps,
    padded: *const V::Element,
    packed: Packed<V::Element>,
) {
    let mut to = packed.to;
    for channel in 0..steps.channels {
        let from = padded.wrapping_offset(channel as isize * geometry.channel_stride);
        for tap in &geometry.tap_offsets[steps.taps.clone()] {
            // SAFETY: the patches and a vector behind them are inside padded input; the step is inside the panel.
            unsafe {
                let mut line = V::load(from.offset(runs[0].place + tap));
                for run in &runs[1..] {
                    line = line.load_behind(run.lane, from.wrapping_offset(run.place + tap));
                }
                line.store(to);
            }
            to = to.wrapping_add(packed.row);
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
    padded: *const V::Element,
    packed: Packed<V::Element>,
) {
    for first in (0..packed.row).step_by(V::LANES) {
        let mut step = 0;
        let mut lane_places = [0; MAX_LANES];
        for (lane, place) in lane_places.iter_mut().enumerate().take(V::LANES) {
            // Columns behind the last are never shown: any patch will do for them.
            *place = columns.places[(first + lane).min(columns.count() - 1)];
        }
        for channel in 0..steps.channels {
            let from = padded.wrapping_offset(channel as isize * geometry.channel_stride);
            let mut tap = steps.taps.start;
            while tap < steps.taps.end {
                let count = V::LANES.min(steps.taps.end - tap).min(geometry.tap_row - tap % geometry.tap_row);
                let offset = geometry.tap_offsets[tap];
                // SAFETY: a row of taps and a vector behind it are inside padded input. All rows of the square are
                // written: those that are no taps are overwritten by the next square, or lie behind the panel.
                unsafe {
                    let mut square = [V::splat(V::Element::ZERO); MAX_LANES];
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
