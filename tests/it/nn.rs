//! Composites: their derivatives by differences and dual numbers, their values against hand-worked ones, and what they do
//! at kinks and extremes.

mod layers_by_hand;
mod layers_image;
mod layers_misused;
pub(crate) mod sequence;
mod table;

use ndarray::{Array1, ArrayD, array};
use pullback::{
    Correction, DType, Expr, Graph, Pool, Value,
    check::prove_expression,
    nn::{
        cross_entropy, cross_entropy_with_probabilities, hinge_loss, layer_norm, layer_norm_with, linear,
        logistic_loss, squared_error,
    },
    ops::Smoothness,
};

type Composite = for<'g> fn(Expr<'g>) -> Expr<'g>;

/// Every composite of one f64 matrix at a point where it is smooth.
const SMOOTH: &[(&str, Composite)] = &[
    ("softmax", |x| x.softmax(-1)),
    ("softmax over the first axis", |x| x.softmax(0)),
    ("log_softmax", |x| x.log_softmax(-1)),
    ("logsumexp", |x| x.logsumexp([0, 1])),
    ("logaddexp", |x| x.logaddexp(x.sin())),
    ("log_sigmoid", |x| x.log_sigmoid()),
    ("gelu", |x| x.gelu()),
    ("gelu_tanh", |x| x.gelu_tanh()),
    ("silu", |x| x.silu()),
    ("leaky_relu", |x| x.leaky_relu(0.1)),
    ("elu", |x| x.elu(1.5)),
    ("clamp", |x| x.clamp(-0.5, 0.7)),
    ("relu6", |x| (x * 5.0).relu6()),
    ("hard_tanh", |x| x.hard_tanh()),
    ("mean", |x| x.mean()),
    ("mean_over", |x| x.mean_over(0)),
    ("variance", |x| x.variance_over(-1, Correction::None)),
    ("standard deviation", |x| x.standard_deviation_over(-1, Correction::Bessel)),
    ("norm", |x| x.norm()),
    ("norm_over", |x| x.norm_over(0)),
    ("norm_l1", |x| x.norm_l1()),
    ("layer_norm", |x| x.layer_norm(x.mean_over(0), x.max_over(0), 1e-5)),
    ("sorted", |x| x.sort(-1) * x),
    ("top_k", |x| x.top_k(2, -1).0.square()),
    ("max_pool", |x| x.reshape((1, 1, 2, 3)).max_pool(Pool::size(2).stride(1))),
    ("avg_pool", |x| x.reshape((1, 1, 2, 3)).avg_pool(Pool::size(2).stride(1).padding(1)).square()),
    ("cross_entropy", |x| cross_entropy(x, x.graph().constant(array![2i64, 0]))),
    ("cross_entropy_with_probabilities", |x| cross_entropy_with_probabilities(x, (x * 0.5).softmax(-1))),
    ("squared_error", |x| squared_error(x, x.sin())),
    ("logistic_loss", |x| logistic_loss(x, x.cos().sign())),
    ("hinge_loss", |x| hinge_loss(x, x.cos().sign())),
    ("where_safe", |x| x.greater(0.0).where_safe(x, 1.0, |x| x.log(), 0.0)),
];

#[test]
fn composites_have_the_derivatives_of_their_values() {
    for (name, composite) in SMOOTH {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (2, 3));
        let at = Value::from(array![[0.3, -1.2, 0.9], [1.7, -0.4, 0.05]]);
        let proof = prove_expression(composite(x), &[(x, at)], Smoothness::Smooth);
        assert!(proof.is_ok(), "{name}: {}", proof.unwrap_err());
    }
}

