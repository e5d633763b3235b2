//! Loops that keep some of their carries for derivatives: the bits are those of loops that keep all, and the memory is what was
//! promised.

use ndarray::{Array1, Array2};
use pullback::{
    DType, Evaluation, Expr, Graph, Options, Outputs, Value,
    graph::{Checkpoints, ScanDirection},
    ops::ScanOptions,
};

use crate::loops::{assert_close, cell, cell_inputs, numbers, reals};

const CHECKPOINTS: [Checkpoints; 6] = [
    Checkpoints::Every(1),
    Checkpoints::Every(2),
    Checkpoints::Every(3),
    Checkpoints::Every(7),
    Checkpoints::Every(50),
    Checkpoints::SquareRoot,
];

const DIRECTIONS: [ScanDirection; 2] = [ScanDirection::Forward, ScanDirection::Backward];

fn options(checkpoints: Checkpoints, direction: ScanDirection) -> ScanOptions {
    ScanOptions { checkpoints, direction, ..ScanOptions::default() }
}

/// Named results for what is fed.
fn run(g: &Graph, results: &[(String, Expr<'_>)], fed: &[(&str, Value)], options: &Options) -> Outputs {
    let mut program = g.compile_with(results, options).unwrap();
    let fed: Vec<(&str, &Value)> = fed.iter().map(|(name, value)| (*name, value)).collect();
    program.call(fed.as_slice()).unwrap()
}

/// A recurrent network of a symbol's length, with stacked outputs: derivatives of the first three orders by both modes, and of a
/// batch.
fn derivatives<'g>(g: &'g Graph, options: &ScanOptions) -> Vec<(String, Expr<'g>)> {
    let input = |name: &str, shape: &[usize]| g.input_of(DType::F64, name, shape);
    let xs = g.input_of(DType::F64, "xs", ("time", 3, 2));
    let weights = (input("w", &[2, 16]), input("u", &[4, 16]), input("b", &[16]));
    let first = (input("h", &[3, 4]), input("c", &[3, 4]));
    let (last, outputs) = g.scan_with(options, first, xs, |carry, x| {
        let next = cell(x, carry, weights);
        (next, next.0)
    });
    let loss = (outputs * outputs.sin()).sum() + (last.1 * last.1).sum();
    let wanted = [xs, weights.0, weights.1, weights.2, first.0, first.1];
    let gradients = g.gradients(loss, &wanted);
    let directions: Vec<(Expr<'_>, Expr<'_>)> = wanted.iter().map(|x| (*x, x.cos())).collect();
    let along = gradients.iter().zip(&directions).map(|(gradient, (_, v))| (*gradient * v.stop_gradient()).sum());
    let slope = along.reduce(|sum, part| sum + part).unwrap();
    let second = g.gradients(slope, &wanted);
    let third = g.gradient(second[4].square().sum(), first.0);
    let many = g.input_of(DType::F64, "hs", (2, 3, 4));
    let batched = g.batch([gradients[2], gradients[0], second[1]], [(first.0, many)]);
    let of_batch = g.gradient(g.batch([loss], [(first.0, many)])[0].square().sum(), weights.1);
    let mut results = vec![("loss".to_owned(), loss), ("outputs".to_owned(), outputs)];
    results.push(("tangent".to_owned(), g.jvp(outputs, &directions)));
    results.push(("curvature".to_owned(), g.jvp(gradients[2], &directions)));
    results.push(("third".to_owned(), third));
    results.push(("of_batch".to_owned(), of_batch));
    for (name, exprs) in [("gradient", gradients), ("second", second), ("batched", batched.to_vec())] {
        results.extend(exprs.into_iter().enumerate().map(|(position, expr)| (format!("{name}{position}"), expr)));
    }
    results
}

#[test]
fn derivatives_of_three_orders_and_of_batches_have_the_bits_of_a_loop_that_keeps_all_carries() {
    for direction in DIRECTIONS {
        let g = Graph::new();
        let all = derivatives(&g, &options(Checkpoints::All, direction));
        let mut kept = g.compile(&all[..]).unwrap();
        for checkpoints in CHECKPOINTS {
            let few = Graph::new();
            let results = derivatives(&few, &options(checkpoints, direction));
            let mut program = few.compile(&results[..]).unwrap();
            for steps in [0, 1, 2, 6, 10] {
                let mut fed = cell_inputs(steps);
                fed.push(("hs", reals(&[2, 3, 4], 6)));
                let fed: Vec<(&str, &Value)> = fed.iter().map(|(name, value)| (*name, value)).collect();
                let (expected, found) = (kept.call(fed.as_slice()).unwrap(), program.call(fed.as_slice()).unwrap());
                for (name, _) in &all {
                    let what = format!("{name}, {checkpoints:?}, {direction:?}, {steps} steps");
                    assert_eq!(found[name.as_str()], expected[name.as_str()], "{what}");
                }
            }
        }
    }
}

#[test]
fn derivatives_of_a_loop_with_checkpoints_are_those_of_the_reference() {
    let g = Graph::new();
    let results = derivatives(&g, &options(Checkpoints::Every(3), ScanDirection::Forward));
    let mut fed = cell_inputs(8);
    fed.push(("hs", reals(&[2, 3, 4], 6)));
    let values = |evaluation| run(&g, &results, &fed, &Options { evaluation, threads: 2, ..Options::default() });
    let (compiled, reference) = (values(Evaluation::Compiled), values(Evaluation::Reference));
    for (name, _) in &results {
        // Sums of hundreds of products of numbers around 1, added in another order.
        assert_close(name, &numbers(&compiled[name.as_str()]), &numbers(&reference[name.as_str()]), 1e-11);
    }
}

/// The gradient of 10,000 steps of a vector of 100 numbers.
fn long<'g>(g: &'g Graph, checkpoints: Checkpoints) -> Vec<(String, Expr<'g>)> {
    let (x, w) = (g.input_of(DType::F64, "x", (100,)), g.input_of(DType::F64, "w", (100,)));
    let options = ScanOptions { length: Some(10_000.into()), checkpoints, ..ScanOptions::default() };
    let (y, ()) = g.scan_with(&options, x, (), |y, ()| ((y * w).sin() + 0.5 * y, ()));
    let loss = y.square().sum();
    let gradients = g.gradients(loss, &[x, w]);
    vec![("loss".to_owned(), loss), ("x".to_owned(), gradients[0]), ("w".to_owned(), gradients[1])]
}

