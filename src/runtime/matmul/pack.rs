//! Copies a block of an operand into the order in which tiles read it. In: a block with any strides. Out: panels. A
//! panel of B holds whole vectors, with zeros behind the last column; a panel of A holds just its rows.

use super::vector::{MOST_LANES, Number, Vector};

/// A block of an operand: `length` steps of k by `width` rows of A or columns of B. Strides are in elements.
#[derive(Clone, Copy)]
pub(in crate::runtime) struct Source<T> {
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
    source: Source<V::Element>,
    vectors: usize,
    to: *mut V::Element,
) {
    // SAFETY: the caller's promises are those of each of the three.
    unsafe {
        if source.across == 1 {
            copy_rows::<V>(source, vectors, to);
        } else if source.step == 1 {
            transpose_columns::<V>(source, vectors, to);
        } else {
            gather(source, vectors * V::LANES, to);
        }
    }
}

/// Packs one panel of A: step after step, each with its `width` rows side by side and nothing between.
///
/// # Safety
/// The source is readable; `to` has room for `length · width` elements.
#[inline(always)]
pub(in crate::runtime) unsafe fn pack_rows<V: Vector>(source: Source<V::Element>, to: *mut V::Element) {
    // SAFETY: the caller's promises are those of both.
    unsafe {
        if source.across == 1 && source.width <= V::LANES {
            for step in 0..source.length {
                let row = V::load_first(source.from.offset(step as isize * source.step), source.width);
                row.store_first(to.add(step * source.width), source.width);
            }
        } else {
            gather(source, source.width, to);
        }
    }
}

/// # Safety
/// As for [`pack_columns`], with columns side by side in the source.
#[inline(always)]
unsafe fn copy_rows<V: Vector>(source: Source<V::Element>, vectors: usize, to: *mut V::Element) {
    // The last vector may be partly or, where the width is short by a whole vector, entirely padding.
    for vector in 0..vectors {
        let lanes = source.width.saturating_sub(vector * V::LANES).min(V::LANES);
        for step in 0..source.length {
            // SAFETY: `lanes` columns from this vector's first are inside the source, the vector inside the panel.
            unsafe {
                let from = source.from.offset(step as isize * source.step).wrapping_add(vector * V::LANES);
                let row = V::load_lanes(from, lanes);
                row.store(to.add((step * vectors + vector) * V::LANES));
            }
        }
    }
}

/// Transposes squares in registers.
///
/// # Safety
/// As for [`pack_columns`], with steps side by side in the source.
#[inline(always)]
unsafe fn transpose_columns<V: Vector>(source: Source<V::Element>, vectors: usize, to: *mut V::Element) {
    for vector in 0..vectors {
        let columns = source.width.saturating_sub(vector * V::LANES).min(V::LANES);
        let from = source.from.wrapping_offset((vector * V::LANES) as isize * source.across);
        let mut step = 0;
        while step < source.length {
            let steps = (source.length - step).min(V::LANES);
            // SAFETY: `columns` columns and `steps` steps from here are inside the source, and as many rows of the
            // vector inside the panel.
            unsafe {
                let mut square = [V::splat(V::Element::ZERO); MOST_LANES];
                for (column, line) in square.iter_mut().enumerate().take(V::LANES) {
                    if column < columns {
                        let from = from.offset(column as isize * source.across).add(step);
                        *line = V::load_lanes(from, steps);
                    }
                }
                let square = V::transpose(square);
                for (row, line) in square.iter().enumerate().take(V::LANES) {
                    if row < steps {
                        line.store(to.add(((step + row) * vectors + vector) * V::LANES));
                    }
                }
            }
            step += steps;
        }
    }
}

/// Element by element, for strides that no vector can follow; pads rows to `row` elements with zeros.
///
/// # Safety
/// The source is readable; `to` has room for `length · row` elements, and `row` is at least the width.
unsafe fn gather<T: Number>(source: Source<T>, row: usize, to: *mut T) {
    for step in 0..source.length {
        for position in 0..row {
            // SAFETY: `step` and `position` are inside the block, or nothing is read; the panel has this room.
            unsafe {
                *to.add(step * row + position) = if position < source.width {
                    *source.from.offset(step as isize * source.step + position as isize * source.across)
                } else {
                    T::ZERO
                };
            }
        }
    }
}
