//! Architectures by what a user types. In: a name such as `resnet-110`. Out: an [`Architecture`] with the widths of its paper.

use std::str::FromStr;

use super::{Architecture, Block, Norm};

/// What names look like.
pub(crate) const NAMES: &str = "lenet, alexnet, vgg-19, resnet-110, preresnet-110, resnet-164-bottleneck, \
preresnet-164-bottleneck, wrn-28-10, resnext-29-8x64 or densenet-bc-100-12, with any sizes";

impl FromStr for Architecture {
    type Err = String;

    fn from_str(name: &str) -> Result<Architecture, String> {
        parse(name).ok_or_else(|| format!("no architecture is called {name:?}; there are {NAMES}"))
    }
}

fn parse(name: &str) -> Option<Architecture> {
    let norm = Norm::Batch;
    let parts: Vec<&str> = name.split('-').collect();
    let architecture = match parts[..] {
        ["lenet"] => Architecture::LeNet { width: 6, norm: Norm::None },
        ["alexnet"] => Architecture::AlexNet { width: 64 },
        ["vgg", depth] => Architecture::Vgg { depth: depth.parse().ok()?, width: 64, norm },
        ["resnet", depth] => residual(depth, Block::Basic)?,
        ["resnet", depth, "bottleneck"] => residual(depth, Block::Bottleneck)?,
        ["preresnet", depth] => before(residual(depth, Block::Basic)?),
        ["preresnet", depth, "bottleneck"] => before(residual(depth, Block::Bottleneck)?),
        ["wrn", depth, factor] => {
            let (depth, factor) = (depth.parse().ok()?, factor.parse().ok()?);
            Architecture::WideResNet { depth, width: 16, factor, dropout: 0.3 }
        }
        ["resnext", depth, groups] => {
            let (cardinality, width) = groups.split_once('x')?;
            let (cardinality, width) = (cardinality.parse().ok()?, width.parse().ok()?);
            Architecture::ResNext { depth: depth.parse().ok()?, cardinality, width }
        }
        ["densenet", "bc", depth, growth] => {
            Architecture::DenseNet { depth: depth.parse().ok()?, growth: growth.parse().ok()? }
        }
        _ => return None,
    };
    Some(architecture)
}

fn residual(depth: &str, block: Block) -> Option<Architecture> {
    Some(Architecture::ResNet { depth: depth.parse().ok()?, width: 16, block })
}

/// The same with norms before the convolutions.
fn before(architecture: Architecture) -> Architecture {
    match architecture {
        Architecture::ResNet { depth, width, block } => Architecture::PreResNet { depth, width, block },
        other => other,
    }
}
