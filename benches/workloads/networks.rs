//! W1 to W5: networks in `f32`, whose loss is derived by all parameters. In: a graph. Out: the loss. Batches are symbols,
//! as a user would write them.

use pullback::{
    Convolve, DType, Expr, Graph, Initializer,
    nn::{cross_entropy, layer_norm, linear, squared_error},
    optim::{Adam, Optimizer, Sgd},
};

use super::{
    GraphOf, Inputs, Workload,
    data::{Start, fill, labels},
};

/// 64-128-10, ReLU, cross-entropy, batch 32, gradient descent.
pub(super) const W1: Workload = Workload {
    name: "W1",
    inputs: || classifier_inputs(32, 64),
    graph: GraphOf::Loss { loss: |g| classifier(g, &SMALL), starts: || dense(&SMALL), rule: Some(descent) },
    expected: &[2.311735, 2.309232, 2.306734],
};

/// 784-512-512-10, ReLU, cross-entropy, batch 128, Adam.
pub(super) const W2: Workload = Workload {
    name: "W2",
    inputs: || classifier_inputs(128, 784),
    graph: GraphOf::Loss {
        loss: |g| classifier(g, &LARGE),
        starts: || dense(&LARGE),
        rule: Some(|| Box::new(Adam::new(1e-3))),
    },
    expected: &[2.302587, 2.141212, 1.989095],
};

/// 64 layers of 64, tanh, squared error, one example, gradient only.
pub(super) const W3: Workload = Workload {
    name: "W3",
    inputs: || deep_inputs(1),
    graph: GraphOf::Loss { loss: deep, starts: deep_starts, rule: None },
    expected: &[0.3856381, 0.9069484],
};

/// W3 with 64 examples.
pub(super) const W3B: Workload = Workload {
    name: "W3b",
    inputs: || deep_inputs(64),
    graph: GraphOf::Loss { loss: deep, starts: deep_starts, rule: None },
    expected: &[0.3572251, 0.5015821],
};

/// Two convolutions with pooling, two dense layers, 64 images of 28 by 28, gradient descent.
pub(super) const W4: Workload = Workload {
    name: "W4",
    inputs: || vec![("x", fill(100, &[64, 1, 28, 28], 1.0)), ("label", labels(64))],
    graph: GraphOf::Loss { loss: convolutional, starts: convolutional_starts, rule: Some(descent) },
    expected: &[2.30908, 2.307602, 2.306297],
};

/// A transformer block, 8 sequences of 128 positions and 128 features, 4 heads, gradient only.
pub(super) const W5: Workload = Workload {
    name: "W5",
    inputs: || vec![("x", fill(100, &[8, 128, 128], 1.0))],
    graph: GraphOf::Loss { loss: transformer, starts: transformer_starts, rule: None },
    expected: &[0.3837636, 0.1003341],
};

const SMALL: [usize; 3] = [64, 128, 10];
const LARGE: [usize; 4] = [784, 512, 512, 10];
const DEPTH: usize = 64;

fn descent() -> Box<dyn Optimizer> {
    Box::new(Sgd::new(0.01))
}

/// Dense layers of these widths with ReLU between them, and the mean cross-entropy.
pub(crate) fn classifier<'g>(g: &'g Graph, widths: &[usize]) -> Expr<'g> {
    let x = g.input("x", ("batch", widths[0]));
    mean_cross_entropy(dense_layers(x, &widths[1..]))
}

/// A batch for [`classifier`].
pub(crate) fn classifier_inputs(batch: usize, features: usize) -> Inputs {
    vec![("x", fill(100, &[batch, features], 1.0)), ("label", labels(batch))]
}

fn dense_layers<'g>(x: Expr<'g>, widths: &[usize]) -> Expr<'g> {
    widths.iter().enumerate().fold(x, |x, (position, width)| {
        let x = if position == 0 { x } else { x.relu() };
        linear(x, &format!("dense{position}"), *width)
    })
}

