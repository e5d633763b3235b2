//! Derivatives of roots, fixed points, minimizers and solutions of linear systems; here is what their tests share.

mod solutions;
mod systems;
mod told;

use ndarray::array;
use pullback::{
    DType, Evaluation, Expr, Graph, Options, Value, check,
    implicit::{self, Iterations},
};

fn scalar<'g>(g: &'g Graph, name: &str) -> Expr<'g> {
    g.input_of(DType::F64, name, ())
}

fn vector<'g>(g: &'g Graph, name: &str, size: usize) -> Expr<'g> {
    g.input_of(DType::F64, name, (size,))
}

/// The results of the compiled program, which are those of the reference.
fn values(g: &Graph, results: &[(&str, Expr<'_>)], fed: &[(&str, Value)]) -> Vec<Value> {
    let run = |evaluation: Evaluation| -> Vec<Value> {
        let mut program = g.compile_with(results, &Options { evaluation, ..Options::default() }).unwrap();
        let out = program.call(fed).unwrap();
        results.iter().map(|(name, _)| out[*name].clone()).collect()
    };
    let (compiled, reference) = (run(Evaluation::Compiled), run(Evaluation::Reference));
    for ((name, _), (compiled, reference)) in results.iter().zip(compiled.iter().zip(&reference)) {
        let (compiled, reference) = (numbers(compiled), numbers(reference));
        assert_close(name, &compiled, &reference, 1e-10);
    }
    compiled
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::F32(array) => array.iter().map(|number| f64::from(*number)).collect(),
        Value::F64(array) => array.iter().copied().collect(),
        Value::I64(array) => array.iter().map(|number| *number as f64).collect(),
        Value::Bool(array) => array.iter().map(|truth| f64::from(u8::from(*truth))).collect(),
    }
}

#[track_caller]
fn assert_close(name: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        let is_close = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
        let is_same = found == expected || (found.is_nan() && expected.is_nan());
        assert!(is_close || is_same, "{name}: {found} {expected}");
    }
}

/// That all gradients and Hessian–vector products of a scalar are those of differences, in both modes.
#[track_caller]
fn assert_right(g: &Graph, f: Expr<'_>, fed: &[(&'static str, Value)]) {
    let report = check::gradients(g, f, ((), fed)).unwrap();
    assert!(report.is_right(), "{report}");
}

/// A root in the plane, of closures that read matrices, vectors and integers from outside.
fn plane<'g>(g: &'g Graph) -> Expr<'g> {
    let (a, b) = (g.input_of(DType::F64, "a", (2, 2)), vector(g, "b", 2));
    let order = g.constant(array![1i64, 0]);
    let hidden = (a * 2.0).tanh();
    implicit::root(g.full(0.1, (2,)), &Iterations::default(), |z| {
        hidden.dot(z) + 0.1 * z.powi(3) - b.exp().gather(order, 0)
    })
    .value
}

fn plane_point() -> Vec<(&'static str, Value)> {
    vec![("a", array![[0.9, -0.2], [0.3, 0.7]].into()), ("b", array![0.4, -0.3].into())]
}

/// The logarithmic loss with a penalty, of fixed examples.
fn logistic_weights<'g>(g: &'g Graph, strength: Expr<'g>, guess: Expr<'g>) -> implicit::Minimum<'g> {
    let xs = g.constant(array![[1.0, 0.3], [-0.4, 1.2], [0.8, -0.9], [-1.1, -0.2], [0.2, 0.6]]);
    let ys = g.constant([1.0, -1.0, 1.0, -1.0, 1.0]);
    implicit::minimize(guess, &Iterations::default(), |w| {
        (-ys * xs.dot(w)).softplus().mean() + 0.5 * strength.exp() * w.square().sum()
    })
}
