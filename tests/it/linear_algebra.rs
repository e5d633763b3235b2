//! Systems, decompositions, determinants and exponentials of matrices against truths that share nothing with them: products
//! that must come out, determinants by cofactors, the series of the exponential; in both dtypes, batched and alone, singular
//! and with rows to exchange; derivatives to second order by differences and dual numbers.

use ndarray::{Array2, ArrayD, Axis, IxDyn, array};
use pullback::{DType, Evaluation, Expr, Graph, Options, Triangle, Value, check::prove_expression, ops::Smoothness};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Matrices of a batch, and results by name from the compiled program and from the reference.
pub(crate) fn run<'g>(g: &'g Graph, results: &[(&str, Expr<'g>)], fed: &[(&str, &Value)]) -> Vec<Vec<Value>> {
    let compute = |evaluation| {
        let mut program = g.compile_with(results, &Options { evaluation, ..Options::default() }).expect("no mistake");
        let out = program.call(fed).expect("it runs");
        results.iter().map(|(name, _)| out[*name].clone()).collect()
    };
    [Evaluation::Compiled, Evaluation::Reference].map(compute).into()
}

pub(crate) fn random(seed: u64, shape: &[usize]) -> ArrayD<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || rng.random_range(-1.0..1.0))
}

pub(crate) fn in_dtype(x: &ArrayD<f64>, dtype: DType) -> Value {
    if dtype == DType::F32 { Value::F32(x.mapv(|x| x as f32)) } else { Value::F64(x.clone()) }
}

pub(crate) fn numbers(value: &Value) -> ArrayD<f64> {
    match value {
        Value::F32(array) => array.mapv(f64::from),
        Value::F64(array) => array.clone(),
        Value::I64(array) => array.mapv(|x| x as f64),
        Value::Bool(array) => array.mapv(|x| f64::from(u8::from(x))),
    }
}

/// Each matrix of a batch.
pub(crate) fn matrices(x: &ArrayD<f64>) -> Vec<Array2<f64>> {
    let (outer, matrix) = x.shape().split_at(x.ndim() - 2);
    let flat = x.to_shape((outer.iter().product::<usize>(), matrix[0], matrix[1])).expect("a batch of matrices");
    flat.axis_iter(Axis(0)).map(|matrix| matrix.to_owned()).collect()
}

pub(crate) fn assert_close(found: &Array2<f64>, expected: &Array2<f64>, tolerance: f64, name: &str) {
    let scale = expected.iter().fold(1.0, |scale: f64, x| scale.max(x.abs()));
    let is_close = found.iter().zip(expected).all(|(f, e)| (f - e).abs() <= tolerance * scale);
    assert!(is_close, "{name}:\n{found}\nis not\n{expected}");
}

/// Rounding of the dtype times the condition of random matrices of up to 40 rows, which is some thousand.
fn tolerance(dtype: DType) -> f64 {
    if dtype == DType::F32 { 2e-2 } else { 1e-10 }
}

const SHAPES: [&[usize]; 5] = [&[1, 1], &[2, 2], &[7, 7], &[40, 40], &[3, 2, 5, 5]];

#[test]
fn solutions_of_systems_satisfy_their_equations() {
    for (dtype, shape) in [DType::F32, DType::F64].into_iter().flat_map(|d| SHAPES.map(|shape| (d, shape))) {
        let mut right_shape = shape.to_vec();
        right_shape[shape.len() - 1] = 3;
        let (a, b) = (in_dtype(&random(1, shape), dtype), in_dtype(&random(2, &right_shape), dtype));
        let g = Graph::new();
        let (left, right) = (g.input_of(dtype, "a", shape), g.input_of(dtype, "b", &right_shape[..]));
        let results = [("x", left.solve(right)), ("inverse", left.inverse())];
        for values in run(&g, &results, &[("a", &a), ("b", &b)]) {
            let (a, b) = (matrices(&numbers(&a)), matrices(&numbers(&b)));
            let (x, inverse) = (matrices(&numbers(&values[0])), matrices(&numbers(&values[1])));
            for (((a, b), x), inverse) in a.iter().zip(&b).zip(&x).zip(&inverse) {
                assert_close(&a.dot(x), b, tolerance(dtype), "solve");
                assert_close(&a.dot(inverse), &Array2::eye(a.nrows()), tolerance(dtype), "inverse");
            }
        }
    }
}

