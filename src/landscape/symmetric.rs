//! Eigenvalues of symmetric matrices. In: a dense or a tridiagonal matrix. Out: all its eigenvalues in ascending order, of
//! a tridiagonal one some rows of its eigenvectors too. The algorithms are those of [`Expr::eigh`](crate::Expr::eigh).

use ndarray::{Array2, Axis};

use crate::ops::{Decomposition, MatrixSize, Spectrum, decompose, diagonalize};

/// A symmetric tridiagonal matrix.
#[derive(Debug, Clone)]
pub(super) struct Tridiagonal {
    pub(super) diagonal: Vec<f64>,
    /// The element between each of the diagonal and the next.
    pub(super) off_diagonal: Vec<f64>,
}

/// All eigenvalues of a symmetric matrix of finite numbers, in ascending order.
///
/// # Complexity
/// 4/3·n³ floating-point operations.
pub(super) fn eigenvalues(matrix: Array2<f64>) -> Vec<f64> {
    let size = MatrixSize { rows: matrix.nrows(), columns: matrix.ncols() };
    let mut elements: Vec<f64> = matrix.into_iter().collect();
    let mut values = vec![0.0; size.columns];
    let mut scratch = vec![0.0; Spectrum::Values.n_scratch(size)];
    decompose(&Spectrum::Values, &mut elements, size, &mut values, &mut scratch);
    values
}

impl Tridiagonal {
    /// Eigenvalues in ascending order, and `rows`·V with the eigenvectors in the columns of V: the identity gives V itself,
    /// a row of it that row.
    ///
    /// # Complexity
    /// O(n²) for the eigenvalues, and as much for each row.
    pub(super) fn eigen(self, mut rows: Array2<f64>) -> (Vec<f64>, Array2<f64>) {
        let Tridiagonal { mut diagonal, off_diagonal: mut beside } = self;
        let magnitudes = diagonal.iter().chain(&beside).map(|element| element.abs());
        let scale = magnitudes.fold(0.0f64, f64::max);
        if scale > 0.0 {
            // Squares of the elements must not overflow.
            diagonal.iter_mut().chain(&mut beside).for_each(|element| *element /= scale);
            beside.push(0.0);
            diagonalize(&mut diagonal, &mut beside, |k, cosine, sine| {
                for mut row in rows.rows_mut() {
                    let (left, right) = (row[k], row[k + 1]);
                    (row[k], row[k + 1]) = (cosine * left - sine * right, sine * left + cosine * right);
                }
            });
            diagonal.iter_mut().for_each(|element| *element *= scale);
        }
        let mut order: Vec<usize> = (0..diagonal.len()).collect();
        order.sort_by(|left, right| diagonal[*left].total_cmp(&diagonal[*right]));
        (order.iter().map(|position| diagonal[*position]).collect(), rows.select(Axis(1), &order))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;
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
