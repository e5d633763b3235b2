//! QR, eigenvalues, eigenvectors and singular values against truths that share nothing with them: products that must come
//! out, vectors that must be orthonormal, what NumPy and SciPy found; in both dtypes and engines, batched and alone, without
//! full rank, with equal eigenvalues, near the ends of floats and with numbers that are none; derivatives to second order by
//! differences and dual numbers, also of functions that do not depend on the choice of a basis.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayD, Axis, IxDyn, array};
use pullback::{
    DType, Expr, Graph, RunError, Value,
    check::prove_expression,
    graph::{GraphError, Op},
    ops::{OpError, Smoothness},
};

use super::linear_algebra::{assert_close, in_dtype, matrices, numbers, random, run};

const SQUARE: [&[usize]; 6] = [&[1, 1], &[2, 2], &[7, 7], &[40, 40], &[3, 2, 5, 5], &[0, 0]];
const OBLONG: [&[usize]; 5] = [&[5, 2], &[2, 5], &[3, 9, 4], &[1, 6], &[3, 0]];

/// Some n roundings of numbers of the size of 1.
fn tolerance(dtype: DType) -> f64 {
    if dtype == DType::F32 { 2e-6 } else { 2e-14 }
}

fn cases(shapes: &[&'static [usize]]) -> Vec<(DType, &'static [usize])> {
    [DType::F32, DType::F64].into_iter().flat_map(|dtype| shapes.iter().map(move |shape| (dtype, *shape))).collect()
}

/// A vector for each matrix.
fn vectors(x: &ArrayD<f64>) -> Vec<Array1<f64>> {
    x.rows().into_iter().map(|row| row.to_owned()).collect()
}

fn assert_orthonormal(x: &Array2<f64>, tolerance: f64) {
    assert_close(&x.t().dot(x), &Array2::eye(x.ncols()), tolerance, "orthonormal columns");
}

/// In each column the first element of at least 0.9 of the greatest magnitude is positive.
fn assert_turned(x: &Array2<f64>) {
    for column in x.columns() {
        let greatest = column.iter().fold(0.0, |greatest: f64, element| greatest.max(element.abs()));
        // What is as near to 0.9 as rounding may be on either side.
        let is_clear = column.iter().all(|element| (element.abs() - 0.9 * greatest).abs() > 1e-5 * greatest);
        let first = column.iter().find(|element| element.abs() >= 0.9 * greatest);
        assert!(!is_clear || first.is_none_or(|element| *element > 0.0), "{column}");
    }
}

#[test]
fn q_is_orthonormal_r_is_upper_triangular_and_their_product_is_the_matrix() {
    for (dtype, shape) in cases(&[&SQUARE[..], &OBLONG[..]].concat()) {
        let a = in_dtype(&random(11, shape), dtype);
        let g = Graph::new();
        let parts = g.input_of(dtype, "a", shape).qr();
        for values in run(&g, &[("q", parts.q), ("r", parts.r)], &[("a", &a)]) {
            let [q, r] = [0, 1].map(|position: usize| matrices(&numbers(&values[position])));
            for ((a, q), r) in matrices(&numbers(&a)).iter().zip(&q).zip(&r) {
                assert_close(&q.dot(r), a, tolerance(dtype), "qr");
                assert_orthonormal(q, tolerance(dtype));
                assert!(r.indexed_iter().all(|((row, column), element)| row <= column || *element == 0.0));
                assert!(r.diag().iter().all(|element| *element >= 0.0));
            }
        }
    }
}

#[test]
fn eigenvectors_are_orthonormal_and_give_the_symmetric_part_back() {
    for (dtype, shape) in cases(&SQUARE) {
        let a = in_dtype(&random(12, shape), dtype);
        let g = Graph::new();
        let x = g.input_of(dtype, "a", shape);
        let parts = x.eigh();
        let results = [("values", parts.values), ("vectors", parts.vectors), ("alone", x.eigvalsh())];
        for found in run(&g, &results, &[("a", &a)]) {
            let [values, alone] = [0, 2].map(|position: usize| vectors(&numbers(&found[position])));
            let all = matrices(&numbers(&a)).into_iter().zip(matrices(&numbers(&found[1])));
            for ((a, v), (values, alone)) in all.zip(values.iter().zip(&alone)) {
                let symmetric = (&a + &a.t()) * 0.5;
                assert_close(&(&v * values).dot(&v.t()), &symmetric, tolerance(dtype), "eigh");
                assert_orthonormal(&v, tolerance(dtype));
                assert_turned(&v);
                assert!(values.windows(2).into_iter().all(|pair| pair[0] <= pair[1]), "{values}");
                let [one, other] = [values, alone].map(|x| x.clone().insert_axis(Axis(0)));
                assert_close(&one, &other, tolerance(dtype), "eigvalsh");
            }
        }
    }
}

#[test]
fn singular_vectors_are_orthonormal_and_give_the_matrix_back() {
    for (dtype, shape) in cases(&[&SQUARE[..], &OBLONG[..]].concat()) {
        let a = in_dtype(&random(13, shape), dtype);
        let g = Graph::new();
        let x = g.input_of(dtype, "a", shape);
        let parts = x.svd();
        let results = [("u", parts.u), ("s", parts.s), ("v", parts.v), ("alone", x.svdvals())];
        for found in run(&g, &results, &[("a", &a)]) {
            let [u, v] = [0, 2].map(|position: usize| matrices(&numbers(&found[position])));
            let [s, alone] = [1, 3].map(|position: usize| vectors(&numbers(&found[position])));
            for (((a, u), v), (s, alone)) in matrices(&numbers(&a)).iter().zip(&u).zip(&v).zip(s.iter().zip(&alone)) {
                assert_close(&(u * s).dot(&v.t()), a, tolerance(dtype), "svd");
                assert_orthonormal(u, tolerance(dtype));
                assert_orthonormal(v, tolerance(dtype));
                assert_turned(if a.nrows() < a.ncols() { u } else { v });
                assert!(s.windows(2).into_iter().all(|pair| pair[0] >= pair[1]) && s.iter().all(|s| *s >= 0.0), "{s}");
                let [one, other] = [s, alone].map(|x| x.clone().insert_axis(Axis(0)));
                assert_close(&one, &other, tolerance(dtype), "svdvals");
            }
        }
    }
}

/// Zeros, one vector, equal columns, a multiple of the identity, a cluster of eigenvalues, and a chain.
fn without_full_rank_or_with_equal_values() -> Vec<Array2<f64>> {
    let row = array![[1.0, -2.0, 0.5, 3.0]];
    let reflection = Array2::<f64>::eye(4) - row.t().dot(&row) * (2.0 / 14.25);
    let cluster = Array2::from_diag(&array![1.0, 1.0, 2.0, 1.0 + 1e-15]);
    vec![
        Array2::zeros((4, 4)),
        row.t().dot(&row),
        Array2::from_shape_fn((4, 4), |(row, column)| if column < 2 { row as f64 } else { 1.0 }),
        Array2::eye(4) * -3.0,
        reflection.dot(&cluster).dot(&reflection),
        reflection,
        Array2::from_shape_fn((4, 4), |(row, column)| if row + 1 == column { 1.0 } else { 0.0 }),
    ]
}

#[test]
fn vectors_are_orthonormal_whatever_the_rank_and_however_many_values_are_equal() {
    for a in without_full_rank_or_with_equal_values() {
        // As it is, and without a row.
        for a in [a.clone(), a.slice_move(ndarray::s![.., ..3])] {
            let g = Graph::new();
            let x = g.constant(a.clone());
            let (qr, svd) = (x.qr(), x.svd());
            let mut results = vec![("q", qr.q), ("r", qr.r), ("u", svd.u), ("s", svd.s), ("v", svd.v)];
            if a.is_square() {
                results.extend([("vectors", x.eigh().vectors), ("values", x.eigh().values)]);
            }
            for found in run(&g, &results, &[]) {
                let found: Vec<ArrayD<f64>> = found.iter().map(numbers).collect();
                let matrix = |position: usize| matrices(&found[position]).remove(0);
                let (q, r, u, v) = (matrix(0), matrix(1), matrix(2), matrix(4));
                assert_orthonormal(&q, 1e-14);
                assert_close(&q.dot(&r), &a, 1e-14, "qr");
                assert_orthonormal(&u, 1e-14);
                assert_orthonormal(&v, 1e-14);
                assert_close(&(&u * &vectors(&found[3])[0]).dot(&v.t()), &a, 1e-14, "svd");
                if a.is_square() {
                    let vectors_of = matrix(5);
                    assert_orthonormal(&vectors_of, 1e-14);
                    let product = (&vectors_of * &vectors(&found[6])[0]).dot(&vectors_of.t());
                    assert_close(&product, &((&a + &a.t()) * 0.5), 1e-14, "eigh");
                }
            }
        }
    }
}

/// The packed results of all five, for square matrices.
fn all_results<'g>(x: Expr<'g>) -> Vec<(&'static str, Expr<'g>)> {
    let (qr, eigh, svd) = (x.qr(), x.eigh(), x.svd());
    vec![
        ("q", qr.q),
        ("r", qr.r),
        ("vectors", eigh.vectors),
        ("values", eigh.values.unsqueeze(-1)),
        ("eigvalsh", x.eigvalsh().unsqueeze(-1)),
        ("u", svd.u),
        ("s", svd.s.unsqueeze(-1)),
        ("v", svd.v),
        ("svdvals", x.svdvals().unsqueeze(-1)),
    ]
}

