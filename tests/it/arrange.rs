//! Arrays put together, taken apart, indexed and contracted: what NumPy makes of them, in both engines, with derivatives by
//! differences; sizes that are symbols, and 0; what assignment, sums and constants build.

use std::collections::BTreeMap;

use ndarray::{Array1, ArrayD, IxDyn, array};
use pullback::{
    AsView, DType, Dim, Evaluation, Expr, Graph, Index, Options, RunError, Value,
    check::prove_expression,
    graph::Op,
    ops::{OpError, Smoothness},
    range,
};

use super::compiled::{assert_like_reference, distance, options, run};

type Build = for<'g> fn(Expr<'g>) -> Expr<'g>;

fn index<'g>(x: Expr<'g>, positions: [i64; 3]) -> Expr<'g> {
    x.graph().constant(positions)
}

fn i(x: Expr<'_>) -> Expr<'_> {
    index(x, [1, 0, 1])
}

fn j(x: Expr<'_>) -> Expr<'_> {
    index(x, [2, 0, 2])
}

/// The matrices `x[:, :, :3]`.
fn square(x: Expr<'_>) -> Expr<'_> {
    x.slice((.., .., ..3))
}

fn einsum<'g, const N: usize>(specification: &str, operands: [Expr<'g>; N]) -> Expr<'g> {
    operands[0].graph().einsum(specification, &operands)
}

/// `x.reshape(2, 1, 3, 4)` and `x.reshape(2, 4, 3)`.
fn matrices(x: Expr<'_>) -> [Expr<'_>; 2] {
    [x.reshape((2, 1, 3, 4)), x.reshape((2, 4, 3))]
}

fn backwards(step: i64) -> Index {
    Index::from(..).step(step)
}

