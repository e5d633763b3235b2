//! What depends on constants alone is computed when a graph is compiled: which values, within which memory, and what stays.

use ndarray::{Array1, Array2};
use pullback::{
    DType, Evaluation, Expr, Graph, Options, Rewrites, RunError,
    graph::{Constant, Literal, Op},
};

type Build = for<'g> fn(&'g Graph) -> Expr<'g>;

fn numbers(g: &Graph, n: i64) -> Expr<'_> {
    (g.iota(DType::F64, (n,), 0) * 0.37).sin()
}

fn matrix(g: &Graph, n: i64) -> Expr<'_> {
    numbers(g, n).outer(numbers(g, n).cos()) + g.eye(n, DType::F64) * 3.0
}

/// The bytes of array constants in a simplified graph.
fn constant_bytes(graph: &Graph) -> usize {
    let bytes = |id| match graph.expr(id).op() {
        Op::Constant(Constant { value: Literal::Array(value), .. }) => value.len() * value.dtype().size(),
        _ => 0,
    };
    graph.ids().map(bytes).sum()
}

/// Values of every size and kind of primitive that is no movement by strides.
const EXPENSIVE: &[(&str, Build)] = &[
    ("functions", |g| numbers(g, 5_000).exp().tanh()),
    ("small functions", |g| numbers(g, 70).exp()),
    ("a product", |g| matrix(g, 150).dot(matrix(g, 150))),
    ("a sum", |g| matrix(g, 200).sum_over(0)),
    ("running sums", |g| numbers(g, 3_000).cumulative_sum(0)),
    ("an order", |g| numbers(g, 3_000).sort(0)),
    ("a gather", |g| numbers(g, 300).gather(g.iota(DType::I64, (90,), 0) * 3, 0)),
    ("a scatter", |g| numbers(g, 300).scatter_add(g.iota(DType::I64, (90,), 0) * 3, numbers(g, 90), 0)),
    ("a factor", |g| matrix(g, 40).dot(matrix(g, 40).t()).cholesky()),
    ("joined", |g| numbers(g, 200).concat([numbers(g, 300).exp()], 0)),
    ("padded", |g| numbers(g, 200).pad([(3, 4)], 0.0)),
    ("random numbers", |g| g.random_uniform(g.constant(3i64), g.constant(0i64), DType::F64, (500,))),
    ("moved and moved", |g| matrix(g, 30).t().reshape((900,))),
];

#[test]
fn what_depends_on_constants_alone_is_computed_once_whatever_its_size() {
    for (name, build) in EXPENSIVE {
        let g = Graph::new();
        let constant = build(&g);
        let x = g.input_of(DType::F64, "x", constant.shape());
        let y = [("y", (x * constant).sum())];
        let simplified = g.simplify(y, &Rewrites::default()).expect("no mistake");
        assert!(simplified.report.count("fold-constants") >= 1, "{name}: {}", simplified.report);
        let ops: Vec<&str> = simplified.graph.ids().map(|id| simplified.graph.expr(id).op().name()).collect();
        let is_left = |op: &&&str| !["input", "constant", "mul", "sum", "dot", "reshape"].contains(*op);
        assert_eq!(ops.iter().find(is_left), None, "{name}");

        let fed = ndarray::ArrayD::from_elem(constant.shape().as_numbers().expect("numbers"), 1.5);
        let value = |evaluation| {
            let options = Options { evaluation, ..Options::default() };
            let mut program = g.compile_with(y, &options).expect("no mistake");
            program.call(("x", &fed)).expect("it runs").scalar::<f64>("y").expect("a scalar")
        };
        let (expected, found) = (value(Evaluation::Reference), value(Evaluation::Compiled));
        // Sums of up to 22,500 terms, each rounded a few times, of which few cancel.
        assert!((expected - found).abs() <= 1e-11 * expected.abs().max(1.0), "{name}: {expected} and {found}");
    }
}

#[test]
fn results_that_are_constant_are_computed_once() {
    let g = Graph::new();
    let y = matrix(&g, 120).dot(matrix(&g, 120));
    let program = g.compile(y).expect("no mistake");
    let summary = program.summary([]).expect("no sizes");
    assert_eq!((summary.flops, summary.n_steps), (0, 1), "one copy of the constant");
}

/// Masks, positions and repeated rows, read element by element or reduced.
const CHEAP: &[(&str, Build)] = &[
    ("a causal mask", |g| g.iota(DType::I64, (400, 1), 0).greater_equal(g.iota(DType::I64, (1, 400), 1))),
    ("an identity", |g| g.eye(400, DType::F64)),
    ("repeated rows", |g| numbers(g, 400).broadcast_to((400, 400))),
    ("repeated columns", |g| numbers(g, 400).unsqueeze(-1).broadcast_to((400, 400)).t()),
    ("an outer sum", |g| numbers(g, 400).unsqueeze(-1) + numbers(g, 400)),
    ("positions", |g| g.iota(DType::F64, (400, 400), 0)),
    ("a splat", |g| g.full(0.5f64, (400, 400)).exp()),
    ("a band", |g| {
        let (row, column) = (g.iota(DType::I64, (400, 400), 0), g.iota(DType::I64, (400, 400), 1));
        (row - column).abs().less(3)
    }),
];

