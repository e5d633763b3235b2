//! The product by a triple loop, for integers, for tiny matrices and for C without a contiguous axis. In: a block
//! with any strides. Out: that block of C.

use super::{product::MatmulDescriptor, vector::MatmulElement};

/// Terms of one running sum; the sums of such blocks are then added up in order, which keeps rounding errors small.
const STEP_BLOCK: usize = 512;

/// Where a block's operands begin.
#[derive(Clone, Copy)]
pub(super) struct Pointers<T> {
    pub(super) a: *const T,
    pub(super) b: *const T,
    pub(super) c: *mut T,
}

/// An `m` by `n` block of the product.
///
/// # Safety
/// The pointers are valid for the block and the product's strides.
#[inline(always)]
pub(super) unsafe fn multiply_plainly<T: MatmulElement>(
    product: &MatmulDescriptor,
    m: usize,
    n: usize,
    pointers: Pointers<T>,
) {
    let offset =
        |strides: [isize; 2], row: usize, column: usize| row as isize * strides[0] + column as isize * strides[1];
    for row in 0..m {
        for column in 0..n {
            // SAFETY: the row and the column are inside the block, steps are below k.
            unsafe {
                let mut sum = T::ZERO;
                for first in (0..product.k).step_by(STEP_BLOCK) {
                    let mut block = T::ZERO;
                    for step in first..product.k.min(first + STEP_BLOCK) {
                        let a = *pointers.a.offset(offset(product.a, row, step));
                        block = block.plus(a.times(*pointers.b.offset(offset(product.b, step, column))));
                    }
                    sum = sum.plus(block);
                }
                let c = pointers.c.offset(offset(product.c, row, column));
                *c = product.output.apply(|| *c, sum);
            }
        }
    }
}
