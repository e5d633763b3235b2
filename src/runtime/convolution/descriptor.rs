//! What a convolution is, in numbers, before anything is decided about how to compute it. In and out: numbers only; it
//! computes nothing.

use smallvec::SmallVec;

use crate::{graph::DType, runtime::matmul::Accumulation};

/// One spatial axis. `x`, `w` and `out` are the strides of the operands along it, in elements.
///
/// Output p meets kernel tap k where `i·input_dilation = p·stride + k·kernel_dilation − low` is inside the input; the
/// padding above the input follows from the size of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// `out[n, o, p] = Σ_{c, k} x̂[n, c, p·stride + k·kernel_dilation]·w[o, c, k]`, or `+=`, where x̂ is x spread by the input
/// dilation and padded, and c runs over the channels of the group of o. All strides are in elements; those of x and w
/// may be anything, elements of out must not share memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Convolution {
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
    pub(crate) output: Accumulation,
    pub(crate) dtype: DType,
}

/// The first elements (index 0 along every axis) of the operands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConvolutionOperands {
    pub(crate) x: *const u8,
    pub(crate) w: *const u8,
    pub(crate) out: *mut u8,
}

impl Convolution {
    /// Outputs of one image and channel.
    pub(super) fn places(&self) -> usize {
        self.axes.iter().map(|axis| axis.output).product()
    }

    /// Taps of one kernel and channel.
    pub(super) fn taps(&self) -> usize {
        self.axes.iter().map(|axis| axis.kernel).product()
    }
}
