//! Machine code of steps of a few numbers against the interpreter, to the last bit: every function at all kinds of numbers, random graphs with
//! their gradients, loops of all lengths, long chains of steps, small products, and truth values.

use ndarray::{Array1, ArrayD, IxDyn};
use pullback::{
    DType, Evaluation, Expr, Graph, InstructionSet, Options, Program, Value,
    check::random_graph,
    graph::{Binary, Checkpoints, Comparison, Connective, IntegerPower, Op, Predicate, ScanDirection, Unary},
    ops::ScanOptions,
};

use super::{
    compiled::{distance, run},
    instruction_sets::{bits, with_gradients},
};

/// Numbers of all kinds and both signs: zeros, small and large ones, those at which kernels change their way, infinities and NaN.
fn all_kinds() -> Vec<f64> {
    let sizes = [0.0, 3e-310, 1e-40, 1e-9, 0.3, 0.5, 0.7, 1.0, 1.0000001, 2.0, 3.0, 20.0, 40.0, 88.0, 700.0];
    let large = [1e9, 3e17, 1e300, f64::INFINITY];
    sizes.into_iter().chain(large).flat_map(|size| [size, -size]).chain([f64::NAN, 2.5]).collect()
}

/// How many elements a step has that still is a program on registers.
const WIDTH: usize = 8;

fn options(machine_code: bool) -> Options {
    Options { machine_code, threads: 1, ..Options::default() }
}

/// The steps of a program that are machine code, and how many there are.
fn native_steps(program: &mut Program, fed: &[(String, Value)]) -> (usize, usize) {
    let profile = program.profile((), fed, 1).expect("it runs");
    let mut steps: Vec<_> = profile.steps.iter().collect();
    let mut next = 0;
    while let Some(step) = steps.get(next) {
        steps.extend(step.bodies.iter().flat_map(|body| &body.steps));
        next += 1;
    }
    (steps.iter().filter(|step| step.description.starts_with("native ")).count(), steps.len())
}

