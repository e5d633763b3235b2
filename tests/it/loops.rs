//! Bodies in nodes: calls, branches and loops, against the same operations written out, in both engines, at both orders.

use ndarray::{Array2, ArrayD, arr1};
use pullback::{
    DType, Evaluation, Expr, Graph, Initializer, Options, Rewrites, Value,
    graph::ScanDirection,
    ops::{ScanOptions, Tree},
};

/// The named results of a graph in both engines, which agree but for rounding; those of the compiled one are given.
fn run(g: &Graph, results: &[(&str, Expr<'_>)], inputs: &[(&str, Value)]) -> Vec<Vec<f64>> {
    let values = |evaluation: Evaluation| -> Vec<Vec<f64>> {
        let options = Options { evaluation, threads: 2, ..Options::default() };
        let mut program = g.compile_with(results.to_vec(), &options).unwrap();
        let parameters = g.initialize(7).unwrap();
        let fed: Vec<(&str, &Value)> = inputs.iter().map(|(name, value)| (*name, value)).collect();
        let out = program.run(&parameters, fed.as_slice()).unwrap();
        results.iter().map(|(name, _)| numbers(&out[*name])).collect()
    };
    let (compiled, reference) = (values(Evaluation::Compiled), values(Evaluation::Reference));
    for ((name, _), (compiled, reference)) in results.iter().zip(compiled.iter().zip(&reference)) {
        assert_close(name, compiled, reference, 1e-12);
    }
    compiled
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::F32(array) => array.iter().map(|x| f64::from(*x)).collect(),
        Value::F64(array) => array.iter().copied().collect(),
        Value::I64(array) => array.iter().map(|x| *x as f64).collect(),
        Value::Bool(array) => array.iter().map(|x| f64::from(u8::from(*x))).collect(),
    }
}

#[track_caller]
pub(crate) fn assert_close(name: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (position, (found, expected)) in found.iter().zip(expected).enumerate() {
        let scale = expected.abs().max(1.0);
        assert!((found - expected).abs() <= tolerance * scale, "{name} at {position}: {found} against {expected}");
    }
}

pub(crate) fn reals(shape: &[usize], seed: u64) -> Value {
    let mut position = 0.37 + seed as f64 * 0.1313;
    Value::F64(ArrayD::from_shape_simple_fn(shape, || {
        position = (position + 0.618_033_988_749_894_9_f64).fract();
        position - 0.4
    }))
}

/// A cell of a recurrent network: gates of one product, as an LSTM has them.
pub(crate) fn cell<'g>(
    x: Expr<'g>,
    (h, c): (Expr<'g>, Expr<'g>),
    (w, u, b): (Expr<'g>, Expr<'g>, Expr<'g>),
) -> (Expr<'g>, Expr<'g>) {
    let gates = (x.dot(w) + h.dot(u) + b).split(4, -1);
    let c = gates[0].sigmoid() * c + gates[1].sigmoid() * gates[2].tanh();
    (gates[3].sigmoid() * c.tanh(), c)
}

/// Inputs of the cell: T steps of a batch of 3, 2 features, 4 hidden units.
pub(crate) fn cell_inputs(steps: usize) -> Vec<(&'static str, Value)> {
    vec![
        ("xs", reals(&[steps, 3, 2], 0)),
        ("w", reals(&[2, 16], 1)),
        ("u", reals(&[4, 16], 2)),
        ("b", reals(&[16], 3)),
        ("h", reals(&[3, 4], 4)),
        ("c", reals(&[3, 4], 5)),
    ]
}

/// All derivatives of a recurrent network, in a loop or written out.
fn recurrent(steps: usize, is_loop: bool, direction: ScanDirection) -> Vec<Vec<f64>> {
    let g = Graph::new();
    let f64_input = |name: &str, shape: &[usize]| g.input_of(DType::F64, name, shape);
    let xs = f64_input("xs", &[steps, 3, 2]);
    let weights = (f64_input("w", &[2, 16]), f64_input("u", &[4, 16]), f64_input("b", &[16]));
    let first = (f64_input("h", &[3, 4]), f64_input("c", &[3, 4]));
    let (last, outputs) = if is_loop {
        let options = ScanOptions { direction, ..ScanOptions::default() };
        g.scan_with(&options, first, xs, |carry, x| {
            let next = cell(x, carry, weights);
            (next, next.0)
        })
    } else {
        let mut carry = first;
        let mut outputs: Vec<Expr<'_>> = vec![first.0; steps];
        for step in 0..steps {
            let position = if direction == ScanDirection::Forward { step } else { steps - 1 - step };
            carry = cell(xs.slice((position as i64, .., ..)), carry, weights);
            outputs[position] = carry.0;
        }
        (carry, outputs[0].stack(outputs[1..].iter().copied(), 0))
    };
    let weight = g.constant(match reals(&[steps, 3, 4], 9) {
        Value::F64(array) => array,
        _ => unreachable!(),
    });
    let loss = (outputs * weight).sum() + (last.1 * last.1).sum();
    let wanted = [xs, weights.0, weights.1, weights.2, first.0, first.1];
    let gradients = g.gradients(loss, &wanted);
    let directions: Vec<(Expr<'_>, Expr<'_>)> = wanted.iter().map(|x| (*x, x.sin() + 0.3)).collect();
    let tangent = g.jvp(loss, &directions);
    let of_stack = g.jvp(outputs, &directions[1..3]);
    // A Hessian-vector product by forward over reverse mode, and by reverse over reverse.
    let curvature = g.jvp(gradients[2], &directions);
    let inner = gradients.iter().zip(&directions).map(|(gradient, (_, v))| (*gradient * v.stop_gradient()).sum());
    let inner = inner.reduce(|sum, product| sum + product).unwrap();
    let hessian = g.gradients(inner, &wanted);
    let mut results = vec![("loss", loss), ("outputs", outputs), ("tangent", tangent), ("of_stack", of_stack)];
    results.extend(["g0", "g1", "g2", "g3", "g4", "g5"].into_iter().zip(gradients));
    results.push(("curvature", curvature));
    results.extend(["h0", "h1", "h2", "h3", "h4", "h5"].into_iter().zip(hessian));
    run(&g, &results, &cell_inputs(steps))
}

#[test]
fn a_recurrent_network_is_its_unrolled_twin_in_values_and_in_derivatives_of_both_orders() {
    for direction in [ScanDirection::Forward, ScanDirection::Backward] {
        for steps in [1, 2, 5] {
            let (looped, unrolled) = (recurrent(steps, true, direction), recurrent(steps, false, direction));
            for (position, (looped, unrolled)) in looped.iter().zip(&unrolled).enumerate() {
                assert_close(&format!("{direction:?}, {steps} steps, result {position}"), looped, unrolled, 1e-10);
            }
        }
    }
}

#[test]
fn the_number_of_nodes_does_not_grow_with_the_number_of_iterations() {
    let nodes = |steps: usize| {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (steps,));
        let (sum, _) = g.scan(x.sum() * 0.0, x, |sum, x| ((sum + x).sin(), ()));
        g.gradient(sum, x);
        g.len()
    };
    assert_eq!(nodes(3), nodes(3000));
}

