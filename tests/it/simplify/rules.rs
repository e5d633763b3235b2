//! Every rule of the table: a graph where it fires, one where it must not, and the values of the first before and after,
//! on numbers with ±0, ±∞, NaN and subnormals among them.

#![allow(clippy::eq_op, clippy::erasing_op, reason = "x − x and x·0 are what the rules are about")]

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn, array};
use pullback::{
    AllAxes, Convolve, DType, Dim, Expr, Graph, Rewrites, Value,
    graph::{Axes, Broadcast, DotGeneral, Op, Pad, Reduce, Reduction, Reverse, ScatterAdd, Slice, Transpose},
    simplify::{Class, rules},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{cost, evaluate, numbers};

/// The inputs of every case.
struct Inputs<'g> {
    g: &'g Graph,
    /// `f64[3, 4]`, three of them.
    x: Expr<'g>,
    y: Expr<'g>,
    z: Expr<'g>,
    /// `f64[4]`, `f64[3]`, `f64[3, 1]`, `f64[]`, `f64[4, 3]`, `f64[n, 4]`.
    row: Expr<'g>,
    column: Expr<'g>,
    tall: Expr<'g>,
    scalar: Expr<'g>,
    wide: Expr<'g>,
    batch: Expr<'g>,
    /// `bool[3, 4]`.
    p: Expr<'g>,
    q: Expr<'g>,
    /// `i64[3, 4]`.
    i: Expr<'g>,
    j: Expr<'g>,
}

type Build = for<'g> fn(&Inputs<'g>) -> Expr<'g>;

/// A rule with a graph where it fires and one where it must not.
struct Case {
    rule: &'static str,
    fires: Build,
    stays: Build,
}

fn inputs(g: &Graph) -> Inputs<'_> {
    Inputs {
        g,
        x: g.input_of(DType::F64, "x", (3, 4)),
        y: g.input_of(DType::F64, "y", (3, 4)),
        z: g.input_of(DType::F64, "z", (3, 4)),
        row: g.input_of(DType::F64, "row", (4,)),
        column: g.input_of(DType::F64, "column", (3,)),
        tall: g.input_of(DType::F64, "tall", (3, 1)),
        scalar: g.input_of(DType::F64, "scalar", ()),
        wide: g.input_of(DType::F64, "wide", (4, 3)),
        batch: g.input_of(DType::F64, "batch", ("n", 4)),
        p: g.input_of(DType::Bool, "p", (3, 4)),
        q: g.input_of(DType::Bool, "q", (3, 4)),
        i: g.input_of(DType::I64, "i", (3, 4)),
        j: g.input_of(DType::I64, "j", (3, 4)),
    }
}

const SPECIAL: [f64; 12] = [
    0.0,
    -0.0,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    f64::MIN_POSITIVE / 8.0,
    -f64::MIN_POSITIVE / 3.0,
    f64::MIN_POSITIVE,
    1.0,
    -1.0,
    f64::MAX,
    f64::MIN,
];

/// Values for every input. Of special numbers the first `n_special` are among them.
fn feed(seed: u64, n_special: usize) -> BTreeMap<String, Value> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut float = |shape: &[usize]| {
        Value::F64(ArrayD::from_shape_simple_fn(IxDyn(shape), || match rng.random_range(0..3) {
            0 if n_special > 0 => SPECIAL[rng.random_range(0..n_special)],
            1 => rng.random_range(-30.0..30.0),
            _ => rng.random_range(-2.0..2.0),
        }))
    };
    let shapes: [(&str, &[usize]); 10] = [
        ("x", &[3, 4]),
        ("y", &[3, 4]),
        ("z", &[3, 4]),
        ("row", &[4]),
        ("column", &[3]),
        ("tall", &[3, 1]),
        ("scalar", &[]),
        ("wide", &[4, 3]),
        ("batch", &[5, 4]),
        ("m", &[6]),
    ];
    let mut feed: BTreeMap<String, Value> =
        shapes.into_iter().map(|(name, shape)| (name.to_owned(), float(shape))).collect();
    for name in ["p", "q"] {
        let truth = ArrayD::from_shape_simple_fn(IxDyn(&[3, 4]), || rng.random_bool(0.5));
        feed.insert(name.to_owned(), Value::Bool(truth));
    }
    let integers = [0, 1, -1, 7, i64::MAX, i64::MIN];
    for name in ["i", "j"] {
        let array = ArrayD::from_shape_simple_fn(IxDyn(&[3, 4]), || integers[rng.random_range(0..integers.len())]);
        feed.insert(name.to_owned(), Value::I64(array));
    }
    feed
}

/// Four numbers.
fn four<'g>(v: &Inputs<'g>) -> [Expr<'g>; 4] {
    [0, 1, 2, 3].map(|column| v.row.slice(column))
}

/// What a loop over pairs of small matrices gives of a sum and of both: of squares, since a sum in another order is as exact as its terms
/// are large.
fn summed_products<'g>(v: &Inputs<'g>, next: fn(Expr<'g>, Expr<'g>, Expr<'g>) -> Expr<'g>) -> Expr<'g> {
    let [x, y] = [v.x, v.y].map(|x| x.square().reshape((3, 2, 2)));
    v.g.scan(v.row.square().reshape((2, 2)), (x, y), |sum, (x, y)| (next(sum, x, y), ())).0
}

/// What a loop gives of a carry and of what another one stacked.
fn of_saved<'g>(v: &Inputs<'g>, next: fn(Expr<'g>, Expr<'g>) -> Expr<'g>) -> Expr<'g> {
    let (_, stack) = v.g.scan(v.row, v.x, |h, x| ((h * x).sin(), h * x));
    v.g.scan(v.row, stack, |c, s| (next(c, s), ())).0
}

