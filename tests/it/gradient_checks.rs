//! Gradients that users check: that right ones pass, and that of wrong ones the variable, the element, the operation and its line are
//! named.

use ndarray::{Array2, Zip, array};
use pullback::{
    DType, Expr, Graph, Initializer, Type, Value, ValueView, ValueViewMut,
    check::{
        self, Agreement, GradientCheckError, GradientCheckOptions, GradientReport, GradientVerdict, SuspectOperation,
        random_graph,
    },
    nn::cross_entropy,
    ops::{Application, CustomError, CustomOp, Linearization, Partial, Partials},
};

fn input<'g>(g: &'g Graph, name: &str, size: usize) -> Expr<'g> {
    g.input_of(DType::F64, name, (size,))
}

/// The variable, order and operation of a wrong derivative.
fn wrong(report: &GradientReport) -> (&str, usize, &SuspectOperation) {
    match &report.verdict {
        GradientVerdict::Wrong { variable, order, operation: Some(operation) } => (variable, *order, operation),
        _ => panic!("{report}"),
    }
}

/// The cube, with a derivative that is wrong at one element, or of the second order alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Cube {
    mistake: Mistake,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mistake {
    None,
    Factor,
    SecondOrder,
}

impl CustomOp for Cube {
    const NAME: &'static str = "cube";

    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
        Ok(operands[0].clone())
    }

    fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError> {
        if let ([ValueView::F64(x)], ValueViewMut::F64(y)) = (operands, output) {
            Zip::from(y).and(x).for_each(|y, x| *y = x * x * x);
        }
        Ok(())
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Partials(self)
    }
}

impl Partials for Cube {
    fn partial<'g>(&self, _: usize, application: &Application<'g>) -> Partial<'g> {
        let x = application.operands()[0];
        Partial::Factor(match self.mistake {
            Mistake::None => 3.0 * x * x,
            Mistake::Factor => 3.001 * x * x,
            // The value is right, but half of it does not move.
            Mistake::SecondOrder => 1.5 * x * x + (1.5 * x * x).stop_gradient(),
        })
    }
}

#[test]
fn random_graphs_pass_at_both_orders() {
    for seed in 0..12 {
        let random = random_graph(seed, 12);
        let names = ["x0", "x1", "x2"];
        let fed: Vec<(&str, Value)> = names.into_iter().zip(random.values.clone()).collect();
        let report = check::gradients(&random.graph, random.graph.expr(random.result), ((), fed)).unwrap();
        // Maxima may tie, and choices be at their border.
        let is_wrong = matches!(report.verdict, GradientVerdict::Wrong { .. });
        assert!(!is_wrong && report.variables.len() == 3, "seed {seed}: {report}");
    }
}

#[test]
fn a_model_with_a_symbolic_batch_passes_and_many_elements_are_sampled() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("batch", 4));
    let labels = g.input_of(DType::I64, "labels", ("batch",));
    let w = g.parameter_of(DType::F64, "w", (4, 20), Initializer::Constant(0.1));
    let u = g.parameter_of(DType::F64, "u", (20, 3), Initializer::Constant(-0.2));
    let loss = cross_entropy((x.dot(w).tanh() + 0.1).dot(u), labels).mean();
    let inputs = (("x", array![[0.1, 0.7, -0.4, 1.0], [1.1, -0.2, 0.3, 0.5]]), ("labels", [2i64, 0]));
    let parameters = g.initialize(3).unwrap();
    let report = check::gradients(&g, loss, (&parameters, &inputs)).unwrap();
    assert!(report.is_right(), "{report}");
    let names: Vec<&str> = report.variables.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["x", "w", "u"]);
    let w = &report.variables[1];
    assert_eq!((w.n_elements, w.n_checked), (80, 32));
    assert!(w.first.as_ref().unwrap().forward.is_some() && w.second.is_some());

    let step = g.compile_training(loss).unwrap();
    let report = check::training_gradients(&step, (&parameters, &inputs)).unwrap();
    assert!(report.is_right() && report.variables.len() == 2, "{report}");
    // Only what was asked for, and the same numbers for the same seed.
    let options = GradientCheckOptions { variables: Some(vec!["u".into()]), order: 1, ..Default::default() };
    let one = check::gradients_with(&g, loss, (&parameters, &inputs), &options).unwrap();
    assert_eq!(one, check::gradients_with(&g, loss, (&parameters, &inputs), &options).unwrap());
    assert!(one.variables.len() == 1 && one.variables[0].second.is_none());
}

