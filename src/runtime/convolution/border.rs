//! Keeps the zeros of padding from meeting infinite weights, where they would make NaN: padding contributes nothing. In:
//! what was computed, with zeros for padding. Out: the same, with the outputs at the border that are NaN summed again over
//! the elements of x alone. Where all weights are finite, nothing is done.

use super::{
    descriptor::{ConvolutionDescriptor, Dense, SpatialAxis},
    plan::DensePlan,
    run::{Chunk, GroupWork, TaskPointers, Weighed},
};
use crate::runtime::matmul::{
    panels::RowBlock,
    vector::{MatmulElement, Vector},
};

impl Dense {
    /// Whether some output has a tap on padding.
    pub(super) fn is_padded(&self) -> bool {
        let is_inside = |axis: &SpatialAxis| axis.inside() == (0..axis.output);
        self.convolution.taps() > 0 && !self.convolution.axes.iter().all(is_inside)
    }
}

/// Looks through the weights of some rows, so many to each, as the tiles read them.
///
/// # Safety
/// The machine has the vector's set; the rows are readable.
#[inline(always)]
pub(super) unsafe fn has_infinite_weights<V: Vector>(rows: &RowBlock<V::Element>, n_steps: usize) -> Weighed {
    // SAFETY: packed rows lie one behind the other, and others at their strides.
    let is_finite = unsafe {
        match rows.packed {
            Some(packed) => are_finite::<V>(packed, rows.m * n_steps),
            None => (0..rows.m).all(|row| {
                let line = rows.a.wrapping_offset(row as isize * rows.strides[0]);
                if rows.strides[1] == 1 {
                    return are_finite::<V>(line, n_steps);
                }
                let weights = (0..n_steps).map(|step| *line.offset(step as isize * rows.strides[1]));
                is_zero(weights.fold(V::Element::ZERO, |zero, weight| zero.plus(weight.times(V::Element::ZERO))))
            }),
        }
    };
    if is_finite { Weighed::Finite } else { Weighed::Infinite }
}

/// Whether the sum of zeros and products with 0 is what it should be.
#[inline(always)]
fn is_zero<T: MatmulElement>(sum: T) -> bool {
    sum == T::ZERO
}

/// # Safety
/// The machine has the vector's set; the elements are readable.
#[inline(always)]
unsafe fn are_finite<V: Vector>(elements: *const V::Element, n: usize) -> bool {
    // SAFETY: the caller's promises.
    unsafe {
        let zero = V::splat(V::Element::ZERO);
        let mut sums = [zero; 4];
        let mut first = 0;
        while first + 4 * V::LANES <= n {
            for (part, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(elements.add(first + part * V::LANES)).multiply_add(zero, *sum);
            }
            first += 4 * V::LANES;
        }
        while first < n {
            let lanes = V::LANES.min(n - first);
            sums[0] = V::load_lanes(elements.add(first), lanes).multiply_add(zero, sums[0]);
            first += lanes;
        }
        V::sums(sums).iter().all(|sum| is_zero(*sum))
    }
}

/// Sums again each output of a chunk that is NaN and has a tap on padding.
///
/// # Safety
/// As for the run of the chunk, which is done.
#[cold]
pub(super) unsafe fn mend_border<T: MatmulElement>(
    plan: &DensePlan,
    chunk: &Chunk,
    work: &GroupWork,
    memory: TaskPointers<T>,
) {
    let axes = &plan.dense.convolution.axes;
    for column in chunk.columns.clone() {
        let is_inside = |(rest, is_inside): (usize, bool), axis: &SpatialAxis| {
            (rest / axis.output, is_inside && axis.inside().contains(&(rest % axis.output)))
        };
        if axes.iter().rev().fold((column, true), is_inside).1 {
            continue;
        }
        for row in work.rows.clone() {
            let [weights, outputs] = plan.dense.row(row);
            let w = memory.w.wrapping_offset(weights - plan.geometry.first_weight);
            // SAFETY: the column is the chunk's, and the row the task's.
            unsafe {
                let out = memory.out.offset(outputs + plan.dense.convolution.output_offset(column));
                if (*out).is_nan() {
                    *out = sum_elements(&plan.dense.convolution, [work.first_channel, column], memory.x, w);
                }
            }
        }
    }
}

/// The sum over the elements of x under the taps of one output, in the order of channels and taps. The place: the first
/// channel of x, and the output's number among those of all images.
///
/// # Safety
/// x is valid for the convolution, w for one of its kernels.
unsafe fn sum_elements<T: MatmulElement>(
    convolution: &ConvolutionDescriptor,
    [channel, column]: [usize; 2],
    x: *const T,
    w: *const T,
) -> T {
    let mut sum = T::ZERO;
    let image = (column / convolution.places()) as isize * convolution.x[0];
    for step in 0..convolution.channels * convolution.taps() {
        let (tap, next) = (step % convolution.taps(), step / convolution.taps());
        let outer = [image + (channel + next) as isize * convolution.x[1], next as isize * convolution.w[1]];
        if let Some([element, weight]) = under_tap(convolution, column, tap) {
            // SAFETY: the element is inside x, the weight inside the kernel.
            let (element, weight) = unsafe { (*x.offset(outer[0] + element), *w.offset(outer[1] + weight)) };
            sum = sum.plus(element.times(weight));
        }
    }
    sum
}

/// Where the element under a tap lies in a channel of x, if there is one, and the tap's weight in one of the kernel.
fn under_tap(convolution: &ConvolutionDescriptor, column: usize, tap: usize) -> Option<[isize; 2]> {
    let (mut column, mut tap, mut offsets) = (column, tap, [0; 2]);
    for axis in convolution.axes.iter().rev() {
        let k = tap % axis.kernel;
        offsets[0] += axis.element(column % axis.output, k)? as isize * axis.x;
        offsets[1] += k as isize * axis.w;
        (column, tap) = (column / axis.output, tap / axis.kernel);
    }
    Some(offsets)
}