#[test]
fn factors_multiply_to_the_matrix_with_its_rows_exchanged() {
    for (dtype, shape) in [DType::F32, DType::F64].into_iter().flat_map(|d| SHAPES.map(|shape| (d, shape))) {
        let a = in_dtype(&random(3, shape), dtype);
        let g = Graph::new();
        let parts = g.input_of(dtype, "a", shape).lu();
        let results = [("rows", parts.permutation.unsqueeze(-1)), ("l", parts.lower), ("u", parts.upper)];
        for values in run(&g, &results, &[("a", &a)]) {
            let [rows, l, u] = [0, 1, 2].map(|position: usize| matrices(&numbers(&values[position])));
            for (((a, rows), l), u) in matrices(&numbers(&a)).iter().zip(&rows).zip(&l).zip(&u) {
                let rows: Vec<usize> = rows.iter().map(|row| *row as usize).collect();
                assert_close(&l.dot(u), &a.select(Axis(0), &rows), tolerance(dtype), "lu");
                let is_below = |(place, element): ((usize, usize), &f64)| place.0 > place.1 && *element != 0.0;
                assert!(!u.indexed_iter().any(is_below) && l.iter().all(|element| element.abs() <= 1.0));
                assert!(l.diag().iter().all(|element| *element == 1.0));
            }
        }
    }
}

/// By cofactors of the first row.
fn determinant(a: &Array2<f64>) -> f64 {
    let n = a.nrows();
    let minor =
        |column: usize| Array2::from_shape_fn((n - 1, n - 1), |(i, j)| a[[i + 1, if j < column { j } else { j + 1 }]]);
    let sign = |column: usize| if column.is_multiple_of(2) { 1.0 } else { -1.0 };
    if n == 0 { 1.0 } else { (0..n).map(|column| sign(column) * a[[0, column]] * determinant(&minor(column))).sum() }
}

#[test]
fn determinants_are_those_by_cofactors() {
    let exchanged = array![[0.0, 2.0, 0.0], [0.0, 0.0, 3.0], [4.0, 0.0, 0.0]].into_dyn();
    let singular = array![[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 5.0]].into_dyn();
    let random_ones = [&[1, 1][..], &[2, 2], &[5, 5], &[2, 3, 4, 4]].map(|shape| random(4, shape));
    for a in random_ones.into_iter().chain([
        exchanged,
        singular,
        ArrayD::zeros(IxDyn(&[2, 2])),
        ArrayD::zeros(IxDyn(&[0, 0])),
    ]) {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "a", a.shape());
        let (sign, logarithm) = x.slogdet();
        for values in run(&g, &[("det", x.det()), ("sign", sign), ("log", logarithm)], &[("a", &a.clone().into())]) {
            let expected: Vec<f64> = matrices(&a).iter().map(determinant).collect();
            let expected = if a.is_empty() { vec![1.0] } else { expected };
            let [det, sign, logarithm] = [0, 1, 2].map(|position: usize| numbers(&values[position]));
            for (((expected, det), sign), logarithm) in expected.iter().zip(&det).zip(&sign).zip(&logarithm) {
                // Some hundred terms of at most 72, each rounded a few times.
                assert!((expected - det).abs() < 1e-12, "{det} is not {expected}");
                assert!((sign * logarithm.exp() - expected).abs() < 1e-12, "{sign}, {logarithm}");
                assert_eq!(*sign, if *expected == 0.0 { 0.0 } else { expected.signum() });
            }
        }
    }
    let g = Graph::new();
    let (_, logarithm) = (g.eye(500, DType::F64) * 1e-10).slogdet();
    let values = run(&g, &[("log", logarithm)], &[]);
    // 500·ln 10⁻¹⁰, each rounded once; the determinant is 10⁻⁵⁰⁰⁰.
    assert!((numbers(&values[0][0])[[]] + 500.0 * 10.0 * 10f64.ln()).abs() < 1e-8);
}

/// Σ Aᵏ/k! of A/2¹², squared 12 times: terms of at most e.
fn series(a: &Array2<f64>) -> Array2<f64> {
    let scaled = a / 4096.0;
    let (mut term, mut sum) = (Array2::eye(a.nrows()), Array2::eye(a.nrows()));
    for k in 1..20 {
        term = term.dot(&scaled) / f64::from(k);
        sum += &term;
    }
    (0..12).fold(sum, |power, _| power.dot(&power))
}

