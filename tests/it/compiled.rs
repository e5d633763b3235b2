//! Compiled programs against the reference evaluator: every primitive, random graphs, their gradients, any number of
//! threads, any strides.

use ndarray::{ArrayD, IxDyn, array};
use pullback::{
    DType, Evaluation, Expr, Graph, Initializer, Options, Outputs, Rewrites, RunError, Value,
    check::random_graph,
    nn::{cross_entropy, layer_norm, linear},
    ops::Sample,
};

use super::primitives::chosen_samples;

pub(crate) fn options(evaluation: Evaluation, threads: usize) -> Options {
    Options { evaluation, threads, ..Options::default() }
}

pub(crate) fn run(
    results: &[(String, Expr<'_>)],
    fed: &[(String, Value)],
    options: &Options,
) -> Result<Outputs, RunError> {
    let g = results[0].1.graph();
    let named = results.iter().map(|(name, result)| (name.clone(), *result)).collect::<Vec<_>>();
    let mut program = g.compile_with(named, options).expect("the graph has no mistake");
    program.call(fed)
}

/// The largest difference relative to the larger of 1 and the numbers; infinite where kinds of numbers differ.
pub(crate) fn distance(got: &Value, want: &Value) -> f64 {
    fn of<T: Copy + PartialEq + Into<f64>>(got: &ArrayD<T>, want: &ArrayD<T>) -> f64 {
        if got.shape() != want.shape() {
            return f64::INFINITY;
        }
        let one = |(got, want): (&T, &T)| {
            let (got, want): (f64, f64) = ((*got).into(), (*want).into());
            if got == want || (got.is_nan() && want.is_nan()) {
                0.0
            } else if got.is_finite() && want.is_finite() {
                (got - want).abs() / want.abs().max(1.0)
            } else {
                f64::INFINITY
            }
        };
        got.iter().zip(want).map(one).fold(0.0, f64::max)
    }
    match (got, want) {
        (Value::F32(got), Value::F32(want)) => of(got, want),
        (Value::F64(got), Value::F64(want)) => of(got, want),
        (got, want) => {
            if got == want {
                0.0
            } else {
                f64::INFINITY
            }
        }
    }
}

pub(crate) fn assert_like_reference(
    label: &str,
    results: &[(String, Expr<'_>)],
    fed: &[(String, Value)],
    tolerance: f64,
) {
    let want = run(results, fed, &options(Evaluation::Reference, 1)).expect("the reference runs");
    let got = run(results, fed, &options(Evaluation::Compiled, 1)).expect("the program runs");
    for (name, want) in want.iter() {
        let distance = distance(&got[name], want);
        assert!(distance <= tolerance, "{label}: {name} is off by {distance:e}: {:?}, not {want:?}", got[name]);
    }
    for threads in [2, 3, 8] {
        let same = run(results, fed, &options(Evaluation::Compiled, threads)).expect("the program runs");
        assert!(bits(&same) == bits(&got), "{label}: {threads} threads give other bits than one");
    }
}

pub(crate) fn bits(outputs: &Outputs) -> Vec<Vec<u64>> {
    let of = |value: &Value| match value {
        Value::F32(array) => array.iter().map(|x| u64::from(x.to_bits())).collect(),
        Value::F64(array) => array.iter().map(|x| x.to_bits()).collect(),
        Value::I64(array) => array.iter().map(|x| *x as u64).collect(),
        Value::Bool(array) => array.iter().map(|x| u64::from(*x)).collect(),
    };
    outputs.iter().map(|(_, value)| of(value)).collect()
}

/// The same numbers with f32 for f64.
pub(crate) fn narrow(operands: &[Value]) -> Vec<Value> {
    let to_f32 = |value: &Value| match value {
        Value::F64(array) => Value::F32(array.mapv(|x| x as f32)),
        other => other.clone(),
    };
    operands.iter().map(to_f32).collect()
}

/// The primitive of a sample on inputs x0, x1, … that are like these; none where it is not of their dtypes.
pub(crate) fn applied<'g>(g: &'g Graph, sample: &Sample, operands: &[Value]) -> Option<Expr<'g>> {
    let declare =
        |(position, value): (usize, &Value)| g.input_of(value.dtype(), &format!("x{position}"), value.shape());
    let inputs: Vec<Expr<'_>> = operands.iter().enumerate().map(declare).collect();
    let result = g.apply_op(sample.op.clone(), &inputs);
    g.check().is_ok().then_some(result)
}

/// What these inputs are fed.
pub(crate) fn named(operands: &[Value]) -> Vec<(String, Value)> {
    operands.iter().enumerate().map(|(position, value)| (format!("x{position}"), value.clone())).collect()
}

/// Every primitive at its samples, in f64 and (where all floats may be f32) in f32.
#[test]
fn every_primitive_computes_what_its_reference_does() {
    for sample in chosen_samples() {
        let label = format!("{:?} of {:?}", sample.op, sample.operands);
        let narrow = narrow(&sample.operands);
        for (operands, tolerance) in [(sample.operands.clone(), 1e-13), (narrow, 2e-6)] {
            let g = Graph::new();
            let Some(result) = applied(&g, &sample, &operands) else { continue };
            let fed = named(&operands);
            assert_like_reference(&label, &[("y".into(), result)], &fed, tolerance);
        }
    }
}

#[test]
fn random_graphs_and_their_gradients_compute_what_the_reference_does() {
    for seed in 0..150 {
        let random = random_graph(seed, 4 + (seed as usize) % 24);
        let g = &random.graph;
        let inputs: Vec<Expr<'_>> = random.inputs.iter().map(|input| g.expr(*input)).collect();
        let name = |input: &Expr<'_>| input.name().expect("an input has a name");
        let fed: Vec<(String, Value)> = inputs.iter().map(name).zip(random.values.clone()).collect();
        let loss = g.expr(random.result);
        let mut results = vec![("loss".to_string(), loss)];
        for (input, gradient) in inputs.iter().zip(g.gradients(loss, &inputs)) {
            results.push((format!("gradient of {}", name(input)), gradient));
            let second = g.gradient(gradient.sum(), *input);
            results.push((format!("second derivative by {}", name(input)), second));
        }
        assert_like_reference(&format!("seed {seed}"), &results, &fed, 1e-10);
    }
}

/// A network with everything that training needs, large enough for several tasks a step.
#[test]
fn a_network_of_many_tasks_is_the_same_on_any_number_of_threads() {
    let (rows, features) = (300, 70);
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("batch", features));
    let labels = g.input_of(DType::I64, "labels", ("batch",));
    let hidden = layer_norm(linear(x, "first", 130).tanh(), "norm");
    let logits = linear((hidden * hidden.sigmoid()).softmax(-1) + hidden, "second", 11);
    let loss = cross_entropy(logits, labels).mean();
    let parameters = g.initialize(3).expect("no mistake");
    let xs =
        ArrayD::from_shape_fn(IxDyn(&[rows, features]), |at| ((at[0] * 31 + at[1] * 17) % 101) as f64 / 50.0 - 1.0);
    let ys = ArrayD::from_shape_fn(IxDyn(&[rows]), |at| (at[0] * 7 % 11) as i64);
    let train = |options: &Options| {
        let mut step = g.compile_training_with(loss, (), options).expect("no mistake");
        step.run(&parameters, (("x", &xs), ("labels", &ys))).expect("fed as declared")
    };
    let want = train(&options(Evaluation::Reference, 1));
    let got = train(&options(Evaluation::Compiled, 1));
    assert!((got.loss - want.loss).abs() < 1e-12, "{} {}", got.loss, want.loss);
    for (name, gradient) in want.gradients.iter() {
        let got = got.gradients.view(name).expect("the same layout").to_value();
        let distance = distance(&got, &gradient.to_value());
        assert!(distance < 1e-12, "{name} is off by {distance:e}");
    }
    for threads in [2, 3, 8] {
        let same = train(&options(Evaluation::Compiled, threads));
        assert_eq!((same.loss.to_bits(), &same.gradients), (got.loss.to_bits(), &got.gradients), "{threads} threads");
    }
}

/// Rows that no register holds: reductions along them go on from tile to tile.
#[test]
fn long_rows_are_reduced_piece_by_piece() {
    let g = Graph::new();
    let x = g.input("x", (3, 40_000));
    let spread = x.max_over(-1).unsqueeze(-1);
    let results = [
        ("sum".to_string(), (x * x).sum_over(-1)),
        ("max".to_string(), (2.0 * x).max_over(-1)),
        ("columns".to_string(), x.exp().sum_over(0)),
        ("softmax".to_string(), x.softmax(-1)),
        ("shifted".to_string(), (x - spread).sum()),
    ];
    let xs = ArrayD::from_shape_fn(IxDyn(&[3, 40_000]), |at| ((at[0] * 37 + at[1] * 101) % 997) as f32 / 500.0 - 1.0);
    assert_like_reference("long rows", &results, &[("x".into(), Value::F32(xs))], 1e-4);
}

#[test]
fn inputs_and_outputs_of_any_strides_are_the_same_numbers() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (2, 3));
    let mut program = g.compile([("y", 2.0 * x + x.t().t())]).expect("no mistake");
    let transposed = array![[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]];
    let mut y = array![[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]];
    let fed = ("x", transposed.t());
    let mut view = y.view_mut().reversed_axes();
    program.run_into((), fed, ("y", &mut view)).expect("of the right shapes");
    assert_eq!(y, array![[3.0, 12.0], [6.0, 15.0], [9.0, 18.0]]);
}

