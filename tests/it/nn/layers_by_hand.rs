//! No layer costs more than the same written out by hand: both are simplified, with their gradients by everything, to the
//! same text.

use ndarray::array;
use pullback::{
    Convolve, ConvolveTranspose, DType, Expr, Graph, Initializer, Pool, Rewrites,
    nn::{
        Align, Conv2d, ConvTranspose2d, GroupNorm, Layer, LayerNorm, Linear, NormOptions, RmsNorm, SeparableConv2d,
        Sequential,
    },
};

type Build = for<'g> fn(&'g Graph, Expr<'g>) -> Expr<'g>;

/// A name, the sizes of x behind a symbolic batch, the layer, and what it is by hand.
type Pair = (&'static str, &'static [usize], Build, Build);

fn parameter<'g>(g: &'g Graph, name: &str, shape: &[usize], initializer: Initializer) -> Expr<'g> {
    g.parameter(name, shape, initializer)
}

fn weight<'g>(g: &'g Graph, name: &str, shape: &[usize]) -> Expr<'g> {
    parameter(g, name, shape, Initializer::HeUniform)
}

fn bias(g: &Graph, n: usize) -> Expr<'_> {
    parameter(g, "l.bias", &[n], Initializer::Zeros)
}

fn gain(g: &Graph, n: usize) -> Expr<'_> {
    parameter(g, "l.gain", &[n], Initializer::Constant(1.0))
}

