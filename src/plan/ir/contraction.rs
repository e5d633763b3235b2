//! Sums of products as products of matrices, as types: sizes and strides.

use smallvec::SmallVec;

use super::layout::StridedAxis;

/// For each b of the batch C[b] = A[b]·B[b], with A of m × k and B of k × n, all by strides in elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contraction {
    pub(crate) batch: SmallVec<[BatchAxis; 2]>,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    /// Strides of rows and columns.
    pub(crate) a: [isize; 2],
    /// Strides of rows and columns.
    pub(crate) b: [isize; 2],
    /// Strides of rows and columns.
    pub(crate) c: [isize; 2],
}

/// One axis of the batch, and its strides in A, B and C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchAxis {
    pub(crate) size: usize,
    pub(crate) strides: [isize; 3],
}

/// A matrix and a vector: the axes of the matrix, as it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MatrixVector {
    pub(crate) rows: StridedAxis,
    pub(crate) columns: StridedAxis,
    /// Distance of the elements of the vector.
    pub(crate) vector: isize,
}
