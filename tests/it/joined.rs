//! Derivatives of many parts of one array take work that is linear in the number of parts, whichever way the parts are
//! taken, at both orders and in both modes.

use ndarray::{ArrayD, Dimension, IxDyn};
use pullback::{DType, Dim, Evaluation, Expr, Graph, Index, Options, Rewrites};

/// A scalar made of T parts of x.
type Build = for<'g> fn(Expr<'g>, i64) -> Expr<'g>;

/// How the parts are taken, the shape of x for T parts, and the scalar.
struct Case {
    name: &'static str,
    shape: fn(i64) -> Vec<i64>,
    build: Build,
}

/// A nonlinear function of a part, different for each.
fn term(part: Expr<'_>, position: i64) -> Expr<'_> {
    (part * (0.3 + 0.01 * position as f64)).sin().sum()
}

fn total<'g>(terms: impl Iterator<Item = Expr<'g>>) -> Expr<'g> {
    terms.reduce(|sum, term| sum + term).expect("there are parts")
}

fn integer(g: &Graph, position: i64) -> Expr<'_> {
    g.constant(position)
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "elements", shape: |t| vec![t], build: |x, t| total((0..t).map(|i| term(x.slice(i), i))) },
    Case { name: "rows", shape: |t| vec![t, 3], build: |x, t| total((0..t).map(|i| term(x.slice(i), i))) },
    Case { name: "columns", shape: |t| vec![3, t], build: |x, t| total((0..t).map(|i| term(x.slice((.., i)), i))) },
    Case { name: "rows from the last", shape: |t| vec![t, 3], build: |x, t| total((0..t).rev().map(|i| term(x.slice(i), i))) },
    Case { name: "a recurrence", shape: |t| vec![t, 3], build: |x, t| (0..t).fold(x.slice(0) * 0.0, |h, i| (h * 0.5 + x.slice(i)).tanh()).sum() },
    Case { name: "every second row", shape: |t| vec![2 * t, 3], build: |x, t| total((0..t).map(|i| term(x.slice(2 * i), i))) },
    Case { name: "parts of several rows", shape: |t| vec![4 * t, 3], build: |x, t| total((0..t).map(|i| term(x.slice(4 * i..4 * i + 3), i))) },
    Case { name: "split", shape: |t| vec![2, 2 * t], build: |x, t| total(x.split(t as usize, 1).into_iter().zip(0..).map(|(part, i)| term(part, i))) },
    Case { name: "overlapping windows", shape: |t| vec![t + 4], build: |x, t| total((0..t).map(|i| term(x.slice(i..i + 5), i))) },
    Case { name: "strided", shape: |t| vec![3 * t], build: |x, t| total((0..t).map(|i| term(x.slice(Index::from(i..i + 2 * t).step(t)), i))) },
    Case { name: "one part again and again", shape: |t| vec![t], build: |x, t| total((0..t).map(|i| term(x.slice(3..6), i))) },
    Case { name: "a grid", shape: |t| vec![t / 5, 5], build: |x, t| total((0..t).map(|i| term(x.slice((i / 5, i % 5)), i))) },
    Case { name: "backwards", shape: |t| vec![3 * t], build: |x, t| total((0..t).map(|i| term(x.slice(Index::from(3 * i..3 * i + 3).step(-1)), i))) },
    Case { name: "gathered elements", shape: |t| vec![t], build: |x, t| total((0..t).map(|i| term(x.gather(integer(x.graph(), (7 * i) % t), 0), i))) },
    Case { name: "gathered columns", shape: |t| vec![2, t], build: |x, t| total((0..t).map(|i| term(x.gather(integer(x.graph(), (7 * i) % t), 1), i))) },
    Case { name: "gathered several", shape: |t| vec![t, 2], build: |x, t| total((0..t).map(|i| term(x.gather(x.graph().constant(ndarray::array![i, (i + 3) % t, i]), 0), i))) },
    Case { name: "gathered along", shape: |t| vec![2, t], build: |x, t| total((0..t).map(|i| term(x.take_along(x.graph().constant(ndarray::array![[i], [(i + 1) % t]]), 1), i))) },
    Case { name: "slices and gathers and all", shape: |t| vec![t, 2], build: |x, t| total((0..t).map(|i| term(x.slice(i), i) + term(x.gather(integer(x.graph(), i), 0), i))) + x.exp().sum() },
];