const IS_SCALED: [bool; 9] = [false, true, false, true, true, false, true, false, true];

/// A power of two more is a power of two more, to the bit, up to where squares of the elements over- and underflow.
#[test]
fn matrices_of_any_size_of_numbers_are_decomposed_alike() {
    let a = random(14, &[5, 5]);
    for exponent in [-990, -300, 300, 1000] {
        let factor = 2f64.powi(exponent);
        let g = Graph::new();
        let results = all_results(g.input_of(DType::F64, "a", (5, 5)));
        let [plain, scaled] = [a.clone(), &a * factor].map(|a| run(&g, &results, &[("a", &a.into())]));
        for (plain, scaled) in plain.iter().flatten().zip(scaled.iter().flatten()).zip(IS_SCALED.iter().cycle()).map(
            |((plain, scaled), is_scaled)| (numbers(plain) * if *is_scaled { factor } else { 1.0 }, numbers(scaled)),
        ) {
            assert_eq!(plain, scaled, "2^{exponent}");
        }
    }
}

#[test]
fn only_the_matrix_with_a_number_that_is_not_finite_is_nan() {
    for corner in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut a = random(15, &[3, 4, 4]);
        a[[1, 2, 3]] = corner;
        let g = Graph::new();
        for found in run(&g, &all_results(g.input_of(DType::F64, "a", (3, 4, 4))), &[("a", &a.into())]) {
            for value in found {
                let is_nan: Vec<bool> =
                    matrices(&numbers(&value)).iter().map(|matrix| matrix.iter().all(|x| x.is_nan())).collect();
                let is_finite = matrices(&numbers(&value)).iter().flatten().filter(|x| x.is_finite()).count();
                assert_eq!((is_nan, is_finite * 3), (vec![false, true, false], value.len() * 2));
            }
        }
    }
}

