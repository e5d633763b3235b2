//! Whole Jacobians and Hessians against rows that are differentiated one by one, closed forms and differences; in both modes, for any
//! axes, symbols, parameters, and nothing.

use ndarray::{Array1, ArrayD, IxDyn, array};
use pullback::{
    DType, Expr, Graph, Initializer, Value,
    check::{RandomGraph, random_graph},
    graph::DerivativeMode,
};

use super::compiled::{distance, options, run};

const MODES: [DerivativeMode; 2] = [DerivativeMode::Forward, DerivativeMode::Reverse];

fn named<'g>(results: impl IntoIterator<Item = Expr<'g>>) -> Vec<(String, Expr<'g>)> {
    results.into_iter().enumerate().map(|(number, result)| (format!("y{number}"), result)).collect()
}

/// The sizes of something without symbols.
fn sizes(x: Expr<'_>) -> Vec<usize> {
    x.shape().as_numbers().expect("no symbols")
}

/// A Jacobian by a gradient for each element of y.
fn row_by_row<'g>(y: Expr<'g>, x: Expr<'g>) -> Expr<'g> {
    let n = sizes(y).iter().product::<usize>();
    let flat = y.reshape((n,));
    let rows: Vec<Expr<'g>> = (0..n).map(|row| y.graph().gradient(flat.slice(row as i64), x)).collect();
    let shape: Vec<usize> = sizes(y).into_iter().chain(sizes(x)).collect();
    rows[0].stack(rows[1..].iter().copied(), 0).reshape(&shape[..])
}

/// Both are sums of the same terms, in another order.
#[track_caller]
fn assert_equal(found: &[Expr<'_>], expected: &[Expr<'_>], fed: &[(String, Value)], what: &str) {
    let results = named(found.iter().chain(expected).copied());
    let out = run(&results, fed, &options(pullback::Evaluation::Compiled, 1)).expect("it runs");
    for (number, (one, other)) in found.iter().zip(expected).enumerate() {
        assert_eq!(one.ty(), other.ty(), "{what}");
        let [found, expected] = [number, number + expected.len()].map(|number| &out[&*format!("y{number}")]);
        assert!(distance(found, expected) < 1e-12, "{what}: {found:?} and {expected:?}");
    }
}

#[test]
fn both_modes_give_the_rows_of_random_graphs() {
    for seed in 0..40 {
        let RandomGraph { graph: g, inputs, values, result } = random_graph(seed, 4 + (seed % 12) as usize);
        let xs: Vec<Expr<'_>> = inputs.iter().map(|input| g.expr(*input)).collect();
        let y = xs.iter().fold(g.expr(result), |sum, x| sum + x.sum() * x.sin().sum());
        let y = y.stack([y.sin(), y * xs[0].sum()], 0);
        let fed: Vec<(String, Value)> =
            xs.iter().map(|x| x.name().expect("an input has a name").to_owned()).zip(values).collect();
        let expected: Vec<Expr<'_>> = xs.iter().map(|x| row_by_row(y, *x)).collect();
        for mode in MODES {
            assert_equal(&g.jacobians_by(mode, y, &xs), &expected, &fed, &format!("seed {seed}, {mode:?}"));
        }
        assert_equal(&g.jacobians(y, &xs), &expected, &fed, &format!("seed {seed}"));
    }
}

/// The mode is that of fewer products, which the sizes of the batch in the graph tell.
#[test]
fn the_mode_follows_from_the_sizes() {
    let n_products = |n_rows: usize, n_columns: usize| {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (n_columns,));
        let w = g.input_of(DType::F64, "w", (n_rows, n_columns));
        let text = g.to_text([("J", g.jacobian(w.dot(x).tanh(), x))]);
        let is_batch = |n: usize| text.contains(&format!("i64[{n}, 1] = iota"));
        (is_batch(n_rows), is_batch(n_columns))
    };
    assert_eq!(n_products(7, 3), (false, true));
    assert_eq!(n_products(3, 7), (true, false));
}

#[test]
fn hessians_have_the_blocks_of_gradients_of_gradients() {
    for seed in 100..120 {
        let RandomGraph { graph: g, inputs, values, result } = random_graph(seed, 4 + (seed % 8) as usize);
        let xs: Vec<Expr<'_>> = inputs.iter().map(|input| g.expr(*input)).collect();
        let f = xs.iter().fold(g.expr(result), |sum, x| sum + x.square().sum().sin() * x.sum());
        let fed: Vec<(String, Value)> =
            xs.iter().map(|x| x.name().expect("an input has a name").to_owned()).zip(values).collect();
        let blocks: Vec<Expr<'_>> = g.hessians(f, &xs).into_iter().flatten().collect();
        let gradients = g.gradients(f, &xs);
        let expected = gradients.iter().flat_map(|gradient| xs.iter().map(|x| row_by_row(*gradient, *x)));
        assert_equal(&blocks, &expected.collect::<Vec<_>>(), &fed, &format!("seed {seed}"));

        let directions: Vec<(Expr<'_>, Expr<'_>)> = xs.iter().map(|x| (*x, x.cos())).collect();
        let sum = |row: usize| {
            let terms = directions.iter().enumerate().map(|(column, (x, v))| {
                let n = sizes(*x).iter().product::<usize>();
                let m = sizes(xs[row]).iter().product::<usize>();
                blocks[row * xs.len() + column].reshape((m, n)).dot(v.reshape((n,)))
            });
            terms.reduce(|sum, term| sum + term).expect("there are inputs").reshape(&sizes(xs[row])[..])
        };
        let expected: Vec<Expr<'_>> = (0..xs.len()).map(sum).collect();
        assert_equal(&g.hvp(f, &directions), &expected, &fed, &format!("products, seed {seed}"));
    }
}

