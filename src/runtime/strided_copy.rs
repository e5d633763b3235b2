//! Strided copies within a tile: gather, padded gather and broadcast. In: addresses and a strided layout. Out: the
//! elements in row-major order, contiguous. Elements are copied as bytes, so one function serves all dtypes of a size.

#![allow(unsafe_code, reason = "these are the kernels that read and write by address")]

use crate::{
    plan::{StridedLayout, ZeroPadding},
    vectorize::{self, Loop},
};

/// Elements to move: where to, from where, which of them in row-major order.
#[derive(Clone, Copy)]
pub(super) struct CopyRange {
    pub(super) out: *mut u8,
    pub(super) source: *const u8,
    pub(super) start: usize,
    pub(super) n: usize,
}

/// Gathers elements `start .. start + n` of a strided layout.
///
/// # Safety
/// `source` points to an array that holds every element of the layout, of `size` bytes each, and `out` to `n` elements
/// that nothing else uses; `start + n` is at most the number of elements of the layout.
pub(super) unsafe fn gather(run: CopyRange, layout: &StridedLayout, size: usize) {
    // SAFETY: by this function's contract; the types have `size` bytes and no invalid values.
    unsafe {
        match size {
            1 => gather_elements::<u8>(run, layout),
            4 => gather_elements::<u32>(run, layout),
            _ => gather_elements::<u64>(run, layout),
        }
    }
}

/// Gathers elements of an array with zeros around it.
///
/// # Safety
/// As for [`gather`], with `start + n` at most the number of elements of the padded array.
pub(super) unsafe fn gather_padded(run: CopyRange, layout: &StridedLayout, padding: &ZeroPadding, size: usize) {
    // SAFETY: by this function's contract; all bytes zero is 0 in every dtype.
    unsafe {
        match size {
            1 => gather_padded_elements::<u8>(run, layout, padding),
            4 => gather_padded_elements::<u32>(run, layout, padding),
            _ => gather_padded_elements::<u64>(run, layout, padding),
        }
    }
}

/// Repeats each of `rows` elements `columns` times.
///
/// # Safety
/// `source` points to `rows` elements of `size` bytes and `out` to `rows · columns` that nothing else uses.
pub(super) unsafe fn expand(out: *mut u8, source: *const u8, shape: [usize; 2], size: usize) {
    /// # Safety
    /// As for [`expand`].
    unsafe fn expand_elements<T: Copy>(out: *mut T, source: *const T, [rows, columns]: [usize; 2]) {
        for row in 0..rows {
            // SAFETY: row < rows, so both are within their arrays.
            unsafe { fill(out.add(row * columns), *source.add(row), columns) };
        }
    }
    // SAFETY: by this function's contract; arrays are aligned to their elements.
    unsafe {
        match size {
            1 => expand_elements::<u8>(out, source, shape),
            4 => expand_elements::<u32>(out.cast(), source.cast(), shape),
            _ => expand_elements::<u64>(out.cast(), source.cast(), shape),
        }
    }
}

/// From so many elements on, wide vectors save more than it takes to ask for them.
const LONG_FILL: usize = 64;

/// # Safety
/// `out` points to `n` elements that nothing else uses.
unsafe fn fill<T: Copy>(out: *mut T, element: T, n: usize) {
    // SAFETY: by this function's contract.
    let out = unsafe { std::slice::from_raw_parts_mut(out, n) };
    if n < LONG_FILL { out.fill(element) } else { vectorize::run(Fill { out, element }) }
}

struct Fill<'o, T> {
    out: &'o mut [T],
    element: T,
}

impl<T: Copy> Loop for Fill<'_, T> {
    #[inline(always)]
    fn run(self) {
        self.out.iter_mut().for_each(|x| *x = self.element);
    }
}

