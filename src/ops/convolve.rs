//! How a user asks for a convolution. In: an array, a kernel and how it goes over the array. Out: the primitive with
//! its numbers for each axis.

use super::{
    convolution::check_ranks,
    spatial::{Padding, PerAxis, Span, extent},
};
use crate::graph::{Axes, Convolution, Dim, Expr, GraphError, Shape};

/// How a kernel goes over an array; by default by steps of 1 and without padding. A number holds for all spatial axes,
/// an array has one for each.
///
/// # Example
/// ```
/// use pullback::{Convolve, Graph};
/// let g = Graph::new();
/// let (x, kernel) = (g.input("x", ("batch", 4, 9, 9)), g.input("kernel", (8, 2, 3, 3)));
/// let options = Convolve::same().stride(2).dilation([1, 2]).groups(2);
/// assert_eq!(x.convolve(kernel, options).shape().to_string(), "[batch, 8, 5, 5]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convolve {
    stride: PerAxis,
    padding: Padding,
    dilation: PerAxis,
    input_dilation: PerAxis,
    groups: usize,
}

impl Default for Convolve {
    fn default() -> Convolve {
        Convolve {
            stride: PerAxis::All(1),
            padding: Padding::Valid,
            dilation: PerAxis::All(1),
            input_dilation: PerAxis::All(1),
            groups: 1,
        }
    }
}

impl Convolve {
    /// The kernel stays within the array: out = ⌊(in − kernel) / stride⌋ + 1. This is the default.
    #[must_use]
    pub fn valid() -> Convolve {
        Convolve::default()
    }

    /// Padding for out = ⌈in / stride⌉; where it is odd, one more zero after than before.
    #[must_use]
    pub fn same() -> Convolve {
        Convolve::default().padding(Padding::Same)
    }

    /// Steps of the kernel.
    #[must_use]
    pub fn stride(self, stride: impl Into<PerAxis>) -> Convolve {
        Convolve { stride: stride.into(), ..self }
    }

    /// Zeros around: a number for all sides, an array with one for each axis, or with a pair (before, after) for each.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> Convolve {
        Convolve { padding: padding.into(), ..self }
    }

    /// Distance between neighbours of the kernel.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<PerAxis>) -> Convolve {
        Convolve { dilation: dilation.into(), ..self }
    }

    /// Distance between neighbours of the array, zeros between them: what a transposed convolution
    /// ([`ConvolveTranspose`](crate::ConvolveTranspose)) is made of. The zeros cost nothing.
    #[doc(alias = "lhs_dilation")]
    #[must_use]
    pub fn input_dilation(self, input_dilation: impl Into<PerAxis>) -> Convolve {
        Convolve { input_dilation: input_dilation.into(), ..self }
    }

    /// Parts into which the channels are cut, each with its own kernels. As many as channels is a depthwise
    /// convolution.
    #[must_use]
    pub fn groups(self, groups: usize) -> Convolve {
        Convolve { groups, ..self }
    }

    pub(crate) fn n_groups(&self) -> usize {
        self.groups
    }

    fn over(&self, x: &Shape, kernel: &Shape) -> Result<Convolution, GraphError> {
        check_ranks(x, kernel)?;
        let n_spatial = x.rank() - 2;
        let stride = self.stride.positive_over("stride", n_spatial)?;
        let kernel_dilation = self.dilation.positive_over("dilation", n_spatial)?;
        let input_dilation = self.input_dilation.positive_over("input dilation", n_spatial)?;
        let span = |axis: usize| Span {
            whole: extent(&x[axis + 2], input_dilation[axis]),
            window: extent(&kernel[axis + 2], kernel_dilation[axis]),
            stride: stride[axis],
        };
        let (low, high) = self.padding.over(&(0..n_spatial).map(span).collect::<Vec<_>>())?;
        let dims = |padding: Axes| padding.into_iter().map(Dim::from).collect();
        let (low, high) = (dims(low), dims(high));
        Ok(Convolution { stride, low, high, input_dilation, kernel_dilation, groups: self.groups })
    }
}

impl<'g> Expr<'g> {
    /// The convolution of the networks: a cross-correlation, the kernel is not flipped.
    ///
    /// out\[n, o, p\] = Σ_{c, k} x̂\[n, c, p·stride + k·dilation\] · kernel\[o, c, k\], where x̂ is the padded x, p and
    /// k are positions along all spatial axes, and c runs over the channels of o's group. Padding contributes nothing,
    /// even where the kernel is infinite or NaN.
    ///
    /// # Shapes
    /// x: `[batch, in, spatial…]`, kernel: `[out, in / groups, spatial…]` → `[batch, out, spatial…]`. Sizes may be
    /// symbols where the stride divides them.
    ///
    /// # Errors
    /// An error is recorded if the channels do not fit the groups, or if no place of the kernel is within the array.
    ///
    /// # Complexity
    /// 2 · batch · out · places · (in / groups) · kernel size.
    ///
    /// # Source
    /// Dumoulin and Visin, A guide to convolution arithmetic for deep learning (2016), sections 2 and 4.
    ///
    /// # Example
    /// ```
    /// # use pullback::{Convolve, Graph};
    /// let g = Graph::new();
    /// let (x, kernel) = (g.input("x", ("batch", 3, 28, 28)), g.input("kernel", (16, 3, 5, 5)));
    /// assert_eq!(x.convolve(kernel, Convolve::valid()).shape().to_string(), "[batch, 16, 24, 24]");
    /// let halved = x.convolve(kernel, Convolve::default().stride(2).padding([(2, 1), (2, 1)]));
    /// assert_eq!(halved.shape().to_string(), "[batch, 16, 14, 14]");
    /// ```
    #[doc(alias("conv", "conv1d", "conv2d", "conv3d"))]
    #[track_caller]
    pub fn convolve(self, kernel: Expr<'g>, options: Convolve) -> Expr<'g> {
        let _frame = self.enter("convolve");
        if let Some(poison) = [self, kernel].iter().find(|operand| operand.is_poisoned()) {
            return *poison;
        }
        match options.over(&self.shape(), &kernel.shape()) {
            Ok(convolution) => self.graph().apply(convolution, &[self, kernel]),
            Err(error) => self.graph().report(error, &[self, kernel]),
        }
    }
}
