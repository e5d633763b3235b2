//! Spectra against those that matrices were made of, and Hessians against differences of gradients.

use ndarray::{Array1, Array2, array};
use pullback::{
    Graph, Initializer, Parameters,
    landscape::{Lanczos, Landscape, LandscapeError, Probes},
};

use super::{assert_close, landscape, network, quadratic, rosenbrock, with_spectrum};

#[test]
fn the_spectrum_is_what_the_matrix_was_made_of() {
    let spectrum: Vec<f64> = (0..60).map(|k| if k < 3 { -4.0 } else { f64::from(k).powi(2) / 10.0 }).collect();
    let (mut landscape, parameters) = quadratic(with_spectrum(&spectrum, 1));
    let mut point = landscape.point(&parameters, ()).expect("fits");
    // Rounding of eight reflections and of the reduction, relative to the greatest, 348.
    for (found, expected) in point.eigenvalues().expect("small").iter().zip(&spectrum) {
        assert_close(*found, *expected, 1e-11);
    }
    let search = Lanczos { count: 4, tolerance: 1e-10, ..Lanczos::seeded(3) };
    let found = point.extreme_eigenvalues(&search).expect("converges");
    for (pair, expected) in found.highest.iter().zip(spectrum.iter().rev()) {
        assert_close(pair.value, *expected, 1e-9);
        assert!(pair.error <= 1e-10 * 348.1);
        let product = point.hessian_product(&pair.vector).expect("fits");
        let residual = product.elements().iter().zip(pair.vector.elements()).map(|(h, v)| h - pair.value * v);
        assert!(residual.map(|element| element * element).sum::<f64>().sqrt() <= pair.error + 1e-11);
        assert_close(pair.vector.norm(), 1.0, 1e-12);
    }
    assert_close(found.lowest[0].value, -4.0, 1e-9);
}

/// Above 128 parameters the ends come from Lanczos.
#[test]
fn the_condition_number_of_many_parameters() {
    let spectrum: Vec<f64> = (0..200).map(|k| 0.5 + f64::from(k)).collect();
    for (sign, expected) in [(1.0, 199.5 / 0.5), (-1.0, 199.5 / 0.5)] {
        let (mut landscape, parameters) = quadratic(with_spectrum(&spectrum, 4) * sign);
        let mut point = landscape.point(&parameters, ()).expect("fits");
        let search = Lanczos { tolerance: 1e-9, ..Lanczos::seeded(1) };
        assert_close(point.condition_number(&search).expect("definite"), expected, 1e-4);
    }
    let (mut landscape, parameters) = quadratic(with_spectrum(&spectrum, 4) - Array2::<f64>::eye(200) * 10.0);
    let error = landscape.point(&parameters, ()).expect("fits").condition_number(&Lanczos::seeded(1)).unwrap_err();
    assert!(matches!(error, LandscapeError::Indefinite { dimension: 200, .. }), "{error}");
    let (mut landscape, parameters) = landscape_of_zero_curvature();
    let search = Lanczos::seeded(0);
    assert_eq!(landscape.point(&parameters, ()).expect("fits").condition_number(&search), Ok(f64::INFINITY));
}

fn landscape_of_zero_curvature() -> (Landscape, Parameters) {
    landscape(2, |w| w.slice(0).square() + w.slice(1))
}

#[test]
fn equal_eigenvalues_are_found_by_restarts() {
    let (mut landscape, parameters) = quadratic(Array2::<f64>::eye(30) * 7.0);
    let search = Lanczos { count: 5, ..Lanczos::seeded(0) };
    let found = landscape.point(&parameters, ()).expect("fits").extreme_eigenvalues(&search).expect("converges");
    assert_eq!((found.highest.len(), found.n_products), (5, 5));
    for pair in found.highest.iter().chain(&found.lowest) {
        assert_close(pair.value, 7.0, 1e-13);
    }
    // More than there are gives all.
    let (mut landscape, parameters) = quadratic(with_spectrum(&[1.0, 2.0, 3.0], 1));
    let found = landscape.point(&parameters, ()).expect("fits").extreme_eigenvalues(&search).expect("converges");
    assert_eq!((found.lowest.len(), found.highest.len()), (3, 3));
    assert_close(found.lowest[2].value, 3.0, 1e-13);
}

#[test]
fn the_hessian_of_a_network_is_the_difference_of_gradients() {
    let g = Graph::new();
    let mut landscape = Landscape::new(network(&g)).expect("no mistake");
    let parameters = g.initialize(5).expect("no mistake");
    let n = landscape.dimension();
    assert_eq!(n, 2 * 6 + 6 + 6 * 4 + 4 + 4 * 3);
    let hessian = landscape.point(&parameters, ()).expect("fits").hessian().expect("small");
    let step = 1e-5;
    for coordinate in 0..n {
        let mut slope = |shift: f64| {
            let mut moved = parameters.clone();
            moved.flat_mut::<f64>().expect("there")[coordinate] += shift;
            landscape.point(&moved, ()).expect("fits").gradient().expect("finite")
        };
        let (above, below) = (slope(step), slope(-step));
        for (row, (above, below)) in above.elements().iter().zip(below.elements()).enumerate() {
            // Truncation is some 10⁻¹⁰, rounding 10⁻¹⁶/10⁻⁵.
            assert_close(hessian[[row, coordinate]], (above - below) / (2.0 * step), 1e-8);
        }
    }
}

