//! Sparse Jacobians and Hessians against dense ones: for every primitive, for random graphs, for the classical sparse problems; by terms and
//! by coloring; and what is refused.

use ndarray::{Array1, ArrayD, IxDyn, array};
use pullback::{
    DType, Expr, Graph, Initializer, Options, Value,
    check::{RandomGraph, random_graph},
    ops::samples,
    range,
    sparsity::{SparseDerivative, SparseKind, SparseMethod, SparsityError, SparsityOptions, SparsityPattern},
};

const METHODS: [SparseMethod; 2] = [SparseMethod::Automatic, SparseMethod::Coloring];

fn by(method: SparseMethod) -> SparsityOptions {
    SparsityOptions { method, options: Options { threads: 1, ..Options::default() } }
}

/// Values at their places, nothing elsewhere.
fn dense(pattern: &SparsityPattern, values: &[f64]) -> Vec<Option<f64>> {
    let mut dense = vec![None; pattern.n_rows * pattern.n_columns];
    for ((row, column), value) in pattern.triplets().zip(values) {
        dense[row * pattern.n_columns + column] = Some(*value);
    }
    dense
}

/// Structure and values at a point.
fn values_at(derivative: &mut SparseDerivative, fed: &[(String, Value)]) -> Result<Vec<f64>, SparsityError> {
    let n_entries = derivative.structure((), fed)?.n_entries();
    let mut values = vec![f64::NAN; n_entries];
    derivative.values_into((), fed, &mut values)?;
    Ok(values)
}

/// The pattern is that of a matrix, each place once, in order.
fn assert_in_order(pattern: &SparsityPattern, what: &str) {
    let places: Vec<(usize, usize)> = pattern.triplets().map(|(row, column)| (column, row)).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "{what}: {places:?}");
    assert!(places.iter().all(|(column, row)| *row < pattern.n_rows && *column < pattern.n_columns), "{what}");
}

/// The Jacobian by both methods beside the dense one; gives how many entries each pattern has.
#[track_caller]
fn assert_jacobian(y: Expr<'_>, x: Expr<'_>, fed: &[(String, Value)], what: &str) -> Vec<usize> {
    let g = y.graph();
    let whole = g.jacobian(y, x);
    let mut program = g.compile([("J", whole)]).expect("it compiles");
    let out = program.call(fed).expect("it runs");
    let expected: Vec<f64> = out["J"].array::<f64>().expect("f64").iter().copied().collect();
    let of_method = |method: &SparseMethod| {
        let what = format!("{what}, {method:?}");
        let mut jacobian = g.sparse_jacobian_with(y, x, &by(*method)).expect("it can be made");
        let values = values_at(&mut jacobian, fed).unwrap_or_else(|error| panic!("{what}: {error}"));
        let pattern = jacobian.pattern().expect("it was found");
        assert_in_order(pattern, &what);
        let found = dense(pattern, &values);
        assert_eq!(found.len(), expected.len(), "{what}");
        for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let is_right = match found {
                Some(found) if found.is_finite() && expected.is_finite() => {
                    (found - expected).abs() <= 1e-10 * expected.abs().max(1.0)
                }
                Some(found) => found == expected || found.is_nan() && expected.is_nan(),
                // The product of a NaN with a direction that is 0 there is one too.
                None => *expected == 0.0 || expected.is_nan(),
            };
            assert!(is_right, "{what}, {place}: {found:?} and {expected}");
        }
        values.len()
    };
    METHODS.iter().map(of_method).collect()
}

fn sizes(x: Expr<'_>) -> Vec<usize> {
    x.shape().as_numbers().expect("no symbols")
}

#[test]
fn every_primitive_names_the_elements_that_it_depends_on() {
    for sample in samples() {
        let what = format!("{:?} of {:?}", sample.op, sample.operands);
        let g = Graph::new();
        let inputs: Vec<Expr<'_>> = sample
            .operands
            .iter()
            .enumerate()
            .map(|(position, value)| g.input_of(value.dtype(), &format!("x{position}"), value.shape()))
            .collect();
        let y = g.apply_op(sample.op.clone(), &inputs);
        if g.check().is_err() || y.dtype() != DType::F64 {
            continue;
        }
        let fed: Vec<(String, Value)> = sample
            .operands
            .iter()
            .enumerate()
            .map(|(position, value)| (format!("x{position}"), value.clone()))
            .collect();
        for x in inputs.iter().filter(|x| x.dtype() == DType::F64) {
            assert_jacobian(y, *x, &fed, &what);
        }
    }
}

