//! Every primitive through every way in which an operand can be read: values, derivatives and costs in both engines.
//!
//! A movement of data is no step of a compiled program but strides by which an operand is read, and constants lie where the
//! user laid them. So each operand of each sample is fed as a view or as a constant of every order in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ndarray::{ArrayD, Axis, IxDyn, Slice};
use pullback::{
    DType, Evaluation, Expr, Graph, Index, Options, Rewrites, Value,
    graph::Op,
    ops::{Sample, samples},
};

use crate::{
    compiled::{distance, options, run},
    decompositions::has_no_derivative,
};

/// A way in which an operand reaches a primitive.
#[derive(Debug, Clone, Copy, PartialEq)]
enum View {
    Plain,
    Reshaped,
    Transposed,
    Sliced,
    Reversed,
    BroadcastFirst,
    BroadcastLast,
    BroadcastScalar,
    Constant,
    ConstantTransposed,
    ConstantReversed,
    ConstantStepped,
}

impl View {
    const ALL: [View; 12] = [
        View::Plain,
        View::Reshaped,
        View::Transposed,
        View::Sliced,
        View::Reversed,
        View::BroadcastFirst,
        View::BroadcastLast,
        View::BroadcastScalar,
        View::Constant,
        View::ConstantTransposed,
        View::ConstantReversed,
        View::ConstantStepped,
    ];

    fn is_constant(self) -> bool {
        matches!(self, View::Constant | View::ConstantTransposed | View::ConstantReversed | View::ConstantStepped)
    }

    fn is_broadcast(self) -> bool {
        matches!(self, View::BroadcastFirst | View::BroadcastLast | View::BroadcastScalar)
    }
}

/// Runs `$body` on the array inside and gives a value again.
macro_rules! map_value {
    ($value:expr, $array:ident => $body:expr) => {
        match $value {
            Value::F32($array) => Value::F32($body),
            Value::F64($array) => Value::F64($body),
            Value::I64($array) => Value::I64($body),
            Value::Bool($array) => Value::Bool($body),
        }
    };
}

/// Elements in reverse order along every axis; the memory stays as it was.
fn inverted<T: Clone>(array: &ArrayD<T>) -> ArrayD<T> {
    let mut array = array.clone();
    (0..array.ndim()).for_each(|axis| array.invert_axis(Axis(axis)));
    array
}

/// An equal array in column-major order.
fn column_major<T: Clone>(array: &ArrayD<T>) -> ArrayD<T> {
    array.t().as_standard_layout().into_owned().reversed_axes()
}

/// An equal array every second of whose places in memory is skipped.
fn stepped<T: Clone + Default>(array: &ArrayD<T>) -> ArrayD<T> {
    let sizes: Vec<usize> = array.shape().iter().map(|size| 2 * size).collect();
    let mut wide = ArrayD::from_elem(IxDyn(&sizes), T::default());
    for axis in 0..array.ndim() {
        wide.slice_axis_inplace(Axis(axis), Slice::new(0, None, 2));
    }
    wide.assign(array);
    wide
}

/// The first element along an axis in place of all of them.
fn repeated<T: Clone>(array: &ArrayD<T>, axes: &[usize]) -> (ArrayD<T>, ArrayD<T>) {
    let mut first = array.clone();
    for axis in axes {
        first.slice_axis_inplace(Axis(*axis), Slice::new(0, Some(1), 1));
    }
    let first = first.as_standard_layout().into_owned();
    let whole = first.broadcast(array.raw_dim()).expect("axes of size 1 stretch").to_owned();
    (first, whole)
}

fn input<'g>(g: &'g Graph, name: &str, value: &Value) -> Expr<'g> {
    match value {
        Value::F32(_) => g.input_of(DType::F32, name, value.shape()),
        Value::F64(_) => g.input_of(DType::F64, name, value.shape()),
        Value::I64(_) => g.input_of(DType::I64, name, value.shape()),
        Value::Bool(_) => g.input_of(DType::Bool, name, value.shape()),
    }
}