#[test]
fn f32_is_checked_by_its_own_steps() {
    let g = Graph::new();
    let x = g.input("x", (8, 3));
    let w = g.parameter("w", (3, 2), Initializer::Constant(0.3));
    let at = Array2::from_shape_fn((8, 3), |(i, j)| (i as f32 - 3.0) * 0.2 + j as f32 * 0.1);
    let parameters = g.initialize(0).unwrap();
    let right = check::gradients(&g, x.dot(w).tanh().square().mean(), (&parameters, ("x", &at))).unwrap();
    assert!(right.is_right(), "{right}");
    let step = right.variables[0].first.as_ref().unwrap().step;
    assert!((0.005..0.2).contains(&step), "{step}");
    let y = x.dot(w);
    let scaled = g.with_derivative(y, y.tanh(), |_, value, tangent| (1.02 - value * value) * tangent);
    let report = check::gradients(&g, scaled.square().mean(), (&parameters, ("x", &at))).unwrap();
    assert_eq!(wrong(&report).2.call, "with_derivative");
}

#[test]
fn a_wrong_derivative_of_ones_own_is_found_in_the_middle_of_a_graph() {
    let g = Graph::new();
    let (x, y) = (input(&g, "x", 3), input(&g, "y", 3));
    let u = (x * 0.5).exp() + y;
    let line = line!() + 2;
    let sine = g
        .with_derivative(u, u.sin(), |u, _, tangent| u.cos() * tangent * u.greater(2.0).select(u.full_like(1.01), 1.0));
    let f = (sine.tanh() * y).sum();
    // u is 1.5, 1.13, 2.32: the last is beyond 2.
    let at = ((), (("x", [0.0, -0.9, 1.2]), ("y", [0.5, 0.5, 0.5])));
    let report = check::gradients(&g, f, at).unwrap();
    let (variable, order, operation) = wrong(&report);
    assert_eq!((variable, order), ("x", 1));
    assert_eq!((operation.call.as_str(), operation.site.line), ("with_derivative", line));
    assert!(operation.site.file.ends_with("gradient_checks.rs"));
    for check in [report.variables[0].first.as_ref(), operation.check.as_ref()] {
        let check = check.unwrap();
        assert_eq!((check.index.as_deref(), check.agreement), (Some(&[2][..]), Agreement::Differs));
        assert!((check.reverse / check.numeric - 1.01).abs() < 1e-6 && check.error > check.tolerance);
    }
    let text = report.to_string();
    assert!(
        text.contains("order 1 by \"x\" is wrong") && text.contains(&format!("gradient_checks.rs:{line}:")),
        "{text}"
    );
}

#[test]
fn a_wrong_custom_operation_is_found_by_its_name() {
    let cases = [(Mistake::None, 0), (Mistake::Factor, 1), (Mistake::SecondOrder, 2)];
    for (mistake, expected) in cases {
        let g = Graph::new();
        let x = input(&g, "x", 3);
        let f = (g.custom(Cube { mistake }, [x.sin() + 1.5]) * x).tanh().sum();
        let report = check::gradients(&g, f, ((), ("x", [0.1, -1.4, -1.2]))).unwrap();
        if expected == 0 {
            assert!(report.is_right(), "{report}");
            continue;
        }
        let (variable, order, operation) = wrong(&report);
        assert_eq!((variable, order, operation.operation.as_str()), ("x", expected, "cube"), "{report}");
        assert_eq!(operation.operand, Some(0));
        // The first order alone is right, if only the second is wrong.
        let options = GradientCheckOptions { order: 1, ..Default::default() };
        let first = check::gradients_with(&g, f, ((), ("x", [0.1, -1.4, -1.2])), &options).unwrap();
        assert_eq!(first.is_right(), mistake == Mistake::SecondOrder, "{first}");
    }
}

