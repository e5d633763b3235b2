//! Descriptors of matrix products: sizes and strides, before anything is decided about how to compute them. It computes
//! nothing.

use std::ops::Range;

use smallvec::SmallVec;

use super::vector::MatmulElement;
use crate::graph::DType;

/// Whether a product replaces what is in C, is added to it or subtracted from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accumulation {
    Overwrite,
    Add,
    Subtract,
}

impl Accumulation {
    /// What an element of C becomes. `before` is not looked at where it is replaced.
    #[inline(always)]
    pub(in crate::runtime) fn apply<T: MatmulElement>(self, before: impl FnOnce() -> T, sum: T) -> T {
        match self {
            Accumulation::Overwrite => sum,
            Accumulation::Add => before().plus(sum),
            Accumulation::Subtract => before().minus(sum),
        }
    }
}

/// An axis of independent products. Strides are in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchStrides {
    pub(crate) size: usize,
    pub(crate) a: isize,
    pub(crate) b: isize,
    pub(crate) c: isize,
}

/// `C[i, j] = Σₚ A[i, p]·B[p, j]`, or `+=` or `−=`, for every index of the batch. Strides are \[row, column\] in elements.
///
/// A and B may have any strides, 0 and negative ones among them. Elements of C must not share memory; one of its
/// strides should be 1, since C is slow to write otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MatmulDescriptor {
    pub(crate) batch: SmallVec<[BatchStrides; 2]>,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: [isize; 2],
    pub(crate) b: [isize; 2],
    pub(crate) c: [isize; 2],
    pub(crate) output: Accumulation,
    pub(crate) dtype: DType,
}

/// The first elements (index 0 along every axis) of the operands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatmulOperands {
    pub(crate) a: *const u8,
    pub(crate) b: *const u8,
    pub(crate) c: *mut u8,
}

/// The part of C that one task computes; indices of the batch count its axes with the last running fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MatmulBlock {
    pub(crate) batches: Range<usize>,
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

impl MatmulDescriptor {
    pub(in crate::runtime) fn n_batches(&self) -> usize {
        self.batch.iter().map(|batch| batch.size).product()
    }

    /// The transposed problem, Cᵀ = Bᵀ·Aᵀ.
    pub(super) fn transposed(&self) -> MatmulDescriptor {
        let swap = |strides: [isize; 2]| [strides[1], strides[0]];
        let batch = self.batch.iter().map(|batch| BatchStrides { a: batch.b, b: batch.a, ..*batch }).collect();
        let (a, b, c) = (swap(self.b), swap(self.a), swap(self.c));
        MatmulDescriptor { batch, m: self.n, n: self.m, a, b, c, ..*self }
    }

    /// The offsets of a, b and c for one index of the batch.
    pub(in crate::runtime) fn offsets(&self, index: usize) -> [isize; 3] {
        let mut rest = index;
        let mut offsets = [0; 3];
        for batch in self.batch.iter().rev() {
            let position = (rest % batch.size) as isize;
            rest /= batch.size;
            for (offset, stride) in offsets.iter_mut().zip([batch.a, batch.b, batch.c]) {
                *offset += position * stride;
            }
        }
        offsets
    }
}
