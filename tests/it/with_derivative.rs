//! Derivatives of the user's own: that nothing else is seen of a value, in both modes, at both orders, in any construct; and what
//! is told of those that are wrong.

use pullback::{
    DType, Evaluation, Expr, Graph, Options, Value, check::prove_expression, landscape::Landscape, ops::Smoothness,
};

fn input<'g>(g: &'g Graph, name: &str) -> Expr<'g> {
    g.input_of(DType::F64, name, ())
}

/// y with y = cos(x·y), by iterations, with the derivative that the implicit function theorem gives.
fn fixed_point<'g>(x: Expr<'g>) -> Expr<'g> {
    let g = x.graph();
    let iterated = g.fori(200, x.ones_like(), |_, y| (x * y).cos());
    g.with_derivative(x, iterated, |x, y, tangent| {
        let slope = -(x * y).sin();
        slope * y * tangent / (1.0 - slope * x)
    })
}

fn values(g: &Graph, results: &[(&'static str, Expr<'_>)], fed: &[(&'static str, f64)]) -> Vec<f64> {
    let value = |evaluation: Evaluation| -> Vec<f64> {
        let options = Options { evaluation, ..Options::default() };
        let mut program = g.compile_with(results, &options).unwrap();
        let out = program.call(fed).unwrap();
        results.iter().map(|(name, _)| out.scalar::<f64>(name).unwrap()).collect()
    };
    let (compiled, reference) = (value(Evaluation::Compiled), value(Evaluation::Reference));
    for (compiled, reference) in compiled.iter().zip(&reference) {
        assert!((compiled - reference).abs() <= 1e-13 * reference.abs().max(1.0), "{compiled} {reference}");
    }
    compiled
}

#[test]
fn a_derivative_that_is_right_passes_the_proof_and_a_wrong_one_does_not() {
    let g = Graph::new();
    let x = input(&g, "x");
    prove_expression(fixed_point(x), &[(x, 0.7.into())], Smoothness::Smooth).unwrap();
    let wrong = g.with_derivative(x, x.sin(), |x, _, tangent| x.sin() * tangent);
    let error = prove_expression(wrong, &[(x, 0.7.into())], Smoothness::Smooth).unwrap_err().to_string();
    assert!(error.contains("differences"), "{error}");
}

#[test]
fn nothing_of_the_iterations_is_differentiated() {
    let g = Graph::new();
    let x = input(&g, "x");
    let y = fixed_point(x);
    let first = g.gradient(y, x);
    let second = g.gradient(first, x);
    let program = g.compile([("first", first), ("second", second)]).unwrap();
    // The loop itself, and no other.
    assert_eq!(program.show([]).unwrap().matches("200 times").count(), 1, "{}", program.show([]).unwrap());
}

/// A function of two numbers with two values, with derivatives that are not those of what is written: all orders are made of them.
#[test]
fn every_order_and_mode_is_made_of_what_was_given() {
    let g = Graph::new();
    let (a, b) = (input(&g, "a"), input(&g, "b"));
    // The values of a + b and a − b, with the derivatives of y₀ = a·b² and y₁ = sin a in place of theirs.
    let (y, z) =
        g.with_derivative((a, b), (a + b, a - b), |(a, b), _, (da, db)| (b * b * da + 2.0 * a * b * db, a.cos() * da));
    let loss = y * 3.0 + z;
    let slope = g.gradient(loss, a);
    let along = g.jvp(loss, &[(a, b), (b, a)]);
    let results = [
        ("loss", loss),
        ("by a", slope),
        ("by b", g.gradient(loss, b)),
        ("along", along),
        ("by a twice", g.gradient(slope, a)),
        ("by a and b", g.gradient(slope, b)),
        ("forward over reverse", g.jvp(slope, &[(b, g.full(1.0, ()))])),
        ("only one value", g.gradient(z, b)),
    ];
    let (x, w): (f64, f64) = (0.3, -1.2);
    let found = values(&g, &results, &[("a", x), ("b", w)]);
    let by_a = 3.0 * w * w + x.cos();
    let by_b = 6.0 * x * w;
    let expected = [3.0 * (x + w) + x - w, by_a, by_b, by_a * w + by_b * x, -x.sin(), 6.0 * w, 6.0 * w, 0.0];
    for ((name, _), (found, expected)) in results.iter().zip(found.iter().zip(expected)) {
        assert!((found - expected).abs() < 1e-14, "{name}: {found} {expected}");
    }
}

/// The value in the derivative is the one that has it: y' = y makes all derivatives y.
#[test]
fn a_derivative_by_its_own_value_goes_on_to_any_order() {
    let g = Graph::new();
    let x = input(&g, "x");
    let y = g.with_derivative(x, x.exp().stop_gradient(), |_, y, tangent| y * tangent);
    let mut derivatives = vec![y];
    for order in 0..4 {
        derivatives.push(g.gradient(derivatives[order], x));
    }
    let results: Vec<(&str, Expr<'_>)> = ["0", "1", "2", "3", "4"].into_iter().zip(derivatives).collect();
    for found in values(&g, &results, &[("x", 0.8)]) {
        assert!((found - 0.8f64.exp()).abs() < 1e-14);
    }
}

#[test]
fn a_mistake_in_the_transpose_of_a_derivative_is_told() {
    let g = Graph::new();
    let x = input(&g, "x");
    let y = g.with_derivative(x, x.sin(), |x, _, tangent| {
        let first = (tangent, g.full(0i64, ()));
        g.while_loop(first, |(_, n)| n.less(2i64), |(tangent, n)| (x * tangent, n + 1i64)).0
    });
    g.check().unwrap();
    assert!(g.gradient(y, x).is_poisoned());
    let told = g.check().unwrap_err().to_string();
    assert!(told.contains("a loop that has no bound"), "{told}");
}

#[test]
fn what_is_not_an_operand_has_no_derivative() {
    let g = Graph::new();
    let (x, w) = (input(&g, "x"), input(&g, "w"));
    let y = g.with_derivative(x, x * w, |_, _, tangent| w * w * tangent);
    let results = [("by w", g.gradient(y, w)), ("by x", g.gradient(y, x)), ("along w", g.jvp(y, &[(w, w)]))];
    assert_eq!(values(&g, &results, &[("x", 2.0), ("w", 3.0)]), [0.0, 9.0, 0.0]);
    // But the derivative by x moves with w.
    assert_eq!(values(&g, &[("mixed", g.gradient(g.gradient(y, x), w))], &[("x", 2.0), ("w", 3.0)]), [6.0]);
}

#[test]
fn in_any_construct_it_is_as_the_same_function_with_a_derivative_of_its_own() {
    fn constructs<'g>(g: &'g Graph, sine: &dyn Fn(Expr<'g>) -> Expr<'g>) -> Vec<(&'static str, Expr<'g>)> {
        let (x, w) = (input(g, "x"), input(g, "w"));
        let looped = g.fori(3, x, |_, x| sine(x * w));
        let chosen = g.cond(x.greater(0.0), || sine(x * w), || sine(sine(w)));
        let function = g.function(x, |x| sine(x * w));
        let called = function.call(function.call(x));
        let xs = g.constant([0.4, -0.9, 1.3]);
        let batched = g.batch(sine(x * w) + sine(w), [(x, xs)]).sum();
        let gradients = g.batch(g.gradient(sine(x * w) * w, w), [(x, xs)]).sum();
        let losses = [looped, chosen, called, batched, gradients];
        let names = [
            ["loop", "loop′", "loop″"],
            ["cond", "cond′", "cond″"],
            ["call", "call′", "call″"],
            ["batch", "batch′", "batch″"],
            ["gradients", "gradients′", "gradients″"],
        ];
        let mut results = Vec::new();
        for (names, loss) in names.into_iter().zip(losses) {
            let slope = g.gradient(loss, w);
            results.extend(names.into_iter().zip([loss, slope, g.jvp(slope, &[(w, g.full(1.0, ()))])]));
        }
        results
    }
    let (g, h) = (Graph::new(), Graph::new());
    // A closure of all lifetimes.
    fn same<'g>(f: impl Fn(Expr<'g>) -> Expr<'g>) -> impl Fn(Expr<'g>) -> Expr<'g> {
        f
    }
    let wrapped = same(|x| {
        let y = x.sin().stop_gradient();
        x.graph().with_derivative(x, y, |x, _, tangent| x.cos() * tangent)
    });
    let (found, expected) = (constructs(&g, &wrapped), constructs(&h, &|x| x.sin()));
    let fed = [("x", 0.6), ("w", -1.1)];
    for ((name, _), (found, expected)) in
        found.iter().zip(values(&g, &found, &fed).into_iter().zip(values(&h, &expected, &fed)))
    {
        assert!((found - expected).abs() < 1e-13, "{name}: {found} {expected}");
    }
}

