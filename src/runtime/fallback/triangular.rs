//! Triangular matrices: the Cholesky decomposition, and systems of equations. In: matrices, one after another. Out: a
//! factor or a solution for each.

use super::{
    FallbackRun, KernelPart, ResolveContext,
    blocks::{BlockAlgorithms, BlockElement, TriangularMatrix, n_scratch},
    data::{SliceElement, each_float},
    partition::Partition,
};
use crate::{
    graph::{DType, Orientation, Triangle, TriangularSolve as Op},
    ops::OpError,
    runtime::instruction_set::InstructionSet,
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct CholeskyKernel {
    n_matrices: usize,
    n: usize,
    dtype: DType,
    instruction_set: InstructionSet,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct TriangularSolveKernel {
    n_matrices: usize,
    n: usize,
    n_right: usize,
    dtype: DType,
    is_transposed: bool,
    /// Whether the first equation has one unknown, once the matrix is transposed.
    is_lower: bool,
    instruction_set: InstructionSet,
}

impl CholeskyKernel {
    pub(super) fn resolve(place: ResolveContext<'_>) -> CholeskyKernel {
        let (n_matrices, [n, _]) = place.matrices(0);
        CholeskyKernel { n_matrices, n, dtype: place.output.0, instruction_set: place.instruction_set }
    }

    fn decompose_all<T: BlockElement>(&self, a: &[T], out: &mut [T], scratch: &mut [u64]) {
        if out.is_empty() {
            return;
        }
        let (n, area) = (self.n, self.n * self.n);
        let mut algorithms = BlockAlgorithms::new(n, self.instruction_set, scratch);
        for (a, factor) in a.chunks_exact(area).zip(out.chunks_exact_mut(area)) {
            symmetrize(a, n, factor);
            match algorithms.cholesky(factor) {
                Some(()) => (0..n).for_each(|row| factor[row * n + row + 1..][..n - row - 1].fill(T::ZERO)),
                None => factor.fill(T::from_f64(f64::NAN)),
            }
        }
    }
}

/// Rows and columns that are read together, so that what is read along a column is still in the first-level cache for the next one.
const TILE: usize = 32;

/// The mean of A and Aᵀ, below the diagonal and on it.
fn symmetrize<T: BlockElement>(a: &[T], n: usize, mean: &mut [T]) {
    let half = T::from_f64(0.5);
    for rows in (0..n).step_by(TILE).map(|first| first..n.min(first + TILE)) {
        for first in (0..rows.end).step_by(TILE) {
            for row in rows.clone() {
                for column in first..(row + 1).min(first + TILE) {
                    mean[row * n + column] = a[row * n + column].add(a[column * n + row]).mul(half);
                }
            }
        }
    }
}

impl FallbackRun for CholeskyKernel {
    fn partition(&self) -> Partition {
        Partition::new(self.n_matrices, self.n * self.n, self.n * self.n * (2 + self.n / 6))
    }

    fn n_scratch(&self) -> usize {
        if self.n_matrices == 0 { 0 } else { n_scratch(self.dtype, [self.n; 2], self.instruction_set) }
    }

    fn run(&self, KernelPart { units, operands, out, scratch }: KernelPart<'_>) -> Result<(), OpError> {
        let area = self.n * self.n;
        let elements = units.start * area..units.end * area;
        each_float!(out, out => self.decompose_all(&SliceElement::as_slice(&operands[0])[elements], out, scratch));
        Ok(())
    }
}

impl TriangularSolveKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> TriangularSolveKernel {
        let (n_matrices, [n, n_right]) = place.matrices(1);
        let is_plain = op.orientation == Orientation::Plain;
        TriangularSolveKernel {
            n_matrices,
            n,
            n_right,
            dtype: place.output.0,
            is_transposed: !is_plain,
            is_lower: (op.triangle == Triangle::Lower) == is_plain,
            instruction_set: place.instruction_set,
        }
    }

    fn solve_all<T: BlockElement>(&self, a: &[T], out: &mut [T], scratch: &mut [u64]) {
        if out.is_empty() {
            return;
        }
        let (n, is_transposed, is_lower) = (self.n, self.is_transposed, self.is_lower);
        let mut algorithms = BlockAlgorithms::new(n, self.instruction_set, scratch);
        for (elements, x) in a.chunks_exact(n * n).zip(out.chunks_exact_mut(n * self.n_right)) {
            algorithms.solve(&TriangularMatrix { elements, is_transposed, is_lower, has_ones: false }, x);
        }
    }
}

impl FallbackRun for TriangularSolveKernel {
    fn partition(&self) -> Partition {
        let elements = self.n * self.n_right;
        Partition::new(self.n_matrices, elements, elements * (2 + self.n / 4))
    }

    fn n_scratch(&self) -> usize {
        let is_empty = self.n_matrices * self.n_right == 0;
        if is_empty { 0 } else { n_scratch(self.dtype, [self.n, self.n_right], self.instruction_set) }
    }

    fn run(&self, KernelPart { units, operands, out, scratch }: KernelPart<'_>) -> Result<(), OpError> {
        let (area, elements) = (self.n * self.n, self.n * self.n_right);
        each_float!(out, out => {
            out.copy_from_slice(&SliceElement::as_slice(&operands[1])[units.start * elements..units.end * elements]);
            self.solve_all(&SliceElement::as_slice(&operands[0])[units.start * area..units.end * area], out, scratch);
        });
        Ok(())
    }
}
