//! Square matrices by elimination with partial pivoting: LU decompositions and systems of equations. In: matrices, one
//! after another. Out: a packed decomposition or a solution for each.

use super::{
    FallbackRun, KernelPart, ResolveContext,
    blocks::{BlockAlgorithms, BlockElement, TriangularMatrix, n_scratch},
    data::{SliceElement, Wide, as_numbers, each_float},
    partition::Partition,
};
use crate::{
    graph::{DType, Orientation, Solve as SolveOp},
    ops::OpError,
    runtime::instruction_set::InstructionSet,
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct LuKernel {
    n_matrices: usize,
    n: usize,
    dtype: DType,
    instruction_set: InstructionSet,
}

impl LuKernel {
    pub(super) fn resolve(place: ResolveContext<'_>) -> LuKernel {
        let (n_matrices, [n, _]) = place.matrices(0);
        LuKernel { n_matrices, n, dtype: place.output.0, instruction_set: place.instruction_set }
    }

    fn decompose_all<T: BlockElement>(&self, a: &[T], out: &mut [T], scratch: &mut [u64]) {
        if out.is_empty() {
            return;
        }
        let (n, area) = (self.n, self.n * self.n);
        let mut algorithms = BlockAlgorithms::new(n, self.instruction_set, scratch);
        for (a, packed) in a.chunks_exact(area).zip(out.chunks_exact_mut(area + n)) {
            let (factors, rows) = packed.split_at_mut(area);
            factors.copy_from_slice(a);
            rows.iter_mut().zip(0..).for_each(|(row, position)| *row = T::from_i64(position));
            algorithms.lu(factors, |upper, lower| rows.swap(upper, lower));
        }
    }
}

impl FallbackRun for LuKernel {
    fn partition(&self) -> Partition {
        let area = self.n * self.n;
        Partition::new(self.n_matrices, area + self.n, area * (2 + self.n / 3))
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

/// In f64 whatever the dtype: a part has the decomposition and the solution of one system in scratch memory, a word for
/// each number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SolveKernel {
    n_matrices: usize,
    n: usize,
    n_right: usize,
    orientation: Orientation,
    instruction_set: InstructionSet,
}

impl SolveKernel {
    pub(super) fn resolve(op: &SolveOp, place: ResolveContext<'_>) -> SolveKernel {
        let (n_matrices, [n, n_right]) = place.matrices(1);
        SolveKernel { n_matrices, n, n_right, orientation: op.orientation, instruction_set: place.instruction_set }
    }

    fn solve_all<T: Wide>(&self, a: &[T], b: &[T], out: &mut [T], scratch: &mut [u64]) {
        if out.is_empty() {
            return;
        }
        let (n, n_elements) = (self.n, self.n * self.n_right);
        let (numbers, scratch) = scratch.split_at_mut(n * n + n_elements);
        let (factors, x) = as_numbers(numbers).split_at_mut(n * n);
        let mut algorithms = BlockAlgorithms::new(n, self.instruction_set, scratch);
        let systems = a.chunks_exact(n * n).zip(b.chunks_exact(n_elements));
        for ((a, b), out) in systems.zip(out.chunks_exact_mut(n_elements)) {
            for (position, factor) in factors.iter_mut().enumerate() {
                let (row, column) = (position / n, position % n);
                let place = if self.orientation == Orientation::Plain { position } else { column * n + row };
                *factor = a[place].widened();
            }
            x.iter_mut().zip(b).for_each(|(x, b)| *x = b.widened());
            self.solve(factors, x, &mut algorithms);
            out.iter_mut().zip(&*x).for_each(|(out, x)| *out = T::rounded(*x));
        }
    }

    /// Replaces B by X, and A by its decomposition.
    fn solve(&self, factors: &mut [f64], x: &mut [f64], algorithms: &mut BlockAlgorithms<'_>) {
        let n_right = self.n_right;
        algorithms.lu(factors, |upper, lower| {
            let (above, below) = x.split_at_mut(lower * n_right);
            above[upper * n_right..][..n_right].swap_with_slice(&mut below[..n_right]);
        });
        for is_lower in [true, false] {
            let factor = TriangularMatrix { elements: factors, is_transposed: false, is_lower, has_ones: is_lower };
            algorithms.solve(&factor, x);
        }
    }
}

impl FallbackRun for SolveKernel {
    fn partition(&self) -> Partition {
        let (n, elements) = (self.n, self.n * self.n_right);
        Partition::new(self.n_matrices, elements, n * n * (2 + n / 3) + elements * (2 + n / 2))
    }

    fn n_scratch(&self) -> usize {
        if self.n_matrices * self.n_right == 0 {
            return 0;
        }
        self.n * (self.n + self.n_right) + n_scratch(DType::F64, [self.n, self.n_right], self.instruction_set)
    }

    fn run(&self, KernelPart { units, operands, out, scratch }: KernelPart<'_>) -> Result<(), OpError> {
        let (area, elements) = (self.n * self.n, self.n * self.n_right);
        each_float!(out, out => {
            let a = &SliceElement::as_slice(&operands[0])[units.start * area..units.end * area];
            let b = &SliceElement::as_slice(&operands[1])[units.start * elements..units.end * elements];
            self.solve_all(a, b, out, scratch);
        });
        Ok(())
    }
}