#[test]
fn the_length_of_a_loop_may_be_a_symbol() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("n", 2));
    let (last, all) = g.scan(g.full(1.0, (2,)), x, |y, x| (y * x.cos(), y));
    let gradient = g.gradient(last.sum() + all.sum(), x);
    let mut program = g.compile([("last", last), ("all", all), ("gradient", gradient)]).unwrap();
    for n in [0, 1, 4, 4, 7] {
        let x = Array2::from_shape_fn((n, 2), |(row, column)| 0.1 * row as f64 + 0.5 * column as f64);
        let out = program.call(("x", &x)).unwrap();
        let mut y = arr1(&[1.0, 1.0]);
        let mut expected = Array2::zeros((n, 2));
        for row in 0..n {
            expected.row_mut(row).assign(&y);
            y = y * x.row(row).mapv(f64::cos);
        }
        assert_close("last", &numbers(&out["last"]), y.as_slice().unwrap(), 1e-14);
        assert_close("all", &numbers(&out["all"]), expected.as_slice().unwrap(), 1e-14);
        assert_eq!(out["gradient"].shape(), [n, 2]);
    }
}

#[test]
fn captured_values_have_derivatives_in_every_construct() {
    let g = Graph::new();
    let (x, k) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::F64, "k", (3,)));
    let scanned = g.fori(3, x, |_, y| (y * k).sin());
    let called = g.function(x, |x| (x * k).sin());
    let called = called.call(called.call(called.call(x)));
    let branched = g.cond(x.sum().greater(-100.0), || (((x * k).sin() * k).sin() * k).sin(), || k);
    let (_, looped) =
        g.while_loop_bounded((g.full(0.0, ()), x), 5, |(i, _)| i.less(3.0), |(i, y)| (i + 1.0, (y * k).sin()));
    let written = (((x * k).sin() * k).sin() * k).sin();
    let mut results = Vec::new();
    for (name, y) in [("scan", scanned), ("call", called), ("cond", branched), ("while", looped), ("written", written)]
    {
        let gradient = g.gradient(y.sum(), k);
        let second = g.gradient((gradient * x).sum(), k);
        let mixed = g.gradient((gradient * x.cos()).sum(), x);
        let tangent = g.jvp(y, &[(k, x), (x, k)]);
        let twice = g.jvp(tangent, &[(k, k)]);
        let over = g.jvp(gradient, &[(k, x)]);
        results.extend([y, gradient, second, mixed, tangent, twice, over].map(|result| (name, result)));
    }
    let names: Vec<String> =
        results.iter().enumerate().map(|(position, (name, _))| format!("{name}{position}")).collect();
    let named: Vec<(&str, Expr<'_>)> =
        names.iter().zip(&results).map(|(name, (_, result))| (name.as_str(), *result)).collect();
    let found = run(&g, &named, &[("x", reals(&[3], 0)), ("k", reals(&[3], 1))]);
    let expected = &found[28..];
    for (position, found) in found.iter().enumerate() {
        assert_close(&names[position], found, &expected[position % 7], 1e-11);
    }
}

