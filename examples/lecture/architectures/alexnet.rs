//! AlexNet. Krizhevsky, *One weird trick for parallelizing convolutional neural networks*, 2014, with padding and steps for images of
//! 32×32 and without its large linear layers.
//!
//! | layer | of width w = 64 | places |
//! |---|---|---|
//! | 1 | 11×11, w, by steps of 4; max 2×2 | 8, 4 |
//! | 2 | 5×5, 3w; max 2×2 | 4, 2 |
//! | 3 to 5 | 3×3, 6w, 4w, 4w; max 2×2 | 2, 1 |

use super::stack::{Stack, biased};

pub(super) fn build(stack: Stack<'_>, width: usize) -> Stack<'_> {
    let stack = stack.conv(width, biased(11, 4)).relu().max_pool().conv(3 * width, biased(5, 1)).relu().max_pool();
    let wide = [6, 4, 4].into_iter().fold(stack, |stack, times| stack.conv(times * width, biased(3, 1)).relu());
    wide.max_pool().flatten(1)
}
