//! Options, schedules and reports are the same after they were written as JSON and read back.

use std::fmt::Debug;

use pullback::{
    DType, Evaluation, Graph, Initializer, InstructionSet, Mode, Options, PlanSummary, Rewrites,
    data::digits,
    nn::{cross_entropy, zero_one_loss},
    optim::{Schedule, Sgd},
    simplify::Class,
    train::{Fit, History, Metric, Patience, Report, Trainer},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

fn assert_round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("it is data");
    assert_eq!(serde_json::from_str::<T>(&text).expect("it was written so"), *value, "{text}");
}

#[test]
fn options_are_read_back_and_what_is_left_out_is_the_default() {
    let rewrites = Rewrites { exact: false, ulp: true, stabilize: false, fast_math: true, constant_bytes: 7 };
    let options = Options {
        threads: 3,
        rewrites,
        evaluation: Evaluation::Reference,
        memory_budget: Some(1 << 20),
        max_iterations: 9,
        mode: Some(Mode::Evaluation),
        frozen: vec!["encoder.*".to_owned()],
        instruction_set: Some(InstructionSet::available()[0]),
        machine_code: false,
    };
    assert_round_trip(&options);
    assert_round_trip(&Options::default());
    let some = json!({"threads": 1, "rewrites": {"fast_math": true}, "evaluation": "reference"});
    let want = Options {
        threads: 1,
        rewrites: Rewrites { fast_math: true, ..Rewrites::default() },
        evaluation: Evaluation::Reference,
        ..Options::default()
    };
    assert_eq!(serde_json::from_value::<Options>(some).expect("some options"), want);
    for wrong in [json!({"thread": 1}), json!({"rewrites": {"fastmath": true}}), json!({"evaluation": "fast"})] {
        let error = serde_json::from_value::<Options>(wrong).expect_err("a misspelt option").to_string();
        assert!(error.contains("expected"), "{error}");
    }
    let error = serde_json::from_value::<Options>(json!({"instruction_set": "neon2"})).expect_err("no set").to_string();
    assert!(error.contains("no instruction set `neon2`; it has `portable`"), "{error}");
}

#[test]
fn every_schedule_of_numbers_is_read_back() {
    let schedules = [
        Schedule::constant(0.1),
        Schedule::inverse_root(5.0, 400),
        Schedule::steps(0.1, 0.5, 30),
        Schedule::exponential(0.1, 0.99),
        Schedule::cosine(0.1, 0.01, 100),
        Schedule::exponential(0.3, 0.9).warm_up(7).warm_up(20),
        Schedule::linear(0.1, 0.01, 100).then(10, Schedule::restarts(0.1, 0.0, 3, 2)),
        Schedule::piecewise(0.1, [(4, 0.05), (9, 0.01)]).in_epochs(3),
        Schedule::one_cycle(0.1, 30, 100),
    ];
    for schedule in schedules {
        let text = serde_json::to_string(&schedule).expect("it is data");
        let again: Schedule = serde_json::from_str(&text).expect("it was written so");
        assert_eq!(format!("{again:?}"), format!("{schedule:?}"), "{text}");
        for step in [0, 1, 6, 19, 20, 99, 100, 1000] {
            assert_eq!(again.rate(step).to_bits(), schedule.rate(step).to_bits(), "{text} at step {step}");
        }
    }
    let error = serde_json::to_string(&Schedule::function(|_| 0.1)).expect_err("code is no data").to_string();
    assert!(error.contains("function of the step"), "{error}");
    serde_json::from_value::<Schedule>(json!("function")).expect_err("code is no data");
}

fn report() -> Report {
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let scores = x.dot(g.parameter("w", (64, 10), Initializer::Zeros));
    let error = Metric::rate("error", zero_one_loss(scores, label));
    let mut trainer = Trainer::new(cross_entropy(scores, label), [error]).expect("no error");
    let split = digits().split(0.2, 0).expect("a fraction");
    let (mut params, mut sgd) = (g.initialize(0).expect("no error"), Sgd::new(0.01));
    let fit = Fit::new(2, 64).patience(Patience::new(3));
    trainer.training(&mut params, &mut sgd).validate(&split.test).fit(&split.train, &fit).expect("it learns")
}

#[test]
fn the_report_of_a_training_is_read_back() {
    let report = report();
    assert_eq!((report.history.epochs().len(), report.measures.len()), (2, 2));
    assert_round_trip(&report);
    assert_round_trip(&report.history.epochs()[1]);
    assert_round_trip(&History::default());
    let text = serde_json::to_string(&report.history).expect("it is data");
    assert_eq!(text.matches("error").count(), 1, "names are written once: {text}");
}

#[test]
fn a_history_with_too_few_numbers_is_refused() {
    let estimate = json!({"value": 0.5, "lower": 0.4, "upper": 0.6, "level": 0.95});
    let history = |train: Vec<f64>, n_estimates: usize| {
        let epoch = json!({"epoch": 1, "step": 9, "train": train, "validation": vec![estimate.clone(); n_estimates]});
        serde_json::from_value::<History>(json!({"names": ["loss", "error"], "epochs": [epoch]}))
    };
    for n_estimates in [0, 2] {
        history(vec![0.5, 0.25], n_estimates).expect("as many as there are names, or none");
    }
    for (train, n_estimates) in [(vec![0.5], 0), (vec![0.5; 3], 2), (vec![0.5; 2], 1)] {
        let error = history(train, n_estimates).expect_err("not as many").to_string();
        assert!(error.contains("epoch 1 has") && error.contains("of 2 measures"), "{error}");
    }
}

#[test]
fn the_figures_of_a_plan_are_read_back_and_reports_with_lines_are_written() {
    let g = Graph::new();
    let x = g.input("x", ("batch", 8));
    let y = (1.0 + x.exp()).log();
    let mut program = g.compile(y).expect("no error");
    let summary: PlanSummary = program.summary([("batch", 4)]).expect("a size");
    assert_round_trip(&summary);
    Class::ALL.iter().for_each(assert_round_trip);

    let report = g.simplify(y, &Rewrites::default()).expect("no error").report;
    let written = serde_json::to_value(&report).expect("it is data");
    assert_eq!(written["flops_before"], "24*batch");
    assert_eq!(written["nodes_after"], report.nodes_after);
    let firing = report.firings().next().expect("softplus");
    let first = &written["firings"][0];
    assert_eq!((&first["rule"], &first["class"]), (&json!(firing.rule), &json!(firing.class.name())));
    assert_eq!((&first["site"]["line"], &first["count"]), (&json!(firing.site.line), &json!(firing.count)));

    let x = ndarray::Array2::<f32>::zeros((4, 8));
    let profile = program.profile(&g.initialize(0).expect("no error"), ("x", &x), 1).expect("it runs");
    let written = serde_json::to_value(&profile).expect("it is data");
    assert_eq!(written["steps"].as_array().map(Vec::len), Some(profile.steps.len()));
    assert_eq!(written["steps"][0]["flops"], profile.steps[0].flops);
}
