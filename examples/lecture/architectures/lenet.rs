//! LeNet-5. LeCun, Bottou, Bengio and Haffner, *Gradient-based learning applied to document recognition*, 1998, section II.B and
//! figure 2, with rectifiers, greatest of windows and all maps connected.
//!
//! | layer | of width w = 6 | places |
//! |---|---|---|
//! | C1, S2 | 5×5, w; max 2×2 | 28, 14 |
//! | C3, S4 | 5×5, 8w/3; max 2×2 | 10, 5 |
//! | C5, F6 | 20w, 14w | |

use pullback::Convolve;

use super::{
    Norm,
    stack::{Stack, biased},
};

pub(super) fn build(stack: Stack<'_>, width: usize, norm: Norm) -> Stack<'_> {
    let stack = convolution(convolution(stack, width, norm), 8 * width / 3, norm).flatten(25);
    stack.linear("hidden1", 20 * width).relu().linear("hidden2", 14 * width).relu()
}

fn convolution(stack: Stack<'_>, outputs: usize, norm: Norm) -> Stack<'_> {
    let mut options = biased(5, 1);
    options.convolve = Convolve::valid();
    let stack = stack.conv(outputs, options);
    let stack = match norm {
        Norm::None => stack,
        Norm::Batch => stack.norm(),
    };
    stack.relu().max_pool()
}