/// The bytes of an array of so many numbers in the arena.
fn bytes(count: usize) -> usize {
    (8 * count).next_multiple_of(64)
}

#[test]
fn memory_of_a_long_loop_is_that_of_its_checkpoints_and_of_one_segment() {
    let of = |checkpoints, memory_budget| {
        let g = Graph::new();
        let results = long(&g, checkpoints);
        let options = Options { memory_budget, threads: 1, ..Options::default() };
        let program = g.compile_with(&results[..], &options).unwrap();
        let summary = program.summary([]).unwrap();
        let text = program.show([]).unwrap();
        assert!(text.contains(&format!("arena {} bytes", summary.arena_bytes)), "{text}");
        let fed = [("x", reals(&[100], 1)), ("w", reals(&[100], 2))];
        (summary.arena_bytes, text, run(&g, &results, &fed, &options))
    };
    let (all, _, expected) = of(Checkpoints::All, None);
    let stack = bytes(100 * 10_000);
    assert!((stack..stack + 10_000).contains(&all), "{all} bytes");
    for (checkpoints, every) in
        [(Checkpoints::SquareRoot, 100), (Checkpoints::Every(64), 64), (Checkpoints::Every(999), 999)]
    {
        let (few, text, found) = of(checkpoints, None);
        // Some carries, cotangents and sums of 100 numbers lie beside these.
        let kept = bytes(100 * 10_000usize.div_ceil(every)) + bytes(100 * every);
        assert!((kept..kept + 10_000).contains(&few), "{checkpoints:?}: {few} bytes, of which {kept} are planned");
        assert!(text.contains(&format!("kept at every position that is a multiple of {every}")), "{text}");
        assert!(text.contains(&format!("each {every} behind {every} times")), "{text}");
        for (name, value) in expected.iter() {
            assert_eq!(found[name], *value, "{checkpoints:?}: {name}");
        }
    }
    let budget = 1_000_000;
    let (within, _, found) = of(Checkpoints::All, Some(budget));
    assert!(within <= budget, "{within} bytes");
    for (name, value) in expected.iter() {
        assert_eq!(found[name], *value, "by a budget: {name}");
    }
    assert_eq!(of(Checkpoints::All, Some(all)).0, all, "a budget that is kept changes nothing");
}

