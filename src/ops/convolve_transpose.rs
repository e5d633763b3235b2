//! How a user asks for the transpose of a convolution. In: an array, a kernel and how the convolution that is transposed
//! goes over its array. Out: the convolution that is its derivative by the array, which is the transpose.

use super::{
    convolution::check_ranks,
    spatial::{Padding, PerAxis, Span, check_positive, extent},
};
use crate::graph::{Axes, Convolution, Dim, Dims, Expr, GraphError, Shape};

/// How the convolution goes whose transpose is taken; by default by steps of 1 and without padding. A number holds for all
/// spatial axes, an array has one for each.
///
/// # Example
/// ```
/// use pullback::{ConvolveTranspose, Graph};
/// let g = Graph::new();
/// let (x, kernel) = (g.input("x", ("batch", 4, 7, 7)), g.input("kernel", (4, 8, 3, 3)));
/// let options = ConvolveTranspose::default().stride(2).padding(1).output_padding(1);
/// assert_eq!(x.convolve_transpose(kernel, options).shape().to_string(), "[batch, 8, 14, 14]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvolveTranspose {
    stride: PerAxis,
    padding: Padding,
    output_padding: PerAxis,
    dilation: PerAxis,
    groups: usize,
}

impl Default for ConvolveTranspose {
    fn default() -> ConvolveTranspose {
        ConvolveTranspose {
            stride: PerAxis::All(1),
            padding: Padding::Valid,
            output_padding: PerAxis::All(0),
            dilation: PerAxis::All(1),
            groups: 1,
        }
    }
}

impl ConvolveTranspose {
    /// The transpose of a convolution without padding: out = (in − 1)·stride + kernel. This is the default.
    #[must_use]
    pub fn valid() -> ConvolveTranspose {
        ConvolveTranspose::default()
    }

    /// Padding for out = in·stride; where it is odd, one more is cut off after than before.
    #[must_use]
    pub fn same() -> ConvolveTranspose {
        ConvolveTranspose::default().padding(Padding::Same)
    }

    /// Steps of the convolution: the distance of neighbours of the input in the output.
    #[must_use]
    pub fn stride(self, stride: impl Into<PerAxis>) -> ConvolveTranspose {
        ConvolveTranspose { stride: stride.into(), ..self }
    }

    /// Padding of the convolution, which is cut off from the output: a number for all sides, an array with one for each
    /// axis, or with a pair (before, after) for each.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> ConvolveTranspose {
        ConvolveTranspose { padding: padding.into(), ..self }
    }

    /// Places at the end of the output: a convolution whose stride is not 1 has outputs of one size for several sizes of
    /// its input, and this says which of them is meant. It is less than the stride or the dilation.
    #[must_use]
    pub fn output_padding(self, output_padding: impl Into<PerAxis>) -> ConvolveTranspose {
        ConvolveTranspose { output_padding: output_padding.into(), ..self }
    }

    /// Distance between neighbours of the kernel.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<PerAxis>) -> ConvolveTranspose {
        ConvolveTranspose { dilation: dilation.into(), ..self }
    }

    /// Parts into which the channels are cut, each with its own kernels.
    #[must_use]
    pub fn groups(self, groups: usize) -> ConvolveTranspose {
        ConvolveTranspose { groups, ..self }
    }

    pub(crate) fn n_groups(&self) -> usize {
        self.groups
    }

    /// The convolution, and the shape of its input, which is the output here.
    fn over(&self, x: &Shape, kernel: &Shape) -> Result<(Convolution, Shape), GraphError> {
        check_ranks(x, kernel)?;
        let n_spatial = x.rank() - 2;
        let stride = self.stride.positive_over("stride", n_spatial)?;
        let kernel_dilation = self.dilation.positive_over("dilation", n_spatial)?;
        let output_padding = self.output_padding.over("output padding", n_spatial)?;
        for (axis, padding) in output_padding.iter().enumerate() {
            if *padding > 0 && *padding >= stride[axis].max(kernel_dilation[axis]) {
                let expected = "less than the stride or the dilation";
                return Err(GraphError::OutOfRange {
                    what: "the output padding",
                    expected,
                    found: padding.to_string(),
                });
            }
        }
        let out = self.channels(x, kernel)?;
        let windows: Vec<Dim> = (0..n_spatial).map(|axis| extent(&kernel[axis + 2], kernel_dilation[axis])).collect();
        let (low, high) = self.cut(&windows, &stride)?;
        let size = |axis: usize| {
            let whole = extent(&x[axis + 2], stride[axis]) - 1 + &windows[axis];
            whole - &low[axis] - &high[axis] + output_padding[axis]
        };
        let spatial: Vec<Dim> = (0..n_spatial).map(size).collect();
        let shape = [x[0].clone(), out].into_iter().chain(spatial).collect();
        let input_dilation = Axes::from_elem(1, n_spatial);
        Ok((Convolution { stride, low, high, input_dilation, kernel_dilation, groups: self.groups }, shape))
    }

    /// The output channels: as many as a kernel has, for each group.
    fn channels(&self, x: &Shape, kernel: &Shape) -> Result<Dim, GraphError> {
        check_positive("groups", &[self.groups])?;
        let groups = Dim::from(self.groups);
        let out = kernel[1].clone() * &groups;
        match kernel[0].divided_by(&groups) {
            Some(_) if x[1] == kernel[0] => Ok(out),
            kernel_channels => Err(GraphError::Channels {
                input: x.clone(),
                kernels: out,
                kernel_channels: kernel_channels.unwrap_or(kernel[0].clone()),
                groups: self.groups,
            }),
        }
    }

    /// What is cut off before and after along each axis. It is negative where the kernel is smaller than the stride and
    /// out = in·stride is asked for.
    fn cut(&self, windows: &[Dim], stride: &[usize]) -> Result<(Dims, Dims), GraphError> {
        if self.padding == Padding::Same {
            let sides = |(window, stride): (&Dim, &usize)| {
                let total = window.clone() - *stride;
                let Some(number) = total.as_number() else {
                    return Err(GraphError::Symbolic { what: "the extent of the kernel", found: window.clone() });
                };
                let low = number.max(0) / 2;
                Ok((Dim::from(low), Dim::from(number - low)))
            };
            return windows.iter().zip(stride).map(sides).collect();
        }
        let span = |window: &Dim| Span { whole: Dim::from(0), window: window.clone(), stride: 1 };
        let (low, high) = self.padding.over(&windows.iter().map(span).collect::<Vec<_>>())?;
        let dims = |padding: Axes| padding.into_iter().map(Dim::from).collect();
        Ok((dims(low), dims(high)))
    }
}