/// That a graph gives the same bits by machine code and without, near what the reference gives: what a hundred roundings in a row may be
/// apart.
#[track_caller]
fn assert_same(results: &[(String, Expr<'_>)], fed: &[(String, Value)], what: &str) {
    let [code, plain] = [true, false].map(|machine_code| run(results, fed, &options(machine_code)).expect("it runs"));
    let reference = Options { evaluation: Evaluation::Reference, ..options(false) };
    let truth = run(results, fed, &reference).expect("it runs");
    for (name, result) in results {
        assert_eq!(bits(&code[&**name]), bits(&plain[&**name]), "{what}: {name}");
        let tolerance = if result.dtype() == DType::F32 { 1e-5 } else { 1e-11 };
        assert!(distance(&code[&**name], &truth[&**name]) < tolerance, "{what}: {name}");
    }
}

fn fed(name: &str, value: impl Into<Value>) -> (String, Value) {
    (name.to_owned(), value.into())
}

fn of_dtype(numbers: &[f64], dtype: DType) -> Value {
    let numbers = Array1::from(numbers.to_vec());
    match dtype {
        DType::F32 => numbers.mapv(|x| x as f32).into(),
        _ => numbers.into(),
    }
}

/// All functions of numbers, those with a truth value for a result among them.
fn functions() -> Vec<(Op, usize)> {
    let unary = Unary::ALL.iter().map(|function| (Op::Unary(*function), 1));
    let powers = [-3, -1, 0, 2, 3, 7, i32::MIN.into(), i32::MAX.into()]
        .map(|exponent| (Op::IntegerPower(IntegerPower { exponent }), 1));
    let predicates = [Predicate::IsFinite, Predicate::IsNan].map(|predicate| (Op::Predicate(predicate), 1));
    let binary = Binary::ALL.iter().map(|function| (Op::Binary(*function), 2));
    let comparisons = Comparison::ALL.iter().map(|comparison| (Op::Comparison(*comparison), 2));
    unary.chain(powers).chain(predicates).chain(binary).chain(comparisons).collect()
}

#[test]
fn every_function_has_the_bits_of_the_interpreter() {
    let numbers = all_kinds();
    let pairs: Vec<(f64, f64)> = numbers.iter().flat_map(|a| numbers.iter().map(|b| (*a, *b))).collect();
    for (op, n_operands) in functions() {
        for dtype in [DType::F32, DType::F64] {
            for instruction_set in InstructionSet::available() {
                let g = Graph::new();
                let inputs = ["a", "b"].map(|name| g.input_of(dtype, name, (WIDTH,)));
                let y = g.apply_op(op.clone(), &inputs[..n_operands]);
                let [mut code, mut plain] = [true, false].map(|machine_code| {
                    let options = Options { instruction_set: Some(instruction_set), ..options(machine_code) };
                    g.compile_with(y, &options).expect("no mistake")
                });
                for (number, pairs) in pairs.chunks_exact(WIDTH).enumerate() {
                    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
                    let fed = [fed("a", of_dtype(&a, dtype)), fed("b", of_dtype(&b, dtype))];
                    let fed = &fed[..n_operands];
                    let [found, expected] =
                        [&mut code, &mut plain].map(|program| bits(&program.run((), fed).expect("it runs")["result"]));
                    assert_eq!(found, expected, "{op:?} of {dtype} by {instruction_set} at {pairs:?}");
                    if number == 0 {
                        assert_eq!(native_steps(&mut code, fed), (1, 1), "{op:?} of {dtype}");
                        assert_eq!(native_steps(&mut plain, fed).0, 0);
                    }
                }
            }
        }
    }
}

/// Comparisons, connectives and selections between them, whose truth values live in registers and in memory.
#[test]
fn truth_values_have_the_bits_of_the_interpreter() {
    for dtype in [DType::F32, DType::F64] {
        let g = Graph::new();
        let (a, b) = (g.input_of(dtype, "a", (WIDTH,)), g.input_of(dtype, "b", (WIDTH,)));
        let mask = g.input_of(DType::Bool, "mask", (WIDTH,));
        let less = a.less(b);
        let not = |x| g.apply_op(Op::Predicate(Predicate::Not), &[x]);
        let connectives =
            Connective::ALL.iter().map(|connective| g.apply_op(Op::Connective(*connective), &[less, mask]));
        let mut results: Vec<Expr<'_>> = connectives.collect();
        results.push(not(less));
        results.push(not(mask).select(less, a.greater(0.5)));
        results.push(less.and(not(mask)).select(a * b, a - b).exp());
        let results: Vec<(String, Expr<'_>)> =
            results.into_iter().enumerate().map(|(number, result)| (format!("y{number}"), result)).collect();
        for numbers in all_kinds().chunks_exact(WIDTH) {
            let others: Vec<f64> = numbers.iter().rev().copied().collect();
            let mask = Array1::from_shape_fn(WIDTH, |i| i % 3 == 0);
            let fed = [fed("a", of_dtype(numbers, dtype)), fed("b", of_dtype(&others, dtype)), fed("mask", mask)];
            assert_same(&results, &fed, &format!("{dtype}, {numbers:?}"));
        }
    }
}

#[test]
fn random_graphs_and_their_gradients_have_the_bits_of_the_interpreter() {
    for seed in 1_000..1_150 {
        let random = random_graph(seed, 4 + (seed % 24) as usize);
        let (results, fed) = with_gradients(&random);
        assert_same(&results, &fed, &format!("seed {seed}"));
    }
}

/// One step of a spring with friction that is pulled by a force: two carries, of which one is stacked.
fn spring<'g>([x, v]: [Expr<'g>; 2], force: Expr<'g>) -> [Expr<'g>; 2] {
    let pull = force - x.sin() - 0.1 * v * v.abs();
    [x + 0.05 * v, v + 0.05 * pull]
}

/// The end and the path of a spring with the gradient of both, as a loop.
fn spring_loop<'g>(g: &'g Graph, options: &ScanOptions) -> Vec<(String, Expr<'g>)> {
    let start = ["x", "v"].map(|name| g.input_of(DType::F64, name, ()));
    let forces = g.input_of(DType::F64, "forces", ("n",));
    let ((x, v), path) = g.scan_with(options, (start[0], start[1]), forces, |(x, v), force| {
        let [x, v] = spring([x, v], force);
        ((x, v), x * v)
    });
    let value = x * x + v + path.square().sum();
    let gradients = g.gradients(value, &[start[0], start[1], forces]);
    let named = gradients.into_iter().enumerate().map(|(number, gradient)| (format!("d{number}"), gradient));
    [("value".to_owned(), value), ("path".to_owned(), path)].into_iter().chain(named).collect()
}