#[test]
fn only_the_branch_that_is_taken_runs() {
    let g = Graph::new();
    let (x, at) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::I64, "at", (1,)));
    let y = g.cond(at.sum().less(3), || x.gather(at, 0).sum(), || x.sum());
    let mut program = g.compile(y).unwrap();
    let x = arr1(&[1.0, 2.0, 4.0]);
    assert_eq!(program.call((("x", &x), ("at", &arr1(&[2])))).unwrap().scalar::<f64>("result").unwrap(), 4.0);
    // Out of range in the other branch, which does not run.
    assert_eq!(program.call((("x", &x), ("at", &arr1(&[9])))).unwrap().scalar::<f64>("result").unwrap(), 7.0);
}

#[test]
fn loops_in_loops_in_calls_have_derivatives() {
    let build = |is_nested: bool| {
        let g = Graph::new();
        let (x, k) = (g.input_of(DType::F64, "x", (2, 3)), g.input_of(DType::F64, "k", ()));
        let y = if is_nested {
            let inner = g.function(x.sum_over(1), |y| g.fori(2, y, |_, y| (y * k).sin() + y));
            let (sum, _) = g.scan(x.sum_over(1) * 0.0, x.transpose([1, 0]), |sum, x| {
                (g.cond(x.sum().greater(100.0), || sum, || inner.call(sum + x)), ())
            });
            sum
        } else {
            let mut sum = x.sum_over(1) * 0.0;
            for column in 0..3 {
                sum += x.slice((.., column));
                for _ in 0..2 {
                    sum = (sum * k).sin() + sum;
                }
            }
            sum
        };
        let gradient = g.gradient(y.sum(), k);
        let second = g.gradient(gradient, x);
        let third = g.gradient((second * x).sum(), k);
        let tangent = g.jvp(g.gradient(y.sum(), x), &[(x, x.cos()), (k, k)]);
        run(
            &g,
            &[("y", y), ("gradient", gradient), ("second", second), ("third", third), ("tangent", tangent)],
            &[("x", reals(&[2, 3], 0)), ("k", reals(&[], 2))],
        )
    };
    for (position, (nested, written)) in build(true).iter().zip(&build(false)).enumerate() {
        assert_close(&format!("result {position}"), nested, written, 1e-10);
    }
}

