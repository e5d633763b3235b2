//! Whole graphs: random ones and their gradients, a long chain, symbolic sizes, sites.

use std::collections::BTreeMap;

use pullback::{
    DType, Expr, Graph, Initializer, Rewrites, Value,
    check::random_graph,
    graph::NodeId,
    nn::{cross_entropy, linear},
    ops::verify,
};

use super::{cost, evaluate, numbers};

fn all() -> Rewrites {
    Rewrites { fast_math: true, ..Rewrites::default() }
}

/// A random graph with its gradients, and what to feed it.
struct Sample {
    graph: Graph,
    results: Vec<NodeId>,
    feed: BTreeMap<String, Value>,
}

impl Sample {
    fn of(seed: u64) -> Sample {
        let random = random_graph(seed, 3 + seed as usize % 17);
        let inputs: Vec<Expr<'_>> = random.inputs.iter().map(|input| random.graph.expr(*input)).collect();
        let loss = random.graph.expr(random.result);
        let gradients = random.graph.gradients(loss, &inputs);
        let results = std::iter::once(loss).chain(gradients).map(|result| result.id()).collect();
        let names = inputs.iter().map(|input| input.name().expect("an input has a name"));
        let feed = names.zip(random.values.clone()).collect();
        Sample { graph: random.graph, results, feed }
    }

    fn results(&self) -> Vec<(String, Expr<'_>)> {
        self.results.iter().enumerate().map(|(at, id)| (format!("r{at}"), self.graph.expr(*id))).collect()
    }
}

#[test]
fn random_graphs_keep_their_values_and_never_cost_more() {
    let mut n_without_bodies = 0;
    for seed in 0..300 {
        let sample = Sample::of(seed);
        let results = sample.results();
        // A body that gives way to its nodes shows what it moves, which was not seen before.
        let has_body = |id: &NodeId| !sample.graph.expr(*id).op().bodies().is_empty();
        let has_bodies = sample.graph.ancestors(&sample.results).iter().any(has_body);
        n_without_bodies += usize::from(!has_bodies);
        let before = evaluate(&sample.graph, &results, &sample.feed);
        for options in [Rewrites::none(), Rewrites { exact: true, ..Rewrites::none() }, Rewrites::default(), all()] {
            let simplified = sample.graph.simplify(sample.results(), &options).expect("no mistake");
            let after = evaluate(&simplified.graph, &simplified.results(), &sample.feed);
            // Rounding of some hundred operations on numbers near 1.
            let tolerance = if options.ulp { 1e-11 } else { 0.0 };
            for (before, after) in before.iter().zip(&after) {
                for (before, after) in numbers(before).into_iter().zip(numbers(after)) {
                    let off = (before - after).abs();
                    assert!(off <= tolerance * before.abs().max(1.0), "seed {seed}: {before} became {after}");
                }
            }
            assert_eq!(verify(&simplified.graph), Ok(()), "seed {seed}");
            let [was, is] = [(&sample.graph, results.clone()), (&simplified.graph, simplified.results())]
                .map(|(graph, results)| if has_bodies { graph.flops(results) } else { cost(graph, &results) });
            assert!(is.as_number() <= was.as_number(), "seed {seed}: {was} became {is}\n{}", simplified.report);
        }
    }
    assert!(n_without_bodies > 60, "what is moved is seen in {n_without_bodies} graphs");
}

#[test]
fn simplifying_again_changes_nothing() {
    for seed in 0..300 {
        let sample = Sample::of(seed);
        let once = sample.graph.simplify(sample.results(), &Rewrites::default()).expect("no mistake");
        let twice = once.graph.simplify(once.results(), &Rewrites::default()).expect("no mistake");
        assert_eq!(once.to_text(), twice.to_text(), "seed {seed}: {}", twice.report);
        assert_eq!(twice.report.firings().count(), 0, "seed {seed}");
    }
}