/// Elements along one axis.
///
/// # Safety
/// `out` points to `n` elements that nothing else uses, and `source + i·stride` to an element for every i < n.
unsafe fn copy_line<T: Copy>(out: *mut T, source: *const T, stride: isize, n: usize) {
    // SAFETY: by this function's contract.
    unsafe {
        match stride {
            1 => std::ptr::copy_nonoverlapping(source, out, n),
            0 if n > 0 => fill(out, *source, n),
            _ => (0..n).for_each(|i| *out.add(i) = *source.offset(i as isize * stride)),
        }
    }
}

/// The most axes of a coalesced layout: shapes with more are refused long before.
const MAX_AXES: usize = 32;

/// # Safety
/// As for [`gather`].
unsafe fn gather_elements<T: Copy>(run: CopyRange, layout: &StridedLayout) {
    if run.n == 0 {
        return;
    }
    let (mut out, mut left) = (run.out.cast::<T>(), run.n);
    // SAFETY: the offset is that of an element, by this function's contract.
    let mut source = unsafe { run.source.cast::<T>().offset(layout.offset) };
    let Some((inner, outer)) = layout.axes.split_last() else {
        // SAFETY: the layout is of one element, repeated.
        return unsafe { copy_line(out, source, 0, left) };
    };
    assert!(outer.len() < MAX_AXES, "invariant: no array has so many axes");
    let mut index = [0usize; MAX_AXES];
    let mut rest = run.start;
    let mut along = rest % inner.size.max(1);
    rest /= inner.size.max(1);
    for (position, axis) in outer.iter().enumerate().rev() {
        index[position] = rest % axis.size.max(1);
        rest /= axis.size.max(1);
        // SAFETY: the address stays that of an element of the layout.
        source = unsafe { source.offset(axis.stride * index[position] as isize) };
    }
    while left > 0 {
        let n = left.min(inner.size - along);
        // SAFETY: elements `along .. along + n` of this line are in the layout, and `n` elements are left of `out`.
        unsafe {
            copy_line(out, source.offset(inner.stride * along as isize), inner.stride, n);
            out = out.add(n);
        }
        (left, along) = (left - n, 0);
        for (position, axis) in outer.iter().enumerate().rev() {
            index[position] += 1;
            if index[position] < axis.size {
                source = source.wrapping_offset(axis.stride);
                break;
            }
            source = source.wrapping_offset(-axis.stride * (axis.size as isize - 1));
            index[position] = 0;
        }
    }
}

/// # Safety
/// As for [`gather_padded`].
unsafe fn gather_padded_elements<T: Copy + Default>(run: CopyRange, layout: &StridedLayout, padding: &ZeroPadding) {
    if run.n == 0 {
        return;
    }
    let (mut out, mut left) = (run.out.cast::<T>(), run.n);
    let Some((size, outer)) = padding.sizes.split_last() else {
        // SAFETY: without axes there is one element and no padding.
        return unsafe { copy_line(out, run.source.cast::<T>().offset(layout.offset), 0, left) };
    };
    let last = outer.len();
    let (low, inner) = (padding.window.low[last], layout.axes[last]);
    let (mut line, mut along) = (run.start / size, run.start % size);
    while left > 0 {
        let n = left.min(size - along);
        let first = if inner.size == 0 { None } else { padding.offset(layout, line * size + low) };
        let source = first.map(|offset| {
            // SAFETY: the line lies within the window, so its offset is that of an element.
            unsafe { run.source.cast::<T>().offset(offset) }
        });
        // SAFETY: `n` elements are left of `out`; the window holds `inner.size` elements from `low` on.
        unsafe {
            let first = low.clamp(along, along + n);
            let end = (low + inner.size).clamp(first, along + n);
            match source {
                Some(source) => {
                    fill(out, T::default(), first - along);
                    let from = source.wrapping_offset(inner.stride * (first as isize - low as isize));
                    copy_line(out.add(first - along), from, inner.stride, end - first);
                    fill(out.add(end - along), T::default(), along + n - end);
                }
                None => fill(out, T::default(), n),
            }
            out = out.add(n);
        }
        (left, along, line) = (left - n, 0, line + 1);
    }
}
