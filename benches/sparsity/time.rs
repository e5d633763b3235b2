//! W12, sparse Hessians: the chain of Rosenbrock and the Lagrangian of Lukšan's and Vlček's first problem, n unknowns. Prints for each what
//! set-up takes (the graph, its derivatives, the structure, the program), and a run. `benches/sparsity/run` sets it beside CasADi.
//!
//! Arguments: `chain` or `lagrangian`, a size or several, and `--secs S` for how long to run each.
//!
//! # Source
//! Lukšan and Vlček, *Sparse and partially separable test problems for unconstrained and equality constrained optimization*, Technical
//! report 767, Institute of Computer Science, Prague, 1999, problem 5.1.

use std::time::{Duration, Instant};

use ndarray::Array1;
use pullback::{
    DType, Expr, Graph, Options, Value, range,
    sparsity::{SparseDerivative, SparsityError, SparsityOptions},
};

/// Σ 100(xᵢ² − xᵢ₊₁)² + (xᵢ − 1)².
fn chain<'g>(x: Expr<'g>) -> Expr<'g> {
    let (left, right) = (x.slice(..-1), x.slice(1..));
    (100.0 * (left.square() - right).square() + (left - 1.0).square()).sum()
}

/// σ·f + λ·c for the chain with n − 2 constraints.
fn lagrangian<'g>(x: Expr<'g>) -> Expr<'g> {
    let g = x.graph();
    let (sigma, lambda) =
        (g.input_of(DType::F64, "sigma", ()), g.input_of(DType::F64, "lambda", (x.shape()[0].clone() - 2,)));
    let (a, b, c) = (x.slice(..-2), x.slice(range(1, -1)), x.slice(2..));
    let constraints =
        3.0 * b.powi(3) + 2.0 * c - 5.0 + (b - c).sin() * (b + c).sin() + 4.0 * b - a * (a - b).exp() - 3.0;
    sigma * chain(x) + lambda.dot(constraints)
}

fn set_up(is_lagrangian: bool, fed: &[(&str, Value)]) -> Result<SparseDerivative, SparsityError> {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("n",));
    let f = if is_lagrangian { lagrangian(x) } else { chain(x) };
    let options =
        SparsityOptions { options: Options { threads: 1, ..Options::default() }, ..SparsityOptions::default() };
    let mut hessian = g.sparse_hessian_with(f, x, &options)?;
    hessian.structure((), fed)?;
    Ok(hessian)
}

fn fed(is_lagrangian: bool, n: usize) -> Vec<(&'static str, Value)> {
    let x = Array1::from_shape_fn(n, |i| 0.5 + 0.4 * ((i as f64) * 0.7).sin());
    let lambda = Array1::from_shape_fn(n - 2, |i| ((i as f64) * 0.3).cos());
    let mut fed: Vec<(&'static str, Value)> = vec![("x", x.into())];
    if is_lagrangian {
        fed.extend([("sigma", 0.5.into()), ("lambda", lambda.into())]);
    }
    fed
}

fn main() -> Result<(), SparsityError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_lagrangian = arguments.first().is_some_and(|problem| problem == "lagrangian");
    let sizes = arguments.iter().filter_map(|argument| argument.parse::<usize>().ok());
    let seconds = arguments.iter().position(|argument| argument == "--secs").map_or(0.5, |at| {
        arguments.get(at + 1).and_then(|seconds| seconds.parse().ok()).expect("--secs is followed by a number")
    });
    for n in sizes.take_while(|n| *n > 2) {
        let fed = fed(is_lagrangian, n);
        let mut least = Duration::MAX;
        let mut hessian = set_up(is_lagrangian, &fed)?;
        for _ in 0..5 {
            let start = Instant::now();
            hessian = set_up(is_lagrangian, &fed)?;
            least = least.min(start.elapsed());
        }
        let n_entries = hessian.pattern().expect("it was found").n_entries();
        let mut values = vec![0.0; n_entries];
        hessian.values_into((), &fed, &mut values)?;
        let (start, mut run) = (Instant::now(), Duration::MAX);
        while start.elapsed().as_secs_f64() < seconds {
            let start = Instant::now();
            hessian.values_into((), &fed, &mut values)?;
            run = run.min(start.elapsed());
        }
        let (kind, sum) = (hessian.kind().expect("it was found"), values.iter().sum::<f64>());
        println!(
            "{} n={n} entries={n_entries} {kind:?} setup_ms={:.3} run_us={:.3} sum={sum:.10e}",
            arguments[0],
            least.as_secs_f64() * 1e3,
            run.as_secs_f64() * 1e6
        );
    }
    Ok(())
}
