//! The proof of an operation of the user's own. In: the operation and operands for it. Out: nothing, or the property that fails:
//! those of every primitive's rule, and that compiled programs and batches give what the operation alone gives.

use std::ops::Range;

use ndarray::{ArrayD, Axis};

use super::prove::{EXACT_TOLERANCE, RuleError, build, close, declare, evaluate, numbers, prove};
use crate::{
    graph::{Custom, Expr, Graph, Op, Shape, Site, Value, ValueView},
    ops::{CustomOp, Sample, Smoothness, erased, evaluate_custom, kind_of},
};

/// How many examples a batch has here.
const N_EXAMPLES: usize = 3;

/// Proves an operation of one's own at some operands, by what every primitive of the library is proved by: its type is what its
/// evaluation gives; f32 agrees with f64, if it takes both; reverse mode agrees with forward mode, at first and second order;
/// both orders agree with central differences; rows that are computed one by one agree with all at once; and a batch, in a compiled program, agrees with a loop over its examples, for every choice of
/// operands that differ from example to example.
///
/// Floats of the operands are f64, since differences of f32 are all rounding. The examples of a batch have these operands with the floats
/// scaled by 1, ¾ and ½, and must be in the domain too.
///
/// # Errors
/// The first property that fails.
///
/// # Complexity
/// Two evaluations of value and gradient for each float of the operands, and two programs for each choice of operands: for small
/// arrays.
///
/// # Example
/// [`CustomOp`] has one.
#[doc(alias("gradcheck", "opcheck"))]
#[track_caller]
pub fn prove_operation<O: CustomOp>(
    operation: O,
    operands: impl IntoIterator<Item: Into<Value>>,
    smoothness: Smoothness,
) -> Result<(), RuleError> {
    let site = Site::caller();
    let operands = operands.into_iter().map(Into::into).collect();
    let sample = Sample { op: kind_of(operation).into(), operands, smoothness };
    prove(&sample)?;
    prove_rows(&sample)?;
    (1..1usize << sample.operands.len()).try_for_each(|stacked| {
        let is_stacked: Vec<bool> = (0..sample.operands.len()).map(|operand| stacked >> operand & 1 == 1).collect();
        prove_batch(&sample, &is_stacked, site)
    })
}

/// Compares rows one by one with all at once, if the operation goes by rows.
fn prove_rows(sample: &Sample) -> Result<(), RuleError> {
    let Op::Custom(Custom { kind }) = &sample.op else { return Ok(()) };
    let (Some(by_rows), overwritten) = (erased(kind).rows(), erased(kind).overwrites()) else { return Ok(()) };
    let graph = Graph::new();
    let (xs, y) = build(&graph, sample, &sample.operands)?;
    let whole = evaluate(&graph, &xs, &[y], &sample.operands)?.remove(0);
    let n_rows = whole.shape().first().copied().unwrap_or(0);
    let mut found = Vec::new();
    for row in 0..n_rows {
        let rows = row..row + 1;
        let read = sample.operands.iter().enumerate().filter(|(operand, _)| Some(*operand) != overwritten);
        let parts: Vec<Value> = read
            .map(|(operand, value)| if by_rows.contains(&operand) { rows_of(value, &rows) } else { value.clone() })
            .collect();
        let views: Vec<ValueView<'_>> = parts.iter().map(Value::view).collect();
        let mut output = match overwritten {
            Some(operand) => rows_of(&sample.operands[operand], &rows),
            None => Value::zeros(whole.dtype(), rows_of(&whole, &rows).shape()),
        };
        evaluate_custom(kind, Some(rows), &views, output.view_mut()).map_err(|error| RuleError::Rows { row, error })?;
        found.extend(numbers(&output));
    }
    for (position, pair) in found.into_iter().zip(numbers(&whole)).enumerate() {
        close("rows one by one against all at", position, pair.into(), EXACT_TOLERANCE)?;
    }
    Ok(())
}

