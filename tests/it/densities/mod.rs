//! Log densities and log probabilities: values and gradients against numbers recorded by `tests/recorded/densities.py` in 100
//! digits, second derivatives by differences and dual numbers, what there is outside of the support, integrals, and what is told of
//! mistakes.

mod table;

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, Array3, array};
use pullback::{
    DType, Evaluation, Expr, Graph, Options, Outputs, Value, check::prove_expression, densities::*, graph::GraphError,
    ops::Smoothness,
};

use table::{DENSITIES, Density, INFINITY};

/// A recorded number: what it is, and by how much a relative error of the operands moves it.
#[derive(Clone, Copy)]
struct Truth {
    number: f64,
    sensitivity: f64,
}

/// Some points of one density: the operands and, for the value and each derivative, the truth.
struct Recorded {
    operands: Vec<f64>,
    truths: Vec<Truth>,
}

fn recorded(density: &str) -> Vec<Recorded> {
    let lines = include_str!("../../recorded/densities.txt").lines();
    let numbers =
        |words: &str| -> Vec<f64> { words.split_whitespace().map(|word| word.parse().expect("a number")).collect() };
    let parts = lines.map(|line| line.split(" | ").collect::<Vec<_>>()).filter(|parts| parts[0] == density);
    let truth = |words: &&str| {
        let [number, sensitivity] = numbers(words)[..] else { panic!("two numbers: {words}") };
        Truth { number, sensitivity }
    };
    parts
        .map(|parts| Recorded { operands: numbers(parts[1]), truths: parts[2..].iter().map(truth).collect() })
        .collect()
}

/// A float array of either dtype.
fn value_of(numbers: Vec<f64>, dtype: DType) -> Value {
    let array = Array1::from(numbers).into_dyn();
    if dtype == DType::F32 { Value::F32(array.mapv(|x| x as f32)) } else { Value::F64(array) }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::F32(array) => array.iter().map(|x| f64::from(*x)).collect(),
        value => value.array::<f64>().expect("a float").iter().copied().collect(),
    }
}