#[test]
fn lanczos_finds_the_ends_of_the_dense_spectrum() {
    let g = Graph::new();
    let mut landscape = Landscape::new(network(&g)).expect("no mistake");
    let parameters = g.initialize(5).expect("no mistake");
    let mut point = landscape.point(&parameters, ()).expect("fits");
    let dense = point.eigenvalues().expect("small");
    let search = Lanczos { count: 3, tolerance: 1e-9, ..Lanczos::seeded(8) };
    let found = point.extreme_eigenvalues(&search).expect("converges");
    assert!(dense[0] < -1e-3, "the network is not at a minimum: {dense:?}");
    for (position, (low, high)) in found.lowest.iter().zip(&found.highest).enumerate() {
        assert_close(low.value, dense[position], 1e-8);
        assert_close(high.value, dense[dense.len() - 1 - position], 1e-8);
    }
    assert_close(point.sharpness(&search).expect("converges").value, dense[dense.len() - 1], 1e-8);
    assert_eq!(point.extreme_eigenvalues(&search), Ok(found));
}

/// Moments of the density: exact for a diagonal Hessian, within the spread of the estimator for a network.
#[test]
fn the_density_has_the_moments_of_the_spectrum() {
    let diagonal: Vec<f64> = (0..40).map(|k| f64::from(k * k % 17) - 5.0).collect();
    let (mut one, parameters) = quadratic(Array2::from_diag(&Array1::from(diagonal.clone())));
    let density = one.point(&parameters, ()).expect("fits").spectral_density(&Probes::seeded(1)).expect("finite");
    for power in 0..4 {
        let mean = diagonal.iter().map(|value| value.powi(power)).sum::<f64>() / 40.0;
        assert_close(density.moment(power), mean, 1e-9);
    }
    let below = diagonal.iter().filter(|value| **value < -0.5).count() as f64 / 40.0;
    assert_close(density.share_below(-0.5), below, 1e-9);

    let g = Graph::new();
    let mut landscape = Landscape::new(network(&g)).expect("no mistake");
    let parameters = g.initialize(5).expect("no mistake");
    let mut point = landscape.point(&parameters, ()).expect("fits");
    let hessian = point.hessian().expect("small");
    let dense = point.eigenvalues().expect("small");
    let probes = Probes { count: 400, steps: 20, seed: 6 };
    let density = point.spectral_density(&probes).expect("finite");
    assert_close(density.moment(0), 1.0, 1e-12);
    // The variance of vᵀAv over random signs is twice the sum of squares beside the diagonal.
    let n = dense.len() as f64;
    for (power, matrix) in [(1, hessian.clone()), (2, hessian.dot(&hessian))] {
        let beside: f64 = matrix
            .indexed_iter()
            .filter(|((row, column), _)| row != column)
            .map(|(_, element)| element * element)
            .sum();
        let deviation = (2.0 * beside / 400.0).sqrt();
        let sum: f64 = dense.iter().map(|value| value.powi(power)).sum();
        assert_close(density.moment(power) * n, sum, 4.0 * deviation);
        assert!(4.0 * deviation < 0.3 * sum, "the test tells something: {deviation} of {sum}");
    }
    // The widened density has area 1, by the trapezoidal rule.
    let area: f64 = (-4000..4000).map(|k| density.evaluate(f64::from(k) * 1e-3, 0.05).expect("a width") * 1e-3).sum();
    assert_close(area, 1.0, 1e-9);
}

#[test]
fn spectra_in_single_precision() {
    let spectrum: Vec<f64> = (0..150).map(|k| f64::from(k) - 30.0).collect();
    let g = Graph::new();
    let w = g.parameter("w", (150,), Initializer::HeNormal);
    let matrix = g.constant(with_spectrum(&spectrum, 3).mapv(|element| element as f32));
    let mut landscape = Landscape::new(w.dot(matrix.dot(w)) / 2.0).expect("no mistake");
    let parameters = g.initialize(0).expect("no mistake");
    let mut point = landscape.point(&parameters, ()).expect("fits");
    let found = point.curvature(&Lanczos { tolerance: 1e-4, ..Lanczos::seeded(0) }).expect("converges");
    // The matrix itself is rounded to 2⁻²⁴ of its elements.
    assert_close(found.lowest.value, -30.0, 1e-3);
    assert_close(found.highest.value, 119.0, 1e-3);
    assert!(found.highest.error >= 119.0 * 1e-7);
}

#[test]
pub(super) fn rosenbrocks_valley_is_narrow() {
    let (mut landscape, mut parameters) = landscape(2, rosenbrock);
    parameters.set("w", &array![1.0, 1.0]).expect("fits");
    let mut point = landscape.point(&parameters, ()).expect("fits");
    assert_eq!(point.hessian().expect("small"), array![[802.0, -400.0], [-400.0, 200.0]]);
    // Of [[802, −400], [−400, 200]]: the trace is 1002, the determinant 400.
    let root = (501f64 * 501.0 - 400.0).sqrt();
    let expected = (501.0 + root) / (400.0 / (501.0 + root));
    assert_close(point.condition_number(&Lanczos::seeded(0)).expect("small"), expected, 1e-6);
    assert_close(expected, 2508.0, 0.01);
}