/// The cases of `tests/recorded/arrange.py`, by its names; x has shape `[2, 3, 4]`.
const RECORDED: &[(&str, Build)] = &[
    ("stack along the first axis", |x| x.stack([2.0 * x], 0)),
    ("stack along the last axis", |x| x.stack([2.0 * x, -x], -1)),
    ("stack of scalars", |x| x.slice((0, 0, 0)).stack([x.slice((1, 2, 3))], 0)),
    ("second of two equal parts", |x| x.split(2, 2)[1]),
    ("third of three equal parts", |x| x.split(3, -2)[2]),
    ("second of parts of 1 and 2", |x| x.split([1, 2], 1)[1]),
    ("second of parts of 2, 0 and 1", |x| x.split(vec![2, 0, 1], 1)[1]),
    ("tile", |x| x.tile((2, 1, 3))),
    ("tile with fewer numbers than axes", |x| x.tile((2,))),
    ("tile with more numbers than axes", |x| x.tile((2, 1, 2, 1))),
    ("tile by 0", |x| x.tile((1, 0, 1))),
    ("pad", |x| x.pad([(1, 0), (0, 2), (1, 1)], 7.5)),
    ("pad all axes alike", |x| x.pad([(1, 2)], -0.5)),
    ("pad by 0", |x| x.pad([(0, 0), (1, 0), (0, 2)], 0.0)),
    ("pad by an infinity", |x| x.pad([(0, 1), (0, 0), (0, 0)], f64::NEG_INFINITY)),
    ("diag", |x| x.slice((0, 0)).diag()),
    ("diag of a batch", |x| x.diag()),
    ("diagonal", |x| square(x).slice(0).diagonal()),
    ("diagonal of a batch", |x| square(x).diagonal()),
    ("trace of a batch", |x| square(x).trace()),
    ("eye", |x| x.graph().eye(3, DType::F64)),
    ("full", |x| x.graph().full(2.5, (2, 3))),
    ("x[::-1]", |x| x.slice(backwards(-1))),
    ("x[:, :, ::-2]", |x| x.slice((.., .., backwards(-2)))),
    ("x[::-1, :, ::-3]", |x| x.slice((backwards(-1), .., backwards(-3)))),
    ("x[:, 2:0:-1, 3:0:-2]", |x| x.slice((.., range(1, 3).step(-1), range(1, 4).step(-2)))),
    ("x[1, ::2, -1::-1]", |x| x.slice((1, Index::from(..).step(2), backwards(-1)))),
    ("x[:, -2::-1, 0]", |x| x.slice((.., Index::from(..-1).step(-1), 0))),
    ("x[:, :, 4:1:-5]", |x| x.slice((.., .., Index::from(2..).step(-5)))),
    ("x[i]", |x| x.gather_nd([i(x)])),
    ("x[i, j]", |x| x.gather_nd([i(x), j(x)])),
    ("x[i, j, k]", |x| x.gather_nd([i(x), j(x), index(x, [3, 3, 0])])),
    ("x[i[:, None], j]", |x| x.gather_nd([i(x).unsqueeze(-1), j(x)])),
    ("x[1, j]", |x| x.gather_nd([x.graph().constant(1i64), j(x)])),
    ("logaddexp", |x| x.logaddexp(3.0 * x.reverse(0))),
    ("logaddexp of a row", |x| x.logaddexp(x.slice((0, 0)))),
    ("...ij,...jk->...ik", |x| einsum("...ij,...jk->...ik", matrices(x))),
    ("...ij,...jk", |x| einsum("...ij, ...jk", matrices(x))),
    ("i...->...i", |x| einsum("i...->...i", [x])),
    ("i...j->j...", |x| einsum("i...j->j...", [x])),
    ("...ii->...i", |x| einsum("...ii->...i", [square(x)])),
    ("...ii->...", |x| einsum("...ii->...", [square(x)])),
    ("...,...->...", |x| einsum("...,...->...", [x, x.slice((.., ..1, ..1))])),
    ("...,...", |x| einsum("...,...", [x.slice(..1), x.slice((0, 0))])),
    ("i...,i...->...", |x| einsum("i...,i...->...", [x, x.slice((.., ..1))])),
    ("...i,i->...", |x| einsum("...i,i->...", [x, x.slice((0, 0))])),
    ("...i,...i", |x| einsum("...i,...i", [x, x])),
    ("a...,b...->ab...", |x| einsum("a...,b...->ab...", [x, x])),
    ("ij...->ij", |x| einsum("ij...->ij", [x.slice(0)])),
    ("ij,jk", |x| einsum("ij,jk", [x.slice(0), x.slice(1).t()])),
    ("ba", |x| einsum("ba", [x.slice(0)])),
    ("bA", |x| einsum("bA", [x.slice(0)])),
    ("ii", |x| einsum("ii", [square(x).slice(0)])),
    ("iij", |x| einsum("iij", [x.slice((0, ..2)).stack([x.slice((1, ..2))], 0)])),
    ("i,i", |x| einsum("i,i", [x.slice((0, 0)), x.slice((1, 1))])),
    ("ij->...ji", |x| einsum("ij->...ji", [x.slice(0)])),
];

fn counted() -> Value {
    ArrayD::from_shape_fn(IxDyn(&[2, 3, 4]), |at| (12 * at[0] + 4 * at[1] + at[2]) as f64 / 8.0 - 1.3).into()
}

fn recorded() -> BTreeMap<&'static str, Value> {
    let value = |line: &'static str| {
        let [name, sizes, elements] = line.splitn(3, " | ").collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        let sizes: Vec<usize> = sizes.split_whitespace().map(|size| size.parse().expect("a size")).collect();
        let elements = elements.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        (name, ArrayD::<f64>::from_shape_vec(IxDyn(&sizes), elements).expect("as many elements").into())
    };
    include_str!("../recorded/arrange.txt").lines().map(value).collect()
}