/// Whether a graph decomposes matrices, and one of those that it is given has two equal rows or columns. Some of its singular
/// values, and perhaps its eigenvalues, are equal then, and 0 but for rounding: derivatives are infinite, NaN or anything,
/// which the two engines need not agree on.
pub(crate) fn has_no_derivative<'v>(g: &Graph, mut given: impl Iterator<Item = &'v Value>) -> bool {
    let is_decomposition =
        |op: Op| matches!(op, Op::Qr(_) | Op::Eigh(_) | Op::Eigvalsh(_) | Op::Svd(_) | Op::Svdvals(_));
    let has_equal = |lanes: Vec<Array1<f64>>| (1..lanes.len()).any(|k| lanes[..k].contains(&lanes[k]));
    let has_equal_lanes = |matrix: Array2<f64>| {
        has_equal(matrix.rows().into_iter().map(|row| row.to_owned()).collect())
            || has_equal(matrix.columns().into_iter().map(|column| column.to_owned()).collect())
    };
    g.ids().any(|id| is_decomposition(g.expr(id).op()))
        && given.any(|value| value.shape().len() > 1 && matrices(&numbers(value)).into_iter().any(has_equal_lanes))
}

/// By name: sizes and elements.
fn recorded() -> BTreeMap<&'static str, ArrayD<f64>> {
    let parse = |line: &'static str| {
        let [name, sizes, elements] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let sizes: Vec<usize> = sizes.split_whitespace().map(|size| size.parse().expect("a size")).collect();
        let elements = elements.split_whitespace().map(|x| x.parse().expect("a number")).collect();
        (name, ArrayD::from_shape_vec(IxDyn(&sizes), elements).expect("as many elements as the sizes say"))
    };
    include_str!("../recorded/decompositions.txt").lines().map(parse).collect()
}

