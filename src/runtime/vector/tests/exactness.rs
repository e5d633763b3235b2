//! The functions of analysis are within 2 units in the last place.

use super::{InstructionSet, Random, double_double::Double, recorded::is_recorded, run};
use crate::{
    graph::{Binary, DType, Unary},
    plan::Function,
    runtime::vector::{Splats, accuracy, kernel},
};

/// Measured with AVX-512 over all 2³² patterns: exp 1.05, expm1 1.25, log 0.83, log1p 0.91, tanh 1.52, sigmoid 1.46,
/// softplus 1.71, erf 0.51; over every 41st: sqrt 0.50, rsqrt 1.50, sin, cos, pow and atan2 0.51.
#[test]
fn f32_functions_are_exact_over_a_scan_of_all_patterns() {
    // The reference is rounded too, to f64.
    const OF_REFERENCE: f64 = 1e-6;
    for set in InstructionSet::available() {
        for line in accuracy::error_table_of(16_381, set) {
            assert!(line.error <= line.bound + OF_REFERENCE, "with {set:?}: {line:?}");
        }
    }
}

/// A true value as x·2ᵏ, so that it need not be representable.
type Truth = (Double, i32);

/// The distance in units of the last place of the true value, or infinite where only one is finite.
pub(super) fn error_in_f64(result: f64, (truth, exponent): Truth) -> f64 {
    let place = ((truth.high.abs().to_bits() >> 52) as i32 - 1023 + exponent).max(-1022) - 52;
    if place + 52 > 1023 {
        return if result.is_infinite() && result.signum() == truth.high.signum() { 0.0 } else { f64::INFINITY };
    }
    let places = Double::from(result).scaled(-place).add(truth.scaled(exponent - place).negated());
    places.high.abs()
}

/// A function of one number: its points, and its truth.
struct One {
    function: Unary,
    points: fn(&mut Random) -> f64,
    truth: fn(Double) -> Truth,
}

/// Measured over some 10⁵ points each: exp 0.94, expm1 1.46, log 0.77, log1p 0.88, rsqrt 1.46, tanh 1.47, sigmoid 1.32,
/// softplus 1.39, erf 1.13, sin 0.75, cos 0.77.
const ONES: [One; 16] = [
    One { function: Unary::Exp, points: |random| random.between(-750.0, 712.0), truth: exp },
    One { function: Unary::ExpM1, points: |random| random.between(-2.0, 2.0), truth: exp_m1 },
    One { function: Unary::ExpM1, points: |random| random.between(-40.0, 712.0), truth: exp_m1 },
    One { function: Unary::Log, points: |random| random.between(0.0, 3.0), truth: |x| (x.ln(), 0) },
    One {
        function: Unary::Log1p,
        points: |random| random.between(-1.0, 3.0),
        truth: |x| near_zero(x, |x| (x.ln_1p(), 0)),
    },
    One { function: Unary::Rsqrt, points: |random| random.between(0.0, 3.0), truth: |x| (x.rsqrt(), 0) },
    One { function: Unary::Tanh, points: |random| random.between(-3.0, 3.0), truth: tanh },
    One { function: Unary::SechSquared, points: |random| random.between(-40.0, 40.0), truth: sech_squared },
    One { function: Unary::Sigmoid, points: |random| random.between(-40.0, 40.0), truth: sigmoid },
    One { function: Unary::Softplus, points: |random| random.between(-40.0, 40.0), truth: softplus },
    One { function: Unary::Erf, points: |random| random.between(-6.0, 6.0), truth: erf },
    One { function: Unary::Erfc, points: |random| random.between(-6.5, 27.3), truth: erfc },
    One { function: Unary::NormalCdf, points: |random| random.between(-38.6, 9.0), truth: normal_cdf },
    One { function: Unary::NormalPdf, points: |random| random.between(-38.6, 38.6), truth: normal_pdf },
    One {
        function: Unary::Sin,
        points: |random| random.between(-40.0, 40.0),
        truth: |x| near_zero(x, |x| (x.sin_cos().0, 0)),
    },
    One { function: Unary::Cos, points: |random| random.between(-40.0, 40.0), truth: |x| (x.sin_cos().1, 0) },
];

#[test]
fn f64_functions_of_one_number_are_exact() {
    for One { function, points, truth } in &ONES {
        let mut random = Random(1);
        let mut x: Vec<f64> = (0..6000).map(|_| points(&mut random)).collect();
        x.extend((0..3000).map(|_| points(&mut random) * f64::powf(2.0, random.between(-60.0, 0.0))));
        x.extend((0..3000).map(|_| random.finite()).filter(|x| is_tested(*function, *x)));
        let truths: Vec<Truth> = x.iter().map(|x| truth(Double::from(*x))).collect();
        for set in InstructionSet::available() {
            let kernel = kernel(Function::Unary(*function), DType::F64, Splats::NONE, set).unwrap();
            let results = run::<f64, f64>(kernel, [&x, &x], x.len());
            let errors = results.iter().zip(&truths).map(|(result, truth)| error_in_f64(*result, *truth));
            let (error, argument) = greatest(errors);
            let bound = function.max_error();
            assert!(error <= bound, "{function:?} with {set:?} is off by {error} at {:e}", x[argument]);
        }
    }
}

