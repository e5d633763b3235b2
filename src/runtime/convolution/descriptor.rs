//! What a convolution is, in numbers, before anything is decided about how to compute it. In and out: numbers only; it
//! computes nothing.

use std::ops::Range;

use smallvec::SmallVec;

use crate::{
    graph::DType,
    ops::greatest_common_divisor,
    runtime::matmul::{Accumulation, BatchStrides, MatmulDescriptor},
};

/// One spatial axis. `x`, `w` and `out` are the strides of the operands along it, in elements.
///
/// Output p meets kernel tap k where `i·input_dilation = p·stride + k·kernel_dilation − low` is inside the input; the
/// padding above the input follows from the size of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SpatialAxis {
    pub(crate) input: usize,
    pub(crate) kernel: usize,
    pub(crate) output: usize,
    pub(crate) stride: usize,
    pub(crate) low: isize,
    pub(crate) input_dilation: usize,
    pub(crate) kernel_dilation: usize,
    pub(crate) x: isize,
    pub(crate) w: isize,
    pub(crate) out: isize,
}

/// `out[n, o, p] = Σ_{c, k} x̂[n, c, p·stride + k·kernel_dilation]·w[o, c, k]`, where x̂ is x dilated by the input
/// dilation and padded, and c runs over the channels of the group of o. What is not an element of x contributes
/// nothing, whatever its weight is. All strides are in elements; those of x and w may be anything, elements of out must
/// not share memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConvolutionDescriptor {
    pub(crate) batch: usize,
    pub(crate) groups: usize,
    /// Channels of x in one group.
    pub(crate) channels: usize,
    /// Channels of out in one group.
    pub(crate) kernels: usize,
    /// Strides of x along batch and channels.
    pub(crate) x: [isize; 2],
    /// Strides of w along channels of out and of x.
    pub(crate) w: [isize; 2],
    /// Strides of out along batch and channels.
    pub(crate) out: [isize; 2],
    pub(crate) axes: SmallVec<[SpatialAxis; 3]>,
    pub(crate) dtype: DType,
}

/// A convolution whose input is not dilated, for several kernels that go over the same patches.
///
/// Its rows are the channels of out in a group, and for each of them the phases: row r is channel r / n of phase r mod
/// n.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    pub(super) convolution: ConvolutionDescriptor,
    /// Where the first weight of each phase lies in w, and its first output in out.
    pub(super) phases: Vec<[isize; 2]>,
}

/// The first elements (index 0 along every axis) of the operands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConvolutionOperands {
    pub(crate) x: *const u8,
    pub(crate) w: *const u8,
    pub(crate) out: *mut u8,
}

impl ConvolutionDescriptor {
    /// The same with neighbouring axes as one where kernels have one tap along both and rows follow each other: a convolution by 1×1
    /// is one along a single, long axis.
    pub(super) fn joined(&self) -> ConvolutionDescriptor {
        let mut axes: SmallVec<[SpatialAxis; 3]> = SmallVec::new();
        for axis in &self.axes {
            match axes.last_mut() {
                Some(outer) if outer.is_followed_by(axis) => {
                    let (input, output) = (outer.input * axis.input, outer.output * axis.output);
                    *outer = SpatialAxis { input, output, ..*axis };
                }
                _ => axes.push(*axis),
            }
        }
        ConvolutionDescriptor { axes, ..self.clone() }
    }

    /// Where an output lies in out, by its number among those of all images, relative to the first of its channel.
    pub(super) fn output_offset(&self, column: usize) -> isize {
        let (mut rest, mut offset) = (column, 0);
        for axis in self.axes.iter().rev() {
            offset += (rest % axis.output) as isize * axis.out;
            rest /= axis.output;
        }
        offset + rest as isize * self.out[0]
    }

