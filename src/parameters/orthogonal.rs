//! Random orthonormal vectors. In: how many, how long, and a generator. Out: a matrix of them. Which axis of a
//! parameter they lie along is `initialize`'s to say.

use ndarray::{Array1, Array2};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// `count` orthonormal rows of `length`, distributed uniformly (Haar measure).
///
/// A Gaussian matrix is orthogonalized row by row: v ← v − (qᵢ·v) qᵢ for each earlier qᵢ, all of this twice, then q ←
/// v/‖v‖. The second pass removes what rounding left of the first, so that ‖Q Qᵀ − I‖ stays near the rounding unit.
/// Dividing by the norm makes the triangular factor's diagonal positive: no sign is left to fix.
///
/// # Panics
/// If `count` exceeds `length`.
///
/// # Complexity
/// 4·count²·length floating-point operations.
///
/// # Source
/// Giraud, Langou and Rozložník, *The loss of orthogonality in the Gram–Schmidt orthogonalization process*, 2005 (two
/// passes are enough); Mezzadri, *How to generate random matrices from the classical compact groups*, 2007 (the
/// positive diagonal).
pub(super) fn orthonormal_rows(count: usize, length: usize, rng: &mut impl Rng) -> Array2<f64> {
    assert!(count <= length, "invariant: no more orthonormal vectors than axes");
    let mut rows = Array2::zeros((count, length));
    for position in 0..count {
        let mut vector = Array1::from_shape_simple_fn(length, || rng.sample(StandardNormal));
        for _ in 0..2 {
            project_out(&rows, position, &mut vector);
        }
        let norm = vector.dot(&vector).sqrt();
        rows.row_mut(position).assign(&(vector / norm));
    }
    rows
}

/// Takes from `vector` its components along the first `count` rows.
fn project_out(rows: &Array2<f64>, count: usize, vector: &mut Array1<f64>) {
    for row in rows.rows().into_iter().take(count) {
        let component = row.dot(vector);
        vector.scaled_add(-component, &row);
    }
}
