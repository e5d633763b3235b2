//! Batching with derivatives in any order, with what is shared, and with symbols of its own.

use ndarray::{ArrayD, IxDyn, array};
use pullback::{
    DType, Evaluation, Expr, Graph, Value,
    check::random_graph,
    nn::cross_entropy,
    ops::{Sample, Smoothness},
};

use super::{assert_close, bits, declare, of_example, stacked, subsets, values};
use crate::primitives::chosen_samples;

const N_EXAMPLES: usize = 3;

/// Sums are added in another order for a batch than for one example after another.
const TOLERANCE: f64 = 1e-12;

fn numbers(shape: &[usize]) -> Value {
    let mut position = 0.11;
    Value::F64(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        position = (position + 0.618_033_988_749_894_9_f64).fract();
        position - 0.3
    }))
}

/// A sample with some operands stacked, as nodes.
struct Batched<'g> {
    xs: Vec<Expr<'g>>,
    stacks: Vec<Option<Expr<'g>>>,
    pairs: Vec<(Expr<'g>, Expr<'g>)>,
    y: Expr<'g>,
    examples: Vec<Vec<(String, Value)>>,
    all: Vec<(String, Value)>,
}

impl<'g> Batched<'g> {
    fn new(g: &'g Graph, sample: &Sample, is_stacked: &[bool]) -> Batched<'g> {
        let (mut xs, mut stacks, mut pairs, mut all) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut examples = vec![Vec::new(); N_EXAMPLES];
        for (operand, is_stacked) in is_stacked.iter().enumerate() {
            let of = |k: usize| of_example(sample, operand, if *is_stacked { k } else { 0 });
            let name = format!("x{operand}");
            let x = declare(g, &name, &of(0));
            (0..N_EXAMPLES).for_each(|k| examples[k].push((name.clone(), of(k))));
            let stack = is_stacked.then(|| stacked(&(0..N_EXAMPLES).map(of).collect::<Vec<_>>(), 0)).map(|value| {
                let name = format!("xs{operand}");
                let stack = declare(g, &name, &value);
                all.push((name, value));
                pairs.push((x, stack));
                stack
            });
            if stack.is_none() {
                all.push((name, of(0)));
            }
            xs.push(x);
            stacks.push(stack);
        }
        let y = g.apply_op(sample.op.clone(), &xs);
        Batched { xs, stacks, pairs, y, examples, all }
    }

    /// The stacked values of the loop.
    fn looped(&self, results: &[Expr<'g>]) -> Vec<Value> {
        let of_each: Vec<Vec<Value>> =
            self.examples.iter().map(|fed| values(results, fed, Evaluation::Reference)).collect();
        let column = |result: usize| of_each.iter().map(|row| row[result].clone()).collect::<Vec<_>>();
        (0..results.len()).map(|result| stacked(&column(result), 0)).collect()
    }

    fn at_once(&self, results: &[Expr<'g>]) -> Vec<Value> {
        values(results, &self.all, Evaluation::Reference)
    }
}

fn is_differentiable(sample: &Sample, y: Expr<'_>) -> bool {
    sample.smoothness == Smoothness::Smooth
        && y.dtype().is_float()
        && sample.operands.iter().any(|operand| operand.dtype().is_float())
}

/// Sums along the first axis.
fn summed(value: &Value) -> Value {
    let array: &ArrayD<f64> = value.array().expect("numbers of f64");
    Value::F64(array.sum_axis(ndarray::Axis(0)))
}

#[test]
fn the_batch_of_the_gradient_and_the_gradient_of_the_batch_are_the_loop_for_every_primitive() {
    let mut n_cases = 0;
    for sample in &chosen_samples() {
        for is_stacked in subsets(sample.operands.len()) {
            let label = format!("{:?} of {:?}, stacked {is_stacked:?}", sample.op, sample.operands);
            let g = Graph::new();
            let case = Batched::new(&g, sample, &is_stacked);
            if !is_differentiable(sample, case.y) {
                continue;
            }
            n_cases += 1;
            let sizes = case.y.shape().as_numbers().expect("samples have no symbols");
            let f = (case.y.cast(DType::F64) * g.constant(numbers(&sizes))).sum();
            let floats: Vec<usize> = (0..case.xs.len()).filter(|x| case.xs[*x].dtype().is_float()).collect();
            let xs: Vec<Expr<'_>> = floats.iter().map(|x| case.xs[*x]).collect();
            let gradients = g.gradients(f, &xs);
            let expected = case.looped(&gradients);

            let of_each = case.at_once(&g.batch(gradients, case.pairs.iter().copied()));
            for (found, expected) in of_each.iter().zip(&expected) {
                assert_close(&format!("batch of gradient: {label}"), found, expected, TOLERANCE);
            }
            let total = g.batch(f, case.pairs.iter().copied()).sum();
            let wrt: Vec<Expr<'_>> = floats.iter().map(|x| case.stacks[*x].unwrap_or(case.xs[*x])).collect();
            let of_all = case.at_once(&g.gradients(total, &wrt));
            for ((found, expected), x) in of_all.iter().zip(&expected).zip(&floats) {
                let expected = if is_stacked[*x] { expected.clone() } else { summed(expected) };
                assert_close(&format!("gradient of batch: {label}"), found, &expected, TOLERANCE);
            }
        }
    }
    assert!(n_cases > 200 || std::env::var("PRIMITIVE").is_ok(), "{n_cases} cases are few");
}

#[test]
fn forward_mode_and_second_derivatives_of_a_batch_are_the_loop_for_every_primitive() {
    for sample in &chosen_samples() {
        for is_stacked in subsets(sample.operands.len()) {
            let label = format!("{:?} of {:?}, stacked {is_stacked:?}", sample.op, sample.operands);
            let g = Graph::new();
            let case = Batched::new(&g, sample, &is_stacked);
            if !is_differentiable(sample, case.y) {
                continue;
            }
            let direction = |x: Expr<'_>| numbers(&x.shape().as_numbers().expect("samples have no symbols"));
            let (mut tangents, mut of_stacks) = (Vec::new(), Vec::new());
            for (x, stack) in case.xs.iter().zip(&case.stacks).filter(|(x, _)| x.dtype().is_float()) {
                let value = direction(*x);
                tangents.push((*x, g.constant(value.clone())));
                of_stacks.push(match stack {
                    Some(stack) => (*stack, g.constant(stacked(&vec![value; N_EXAMPLES], 0))),
                    None => (*x, g.constant(value)),
                });
            }
            let pushed = g.jvp(case.y, &tangents);
            let weights = g.constant(direction(case.y)).cast(case.y.dtype());
            let second = g.jvp(g.gradient((case.y * weights).sum(), tangents[0].0), &tangents);
            let expected = case.looped(&[pushed, second]);

            let pairs = || case.pairs.iter().copied();
            let [batch_of_jvp, batch_of_second] = g.batch([pushed, second], pairs());
            let jvp_of_batch = g.jvp(g.batch(case.y, pairs()), &of_stacks);
            let found = case.at_once(&[batch_of_jvp, batch_of_second, jvp_of_batch]);
            assert_close(&format!("batch of jvp: {label}"), &found[0], &expected[0], TOLERANCE);
            assert_close(&format!("batch of second: {label}"), &found[1], &expected[1], TOLERANCE);
            assert_close(&format!("jvp of batch: {label}"), &found[2], &expected[0], TOLERANCE);
        }
    }
}

/// Loss and gradients of random graphs, over every input that is stacked with a probability of one half.
#[test]
fn random_graphs_and_their_gradients_of_a_batch_are_the_loop() {
    let mut n_stacked = 0;
    for seed in 0..120u64 {
        let random = random_graph(seed, 4 + (seed as usize) % 20);
        let g = &random.graph;
        let inputs: Vec<Expr<'_>> = random.inputs.iter().map(|input| g.expr(*input)).collect();
        let loss = g.expr(random.result);
        let results = [vec![loss], g.gradients(loss, &inputs)].concat();
        let name = |input: &Expr<'_>| input.name().expect("an input has a name");
        let is_stacked = |position: usize| (seed >> (position % 7)) & 1 == 1;
        let example = |position: usize, k: usize| match &random.values[position] {
            Value::F64(array) if is_stacked(position) => Value::F64(array.mapv(|x| x * (1.0 - 0.125 * k as f64))),
            value => value.clone(),
        };
        let of = |k: usize| -> Vec<(String, Value)> {
            inputs.iter().enumerate().map(|(position, input)| (name(input), example(position, k))).collect()
        };
        let (mut pairs, mut fed) = (Vec::new(), of(0));
        for (position, input) in inputs.iter().enumerate().filter(|(position, _)| is_stacked(*position)) {
            let value = stacked(&(0..N_EXAMPLES).map(|k| example(position, k)).collect::<Vec<_>>(), 0);
            let name = format!("stacked.{}", name(input));
            pairs.push((*input, declare(g, &name, &value)));
            fed.push((name, value));
        }
        if pairs.is_empty() {
            continue;
        }
        n_stacked += 1;
        let at_once = g.batch(results.as_slice(), pairs);
        let looped: Vec<Vec<Value>> =
            (0..N_EXAMPLES).map(|k| values(&results, &of(k), Evaluation::Reference)).collect();
        for (position, found) in values(&at_once, &fed, Evaluation::Reference).iter().enumerate() {
            let expected = stacked(&looped.iter().map(|row| row[position].clone()).collect::<Vec<_>>(), 0);
            assert_eq!(bits(found), bits(&expected), "seed {seed}, result {position}");
        }
        for (position, found) in values(&at_once, &fed, Evaluation::Compiled).iter().enumerate() {
            let expected = stacked(&looped.iter().map(|row| row[position].clone()).collect::<Vec<_>>(), 0);
            // As for random graphs without a batch: roundings of up to twenty functions in a row.
            assert_close(&format!("seed {seed}, result {position}"), found, &expected, 1e-10);
        }
    }
    assert!(n_stacked > 80, "{n_stacked} graphs are few");
}

/// What is not chosen is computed at operands of an example that chooses it: at its own it would be infinite, and 0·∞ would
/// enter what all examples share. With some, all and none that choose it.
#[test]
fn a_branch_that_an_example_does_not_take_leaves_no_nan_in_a_derivative() {
    type Build = for<'g> fn(&'g Graph, Expr<'g>, Expr<'g>) -> Expr<'g>;
    let builds: [(&str, Build); 7] = [
        ("sum inside", |g, x, k| g.cond(x.greater(0.0), || (k / x).broadcast_to((2,)).square().sum(), || k * x)),
        ("product inside", |g, x, k| {
            let row = |y: Expr<'_>| g.expr(y.id()).broadcast_to((3,));
            g.cond(x.greater(0.0), || row(k / x).dot(row(x.sqrt())), || k * x)
        }),
        ("quotient", |g, x, k| g.cond(x.greater(0.0), || k / x, || k * x)),
        ("root", |g, x, k| g.cond(x.greater(0.0), || (k * x).sqrt() + x.log(), || x)),
        ("second branch", |g, x, k| g.cond(x.less_equal(0.0), || k.sin(), || k.pow(x.log()))),
        ("loop", |g, x, k| {
            let end = |(x, _): (Expr<'_>, _)| g.expr(x.id()).greater(0.0);
            g.while_loop_bounded((x, k), 4, end, |(x, y)| (x - 1.0, y + k / x + x.sqrt())).1
        }),
        ("index", |g, x, k| {
            let places = (x * 3.0 + k * 0.0).cast(DType::I64);
            g.cond(x.greater(0.0), || g.constant(array![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).gather(places, 0) * k, || k)
        }),
    ];
    for (name, build) in builds {
        for examples in [vec![0.0, 2.0, -1.0, 1.0], vec![1.0, 2.0], vec![0.0, -1.0], vec![0.0]] {
            let g = Graph::new();
            let (x, k) = (g.input_of(DType::F64, "x", ()), g.input_of(DType::F64, "k", ()));
            let xs = g.input_of(DType::F64, "xs", (examples.len(),));
            let y = build(&g, x, k);
            let ys = g.batch(y, [(x, xs)]);
            let [by_xs, by_k] = [xs, k].map(|input| g.gradient(ys.square().sum(), input));
            let second = g.gradient(by_k, k);
            let tangent = g.jvp(ys, &[(xs, xs.cos()), (k, k)]);
            let fed =
                [("xs".into(), Value::from(ndarray::Array1::from(examples.clone()))), ("k".into(), Value::from(0.7))];
            let one = [y, g.gradient(y.square(), x), g.gradient(y.square(), k)];
            let one = [one.to_vec(), vec![g.gradient(one[2], k), g.jvp(y, &[(x, x.cos()), (k, k)])]].concat();
            let of_each: Vec<Vec<f64>> = (examples.iter())
                .map(|x| {
                    values(
                        &one,
                        &[("x".into(), Value::from(*x)), ("k".into(), Value::from(0.7))],
                        Evaluation::Reference,
                    )
                })
                .map(|values| values.iter().map(|value| value.array::<f64>().expect("f64")[[]]).collect())
                .collect();
            let column = |result: usize| of_each.iter().map(|row| row[result]).collect::<Vec<f64>>();
            let sum = |result: usize| vec![column(result).iter().sum::<f64>()];
            let expected = [column(0), column(1), sum(2), sum(3), column(4)];
            for evaluation in [Evaluation::Reference, Evaluation::Compiled] {
                let found = values(&[ys, by_xs, by_k, second, tangent], &fed, evaluation);
                for (position, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let found: Vec<f64> = found.array::<f64>().expect("f64").iter().copied().collect();
                    let is_close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * b.abs().max(1.0);
                    let label = format!("{name} of {examples:?}, result {position}: {found:?}, not {expected:?}");
                    assert!(found.iter().zip(expected).all(is_close), "{label}");
                }
            }
        }
    }
}

/// Of a loop in a loop too, the carry that no slice reaches is one for all examples.
#[test]
fn a_carry_of_an_inner_loop_that_no_slice_reaches_stays_single() {
    let g = Graph::new();
    let (x, w) = (g.input("x", (3,)), g.input("w", (3,)));
    let (moved, still) = g.fori(2, (x, w), |_, pair| g.fori(3, pair, |_, (a, b)| (a + b.sin(), b * 2.0)));
    let [ys, same] = g.batch([moved, still], [(x, g.input("xs", ("n", 3)))]);
    g.check().expect("no mistake");
    let text = g.to_text([("ys", ys), ("same", same)]);
    // w is read as it is, and repeated once, behind the loops.
    let n_repeated = text.lines().filter(|line| line.contains("broadcast") && line.contains("f32[n, 3]")).count();
    let loops: Vec<&str> = text.lines().filter(|line| line.contains("= scan") && line.contains("carries=2")).collect();
    assert!(loops.iter().any(|line| line.contains(": f32[3] =")), "{text}");
    assert!(n_repeated > 0 && !loops.is_empty(), "{text}");
}

#[test]
fn what_does_not_depend_on_the_slices_is_neither_copied_nor_computed_again() {
    let g = Graph::new();
    let (x, w) = (g.input("x", (3,)), g.input("w", (3, 2)));
    let shared = w.tanh();
    let y = x.dot(shared).exp();
    let before = g.len();
    let [ys, repeated] = g.batch([y, shared], [(x, g.input("xs", ("n", 3)))]);
    assert_eq!(ys.ty().to_string(), "f32[n, 2]");
    // What depends on nothing that is batched is the same along the batch.
    assert_eq!(repeated.ty().to_string(), "f32[n, 3, 2]");
    // The input, product and function of the one, and what repeats the other.
    assert_eq!(g.len() - before, 4);
    let tanhs = g.ancestors(&[ys.id(), repeated.id()]).into_iter().filter(|id| g.expr(*id).op().name() == "tanh");
    assert_eq!(tanhs.count(), 1);
}

#[test]
fn a_node_in_the_middle_is_replaced_and_nothing_behind_it_is_batched() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (2,));
    let (middle, factor) = (x.exp(), x.sum());
    let y = middle * factor;
    let xs = g.input_of(DType::F64, "xs", (3, 2));
    let before = g.len();
    let ys = g.batch(y, [(middle, xs), (x, g.input_of(DType::F64, "others", (3, 2)))]);
    // Another input; the sum and its repetition, and the product; no exp.
    assert!(g.ids().skip(before).all(|id| g.expr(id).op().name() != "exp"));
    let middles = Value::from(array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    let others = Value::from(array![[1.0, 1.0], [0.5, 0.5], [0.0, 2.0]]);
    let fed = [("xs".to_string(), middles), ("others".to_string(), others)];
    let expected = Value::from(array![[2.0, 4.0], [3.0, 4.0], [10.0, 12.0]]);
    assert_eq!(values(&[ys], &fed, Evaluation::Compiled)[0], expected);
}

#[test]
fn a_batch_over_a_deep_graph_is_a_loop_and_no_recursion() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let mut y = x;
    for _ in 0..100_000 {
        y = y * 0.5 + x;
    }
    let ys = g.batch(y, [(x, g.input_of(DType::F64, "xs", (2,)))]);
    assert_eq!(ys.shape().to_string(), "[2]");
    g.check().expect("the graph has no mistake");
}

/// A classifier of a symbolic number of rows, for a symbolic number of weights.
#[test]
fn symbols_inside_and_a_symbol_for_the_slices_go_together() {
    let g = Graph::new();
    let (x, labels) = (g.input_of(DType::F64, "x", ("batch", 3)), g.input_of(DType::I64, "labels", ("batch",)));
    let w = g.input_of(DType::F64, "w", (3, 4));
    let hidden = x.dot(w).tanh();
    let loss = cross_entropy(hidden - hidden.mean_over(0), labels).mean();
    let gradient = g.gradient(loss, w);
    let ws = g.input_of(DType::F64, "ws", ("networks", 3, 4));
    let [losses, gradients] = g.batch([loss, gradient], [(w, ws)]);
    assert_eq!(gradients.ty().to_string(), "f64[networks, 3, 4]");

    let data = [("x".to_string(), numbers(&[5, 3])), ("labels".to_string(), Value::from(array![0i64, 3, 1, 1, 2]))];
    let each: Vec<Value> = (0..4).map(|k| numbers(&[3, 4 + k])).map(first_columns).collect();
    let mut fed = data.to_vec();
    fed.push(("ws".to_string(), stacked(&each, 0)));
    for evaluation in [Evaluation::Reference, Evaluation::Compiled] {
        let found = values(&[losses, gradients], &fed, evaluation);
        let of_each: Vec<Vec<Value>> = each
            .iter()
            .map(|w| {
                values(&[loss, gradient], &[data.as_slice(), &[("w".to_string(), w.clone())]].concat(), evaluation)
            })
            .collect();
        for (position, found) in found.iter().enumerate() {
            let expected = stacked(&of_each.iter().map(|row| row[position].clone()).collect::<Vec<_>>(), 0);
            assert_close("networks of symbols", found, &expected, TOLERANCE);
        }
    }
}

/// The first four columns, so that each matrix has other numbers.
fn first_columns(value: Value) -> Value {
    let array: &ArrayD<f64> = value.array().expect("numbers of f64");
    Value::F64(array.slice_axis(ndarray::Axis(1), (0..4).into()).as_standard_layout().into_owned())
}
