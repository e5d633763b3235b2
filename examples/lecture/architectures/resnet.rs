//! ResNet. He, Zhang, Ren and Sun, *Deep residual learning for image recognition*, 2016, section 4.2; bottlenecks of figure 5.
//! A projection of 1×1 with a norm is added where the shapes differ (their option B; for images of 32×32 they had option A, which has
//! no parameters).
//!
//! | stage | channels, w = 16 | places |
//! |---|---|---|
//! | first | 3×3, w | 32 |
//! | 1, 2, 3, of n blocks each | w, 2w, 4w; four times that after a bottleneck | 32, 16, 8 |
//! | mean of all places | | 1 |
//!
//! A basic block is conv 3×3, norm, relu, conv 3×3, norm, with relu after the sum.

use super::{
    Block, DepthError,
    stack::{Stack, square},
};

pub(super) fn build(stack: Stack<'_>, depth: usize, width: usize, block: Block) -> Result<Stack<'_>, DepthError> {
    let n_blocks = block.n_of_stage("ResNet", depth)?;
    let mut stack = stack.conv(width, square(3, 1)).norm().relu();
    for stage in 0..3 {
        for position in 0..n_blocks {
            let stride = if stage > 0 && position == 0 { 2 } else { 1 };
            let scope = format!("stage{}.block{}", stage + 1, position + 1);
            let body = body(stack.branch(&scope), width << stage, stride, block);
            let around = around(stack.branch(format!("{scope}.around")), body.channels(), stride);
            stack = stack.residual(body, around).relu();
        }
    }
    Ok(stack.global_avg_pool())
}

fn body(stack: Stack<'_>, width: usize, stride: usize, block: Block) -> Stack<'_> {
    match block {
        Block::Basic => stack.conv(width, square(3, stride)).norm().relu().conv(width, square(3, 1)).norm(),
        Block::Bottleneck => {
            let narrow = stack.conv(width, square(1, 1)).norm().relu().conv(width, square(3, stride)).norm().relu();
            narrow.conv(4 * width, square(1, 1)).norm()
        }
    }
}

/// x itself where the body keeps its shape.
pub(super) fn around(stack: Stack<'_>, outputs: usize, stride: usize) -> Stack<'_> {
    match stride == 1 && stack.channels() == outputs {
        true => stack,
        false => stack.conv(outputs, square(1, stride)).norm(),
    }
}