#[test]
fn a_parameter_of_a_body_is_shared_by_its_calls_and_has_the_gradient_of_all() {
    fn layer<'g>(g: &'g Graph, x: Expr<'g>) -> Expr<'g> {
        x.dot(g.named("w").unwrap_or_else(|| g.parameter("w", (4, 4), Initializer::GlorotUniform))).tanh()
    }
    let build = |is_called: bool| {
        let g = Graph::new();
        let x = g.input("x", ("batch", 4));
        let y = if is_called {
            let function = g.function(x, |x| layer(&g, x));
            function.call(function.call(x))
        } else {
            layer(&g, layer(&g, x))
        };
        let mut step = g.compile_training(y.square().sum()).unwrap();
        let parameters = g.initialize(1).unwrap();
        let out = step.run(&parameters, ("x", &Array2::from_elem((5, 4), 0.5f32))).unwrap();
        (out.loss, numbers(&out.gradients.view("w").unwrap().to_value()))
    };
    let ((called, of_called), (written, of_written)) = (build(true), build(false));
    assert!((called - written).abs() < 1e-5 && of_written.iter().any(|slope| slope.abs() > 0.1));
    assert_close("gradient", &of_called, &of_written, 1e-5);
}

#[test]
fn texts_have_bodies_and_are_read_back() {
    let g = Graph::new();
    let (x, k) = (g.input_of(DType::F64, "x", ("n", 3)), g.input_of(DType::F64, "k", ()));
    let square = g.function(k, |k| k * k);
    let (y, ys) = g.scan(g.full(0.0, (3,)), x, |y, x| {
        let y = g.cond(k.greater(0.0), || y * x, || y + square.call(k));
        (y, y.sum())
    });
    let z = g.while_loop(y, |y| y.sum().less(9.0), |y| y + 1.0);
    let gradient = g.gradient(y.sum() + ys.sum(), x);
    let text = g.to_text([("z", z), ("ys", ys), ("gradient", gradient)]);
    let parsed = Graph::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(parsed.to_text(), text);
    pullback::ops::verify(&parsed.graph).unwrap();
    let fed = (("x", &Array2::from_elem((2, 3), 0.7)), ("k", 0.5));
    let (first, second) = (
        g.compile([("gradient", gradient), ("z", z)]).unwrap().call(fed).unwrap(),
        parsed
            .graph
            .compile([("gradient", parsed.result("gradient").unwrap()), ("z", parsed.result("z").unwrap())])
            .unwrap()
            .call(fed)
            .unwrap(),
    );
    assert_eq!(first["gradient"], second["gradient"]);
    assert_eq!(first["z"], second["z"]);
}

#[test]
fn a_handle_of_a_body_that_is_used_outside_is_an_error_with_its_line() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("n",));
    let mut leaked = None;
    g.scan(x.sum(), x, |sum, x| {
        leaked = Some(sum);
        (sum + x, ())
    });
    let error = g.compile(leaked.unwrap() * 2.0).unwrap_err().to_string();
    let place = error.find("tests/it/loops.rs:").unwrap();
    assert!(
        error.starts_with("an argument of a body, made at") && error.contains("return it from the closure"),
        "{}",
        &error[place..]
    );
}

#[test]
fn a_loop_that_goes_on_ends_as_an_error_with_its_line() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let y = g.while_loop_bounded(x, 1000, |x| x.greater(0.0), |x| x + 1.0);
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let mut program = g.compile_with(y, &Options { evaluation, ..Options::default() }).unwrap();
        assert_eq!(program.call(("x", -3.0)).unwrap().scalar::<f64>("result").unwrap(), -3.0);
        let error = program.call(("x", 3.0)).unwrap_err().to_string();
        assert!(error.contains("tests/it/loops.rs:") && error.contains("still holds after 1000 iterations"), "{error}");
    }
}