#[test]
fn a_wrong_derivative_in_bodies_is_found() {
    let g = Graph::new();
    let xs = g.input_of(DType::F64, "xs", ("time", 2));
    let start = input(&g, "start", 2);
    let line = line!() + 2;
    let (last, _) = g.scan(start, xs, |h, x| {
        let h = (g.custom(Cube { mistake: Mistake::Factor }, [x.cos()]) + h).tanh();
        (h, h)
    });
    let at = ((), (("xs", array![[0.1, 0.2], [0.4, -0.3], [0.9, 0.5]]), ("start", [0.3, -0.2])));
    let report = check::gradients(&g, last.sum(), at).unwrap();
    let (_, order, operation) = wrong(&report);
    assert_eq!((order, operation.operation.as_str(), operation.site.line), (1, "cube", line), "{report}");
}

#[test]
fn what_does_not_pass_through_the_operands_of_a_derivative_is_found() {
    let g = Graph::new();
    let (x, y) = (input(&g, "x", 2), input(&g, "y", 2));
    let product = g.with_derivative(x, x * y, |_, _, tangent| tangent * y);
    let report = check::gradients(&g, product.sum(), ((), (("x", [0.5, 1.0]), ("y", [2.0, 3.0])))).unwrap();
    let (variable, _, operation) = wrong(&report);
    assert_eq!((variable, operation.call.as_str(), operation.operand), ("y", "with_derivative", None), "{report}");
    let stopped = check::gradients(&g, (x * x.stop_gradient()).sum(), ((), ("x", [0.5, 1.0]))).unwrap();
    assert_eq!(wrong(&stopped).2.operation, "stop_gradient");
}

#[test]
fn kinks_are_told_from_mistakes() {
    let g = Graph::new();
    let x = input(&g, "x", 3);
    let relu = x.maximum(0.0).sum();
    let report = check::gradients(&g, relu, ((), ("x", [1.0, -1.0, 0.0]))).unwrap();
    if !report.is_right() {
        let GradientVerdict::Explained { agreement: Agreement::Kink, operation: Some(operation), .. } = &report.verdict
        else {
            panic!("{report}")
        };
        assert_eq!(operation.operation, "maximum");
    }
    // A kink within the first step is left behind by the next.
    let near = check::gradients(&g, relu, ((), ("x", [1.0, 1e-4, -3e-5]))).unwrap();
    assert!(near.is_right(), "{near}");
    // At a kink too a derivative must lie between those of both sides.
    let out = g.with_derivative(x, x.maximum(0.0), |_, _, tangent| 1.5 * tangent);
    let report = check::gradients(&g, out.sum(), ((), ("x", [0.0, 0.0, 0.0]))).unwrap();
    assert_eq!(wrong(&report).2.call, "with_derivative");
    let sided = g.with_derivative(x, x.maximum(0.0), |x, _, tangent| x.greater_equal(0.0).select(tangent, 0.0));
    let report = check::gradients(&g, sided.sum(), ((), ("x", [0.0, 1.0, 2.0]))).unwrap();
    let kink = report.variables[0].first.as_ref().unwrap();
    assert_eq!((kink.agreement, kink.index.as_deref()), (Agreement::Kink, Some(&[0][..])), "{report}");
}

#[test]
fn a_gradient_that_is_not_finite_is_traced() {
    let g = Graph::new();
    let x = input(&g, "x", 2);
    let line = line!() + 1;
    let norm = x.square().sum().sqrt();
    let report = check::gradients(&g, norm.exp(), ((), ("x", [0.0, 0.0]))).unwrap();
    let GradientVerdict::Explained { agreement: Agreement::NotFinite, operation: Some(operation), .. } =
        &report.verdict
    else {
        panic!("{report}")
    };
    assert_eq!(operation.site.line, line, "{report}");
}

