//! Memory that nobody has: an error that says how much and what for, and a process that lives on.

use pullback::{DType, Evaluation, Expr, Graph, Initializer, Options, Rewrites, RunError, Value};

use crate::compiled::{options, run};

/// The largest array that a graph takes: in f64 more than any address space holds.
const N: i64 = 1 << 46;

/// What each engine says to one result of a graph that is fed `x`, a number.
fn errors<'g>(results: &[(&str, Expr<'g>)]) -> Vec<RunError> {
    let results: Vec<(String, Expr<'g>)> = results.iter().map(|(name, y)| (name.to_string(), *y)).collect();
    let fed = [("x".to_string(), Value::from(0.5))];
    let ways = [
        options(Evaluation::Reference, 1),
        options(Evaluation::Compiled, 2),
        Options { rewrites: Rewrites::none(), ..options(Evaluation::Compiled, 1) },
    ];
    ways.iter().map(|options| run(&results, &fed, options).expect_err("nobody has so much memory")).collect()
}

#[test]
fn arrays_between_steps_outputs_and_derivatives_that_no_memory_holds_are_errors() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let wide = x.broadcast_to((N,));
    let sorted = wide.sort(0).sum();
    for results in [
        vec![("wide", wide)],
        vec![("between", wide.cumulative_sum(0).max_over(0))],
        vec![("positions", g.iota(DType::F64, (N,), 0) * x)],
        vec![("sorted", sorted)],
        vec![("gradient", g.gradient(sorted, wide).square().cumulative_sum(0).sum())],
    ] {
        for error in errors(&results) {
            let message = error.to_string();
            assert!(message.contains("bytes of memory"), "{}: {message}", results[0].0);
        }
    }
    let message = errors(&[("wide", wide)])[1].to_string();
    assert!(
        message.starts_with("562949953421312 bytes of memory for the output \"wide\" (written at tests/it/memory.rs:")
    );
}

#[test]
fn parameters_that_no_memory_holds_are_an_error() {
    let g = Graph::new();
    let w = g.parameter_of(DType::F64, "w", (N,), Initializer::Zeros);
    let error = g.initialize(0).expect_err("nobody has so much memory");
    assert_eq!(error.to_string(), "562949953421312 bytes of memory for the parameters cannot be had");
    assert!(g.compile_training(w.square().sum()).is_ok());
}

#[test]
fn attaching_arrays_that_no_memory_holds_is_an_error() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    for evaluation in [Evaluation::Reference, Evaluation::Compiled] {
        let program = g.compile_with([("y", x.broadcast_to((N,)))], &options(evaluation, 1)).expect("no mistake");
        let attached = program.attach((), ("x", 0.5));
        let Err(error) = attached else { panic!("nobody has so much memory") };
        assert!(error.to_string().contains("bytes of memory"), "{error}");
    }
}

/// Derivatives of an empty array make arrays of its other sizes.
#[test]
fn empty_arrays_have_other_sizes_that_memory_could_hold() {
    for shape in [vec![0, i64::MAX, i64::MAX], vec![0, 1 << 24, 1 << 24], vec![0, 1 << 62, 3]] {
        let g = Graph::new();
        g.input_of(DType::F64, "x", shape);
        assert!(g.check().is_err());
    }
    let g = Graph::new();
    assert!(g.input_of(DType::F64, "x", (0, 4, 4)).reshape((0, i64::MAX, i64::MAX)).is_poisoned());
}