/// What rewriting leaves of the graph around a body is known to the body: a number that is computed of constants, a branch
/// that is always taken, an output that is not asked for any more.
#[test]
fn bodies_take_in_what_becomes_known_around_them() {
    type Build = for<'g> fn(&'g Graph, Expr<'g>, Expr<'g>) -> Expr<'g>;
    let builds: [(&str, Build); 5] = [
        ("scan", |g, x, k| g.scan(x, x, |y, x| (y * k + x, ())).0),
        ("while", |g, x, k| g.while_loop(x, |y| y.sum().less(k), |y| y + k * k)),
        ("cond", |g, x, k| g.cond(x.sum().greater(0.0), || x * k, || x + k)),
        ("known branch", |g, x, k| g.cond(k.greater(0.0), || g.fori(3, x, |_, y| y * k), || x)),
        ("unread stack", |g, x, k| {
            let (last, stack) = g.scan(x, x, |y, x| (y * 0.5 + x, (y * k).exp()));
            last + k.less(0.0).select(stack.sum(), g.full(0.0, ()))
        }),
    ];
    for (name, build) in builds {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (3,)).broadcast_to((3, 3)).sum_over(0);
        // A sum is computed when all else is done.
        let k = g.constant(ndarray::arr1(&[0.5, 0.25, 1.5])).sum();
        let y = build(&g, x, k);
        let once = g.simplify(y, &Rewrites::default()).expect("no mistake");
        let twice = once.graph.simplify(once.results(), &Rewrites::default()).expect("no mistake");
        assert_eq!(once.to_text(), twice.to_text(), "{name}: {}", twice.report);
        // The number stands in the body, and no array of one number beside it.
        let is_operand = |line: &str| line.contains("constant [");
        assert!(!once.to_text().lines().any(is_operand), "{name}: {}", once.to_text());
    }
}

#[test]
fn the_same_program_gives_the_same_graph() {
    for seed in 0..40 {
        let text = || {
            let sample = Sample::of(seed);
            let simplified = sample.graph.simplify(sample.results(), &Rewrites::default()).expect("no mistake");
            simplified.to_text() + &simplified.report.to_string()
        };
        assert_eq!(text(), text(), "seed {seed}");
    }
}

/// Nothing recurses, and no step is done twice: the chain is rewritten link by link.
#[test]
fn a_chain_of_a_hundred_thousand_operations() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (2,));
    let chain = (0..50_000).fold(x, |chain, _| -(-chain.tanh()));
    let simplified = g.simplify(chain, &Rewrites::default()).expect("no mistake");
    assert_eq!(simplified.graph.len(), 50_001);
    assert_eq!(simplified.report.count("neg-neg"), 50_000);
    // Every link goes through the hash table and no bucket grows: one node each.
    let same = (0..100_000).fold(x, |sum, _| sum + x.tanh());
    assert_eq!(g.simplify(same, &Rewrites::default()).expect("no mistake").graph.len(), 100_002);
}

#[test]
fn nothing_but_what_the_results_need_is_left() {
    let g = Graph::new();
    let (x, _) = (g.input("x", (2,)), g.input("unused", (3,)));
    let _dead = x.exp().sum();
    let y = x.tanh();
    let simplified = g.simplify([("y", y), ("again", y)], &Rewrites::none()).expect("no mistake");
    assert_eq!(simplified.graph.len(), 2);
    assert!(simplified.graph.named("unused").is_none());
    assert_eq!(simplified.results[0].1, simplified.results[1].1);
}

/// Whether the slope of log(1 + e^(cx)) has its minus in a negation or in a literal, it is c·σ(cx) far out too.
#[test]
fn slopes_of_logistic_losses_are_numbers_far_out() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (5,));
    let xs = [-2000.0, -1.0, 0.0, 1.0, 2000.0];
    let feed = BTreeMap::from([("x".to_owned(), Value::from(ndarray::arr1(&xs).into_dyn()))]);
    let losses = [(1.0 + x.exp()).log(), (1.0 + (-x).exp()).log(), (1.0 + (x * -2.0).exp()).log()];
    for (loss, factor) in losses.into_iter().zip([1.0, -1.0, -2.0]) {
        let simplified = g.simplify(g.gradient(loss.sum(), x), &Rewrites::default()).expect("no mistake");
        let slopes = numbers(&evaluate(&simplified.graph, &simplified.results(), &feed)[0]);
        for (slope, x) in slopes.into_iter().zip(xs) {
            let wanted = factor / (1.0 + f64::exp(-factor * x));
            assert!((slope - wanted).abs() <= 1e-15, "slope {slope} of log(1 + e^({factor}·{x})), not {wanted}");
        }
    }
}

#[test]
fn nodes_keep_the_line_they_came_from() {
    let g = Graph::new();
    let x = g.input("x", (3,));
    let y = (x.exp() + 1.0).log();
    let simplified = g.simplify(y, &Rewrites::default()).expect("no mistake");
    let firing = simplified.report.firings().find(|firing| firing.rule == "softplus-of-log").expect("it fires");
    assert_eq!(simplified.results()[0].1.site(), y.site());
    assert_eq!((firing.site, firing.count), (y.site(), 1));
    assert!(
        simplified.report.to_string().contains("softplus-of-log  stabilize      1 x  tests/it/simplify/graphs.rs:")
    );
}

#[test]
fn mistakes_are_returned() {
    let (g, other) = (Graph::new(), Graph::new());
    let (x, foreign) = (g.input("x", (2,)), other.input("x", (2,)));
    assert!(g.simplify(foreign, &Rewrites::default()).is_err());
    let h = Graph::new();
    let wrong = h.input("x", (2,)) + h.input("y", (3,));
    assert!(h.simplify(wrong, &Rewrites::default()).is_err());
    assert_eq!(x.rank(), 1);
}