#[test]
fn results_may_be_inputs_constants_views_and_each_other() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (2, 3));
    let sum = x.sum_over(0);
    let results = [
        ("input".to_string(), x),
        ("again".to_string(), x),
        ("view".to_string(), x.t()),
        ("literal".to_string(), x.ones_like()),
        ("constant".to_string(), g.constant(array![1.0, 2.0])),
        ("sum".to_string(), sum),
        ("same sum".to_string(), sum),
        ("part".to_string(), sum.slice(1..)),
    ];
    let xs = Value::from(array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    assert_like_reference("results", &results, &[("x".into(), xs)], 0.0);
}

#[test]
fn a_symbolic_batch_is_planned_once_for_each_size() {
    let g = Graph::new();
    let x = g.input("x", ("batch", 4));
    let w = g.parameter("w", (4, 2), Initializer::Constant(0.5));
    let mut program = g.compile([("y", x.dot(w).tanh().mean_over(0))]).expect("no mistake");
    let parameters = g.initialize(0).expect("no mistake");
    for batch in [3, 5, 3, 1, 0, 5] {
        let xs = ndarray::Array2::<f32>::from_elem((batch, 4), 0.25);
        let out = program.run(&parameters, ("x", &xs)).expect("any batch fits");
        let y = out["y"].array::<f32>().expect("an f32");
        let want = if batch == 0 { f32::NAN } else { 0.5f32.tanh() };
        assert!(y.iter().all(|y| (y - want).abs() < 1e-6 || (y.is_nan() && want.is_nan())), "{batch}: {y}");
    }
}