#[test]
fn decompositions_are_those_of_numpy_and_scipy() {
    let recorded = recorded();
    let mut n_compared = 0;
    for name in ["square", "tall", "wide", "graded", "hilbert"] {
        let a = &recorded[name];
        let g = Graph::new();
        let x = g.constant(Value::from(a.clone()));
        let (qr, svd) = (x.qr(), x.svd());
        let mut results = vec![("q", qr.q), ("r", qr.r), ("u", svd.u), ("s", svd.s), ("v", svd.v)];
        if a.shape()[0] == a.shape()[1] {
            results.extend([("values", x.eigh().values), ("vectors", x.eigh().vectors)]);
        }
        for found in run(&g, &results, &[]) {
            for ((part, _), found) in results.iter().zip(found) {
                let expected = &recorded[format!("{name} {part}").as_str()];
                // Vectors are off by the rounding of the matrix, of the size of 1, over the least gap: 10⁻⁷ of the Hilbert
                // matrix, 10⁻⁹ of the graded one.
                let is_well_known = ["r", "s", "values"].contains(part) || !["graded", "hilbert"].contains(&name);
                let tolerance = if is_well_known { 1e-14 } else { 1e-6 };
                let distance = (&numbers(&found) - expected).iter().fold(0.0, |far: f64, x| far.max(x.abs()));
                assert!(distance <= tolerance, "{part} of {name} is off by {distance:e}");
                n_compared += 1;
            }
        }
    }
    assert_eq!(n_compared, 2 * (5 * 5 + 3 * 2));
}

/// Apart in eigenvalues and singular values, far from singular.
fn well_conditioned(shape: &[usize]) -> ArrayD<f64> {
    let noise = random(16, shape) * 0.4;
    let rank = shape.len();
    let diagonal = |i: &ndarray::IxDyn| if i[rank - 2] == i[rank - 1] { 1.0 + 1.5 * i[rank - 1] as f64 } else { 0.0 };
    noise + ArrayD::from_shape_fn(IxDyn(shape), |index| diagonal(&index))
}