#[test]
fn a_landscape_sees_the_derivative_that_was_given() {
    let g = Graph::new();
    let w = g.parameter_of(DType::F64, "w", (), pullback::Initializer::Constant(2.0));
    let rounded = g.with_derivative(w, w.round(), |_, _, tangent| tangent);
    let mut landscape = Landscape::new((rounded - 5.0).square()).unwrap();
    let parameters = g.initialize(0).unwrap();
    let gradient = landscape.point(&parameters, ()).unwrap().gradient().unwrap();
    assert_eq!(gradient.norm(), 6.0);
}

#[test]
fn it_prints_and_is_read_back() {
    let g = Graph::new();
    let x = input(&g, "x");
    let y = fixed_point(x);
    let text = g.to_text([("y", y), ("slope", g.gradient(y, x))]);
    assert!(text.contains("with_derivative %"), "{text}");
    let parsed = Graph::parse(&text).unwrap();
    assert_eq!(parsed.to_text(), text);
    let of_parsed = parsed.graph.gradient(parsed.result("y").unwrap(), parsed.graph.named("x").unwrap());
    let found = values(&parsed.graph, &[("slope", of_parsed)], &[("x", 0.7)]);
    assert_eq!(found, values(&g, &[("slope", g.gradient(y, x))], &[("x", 0.7)]));
}