#[test]
fn arrays_are_put_together_taken_apart_and_contracted_as_by_numpy_in_both_engines() {
    let mut recorded = recorded();
    for (name, build) in RECORDED {
        let want = recorded.remove(name).unwrap_or_else(|| panic!("{name} is not recorded"));
        for engine in [Evaluation::Reference, Evaluation::Compiled] {
            let g = Graph::new();
            let y = build(g.input_of(DType::F64, "x", (2, 3, 4)));
            let results = [("y".to_string(), y)];
            let got = run(&results, &[("x".to_string(), counted())], &options(engine, 1)).expect("it runs");
            // Sums of at most 24 products below 4, and functions within 2 units in the last place.
            let distance = distance(&got["y"], &want);
            assert!(distance < 1e-14, "{name} is off by {distance:e}, {engine:?}: {:?}, not {want:?}", got["y"]);
        }
    }
    assert!(recorded.is_empty(), "nothing is built for {:?}", recorded.keys());
}

#[test]
fn their_derivatives_are_those_of_their_values_in_both_engines() {
    for (name, build) in RECORDED {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (2, 3, 4));
        // What is infinite beside them has no differences.
        let y = build(x);
        let y = if *name == "pad by an infinity" { y.exp() } else { y };
        let proof = prove_expression(y, &[(x, counted())], Smoothness::Smooth);
        assert!(proof.is_ok(), "{name}: {}", proof.unwrap_err());

        let weights =
            (0..y.rank() as i64).fold(y.ones_like(), |all, axis| all * g.iota(DType::F64, y.shape(), axis).cos());
        let slope = g.gradient((y * y * weights).sum(), x);
        let second = g.gradient((slope * slope).sum(), x);
        let results = [("slope".to_string(), slope), ("second".to_string(), second)];
        // Sums of at most 24 products, twice, of numbers below 2⁸.
        assert_like_reference(name, &results, &[("x".to_string(), counted())], 1e-12);
    }
}

/// Graphs of x: `f64[n, 3, 2*m]` with the shape that they have.
const SYMBOLIC: &[(&str, Build)] = &[
    ("[n, 2, 3, 2*m]", |x| x.stack([x.exp()], 1)),
    ("[n, 3, m]", |x| x.split(2, 2)[1] * x.split(2, 2)[0]),
    ("[n, 1, 2*m]", |x| x.split([2, 1], 1)[1]),
    ("[n, 3, m]", |x| x.split([Dim::symbol("m"), Dim::symbol("m")], -1)[0]),
    ("[2*n, 3, 2*m^2]", |x| x.tile((Dim::from(2), Dim::from(1), Dim::symbol("m")))),
    ("[n + 1, 3, 3*m]", |x| {
        x.pad([(0, 1), (0, 0), (0, 0)], 2.0)
            .pad([(Dim::from(0), Dim::from(0)), (Dim::from(0), Dim::from(0)), (Dim::from(0), Dim::symbol("m"))], 0.0)
    }),
    ("[n, 3, 2*m + n]", |x| {
        x.pad([(Dim::from(0), Dim::from(0)), (Dim::from(0), Dim::from(0)), (Dim::symbol("n"), Dim::from(0))], 2.0)
    }),
    ("[n, 3, 2*m, 2*m]", |x| x.diag()),
    ("[n, 3]", |x| einsum("bij,bkj->bik", [x, x]).diagonal()),
    ("[3]", |x| einsum("bij,cij->ibc", [x, x]).trace()),
    ("[n, 3, 2*m]", |x| x.dot(x.graph().eye(Dim::symbol("m") * 2, DType::F64))),
    ("[n, 3, 2*m]", |x| x * x.graph().full(2.5, ("n", 3, 1))),
    ("[n, 3, 2*m]", |x| x * x.full_like(2.5)),
    ("[n, 3, 2*m]", |x| x.slice((backwards(-1), backwards(-1), backwards(-1)))),
    ("[n, 2, m]", |x| x.slice((.., backwards(-2), backwards(-2)))),
    ("[n, 2, 2*m]", |x| x.slice((.., range(1, 3).step(-1)))),
    ("[n, 3]", |x| x.sum_over(-1).logaddexp(x.sum_over(2).slice((.., backwards(-1))))),
    ("[n, 3, 3]", |x| einsum("...ij,...kj", [x, x])),
    ("[n, 3]", |x| einsum("...j,...j->...", [x, x.slice((.., ..1))])),
    ("[n, 2*m]", |x| {
        let g = x.graph();
        x.gather_nd([g.iota(DType::I64, ("n",), 0), g.constant(2i64)])
    }),
    ("[n, 3, 2*m]", |x| {
        let g = x.graph();
        let size = Dim::symbol("m") * 2;
        x.transpose([0, 2, 1]).gather_nd([g.iota(DType::I64, ("n", 1), 0), g.iota(DType::I64, (size,), 0)]).t()
    }),
];