/// Programs in several threads at once: the one that finds the pool in use runs alone, with the same numbers.
#[test]
fn programs_run_at_once_in_one_process() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (400, 100));
    let w = g.constant(ArrayD::from_elem(IxDyn(&[100, 90]), 0.01));
    let y = x.dot(w).tanh().softmax(-1).sum_over(0);
    let xs = ArrayD::from_shape_fn(IxDyn(&[400, 100]), |at| ((at[0] + 3 * at[1]) % 13) as f64 / 7.0);
    let mut first = g.compile_with([("y", y)], &options(Evaluation::Compiled, 2)).expect("no mistake");
    let want = first.call(("x", &xs)).expect("fits");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let mut program = g.compile_with([("y", y)], &options(Evaluation::Compiled, 3)).expect("no mistake");
            let (xs, want) = (&xs, &want);
            scope.spawn(move || {
                for _ in 0..50 {
                    let out = program.call(("x", xs)).expect("fits");
                    assert_eq!(bits(&out), bits(want));
                }
            });
        }
    });
}

/// As many threads as nobody has, and none.
#[test]
fn any_number_of_threads_is_taken_for_a_possible_one() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (100_000,));
    let y = (x.sin() * x).cos().sum();
    let xs = Value::F64(ArrayD::from_elem(IxDyn(&[100_000]), 0.5));
    let of = |threads| {
        run(&[("y".into(), y)], &[("x".into(), xs.clone())], &options(Evaluation::Compiled, threads)).expect("it runs")
    };
    let one = of(1);
    for threads in [0, usize::MAX] {
        assert_eq!(bits(&of(threads)), bits(&one), "{threads} threads");
    }
}

/// Fractions that differ from place to place.
fn ramp(shape: &[usize]) -> Value {
    let mut position = 0.0f32;
    Value::F32(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        position = (position + 0.618_034).fract();
        position - 0.5
    }))
}

