//! Copies a block of an operand into the order in which tiles read it. In: a block with any strides. Out: panels. A
//! panel of B holds whole vectors, with zeros behind the last column; a panel of A holds just its rows.

use super::vector::{MAX_LANES, MatmulElement, Vector};

/// A block of an operand: `length` steps of k by `width` rows of A or columns of B. Strides are in elements.
#[derive(Clone, Copy)]
pub(in crate::runtime) struct PackSource<T> {
    pub(in crate::runtime) from: *const T,
    pub(in crate::runtime) length: usize,
    pub(in crate::runtime) width: usize,
    pub(in crate::runtime) step: isize,
    pub(in crate::runtime) across: isize,
}

/// Packs one panel of B, `vectors` vectors wide: step after step, each a row of whole vectors.
///
/// # Safety
/// The machine has the vector's set; the source is readable; `to` has room for `length · vectors` vectors.
#[inline(always)]
pub(in crate::runtime) unsafe fn pack_columns<V: Vector>(
    source: PackSource<V::Element>,
    vectors: usize,
    to: *mut V::Element,
) {
    // SAFETY: the caller's promises.
    unsafe { pack::<V>(source, vectors * V::LANES, to) }
}

/// Packs one panel of A: step after step, each with its `width` rows side by side and nothing between.
///
/// # Safety
/// The machine has the vector's set; the source is readable; `to` has room for `length · width` elements.
#[inline(always)]
pub(in crate::runtime) unsafe fn pack_rows<V: Vector>(source: PackSource<V::Element>, to: *mut V::Element) {
    // SAFETY: the caller's promises.
    unsafe { pack::<V>(source, source.width, to) }
}

/// Packs steps of `row` elements, zeros behind the width.
///
/// # Safety
/// The machine has the vector's set; the source is readable; `to` has room for `length · row` elements.
#[inline(always)]
unsafe fn pack<V: Vector>(source: PackSource<V::Element>, row: usize, to: *mut V::Element) {
    for first in (0..row).step_by(V::LANES) {
        // The last vector may be partly padding.
        let lanes = V::LANES.min(row - first);
        let width = source.width.saturating_sub(first).min(lanes);
        let part = PackSource { from: source.from.wrapping_offset(first as isize * source.across), width, ..source };
        let place = PackTarget { to: to.wrapping_add(first), row, lanes };
        // SAFETY: the part's columns are inside the source and its lanes inside the row.
        unsafe {
            if source.across == 1 {
                copy_rows::<V>(part, place);
            } else if source.step == 1 {
                transpose::<V>(part, place);
            } else {
                gather(part, place);
            }
        }
    }
}

/// Where one vector of each packed step goes: so many lanes of it, in rows of so many elements.
#[derive(Clone, Copy)]
struct PackTarget<T> {
    to: *mut T,
    row: usize,
    lanes: usize,
}

impl<T> PackTarget<T> {
    /// # Safety
    /// The machine has the vector's set, and the step is inside the panel.
    #[inline(always)]
    unsafe fn write<V: Vector<Element = T>>(self, step: usize, line: V) {
        // SAFETY: the caller's promises; only lanes inside the row are written.
        unsafe {
            let to = self.to.add(step * self.row);
            if self.lanes == V::LANES { line.store(to) } else { line.store_first(to, self.lanes) }
        }
    }
}

/// # Safety
/// As for [`pack`], with at most one vector of columns, which lie side by side in the source.
#[inline(always)]
unsafe fn copy_rows<V: Vector>(source: PackSource<V::Element>, place: PackTarget<V::Element>) {
    for step in 0..source.length {
        // SAFETY: the step and its `width` columns are inside the source.
        unsafe {
            let from = source.from.offset(step as isize * source.step);
            place.write(step, V::load_lanes(from, source.width));
        }
    }
}

/// Transposes squares in registers.
///
/// # Safety
/// As for [`pack`], with at most one vector of columns, in each of which steps lie side by side.
#[inline(always)]
unsafe fn transpose<V: Vector>(source: PackSource<V::Element>, place: PackTarget<V::Element>) {
    for step in (0..source.length).step_by(V::LANES) {
        let steps = (source.length - step).min(V::LANES);
        // SAFETY: `width` columns of `steps` steps from here are inside the source and the panel.
        unsafe {
            let mut square = [V::splat(V::Element::ZERO); MAX_LANES];
            for (column, line) in square.iter_mut().enumerate().take(V::LANES) {
                if column < source.width {
                    let from = source.from.offset(column as isize * source.across).add(step);
                    *line = V::load_lanes(from, steps);
                }
            }
            let square = V::transpose(square);
            for (row, line) in square.iter().enumerate().take(V::LANES) {
                if row < steps {
                    place.write(step + row, *line);
                }
            }
        }
    }
}

/// Element by element, for strides that no vector can follow.
///
/// # Safety
/// As for [`pack`].
unsafe fn gather<T: MatmulElement>(source: PackSource<T>, place: PackTarget<T>) {
    for step in 0..source.length {
        for position in 0..place.lanes {
            // SAFETY: `step` and `position` are inside the block, or nothing is read; the panel has this room.
            unsafe {
                *place.to.add(step * place.row + position) = if position < source.width {
                    *source.from.offset(step as isize * source.step + position as isize * source.across)
                } else {
                    T::ZERO
                };
            }
        }
    }
}
