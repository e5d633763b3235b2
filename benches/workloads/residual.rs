//! W11: a residual network in `f32`, whose loss is derived by all parameters. In: a graph. Out: the loss. Its norms are by the statistics of
//! the batch alone, so they are written out.

use pullback::{
    Convolve, Correction, DType, Expr, Graph, Initializer,
    nn::{cross_entropy, linear},
    optim::{HeavyBall, Optimizer},
};

use super::{
    GraphOf, Workload,
    data::{Start, fill, labels},
    networks::{dense, within_root},
};

/// ResNet-20 with batch norm, 32 images of 3 by 32 by 32, gradient descent with momentum.
pub(super) const W11: Workload = Workload {
    name: "W11",
    inputs: || vec![("x", fill(100, &[32, 3, 32, 32], 1.0)), ("label", labels(32))],
    graph: GraphOf::Loss { loss: resnet, starts, rule: Some(momentum) },
    expected: &[2.4007039, 2.2722225, 2.1026859],
};

/// Channels and stride of each block.
const BLOCKS: [(usize, usize); 9] = [(16, 1), (16, 1), (16, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1)];

/// A convolution with its batch norm: input and output channels, the size of the kernel, and the stride.
#[derive(Clone, Copy)]
struct Layer {
    inputs: usize,
    outputs: usize,
    size: usize,
    stride: usize,
}

/// The first and the second layer of a block, and the projection where the stride is not 1.
fn layers_of(inputs: usize, (outputs, stride): (usize, usize)) -> (Layer, Layer, Option<Layer>) {
    let first = Layer { inputs, outputs, size: 3, stride };
    let second = Layer { inputs: outputs, outputs, size: 3, stride: 1 };
    (first, second, (stride != 1).then_some(Layer { inputs, outputs, size: 1, stride }))
}

const STEM: Layer = Layer { inputs: 3, outputs: 16, size: 3, stride: 1 };

fn resnet(g: &Graph) -> Expr<'_> {
    let x = g.input("x", ("batch", 3, 32, 32));
    let label = g.input_of(DType::I64, "label", ("batch",));
    let mut y = normalized(x, "stem", STEM).relu();
    let mut channels = STEM.outputs;
    for (position, block) in BLOCKS.into_iter().enumerate() {
        let (first, second, projection) = layers_of(channels, block);
        let name = |part: &str| format!("block{position}.{part}");
        let changed = normalized(normalized(y, &name("first"), first).relu(), &name("second"), second);
        let around = projection.map_or(y, |layer| normalized(y, &name("projection"), layer));
        y = (changed + around).relu();
        channels = block.0;
    }
    cross_entropy(linear(y.mean_over([2, 3]), "out", 10), label).mean()
}

/// A convolution without a bias, with mean 0 and variance 1 over the batch and positions, scaled and shifted.
fn normalized<'g>(x: Expr<'g>, name: &str, layer: Layer) -> Expr<'g> {
    let g = x.graph();
    let Layer { inputs, outputs, size, stride } = layer;
    let kernel = g.parameter(&format!("{name}.kernel"), (outputs, inputs, size, size), Initializer::HeNormal);
    let gain = g.parameter(&format!("{name}.gain"), (outputs,), Initializer::Constant(1.0));
    let bias = g.parameter(&format!("{name}.bias"), (outputs,), Initializer::Zeros);
    let y = x.convolve(kernel, Convolve::default().stride(stride).padding(size / 2));
    let channels = |vector: Expr<'g>| vector.reshape((outputs, 1, 1));
    let deviation = y - channels(y.mean_over([0, 2, 3]));
    let scale = (y.variance_over([0, 2, 3], Correction::None) + 1e-5).rsqrt();
    deviation * channels(scale) * channels(gain) + channels(bias)
}

fn momentum() -> Box<dyn Optimizer> {
    Box::new(HeavyBall::new(0.01, 0.9))
}

fn starts() -> Vec<Start> {
    let layer = |Layer { inputs, size, .. }: Layer| {
        [within_root(inputs * size * size), Start::Constant(1.0), Start::Constant(0.0)]
    };
    let mut starts = layer(STEM).to_vec();
    let mut channels = STEM.outputs;
    for block in BLOCKS {
        let (first, second, projection) = layers_of(channels, block);
        starts.extend([first, second].into_iter().chain(projection).flat_map(layer));
        channels = block.0;
    }
    starts.extend(dense(&[channels, 10]));
    starts
}
