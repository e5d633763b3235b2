//! Eigenvalues of symmetric matrices. In: a dense or a tridiagonal matrix. Out: all its eigenvalues in ascending order, of
//! a tridiagonal one some rows of its eigenvectors too. Nothing here knows where the matrix comes from.

use ndarray::{Array1, Array2, Axis, s};

/// A symmetric tridiagonal matrix.
#[derive(Debug, Clone)]
pub(super) struct Tridiagonal {
    pub(super) diagonal: Vec<f64>,
    /// The element between each of the diagonal and the next.
    pub(super) off_diagonal: Vec<f64>,
}

/// All eigenvalues of a symmetric matrix, in ascending order.
///
/// # Complexity
/// 4/3·n³ floating-point operations.
pub(super) fn eigenvalues(matrix: Array2<f64>) -> Vec<f64> {
    let n = matrix.nrows();
    let scale = matrix.iter().fold(0.0f64, |scale, element| scale.max(element.abs()));
    if scale == 0.0 {
        return vec![0.0; n];
    }
    // Squares of the elements must not overflow.
    let (mut values, _) = tridiagonal(matrix / scale).eigen(Array2::zeros((0, n)));
    values.iter_mut().for_each(|value| *value *= scale);
    values
}

/// A tridiagonal matrix with the eigenvalues of a dense one, by reflections.
///
/// # Source
/// Golub and Van Loan, *Matrix Computations*, 4th edition, 2013, algorithm 8.3.1.
fn tridiagonal(mut a: Array2<f64>) -> Tridiagonal {
    let n = a.nrows();
    let mut off_diagonal = Vec::with_capacity(n.saturating_sub(1));
    for column in 0..n.saturating_sub(1) {
        let mut v: Array1<f64> = a.slice(s![column + 1.., column]).to_owned();
        let norm = v.dot(&v).sqrt();
        let image = -norm.copysign(v[0]);
        v[0] -= image;
        let length = v.dot(&v).sqrt();
        off_diagonal.push(image);
        if length == 0.0 {
            continue;
        }
        v /= length;
        // H·A·H = A − v·wᵀ − w·vᵀ with H = I − 2·v·vᵀ.
        let mut rest = a.slice_mut(s![column + 1.., column + 1..]);
        let mut w = rest.dot(&v) * 2.0;
        let along = v.dot(&w);
        w.scaled_add(-along, &v);
        for (row, mut elements) in rest.axis_iter_mut(Axis(0)).enumerate() {
            elements.scaled_add(-v[row], &w);
            elements.scaled_add(-w[row], &v);
        }
    }
    Tridiagonal { diagonal: a.diag().to_vec(), off_diagonal }
}

impl Tridiagonal {
    /// Eigenvalues in ascending order, and `rows`·V with the eigenvectors in the columns of V: the identity gives V itself,
    /// a row of it that row.
    ///
    /// # Complexity
    /// O(n²) for the eigenvalues, and as much for each row.
    ///
    /// # Source
    /// Golub and Van Loan, *Matrix Computations*, 4th edition, 2013, algorithms 8.3.2 and 8.3.3: QR steps with
    /// Wilkinson's shift.
    pub(super) fn eigen(mut self, mut rows: Array2<f64>) -> (Vec<f64>, Array2<f64>) {
        let magnitudes = self.diagonal.iter().chain(&self.off_diagonal).map(|element| element.abs());
        let scale = magnitudes.fold(0.0f64, f64::max);
        if scale > 0.0 {
            self.diagonal.iter_mut().chain(&mut self.off_diagonal).for_each(|element| *element /= scale);
            self.diagonalize(&mut rows);
            self.diagonal.iter_mut().for_each(|element| *element *= scale);
        }
        let mut order: Vec<usize> = (0..self.diagonal.len()).collect();
        order.sort_by(|left, right| self.diagonal[*left].total_cmp(&self.diagonal[*right]));
        (order.iter().map(|position| self.diagonal[*position]).collect(), rows.select(Axis(1), &order))
    }

    fn diagonalize(&mut self, rows: &mut Array2<f64>) {
        let mut end = self.diagonal.len() - 1;
        let mut steps_left = 60 * self.diagonal.len();
        while end > 0 {
            if self.is_negligible(end - 1) {
                end -= 1;
                continue;
            }
            let start = (0..end - 1).rev().find(|position| self.is_negligible(*position)).map_or(0, |cut| cut + 1);
            self.step(start, end, rows);
            steps_left = steps_left.checked_sub(1).expect("invariant: QR steps of finite numbers converge");
        }
    }

    /// Whether an element beside the diagonal is lost in the rounding of those on it.
    fn is_negligible(&self, position: usize) -> bool {
        let beside = self.diagonal[position].abs() + self.diagonal[position + 1].abs();
        self.off_diagonal[position].abs() <= f64::EPSILON * beside + f64::MIN_POSITIVE
    }