#[test]
fn memory_of_second_derivatives_does_not_grow_with_the_length_either() {
    let arena = |checkpoints, length: i64| {
        let g = Graph::new();
        let (x, w) = (g.input_of(DType::F64, "x", (100,)), g.input_of(DType::F64, "w", (100,)));
        let options = ScanOptions { length: Some(length.into()), checkpoints, ..ScanOptions::default() };
        let (y, ()) = g.scan_with(&options, x, (), |y, ()| ((y * w).sin() + 0.5 * y, ()));
        let gradient = g.gradient(y.square().sum(), w);
        let hessian = [g.gradient(gradient.sum(), w), g.jvp(gradient, &[(w, x)])];
        hessian.map(|product| g.compile(product).unwrap().summary([]).unwrap().arena_bytes)
    };
    let (all, few) = (arena(Checkpoints::All, 10_000), arena(Checkpoints::SquareRoot, 10_000));
    for (all, few) in all.iter().zip(few) {
        assert!(few * 20 < *all, "{few} of {all} bytes");
    }
}

#[test]
fn what_the_user_stacks_is_kept_and_not_computed_again() {
    let flops = |checkpoints| {
        let g = Graph::new();
        let xs = g.input_of(DType::F64, "xs", (64, 5));
        let options = options(checkpoints, ScanDirection::Forward);
        let (_, states) = g.scan_with(&options, g.full(0.0, (5,)), xs, |y, x| {
            let y = (y + x).sin();
            (y, y)
        });
        // Two layers: the second reads what the first stacks.
        let (last, _) = g.scan_with(&options, g.full(0.0, (5,)), states, |y, x| ((y * x).cos(), ()));
        let program = g.compile([("states", states), ("gradient", g.gradient(last.sum(), xs))]).unwrap();
        program.summary([]).unwrap().flops
    };
    let (all, few) = (flops(Checkpoints::All), flops(Checkpoints::Every(8)));
    // Each layer once more at most: 2·64·5 functions of two operations, and what is added to them.
    assert!(few > all && few <= all + 2 * 64 * 5 * 4, "{few} against {all}");
}

#[test]
fn a_loop_without_carries_saves_nothing_for_its_derivative() {
    let (mut arenas, mut found) = (Vec::new(), Vec::new());
    for checkpoints in [Checkpoints::All, Checkpoints::Every(10)] {
        let g = Graph::new();
        let xs = g.input_of(DType::F64, "xs", (1000, 20));
        let (_, ys) =
            g.scan_with(&options(checkpoints, ScanDirection::Forward), (), xs, |(), x| ((), x.exp().sin().sum()));
        let results = [("gradient".to_owned(), g.gradient(ys.square().sum(), xs))];
        arenas.push(g.compile(&results[..]).unwrap().summary([]).unwrap().arena_bytes);
        found.push(run(&g, &results, &[("xs", reals(&[1000, 20], 3))], &Options::default()));
    }
    assert_eq!(found[0]["gradient"], found[1]["gradient"]);
    assert!(arenas[1] * 3 < arenas[0], "{arenas:?}");
}

#[test]
fn a_loop_in_a_loop_has_checkpoints_of_its_own() {
    let mut found = Vec::new();
    for checkpoints in [Checkpoints::All, Checkpoints::Every(3)] {
        let g = Graph::new();
        let (xs, k) = (g.input_of(DType::F64, "xs", ("n", 4)), g.input_of(DType::F64, "k", ()));
        let inner = ScanOptions { length: Some(7.into()), checkpoints, ..ScanOptions::default() };
        let (last, _) = g.scan_with(&options(checkpoints, ScanDirection::Backward), g.full(0.1, (4,)), xs, |y, x| {
            (g.scan_with(&inner, y + x, (), |y, ()| ((y * k).sin() + 0.3 * y, ())).0, ())
        });
        let gradient = g.gradient(last.sum(), k);
        let results = vec![("gradient".to_owned(), gradient), ("second".to_owned(), g.gradient(gradient, xs))];
        found.push(run(&g, &results, &[("xs", reals(&[11, 4], 0)), ("k", Value::from(0.8))], &Options::default()));
    }
    for (name, value) in found[0].iter() {
        assert_eq!(found[1][name], *value, "{name}");
    }
}

#[test]
fn checkpoints_stand_in_texts_and_0_iterations_between_them_are_an_error_with_its_line() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (4,));
    for (checkpoints, text) in [(Checkpoints::Every(2), "every(2)"), (Checkpoints::SquareRoot, "square_root")] {
        let (y, _) = g.scan_with(&options(checkpoints, ScanDirection::Forward), x.sum(), x, |y, x| ((y * x).sin(), ()));
        let written = g.to_text([("gradient", g.gradient(y, x))]);
        assert!(written.contains(&format!("checkpoints={text} output=saved(")), "{written}");
        assert_eq!(Graph::parse(&written).unwrap().to_text(), written);
    }
    let line = line!() + 1;
    let (y, _) = g.scan_with(&options(Checkpoints::Every(0), ScanDirection::Forward), x.sum(), x, |y, x| (y * x, ()));
    let error = g.compile(y).unwrap_err().to_string();
    assert!(
        error.contains("from one checkpoint to the next") && error.contains(&format!("checkpoints.rs:{line}")),
        "{error}"
    );
}