#[test]
fn loops_of_all_lengths_have_the_bits_of_the_interpreter() {
    for direction in [ScanDirection::Forward, ScanDirection::Backward] {
        for checkpoints in [Checkpoints::All, Checkpoints::Every(3), Checkpoints::SquareRoot] {
            let g = Graph::new();
            let results = spring_loop(&g, &ScanOptions { direction, checkpoints, ..ScanOptions::default() });
            for length in (0..14).chain([30, 101]) {
                let forces = Array1::from_shape_fn(length, |i| (i as f64).cos());
                let fed = [fed("x", 0.3), fed("v", -0.2), fed("forces", forces)];
                assert_same(&results, &fed, &format!("{length} iterations, {direction:?}, {checkpoints:?}"));
            }
        }
    }
}

/// A loop written out is more operations than one function of machine code holds: values go from one to the next in memory.
#[test]
fn long_chains_are_several_functions_with_the_bits_of_the_interpreter() {
    let g = Graph::new();
    let start = ["x", "v"].map(|name| g.input_of(DType::F64, name, ()));
    let force = g.input_of(DType::F64, "force", ());
    let last = (0..300).fold(start, |at, _| spring(at, force));
    let value = last[0] * last[1];
    let gradients = g.gradients(value, &[start[0], start[1], force]);
    let results: Vec<(String, Expr<'_>)> =
        [value].into_iter().chain(gradients).enumerate().map(|(number, y)| (format!("y{number}"), y)).collect();
    let fed = [fed("x", 0.3), fed("v", -0.2), fed("force", 0.7)];
    assert_same(&results, &fed, "300 steps");
    let mut program = g.compile_with(results, &options(true)).expect("no mistake");
    assert_eq!(native_steps(&mut program, &fed), (1, 1));
}

/// Numbers that large arrays and other primitives read too, before and after what is machine code.
#[test]
fn what_other_steps_read_is_stored() {
    let g = Graph::new();
    let (x, big) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::F64, "big", (200,)));
    let small = (x.sin() * x + 1.0).exp() - x.square();
    let sum = small.slice(0) * small.slice(1) + (small.slice(2) * x.slice(0)).tanh();
    let scaled = (big * sum).cumulative_sum(0);
    let mean = scaled.sum() / 200.0;
    let after = (mean.sin() + sum) * x.slice(1) - (sum * mean).cos() * x.slice(2);
    let value = after + after.square() * small.slice(0);
    let gradients = g.gradients(value, &[x, big]);
    let results = [("value", value), ("scaled", scaled), ("dx", gradients[0]), ("dbig", gradients[1])];
    let results = results.map(|(name, y)| (name.to_owned(), y));
    let big = Array1::from_shape_fn(200, |i| (i as f64 * 0.37).sin());
    let fed = [fed("x", ndarray::array![0.3, -0.7, 1.1]), fed("big", big)];
    assert_same(&results, &fed, "mixed");
    let mut program = g.compile_with(results.to_vec(), &options(true)).expect("no mistake");
    let (native, all) = native_steps(&mut program, &fed);
    assert!(native > 0 && native < all, "{native} of {all}");
}

/// Products of up to four rows, columns and terms, batches of them too, as in a filter of four states.
#[test]
fn small_products_have_the_bits_of_the_interpreter() {
    for dtype in [DType::F32, DType::F64] {
        for [m, k, n] in [[1, 1, 1], [4, 4, 4], [2, 4, 3], [4, 1, 4], [1, 4, 1], [3, 2, 4], [5, 4, 2], [4, 6, 4]] {
            let g = Graph::new();
            let (a, b) = (g.input_of(dtype, "a", (2, m, k)), g.input_of(dtype, "b", (2, k, n)));
            let (first, second) = (a.slice(0), b.slice(0).transpose([1, 0]));
            let results = [
                ("batch", a.dot(b)),
                ("transposed", second.dot(first.transpose([1, 0]))),
                ("chain", first.dot(b.slice(1)).sin().transpose([1, 0]).dot(first)),
            ];
            let results = results.map(|(name, y)| (name.to_owned(), y));
            let value = |shape: &[usize]| {
                let numbers = ArrayD::from_shape_fn(IxDyn(shape), |i| (i[0] * 7 + i[1] * 3 + i[2]) as f64 / 5.0 - 1.3);
                if dtype == DType::F32 { Value::F32(numbers.mapv(|x| x as f32)) } else { Value::F64(numbers) }
            };
            let fed = [fed("a", value(&[2, m, k])), fed("b", value(&[2, k, n]))];
            assert_same(&results, &fed, &format!("{dtype}, {m}×{k}×{n}"));
        }
    }
}