/// Functions of two numbers that have a formula below.
const TWOS: [Binary; 2] = [Binary::Pow, Binary::Atan2];

/// Functions that round more than once have a truth here or are recorded.
#[test]
fn every_function_of_analysis_is_measured_in_f64() {
    let ones = Unary::ALL.iter().map(|function| {
        let is_told = ONES.iter().any(|row| row.function == *function);
        (function.name(), function.max_error(), is_told)
    });
    let twos = Binary::ALL.iter().map(|function| (function.name(), function.max_error(), TWOS.contains(function)));
    let is_missing = |(name, error, is_told): &(&str, f64, bool)| *error > 0.5 && !is_told && !is_recorded(name);
    let missing: Vec<&str> = ones.chain(twos).filter(is_missing).map(|(name, ..)| name).collect();
    assert!(missing.is_empty(), "{missing:?} have no truth");
}

/// Whether the reference can tell the value at any finite number.
fn is_tested(function: Unary, x: f64) -> bool {
    match function {
        Unary::Log | Unary::Rsqrt => x > 0.0,
        Unary::Log1p => x > -1.0,
        Unary::Sin | Unary::Cos => x.abs() < 1.6e6,
        _ => true,
    }
}

/// Measured over some 10⁵ points: pow 1.14, atan2 1.40.
#[test]
fn f64_functions_of_two_numbers_are_exact() {
    let mut random = Random(2);
    let mut pairs: Vec<(f64, f64)> =
        (0..6000).map(|_| (random.between(0.0, 10.0), random.between(-300.0, 300.0))).collect();
    pairs.extend((0..2000).map(|_| (random.between(0.999, 1.001), random.between(-7e5, 7e5))));
    pairs.extend((0..4000).map(|_| (random.finite().abs(), random.between(-2.0, 2.0))));
    check_pairs(Binary::Pow, &pairs, |x, y| Double::from(x).ln().times(y).exp_parts_or_bound());
    let mut pairs: Vec<(f64, f64)> =
        (0..6000).map(|_| (random.between(-3.0, 3.0), random.between(-3.0, 3.0))).collect();
    pairs.extend((0..4000).map(|_| (random.between(-3.0, 3.0), random.between(-1e-5, 1e-5))));
    pairs.extend((0..4000).map(|_| (random.between(-1e-5, 1e-5), random.between(-3.0, 3.0))));
    check_pairs(Binary::Atan2, &pairs, |y, x| (Double::atan2(y, x), 0));
}

fn check_pairs(function: Binary, pairs: &[(f64, f64)], truth: fn(f64, f64) -> Truth) {
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let truths: Vec<Truth> = pairs.iter().map(|(a, b)| truth(*a, *b)).collect();
    for set in InstructionSet::available() {
        let kernel = kernel(Function::Binary(function), DType::F64, Splats::NONE, set).unwrap();
        let results = run::<f64, f64>(kernel, [&a, &b], a.len());
        let (error, argument) =
            greatest(results.iter().zip(&truths).map(|(result, truth)| error_in_f64(*result, *truth)));
        let bound = function.max_error();
        assert!(error <= bound, "{function:?} with {set:?} is off by {error} at {:?}", pairs[argument]);
    }
}

/// The greatest error and where it is; NaN counts as the greatest.
fn greatest(errors: impl Iterator<Item = f64>) -> (f64, usize) {
    let mut greatest = (0.0, 0);
    for (index, error) in errors.enumerate() {
        if error.is_nan() || error > greatest.0 {
            greatest = (error, index);
        }
    }
    greatest
}

/// The truth of a function that is x + O(x²), without the products that underflow.
fn near_zero(x: Double, truth: fn(Double) -> Truth) -> Truth {
    if x.high.abs() < 1e-150 { (x, 0) } else { truth(x) }
}

fn exp(x: Double) -> Truth {
    x.exp_parts_or_bound()
}

fn exp_m1(x: Double) -> Truth {
    if x.high < -100.0 {
        return (Double::from(-1.0), 0);
    }
    if x.high.abs() < 0.3 {
        return near_zero(x, |x| (x.exp_m1(), 0));
    }
    let (value, exponent) = x.exp_parts_or_bound();
    (value.add(-f64::powi(2.0, -exponent)), exponent)
}