    /// The product of the weights with each image, if kernels have one tap and images are long rows: nothing has to be copied then.
    pub(super) fn as_product(&self) -> Option<MatmulDescriptor> {
        let joined = self.joined();
        let [axis] = joined.axes[..] else { return None };
        // Rows that leave much of a vector empty are better cut across images. Vectors of 64 bytes on every instruction set, since a
        // product may add up in another order.
        let lanes = 64 / self.dtype.size();
        let is_long = axis.output.next_multiple_of(lanes) * 4 <= axis.output * 5;
        (axis.is_plain() && is_long).then(|| MatmulDescriptor {
            batch: SmallVec::from_slice(&[
                BatchStrides { size: self.batch, a: 0, b: self.x[0], c: self.out[0] },
                BatchStrides {
                    size: self.groups,
                    a: self.kernels as isize * self.w[0],
                    b: self.channels as isize * self.x[1],
                    c: self.kernels as isize * self.out[1],
                },
            ]),
            m: self.kernels,
            n: axis.output,
            k: self.channels,
            a: self.w,
            b: [self.x[1], axis.x],
            c: [self.out[1], axis.out],
            output: Accumulation::Overwrite,
            dtype: self.dtype,
        })
    }

    /// Outputs of one image and channel.
    pub(super) fn places(&self) -> usize {
        self.axes.iter().map(|axis| axis.output).product()
    }

    /// Whether it has no output.
    pub(super) fn is_empty(&self) -> bool {
        self.batch * self.groups * self.kernels * self.places() == 0
    }

    /// Taps of one kernel and channel.
    pub(super) fn taps(&self) -> usize {
        self.axes.iter().map(|axis| axis.kernel).product()
    }
}

impl SpatialAxis {
    /// The same over every n-th element where all others are passed over, as by a kernel of one tap with a stride; without the stride
    /// of one output and the dilation of one tap, which may be any number and mean nothing. Its input is not dilated.
    pub(super) fn thinned(&self) -> SpatialAxis {
        let stride = if self.output > 1 { self.stride } else { 0 };
        let kernel_dilation = if self.kernel > 1 { self.kernel_dilation } else { 0 };
        let step = match greatest_common_divisor(stride, kernel_dilation) {
            0 => 1,
            step if self.low % step as isize == 0 => step,
            _ => 1,
        };
        SpatialAxis {
            input: self.input.div_ceil(step),
            stride: (stride / step).max(1),
            kernel_dilation: (kernel_dilation / step).max(1),
            low: self.low / step as isize,
            // One element may be so far from a second one that there is none.
            x: if self.input > 1 { self.x.saturating_mul(step as isize) } else { self.x },
            ..*self
        }
    }

    /// Whether each output is under the one tap of its own element.
    fn is_plain(&self) -> bool {
        (self.kernel, self.stride, self.low, self.input_dilation) == (1, 1, 0, 1) && self.input == self.output
    }

    /// Whether the rows along another axis, one for each position of this, are one row.
    fn is_followed_by(&self, inner: &SpatialAxis) -> bool {
        self.is_plain()
            && inner.is_plain()
            && self.x == inner.x * inner.input as isize
            && self.out == inner.out * inner.output as isize
    }

    /// The element of x under tap `k` of output `p`, if that is not padding, where x is not dilated.
    pub(super) fn element(&self, p: usize, k: usize) -> Option<usize> {
        let position = (p * self.stride + k * self.kernel_dilation) as isize - self.low;
        usize::try_from(position).ok().filter(|position| *position < self.input)
    }

    /// The outputs all of whose taps are elements of x, where x is not dilated.
    pub(super) fn inside(&self) -> Range<usize> {
        let first = usize::try_from(self.low).map_or(0, |low| low.div_ceil(self.stride));
        let last_tap = self.kernel.saturating_sub(1) * self.kernel_dilation;
        let end = usize::try_from(self.input as isize + self.low - last_tap as isize)
            .map_or(0, |room| room.div_ceil(self.stride))
            .min(self.output);
        first.min(end)..end
    }
}

impl Dense {
    /// Whether outputs lie in rows: one phase, with outputs side by side.
    pub(super) fn has_rows(&self) -> bool {
        self.phases.len() == 1 && self.convolution.axes.last().is_some_and(|axis| axis.out == 1)
    }

    pub(super) fn n_rows(&self) -> usize {
        self.convolution.kernels * self.phases.len()
    }

    /// Where the weights of a row begin, and its outputs, relative to the first of the group.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> [isize; 2] {
        let (kernel, phase) = (row / self.phases.len(), self.phases[row % self.phases.len()]);
        let convolution = &self.convolution;
        [kernel as isize * convolution.w[0] + phase[0], kernel as isize * convolution.out[1] + phase[1]]
    }
}