/// The same in either float type.
fn ramp_of(dtype: DType, shape: &[usize]) -> Value {
    match ramp(shape) {
        Value::F32(array) if dtype == DType::F64 => Value::F64(array.mapv(f64::from)),
        ramp => ramp,
    }
}

/// Whole numbers from −3 to 3.
fn whole(shape: &[usize]) -> Value {
    let mut position = 0;
    Value::I64(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        position = (position * 5 + 3) % 1009;
        position % 7 - 3
    }))
}

/// A matrix–vector product whose result is read as a matrix with a bias: its tiles are shorter than the bias.
#[test]
fn products_with_vectors_cut_tiles_that_biases_would_not() {
    let g = Graph::new();
    let (x, b, c) = (g.input("x", (2000, 1024)), g.input("b", (1024,)), g.input("c", (100,)));
    let u = x.dot(b).reshape((20, 100)) + c;
    let loss = (u * u).sum() * 1e-3;
    let results: Vec<(String, Expr<'_>)> = std::iter::once(loss)
        .chain(g.gradients(loss, &[b, c]))
        .enumerate()
        .map(|(position, result)| (position.to_string(), result))
        .collect();
    let fed = [("x", ramp(&[2000, 1024])), ("b", ramp(&[1024])), ("c", ramp(&[100]))];
    let fed: Vec<(String, Value)> = fed.map(|(name, value)| (name.to_string(), value)).into();
    assert_like_reference("bias of blocks", &results, &fed, 2e-4);
}

/// The matrix of both products is computed, so it must be whole before either.
#[test]
fn products_with_vectors_wait_for_their_matrix() {
    let g = Graph::new();
    let (y, w, b) = (g.input("y", (64, 1024)), g.input("w", (1024, 64)), g.input("b", (64,)));
    let x = y.tanh();
    let r = w.tanh().sum_over(-1);
    let results = [("p".to_string(), x.dot(r)), ("q".to_string(), x.t().dot(b))];
    let fed = [("y", ramp(&[64, 1024])), ("w", ramp(&[1024, 64])), ("b", ramp(&[64]))];
    let fed: Vec<(String, Value)> = fed.map(|(name, value)| (name.to_string(), value)).into();
    assert_like_reference("computed matrix", &results, &fed, 1e-4);
}

/// Rows without elements have sums, products and values of their own.
#[test]
fn empty_rows_have_values() {
    let g = Graph::new();
    let (x, y) = (g.input_of(DType::F64, "x", (3, "n")), g.input_of(DType::F64, "y", (3,)));
    let t = y.tanh();
    let results = [
        ("product".to_string(), x.prod_over(-1)),
        ("sum".to_string(), x.sum_over(-1).exp() + y),
        ("value".to_string(), t),
        ("spread".to_string(), t.unsqueeze(-1) + x),
        ("all".to_string(), (t.unsqueeze(-1) * x).sum()),
    ];
    let fed = [
        ("x".to_string(), Value::F64(ArrayD::zeros(IxDyn(&[3, 0])))),
        ("y".to_string(), Value::from(array![0.5, -1.0, 2.0])),
    ];
    assert_like_reference("empty rows", &results, &fed, 1e-15);
    let mut program = g.compile([("product", results[0].1)]).expect("no mistake");
    let mut out = array![f64::NAN, f64::NAN, f64::NAN];
    program.run_into((), &fed, ("product", &mut out)).expect("fits");
    assert_eq!(out, array![1.0, 1.0, 1.0]);
}

/// The extreme of no elements has no value, also where no extreme is asked for: both engines say so, as the graph does
/// where sizes are numbers.
#[test]
fn extremes_of_no_elements_are_an_error_in_both_engines_for_empty_batches_too() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("batch", "n"));
    for (shape, is_error) in [([0, 0], true), ([2, 0], true), ([0, 2], false)] {
        let fed = [("x".to_string(), Value::F64(ArrayD::zeros(IxDyn(&shape))))];
        for y in [x.max_over(1), x.min_over(1), x.argmax(1).cast(DType::F64)] {
            for evaluation in [Evaluation::Reference, Evaluation::Compiled] {
                let result = run(&[("y".into(), y)], &fed, &options(evaluation, 1));
                assert_eq!(result.is_err(), is_error, "{shape:?} {evaluation:?}: {result:?}");
            }
        }
    }
}

