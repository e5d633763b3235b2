//! Numbers near the ends of a dtype's range: sums of squares that over- or underflow where their root does not, literals
//! that a dtype cannot hold, and what composites do at 0, infinity and NaN.

use ndarray::{ArrayD, IxDyn, array};
use pullback::{
    Correction, DType, Evaluation, Expr, Graph, Outputs, Value,
    graph::{Constant, Literal, Op},
    nn::layer_norm_with,
};

use super::compiled::options;

const ENGINES: [Evaluation; 2] = [Evaluation::Reference, Evaluation::Compiled];

/// Results for one x, in either engine.
fn run(results: &[(&str, Expr<'_>)], x: &Value, engine: Evaluation) -> Outputs {
    let g = results[0].1.graph();
    let mut program = g.compile_with(results.to_vec(), &options(engine, 1)).expect("no mistake");
    program.call(("x", x)).expect("fits")
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::F32(array) => array.iter().map(|x| f64::from(*x)).collect(),
        value => value.array::<f64>().expect("a float").iter().copied().collect(),
    }
}

/// An array of the dtype.
fn array_of(dtype: DType, shape: &[usize], numbers: &[f64]) -> Value {
    let array = ArrayD::from_shape_vec(IxDyn(shape), numbers.to_vec()).expect("fits");
    if dtype == DType::F32 { Value::F32(array.mapv(|x| x as f32)) } else { Value::F64(array) }
}

fn input(g: &Graph, dtype: DType, shape: [usize; 2]) -> Expr<'_> {
    if dtype == DType::F32 { g.input("x", shape) } else { g.input_of::<f64>("x", shape) }
}

/// (the dtype, the exponents of its least and greatest power of two, its unit in the last place of 1)
const FLOATS: [(DType, i32, i32, f64); 2] = [(DType::F32, -149, 127, 1.2e-7), (DType::F64, -1074, 1023, 2.3e-16)];

/// 2ⁿ, subnormal ones included.
fn power_of_two(n: i32) -> f64 {
    f64::powi(2.0, n / 2) * f64::powi(2.0, n - n / 2)
}

#[test]
fn norms_of_every_magnitude_are_exact_with_their_slopes() {
    for (dtype, least, greatest, unit) in FLOATS {
        let g = Graph::new();
        let x = input(&g, dtype, [1, 2]);
        let norm = x.norm_over(-1);
        let results = [("norm", norm), ("all", x.norm()), ("slope", g.gradient(norm.sum(), x))];
        for exponent in least..=greatest - 2 {
            let scale = power_of_two(exponent);
            let fed = array_of(dtype, &[1, 2], &[3.0 * scale, -4.0 * scale]);
            for engine in ENGINES {
                let out = run(&results, &fed, engine);
                for name in ["norm", "all"] {
                    assert_eq!(numbers(&out[name]), [5.0 * scale], "{name} of {dtype} at 2^{exponent}, {engine:?}");
                }
                for (found, want) in numbers(&out["slope"]).iter().zip([0.6, -0.8]) {
                    let error = (found - want).abs() / unit;
                    assert!(error <= 2.0, "slope of {dtype} at 2^{exponent}, {engine:?}: {found}, off by {error}");
                }
            }
        }
    }
}

#[test]
fn standard_deviations_of_every_magnitude_are_exact_with_their_slopes() {
    for (dtype, least, greatest, unit) in FLOATS {
        let g = Graph::new();
        let x = input(&g, dtype, [1, 2]);
        let deviation = x.standard_deviation_over(-1, Correction::None);
        let results = [("deviation", deviation), ("slope", g.gradient(deviation.sum(), x))];
        for exponent in least..greatest {
            let scale = power_of_two(exponent);
            for engine in ENGINES {
                let out = run(&results, &array_of(dtype, &[1, 2], &[scale, -scale]), engine);
                assert_eq!(numbers(&out["deviation"]), [scale], "of {dtype} at 2^{exponent}, {engine:?}");
                for (found, want) in numbers(&out["slope"]).iter().zip([0.5, -0.5]) {
                    let error = (found - want).abs() / unit;
                    assert!(error <= 2.0, "slope of {dtype} at 2^{exponent}, {engine:?}: {found}, off by {error}");
                }
            }
        }
    }
}

