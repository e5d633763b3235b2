//! What can be trained on Fashion-MNIST, and how. In: a name, images, a graph. Out: images as the network takes them, its scores, and
//! an optimizer. It runs nothing.

use clap::ValueEnum;
use pullback::{
    Convolve, Expr, Graph,
    data::{Augmented, DataError, Dataset, Source, Split},
    nn::{BatchNorm, Conv2d, ConvOptions, Layer, hidden_layers, linear},
    optim::{Adam, AdamW, Groups, Optimizer, Schedule},
};

use super::architectures::{Architecture, Block, DepthError, Images, Norm};

const SIDE: usize = 28;
const CLASSES: usize = 10;
/// Pixels by which an image is moved while training.
const PADDING: usize = 2;
/// Channels of the convolution before the residual network.
const STEM: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Network {
    /// 784-256-128-10 by Adam; at least 88.5 %.
    Perceptron,
    /// LeNet-5 of three times the width, with batch norm; at least 92 %.
    Lenet,
    /// ResNet-8, of three blocks, on half as many rows and columns; at least 93 % is asked of it.
    Resnet,
}

/// How a network is trained, and what is asked of it.
pub(crate) struct Recipe {
    network: Network,
    pub(crate) epochs: u64,
    pub(crate) batch: usize,
    pub(crate) accuracy: f64,
    /// The greatest rate.
    rate: f64,
}

impl Network {
    pub(crate) fn recipe(self) -> Recipe {
        let recipe = |epochs, batch, rate, accuracy| Recipe { network: self, epochs, batch, accuracy, rate };
        match self {
            Network::Perceptron => recipe(12, 128, 1e-3, 0.885),
            Network::Lenet => recipe(10, 64, 5e-3, 0.92),
            Network::Resnet => recipe(14, 64, 5e-3, 0.93),
        }
    }
}

impl Recipe {
    /// Rows of pixels for the perceptron, images for the others.
    pub(crate) fn shaped(&self, split: Split) -> Result<Split, DataError> {
        match self.network {
            Network::Perceptron => Ok(split),
            Network::Lenet | Network::Resnet => Ok(Split {
                train: split.train.reshape("x", (1, SIDE, SIDE))?,
                test: split.test.reshape("x", (1, SIDE, SIDE))?,
            }),
        }
    }

    /// What is trained on: for half of the images left and right change places, and all are moved. The perceptron sees them as they
    /// are.
    pub(crate) fn augmented(&self, train: Dataset, seed: u64) -> Result<Box<dyn Source>, DataError> {
        match self.network {
            Network::Perceptron => Ok(Box::new(train)),
            Network::Lenet | Network::Resnet => Ok(Box::new(Augmented::new(train, "x", seed)?.crop(PADDING).flip())),
        }
    }

    /// A score for each class, of the input `x`.
    pub(crate) fn scores<'g>(&self, g: &'g Graph) -> Result<Expr<'g>, DepthError> {
        let images = |channels, side| Images { channels, side, classes: CLASSES };
        let image = || g.input("x", ("batch", 1, SIDE, SIDE));
        match self.network {
            Network::Perceptron => {
                let x = g.input("x", ("batch", SIDE * SIDE));
                Ok(linear(hidden_layers(x, "hidden", &[256, 128], Expr::relu), "out", CLASSES))
            }
            Network::Lenet => {
                let lenet = Architecture::LeNet { width: 18, norm: Norm::Batch };
                Ok(lenet.build(g, images(1, SIDE))?.call(image()))
            }
            Network::Resnet => {
                let x = stem(image());
                let resnet = Architecture::ResNet { depth: 8, width: 32, block: Block::Basic };
                Ok(resnet.build(g, images(STEM, SIDE / 2))?.call(x))
            }
        }
    }

    /// The perceptron by Adam, whose rate falls along half a cosine to zero. The others by AdamW, whose rate rises and falls again,
    /// and which does not decay biases and gains.
    pub(crate) fn rule(&self, n_steps: u64) -> Box<dyn Optimizer> {
        match self.network {
            Network::Perceptron => Box::new(Adam::new(Schedule::cosine(self.rate, 0.0, n_steps))),
            Network::Lenet | Network::Resnet => {
                let rate = Schedule::one_cycle(self.rate, n_steps / 4, n_steps);
                let adam = |decay| AdamW::new(rate.clone()).weight_decay(decay);
                Box::new(Groups::new(adam(0.05)).group(["*.bias", "*.gain"], adam(0.0)))
            }
        }
    }
}

/// A convolution by steps of two, so that what follows it costs a quarter.
fn stem(x: Expr<'_>) -> Expr<'_> {
    let options = ConvOptions { bias: false, ..(3, Convolve::default().stride(2).padding(1)).into() };
    let first = Conv2d::with(x.graph(), "first", 1, STEM, options);
    BatchNorm::new(x.graph(), "first_norm", STEM).call(first.call(x)).relu()
}