/// An operand read through a view: the expression, what is fed for it, and the elements that it then has.
fn operand<'g>(g: &'g Graph, name: &str, value: &Value, view: View) -> Option<(Expr<'g>, Option<Value>, Value)> {
    let shape = value.shape().to_vec();
    let (rank, n_elements) = (shape.len(), value.len());
    let axes: Vec<usize> = match view {
        View::BroadcastFirst if rank > 0 && shape[0] > 1 => vec![0],
        View::BroadcastLast if rank > 1 && shape[rank - 1] > 1 => vec![rank - 1],
        View::BroadcastScalar if n_elements > 1 => (0..rank).collect(),
        view if view.is_broadcast() => return None,
        _ => Vec::new(),
    };
    if view != View::Plain && view != View::Constant && rank == 0 {
        return None;
    }
    let fed =
        |fed: Value, read: &dyn Fn(Expr<'g>) -> Expr<'g>| Some((read(input(g, name, &fed)), Some(fed), value.clone()));
    match view {
        View::Plain => fed(value.clone(), &|x| x),
        View::Reshaped => {
            let flat = map_value!(value, array => array.flatten().into_owned().into_dyn());
            fed(flat, &|x| x.reshape(shape.as_slice()))
        }
        View::Transposed => {
            let order: Vec<i64> = (0..rank as i64).rev().collect();
            fed(map_value!(value, array => array.t().as_standard_layout().into_owned()), &|x| x.transpose(&order[..]))
        }
        View::Sliced => {
            let sizes: Vec<usize> = shape.iter().map(|size| 2 * size + 1).collect();
            if others(&sizes) > 1 << 20 {
                return None;
            }
            let spread = map_value!(value, array => {
                let mut wide = ArrayD::from_elem(IxDyn(&sizes), Default::default());
                let mut part = wide.view_mut();
                (0..rank).for_each(|axis| part.slice_axis_inplace(Axis(axis), Slice::new(1, None, 2)));
                part.assign(array);
                wide
            });
            fed(spread, &|x| x.slice(vec![Index::from(1..).step(2); rank]))
        }
        View::Reversed => {
            let reversed = map_value!(value, array => inverted(array).as_standard_layout().into_owned());
            fed(reversed, &|x| (0..rank as i64).fold(x, |x, axis| x.reverse(axis)))
        }
        View::BroadcastFirst | View::BroadcastLast => {
            let first = map_value!(value, array => repeated(array, &axes).0);
            let whole = map_value!(value, array => repeated(array, &axes).1);
            Some((input(g, name, &first).broadcast_to(shape.as_slice()), Some(first), whole))
        }
        View::BroadcastScalar => {
            let whole = map_value!(value, array => repeated(array, &axes).1);
            let one =
                map_value!(value, array => repeated(array, &axes).0.into_shape_with_order(IxDyn(&[])).expect("one"));
            Some((input(g, name, &one).broadcast_to(shape.as_slice()), Some(one), whole))
        }
        View::Constant | View::ConstantTransposed | View::ConstantReversed | View::ConstantStepped => {
            let constant = laid_out(value, view);
            Some((g.constant(constant.clone()), None, constant))
        }
    }
}

/// An equal array whose elements lie in another order, or with gaps between them.
fn laid_out(value: &Value, view: View) -> Value {
    match view {
        View::ConstantTransposed => map_value!(value, array => column_major(array)),
        View::ConstantReversed => {
            map_value!(value, array => inverted(&inverted(array).as_standard_layout().into_owned()))
        }
        View::ConstantStepped => map_value!(value, array => stepped(array)),
        _ => value.clone(),
    }
}

/// One use of a sample: which operand is read through which view, the others plain.
struct Use<'g> {
    /// The value, and first and second derivatives by what is fed.
    results: Vec<(String, Expr<'g>)>,
    fed: Vec<(String, Value)>,
    /// The elements that the operands have.
    operands: Vec<Value>,
}

fn use_of<'g>(g: &'g Graph, sample: &Sample, seen: usize, view: View) -> Option<Use<'g>> {
    let (mut exprs, mut fed, mut operands, mut inputs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (position, value) in sample.operands.iter().enumerate() {
        let name = format!("x{position}");
        let view = if position == seen { view } else { View::Plain };
        let (expr, feed, elements) = operand(g, &name, value, view)?;
        if let Some(feed) = feed {
            inputs.push((name.clone(), expr));
            fed.push((name, feed));
        }
        exprs.push(expr);
        operands.push(elements);
    }
    let y = g.apply_op(sample.op.clone(), &exprs);
    // What is large because other sizes are is no empty array.
    if g.check().is_err() || y.shape().size().as_number().is_none_or(|n_elements| n_elements > 1 << 8) {
        return None;
    }
    let mut results = vec![("y".to_string(), y)];
    if y.dtype().is_float() && !inputs.is_empty() {
        // Weights that differ from element to element, so that a gradient in a wrong order is seen.
        let weights = (0..y.rank() as i64).map(|axis| g.iota(y.dtype(), y.shape(), axis).cos());
        let loss = weights.fold(y, |y, weights| y * weights).sum();
        for (name, x) in inputs.iter().filter(|(_, x)| x.dtype().is_float()) {
            let gradient = g.gradient(loss, *x);
            results.push((format!("gradient by {name}"), gradient));
            // Twice derived, arrays with large sizes beside a 0 take too long for what they show.
            if operands.iter().any(|operand| others(operand.shape()) > 1 << 10) {
                continue;
            }
            results.push((format!("second derivative by {name}"), g.gradient(gradient.square().sum(), *x)));
        }
    }
    g.check().is_ok().then_some(Use { results, fed, operands })
}