#[test]
fn derivatives_of_decompositions_to_second_order_are_those_by_differences() {
    type Build = for<'g> fn(Expr<'g>) -> Expr<'g>;
    let composites: [(&str, &[usize], Build); 12] = [
        ("q", &[2, 3, 3], |a| a.qr().q),
        ("r", &[2, 3, 3], |a| a.qr().r),
        ("q and r of a wide matrix", &[2, 4], |a| a.qr().q.dot(a.qr().r.sin())),
        ("projection onto the columns", &[4, 2], |a| a.qr().q.dot(a.qr().q.t())),
        ("eigenvectors", &[2, 3, 3], |a| a.eigh().vectors),
        ("eigenvalues", &[2, 3, 3], |a| a.eigh().values),
        ("eigenvalues alone", &[2, 3, 3], |a| a.eigvalsh()),
        ("a function of a symmetric matrix", &[3, 3], |a| {
            let parts = a.eigh();
            (parts.vectors * parts.values.exp().unsqueeze(-2)).dot(parts.vectors.t())
        }),
        ("singular vectors of a wide matrix", &[2, 3], |a| a.svd().u.dot(a.svd().v.t().sin())),
        ("singular vectors of a tall matrix", &[4, 2], |a| a.svd().v.dot(a.svd().u.t().sin())),
        ("polar factor", &[3, 3], |a| a.svd().u.dot(a.svd().v.t())),
        ("nuclear norm", &[3, 4], |a| a.svdvals().sum()),
    ];
    for (name, shape, build) in composites {
        let g = Graph::new();
        let a = g.input_of(DType::F64, "a", shape);
        let proof = prove_expression(build(a), &[(a, well_conditioned(shape).into())], Smoothness::Smooth);
        assert!(proof.is_ok(), "{name}: {}", proof.expect_err("it is none"));
    }
}

