//! Eigenvalues and eigenvectors of symmetric matrices by tridiagonal ones. In: a square matrix, of which the symmetric part
//! counts. Out: eigenvalues in ascending order, and eigenvectors if they are asked for. Eigenvectors are rows here, so that
//! all loops are along rows; only what the processor rounds correctly is computed, so that each machine gives the same bits. Both
//! engines call this.

use std::ops::Range;

use super::{
    decomposition::{Decomposition, MatrixSize, sort},
    eigh::pack,
};

/// More steps than any eigenvalue takes; two or three are many.
const MAX_STEPS: usize = 60;

/// What is asked of a symmetric matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Spectrum {
    /// Eigenvectors, and eigenvalues in a row below them.
    Vectors,
    /// Eigenvalues.
    Values,
}

impl Decomposition<f64> for Spectrum {
    fn n_packed(&self, size: MatrixSize) -> usize {
        match self {
            Spectrum::Vectors => size.n_elements() + size.columns,
            Spectrum::Values => size.columns,
        }
    }

    /// Eigenvectors, the diagonal, what is beside it, factors of reflections, and a product.
    fn n_scratch(&self, size: MatrixSize) -> usize {
        let n_vectors = match self {
            Spectrum::Vectors => size.n_elements(),
            Spectrum::Values => 0,
        };
        n_vectors + 4 * size.columns
    }

    fn scaled(&self, size: MatrixSize) -> Range<usize> {
        let n_packed = self.n_packed(size);
        n_packed - size.columns..n_packed
    }

    fn decompose(&self, a: &mut [f64], size: MatrixSize, packed: &mut [f64], scratch: &mut [f64]) {
        let n = size.columns;
        let (numbers, vectors) = scratch.split_at_mut(4 * n);
        let (diagonal, rest) = numbers.split_at_mut(n);
        let (beside, rest) = rest.split_at_mut(n);
        let (factors, product) = rest.split_at_mut(n);
        symmetrize(a, n);
        make_tridiagonal(a, diagonal, beside, factors, product);
        match self {
            Spectrum::Vectors => {
                multiply_reflections(a, n, factors, vectors);
                diagonalize(diagonal, beside, |k, cosine, sine| {
                    let (above, below) = vectors.split_at_mut((k + 1) * n);
                    for (upper, lower) in above[k * n..].iter_mut().zip(&mut below[..n]) {
                        (*upper, *lower) = (cosine * *upper - sine * *lower, sine * *upper + cosine * *lower);
                    }
                });
                pack(vectors, diagonal, packed);
            }
            Spectrum::Values => {
                diagonalize(diagonal, beside, |_, _, _| {});
                sort(diagonal, |left, right| left < right, |_, _| {});
                packed.copy_from_slice(diagonal);
            }
        }
    }
}

fn symmetrize(a: &mut [f64], n: usize) {
    for (row, column) in (0..n).flat_map(|row| (0..row).map(move |column| (row, column))) {
        let mean = (a[row * n + column] + a[column * n + row]) * 0.5;
        (a[row * n + column], a[column * n + row]) = (mean, mean);
    }
}

/// The diagonal, and what is beside it, of a tridiagonal matrix T with A = Q·T·Qᵀ. Row k of A becomes v of the reflection
/// I − β·v·vᵀ of the axes after k, whose β is a factor, 0 where there is nothing to reflect: Q is their product, in order.
///
/// Golub and Van Loan, *Matrix Computations*, 4th edition, 2013, algorithm 8.3.1.
fn make_tridiagonal(a: &mut [f64], diagonal: &mut [f64], beside: &mut [f64], factors: &mut [f64], product: &mut [f64]) {
    let n = diagonal.len();
    for k in 0..n {
        let (done, rest) = a.split_at_mut((k + 1) * n);
        let row = &mut done[k * n + k..];
        diagonal[k] = row[0];
        let v = &mut row[1..];
        (factors[k], beside[k]) = reflection(v);
        let factor = factors[k];
        if factor == 0.0 {
            continue;
        }
        // H·A·H = A − v·wᵀ − w·vᵀ with w = β·A·v − (β²/2·vᵀ·A·v)·v; A is its own transpose.
        let w = &mut product[..v.len()];
        w.fill(0.0);
        for (v, row) in v.iter().zip(rest.chunks_exact(n)) {
            let scaled = factor * v;
            w.iter_mut().zip(&row[k + 1..]).for_each(|(w, element)| *w += scaled * element);
        }
        let along = factor / 2.0 * dot(v, w);
        w.iter_mut().zip(&*v).for_each(|(w, v)| *w -= along * v);
        for (place, row) in rest.chunks_exact_mut(n).enumerate() {
            let (of_v, of_w) = (v[place], w[place]);
            let pairs = v.iter().zip(&*w);
            row[k + 1..].iter_mut().zip(pairs).for_each(|(element, (v, w))| *element -= of_v * w + of_w * v);
        }
    }
}