fn mean_cross_entropy(logits: Expr<'_>) -> Expr<'_> {
    let label = logits.graph().input_of(DType::I64, "label", ("batch",));
    cross_entropy(logits, label).mean()
}

/// Weight and bias of each layer between these widths, within 1/√in.
pub(super) fn dense(widths: &[usize]) -> Vec<Start> {
    widths[..widths.len() - 1].iter().flat_map(|width| [within_root(*width); 2]).collect()
}

pub(super) fn within_root(fan_in: usize) -> Start {
    Start::Uniform(1.0 / (fan_in as f64).sqrt())
}

fn deep(g: &Graph) -> Expr<'_> {
    let x = g.input("x", ("batch", 64));
    let target = g.input("target", ("batch", 64));
    let y = (0..DEPTH).fold(x, |x, layer| linear(x, &format!("layer{layer}"), 64).tanh());
    squared_error(y, target).mean()
}

fn deep_inputs(batch: usize) -> Inputs {
    vec![("x", fill(100, &[batch, 64], 1.0)), ("target", fill(101, &[batch, 64], 1.0))]
}

fn deep_starts() -> Vec<Start> {
    [Start::Uniform((3.0f64 / 64.0).sqrt()), Start::Uniform(0.1)].repeat(DEPTH)
}

fn convolutional(g: &Graph) -> Expr<'_> {
    let x = g.input("x", ("batch", 1, 28, 28));
    let hidden = convolve(convolve(x, "convolution0", 32), "convolution1", 64);
    mean_cross_entropy(dense_layers(hidden.flatten(1), &[128, 10]))
}

/// 3 by 3 with padding, a bias for each channel, ReLU, and the greatest of each 2 by 2.
fn convolve<'g>(x: Expr<'g>, name: &str, channels: usize) -> Expr<'g> {
    let g = x.graph();
    let before = x.shape()[1].clone();
    let kernel = g.parameter(&format!("{name}.kernel"), (channels, before, 3, 3), Initializer::HeUniform);
    let bias = g.parameter(&format!("{name}.bias"), (channels,), Initializer::Zeros);
    (x.convolve(kernel, Convolve::same()) + bias.reshape((channels, 1, 1))).relu().max_pool(2)
}

fn convolutional_starts() -> Vec<Start> {
    let convolutions = [within_root(9), within_root(9), within_root(32 * 9), within_root(32 * 9)];
    convolutions.into_iter().chain(dense(&[3136, 128, 10])).collect()
}

const POSITIONS: usize = 128;
const FEATURES: usize = 128;
const HEADS: usize = 4;

fn transformer(g: &Graph) -> Expr<'_> {
    let x = g.input("x", ("batch", POSITIONS, FEATURES));
    let attended = x + linear(attention(layer_norm(x, "norm1")), "attention.out", FEATURES);
    let hidden = linear(layer_norm(attended, "norm2"), "hidden", 4 * FEATURES).gelu_tanh();
    (attended + linear(hidden, "out", FEATURES)).square().mean()
}

/// Causal attention of several heads, before the projection.
fn attention(x: Expr<'_>) -> Expr<'_> {
    let size = (FEATURES / HEADS) as i64;
    let all = linear(x, "attention.in", 3 * FEATURES);
    let [query, key, value] = [0, 1, 2].map(|part| {
        let start = part * FEATURES as i64;
        let part = all.slice((.., .., start..start + FEATURES as i64));
        part.reshape(("batch", POSITIONS, HEADS, size)).transpose([0, 2, 1, 3])
    });
    let scores = query.dot(key.transpose([0, 1, 3, 2])) * (size as f64).sqrt().recip();
    let position = |axis| x.graph().iota(DType::I64, (POSITIONS, POSITIONS), axis);
    let is_past = position(0).greater_equal(position(1));
    let weights = is_past.select(scores, f64::NEG_INFINITY).softmax(-1);
    weights.dot(value).transpose([0, 2, 1, 3]).reshape(("batch", POSITIONS, FEATURES))
}

fn transformer_starts() -> Vec<Start> {
    let norm = [Start::Constant(1.0), Start::Constant(0.0)];
    let layer = |fan_in| [within_root(fan_in); 2];
    [norm, layer(FEATURES), layer(FEATURES), norm, layer(FEATURES), layer(4 * FEATURES)].concat()
}