#[test]
fn wrong_derivatives_are_mistakes_at_their_line() {
    type Case = (fn(Expr<'_>), &'static str);
    let cases: [Case; 5] = [
        (
            |x| {
                let y = x.graph().with_derivative(x, x.exp(), |_, _, tangent| tangent * tangent);
                x.graph().gradient(y.sum(), x);
            },
            "are not linear in those that it is given",
        ),
        (
            |x| {
                x.graph().with_derivative(x, x.exp(), |_, _, tangent| tangent.sum());
            },
            "tangent 0 must be f64[3], as the value is, found f64[]",
        ),
        (
            |x| {
                x.graph().with_derivative(vec![x], vec![x, x], |_, _, tangents| tangents);
            },
            "the derivative gives 1 results, expected 2",
        ),
        (
            |x| {
                x.graph().with_derivative(x.cast(DType::I64), x, |_, _, tangent| tangent.cast(DType::F64));
            },
            "expected a float, found i64",
        ),
        (
            |x| {
                x.graph().with_derivative(x, x, |_, _, _| x + x.reshape((4,)));
            },
            "reshape",
        ),
    ];
    for (build, message) in cases {
        let g = Graph::new();
        build(g.input_of(DType::F64, "x", (3,)));
        let report = g.check().unwrap_err().to_string();
        assert!(report.contains(message) && report.contains("with_derivative.rs:"), "{message}: {report}");
    }
}

#[test]
fn hostile_texts_are_errors() {
    let body = "body 0 {\n  %0: f64[] = argument index=0\n  %1: f64[] = argument index=1\n  %2: f64[] = argument index=2\n  return %2\n}\n";
    let line = |node: &str| format!("{body}%0: f64[] = input \"x\"\n{node}\nreturn y = %1");
    assert!(Graph::parse(&line("%1: f64[] = with_derivative %0, %0 body=0 values=1 output=0")).is_ok());
    for (node, message) in [
        ("%1: f64[] = with_derivative %0 body=0 values=1 output=0", "operands"),
        ("%1: f64[] = with_derivative body=0 values=0 output=0", "operands"),
        ("%1: f64[] = with_derivative %0, %0, %0, %0 body=0 values=1 output=0", "operands"),
        ("%1: f64[] = with_derivative %0, %0 body=0 values=2 output=0", "expected 3 operands, found 2"),
        ("%1: f64[] = with_derivative %0, %0 body=0 values=70368744177664 output=0", "operands"),
        ("%1: f64[] = with_derivative %0, %0 body=0 values=1 output=1", "the output"),
        ("%1: f64[] = with_derivative %0, %0 body=1 values=1 output=0", "body 1 is not defined above"),
    ] {
        let error = Graph::parse(&line(node)).unwrap_err().to_string();
        assert!(error.contains(message), "{node}: {error}");
    }
}

/// What the value is has no part in its derivative, so it may have none.
#[test]
fn a_step_with_a_slope_is_a_straight_through_estimator() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (3,));
    let sign = g.with_derivative(x, x.sign(), |_, _, tangent| tangent);
    let mut program = g.compile([("sign", sign), ("slope", g.gradient((sign * x).sum(), x))]).unwrap();
    let out = program.call(("x", &[-0.5, 2.0, 3.0])).unwrap();
    assert_eq!(out["sign"], Value::from([-1.0, 1.0, 1.0]));
    assert_eq!(out["slope"], Value::from([-1.5, 3.0, 4.0]));
}

