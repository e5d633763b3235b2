//! What a program tells of its plan before it runs: memory, operations and bytes, and the largest size that fits.

use pullback::{Bindings, Dim, Evaluation, Graph, Initializer, Pool, Rewrites, RunError, ops::OpError};

use crate::compiled::options;

/// Wide sums over few rows keep few partial results.
#[test]
fn sums_of_wide_columns_take_little_memory() {
    let g = Graph::new();
    let x = g.input("x", (32, 1 << 18));
    let program = g.compile([("y", x.sum_over(0))]).expect("no mistake");
    let summary = program.summary([]).expect("there are no symbols");
    assert!(summary.arena_bytes <= 8 << 20, "{summary:?}");
}

/// The largest size fits, and the next does not, by the figures and in both engines; other symbols have their values.
#[test]
fn the_largest_size_fits_a_budget_and_the_next_does_not() {
    let g = Graph::new();
    let x = g.input("x", ("batch", "width"));
    let y = (x.softmax(-1).cumulative_sum(0) * x).sum_over(0);
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let program = g.compile_with(y, &options(evaluation, 2)).expect("no mistake");
        let memory =
            |batch| program.summary([("batch", batch), ("width", 100)]).expect("sizes are known").memory_bytes();
        for budget in [10_000, 1_000_000, 123_456_789] {
            let largest = program.largest("batch", budget, [("width", 100)]).expect("it fits");
            assert!(memory(largest) <= budget && memory(largest + 1) > budget, "{largest} rows in {budget} bytes");
        }
        let error = program.largest("batch", 100, [("width", 100)]).unwrap_err();
        let (symbol, needed) = ("batch".to_owned(), memory(1));
        assert_eq!(error, RunError::OverBudget { symbol, size: 1, needed, budget: 100 });
        assert_eq!(program.largest("batch", needed, [("width", 100)]), Ok(1));
        let unknown = program.largest("bach", 100, [("width", 100)]).unwrap_err().to_string();
        assert_eq!(unknown, "no size is named `bach`; the nearest name is `batch`");
        assert!(matches!(program.largest("batch", 100, []), Err(RunError::UnboundSymbol { .. })));
    }
}

/// Sizes that an operation has no value for are no sizes: the least may be no power of two.
#[test]
fn the_largest_size_is_found_above_sizes_without_a_value() {
    let g = Graph::new();
    let program = g.compile(g.input("x", (1, 1, "n")).max_pool(Pool::size(5).stride(1))).expect("no mistake");
    // 4·n bytes are fed, and 4·(n − 4) given.
    for budget in [23, 24, 31, 32, 40, 44, 1000, 1 << 40] {
        let least = RunError::OverBudget { symbol: "n".to_owned(), size: 5, needed: 24, budget };
        let want = Some((budget as i64 + 16) / 8).filter(|n| *n >= 5).ok_or(least);
        assert_eq!(program.largest("n", budget, []), want, "{budget} bytes");
    }
}

#[test]
fn a_program_that_runs_with_no_size_says_why_none_is_the_largest() {
    let g = Graph::new();
    let (x, pool) = (g.input("x", (1, 1, "n", "m")), Pool::size([1, 5]).stride(1));
    let program = g.compile(x.max_pool(pool)).expect("no mistake");
    let error = program.largest("n", 1 << 20, [("m", 3)]).expect_err("5 columns of 3 are none");
    assert!(matches!(error, RunError::Node { error: OpError::Window { .. }, .. }), "{error}");
    assert!(program.largest("n", 1 << 20, [("m", 5)]).is_ok());
}

/// Polynomials of the symbols, of the gradients too: those of the rewritten graph, and at each size what the reference counts.
#[test]
fn operations_and_bytes_are_polynomials_of_the_sizes() {
    let g = Graph::new();
    let x = g.input("x", ("batch", "width"));
    let w = g.parameter("w", (8,), Initializer::Constant(1.0));
    let loss = ((x.sum_over(-1).unsqueeze(-1) * w).tanh() - 1.0).square().mean();
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let step = g.compile_training_with(loss, (), &options(evaluation, 1)).expect("no mistake");
        let plain = g.compile_with(loss, &options(evaluation, 1)).expect("no mistake");
        if evaluation == Evaluation::Compiled {
            let results = [("loss", loss), ("gradient", g.gradient(loss, w))];
            let rewritten = g.simplify(results, &Rewrites::default()).expect("no mistake");
            assert_eq!(step.flops(), rewritten.graph.flops(rewritten.results()));
            assert_eq!(step.bytes(), rewritten.graph.bytes(rewritten.results()));
        }
        for [batch, width] in [[1, 1], [3, 7], [100, 20]] {
            let bindings = Bindings::from([("batch".into(), batch), ("width".into(), width)]);
            let number = |dim: Dim| dim.evaluate(&bindings).expect("it fits") as usize;
            let (flops, bytes) = (number(step.flops()), number(step.bytes()));
            assert!(flops > number(plain.flops()) && bytes > number(plain.bytes()), "gradients are counted");
            let summary = step.summary([("batch", batch), ("width", width)]).expect("sizes are known");
            if evaluation == Evaluation::Reference {
                assert_eq!(flops, summary.flops);
                // Each value is kept at most once.
                assert!(bytes >= summary.arena_bytes.max(summary.fed_bytes), "{bytes} bytes, {summary:?}");
            }
        }
        assert!(step.flops().symbols().iter().map(|symbol| &**symbol).eq(["batch", "width"]));
    }
}

#[test]
fn a_size_of_another_name_is_refused() {
    let g = Graph::new();
    let x = g.input("x", ("batch", 8));
    let program = g.compile([("y", x.softmax(-1))]).expect("no mistake");
    let mistake = program.show([("bach", 32)]).expect_err("a misspelt name");
    assert_eq!(mistake.to_string(), "no size is named `bach`; the nearest name is `batch`");
}