/// Vectors of random graphs, by each input.
#[test]
fn random_graphs_have_the_entries_of_their_dense_jacobians() {
    let n_graphs = std::env::var("PULLBACK_GRAPHS").map_or(150, |n| n.parse().expect("a number"));
    let (mut n_terms, mut n_found) = (0, 0);
    for seed in 0..n_graphs {
        let RandomGraph { graph: g, inputs, values, .. } = random_graph(seed, 3 + (seed % 10) as usize);
        let xs: Vec<Expr<'_>> = inputs.iter().map(|input| g.expr(*input)).collect();
        let fed: Vec<(String, Value)> = xs.iter().map(|x| x.name().expect("an input has a name")).zip(values).collect();
        let arrays: Vec<Expr<'_>> =
            g.ids().map(|id| g.expr(id)).filter(|expr| expr.dtype() == DType::F64 && expr.rank() > 0).collect();
        let y = arrays[arrays.len() - 1 - (seed as usize % 3)];
        for x in &xs {
            assert_jacobian(y, *x, &fed, &format!("seed {seed}"));
            let mut jacobian = g.sparse_jacobian(y, *x).expect("it can be made");
            jacobian.structure((), &fed[..]).expect("it is found");
            n_terms += usize::from(matches!(jacobian.kind(), Some(SparseKind::Terms(_))));
            n_found += 1;
        }
    }
    assert!(n_terms * 4 > n_found && n_terms < n_found, "{n_terms} of {n_found} are made of terms");
}

#[test]
fn hessians_of_random_graphs_are_lower_triangles_of_dense_ones() {
    for seed in 0..30 {
        let RandomGraph { graph: g, inputs, values, result } = random_graph(seed, 3 + (seed % 8) as usize);
        let fed: Vec<(String, Value)> =
            inputs.iter().map(|input| g.expr(*input).name().expect("it has a name")).zip(values).collect();
        for x in inputs.iter().map(|input| g.expr(*input)) {
            assert_hessian(g.expr(result), x, &fed, &format!("seed {seed}"));
        }
    }
}

#[track_caller]
fn assert_hessian(f: Expr<'_>, x: Expr<'_>, fed: &[(String, Value)], what: &str) -> Vec<(SparseKind, usize)> {
    let g = f.graph();
    let out = g.compile([("H", g.hessian(f, x))]).expect("it compiles").call(fed).expect("it runs");
    let whole: Vec<f64> = out["H"].array::<f64>().expect("f64").iter().copied().collect();
    let of_method = |method: &SparseMethod| {
        let what = format!("{what}, {method:?}");
        let mut hessian = g.sparse_hessian_with(f, x, &by(*method)).expect("it can be made");
        let values = values_at(&mut hessian, fed).unwrap_or_else(|error| panic!("{what}: {error}"));
        let pattern = hessian.pattern().expect("it was found");
        assert_in_order(pattern, &what);
        let found = dense(pattern, &values);
        let n = pattern.n_rows;
        for (place, found) in found.iter().enumerate() {
            let (row, column) = (place / n, place % n);
            let expected = if row >= column { whole[place] } else { 0.0 };
            let found = found.unwrap_or(0.0);
            assert!(
                (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                "{what}, {row}, {column}: {found} and {expected}"
            );
        }
        (hessian.kind().expect("it was found"), values.len())
    };
    METHODS.iter().map(of_method).collect()
}

/// Σ 100(xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)².
fn rosenbrock<'g>(x: Expr<'g>) -> Expr<'g> {
    let (left, right) = (x.slice(..-1), x.slice(1..));
    (100.0 * (right - left.square()).square() + (1.0 - left).square()).sum()
}

fn ramp(n: usize) -> Value {
    Value::from(Array1::from_shape_fn(n, |i| 0.3 + 0.1 * (i % 7) as f64))
}