/// A step of truth values alone is computed with other floats than the one behind it.
#[test]
fn truth_values_go_from_step_to_step_of_any_type() {
    for dtype in [DType::F32, DType::F64] {
        let g = Graph::new();
        let (m, o) = (g.input_of(DType::Bool, "m", (2,)), g.input_of(DType::Bool, "o", (2,)));
        let (q, x) = (g.input_of(DType::Bool, "q", ()), g.input_of(dtype, "x", ()));
        let always = m.select(o, g.full(true, (2,)));
        let chosen = x.greater(0.0).select(q, always.slice(0));
        let y = chosen.select(x.sin() * x + 1.0, (x.cos() - x).exp()) * x.square();
        let flags = m.concat([o, always], 0);
        let results = [("y", y), ("always", always), ("chosen", chosen), ("flags", flags)];
        let results = results.map(|(name, result)| (name.to_owned(), result));
        for (x, m, o, q) in [(-0.5, true, true, false), (-0.5, false, true, false), (0.5, true, false, true)] {
            let fed = [
                fed("m", Array1::from(vec![m, !m])),
                fed("o", Array1::from(vec![o, !o])),
                fed("q", q),
                fed("x", if dtype == DType::F32 { Value::from(x as f32) } else { Value::from(x) }),
            ];
            assert_same(&results, &fed, &format!("{dtype}, {x}"));
        }
    }
}

/// More values at a time than fit into one page of a stack.
#[test]
fn large_frames_fit_into_small_stacks() {
    let g = Graph::new();
    let xs: Vec<Expr<'_>> = (0..300).map(|number| g.input_of(DType::F64, &format!("x{number}"), ())).collect();
    let sines: Vec<Expr<'_>> = xs.iter().map(|x| x.sin()).collect();
    let sum = sines.iter().copied().reduce(|sum, sine| sum + sine).expect("there are some");
    let product = sines.iter().copied().reduce(|product, sine| product * (sine + 1.0)).expect("there are some");
    let program = g.compile_with([("sum", sum), ("product", product)], &options(true)).expect("no mistake");
    let fed: Vec<(String, Value)> =
        (0..300).map(|number| fed(&format!("x{number}"), f64::from(number) * 0.01)).collect();
    assert_same(&[("sum".to_owned(), sum), ("product".to_owned(), product)], &fed, "300 sines");
    let small = std::thread::Builder::new().stack_size(64 << 10);
    let mut attached = program.attach((), &fed[..]).expect("it runs");
    let thread = small.spawn(move || attached.run()).expect("a thread");
    thread.join().expect("no overflow").expect("it runs");
}

/// Executables come and go with the sizes, programs move to other threads and are copied: machine code lives as long as what calls it.
#[test]
fn machine_code_lives_as_long_as_its_program() {
    let g = Graph::new();
    let results = spring_loop(&g, &ScanOptions::default());
    let program = g.compile_with(results, &options(true)).expect("no mistake");
    let ends = (0..4).map(|number| {
        let mut program = program.clone();
        std::thread::spawn(move || {
            let lengths = (1..40).chain([3, 1, 20 + number]);
            let end = |length: usize| {
                let forces = Array1::from_elem(length, 0.5);
                let out = program.call([fed("x", 0.3), fed("v", -0.2), fed("forces", forces)].as_slice());
                out.expect("it runs").scalar("value").expect("a number")
            };
            lengths.map(end).collect::<Vec<f64>>()
        })
    });
    let ends: Vec<Vec<f64>> =
        ends.collect::<Vec<_>>().into_iter().map(|thread| thread.join().expect("no panic")).collect();
    drop(program);
    for values in &ends {
        assert_eq!(values[..41], ends[0][..41]);
        assert_eq!((values[39], values[40]), (values[2], values[0]), "the same sizes again");
    }
}