/// f at x, and df/dx of its sum.
fn value_and_slope(composite: Composite, x: ArrayD<f64>) -> (Vec<f64>, Vec<f64>) {
    let g = Graph::new();
    let input = g.input_of(DType::F64, "x", x.shape());
    let y = composite(input);
    let mut program = g.compile([("y", y), ("slope", g.gradient(y.sum(), input))]).expect("no mistake");
    let out = program.call(("x", &x)).expect("fits");
    let numbers = |name: &str| out[name].array::<f64>().expect("f64").iter().copied().collect();
    (numbers("y"), numbers("slope"))
}

fn at(x: &[f64]) -> ArrayD<f64> {
    Array1::from(x.to_vec()).into_dyn()
}

const MAX: f64 = f64::MAX;

/// A name, a function, points, values and slopes.
type Case = (&'static str, Composite, &'static [f64], &'static [f64], &'static [f64]);

#[test]
fn conventions_at_kinks_and_extremes() {
    let cases: &[Case] = &[
        ("relu", |x| x.relu(), &[0.0, -0.0, 2.0, -2.0], &[0.0, 0.0, 2.0, 0.0], &[0.0, 0.0, 1.0, 0.0]),
        ("relu6", |x| x.relu6(), &[0.0, 6.0, 3.0, 7.0], &[0.0, 6.0, 3.0, 6.0], &[0.0, 0.0, 1.0, 0.0]),
        ("hard_tanh", |x| x.hard_tanh(), &[-1.0, 1.0, 0.5], &[-1.0, 1.0, 0.5], &[1.0, 1.0, 1.0]),
        ("clamp", |x| x.clamp(-1.0, 2.0), &[-1.0, 2.0, 2.5], &[-1.0, 2.0, 2.0], &[1.0, 1.0, 0.0]),
        ("abs", |x| x.abs(), &[0.0, -3.0], &[0.0, 3.0], &[0.0, -1.0]),
        ("maximum", |x| x.maximum(1.0), &[1.0, 2.0, 0.0], &[1.0, 2.0, 1.0], &[0.5, 1.0, 0.0]),
        ("max", |x| x.max(), &[1.0, 3.0, 3.0], &[3.0], &[0.0, 0.5, 0.5]),
        ("norm", |x| x.norm(), &[0.0, 0.0], &[0.0], &[0.0, 0.0]),
        ("standard deviation", |x| x.standard_deviation_over(0, Correction::None), &[2.0, 2.0], &[0.0], &[0.0, 0.0]),
        ("prod", |x| x.prod(), &[0.0, 3.0, 4.0], &[0.0], &[12.0, 0.0, 0.0]),
        ("prod of two zeros", |x| x.prod(), &[0.0, 0.0, 4.0], &[0.0], &[0.0, 0.0, 0.0]),
        ("pow", |x| x.pow(1.5), &[0.0, 4.0], &[0.0, 8.0], &[0.0, 3.0]),
        ("sigmoid", |x| x.sigmoid(), &[-MAX, -1e4, 1e4, MAX], &[0.0, 0.0, 1.0, 1.0], &[0.0; 4]),
        ("softplus", |x| x.softplus(), &[-MAX, -1e4, 1e4, MAX], &[0.0, 0.0, 1e4, MAX], &[0.0, 0.0, 1.0, 1.0]),
        ("log_sigmoid", |x| x.log_sigmoid(), &[-MAX, -1e4, 1e4, MAX], &[-MAX, -1e4, 0.0, 0.0], &[1.0, 1.0, 0.0, 0.0]),
        ("logsumexp", |x| x.logsumexp(0), &[1e4, -1e4], &[1e4], &[1.0, 0.0]),
        ("logsumexp of −∞", |x| x.logsumexp(0), &[f64::NEG_INFINITY; 2], &[f64::NEG_INFINITY], &[]),
        (
            "cross_entropy",
            |x| cross_entropy(x, x.graph().constant(1i64)),
            &[1e300, -1e300, 0.0],
            &[2e300],
            &[1.0, -1.0, 0.0],
        ),
        ("where_safe", |x| x.greater(0.0).where_safe(x, 1.0, |x| x.log(), 0.0), &[0.0, 1.0], &[0.0, 0.0], &[0.0, 1.0]),
        ("elu", |x| x.elu(1.0), &[1e4, -1e4], &[1e4, -1.0], &[1.0, 0.0]),
    ];
    for (name, composite, x, values, slopes) in cases {
        let (found, found_slopes) = value_and_slope(*composite, at(x));
        assert_eq!(found, *values, "value of {name}");
        if !slopes.is_empty() {
            assert_eq!(found_slopes, *slopes, "slope of {name}");
        }
    }
}

