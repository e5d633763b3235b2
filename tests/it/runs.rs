//! What a user is told when a program is fed wrongly. Each text was read before it was accepted.

use ndarray::{Array1, Array2};
use pullback::{Graph, Initializer, Inputs, Parameters, Program, RunError, nn::cross_entropy};

use super::after_place;

fn classifier() -> (Program, Parameters) {
    let g = Graph::new();
    let x = g.input("x", ("batch", 2));
    let weight = g.parameter("weight", (2, 3), Initializer::Zeros);
    let label = g.input_of::<i64>("label", ("batch",));
    let program = g.compile(cross_entropy(x.dot(weight), label).mean()).expect("no mistake");
    (program, g.initialize(0).expect("no mistake"))
}

fn refusal(inputs: impl Inputs) -> String {
    let (mut program, parameters) = classifier();
    program.run(&parameters, inputs).expect_err("it is fed wrongly").to_string()
}

/// Lines and columns are replaced, so that an edit of this file changes no text below.
fn normal(text: &str) -> String {
    let mut parts = text.split("tests/it/runs.rs:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |normal, part| normal + "runs.rs:L:C" + after_place(part))
}

/// What is wrong, without the help below it.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[test]
fn every_wrong_feed_is_named() {
    let (x, label) = (Array2::<f32>::zeros((4, 2)), Array1::<i64>::zeros(4));
    let (wide, double, long) = (Array2::<f32>::zeros((4, 3)), Array2::<f64>::zeros((4, 2)), Array1::<i64>::zeros(5));
    let flat = Array1::<f32>::zeros(8);
    let cases = [
        (refusal(("x", &x)), r#"input "label" (i64[batch], declared at runs.rs:L:C) is missing"#),
        (refusal((("x", &x), ("lable", &label))), r#"no input is named "lable"; the nearest name is `label`"#),
        (refusal((("x", &x), ("x", &x))), r#"input "x" is fed twice"#),
        (
            refusal((("x", &double), ("label", &label))),
            r#""x" is f32 (declared at runs.rs:L:C), found f64; declare it by `input_of::<f64>`, or feed `array.mapv(|x| x as f32)`"#,
        ),
        (
            refusal((("x", &wide), ("label", &label))),
            r#""x" has shape [batch, 2] (declared at runs.rs:L:C), found [4, 3]"#,
        ),
        (
            refusal((("x", &flat), ("label", &label))),
            r#""x" has shape [batch, 2] (declared at runs.rs:L:C), found [8]"#,
        ),
        (
            refusal((("x", &x), ("label", &long))),
            r#"`batch` is 4 by axis 0 of input "x", but axis 0 of input "label" (batch) has size 5"#,
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(first_line(&normal(&found)), expected);
    }
}

#[test]
fn a_label_out_of_range_names_the_operation_and_its_line() {
    let (mut program, parameters) = classifier();
    let (x, label) = (Array2::<f32>::zeros((2, 2)), ndarray::arr1(&[0i64, 3]));
    let error = program.run(&parameters, (("x", &x), ("label", &label))).unwrap_err();
    assert!(matches!(error, RunError::Node { call: "cross_entropy", operation: "gather", .. }), "{error}");
    let text = normal(&error.to_string());
    assert!(text.starts_with("`cross_entropy` (in it `gather`, node %"), "{text}");
    let text = first_line(&text);
    assert!(text.ends_with(") at runs.rs:L:C: index 3 is out of range for axis 1 of size 3"), "{text}");
    // The program is as good as before.
    let label = ndarray::arr1(&[0i64, 2]);
    assert!(program.run(&parameters, (("x", &x), ("label", &label))).is_ok());
}

#[test]
fn a_missing_parameter_is_named() {
    let (mut program, _) = classifier();
    let (x, label) = (Array2::<f32>::zeros((2, 2)), Array1::<i64>::zeros(2));
    let error = program.call((("x", &x), ("label", &label))).unwrap_err();
    let expected = r#"parameter "weight" (f32[2, 3], declared at runs.rs:L:C) is not among those given"#;
    assert_eq!(normal(&error.to_string()), expected);
}

#[test]
fn sizes_that_no_symbol_gives() {
    let g = Graph::new();
    let pairs = g.input_of::<f64>("pairs", (2 * pullback::Dim::symbol("n"),));
    let mut program = g.compile(pairs.sum()).expect("no mistake");
    let mut run = |n: usize| {
        let pairs = Array1::<f64>::ones(n);
        program.call(("pairs", &pairs)).map(|out| out.scalar::<f64>("result").expect("a number"))
    };
    assert_eq!(run(6), Ok(6.0));
    let refused = run(7).unwrap_err().to_string();
    assert_eq!(
        first_line(&normal(&refused)),
        r#"axis 0 of input "pairs" is 2*n (declared at runs.rs:L:C), which is never 7"#
    );
}

#[test]
fn sizes_are_solved_in_any_order_or_refused() {
    let n = || pullback::Dim::symbol("n");
    let g = Graph::new();
    let (square, side) = (g.input_of::<f64>("square", (n() * n(),)), g.input_of::<f64>("side", (n(),)));
    let mut program = g.compile([("y", square.sum() + side.sum())]).expect("no mistake");
    let (nine, three) = (Array1::<f64>::ones(9), Array1::<f64>::ones(3));
    let out = program.call((("square", &nine), ("side", &three)));
    assert_eq!(out.expect("9 is 3²").scalar::<f64>("y"), Ok(12.0));

    let huge = Graph::new();
    let x = huge.input_of::<f64>("x", ("n",));
    let mut program = huge.compile(x.broadcast_to(("n", "n", "n", "n"))).expect("no mistake");
    let many = Array1::<f64>::ones(70_000);
    let refused = program.call(("x", &many)).unwrap_err().to_string();
    assert!(refused.contains("which is negative or too large here"), "{refused}");
}
