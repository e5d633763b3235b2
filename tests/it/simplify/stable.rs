//! Every stabilizing rule on a value that is written in the unstable way: the value does not depend on what is computed
//! beside it, and value, gradient and Hessian are right from one end of the numbers to the other, in both float types.
//!
//! The truth is a stable formula in `f64` with the functions of the standard library, written here.

use ndarray::{Array2, array};
use pullback::{
    DType, Expr, Graph, Rewrites, Value,
    simplify::{Class, rules},
};

use super::numbers;

const N: usize = 3;

/// A number, and the size of the terms that it is a sum of where they may cancel or are rounded before an exponential.
#[derive(Clone, Copy)]
struct True(f64, f64);

/// Truth of the value at one row: the value, the gradient of its sum weighted by [`WEIGHTS`], and the product of the Hessian
/// with [`DIRECTION`].
struct Truth {
    value: Vec<True>,
    gradient: Vec<True>,
    product: Vec<True>,
}

const WEIGHTS: [f64; N] = [2.0, -1.0, 0.5];
const DIRECTION: [f64; N] = [1.0, 2.0, 3.0];

type Build = for<'g> fn(Expr<'g>, Expr<'g>) -> (Expr<'g>, Expr<'g>);

enum Formula {
    /// Value, first and second derivative by x at each element.
    Each(fn(f64, f64) -> [True; 3]),
    /// Of a row.
    Row(fn(&[f64; N]) -> Truth),
}
use Formula::{Each, Row};

struct Case {
    rule: &'static str,
    at: &'static [f64],
    /// The value, and an inner value that the rule replaces.
    build: Build,
    truth: Formula,
}

const ALL: &[f64] = &[
    0.0, 1e-30, -1e-30, 1e-10, -1e-10, 1e-3, -1e-3, 0.5, -0.5, 1.0, -1.0, 5.0, -5.0, 9.5, -9.5, 17.0, -17.0, 20.0,
    -20.0, 40.0, -40.0, 60.0, -60.0, 88.0, -88.0, 90.0, -90.0, 104.0, -104.0, 700.0, -700.0, 720.0, -720.0, 1e4, -1e4,
    1e30, -1e30,
];
/// Where eˣ is a number in `f32`.
const BELOW_OVERFLOW: &[f64] =
    &[0.0, 1e-30, -1e-30, 1e-10, -1e-10, 1e-3, -1e-3, 0.5, -0.5, 5.0, -5.0, -40.0, 80.0, -80.0, -1e4];
const BELOW_ONE: &[f64] = &[0.0, 1e-30, -1e-30, 1e-10, -1e-10, 0.5, -0.5, 0.999, -1.0, -1e10, -1e18];
const POSITIVE: &[f64] = &[1e-10, 1e-3, 0.1, 0.5, 1.0, 5.0, 20.0, 88.0, 100.0, 710.0, 1e4];
const NEGATIVE: &[f64] = &[-1e-10, -1e-3, -0.1, -0.5, -0.69, -0.7, -1.0, -5.0, -17.0, -40.0, -80.0];

