//! The nearest matrix with orthogonal rows or columns, roughly. In: a matrix in scratch memory. Out: one with the same singular
//! vectors, whose singular values are near 1. Products are cut by their sizes alone and each sum is made in order, without
//! fused additions, so that the bits are the same on any number of threads and any machine.

use super::ranges::{self, Ranges};
use crate::{
    parameters::{FloatElement, norm_of_slice},
    vectorize::Loop,
};

/// X ← a X + (b A + c A²) X with A = X Xᵀ: the polynomial a s + b s³ + c s⁵ of each singular value s.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];

const N_ITERATIONS: usize = 5;

/// How many elements of scratch memory a matrix takes, itself included.
pub(super) fn n_scratch([n_rows, n_columns]: [usize; 2]) -> usize {
    let n_short = n_rows.min(n_columns);
    2 * n_rows * n_columns + 2 * n_short * n_short
}

/// Takes the matrix in the first elements of the scratch memory to its polar factor, roughly: its singular values, divided by
/// its Frobenius norm and so at most 1, are taken five times by a polynomial that is steep at 0, which brings them to between
/// 0.7 and 1.2 unless they were below a hundredth. A matrix of zeros stays one.
pub(super) fn orthogonalize<T: FloatElement + Into<f64>>([n_rows, n_columns]: [usize; 2], scratch: &mut [T]) {
    let n_elements = n_rows * n_columns;
    let (matrix, rest) = scratch.split_at_mut(n_elements);
    let norm = norm_of_slice(matrix);
    if norm == 0.0 {
        return;
    }
    // As PyTorch divides: what is left of a gradient that is gone does not move at the full rate.
    let norm = T::from_f64(norm.max(1e-7));
    matrix.iter_mut().for_each(|x| *x /= norm);
    let (other, rest) = rest.split_at_mut(n_elements);
    let n_short = n_rows.min(n_columns);
    let (gram, rest) = rest.split_at_mut(n_short * n_short);
    let polynomial = &mut rest[..n_short * n_short];
    // Of rows that are no longer than columns, since A is as large as there are rows.
    if n_rows > n_columns {
        transpose([n_rows, n_columns], matrix, other);
        matrix.copy_from_slice(other);
    }
    let shape = [n_short, n_rows.max(n_columns)];
    for _ in 0..N_ITERATIONS {
        iterate(shape, matrix, other, gram, polynomial);
    }
    if n_rows > n_columns {
        transpose(shape, matrix, other);
        matrix.copy_from_slice(other);
    }
}

fn iterate<T: FloatElement>(
    [n_rows, n_columns]: [usize; 2],
    matrix: &mut [T],
    other: &mut [T],
    gram: &mut [T],
    polynomial: &mut [T],
) {
    let [a, b, c] = COEFFICIENTS.map(T::from_f64);
    transpose([n_rows, n_columns], matrix, other);
    let product =
        |left, right, n_inner, base, factor| Product { left, right, n_inner, n_columns: n_rows, base, factor };
    product(&*matrix, &*other, n_columns, None, T::one()).run_into(gram);
    product(&*gram, &*gram, n_rows, Some((b, &*gram)), c).run_into(polynomial);
    let (polynomial, base) = (&*polynomial, Some((a, &*matrix)));
    Product { left: polynomial, right: &*matrix, n_inner: n_rows, n_columns, base, factor: T::one() }.run_into(other);
    matrix.copy_from_slice(other);
}

fn transpose<T: Copy>([n_rows, n_columns]: [usize; 2], from: &[T], to: &mut [T]) {
    for (row, elements) in from.chunks_exact(n_columns).enumerate().take(n_rows) {
        elements.iter().enumerate().for_each(|(column, x)| to[column * n_rows + row] = *x);
    }
}

/// `factor` times a product, added to a multiple of a base if there is one; all row-major without gaps.
struct Product<'a, T> {
    left: &'a [T],
    right: &'a [T],
    n_inner: usize,
    n_columns: usize,
    base: Option<(T, &'a [T])>,
    factor: T,
}

/// Multiplications from which on threads gain more than it costs to wake them.
const MIN_MULTIPLICATIONS: usize = 1 << 20;

/// Parts that the rows of a product are cut into.
const N_PARTS: usize = 16;

/// Rows and columns of a block whose sums are in registers.
const BLOCK: [usize; 2] = [4, 16];

