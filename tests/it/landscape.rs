//! Landscapes: spectra against those that matrices were made of, Hessians against differences, kinds against the textbook,
//! slices against the loss itself, sharpness against maxima known by hand.

use ndarray::{Array1, Array2, ArrayD, Axis, array};
use pullback::{
    CompileError, DType, Expr, Graph, Initializer, Parameters, ValueView,
    landscape::{
        BoxSearch, Direction, Lanczos, Landscape, LandscapeError, Probes, Scale, StationaryKind, StrictSaddle,
        StrictSaddleCase, Tolerance,
    },
    nn::{cross_entropy, perceptron},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Uniform in [−1, 1).
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// Q·diag(spectrum)·Qᵀ with Q of random reflections.
fn with_spectrum(spectrum: &[f64], seed: u64) -> Array2<f64> {
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
fn landscape(n: usize, function: impl for<'g> FnOnce(Expr<'g>) -> Expr<'g>) -> (Landscape, Parameters) {
    let g = Graph::new();
    let w = g.parameter_of(DType::F64, "w", (n,), Initializer::Zeros);
    (Landscape::new(function(w)).expect("no mistake"), g.initialize(0).expect("no mistake"))
}

fn quadratic(matrix: Array2<f64>) -> (Landscape, Parameters) {
    landscape(matrix.nrows(), |w| w.dot(w.graph().constant(matrix).dot(w)) / 2.0)
}

fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

/// A network of 2-6-4-3 with cross-entropy on ten rows, and parameters away from any minimum.
fn network(g: &Graph) -> Expr<'_> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let x = g.constant(Array2::from_shape_simple_fn((10, 2), || uniform(&mut rng)));
    let labels = g.constant(Array1::from_iter((0..10).map(|row| row % 3)));
    cross_entropy(perceptron(x, "net", &[6, 4], 3, Expr::tanh), labels).mean()
}

#[test]
fn the_spectrum_is_what_the_matrix_was_made_of() {
    let spectrum: Vec<f64> = (0..60).map(|k| if k < 3 { -4.0 } else { f64::from(k).powi(2) / 10.0 }).collect();
    let (mut landscape, parameters) = quadratic(with_spectrum(&spectrum, 1));
    let mut point = landscape.at(&parameters, []).expect("fits");
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
        let mut point = landscape.at(&parameters, []).expect("fits");
        let search = Lanczos { tolerance: 1e-9, ..Lanczos::seeded(1) };
        assert_close(point.condition_number(&search).expect("definite"), expected, 1e-4);
    }
    let (mut landscape, parameters) = quadratic(with_spectrum(&spectrum, 4) - Array2::<f64>::eye(200) * 10.0);
    let error = landscape.at(&parameters, []).expect("fits").condition_number(&Lanczos::seeded(1)).unwrap_err();
    assert!(matches!(error, LandscapeError::Indefinite { dimension: 200, .. }), "{error}");
    let (mut landscape, parameters) = landscape_of_zero_curvature();
    let search = Lanczos::seeded(0);
    assert_eq!(landscape.at(&parameters, []).expect("fits").condition_number(&search), Ok(f64::INFINITY));
}

fn landscape_of_zero_curvature() -> (Landscape, Parameters) {
    landscape(2, |w| w.slice(0).square() + w.slice(1))
}

#[test]
fn equal_eigenvalues_are_found_by_restarts() {
    let (mut landscape, parameters) = quadratic(Array2::<f64>::eye(30) * 7.0);
    let search = Lanczos { count: 5, ..Lanczos::seeded(0) };
    let found = landscape.at(&parameters, []).expect("fits").extreme_eigenvalues(&search).expect("converges");
    assert_eq!((found.highest.len(), found.n_products), (5, 5));
    for pair in found.highest.iter().chain(&found.lowest) {
        assert_close(pair.value, 7.0, 1e-13);
    }
    // More than there are gives all.
    let (mut landscape, parameters) = quadratic(with_spectrum(&[1.0, 2.0, 3.0], 1));
    let found = landscape.at(&parameters, []).expect("fits").extreme_eigenvalues(&search).expect("converges");
    assert_eq!((found.lowest.len(), found.highest.len()), (3, 3));
    assert_close(found.lowest[2].value, 3.0, 1e-13);
}