/// σ(x), σ(−x), and their product.
fn logistic(x: f64) -> (f64, f64, f64) {
    let e = (-x.abs()).exp();
    let (small, large) = (e / (1.0 + e), 1.0 / (1.0 + e));
    let (y, reflected) = if x < 0.0 { (small, large) } else { (large, small) };
    (y, reflected, small * large)
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn exact(numbers: [f64; 3]) -> [True; 3] {
    numbers.map(|number| True(number, 0.0))
}

/// Of σ.
fn of_sigmoid(x: f64) -> [True; 3] {
    let (y, reflected, slope) = logistic(x);
    [True(y, 0.0), True(slope, 0.0), True(slope * (reflected - y), slope)]
}

fn of_softplus(x: f64) -> [True; 3] {
    exact([softplus(x), logistic(x).0, logistic(x).2])
}

fn of_log_sigmoid(x: f64) -> [True; 3] {
    exact([-softplus(-x), logistic(x).1, -logistic(x).2])
}

/// Of σ(−x).
fn of_reflected(x: f64) -> [True; 3] {
    let [value, slope, second] = of_sigmoid(-x);
    [value, True(-slope.0, 0.0), second]
}

/// Of tanh; how good its slope is far out is for the test of slopes.
fn of_tanh(x: f64) -> [True; 3] {
    let slope = x.cosh().powi(-2);
    [True(x.tanh(), 0.0), True(slope, 1.0), True(-2.0 * x.tanh() * slope, 1.0)]
}

fn of_log_slope_of_tanh(x: f64) -> [True; 3] {
    let value = if x.abs() < 0.5 {
        (-x.tanh().powi(2)).ln_1p()
    } else {
        2.0 * (2f64.ln() - x.abs() - (-2.0 * x.abs()).exp().ln_1p())
    };
    let terms = if x.abs() < 1.0 { (0.0, 8.0) } else { (2.0 + 2.0 * x.abs(), 0.0) };
    [True(value, terms.0), True(-2.0 * x.tanh(), 0.0), True(-2.0 * x.cosh().powi(-2), terms.1)]
}

fn of_log1p(x: f64) -> [True; 3] {
    exact([x.ln_1p(), 1.0 / (1.0 + x), -(1.0 + x).powi(-2)])
}

fn of_log_one_minus_exp(x: f64) -> [True; 3] {
    let value = if x > -std::f64::consts::LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() };
    exact([value, -1.0 / (-x).exp_m1(), 1.0 / ((-x).exp_m1() * x.exp_m1())])
}

/// ln(eˣ − 1), a sum with 0 at ln 2.
fn of_log_expm1(x: f64) -> [True; 3] {
    let value = if x < 1.0 { x.exp_m1().ln() } else { x + (-(-x).exp()).ln_1p() };
    [True(value, 1.0), True(-1.0 / (-x).exp_m1(), 1.0), True(1.0 / ((-x).exp_m1() * x.exp_m1()), 1.0)]
}

/// x·σ(x).
fn of_swish(x: f64) -> [True; 3] {
    let (y, reflected, slope) = logistic(x);
    let part = if slope == 0.0 { 0.0 } else { x * slope };
    let second = 2.0 * slope + part * (reflected - y);
    // σ and its slope are rounded in spacings of the least normal number before x multiplies them.
    let rounded = x.abs() * f64::from(f32::MIN_POSITIVE);
    let terms = [rounded, y + part.abs() + rounded, 2.0 * slope + part.abs() + 4.0 * rounded];
    [True(x * y, terms[0]), True(y + part, terms[1]), True(second, terms[2])]
}

/// Of the cross-entropy with a label between 0 and 1.
fn of_binary_cross_entropy(x: f64, label: f64) -> [True; 3] {
    let (y, _, slope) = logistic(x);
    [True(softplus(x) - label * x, softplus(x) + (label * x).abs()), True(y - label, 1.0), True(slope, slope)]
}

/// ln(eˣ + eʸ).
fn of_log_add_exp(x: f64, y: f64) -> [True; 3] {
    let (share, _, slope) = logistic(x - y);
    // An argument of an exponential is rounded.
    let rounded = 1.0 + x.abs() + y.abs();
    let value = x.max(y) + (-(x - y).abs()).exp().ln_1p();
    [True(value, rounded), True(share, share * rounded), True(slope, slope * rounded)]
}

/// ln(1 + eˣ + e^(y − ½)).
fn of_log_of_three(x: f64, y: f64) -> [True; 3] {
    let (value, p) = log_sum_exp(&[x, 0.0, y - 0.5]);
    let rounded = 1.0 + x.abs() + y.abs();
    let slope = p[0] * (p[1] + p[2]);
    [True(value, rounded), True(p[0], p[0] * rounded), True(slope, p[0] * rounded)]
}