    /// One implicit QR step on the block from `start` to `end`, both included, by rotations that chase a bulge.
    fn step(&mut self, start: usize, end: usize, rows: &mut Array2<f64>) {
        let Tridiagonal { diagonal, off_diagonal } = self;
        let (half, last) = ((diagonal[end - 1] - diagonal[end]) / 2.0, off_diagonal[end - 1]);
        let shift = diagonal[end] - last * (last / (half + half.hypot(last).copysign(half)));
        let (mut x, mut bulge) = (diagonal[start] - shift, off_diagonal[start]);
        for rotation in start..end {
            let length = x.hypot(bulge);
            let (cosine, sine) = if length == 0.0 { (1.0, 0.0) } else { (x / length, bulge / length) };
            if rotation > start {
                off_diagonal[rotation - 1] = length;
            }
            let (upper, lower, beside) = (diagonal[rotation], diagonal[rotation + 1], off_diagonal[rotation]);
            let mixed = 2.0 * cosine * sine * beside;
            diagonal[rotation] = cosine * cosine * upper + mixed + sine * sine * lower;
            diagonal[rotation + 1] = sine * sine * upper - mixed + cosine * cosine * lower;
            off_diagonal[rotation] = cosine * sine * (lower - upper) + (cosine * cosine - sine * sine) * beside;
            if rotation + 1 < end {
                (x, bulge) = (off_diagonal[rotation], sine * off_diagonal[rotation + 1]);
                off_diagonal[rotation + 1] *= cosine;
            }
            for mut row in rows.rows_mut() {
                let (left, right) = (row[rotation], row[rotation + 1]);
                row[rotation] = cosine * left + sine * right;
                row[rotation + 1] = cosine * right - sine * left;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The second difference of n points: 2 − 2·cos(kπ/(n + 1)), k from 1 to n.
    #[test]
    fn the_spectrum_of_the_second_difference() {
        for n in [1usize, 2, 3, 17, 100] {
            let matrix = Tridiagonal { diagonal: vec![2.0; n], off_diagonal: vec![-1.0; n - 1] };
            let (found, vectors) = matrix.eigen(Array2::eye(n));
            for (k, value) in found.iter().enumerate() {
                let angle = (k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64;
                assert!((value - (2.0 - 2.0 * angle.cos())).abs() < 1e-14, "{n}, {k}: {value}");
            }
            let product = vectors.t().dot(&vectors) - Array2::<f64>::eye(n);
            assert!(product.iter().all(|element| element.abs() < 1e-13), "{n}");
        }
    }

    /// Q·diag·Qᵀ with Q of random reflections.
    #[test]
    fn a_dense_matrix_has_the_spectrum_that_it_was_made_of() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for scale in [1e-170, 1.0, 1e170] {
            let mut spectrum: Vec<f64> = (0..40).map(|k| if k < 5 { 3.0 } else { f64::from(k * k) - 200.0 }).collect();
            let mut matrix = Array2::from_diag(&Array1::from(spectrum.clone()));
            for _ in 0..40 {
                let v = Array1::from_shape_simple_fn(40, || rng.random::<f64>() - 0.5);
                let v = &v / v.dot(&v).sqrt();
                let outer = v.view().insert_axis(Axis(1)).dot(&v.view().insert_axis(Axis(0)));
                let reflection = Array2::<f64>::eye(40) - outer * 2.0;
                matrix = reflection.dot(&matrix).dot(&reflection);
            }
            spectrum.sort_by(f64::total_cmp);
            for (found, expected) in eigenvalues(matrix * scale).iter().zip(&spectrum) {
                // Forty reflections of rounding, relative to the greatest eigenvalue.
                assert!((found / scale - expected).abs() < 1e-11, "{found} at {scale} is not {expected}");
            }
        }
    }

    #[test]
    fn small_and_degenerate_matrices() {
        assert_eq!(eigenvalues(Array2::zeros((3, 3))), [0.0; 3]);
        assert_eq!(eigenvalues(Array2::from_elem((1, 1), -7.0)), [-7.0]);
        assert_eq!(eigenvalues(Array2::eye(4)), [1.0; 4]);
        assert_eq!(eigenvalues(Array2::zeros((0, 0))), [] as [f64; 0]);
        let graded = Tridiagonal { diagonal: vec![1.0, 1e-8, 1e-16], off_diagonal: vec![1e-5, 1e-13] };
        let (values, _) = graded.eigen(Array2::zeros((0, 3)));
        assert!((values.iter().sum::<f64>() - 1.000_000_01).abs() < 1e-15);
    }
}
