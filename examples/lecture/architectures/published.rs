//! How many parameters the architectures have, as published. In: nothing. Out: a table, whose exact numbers are summed by hand from
//! the papers' tables: k·k·in·out of a convolution, 2·channels of a norm, (in + 1)·out of a linear layer.

use super::{Architecture, Block, Images, Norm};

/// One row: an architecture for coloured images of 32×32 in ten classes.
pub(crate) struct Published {
    pub(crate) architecture: Architecture,
    /// To the last one.
    pub(crate) n_parameters: usize,
    /// In millions, as it is printed where.
    pub(crate) printed: &'static str,
    pub(crate) source: &'static str,
}

const REPOSITORY: &str = "the repository";
const PAPER: &str = "the paper";

/// Coloured images of 32×32, as of CIFAR.
pub(crate) fn coloured(classes: usize) -> Images {
    Images { channels: 3, side: 32, classes }
}

const fn row(
    architecture: Architecture,
    n_parameters: usize,
    printed: &'static str,
    source: &'static str,
) -> Published {
    Published { architecture, n_parameters, printed, source }
}

const fn resnet(depth: usize, block: Block) -> Architecture {
    Architecture::ResNet { depth, width: 16, block }
}

const fn preresnet(depth: usize, block: Block) -> Architecture {
    Architecture::PreResNet { depth, width: 16, block }
}

/// Their table has 1.70 for ResNet-110 and PreResNet-110, which is of 18 bottlenecks in each stage (164 layers): when it was made,
/// that is what the code built for these names.
pub(crate) const PUBLISHED: [Published; 12] = [
    // 64(3·11² + 1) + 192(64·5² + 1) + 384(192·3² + 1) + 256(384·3² + 1) + 256(256·3² + 1) + 10·257
    row(Architecture::AlexNet { width: 64 }, 2_472_266, "2.47", REPOSITORY),
    // Of a convolution with norm 9·in·out + 3·out: 1,920 + 37,056; 74,112 + 147,840; 295,680 + 3·590,592;
    // 1,181,184 + 3·2,360,832; 4·2,360,832. Then 10·513.
    row(Architecture::Vgg { depth: 19, width: 64, norm: Norm::Batch }, 20_040_522, "20.04", REPOSITORY),
    // With n blocks in each stage: 464 + 4,672n + 14,528 + 18,560(n − 1) + 57,728 + 73,984(n − 1) + 650.
    row(resnet(20, Block::Basic), 272_474, "0.27", PAPER),
    row(resnet(110, Block::Basic), 1_730_714, "1.7", PAPER),
    // 464 + 4,928 + 17·4,544 + 24,192 + 17·17,792 + 95,488 + 17·70,400 + 2,570
    row(resnet(164, Block::Bottleneck), 1_704_154, "1.70", REPOSITORY),
    // 432 + 18·4,672 + 14,432 + 17·18,560 + 57,536 + 17·73,984 + 128 + 650
    row(preresnet(110, Block::Basic), 1_730_522, "1.7", PAPER),
    // 432 + 4,704 + 17·4,544 + 23,808 + 17·17,792 + 94,720 + 17·70,400 + 512 + 2,570
    row(preresnet(164, Block::Bottleneck), 1_703_258, "1.70", REPOSITORY),
    // 432 + 256,352 + 3·461,440 + 1,434,560 + 3·1,844,480 + 5,736,320 + 3·7,375,360 + 1,280 + 6,410
    row(wide(28, 10), 36_479_194, "36.48", REPOSITORY),
    // 1,856 + 478,208 + 2·559,616 + 2,103,296 + 2·2,233,344 + 8,400,896 + 2·8,923,136 + 10,250
    row(Architecture::ResNext { depth: 29, cardinality: 8, width: 64 }, 34_426_698, "34.43", REPOSITORY),
    // 1,856 + 939,008 + 2·1,118,720 + 4,073,472 + 2·4,465,664 + 16,273,408 + 2·17,844,224 + 10,250
    row(Architecture::ResNext { depth: 29, cardinality: 16, width: 64 }, 68_155_210, "68.16", REPOSITORY),
    // A layer that sees c channels has 50c + 5,280, and the c of a block add up to 16c₀ + 1,440:
    // 648 + 175,680 + 23,760 + 242,880 + 45,600 + 276,480 + 684 + 3,430
    row(Architecture::DenseNet { depth: 100, growth: 12 }, 769_162, "0.77", REPOSITORY),
    // A layer has 162c + 57,920, and the c of a block add up to 31c₀ + 18,600:
    // 2,160 + 5,210,480 + 873,840 + 8,123,240 + 1,808,800 + 9,579,620 + 4,380 + 21,910
    row(Architecture::DenseNet { depth: 190, growth: 40 }, 25_624_430, "25.62", REPOSITORY),
];

const fn wide(depth: usize, factor: usize) -> Architecture {
    Architecture::WideResNet { depth, width: 16, factor, dropout: 0.3 }
}