impl<T: FloatElement> Product<'_, T> {
    fn run_into(self, result: &mut [T]) {
        let n_rows = result.len() / self.n_columns;
        let is_large = result.len().saturating_mul(self.n_inner) >= MIN_MULTIPLICATIONS;
        let length = if is_large { n_rows.div_ceil(N_PARTS).next_multiple_of(BLOCK[0]) } else { n_rows };
        ranges::run_cut(ProductRows { product: self, result }, length);
    }

    /// The sums of one block of the product of some rows.
    #[inline(always)]
    fn sums(&self, start: [usize; 2], size: [usize; 2]) -> [[T; BLOCK[1]]; BLOCK[0]] {
        if size == BLOCK { self.sums_of_block(start) } else { self.sums_at_edge(start, size) }
    }

    /// Of a whole block: all bounds of the sums are constants, so that the compiler keeps them in registers. It would not if
    /// they shared their memory with those of an edge.
    #[inline(always)]
    fn sums_of_block(&self, [row, column]: [usize; 2]) -> [[T; BLOCK[1]]; BLOCK[0]] {
        let rows: [&[T]; BLOCK[0]] = std::array::from_fn(|i| &self.left[(row + i) * self.n_inner..][..self.n_inner]);
        let mut sums = [[T::zero(); BLOCK[1]]; BLOCK[0]];
        for inner in 0..self.n_inner {
            let right = self.right[inner * self.n_columns + column..].first_chunk::<{ BLOCK[1] }>();
            let right = right.expect("invariant: a block lies within the columns");
            for (sums, row) in sums.iter_mut().zip(rows) {
                let left = row[inner];
                sums.iter_mut().zip(right).for_each(|(sum, x)| *sum += left * *x);
            }
        }
        sums
    }

    /// Of what is left at the end of rows or columns.
    #[inline(always)]
    fn sums_at_edge(&self, [row, column]: [usize; 2], [height, width]: [usize; 2]) -> [[T; BLOCK[1]]; BLOCK[0]] {
        let mut sums = [[T::zero(); BLOCK[1]]; BLOCK[0]];
        for inner in 0..self.n_inner {
            let right = &self.right[inner * self.n_columns + column..][..width];
            for (i, sums) in sums.iter_mut().enumerate().take(height) {
                let left = self.left[(row + i) * self.n_inner + inner];
                sums.iter_mut().zip(right).for_each(|(sum, x)| *sum += left * *x);
            }
        }
        sums
    }
}

/// Some rows of a product; `left` and the base have those rows alone.
struct ProductRows<'a, T> {
    product: Product<'a, T>,
    result: &'a mut [T],
}

impl<T: FloatElement> Ranges for ProductRows<'_, T> {
    const BYTES: usize = size_of::<T>();

    /// Rows.
    fn n_elements(&self) -> usize {
        self.result.len() / self.product.n_columns
    }

    fn split_at(self, n: usize) -> (Self, Self) {
        let Product { left, right, n_inner, n_columns, base, factor } = self.product;
        let (result, other_result) = self.result.split_at_mut(n * n_columns);
        let (left, other_left) = left.split_at(n * n_inner);
        let bases = base.map(|(multiple, base)| (multiple, base.split_at(n * n_columns)));
        let base = bases.map(|(multiple, (base, _))| (multiple, base));
        let other_base = bases.map(|(multiple, (_, base))| (multiple, base));
        let product = |left, base| Product { left, right, n_inner, n_columns, base, factor };
        let others = ProductRows { product: product(other_left, other_base), result: other_result };
        (ProductRows { product: product(left, base), result }, others)
    }
}

impl<T: FloatElement> Loop for ProductRows<'_, T> {
    #[inline(always)]
    fn run(self) {
        let ProductRows { product, result } = self;
        let n_columns = product.n_columns;
        let n_rows = result.len() / n_columns;
        for column in (0..n_columns).step_by(BLOCK[1]) {
            for row in (0..n_rows).step_by(BLOCK[0]) {
                let [height, width] = [BLOCK[0].min(n_rows - row), BLOCK[1].min(n_columns - column)];
                let sums = product.sums([row, column], [height, width]);
                for (i, sums) in sums.iter().enumerate().take(height) {
                    let start = (row + i) * n_columns + column;
                    for (position, sum) in (start..start + width).zip(sums) {
                        let scaled = product.factor * *sum;
                        result[position] =
                            product.base.map_or(scaled, |(multiple, base)| multiple * base[position] + scaled);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, seed: f64) -> Vec<f64> {
        (0..n).map(|i| (seed + i as f64 * 1.7).sin()).collect()
    }

    #[test]
    fn products_of_any_size_are_sums_in_order() {
        for [m, k, n] in [[1, 1, 1], [4, 3, 32], [5, 7, 33], [9, 2, 70], [3, 40, 31], [96, 110, 128]] {
            let (left, right, base) = (wave(m * k, 0.3), wave(k * n, 0.7), wave(m * n, 0.1));
            let mut result = vec![f64::NAN; m * n];
            let based = Some((0.5, &base[..]));
            let product = Product { left: &left, right: &right, n_inner: k, n_columns: n, base: based, factor: 2.0 };
            product.run_into(&mut result);
            for (position, found) in result.iter().enumerate() {
                let (row, column) = (position / n, position % n);
                let sum = (0..k).fold(0.0, |sum, i| sum + left[row * k + i] * right[i * n + column]);
                assert_eq!(*found, 0.5 * base[position] + 2.0 * sum, "{m}×{k}×{n} at {position}");
            }
        }
    }

    /// Of a diagonal matrix the singular values are seen.
    #[test]
    fn singular_values_come_near_1_and_vectors_stay() {
        for shape in [[3, 3], [3, 5], [5, 3]] {
            let mut scratch = vec![0.0f64; n_scratch(shape)];
            let singular = [4.0, 1.0, 0.2];
            singular.iter().enumerate().for_each(|(i, s)| scratch[i * shape[1] + i] = *s);
            orthogonalize(shape, &mut scratch);
            for (position, x) in scratch[..shape[0] * shape[1]].iter().enumerate() {
                let is_diagonal = position / shape[1] == position % shape[1];
                assert!(if is_diagonal { (0.6..1.3).contains(x) } else { *x == 0.0 }, "{shape:?} at {position}: {x}");
            }
        }
        let mut zeros = vec![0.0f32; n_scratch([2, 3])];
        orthogonalize([2, 3], &mut zeros);
        assert!(zeros.iter().all(|x| *x == 0.0));
    }
}