#[test]
fn stacks_that_something_else_reads_are_kept_whole() {
    // The reverse loop of another graph might read a saved stack in any way: by a text, it is a sum here.
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (9,));
    let options = options(Checkpoints::Every(2), ScanDirection::Forward);
    let (y, _) = g.scan_with(&options, x.sum(), x, |y, x| ((y * x).sin(), ()));
    let text = g.to_text([("gradient", g.gradient(y, x))]);
    let saved = text.lines().find(|line| line.contains("output=saved(")).unwrap();
    let number = saved.split(':').next().unwrap().trim();
    let text = text.replace("return gradient", &format!("return saved = {number}, gradient"));
    let parsed = Graph::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let results = [("saved", parsed.result("saved").unwrap()), ("gradient", parsed.result("gradient").unwrap())];
    let x = Array1::linspace(-0.5, 0.9, 9);
    let out = parsed.graph.compile(results).unwrap().call(("x", &x)).unwrap();
    let alone = g.compile(g.gradient(y, g.named("x").unwrap())).unwrap().call(("x", &x)).unwrap();
    assert_eq!(out["gradient"], alone["result"]);
    let mut carries = vec![x.sum()];
    (0..8).for_each(|step| carries.push(f64::sin(carries[step] * x[step])));
    assert_close("saved", &numbers(&out["saved"]), &carries, 1e-14);
}

#[test]
fn checkpoints_hold_on_several_threads() {
    let g = Graph::new();
    let xs = g.input_of(DType::F64, "xs", ("n", 64, 64));
    let w = g.input_of(DType::F64, "w", (64, 64));
    let (last, _) = g.scan_with(&options(Checkpoints::SquareRoot, ScanDirection::Forward), w * 0.0, xs, |h, x| {
        ((x.dot(w) + 0.1 * h.dot(w)).tanh(), ())
    });
    let results = [("gradient".to_owned(), g.gradient(last.square().sum(), w))];
    let fed = [("xs", reals(&[9, 64, 64], 0)), ("w", Value::from(Array2::from_elem((64, 64), 0.01).into_dyn()))];
    let values: Vec<Outputs> = [1, 2, 3]
        .map(|threads| run(&g, &results, &fed, &Options { threads, ..Options::default() }))
        .into_iter()
        .collect();
    assert!(values.iter().all(|value| value["gradient"] == values[0]["gradient"]));
}

#[test]
fn planning_within_a_budget_does_not_double_with_each_loop_in_a_loop() {
    fn nest<'g>(g: &'g Graph, depth: usize, x: Expr<'g>) -> Expr<'g> {
        if depth == 0 {
            return x.sin();
        }
        g.fori(2, x, |_, x| nest(g, depth - 1, x))
    }
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("n",));
    // Twice the work at each of 24 levels would be hours.
    let options = Options { memory_budget: Some(0), ..Options::default() };
    let program = g.compile_with(nest(&g, 24, x), &options).unwrap();
    assert!(program.summary([("n", 3)]).unwrap().n_steps > 0);
}

#[test]
fn arrays_without_elements_take_part() {
    let g = Graph::new();
    let (xs, empty) = (g.input_of(DType::F64, "xs", ("n",)), g.input_of(DType::F64, "empty", ("m",)));
    let options = options(Checkpoints::Every(2), ScanDirection::Forward);
    let ((last, other), _) =
        g.scan_with(&options, (g.full(1.0, ()), empty), xs, |(y, z), x| (((y * x).sin() + z.sum(), (z * y).cos()), ()));
    let mut program = g.compile(g.gradient(last + other.sum(), xs)).unwrap();
    let xs = Array1::linspace(0.1, 0.9, 7);
    let mut expected = vec![1.0f64];
    (0..7).for_each(|step| expected.push(f64::sin(expected[step] * xs[step])));
    let mut slope = 1.0;
    let mut slopes = [0.0; 7];
    for step in (0..7).rev() {
        let cosine = (expected[step] * xs[step]).cos();
        slopes[step] = slope * cosine * expected[step];
        slope *= cosine * xs[step];
    }
    let out = program.call((("xs", &xs), ("empty", &Array1::<f64>::zeros(0)))).unwrap();
    assert_close("gradient", &numbers(&out["result"]), &slopes, 1e-14);
}
