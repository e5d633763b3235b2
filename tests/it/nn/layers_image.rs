//! Layers of images: convolutions, norms, pools and upsampling. `tests/recorded/layers_image.py` wrote what is compared.

use pullback::{
    Convolve, ConvolveTranspose, DType, Expr, Graph, PerAxis, Pool,
    nn::{
        Align, Conv, ConvOptions, ConvTranspose, ConvTransposeOptions, GroupNorm, Layer, LayerNorm, Linear,
        LinearOptions, NormOptions, RmsNorm, RmsNormOptions, SeparableConv, Upsample,
    },
};

use super::table::{Row, Table};

pub(super) const TABLE: Table = Table { rows: ROWS, recorded: include_str!("../../recorded/layers_image.txt") };

/// A layer of one expression, called once.
macro_rules! row {
    ($about:literal, $name:literal, |$g:ident, $dtype:ident, $x:ident| $value:expr) => {
        Row {
            name: $name,
            about: $about,
            build: |$g, $dtype, inputs| {
                let $x = inputs[0];
                vec![$value]
            },
        }
    };
    ($about:literal, $name:literal, |$x:ident| $value:expr) => {
        row!($about, $name, |_g, _dtype, $x| $value)
    };
}

/// A convolution called with x.
fn conv<'g, const N: usize>(
    (g, dtype): (&'g Graph, DType),
    x: Expr<'g>,
    outputs: usize,
    size: impl Into<PerAxis>,
    convolve: Convolve,
) -> Expr<'g> {
    let options = ConvOptions { size: size.into(), convolve, dtype, ..ConvOptions::default() };
    Conv::<N>::with(g, "l", channels(x), outputs, options).call(x)
}

fn transposed<'g, const N: usize>(
    (g, dtype): (&'g Graph, DType),
    x: Expr<'g>,
    outputs: usize,
    size: impl Into<PerAxis>,
    convolve: ConvolveTranspose,
) -> Expr<'g> {
    let options = ConvTransposeOptions { size: size.into(), convolve, dtype, ..ConvTransposeOptions::default() };
    ConvTranspose::<N>::with(g, "l", channels(x), outputs, options).call(x)
}

fn channels(x: Expr<'_>) -> usize {
    x.shape()[1].as_number().expect("a number") as usize
}

fn norm(dtype: DType) -> NormOptions {
    NormOptions { dtype, ..NormOptions::default() }
}

fn bare(dtype: DType) -> NormOptions {
    NormOptions { gain: false, bias: false, ..norm(dtype) }
}

fn valid() -> Convolve {
    Convolve::valid()
}

fn turned() -> ConvolveTranspose {
    ConvolveTranspose::valid()
}