#[test]
fn a_wrong_gradient_of_a_program_is_found() {
    let g = Graph::new();
    let (x, w) = (input(&g, "x", 40), g.parameter_of(DType::F64, "w", (), Initializer::Constant(0.7)));
    let f = (x * w).sin().sum();
    let gradients = g.gradients(f, &[x, w]);
    // One element of 40, so that few samples miss it; the random direction does not.
    let mask = g.constant(ndarray::Array1::from_shape_fn(40, |i| if i == 33 { 1.1 } else { 1.0 }));
    let results = [("f", f), ("by x", gradients[0]), ("by w", gradients[1]), ("off", gradients[0] * mask)];
    let program = g.compile(results).unwrap();
    let parameters = g.initialize(0).unwrap();
    let at: Vec<f64> = (0..40).map(|i| f64::from(i) * 0.03).collect();
    let at = (&parameters, ("x", &at[..]));
    let right = check::program_gradients(&program, "f", &[("x", "by x"), ("w", "by w")], at).unwrap();
    assert!(right.is_right(), "{right}");
    for max_elements in [1, 40] {
        let options = GradientCheckOptions { max_elements, ..Default::default() };
        let off = check::program_gradients_with(&program, "f", &[("w", "by w"), ("x", "off")], at, &options).unwrap();
        let GradientVerdict::Wrong { variable, order: 1, operation: None } = &off.verdict else { panic!("{off}") };
        let index = off.variables[1].first.as_ref().unwrap().index.clone();
        assert_eq!((variable.as_str(), index), ("x", (max_elements == 40).then(|| vec![33])));
    }

    let texts = [
        check::program_gradients(&program, "g", &[("x", "by x")], at).unwrap_err().to_string(),
        check::program_gradients(&program, "f", &[("x", "by_x")], at).unwrap_err().to_string(),
        check::program_gradients(&program, "f", &[("y", "by x")], at).unwrap_err().to_string(),
        check::program_gradients(&program, "f", &[("x", "by w")], at).unwrap_err().to_string(),
        check::program_gradients(&program, "by x", &[("x", "by x")], at).unwrap_err().to_string(),
    ];
    let expected = [
        "no output named \"g\"; the nearest name is `f`",
        "the nearest name is `by x`",
        "named \"y\"; the nearest name is `x`",
        "has shape []",
        "is f64[40]",
    ];
    for (text, expected) in texts.iter().zip(expected) {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn mistakes_of_the_caller_are_errors() {
    let g = Graph::new();
    let (x, n) = (input(&g, "x", 2), g.input_of(DType::I64, "n", ()));
    let f = (x * n.cast(DType::F64)).log().sum();
    let at = ((), (("x", [0.5, 1.0]), ("n", 2)));
    let named = |name: &str| GradientCheckOptions { variables: Some(vec![name.into()]), ..Default::default() };
    let error = |f: Expr<'_>, options: &GradientCheckOptions| check::gradients_with(&g, f, at, options).unwrap_err();
    let plain = GradientCheckOptions::default();
    assert!(matches!(error(x, &plain), GradientCheckError::NotScalar { .. }));
    assert!(matches!(error(n, &plain), GradientCheckError::NotScalar { .. }));
    assert!(matches!(error(g.constant(1.0), &plain), GradientCheckError::NoVariables { .. }));
    assert!(matches!(error(f, &named("n")), GradientCheckError::NotFloat { .. }));
    let unknown = error(f, &named("xx"));
    assert!(unknown.to_string().ends_with("the nearest name is `x`"), "{unknown}");
    let order = GradientCheckOptions { order: 3, ..Default::default() };
    assert!(matches!(error(f, &order), GradientCheckError::Setting { name: "order", .. }));
    let tolerance = GradientCheckOptions { tolerance: Some(f64::NAN), ..Default::default() };
    assert!(matches!(error(f, &tolerance), GradientCheckError::Setting { name: "tolerance", .. }));
    let error = check::gradients(&g, f, ((), (("x", [0.0, 1.0]), ("n", 2)))).unwrap_err();
    assert!(matches!(error, GradientCheckError::NotFinite { value: f64::NEG_INFINITY, .. }), "{error}");
    let error = check::gradients(&g, f, ((), ("x", [0.0, 1.0]))).unwrap_err();
    assert!(error.to_string().contains("input \"n\""), "{error}");
    let broken = Graph::new();
    let (a, b) = (input(&broken, "a", 2), input(&broken, "b", 3));
    assert!(matches!(check::gradients(&broken, (a + b).sum(), ((), ())), Err(GradientCheckError::Compile(_))));
}

#[test]
fn a_report_is_data() {
    let g = Graph::new();
    let x = input(&g, "x", 1);
    let report = check::gradients(&g, x.sin().sum(), ((), ("x", [0.3]))).unwrap();
    let data = serde_json::to_value(&report).unwrap();
    assert_eq!(data["verdict"], "right");
    assert_eq!(data["variables"][0]["first"]["agreement"], "agrees");
    assert_eq!(data["variables"][0]["first"]["index"], serde_json::json!([0]));
}
