//! Depthwise-separable convolutions: each channel by itself, then a mix of channels at each place. In: channels and a
//! kernel's sizes. Out: a layer.

use super::{Conv, ConvOptions, Layer};
use crate::{
    graph::{Expr, Graph, Site},
    ops::{Convolve, PerAxis},
};

/// A depthwise convolution and, without anything between, one by a kernel of size 1: the parameters are
/// `name.depthwise.weight`, `name.pointwise.weight` and `name.pointwise.bias`. [`SeparableConv1d`], [`SeparableConv2d`] and
/// [`SeparableConv3d`] are its names.
///
/// y\[n, o, p\] = bias\[o\] + Σ_c pointwise\[o, c\] · Σ_k x̂\[n, c, p·stride + k·dilation\] · depthwise\[c, 0, k\]: about
/// outputs times fewer products than a convolution of the same sizes, where kernels are large.
///
/// With batch norm and an activation between the two, as in MobileNet, it is written as a [`Conv::depthwise`] and a
/// [`Conv`] of size 1.
///
/// # Shapes
/// x: `[batch, inputs, spatial…]`, depthwise: `[inputs, 1, size…]`, pointwise: `[outputs, inputs, 1…]` →
/// `[batch, outputs, places…]` with the places of [`Conv`].
///
/// # Errors
/// As for [`Conv`]. The groups that its options have are replaced by one for each channel.
///
/// # Source
/// Chollet, *Xception: deep learning with depthwise separable convolutions*, 2017, section 1.
///
/// # Example
/// ```
/// use pullback::{Convolve, Graph, nn::{Layer, SeparableConv2d}};
/// let g = Graph::new();
/// let layer = SeparableConv2d::with(&g, "block", 32, 64, (3, Convolve::same()));
/// assert_eq!(layer.call(g.input("x", ("batch", 32, 19, 19))).ty().to_string(), "f32[batch, 64, 19, 19]");
/// assert_eq!(g.named("block.depthwise.weight").unwrap().ty().to_string(), "f32[32, 1, 3, 3]");
/// assert_eq!(g.named("block.pointwise.weight").unwrap().ty().to_string(), "f32[64, 32, 1, 1]");
/// ```
#[doc(alias("SeparableConv2D", "depthwise_separable"))]
#[derive(Debug, Clone)]
pub struct SeparableConv<'g, const N: usize> {
    depthwise: Conv<'g, N>,
    pointwise: Conv<'g, N>,
}

/// A separable convolution over one axis; see [`SeparableConv`].
pub type SeparableConv1d<'g> = SeparableConv<'g, 1>;

/// A separable convolution over two axes; see [`SeparableConv`].
pub type SeparableConv2d<'g> = SeparableConv<'g, 2>;

/// A separable convolution over three axes; see [`SeparableConv`].
pub type SeparableConv3d<'g> = SeparableConv<'g, 3>;

impl<'g, const N: usize> SeparableConv<'g, N> {
    /// A layer with the default options and a kernel of this size.
    #[track_caller]
    pub fn new(
        g: &'g Graph,
        name: &str,
        inputs: usize,
        outputs: usize,
        size: impl Into<PerAxis>,
    ) -> SeparableConv<'g, N> {
        let _frame = g.enter("SeparableConv::new", Site::caller());
        let options = ConvOptions { size: size.into(), ..ConvOptions::default() };
        SeparableConv::declare(g, name, [inputs, outputs], options)
    }

    /// [`SeparableConv::new`] with options, or with a size and a [`Convolve`], which are those of the depthwise part; the bias
    /// is that of the pointwise part.
    #[track_caller]
    pub fn with(
        g: &'g Graph,
        name: &str,
        inputs: usize,
        outputs: usize,
        options: impl Into<ConvOptions>,
    ) -> SeparableConv<'g, N> {
        let _frame = g.enter("SeparableConv::with", Site::caller());
        SeparableConv::declare(g, name, [inputs, outputs], options.into())
    }

    fn declare(g: &'g Graph, name: &str, channels: [usize; 2], options: ConvOptions) -> SeparableConv<'g, N> {
        let [inputs, _] = channels;
        let pointwise = ConvOptions { size: PerAxis::All(1), convolve: Convolve::default(), ..options.clone() };
        let depthwise = ConvOptions { convolve: options.convolve.groups(inputs), bias: false, ..options };
        let depthwise = Conv::declare(g, &format!("{name}.depthwise"), [inputs, inputs], depthwise);
        if depthwise.weight().is_poisoned() {
            // One mistake is reported once.
            return SeparableConv { pointwise: depthwise.clone(), depthwise };
        }
        SeparableConv { depthwise, pointwise: Conv::declare(g, &format!("{name}.pointwise"), channels, pointwise) }
    }

    /// The convolution of each channel by itself.
    pub fn depthwise(&self) -> &Conv<'g, N> {
        &self.depthwise
    }

    /// The mix of channels.
    pub fn pointwise(&self) -> &Conv<'g, N> {
        &self.pointwise
    }
}

impl<'g, const N: usize> Layer<'g> for SeparableConv<'g, N> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter("SeparableConv");
        self.pointwise.call(self.depthwise.call(x))
    }
}
