//! Random numbers that are the same on every platform, and what the drawn sets share. In: a seed. Out: normal numbers,
//! datasets made row by row. It draws no labels.

use std::f64::consts::TAU;

use ndarray::{Array1, Array2};
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
    pub(super) fn vector(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.next()).collect()
    }

    /// A direction, each as likely as any other.
    pub(super) fn direction(&mut self, n: usize) -> Vec<f64> {
        let vector = self.vector(n);
        let norm = libm::sqrt(dot(&vector, &vector));
        vector.into_iter().map(|x| x / norm).collect()
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
) -> Dataset {
    let rows = (0..n).flat_map(|i| row(i % n_classes, i / n_classes)).map(|x| x as f32).collect();
    let x = Array2::from_shape_vec((n, F), rows).expect("invariant: so many numbers for each row");
    with_labels(x, n_classes)
}

/// The dataset of those rows, with the labels going round.
pub(super) fn with_labels(x: Array2<f32>, n_classes: usize) -> Dataset {
    let y = (0..x.nrows()).map(|i| (i % n_classes) as i64).collect::<Array1<i64>>();
    Dataset::new(x, y).expect("invariant: one label for each row")
}

/// How many of `n` examples have that label.
pub(super) fn n_of_class(n: usize, n_classes: usize, class: usize) -> usize {
    (n + n_classes - 1 - class) / n_classes
}

/// Checks that a length, a deviation or the like is finite and not negative.
pub(super) fn expect_length(what: &'static str, found: f64) -> Result<(), DataError> {
    if found.is_finite() && found >= 0.0 {
        return Ok(());
    }
    Err(DataError::Parameter { what, expected: "finite and not negative", found })
}

/// Checks that there is at least one of something.
pub(super) fn expect_some(what: &'static str, found: usize) -> Result<(), DataError> {
    if found > 0 { Ok(()) } else { Err(DataError::Parameter { what, expected: "at least 1", found: 0.0 }) }
}
