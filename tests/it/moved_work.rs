//! Work that moves between loops: what the derivative of a gated unit reads, where the sums of its weights are made, and that values stay.

use pullback::{
    DType, Evaluation, Expr, Graph, Options, Rewrites, Value,
    graph::{Checkpoints, ScanDirection},
    ops::ScanOptions,
};

use crate::loops::numbers;

/// A gated unit over `time` slices, whose states are summed in squares; gradients by the weights, by what is fed and of the squared
/// gradient again.
fn gated<'g>(g: &'g Graph, options: &ScanOptions) -> Vec<(&'static str, Expr<'g>)> {
    let of = |name: &'static str, shape: &[i64]| g.input_of(DType::F64, name, shape);
    let (u, h0, c0) = (of("u", &[2, 8]), of("h", &[3, 2]), of("c", &[3, 2]));
    let xs = g.input_of(DType::F64, "xs", ("time", 3, 8));
    let (_, hidden) = g.scan_with(options, (h0, c0), xs, |(h, c), x| {
        let z = x + h.dot(u);
        let [i, f, o, n] = [0, 2, 4, 6].map(|first| z.slice((.., first..first + 2)));
        let c = f.sigmoid() * c + i.sigmoid() * n.tanh();
        let h = o.sigmoid() * c.tanh();
        ((h, c), h)
    });
    let loss = hidden.square().sum();
    let first = g.gradients(loss, &[u, xs]);
    let second = g.gradient(first[0].square().sum(), xs);
    vec![("u", first[0]), ("xs", first[1]), ("second", second)]
}

fn fed(steps: usize) -> Vec<(&'static str, Value)> {
    let reals = |shape: &[usize], seed: usize| {
        let count = shape.iter().product();
        let numbers = (0..count).map(|i: usize| ((i * 31 + seed * 17) % 41) as f64 / 20.0 - 1.0).collect();
        Value::F64(ndarray::ArrayD::from_shape_vec(shape, numbers).unwrap())
    };
    vec![("u", reals(&[2, 8], 1)), ("h", reals(&[3, 2], 2)), ("c", reals(&[3, 2], 3)), ("xs", reals(&[steps, 3, 8], 4))]
}

#[test]
fn the_derivative_of_a_gated_unit_reads_one_array_for_each_factor_and_sums_weights_behind_its_loop() {
    let g = Graph::new();
    let gradients = gated(&g, &ScanOptions::default());
    let moved = g.simplify([gradients[0], gradients[1]], &Rewrites::default()).unwrap();
    assert_eq!(moved.report.count("product-after-loop"), 1, "{}", moved.report);
    assert!(moved.report.count("save-what-is-read") >= 1, "{}", moved.report);
    let text = moved.to_text();
    // f, o·slope of tanh c, the four factors of the gates, and h before each step for the product.
    assert_eq!(text.matches("output=saved(").count(), 7, "{text}");
    assert_eq!(text.matches("output=final(").count(), 0, "{text}");
}

#[test]
fn values_are_those_of_the_graph_as_it_was_written_for_every_length_direction_and_checkpoint() {
    for direction in [ScanDirection::Forward, ScanDirection::Backward] {
        for checkpoints in [Checkpoints::All, Checkpoints::Every(2), Checkpoints::SquareRoot] {
            let g = Graph::new();
            let results = gated(&g, &ScanOptions { direction, checkpoints, ..ScanOptions::default() });
            for steps in [0, 1, 2, 7] {
                let values = |evaluation, rewrites| -> Vec<Vec<f64>> {
                    let options = Options { evaluation, rewrites, threads: 2, ..Options::default() };
                    let mut program = g.compile_with(results.clone(), &options).unwrap();
                    let fed = fed(steps);
                    let fed: Vec<(&str, &Value)> = fed.iter().map(|(name, value)| (*name, value)).collect();
                    let out = program.call(fed.as_slice()).unwrap();
                    results.iter().map(|(name, _)| numbers(&out[*name])).collect()
                };
                let moved = values(Evaluation::Compiled, Rewrites::default());
                let written = values(Evaluation::Reference, Rewrites::none());
                for ((name, _), (moved, written)) in results.iter().zip(moved.iter().zip(&written)) {
                    for (moved, written) in moved.iter().zip(written) {
                        let what =
                            format!("{name}, {direction:?}, {checkpoints:?}, {steps} steps: {moved} and {written}");
                        assert!((moved - written).abs() <= 1e-12 * written.abs().max(1.0), "{what}");
                    }
                }
            }
        }
    }
}