/// e^S by eigenvalues is the exponential by squaring, and so are gradient and Hessian times vector, of which neither side
/// depends on signs or order of eigenvectors.
#[test]
fn a_function_by_eigenvalues_has_the_derivatives_of_the_same_function_without() {
    let g = Graph::new();
    let (a, w) = (g.input_of(DType::F64, "a", (4, 4)), g.constant(random(17, &[4, 4])));
    let parts = a.eigh();
    let by_values = (parts.vectors * parts.values.exp().unsqueeze(-2)).dot(parts.vectors.t());
    let by_squaring = ((a + a.t()) * 0.5).expm();
    let mut results = Vec::new();
    for y in [by_values, by_squaring] {
        let gradient = g.gradient((y * w).sum(), a);
        results.extend([("y", y), ("gradient", gradient), ("second", g.gradient((gradient * w.sin()).sum(), a))]);
    }
    let names = ["y", "gradient", "second", "other y", "other gradient", "other second"];
    let results: Vec<(&str, Expr<'_>)> = names.iter().zip(results).map(|(name, (_, result))| (*name, result)).collect();
    for found in run(&g, &results, &[("a", &random(18, &[4, 4]).into())]) {
        for (order, name) in names[..3].iter().enumerate() {
            let [one, other] = [order, order + 3].map(|position| matrices(&numbers(&found[position])).remove(0));
            // Some hundred roundings over gaps of 0.2, squared at second order.
            assert_close(&one, &other, 1e-11, name);
        }
    }
}

#[test]
fn eigenvalues_alone_have_a_gradient_where_they_are_equal_and_so_have_singular_values() {
    let g = Graph::new();
    let a = g.input_of(DType::F64, "a", (4, 4));
    let results = [
        ("by eigenvalues", g.gradient(a.eigvalsh().square().sum(), a)),
        ("by singular values", g.gradient(a.svdvals().square().sum(), a)),
    ];
    for at in without_full_rank_or_with_equal_values() {
        for found in run(&g, &results, &[("a", &at.clone().into_dyn().into())]) {
            // Σλ² is the square of the norm of the symmetric part, Σs² that of the matrix.
            assert_close(&matrices(&numbers(&found[0])).remove(0), &(&at + &at.t()), 1e-13, "eigvalsh");
            assert_close(&matrices(&numbers(&found[1])).remove(0), &(&at * 2.0), 1e-13, "svdvals");
        }
    }
}

#[test]
fn where_vectors_have_no_derivative_it_is_not_finite() {
    let g = Graph::new();
    let (a, tall) = (g.input_of(DType::F64, "a", (3, 3)), g.input_of(DType::F64, "tall", (3, 2)));
    let weights = g.constant(random(19, &[3, 3]));
    let vectors = (a.eigh().vectors * weights).sum();
    let equal = (a.svd().u * weights).sum();
    let singular = (tall.svd().u * weights.slice((.., ..2))).sum();
    let dependent = (tall.qr().q * weights.slice((.., ..2))).sum();
    let results = [
        ("eigh", g.gradient(vectors, a)),
        ("svd", g.gradient(equal, a)),
        ("singular", g.gradient(singular, tall)),
        ("dependent", g.gradient(dependent, tall)),
    ];
    let fed: [Value; 2] =
        [(Array2::<f64>::eye(3) * 2.0).into_dyn().into(), array![[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]].into_dyn().into()];
    for found in run(&g, &results, &[("a", &fed[0]), ("tall", &fed[1])]) {
        for ((name, _), gradient) in results.iter().zip(&found) {
            assert!(numbers(gradient).iter().any(|x| !x.is_finite()), "{name}: {gradient:?}");
        }
    }
}

#[test]
fn batches_and_sizes_may_be_symbols() {
    let g = Graph::new();
    let a = g.input_of(DType::F64, "a", ("batch", "m", "n"));
    let (qr, svd) = (a.qr(), a.svd());
    let results = [
        ("q", g.einsum("bij,bjk->bik", &[qr.q, qr.r])),
        ("s", g.einsum("bij,bkj->bik", &[svd.u * svd.s.unsqueeze(-2), svd.v])),
        ("gradient", g.gradient(a.svdvals().sum() + qr.r.sum(), a)),
    ];
    for shape in [[2, 5, 3], [4, 3, 3], [0, 2, 1]] {
        let at = random(20, &shape);
        for found in run(&g, &results, &[("a", &at.clone().into())]) {
            for (found, expected) in
                found[..2].iter().flat_map(|x| matrices(&numbers(x)).into_iter().zip(matrices(&at)))
            {
                assert_close(&found, &expected, 1e-14, "a symbol");
            }
            assert_eq!(found[2].shape(), shape);
        }
    }
    let mut program = g.compile([("q", qr.q)]).expect("no mistake");
    let error = program.call(("a", random(21, &[2, 3, 4]))).expect_err("it is wide");
    let RunError::Node { error: OpError::Wide { rows: 3, columns: 4 }, .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains("transpose"), "{error}");
}

#[test]
fn mistakes_in_decompositions_are_told_at_their_line() {
    let g = Graph::new();
    let (wide, integers) = (g.input_of(DType::F64, "wide", (2, 3)), g.input_of(DType::I64, "integers", (2, 2)));
    let vector = g.input_of(DType::F64, "vector", (2,));
    let mistaken = [
        integers.qr().r,
        vector.qr().q,
        wide.eigh().vectors,
        wide.eigvalsh(),
        integers.eigh().values,
        integers.svd().s,
        vector.svd().u,
        vector.svdvals().sum(),
        g.apply_op(pullback::graph::Qr {}.into(), &[wide]),
    ];
    assert!(mistaken.iter().all(|result| result.is_poisoned()));
    let mistakes = g.check().expect_err("there are mistakes").0;
    assert_eq!(mistakes.len(), mistaken.len());
    assert!(mistakes.iter().all(|mistake| mistake.site.file.ends_with("decompositions.rs")));
    assert!(matches!(mistakes[8].error, GraphError::Wide { .. }), "{}", mistakes[8]);
}