type Function = for<'g> fn(Expr<'g>) -> Expr<'g>;

/// A name, a function, a point, its kind and the ends of its spectrum.
type KindCase = (&'static str, Function, [f64; 2], StationaryKind, Option<[f64; 2]>);

fn rosenbrock(w: Expr<'_>) -> Expr<'_> {
    let (x, y) = (w.slice(0), w.slice(1));
    (1.0 - x).square() + 100.0 * (y - x.square()).square()
}

#[test]
fn kinds_of_stationary_points() {
    use StationaryKind::{Inconclusive, Maximum, Minimum, NotStationary, Saddle};
    let cases: &[KindCase] = &[
        ("x² − y²", |w| w.slice(0).square() - w.slice(1).square(), [0.0, 0.0], Saddle, Some([-2.0, 2.0])),
        (
            "monkey saddle",
            |w| w.slice(0).powi(3) - 3.0 * w.slice(0) * w.slice(1).square(),
            [0.0, 0.0],
            Inconclusive,
            Some([0.0, 0.0]),
        ),
        ("(1 − w₂w₁)²", |w| (1.0 - w.slice(1) * w.slice(0)).powi(2), [0.0, 0.0], Saddle, Some([-2.0, 2.0])),
        // Minima of it are a curve: along it nothing bends.
        ("(1 − w₂w₁)²", |w| (1.0 - w.slice(1) * w.slice(0)).powi(2), [1.0, 1.0], Inconclusive, Some([0.0, 4.0])),
        ("(1 − w₂w₁)²", |w| (1.0 - w.slice(1) * w.slice(0)).powi(2), [0.5, 1.0], NotStationary, None),
        ("Rosenbrock", rosenbrock, [1.0, 1.0], Minimum, Some([0.399_360_767_488_654, 1_001.600_639_232_511])),
        (
            "−Rosenbrock",
            |w| -rosenbrock(w),
            [1.0, 1.0],
            Maximum,
            Some([-1_001.600_639_232_511, -0.399_360_767_488_654]),
        ),
        ("−x² − y⁴", |w| -w.slice(0).square() - w.slice(1).powi(4), [0.0, 0.0], Inconclusive, Some([-2.0, 0.0])),
        ("x² + y³", |w| w.slice(0).square() + w.slice(1).powi(3), [0.0, 0.0], Inconclusive, Some([0.0, 2.0])),
    ];
    let tolerance = Tolerance { gradient: 1e-9, eigenvalue: 1e-9 };
    for (name, function, w, kind, ends) in cases {
        let (mut landscape, mut parameters) = landscape(2, function);
        parameters.set("w", &Array1::from(w.to_vec())).expect("fits");
        let mut point = landscape.at(&parameters, []).expect("fits");
        let found = point.stationary_kind(&tolerance, &Lanczos::seeded(0)).expect("finite");
        assert_eq!(found.kind, *kind, "{name}");
        assert_eq!(found.curvature.is_some(), ends.is_some(), "{name}");
        if let (Some(curvature), Some([lowest, highest])) = (found.curvature, ends) {
            assert_close(curvature.lowest.value, *lowest, 1e-9);
            assert_close(curvature.highest.value, *highest, 1e-9);
        }
    }
}

/// Saddles, minima and maxima among more parameters than the whole spectrum is taken of.
#[test]
fn kinds_by_lanczos() {
    use StationaryKind::{Inconclusive, Maximum, Minimum, Saddle};
    for (lowest, highest, kind) in
        [(0.5, 9.0, Minimum), (-9.0, -0.5, Maximum), (-0.5, 9.0, Saddle), (0.0, 9.0, Inconclusive)]
    {
        let spectrum: Vec<f64> = (0..150).map(|k| lowest + (highest - lowest) * f64::from(k) / 149.0).collect();
        let (mut landscape, parameters) = quadratic(with_spectrum(&spectrum, 9));
        let mut point = landscape.at(&parameters, []).expect("fits");
        let tolerance = Tolerance { gradient: 1e-9, eigenvalue: 1e-6 };
        let search = Lanczos { tolerance: 1e-9, ..Lanczos::seeded(1) };
        assert_eq!(point.stationary_kind(&tolerance, &search).expect("converges").kind, kind);
    }
}

#[test]
fn rosenbrocks_valley_is_narrow() {
    let (mut landscape, mut parameters) = landscape(2, rosenbrock);
    parameters.set("w", &array![1.0, 1.0]).expect("fits");
    let mut point = landscape.at(&parameters, []).expect("fits");
    assert_eq!(point.hessian().expect("small"), array![[802.0, -400.0], [-400.0, 200.0]]);
    // Of [[802, −400], [−400, 200]]: the trace is 1002, the determinant 400.
    let root = (501f64 * 501.0 - 400.0).sqrt();
    let expected = (501.0 + root) / (400.0 / (501.0 + root));
    assert_close(point.condition_number(&Lanczos::seeded(0)).expect("small"), expected, 1e-6);
    assert_close(expected, 2508.0, 0.01);
}

#[test]
fn the_hessian_of_a_network_is_the_difference_of_gradients() {
    let g = Graph::new();
    let mut landscape = Landscape::new(network(&g)).expect("no mistake");
    let parameters = g.initialize(5).expect("no mistake");
    let n = landscape.dimension();
    assert_eq!(n, 2 * 6 + 6 + 6 * 4 + 4 + 4 * 3);
    let hessian = landscape.at(&parameters, []).expect("fits").hessian().expect("small");
    let step = 1e-5;
    for coordinate in 0..n {
        let mut slope = |shift: f64| {
            let mut moved = parameters.clone();
            moved.flat_mut::<f64>()[coordinate] += shift;
            landscape.at(&moved, []).expect("fits").gradient().expect("finite")
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
    let mut point = landscape.at(&parameters, []).expect("fits");
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
    let density = one.at(&parameters, []).expect("fits").spectral_density(&Probes::seeded(1)).expect("finite");
    for power in 0..4 {
        let mean = diagonal.iter().map(|value| value.powi(power)).sum::<f64>() / 40.0;
        assert_close(density.moment(power), mean, 1e-9);
    }
    let below = diagonal.iter().filter(|value| **value < -0.5).count() as f64 / 40.0;
    assert_close(density.share_below(-0.5), below, 1e-9);

    let g = Graph::new();
    let mut landscape = Landscape::new(network(&g)).expect("no mistake");
    let parameters = g.initialize(5).expect("no mistake");
    let mut point = landscape.at(&parameters, []).expect("fits");
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
    let area: f64 = (-4000..4000).map(|k| density.at(f64::from(k) * 1e-3, 0.05).expect("a width") * 1e-3).sum();
    assert_close(area, 1.0, 1e-9);
}

#[test]
fn slices_are_the_loss_itself() {
    let g = Graph::new();
    let loss = network(&g);
    let mut landscape = Landscape::new(loss).expect("no mistake");
    let mut program = g.compile(loss).expect("no mistake");
    let parameters = g.initialize(5).expect("no mistake");
    let [first, second] = [1, 2].map(|seed| Direction::random(&parameters, Scale::Filter, seed));
    let mut direct = |a: f64, b: f64| {
        let mut moved = parameters.clone();
        let steps = first.elements().iter().zip(second.elements()).map(|(first, second)| a * first + b * second);
        moved.flat_mut::<f64>().iter_mut().zip(steps).for_each(|(w, step)| *w += step);
        program.run(&moved, []).expect("fits").scalar::<f64>("result").expect("a scalar")
    };
    let mut point = landscape.at(&parameters, []).expect("fits");
    let steps = [-1.0, -0.25, 0.0, 0.5];
    for (step, found) in steps.iter().zip(point.slice(&first, &steps).expect("finite")) {
        assert_close(found, direct(*step, 0.0), 1e-14);
    }
    let plane = point.plane([&first, &second], [&steps, &[0.3, 0.0]]).expect("finite");
    assert_eq!(plane.dim(), (4, 2));
    for ((row, column), found) in plane.indexed_iter() {
        assert_close(*found, direct(steps[row], [0.3, 0.0][column]), 1e-14);
    }
    assert_eq!(plane[[2, 1]], point.value());
    // The slope of a slice is the gradient along it.
    let along = point.slice(&first, &[-1e-5, 1e-5]).expect("finite");
    let slope: f64 =
        point.gradient().expect("finite").elements().iter().zip(first.elements()).map(|(g, d)| g * d).sum();
    assert_close((along[1] - along[0]) / 2e-5, slope, 1e-8);
}

#[test]
fn random_directions_are_as_long_as_asked() {
    let g = Graph::new();
    let matrix = g.parameter_of(DType::F64, "matrix", (3, 2), Initializer::HeNormal);
    let kernel = g.parameter("kernel", (4, 2, 3, 3), Initializer::HeNormal);
    let bias = g.parameter("bias", (5,), Initializer::Constant(2.0));
    assert!(g.check().is_ok() && [matrix, kernel, bias].iter().all(|parameter| !parameter.is_poisoned()));
    let point = g.initialize(1).expect("no mistake");
    let own = Direction::of(&point);
    let length =
        |array: ndarray::ArrayViewD<'_, f64>| array.iter().map(|element| element * element).sum::<f64>().sqrt();
    let compare = |scale, name: &str, axis: Option<usize>| {
        let direction = Direction::random(&point, scale, 3);
        let (found, expected) = (direction.array(name).expect("there"), own.array(name).expect("there"));
        let Some(axis) = axis else { return assert_close(length(found), length(expected), 1e-12) };
        for (found, expected) in found.axis_iter(Axis(axis)).zip(expected.axis_iter(Axis(axis))) {
            assert_close(length(found), length(expected), 1e-12);
        }
    };
    compare(Scale::Filter, "matrix", Some(1));
    compare(Scale::Filter, "kernel", Some(0));
    compare(Scale::Filter, "bias", None);
    for name in ["matrix", "kernel", "bias"] {
        compare(Scale::Parameter, name, None);
    }
    assert_close(Direction::random(&point, Scale::Unit, 3).norm(), 1.0, 1e-12);
    assert_eq!(Direction::random(&point, Scale::Unit, 3), Direction::random(&point, Scale::Unit, 3));
    assert_ne!(Direction::random(&point, Scale::Unit, 3), Direction::random(&point, Scale::Unit, 4));
}

/// f = ½Σλᵢ(xᵢ − cᵢ)²: in the box around x each coordinate goes to the end farther from cᵢ.
#[test]
fn the_greatest_loss_in_a_box() {
    let (scales, centre) = (array![1.0f64, 30.0, 900.0, 4.0], array![0.0f64, 1.0, -2.0, 0.3]);
    let epsilon = 1e-2;
    for x in [centre.clone(), array![0.1, 1.001, -2.0, 0.0]] {
        let expected: f64 =
            (0..4).map(|i| 0.5 * scales[i] * ((x[i] - centre[i]).abs() + epsilon * (x[i].abs() + 1.0)).powi(2)).sum();
        let (mut landscape, mut parameters) = landscape(4, |w| {
            let g = w.graph();
            (g.constant(scales.clone()) * (w - g.constant(centre.clone())).square()).sum() / 2.0
        });
        parameters.set("w", &x).expect("fits");
        let mut point = landscape.at(&parameters, []).expect("fits");
        let value = point.value();
        let found = point.epsilon_sharpness(&BoxSearch { epsilon, ..BoxSearch::seeded(2) }).expect("finite");
        assert_close(found.greatest_loss, expected, 1e-13);
        assert_close(found.percent, 100.0 * (expected - value) / (1.0 + value), 1e-10);
        for (z, x) in found.displacement.elements().iter().zip(&x) {
            assert_close(z.abs(), epsilon * (x.abs() + 1.0), 1e-15);
        }
    }
}

/// The greatest loss is inside the box: −(x − 0.005)² from x = 0.
#[test]
fn a_greatest_loss_inside_the_box() {
    let (mut landscape, parameters) = landscape(1, |w| -(w - 0.005).square().sum());
    let search = BoxSearch { epsilon: 1e-2, ..BoxSearch::seeded(0) };
    let found = landscape.at(&parameters, []).expect("fits").epsilon_sharpness(&search).expect("finite");
    assert_close(found.displacement.elements()[0], 0.005, 1e-9);
    assert_close(found.greatest_loss, 0.0, 1e-17);
    // At a maximum nothing rises.
    let (mut top, parameters) = self::landscape(2, |w| -w.square().sum());
    let found = top.at(&parameters, []).expect("fits").epsilon_sharpness(&search).expect("finite");
    assert_eq!((found.percent, found.greatest_loss), (0.0, 0.0));
}

#[test]
fn the_strict_saddle_property() {
    use StrictSaddleCase::{LargeGradient, NearMinimum, NegativeCurvature, Neither};
    let constants = StrictSaddle { gradient: 0.1, curvature: 0.5, convexity: 0.3, distance: 0.01 };
    let product: Function = |w| (1.0 - w.slice(0) * w.slice(1)).powi(2);
    let cases: &[(Function, [f64; 2], StrictSaddleCase)] = &[
        (product, [0.5, 0.5], LargeGradient),
        (product, [0.0, 0.0], NegativeCurvature),
        (product, [0.01, 0.0], NegativeCurvature),
        // The minima are a curve, along which the loss is flat.
        (product, [1.0, 1.0], Neither),
        (rosenbrock, [1.0, 1.0], NearMinimum),
        (rosenbrock, [1.001, 1.002], NearMinimum),
        // ‖∇f‖ is small, but a Newton step is longer than δ.
        (rosenbrock, [1.05, 1.1025], LargeGradient),
        (|w| 0.2 * (w - 0.2).square().sum(), [0.0, 0.0], LargeGradient),
        (|w| 0.2 * (w - 0.1).square().sum(), [0.0, 0.0], Neither),
        (|w| w.slice(0).powi(3) - 3.0 * w.slice(0) * w.slice(1).square(), [0.0, 0.0], Neither),
        (|w| -0.2 * w.square().sum(), [0.0, 0.0], Neither),
    ];
    for (index, (function, w, case)) in cases.iter().enumerate() {
        let (mut landscape, mut parameters) = landscape(2, function);
        parameters.set("w", &Array1::from(w.to_vec())).expect("fits");
        let mut point = landscape.at(&parameters, []).expect("fits");
        let report = point.strict_saddle(&constants, &Lanczos::seeded(0)).expect("finite");
        assert_eq!(report.case, *case, "case {index}: {report:?}");
    }
}

fn fed_again<'a>(xs: &'a Array2<f32>, ys: &'a Array1<f64>) -> [(&'static str, ValueView<'a>); 2] {
    [("direction", xs.into()), ("direction_", ys.into())]
}

#[test]
fn spectra_in_single_precision() {
    let spectrum: Vec<f64> = (0..150).map(|k| f64::from(k) - 30.0).collect();
    let g = Graph::new();
    let w = g.parameter("w", (150,), Initializer::HeNormal);
    let matrix = g.constant(with_spectrum(&spectrum, 3).mapv(|element| element as f32));
    let mut landscape = Landscape::new(w.dot(matrix.dot(w)) / 2.0).expect("no mistake");
    let parameters = g.initialize(0).expect("no mistake");
    let mut point = landscape.at(&parameters, []).expect("fits");
    let found = point.curvature(&Lanczos { tolerance: 1e-4, ..Lanczos::seeded(0) }).expect("converges");
    // The matrix itself is rounded to 2⁻²⁴ of its elements.
    assert_close(found.lowest.value, -30.0, 1e-3);
    assert_close(found.highest.value, 119.0, 1e-3);
    assert!(found.highest.error >= 119.0 * 1e-7);
}

/// Both precisions at once, inputs with symbols, a parameter that does not matter, and names that are taken.
#[test]
fn a_landscape_of_mixed_types_and_inputs() {
    let g = Graph::new();
    let x = g.input("direction", ("n", 2));
    let target = g.input_of::<f64>("direction_", ("n",));
    let unused = g.parameter("unused", (7,), Initializer::Constant(1.0));
    let w = g.parameter("w", (2,), Initializer::Constant(0.5));
    let b = g.parameter_of(DType::F64, "b", (), Initializer::Constant(-0.25));
    let loss = (x.dot(w).cast(DType::F64) + b - target).square().mean();
    let (nodes, inputs) = (g.len(), g.inputs().len());
    let mut landscape = Landscape::new(loss).expect("no mistake");
    assert_eq!((g.len(), g.inputs().len()), (nodes, inputs), "the graph is as it was");
    assert!(!unused.is_poisoned());
    assert_eq!(landscape.layout().names().collect::<Vec<_>>(), ["w", "b"]);
    let parameters = g.initialize(0).expect("no mistake");
    let (xs, ys) = (array![[1.0f32, 2.0], [0.0, -1.0], [3.0, 0.5]], array![1.0, 0.0, 2.0]);
    let mut point = landscape.at(&parameters, fed_again(&xs, &ys)).expect("fits");
    // H = 2/n·Σ (x, 1)(x, 1)ᵀ.
    let rows: ArrayD<f64> = xs.mapv(f64::from).into_dyn();
    let rows = rows.into_dimensionality::<ndarray::Ix2>().expect("two axes");
    let rows = ndarray::concatenate![Axis(1), rows, Array2::<f64>::ones((3, 1))];
    let expected = rows.t().dot(&rows) * (2.0 / 3.0);
    let found = point.hessian().expect("small");
    assert!((&found - &expected).iter().all(|element| element.abs() < 1e-6), "{found}");
    // A direction among all parameters serves too.
    let wide = Direction::of(&parameters);
    assert_eq!(wide.elements().len(), 10);
    let moved = point.slice(&wide, &[0.0, 1.0]).expect("fits");
    assert!(moved[0] == point.value() && moved[1] != point.value());
    let other = Direction::of(&Parameters::default());
    let error = point.slice(&other, &[0.0]).unwrap_err();
    assert_eq!(error, LandscapeError::Direction { name: "w".into(), shape: vec![2] });
    let error = Direction::between(&parameters, &Parameters::default()).unwrap_err();
    assert!(matches!(error, LandscapeError::Layouts { .. }));
    let error = landscape.at(&parameters, [("direction", (&xs).into())]).unwrap_err().to_string();
    assert!(error.starts_with(r#"input "direction_" (f64[n], declared at tests/it/landscape.rs:"#), "{error}");
    let error = landscape.at(&Parameters::default(), fed_again(&xs, &ys)).unwrap_err().to_string();
    assert!(error.starts_with(r#"parameter "w" (f32[2], declared at tests/it/landscape.rs:"#), "{error}");
}

#[test]
fn stopped_gradients_stay_stopped() {
    let (mut landscape, mut parameters) = landscape(2, |w| (w * w.stop_gradient()).sum());
    parameters.set("w", &array![2.0, 3.0]).expect("fits");
    let mut point = landscape.at(&parameters, []).expect("fits");
    assert_eq!(point.gradient().expect("finite").elements(), [2.0, 3.0]);
    assert_eq!(point.hessian().expect("small"), Array2::<f64>::zeros((2, 2)));
}

#[test]
fn mistakes_have_the_users_line() {
    let g = Graph::new();
    let w = g.parameter("w", (2,), Initializer::Zeros);
    let error = Landscape::new(w).unwrap_err();
    let LandscapeError::Compile(CompileError::Mistakes(mistakes)) = &error else { panic!("{error}") };
    assert_eq!((mistakes.0.len(), mistakes.0[0].operation), (1, "landscape"));
    assert_eq!(mistakes.0[0].site.file, "tests/it/landscape.rs");
    assert_eq!(mistakes.0[0].operands[0].site, w.site());
    assert!(g.check().is_ok(), "the graph is as good as before");
    let error = Landscape::new(w.argmax(0)).unwrap_err();
    assert!(error.to_string().contains("only floats"), "{error}");
    let x = g.input("x", ());
    assert_eq!(Landscape::new(x).unwrap_err(), LandscapeError::NoParameters { site: x.site() });
    let mistake = w + g.input("y", (3,));
    let error = Landscape::new(mistake.sum()).unwrap_err().to_string();
    assert!(error.contains("shapes [2] and [3] do not broadcast together"), "{error}");
}

#[test]
fn what_is_not_finite_is_named() {
    let g = Graph::new();
    let w = g.parameter_of(DType::F64, "w", (2, 2), Initializer::Constant(1.0));
    let mut landscape = Landscape::new(w.sqrt().sum()).expect("no mistake");
    let mut parameters = g.initialize(0).expect("no mistake");
    let mut point = landscape.at(&parameters, []).expect("finite");
    let mut lower = parameters.clone();
    lower.array_mut::<f64>("w").expect("there")[[1, 0]] = 0.0;
    let error = point.slice(&Direction::between(&parameters, &lower).expect("alike"), &[0.5, 1.5]).unwrap_err();
    let LandscapeError::LossNotFinite { value, steps, .. } = &error else { panic!("{error}") };
    assert!(value.is_nan() && *steps == [1.5], "{error}");
    // From 1 − 2·0.4 on there are roots, from 1 − 2·0.9 there are not.
    let sharpness = |epsilon: f64| BoxSearch { epsilon, ..BoxSearch::seeded(0) };
    let found = point.epsilon_sharpness(&sharpness(0.4)).expect("there are roots");
    assert_close(found.greatest_loss, 4.0 * 1.8f64.sqrt(), 1e-14);
    assert!(matches!(point.epsilon_sharpness(&sharpness(0.9)), Err(LandscapeError::LossNotFinite { .. })));

    parameters.set("w", &array![[1.0, 1.0], [0.0, 0.0]]).expect("fits");
    let error = landscape.at(&parameters, []).expect("0 has a root").gradient().unwrap_err();
    let LandscapeError::NotFinite { what: "gradient", parameter, element, site, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!((parameter.as_str(), element.as_slice(), *site), ("w", &[1, 0][..], w.site()));
    parameters.set("w", &array![[1.0, 1.0], [-1.0, 0.0]]).expect("fits");
    assert!(matches!(landscape.at(&parameters, []), Err(LandscapeError::LossNotFinite { .. })));
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let n = pullback::landscape::MOST_DENSE + 1;
    let (mut large, parameters) = landscape(n, |w| (w * w * w.graph().iota(DType::F64, (n,), 0)).sum() - 2.0);
    let mut point = large.at(&parameters, []).expect("fits");
    assert!(matches!(point.hessian(), Err(LandscapeError::TooManyParameters { dimension, .. }) if dimension == n));
    let search = Lanczos { most_steps: 5, tolerance: 1e-9, ..Lanczos::seeded(0) };
    let error = point.curvature(&search).unwrap_err();
    let LandscapeError::NotConverged { steps: 5, tolerance, error } = error else { panic!("{error}") };
    assert!(error > tolerance);
    assert_eq!(point.epsilon_sharpness(&BoxSearch::seeded(0)), Err(LandscapeError::LossTooLow { value: -2.0 }));
    let refused = |result: Result<(), LandscapeError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, LandscapeError::Setting { .. }), "{error}");
    };
    let whole = Lanczos::seeded(0);
    refused(point.curvature(&Lanczos { count: 0, ..whole.clone() }).map(drop));
    refused(point.condition_number(&Lanczos { tolerance: f64::NAN, ..whole.clone() }).map(drop));
    refused(point.sharpness(&Lanczos { most_steps: 0, ..whole.clone() }).map(drop));
    refused(point.stationary_kind(&Tolerance { gradient: -1.0, eigenvalue: 0.0 }, &whole).map(drop));
    let constants = StrictSaddle { gradient: 0.1, curvature: 0.0, convexity: 1.0, distance: 1.0 };
    refused(point.strict_saddle(&constants, &whole).map(drop));
    refused(point.spectral_density(&Probes { count: 0, ..Probes::seeded(0) }).map(drop));
    refused(point.epsilon_sharpness(&BoxSearch { epsilon: 0.0, ..BoxSearch::seeded(0) }).map(drop));
}