/// The stated limit: beyond it the variance is infinite, and what is divided by its root is 0.
#[test]
fn variances_and_layer_norms_are_right_as_far_as_the_sum_of_squares_is_finite() {
    const N: usize = 16;
    for (dtype, _, greatest, unit) in FLOATS {
        let g = Graph::new();
        let x = input(&g, dtype, [1, N]);
        let ones = x.slice(0).ones_like();
        let variance = x.variance_over(-1, Correction::None);
        let results = [("variance", variance), ("norm", x.layer_norm(ones, ones * 0.0, 1e-5))];
        // 16·2²ᵏ is the greatest power of two, or four times as much.
        let last = (greatest - 5) / 2;
        for exponent in [0, last - 20, last, last + 1] {
            let scale = power_of_two(exponent);
            let fed: Vec<f64> = (0..N).map(|at| if at % 2 == 0 { scale } else { -scale }).collect();
            for engine in ENGINES {
                let out = run(&results, &array_of(dtype, &[1, N], &fed), engine);
                let is_within = exponent <= last;
                let variance = if is_within { scale * scale } else { f64::INFINITY };
                assert_eq!(numbers(&out["variance"]), [variance], "of {dtype} at 2^{exponent}, {engine:?}");
                for (found, fed) in numbers(&out["norm"]).iter().zip(&fed) {
                    let want = if is_within { fed / (scale * scale + 1e-5).sqrt() } else { 0.0 };
                    // The sum with ε, its root and its reciprocal, and the product.
                    assert!(
                        (found - want).abs() <= 3.0 * unit,
                        "norm of {dtype} at 2^{exponent}, {engine:?}: {found}, not {want}"
                    );
                }
            }
        }
    }
}

/// Scaling is for the ends of the range; elsewhere it changes no bit.
#[test]
fn norms_of_the_usual_range_have_the_bits_of_their_formula() {
    for (dtype, ..) in FLOATS {
        let g = Graph::new();
        let x = input(&g, dtype, [1, 24]);
        let results = [("norm", x.norm_over(-1)), ("formula", (x * x).sum_over(-1).sqrt())];
        for exponent in [-14, -3, 0, 4, 14] {
            let fed: Vec<f64> = (0..24).map(|i| (f64::from(i) * 0.7).sin() * f64::powi(10.0, exponent)).collect();
            for engine in ENGINES {
                let out = run(&results, &array_of(dtype, &[1, 24], &fed), engine);
                assert_eq!(out["norm"], out["formula"], "{dtype} at 1e{exponent}, {engine:?}");
            }
        }
    }
}

#[test]
fn norms_of_nothing_infinity_and_nan() {
    for engine in ENGINES {
        let norm = |numbers: &[f64]| {
            let g = Graph::new();
            let x = g.input_of::<f64>("x", ("n",));
            let fed = array_of(DType::F64, &[numbers.len()], numbers);
            run(&[("norm", x.norm())], &fed, engine).scalar::<f64>("norm").expect("a scalar")
        };
        assert_eq!(norm(&[]), 0.0);
        assert_eq!(norm(&[f64::NEG_INFINITY, 1.0]), f64::INFINITY);
        assert!(norm(&[f64::NAN, 1e300]).is_nan());
    }
}

/// A function of a vector, its slope at a point in reverse and in forward mode, and the diagonal of its second derivative.
fn derivatives(
    build: for<'g> fn(Expr<'g>) -> Expr<'g>,
    at: &[f64],
    engine: Evaluation,
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let g = Graph::new();
    let x = g.input_of::<f64>("x", (at.len(),));
    let y = build(x);
    let slope = g.gradient(y.sum(), x);
    let forward: Vec<(String, Expr<'_>)> = (0..at.len())
        .map(|index| {
            let unit = g.constant(ndarray::Array1::from_shape_fn(at.len(), |i| f64::from(u8::from(i == index))));
            (format!("forward {index}"), g.jvp(y.sum(), &[(x, unit)]))
        })
        .collect();
    let mut results = vec![("slope", slope), ("second", g.gradient(slope.sum(), x))];
    results.extend(forward.iter().map(|(name, expr)| (name.as_str(), *expr)));
    let out = run(&results, &array_of(DType::F64, &[at.len()], at), engine);
    let forward = forward.iter().map(|(name, _)| out.scalar::<f64>(name).expect("a scalar")).collect();
    (numbers(&out["slope"]), forward, numbers(&out["second"]))
}