#[test]
fn sizes_may_be_symbols_and_0_with_first_and_second_derivatives() {
    for (shape, build) in SYMBOLIC {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (Dim::symbol("n"), Dim::from(3), Dim::symbol("m") * 2));
        let y = build(x);
        g.check().unwrap_or_else(|told| panic!("{shape}: {told}"));
        assert_eq!(y.shape().to_string(), *shape);
        let slope = g.gradient((y * y.cos()).sum(), x);
        let second = g.gradient((slope * slope).sum(), x);
        let results = [("y", y), ("slope", slope), ("second", second)].map(|(name, of)| (name.to_string(), of));
        for (n, m) in [(2, 2), (1, 1), (3, 0), (0, 2), (0, 0)] {
            let at = |at: IxDyn| (at[0] * 5 + at[1] * 3 + at[2]) as f64 / 9.0 - 0.7;
            let fed = Value::F64(ArrayD::from_shape_fn(IxDyn(&[n, 3, 2 * m]), at));
            // Sums of at most 12 products of numbers below 10, twice.
            assert_like_reference(&format!("{shape} at {n}, {m}"), &results, &[("x".to_string(), fed)], 1e-12);
        }
    }
}

/// What is fed runs into an error that names the index, its own axis and that axis' size, though axes are merged.
#[test]
fn an_index_of_many_that_is_outside_of_its_axis_is_an_error_of_its_own() {
    let cases: [([i64; 2], i64, usize, usize); 4] =
        [([0, 3], 3, 1, 3), ([0, -1], -1, 1, 3), ([2, 0], 2, 0, 2), ([-1, 2], -1, 0, 2)];
    for (positions, index, axis, size) in cases {
        for (engine, is_fed) in
            [Evaluation::Reference, Evaluation::Compiled].into_iter().flat_map(|e| [(e, true), (e, false)])
        {
            let g = Graph::new();
            let x = g.input("x", (2, 3, 4));
            let one = |name: &str, position: i64| match is_fed {
                true => g.input_of(DType::I64, name, ()),
                false => g.constant(position),
            };
            let y = x.gather_nd([one("i", positions[0]), one("j", positions[1])]);
            let mut fed = vec![("x".to_string(), Value::F32(ArrayD::zeros(IxDyn(&[2, 3, 4]))))];
            if is_fed {
                fed.extend([("i".to_string(), positions[0].into()), ("j".to_string(), positions[1].into())]);
            }
            let error = run(&[("y".to_string(), y)], &fed, &options(engine, 1)).expect_err("out of range");
            let RunError::Node { error: fault, .. } = &error else { panic!("{error}") };
            assert_eq!(*fault, OpError::Index { index, axis, size }, "{positions:?}, {engine:?}");
        }
    }
}

