//! Transposed convolutions with a kernel and a bias of their own. In: channels and a kernel's sizes. Out: a layer.

use super::{Declaration, Layer};
use crate::{
    graph::{DType, Expr, Graph, Initializer, LayerScope, Site},
    nn::check::either,
    ops::{ConvolveTranspose, PerAxis},
};

/// The transpose of a convolution over N spatial axes, as [`Expr::convolve_transpose`] computes it, plus a number for each
/// output channel: the parameters are `name.weight` and `name.bias`. [`ConvTranspose1d`], [`ConvTranspose2d`] and
/// [`ConvTranspose3d`] are its names.
///
/// y\[n, o, i·stride + k·dilation − padding\] = bias\[o\] + Σ_c x\[n, c, i\] · weight\[c, o, k\], summed over all i and k
/// that give a place; c runs over the channels of o's group.
///
/// # Shapes
/// x: `[batch, inputs, spatial…]`, weight: `[inputs, outputs / groups, size…]`, bias: `[outputs]` →
/// `[batch, outputs, places…]`, along each axis (in − 1)·stride + (size − 1)·dilation + 1 − padding + output padding.
///
/// # Errors
/// As for [`Conv`](super::Conv); also, when it is called, if the output padding is not less than the stride or the dilation.
///
/// # Source
/// Zeiler, Krishnan, Taylor and Fergus, *Deconvolutional networks*, 2010; Dumoulin and Visin, *A guide to convolution
/// arithmetic for deep learning*, 2016, section 4. The fans of the weight are counted as for a convolution, from the
/// shape, as PyTorch does: `fan_in` is (outputs / groups) · receptive field.
///
/// # Example
/// ```
/// use pullback::{ConvolveTranspose, Graph, nn::{ConvTranspose2d, Layer}};
/// let g = Graph::new();
/// let double = ConvTranspose2d::with(&g, "double", 64, 32, (4, ConvolveTranspose::same().stride(2)));
/// let y = double.call(g.input("x", ("batch", 64, 7, 7)));
/// assert_eq!(y.ty().to_string(), "f32[batch, 32, 14, 14]");
/// assert_eq!(double.weight().ty().to_string(), "f32[64, 32, 4, 4]");
/// ```
#[doc(alias("deconvolution", "Conv2DTranspose"))]
#[derive(Debug, Clone)]
pub struct ConvTranspose<'g, const N: usize> {
    scope: LayerScope,
    weight: Expr<'g>,
    bias: Option<Expr<'g>>,
    convolve: ConvolveTranspose,
}

/// A transposed convolution over one axis; see [`ConvTranspose`].
pub type ConvTranspose1d<'g> = ConvTranspose<'g, 1>;

/// A transposed convolution over two axes; see [`ConvTranspose`].
pub type ConvTranspose2d<'g> = ConvTranspose<'g, 2>;

/// A transposed convolution over three axes; see [`ConvTranspose`].
pub type ConvTranspose3d<'g> = ConvTranspose<'g, 3>;

/// What may be chosen of a [`ConvTranspose`] layer.
///
/// A pair of sizes and a [`ConvolveTranspose`] stands for it where the rest is as by default.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvTransposeOptions {
    /// Sizes of the kernel: a number for all axes, or one for each.
    pub size: PerAxis,
    /// Stride, padding, output padding, dilation and groups.
    pub convolve: ConvolveTranspose,
    /// How the weight starts.
    pub weight: Initializer,
    /// Whether there is a bias, which starts at zero.
    pub bias: bool,
    /// The dtype of the parameters, and of what the layer is called with.
    pub dtype: DType,
}

impl Default for ConvTransposeOptions {
    /// A size of 3, steps of 1, no padding, one group, [`Initializer::HeUniform`], a bias, f32.
    fn default() -> ConvTransposeOptions {
        ConvTransposeOptions {
            size: PerAxis::All(3),
            convolve: ConvolveTranspose::default(),
            weight: Initializer::HeUniform,
            bias: true,
            dtype: DType::F32,
        }
    }
}

impl<S: Into<PerAxis>> From<(S, ConvolveTranspose)> for ConvTransposeOptions {
    fn from((size, convolve): (S, ConvolveTranspose)) -> ConvTransposeOptions {
        ConvTransposeOptions { size: size.into(), convolve, ..ConvTransposeOptions::default() }
    }
}

impl<'g, const N: usize> ConvTranspose<'g, N> {
    /// A layer with the default options and a kernel of this size.
    #[track_caller]
    pub fn new(
        g: &'g Graph,
        name: &str,
        inputs: usize,
        outputs: usize,
        size: impl Into<PerAxis>,
    ) -> ConvTranspose<'g, N> {
        let _frame = g.enter("ConvTranspose::new", Site::caller());
        let options = ConvTransposeOptions { size: size.into(), ..ConvTransposeOptions::default() };
        ConvTranspose::declare(g, name, [inputs, outputs], options)
    }

    /// [`ConvTranspose::new`] with options, or with a size and a [`ConvolveTranspose`].
    #[track_caller]
    pub fn with(
        g: &'g Graph,
        name: &str,
        inputs: usize,
        outputs: usize,
        options: impl Into<ConvTransposeOptions>,
    ) -> ConvTranspose<'g, N> {
        let _frame = g.enter("ConvTranspose::with", Site::caller());
        ConvTranspose::declare(g, name, [inputs, outputs], options.into())
    }

    fn declare(g: &'g Graph, name: &str, channels: [usize; 2], options: ConvTransposeOptions) -> ConvTranspose<'g, N> {
        let n_groups = options.convolve.n_groups();
        let declaration = Declaration { graph: g, layer: name, dtype: options.dtype };
        let weight = declaration.kernel::<N>(channels, channels, n_groups, (&options.size, options.weight));
        let bias = declaration.bias(&weight, channels[1], options.bias);
        ConvTranspose { scope: declaration.scope(), weight: either(weight), bias, convolve: options.convolve }
    }

    /// The kernel, `[inputs, outputs / groups, size…]`.
    pub fn weight(&self) -> Expr<'g> {
        self.weight
    }

    /// The bias, `[outputs]`, if there is one.
    pub fn bias(&self) -> Option<Expr<'g>> {
        self.bias
    }
}

impl<'g, const N: usize> Layer<'g> for ConvTranspose<'g, N> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("ConvTranspose", self.scope);
        let build = |()| x.convolve_transpose(self.weight, self.convolve.clone()).plus_for_channels(self.bias);
        either(x.check_rank(N + 2).map(build))
    }
}