/// Loops whose moved values are next carries, are stacked, come of two loops, are read at two places, or are not floats.
fn hostile<'g>(g: &'g Graph, checkpoints: Checkpoints) -> Vec<(&'static str, Expr<'g>)> {
    let options = |direction| ScanOptions { direction, checkpoints, ..ScanOptions::default() };
    let (h0, xs) =
        (g.input_of(DType::F64, "h", (3, 2)), g.input_of(DType::F64, "xs", ("time", 3, 8)).slice((.., .., ..2)));
    let save = |direction| {
        let one = g.scan_with(&options(direction), h0, xs, |h, x| ((h * x).sin(), (h * x, x.greater(h)))).1;
        (one.0, one.1)
    };
    let ((s, p), (t, _)) = (save(ScanDirection::Forward), save(ScanDirection::Backward));
    let read = |body: &dyn Fn(Expr<'g>, [Expr<'g>; 3]) -> (Expr<'g>, Expr<'g>)| {
        g.scan_with(&options(ScanDirection::Backward), h0, (s, t, p), |c, (s, t, p)| {
            let p = 2.0 * p.cast(DType::F64) - 1.0;
            body(c, [s, t, p])
        })
    };
    let (carried, stacked) = read(&|_, [s, t, p]| (s.tanh() * t.sigmoid() * p, s.tanh()));
    let (twice, _) = g.scan(h0, (s, s), |c, (a, b)| (c * a.tanh() + c * c * b, ()));
    let (chained, of_chain) = read(&|c, [s, t, p]| (((c * s.tanh()) * s.sigmoid()) * t.exp() * p, c * s.sigmoid()));
    let loss = carried.sum() + stacked.square().sum() + twice.sum() + (chained * of_chain.sum_over(0)).sum();
    vec![
        ("carried", carried),
        ("stacked", stacked),
        ("twice", twice),
        ("chained", chained),
        ("xs", g.gradient(loss, xs)),
    ]
}

#[test]
fn values_that_are_carried_stacked_or_read_twice_are_those_of_the_graph_as_it_was_written() {
    for checkpoints in [Checkpoints::All, Checkpoints::Every(2)] {
        let g = Graph::new();
        let results = hostile(&g, checkpoints);
        for steps in [0, 1, 5] {
            let fed = fed(steps);
            let fed: Vec<(&str, &Value)> =
                fed.iter().filter(|(name, _)| ["h", "xs"].contains(name)).map(|(name, value)| (*name, value)).collect();
            let values = |evaluation, rewrites| -> Vec<Vec<f64>> {
                let options = Options { evaluation, rewrites, threads: 2, ..Options::default() };
                let out = g.compile_with(results.clone(), &options).unwrap().call(fed.as_slice()).unwrap();
                results.iter().map(|(name, _)| numbers(&out[*name])).collect()
            };
            let moved = values(Evaluation::Compiled, Rewrites::default());
            let written = values(Evaluation::Reference, Rewrites::none());
            for ((name, _), (moved, written)) in results.iter().zip(moved.iter().zip(&written)) {
                for (moved, written) in moved.iter().zip(written) {
                    let what = format!("{name}, {checkpoints:?}, {steps} steps: {moved} and {written}");
                    assert!((moved - written).abs() <= 1e-12 * written.abs().max(1.0), "{what}");
                }
            }
        }
    }
}

#[test]
fn slopes_that_are_read_beside_values_of_others_make_no_cycle() {
    let g = Graph::new();
    let [x, z] = ["x", "z"].map(|name| g.input_of(DType::F64, name, (64, 64)));
    for product in [x.tanh() * z.tanh(), x.sin() * z.sin(), x.sigmoid() * z.tanh() * x.sin() * z.sigmoid()] {
        let gradients = g.gradients(product.sum(), &[x, z]);
        let value = Value::F64(ndarray::ArrayD::from_elem(ndarray::IxDyn(&[64, 64]), 0.5));
        let mut program = g.compile([("x", gradients[0]), ("z", gradients[1])]).unwrap();
        let out = program.call([("x", &value), ("z", &value)]).unwrap();
        assert!(numbers(&out["x"]).iter().all(|slope| slope.is_finite()));
    }
}