fn axes(axes: &[usize]) -> Axes {
    Axes::from(axes)
}

fn apply<'g>(op: impl Into<Op>, x: Expr<'g>) -> Expr<'g> {
    x.graph().apply_op(op.into(), &[x])
}

fn broadcast<'g>(x: Expr<'g>, places: &[usize], shape: &[i64]) -> Expr<'g> {
    apply(Broadcast { axes: axes(places), shape: shape.into() }, x)
}

fn transpose<'g>(x: Expr<'g>, permutation: &[usize]) -> Expr<'g> {
    apply(Transpose { permutation: axes(permutation) }, x)
}

fn reduce<'g>(x: Expr<'g>, kind: Reduction, over: &[usize]) -> Expr<'g> {
    apply(Reduce { kind, axes: axes(over) }, x)
}

fn slice<'g>(x: Expr<'g>, start: [i64; 2], stop: [i64; 2]) -> Expr<'g> {
    let dims = |numbers: [i64; 2]| numbers.into_iter().map(Dim::from).collect();
    apply(Slice { start: dims(start), stop: dims(stop), step: axes(&[1, 1]) }, x)
}

fn pad<'g>(x: Expr<'g>, low: [i64; 2], high: [i64; 2]) -> Expr<'g> {
    let dims = |numbers: [i64; 2]| numbers.into_iter().map(Dim::from).collect();
    apply(Pad { low: dims(low), high: dims(high), interior: axes(&[0, 0]) }, x)
}

fn dot<'g>(x: Expr<'g>, y: Expr<'g>, left: &[usize], right: &[usize]) -> Expr<'g> {
    let dot = DotGeneral {
        left_batch: Axes::new(),
        right_batch: Axes::new(),
        left_contract: axes(left),
        right_contract: axes(right),
    };
    x.dot_general(y, dot)
}

/// The column at places of a row of each row.
fn scatter<'g>(v: &Inputs<'g>) -> Expr<'g> {
    let index = v.g.constant(array![[1i64], [0], [3]]);
    v.g.apply_op(ScatterAdd { axis: 1, batch: 1 }.into(), &[v.x.zeros_like(), index, v.column.unsqueeze(-1)])
}

