//! Square matrices by elimination with partial pivoting: LU decompositions and systems of equations. In: matrices, one
//! after another. Out: a packed decomposition or a solution for each.

use std::ops::Range;

use super::{
    FallbackRun, ResolveContext,
    data::{Data, DataMut, SliceElement, Wide, each_float},
    partition::Partition,
};
use crate::{
    graph::{Orientation, Solve as SolveOp},
    ops::{OpError, Real},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct LuKernel {
    n_matrices: usize,
    n: usize,
}

impl LuKernel {
    pub(super) fn resolve(place: ResolveContext<'_>) -> LuKernel {
        let (outer, matrix) = place.operands[0].1.split_at(place.operands[0].1.len() - 2);
        LuKernel { n_matrices: outer.iter().product(), n: matrix[0] }
    }

    fn decompose_all<T: Real>(&self, a: &[T], out: &mut [T]) {
        if out.is_empty() {
            return;
        }
        let (n, area) = (self.n, self.n * self.n);
        for (a, packed) in a.chunks_exact(area).zip(out.chunks_exact_mut(area + n)) {
            let (factors, rows) = packed.split_at_mut(area);
            factors.copy_from_slice(a);
            rows.iter_mut().zip(0..).for_each(|(row, position)| *row = T::from_i64(position));
            decompose(factors, n, |left, right| rows.swap(left, right));
        }
    }
}

/// Replaces A by L − I + U row by row, and tells which rows change places.
fn decompose<T: Real>(a: &mut [T], n: usize, mut swapped: impl FnMut(usize, usize)) {
    for k in 0..n {
        let better = |best: usize, row: usize| if a[row * n + k].abs() > a[best * n + k].abs() { row } else { best };
        let pivot = (k + 1..n).fold(k, better);
        if pivot != k {
            let (upper, lower) = a.split_at_mut(pivot * n);
            upper[k * n..][..n].swap_with_slice(&mut lower[..n]);
            swapped(k, pivot);
        }
        let (done, left) = a.split_at_mut((k + 1) * n);
        let row_of_pivot = &done[k * n..];
        let divisor = row_of_pivot[k];
        if divisor == T::ZERO {
            continue;
        }
        for row in left.chunks_exact_mut(n) {
            let factor = row[k].div(divisor);
            row[k] = factor;
            let pairs = row[k + 1..].iter_mut().zip(&row_of_pivot[k + 1..]);
            pairs.for_each(|(element, above)| *element = element.sub(factor.mul(*above)));
        }
    }
}

impl FallbackRun for LuKernel {
    fn partition(&self) -> Partition {
        let area = self.n * self.n;
        Partition::new(self.n_matrices, area + self.n, area * (2 + self.n / 3))
    }

    fn run(&self, units: Range<usize>, operands: &[Data<'_>], out: DataMut<'_>, _: &mut [u64]) -> Result<(), OpError> {
        let area = self.n * self.n;
        let elements = units.start * area..units.end * area;
        each_float!(out, out => self.decompose_all(&SliceElement::as_slice(&operands[0])[elements], out));
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
}

impl SolveKernel {
    pub(super) fn resolve(op: &SolveOp, place: ResolveContext<'_>) -> SolveKernel {
        let (outer, matrix) = place.operands[1].1.split_at(place.operands[1].1.len() - 2);
        let n_matrices = outer.iter().product();
        SolveKernel { n_matrices, n: matrix[0], n_right: matrix[1], orientation: op.orientation }
    }

    fn solve_all<T: Wide>(&self, a: &[T], b: &[T], out: &mut [T], scratch: &mut [u64]) {
        if out.is_empty() {
            return;
        }
        let (n, n_elements) = (self.n, self.n * self.n_right);
        let (factors, x) = scratch.split_at_mut(n * n);
        let systems = a.chunks_exact(n * n).zip(b.chunks_exact(n_elements));
        for ((a, b), out) in systems.zip(out.chunks_exact_mut(n_elements)) {
            for (position, factor) in factors.iter_mut().enumerate() {
                let (row, column) = (position / n, position % n);
                let place = if self.orientation == Orientation::Plain { position } else { column * n + row };
                *factor = a[place].widened().to_bits();
            }
            x.iter_mut().zip(b).for_each(|(x, b)| *x = b.widened().to_bits());
            self.solve(factors, x);
            out.iter_mut().zip(&*x).for_each(|(out, x)| *out = T::rounded(f64::from_bits(*x)));
        }
    }

    /// Replaces B by X, and A by its decomposition.
    fn solve(&self, factors: &mut [u64], x: &mut [u64]) {
        let (n, n_right) = (self.n, self.n_right);
        for k in 0..n {
            let size = |row: usize| f64::from_bits(factors[row * n + k]).abs();
            let pivot = (k + 1..n).fold(k, |best, row| if size(row) > size(best) { row } else { best });
            if pivot != k {
                swap_rows(factors, n, k, pivot);
                swap_rows(x, n_right, k, pivot);
            }
            let divisor = f64::from_bits(factors[k * n + k]);
            let (done, left) = factors.split_at_mut((k + 1) * n);
            let (known, unknown) = x.split_at_mut((k + 1) * n_right);
            for (row, x) in left.chunks_exact_mut(n).zip(unknown.chunks_exact_mut(n_right)) {
                // As it is where the column has zeros alone.
                let element = f64::from_bits(row[k]);
                let factor = if divisor == 0.0 { element } else { element / divisor };
                if divisor != 0.0 {
                    subtract(&mut row[k + 1..], factor, &done[k * n + k + 1..]);
                }
                subtract(x, factor, &known[k * n_right..]);
            }
        }
        for known in (0..n).rev() {
            let divisor = f64::from_bits(factors[known * n + known]);
            let (unknown, solved) = x.split_at_mut(known * n_right);
            let solved = &mut solved[..n_right];
            solved.iter_mut().for_each(|x| *x = (f64::from_bits(*x) / divisor).to_bits());
            for (row, x) in unknown.chunks_exact_mut(n_right).enumerate() {
                subtract(x, f64::from_bits(factors[row * n + known]), solved);
            }
        }
    }
}

fn swap_rows(rows: &mut [u64], width: usize, upper: usize, lower: usize) {
    let (above, below) = rows.split_at_mut(lower * width);
    above[upper * width..][..width].swap_with_slice(&mut below[..width]);
}

/// row −= factor · other.
fn subtract(row: &mut [u64], factor: f64, other: &[u64]) {
    for (element, other) in row.iter_mut().zip(other) {
        *element = (f64::from_bits(*element) - factor * f64::from_bits(*other)).to_bits();
    }
}

impl FallbackRun for SolveKernel {
    fn partition(&self) -> Partition {
        let (n, elements) = (self.n, self.n * self.n_right);
        Partition::new(self.n_matrices, elements, n * n * (2 + n / 3) + elements * (2 + n / 2))
    }

    fn n_scratch(&self) -> usize {
        if self.n_matrices * self.n_right == 0 { 0 } else { self.n * (self.n + self.n_right) }
    }

    fn run(
        &self,
        units: Range<usize>,
        operands: &[Data<'_>],
        out: DataMut<'_>,
        scratch: &mut [u64],
    ) -> Result<(), OpError> {
        let (area, elements) = (self.n * self.n, self.n * self.n_right);
        each_float!(out, out => {
            let a = &SliceElement::as_slice(&operands[0])[units.start * area..units.end * area];
            let b = &SliceElement::as_slice(&operands[1])[units.start * elements..units.end * elements];
            self.solve_all(a, b, out, scratch);
        });
        Ok(())
    }
}
