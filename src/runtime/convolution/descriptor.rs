//! What a convolution is, in numbers, before anything is decided about how to compute it. In and out: numbers only; it
//! computes nothing.

use std::ops::Range;

use smallvec::SmallVec;

use crate::graph::DType;

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

/// `out[n, o, p] = Σ_{c, k} x̂[n, c, p·stride + k·kernel_dilation]·w[o, c, k]`, where x̂ is x spread by the input dilation
/// and padded, and c runs over the channels of the group of o. What is not an element of x contributes nothing, whatever
/// its weight is. All strides are in elements; those of x and w may be anything, elements of out must not share memory.
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

/// A convolution whose input is not spread, for several kernels that go over the same patches.
///
/// Its rows are the channels of out in a group, and for each of them the phases: row r is channel r / n of phase r mod n.
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
    /// The element of x under tap `k` of output `p`, if that is not padding, where x is not spread.
    pub(super) fn element(&self, p: usize, k: usize) -> Option<usize> {
        let position = (p * self.stride + k * self.kernel_dilation) as isize - self.low;
        usize::try_from(position).ok().filter(|position| *position < self.input)
    }

    /// The outputs all of whose taps are elements of x, where x is not spread.
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