#[test]
fn contractions_over_empty_axes_are_zero() {
    let g = Graph::new();
    let (a, b) = (g.input_of(DType::F64, "a", (3, 2, "n")), g.input_of(DType::F64, "b", (2, "n", 4)));
    let results = [("y".to_string(), g.einsum("aij,ijb->ab", &[a, b]))];
    let empty = |shape: &[usize]| Value::F64(ArrayD::zeros(IxDyn(shape)));
    let fed = [("a".to_string(), empty(&[3, 2, 0])), ("b".to_string(), empty(&[2, 0, 4]))];
    assert_like_reference("empty contraction", &results, &fed, 0.0);
}

/// A mask of bytes widens to rows of floats that no register holds.
#[test]
fn long_rows_of_masks_are_not_held() {
    let g = Graph::new();
    let (v, x) = (g.input("v", (4,)), g.input("x", (4, 65_536)));
    let mask = v.greater(0.0).unsqueeze(-1).broadcast_to((4, 65_536));
    let results = [("y".to_string(), mask.select(x, 2.0 * x))];
    let fed = [("v".to_string(), ramp(&[4])), ("x".to_string(), ramp(&[4, 65_536]))];
    assert_like_reference("masked rows", &results, &fed, 0.0);
}

/// Every kind over every set of axes, of sizes 0 and 1 among them.
#[test]
fn reductions_over_any_axes() {
    for shape in [vec![3, 4, 5], vec![2, 1, 7, 3], vec![1, 6], vec![0, 3], vec![64, 8, 14], vec![5]] {
        let g = Graph::new();
        let x = g.input("x", shape.clone());
        let mut results = vec![("x".to_string(), x)];
        for set in 0..1usize << shape.len() {
            let axes: Vec<i64> = (0..shape.len()).filter(|axis| set >> axis & 1 == 1).map(|axis| axis as i64).collect();
            results.push((format!("sum {axes:?}"), x.sum_over(&axes[..])));
            results.push((format!("product {axes:?}"), x.prod_over(&axes[..])));
            if axes.iter().all(|axis| shape[*axis as usize] > 0) {
                results.push((format!("max {axes:?}"), x.max_over(&axes[..])));
                results.push((format!("min {axes:?}"), x.min_over(&axes[..])));
            }
        }
        // Some thousand roundings of f32, relative to the largest number.
        assert_like_reference("reductions", &results, &[("x".to_string(), ramp(&shape))], 1e-4);
    }
}

/// Reductions that keep axes in the middle, fused with what is computed before and after them: long and short rows of channels, many
/// channels, several tasks, two numbers of channels for the same rows, and an operand whose channels lie together.
#[test]
fn reductions_of_channels() {
    for shape in [[3usize, 4, 5], [2, 300, 2], [40, 16, 1024], [2, 3, 20_000], [5, 2, 3], [300, 70, 33]] {
        for dtype in [DType::F32, DType::F64, DType::I64] {
            let g = Graph::new();
            let x = g.input_of(dtype, "x", shape);
            let mean = x.sum_over([0, 2]).reshape((shape[1], 1));
            let shifted = x - mean.maximum(1).minimum(2);
            let mut results = vec![
                ("sum".to_string(), x.sum_over([0, 2])),
                ("max".to_string(), (shifted * 3 - 1).max_over([0, 2])),
                ("min".to_string(), shifted.min_over([0, 2])),
                ("squares".to_string(), (shifted * shifted).sum_over([0, 2])),
                ("all".to_string(), shifted.sum()),
                ("each".to_string(), shifted.maximum(-1)),
                ("together".to_string(), x.transpose([1, 0, 2]).sum_over([1, 2])),
            ];
            if shape[1].is_multiple_of(2) {
                let pairs = x.reshape((2 * shape[0], shape[1] / 2, shape[2]));
                results.push(("pairs".to_string(), (pairs * 2).sum_over([0, 2])));
            }
            let fed = [("x".to_string(), if dtype == DType::I64 { whole(&shape) } else { ramp_of(dtype, &shape) })];
            // Thousands of roundings, relative to sums that cancel.
            let tolerance = if dtype == DType::F32 { 1e-3 } else { 1e-10 };
            assert_like_reference(&format!("{dtype} {shape:?}"), &results, &fed, tolerance);
        }
    }
}

