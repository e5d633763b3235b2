//! Whole Jacobians and Hessians in f64: what building and compiling take, and a run.

use criterion::{BenchmarkId, Criterion};
use ndarray::{Array1, Array2};
use pullback::{DType, Expr, Graph, Options, Program, Value};

/// A program, and what it is fed.
struct Case {
    name: &'static str,
    program: fn() -> Program,
    inputs: fn() -> Vec<(&'static str, Value)>,
}

const CASES: [Case; 3] = [
    Case { name: "hessian 500 × 500", program: hessian, inputs: hessian_inputs },
    Case { name: "jacobian 50 × 20", program: jacobian, inputs: jacobian_inputs },
    Case { name: "Gauss–Newton 64 × 2", program: normal_equations, inputs: decay_inputs },
];

const N_UNKNOWNS: usize = 500;
const N_ROWS: usize = 50;
const N_COLUMNS: usize = 20;
const N_RESIDUALS: usize = 64;

fn compile<'g>(g: &'g Graph, results: Vec<(&'static str, Expr<'g>)>) -> Program {
    g.compile_with(results, &Options { threads: 1, ..Options::default() }).expect("no mistake")
}

/// The Hessian of Σ log(1 + e^(wᵢ·x)) + ½|x|², with as many rows as unknowns.
fn hessian() -> Program {
    let g = Graph::new();
    let (x, w) = (g.input_of(DType::F64, "x", (N_UNKNOWNS,)), g.input_of(DType::F64, "w", (N_UNKNOWNS, N_UNKNOWNS)));
    let f = w.dot(x).softplus().sum() + 0.5 * x.square().sum();
    compile(&g, vec![("H", g.hessian(f, x))])
}

fn hessian_inputs() -> Vec<(&'static str, Value)> {
    let n = N_UNKNOWNS;
    let w = Array2::from_shape_fn((n, n), |(i, j)| ((i * 7 + j * 3) as f64).cos() / n as f64);
    vec![("x", Array1::from_shape_fn(n, |i| (i as f64 * 0.3).sin()).into()), ("w", w.into())]
}

/// The Jacobian of tanh(W·x + b) by x.
fn jacobian() -> Program {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (N_COLUMNS,));
    let (w, b) = (g.input_of(DType::F64, "w", (N_ROWS, N_COLUMNS)), g.input_of(DType::F64, "b", (N_ROWS,)));
    compile(&g, vec![("J", g.jacobian((w.dot(x) + b).tanh(), x))])
}

fn jacobian_inputs() -> Vec<(&'static str, Value)> {
    vec![
        ("x", Array1::from_shape_fn(N_COLUMNS, |i| (i as f64).sin()).into()),
        ("w", Array2::from_shape_fn((N_ROWS, N_COLUMNS), |(i, j)| ((i * 7 + j * 3) as f64).cos()).into()),
        ("b", Array1::<f64>::zeros(N_ROWS).into()),
    ]
}

/// Jᵀ·J and Jᵀ·r of the residuals r = y − a·e^(−b·t) by a and b: a step of Gauss and Newton.
fn normal_equations() -> Program {
    let g = Graph::new();
    let parameters = g.input_of(DType::F64, "parameters", (2,));
    let (t, y) = (g.input_of(DType::F64, "t", (N_RESIDUALS,)), g.input_of(DType::F64, "y", (N_RESIDUALS,)));
    let residuals = y - parameters.slice(0) * (-parameters.slice(1) * t).exp();
    let jacobian = g.jacobian(residuals, parameters);
    compile(&g, vec![("JtJ", jacobian.t().dot(jacobian)), ("Jtr", jacobian.t().dot(residuals))])
}

fn decay_inputs() -> Vec<(&'static str, Value)> {
    let t = Array1::from_shape_fn(N_RESIDUALS, |i| i as f64 / 16.0);
    let y = t.mapv(|t| 2.0 * f64::exp(-0.7 * t));
    vec![("parameters", Array1::from(vec![1.0, 1.0]).into()), ("t", t.into()), ("y", y.into())]
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("jacobians");
    group.sample_size(20);
    for Case { name, program, inputs } in CASES {
        group.bench_function(BenchmarkId::new("build and compile", name), |bencher| bencher.iter(program));
        let mut attached = program().attach((), &inputs()[..]).expect("the data fits");
        group.bench_function(BenchmarkId::new("run", name), |bencher| {
            bencher.iter(|| attached.run().expect("it ran before"))
        });
    }
    group.finish();
}
