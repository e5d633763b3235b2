//! Layers of sequences: against what other libraries recorded, by the laws that they keep, and what is told of mistakes.

mod attention;
mod costs;
mod dropout;
mod mistakes;
mod recorded;
mod recurrent;

pub(super) use recorded::compared;

use ndarray::{ArrayD, IxDyn};
use pullback::{DType, Evaluation, Expr, Graph, Outputs, Parameters, Value};

use crate::compiled::options;

/// As `numbers` of tests/recorded/layers_sequence.py: multiples of 1/1024.
pub(crate) fn numbers(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let mut state = seed;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = (1_103_515_245 * state + 12_345) % (1 << 31);
        ((state >> 16) % 1024) as f64 / 1024.0 - 0.5
    })
}

/// In a dtype.
fn value(numbers: ArrayD<f64>, dtype: DType) -> Value {
    match dtype {
        DType::F32 => Value::F32(numbers.mapv(|x| x as f32)),
        _ => Value::F64(numbers),
    }
}

/// Sizes that are numbers.
pub(crate) fn sizes(x: Expr<'_>) -> Vec<usize> {
    x.shape().as_numbers().expect("sizes are numbers")
}

/// Parameters that are `numbers`, from this seed on in the order of declaration.
fn parameters(g: &Graph, first_seed: u64) -> Parameters {
    let mut parameters = g.initialize(0).expect("no mistake");
    for (seed, parameter) in (first_seed..).zip(g.parameters()) {
        let name = parameter.name().expect("parameters have names");
        let numbers = numbers(&sizes(parameter), seed);
        let set = match parameter.dtype() {
            DType::F32 => parameters.set(&name, numbers.mapv(|x| x as f32)),
            _ => parameters.set(&name, &numbers),
        };
        set.expect("fits");
    }
    parameters
}

/// Float inputs that are `numbers`, from seed 1 on in the order of declaration.
fn inputs(g: &Graph) -> Vec<(String, Value)> {
    let floats = g.inputs().into_iter().filter(|input| input.dtype().is_float());
    let named = |(seed, input): (u64, Expr<'_>)| {
        (input.name().expect("inputs have names"), value(numbers(&sizes(input), seed), input.dtype()))
    };
    (1..).zip(floats).map(named).collect()
}

/// The results with these inputs, by an engine.
fn run(results: &[(String, Expr<'_>)], fed: &[(String, Value)], engine: Evaluation) -> Outputs {
    let g = results[0].1.graph();
    let parameters = parameters(g, 101);
    let mut program = g.compile_with(results.to_vec(), &options(engine, 1)).unwrap_or_else(|error| panic!("{error}"));
    program.run(&parameters, fed).expect("it runs")
}

/// The elements, as `f64`.
fn elements(value: &Value) -> ArrayD<f64> {
    match value {
        Value::F32(array) => array.mapv(f64::from),
        Value::F64(array) => array.clone(),
        other => panic!("{other:?} are no floats"),
    }
}

/// The one result, by the compiled engine, of inputs that are `numbers`.
fn result_of(result: Expr<'_>) -> ArrayD<f64> {
    let g = result.graph();
    let outputs = run(&[("result".into(), result)], &inputs(g), Evaluation::Compiled);
    elements(&outputs["result"])
}

/// How far numbers are apart, relative to the largest.
fn distance(found: &ArrayD<f64>, expected: &ArrayD<f64>) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    let greatest = |array: &ArrayD<f64>| array.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    assert!(found.iter().all(|x| x.is_finite()), "{found}");
    greatest(&(found - expected)) / greatest(expected).max(1e-3)
}