/// The gradient of a linear classifier, as text. It was read before it was accepted.
#[test]
fn a_linear_classifier_and_its_gradient() {
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let loss = cross_entropy(linear(x, "out", 10), label).mean();
    let parameters = g.parameters();
    let gradients = g.gradients(loss, &parameters);
    let names = parameters.iter().map(|parameter| format!("d_{}", parameter.name().expect("a parameter has a name")));
    let results: Vec<(String, Expr<'_>)> =
        std::iter::once(("loss".to_owned(), loss)).chain(names.zip(gradients)).collect();
    let simplified = g.simplify(results, &Rewrites::default()).expect("no mistake");
    insta::assert_snapshot!(simplified.graph.show(simplified.results()));
}

/// f = (1 − w₂w₁)² and its gradient.
#[test]
fn the_lectures_saddle() {
    let g = Graph::new();
    let [w1, w2] = ["w1", "w2"].map(|name| g.parameter(name, (), Initializer::Constant(0.5)));
    let f = (1.0 - w2 * w1).powi(2);
    let (d1, d2) = (g.gradient(f, w1), g.gradient(f, w2));
    let simplified = g.simplify([("f", f), ("d1", d1), ("d2", d2)], &Rewrites::default()).expect("no mistake");
    insta::assert_snapshot!(simplified.graph.show(simplified.results()));
}

/// Where the plain form has lost the value, the stable one has it.
#[test]
fn lost_values_are_found_again() {
    type Build = for<'g> fn(Expr<'g>) -> Expr<'g>;
    let cases: [(Build, f64, f64); 9] = [
        (|x| (1.0 + x.exp()).log(), 1e3, 1e3),
        (|x| x.exp().log1p(), 1e3, 1e3),
        (|x| (1.0 + x).log(), 1e-20, 1e-20),
        (|x| x.exp() - 1.0, 1e-20, 1e-20),
        (|x| 1.0 - x.sigmoid(), 100.0, (-100.0f64).exp()),
        (|x| 1.0 / (1.0 + x.exp()), 710.0, (-710.0f64).exp()),
        (|x| x.sigmoid().log(), -1e3, -1e3),
        (|x| x.reshape((1,)).concat([x.reshape((1,))], 0).exp().sum().log(), 1e3, 1e3 + 2f64.ln()),
        (|x| x.reshape((1,)).concat([x.reshape((1,)) - 2000.0], 0).softmax(0).log().sum(), 1.0, -2000.0),
    ];
    for (position, (build, at, expected)) in cases.into_iter().enumerate() {
        let g = Graph::new();
        let y = build(g.input_of(DType::F64, "x", ()));
        let simplified = g.simplify(y, &Rewrites::default()).expect("no mistake");
        let feed = BTreeMap::from([("x".to_owned(), Value::from(at))]);
        let found = numbers(&evaluate(&simplified.graph, &simplified.results(), &feed)[0])[0];
        assert!((found - expected).abs() <= 1e-15 * expected.abs(), "case {position}: {found:e} against {expected:e}");
        let plain = numbers(&evaluate(&g, &[("y".to_owned(), y)], &feed)[0])[0];
        assert!(plain.is_nan() || (plain - expected).abs() > 1e-3 * expected.abs(), "case {position} needs no help");
    }
}

/// A leaf that no result needs stays where it alone tells a size.
#[test]
fn what_tells_a_size_stays() {
    let g = Graph::new();
    let (x, _) = (g.input_of(DType::F64, "x", ("n", 2)), g.input("y", ("m",)));
    let count = (x.ones_like() * 3.0).sum();
    let simplified = g.simplify(count, &Rewrites::default()).expect("no mistake");
    assert!(simplified.graph.named("x").is_some() && simplified.graph.named("y").is_none());
    let feed = BTreeMap::from([("x".to_owned(), Value::zeros(pullback::DType::F64, &[5, 2]))]);
    assert_eq!(evaluate(&simplified.graph, &simplified.results(), &feed), [Value::from(30.0)]);
}

/// Literals are told by bits.
#[test]
fn equal_literals_are_one_and_zeros_of_two_signs_are_two() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (2,));
    let results = [("nan", x.minimum(f64::NAN) * f64::NAN), ("zeros", x.maximum(0.0).atan2(-0.0))];
    let simplified = g.simplify(results, &Rewrites { exact: true, ..Rewrites::none() }).expect("no mistake");
    let text = simplified.to_text();
    assert_eq!(text.matches("constant NaN").count(), 1, "{text}");
    assert_eq!(text.matches("constant 0.0").count() + text.matches("constant -0.0").count(), 2, "{text}");
}
