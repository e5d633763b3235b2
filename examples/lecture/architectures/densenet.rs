//! DenseNet-BC. Huang, Liu, van der Maaten and Weinberger, *Densely connected convolutional networks*, 2017, section 3 and table 1:
//! each layer sees the channels of all before it in its block, and adds k of its own.
//!
//! | part | channels | places |
//! |---|---|---|
//! | first | 3×3, 2k | 32 |
//! | three blocks of (depth − 4)/6 layers | norm, relu, 1×1 to 4k, norm, relu, 3×3 to k | 32, 16, 8 |
//! | between two blocks | norm, relu, 1×1 to half the channels, mean of 2×2 | 16, 8 |

use super::{
    DepthError, blocks_of_stage,
    stack::{Stack, square},
};

pub(super) fn build(stack: Stack<'_>, depth: usize, growth: usize) -> Result<Stack<'_>, DepthError> {
    let error = DepthError { architecture: "DenseNet-BC", expected: "6n + 4", found: depth };
    let n_layers = blocks_of_stage(depth, 2, 4).ok_or(error)?;
    let mut stack = stack.conv(2 * growth, square(3, 1));
    for block in 1..=3 {
        for layer in 1..=n_layers {
            let body = stack.branch(format!("block{block}.layer{layer}")).norm().relu();
            let body = body.conv(4 * growth, square(1, 1)).norm().relu().conv(growth, square(3, 1));
            stack = stack.dense(body);
        }
        stack = stack.norm().relu();
        if block < 3 {
            let half = stack.channels() / 2;
            stack = stack.conv(half, square(1, 1)).avg_pool();
        }
    }
    Ok(stack.global_avg_pool())
}