fn shifted(x: Expr<'_>) -> Expr<'_> {
    x - x.max_over(-1).unsqueeze(-1)
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { rule: "common-subexpression", fires: |v| v.x.tanh() * v.x.tanh() + v.x * v.y - v.y * v.x, stays: |v| (v.x - v.y) * (v.y - v.x) },
    Case { rule: "uniform-constant", fires: |v| v.g.constant(array![2.0, 2.0, 2.0, 2.0]) * v.row, stays: |v| v.g.constant(array![0.0, -0.0, 0.0, 0.0]) * v.row },
    Case { rule: "fold-dim-size", fires: |v| v.g.dim_size(6, DType::F64) * v.scalar, stays: |v| v.g.dim_size("n", DType::F64) * v.batch.sum() },
    Case { rule: "fold-literals", fires: |v| v.x * (v.x.ones_like() * 3.0).exp(), stays: |v| v.x * (v.y * 3.0).exp() },
    Case { rule: "fold-moved-literal", fires: |v| v.x * v.row.ones_like().reverse(0).broadcast_to((3, 4)), stays: |v| v.x * pad(slice(v.x, [0, 0], [2, 4]).ones_like(), [0, 0], [1, 0]) },
    Case { rule: "fold-reduced-literal", fires: |v| v.column * v.x.ones_like().max_over(1), stays: |v| v.scalar * v.batch.ones_like().max() },
    Case { rule: "fold-small-constants", fires: |v| v.row * v.g.constant(array![1.0, 2.0, -0.0, f64::NAN]).exp(), stays: |v| v.row * v.g.iota(DType::F64, (4,), 0).exp() },
    Case { rule: "neg-neg", fires: |v| -(-v.x), stays: |v| -v.x.abs() },
    Case { rule: "add-neg", fires: |v| v.x + -v.y, stays: |v| v.x + v.y },
    Case { rule: "sub-neg", fires: |v| v.x - -v.y, stays: |v| -v.x - v.y },
    Case { rule: "mul-neg-neg", fires: |v| -v.x * -v.y, stays: |v| -v.x * v.y },
    Case { rule: "div-neg-neg", fires: |v| -v.x / -v.y, stays: |v| -v.x / v.y },
    Case { rule: "mul-minus-one", fires: |v| v.x * -1.0, stays: |v| v.x * -2.0 },
    Case { rule: "div-minus-one", fires: |v| v.x / -1.0, stays: |v| -1.0 / v.x },
    Case { rule: "minus-zero-sub", fires: |v| -0.0 - v.x, stays: |v| 0.0 - v.x },
    Case { rule: "neg-of-mul-literal", fires: |v| -(3.0 * v.x), stays: |v| -(v.x * v.y) },
    Case { rule: "neg-of-div-literal", fires: |v| -(3.0 / v.x), stays: |v| -(v.x / v.y) },
    Case { rule: "neg-of-div-by-literal", fires: |v| -(v.x / 3.0), stays: |v| -(3.0 / v.x) },
    Case { rule: "mul-literal-of-neg", fires: |v| 3.0 * -v.x, stays: |v| v.y * -v.x },
    Case { rule: "div-literal-of-neg", fires: |v| 3.0 / -v.x, stays: |v| v.y / -v.x },
    Case { rule: "div-of-neg-by-literal", fires: |v| -v.x / 3.0, stays: |v| -v.x / v.y },
    Case { rule: "sign-outwards", fires: |v| -v.x * v.y - v.z / -v.x.abs(), stays: |v| { let negated = -v.x; negated * v.y + negated.sin() } },
    Case { rule: "abs-neg", fires: |v| (-v.x).abs(), stays: |v| (-v.x).sin() },

    Case { rule: "mul-one", fires: |v| 1.0 * v.x, stays: |v| v.x * v.scalar },
    Case { rule: "div-one", fires: |v| v.x / 1.0, stays: |v| 1.0 / v.x },
    Case { rule: "sub-zero", fires: |v| v.x - 0.0, stays: |v| v.x - -0.0 },
    Case { rule: "add-minus-zero", fires: |v| -0.0 + v.x, stays: |v| 0.0 + v.x },
    Case { rule: "add-zero-integer", fires: |v| v.i + 0, stays: |v| v.x + 0.0 },
    Case { rule: "sub-self-integer", fires: |v| v.i - v.i, stays: |v| v.x - v.x },
    Case { rule: "mul-zero-integer", fires: |v| v.i * 0, stays: |v| v.x * 0.0 },
    Case { rule: "div-power-of-two", fires: |v| v.x / 8.0, stays: |v| v.x / 3.0 },
    Case { rule: "pow-zero", fires: |v| v.x.pow(0.0), stays: |v| v.x.pow(v.y) },
    Case { rule: "pow-one", fires: |v| v.x.pow(1.0), stays: |v| v.x.pow(2.0) },
    Case { rule: "integer-power", fires: |v| v.x.powi(2) + v.y.powi(1) * v.z.powi(-1) - v.y.powi(0), stays: |v| v.x.powi(3) },
    Case { rule: "maximum-self", fires: |v| v.x.maximum(v.x), stays: |v| v.x.maximum(v.y) },
    Case { rule: "minimum-self", fires: |v| v.x.minimum(v.x), stays: |v| v.x.minimum(v.y) },
    Case { rule: "maximum-least", fires: |v| v.x.maximum(f64::NEG_INFINITY), stays: |v| v.x.maximum(f64::INFINITY) },
    Case { rule: "minimum-greatest", fires: |v| v.x.minimum(f64::INFINITY), stays: |v| v.x.minimum(f64::NEG_INFINITY) },
    Case { rule: "abs-abs", fires: |v| v.x.abs().abs(), stays: |v| v.x.sin().abs() },
    Case { rule: "relu-relu", fires: |v| v.x.relu().relu(), stays: |v| v.x.tanh().relu() },
    Case { rule: "relu-abs", fires: |v| v.x.abs().relu(), stays: |v| v.x.sqrt().relu() },
    Case { rule: "abs-relu", fires: |v| v.x.relu().abs(), stays: |v| v.x.sqrt().abs() },
    Case { rule: "relu-exp", fires: |v| v.x.exp().relu(), stays: |v| v.x.expm1().relu() },
    Case { rule: "relu-sigmoid", fires: |v| v.x.sigmoid().relu(), stays: |v| v.x.tanh().relu() },
    Case { rule: "sign-sign", fires: |v| v.x.sign().sign(), stays: |v| v.x.sign().floor() },
    Case { rule: "floor-floor", fires: |v| v.x.floor().floor(), stays: |v| v.x.floor().ceil() },
    Case { rule: "ceil-ceil", fires: |v| v.x.ceil().ceil(), stays: |v| v.x.ceil().round() },
    Case { rule: "round-round", fires: |v| v.x.round().round(), stays: |v| v.x.round().floor() },
    Case {
        rule: "with-derivative",
        fires: |v| v.x.graph().with_derivative(v.x, v.x.tanh(), |_, _, tangent| tangent),
        stays: |v| v.x.tanh(),
    },
    Case { rule: "stop-gradient", fires: |v| v.x.stop_gradient(), stays: |v| v.x.tanh() },
    Case { rule: "cast-to-same", fires: |v| apply(pullback::graph::Cast { dtype: DType::F64 }, v.x), stays: |v| v.x.cast(DType::F32) },
    Case { rule: "cast-of-cast", fires: |v| v.p.cast(DType::F32).cast(DType::I64), stays: |v| v.x.cast(DType::F32).cast(DType::F64) },

    Case { rule: "select-same", fires: |v| v.p.select(v.x, v.x), stays: |v| v.p.select(v.x, v.y) },
    Case { rule: "select-true", fires: |v| v.p.ones_like().select(v.x, v.y), stays: |v| v.p.select(v.x, v.y) },
    Case { rule: "select-false", fires: |v| v.p.zeros_like().select(v.x, v.y), stays: |v| v.p.select(v.y, v.x) },
    Case { rule: "select-not", fires: |v| v.p.logical_not().select(v.x, v.y), stays: |v| v.x.is_nan().select(v.x, v.y) },
    Case { rule: "select-select-true", fires: |v| v.p.select(v.p.select(v.x, v.y), v.z), stays: |v| v.p.select(v.q.select(v.x, v.y), v.z) },
    Case { rule: "select-select-false", fires: |v| v.p.select(v.x, v.p.select(v.y, v.z)), stays: |v| v.p.select(v.x, v.q.select(v.y, v.z)) },
    Case { rule: "not-not", fires: |v| v.p.logical_not().logical_not(), stays: |v| v.p.logical_not() },
    Case { rule: "not-equal", fires: |v| v.x.equal(v.y).logical_not(), stays: |v| v.x.less(v.y).logical_not() },
    Case { rule: "not-not-equal", fires: |v| v.x.not_equal(v.y).logical_not(), stays: |v| v.x.is_nan().logical_not() },
    Case { rule: "not-less-integer", fires: |v| v.i.less(v.j).logical_not(), stays: |v| v.x.less(v.y).logical_not() },
    Case { rule: "not-less-equal-integer", fires: |v| v.i.less_equal(v.j).logical_not(), stays: |v| v.x.less_equal(v.y).logical_not() },
    Case { rule: "not-greater-integer", fires: |v| v.i.greater(v.j).logical_not(), stays: |v| v.x.greater(v.y).logical_not() },
    Case { rule: "not-greater-equal-integer", fires: |v| v.i.greater_equal(v.j).logical_not(), stays: |v| v.x.greater_equal(v.y).logical_not() },
    Case { rule: "and-true", fires: |v| v.p.and(true), stays: |v| v.p.and(v.q) },
    Case { rule: "and-false", fires: |v| v.p.and(false), stays: |v| v.p.or(false) },
    Case { rule: "or-true", fires: |v| v.p.or(true), stays: |v| v.p.and(true) },
    Case { rule: "or-false", fires: |v| v.p.or(false), stays: |v| v.p.or(v.q) },
    Case { rule: "xor-true", fires: |v| v.p.xor(true), stays: |v| v.p.xor(v.q) },
    Case { rule: "xor-false", fires: |v| v.p.xor(false), stays: |v| v.p.xor(true) },
    Case { rule: "and-self", fires: |v| v.p.and(v.p), stays: |v| v.p.and(v.q) },
    Case { rule: "or-self", fires: |v| v.p.or(v.p), stays: |v| v.p.or(v.q) },
    Case { rule: "xor-self", fires: |v| v.p.xor(v.p), stays: |v| v.p.xor(v.q) },
    Case { rule: "and-absorbs", fires: |v| v.p.and(v.q.or(v.p)), stays: |v| v.p.and(v.q.xor(v.p)) },
    Case { rule: "or-absorbs", fires: |v| v.q.and(v.p).or(v.p), stays: |v| v.q.xor(v.p).or(v.p) },
    Case { rule: "and-and", fires: |v| v.p.and(v.q).and(v.q), stays: |v| v.p.and(v.q).and(v.x.is_nan()) },
    Case { rule: "or-or", fires: |v| v.p.or(v.q).or(v.q), stays: |v| v.p.or(v.q).or(v.x.is_nan()) },
    Case { rule: "and-contradiction", fires: |v| v.p.logical_not().and(v.p), stays: |v| v.p.logical_not().and(v.q) },
    Case { rule: "or-excluded-middle", fires: |v| v.p.logical_not().or(v.p), stays: |v| v.p.logical_not().or(v.q) },

    Case { rule: "same-shape", fires: |v| broadcast(v.x, &[0, 1], &[3, 4]), stays: |v| broadcast(v.row, &[1], &[3, 4]) },
    Case { rule: "broadcast-as-reshape", fires: |v| broadcast(v.row, &[1], &[1, 4]), stays: |v| broadcast(v.row, &[1], &[2, 4]) },
    Case { rule: "broadcast-of-broadcast", fires: |v| v.row.broadcast_to((3, 4)).broadcast_to((2, 3, 4)), stays: |v| v.x.tanh().broadcast_to((2, 3, 4)) },
    Case { rule: "broadcast-of-unit-axes", fires: |v| v.column.unsqueeze(-1).broadcast_to((3, 4)), stays: |v| v.tall.broadcast_to((3, 4)) },
    Case { rule: "reshape-of-reshape", fires: |v| v.x.reshape((2, 6)).reshape((12,)), stays: |v| v.x.tanh().reshape((12,)) },
    Case { rule: "transpose-of-transpose", fires: |v| v.x.t().t(), stays: |v| v.x.t() },
    Case { rule: "transpose-by-identity", fires: |v| transpose(v.x, &[0, 1]), stays: |v| transpose(v.x, &[1, 0]) },
    Case { rule: "transpose-as-reshape", fires: |v| v.tall.t(), stays: |v| v.x.t() },
    Case { rule: "slice-of-whole", fires: |v| slice(v.x, [0, 0], [3, 4]), stays: |v| slice(v.x, [0, 0], [3, 3]) },
    Case { rule: "slice-of-slice", fires: |v| slice(slice(v.x, [1, 0], [3, 4]), [1, 2], [2, 4]), stays: |v| slice(v.x.slice((.., pullback::Index::from(0..).step(2))), [1, 0], [2, 2]) },
    Case { rule: "slice-of-pad", fires: |v| slice(pad(v.x, [1, 2], [0, 1]), [1, 3], [4, 5]), stays: |v| slice(pad(v.x, [1, 2], [0, 1]), [0, 3], [4, 5]) },
    Case { rule: "slice-of-concat", fires: |v| slice(v.x.concat([v.y], 0), [3, 1], [5, 3]), stays: |v| slice(v.x.concat([v.y], 0), [2, 1], [5, 3]) },
    Case { rule: "pad-by-nothing", fires: |v| pad(v.x, [0, 0], [0, 0]), stays: |v| pad(v.x, [0, 0], [0, 1]) },
    Case { rule: "reverse-of-reverse", fires: |v| v.x.reverse(AllAxes).reverse(0), stays: |v| v.x.reverse(0) },
    Case { rule: "reverse-of-nothing", fires: |v| apply(Reverse { axes: axes(&[1]) }, v.tall), stays: |v| v.tall.reverse(0) },
    Case { rule: "concat-of-one", fires: |v| v.x.concat([], 0), stays: |v| v.x.concat([v.x], 0) },

    Case { rule: "sink-broadcast", fires: |v| (v.row.broadcast_to((3, 4)) * 2.0).exp(), stays: |v| { let b = v.row.broadcast_to((3, 4)); b.cast(DType::F32).cast(DType::F64) + b * v.x } },
    Case { rule: "sink-nested-broadcast", fires: |v| broadcast(v.row, &[2], &[5, 6, 4]) * broadcast(v.scalar, &[], &[5, 6, 4]), stays: |v| broadcast(v.row, &[2], &[5, 3, 4]) * broadcast(v.column, &[1], &[5, 3, 4]) },
    Case { rule: "sink-unit-axes", fires: |v| (v.column.unsqueeze(-1) * 2.0).exp(), stays: |v| v.column.unsqueeze(-1) + v.tall },
    Case { rule: "sink-transpose", fires: |v| v.x.t().exp(), stays: |v| { let t = v.x.t(); t.exp() + t } },

    Case { rule: "reduce-no-axes", fires: |v| reduce(v.x, Reduction::Sum, &[]), stays: |v| reduce(v.x, Reduction::Sum, &[1]) },
    Case { rule: "extreme-of-unit-axes", fires: |v| v.tall.max_over(1) * v.tall.prod(), stays: |v| v.x.max_over(1) },
    Case { rule: "sum-of-unit-axes", fires: |v| v.tall.sum_over(1), stays: |v| v.tall.sum_over(0) },
    Case { rule: "extreme-after-unit-axes", fires: |v| v.x.unsqueeze(1).min_over(2), stays: |v| v.x.reshape((2, 6)).min_over(0) },
    Case { rule: "sum-after-unit-axes", fires: |v| v.x.unsqueeze(1).sum_over(2), stays: |v| v.x.reshape((2, 6)).sum_over(0) },
    Case { rule: "extreme-of-broadcast", fires: |v| v.row.broadcast_to((3, 4)).max_over(0), stays: |v| v.row.broadcast_to((3, 4)).max_over(1) },
    Case { rule: "sum-of-broadcast", fires: |v| v.row.broadcast_to((3, 4)).sum_over(0) * v.tall.broadcast_to((2, 3, 4)).sum(), stays: |v| v.row.broadcast_to(("m", 4)).sum_over(0) + v.g.input_of(DType::F64, "m", ("m",)).sum() },
    Case { rule: "sum-of-literal", fires: |v| v.batch.ones_like().sum() * v.scalar, stays: |v| v.scalar * v.x.filled_with_infinity().sum() },
    Case { rule: "reduce-of-transpose", fires: |v| v.x.t().sum_over(0), stays: |v| v.x.t().sum() },
    Case { rule: "extreme-of-extreme", fires: |v| v.x.max_over(0).max(), stays: |v| v.x.max_over(0).min() },
    Case { rule: "sum-of-sum", fires: |v| v.x.sum_over(0).sum(), stays: |v| { let rows = v.x.sum_over(0); rows.sum() * rows } },
    Case { rule: "sum-of-scaled", fires: |v| (v.x * 3.0).sum_over(0) + (v.y / 5.0).sum_over(0), stays: |v| { let scaled = v.x * 3.0; scaled.sum() * scaled } },
    Case { rule: "sum-of-row-scaled", fires: |v| (v.column.unsqueeze(-1) * v.x).sum_over(1), stays: |v| (v.row * v.x).sum_over(1) },
    Case { rule: "sum-of-scatter", fires: |v| { let s = scatter(v); s.sum_over(1) * s.max_over(1) }, stays: |v| scatter(v).sum_over(1) },
    Case { rule: "sum-of-parts", fires: |v| (0..4).map(|i| pad(slice(v.x, [0, i], [3, i + 1]), [0, i], [0, 3 - i])).fold(v.z, |sum, part| sum + part), stays: |v| pad(slice(v.x, [0, 0], [2, 4]), [0, 0], [1, 0]) + pad(slice(v.y, [1, 0], [3, 4]), [1, 0], [0, 0]) },
    Case { rule: "add-to-scatter", fires: |v| v.y + scatter(v), stays: |v| { let s = scatter(v); v.y + s + s.tanh() } },
    Case { rule: "sum-of-neg", fires: |v| (-v.x).sum_over(0), stays: |v| v.x.sum_over(0) },

    Case { rule: "dot-of-transpose", fires: |v| dot(v.x.t(), v.y, &[1], &[0]), stays: |v| dot(transpose(v.x.reshape((3, 2, 2)), &[0, 2, 1]), v.column, &[0], &[0]) },
    Case { rule: "convolution-of-whole", fires: |v| v.x.reshape((1, 3, 4)).convolve(v.y.reshape((1, 3, 4)), Convolve::valid().stride(2)), stays: |v| v.x.reshape((1, 3, 4)).convolve(v.y.reshape((1, 3, 4)), Convolve::valid().padding(1)) },
    Case { rule: "transpose-of-dot", fires: |v| v.x.dot(v.wide).t(), stays: |v| { let product = v.x.dot(v.wide); product.t() * product } },
    Case { rule: "dot-of-literal", fires: |v| v.x.dot(v.wide.ones_like() * 3.0) + (v.x.ones_like() * 3.0).dot(v.wide), stays: |v| v.x.dot(v.wide.zeros_like()) },
    Case { rule: "dot-of-scaled", fires: |v| (3.0 * v.x).dot(v.row), stays: |v| (3.0 * v.column).dot(v.row.reshape((1, 4)).broadcast_to((3, 4))).unsqueeze(0).dot(v.wide * v.wide) },
    Case { rule: "dot-of-neg", fires: |v| (-v.x).dot(v.row), stays: |v| { let negated = -v.x; negated.dot(v.row).sum() * negated } },

    Case { rule: "add-zero", fires: |v| v.x + 0.0, stays: |v| v.x + 1.0 },
    Case {
        rule: "sum-of-choices",
        fires: |v| v.p.select(v.x, 0.0) + v.p.select(0.0, v.y) + v.q.select(v.z, v.x) + v.q.select(0.0, v.z),
        stays: |v| v.p.select(v.x, 0.0) + v.q.select(0.0, v.y),
    },
    Case { rule: "zero-sub", fires: |v| 0.0 - v.x, stays: |v| 1.0 - v.x },
    Case { rule: "pow-two", fires: |v| v.x.pow(2.0), stays: |v| v.x.pow(3.0) },
    Case { rule: "literal-into-broadcast", fires: |v| 3.0 * (v.row * v.x) + v.column.unsqueeze(-1) * (v.y * 0.1), stays: |v| { let product = v.row * v.x; 3.0 * product + product } },
    Case { rule: "mul-literals", fires: |v| 3.0 * (v.x * 5.0), stays: |v| 3.0 * (v.x * 0.1) },

    Case { rule: "mul-any-literals", fires: |v| 3.0 * (v.x * 0.1), stays: |v| 1e-200 * (v.x * 1e-200) },
    Case { rule: "log-of-slope-of-tanh", fires: |v| { let t = (1.5 * v.x.tanh()).tanh(); (1.0 - t * t).log() + (1.0 - v.y.sin().tanh().powi(2)).log() }, stays: |v| (1.0 - v.x.tanh() * v.y.tanh()).log() },
    Case { rule: "log1p-of-neg", fires: |v| (1.0 - v.x).log(), stays: |v| (1.5 - v.x).log() },
    Case { rule: "expm1", fires: |v| v.x.exp() - 1.0, stays: |v| 1.0 - v.x.exp() },
    Case { rule: "expm1-of-add", fires: |v| v.x.exp() + -1.0, stays: |v| v.x.exp() + 1.0 },
    Case { rule: "one-minus-exp", fires: |v| 1.0 - v.x.exp(), stays: |v| 2.0 - v.x.exp() },
    Case { rule: "log-of-one-minus-exp", fires: |v| (1.0 - v.x.exp()).log() + (-v.y.exp()).log1p(), stays: |v| (1.0 - v.x.tanh()).log() },
    Case { rule: "log-of-expm1", fires: |v| v.x.expm1().log() + (v.y.exp() - 1.0).log(), stays: |v| v.x.tanh().log() },
    Case { rule: "softplus-of-log", fires: |v| (v.x.exp() + 1.0).log(), stays: |v| (v.x.exp() + 2.0).log() },
    Case { rule: "softplus-of-log1p", fires: |v| v.x.exp().log1p(), stays: |v| v.x.tanh().log1p() },
    Case { rule: "sigmoid", fires: |v| 1.0 / (1.0 + (-v.x).exp()), stays: |v| 2.0 / (1.0 + (-v.x).exp()) },
    Case { rule: "sigmoid-of-neg", fires: |v| { let sum = 1.0 + v.x.exp(); 1.0 / sum + sum }, stays: |v| 1.0 / (2.0 + v.x.exp()) },
    Case { rule: "sigmoid-of-quotient", fires: |v| { let e = v.x.exp(); e / (1.0 + e) }, stays: |v| v.x.exp() / (1.0 + v.y.exp()) },
    Case { rule: "sigmoid-of-divisor", fires: |v| v.x / (1.0 + (-v.x).exp()), stays: |v| v.x / (2.0 + (-v.x).exp()) },
    Case { rule: "tanh-of-exps", fires: |v| { let (e, f) = (v.x.exp(), (-v.x).exp()); (e - f) / (e + f) }, stays: |v| { let (e, f) = (v.x.exp(), (-v.x).exp()); (e + f) / (e - f) } },
    Case { rule: "one-minus-sigmoid", fires: |v| { let y = v.x.sigmoid(); y * (1.0 - y) + (1.0 - v.y.sigmoid().reverse(0)) }, stays: |v| 2.0 - v.x.sigmoid() },
    Case { rule: "sigmoid-of-exp", fires: |v| { let e = v.x.exp(); (v.y * (-v.x).sigmoid()) * e + e * (-v.x).sigmoid() }, stays: |v| v.x.exp() * v.x.sigmoid() },
    Case { rule: "log-sigmoid", fires: |v| { let y = v.x.sigmoid(); y * y.log() }, stays: |v| v.x.tanh().log() },
    Case { rule: "softmax", fires: |v| { let e = v.x.exp(); e / e.sum_over(-1).unsqueeze(-1) + e / e.sum_over(0) }, stays: |v| { let e = v.x.dot(v.wide).exp(); e / e.sum_over(0).unsqueeze(-1) } },
    Case { rule: "log-softmax", fires: |v| { let (d, e) = (shifted(v.x).exp(), v.y.exp()); (d / d.sum_over(-1).unsqueeze(-1)).log() + (e / e.sum_over(0)).log() }, stays: |v| (v.x.exp() / v.column.unsqueeze(-1)).log() },
    Case { rule: "logsumexp", fires: |v| { let e = v.x.exp(); e.sum_over(1).log() * e.sum_over(1) }, stays: |v| shifted(v.x).exp().sum_over(1).log() + v.x.expm1().sum_over(1).log() },
    Case { rule: "log-of-exponentials", fires: |v| (v.x.exp() + v.row.exp()).log() + (1.0 + v.y.exp() + v.z.exp()).log(), stays: |v| (v.x.exp() - v.y.exp()).log() + (v.z.exp() + v.x).log() },
    Case { rule: "log-of-scaled-exponentials", fires: |v| v.x.exp().mean_over(1).log() + (0.3 * v.column.exp().sum()).log(), stays: |v| (-0.5 * v.x.exp().sum_over(1)).log() + (v.x.exp() * v.scalar).sum_over(1).log() },
    Case { rule: "less-logsumexp", fires: |v| v.x - v.x.exp().sum_over(1).log().unsqueeze(-1) + (v.y - v.y.logsumexp(0)), stays: |v| v.y - v.x.exp().sum_over(0).log() },
    Case { rule: "log-of-moved", fires: |v| { let e = v.x.exp(); slice(e / e.sum_over(0), [0, 1], [3, 2]).log() + v.y.sigmoid().reverse(0).log().sum() }, stays: |v| slice(v.x.tanh(), [0, 1], [3, 2]).log() },
    Case { rule: "log1p", fires: |v| (1.0 + v.x).log(), stays: |v| (2.0 + v.x).log() },

    Case {
        rule: "shared-factors",
        fires: |v| {
            let [x, y, a, b] = four(v);
            (x * a / b).tanh() * (b * x).tanh() * (y * a / b).exp().tanh()
        },
        stays: |v| v.x * v.y * v.z + (v.z.sin() * v.x) * v.y + four(v).iter().fold(v.scalar, |product, x| product * *x),
    },
    Case {
        rule: "equal-sums",
        fires: |v| {
            let [x, y, z, a] = four(v);
            (x + y - z * a).sin() * ((-z) * a + (y + x)).cos() + (z * a - y - x).tanh()
        },
        // Sums that are there for their rounding, and differences, whose negative is no less work.
        stays: |v| {
            let [x, y, z, _] = four(v);
            // What the addition of two numbers loses: by Dekker for a greater first one, and by Neumaier for either.
            let sum = x + z;
            let lost = x.abs().greater_equal(z.abs()).select((x - sum) + z, (z - sum) + x);
            (x + y - z).sin() * (x + y + z).cos() + (x - (x - (y + z))) + lost * (z - (sum - x)) + (x - z).sin() * (z - x).cos()
        },
    },
    Case {
        rule: "product-after-loop",
        fires: |v| summed_products(v, |sum, x, y| sum + x.t().dot(y)),
        // A sum that is scaled on its way or read, a product of what is nowhere else, and one that had to be copied for.
        stays: |v| {
            summed_products(v, |sum, x, y| 0.5 * sum + x.t().dot(y))
                + summed_products(v, |sum, x, y| sum + x.t().dot(y) * sum)
                + summed_products(v, |sum, x, y| sum + x.tanh().t().dot(y))
                + summed_products(v, |sum, x, y| sum + x.dot(y))
        },
    },
    Case {
        rule: "save-what-is-read",
        fires: |v| of_saved(v, |c, s| (c * s.tanh()) * s.sigmoid()),
        // Of s and tanh s, both read, one stack more would be saved.
        stays: |v| of_saved(v, |c, s| c * s.tanh() + c * c * s),
    },
    Case { rule: "fold-constants", fires: |v| v.g.iota(DType::F64, (300,), 0).exp().sum() * v.scalar, stays: |v| v.g.constant(ndarray::Array1::linspace(0.0, 1.0, 150)).broadcast_to((150, 150)) * v.scalar },

    Case { rule: "mul-zero", fires: |v| v.x * 0.0, stays: |v| v.x * 1e-300 },
    Case { rule: "sub-self", fires: |v| v.x - v.x, stays: |v| v.x - v.y },
    Case { rule: "div-self", fires: |v| v.x / v.x, stays: |v| v.x / v.y },
    Case { rule: "div-by-literal", fires: |v| v.x / 3.0, stays: |v| v.x / f64::INFINITY },
    Case { rule: "add-literals", fires: |v| 2.0 + (v.x + 3.0), stays: |v| 2.0 * (v.x + 3.0) },
];

trait Filled {
    fn filled_with_infinity(self) -> Self;
}

impl Filled for Expr<'_> {
    fn filled_with_infinity(self) -> Self {
        self.graph().constant(f64::INFINITY).broadcast_to(self.shape())
    }
}