/// Replaces x by v; its β, and the first element of what it becomes. Where all others are 0 there is nothing to do.
fn reflection(x: &mut [f64]) -> (f64, f64) {
    let Some((first, others)) = x.split_first_mut() else { return (0.0, 0.0) };
    if others.iter().all(|element| *element == 0.0) {
        return (0.0, *first);
    }
    let norm = (*first * *first + dot(others, others)).sqrt();
    if norm == 0.0 {
        // So small beside the greatest element that the squares underflow.
        return (0.0, 0.0);
    }
    let (image, magnitude) = (-norm.copysign(*first), first.abs());
    *first -= image;
    (1.0 / (norm * (norm + magnitude)), image)
}

/// In four partial sums, none of which waits for another.
fn dot(left: &[f64], right: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (blocks, rest) = (left.chunks_exact(4), left.len() / 4 * 4);
    for (left, right) in blocks.zip(right.chunks_exact(4)) {
        sums.iter_mut().zip(left.iter().zip(right)).for_each(|(sum, (x, y))| *sum += x * y);
    }
    let tail: f64 = left[rest..].iter().zip(&right[rest..]).map(|(x, y)| x * y).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + tail
}

/// Qᵀ. From the last reflection on, since each leaves the rows before its axes as they are.
fn multiply_reflections(a: &[f64], n: usize, factors: &[f64], rows: &mut [f64]) {
    rows.iter_mut().enumerate().for_each(|(place, element)| *element = if place % (n + 1) == 0 { 1.0 } else { 0.0 });
    for k in (0..n).rev().filter(|k| factors[*k] != 0.0) {
        let v = &a[k * n + k + 1..(k + 1) * n];
        for row in rows.chunks_exact_mut(n).skip(k + 1) {
            let row = &mut row[k + 1..];
            let along = factors[k] * dot(row, v);
            row.iter_mut().zip(v).for_each(|(element, v)| *element -= along * v);
        }
    }
}

/// Leaves the eigenvalues on the diagonal, by implicit QL steps, and tells each rotation of axes k and k + 1: cosine and sine.
/// `beside` has as many numbers as the diagonal, the last of no meaning. An element beside the diagonal counts as 0 where it is lost in the rounding of those on it.
///
/// Bowdler, Martin, Reinsch and Wilkinson, *The QR and QL algorithms for symmetric matrices*, 1968.
pub(crate) fn diagonalize(diagonal: &mut [f64], beside: &mut [f64], mut turn: impl FnMut(usize, f64, f64)) {
    let n = diagonal.len();
    for first in 0..n {
        for _ in 0..MAX_STEPS {
            let is_cut = |k: &usize| {
                let around = diagonal[*k].abs() + diagonal[*k + 1].abs();
                beside[*k].abs() <= f64::EPSILON * around + f64::MIN_POSITIVE
            };
            let last = (first..n - 1).find(is_cut).unwrap_or(n - 1);
            if last == first {
                break;
            }
            step(diagonal, beside, first, last, &mut turn);
        }
    }
}

/// One step on the block from `first` to `last`, both included.
fn step(diagonal: &mut [f64], beside: &mut [f64], first: usize, last: usize, turn: &mut impl FnMut(usize, f64, f64)) {
    let half = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let root = (half * half + 1.0).sqrt().copysign(half);
    let mut g = diagonal[last] - diagonal[first] + beside[first] / (half + root);
    let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
    for k in (first..last).rev() {
        let (f, b) = (sine * beside[k], cosine * beside[k]);
        let length = (f * f + g * g).sqrt();
        beside[k + 1] = length;
        if length == 0.0 {
            diagonal[k + 1] -= shift;
            beside[last] = 0.0;
            return;
        }
        (sine, cosine) = (f / length, g / length);
        g = diagonal[k + 1] - shift;
        let change = (diagonal[k] - g) * sine + 2.0 * cosine * b;
        shift = sine * change;
        diagonal[k + 1] = g + shift;
        g = cosine * change - b;
        turn(k, cosine, sine);
    }
    diagonal[first] -= shift;
    beside[first] = g;
    beside[last] = 0.0;
}