impl<'g> Expr<'g> {
    /// The transpose of a convolution: what [`Expr::convolve`] has as derivative by its input. Each element of x adds the
    /// kernel, times itself, to the output at its place times the stride.
    ///
    /// out\[n, o, i·stride + k·dilation − padding\] = Σ_c x\[n, c, i\] · kernel\[c, o, k\], summed over all i and k that
    /// give a place; c runs over the channels of o's group.
    ///
    /// # Shapes
    /// x: `[batch, in, spatial…]`, kernel: `[in, out / groups, spatial…]` → `[batch, out, spatial…]`, along each spatial
    /// axis (in − 1)·stride + (kernel − 1)·dilation + 1 − padding + output padding. Sizes may be symbols.
    ///
    /// # Errors
    /// An error is recorded if the channels do not fit the groups, or if the output padding is not less than the stride or
    /// the dilation.
    ///
    /// # Complexity
    /// 2 · batch · in · places of x · (out / groups) · kernel size.
    ///
    /// # Source
    /// Zeiler, Krishnan, Taylor and Fergus, *Deconvolutional networks*, 2010; Dumoulin and Visin, *A guide to convolution
    /// arithmetic for deep learning*, 2016, section 4.
    ///
    /// # Example
    /// ```
    /// # use pullback::{ConvolveTranspose, Graph};
    /// let g = Graph::new();
    /// let (x, kernel) = (g.input("x", ("batch", 16, "h", "w")), g.input("kernel", (16, 3, 4, 4)));
    /// let doubled = x.convolve_transpose(kernel, ConvolveTranspose::same().stride(2));
    /// assert_eq!(doubled.shape().to_string(), "[batch, 3, 2*h, 2*w]");
    /// ```
    #[doc(alias("conv_transpose", "transposed_convolution", "deconvolution"))]
    #[track_caller]
    pub fn convolve_transpose(self, kernel: Expr<'g>, options: ConvolveTranspose) -> Expr<'g> {
        let _frame = self.enter("convolve_transpose");
        if let Some(poison) = self.graph().refuse(&[self, kernel]) {
            return poison;
        }
        match options.over(&self.shape(), &kernel.shape()) {
            Ok((convolution, output)) => convolution.input_cotangent(self, &output, kernel),
            Err(error) => self.graph().report(error, &[self, kernel]),
        }
    }
}