/// f = Σ 100(xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)², whose Hessian is known, with n a symbol.
#[test]
fn sizes_may_be_symbols() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("n",));
    let (left, right) = (x.slice(..-1), x.slice(1..));
    let f = (100.0 * (right - left.square()).square() + (1.0 - left).square()).sum();
    let residuals = right - left.square();
    let results = [("H", g.hessian(f, x)), ("J", g.jacobian(residuals, x))];
    assert_eq!(
        (results[0].1.shape().to_string(), results[1].1.shape().to_string()),
        ("[n, n]".into(), "[n - 1, n]".into())
    );
    let mut program = g.compile(results).expect("no mistake");
    for n in [2, 5, 9] {
        let at = Array1::from_shape_fn(n, |i| (i as f64 * 0.7).cos());
        let out = program.call(("x", &at)).expect("it runs");
        let hessian = ArrayD::from_shape_fn(IxDyn(&[n, n]), |index| {
            let (i, j) = (index[0], index[1]);
            let own = if i + 1 < n { 1200.0 * at[i] * at[i] - 400.0 * at[i + 1] + 2.0 } else { 0.0 };
            match i.abs_diff(j) {
                0 => own + if i > 0 { 200.0 } else { 0.0 },
                1 => -400.0 * at[i.min(j)],
                _ => 0.0,
            }
        });
        assert!(distance(&out["H"], &hessian.into()) < 1e-12, "n = {n}");
        let jacobian = ArrayD::from_shape_fn(IxDyn(&[n - 1, n]), |index| match index[1].checked_sub(index[0]) {
            Some(0) => -2.0 * at[index[0]],
            Some(1) => 1.0,
            _ => 0.0,
        });
        assert!(distance(&out["J"], &jacobian.into()) < 1e-12, "n = {n}");
    }
}

#[test]
fn parameters_are_differentiated_by_name() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (2,));
    let w = g.parameter_of(DType::F64, "w", (3, 2), Initializer::Constant(1.0));
    let y = w.dot(x).square();
    let jacobian = g.jacobian(y, g.named("w").expect("a parameter"));
    assert_eq!(jacobian.shape().to_string(), "[3, 3, 2]");
    let mut program = g.compile([("J", jacobian)]).expect("no mistake");
    let out = program.run(&g.initialize(0).expect("no mistake"), ("x", array![1.0, 2.0])).expect("it runs");
    // ∂(Σ wᵢₖxₖ)²/∂wᵢₖ = 2·3·xₖ.
    let expected =
        ArrayD::from_shape_fn(IxDyn(&[3, 3, 2]), |i| if i[0] == i[1] { 6.0 * (1.0 + i[2] as f64) } else { 0.0 });
    assert_eq!(out["J"], expected.into());
}

#[test]
fn what_does_not_depend_has_zeros_and_nothing_has_nothing() {
    let g = Graph::new();
    let (x, z, none) =
        (g.input_of(DType::F64, "x", (2,)), g.input_of(DType::F64, "z", (3,)), g.input_of(DType::F64, "none", (0,)));
    for mode in MODES {
        let [by_z, by_none] = g.jacobians_by(mode, x.sin(), &[z, none])[..] else { unreachable!("one for each") };
        let of_none = g.jacobians_by(mode, none.sin(), &[x])[0];
        let results = [("z", by_z), ("none", by_none), ("of none", of_none)];
        let mut program = g.compile(results).expect("no mistake");
        let fed = (("x", array![1.0, 2.0]), ("z", array![1.0, 2.0, 3.0]), ("none", Array1::<f64>::zeros(0)));
        let out = program.call(fed).expect("it runs");
        assert_eq!(out["z"], ArrayD::<f64>::zeros(IxDyn(&[2, 3])).into());
        assert_eq!(out["none"].shape(), [2, 0]);
        assert_eq!(out["of none"].shape(), [0, 2]);
    }
}

/// One tanh and one softplus, whatever is asked of them.
#[test]
fn value_gradient_and_hessian_share_what_they_have_in_common() {
    let g = Graph::new();
    let (x, w) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::F64, "w", (5, 3)));
    let f = w.dot(x.tanh()).softplus().sum();
    let results = [("f", f), ("gradient", g.gradient(f, x)), ("H", g.hessian(f, x))];
    let text = g.simplify(results, &pullback::Rewrites::default()).expect("no mistake").to_text();
    assert_eq!(["= tanh", "= softplus", "= sigmoid"].map(|name| text.matches(name).count()), [1, 1, 2], "{text}");
}

/// The same number of nodes for 3 unknowns and for 300.
#[test]
fn the_graph_does_not_grow_with_the_number_of_rows() {
    let n_nodes = |n: usize| {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (n,));
        let w = g.input_of(DType::F64, "w", (n, n));
        let f = (w.dot(x).tanh() * x).sum();
        g.hessian(f, x);
        g.jacobian(w.dot(x).sin(), x);
        g.len()
    };
    assert_eq!(n_nodes(3), n_nodes(300));
}

#[test]
fn mistakes_are_told_at_the_line_of_the_call() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (2,));
    let i = g.input_of(DType::I64, "i", (2,));
    let line = line!() + 1;
    let results = [g.hessian(x.sin(), x), g.jacobian(x.sin(), i), g.jacobian(i, x), g.hvp(x.sum(), &[(x, i)])[0]];
    assert!(results.iter().all(Expr::is_poisoned));
    let errors = g.check().expect_err("four mistakes").to_string();
    let sites: Vec<&str> = errors.lines().filter(|text| text.trim_start().starts_with("-->")).collect();
    assert_eq!(sites.len(), 4, "{errors}");
    assert!(sites.iter().all(|site| site.contains(&format!("jacobians.rs:{line}:"))), "{errors}");
}