/// A slice whose bounds have symbols where its operand has none is checked in both engines, though it is rewritten away.
#[test]
fn bounds_with_symbols_are_checked_over_arrays_without() {
    let text = "%0: f32[n] = input \"x\"\n%1: f32[10] = constant 1.0\n%2: f32[n] = slice %1 start=[0] stop=[n] step=[1]\n\
                %3: f32[n] = add %0, %2\nreturn y = %3\n";
    let parsed = pullback::Graph::parse(text).expect("a graph");
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let y = parsed.result("y").expect("it returns y");
        let mut program = y.graph().compile_with(("y", y), &options(evaluation, 1)).expect("no mistake");
        assert!(program.call(("x", vec![0.5f32; 10])).is_ok());
        let error = program.call(("x", vec![0.5f32; 20])).expect_err("ten elements have no twentieth").to_string();
        assert!(error.contains("slice"), "{error}");
    }
}

/// What nobody reads any more gives its memory to what is made of it, also on several threads and beside other readers.
#[test]
fn dead_arrays_are_written_over() {
    let g = Graph::new();
    let (x, w) = (g.input("x", (256, 128)), g.input("w", (128, 128)));
    let first = x.dot(w);
    let second = (first.tanh() * first + x).dot(w);
    let y = (second.sin() * second).sum_over(0);
    let program = g.compile([("y", y)]).expect("no mistake");
    let summary = program.summary([]).expect("there are no symbols");
    let two_arrays = 2 * 256 * 128 * 4;
    assert!(summary.arena_bytes < two_arrays + two_arrays / 4, "{summary:?}");
    let fed = [("x".to_string(), ramp(&[256, 128])), ("w".to_string(), ramp(&[128, 128]))];
    assert_like_reference("written over", &[("y".into(), y), ("first".into(), first)], &fed, 2e-4);
    assert_like_reference("written over", &[("y".into(), y)], &fed, 2e-4);
}

/// The parts of a group that others read stay, whatever they look like themselves.
#[test]
fn instructions_for_groups_leave_what_others_read() {
    for rewrites in [Rewrites::default(), Rewrites::none()] {
        let g = Graph::new();
        let (x, z) = (g.input_of(DType::F64, "x", (50,)), g.input_of(DType::F64, "z", (50,)));
        let (y, n) = (1.0 - z, -x);
        let exprs = [
            (1.0 - y) * (1.0 + y),
            y * (1.0 + z),
            y.sin(),
            (1.0 - n) * (1.0 + n),
            (1.0 - n) * (1.0 + n) + n.sigmoid(),
            x.sigmoid() * n.sigmoid(),
            n.sin() + x * z,
            x * z + x * y,
        ];
        let named = exprs.iter().enumerate();
        let results: Vec<(String, Expr<'_>)> = named.map(|(position, expr)| (position.to_string(), *expr)).collect();
        let wide = |value: Value| match value {
            Value::F32(array) => Value::F64(array.mapv(f64::from)),
            other => other,
        };
        let fed = [("x".to_string(), wide(ramp(&[50]))), ("z".to_string(), wide(ramp(&[50])))];
        let want = run(&results, &fed, &options(Evaluation::Reference, 1)).expect("it runs");
        let options = Options { rewrites, ..options(Evaluation::Compiled, 1) };
        let got = run(&results, &fed, &options).expect("it runs");
        for (name, want) in want.iter() {
            let distance = distance(&got[name], want);
            assert!(distance <= 1e-14, "{name} is off by {distance:e} with {rewrites:?}");
        }
    }
}

#[test]
fn integers_have_products_of_sums_and_empty_contractions() {
    let g = Graph::new();
    let (x, a, b) = (
        g.input_of(DType::I64, "x", (20,)),
        g.input_of(DType::I64, "a", ("n", 3)),
        g.input_of(DType::I64, "b", ("n", 4)),
    );
    let results =
        [("product".to_string(), (1 - x) * (1 + x)), ("contraction".to_string(), g.einsum("ki,kj->ij", &[a, b]))];
    let empty = |columns: usize| Value::I64(ArrayD::zeros(IxDyn(&[0, columns])));
    let xs = Value::from(ndarray::Array1::from_iter(0..20i64));
    let fed = [("x".to_string(), xs), ("a".to_string(), empty(3)), ("b".to_string(), empty(4))];
    assert_like_reference("integers", &results, &fed, 0.0);
}