/// NaN equals NaN here.
fn assert_alike(found: &[f64], want: &[f64], what: &str) {
    let is_same = |(found, want): (&f64, &f64)| found == want || (found.is_nan() && want.is_nan());
    assert!(found.len() == want.len() && found.iter().zip(want).all(is_same), "{what}: {found:?}, not {want:?}");
}

/// A name, a function, a point, the slopes in both modes, and the second derivative.
type Case = (&'static str, for<'g> fn(Expr<'g>) -> Expr<'g>, &'static [f64], &'static [f64], &'static [f64]);

#[test]
fn slopes_where_there_is_none_are_those_of_the_conventions_in_both_modes_and_engines() {
    const NAN: f64 = f64::NAN;
    let cases: &[Case] = &[
        ("atan2 at (0, 0)", |x| x.slice(0).atan2(x.slice(1)), &[0.0, 0.0], &[0.0, 0.0], &[0.0, 0.0]),
        ("atan2 at (−0, −0)", |x| x.slice(0).atan2(x.slice(1)), &[-0.0, -0.0], &[0.0, 0.0], &[0.0, 0.0]),
        ("norm at 0", |x| x.norm(), &[0.0, 0.0], &[0.0, 0.0], &[0.0, 0.0]),
        ("the square of a norm at 0", |x| x.norm().square(), &[0.0, 0.0], &[0.0, 0.0], &[0.0, 0.0]),
        ("the sum of squares at 0", |x| x.square().sum(), &[0.0, 0.0], &[0.0, 0.0], &[2.0, 2.0]),
        ("clamp at NaN", |x| x.clamp(-1.0, 1.0), &[NAN], &[1.0], &[0.0]),
        ("a guarded x/|x| at 0", |x| x.not_equal(0.0).select(x / x.abs(), 0.0), &[0.0], &[0.0], &[0.0]),
        (
            "a guarded x/‖x‖ at 0",
            |x| x.norm().greater(0.0).select(x / x.norm(), 0.0),
            &[0.0, 0.0],
            &[0.0; 2],
            &[0.0; 2],
        ),
    ];
    for (name, build, at, slope, second) in cases {
        for engine in ENGINES {
            let found = derivatives(*build, at, engine);
            assert_alike(&found.0, slope, &format!("{name}, reverse, {engine:?}"));
            assert_alike(&found.1, slope, &format!("{name}, forward, {engine:?}"));
            assert_alike(&found.2, second, &format!("{name}, second derivative, {engine:?}"));
        }
    }
}

/// Forward mode multiplies the infinite exponential by a tangent of 0, reverse mode does not.
#[test]
fn the_derivative_of_logsumexp_at_infinity_is_nan_where_it_is_met() {
    for engine in ENGINES {
        let (reverse, forward, _) = derivatives(|x| x.logsumexp(0), &[f64::INFINITY, 0.0], engine);
        assert_alike(&reverse, &[f64::NAN, 0.0], "reverse");
        assert_alike(&forward, &[f64::NAN, f64::NAN], "forward");
    }
}

#[test]
fn a_literal_that_its_dtype_cannot_hold_is_a_mistake_at_its_line_wherever_it_is_written() {
    type Written = for<'g> fn(Expr<'g>) -> Expr<'g>;
    let written: &[Written] = &[
        |x| x * 1e40,
        |x| -1e40 / x,
        |x| x - 1e39,
        |x| x.maximum(-1e40),
        |x| x.atan2(1e40),
        |x| x.pow(1e40),
        |x| x.clamp(0.0, 1e40),
        |x| x.clamp(-1e40, 0.0),
        |x| x.greater(1e40),
        |x| x.greater(0.0).select(x, 1e40),
        |x| x.greater(0.0).select(1e40, x),
        |x| x.greater(0.0).where_safe(x, 1e40, |x| x.log(), 0.0),
        |x| x.leaky_relu(1e40),
        |x| x.elu(-1e40),
        |x| layer_norm_with(x, "norm", 1e40),
        |x| layer_norm_with(x, "norm", 1e-60),
        |x| {
            let constant = Constant { value: Literal::Number(1e40), dtype: DType::F32, shape: x.shape() };
            x.graph().apply_op(Op::Constant(constant), &[])
        },
    ];
    for (index, write) in written.iter().enumerate() {
        let g = Graph::new();
        write(g.input("x", (2, 3)));
        let report = g.check().expect_err("a mistake").to_string();
        let is_told = ["1e40", "1e39", "1e-60"].iter().any(|literal| report.contains(literal));
        assert!(is_told && report.contains("tests/it/ranges.rs"), "{index}: {report}");
        assert_eq!(report.matches("error").count(), 1, "{index}: {report}");
    }
    let text = "%0: f32[] = constant 1e40\nreturn y = %0";
    assert!(Graph::parse(text).expect_err("a mistake").to_string().contains("the literal 1e40 is no f32"));
}

#[test]
fn literals_that_are_infinite_on_purpose_or_the_greatest_of_their_dtype_are_held() {
    let two_to_63 = f64::powi(2.0, 63);
    let g = Graph::new();
    let (x, wide, n) = (g.input("x", ()), g.input_of::<f64>("wide", ()), g.input_of::<i64>("n", ()));
    let _ = [x.clamp(0.0, f64::INFINITY), x + f64::NEG_INFINITY, x * f64::NAN, x * f64::from(f32::MAX), x * 1e-60];
    let _ = [wide * 1e308, wide.clamp(-1e40, 1e40), n + -two_to_63];
    assert!(g.check().is_ok());
    for too_great in [two_to_63, -9.3e18, 0.5, f64::INFINITY, f64::NAN] {
        let g = Graph::new();
        let _ = g.input_of::<i64>("n", ()) * too_great;
        assert!(g.check().is_err(), "{too_great}");
    }
}

/// A run holds what building promised: nothing became infinite on the way.
#[test]
fn the_greatest_literal_stays_finite() {
    let g = Graph::new();
    let x = g.input("x", ());
    for engine in ENGINES {
        let out = run(
            &[("y", x * f64::from(f32::MAX))],
            &Value::from(array![1.0f32].into_shape_with_order(()).unwrap()),
            engine,
        );
        assert_eq!(out.scalar::<f32>("y"), Ok(f32::MAX));
    }
}

/// An order a little below an integer that takes 1 or 2 more would be rounded up to the next.
#[test]
fn slopes_of_functions_with_an_order_round_it_down_before_they_add_to_it() {
    for (dtype, ..) in FLOATS {
        let unit = if dtype == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
        let functions: [for<'g> fn(Expr<'g>, f64) -> Expr<'g>; 2] = [|x, k| x.polygamma(k), |x, k| x.stumpff(k)];
        for function in functions {
            for order in [0.0, 1.0, 2.0, 3.0] {
                let g = Graph::new();
                let x = input(&g, dtype, [1, 2]);
                // The greatest number below 1 is 1 − ½ε, and 1 more of it is 2 by ties to even.
                let below = order + 1.0 - f64::max(order, 0.5) * unit;
                let slopes = [order, below].map(|order| g.gradient(function(x, order).sum(), x));
                let fed = array_of(dtype, &[1, 2], &[0.75, 1.5]);
                for engine in ENGINES {
                    let out = run(&[("whole", slopes[0]), ("below", slopes[1])], &fed, engine);
                    assert_eq!(out["whole"], out["below"], "{dtype} at {order}, {engine:?}");
                }
            }
        }
    }
}
