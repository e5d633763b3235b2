//! PreResNet: residual networks with norm and rectifier before each convolution, so that nothing stands in the way around. He, Zhang,
//! Ren and Sun, *Identity mappings in deep residual networks*, 2016, figure 1 (b) and the appendix. Stages as of
//! ResNet; projections are a bare 1×1, and a norm and a rectifier come before the mean of all places.
//!
//! A basic block is norm, relu, conv 3×3, norm, relu, conv 3×3.

use super::{
    Block, DepthError,
    stack::{Stack, square},
};

pub(super) fn build(stack: Stack<'_>, depth: usize, width: usize, block: Block) -> Result<Stack<'_>, DepthError> {
    let n_blocks = block.n_of_stage("PreResNet", depth)?;
    let mut stack = stack.conv(width, square(3, 1));
    for stage in 0..3 {
        for position in 0..n_blocks {
            let stride = if stage > 0 && position == 0 { 2 } else { 1 };
            let scope = format!("stage{}.block{}", stage + 1, position + 1);
            let body = body(stack.branch(&scope), width << stage, stride, block);
            let mut around = stack.branch(format!("{scope}.around"));
            if stride > 1 || around.channels() != body.channels() {
                around = around.conv(body.channels(), square(1, stride));
            }
            stack = stack.residual(body, around);
        }
    }
    Ok(stack.norm().relu().global_avg_pool())
}

fn body(stack: Stack<'_>, width: usize, stride: usize, block: Block) -> Stack<'_> {
    let stack = stack.norm().relu();
    match block {
        Block::Basic => stack.conv(width, square(3, stride)).norm().relu().conv(width, square(3, 1)),
        Block::Bottleneck => {
            let narrow = stack.conv(width, square(1, 1)).norm().relu().conv(width, square(3, stride));
            narrow.norm().relu().conv(4 * width, square(1, 1))
        }
    }
}
