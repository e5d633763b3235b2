//! Convolutions with a kernel and a bias of their own. In: channels and a kernel's sizes. Out: a layer.

use super::{Declaration, Layer};
use crate::{
    graph::{DType, Dim, Expr, Graph, GraphError, Initializer, LayerScope, Site},
    nn::check::either,
    ops::{Convolve, PerAxis},
};

/// A convolution over N spatial axes, as [`Expr::convolve`] computes it, plus a number for each output channel: the
/// parameters are `name.weight` and `name.bias`. [`Conv1d`], [`Conv2d`] and [`Conv3d`] are its names.
///
/// y\[n, o, p\] = bias\[o\] + Σ_{c, k} x̂\[n, c, p·stride + k·dilation\] · weight\[o, c, k\], where x̂ is x with zeros
/// around, and c runs over the channels of o's group.
///
/// # Shapes
/// x: `[batch, inputs, spatial…]`, weight: `[outputs, inputs / groups, size…]`, bias: `[outputs]` →
/// `[batch, outputs, places…]`, along each axis ⌊(in + padding − (size − 1)·dilation − 1) / stride⌋ + 1 places.
///
/// # Errors
/// An error is recorded if a name is taken, if the groups do not divide the channels, if a size is 0 or there is not one for
/// each axis, and, when it is called, if x has other channels or the kernel no place in it.
///
/// # Source
/// LeCun et al., *Backpropagation applied to handwritten zip code recognition*, 1989; Dumoulin and Visin, *A guide to
/// convolution arithmetic for deep learning*, 2016, for strides and padding; He, Zhang, Ren and Sun, *Delving deep into
/// rectifiers*, 2015, eq. 10, for the initializer of the weight.
///
/// # Example
/// ```
/// use pullback::{Convolve, Graph, nn::{Conv2d, ConvOptions, Layer}};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 3, 32, 32));
/// let first = Conv2d::new(&g, "first", 3, 16, 3);
/// let second = Conv2d::with(&g, "second", 16, 32, (3, Convolve::same().stride(2)));
/// let third = Conv2d::with(&g, "third", 32, 32, ConvOptions {
///     size: [1, 5].into(),
///     convolve: Convolve::default().padding([0, 2]),
///     bias: false,
///     ..ConvOptions::default()
/// });
/// let y = third.call(second.call(first.call(x).relu()).relu());
/// assert_eq!(y.ty().to_string(), "f32[batch, 32, 15, 15]");
/// assert_eq!(second.weight().ty().to_string(), "f32[32, 16, 3, 3]");
/// ```
#[doc(alias("convolution", "Convolution2D"))]
#[derive(Debug, Clone)]
pub struct Conv<'g, const N: usize> {
    scope: LayerScope,
    weight: Expr<'g>,
    bias: Option<Expr<'g>>,
    convolve: Convolve,
}

/// A convolution over one axis, of series; see [`Conv`].
pub type Conv1d<'g> = Conv<'g, 1>;

/// A convolution over two axes, of images; see [`Conv`].
pub type Conv2d<'g> = Conv<'g, 2>;

/// A convolution over three axes, of volumes or films; see [`Conv`].
pub type Conv3d<'g> = Conv<'g, 3>;

/// What may be chosen of a [`Conv`] or [`SeparableConv`](super::SeparableConv) layer.
///
/// A pair of sizes and a [`Convolve`] stands for it where the rest is as by default.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvOptions {
    /// Sizes of the kernel: a number for all axes, or one for each.
    pub size: PerAxis,
    /// Stride, padding, dilation and groups.
    pub convolve: Convolve,
    /// How the weight starts.
    pub weight: Initializer,
    /// Whether there is a bias, which starts at zero.
    pub bias: bool,
    /// The dtype of the parameters, and of what the layer is called with.
    pub dtype: DType,
}

impl Default for ConvOptions {
    /// A size of 3, steps of 1, no padding, one group, [`Initializer::HeUniform`], a bias, f32.
    fn default() -> ConvOptions {
        ConvOptions {
            size: PerAxis::All(3),
            convolve: Convolve::default(),
            weight: Initializer::HeUniform,
            bias: true,
            dtype: DType::F32,
        }
    }
}

impl<S: Into<PerAxis>> From<(S, Convolve)> for ConvOptions {
    fn from((size, convolve): (S, Convolve)) -> ConvOptions {
        ConvOptions { size: size.into(), convolve, ..ConvOptions::default() }
    }
}

