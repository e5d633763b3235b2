//! Copies some images and channels of x into scratch memory, padded, with contiguous rows. In: x with any
//! strides. Out: spread input, as [`Geometry`] lays it out. It knows no kernel.

use std::ops::Range;

use super::{
    descriptor::ConvolutionDescriptor,
    geometry::{Geometry, PaddedAxis},
};
use crate::runtime::matmul::vector::{MatmulElement, Vector};

/// What is spread. Channels count within the operand, not within a group.
pub(super) struct InputBlock<T> {
    pub(super) x: *const T,
    pub(super) images: Range<usize>,
    pub(super) channels: Range<usize>,
    /// The first output along the first axis that is read.
    pub(super) first_output: usize,
    pub(super) to: *mut T,
}

/// # Safety
/// The machine has the vector's set; x is valid for the convolution; `to` has room for the geometry's spread elements
/// and one vector.
#[inline(always)]
pub(super) unsafe fn spread_input<V: Vector>(
    convolution: &ConvolutionDescriptor,
    geometry: &Geometry,
    part: &InputBlock<V::Element>,
) {
    for (position, image) in part.images.clone().enumerate() {
        for (place, channel) in part.channels.clone().enumerate() {
            let offset = image as isize * convolution.x[0] + channel as isize * convolution.x[1];
            let to = position as isize * geometry.image_stride + place as isize * geometry.channel_stride;
            // SAFETY: the image and the channel are inside x, and the geometry counts their room.
            unsafe { spread_channel::<V>(geometry, part, part.x.wrapping_offset(offset), part.to.offset(to)) }
        }
    }
}

/// Rows in ascending order: each may leave zeros of a last vector where the next begins.
///
/// # Safety
/// As for [`spread_input`], with `x` and `to` at one channel.
#[inline(always)]
unsafe fn spread_channel<V: Vector>(
    geometry: &Geometry,
    part: &InputBlock<V::Element>,
    x: *const V::Element,
    to: *mut V::Element,
) {
    let (last, outer) = geometry.axes.split_last().expect("invariant: a convolution has a spatial axis");
    let n_rows = outer.iter().map(|spread| spread.extent).product::<usize>();
    let origin = |axis: usize| {
        let moved = if axis == 0 { part.first_output * geometry.axes[0].axis.stride } else { 0 };
        moved as isize - geometry.axes[axis].axis.low
    };
    for row in 0..n_rows {
        let (mut rest, mut source) = (row, Some(x));
        for (axis, spread) in outer.iter().enumerate().rev() {
            let (position, above) = if axis == 0 { (rest, 0) } else { (rest % spread.extent, rest / spread.extent) };
            rest = above;
            let index = element_at(spread, position as isize + origin(axis));
            source = source.zip(index).map(|(source, index)| source.wrapping_offset(index * spread.axis.x));
        }
        // SAFETY: a source is there only where every outer position holds an element of x.
        unsafe { spread_row::<V>(last, origin(outer.len()), source, to.add(row * last.extent)) }
    }
}

/// The element at a position, if one is there.
#[inline(always)]
fn element_at(spread: &PaddedAxis, position: isize) -> Option<isize> {
    (position >= 0 && position < spread.axis.input as isize).then_some(position)
}

/// # Safety
/// As for [`spread_input`], with `source` at a row of x and `to` at one of spread input.
#[inline(always)]
unsafe fn spread_row<V: Vector>(
    spread: &PaddedAxis,
    origin: isize,
    source: Option<*const V::Element>,
    to: *mut V::Element,
) {
    let extent = spread.extent as isize;
    let elements = origin.max(0)..(extent + origin).min(spread.axis.input as isize);
    // SAFETY: positions below the extent are inside the row, and a vector's overhang is overwritten by the next row or
    // falls into the vector behind the last. The elements are inside the row of x.
    unsafe {
        match source {
            Some(source) if spread.axis.x == 1 && !elements.is_empty() => {
                copy_elements::<V>(source, elements, origin, to, extent);
            }
            Some(source) => {
                write_zeros::<V>(to, 0, extent);
                for index in elements {
                    *to.offset(index - origin) = *source.offset(index * spread.axis.x);
                }
            }
            None => write_zeros::<V>(to, 0, extent),
        }
    }
}

/// A row of side by side elements, with zeros before and behind them.
///
/// # Safety
/// As for [`spread_row`], with some elements inside the row of x and of spread input.
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
/// As for [`spread_row`].
#[inline(always)]
unsafe fn write_zeros<V: Vector>(to: *mut V::Element, from: isize, end: isize) {
    let mut position = from;
    while position < end {
        // SAFETY: the caller's promise.
        unsafe { V::splat(V::Element::ZERO).store(to.offset(position)) };
        position += V::LANES as isize;
    }
}
