//! Wide ResNet. Zagoruyko and Komodakis, *Wide residual networks*, 2016, table 1: PreResNet of basic blocks with k times the
//! channels, and dropout between the two convolutions of a block.
//!
//! | stage | channels, w = 16 | places |
//! |---|---|---|
//! | first | 3×3, w | 32 |
//! | 1, 2, 3, of (depth − 4)/6 blocks each | kw, 2kw, 4kw | 32, 16, 8 |
//!
//! Where a block changes the number of channels, norm and rectifier come before the way around as well, a bare 1×1.

use super::{
    DepthError, blocks_of_stage,
    stack::{Stack, square},
};

pub(super) fn build<'g>(
    stack: Stack<'g>,
    depth: usize,
    [width, factor]: [usize; 2],
    dropout: f64,
) -> Result<Stack<'g>, DepthError> {
    let error = DepthError { architecture: "Wide ResNet", expected: "6n + 4", found: depth };
    let n_blocks = blocks_of_stage(depth, 2, 4).ok_or(error)?;
    let mut stack = stack.conv(width, square(3, 1));
    for stage in 0..3 {
        let width = (factor * width) << stage;
        for position in 0..n_blocks {
            let stride = if stage > 0 && position == 0 { 2 } else { 1 };
            let scope = format!("stage{}.block{}", stage + 1, position + 1);
            let body = |stack: Stack<'g>| {
                stack.conv(width, square(3, stride)).norm().relu().dropout(dropout).conv(width, square(3, 1))
            };
            stack = if stack.channels() == width {
                let (inner, around) = (stack.branch(&scope), stack.branch("around"));
                stack.residual(body(inner.norm().relu()), around)
            } else {
                stack = stack.norm().relu();
                let (inner, around) = (stack.branch(&scope), stack.branch(format!("{scope}.around")));
                stack.residual(body(inner), around.conv(width, square(1, stride)))
            };
        }
    }
    Ok(stack.norm().relu().global_avg_pool())
}