fn tanh(x: Double) -> Truth {
    if x.high.abs() > 300.0 {
        return (Double::from(x.high.signum()), 0);
    }
    near_zero(x, |x| {
        let t = x.times(2.0).exp_m1();
        (t.over(t.add(2.0)), 0)
    })
}

fn sech_squared(x: Double) -> Truth {
    let doubled = x.scaled(1);
    let (value, exponent) = if x.high > 0.0 { doubled.negated() } else { doubled }.exp_parts_or_bound();
    let sum = value.scaled(exponent).add(1.0);
    (value.over(sum.times(sum)), exponent + 2)
}

fn sigmoid(x: Double) -> Truth {
    let (value, exponent) = x.exp_parts_or_bound();
    if x.high < 0.0 {
        return (value.over(x.exp().add(1.0)), exponent);
    }
    (Double::from(1.0).over(x.negated().exp().add(1.0)), 0)
}

fn softplus(x: Double) -> Truth {
    if x.high > 0.0 {
        return (x.add(x.negated().exp().ln_1p()), 0);
    }
    if x.high < -50.0 {
        let (value, exponent) = x.exp_parts_or_bound();
        return (value.times(Double::from(1.0).add(x.exp().times(-0.5))), exponent);
    }
    (x.exp().ln_1p(), 0)
}

fn erf(x: Double) -> Truth {
    if x.high.abs() > 6.5 {
        return (Double::from(x.high.signum()), 0);
    }
    if x.high.abs() < 1e-150 {
        return (x.scaled(300).erf_of_tiny(), -300);
    }
    (x.erf(), 0)
}

/// The continued fraction e^(−x²)/√π·1/(x + ½/(x + 1/(x + ³⁄₂/(x + …)))) far out, which has 30 digits there.
fn erfc(x: Double) -> Truth {
    if x.high < 3.0 {
        let (erf, exponent) = erf(x);
        return (Double::from(1.0).add(erf.scaled(exponent).negated()), 0);
    }
    if x.high > 30.0 {
        return (Double::from(0.0), 0);
    }
    let fraction = (1..400).rev().fold(x, |rest, index| x.add(Double::from(0.5 * f64::from(index)).over(rest)));
    let (value, exponent) = x.times(x).negated().exp_parts_or_bound();
    (value.over(fraction).over_root_pi(), exponent)
}

fn normal_cdf(x: Double) -> Truth {
    let (value, exponent) = erfc(x.negated().times(Double::from(2.0).rsqrt()));
    (value, exponent - 1)
}

fn normal_pdf(x: Double) -> Truth {
    if x.high.abs() > 42.0 {
        return (Double::from(0.0), 0);
    }
    let (value, exponent) = x.times(x).negated().scaled(-1).exp_parts_or_bound();
    (value.over_root_pi().times(Double::from(2.0).rsqrt()), exponent)
}

/// Zeros, infinities, NaN, subnormals, and where the functions of one number over- or underflow.
const EDGES: [f64; 34] = [
    0.0,
    1.0,
    0.5,
    2.0,
    3.0,
    0.1,
    1.5,
    5e-324,
    3e-310,
    f64::MIN_POSITIVE,
    1e-40,
    1e-45,
    1.2e-38,
    1e-9,
    0.35,
    0.55,
    20.0,
    88.72284,
    88.8,
    103.9,
    104.1,
    709.78,
    709.79,
    745.13,
    745.14,
    1e5,
    1e8,
    3.4e38,
    1e300,
    f64::MAX,
    f64::INFINITY,
    f64::NAN,
    9_007_199_254_740_991.0,
    4_503_599_627_370_497.0,
];

fn edges() -> Vec<f64> {
    EDGES.iter().flat_map(|x| [*x, -*x]).collect()
}

/// The library's own error and ours; edges are about zeros, infinities and NaN, not about the last bit.
const EDGE_BOUND: f64 = 3.0;

#[test]
fn functions_of_one_number_are_right_at_edges() {
    for function in Unary::ALL.iter().copied() {
        let reference = |x: f64| function.of_real(x);
        let bound = function.max_error().max(0.5);
        let wide = edges();
        let narrow: Vec<f32> = wide.iter().map(|x| *x as f32).collect();
        for set in InstructionSet::available() {
            let pick = |dtype| kernel(Function::Unary(function), dtype, Splats::NONE, set).unwrap();
            for (x, result) in wide.iter().zip(run::<f64, f64>(pick(DType::F64), [&wide, &wide], wide.len())) {
                let error = error_at_edge(result, reference(*x));
                assert!(error <= EDGE_BOUND, "{function:?} with {set:?} of {x:e} is {result:e}");
            }
            for (x, result) in narrow.iter().zip(run::<f32, f32>(pick(DType::F32), [&narrow, &narrow], narrow.len())) {
                let error = accuracy::error_in_f32(result, reference(f64::from(*x)));
                assert!(error <= bound, "{function:?} with {set:?} of the f32 {x:e} is {result:e}");
            }
        }
    }
}