#[test]
fn a_chain_has_three_diagonals_by_three_colors() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("n",));
    let mut by_terms = g.sparse_hessian(rosenbrock(x), x).expect("it can be made");
    for n in [2, 3, 50] {
        let fixed = Graph::new();
        let y = fixed.input_of(DType::F64, "x", (n,));
        let fed = vec![("x".to_owned(), ramp(n))];
        let kinds = assert_hessian(rosenbrock(y), y, &fed, &format!("{n}"));
        assert!(matches!(kinds[0].0, SparseKind::Terms(3 | 4)), "{kinds:?}");
        assert!(matches!(kinds[1].0, SparseKind::ColumnColors(1..=3)), "{kinds:?}");
        assert_eq!((kinds[0].1, kinds[1].1), (2 * n - 1, 2 * n - 1));
        assert_eq!(by_terms.structure((), &fed[..]).expect("it is found").n_entries(), 2 * n - 1);
    }
}

/// The first problem of Lukšan and Vlček, 1998: a Lagrangian with factors that are fed.
#[test]
fn lagrangians_have_factors_that_are_fed() {
    let n = 12;
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (n,));
    let (sigma, lambda) = (g.input_of(DType::F64, "sigma", ()), g.input_of(DType::F64, "lambda", (n - 2,)));
    let (a, b, c) = (x.slice(..-2), x.slice(range(1, -1)), x.slice(2..));
    let constraints =
        3.0 * b.powi(3) + 2.0 * c - 5.0 + (b - c).sin() * (b + c).sin() + 4.0 * b - a * (a - b).exp() - 3.0;
    let f = sigma * rosenbrock(x) + lambda.dot(constraints);
    let fed = [("x", ramp(n)), ("sigma", Value::from(0.7)), ("lambda", ramp(n - 2))]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
    let kinds = assert_hessian(f, x, &fed, "the Lagrangian");
    assert!(matches!(kinds[0].0, SparseKind::Terms(_)), "{kinds:?}");
    let entries = assert_jacobian(constraints, x, &fed, "the constraints");
    assert_eq!(entries, [3 * (n - 2), 3 * (n - 2)]);
}

/// A membrane over a square: each unknown meets its four neighbors.
#[test]
fn meshes_have_the_same_values_by_both_methods() {
    let (rows, columns) = (40, 33);
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (rows, columns));
    let (down, right) = (x.slice(1..) - x.slice(..-1), x.slice((.., 1..)) - x.slice((.., ..-1)));
    let area = (1.0 + down.slice((.., 1..)).square() + right.slice(1..).square()).sqrt().sum() + x.cos().sum();
    let fed = vec![(
        "x".to_owned(),
        Value::from(ndarray::Array2::from_shape_fn((rows, columns), |(i, j)| ((3 * i + 7 * j) % 11) as f64 * 0.2)),
    )];
    let [by_terms, by_colors] = METHODS.map(|method| {
        let mut hessian = g.sparse_hessian_with(area, x, &by(method)).expect("it can be made");
        let values = values_at(&mut hessian, &fed).expect("it runs");
        (hessian.kind(), hessian.pattern().cloned(), values)
    });
    assert!(matches!(by_terms.0, Some(SparseKind::Terms(_))), "{:?}", by_terms.0);
    assert!(matches!(by_colors.0, Some(SparseKind::ColumnColors(3..14))), "{:?}", by_colors.0);
    assert_eq!(by_terms.1, by_colors.1);
    for (place, (one, other)) in by_terms.2.iter().zip(&by_colors.2).enumerate() {
        assert!((one - other).abs() < 1e-12, "{place}: {one} and {other}");
    }
}