#[test]
fn exponentials_of_matrices_are_their_series() {
    // Norms on either side of where squarings begin, and of where they are one more.
    for (dtype, scale) in [DType::F32, DType::F64].into_iter().flat_map(|d| [0.0, 1e-3, 0.5, 2.0, 7.0].map(|s| (d, s)))
    {
        for shape in [&[1, 1][..], &[3, 3], &[4, 5, 5]] {
            let a = in_dtype(&(random(5, shape) * scale), dtype);
            let g = Graph::new();
            for values in run(&g, &[("y", g.input_of(dtype, "a", shape).expm())], &[("a", &a)]) {
                for (a, found) in matrices(&numbers(&a)).iter().zip(matrices(&numbers(&values[0]))) {
                    // The series rounds 2¹² times as much as the sum of terms near 1.
                    let tolerance = if dtype == DType::F32 { 1e-4 } else { 1e-11 };
                    assert_close(&found, &series(a), tolerance, "expm");
                }
            }
        }
    }
    let g = Graph::new();
    let stiff = g.constant(array![[-300_000.0, 0.0], [1.0, -1.0]]);
    let (beyond, empty) = (g.constant(array![[-1e6]]), g.input_of(DType::F64, "e", (0, 0)));
    let results = [("stiff", stiff.expm()), ("beyond", beyond.expm()), ("empty", empty.expm())];
    let values = run(&g, &results, &[("e", &ArrayD::<f64>::zeros(IxDyn(&[0, 0])).into())]);
    let stiff = numbers(&values[0][0]);
    // e⁻¹, squared 16 times from a number that is rounded once: 2¹⁶ roundings.
    assert!((stiff[[1, 1]] - (-1f64).exp()).abs() < 65536.0 * f64::EPSILON && stiff[[0, 0]] == 0.0);
    assert!(numbers(&values[0][1])[[0, 0]].is_nan());
}

#[test]
fn triangular_systems_from_the_right() {
    for triangle in Triangle::ALL {
        let g = Graph::new();
        let (s, b) = (g.input_of(DType::F64, "s", (2, 4, 4)), g.input_of(DType::F64, "b", (2, 3, 4)));
        let half = if *triangle == Triangle::Lower { s.lower_triangle() } else { s.upper_triangle() };
        let x = s.solve_triangular_right(b, *triangle);
        let product = g.einsum("bij,bjk->bik", &[x, half]);
        let diagonal = ArrayD::from_shape_fn(IxDyn(&[2, 4, 4]), |i| if i[1] == i[2] { 2.0 } else { 0.0 });
        let (left, right) = (random(6, &[2, 4, 4]) + diagonal, random(7, &[2, 3, 4]));
        for values in run(&g, &[("product", product)], &[("s", &left.into()), ("b", &right.clone().into())]) {
            for (found, expected) in matrices(&numbers(&values[0])).iter().zip(matrices(&right)) {
                assert_close(found, &expected, 1e-13, "solve_triangular_right");
            }
        }
    }
}

#[test]
fn derivatives_to_second_order_are_those_by_differences() {
    type Build = for<'g> fn(Expr<'g>) -> Expr<'g>;
    let composites: [(&str, Build); 8] = [
        ("solve", |a| a.solve(a.slice((.., .., ..1)).sin())),
        ("solve for vectors", |a| a.solve(a.slice((.., .., 0)))),
        ("inverse", |a| a.inverse()),
        ("lu", |a| a.lu().lower + a.lu().upper * 0.5),
        ("slogdet", |a| a.slogdet().1),
        ("det", |a| a.det()),
        ("expm", |a| (a * 0.4).expm()),
        ("from the right", |a| a.solve_triangular_right(a.sin(), Triangle::Upper)),
    ];
    for (name, build) in composites {
        let g = Graph::new();
        let a = g.input_of(DType::F64, "a", (2, 3, 3));
        // Far from singular, with rows to exchange.
        let at = random(8, &[2, 3, 3]) * 0.5
            + ArrayD::from_shape_fn(
                IxDyn(&[2, 3, 3]),
                |i| if (i[1] + 1) % 3 == i[2] || i[1] == i[2] { 1.5 } else { 0.0 },
            );
        let proof = prove_expression(build(a), &[(a, at.into())], Smoothness::Smooth);
        assert!(proof.is_ok(), "{name}: {}", proof.expect_err("it is none"));
    }
}

#[test]
fn mistakes_in_linear_algebra_are_told_at_their_line() {
    let g = Graph::new();
    let (wide, integers) = (g.input_of(DType::F64, "wide", (2, 3)), g.input_of(DType::I64, "integers", (2, 2)));
    let (square, single) = (g.input_of(DType::F64, "square", (2, 2)), g.input("single", (2, 2)));
    let mistaken: Vec<Expr<'_>> = vec![
        wide.lu().lower,
        integers.solve(integers),
        wide.inverse(),
        integers.inverse(),
        square.solve(single),
        square.solve(g.input_of(DType::F64, "three", (3, 1))),
        wide.slogdet().1,
        integers.det(),
        wide.expm(),
        wide.solve_triangular_right(wide, Triangle::Lower),
        square.solve_triangular_right(g.input_of(DType::F64, "vector", (2,)), Triangle::Lower).sum_over(9),
    ];
    assert!(mistaken.iter().all(|result| result.is_poisoned()));
    let mistakes = g.check().expect_err("there are mistakes").0;
    assert_eq!(mistakes.len(), mistaken.len());
    assert!(mistakes.iter().all(|mistake| mistake.site.file.ends_with("linear_algebra.rs")));
}