#[test]
fn an_error_inside_of_a_body_has_the_line_of_the_operation() {
    let g = Graph::new();
    let (x, at) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::I64, "at", ("n",)));
    let line = line!() + 1;
    let (sum, _) = g.scan(g.full(0.0, ()), at, |sum, at| (sum + x.gather(at.unsqueeze(0), 0).sum(), ()));
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let mut program = g.compile_with(sum, &Options { evaluation, ..Options::default() }).unwrap();
        let x = arr1(&[1.0, 2.0, 4.0]);
        assert_eq!(program.call((("x", &x), ("at", &arr1(&[2, 0])))).unwrap().scalar::<f64>("result").unwrap(), 5.0);
        let error = program.call((("x", &x), ("at", &arr1(&[2, 7])))).unwrap_err().to_string();
        assert!(error.contains(&format!("tests/it/loops.rs:{line}")) && error.contains("gather"), "{error}");
    }
}

#[test]
fn texts_with_wrong_bodies_are_errors_with_line_and_column() {
    let cases = [
        ("body 1 {\n}\nreturn", 1, 6),
        ("%0: f32[] = argument index=0\nreturn", 1, 13),
        ("body 0 {\n%0: f32[] = argument index=1\nreturn\n}\nreturn", 2, 13),
        ("body 0 {\n%0: f32[] = input \"x\"\nreturn %0\n}\nreturn", 2, 13),
        ("body 0 {\n%0: f32[] = argument index=0\nreturn %1\n}\nreturn", 3, 8),
        ("%0: f32[] = input \"x\"\nbody 0 {\nreturn\n}\nreturn", 2, 1),
        ("%0: f32[] = input \"x\"\n%1: f32[] = call %0 body=0 output=0\nreturn", 2, 26),
        (
            "body 0 {\n%0: f32[] = argument index=0\nreturn\n}\n%0: f32[] = input \"x\"\n%1: f32[] = call %0 body=0 output=9\nreturn",
            6,
            13,
        ),
        ("body 0 {\n%0: f32[] = argument index=0\nreturn\n", 4, 1),
        (
            "body 0 {\n%0: f32[] = argument index=0\nreturn\n}\n%0: f32[] = input \"x\"\n%1: f32[] = scan %0 body=0 carries=5 slices=0 length=3 direction=forward checkpoints=all output=final(0)\nreturn",
            6,
            13,
        ),
        (
            "body 0 {\n%0: f32[] = argument index=0\nreturn\n}\n%0: f32[] = input \"x\"\n%1: f32[] = scan %0 body=0 carries=0 slices=18446744073709551615 length=3 direction=forward checkpoints=all output=final(0)\nreturn",
            6,
            13,
        ),
    ];
    for (text, line, column) in cases {
        let error = Graph::parse(text).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{error}\n{text}");
    }
}

#[test]
fn bodies_that_double_at_each_level_are_refused_before_they_cost_anything() {
    let mut text = "body 0 {\n%0: f32[] = argument index=0\n%1: f32[] = sin %0\nreturn %1\n}\n".to_owned();
    for level in 1..60 {
        let inner = level - 1;
        let output = if level == 1 { 1 } else { 2 };
        text += &format!(
            "body {level} {{\n%0: f32[] = argument index=0\n%1: f32[] = call %0 body={inner} output={output}\n\
             %2: f32[] = call %1 body={inner} output={output}\nreturn %2\n}}\n"
        );
    }
    text += "%0: f32[] = input \"x\"\n%1: f32[] = call %0 body=59 output=2\nreturn y = %1\n";
    let error = Graph::parse(&text).unwrap_err().to_string();
    assert!(error.contains("operations with those of the bodies inside"), "{error}");
}

#[test]
fn trees_keep_their_shape() {
    fn count<'g, T: Tree<'g>>(tree: &T) -> usize {
        let mut leaves = Vec::new();
        tree.push_to(&mut leaves);
        leaves.len()
    }
    let g = Graph::new();
    let x = g.full(0.0, ());
    assert_eq!(count(&(x, vec![[x, x], [x, x]], ())), 5);
}

