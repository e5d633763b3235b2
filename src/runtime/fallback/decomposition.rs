//! Decompositions of matrices, in f64 whatever the dtype. In: matrices, one after another. Out: the packed result of each. A
//! part has the matrix, its result and what its algorithm needs in scratch memory.

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{SliceElement, Wide, as_numbers, each_float},
    partition::Partition,
};
use crate::{
    graph::{Qr, Svd, Svdvals},
    ops::{Decomposition, MatrixSize, OpError, Spectrum, decompose},
};

/// Which decomposition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Factorization {
    Qr,
    Symmetric(Spectrum),
    Svd,
    Svdvals,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct DecompositionKernel {
    n_matrices: usize,
    size: MatrixSize,
    kind: Factorization,
}

/// Runs `$body` with the algorithm of a kind.
macro_rules! each_algorithm {
    ($kind:expr, $algorithm:ident => $body:expr) => {
        match $kind {
            Factorization::Qr => {
                let $algorithm = Qr {};
                $body
            }
            Factorization::Symmetric($algorithm) => $body,
            Factorization::Svd => {
                let $algorithm = Svd {};
                $body
            }
            Factorization::Svdvals => {
                let $algorithm = Svdvals {};
                $body
            }
        }
    };
}

impl DecompositionKernel {
    pub(super) fn resolve(kind: Factorization, place: ResolveContext<'_>) -> DecompositionKernel {
        let (n_matrices, [rows, columns]) = place.matrices(0);
        let size = MatrixSize { rows, columns };
        DecompositionKernel { n_matrices, size, kind }
    }

    fn n_packed(&self) -> usize {
        each_algorithm!(self.kind, algorithm => Decomposition::<f64>::n_packed(&algorithm, self.size))
    }

    fn decompose_all<T: Wide>(&self, matrices: &[T], out: &mut [T], scratch: &mut [u64]) {
        if out.is_empty() {
            return;
        }
        let (a, rest) = as_numbers(scratch).split_at_mut(self.size.n_elements());
        let (packed, scratch) = rest.split_at_mut(self.n_packed());
        for (matrix, out) in matrices.chunks_exact(a.len()).zip(out.chunks_exact_mut(packed.len())) {
            a.iter_mut().zip(matrix).for_each(|(a, element)| *a = element.widened());
            each_algorithm!(self.kind, algorithm => decompose(&algorithm, a, self.size, packed, scratch));
            out.iter_mut().zip(&*packed).for_each(|(out, number)| *out = T::rounded(*number));
        }
    }
}

impl FallbackRun for DecompositionKernel {
    fn partition(&self) -> Partition {
        let (MatrixSize { columns: n, .. }, n_elements) = (self.size, self.size.n_elements());
        let work = match self.kind {
            Factorization::Qr => n_elements * (4 + 2 * n),
            Factorization::Symmetric(Spectrum::Vectors) => n_elements * (30 + 5 * n),
            Factorization::Symmetric(Spectrum::Values) => n_elements * (30 + n),
            Factorization::Svd | Factorization::Svdvals => n_elements * (4 + 20 * n),
        };
        Partition::new(self.n_matrices, self.n_packed(), work)
    }

    fn n_scratch(&self) -> usize {
        if self.n_matrices * self.n_packed() == 0 {
            return 0;
        }
        let own = each_algorithm!(self.kind, algorithm => Decomposition::<f64>::n_scratch(&algorithm, self.size));
        self.size.n_elements() + self.n_packed() + own
    }

    fn run(&self, KernelPart { units, operands, out, scratch }: KernelPart<'_>) -> Result<(), OpError> {
        let n_elements = self.size.n_elements();
        let elements = units.start * n_elements..units.end * n_elements;
        each_float!(out, out => self.decompose_all(&SliceElement::as_slice(&operands[0])[elements], out, scratch));
        Ok(())
    }
}