const ROWS: &[Row] = &[
    row!("Linear", "linear", |g, dtype, x| {
        Linear::with(g, "l", 5, 4, LinearOptions { dtype, ..LinearOptions::default() }).call(x)
    }),
    row!("Linear", "linear without bias", |g, dtype, x| {
        Linear::with(g, "l", 5, 4, LinearOptions { dtype, bias: false, ..LinearOptions::default() }).call(x)
    }),
    row!("Conv", "conv1d", |g, dtype, x| conv::<1>((g, dtype), x, 4, 3, valid())),
    row!("Conv", "conv1d stride that does not divide, padding, dilation", |g, dtype, x| {
        conv::<1>((g, dtype), x, 3, 3, valid().stride(3).padding(2).dilation(2))
    }),
    row!("Conv", "conv1d of size 1 on an axis of size 1", |g, dtype, x| conv::<1>((g, dtype), x, 2, 1, valid())),
    row!("Conv", "conv1d same", |g, dtype, x| conv::<1>((g, dtype), x, 2, 4, Convolve::same())),
    row!("Conv", "conv2d", |g, dtype, x| conv::<2>((g, dtype), x, 4, 3, valid())),
    row!("Conv", "conv2d without bias", |g, dtype, x| {
        let options = ConvOptions { size: [2, 3].into(), bias: false, dtype, ..ConvOptions::default() };
        Conv::<2>::with(g, "l", 2, 3, options).call(x)
    }),
    row!("Conv", "conv2d stride", |g, dtype, x| conv::<2>((g, dtype), x, 3, [3, 2], valid().stride([3, 2]))),
    row!("Conv", "conv2d padding", |g, dtype, x| conv::<2>((g, dtype), x, 2, [3, 4], valid().padding([1, 2]))),
    row!("Conv", "conv2d padding before and after", |g, dtype, x| {
        conv::<2>((g, dtype), x, 2, 3, valid().padding([(0, 1), (2, 0)]))
    }),
    row!("Conv", "conv2d same", |g, dtype, x| conv::<2>((g, dtype), x, 3, [3, 2], Convolve::same().dilation([2, 1]))),
    row!("Conv", "conv2d same with stride", |g, dtype, x| {
        conv::<2>((g, dtype), x, 2, [4, 2], Convolve::same().stride([2, 3]))
    }),
    row!("Conv", "conv2d dilation", |g, dtype, x| conv::<2>((g, dtype), x, 2, 3, valid().dilation([2, 3]))),
    row!("Conv", "conv2d groups", |g, dtype, x| conv::<2>((g, dtype), x, 4, 3, valid().groups(2).padding(1))),
    row!("Conv", "conv2d input of size 1", |g, dtype, x| conv::<2>((g, dtype), x, 2, 3, valid().padding(1))),
    row!("Conv", "conv2d depthwise", |g, dtype, x| {
        let options = ConvOptions { convolve: valid().padding(1).stride(2), dtype, ..ConvOptions::default() };
        Conv::<2>::depthwise(g, "l", 3, options).call(x)
    }),
    row!("Conv", "conv2d depthwise with several kernels", |g, dtype, x| {
        conv::<2>((g, dtype), x, 6, 3, valid().groups(3))
    }),
    row!("Conv", "conv3d", |g, dtype, x| conv::<3>((g, dtype), x, 3, [2, 3, 2], valid())),
    row!("Conv", "conv3d stride, padding, groups", |g, dtype, x| {
        conv::<3>((g, dtype), x, 4, 3, valid().stride([2, 1, 3]).padding(1).groups(2))
    }),
    row!("ConvTranspose", "conv_transpose1d", |g, dtype, x| transposed::<1>((g, dtype), x, 2, 3, turned())),
    row!("ConvTranspose", "conv_transpose1d everything", |g, dtype, x| {
        let convolve = turned().stride(3).padding(2).output_padding(1).dilation(2).groups(2);
        transposed::<1>((g, dtype), x, 6, 4, convolve)
    }),
    row!("ConvTranspose", "conv_transpose2d", |g, dtype, x| transposed::<2>((g, dtype), x, 2, [3, 2], turned())),
    row!("ConvTranspose", "conv_transpose2d without bias", |g, dtype, x| {
        let options = ConvTransposeOptions { size: 2.into(), bias: false, dtype, ..ConvTransposeOptions::default() };
        ConvTranspose::<2>::with(g, "l", 2, 2, options).call(x)
    }),
    row!("ConvTranspose", "conv_transpose2d stride", |g, dtype, x| {
        transposed::<2>((g, dtype), x, 3, 3, turned().stride(2))
    }),
    row!("ConvTranspose", "conv_transpose2d padding", |g, dtype, x| {
        transposed::<2>((g, dtype), x, 2, 3, turned().padding([1, 2]))
    }),
    row!("ConvTranspose", "conv_transpose2d output padding", |g, dtype, x| {
        transposed::<2>((g, dtype), x, 2, 3, turned().stride([2, 3]).padding(1).output_padding([1, 2]))
    }),
    row!("ConvTranspose", "conv_transpose2d dilation", |g, dtype, x| {
        transposed::<2>((g, dtype), x, 2, [3, 2], turned().dilation([2, 3]).output_padding([1, 0]))
    }),
    row!("ConvTranspose", "conv_transpose2d groups", |g, dtype, x| {
        transposed::<2>((g, dtype), x, 6, 3, turned().groups(2).stride(2).padding(1))
    }),
    row!("ConvTranspose", "conv_transpose2d input of size 1", |g, dtype, x| {
        transposed::<2>((g, dtype), x, 2, [4, 3], turned())
    }),
    row!("ConvTranspose", "conv_transpose2d same", |g, dtype, x| {
        transposed::<2>((g, dtype), x, 2, [4, 5], ConvolveTranspose::same().stride(2))
    }),
    row!("ConvTranspose", "conv_transpose2d same with a small kernel", |g, dtype, x| {
        transposed::<2>((g, dtype), x, 2, 2, ConvolveTranspose::same().stride(3))
    }),
    row!("ConvTranspose", "conv_transpose2d padding before and after", |g, dtype, x| {
        transposed::<2>((g, dtype), x, 2, 3, turned().stride(2).padding([(1, 0), (0, 2)]))
    }),
    row!("ConvTranspose", "conv_transpose3d", |g, dtype, x| {
        transposed::<3>((g, dtype), x, 2, [2, 2, 3], turned().stride([1, 2, 2]).padding([0, 1, 1]))
    }),
    row!("SeparableConv", "separable_conv2d", |g, dtype, x| {
        let options = ConvOptions { convolve: valid().stride(2).padding(1), dtype, ..ConvOptions::default() };
        SeparableConv::<2>::with(g, "l", 3, 4, options).call(x)
    }),
    row!("SeparableConv", "separable_conv1d without bias", |g, dtype, x| {
        let options = ConvOptions { bias: false, dtype, ..ConvOptions::default() };
        SeparableConv::<1>::with(g, "l", 2, 3, options).call(x)
    }),
    row!("LayerNorm", "layer_norm", |g, dtype, x| LayerNorm::with(g, "l", 5, norm(dtype)).call(x)),
    row!("LayerNorm", "layer_norm without bias", |g, dtype, x| {
        LayerNorm::with(g, "l", 4, NormOptions { bias: false, epsilon: 0.01, ..norm(dtype) }).call(x)
    }),
    row!("LayerNorm", "layer_norm without gain and bias", |g, dtype, x| {
        LayerNorm::with(g, "l", 4, bare(dtype)).call(x)
    }),
    row!("LayerNorm", "layer_norm of one feature", |g, dtype, x| LayerNorm::with(g, "l", 1, norm(dtype)).call(x)),
    row!("GroupNorm", "group_norm", |g, dtype, x| GroupNorm::with(g, "l", 2, 6, norm(dtype)).call(x)),
    row!("GroupNorm", "group_norm of one group", |g, dtype, x| {
        GroupNorm::with(g, "l", 1, 3, NormOptions { epsilon: 0.1, ..norm(dtype) }).call(x)
    }),
    row!("GroupNorm", "group_norm without axes behind the channels", |g, dtype, x| {
        GroupNorm::with(g, "l", 3, 6, norm(dtype)).call(x)
    }),
    row!("GroupNorm", "group_norm without gain and bias", |g, dtype, x| {
        GroupNorm::with(g, "l", 2, 4, bare(dtype)).call(x)
    }),
    row!("GroupNorm", "instance_norm", |g, dtype, x| GroupNorm::instance(g, "l", 3, norm(dtype)).call(x)),
    row!("GroupNorm", "instance_norm without gain and bias", |g, dtype, x| {
        GroupNorm::instance(g, "l", 3, bare(dtype)).call(x)
    }),
    row!("RmsNorm", "rms_norm", |g, dtype, x| {
        RmsNorm::with(g, "l", 5, RmsNormOptions { dtype, ..RmsNormOptions::default() }).call(x)
    }),
    row!("RmsNorm", "rms_norm without gain", |g, dtype, x| {
        RmsNorm::with(g, "l", 4, RmsNormOptions { gain: false, epsilon: 1e-6, dtype }).call(x)
    }),
    row!("max_pool", "max_pool", |x| x.max_pool(Pool::size(3).stride(2).padding(1))),
    row!("max_pool", "max_pool with dilation", |x| x.max_pool(Pool::size(3).stride(2).padding(1).dilation(2))),
    row!("avg_pool", "avg_pool", |x| x.avg_pool(Pool::size([3, 2]).stride(2).padding(1))),
    row!("avg_pool", "avg_pool of volumes", |x| x.avg_pool(2)),
    row!("adaptive_avg_pool", "adaptive_avg_pool of equal windows", |x| x.adaptive_avg_pool(3)),
    row!("adaptive_avg_pool", "adaptive_avg_pool", |x| x.adaptive_avg_pool([3, 4])),
    row!("adaptive_avg_pool", "adaptive_avg_pool along one axis alone", |x| x.adaptive_avg_pool([3, 2])),
    row!("adaptive_avg_pool", "adaptive_avg_pool to more", |x| x.adaptive_avg_pool(5)),
    row!("adaptive_avg_pool", "adaptive_avg_pool of volumes to one", |x| x.adaptive_avg_pool(1)),
    row!("adaptive_max_pool", "adaptive_max_pool of equal windows", |x| x.adaptive_max_pool([3, 2])),
    row!("adaptive_max_pool", "adaptive_max_pool", |x| x.adaptive_max_pool([5, 3])),
    row!("adaptive_max_pool", "adaptive_max_pool to more", |x| x.adaptive_max_pool(6)),
    row!("global_avg_pool", "global_avg_pool", |x| x.global_avg_pool()),
    row!("global_max_pool", "global_max_pool", |x| x.global_max_pool()),
    row!("upsample_nearest", "upsample_nearest", |x| x.upsample_nearest([2, 3])),
    row!("upsample_nearest", "upsample_nearest by a fraction", |x| x.upsample_nearest(Upsample::by_fraction(1.75))),
    row!("upsample_nearest", "upsample_nearest to a size", |x| x.upsample_nearest(Upsample::to([7, 8]))),
    row!("upsample_nearest", "upsample_nearest to less", |x| x.upsample_nearest(Upsample::to(3))),
    row!("upsample_nearest", "upsample_nearest of volumes", |x| x.upsample_nearest(2)),
    row!("upsample_linear", "upsample_linear", |x| x.upsample_linear([2, 3], Align::Edges)),
    row!("upsample_linear", "upsample_linear corners", |x| x.upsample_linear(2, Align::Corners)),
    row!("upsample_linear", "upsample_linear by a fraction", |x| {
        x.upsample_linear(Upsample::by_fraction(1.7), Align::Edges)
    }),
    row!("upsample_linear", "upsample_linear corners by a fraction", |x| {
        x.upsample_linear(Upsample::by_fraction(1.7), Align::Corners)
    }),
    row!("upsample_linear", "upsample_linear to a size", |x| x.upsample_linear(Upsample::to([8, 3]), Align::Edges)),
    row!("upsample_linear", "upsample_linear corners to one place", |x| {
        x.upsample_linear(Upsample::to([1, 6]), Align::Corners)
    }),
    row!("upsample_linear", "upsample_linear of series", |x| x.upsample_linear(4, Align::Edges)),
    row!("upsample_linear", "upsample_linear of volumes", |x| {
        x.upsample_linear(Upsample::to([4, 5, 2]), Align::Corners)
    }),
];