impl<'g, const N: usize> Conv<'g, N> {
    /// A layer with the default options and a kernel of this size.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, inputs: usize, outputs: usize, size: impl Into<PerAxis>) -> Conv<'g, N> {
        let _frame = g.enter("Conv::new", Site::caller());
        Conv::declare(g, name, [inputs, outputs], ConvOptions { size: size.into(), ..ConvOptions::default() })
    }

    /// [`Conv::new`] with options, or with a size and a [`Convolve`].
    #[track_caller]
    pub fn with(
        g: &'g Graph,
        name: &str,
        inputs: usize,
        outputs: usize,
        options: impl Into<ConvOptions>,
    ) -> Conv<'g, N> {
        let _frame = g.enter("Conv::with", Site::caller());
        Conv::declare(g, name, [inputs, outputs], options.into())
    }

    /// A convolution of each channel by itself, with one kernel for each: as many groups as channels.
    ///
    /// # Source
    /// Sifre, *Rigid-motion scattering for image classification*, 2014, section 6.2.
    ///
    /// # Example
    /// ```
    /// use pullback::{Convolve, Graph, nn::{Conv2d, Layer}};
    /// let g = Graph::new();
    /// let layer = Conv2d::depthwise(&g, "depthwise", 32, (5, Convolve::same()));
    /// assert_eq!(layer.weight().ty().to_string(), "f32[32, 1, 5, 5]");
    /// assert_eq!(layer.call(g.input("x", ("batch", 32, 9, 9))).ty().to_string(), "f32[batch, 32, 9, 9]");
    /// ```
    #[doc(alias("DepthwiseConv2D", "grouped"))]
    #[track_caller]
    pub fn depthwise(g: &'g Graph, name: &str, channels: usize, options: impl Into<ConvOptions>) -> Conv<'g, N> {
        let _frame = g.enter("Conv::depthwise", Site::caller());
        let options = options.into();
        let convolve = options.convolve.groups(channels);
        Conv::declare(g, name, [channels, channels], ConvOptions { convolve, ..options })
    }

    pub(super) fn declare(g: &'g Graph, name: &str, channels: [usize; 2], options: ConvOptions) -> Conv<'g, N> {
        let [inputs, outputs] = channels;
        let n_groups = options.convolve.n_groups();
        let declaration = Declaration { graph: g, layer: name, dtype: options.dtype };
        let weight = declaration.kernel::<N>([outputs, inputs], channels, n_groups, (&options.size, options.weight));
        let bias = declaration.bias(&weight, outputs, options.bias);
        Conv { scope: declaration.scope(), weight: either(weight), bias, convolve: options.convolve }
    }

    /// The kernel, `[outputs, inputs / groups, size…]`.
    pub fn weight(&self) -> Expr<'g> {
        self.weight
    }

    /// The bias, `[outputs]`, if there is one.
    pub fn bias(&self) -> Option<Expr<'g>> {
        self.bias
    }
}

impl<'g, const N: usize> Layer<'g> for Conv<'g, N> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("Conv", self.scope);
        let build = |()| x.convolve(self.weight, self.convolve.clone()).plus_for_channels(self.bias);
        either(x.check_rank(N + 2).map(build))
    }
}

impl<'g> Declaration<'g, '_> {
    /// The weight `[first, second / groups, size…]` of a convolution over N axes, whose channels, in and out, the groups
    /// divide.
    pub(super) fn kernel<const N: usize>(
        self,
        [first, second]: [usize; 2],
        channels: [usize; 2],
        n_groups: usize,
        (size, initializer): (&PerAxis, Initializer),
    ) -> Result<Expr<'g>, Expr<'g>> {
        let shape = || {
            let sizes = size.positive_over("the size of the kernel", N)?;
            if n_groups == 0 {
                return Err(GraphError::NotPositive { what: "groups", found: Dim::from(0) });
            }
            if channels.iter().any(|channels| !channels.is_multiple_of(n_groups)) {
                let expected = "a divisor of the channels, those in and those out";
                return Err(GraphError::OutOfRange { what: "groups", expected, found: n_groups.to_string() });
            }
            Ok([first, second / n_groups].into_iter().chain(sizes).map(Dim::from).collect::<Vec<Dim>>())
        };
        let shape = shape().map_err(|error| self.graph.report(error, &[]))?;
        self.parameter("weight", &shape, initializer)
    }

    /// A bias from zeros, where one is wanted and there is a weight.
    pub(super) fn bias(self, weight: &Result<Expr<'g>, Expr<'g>>, outputs: usize, is_wanted: bool) -> Option<Expr<'g>> {
        (is_wanted && weight.is_ok()).then(|| either(self.parameter("bias", &[Dim::from(outputs)], Initializer::Zeros)))
    }
}

impl<'g> Expr<'g> {
    /// Plus a number for each channel, which is axis 1.
    pub(super) fn plus_for_channels(self, bias: Option<Expr<'g>>) -> Expr<'g> {
        bias.map_or(self, |bias| self + bias.for_channels(self.rank()))
    }

    /// `[channels]` as it broadcasts over `[batch, channels, …]` of that rank.
    pub(super) fn for_channels(self, rank: usize) -> Expr<'g> {
        (2..rank).fold(self, |value, _| value.unsqueeze(-1))
    }
}