/// ln Σ eˣ and the softmax.
fn log_sum_exp(x: &[f64; N]) -> (f64, [f64; N]) {
    let greatest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = x.iter().map(|x| (x - greatest).exp()).sum();
    (greatest + total.ln(), x.map(|x| (x - greatest).exp() / total))
}

fn greatest_of(x: &[f64; N]) -> f64 {
    1.0 + x.iter().map(|x| x.abs()).fold(0.0, f64::max)
}

fn dot(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn map(of: impl Fn(usize) -> True) -> Vec<True> {
    (0..N).map(of).collect()
}

/// p_m(d_m − d·p), what a Hessian of ln Σ eˣ does to d.
fn covariance(p: &[f64; N], m: usize) -> f64 {
    p[m] * (DIRECTION[m] - dot(p, &DIRECTION))
}

fn of_logsumexp(x: &[f64; N]) -> Truth {
    let (value, p) = log_sum_exp(x);
    let terms = greatest_of(x);
    Truth {
        value: vec![True(value, terms)],
        gradient: map(|m| True(p[m], p[m] * terms)),
        product: map(|m| True(covariance(&p, m), 4.0 * p[m] * terms)),
    }
}

fn of_log_mean_exp(x: &[f64; N]) -> Truth {
    let of = of_logsumexp(x);
    Truth { value: of.value.iter().map(|of| True(of.0 - (N as f64).ln(), of.1 + 1.0)).collect(), ..of }
}

/// Σⱼ cⱼ·ln pⱼ, of which the value lists each ln pⱼ with c ≠ 0.
fn of_log_probabilities(x: &[f64; N], weights: [f64; N], listed: &[usize]) -> Truth {
    let (_, p) = log_sum_exp(x);
    let greatest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = x.iter().map(|x| (x - greatest).exp()).sum();
    let sum: f64 = weights.iter().sum();
    let terms = greatest_of(x);
    Truth {
        value: listed.iter().map(|j| True((x[*j] - greatest) - total.ln(), 1.0)).collect(),
        gradient: map(|m| True(weights[m] - sum * p[m], 4.0 + p[m] * terms)),
        product: map(|m| True(-sum * covariance(&p, m), 8.0 * p[m] * terms)),
    }
}

fn of_log_softmax(x: &[f64; N]) -> Truth {
    of_log_probabilities(x, WEIGHTS, &[0, 1, 2])
}

fn of_picked(x: &[f64; N]) -> Truth {
    of_log_probabilities(x, [0.0, 1.0, 0.0], &[1])
}

fn of_softmax(x: &[f64; N]) -> Truth {
    let (_, p) = log_sum_exp(x);
    let terms = greatest_of(x);
    let (mean, along) = (dot(&WEIGHTS, &p), dot(&DIRECTION, &p));
    let both: f64 = (0..N).map(|m| WEIGHTS[m] * DIRECTION[m] * p[m]).sum();
    let second = |m: usize| {
        let (c, d) = (WEIGHTS[m], DIRECTION[m]);
        p[m] * ((c * d - both) - (d - along) * mean - along * (c - mean))
    };
    Truth {
        value: map(|m| True(p[m], p[m] * terms)),
        gradient: map(|m| True(p[m] * (WEIGHTS[m] - mean), 4.0 * p[m] * terms)),
        product: map(|m| True(second(m), 32.0 * p[m] * terms)),
    }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { rule: "mul-any-literals", at: ALL, build: |x, _| { let inner = x * 0.1; (3.0 * inner, inner) }, truth: Each(|x, _| exact([0.3 * x, 0.3, 0.0])) },
    Case { rule: "log-of-slope-of-tanh", at: ALL, build: |x, _| { let inner = x.tanh(); ((1.0 - inner * inner).log(), inner) }, truth: Each(|x, _| of_log_slope_of_tanh(x)) },
    Case { rule: "log-of-slope-of-tanh", at: ALL, build: |x, _| { let inner = 1.0 - x.tanh().powi(2); (inner.log(), inner) }, truth: Each(|x, _| of_log_slope_of_tanh(x)) },
    Case { rule: "log1p-of-neg", at: BELOW_ONE, build: |x, _| { let inner = 1.0 - x; (inner.log(), inner) }, truth: Each(|x, _| { let [v, g, h] = of_log1p(-x); [v, True(-g.0, 0.0), h] }) },
    Case { rule: "expm1", at: BELOW_OVERFLOW, build: |x, _| { let inner = x.exp(); (inner - 1.0, inner) }, truth: Each(|x, _| exact([x.exp_m1(), x.exp(), x.exp()])) },
    Case { rule: "expm1-of-add", at: BELOW_OVERFLOW, build: |x, _| { let inner = x.exp(); (inner + -1.0, inner) }, truth: Each(|x, _| exact([x.exp_m1(), x.exp(), x.exp()])) },
    Case { rule: "one-minus-exp", at: BELOW_OVERFLOW, build: |x, _| { let inner = x.exp(); (1.0 - inner, inner) }, truth: Each(|x, _| exact([-x.exp_m1(), -x.exp(), -x.exp()])) },
    Case { rule: "log-of-one-minus-exp", at: NEGATIVE, build: |x, _| { let inner = 1.0 - x.exp(); (inner.log(), inner) }, truth: Each(|x, _| of_log_one_minus_exp(x)) },
    Case { rule: "log-of-one-minus-exp", at: NEGATIVE, build: |x, _| { let inner = x.exp(); ((-inner).log1p(), inner) }, truth: Each(|x, _| of_log_one_minus_exp(x)) },
    Case { rule: "log-of-expm1", at: POSITIVE, build: |x, _| { let inner = x.exp(); ((inner - 1.0).log(), inner) }, truth: Each(|x, _| of_log_expm1(x)) },
    Case { rule: "log-of-expm1", at: POSITIVE, build: |x, _| { let inner = x.expm1(); (inner.log(), inner) }, truth: Each(|x, _| of_log_expm1(x)) },
    Case { rule: "softplus-of-log", at: ALL, build: |x, _| { let inner = 1.0 + x.exp(); (inner.log(), inner) }, truth: Each(|x, _| of_softplus(x)) },
    Case { rule: "softplus-of-log1p", at: ALL, build: |x, _| { let inner = x.exp(); (inner.log1p(), inner) }, truth: Each(|x, _| of_softplus(x)) },
    Case { rule: "sigmoid", at: ALL, build: |x, _| { let inner = (-x).exp(); (1.0 / (1.0 + inner), inner) }, truth: Each(|x, _| of_sigmoid(x)) },
    Case { rule: "sigmoid-of-neg", at: ALL, build: |x, _| { let inner = 1.0 + (-1.0 * x).exp(); (1.0 / inner, inner) }, truth: Each(|x, _| of_sigmoid(x)) },
    Case { rule: "sigmoid-of-quotient", at: ALL, build: |x, _| { let inner = x.exp(); (inner / (1.0 + inner), inner) }, truth: Each(|x, _| of_sigmoid(x)) },
    Case { rule: "sigmoid-of-divisor", at: ALL, build: |x, _| { let inner = 1.0 + (-x).exp(); (x / inner, inner) }, truth: Each(|x, _| of_swish(x)) },
    Case { rule: "tanh-of-exps", at: ALL, build: |x, _| { let (e, f) = (x.exp(), (-x).exp()); ((e - f) / (e + f), f) }, truth: Each(|x, _| of_tanh(x)) },
    Case { rule: "one-minus-sigmoid", at: ALL, build: |x, _| { let inner = x.sigmoid(); (1.0 - inner, inner) }, truth: Each(|x, _| of_reflected(x)) },
    Case { rule: "sigmoid-of-exp", at: ALL, build: |x, _| { let inner = (-x).sigmoid(); (x.exp() * inner, inner) }, truth: Each(|x, _| of_sigmoid(x)) },
    Case { rule: "log-sigmoid", at: ALL, build: |x, _| { let inner = x.sigmoid(); (inner.log(), inner) }, truth: Each(|x, _| of_log_sigmoid(x)) },
    Case { rule: "log-sigmoid", at: ALL, build: |x, _| { let inner = x.sigmoid(); (-(1.0 - inner).log(), inner) }, truth: Each(|x, _| of_softplus(x)) },
    Case { rule: "log-sigmoid", at: ALL, build: |x, y| { let inner = 1.0 / (1.0 + (-x).exp()); (-(y * inner.log() + (1.0 - y) * (1.0 - inner).log()), inner) }, truth: Each(of_binary_cross_entropy) },
    Case { rule: "softmax", at: ALL, build: |x, _| { let inner = x.exp(); (inner / inner.sum_over(-1).unsqueeze(-1), inner) }, truth: Row(of_softmax) },
    Case { rule: "log-softmax", at: ALL, build: |x, _| { let inner = (x - x.max_over(-1).unsqueeze(-1)).exp(); ((inner / inner.sum_over(-1).unsqueeze(-1)).log(), inner) }, truth: Row(of_log_softmax) },
    Case { rule: "log-softmax", at: ALL, build: |x, _| { let inner = x.exp(); ((inner / inner.sum_over(-1).unsqueeze(-1)).log(), inner) }, truth: Row(of_log_softmax) },
    Case { rule: "log-softmax", at: ALL, build: |x, _| { let inner = x.softmax(-1); (inner.log(), inner) }, truth: Row(of_log_softmax) },
    Case { rule: "logsumexp", at: ALL, build: |x, _| { let inner = x.exp(); (inner.sum_over(-1).log(), inner) }, truth: Row(of_logsumexp) },
    Case { rule: "log-of-exponentials", at: ALL, build: |x, y| { let inner = x.exp() + y.exp(); (inner.log(), inner) }, truth: Each(of_log_add_exp) },
    Case { rule: "log-of-exponentials", at: ALL, build: |x, y| { let inner = 1.0 + x.exp() + (y - 0.5).exp(); (inner.log(), inner) }, truth: Each(of_log_of_three) },
    Case { rule: "log-of-scaled-exponentials", at: ALL, build: |x, _| { let inner = x.exp(); (inner.mean_over(-1).log(), inner) }, truth: Row(of_log_mean_exp) },
    Case { rule: "less-logsumexp", at: ALL, build: |x, _| { let inner = x.exp().sum_over(-1).log(); (x - inner.unsqueeze(-1), inner) }, truth: Row(of_log_softmax) },
    Case { rule: "log-of-moved", at: ALL, build: |x, _| { let inner = x.softmax(-1).slice((.., 1..2)); (inner.log(), inner) }, truth: Row(of_picked) },
    Case { rule: "log1p", at: BELOW_ONE, build: |x, _| { let inner = 1.0 + -x; ((1.0 + (0.0 - x)).log(), inner) }, truth: Each(|x, _| { let [v, g, h] = of_log1p(-x); [v, True(-g.0, 0.0), h] }) },
];

/// Rows of arguments: neighbours of the list beside one another, and beside themselves.
fn rows(at: &[f64], dtype: DType) -> (Vec<[f64; N]>, Vec<[f64; N]>) {
    let round = |x: f64| if dtype == DType::F32 { f64::from(x as f32) } else { x };
    let xs = (0..at.len()).map(|row| [0, 1, 7].map(|step| round(at[(row + step) % at.len()])));
    let ys = (0..at.len()).map(|row| match row % 4 {
        // Labels, and second arguments.
        0 => [0.0, 1.0, 0.25],
        1 => [1.0, 0.0, 0.5],
        2 => [0.5, 0.5, 1.0],
        _ => [0.0, 0.0, 0.0],
    });
    (xs.collect(), ys.collect())
}

fn fed(rows: &[[f64; N]], dtype: DType) -> Value {
    let array = Array2::from_shape_fn((rows.len(), N), |(row, column)| rows[row][column]);
    if dtype == DType::F32 { Value::F32(array.mapv(|x| x as f32).into_dyn()) } else { Value::F64(array.into_dyn()) }
}

/// What is asked for together; value, gradient and product of the Hessian are always the first that are asked for.
const SETS: [&[&str]; 5] = [
    &["value"],
    &["value", "gradient"],
    &["value", "gradient", "product"],
    &["value", "inner"],
    &["value", "gradient", "product", "inner", "loss"],
];

/// For each set, the numbers of each result.
fn run(case: &Case, dtype: DType) -> Vec<Vec<(&'static str, Vec<f64>)>> {
    let (xs, ys) = rows(case.at, dtype);
    let g = Graph::new();
    let input = |name| {
        let shape = (xs.len(), N);
        if dtype == DType::F32 { g.input_of::<f32>(name, shape) } else { g.input_of::<f64>(name, shape) }
    };
    let (x, y) = (input("x"), input("y"));
    let (value, inner) = (case.build)(x, y);
    let fixed = |numbers: [f64; N]| g.constant(array![numbers[0], numbers[1], numbers[2]]).cast(dtype);
    let is_whole = value.shape() == x.shape();
    let loss = if is_whole { (value * fixed(WEIGHTS)).sum() } else { value.sum() };
    let gradient = g.gradient(loss, x);
    let product = g.gradient((gradient * fixed(DIRECTION)).sum(), x);
    let all = [("value", value), ("gradient", gradient), ("product", product), ("inner", inner), ("loss", loss)];
    let of_set = |names: &[&str]| {
        let results: Vec<(&str, Expr<'_>)> = all.iter().filter(|(name, _)| names.contains(name)).copied().collect();
        let mut program = g.compile(results.clone()).expect("no mistake");
        let (x, y) = (fed(&xs, dtype), fed(&ys, dtype));
        let out = program.call((("x", &x), ("y", &y))).expect("it fits");
        results.into_iter().map(|(name, _)| (name, numbers(&out[name]))).collect()
    };
    SETS.iter().map(|names| of_set(names)).collect()
}

/// The truth of each result, element by element.
fn truth(case: &Case, dtype: DType) -> [(&'static str, Vec<True>); 3] {
    let (xs, ys) = rows(case.at, dtype);
    let [mut value, mut gradient, mut product] = [Vec::new(), Vec::new(), Vec::new()];
    for (x, y) in xs.iter().zip(&ys) {
        match case.truth {
            Each(of) => {
                for m in 0..N {
                    let [v, first, second] = of(x[m], y[m]);
                    let times = |of: True, factor: f64| True(of.0 * factor, of.1 * factor.abs());
                    value.push(v);
                    gradient.push(times(first, WEIGHTS[m]));
                    product.push(times(second, WEIGHTS[m] * DIRECTION[m]));
                }
            }
            Row(of) => {
                let of = of(x);
                value.extend(of.value);
                gradient.extend(of.gradient);
                product.extend(of.product);
            }
        }
    }
    [("value", value), ("gradient", gradient), ("product", product)]
}

/// The relative rounding, the least normal and the greatest number.
fn precision(dtype: DType) -> (f64, f64, f64) {
    match dtype {
        DType::F32 => (f64::from(f32::EPSILON), f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)),
        _ => (f64::EPSILON, f64::MIN_POSITIVE, f64::MAX),
    }
}

fn name(case: &Case, dtype: DType) -> String {
    let position = CASES.iter().filter(|other| other.rule == case.rule).position(|other| std::ptr::eq(other, case));
    format!("{} {} in {dtype}", case.rule, position.expect("it is one of them"))
}

#[test]
fn every_stabilizing_rule_has_a_value_beside_its_derivatives() {
    for rule in rules().iter().filter(|rule| rule.class == Class::Stabilize) {
        assert!(CASES.iter().any(|case| case.rule == rule.name), "{} has no case", rule.name);
    }
}

/// Sixteen roundings of the number and of the terms that it is made of: no form here has more than that many primitives
/// after another, each within 2 units in the last place. Below the least normal number, as many of its spacing.
#[test]
fn values_gradients_and_hessians_are_right_far_out_for_every_stabilizing_rule() {
    let mut wrong = Vec::new();
    for (case, dtype) in CASES.iter().flat_map(|case| [(case, DType::F32), (case, DType::F64)]) {
        let (epsilon, least, most) = precision(dtype);
        let (xs, found) = (rows(case.at, dtype).0, run(case, dtype));
        for (result, truth) in truth(case, dtype) {
            for (set, found) in SETS.iter().zip(&found) {
                let Some((_, found)) = found.iter().find(|(name, _)| *name == result) else { continue };
                assert_eq!(found.len(), truth.len(), "{} {result}", name(case, dtype));
                for (at, (found, True(wanted, terms))) in found.iter().zip(&truth).enumerate() {
                    // What is no number in the dtype is not compared.
                    let bound = 16.0 * epsilon * (wanted.abs() + terms + least);
                    if wanted.abs() <= most
                        && (found - wanted).abs().partial_cmp(&bound) != Some(std::cmp::Ordering::Less)
                    {
                        let row = &xs[at * xs.len() / truth.len()];
                        wrong.push(format!(
                            "{}: {result} of {set:?} at {row:?} is {found:e}, not {wanted:e} within {bound:e}",
                            name(case, dtype)
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// Within 2 units in the last place, of a sum in those of its terms.
#[test]
fn a_value_does_not_depend_on_what_is_computed_beside_it_for_every_stabilizing_rule() {
    let mut wrong = Vec::new();
    for (case, dtype) in CASES.iter().flat_map(|case| [(case, DType::F32), (case, DType::F64)]) {
        let (epsilon, least, _) = precision(dtype);
        let found = run(case, dtype);
        let [(_, truth), ..] = truth(case, dtype);
        let value = |of: &Vec<(&str, Vec<f64>)>| of[0].1.clone();
        let alone = value(&found[0]);
        for (set, beside) in SETS.iter().zip(&found).skip(1) {
            for ((alone, beside), True(_, terms)) in alone.iter().zip(value(beside)).zip(&truth) {
                let unit = epsilon * (alone.abs() + terms + least);
                let is_same = alone == &beside || alone.is_nan() && beside.is_nan();
                if !is_same && (alone - beside).abs().partial_cmp(&(2.0 * unit)) != Some(std::cmp::Ordering::Less) {
                    wrong.push(format!("{}: {alone:e} alone, {beside:e} in {set:?}", name(case, dtype)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// A derivative by a node in the middle is that of what is written after it, alone and together with one by a leaf.
#[test]
fn a_node_by_which_is_derived_is_not_looked_behind() {
    let g = Graph::new();
    let x = g.input_of::<f64>("x", (2,));
    let p = x.sigmoid();
    let reflected = (-x).sigmoid();
    let loss = -(1.0 - p).log().sum();
    let both = g.gradients(loss, &[x, p]);
    let alone = g.gradient(loss, p);
    let tangent = g.jvp(loss, &[(x, x.ones_like()), (p, p.ones_like())]);
    let none = g.gradient((1.0 - p).sum(), reflected);
    let names = ["by x", "by p", "alone", "tangent", "none"];
    let results: Vec<_> = names.into_iter().zip([both[0], both[1], alone, tangent, none]).collect();
    let mut program = g.compile(results).expect("no mistake");
    let at = Value::from(array![0.5, 50.0].into_dyn());
    let out = program.call(("x", &at)).expect("it fits");
    let wanted = |of: fn(f64) -> f64| [of(0.5), of(50.0)];
    let (by_x, by_p) = (wanted(|x| logistic(x).0), wanted(|x| 1.0 / logistic(x).1));
    let along = by_x.iter().chain(&by_p).sum();
    let expected: [(&str, &[f64]); 5] =
        [("by x", &by_x), ("by p", &by_p), ("alone", &by_p), ("tangent", &[along]), ("none", &[0.0, 0.0])];
    for (name, wanted) in expected {
        for (found, wanted) in numbers(&out[name]).into_iter().zip(wanted) {
            // A few functions within 2 units in the last place each.
            assert!((found - wanted).abs() <= 16.0 * f64::EPSILON * wanted.abs(), "{found} {name}, not {wanted}");
        }
    }
}

/// The likelihood of a label, picked from a softmax that is written out, in a batch of any size.
#[test]
fn probabilities_picked_by_labels_have_finite_logarithms_and_slopes() {
    let g = Graph::new();
    let x = g.input_of::<f32>("x", ("batch", 3));
    let labels = g.input_of::<i64>("labels", ("batch",));
    let e = x.exp();
    let picked = (e / e.sum_over(-1).unsqueeze(-1)).take_along(labels.unsqueeze(-1), -1);
    let loss = -picked.log().sum();
    let slope = g.gradient(loss, x);
    let at = Value::from(array![[1000f32, 0.0, -1000.0], [0.0, 400.0, 100.0]].into_dyn());
    let index = Value::from(array![1i64, 1].into_dyn());
    for results in [vec![("loss", loss)], vec![("loss", loss), ("slope", slope), ("picked", picked)]] {
        let mut program = g.compile(results).expect("no mistake");
        let fed = (("x", &at), ("labels", &index));
        let out = program.call(fed).expect("it fits");
        assert_eq!(numbers(&out["loss"]), [1000.0]);
        if let Some(slope) = out.get("slope") {
            assert_eq!(numbers(slope), [1.0, -1.0, 0.0, 0.0, 0.0, 0.0]);
        }
    }
}

/// Stable forms hold nothing that a rule would shift or split again.
#[test]
fn simplifying_a_stable_form_again_changes_nothing() {
    for case in CASES {
        let g = Graph::new();
        let (x, y) = (g.input_of::<f64>("x", (5, N)), g.input_of::<f64>("y", (5, N)));
        let (value, inner) = (case.build)(x, y);
        let gradient = g.gradient(value.sum(), x);
        let results = [("value", value), ("gradient", gradient), ("inner", inner)];
        let once = g.simplify(results, &Rewrites::default()).expect("no mistake");
        let twice = once.graph.simplify(once.results(), &Rewrites::default()).expect("no mistake");
        assert_eq!(once.to_text(), twice.to_text(), "{}: {}", case.rule, twice.report);
    }
}

/// A shift that is constant in the derivative inside of the logarithm alone is not the shift that is added again: with m not
/// constant, the slope of x − (ln Σ e^(x − stop(m)) + m) has that of m in it.
#[test]
fn shifts_that_only_one_side_stops_keep_their_slope() {
    let g = Graph::new();
    let x = g.input_of::<f64>("x", (3,));
    let m = x.max_over(0);
    let safe = m.is_finite().select(m, 0.0).stop_gradient();
    let less = x - ((x - safe).exp().sum().log() + m);
    let slope = g.gradient((less * g.constant(array![1.0, 0.0, 0.0])).sum(), x);
    let at = [1.0f64, 2.0, 4.0];
    let total: f64 = at.iter().map(|x| (x - 4.0).exp()).sum();
    let softmax = at.map(|x| (x - 4.0).exp() / total);
    let want = [1.0 - softmax[0], -softmax[1], -softmax[2] - 1.0];
    let mut program = g.compile(slope).expect("no mistake");
    let at = Value::from(array![1.0, 2.0, 4.0]);
    let out = program.call(("x", &at)).expect("it fits");
    for (got, want) in numbers(&out["result"]).iter().zip(want) {
        // A few roundings of numbers about 1.
        assert!((got - want).abs() <= 1e-15, "{got}, not {want}");
    }
}
