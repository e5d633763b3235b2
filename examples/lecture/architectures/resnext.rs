//! ResNeXt. Xie, Girshick, Dollár, Tu and He, *Aggregated residual transformations for deep neural networks*, 2017, section 5.3 and
//! figure 3 (c): ResNet of bottlenecks whose 3×3 is in c groups, each of d channels in the first stage.
//!
//! | stage | channels, d = 64 | places |
//! |---|---|---|
//! | first | 3×3, d | 32 |
//! | 1, 2, 3, of (depth − 2)/9 blocks each | cd, 2cd, 4cd within; 4d, 8d, 16d after | 32, 16, 8 |

use super::{
    DepthError, blocks_of_stage,
    resnet::around,
    stack::{Stack, square},
};

pub(super) fn build(stack: Stack<'_>, depth: usize, cardinality: usize, width: usize) -> Result<Stack<'_>, DepthError> {
    let error = DepthError { architecture: "ResNeXt", expected: "9n + 2", found: depth };
    let n_blocks = blocks_of_stage(depth, 3, 2).ok_or(error)?;
    let mut stack = stack.conv(width, square(3, 1)).norm().relu();
    for stage in 0..3 {
        let (inner, outputs) = ((cardinality * width) << stage, (4 * width) << stage);
        for position in 0..n_blocks {
            let stride = if stage > 0 && position == 0 { 2 } else { 1 };
            let scope = format!("stage{}.block{}", stage + 1, position + 1);
            let mut grouped = square(3, stride);
            grouped.convolve = grouped.convolve.groups(cardinality);
            let narrow =
                stack.branch(&scope).conv(inner, square(1, 1)).norm().relu().conv(inner, grouped).norm().relu();
            let body = narrow.conv(outputs, square(1, 1)).norm();
            let around = around(stack.branch(format!("{scope}.around")), outputs, stride);
            stack = stack.residual(body, around).relu();
        }
    }
    Ok(stack.global_avg_pool())
}