#[test]
fn what_is_cheaper_to_compute_than_to_read_stays() {
    for (name, build) in CHEAP {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (400, 400));
        let constant = build(&g);
        let masked = if constant.dtype() == DType::Bool { constant.select(x, 0.0) } else { x * constant };
        let simplified = g.simplify(masked, &Rewrites::default()).expect("no mistake");
        let bytes = constant_bytes(&simplified.graph);
        assert!(bytes <= 2 * 400 * 8, "{name}: {bytes} bytes in\n{}", simplified.report);
    }
}

/// A product reads its factors from memory, so a mask would be made and stored at each run.
#[test]
fn what_a_product_reads_is_kept_whole() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (400,));
    let mask = g.iota(DType::I64, (400, 1), 0).greater_equal(g.iota(DType::I64, (1, 400), 1)).cast(DType::F64);
    let simplified = g.simplify(mask.dot(x), &Rewrites::default()).expect("no mistake");
    assert_eq!(constant_bytes(&simplified.graph), 400 * 400 * 8);
}

#[test]
fn folded_arrays_stay_within_the_limit() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (100, 100));
    let small = numbers(&g, 100).exp();
    let large = (small.unsqueeze(-1) * numbers(&g, 100)).exp();
    let y = x * large + small;
    let bytes = |constant_bytes| {
        let simplified = g.simplify(y, &Rewrites { constant_bytes, ..Rewrites::default() }).expect("no mistake");
        self::constant_bytes(&simplified.graph)
    };
    assert_eq!(bytes(0), 0);
    // Beside the row that is added, the other one of the product.
    assert_eq!(bytes(79_999), 1_600);
    assert_eq!(bytes(80_800), 80_800);
    assert_eq!(bytes(usize::MAX), 80_800, "no more memory is asked for than is needed");
    assert_eq!(bytes(80_799), 80_000);
    assert_eq!(bytes(799), 0);
}

/// The sum is small, and what it is computed of is not.
#[test]
fn computing_stays_within_the_limit_too() {
    let g = Graph::new();
    let order = g.iota(DType::F64, (100_000,), 0).sin().sort(0);
    let y = g.input_of(DType::F64, "x", ()) * order.slice(50_000);
    let firings = |constant_bytes| {
        let simplified = g.simplify(y, &Rewrites { constant_bytes, ..Rewrites::default() }).expect("no mistake");
        simplified.report.count("fold-constants")
    };
    assert_eq!((firings(100_000), firings(16 << 20)), (0, 1));
}

#[test]
fn what_fails_stays_and_fails_at_its_line_without_the_others() {
    let g = Graph::new();
    let beyond = numbers(&g, 300).gather(g.iota(DType::I64, (200,), 0) * 2, 0);
    let site = beyond.site();
    let (x, fine) = (g.input_of(DType::F64, "x", (200,)), numbers(&g, 200).exp().cumulative_sum(0));
    let results = [("y", x * beyond), ("z", x * fine)];
    let simplified = g.simplify(results, &Rewrites::default()).expect("no mistake");
    assert!(simplified.report.count("fold-constants") >= 1);
    let ops: Vec<&str> = simplified.graph.ids().map(|id| simplified.graph.expr(id).op().name()).collect();
    assert!(ops.contains(&"gather") && !ops.contains(&"cumulative_sum"), "{ops:?}");
    let mut program = g.compile(results).expect("no mistake");
    match program.call(("x", &Array1::<f64>::zeros(200))) {
        Err(RunError::Node { site: found, operation: "gather", .. }) => assert_eq!(found, site),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_operation_that_makes_nan_of_constants_is_still_named() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (100,));
    let roots = (g.iota(DType::F64, (100,), 0) - 50.0).sqrt().cumulative_sum(0);
    let mut program = g.compile((x * roots).sum()).expect("no mistake");
    match program.run_checked(&pullback::Parameters::default(), ("x", &Array1::<f64>::zeros(100))) {
        Err(RunError::NonFinite { operation, .. }) => assert_eq!(operation, "sqrt"),
        other => panic!("{other:?}"),
    }
    // An infinity that was written is meant.
    let zeros = g.full(0.0f64, (50, 50));
    let far = g.iota(DType::I64, (50, 50), 0).less(g.iota(DType::I64, (50, 50), 1)).select(f64::NEG_INFINITY, zeros);
    let x = g.input_of(DType::F64, "scores", (50, 50));
    let simplified = g.simplify((x + far).max_over(1), &Rewrites::default()).expect("no mistake");
    assert!(simplified.report.count("fold-constants") >= 1);
}

/// Counted in steps and operations, so that it does not lean on a clock.
#[test]
fn a_run_does_nothing_for_constants() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (64, 64));
    let rotation = matrix(&g, 64).dot(matrix(&g, 64));
    let mut program = g.compile(x.dot(rotation)).expect("no mistake");
    let summary = program.summary([]).expect("no sizes");
    assert_eq!((summary.n_steps, summary.flops), (1, 2 * 64 * 64 * 64));
    let expected = {
        let options = Options { evaluation: Evaluation::Reference, ..Options::default() };
        g.compile_with(x.dot(rotation), &options).expect("no mistake").call(("x", &Array2::<f64>::eye(64)))
    };
    let found = program.call(("x", &Array2::<f64>::eye(64))).expect("it runs");
    let expected = expected.expect("it runs");
    let pairs =
        expected["result"].array::<f64>().expect("f64").iter().zip(found["result"].array::<f64>().expect("f64"));
    // Products of 64 terms of the size of 10, rounded twice.
    pairs.for_each(|(expected, found)| assert!((expected - found).abs() < 1e-9, "{expected} and {found}"));
}
