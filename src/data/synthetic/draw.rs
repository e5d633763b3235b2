//! Random numbers that are the same on every platform, and what the drawn sets share. In: a seed. Out: normal numbers,
//! datasets made row by row. It draws no labels.

use std::f64::consts::TAU;

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::data::{DataError, Dataset};

/// Normal numbers by Box and Muller's transform of ChaCha8's uniform ones. The tables and logarithms of rand_distr are
/// those of the platform.
///
/// # Source
/// Box and Muller, *A note on the generation of random normal deviates*, 1958.
pub(super) struct Normal(ChaCha8Rng);

impl Normal {
    pub(super) fn new(seed: u64) -> Normal {
        Normal(ChaCha8Rng::seed_from_u64(seed))
    }

    /// √(−2 ln u) · cos(2πv), with u in (0, 1] and v in [0, 1).
    pub(super) fn next(&mut self) -> f64 {
        let (u, v) = (1.0 - uniform(&mut self.0), uniform(&mut self.0));
        libm::sqrt(-2.0 * libm::log(u)) * libm::cos(TAU * v)
    }

    /// A vector of independent ones.
    ///
    /// # Errors
    /// There is no memory for so many.
    pub(super) fn vector(&mut self, n: usize) -> Result<Vec<f64>, DataError> {
        let mut vector = room(1, n)?;
        vector.extend((0..n).map(|_| self.next()));
        Ok(vector)
    }

    /// A direction, each as likely as any other.
    ///
    /// # Errors
    /// As for [`Normal::vector`].
    pub(super) fn direction(&mut self, n: usize) -> Result<Vec<f64>, DataError> {
        let mut vector = self.vector(n)?;
        let norm = libm::sqrt(dot(&vector, &vector));
        vector.iter_mut().for_each(|x| *x /= norm);
        Ok(vector)
    }
}

/// One of the 2⁵³ multiples of 2⁻⁵³ in [0, 1).
fn uniform(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * f64::EPSILON / 2.0
}

/// The sum of products, in order.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The dataset whose example i is `row(i mod classes, i div classes)`, with i mod classes as its label.
pub(super) fn labelled<const F: usize>(
    n: usize,
    n_classes: usize,
    mut row: impl FnMut(usize, usize) -> [f64; F],
) -> Result<Dataset, DataError> {
    let mut rows = room(n, F)?;
    rows.extend((0..n).flat_map(|i| row(i % n_classes, i / n_classes)).map(|x| x as f32));
    with_labels(rows, n, F, n_classes)
}

/// The dataset of `n` rows of `n_features` numbers, one after another, with the labels going round.
///
/// # Errors
/// There is no memory for so many labels, or for the sizes of no rows.
pub(super) fn with_labels(rows: Vec<f32>, n: usize, n_features: usize, n_classes: usize) -> Result<Dataset, DataError> {
    let mut labels = room(n, 1)?;
    labels.extend((0..n).map(|i| (i % n_classes) as i64));
    Dataset::of_rows::<i64>(matrix(rows, n, n_features)?, labels)
}

/// The matrix of those numbers, as many as its sizes say.
///
/// # Errors
/// An empty one has another size that cannot be addressed.
pub(super) fn matrix(numbers: Vec<f32>, n_rows: usize, n_columns: usize) -> Result<Array2<f32>, DataError> {
    Array2::from_shape_vec((n_rows, n_columns), numbers).map_err(|_| DataError::Memory { n_rows, n_columns })
}

/// Memory for rows of so many numbers each.
///
/// # Errors
/// There is none.
pub(super) fn room<T>(n_rows: usize, n_columns: usize) -> Result<Vec<T>, DataError> {
    let mut numbers = Vec::new();
    let reserved = n_rows.checked_mul(n_columns).map(|n| numbers.try_reserve_exact(n));
    match reserved {
        Some(Ok(())) => Ok(numbers),
        _ => Err(DataError::Memory { n_rows, n_columns }),
    }
}

/// How many of `n` examples have that label.
pub(super) fn n_of_class(n: usize, n_classes: usize, class: usize) -> usize {
    n / n_classes + usize::from(class < n % n_classes)
}

/// What no length, deviation or the like may exceed: normal numbers times it, and sums of a few of these, are finite in f32.
const MAX_LENGTH: f64 = 1e36;

/// Checks that a length, a deviation or the like is neither negative nor too large for f32.
pub(super) fn check_length(what: &'static str, found: f64) -> Result<(), DataError> {
    if (0.0..=MAX_LENGTH).contains(&found) {
        return Ok(());
    }
    Err(DataError::Parameter { what, expected: "from 0 to 1e36", found })
}

/// Checks that there is at least one of something.
pub(super) fn check_some(what: &'static str, found: usize) -> Result<(), DataError> {
    if found > 0 { Ok(()) } else { Err(DataError::Parameter { what, expected: "at least 1", found: 0.0 }) }
}