/// Pairs of nodes by tables, as a mesh or a graph of factors has them: from constants, and fed.
#[test]
fn tables_say_which_elements_are_read() {
    let (from, to) = (array![0i64, 1, 2, 2, 4], array![1i64, 2, 0, 3, 0]);
    let build = |g: &Graph, is_fed: bool| {
        let x = g.input_of(DType::F64, "x", (5, 2));
        let [from, to] = [("from", &from), ("to", &to)].map(|(name, table)| match is_fed {
            true => g.input_of(DType::I64, name, ("edges",)).id(),
            false => g.constant(table.clone()).id(),
        });
        let (a, b) = (x.gather(g.expr(from), 0), x.gather(g.expr(to), 0));
        let residuals = ((a - b).square() + 0.1).sqrt() * a.sin();
        (residuals.id(), residuals.square().sum().id(), x.id())
    };
    let x = Value::from(ndarray::Array2::from_shape_fn((5, 2), |(i, j)| 0.2 * i as f64 - 0.7 * j as f64 + 0.1));
    let fed = [("x", x), ("from", Value::from(from.clone())), ("to", Value::from(to.clone()))]
        .map(|(name, value)| (name.to_owned(), value));
    for is_fed in [false, true] {
        let g = Graph::new();
        let (residuals, f, x) = build(&g, is_fed);
        let fed = if is_fed { &fed[..] } else { &fed[..1] };
        let entries = assert_jacobian(g.expr(residuals), g.expr(x), fed, "residuals");
        assert_eq!(entries, [20, 20]);
        let kinds = assert_hessian(g.expr(f), g.expr(x), fed, "half the sum of squares");
        assert_eq!(kinds[0].1, kinds[1].1, "{kinds:?}");
    }
    let g = Graph::new();
    let (residuals, _, x) = build(&g, true);
    let mut jacobian = g.sparse_jacobian(g.expr(residuals), g.expr(x)).expect("it can be made");
    let mut values = values_at(&mut jacobian, &fed).expect("it runs");
    let mut other = fed.clone();
    other[1].1 = Value::from(array![0i64, 1, 2, 3, 4]);
    let error = jacobian.values_into((), &other[..], &mut values).unwrap_err();
    assert_eq!(error, SparsityError::OtherElements { name: "from".into() });
    other[1].1 = Value::from(array![0i64, 1]);
    let error = jacobian.values_into((), &other[..], &mut values).unwrap_err();
    assert!(matches!(error, SparsityError::OtherInput { .. }), "{error}");
    assert!(error.to_string().contains("i64[5]") && error.to_string().contains("i64[2]"), "{error}");
}

/// Small matrices for each example, sums over some axes, repeated arrays, and a table of positions that follow from floats.
#[test]
fn sums_and_products_of_small_matrices_are_sparse_too() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (4, 3));
    let matrices =
        g.constant(Value::from(ndarray::Array3::from_shape_fn((4, 2, 3), |(i, j, k)| (i + 2 * j + k) as f64 - 2.5)));
    let products = g.einsum("nij,nj->ni", &[matrices, x.sin()]);
    let fed = vec![(
        "x".to_owned(),
        Value::from(ndarray::Array2::from_shape_fn((4, 3), |(i, j)| 0.3 * (i + j) as f64 - 0.4)),
    )];
    assert_eq!(assert_jacobian(products, x, &fed, "products"), [24, 24]);
    let weights = x.exp() / x.exp().sum_over(1).unsqueeze(1);
    assert_eq!(assert_jacobian(weights, x, &fed, "softmax"), [36, 36]);
    assert_eq!(assert_jacobian(weights.t().square(), x, &fed, "transposed"), [36, 36]);
    assert_eq!(assert_jacobian(x.sum_over(0), x, &fed, "column sums"), [12, 12]);
    let joined = x.slice(0).stack([x.slice(1).square(), x.slice(3)], 0).reshape((9,));
    let none = x.slice(2..2).reshape((0,));
    assert_eq!(assert_jacobian(x.reshape((12,)).concat([none], 0), x, &fed, "joined with nothing"), [12, 12]);
    assert_eq!(assert_jacobian(x, x, &fed, "itself"), [12, 12]);
    assert_eq!(assert_jacobian(joined * joined.reverse(0), x, &fed, "joined"), [17, 17]);
    let largest = x.gather(x.argmax(0), 0);
    assert_jacobian(largest, x, &fed, "positions by floats");
    let kinds = assert_hessian((weights.log() * weights).sum(), x, &fed, "entropy");
    assert_eq!((kinds[0].1, kinds[1].1), (24, 24), "{kinds:?}");
}