/// The class alone, with the exact rules that prepare for it.
fn only(class: Class) -> Rewrites {
    Rewrites {
        exact: true,
        ulp: class == Class::Ulp,
        stabilize: class == Class::Stabilize,
        fast_math: class == Class::FastMath,
        constant_bytes: Rewrites::default().constant_bytes,
    }
}

fn class_of(rule: &str) -> Class {
    rules().iter().find(|summary| summary.name == rule).unwrap_or_else(|| panic!("{rule} is not in the table")).class
}

fn firings(build: Build, rule: &str) -> usize {
    let g = Graph::new();
    let y = build(&inputs(&g));
    g.check().unwrap_or_else(|mistakes| panic!("{rule}: {mistakes}"));
    g.simplify(y, &only(class_of(rule))).expect("no mistake").report.count(rule)
}

#[test]
fn every_rule_has_a_case_and_every_name_is_one_rule() {
    let names: Vec<&str> = rules().iter().map(|rule| rule.name).collect();
    for name in &names {
        assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
        assert_eq!(CASES.iter().filter(|case| case.rule == *name).count(), 1, "{name}");
    }
    assert_eq!(names.len(), CASES.len());
}

#[test]
fn every_rule_fires_where_it_should_and_only_there() {
    let mut wrong = Vec::new();
    for case in CASES {
        if firings(case.fires, case.rule) == 0 {
            wrong.push(format!("{} does not fire", case.rule));
        }
        if firings(case.stays, case.rule) > 0 {
            wrong.push(format!("{} fires where it must not", case.rule));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The difference in units in the last place.
fn ulps(a: f64, b: f64) -> u64 {
    let place = |x: f64| if x < 0.0 { -((x.to_bits() << 1 >> 1) as i128) } else { x.to_bits() as i128 };
    u64::try_from((place(a) - place(b)).unsigned_abs()).unwrap_or(u64::MAX)
}

/// Whether `found` is `expected` as far as the class promises. Sums of a few numbers below 32 are off by their rounding,
/// and where they cancel that is many units in the last place of the result.
fn agree(class: Class, expected: f64, found: f64) -> bool {
    let is_same = expected.to_bits() == found.to_bits() || expected.is_nan() && found.is_nan();
    let is_close = |scale: f64| (expected - found).abs() <= 16.0 * f64::EPSILON * scale.max(expected.abs());
    // A factor of at most 2¹⁶ after a product that was rounded to a subnormal.
    let subnormal = 65536.0 * f64::from_bits(1);
    match class {
        Class::Exact => is_same,
        Class::Ulp if !expected.is_finite() || !found.is_finite() => is_same,
        Class::Ulp => ulps(expected, found) <= 4 || is_close(0.0) || (expected - found).abs() <= subnormal,
        Class::Stabilize => is_same || !expected.is_finite() || is_close(1.0),
        Class::FastMath => is_close(100.0),
    }
}

/// Rules whose values are sums, so that rounding is measured by the terms.
fn is_sum(rule: &str) -> bool {
    rule.starts_with("sum-") || rule.ends_with("-sums") || rule.contains("dot") || rule.contains("scatter")
}

fn compare(build: Build, rule: &str, n_special: usize) -> Vec<String> {
    let class = class_of(rule);
    let g = Graph::new();
    let result = vec![("y".to_owned(), build(&inputs(&g)))];
    let simplified = g.simplify(result.clone(), &only(class)).expect("no mistake");
    let mut wrong = Vec::new();
    for seed in 0..40 {
        let feed = feed(seed, n_special);
        let expected = evaluate(&g, &result, &feed);
        let found = evaluate(&simplified.graph, &simplified.results(), &feed);
        assert_eq!(expected[0].ty(), found[0].ty(), "{rule}");
        for (expected, found) in numbers(&expected[0]).into_iter().zip(numbers(&found[0])) {
            let is_sum = is_sum(rule) && expected.is_finite() && found.is_finite();
            let is_right = if is_sum { (expected - found).abs() < 1e-11 } else { agree(class, expected, found) };
            if !is_right {
                wrong.push(format!("{rule}, seed {seed}: {expected:?} became {found:?}"));
            }
        }
    }
    wrong
}

/// Exact rules see every special number; rounding is compared without the largest floats, beside which it overflows; what
/// is right for ordinary numbers only is given those.
#[test]
fn values_change_by_no_more_than_the_class_says() {
    let mut wrong = Vec::new();
    for case in CASES {
        let n_special = match class_of(case.rule) {
            Class::Exact => SPECIAL.len(),
            Class::Ulp | Class::Stabilize => SPECIAL.len() - 2,
            Class::FastMath => 0,
        };
        wrong.extend(compare(case.fires, case.rule, n_special));
        wrong.extend(compare(case.stays, case.rule, n_special));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Stability is bought: nothing else makes a graph cost more, and it at most eightfold what the rule replaces, as where one
/// logarithm becomes two of a softplus and their choice.
#[test]
fn no_rule_makes_a_graph_cost_more_but_for_stability() {
    let mut wrong = Vec::new();
    for (case, build) in CASES.iter().flat_map(|case| [(case, case.fires), (case, case.stays)]) {
        let g = Graph::new();
        let result = vec![("y".to_owned(), build(&inputs(&g)))];
        let simplified = g.simplify(result.clone(), &only(class_of(case.rule))).expect("no mistake");
        let estimate = |cost: Dim| cost.evaluate(&["n", "m"].map(|symbol| (symbol.into(), 32)).into()).expect("bound");
        let (before, after) = (cost(&g, &result), cost(&simplified.graph, &simplified.results()));
        let most = if class_of(case.rule) == Class::Stabilize { 8 } else { 1 } * estimate(before.clone());
        if estimate(after.clone()) > most {
            wrong.push(format!("{}: {before} became {after}\n{}", case.rule, simplified.to_text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is written about the rules is what the rules are.
#[test]
fn the_documentation_lists_every_rule() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/rewrites.md"))
        .expect("it is there");
    let mut classes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for rule in rules() {
        let also = if rule.is_for_derivatives { " ∂" } else { "" };
        classes.entry(rule.class.name()).or_default().push(format!("| `{}`{also} | {} |", rule.name, rule.identity));
    }
    for class in Class::ALL {
        let (_, section) = text.split_once(&format!("\n## {}\n", class.name())).expect("a section for each class");
        let section = section.split("\n## ").next().expect("a text has a first part");
        let listed: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let expected = &classes[class.name()];
        let first_wrong = (0..listed.len().max(expected.len()))
            .map(|row| (listed.get(row).copied(), expected.get(row).map(String::as_str)))
            .find(|(found, wanted)| found != wanted);
        assert_eq!(
            first_wrong,
            None,
            "docs/reference/rewrites.md, {}: the first row that is not the rule's",
            class.name()
        );
    }
}