/// Builds something of x and k for one example.
type Build = for<'g> fn(&'g Graph, Expr<'g>, Expr<'g>) -> Expr<'g>;

/// One of each construct.
const CONSTRUCTS: [(&str, Build); 6] = [
    ("scan", |g, x, k| g.scan(k.sum(), x, |sum, x| ((sum * x).sin() + k.sum(), sum)).1),
    ("while", |g, x, k| g.while_loop_bounded(x, 8, |x| x.square().sum().less(3.0), |x| 1.5 * x + 0.1 * k)),
    ("while of shared", |g, x, k| {
        g.while_loop_bounded((k, x), 8, |(k, _)| k.square().sum().less(3.0), |(k, x)| (1.5 * k, x + k)).1
    }),
    ("cond", |g, x, k| g.cond(x.sum().greater(0.2), || x.sin() * k, || k * k)),
    ("cond of shared", |g, x, k| g.cond(k.sum().greater(0.2), || x.sin() * k, || k * k)),
    ("call", |g, x, k| {
        let f = g.function(x, |x| (x * k).sin());
        f.call(f.call(x))
    }),
];

#[test]
fn a_batch_of_any_construct_is_the_loop_over_its_examples() {
    for (name, build) in CONSTRUCTS {
        for subset in [[true, false], [false, true], [true, true]] {
            let g = Graph::new();
            let inputs = ["x", "k"].map(|name| g.input_of(DType::F64, name, (3,)));
            let many = ["xs", "ks"].map(|name| g.input_of(DType::F64, name, (4, 3)));
            let y = build(&g, inputs[0], inputs[1]);
            let gradient = g.gradient((y * y).sum(), inputs[0]);
            let tangent = g.jvp(y, &[(inputs[1], inputs[0].cos())]);
            let outputs = [y, gradient, tangent];
            let pairs: Vec<(Expr<'_>, Expr<'_>)> =
                (0..2).filter(|operand| subset[*operand]).map(|operand| (inputs[operand], many[operand])).collect();
            let batched = g.batch(outputs, pairs.clone());
            // The gradient of the batch is the batch of gradients.
            let of_batch = g.gradient(batched[0].square().sum(), if subset[0] { many[0] } else { inputs[0] });
            let values = [reals(&[4, 3], 0), reals(&[4, 3], 3)];
            let mut results = vec![("y", batched[0]), ("gradient", batched[1]), ("tangent", batched[2])];
            results.push(("of_batch", of_batch));
            let singles = [reals(&[3], 7), reals(&[3], 8)];
            let mut fed = Vec::new();
            for operand in 0..2 {
                if subset[operand] {
                    fed.push((["xs", "ks"][operand], values[operand].clone()));
                } else {
                    fed.push((["x", "k"][operand], singles[operand].clone()));
                }
            }
            let found = run(&g, &results, &fed);
            let mut expected = vec![Vec::new(); 3];
            for example in 0..4 {
                let row = |value: &Value| {
                    let Value::F64(array) = value else { unreachable!() };
                    Value::F64(array.index_axis(ndarray::Axis(0), example).to_owned().into_dyn())
                };
                let fed: Vec<(&str, Value)> = (0..2)
                    .map(|operand| {
                        let value = if subset[operand] { row(&values[operand]) } else { singles[operand].clone() };
                        (["x", "k"][operand], value)
                    })
                    .collect();
                let one = run(&g, &[("y", outputs[0]), ("gradient", outputs[1]), ("tangent", outputs[2])], &fed);
                expected.iter_mut().zip(one).for_each(|(all, one)| all.extend(one));
            }
            for (position, expected) in expected.iter().enumerate() {
                assert_close(&format!("{name} {subset:?} {position}"), &found[position], expected, 1e-11);
            }
            if subset[0] {
                assert_close(&format!("{name} {subset:?} of batch"), &found[3], &expected[1], 1e-11);
            }
        }
    }
}

