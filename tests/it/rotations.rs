//! The matrix of a rotation by a vector, made of two Stumpff functions, with its first and second derivatives at 0, where
//! formulas with sines are 0/0, and near it. The truth is the series of the exponential of the matrix of the cross product,
//! over numbers with two infinitesimal parts.

use ndarray::{Array1, Array2, s};
use pullback::{DType, Evaluation, Expr, Graph, Outputs, Value};

use super::compiled::options;

const AXES: [usize; 3] = [0, 1, 2];

/// e × w = M·w for each unit vector e: what a rotation by a small angle about an axis adds to a point w.
fn generators() -> [Array2<f64>; 3] {
    AXES.map(|axis| {
        let (next, last) = ((axis + 1) % 3, (axis + 2) % 3);
        let mut matrix = Array2::zeros((3, 3));
        (matrix[[last, next]], matrix[[next, last]]) = (1.0, -1.0);
        matrix
    })
}

/// By the formula of Rodrigues, 1 + c₁(v·v)·K + c₂(v·v)·K².
fn rotation<'g>(v: Expr<'g>) -> Expr<'g> {
    let g = v.graph();
    let [x, y, z] = generators().map(|matrix| g.constant(matrix));
    let cross = v.slice(0) * x + v.slice(1) * y + v.slice(2) * z;
    let s = v.square().sum();
    g.eye(3, DType::F64) + s.stumpff(1) * cross + s.stumpff(2) * cross.dot(cross)
}

/// Σ Mⁿ/n! with M = K + εG_a + δG_b, written as a matrix of blocks: ε² = δ² = 0, but εδ is kept. The rotation, its derivative
/// by a and that by a and b.
fn truth(v: &[f64; 3], a: usize, b: usize) -> [Array2<f64>; 3] {
    let generators = generators();
    let cross = AXES.iter().fold(Array2::zeros((3, 3)), |sum, axis| sum + &generators[*axis] * v[*axis]);
    let mut matrix = Array2::<f64>::zeros((12, 12));
    let block = |row: usize, column: usize| s![3 * row..3 * row + 3, 3 * column..3 * column + 3];
    for diagonal in 0..4 {
        matrix.slice_mut(block(diagonal, diagonal)).assign(&cross);
    }
    for (row, column, axis) in [(0, 1, a), (2, 3, a), (0, 2, b), (1, 3, b)] {
        matrix.slice_mut(block(row, column)).assign(&generators[axis]);
    }
    let (mut term, mut sum) = (Array2::eye(12), Array2::eye(12));
    for n in 1..=40 {
        term = term.dot(&matrix) / f64::from(n);
        sum += &term;
    }
    [block(0, 0), block(0, 1), block(0, 3)].map(|block| sum.slice(block).to_owned())
}

/// From 0 over vectors whose square underflows to half a turn.
fn vectors() -> Vec<[f64; 3]> {
    let magnitudes = [0.0, 1e-200, 1e-160, 1e-20, 1e-8, 1e-5, 1e-3, 0.1, 1.0, 3.1];
    magnitudes.iter().map(|magnitude| [0.48, -0.6, 0.64].map(|part| part * magnitude)).collect()
}

/// What the truth rounds: forty terms, of which the greatest is less than e^|v|. At 0 all numbers are halves.
fn tolerance(v: &[f64; 3]) -> f64 {
    let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    if *v == [0.0; 3] { 0.0 } else { 4.0 * f64::EPSILON * length.exp() }
}

fn run(results: &[(&str, Expr<'_>)], engine: Evaluation, fed: &[(&str, Value)]) -> Outputs {
    let mut program = results[0].1.graph().compile_with(results.to_vec(), &options(engine, 1)).expect("no mistake");
    program.call(fed).expect("fits")
}

fn expect_close(found: &[f64], truth: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), truth.len(), "{what}");
    for (found, truth) in found.iter().zip(truth) {
        assert!((found - truth).abs() <= tolerance, "{what}: {found:e} and not {truth:e}");
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.array::<f64>().expect("f64").iter().copied().collect()
}

fn unit(axis: usize) -> Value {
    Array1::from_shape_fn(3, |place| f64::from(u8::from(place == axis))).into()
}

#[test]
fn a_rotation_moves_forward_with_its_first_and_second_derivatives_at_and_near_zero() {
    let g = Graph::new();
    let [v, a, b] = ["v", "a", "b"].map(|name| g.input_of::<f64>(name, (3,)));
    let value = rotation(v);
    let first = g.jvp(value, &[(v, a)]);
    let results = [("value", value), ("first", first), ("second", g.jvp(first, &[(v, b)]))];
    for engine in [Evaluation::Reference, Evaluation::Compiled] {
        for (vector, (a, b)) in vectors().iter().flat_map(|vector| pairs().map(move |pair| (vector, pair))) {
            let fed = [("v", Value::from(Array1::from(vector.to_vec()))), ("a", unit(a)), ("b", unit(b))];
            let out = run(&results, engine, &fed);
            for (name, truth) in ["value", "first", "second"].iter().zip(truth(vector, a, b)) {
                let what = format!("{name} by {a} and {b} at {vector:?}, {engine:?}");
                expect_close(&numbers(&out[*name]), truth.as_slice().expect("in order"), tolerance(vector), &what);
            }
        }
    }
}

#[test]
fn a_loss_of_a_rotation_has_its_gradient_and_hessian_at_and_near_zero() {
    let weights = Array2::from_shape_fn((3, 3), |(row, column)| [0.5, -0.25, 0.125, 1.0, -0.5][(2 * row + column) % 5]);
    let g = Graph::new();
    let v = g.input_of::<f64>("v", (3,));
    let loss = (rotation(v) * g.constant(weights.clone())).sum();
    let gradient = g.gradient(loss, v);
    let [x, y, z] = AXES.map(|axis| g.gradient(gradient.slice(axis as i64), v));
    let results = [("gradient", gradient), ("hessian", x.stack([y, z], 0))];
    for engine in [Evaluation::Reference, Evaluation::Compiled] {
        for vector in vectors() {
            let out = run(&results, engine, &[("v", Array1::from(vector.to_vec()).into())]);
            let weighted = |order: usize, (a, b)| (&truth(&vector, a, b)[order] * &weights).sum();
            let hessian: Vec<f64> = pairs().map(|pair| weighted(2, pair)).collect();
            let what = format!("at {vector:?}, {engine:?}");
            // Nine elements are added.
            let tolerance = 9.0 * tolerance(&vector);
            expect_close(&numbers(&out["gradient"]), &AXES.map(|axis| weighted(1, (axis, axis))), tolerance, &what);
            expect_close(&numbers(&out["hessian"]), &hessian, tolerance, &what);
        }
    }
}

/// Two axes in each way, row by row.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    AXES.into_iter().flat_map(|a| AXES.map(|b| (a, b)))
}
