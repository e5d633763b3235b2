//! Checked runs: the first operation that makes NaN or infinity out of finite numbers is named, and nothing else is.

use ndarray::{Array2, array};
use pullback::{
    DType, Evaluation, Expr, Graph, Initializer, Options, Outputs, Rewrites, RunError, Value,
    nn::{cross_entropy, layer_norm, linear},
};

use super::after_place;

/// Lines and columns are replaced, so that an edit of this file changes no text below.
fn normal(text: &str) -> String {
    let mut parts = text.split("tests/it/checked.rs:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |normal, part| normal + "checked.rs:L:C" + after_place(part))
}

/// What a checked run of `result` at `x` says, compiled and by the reference.
fn check(result: Expr<'_>, x: &Value, rewrites: Rewrites) -> Result<Outputs, RunError> {
    let run = |evaluation| {
        let options = Options { evaluation, rewrites, ..Options::default() };
        let mut program = result.graph().compile_with(result, &options).expect("no mistake");
        program.run_checked((), ("x", x))
    };
    let (compiled, reference) = (run(Evaluation::Compiled), run(Evaluation::Reference));
    assert_eq!(compiled.is_ok(), reference.is_ok(), "{compiled:?} {reference:?}");
    compiled
}

fn refusal(result: Expr<'_>, x: &Value) -> String {
    normal(&check(result, x, Rewrites::default()).expect_err("something is not finite").to_string())
}

#[test]
fn the_first_operation_that_makes_one_is_named() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (2, 2));
    let at = Value::from(array![[1.0, 0.0], [-1.0, 2.0]]);
    let cases = [
        (x.log(), "`log` (node %1) at checked.rs:L:C makes -inf of finite numbers, at [0, 1] and 1 more"),
        (x.sqrt().exp() * 2.0, "`sqrt` (node %1) at checked.rs:L:C makes NaN of finite numbers, at [1, 0]"),
        (
            (1e200 * x).square().sum().tanh(),
            "`square` (in it `mul`, node %3) at checked.rs:L:C makes inf of finite numbers, at [0, 0] and 2 more",
        ),
        ((1e308 + x.abs()).sum(), "`sum` (node %4) at checked.rs:L:C makes inf of finite numbers, at []"),
    ];
    for (result, expected) in cases {
        assert_eq!(refusal(result, &at), expected);
    }
    let narrow = g.input("y", (1,));
    let mut program = g.compile(narrow.exp()).expect("no mistake");
    let error = program.run_checked((), ("y", &array![89.0f32])).unwrap_err();
    assert!(matches!(error, RunError::NonFinite { operation: "exp", n_elements: 1, .. }), "{error}");
}

#[test]
fn what_is_fed_must_be_finite() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (3,));
    let text = refusal((x * 0.0).log(), &Value::from(array![1.0, f64::NAN, f64::INFINITY]));
    assert_eq!(text, r#""x" (declared at checked.rs:L:C) is NaN at [1] and 1 more"#);

    let w = g.parameter("w", (2,), Initializer::Zeros);
    let mut step = g.compile_training(w.tanh().sum()).expect("no mistake");
    let mut parameters = g.initialize(0).expect("no mistake");
    parameters.set("w", &array![f32::INFINITY, f32::INFINITY]).expect("it is there");
    let error = step.run_checked(&parameters, ()).unwrap_err();
    assert_eq!(normal(&error.to_string()), r#""w" (declared at checked.rs:L:C) is inf at [0] and 1 more"#);
    assert!(step.run(&parameters, ()).is_ok());
}

/// Causal attention scores: infinities are written as constants, and what softmax makes of them is finite again.
#[test]
fn masks_are_meant() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (4, 4));
    let (row, column) = (g.iota(DType::I64, (4, 4), 0), g.iota(DType::I64, (4, 4), 1));
    let masked = row.less(column).select(f64::NEG_INFINITY, x);
    let at = Value::from(Array2::from_shape_fn((4, 4), |(row, column)| (row * 3 + column) as f64 / 7.0));
    assert!(check(masked.softmax(-1), &at, Rewrites::default()).is_ok());
    assert!(check(masked, &at, Rewrites::default()).is_ok());
    // What is made later, out of finite numbers, is found all the same.
    let text = refusal((masked.softmax(-1) - 1.0).log(), &at);
    assert!(text.starts_with("`log` (node %"), "{text}");
    let text = refusal(masked + (x - 100.0).sqrt(), &at);
    assert!(text.starts_with("`sqrt` (node %"), "{text}");
}

/// A graph is judged as it runs: ln(1 + eˣ) overflows as written, and not as it is rewritten.
#[test]
fn stabilized_programs_are_judged_as_they_run() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let run = |rewrites| {
        let options = Options { rewrites, ..Options::default() };
        let mut program = g.compile_with((1.0 + x.exp()).log(), &options).expect("no mistake");
        program.run_checked((), ("x", 1000.0))
    };
    assert_eq!(run(Rewrites::default()).expect("softplus").scalar::<f64>("result"), Ok(1000.0));
    let error = run(Rewrites::none()).unwrap_err();
    assert!(matches!(error, RunError::NonFinite { operation: "exp", .. }), "{error}");
}

#[test]
fn a_run_without_any_gives_what_an_unchecked_one_does() {
    let g = Graph::new();
    let x = g.input("x", ("batch", 5));
    let labels = g.input_of(DType::I64, "labels", ("batch",));
    let logits = linear(layer_norm(linear(x, "first", 8).tanh(), "norm"), "second", 3);
    let loss = cross_entropy(logits, labels).mean();
    let options = Options::default();
    let mut step = g.compile_training_with(loss, [("logits", logits)], &options).expect("no mistake");
    let mut program = g.compile([("logits", logits)]).expect("no mistake");
    let parameters = g.initialize(1).expect("no mistake");
    for batch in [3, 7, 3] {
        let xs = Array2::from_shape_fn((batch, 5), |(row, column)| ((row * 5 + column * 3) % 11) as f32 / 5.0 - 1.0);
        let ys = ndarray::Array1::from_shape_fn(batch, |row| (row % 3) as i64);
        let fed = || (("x", &xs), ("labels", &ys));
        let want = step.run(&parameters, fed()).expect("fits");
        assert_eq!(step.run_checked(&parameters, fed()).expect("all are finite"), want);
        let want = program.run(&parameters, ("x", &xs)).expect("fits");
        assert_eq!(program.run_checked(&parameters, ("x", &xs)).expect("all are finite"), want);
    }
}

/// A loss that is finite may have a gradient that is not.
#[test]
fn operations_of_gradients_are_looked_at() {
    let g = Graph::new();
    let w = g.parameter("w", (2,), Initializer::Zeros);
    let mut step = g.compile_training(w.square().sum().sqrt()).expect("no mistake");
    let parameters = g.initialize(0).expect("no mistake");
    assert!(step.run(&parameters, ()).expect("fits").loss == 0.0);
    let error = step.run_checked(&parameters, ()).unwrap_err();
    let RunError::NonFinite { site, value, .. } = &error else { panic!("{error}") };
    assert!(!value.is_finite());
    assert!(site.to_string().contains("checked.rs"), "{site}");
}