#[test]
fn nan_is_not_hidden() {
    let functions: &[Composite] =
        &[|x| x.relu(), |x| x.maximum(0.0), |x| x.max(), |x| x.clamp(-1.0, 1.0), |x| x.sign()];
    for function in functions {
        assert!(value_and_slope(*function, at(&[f64::NAN])).0[0].is_nan());
    }
}

/// The lecture's worked example: f = (0.1, −0.8, 1.4, 1.1), 2.95 for class 2 and 0.75 for class 3, classes from 1.
#[test]
fn the_lectures_cross_entropy() {
    let f: [f64; 4] = [0.1, -0.8, 1.4, 1.1];
    let total: f64 = f.iter().map(|f| f.exp()).sum();
    for (class, printed) in [(2i64, 2.95), (3, 0.75)] {
        let g = Graph::new();
        let loss = cross_entropy(g.constant(at(&f)), g.constant(class - 1));
        let mut program = g.compile(loss).expect("no mistake");
        let found = program.call(()).expect("runs").scalar::<f64>("result").expect("a scalar");
        let exact = total.ln() - f[class as usize - 1];
        assert!((found - exact).abs() < 1e-12 && (found - printed).abs() < 5e-3, "class {class}: {found}");
    }
}

#[test]
fn cross_entropy_of_two_classes_is_the_logistic_loss() {
    for score in [-30.0, -1.5, 0.0, 0.7, 40.0] {
        for (label, sign) in [(0i64, -1.0), (1, 1.0)] {
            let g = Graph::new();
            let f = g.input_of(DType::F64, "f", ());
            let logits = (f * 0.0).unsqueeze(0).concat([f.unsqueeze(0)], 0);
            let two = cross_entropy(logits, g.constant(label));
            let one = logistic_loss(f, g.constant(sign));
            let results = [("two", two), ("one", one), ("d_two", g.gradient(two, f)), ("d_one", g.gradient(one, f))];
            let mut program = g.compile(results).expect("no mistake");
            let out = program.call(("f", &score)).expect("fits");
            let number = |name: &str| out.scalar::<f64>(name).expect("a scalar");
            assert!((number("two") - number("one")).abs() < 1e-14, "{score} {label}");
            assert!((number("d_two") - number("d_one")).abs() < 1e-15, "{score} {label}");
        }
    }
}

#[test]
fn a_batch_of_none_and_of_any_size() {
    let g = Graph::new();
    let x = g.input("x", ("batch", 4));
    let label = g.input_of(DType::I64, "label", ("batch",));
    let logits = linear(layer_norm(x, "norm").gelu(), "out", 3);
    let loss = cross_entropy(logits, label).sum();
    let mut step = g.compile_training(loss).expect("no mistake");
    let parameters = g.initialize(0).expect("no mistake");
    for rows in [0usize, 1, 5] {
        let x = ndarray::Array2::from_shape_fn((rows, 4), |(row, column)| (row + 2 * column) as f32 * 0.3);
        let label = Array1::from_elem(rows, 1i64);
        let out = step.run(&parameters, (("x", &x), ("label", &label))).expect("fits");
        assert!(out.loss.is_finite() && (rows > 0) == (out.loss > 0.0));
        assert_eq!(out.gradients.flat::<f32>().expect("there").iter().all(|gradient| *gradient == 0.0), rows == 0);
    }
}

