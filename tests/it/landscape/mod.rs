//! Landscapes: what the tests of spectra, of shapes and of mistakes share.

mod mistakes;
mod shape;
mod spectrum;

use ndarray::{Array1, Array2, Axis};
use pullback::{
    DType, Expr, Graph, Initializer, Parameters,
    landscape::Landscape,
    nn::{cross_entropy, perceptron},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Uniform in [−1, 1).
pub(super) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// Q·diag(spectrum)·Qᵀ with Q of random reflections.
pub(super) fn with_spectrum(spectrum: &[f64], seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut matrix = Array2::from_diag(&Array1::from(spectrum.to_vec()));
    for _ in 0..8 {
        let v = Array1::from_shape_simple_fn(spectrum.len(), || uniform(&mut rng));
        let v = (&v / v.dot(&v).sqrt()).insert_axis(Axis(1));
        // (I − 2vvᵀ)·M·(I − 2vvᵀ)
        matrix = &matrix - &(v.dot(&v.t().dot(&matrix)) * 2.0);
        matrix = &matrix - &(matrix.dot(&v).dot(&v.t()) * 2.0);
    }
    matrix
}

/// The landscape of a function of one f64 vector "w".
pub(super) fn landscape(n: usize, function: impl for<'g> FnOnce(Expr<'g>) -> Expr<'g>) -> (Landscape, Parameters) {
    let g = Graph::new();
    let w = g.parameter_of(DType::F64, "w", (n,), Initializer::Zeros);
    (Landscape::new(function(w)).expect("no mistake"), g.initialize(0).expect("no mistake"))
}

pub(super) fn quadratic(matrix: Array2<f64>) -> (Landscape, Parameters) {
    landscape(matrix.nrows(), |w| w.dot(w.graph().constant(matrix).dot(w)) / 2.0)
}

pub(super) fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

/// A network of 2-6-4-3 with cross-entropy on ten rows, and parameters away from any minimum.
pub(super) fn network(g: &Graph) -> Expr<'_> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let x = g.constant(Array2::from_shape_simple_fn((10, 2), || uniform(&mut rng)));
    let labels = g.constant(Array1::from_iter((0..10).map(|row| row % 3)));
    cross_entropy(perceptron(x, "net", &[6, 4], 3, Expr::tanh), labels).mean()
}

pub(super) type Function = for<'g> fn(Expr<'g>) -> Expr<'g>;

pub(super) fn rosenbrock(w: Expr<'_>) -> Expr<'_> {
    let (x, y) = (w.slice(0), w.slice(1));
    (1.0 - x).square() + 100.0 * (y - x.square()).square()
}
