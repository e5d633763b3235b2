//! What a landscape takes: types, inputs, names; and what it refuses, with the user's line.

use ndarray::{Array1, Array2, ArrayD, Axis, array};
use pullback::{
    CompileError, DType, Graph, Initializer, Inputs, Parameters,
    landscape::{BoxSearch, Direction, Lanczos, Landscape, LandscapeError, Probes, Scale, StrictSaddle, Tolerance},
};

use super::{assert_close, landscape};

fn fed_again(xs: &Array2<f32>, ys: &Array1<f64>) -> impl Inputs {
    (("direction", xs), ("direction_", ys))
}

/// Both precisions at once, inputs with symbols, a parameter that does not matter, and names that are taken.
#[test]
fn a_landscape_of_mixed_types_and_inputs() {
    let g = Graph::new();
    let x = g.input("direction", ("n", 2));
    let target = g.input_of(DType::F64, "direction_", ("n",));
    let unused = g.parameter("unused", (7,), Initializer::Constant(1.0));
    let w = g.parameter("w", (2,), Initializer::Constant(0.5));
    let b = g.parameter_of(DType::F64, "b", (), Initializer::Constant(-0.25));
    let none = g.parameter("none", (0, 3), Initializer::Zeros);
    let loss = (x.dot(w).cast(DType::F64) + b - target).square().mean() + none.sum().cast(DType::F64);
    let (nodes, inputs) = (g.len(), g.inputs().len());
    let mut landscape = Landscape::new(loss).expect("no mistake");
    assert_eq!((g.len(), g.inputs().len()), (nodes, inputs), "the graph is as it was");
    assert!(!unused.is_poisoned());
    assert_eq!(landscape.layout().names().collect::<Vec<_>>(), ["w", "b", "none"]);
    assert_eq!(landscape.dimension(), 3);
    let parameters = g.initialize(0).expect("no mistake");
    let (xs, ys) = (array![[1.0f32, 2.0], [0.0, -1.0], [3.0, 0.5]], array![1.0, 0.0, 2.0]);
    let mut point = landscape.point(&parameters, fed_again(&xs, &ys)).expect("fits");
    // H = 2/n·Σ (x, 1)(x, 1)ᵀ.
    let rows: ArrayD<f64> = xs.mapv(f64::from).into_dyn();
    let rows = rows.into_dimensionality::<ndarray::Ix2>().expect("two axes");
    let rows = ndarray::concatenate![Axis(1), rows, Array2::<f64>::ones((3, 1))];
    let expected = rows.t().dot(&rows) * (2.0 / 3.0);
    let found = point.hessian().expect("small");
    assert!((&found - &expected).iter().all(|element| element.abs() < 1e-6), "{found}");
    // A direction among all parameters serves too.
    let wide = Direction::from_buffers(&parameters);
    assert_eq!(wide.elements().len(), 10);
    assert!(Direction::random(&parameters, Scale::Filter, 0).elements().iter().all(|element| element.is_finite()));
    let moved = point.slice(&wide, &[0.0, 1.0]).expect("fits");
    assert!(moved[0] == point.value() && moved[1] != point.value());
    let other = Direction::from_buffers(&Parameters::default());
    let error = point.slice(&other, &[0.0]).unwrap_err();
    assert_eq!(error, LandscapeError::Direction { name: "w".into(), shape: vec![2] });
    let error = Direction::between(&parameters, &Parameters::default()).unwrap_err();
    assert!(matches!(error, LandscapeError::Layouts { .. }));
    let error = landscape.point(&parameters, ("direction", &xs)).unwrap_err().to_string();
    assert!(error.starts_with(r#"input "direction_" (f64[n], declared at tests/it/landscape/mistakes.rs:"#), "{error}");
    let error = landscape.point(&Parameters::default(), fed_again(&xs, &ys)).unwrap_err().to_string();
    assert!(error.starts_with(r#"parameter "w" (f32[2], declared at tests/it/landscape/mistakes.rs:"#), "{error}");
}

#[test]
fn stopped_gradients_stay_stopped() {
    let (mut landscape, mut parameters) = landscape(2, |w| (w * w.stop_gradient()).sum());
    parameters.set("w", &array![2.0, 3.0]).expect("fits");
    let mut point = landscape.point(&parameters, ()).expect("fits");
    assert_eq!(point.gradient().expect("finite").elements(), [2.0, 3.0]);
    assert_eq!(point.hessian().expect("small"), Array2::<f64>::zeros((2, 2)));
}

#[test]
fn mistakes_have_the_users_line() {
    let g = Graph::new();
    let w = g.parameter("w", (2,), Initializer::Zeros);
    let error = Landscape::new(w).unwrap_err();
    let LandscapeError::Compile(CompileError::Graph(mistakes)) = &error else { panic!("{error}") };
    assert_eq!((mistakes.0.len(), mistakes.0[0].operation), (1, "landscape"));
    assert_eq!(mistakes.0[0].site.file, "tests/it/landscape/mistakes.rs");
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
    let mut point = landscape.point(&parameters, ()).expect("finite");
    let mut lower = parameters.clone();
    lower.array_mut::<f64>("w").expect("there")[[1, 0]] = 0.0;
    let error = point.slice(&Direction::between(&parameters, &lower).expect("alike"), &[0.5, 1.5]).unwrap_err();
    let LandscapeError::LossNotFinite { value, steps, .. } = &error else { panic!("{error}") };
    assert!(value.is_nan() && *steps == [1.5], "{error}");
    // From 1 − 2·0.4 on there are roots, from 1 − 2·0.9 there are not.
    let sharpness = |epsilon: f64| BoxSearch { epsilon, ..BoxSearch::seeded(0) };
    let found = point.epsilon_sharpness(&sharpness(0.4)).expect("there are roots");
    assert_close(found.max_loss, 4.0 * 1.8f64.sqrt(), 1e-14);
    assert!(matches!(point.epsilon_sharpness(&sharpness(0.9)), Err(LandscapeError::LossNotFinite { .. })));

    parameters.set("w", &array![[1.0, 1.0], [0.0, 0.0]]).expect("fits");
    let error = landscape.point(&parameters, ()).expect("0 has a root").gradient().unwrap_err();
    let LandscapeError::NotFinite { what: "gradient", parameter, element, site, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!((parameter.as_str(), element.as_slice(), *site), ("w", &[1, 0][..], w.site()));
    parameters.set("w", &array![[1.0, 1.0], [-1.0, 0.0]]).expect("fits");
    assert!(matches!(landscape.point(&parameters, ()), Err(LandscapeError::LossNotFinite { .. })));
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let n = pullback::landscape::MAX_DENSE + 1;
    let (mut large, parameters) = landscape(n, |w| (w * w * w.graph().iota(DType::F64, (n,), 0)).sum() - 2.0);
    let mut point = large.point(&parameters, ()).expect("fits");
    assert!(matches!(point.hessian(), Err(LandscapeError::TooManyParameters { dimension, .. }) if dimension == n));
    let search = Lanczos { max_steps: 5, tolerance: 1e-9, ..Lanczos::seeded(0) };
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
    refused(point.sharpness(&Lanczos { max_steps: 0, ..whole.clone() }).map(drop));
    refused(point.stationary_kind(&Tolerance { gradient: -1.0, eigenvalue: 0.0 }, &whole).map(drop));
    let constants = StrictSaddle { gradient: 0.1, curvature: 0.0, convexity: 1.0, distance: 1.0 };
    refused(point.strict_saddle(&constants, &whole).map(drop));
    refused(point.spectral_density(&Probes { count: 0, ..Probes::seeded(0) }).map(drop));
    refused(point.epsilon_sharpness(&BoxSearch { epsilon: 0.0, ..BoxSearch::seeded(0) }).map(drop));
}
