//! Quotients and remainders of integers are those of Rust, whatever an expression is rewritten to: what is true of quotients of
//! floats (signs, reciprocals, x/x) is not of these.

use ndarray::Array1;
use pullback::{DType, Evaluation, Expr, Graph, Options, Rewrites, Value};

type Function = for<'g> fn(Expr<'g>, Expr<'g>) -> Expr<'g>;
type Truth = fn(i64, i64) -> i64;

fn div(a: i64, b: i64) -> i64 {
    if b == 0 { -1 } else { a.wrapping_div(b) }
}

fn rem(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { a.wrapping_rem(b) }
}

/// An expression, and what it is.
#[allow(clippy::eq_op, clippy::erasing_op, clippy::identity_op, reason = "these are what rewrites look for")]
const EXPRESSIONS: &[(&str, Function, Truth)] = &[
    ("x / y", |x, y| x / y, div),
    ("x % y", |x, y| x % y, rem),
    ("x / 1", |x, _| x / 1, |x, _| x),
    ("x / -1", |x, _| x / -1, |x, _| x.wrapping_neg()),
    ("x / 2", |x, _| x / 2, |x, _| div(x, 2)),
    ("x / 3 / 2", |x, _| x / 3 / 2, |x, _| div(div(x, 3), 2)),
    ("(2 · x) / 2", |x, _| (2 * x) / 2, |x, _| div(x.wrapping_mul(2), 2)),
    ("(x / 3) · 3", |x, _| (x / 3) * 3, |x, _| div(x, 3).wrapping_mul(3)),
    ("x / x", |x, _| x / x, |x, _| div(x, x)),
    ("0 / x", |x, _| 0 / x, |x, _| div(0, x)),
    ("7 / x", |x, _| 7 / x, |x, _| div(7, x)),
    ("-x / y", |x, y| (-x) / y, |x, y| div(x.wrapping_neg(), y)),
    ("x / -y", |x, y| x / (-y), |x, y| div(x, y.wrapping_neg())),
    ("-x / -y", |x, y| (-x) / (-y), |x, y| div(x.wrapping_neg(), y.wrapping_neg())),
    ("-x / 3", |x, _| (-x) / 3, |x, _| div(x.wrapping_neg(), 3)),
    ("-(x / 3)", |x, _| -(x / 3), |x, _| div(x, 3).wrapping_neg()),
    ("-(7 / x)", |x, _| -(7 / x), |x, _| div(7, x).wrapping_neg()),
    ("7 / -x", |x, _| 7 / (-x), |x, _| div(7, x.wrapping_neg())),
    ("x · (1 / y)", |x, y| x * (1 / y), |x, y| x.wrapping_mul(div(1, y))),
    ("(x / y) · y + x % y", |x, y| (x / y) * y + x % y, |x, _| x),
];

const NUMBERS: [i64; 9] = [0, 1, -1, 2, -2, 7, -9, i64::MAX, i64::MIN];

#[test]
fn quotients_of_integers_are_those_of_rust_with_any_rewrites_in_either_engine() {
    let all = Rewrites { fast_math: true, ..Rewrites::default() };
    let pairs = || NUMBERS.into_iter().flat_map(|x| NUMBERS.map(|y| (x, y)));
    let (x, y): (Vec<i64>, Vec<i64>) = pairs().unzip();
    for (name, function, truth) in EXPRESSIONS {
        let expected: Vec<i64> = pairs().map(|(x, y)| truth(x, y)).collect();
        for (evaluation, rewrites) in [
            (Evaluation::Reference, Rewrites::none()),
            (Evaluation::Compiled, Rewrites::none()),
            (Evaluation::Compiled, Rewrites::default()),
            (Evaluation::Compiled, all),
        ] {
            let g = Graph::new();
            let [a, b] = ["x", "y"].map(|name| g.input_of::<i64>(name, ("n",)));
            let options = Options { threads: 1, evaluation, rewrites, ..Options::default() };
            let mut program = g.compile_with([("out", function(a, b))], &options).expect("no mistake");
            let fed = |numbers: &[i64]| Value::I64(Array1::from(numbers.to_vec()).into_dyn());
            let (x, y) = (fed(&x), fed(&y));
            let out = program.call((("x", &x), ("y", &y))).expect("fits");
            let found = out["out"].array::<i64>().expect("integers");
            assert_eq!(found.iter().copied().collect::<Vec<_>>(), expected, "{name}");
        }
    }
}

#[test]
fn sums_and_means_know_that_quotients_of_integers_lose_fractions() {
    let g = Graph::new();
    let x = g.input_of::<i64>("x", (2, 3));
    let out = (x / 2).sum();
    let options = Options { rewrites: Rewrites { fast_math: true, ..Rewrites::default() }, ..Options::default() };
    let mut program = g.compile_with([("out", out)], &options).expect("no mistake");
    let fed = Value::I64(Array1::from(vec![1, 1, 1, 3, 3, -3]).into_shape_with_order((2, 3)).expect("six").into_dyn());
    let found = program.call(("x", &fed)).expect("fits");
    assert_eq!(found["out"].array::<i64>().expect("an integer").iter().copied().collect::<Vec<_>>(), [1]);

    let mean = g.input_of::<i64>("y", (3,)).mean();
    assert!(g.compile([("mean", mean)]).is_err(), "a mean of {} is no integer", DType::I64);
}