#[test]
fn functions_of_two_numbers_are_right_at_edges() {
    for function in Binary::ALL.iter().copied() {
        let reference = |a: f64, b: f64| function.of_reals(a, b);
        let bound = function.max_error().max(0.5);
        let (a, b): (Vec<f64>, Vec<f64>) = edges().iter().flat_map(|a| edges().into_iter().map(|b| (*a, b))).unzip();
        let narrow = |x: &[f64]| x.iter().map(|x| *x as f32).collect::<Vec<f32>>();
        let (narrow_a, narrow_b) = (narrow(&a), narrow(&b));
        for set in InstructionSet::available() {
            let pick = |dtype| kernel(Function::Binary(function), dtype, Splats::NONE, set).unwrap();
            for (index, result) in run::<f64, f64>(pick(DType::F64), [&a, &b], a.len()).into_iter().enumerate() {
                let error = error_at_edge(result, reference(a[index], b[index]));
                assert!(
                    error <= EDGE_BOUND,
                    "{function:?} with {set:?} of {:e}, {:e} is {result:e}",
                    a[index],
                    b[index]
                );
            }
            let results = run::<f32, f32>(pick(DType::F32), [&narrow_a, &narrow_b], a.len());
            for ((a, b), result) in narrow_a.iter().zip(&narrow_b).zip(results) {
                let error = accuracy::error_in_f32(result, reference(f64::from(*a), f64::from(*b)));
                assert!(error <= bound, "{function:?} with {set:?} of the f32 {a:e}, {b:e} is {result:e}");
            }
        }
    }
}

/// Angles beyond the vector reduction are given to the scalar function, alone or among others.
#[test]
fn huge_angles_are_reduced() {
    let x: Vec<f64> =
        (0..40).map(|index| if index % 3 == 0 { 1e22 * f64::from(index) } else { f64::from(index) }).collect();
    for (function, reference) in [(Unary::Sin, f64::sin as fn(f64) -> f64), (Unary::Cos, f64::cos)] {
        for set in InstructionSet::available() {
            let kernel = kernel(Function::Unary(function), DType::F64, Splats::NONE, set).unwrap();
            for (x, result) in x.iter().zip(run::<f64, f64>(kernel, [&x, &x], x.len())) {
                assert!(error_at_edge(result, reference(*x)) <= EDGE_BOUND, "{function:?} of {x:e} is {result:e}");
            }
        }
    }
}

fn error_at_edge(result: f64, expected: f64) -> f64 {
    if expected.is_nan() || expected.is_infinite() || expected == 0.0 {
        let is_same = result.to_bits() == expected.to_bits() || (result.is_nan() && expected.is_nan());
        return if is_same { 0.0 } else { f64::INFINITY };
    }
    error_in_f64(result, (Double::from(expected), 0))
}

/// σ(−x) from x and σ(x): the errors of both factors add up. Measured 2.2 in f32.
#[test]
fn the_sigmoid_of_a_negated_number_is_near() {
    let mut random = Random(7);
    let x: Vec<f32> = (0..20_000).map(|_| random.between(-80.0, 80.0) as f32).chain([0.0, -0.0, 87.0, -1e30]).collect();
    for set in InstructionSet::available() {
        let kernel_of = |function| kernel(function, DType::F32, Splats::NONE, set).unwrap();
        let y: Vec<f32> = run(kernel_of(Function::Unary(Unary::Sigmoid)), [&x, &x], x.len());
        let found: Vec<f32> = run(kernel_of(Function::SigmoidOfNegated), [&x, &y], x.len());
        let error = |(x, found): (&f32, &f32)| accuracy::error_in_f32(*found, 1.0 / (1.0 + f64::from(*x).exp()));
        let (error, position) = greatest(x.iter().zip(&found).map(error));
        assert!(error <= 4.0, "with {set:?} off by {error} at {:e}", x[position]);
    }
}

/// Instructions for groups have the bits of the group.
#[test]
fn groups_have_the_bits_of_their_parts() {
    let mut random = Random(11);
    for set in InstructionSet::available() {
        let kernel_of = |function| kernel(function, DType::F64, Splats::NONE, set).unwrap();
        for n in [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 1000] {
            let [a, b]: [Vec<f64>; 2] = std::array::from_fn(|_| (0..n).map(|_| random.finite()).collect());
            let found: Vec<f64> = run(kernel_of(Function::MultiplyAdd), [&a, &b], n);
            let bits = |numbers: Vec<f64>| numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(found), bits(a.iter().zip(&b).map(|(a, b)| a * b + b).collect()), "{n} with {set:?}");
        }
    }
}