/// Some slices along the first axis.
fn rows_of(value: &Value, rows: &Range<usize>) -> Value {
    let rows = ndarray::Slice::from(rows.clone());
    match value {
        Value::F32(array) => Value::F32(array.slice_axis(Axis(0), rows).to_owned()),
        Value::F64(array) => Value::F64(array.slice_axis(Axis(0), rows).to_owned()),
        Value::I64(array) => Value::I64(array.slice_axis(Axis(0), rows).to_owned()),
        Value::Bool(array) => Value::Bool(array.slice_axis(Axis(0), rows).to_owned()),
    }
}

/// Compares a compiled batch, in which these operands differ from example to example, with one example after the other.
fn prove_batch(sample: &Sample, is_stacked: &[bool], site: Site) -> Result<(), RuleError> {
    let graph = Graph::new();
    let (xs, y) = build(&graph, sample, &sample.operands)?;
    let example = |k: usize| -> Vec<Value> {
        let scaled =
            |(operand, is_stacked): (&Value, &bool)| if *is_stacked { scaled(operand, k) } else { operand.clone() };
        sample.operands.iter().zip(is_stacked).map(scaled).collect()
    };
    let examples: Vec<Vec<Value>> = (0..N_EXAMPLES).map(example).collect();
    let mut expected = Vec::new();
    for operands in &examples {
        expected.extend(numbers(&evaluate(&graph, &xs, &[y], operands)?.remove(0)));
    }

    let _frame = graph.enter("prove", site);
    let mut fed: Vec<(String, Value)> = Vec::new();
    let mut pairs: Vec<(Expr<'_>, Expr<'_>)> = Vec::new();
    for (operand, x) in xs.iter().enumerate() {
        if !is_stacked[operand] {
            fed.push((format!("operand{operand}"), sample.operands[operand].clone()));
            continue;
        }
        let name = format!("operands{operand}");
        let stack = stack(examples.iter().map(|operands| &operands[operand]));
        pairs.push((*x, declare(&graph, &name, &stack)));
        fed.push((name, stack));
    }
    let batched = graph.batch(y, pairs);
    let mut program = graph.compile(batched).map_err(RuleError::Compile)?;
    let outputs = program.call(&fed[..])?;
    let found = &outputs["result"];
    let mut sizes = vec![N_EXAMPLES];
    sizes.extend(y.shape().as_numbers().unwrap_or_default());
    if found.shape() != sizes {
        let inferred = Shape::from(&sizes[..]).to_string();
        return Err(RuleError::Type { inferred, found: Shape::from(found.shape()).to_string() });
    }
    for (position, pair) in numbers(found).into_iter().zip(expected).enumerate() {
        close("a batch against a loop at", position, pair.into(), EXACT_TOLERANCE)?;
    }
    Ok(())
}

/// An operand of one example: floats are scaled, the others stay.
fn scaled(operand: &Value, example: usize) -> Value {
    let factor = 1.0 - 0.25 * example as f64;
    match operand {
        Value::F32(array) => Value::F32(array.mapv(|x| x * factor as f32)),
        Value::F64(array) => Value::F64(array.mapv(|x| x * factor)),
        Value::I64(array) => Value::I64(array.clone()),
        Value::Bool(array) => Value::Bool(array.clone()),
    }
}

/// Arrays of one type along a new first axis.
fn stack<'v>(values: impl Iterator<Item = &'v Value>) -> Value {
    fn join<T: Clone>(arrays: &[&ArrayD<T>]) -> ArrayD<T> {
        let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
        ndarray::stack(Axis(0), &views).expect("invariant: examples have one shape")
    }
    let values: Vec<&Value> = values.collect();
    macro_rules! stacked {
        ($kind:ident) => {{
            let arrays: Vec<_> = values
                .iter()
                .filter_map(|value| if let Value::$kind(array) = value { Some(array) } else { None })
                .collect();
            Value::$kind(join(&arrays))
        }};
    }
    match values[0] {
        Value::F32(_) => stacked!(F32),
        Value::F64(_) => stacked!(F64),
        Value::I64(_) => stacked!(I64),
        Value::Bool(_) => stacked!(Bool),
    }
}
