//! VGG. Simonyan and Zisserman, *Very deep convolutional networks for large-scale image recognition*, 2015, table 1, without its
//! linear layers but the last, and with batch norm or without. After each stage the greatest of 2×2.
//!
//! | depth | convolutions of 3×3 in stages of w, 2w, 4w, 8w, 8w channels, w = 64 |
//! |---|---|
//! | 11 (A) | 1, 1, 2, 2, 2 |
//! | 13 (B) | 2, 2, 2, 2, 2 |
//! | 16 (D) | 2, 2, 3, 3, 3 |
//! | 19 (E) | 2, 2, 4, 4, 4 |

use super::{
    DepthError, Norm,
    stack::{Stack, biased},
};

pub(super) fn build(stack: Stack<'_>, depth: usize, width: usize, norm: Norm) -> Result<Stack<'_>, DepthError> {
    let n_convs = match depth {
        11 => [1, 1, 2, 2, 2],
        13 => [2, 2, 2, 2, 2],
        16 => [2, 2, 3, 3, 3],
        19 => [2, 2, 4, 4, 4],
        _ => return Err(DepthError { architecture: "VGG", expected: "11, 13, 16 or 19", found: depth }),
    };
    let stages = n_convs.into_iter().zip([1, 2, 4, 8, 8]);
    let stack = stages.fold(stack, |stack, (n_convs, times)| {
        (0..n_convs).fold(stack, |stack, _| convolution(stack, times * width, norm)).max_pool()
    });
    Ok(stack.flatten(1))
}

fn convolution(stack: Stack<'_>, outputs: usize, norm: Norm) -> Stack<'_> {
    let stack = stack.conv(outputs, biased(3, 1));
    match norm {
        Norm::None => stack,
        Norm::Batch => stack.norm(),
    }
    .relu()
}