/// An arrow: one row and one column of numbers beside the diagonal. Rows and columns alike would take n colors.
#[test]
fn what_is_dense_is_no_worse_than_dense() {
    let n = 9;
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (n,));
    let fed = vec![("x".to_owned(), ramp(n))];
    let arrow = x.square().sum().unsqueeze(0).concat([x.slice(1..) * x.slice(0)], 0);
    assert_eq!(assert_jacobian(arrow, x, &fed, "an arrow"), [3 * n - 2, 3 * n - 2]);
    let matrix = g.constant(Value::from(ndarray::Array2::from_shape_fn((n, n), |(i, j)| (i * j % 5) as f64)));
    let twice = matrix.dot(matrix.dot(x).sin());
    assert_eq!(assert_jacobian(twice, x, &fed, "two products"), [n * n, n * n]);
    assert_eq!(assert_jacobian(g.constant(array![1.0, 2.0]), x, &fed, "no x"), [0, 0]);
    assert_eq!(assert_jacobian(x.stop_gradient() * 2.0, x, &fed, "stopped"), [0, 0]);
    let empty = x.slice(3..3);
    assert_eq!(assert_jacobian(empty, x, &fed, "nothing"), [0, 0]);
    assert_eq!(sizes(empty), [0]);
}

#[test]
fn parameters_and_f32_and_other_sizes() {
    let g = Graph::new();
    let w = g.parameter("w", (6,), Initializer::Constant(0.5));
    let y = w.slice(1..) * w.slice(..-1).sin();
    let mut jacobian = g.sparse_jacobian(y, w).expect("it can be made");
    let parameters = g.initialize(0).expect("it can be");
    assert_eq!(jacobian.dtype(), DType::F32);
    let mut values = vec![0f32; 10];
    assert_eq!(jacobian.values_into(&parameters, (), &mut values).unwrap_err(), SparsityError::NoStructure);
    assert_eq!(jacobian.structure(&parameters, ()).expect("it is found").n_entries(), 10);
    jacobian.values_into(&parameters, (), &mut values).expect("it runs");
    let (sin, cos) = (0.5f32.sin(), 0.5 * 0.5f32.cos());
    let expected: Vec<f32> = (0..10).map(|entry| if entry % 2 == 0 { cos } else { sin }).collect();
    assert!(values.iter().zip(&expected).all(|(value, expected)| (value - expected).abs() < 1e-6), "{values:?}");
    let error = jacobian.values_into(&parameters, (), &mut vec![0f64; 10]).unwrap_err();
    assert_eq!(error, SparsityError::DType { expected: DType::F32, found: DType::F64 });
    let error = jacobian.values_into(&parameters, (), &mut vec![0f32; 9]).unwrap_err();
    assert_eq!(error, SparsityError::Length { expected: 10, found: 9 });
}

#[test]
fn mistakes_have_the_line_of_the_user() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (3,));
    let error = g.sparse_hessian(x.square(), x).unwrap_err().to_string();
    assert!(error.contains("sparsity.rs") && error.contains("scalar"), "{error}");
    let g = Graph::new();
    let x = g.input_of(DType::I64, "x", (3,));
    let error = g.sparse_jacobian(x, x).unwrap_err().to_string();
    assert!(error.contains("sparsity.rs"), "{error}");
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("n",));
    let mut jacobian = g.sparse_jacobian(x.slice(3..), x).expect("it can be made");
    assert!(jacobian.structure((), ("x", [1.0, 2.0])).is_err());
    assert!(jacobian.structure((), ("y", [1.0, 2.0])).is_err());
    assert_eq!(jacobian.structure((), ("x", [1.0; 5])).expect("it is found").n_entries(), 2);
    let mut values = [0.0; 2];
    let error = jacobian.values_into((), ("x", [1.0; 6]), &mut values).unwrap_err();
    assert!(matches!(error, SparsityError::OtherInput { .. }), "{error}");
    jacobian.values_into((), ("x", [1.0; 5]), &mut values).expect("it runs");
    assert_eq!(values, [1.0, 1.0]);
}

#[test]
fn derivatives_go_to_other_threads() {
    fn is_sent<T: Send>() {}
    is_sent::<SparseDerivative>();
}

/// A tile of a matrix that is written to in any strides.
#[test]
fn values_are_written_into_views() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (3,));
    let mut jacobian = g.sparse_jacobian(x.square(), x).expect("it can be made");
    jacobian.structure((), ("x", [1.0, 2.0, 3.0])).expect("it is found");
    let mut values = ArrayD::<f64>::zeros(IxDyn(&[6]));
    jacobian.values_into((), ("x", [1.0, 2.0, 3.0]), values.slice_mut(ndarray::s![..;2])).expect("it runs");
    assert_eq!(values.as_slice(), Some(&[2.0, 0.0, 4.0, 0.0, 6.0, 0.0][..]));
}
