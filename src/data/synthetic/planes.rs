//! Two classes on the sides of a hyperplane: strictly, or on the whole. In: how many, of how many features, how far
//! apart, a seed. Out: features and a label.

use super::draw::{Normal, check_length, check_some, dot, room, with_labels};
use crate::data::{DataError, Dataset};

/// Two classes that a hyperplane through the origin parts, with no example nearer to it than `margin`.
///
/// A direction w, |w| = 1, is drawn, and for each example a normal z: x = z + (s·(|w·z| + margin) − w·z)·w, with s = −1
/// for class 0 and +1 for class 1, so that s·(w·x) = |w·z| + margin (before x is rounded to f32).
///
/// # Shapes
/// `x`: `f32[n, n_features]`, `label`: `i64[n]`, 0 and 1
///
/// # Errors
/// There is no feature, the margin is not from 0 to 10³⁶, or there is no memory for so many examples.
///
/// # Source
/// The set-up of Novikoff, *On convergence proofs for perceptrons*, 1962: a perceptron makes at most (max |x| /
/// margin)² errors.
///
/// # Example
/// ```
/// let easy = pullback::data::synthetic::separable(200, 2, 0.5, 0)?;
/// let x: ndarray::ArrayView2<f32> = easy.array("x")?;
/// assert!(x.rows().into_iter().all(|x| x.dot(&x).sqrt() > 0.499));
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn separable(n: usize, n_features: usize, margin: f64, seed: u64) -> Result<Dataset, DataError> {
    check_length("the margin", margin)?;
    sided(n, n_features, seed, |side, along| side * (along.abs() + margin))
}

/// Two classes that nothing parts: normal with unit covariance, means `distance` apart.
///
/// A direction w, |w| = 1, is drawn, and for each example a normal z: x = z + s·distance/2·w, with s = −1 for class 0
/// and +1 for class 1. The best rule is the sign of w·x; it errs in a fraction Φ(−distance/2), with Φ the normal
/// distribution function, and no rule errs less.
///
/// # Shapes
/// `x`: `f32[n, n_features]`, `label`: `i64[n]`, 0 and 1
///
/// # Errors
/// There is no feature, the distance is not from 0 to 10³⁶, or there is no memory for so many examples.
///
/// # Source
/// Hastie, Tibshirani and Friedman, *The elements of statistical learning*, 2nd edition, 2009, section 4.3.
///
/// # Example
/// ```
/// let hard = pullback::data::synthetic::overlapping(200, 2, 2.0, 0)?;
/// assert_eq!(hard.len(), 200);
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn overlapping(n: usize, n_features: usize, distance: f64, seed: u64) -> Result<Dataset, DataError> {
    check_length("the distance", distance)?;
    sided(n, n_features, seed, |side, along| along + side * distance / 2.0)
}

/// Normal examples, each moved along a drawn direction from w·z to `place(side, w·z)`.
fn sided(n: usize, n_features: usize, seed: u64, place: impl Fn(f64, f64) -> f64) -> Result<Dataset, DataError> {
    check_some("the number of features", n_features)?;
    let mut normal = Normal::new(seed);
    let direction = normal.direction(n_features)?;
    let mut rows = room(n, n_features)?;
    for position in 0..n {
        let start = normal.vector(n_features)?;
        let along = dot(&direction, &start);
        let side = if position % 2 == 0 { -1.0 } else { 1.0 };
        let shift = place(side, along) - along;
        rows.extend(start.into_iter().zip(&direction).map(|(start, direction)| (start + shift * direction) as f32));
    }
    with_labels(rows, n, n_features, 2)
}