/// The tangent goes through branches, loops and calls of the closure's own, as it goes through products.
#[test]
fn a_closure_with_loops_branches_and_derivatives_inside_is_linear_where_these_are() {
    type Closure = for<'g> fn(Expr<'g>, Expr<'g>, Expr<'g>) -> Expr<'g>;
    type Case = (&'static str, Closure, fn(f64) -> f64);
    let closures: [Case; 4] = [
        (
            "cond",
            |x, _, tangent| x.graph().cond(x.greater(0.0), || 2.0 * x * tangent, || -tangent),
            |x| if x > 0.0 { 2.0 * x } else { -1.0 },
        ),
        (
            "loop over value and tangent",
            |x, _, tangent| x.graph().fori(3, (x, tangent), |_, (y, slope)| (y.sin(), y.cos() * slope)).1,
            |x| x.cos() * x.sin().cos() * x.sin().sin().cos(),
        ),
        (
            "derivative of a loop",
            |x, _, tangent| {
                let g = x.graph();
                g.jvp(g.fori(2, x, |_, y| y * y), &[(x, tangent)])
            },
            |x| 4.0 * x.powi(3),
        ),
        (
            "call",
            |x, _, tangent| x.graph().function((x, x), |(x, tangent)| x.exp() * tangent).call((x, tangent)),
            f64::exp,
        ),
    ];
    for (name, closure, slope) in closures {
        for at in [0.7, -0.4] {
            let g = Graph::new();
            let x = input(&g, "x");
            let y = g.with_derivative(x, x * 0.0, closure);
            let first = g.gradient(y, x);
            let results = [("reverse", first), ("forward", g.jvp(y, &[(x, x)])), ("second", g.gradient(first, x))];
            let found = values(&g, &results, &[("x", at)]);
            let step = 1e-6;
            let expected = [slope(at), at * slope(at), (slope(at + step) - slope(at - step)) / (2.0 * step)];
            // The second is a central difference: 1e-10 of truncation and rounding.
            for ((found, expected), tolerance) in found.iter().zip(expected).zip([1e-14, 1e-14, 1e-8]) {
                assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{name}: {found} {expected}");
            }
        }
    }
    // And where they are not, it is told.
    let g = Graph::new();
    let x = input(&g, "x");
    let y = g.with_derivative(x, x, |x, _, tangent| x.graph().fori(2, tangent, |_, t| t * t));
    g.gradient(y, x);
    assert!(g.check().unwrap_err().to_string().contains("not linear"));
}