#[test]
fn logaddexp_is_right_at_infinities_ties_and_extremes_in_both_modes_and_engines() {
    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    // a, b, value, slope by a, slope by b, second derivative by a
    let cases: [[f64; 6]; 13] = [
        [0.0, 0.0, std::f64::consts::LN_2, 0.5, 0.5, 0.25],
        [1e308, -1e308, 1e308, 1.0, 0.0, 0.0],
        [-1e308, 1e308, 1e308, 0.0, 1.0, 0.0],
        [1e4, 1e4, 1e4 + std::f64::consts::LN_2, 0.5, 0.5, 0.25],
        [-100.0, 0.0, 3.720075976020836e-44, 3.720075976020836e-44, 1.0, 3.720075976020836e-44],
        [INF, 3.0, INF, 1.0, 0.0, 0.0],
        [3.0, INF, INF, 0.0, 1.0, 0.0],
        [-INF, 3.0, 3.0, 0.0, 1.0, 0.0],
        [3.0, -INF, 3.0, 1.0, 0.0, 0.0],
        [INF, -INF, INF, 1.0, 0.0, 0.0],
        [INF, INF, INF, 0.5, 0.5, 0.0],
        [-INF, -INF, -INF, 0.5, 0.5, 0.0],
        [NAN, INF, NAN, NAN, NAN, NAN],
    ];
    let g = Graph::new();
    let (a, b) = (g.input_of(DType::F64, "a", (13,)), g.input_of(DType::F64, "b", (13,)));
    let y = a.logaddexp(b);
    let by_a = g.gradient(y.sum(), a);
    let zeros = a.zeros_like();
    let results = [
        ("y", y),
        ("by a", by_a),
        ("by b", g.gradient(y.sum(), b)),
        ("second", g.gradient(by_a.sum(), a)),
        ("forward by a", g.jvp(y, &[(a, a.ones_like()), (b, zeros)])),
        ("forward by b", g.jvp(y, &[(a, zeros), (b, b.ones_like())])),
    ]
    .map(|(name, result)| (name.to_string(), result));
    let column = |at: usize| -> Vec<f64> { cases.iter().map(|case| case[at]).collect() };
    let fed = [("a".to_string(), column(0).into()), ("b".to_string(), column(1).into())];
    let want = [("y", 2), ("by a", 3), ("by b", 4), ("second", 5), ("forward by a", 3), ("forward by b", 4)];
    for engine in [Evaluation::Reference, Evaluation::Compiled] {
        let out = run(&results, &fed, &options(engine, 1)).expect("it runs");
        for (name, at) in want {
            let found = out[name].array::<f64>().expect("f64");
            for (case, (found, want)) in cases.iter().zip(found.iter().zip(column(at))) {
                // NaN has any slope.
                let is_right = *found == want || case[0].is_nan() && (name != "y" || found.is_nan());
                // Within 4 units in the last place.
                assert!(is_right || (found / want - 1.0).abs() < 1e-15, "{name} at {case:?}: {found}, {engine:?}");
            }
        }
    }
}

