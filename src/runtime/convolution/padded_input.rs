//! Copies a block of the input (some images and channels) into scratch memory, with padding written out and rows
//! contiguous. In: x with any strides. Out: the padded input, as [`Geometry`] lays it out. It does not depend on the
//! kernel's weights.

use std::ops::Range;

use super::{
    descriptor::ConvolutionDescriptor,
    geometry::{Geometry, PaddedAxis},
};
use crate::runtime::matmul::vector::{MatmulElement, Vector};

/// What is copied. Channels count within the operand, not within a group.
pub(super) struct InputBlock<T> {
    pub(super) x: *const T,
    pub(super) images: Range<usize>,
    pub(super) channels: Range<usize>,
    /// The first output along the first axis that is read.
    pub(super) first_output: usize,
    pub(super) to: *mut T,
}

/// How the rows of a block are copied, all in the same way.
struct RowCopy<'g> {
    last: &'g PaddedAxis,
    /// Positions of a row with those that fill up its parts.
    length: usize,
    /// The position of x that the first position of a row is, and which of its elements a row holds.
    origin: isize,
    elements: Range<isize>,
}

/// The position of x along an axis that the first position of padded input is.
fn origin(geometry: &Geometry, first_output: usize, axis: usize) -> isize {
    let PaddedAxis { axis: spatial, .. } = &geometry.axes[axis];
    let moved = if axis == 0 { first_output * spatial.stride } else { 0 };
    moved as isize - spatial.low
}

impl RowCopy<'_> {
    fn new(geometry: &Geometry, first_output: usize) -> RowCopy<'_> {
        let (last, outer) = geometry.axes.split_last().expect("invariant: a convolution has a spatial axis");
        let origin = origin(geometry, first_output, outer.len());
        let elements = origin.max(0)..(last.extent as isize + origin).min(last.axis.input as isize);
        RowCopy { last, length: last.length(), origin, elements }
    }
}

/// # Safety
/// The machine has the vector's set; x is valid for the convolution; `to` has room for the geometry's padded elements
/// and one vector.
#[inline(always)]
pub(super) unsafe fn copy_padded<V: Vector>(
    convolution: &ConvolutionDescriptor,
    geometry: &Geometry,
    block: &InputBlock<V::Element>,
) {
    let row = RowCopy::new(geometry, block.first_output);
    for (position, image) in block.images.clone().enumerate() {
        for (place, channel) in block.channels.clone().enumerate() {
            let offset = image as isize * convolution.x[0] + channel as isize * convolution.x[1];
            let to = position as isize * geometry.image_stride + place as isize * geometry.channel_stride;
            let (x, to) = (block.x.wrapping_offset(offset), block.to.wrapping_offset(to));
            // SAFETY: the image and the channel are inside x, and the geometry counts their room.
            unsafe { copy_padded_channel::<V>(geometry, block.first_output, &row, (x, to)) }
        }
    }
}

/// Rows in ascending order: each may leave zeros of a last vector where the next begins.
///
/// # Safety
/// As for [`copy_padded`], with `x` and `to` at one channel.
#[inline(always)]
unsafe fn copy_padded_channel<V: Vector>(
    geometry: &Geometry,
    first_output: usize,
    row: &RowCopy<'_>,
    (x, mut to): (*const V::Element, *mut V::Element),
) {
    let outer = &geometry.axes[..geometry.axes.len() - 1];
    let Some((line, above)) = outer.split_last() else {
        // SAFETY: the only row is that of the channel.
        return unsafe { copy_padded_row::<V>(row, Some(x), to) };
    };
    let n_above = above.iter().map(|padded| padded.extent).product::<usize>();
    for place in 0..n_above {
        let (mut rest, mut source) = (place, Some(x));
        for (axis, padded) in above.iter().enumerate().rev() {
            let (position, next) = (rest % padded.extent, rest / padded.extent);
            rest = next;
            source = at_position(source, padded, position as isize + origin(geometry, first_output, axis));
        }
        let first = origin(geometry, first_output, above.len());
        for position in first..first + line.extent as isize {
            // SAFETY: a source is there only where every outer position holds an element of x.
            unsafe { copy_padded_row::<V>(row, at_position(source, line, position), to) };
            to = to.wrapping_add(row.length);
        }
    }
}