/// The value and the derivative by each operand, at every point.
fn evaluate(density: &Density, points: &[Vec<f64>], dtype: DType, evaluation: Evaluation) -> Vec<Vec<f64>> {
    let g = Graph::new();
    let n_operands = points[0].len();
    let names: Vec<String> = (0..n_operands).map(|operand| format!("operand{operand}")).collect();
    let operands: Vec<Expr<'_>> = names.iter().map(|name| g.input_of(dtype, name, ("n",))).collect();
    let value = (density.build)(&operands);
    let results = [value].into_iter().chain(g.gradients(value.sum(), &operands));
    let results: Vec<(String, Expr<'_>)> = results.enumerate().map(|(index, y)| (index.to_string(), y)).collect();
    let mut program = g
        .compile_with(results.clone(), &Options { evaluation, ..Options::default() })
        .unwrap_or_else(|error| panic!("{}: {error}", density.name));
    let column = |operand: usize| value_of(points.iter().map(|point| point[operand]).collect(), dtype);
    let fed: Vec<(&str, Value)> = names.iter().map(String::as_str).zip((0..n_operands).map(column)).collect();
    let out: Outputs = program.call(fed).expect("it runs");
    results.iter().map(|(name, _)| numbers(&out[name.as_str()])).collect()
}

const ENGINES: [Evaluation; 2] = [Evaluation::Compiled, Evaluation::Reference];

/// Derivatives that are differences of terms of the size of 1, or of one over a parameter, keep the last places of these where all but
/// nothing remains: that by a shape of the beta distribution, ψ(α + β) − ψ(α) + ln x, and that by a logit of a mixture, of two
/// probabilities.
fn least_size(density: &Density, number: usize, operands: &[f64]) -> f64 {
    match density.name {
        "beta" if number >= 2 => 0.02 * operands[number - 1].recip().max(1.0),
        "mixture" if number >= 4 => 0.02,
        _ => 0.0,
    }
}

/// A rounding of each operand moves a number by ε times its sensitivity, and some 400 roundings of that size, or of the size of the
/// number itself, are 10⁻¹³: the longest formula has some hundred operations, of which the functions round twice.
#[test]
fn values_and_gradients_are_those_recorded_in_multiprecision() {
    const TOLERANCE: f64 = 1e-13;
    let mut failures = Vec::new();
    for density in DENSITIES {
        let points = recorded(density.name);
        assert!(points.len() >= 2, "{} is not recorded", density.name);
        let operands: Vec<Vec<f64>> = points.iter().map(|point| point.operands.clone()).collect();
        for evaluation in ENGINES {
            for (number, found) in evaluate(density, &operands, DType::F64, evaluation).iter().enumerate() {
                for (found, point) in found.iter().zip(&points) {
                    let Truth { number: truth, sensitivity } = point.truths[number];
                    let size = truth.abs() + sensitivity + least_size(density, number, &point.operands);
                    let error = (found - truth).abs() / size.max(f64::MIN_POSITIVE);
                    let is_exact = number != 0 && number <= density.n_counts && *found == 0.0;
                    if !(error <= TOLERANCE || is_exact) {
                        let place = &point.operands;
                        let what = format!("{} {number} at {place:?}, {evaluation:?}", density.name);
                        failures.push(format!("{what}: {found:e} and not {truth:e}, error {error:.1e}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// Where rate and value together leave the range of the dtype the density does too, and its derivatives do not.
#[test]
fn what_is_beyond_the_range_is_infinite_with_finite_derivatives() {
    let named = |name: &str| DENSITIES.iter().find(|density| density.name == name).expect("listed");
    for evaluation in ENGINES {
        let gamma = evaluate(named("gamma"), &[vec![1e200, 2.0, 1e200]], DType::F64, evaluation);
        assert_eq!((gamma[0][0], gamma[1][0], gamma[3][0]), (f64::NEG_INFINITY, -1e200, -1e200));
        let inverse = evaluate(named("inverse_gamma"), &[vec![1e-200, 2.0, 1e200]], DType::F64, evaluation);
        assert_eq!((inverse[0][0], inverse[3][0]), (f64::NEG_INFINITY, -1e200));
        assert!(inverse.iter().all(|numbers| !numbers[0].is_nan()), "{inverse:?}");
    }
}

/// The same in f32, of points whose numbers are in its range: the operands are rounded, which counts once more, and 200 roundings of
/// 6·10⁻⁸ are 1.2·10⁻⁵.
#[test]
fn values_and_gradients_in_single_precision_are_those_of_the_same_formulas() {
    const TOLERANCE: f64 = 1.2e-5;
    // What is next to 1 rounds to 1.
    let is_held = |x: &f64| *x == 0.0 || (1e-9..1e9).contains(&x.abs()) && !(1e-15..1e-6).contains(&(1.0 - x));
    for density in DENSITIES {
        let has_counts = density.n_counts > 0;
        let points: Vec<Recorded> = recorded(density.name)
            .into_iter()
            .filter(|point| point.operands.iter().chain(point.truths.iter().map(|truth| &truth.number)).all(is_held))
            .filter(|point| !has_counts || point.operands.iter().all(|x| *x < 1e6))
            .collect();
        let operands: Vec<Vec<f64>> =
            points.iter().map(|point| point.operands.iter().map(|x| f64::from(*x as f32)).collect()).collect();
        let truths = evaluate(density, &operands, DType::F64, Evaluation::Reference);
        for evaluation in ENGINES {
            let found = evaluate(density, &operands, DType::F32, evaluation);
            for (number, (found, truths)) in found.iter().zip(&truths).enumerate() {
                for ((found, truth), point) in found.iter().zip(truths).zip(&points) {
                    let least = least_size(density, number, &point.operands);
                    let allowed = TOLERANCE * (truth.abs() + point.truths[number].sensitivity + least);
                    let what = format!("{} {number} at {:?}, {evaluation:?}", density.name, point.operands);
                    assert!((found - truth).abs() <= allowed, "{what}: {found:e} and not {truth:e}");
                }
            }
        }
    }
}

/// In both dtypes and engines; the gradient by parameters that are shared with points inside stays that of the points inside.
#[test]
fn outside_of_the_support_is_minus_infinity_and_invalid_parameters_are_nan_with_zero_gradients() {
    for density in DENSITIES {
        for dtype in [DType::F64, DType::F32] {
            for evaluation in ENGINES {
                for (points, is_expected) in [
                    (density.outside, (|y| y == -INFINITY) as fn(f64) -> bool),
                    (density.invalid, (|y: f64| y.is_nan()) as fn(f64) -> bool),
                ] {
                    if points.is_empty() {
                        continue;
                    }
                    let points: Vec<Vec<f64>> = points.iter().map(|point| point.to_vec()).collect();
                    let found = evaluate(density, &points, dtype, evaluation);
                    for (place, point) in points.iter().enumerate() {
                        let of_point: Vec<f64> = found.iter().map(|numbers| numbers[place]).collect();
                        let is_zero = of_point[1..].iter().all(|slope| *slope == 0.0);
                        let what = format!("{} at {point:?}, {dtype}, {evaluation:?}: {of_point:?}", density.name);
                        assert!(is_expected(of_point[0]) && is_zero, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn points_outside_add_nothing_to_the_derivatives_by_shared_parameters() {
    for density in DENSITIES.iter().filter(|density| !density.outside.is_empty() && density.smooth.len() < 5) {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", ("n",));
        let parameters: Vec<Expr<'_>> =
            (1..density.smooth.len()).map(|i| g.input_of(DType::F64, &format!("p{i}"), ())).collect();
        let operands: Vec<Expr<'_>> = [x].into_iter().chain(parameters.iter().copied()).collect();
        if density.name == "categorical" {
            continue;
        }
        let y = (density.build)(&operands);
        let first = g.gradients(y.is_finite().select(y, 0.0).sum(), &parameters);
        let second = g.gradients(first.iter().copied().reduce(|a, b| a + b).expect("a parameter"), &parameters);
        let results: Vec<(String, Expr<'_>)> =
            first.iter().chain(&second).enumerate().map(|(index, y)| (index.to_string(), *y)).collect();
        let mut program = g.compile(results.clone()).expect("no mistake");
        let mut call = |x: Vec<f64>| -> Vec<f64> {
            let names: Vec<String> = (1..density.smooth.len()).map(|i| format!("p{i}")).collect();
            let parameters = names.iter().zip(&density.smooth[1..]).map(|(name, p)| (name.as_str(), Value::from(*p)));
            let fed: Vec<(&str, Value)> = [("x", value_of(x, DType::F64))].into_iter().chain(parameters).collect();
            let out = program.call(fed).expect("it runs");
            results.iter().map(|(name, _)| out.scalar::<f64>(name).expect("a number")).collect()
        };
        let inside = density.smooth[0];
        let alone = call(vec![inside]);
        let among: Vec<f64> = density.outside.iter().map(|point| point[0]).chain([inside]).collect();
        assert_eq!(call(among), alone, "{}", density.name);
        assert!(alone.iter().all(|slope| slope.is_finite()), "{}: {alone:?}", density.name);
    }
}

/// By central differences and dual numbers, to second order.
#[test]
fn second_derivatives_are_proved_by_differences_and_dual_numbers() {
    for density in DENSITIES {
        let g = Graph::new();
        let operands: Vec<Expr<'_>> = density
            .smooth
            .iter()
            .enumerate()
            .map(|(index, x)| match index < density.n_counts {
                true => g.constant(Value::from(*x)),
                false => g.input_of(DType::F64, &format!("operand{index}"), ()),
            })
            .collect();
        let leaves: Vec<(Expr<'_>, Value)> = operands
            .iter()
            .zip(density.smooth)
            .skip(density.n_counts)
            .map(|(leaf, x)| (*leaf, Value::from(*x)))
            .collect();
        prove_expression((density.build)(&operands), &leaves, Smoothness::Smooth)
            .unwrap_or_else(|error| panic!("{}: {error}", density.name));
    }
}

/// The parts that are chosen by size go over into each other: gradients and second derivatives of both sides of a choice.
#[test]
fn second_derivatives_are_proved_on_both_sides_of_every_choice_of_a_formula() {
    let points: [(&str, &[f64]); 9] = [
        ("student_t", &[0.2, 23.5, 0.0, 1.0]),
        ("student_t", &[3.0, 24.5, 0.0, 1.0]),
        ("gamma", &[0.7, 11.5, 10.0]),
        ("gamma", &[1.2, 12.5, 10.0]),
        ("gamma", &[3.5, 12.5, 10.0]),
        ("beta", &[0.4, 8.0, 11.0]),
        ("beta", &[0.9, 14.0, 18.0]),
        ("cauchy", &[0.3, 0.0, 1.0]),
        ("half_cauchy", &[2.0, 1.0]),
    ];
    for (name, point) in points {
        let density = DENSITIES.iter().find(|density| density.name == name).expect("it is in the table");
        let g = Graph::new();
        let leaves: Vec<(Expr<'_>, Value)> = point
            .iter()
            .enumerate()
            .map(|(index, x)| (g.input_of(DType::F64, &format!("operand{index}"), ()), Value::from(*x)))
            .collect();
        let operands: Vec<Expr<'_>> = leaves.iter().map(|(leaf, _)| *leaf).collect();
        prove_expression((density.build)(&operands), &leaves, Smoothness::Smooth)
            .unwrap_or_else(|error| panic!("{name} at {point:?}: {error}"));
    }
}

/// ∫ p(x) dx by the trapezoidal rule in u with x = m + s·sinh(sinh u), which converges as the number of points grows like e^−n for such
/// integrands; 10⁻¹² is what remains of some 2500 roundings.
#[test]
fn densities_integrate_to_one() {
    let cases: [(&str, &[f64]); 12] = [
        ("normal", &[0.5, 2.0]),
        ("student_t", &[3.5, 0.5, 2.0]),
        ("cauchy", &[0.5, 2.0]),
        ("logistic", &[0.5, 2.0]),
        ("exponential", &[1.7]),
        ("gamma", &[0.6, 2.0]),
        ("gamma", &[40.0, 20.0]),
        ("inverse_gamma", &[3.0, 2.0]),
        ("log_normal", &[0.3, 0.7]),
        ("half_normal", &[1.5]),
        ("half_cauchy", &[1.5]),
        ("beta", &[0.5, 3.0]),
    ];
    let step = 1.0 / 256.0;
    for (name, parameters) in cases {
        let density = DENSITIES.iter().find(|density| density.name == name).expect("it is in the table");
        let is_positive = !matches!(name, "normal" | "student_t" | "cauchy" | "logistic");
        // x and dx/du: over the real line, over positive numbers, and over (0, 1).
        let place = |u: f64| -> (f64, f64) {
            let v = 1.5 * u.sinh();
            let slope = 1.5 * u.cosh();
            match (is_positive, name) {
                (false, _) => (v.sinh(), v.cosh() * slope),
                (true, "beta") => (1.0 / (1.0 + (-v).exp()), slope / (2.0 + v.exp() + (-v).exp())),
                (true, _) => (v.exp(), v.exp() * slope),
            }
        };
        let places: Vec<(f64, f64)> = (-1280..=1280).map(|i| place(f64::from(i) * step)).collect();
        let points: Vec<Vec<f64>> =
            places.iter().map(|(x, _)| [*x].into_iter().chain(parameters.iter().copied()).collect()).collect();
        let values = &evaluate(density, &points, DType::F64, Evaluation::Compiled)[0];
        let integral: f64 = values.iter().zip(&places).map(|(y, (_, slope))| y.exp() * slope * step).sum();
        assert!((integral - 1.0).abs() < 1e-12, "{name} with {parameters:?}: {integral}");
    }
}

#[test]
fn probabilities_of_counts_add_up_to_one() {
    let cases: [(&str, &[f64]); 5] = [
        ("poisson", &[30.0]),
        ("poisson", &[0.2]),
        ("binomial", &[300.0, 0.3]),
        ("negative_binomial", &[3.5, 0.2]),
        ("negative_binomial", &[0.01, 0.6]),
    ];
    for (name, parameters) in cases {
        let density = DENSITIES.iter().find(|density| density.name == name).expect("it is in the table");
        let points: Vec<Vec<f64>> =
            (0..400).map(|k| [f64::from(k)].into_iter().chain(parameters.iter().copied()).collect()).collect();
        let values = &evaluate(density, &points, DType::F64, Evaluation::Compiled)[0];
        let total: f64 = values.iter().map(|y| y.exp()).sum();
        // 400 terms, each with some ten roundings.
        assert!((total - 1.0).abs() < 1e-13, "{name} with {parameters:?}: {total}");
    }
}

#[test]
fn one_factor_for_all_events_is_as_a_factor_for_each() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("batch", 4, 2));
    let factor = g.input_of(DType::F64, "factor", (2, 2));
    let shared = multivariate_normal_log_density(x, 0.5, factor);
    let each = multivariate_normal_log_density(x, 0.5, factor.broadcast_to(("batch", 4, 2, 2)));
    let alone = multivariate_normal_log_density(x, 0.5, factor.broadcast_to((4, 2, 2)));
    assert_eq!(shared.shape().to_string(), "[batch, 4]");
    assert!(shared.ty() == each.ty() && shared.ty() == alone.ty());
    let mut results = Vec::new();
    for (name, y) in [("shared", shared), ("each", each), ("alone", alone)] {
        results.push((format!("{name} value"), y));
        results.push((format!("{name} by x"), g.gradient(y.sum(), x)));
        results.push((format!("{name} by factor"), g.gradient(y.sum(), factor)));
    }
    let xs = Array3::from_shape_fn((3, 4, 2), |(i, j, k)| (i as f64) * 0.3 - (j as f64) * 0.2 + (k as f64));
    // What is above the diagonal is not read.
    let fed = [("x", Value::from(xs)), ("factor", Value::from(array![[1.5, f64::NAN], [-0.5, 0.75]]))];
    let out = g.compile(results).expect("no mistake").call(&fed).expect("it runs");
    for part in ["value", "by x", "by factor"] {
        let of_shared = numbers(&out[format!("shared {part}").as_str()]);
        for name in ["each", "alone"] {
            let found = numbers(&out[format!("{name} {part}").as_str()]);
            for (found, truth) in found.iter().zip(&of_shared) {
                assert!(
                    (found - truth).abs() <= 1e-13 * truth.abs().max(1.0),
                    "{name} {part}: {found} and not {truth}"
                );
            }
        }
    }
}

#[test]
fn operands_broadcast_and_may_be_numbers() {
    let g = Graph::new();
    let x = g.input("x", ("batch", 1));
    let scale = g.input("scale", (3,));
    assert_eq!(normal_log_density(x, 0.0, scale).ty().to_string(), "f32[batch, 3]");
    assert_eq!(gamma_log_density(g.input("y", ()), scale, 2.0).ty().to_string(), "f32[3]");
    assert_eq!(dirichlet_log_density(g.input("p", ("batch", 3)), scale).ty().to_string(), "f32[batch]");
    assert_eq!(mixture_log_density(g.input("c", ("batch", 3)), scale).ty().to_string(), "f32[batch]");
    let one_event = multivariate_normal_log_density(scale, g.input("m", ("batch", 3)), g.input("l", (3, 3)));
    assert_eq!(one_event.ty().to_string(), "f32[batch]");
    let of_matrices = multivariate_normal_log_density(scale, 0.0, g.input("ls", ("batch", 3, 3)));
    assert_eq!(of_matrices.ty().to_string(), "f32[batch]");
    g.check().expect("no mistake");
}

/// A mistake, as the kind of its error.
type Mistake = (&'static str, for<'g> fn(&'g Graph) -> Expr<'g>, fn(&GraphError) -> bool);

#[test]
fn mistakes_are_told_on_the_line_of_the_call() {
    const MISTAKES: &[Mistake] = &[
        (
            "normal_log_density",
            |g| normal_log_density(g.input_of(DType::I64, "x", (3,)), 0.5, 1.0),
            |error| matches!(error, GraphError::UnsupportedDType { found: DType::I64, .. }),
        ),
        (
            "gamma_log_density",
            |g| gamma_log_density(g.input("x", (3,)), g.input_of(DType::F64, "shape", ()), 1.0),
            |error| matches!(error, GraphError::DTypesDiffer { left: DType::F32, right: DType::F64 }),
        ),
        (
            "beta_log_density",
            |g| beta_log_density(g.input("x", (3,)), g.input("alpha", (2,)), 1.0),
            |error| matches!(error, GraphError::NotBroadcastable { .. }),
        ),
        (
            "categorical_log_probability",
            |g| categorical_log_probability(g.input_of(DType::I64, "labels", (3,)), g.input("logits", (4, 2))),
            |error| matches!(error, GraphError::WrongShape { what: "the labels", .. }),
        ),
        (
            "dirichlet_log_density",
            |g| dirichlet_log_density(g.input("x", ()), 1.0),
            |error| matches!(error, GraphError::Rank { .. }),
        ),
        (
            "multivariate_normal_log_density",
            |g| multivariate_normal_log_density(g.input("x", ("n", 3)), 0.0, g.input("factor", (3, 2))),
            |error| matches!(error, GraphError::WrongShape { what: "the factor", .. }),
        ),
        (
            "mixture_log_density",
            |g| mixture_log_density(g.input("components", ("n", 3)), g.input("logits", (2,))),
            |error| matches!(error, GraphError::NotBroadcastable { .. }),
        ),
    ];
    for (name, build, is_expected) in MISTAKES {
        let g = Graph::new();
        assert!(build(&g).is_poisoned(), "{name}");
        let diagnostics = g.check().expect_err("there is a mistake");
        let report = diagnostics.to_string();
        assert_eq!(diagnostics.0.len(), 1, "{report}");
        assert!(diagnostics.0.iter().all(|diagnostic| is_expected(&diagnostic.error)), "{report}");
        assert!(report.contains(name) && report.contains("tests/it/densities/mod.rs"), "{report}");
    }
}

/// Every public function is in the table.
#[test]
fn every_density_is_tested() {
    let source = include_str!("../../../src/densities/mod.rs");
    let names: BTreeSet<&str> = source
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter_map(|word| word.strip_suffix("_log_density").or(word.strip_suffix("_log_probability")))
        .filter(|name| !name.is_empty())
        .collect();
    let tested: BTreeSet<&str> = DENSITIES.iter().map(|density| density.name).collect();
    assert_eq!(names, tested);
}

/// A sampler or an optimizer sees a whole row of events, of which one may be impossible.
#[test]
fn a_matrix_of_events_keeps_its_rows_apart() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (3, 2));
    let concentration = g.input_of(DType::F64, "concentration", (2,));
    let y = dirichlet_log_density(x, concentration);
    let slope = g.gradient(y.slice(0) + y.slice(2), concentration);
    let mut program = g.compile([("y", y), ("slope", slope)]).expect("no mistake");
    let xs = Array2::from_shape_vec((3, 2), vec![0.25, 0.75, 0.0, 1.0, 0.5, 0.5]).expect("six numbers");
    let out = program.call((("x", &xs), ("concentration", &array![1.0, 1.0]))).expect("it runs");
    assert_eq!(out["y"], array![0.0, -INFINITY, 0.0].into());
    // ln x + ψ(2) − ψ(1), summed over two events.
    let expected = [(0.25f64 * 0.5).ln() + 2.0, (0.75f64 * 0.5).ln() + 2.0];
    for (found, expected) in numbers(&out["slope"]).iter().zip(expected) {
        assert!((found - expected).abs() < 1e-14, "{found} and not {expected}");
    }
}
