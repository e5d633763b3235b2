//! Numbers in messages and in the text form, at the ends of what a number can be.

use ndarray::array;
use pullback::{
    DType, Expr, Graph, Initializer, Parameters, RunError,
    data::{DataError, digits},
    graph::GraphError,
    landscape::LandscapeError,
    optim::{Adam, Optimizer, OptimizerError, Schedule, Sgd},
    parameters::{Gradients, Layout, ParameterError},
    risk::{Estimate, RiskError, error_rate},
    train::{Report, TrainError},
    view::FigureError,
};

/// One message of each kind that shows a float.
fn messages(number: f64) -> Vec<String> {
    let mut parameters = Parameters::zeros(Layout::new([("w", DType::F32, vec![1])]).expect("it fits"));
    let gradients = Gradients::zeros(parameters.layout().clone());
    let mut step =
        |rule: &mut dyn Optimizer| rule.step(&mut parameters, &gradients).expect_err("no such step").to_string();
    let g = Graph::new();
    let x = g.input("x", (2,));
    x.clamp(number, -number);
    x.leaky_relu(number * f64::INFINITY);
    let _ = g.input_of::<i64>("i", (2,)) * number;
    let w = |initializer| {
        let g = Graph::new();
        g.parameter("w", (2,), initializer);
        g.initialize(0).expect_err("no such initializer").to_string()
    };
    let estimate = Estimate { value: number, lower: -number, upper: number, level: 0.95 };
    let (low, high, name) = (number, -number, || "n".to_owned());
    vec![
        step(&mut Sgd::new(-number)),
        step(&mut Adam::new(0.1).beta1(number + 1.0)),
        step(&mut Adam::new(0.1).epsilon(-number)),
        step(&mut Sgd::new(Schedule::exponential(0.1, -number))),
        format!("{:?}", Schedule::cosine(number, number, 3).warm_up(2)),
        format!("{:?}", Schedule::steps(number, number, 3)),
        OptimizerError::Factor { name: "decay", value: number }.to_string(),
        OptimizerError::Overflow { name: "decay", value: number }.to_string(),
        ParameterError::Limit { limit: -number }.to_string(),
        ParameterError::Factor { factor: number, dtype: DType::F32 }.to_string(),
        DataError::Fraction { fraction: number }.to_string(),
        DataError::Parameter { what: "the noise", expected: "less", found: number }.to_string(),
        digits().split(1.5 + number, 0).expect_err("no such fraction").to_string(),
        RiskError::Level { level: number }.to_string(),
        RiskError::Range { loss: number, range: number }.to_string(),
        error_rate(1, 2, 1.5 + number).expect_err("no such level").to_string(),
        estimate.to_string(),
        format!("{estimate:.1}"),
        TrainError::NonFinite { epoch: 1, step: 1, loss: number, norm: number, cause: None }.to_string(),
        TrainError::MinDelta { found: number }.to_string(),
        LandscapeError::LossTooLow { value: number }.to_string(),
        LandscapeError::Setting { name: "radius", expected: "less", found: number }.to_string(),
        LandscapeError::Indefinite { lowest: low, highest: high, dimension: 3 }.to_string(),
        FigureError::Range { title: name(), label: name(), low, high }.to_string(),
        GraphError::Literal { literal: number, dtype: DType::I64 }.to_string(),
        w(Initializer::Uniform { low, high }),
        w(Initializer::Normal { mean: 0.0, deviation: -number }),
        g.check().expect_err("there are mistakes").to_string(),
    ]
}

#[test]
fn no_message_writes_a_number_out_with_its_zeros() {
    for number in [1e308, 1.5e17, 2e-300] {
        for message in messages(number) {
            assert!(!message.contains("000000"), "{message}");
        }
    }
    let told = messages(0.5);
    assert_eq!(told[0], "the rate is -0.5 at step 0, but must be finite in f32 and not negative");
    assert_eq!(told[16], "0.5000 (95 %: -0.5000 to 0.5000)");
}

/// The text form is exact, and short at both ends.
#[test]
fn literals_of_any_size_are_short_in_text_and_read_back() {
    for number in [1e308, -1.797e308, 5e-324, 1e16, 123456.5, f64::INFINITY, 1e22 + 1.0] {
        let g = Graph::new();
        let x = g.input_of::<f64>("x", ());
        let y: Expr<'_> = x * number;
        for text in [g.to_text(y), g.show(y)] {
            assert!(!text.contains("00000000"), "{text}");
        }
        let parsed = Graph::parse(&g.to_text(y)).expect("it was printed");
        let run = |y: Expr<'_>| {
            let mut program = y.graph().compile([("y", y)])?;
            Ok::<_, Box<dyn std::error::Error>>(program.call(("x", 1.0))?.scalar::<f64>("y")?)
        };
        assert_eq!(run(parsed.result("result").expect("it was printed")).expect("it runs"), number);
    }
}

/// Dtypes that do not fit name the declaration and the conversion, whatever both are.
#[test]
fn every_wrong_dtype_is_told_with_both_mends() {
    let feeds: [(DType, pullback::Value); 4] = [
        (DType::F32, array![1f32].into()),
        (DType::F64, array![1f64].into()),
        (DType::I64, array![1i64].into()),
        (DType::Bool, array![true].into()),
    ];
    let told = |declared: DType, fed: &pullback::Value| {
        let g = Graph::new();
        let x = match declared {
            DType::F32 => g.input_of::<f32>("x", (1,)),
            DType::F64 => g.input_of::<f64>("x", (1,)),
            DType::I64 => g.input_of::<i64>("x", (1,)),
            DType::Bool => g.input_of::<bool>("x", (1,)),
        };
        let mut program = g.compile([("y", x)]).expect("no mistake");
        program.call(("x", fed)).map(|_| ())
    };
    for ((declared, _), (found, fed)) in feeds.iter().flat_map(|one| feeds.iter().map(move |other| (one, other))) {
        match told(*declared, fed) {
            Ok(()) => assert_eq!(declared, found),
            Err(error) => {
                assert!(matches!(error, RunError::WrongDType { .. }) && declared != found, "{error}");
                let text = error.to_string();
                assert!(text.contains(&format!("declare it by `input_of::<{found}>`")), "{text}");
                assert!(text.contains("or feed `array.mapv("), "{text}");
            }
        }
    }
}

/// A report is read by people, too.
#[test]
fn a_report_of_a_loss_that_grew_is_short() {
    let summary =
        pullback::train::Summary { name: "loss".into(), training: 1e308, held_out: None, generalization_gap: None };
    let history = pullback::train::History::default();
    let report = Report { history, stop: pullback::train::Stop::Epochs, best_epoch: None, measures: vec![summary] };
    assert_eq!(report.to_string(), "0 epochs\nloss: training 1.0000e308\n");
}