#[test]
fn equal_operations_that_nobody_merged_each_give_their_value_and_their_part_of_a_derivative() {
    type Build = for<'g> fn(&'g Graph, Expr<'g>) -> Expr<'g>;
    let builds: [(&str, Build); 5] = [
        ("scan", |g, x| g.scan(g.full(0.0, ()), x, |s, x| (s + x * x, ())).0),
        ("stack", |g, x| g.scan(g.full(0.0, ()), x, |s, x| (s + x * x, s + x * x)).1.sum()),
        ("while", |g, x| g.while_loop_bounded(x, 9, |x| x.sum().less(9.0), |x| x + x.square()).sum()),
        ("cond", |g, x| g.cond(x.sum().less(9.0), || x.square().sum(), || x.sum())),
        ("call", |g, x| g.function(x, |x| x.square().sum()).call(x)),
    ];
    for (name, build) in builds {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (3,));
        let (a, b) = (build(&g, x), build(&g, x));
        let both = g.gradient(2.0 * a + 3.0 * b, x);
        let five = g.gradient(5.0 * a, x);
        for rewrites in [Rewrites::default(), Rewrites::none()] {
            let options = Options { rewrites, ..Options::default() };
            let mut program = g.compile_with([("a", a), ("b", b), ("both", both), ("five", five)], &options).unwrap();
            let out = program.call(("x", &arr1(&[0.5, 1.0, 2.0]))).unwrap();
            assert_eq!(out["a"], out["b"], "{name}");
            assert_close(name, &numbers(&out["both"]), &numbers(&out["five"]), 1e-14);
        }
    }
}

#[test]
fn a_handle_that_escapes_within_another_body_is_an_error() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let y = g.cond(
        x.greater(0.0),
        || {
            let mut leaked = None;
            let last = g.fori(3, x, |_, y| {
                leaked = Some(y);
                2.0 * y
            });
            last + leaked.unwrap()
        },
        || x,
    );
    let error = g.compile(y).unwrap_err().to_string();
    assert!(error.contains("is used outside of the body"), "{error}");
}

#[test]
fn a_derivative_by_what_an_unbounded_loop_gives_goes_through_nothing() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let z = g.while_loop(x, |y| y.less(100.0), |y| 2.0 * y);
    let mut program = g.compile(g.gradient(z * z, z)).unwrap();
    assert_eq!(program.call(("x", 3.0)).unwrap().scalar::<f64>("result").unwrap(), 384.0);
}

#[test]
fn zeros_of_both_signs_that_move_into_a_body_stay_apart() {
    let g = Graph::new();
    let of = |zero: f64| g.map(g.full(zero, (2,)), |x| 1.0 / x);
    let mut program = g.compile([("up", of(0.0)), ("down", of(-0.0))]).unwrap();
    let out = program.call(()).unwrap();
    assert_eq!(numbers(&out["up"]), [f64::INFINITY; 2]);
    assert_eq!(numbers(&out["down"]), [f64::NEG_INFINITY; 2]);
}

#[test]
fn the_work_of_a_derivative_does_not_double_with_each_loop_in_a_loop() {
    fn nest<'g>(g: &'g Graph, depth: usize, x: Expr<'g>) -> Expr<'g> {
        if depth == 0 {
            return x.sin();
        }
        g.fori(2, g.full(0.0, ()), |_, sum| sum + nest(g, depth - 1, x))
    }
    let g = Graph::new();
    let (x, xs) = (g.input_of(DType::F64, "x", ()), g.input_of(DType::F64, "xs", ("n",)));
    let y = nest(&g, 12, x);
    let (gradient, tangent, batched) = (g.gradient(y, x), g.jvp(y, &[(x, x)]), g.batch(y, [(x, xs)]));
    let mut program = g.compile([("gradient", gradient), ("tangent", tangent), ("batched", batched)]).unwrap();
    let out = program.call((("x", 0.5), ("xs", &arr1(&[0.1, 0.5])))).unwrap();
    assert_close("gradient", &numbers(&out["gradient"]), &[4096.0 * 0.5f64.cos()], 1e-12);
    assert_close("tangent", &numbers(&out["tangent"]), &[2048.0 * 0.5f64.cos()], 1e-12);
    assert_close("batched", &numbers(&out["batched"]), &[4096.0 * 0.1f64.sin(), 4096.0 * 0.5f64.sin()], 1e-12);
}
