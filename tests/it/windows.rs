//! Windows and kernels against the arrays that they go over: one that is larger is refused, by pools as by convolutions,
//! in numbers as in symbols, and one that is wider than what is there sums all of it.

use pullback::{Convolve, DType, Dim, Evaluation, Expr, Graph, Pool, RunError, Site, Value, ops::OpError};

use super::{
    compiled::{options, run},
    limits::{Build, engines_agree, filled, kernel, with_derivatives},
};

fn site_of_error(error: &RunError) -> (Site, OpError) {
    match error {
        RunError::Node { site, error: fault, .. } => (*site, fault.clone()),
        other => panic!("an error of another kind: {other}"),
    }
}

/// One rule for pools and convolutions, in numbers and in symbols, for values and derivatives.
#[test]
fn a_window_larger_than_its_padded_array_is_refused_by_all_in_the_same_way() {
    let builds: [(&str, Build); 5] = [
        ("max_pool", |x, n| x.max_pool(Pool::size(n).stride(1))),
        ("avg_pool", |x, n| x.avg_pool(Pool::size(n).stride(1))),
        ("window_sum", |x, n| x.window_sum(Pool::size([1, 1, n]).stride(1))),
        ("dilated", |x, n| x.window_max(Pool::size([1, 1, 2]).dilation([1, 1, n - 1]).stride(1))),
        ("convolve", |x, n| x.convolve(x.graph().input_of::<f64>("k", (3, 2, n)), Convolve::valid())),
    ];
    for (name, build) in builds {
        for window in 2..5usize {
            for size in 0..6usize {
                let fits = window <= size;
                let g = Graph::new();
                build(g.input_of::<f64>("x", (1, 2, size)), window);
                assert_eq!(g.check().is_ok(), fits, "{name}: {window} over {size}");

                let g = Graph::new();
                let y = build(g.input_of::<f64>("x", (1, 2, "time")), window);
                let results = with_derivatives(name, &g, y);
                let value = |input: &Expr<'_>| {
                    let number = |dim: &Dim| dim.as_number().map_or(size, |n| usize::try_from(n).expect("a size"));
                    let shape: Vec<usize> = input.shape().iter().map(number).collect();
                    (input.name().expect("an input has a name"), filled(DType::F64, &shape))
                };
                let fed: Vec<(String, Value)> = g.inputs().iter().map(value).collect();
                assert_eq!(engines_agree(name, &results, &fed), fits, "{name}: {window} over {size}");
                // Each result alone, since a derivative may be asked for without the value.
                for result in results.iter().filter(|_| !fits) {
                    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
                        let error = run(std::slice::from_ref(result), &fed, &options(evaluation, 1))
                            .expect_err("it does not fit");
                        let (site, fault) = site_of_error(&error);
                        assert_eq!(site, y.site(), "{name}: {error}");
                        assert_eq!(fault, OpError::Window { axis: 2, window, size }, "{name}: {error}");
                    }
                }
            }
        }
    }
}

/// A batch of none has no window that is too large for it.
#[test]
fn batches_of_none_are_pooled_and_convolved() {
    for build in [
        (|x, _| x.max_pool(2)) as Build,
        |x, _| x.avg_pool(Pool::size(3).stride(1).padding(1)),
        |x, _| x.convolve(kernel(x), Convolve::same()),
    ] {
        let g = Graph::new();
        let y = build(g.input_of::<f64>("x", ("batch", 2, 5)), 0);
        let results = with_derivatives("a batch", &g, y);
        for batch in [0, 1, 3] {
            let fed: Vec<(String, Value)> = g
                .inputs()
                .iter()
                .map(|input| {
                    let name = input.name().expect("an input has a name");
                    let shape: &[usize] = if name == "x" { &[batch, 2, 5] } else { &[3, 2, 2] };
                    (name, filled(DType::F64, shape))
                })
                .collect();
            assert!(engines_agree("a batch", &results, &fed), "{batch}");
        }
    }
}

/// The sum over windows wider than their array, with its transpose, against sums written out.
#[test]
fn windows_wider_than_the_array_sum_all_of_it() {
    let g = Graph::new();
    let x = g.input_of::<f64>("x", (4,));
    let sums = x.window_sum(Pool::size(101).stride(1).same());
    let weights = g.constant(ndarray::array![1.0, 10.0, 100.0, 1000.0]);
    let gradient = g.gradient((sums * weights).sum(), x);
    let x = Value::from(ndarray::array![1.0, 2.0, 3.0, 4.0]);
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let mut program = g.compile_with([("y", sums), ("x̄", gradient)], &options(evaluation, 1)).expect("no mistake");
        let out = program.call(("x", &x)).expect("it fits");
        assert_eq!(out["y"], ndarray::Array1::from_elem(4, 10.0).into());
        assert_eq!(out["x̄"], ndarray::Array1::from_elem(4, 1111.0).into());
    }
}
