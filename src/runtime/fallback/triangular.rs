//! Triangular matrices: the Cholesky decomposition, and systems of equations. In: matrices, one after another. Out: a
//! factor or a solution for each. Both eliminate an unknown from all that is left at once: the same operations as row
//! by row, but no number waits for the one just computed.

use std::ops::Range;

use super::{
    FallbackRun, ResolveContext,
    data::{Data, DataMut, SliceElement, each_float},
    partition::Partition,
};
use crate::{
    graph::{Orientation, Triangle, TriangularSolve as Op},
    ops::{OpError, Real},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct CholeskyKernel {
    n_matrices: usize,
    n: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct TriangularSolveKernel {
    n_matrices: usize,
    n: usize,
    n_right: usize,
    /// Whether the first equation has one unknown, once the matrix is transposed.
    is_lower: bool,
    /// What to add to reach the next row and the next column of the matrix as it is meant.
    steps: [usize; 2],
}

impl CholeskyKernel {
    pub(super) fn resolve(place: ResolveContext<'_>) -> CholeskyKernel {
        let (outer, [n, _]) = matrices(place.operands[0].1);
        CholeskyKernel { n_matrices: outer, n }
    }

    fn decompose_all<T: Real>(&self, a: &[T], out: &mut [T]) {
        if out.is_empty() {
            return;
        }
        let area = self.n * self.n;
        for (a, factor) in a.chunks_exact(area).zip(out.chunks_exact_mut(area)) {
            if decompose(a, self.n, factor).is_none() {
                factor.fill(T::from_f64(f64::NAN));
            }
        }
    }
}

/// The number of matrices, and the sizes of each.
fn matrices(shape: &[usize]) -> (usize, [usize; 2]) {
    let (outer, matrix) = shape.split_at(shape.len() - 2);
    (outer.iter().product(), [matrix[0], matrix[1]])
}

/// `None` at a pivot that is not positive, NaN among them.
///
/// While it runs, column k of the factor is above the diagonal too, as row k, so that the loop over what is left reads
/// along rows.
fn decompose<T: Real>(a: &[T], n: usize, factor: &mut [T]) -> Option<()> {
    let half = T::from_f64(0.5);
    for row in 0..n {
        for column in 0..=row {
            factor[row * n + column] = a[row * n + column].add(a[column * n + row]).mul(half);
        }
    }
    for k in 0..n {
        let rest = factor[k * n + k];
        let pivot = (rest > T::ZERO).then(|| rest.sqrt())?;
        factor[k * n + k] = pivot;
        let (done, left) = factor.split_at_mut((k + 1) * n);
        let column = &mut done[k * n..];
        for (row, left) in (k + 1..n).zip(left.chunks_exact_mut(n)) {
            let element = left[k].div(pivot);
            left[k] = element;
            column[row] = element;
            let products = column[k + 1..=row].iter().map(|other| element.mul(*other));
            left[k + 1..=row].iter_mut().zip(products).for_each(|(rest, product)| *rest = rest.sub(product));
        }
    }
    for row in 0..n {
        factor[row * n + row + 1..][..n - row - 1].fill(T::ZERO);
    }
    Some(())
}

impl FallbackRun for CholeskyKernel {
    fn partition(&self) -> Partition {
        Partition::new(self.n_matrices, self.n * self.n, self.n * self.n * (2 + self.n / 6))
    }

    fn run(&self, units: Range<usize>, operands: &[Data<'_>], out: DataMut<'_>, _: &mut [u64]) -> Result<(), OpError> {
        let area = self.n * self.n;
        let elements = units.start * area..units.end * area;
        each_float!(out, out => self.decompose_all(&SliceElement::as_slice(&operands[0])[elements], out));
        Ok(())
    }
}

impl TriangularSolveKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> TriangularSolveKernel {
        let (n_matrices, [n, n_right]) = matrices(place.operands[1].1);
        let is_plain = op.orientation == Orientation::Plain;
        TriangularSolveKernel {
            n_matrices,
            n,
            n_right,
            is_lower: (op.triangle == Triangle::Lower) == is_plain,
            steps: if is_plain { [n, 1] } else { [1, n] },
        }
    }

    fn solve_all<T: Real>(&self, a: &[T], out: &mut [T]) {
        if out.is_empty() {
            return;
        }
        for (a, x) in a.chunks_exact(self.n * self.n).zip(out.chunks_exact_mut(self.n * self.n_right)) {
            for step in 0..self.n {
                let known = if self.is_lower { step } else { self.n - 1 - step };
                self.eliminate(known, a, x);
            }
        }
    }

    /// Solves for row `known` of X and takes it out of the equations that are left.
    fn eliminate<T: Real>(&self, known: usize, a: &[T], x: &mut [T]) {
        let (n_right, [to_row, to_column]) = (self.n_right, self.steps);
        let pivot = a[known * (to_row + to_column)];
        let (before, rest) = x.split_at_mut(known * n_right);
        let (solved, after) = rest.split_at_mut(n_right);
        solved.iter_mut().for_each(|x| *x = x.div(pivot));
        let (first, left) = if self.is_lower { (known + 1, after) } else { (0, before) };
        if left.is_empty() {
            return;
        }
        let factors = a[first * to_row + known * to_column..].iter().step_by(to_row);
        if let [solved] = solved {
            return left.iter_mut().zip(factors).for_each(|(x, factor)| *x = x.sub(factor.mul(*solved)));
        }
        for (row, factor) in left.chunks_exact_mut(n_right).zip(factors) {
            row.iter_mut().zip(&*solved).for_each(|(x, solved)| *x = x.sub(factor.mul(*solved)));
        }
    }
}

impl FallbackRun for TriangularSolveKernel {
    fn partition(&self) -> Partition {
        let elements = self.n * self.n_right;
        Partition::new(self.n_matrices, elements, elements * (2 + self.n / 4))
    }

    fn run(&self, units: Range<usize>, operands: &[Data<'_>], out: DataMut<'_>, _: &mut [u64]) -> Result<(), OpError> {
        let (area, elements) = (self.n * self.n, self.n * self.n_right);
        each_float!(out, out => {
            out.copy_from_slice(&SliceElement::as_slice(&operands[1])[units.start * elements..units.end * elements]);
            self.solve_all(&SliceElement::as_slice(&operands[0])[units.start * area..units.end * area], out);
        });
        Ok(())
    }
}