/// The gradient; the gradient along a direction by forward mode; and forward mode through parts that are put together.
fn derivatives<'g>(case: &Case, g: &'g Graph, t: i64) -> [Expr<'g>; 3] {
    let shape: Vec<Dim> = (case.shape)(t).into_iter().map(Dim::from).collect();
    let (x, v) = (g.input_of(DType::F64, "x", &shape[..]), g.input_of(DType::F64, "v", &shape[..]));
    let gradient = g.gradient((case.build)(x, t), x);
    let product = g.jvp(gradient, &[(x, v)]);
    [gradient, product, g.gradient((product * v).sum(), x)]
}

/// Elements moved and operations of the simplified graph of one result.
fn work(g: &Graph, result: Expr<'_>) -> i64 {
    let simplified = g.simplify(result, &Rewrites::default()).expect("no mistake");
    let results = simplified.results();
    let cost = simplified.graph.flops(results.clone()) + simplified.graph.bytes(results);
    cost.as_number().expect("sizes are numbers")
}

#[test]
fn derivatives_of_parts_of_one_array_take_work_linear_in_their_number() {
    let mut wrong = Vec::new();
    for case in CASES {
        let costs = |t: i64| {
            let g = Graph::new();
            derivatives(case, &g, t).map(|result| work(&g, result))
        };
        for (order, (small, large)) in costs(80).into_iter().zip(costs(320)).enumerate() {
            // 4 if linear and 16 if quadratic.
            if large > 6 * small {
                wrong.push(format!("{}, derivative {order}: {small} for 80 and {large} for 320", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The reference evaluates the graph as it was made, with no rewrite.
#[test]
fn joined_parts_have_the_values_of_the_sums_that_were_written() {
    for case in CASES {
        for t in [10, 25] {
            let g = Graph::new();
            let results: Vec<(String, Expr<'_>)> =
                derivatives(case, &g, t).into_iter().zip(0..).map(|(result, i)| (i.to_string(), result)).collect();
            let shape: Vec<usize> = (case.shape)(t).into_iter().map(|size| size as usize).collect();
            let number = |seed: f64| {
                ArrayD::from_shape_fn(IxDyn(&shape), |index| {
                    (seed + index.as_array_view().iter().fold(0.0, |sum, i| 1.7 * sum + *i as f64)).sin()
                })
            };
            let (x, v) = (number(0.3), number(1.1));
            let run = |evaluation| {
                let mut program =
                    g.compile_with(results.clone(), &Options { evaluation, ..Options::default() }).expect("no mistake");
                program.call((("x", &x), ("v", &v))).expect("it runs")
            };
            let (expected, found) = (run(Evaluation::Reference), run(Evaluation::Compiled));
            for (name, result) in &results {
                let (expected, found) = (&expected[name.as_str()], &found[name.as_str()]);
                assert_eq!(expected.shape(), found.shape(), "{}: {result:?}", case.name);
                let pairs = expected.array::<f64>().expect("f64").iter().zip(found.array::<f64>().expect("f64"));
                // Sums of up to 50 terms below 2, each rounded a few times.
                pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{} of {t}, {name}: {a} and {b}", case.name));
            }
        }
    }
}

/// A user's own sum of padded arrays is joined too, by forward mode as well.
#[test]
fn sums_that_a_user_writes_are_joined() {
    let g = Graph::new();
    let n = 64;
    let x = g.input_of(DType::F64, "x", (n,));
    let parts = (0..n).map(|i| (x.slice(i..i + 1) * i as f64).pad([(n - 1 - i, i)], 0.0));
    let sum = total(parts);
    let v = g.input_of(DType::F64, "v", (n,));
    for result in [sum, g.jvp(sum, &[(x, v)])] {
        let simplified = g.simplify(result, &Rewrites::default()).expect("no mistake");
        assert_eq!(simplified.report.count("sum-of-parts"), 1);
        let count = |name| simplified.graph.ids().filter(|id| simplified.graph.expr(*id).op().name() == name).count();
        assert_eq!((count("pad"), count("add"), count("concat")), (0, 0, 1));
    }
}

/// Integers, symbols beside the joined axis, and what else is read of a sum.
#[test]
fn only_what_nothing_else_reads_is_joined() {
    let g = Graph::new();
    let x = g.input_of(DType::I64, "x", (8,));
    let parts: Vec<Expr<'_>> = (0..4).map(|i| x.slice(2 * i..2 * i + 2).pad([(2 * i, 6 - 2 * i)], 0)).collect();
    // One part fewer would be left to the step that adds them.
    let (first, sum) = (parts[0], total(parts.iter().copied()));
    let count = |results: Vec<(&str, Expr<'_>)>| {
        g.simplify(results, &Rewrites::default()).expect("no mistake").report.count("sum-of-parts")
    };
    assert_eq!(count(vec![("sum", sum)]), 1);
    assert_eq!(count(vec![("sum", sum), ("first", first)]), 0);
}
