//! Batching: what a batch of examples gives at once is what a loop over them gives, for every primitive and every choice
//! of what differs from example to example, and together with derivatives.

mod composed;
mod models;
mod primitives;

use ndarray::{ArrayD, ArrayViewD, Axis};
use pullback::{Evaluation, Expr, Graph, Shape, Value, graph::Op, ops::Sample};

use crate::compiled::{distance, options, run};

/// Arrays of one type, stacked along a new axis.
pub(super) fn stacked(values: &[Value], axis: usize) -> Value {
    fn stack<T: Clone>(arrays: &[&ArrayD<T>], axis: usize) -> ArrayD<T> {
        let views: Vec<ArrayViewD<'_, T>> = arrays.iter().map(|array| array.view()).collect();
        ndarray::stack(Axis(axis), &views).expect("the arrays have one shape")
    }
    macro_rules! stack_as {
        ($variant:ident) => {{
            let arrays: Vec<&ArrayD<_>> = values
                .iter()
                .map(|value| match value {
                    Value::$variant(array) => array,
                    other => panic!("another type: {}", other.ty()),
                })
                .collect();
            Value::$variant(stack(&arrays, axis))
        }};
    }
    match values[0] {
        Value::F32(_) => stack_as!(F32),
        Value::F64(_) => stack_as!(F64),
        Value::I64(_) => stack_as!(I64),
        Value::Bool(_) => stack_as!(Bool),
    }
}

/// The elements as bits, every NaN the same.
pub(super) fn bits(value: &Value) -> (Vec<usize>, Vec<u64>) {
    let bits_of = |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    let elements = match value {
        Value::F32(array) => array.iter().map(|x| bits_of(f64::from(*x))).collect(),
        Value::F64(array) => array.iter().map(|x| bits_of(*x)).collect(),
        Value::I64(array) => array.iter().map(|x| *x as u64).collect(),
        Value::Bool(array) => array.iter().map(|x| u64::from(*x)).collect(),
    };
    (value.shape().to_vec(), elements)
}

/// The operand of example `k`: other numbers of the same kind. Those that say a position stay within the axis that they
/// select from, and matrices that are positive definite stay so.
pub(super) fn of_example(sample: &Sample, operand: usize, k: usize) -> Value {
    let factor = 1.0 - 0.25 * k as f64;
    let selected = match &sample.op {
        Op::Gather(gather) if operand == 1 => Some(sample.operands[0].shape()[gather.axis]),
        Op::ScatterAdd(scatter) if operand == 1 => Some(sample.operands[0].shape()[scatter.axis]),
        _ => None,
    };
    match &sample.operands[operand] {
        Value::F32(array) => Value::F32(array.mapv(|x| x * factor as f32)),
        Value::F64(array) => Value::F64(array.mapv(|x| x * factor)),
        Value::I64(array) => Value::I64(match selected {
            Some(size) => array.mapv(|x| (x + k as i64) % size as i64),
            None => array.mapv(|x| x.wrapping_add(k as i64)),
        }),
        Value::Bool(array) => {
            let mut elements: Vec<bool> = array.iter().copied().collect();
            let n = elements.len().max(1);
            elements.rotate_left(k % n);
            Value::Bool(ArrayD::from_shape_vec(array.raw_dim(), elements).expect("as many elements as before"))
        }
    }
}

/// Every choice of some of `n` things, but none.
pub(super) fn subsets(n: usize) -> impl Iterator<Item = Vec<bool>> {
    (1..1usize << n).map(move |mask| (0..n).map(|position| mask >> position & 1 == 1).collect())
}

pub(super) fn declare<'g>(g: &'g Graph, name: &str, value: &Value) -> Expr<'g> {
    g.input_of(value.dtype(), name, value.shape())
}

pub(super) fn declare_as<'g>(g: &'g Graph, name: &str, value: &Value, shape: Shape) -> Expr<'g> {
    g.input_of(value.dtype(), name, shape)
}

/// The values of some expressions, in order.
pub(super) fn values(results: &[Expr<'_>], fed: &[(String, Value)], evaluation: Evaluation) -> Vec<Value> {
    let named: Vec<(String, Expr<'_>)> =
        results.iter().enumerate().map(|(position, result)| (position.to_string(), *result)).collect();
    let outputs = run(&named, fed, &options(evaluation, 1)).expect("the program runs");
    (0..results.len()).map(|position| outputs[&*position.to_string()].clone()).collect()
}

pub(super) fn assert_close(label: &str, found: &Value, expected: &Value, tolerance: f64) {
    let distance = distance(found, expected);
    assert!(distance <= tolerance, "{label}: off by {distance:e}: {found:?}, not {expected:?}");
}
