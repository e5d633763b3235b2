//! Kinds of points against the textbook, slices against the loss itself, sharpness against maxima known by hand.

use ndarray::{Array1, Axis, array};
use pullback::{
    DType, Graph, Initializer,
    landscape::{
        BoxSearch, Direction, Lanczos, Landscape, Scale, StationaryKind, StrictSaddle, StrictSaddleCase, Tolerance,
    },
};

use super::{Function, assert_close, landscape, network, quadratic, rosenbrock, with_spectrum};

/// A name, a function, a point, its kind and the ends of its spectrum.
type KindCase = (&'static str, Function, [f64; 2], StationaryKind, Option<[f64; 2]>);

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
        parameters.set("w", Array1::from(w.to_vec())).expect("fits");
        let mut point = landscape.point(&parameters, ()).expect("fits");
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
        let mut point = landscape.point(&parameters, ()).expect("fits");
        let tolerance = Tolerance { gradient: 1e-9, eigenvalue: 1e-6 };
        let search = Lanczos { tolerance: 1e-9, ..Lanczos::seeded(1) };
        assert_eq!(point.stationary_kind(&tolerance, &search).expect("converges").kind, kind);
    }
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
        moved.flat_mut::<f64>().expect("there").iter_mut().zip(steps).for_each(|(w, step)| *w += step);
        program.run(&moved, ()).expect("fits").scalar::<f64>("result").expect("a scalar")
    };
    let mut point = landscape.point(&parameters, ()).expect("fits");
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
    let own = Direction::from_buffers(&point);
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
fn the_max_loss_in_a_box() {
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
        let mut point = landscape.point(&parameters, ()).expect("fits");
        let value = point.value();
        let found = point.epsilon_sharpness(&BoxSearch { epsilon, ..BoxSearch::seeded(2) }).expect("finite");
        assert_close(found.max_loss, expected, 1e-13);
        assert_close(found.percent, 100.0 * (expected - value) / (1.0 + value), 1e-10);
        for (z, x) in found.displacement.elements().iter().zip(&x) {
            assert_close(z.abs(), epsilon * (x.abs() + 1.0), 1e-15);
        }
    }
}

/// The greatest loss is inside the box: −(x − 0.005)² from x = 0.
#[test]
fn a_max_loss_inside_the_box() {
    let (mut landscape, parameters) = landscape(1, |w| -(w - 0.005).square().sum());
    let search = BoxSearch { epsilon: 1e-2, ..BoxSearch::seeded(0) };
    let found = landscape.point(&parameters, ()).expect("fits").epsilon_sharpness(&search).expect("finite");
    assert_close(found.displacement.elements()[0], 0.005, 1e-9);
    assert_close(found.max_loss, 0.0, 1e-17);
    // At a maximum nothing rises.
    let (mut top, parameters) = self::landscape(2, |w| -w.square().sum());
    let found = top.point(&parameters, ()).expect("fits").epsilon_sharpness(&search).expect("finite");
    assert_eq!((found.percent, found.max_loss), (0.0, 0.0));
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
        (rosenbrock, [1.04, 1.0816], Neither),
        (|w| 0.2 * (w - 0.2).square().sum(), [0.0, 0.0], LargeGradient),
        (|w| 0.2 * (w - 0.1).square().sum(), [0.0, 0.0], Neither),
        (|w| w.slice(0).powi(3) - 3.0 * w.slice(0) * w.slice(1).square(), [0.0, 0.0], Neither),
        (|w| -0.2 * w.square().sum(), [0.0, 0.0], Neither),
    ];
    for (index, (function, w, case)) in cases.iter().enumerate() {
        let (mut landscape, mut parameters) = landscape(2, function);
        parameters.set("w", Array1::from(w.to_vec())).expect("fits");
        let mut point = landscape.point(&parameters, ()).expect("fits");
        let report = point.strict_saddle(&constants, &Lanczos::seeded(0)).expect("finite");
        assert_eq!(report.case, *case, "case {index}: {report:?}");
    }
}