const PAIRS: &[Pair] = &[
    (
        "linear",
        &[4],
        |g, x| Linear::new(g, "l", 4, 3).call(x),
        |g, x| {
            let (weight, bias) = (weight(g, "l.weight", &[4, 3]), bias(g, 3));
            x.dot(weight) + bias
        },
    ),
    (
        "conv",
        &[3, 8, 8],
        |g, x| Conv2d::with(g, "l", 3, 4, (3, Convolve::same().stride(2))).call(x),
        |g, x| {
            let (kernel, bias) = (weight(g, "l.weight", &[4, 3, 3, 3]), bias(g, 4));
            x.convolve(kernel, Convolve::same().stride(2)) + bias.reshape((4, 1, 1))
        },
    ),
    (
        "depthwise",
        &[3, 8, 8],
        |g, x| Conv2d::depthwise(g, "l", 3, (3, Convolve::valid())).call(x),
        |g, x| {
            let (kernel, bias) = (weight(g, "l.weight", &[3, 1, 3, 3]), bias(g, 3));
            x.convolve(kernel, Convolve::valid().groups(3)) + bias.reshape((3, 1, 1))
        },
    ),
    (
        "separable",
        &[3, 8, 8],
        |g, x| SeparableConv2d::new(g, "l", 3, 5, 3).call(x),
        |g, x| {
            let depthwise = weight(g, "l.depthwise.weight", &[3, 1, 3, 3]);
            let pointwise = weight(g, "l.pointwise.weight", &[5, 3, 1, 1]);
            let bias = parameter(g, "l.pointwise.bias", &[5], Initializer::Zeros);
            let mixed = x.convolve(depthwise, Convolve::valid().groups(3)).convolve(pointwise, Convolve::valid());
            mixed + bias.reshape((5, 1, 1))
        },
    ),
    (
        "transposed convolution",
        &[3, 5, 5],
        |g, x| {
            let convolve = ConvolveTranspose::default().stride(2).padding(1).output_padding(1);
            ConvTranspose2d::with(g, "l", 3, 4, (3, convolve)).call(x)
        },
        |g, x| {
            let (kernel, bias) = (weight(g, "l.weight", &[3, 4, 3, 3]), bias(g, 4));
            let kernel = kernel.reverse([2, 3]).transpose([1, 0, 2, 3]);
            let convolve = Convolve::default().input_dilation(2).padding([(1, 2), (1, 2)]);
            x.convolve(kernel, convolve) + bias.reshape((4, 1, 1))
        },
    ),
    (
        "layer norm",
        &[5, 6],
        |g, x| LayerNorm::new(g, "l", 6).call(x),
        |g, x| {
            let (gain, bias) = (gain(g, 6), bias(g, 6));
            let centred = x - x.mean_over(-1).unsqueeze(-1);
            let scale = ((centred * centred).mean_over(-1) + 1e-5).rsqrt().unsqueeze(-1);
            centred * scale * gain + bias
        },
    ),
    (
        "group norm",
        &[6, 4, 4],
        |g, x| GroupNorm::new(g, "l", 2, 6).call(x),
        |g, x| {
            let (gain, bias) = (gain(g, 6), bias(g, 6));
            let grouped = x.reshape(("batch", 2, 3, 4, 4));
            let centred = grouped - grouped.mean_over([2, 3, 4]).reshape(("batch", 2, 1, 1, 1));
            let scale = ((centred * centred).mean_over([2, 3, 4]) + 1e-5).rsqrt().reshape(("batch", 2, 1, 1, 1));
            (centred * scale).reshape(("batch", 6, 4, 4)) * gain.reshape((6, 1, 1)) + bias.reshape((6, 1, 1))
        },
    ),
    (
        "instance norm",
        &[6, 4, 4],
        |g, x| {
            GroupNorm::instance(g, "l", 6, NormOptions { gain: false, bias: false, ..NormOptions::default() }).call(x)
        },
        |_, x| {
            let centred = x - x.mean_over([2, 3]).reshape(("batch", 6, 1, 1));
            centred * ((centred * centred).mean_over([2, 3]) + 1e-5).rsqrt().reshape(("batch", 6, 1, 1))
        },
    ),
    (
        "rms norm",
        &[6],
        |g, x| RmsNorm::new(g, "l", 6).call(x),
        |g, x| {
            let gain = gain(g, 6);
            x * ((x * x).mean_over(-1) + 1e-5).rsqrt().unsqueeze(-1) * gain
        },
    ),
    ("adaptive average", &[3, 8, 6], |_, x| x.adaptive_avg_pool([4, 2]), |_, x| x.avg_pool([2, 3])),
    ("adaptive maximum", &[3, 8, 6], |_, x| x.adaptive_max_pool([4, 2]), |_, x| x.max_pool(Pool::size([2, 3]))),
    ("global average", &[3, 8, 6], |_, x| x.global_avg_pool(), |_, x| x.mean_over([2, 3])),
    ("global maximum", &[3, 8, 6], |_, x| x.global_max_pool(), |_, x| x.max_over([2, 3])),
    (
        "nearest",
        &[3, 4, 5],
        |_, x| x.upsample_nearest([2, 3]),
        |_, x| {
            let repeated = x.reshape(("batch", 3, 4, 1, 5, 1)).broadcast_to(("batch", 3, 4, 2, 5, 3));
            repeated.reshape(("batch", 3, 8, 15))
        },
    ),
    (
        "linear upsampling",
        &[3, 2],
        |_, x| x.upsample_linear(2, Align::Corners),
        |g, x| {
            let read = |positions: [i64; 4]| x.gather(g.constant(positions.to_vec()), 2);
            let weight = g.constant_of(DType::F32, array![0.5f64, 1.0 / 3.0, 2.0 / 3.0, 0.5]);
            read([0, 0, 0, 1]) * (1.0 - weight) + read([0, 1, 1, 1]) * weight
        },
    ),
    (
        "a sequence",
        &[3, 8, 8],
        |g, x| {
            let conv = Conv2d::new(g, "l", 3, 4, 3);
            Sequential::new().then(conv).then(Expr::relu).map(|x| x.max_pool(2)).map(|x| x.flatten(1)).call(x)
        },
        |g, x| {
            let (kernel, bias) = (weight(g, "l.weight", &[4, 3, 3, 3]), bias(g, 4));
            let y = x.convolve(kernel, Convolve::valid()) + bias.reshape((4, 1, 1));
            y.relu().max_pool(2).flatten(1)
        },
    ),
];

/// The value, and the gradients of a weighted sum by x and by every parameter, simplified.
fn text(sizes: &[usize], build: Build) -> String {
    let g = Graph::new();
    let shape: Vec<pullback::Dim> =
        ["batch".into()].into_iter().chain(sizes.iter().map(|size| (*size).into())).collect();
    let x = g.input("x", shape);
    let y = build(&g, x);
    let loss = (y * g.input("cotangent", y.shape())).sum();
    let by: Vec<Expr<'_>> = [x].into_iter().chain(g.parameters()).collect();
    let gradients = g.gradients(loss, &by).into_iter().enumerate();
    let results = [("y".to_owned(), y)].into_iter().chain(gradients.map(|(k, gradient)| (format!("by_{k}"), gradient)));
    let results: Vec<(String, Expr<'_>)> = results.collect();
    g.simplify(results, &Rewrites::default()).expect("the graph has no mistake").to_text()
}

#[test]
fn no_layer_costs_more_than_the_same_written_out_by_hand() {
    let texts = |(name, sizes, layer, by_hand): &Pair| (*name, text(sizes, *layer), text(sizes, *by_hand));
    let differ: Vec<String> = PAIRS
        .iter()
        .map(texts)
        .filter(|(_, layer, by_hand)| layer != by_hand)
        .map(|(name, layer, by_hand)| format!("{name}\n{layer}by hand\n{by_hand}"))
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
