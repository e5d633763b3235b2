//! W6 to W9: functions of inputs, without parameters. In: a graph. Out: a value with its gradient, or a product with the
//! Hessian.

use ndarray::array;
use pullback::{DType, Expr, Graph, Value};

use super::{
    GraphOf, Inputs, Results, Workload,
    data::{fill, fill_double, uniform},
    runge_kutta,
    task::Check,
};

/// Σ tanh(x)·σ(x) + ½x² − e^(−x²) with its gradient, 65,536 numbers in `f32`.
pub(super) const W6: Workload = Workload {
    name: "W6",
    inputs: || vec![("x", fill(100, &[65_536], 2.0))],
    graph: GraphOf::Results { results: |g| transcendental(g, 65_536), check: Check::ValueAndNorm },
    expected: &[26171.87, 457.8545],
};

/// W6 with ten million numbers.
pub(super) const W6L: Workload = Workload {
    name: "W6L",
    inputs: || vec![("x", fill(100, &[10_000_000], 2.0))],
    graph: GraphOf::Results { results: |g| transcendental(g, 10_000_000), check: Check::ValueAndNorm },
    expected: &[3997622.0, 5657.697],
};

/// The Hessian of Rosenbrock's function of 1,000 numbers times a vector, `f64`.
pub(super) const W7: Workload = Workload {
    name: "W7",
    inputs: || vec![("x", fill_double(100, &[1_000], 1.0)), ("v", fill_double(101, &[1_000], 1.0))],
    graph: GraphOf::Results { results: rosenbrock, check: Check::Norm },
    expected: &[15510.11],
};

/// (1 − w₂w₁)², the lecture's saddle, with its gradient, `f64`.
pub(super) const W8A: Workload = Workload {
    name: "W8a",
    inputs: || vec![("w", array![0.5, 0.7].into())],
    graph: GraphOf::Results { results: saddle, check: Check::Elements },
    expected: &[0.4225, -0.91, -0.65],
};

/// A function of five numbers, 30 operations, with its gradient, `f64`.
pub(super) const W8B: Workload = Workload {
    name: "W8b",
    inputs: || vec![("x", array![0.5, 0.7, -0.3, 0.9, 0.2].into())],
    graph: GraphOf::Results { results: thirty_operations, check: Check::Elements },
    expected: &[0.8981462, 1.510052, 1.091113, 0.501052, -0.4048605, -0.5821489],
};

/// The mean logistic loss of 10,000 examples of 100 features with its gradient, `f64`.
pub(super) const W9: Workload = Workload {
    name: "W9",
    inputs: logistic_inputs,
    graph: GraphOf::Results { results: logistic, check: Check::ValueAndNorm },
    expected: &[0.9685658, 0.1643273],
};

/// Runge and Kutta's method of order 4 on Lorenz's system, 200 steps written out, with six derivatives, `f64`.
pub(super) const W14: Workload = Workload {
    name: "W14",
    inputs: lorenz_inputs,
    graph: GraphOf::Results {
        results: |g| lorenz(g, |at, next| (0..LORENZ_STEPS).fold(at, |at, _| next(at))),
        check: Check::Elements,
    },
    expected: LORENZ,
};

/// W14 as a loop.
pub(super) const W14_SCAN: Workload = Workload {
    name: "W14_scan",
    inputs: lorenz_inputs,
    graph: GraphOf::Results {
        results: |g| {
            lorenz(g, |[x, y, z], next| {
                let (x, y, z) = g.fori(LORENZ_STEPS, (x, y, z), |_, (x, y, z)| next([x, y, z]).into());
                [x, y, z]
            })
        },
        check: Check::Elements,
    },
    expected: LORENZ,
};

const LORENZ_STEPS: usize = 200;

const LORENZ: &[f64] = &[573.77644, -263.2072, -396.50517, -60.568709, -17.616897, 115.76335, -194.55878];

/// x + 1 of one number: what a call costs that computes nothing.
pub(crate) fn next(g: &Graph) -> Results<'_> {
    vec![("y", g.input_of(DType::F64, "x", ()) + 1.0)]
}

fn with_gradient<'g>(value: Expr<'g>, x: Expr<'g>) -> Results<'g> {
    vec![("value", value), ("gradient", value.graph().gradient(value, x))]
}

fn transcendental(g: &Graph, size: usize) -> Results<'_> {
    let x = g.input("x", (size,));
    with_gradient((x.tanh() * x.sigmoid() + 0.5 * x * x - (-x * x).exp()).sum(), x)
}

fn rosenbrock(g: &Graph) -> Results<'_> {
    let (x, v) = (g.input_of(DType::F64, "x", (1_000,)), g.input_of(DType::F64, "v", (1_000,)));
    let (left, right) = (x.slice(..-1), x.slice(1..));
    let f = (100.0 * (right - left.square()).square() + (1.0 - left).square()).sum();
    vec![("product", g.jvp(g.gradient(f, x), &[(x, v)]))]
}

fn saddle(g: &Graph) -> Results<'_> {
    let w = g.input_of(DType::F64, "w", (2,));
    with_gradient((1.0 - w.slice(1) * w.slice(0)).square(), w)
}

fn thirty_operations(g: &Graph) -> Results<'_> {
    let x = g.input_of(DType::F64, "x", (5,));
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|position| x.slice(position));
    let early = ((a * b).sin() + c) * (d * 0.1).exp();
    let middle = (early - e).tanh() * a + (b * b + 1.0).log();
    let last = middle * (c * d).cos() / (e * e + 2.0).sqrt() + a;
    let square = last * last;
    let exponent = (square + b * c).sin() * e + d;
    with_gradient((-exponent).exp() + square, x)
}

fn logistic(g: &Graph) -> Results<'_> {
    let (x, y) = (g.input_of(DType::F64, "x", ("n", 100)), g.input_of(DType::F64, "y", ("n",)));
    let b = g.input_of(DType::F64, "b", (100,));
    with_gradient((-y * x.dot(b)).exp().log1p().mean(), b)
}

fn logistic_inputs() -> Inputs {
    let sign = uniform(101, &[10_000], 1.0).mapv(|x| if x > 0.0 { 1.0 } else { -1.0 });
    vec![("x", fill_double(100, &[10_000, 100], 1.0)), ("y", Value::from(sign)), ("b", fill_double(1, &[100], 0.5))]
}

/// x, y, z, σ, ρ and β.
fn lorenz_inputs() -> Inputs {
    vec![("s", array![1.0, 1.5, 20.0, 10.0, 28.0, 8.0 / 3.0].into())]
}

/// The squared distance of the end of a path from a point; `repeat` takes the steps.
fn lorenz<'g>(
    g: &'g Graph,
    repeat: impl FnOnce([Expr<'g>; 3], &dyn Fn([Expr<'g>; 3]) -> [Expr<'g>; 3]) -> [Expr<'g>; 3],
) -> Results<'g> {
    let s = g.input_of(DType::F64, "s", (6,));
    let [x, y, z, sigma, rho, beta] = [0, 1, 2, 3, 4, 5].map(|position| s.slice(position));
    let next = |at| runge_kutta::step(at, |at| runge_kutta::lorenz(at, [sigma, rho, beta]), 0.01);
    let [x, y, z] = repeat([x, y, z], &next);
    with_gradient((x - 2.0).square() + (y + 1.0).square() + (z - 25.0).square(), s)
}
