//! Popular architectures of networks that classify small images, by name and size. In: a graph, the kind of images and a size. Out: a
//! layer from images to a score for each class. Each is built from the table of its paper, in the form for images of 32×32
//! that <https://github.com/bearpaw/pytorch-classification> gives it. It trains nothing.

mod alexnet;
mod densenet;
mod lenet;
mod parse;
mod preresnet;
pub(crate) mod published;
mod resnet;
mod resnext;
mod stack;
mod vgg;
mod wide_resnet;

use std::{error::Error, fmt};

use pullback::{
    Graph,
    nn::{Layer, Sequential},
};

pub(crate) use parse::NAMES;
use stack::Stack;

/// What is classified.
#[derive(Clone, Copy)]
pub(crate) struct Images {
    /// 1 of grey images, 3 of coloured ones.
    pub(crate) channels: usize,
    /// Rows and columns, up to 32.
    pub(crate) side: usize,
    pub(crate) classes: usize,
}

/// Rows and columns of the images that all of these networks are made for.
const SIDE: usize = 32;

/// Whether there is batch norm after each convolution, in the architectures that are older than it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Norm {
    None,
    Batch,
}

/// What a residual network is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Two convolutions of 3×3.
    Basic,
    /// 1×1, 3×3 and 1×1 to four times the channels.
    Bottleneck,
}

/// An architecture with its sizes. `width` is the channels of its first stage; all others are multiples of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Architecture {
    /// `width` 6 in the paper.
    LeNet { width: usize, norm: Norm },
    /// `width` 64.
    AlexNet { width: usize },
    /// `depth` 11, 13, 16 or 19; `width` 64.
    Vgg { depth: usize, width: usize, norm: Norm },
    /// `depth` 6n + 2 of basic blocks, 9n + 2 of bottlenecks; `width` 16.
    ResNet { depth: usize, width: usize, block: Block },
    /// As of ResNet.
    PreResNet { depth: usize, width: usize, block: Block },
    /// `depth` 6n + 4; `width` 16 before the first block and `factor` times that in it.
    WideResNet { depth: usize, width: usize, factor: usize, dropout: f64 },
    /// `depth` 9n + 2; `cardinality` groups of `width` 64.
    ResNext { depth: usize, cardinality: usize, width: usize },
    /// `depth` 6n + 4; `growth` channels by each layer.
    DenseNet { depth: usize, growth: usize },
}

/// A depth that the blocks of an architecture do not add up to.
#[derive(Debug, thiserror::Error)]
#[error("{architecture} has a depth of {expected}, not {found}")]
pub(crate) struct DepthError {
    architecture: &'static str,
    expected: &'static str,
    found: usize,
}

impl Architecture {
    /// The network, from `[batch, channels, side, side]` to `[batch, classes]`; its parameters are declared in the graph.
    pub(crate) fn build(self, g: &Graph, images: Images) -> Result<Sequential<'_>, DepthError> {
        let stack = Stack::new(g, images.channels);
        let stack = match self {
            Architecture::LeNet { width, norm } => lenet::build(stack.padded(images.side), width, norm),
            Architecture::AlexNet { width } => alexnet::build(stack.padded(images.side), width),
            Architecture::Vgg { depth, width, norm } => vgg::build(stack.padded(images.side), depth, width, norm)?,
            Architecture::ResNet { depth, width, block } => resnet::build(stack, depth, width, block)?,
            Architecture::PreResNet { depth, width, block } => preresnet::build(stack, depth, width, block)?,
            Architecture::WideResNet { depth, width, factor, dropout } => {
                wide_resnet::build(stack, depth, [width, factor], dropout)?
            }
            Architecture::ResNext { depth, cardinality, width } => resnext::build(stack, depth, cardinality, width)?,
            Architecture::DenseNet { depth, growth } => densenet::build(stack, depth, growth)?,
        };
        Ok(stack.linear("scores", images.classes).layers())
    }

    /// How many parameters that network has.
    pub(crate) fn n_parameters(self, images: Images) -> Result<usize, Box<dyn Error>> {
        let g = Graph::new();
        let network = self.build(&g, images)?;
        let scores = network.call(g.input("x", (BATCH, images.channels, images.side, images.side)));
        g.check()?;
        if scores.shape().as_numbers() != Some(vec![BATCH, images.classes]) {
            return Err(format!("{self} gives {}", scores.ty()).into());
        }
        Ok(g.parameters().iter().filter_map(|parameter| parameter.shape().as_numbers()).map(n_elements).sum())
    }

    /// Without its sizes.
    pub(crate) fn family(self) -> &'static str {
        match self {
            Architecture::LeNet { .. } => "LeNet",
            Architecture::AlexNet { .. } => "AlexNet",
            Architecture::Vgg { .. } => "VGG",
            Architecture::ResNet { .. } => "ResNet",
            Architecture::PreResNet { .. } => "PreResNet",
            Architecture::WideResNet { .. } => "Wide ResNet",
            Architecture::ResNext { .. } => "ResNeXt",
            Architecture::DenseNet { .. } => "DenseNet-BC",
        }
    }
}

/// Any number, to see what comes of shapes.
const BATCH: usize = 2;

fn n_elements(sizes: Vec<usize>) -> usize {
    sizes.into_iter().product()
}

/// How many blocks a stage has, of three stages and `other` layers besides, if each block has so many layers.
fn blocks_of_stage(depth: usize, layers: usize, other: usize) -> Option<usize> {
    let n = depth.checked_sub(other)?;
    (n > 0 && n.is_multiple_of(3 * layers)).then_some(n / (3 * layers))
}

impl Block {
    /// Blocks of each of the three stages of a residual network of that depth.
    fn n_of_stage(self, architecture: &'static str, depth: usize) -> Result<usize, DepthError> {
        let (layers, expected) = match self {
            Block::Basic => (2, "6n + 2"),
            Block::Bottleneck => (3, "9n + 2"),
        };
        blocks_of_stage(depth, layers, 2).ok_or(DepthError { architecture, expected, found: depth })
    }
}

/// As in the repository's table, with the width where it is another one.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            |usual: usize, found: usize| if found == usual { String::new() } else { format!(", width {found}") };
        let family = self.family();
        match *self {
            Architecture::LeNet { width: w, norm } => write!(f, "{family}{}{}", norm.suffix(), width(6, w)),
            Architecture::AlexNet { width: w } => write!(f, "{family}{}", width(64, w)),
            Architecture::Vgg { depth, width: w, norm } => {
                write!(f, "{family}-{depth}{}{}", norm.suffix(), width(64, w))
            }
            Architecture::ResNet { depth, width: w, block } | Architecture::PreResNet { depth, width: w, block } => {
                write!(f, "{family}-{depth}{}{}", block.suffix(), width(16, w))
            }
            Architecture::WideResNet { depth, width: w, factor, .. } => {
                write!(f, "WRN-{depth}-{factor}{}", width(16, w))
            }
            Architecture::ResNext { depth, cardinality, width } => write!(f, "{family}-{depth}, {cardinality}x{width}"),
            Architecture::DenseNet { depth, growth } => write!(f, "{family}-{depth}-{growth}"),
        }
    }
}

impl Norm {
    fn suffix(self) -> &'static str {
        match self {
            Norm::None => "",
            Norm::Batch => " (batch norm)",
        }
    }
}

impl Block {
    fn suffix(self) -> &'static str {
        match self {
            Block::Basic => "",
            Block::Bottleneck => " (bottleneck)",
        }
    }
}