/// Calls `check` with every use of some samples, and tells all labels at which it failed or panicked.
fn each_use(samples: Vec<Sample>, check: impl FnMut(&Graph, &Sample, View, &Use<'_>) -> Result<(), String>) {
    each_use_through(&View::ALL, samples, check);
}

fn each_use_through(
    views: &[View],
    samples: Vec<Sample>,
    mut check: impl FnMut(&Graph, &Sample, View, &Use<'_>) -> Result<(), String>,
) {
    let (mut failures, mut n_uses) = (Vec::new(), 0);
    for sample in samples {
        for seen in 0..sample.operands.len() {
            // All plain is the same for each operand.
            for view in views.iter().copied().filter(|view| seen == 0 || *view != View::Plain) {
                let g = Graph::new();
                let label = format!("{:?} of {:?}, operand {seen} {view:?}", sample.op, sample.operands);
                let one = catch_unwind(AssertUnwindSafe(|| match use_of(&g, &sample, seen, view) {
                    Some(used) => check(&g, &sample, view, &used).map(|()| 1),
                    None => Ok(0),
                }));
                match one {
                    Ok(Ok(used)) => n_uses += used,
                    Ok(Err(failure)) => failures.push(format!("{label}\n    {failure}")),
                    Err(_) => failures.push(format!("{label}\n    panicked")),
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {n_uses} uses fail:\n{}", failures.len(), failures.join("\n"));
    assert!(n_uses > 10 * views.len(), "there are {n_uses} uses");
}

fn reference(used: &Use<'_>) -> Result<pullback::Outputs, String> {
    run(&used.results, &used.fed, &options(Evaluation::Reference, 1)).map_err(|error| error.to_string())
}

#[test]
fn every_primitive_computes_the_same_through_every_view_and_from_every_constant() {
    each_use(samples(), |_, _, _, used| compare(used));
}

/// The samples with each of their sizes in turn made 0 wherever it stands, and the others as many times as large.
fn empty_samples(factor: usize) -> Vec<Sample> {
    let mut empty = Vec::new();
    for sample in samples() {
        let mut sizes: Vec<usize> = sample.operands.iter().flat_map(|value| value.shape().to_vec()).collect();
        sizes.sort_unstable();
        sizes.dedup();
        for size in &sizes {
            let resized = |value: &Value| {
                let resize = |other: &usize| if other == size { 0 } else { other * factor };
                let sizes: Vec<usize> = value.shape().iter().map(resize).collect();
                let n_elements = sizes.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
                let is_possible = n_elements.is_some_and(|n| n < 1 << 10) && others(&sizes) <= 1 << 46;
                is_possible.then(|| {
                    map_value!(value, array => {
                        let first = array.first().copied().unwrap_or_default();
                        ArrayD::from_elem(IxDyn(&sizes), first)
                    })
                })
            };
            let operands: Option<Vec<Value>> = sample.operands.iter().map(resized).collect();
            empty.extend(operands.map(|operands| Sample { operands, ..sample.clone() }));
        }
    }
    empty
}

/// The product of the sizes that are not 0.
fn others(sizes: &[usize]) -> usize {
    sizes.iter().filter(|size| **size > 0).fold(1, |product, size| product.saturating_mul(*size))
}

#[test]
fn every_primitive_takes_every_size_of_zero_through_every_view_at_first_and_second_order() {
    each_use(empty_samples(1), |_, _, _, used| compare(used));
}

/// Strides and positions that would be large, if there were an element. Contractions visit what there would be of the other
/// sizes, and take too long to be tried through every view.
#[test]
fn every_primitive_takes_sizes_of_zero_beside_very_large_ones() {
    let is_contraction = |sample: &Sample| matches!(sample.op, Op::Convolution(_) | Op::DotGeneral(_));
    let (contractions, others) = empty_samples(1 << 18).into_iter().partition(is_contraction);
    each_use(others, |_, _, _, used| compare(used));
    each_use_through(&[View::Plain, View::Transposed], contractions, |_, _, _, used| compare(used));
}

/// An array has at most 2⁸ elements ([`use_of`]), and so has a sum that a derivative takes over them: as many roundings, of
/// terms of the size of 1 or of the result.
const MAX_ROUNDINGS: f64 = 256.0 * f64::EPSILON;

/// That both engines give the same, or that neither has a value.
fn compare(used: &Use<'_>) -> Result<(), String> {
    let want = reference(used);
    for rewrites in [Rewrites::none(), Rewrites::default()] {
        let options = Options { rewrites, ..options(Evaluation::Compiled, 1) };
        let got = run(&used.results, &used.fed, &options).map_err(|error| error.to_string());
        let (want, got) = match (&want, got) {
            (Ok(want), Ok(got)) => (want, got),
            // What has no value may be dead once graphs are rewritten.
            (Err(_), Ok(_)) if rewrites != Rewrites::none() => continue,
            (Err(_), Err(_)) => continue,
            (want, got) => return Err(format!("{got:?}, not {want:?}, with {rewrites:?}")),
        };
        let has_values_alone = has_no_derivative(used.results[0].1.graph(), used.operands.iter());
        for (name, want) in want.iter().filter(|(name, _)| !has_values_alone || *name == "y") {
            let distance = distance(&got[name], want);
            if distance > MAX_ROUNDINGS {
                return Err(format!("{name} is off by {distance:e}: {:?}, not {want:?}", got[name]));
            }
        }
    }
    Ok(())
}

/// The reference is the truth only if it does not depend on how its operands lie itself.
#[test]
fn the_reference_of_every_primitive_sees_elements_and_not_memory() {
    each_use(samples(), |_, sample, _, used| {
        let got = reference(used)?;
        let g = Graph::new();
        let plain = Sample { operands: used.operands.iter().map(row_major).collect(), ..sample.clone() };
        let want = use_of(&g, &plain, usize::MAX, View::Plain).ok_or("the plain use has a mistake")?;
        let want = reference(&want)?;
        let distance = distance(&got["y"], &want["y"]);
        if distance > 0.0 { Err(format!("off by {distance:e}: {:?}, not {:?}", got["y"], want["y"])) } else { Ok(()) }
    });
}

fn row_major(value: &Value) -> Value {
    map_value!(value, array => array.as_standard_layout().into_owned())
}

/// What a plan says that it costs is what the graph costs, however operands are read: threads are given out by it.
#[test]
fn plans_count_the_operations_of_every_primitive_through_every_view() {
    each_use(samples(), |g, sample, view, used| {
        // What is known when the plan is made costs nothing.
        if view.is_constant() || matches!(sample.op, Op::DimSize(_)) {
            return Ok(());
        }
        let y = used.results[0].1;
        let options = Options { rewrites: Rewrites::none(), ..options(Evaluation::Compiled, 1) };
        let program = g.compile_with([("y", y)], &options).map_err(|error| error.to_string())?;
        let told = program.summary([]).map_err(|error| error.to_string())?.flops as i64;
        let want = g.flops(y).as_number().ok_or("a count with a symbol")?;
        if told == want { Ok(()) } else { Err(format!("{told} FLOP are told, not {want}")) }
    });
}