/// The tiled, padded and selected elements are the elements, for every dtype: NaN and the sign of 0 are kept.
#[test]
fn movement_keeps_every_element_of_every_dtype() {
    let g = Graph::new();
    let special = g.constant([f64::NAN, -0.0, f64::INFINITY]);
    let moved = [
        special.stack([special], 0).slice(1),
        special.split([0, 3], 0)[1],
        special.tile((2,)).slice(3..),
        special.pad([(2, 1)], f64::NAN).slice(2..5),
        special.pad([(2, 1)], -0.0).slice(2..5),
        special.pad([(2, 1)], 0.0).slice(2..5),
        special.diag().diagonal(),
        special.slice(Index::from(..).step(-1)).slice(Index::from(..).step(-1)),
        special.gather_nd([g.iota(DType::I64, (3,), 0)]),
    ];
    let zeros = [special.diag().slice((0, 1)), special.pad([(1, 0)], -0.0).slice(0)];
    let results: Vec<(String, Expr<'_>)> =
        moved.into_iter().chain(zeros).enumerate().map(|(n, result)| (n.to_string(), result)).collect();
    for engine in [Evaluation::Reference, Evaluation::Compiled] {
        let out = run(&results, &[], &options(engine, 1)).expect("it runs");
        for n in 0..9 {
            let found: Vec<u64> =
                out[&*n.to_string()].array::<f64>().expect("f64").iter().map(|x| x.to_bits()).collect();
            assert_eq!(found, [f64::NAN, -0.0, f64::INFINITY].map(f64::to_bits), "{n}, {engine:?}");
        }
        let zero = |n: &str| out.scalar::<f64>(n).expect("a scalar").to_bits();
        assert_eq!((zero("9"), zero("10")), (0, (-0.0f64).to_bits()), "{engine:?}");
    }

    let truth = g.constant([true, false]);
    let count = g.constant([i64::MAX, i64::MIN]);
    let results = [
        ("padded truth", truth.pad([(1, 0)], true), Value::from([true, true, false])),
        ("truth on a diagonal", truth.diag(), array![[true, false], [false, false]].into()),
        ("tiled truth", truth.tile((2,)), Value::from([true, false, true, false])),
        (
            "padded count",
            count.pad([(1, 1)], i64::MAX - 1),
            Value::from([i64::MAX - 1, i64::MAX, i64::MIN, i64::MAX - 1]),
        ),
        ("count on a diagonal", count.diag().diagonal(), Value::from([i64::MAX, i64::MIN])),
        ("count by a scalar", count.pad([(1, 0)], count.slice(1)), Value::from([i64::MIN, i64::MAX, i64::MIN])),
        ("identity of truth", g.eye(2, DType::Bool), array![[true, false], [false, true]].into()),
        ("full of integers", g.full(i64::MIN, (2,)), Value::from([i64::MIN; 2])),
        ("full of truth", g.full(true, (1, 2)), array![[true, true]].into()),
        ("full like integers", count.full_like(i64::MAX - 1), Value::from([i64::MAX - 1; 2])),
        ("trace of integers", count.diag().trace(), Value::from(-1i64)),
    ];
    let named: Vec<(String, Expr<'_>)> = results.iter().map(|(name, of, _)| (name.to_string(), *of)).collect();
    for engine in [Evaluation::Reference, Evaluation::Compiled] {
        let out = run(&named, &[], &options(engine, 1)).expect("it runs");
        for (name, _, want) in &results {
            assert_eq!(out[*name], *want, "{name}, {engine:?}");
        }
    }
}

/// The value around an array is a number of the graph too.
#[test]
fn the_value_of_a_padding_has_a_derivative() {
    let g = Graph::new();
    let (x, value) = (g.input_of(DType::F64, "x", (2, 2)), g.input_of(DType::F64, "value", ()));
    let padded = x.pad([(1, 0), (2, 1)], value);
    let at = [(x, array![[1.0, 2.0], [3.0, 4.0]].into()), (value, 0.5.into())];
    let proof = prove_expression(padded.square(), &at, Smoothness::Smooth);
    assert!(proof.is_ok(), "{}", proof.unwrap_err());
}

#[test]
fn constants_take_any_dtype_that_has_all_of_their_numbers() {
    let g = Graph::new();
    let held: [(DType, Value, Value); 9] = [
        (
            DType::F32,
            [0.1f64, f64::INFINITY, f64::NEG_INFINITY].into(),
            [0.1f32, f32::INFINITY, f32::NEG_INFINITY].into(),
        ),
        (DType::F32, [1i64 << 53, -3].into(), [9007199254740992.0f32, -3.0].into()),
        (DType::F64, array![[0.5f32], [-0.0]].into(), array![[0.5], [-0.0]].into()),
        (DType::F64, true.into(), 1.0.into()),
        (DType::I64, [3.0f32, -4.0].into(), [3i64, -4].into()),
        (DType::I64, [i64::MAX, i64::MIN].into(), [i64::MAX, i64::MIN].into()),
        (DType::I64, vec![false, true].into(), vec![0i64, 1].into()),
        (DType::Bool, [0.0, 1.0].into(), [false, true].into()),
        (DType::Bool, Value::from(vec![0i64; 0]), Value::from(vec![false; 0])),
    ];
    for (dtype, value, want) in held {
        let label = format!("{value:?} as {dtype}");
        let results = [("y".to_string(), g.constant_of(dtype, value))];
        assert_eq!(run(&results, &[], &options(Evaluation::Compiled, 1)).expect("it runs")["y"], want, "{label}");
    }
    let refused: [(DType, Value); 6] = [
        (DType::F32, [1.0, 1e40].into()),
        (DType::I64, 0.5f32.into()),
        (DType::I64, f64::NAN.into()),
        (DType::I64, f64::INFINITY.into()),
        (DType::I64, 9.3e18.into()),
        (DType::Bool, [1i64, 2].into()),
    ];
    let n_refused = refused.len();
    assert!(refused.into_iter().all(|(dtype, value)| g.constant_of(dtype, value).is_poisoned()));
    assert_eq!(g.check().expect_err("none is held").0.len(), n_refused);
}

#[test]
fn assignment_is_the_operator_under_the_line_where_it_is_written() {
    let g = Graph::new();
    let (x, y) = (g.input_of(DType::F64, "x", ()), g.input_of(DType::F64, "y", ()));
    let mut all = x;
    all += y;
    let line = line!() - 1;
    all *= 3.0;
    all -= x;
    all /= 2;
    assert!(x.name().is_some_and(|name| name == "x"), "the handle that was copied stays what it was");
    let out = run(
        &[("all".to_string(), all)],
        &[("x".to_string(), 5.0.into()), ("y".to_string(), 1.0.into())],
        &Options::default(),
    );
    assert_eq!(out.expect("it runs").scalar("all"), Ok(6.5));
    let added = g.ids().map(|id| g.expr(id)).find(|expr| expr.op().name() == "add").expect("there is a sum");
    assert_eq!((added.site().file, added.site().line), ("tests/it/arrange.rs", line));
}

#[test]
fn a_sum_of_terms_has_the_lines_of_its_terms() {
    let g = Graph::new();
    let terms = [g.input("a", (2,)), g.input("b", (2,)), g.input("c", (3,))];
    let line = line!() - 1;
    assert!(terms[..0].iter().copied().sum::<Option<Expr<'_>>>().is_none());
    assert!(terms[..1].iter().copied().sum::<Option<Expr<'_>>>().is_some_and(|sum| sum.is_same(terms[0])));
    let two = terms[..2].iter().copied().sum::<Option<Expr<'_>>>().expect("two terms");
    assert!(matches!(two.op(), Op::Binary(_)) && two.operands()[1].is_same(terms[1]));
    assert!(terms.into_iter().sum::<Option<Expr<'_>>>().expect("three terms").is_poisoned());
    let told = g.check().expect_err("the third does not fit").0;
    assert_eq!((told.len(), told[0].site.file, told[0].site.line), (1, "tests/it/arrange.rs", line));
}

#[test]
fn slices_and_vectors_are_arrays_of_one_axis() {
    let g = Graph::new();
    let x = g.input("x", ("n",));
    let mut program = g.compile([("y", x * 2.0)]).expect("no mistake");
    let fed = vec![1.0f32, 2.0, 3.0];
    let mut run = |x: &dyn AsView| program.call(("x", x.as_view())).expect("it runs")["y"].clone();
    assert_eq!(run(&fed), Value::from(vec![2.0f32, 4.0, 6.0]));
    assert_eq!(run(&&fed[1..]), Value::from(&[4.0f32, 6.0][..]));
    assert_eq!(run(&[0.5f32; 2]), Value::from([1.0f32; 2]));
    assert_eq!(run(&[0.0f32; 0]), Value::from(Array1::<f32>::zeros(0)));

    let (mut vector, mut slice) = (vec![0.0f32; 3], [0.0f32; 4]);
    program.run_into((), ("x", &fed), ("y", &mut vector)).expect("it runs");
    program.run_into((), ("x", &fed), ("y", &mut slice[1..])).expect("it runs");
    assert_eq!((vector, slice), (vec![2.0, 4.0, 6.0], [0.0, 2.0, 4.0, 6.0]));
}