#[test]
fn one_hot_and_statistics_by_hand() {
    let g = Graph::new();
    let x = g.constant(array![1.0, 2.0, 4.0, 9.0]);
    let results = [
        ("one_hot", g.constant(array![2i64, 0]).one_hot(3, DType::F64)),
        ("mean", x.mean()),
        ("variance", x.variance_over(0, Correction::Bessel)),
        ("norm", x.norm()),
        ("l1", (-x).norm_l1()),
    ];
    let out = g.compile(results).expect("no mistake").call(()).expect("runs");
    assert_eq!(out["one_hot"], array![[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]].into());
    assert_eq!(out.scalar::<f64>("mean"), Ok(4.0));
    let variance = out.scalar::<f64>("variance").expect("a scalar");
    assert!((variance - 38.0 / 3.0).abs() < 1e-14, "{variance}");
    assert_eq!(out.scalar::<f64>("norm"), Ok(102f64.sqrt()));
    assert_eq!(out.scalar::<f64>("l1"), Ok(16.0));
}

type Loss = for<'g> fn(Expr<'g>, Expr<'g>) -> Expr<'g>;

type SingleCase = (&'static str, Composite, [f32; 2], [f32; 2], [f32; 2]);

/// In `f32`, where the largest number is reached sooner: function, x, value, slope.
#[test]
fn extremes_of_single_precision() {
    const MAX: f32 = f32::MAX;
    let cases: &[SingleCase] = &[
        ("sigmoid", |x| x.sigmoid(), [-MAX, MAX], [0.0, 1.0], [0.0, 0.0]),
        ("softplus", |x| x.softplus(), [-MAX, MAX], [0.0, MAX], [0.0, 1.0]),
        ("log_sigmoid", |x| x.log_sigmoid(), [-MAX, MAX], [-MAX, 0.0], [1.0, 0.0]),
        ("silu", |x| x.silu(), [-MAX, MAX], [0.0, MAX], [0.0, 1.0]),
        ("gelu", |x| x.gelu(), [-MAX, MAX / 4.0], [0.0, MAX / 4.0], [0.0, 1.0]),
        ("elu", |x| x.elu(1.0), [-MAX, MAX], [-1.0, MAX], [0.0, 1.0]),
        ("softmax of equals", |x| x.softmax(0), [MAX, MAX], [0.5, 0.5], [0.0, 0.0]),
        ("softmax", |x| x.softmax(0), [-MAX, MAX], [0.0, 1.0], [0.0, 0.0]),
        ("logistic_loss", |x| logistic_loss(x, x.zeros_like() - 1.0), [-MAX, MAX], [0.0, MAX], [0.0, 1.0]),
        ("hinge_loss", |x| hinge_loss(x, x.ones_like()), [-MAX, MAX], [MAX, 0.0], [-1.0, 0.0]),
    ];
    for (name, composite, x, values, slopes) in cases {
        let g = Graph::new();
        let input = g.input("x", (2,));
        let y = composite(input);
        let mut program = g.compile([("y", y), ("slope", g.gradient(y.sum(), input))]).expect("no mistake");
        let out = program.call(("x", &Array1::from(x.to_vec()))).expect("fits");
        assert_eq!(out["y"], Array1::from(values.to_vec()).into(), "value of {name}");
        assert_eq!(out["slope"], Array1::from(slopes.to_vec()).into(), "slope of {name}");
    }
}

/// A row in which everything is masked: zero probabilities, no NaN, and no derivative.
#[test]
fn rows_of_minus_infinity() {
    const NONE: f64 = f64::NEG_INFINITY;
    let cases: &[Case] = &[
        ("softmax", |x| x.softmax(0), &[NONE, NONE], &[0.0, 0.0], &[0.0, 0.0]),
        ("softmax, partly", |x| x.softmax(0), &[NONE, 3.0], &[0.0, 1.0], &[0.0, 0.0]),
        ("log_softmax", |x| x.log_softmax(0), &[NONE, NONE], &[NONE, NONE], &[1.0, 1.0]),
        ("log_softmax, partly", |x| x.log_softmax(0), &[NONE, 3.0], &[NONE, 0.0], &[1.0, -1.0]),
        ("logsumexp", |x| x.logsumexp(0), &[NONE, NONE], &[NONE], &[0.0, 0.0]),
        ("logsumexp, partly", |x| x.logsumexp(0), &[NONE, 3.0], &[3.0], &[0.0, 1.0]),
        (
            "cross_entropy to a masked class",
            |x| cross_entropy_with_probabilities(x, x.graph().constant(array![0.0, 1.0])),
            &[NONE, 3.0],
            &[0.0],
            &[0.0, 0.0],
        ),
    ];
    for (name, composite, x, values, slopes) in cases {
        assert_eq!(value_and_slope(*composite, at(x)), (values.to_vec(), slopes.to_vec()), "{name}");
    }
    let infinite = value_and_slope(|x| x.logsumexp(0), at(&[f64::INFINITY, 1.0])).0;
    assert_eq!(infinite, [f64::INFINITY]);
}

#[test]
fn conventions_of_further_kinks() {
    let cases: &[(&str, Composite, &[f64], &[f64])] = &[
        ("leaky_relu", |x| x.leaky_relu(0.1), &[0.0, -0.0, 1.0], &[0.1, 0.1, 1.0]),
        ("elu", |x| x.elu(1.5), &[0.0, 1.0], &[1.5, 1.0]),
        ("norm_l1", |x| x.norm_l1(), &[0.0, -2.0], &[0.0, -1.0]),
        ("hinge_loss", |x| hinge_loss(x, x.ones_like()), &[1.0, 0.5, 2.0], &[0.0, -1.0, 0.0]),
    ];
    for (name, composite, x, slopes) in cases {
        assert_eq!(value_and_slope(*composite, at(x)).1, *slopes, "slope of {name}");
    }
}

#[test]
fn nan_passes_through_every_composite() {
    for (name, composite) in SMOOTH.iter().filter(|(name, _)| !["where_safe", "sorted", "top_k"].contains(name)) {
        let all = ArrayD::from_elem(vec![2, 3], f64::NAN);
        assert!(value_and_slope(*composite, all).0.iter().all(|value| value.is_nan()), "{name}");
    }
}

/// By the tail of the normal distribution, independent of erf: Φ(x) by Simpson's rule.
#[test]
fn gelu_is_x_times_the_normal_distribution() {
    let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
    for x in [-3.0f64, -0.7, 0.2, 2.5] {
        let n = 2000;
        let step = x / f64::from(n);
        let weight = |i: i32| if i == 0 || i == n { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
        let area: f64 = (0..=n).map(|i| weight(i) * density(f64::from(i) * step)).sum::<f64>() * step / 3.0;
        let (exact, approximate) =
            (value_and_slope(|x| x.gelu(), at(&[x])).0, value_and_slope(|x| x.gelu_tanh(), at(&[x])).0);
        // Simpson's error is step⁴·x/180 times the fourth derivative, below 10⁻¹².
        assert!((exact[0] - x * (0.5 + area)).abs() < 1e-12, "{x}: {exact:?}");
        assert!((exact[0] - approximate[0]).abs() < 5e-4, "{x}: {approximate:?}");
    }
}

/// A mean of equal numbers is that number, and a mean of none is NaN without a NaN in any derivative.
#[test]
fn statistics_over_a_batch_of_any_size() {
    let g = Graph::new();
    let (x, shift) = (g.input_of(DType::F64, "x", ("batch", 2)), g.input_of(DType::F64, "shift", (2,)));
    let loss = (x + shift).powi(2).mean();
    let results = [
        ("mean", x.mean_over(0)),
        ("variance", x.variance_over(0, Correction::Bessel)),
        ("deviation", x.standard_deviation_over(0, Correction::None)),
        ("slope", g.gradient(loss, shift)),
    ];
    let mut program = g.compile(results).expect("no mistake");
    let shift = array![0.5, 0.5];
    for rows in [0usize, 1, 2, 49] {
        let x = ndarray::Array2::from_elem((rows, 2), 0.1);
        let out = program.call((("x", &x), ("shift", &shift))).expect("fits");
        let first = |name: &str| out[name].array::<f64>().expect("f64")[[0]];
        if rows == 0 {
            assert!(first("mean").is_nan() && first("variance").is_nan());
            assert_eq!(out["slope"], array![0.0, 0.0].into());
            continue;
        }
        // The sum of up to 49 terms is rounded 48 times.
        assert!((first("mean") - 0.1).abs() < 1e-15 && first("deviation").abs() < 1e-15, "{rows}");
        assert_eq!(first("variance").is_nan(), rows == 1);
        assert!((first("slope") - 0.6).abs() < 1e-14, "{rows}: {}", first("slope"));
    }
}

#[test]
fn losses_by_hand() {
    let cases: &[(Loss, f64, f64, f64)] = &[
        (|f, y| squared_error(f, y), 3.0, 1.0, 4.0),
        (|f, y| hinge_loss(f, y), 0.25, 1.0, 0.75),
        (|f, y| hinge_loss(f, y), 0.25, -1.0, 1.25),
        (|f, y| logistic_loss(f, y), 0.0, 1.0, std::f64::consts::LN_2),
        (|f, y| logistic_loss(f, y), 3f64.ln(), -1.0, 4f64.ln()),
    ];
    for (position, (loss, f, y, expected)) in cases.iter().enumerate() {
        let g = Graph::new();
        let result = loss(g.constant(*f), g.constant(*y));
        let out = g.compile(result).expect("no mistake").call(()).expect("runs");
        let found = out.scalar::<f64>("result").expect("a scalar");
        // One place of each of a few functions.
        assert!((found - expected).abs() < 1e-15, "case {position}: {found}");
    }
}

/// Every number that a composite is given by the user and writes into the graph.
#[test]
fn every_number_of_an_activation_is_finite_in_its_dtype_or_a_mistake() {
    type Apply = for<'g> fn(Expr<'g>, f64) -> Expr<'g>;
    let applies: [(&str, Apply); 4] = [
        ("leaky_relu", |x, slope| x.leaky_relu(slope)),
        ("elu", |x, alpha| x.elu(alpha)),
        ("clamp", |x, low| x.clamp(low, low)),
        ("layer_norm", |x, epsilon| layer_norm_with(x, "norm", epsilon)),
    ];
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -f64::MAX, 1e39];
    for (name, apply) in &applies[..2] {
        for odd in odd {
            let g = Graph::new();
            let (single, double) = (g.input("x", (2, 3)), g.input_of(DType::F64, "y", (2, 3)));
            assert!(apply(single, odd).is_poisoned(), "{name} of {odd:e} in f32");
            assert_eq!(apply(double, odd).is_poisoned(), !odd.is_finite(), "{name} of {odd:e} in f64");
            let told = g.check().expect_err("at least one mistake").0;
            assert!(told.iter().all(|told| told.operation == *name), "{told:?}");
        }
    }
    for odd in [0.0, -1.0, 1e-50].into_iter().chain(odd) {
        let g = Graph::new();
        assert!(applies[3].1(g.input("x", (2, 3)), odd).is_poisoned(), "epsilon {odd:e} in f32");
    }
    let g = Graph::new();
    assert!(applies[2].1(g.input("x", (2, 3)), f64::NAN).is_poisoned());
    for (name, apply) in applies {
        let g = Graph::new();
        assert!(!apply(g.input_of(DType::F64, "x", (2, 3)), 1e-50).is_poisoned(), "{name}");
    }
}