/// The element at a position of an axis, if one is there.
#[inline(always)]
fn at_position<T>(source: Option<*const T>, padded: &PaddedAxis, position: isize) -> Option<*const T> {
    let is_inside = position >= 0 && position < padded.axis.input as isize;
    source.filter(|_| is_inside).map(|source| source.wrapping_offset(position * padded.axis.x))
}

/// # Safety
/// As for [`copy_padded`], with `source` at a row of x and `to` at one of padded input.
#[inline(always)]
unsafe fn copy_padded_row<V: Vector>(row: &RowCopy<'_>, source: Option<*const V::Element>, to: *mut V::Element) {
    let (extent, length) = (row.last.extent as isize, row.length as isize);
    // SAFETY: positions below the length are inside the row, and a vector's overhang is overwritten by the next row or
    // falls into the vector behind the last. The elements are inside the row of x.
    unsafe {
        match source {
            Some(source) if row.last.parts == 1 && row.last.axis.x == 1 && !row.elements.is_empty() => {
                copy_elements::<V>(source, row.elements.clone(), row.origin, to, extent);
            }
            Some(source) => {
                write_zeros::<V>(to, 0, length);
                copy_parts(row, source, to);
            }
            None => write_zeros::<V>(to, 0, length),
        }
    }
}

/// The elements of a row that lie apart, or that go to several parts.
///
/// # Safety
/// As for [`copy_padded_row`].
#[inline(always)]
unsafe fn copy_parts<T: MatmulElement>(row: &RowCopy<'_>, source: *const T, to: *mut T) {
    let (parts, Range { start, end }) = (row.last.parts as isize, row.elements.clone());
    for first in start..end.min(start + parts) {
        // Every element from here on that goes to the same part.
        let mut to = to.wrapping_offset(row.last.offset((first - row.origin) as usize));
        let mut index = first;
        while index < end {
            // SAFETY: the caller's promise; elements of a part lie side by side.
            unsafe { *to = *source.offset(index * row.last.axis.x) };
            (index, to) = (index + parts, to.wrapping_add(1));
        }
    }
}

/// A row of side by side elements, with zeros before and behind them.
///
/// # Safety
/// As for [`copy_padded_row`], with some elements inside the row of x and of padded input.
#[inline(always)]
unsafe fn copy_elements<V: Vector>(
    source: *const V::Element,
    elements: Range<isize>,
    origin: isize,
    to: *mut V::Element,
    extent: isize,
) {
    let lanes = V::LANES as isize;
    // SAFETY: the caller's promises; the last vector of elements brings zeros behind them.
    unsafe {
        // The first vector apart: a loop from the start would become a call of memset, slow for so few bytes.
        if elements.start > origin {
            V::splat(V::Element::ZERO).store(to);
            write_zeros::<V>(to, lanes, elements.start - origin);
        }
        let mut index = elements.start;
        while index < elements.end {
            let count = (elements.end - index).min(lanes) as usize;
            V::load_lanes(source.offset(index), count).store(to.offset(index - origin));
            index += lanes;
        }
        write_zeros::<V>(to, index - origin, extent);
    }
}

/// Zeros from one position to another, and up to a vector further.
///
/// # Safety
/// As for [`copy_padded_row`].
#[inline(always)]
unsafe fn write_zeros<V: Vector>(to: *mut V::Element, from: isize, end: isize) {
    let mut position = from;
    while position < end {
        // SAFETY: the caller's promise.
        unsafe { V::splat(V::Element::ZERO).store(to.offset(position)) };
        position += V::LANES as isize;
    }
}
