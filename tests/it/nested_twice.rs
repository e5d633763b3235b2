//! Constructs in each other: loops of loops, batches of loops of calls, derivatives of batches of derivatives. Each is set
//! beside the same written out, and its derivatives of both orders beside differences and dual numbers.

use ndarray::{ArrayD, IxDyn};
use pullback::{DType, Evaluation, Expr, Graph, Value, check::prove_expression, ops::Smoothness};

use crate::compiled::{distance, options, run};

/// What a construct gives of xs: `[3, 2]` and k: `[2]`.
type Build = for<'g> fn(&'g Graph, Expr<'g>, Expr<'g>) -> Expr<'g>;

/// A construct and the same without bodies or batches.
const CASES: &[(&str, Build, Build)] = &[
    (
        "scan of scan",
        |g, xs, k| {
            g.scan(k, xs, |h, x| {
                let (h, inner) = g.scan(h, xs, |h, y| ((h * y * k + x).sin(), (h * x).sum()));
                (h + inner.sum(), h)
            })
            .1
        },
        |_, xs, k| {
            let (rows, mut h, mut hs) = (rows(xs), k, Vec::new());
            for x in &rows {
                let mut sum = None;
                for y in &rows {
                    let term = (h * *x).sum();
                    sum = Some(sum.map_or(term, |sum: Expr<'_>| sum + term));
                    h = (h * *y * k + *x).sin();
                }
                hs.push(h);
                h += sum.expect("there are rows");
            }
            hs[0].stack(hs[1..].to_vec(), 0)
        },
    ),
    (
        "vmap of scan of call",
        |g, xs, k| {
            let cell = g.function((k, k), |(h, x)| (h * k + x).sin());
            g.vmap(xs, |x| g.scan(k, xs, |h, y| (cell.call((cell.call((h, y)), x)), ())).0)
        },
        |_, xs, k| {
            let of = |x: &Expr<'_>| rows(xs).iter().fold(k, |h, y| ((h * k + *y).sin() * k + *x).sin()).id();
            let ends: Vec<Expr<'_>> = rows(xs).iter().map(|x| xs.graph().expr(of(x))).collect();
            ends[0].stack(ends[1..].to_vec(), 0)
        },
    ),
    (
        "gradient of vmap of gradient",
        |g, xs, k| {
            let slopes = g.vmap(xs, |x| g.gradient(g.fori(2, x, |_, h| (h * k).sin()).sum(), x));
            g.gradient(slopes.square().sum(), xs)
        },
        |g, xs, k| {
            let of = |x: &Expr<'_>| g.gradient((((*x) * k).sin() * k).sin().sum(), g.expr(x.id())).id();
            let rows = rows(xs);
            let squares = rows.iter().map(|x| g.expr(of(x)).square().sum()).reduce(|sum, square| sum + square);
            g.gradient(squares.expect("there are rows"), xs)
        },
    ),
    (
        "vmap of cond of vmap",
        |g, xs, k| {
            g.vmap(xs, |x| {
                g.cond(x.sum().greater(0.1), || g.vmap(xs, |y| (x * y * k).sin()).sum(), || (x * k).cos().sum())
            })
        },
        |g, xs, k| {
            let rows = rows(xs);
            let of = |x: &Expr<'_>| {
                let sum = rows.iter().map(|y| (*x * *y * k).sin().sum()).reduce(|sum, term| sum + term);
                x.sum().greater(0.1).select(sum.expect("there are rows"), (*x * k).cos().sum()).id()
            };
            let all: Vec<Expr<'_>> = rows.iter().map(|x| g.expr(of(x))).collect();
            all[0].stack(all[1..].to_vec(), 0)
        },
    ),
    (
        "map of while of map",
        |g, xs, k| {
            g.map(xs, |x| {
                g.while_loop_bounded(
                    (x, k.sum() * 0.0),
                    3,
                    |(_, n)| n.less(2.0),
                    |(h, n)| (h + g.map(xs, |y| (h * y * k).sin()).sum(), n + 1.0),
                )
                .0
            })
        },
        |g, xs, k| {
            let rows = rows(xs);
            let step = |h: Expr<'_>| {
                let sum = rows.iter().map(|y| (g.expr(h.id()) * *y * k).sin().sum()).reduce(|sum, term| sum + term);
                (g.expr(h.id()) + sum.expect("there are rows")).id()
            };
            let of = |x: &Expr<'_>| g.expr(step(g.expr(step(*x))));
            let all: Vec<Expr<'_>> = rows.iter().map(of).collect();
            all[0].stack(all[1..].to_vec(), 0)
        },
    ),
];

fn rows(xs: Expr<'_>) -> Vec<Expr<'_>> {
    (0..3).map(|row| xs.slice(row)).collect()
}

fn reals(shape: &[usize], start: f64) -> Value {
    let mut position = start;
    Value::F64(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        position = (position + 0.618_033_988_749_894_9_f64).fract();
        position - 0.4
    }))
}

/// The value, its gradient by what is captured, and a second derivative across both.
fn results<'g>(g: &'g Graph, build: Build, xs: Expr<'g>, k: Expr<'g>) -> Vec<(String, Expr<'g>)> {
    let y = build(g, xs, k);
    let gradient = g.gradient(y.square().sum(), k);
    let across = g.gradient((gradient * k.cos()).sum(), xs);
    let tangent = g.jvp(gradient, &[(xs, xs.cos()), (k, k.sin())]);
    [("y", y), ("gradient", gradient), ("across", across), ("tangent", tangent)]
        .map(|(name, result)| (name.to_owned(), result))
        .to_vec()
}

#[test]
fn constructs_in_each_other_are_the_same_written_out() {
    let fed = [("xs".to_owned(), reals(&[3, 2], 0.37)), ("k".to_owned(), reals(&[2], 0.71))];
    for (name, nested, written) in CASES {
        let g = Graph::new();
        let (xs, k) = (g.input_of(DType::F64, "xs", (3, 2)), g.input_of(DType::F64, "k", (2,)));
        let expected = run(&results(&g, *written, xs, k), &fed, &options(Evaluation::Reference, 1)).expect("it runs");
        for engine in [Evaluation::Reference, Evaluation::Compiled] {
            let found = run(&results(&g, *nested, xs, k), &fed, &options(engine, 1)).expect("it runs");
            for (result, value) in found.iter() {
                // Some hundred operations on numbers near 1.
                let off = distance(value, &expected[result]);
                assert!(off <= 1e-12, "{name}, {engine:?}: {result} is off by {off:e}");
            }
        }
    }
}

#[test]
fn constructs_in_each_other_have_derivatives_of_both_orders() {
    for (name, nested, _) in CASES {
        let g = Graph::new();
        let (xs, k) = (g.input_of(DType::F64, "xs", (3, 2)), g.input_of(DType::F64, "k", (2,)));
        let leaves = [(xs, reals(&[3, 2], 0.37)), (k, reals(&[2], 0.71))];
        let proof = prove_expression(nested(&g, xs, k), &leaves, Smoothness::Smooth);
        assert!(proof.is_ok(), "{name}: {}", proof.unwrap_err());
    }
}
