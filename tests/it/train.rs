//! The training loop: what it reports, when it stops, and that a killed run goes on as if it had not been.

use std::{
    env, fs,
    ops::ControlFlow,
    process::{self, Command},
};

use ndarray::{Array1, Array2, Ix1, Ix2, IxDyn};
use pullback::{
    DType, Graph, Initializer, Options, Parameters, RunError, Value,
    data::{Dataset, Split, digits},
    io::Arrays,
    nn::{cross_entropy, linear, zero_one_loss},
    optim::{Adam, HeavyBall, Optimizer, Schedule, Sgd},
    train::{Checkpoint, Epoch, Fit, Metric, Objective, Observer, Patience, Report, Step, Stop, TrainError, Trainer},
};

fn small_digits() -> Split {
    digits().first(700).split(0.3, 1).expect("a fraction")
}

/// A network for digits of 12 hidden units with its first parameters.
fn network(options: &Options) -> (Trainer, Parameters) {
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let scores = linear(linear(x, "hidden", 12).tanh(), "out", 10);
    let error = Metric::rate("error", zero_one_loss(scores, label));
    let trainer = Trainer::with_options(cross_entropy(scores, label), [error], options);
    (trainer.expect("the graph has no mistake"), g.initialize(3).expect("initializers fit"))
}

fn bits(parameters: &Parameters) -> Vec<u32> {
    parameters.flat::<f32>().expect("there").iter().map(|x| x.to_bits()).collect()
}

fn adam() -> Adam {
    Adam::new(Schedule::cosine(0.01, 1e-4, 150).warm_up(10))
}

/// Ends the process in the middle of it, without a goodbye.
struct Kill(u64);

impl Observer for Kill {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        if step.step == self.0 {
            process::abort();
        }
        ControlFlow::Continue(())
    }
}

const KILLED: &str = "PULLBACK_TEST_KILLED";

fn fit() -> Fit {
    Fit::new(7, 32).seed(5).patience(Patience::new(50).on("error"))
}

/// The part of the test below that runs in a process of its own, which it does not outlive.
#[test]
fn a_process_that_is_killed() {
    let Ok(path) = env::var(KILLED) else { return };
    let (mut trainer, mut parameters) = network(&Options::default());
    let split = small_digits();
    let fit = fit().checkpoint(Checkpoint::new(path).every_steps(7));
    let (mut kill, mut adam) = (Kill(45), adam());
    let training = trainer.training(&mut parameters, &mut adam).validate(&split.test).observe(&mut kill);
    let _ = training.fit(&split.train, &fit);
    unreachable!("the process was to be killed");
}

#[test]
fn a_killed_run_goes_on_bit_for_bit_as_if_it_had_not_been() {
    let path = crate::temporary_file("killed");
    let mut command = Command::new(env::current_exe().expect("a test has a program"));
    command.args(["--exact", "train::a_process_that_is_killed"]).env(KILLED, &path);
    let status = command.output().expect("the program runs").status;
    assert!(!status.success() && path.exists(), "{status}");

    let split = small_digits();
    let run = |fit: &Fit| -> (Report, Parameters, Adam) {
        let ((mut trainer, mut parameters), mut adam) = (network(&Options::default()), adam());
        let training = trainer.training(&mut parameters, &mut adam).validate(&split.test);
        let report = training.fit(&split.train, fit).expect("training goes well");
        (report, parameters, adam)
    };
    let resumed = run(&fit().checkpoint(Checkpoint::resume(&path)));
    // The file now is of a finished training, from which there is nothing to do but to report.
    let finished = run(&fit().checkpoint(Checkpoint::resume(&path)));
    fs::remove_file(&path).expect("the file is there");
    let whole = run(&fit());
    assert_eq!(whole.0.history.epochs().last().map(|epoch| epoch.step), Some(7 * 16));
    for other in [resumed, finished] {
        assert_eq!(other.0, whole.0);
        assert_eq!(bits(&other.1), bits(&whole.1));
        assert_eq!(other.2.state(), whole.2.state());
    }
}

#[test]
fn any_number_of_threads_trains_the_same_parameters() {
    let split = small_digits();
    let train = |threads: usize| {
        let (mut trainer, mut parameters) = network(&Options { threads, ..Options::default() });
        let mut rule = HeavyBall::new(0.05, 0.9);
        trainer.training(&mut parameters, &mut rule).fit(&split.train, &Fit::new(2, 100)).expect("training goes well");
        bits(&parameters)
    };
    assert_eq!(train(1), train(3));
}

#[test]
fn a_checkpoint_of_another_training_is_an_error_that_changes_nothing() {
    let (path, split) = (crate::temporary_file("other"), small_digits());
    let train = |fit: &Fit, rule: &mut dyn Optimizer| {
        let (mut trainer, mut parameters) = network(&Options::default());
        let before = bits(&parameters);
        let result = trainer.training(&mut parameters, rule).fit(&split.train, fit);
        (result, bits(&parameters) != before)
    };
    let once = Fit::new(1, 64).checkpoint(Checkpoint::new(&path));
    assert!(train(&once, &mut adam()).0.is_ok());
    let resume = |fit: Fit| fit.checkpoint(Checkpoint::resume(&path));
    for (fit, what) in [(Fit::new(1, 64).seed(1), "seed"), (Fit::new(1, 32), "batches")] {
        let (result, is_changed) = train(&resume(fit), &mut adam());
        assert!(
            matches!(result, Err(TrainError::OtherTraining { what: ref found, .. }) if found == what),
            "{result:?}"
        );
        assert!(!is_changed);
    }
    let (result, is_changed) = train(&resume(Fit::new(1, 64)), &mut Sgd::new(0.1));
    assert!(matches!(result, Err(TrainError::Optimizer(_))), "{result:?}");
    assert!(!is_changed);
    let good = fs::read(&path).expect("the file is there");
    let numbers = |text: &str| {
        let mut changed = Arrays::load(&path).expect("the file is whole");
        ["epoch", "step", "batch", "optimizer steps"].iter().for_each(|name| changed.note(*name, text));
        changed.save(&path).expect("the file can be written");
    };
    for odd in ["18446744073709551615", "-1", "", "NaN"] {
        numbers(odd);
        let (result, is_changed) = train(&resume(Fit::new(2, 64)), &mut adam());
        assert!(matches!(result, Err(TrainError::BadCheckpoint { .. })) && !is_changed, "{odd}: {result:?}");
    }
    numbers("9007199254740992");
    assert!(train(&resume(Fit::new(2, 64)), &mut adam()).0.is_ok(), "more epochs than asked for are done");
    for length in (0..good.len()).step_by(good.len() / 40) {
        fs::write(&path, &good[..length]).expect("the file can be written");
        let (result, is_changed) = train(&resume(Fit::new(2, 64)), &mut adam());
        assert!(matches!(result, Err(TrainError::Checkpoint(_))) && !is_changed, "{length} bytes: {result:?}");
    }
    fs::remove_file(&path).expect("the file is there");
}

/// Remembers the parameters after each epoch.
#[derive(Default)]
struct Remember(Vec<Vec<u32>>);

impl Observer for Remember {
    fn epoch(&mut self, _: &Epoch, parameters: &Parameters) -> ControlFlow<()> {
        self.0.push(bits(parameters));
        ControlFlow::Continue(())
    }
}

#[test]
fn patience_ends_the_training_and_keeps_the_best_epoch() {
    let (mut trainer, mut parameters) = network(&Options::default());
    let (split, mut remember) = (small_digits(), Remember::default());
    // So high a rate overfits soon.
    let mut rule = Adam::new(0.05);
    let training = trainer.training(&mut parameters, &mut rule).validate(&split.test).observe(&mut remember);
    let report = training.fit(&split.train, &Fit::new(200, 16).patience(Patience::new(3))).expect("training goes well");
    let losses: Vec<f64> = report.history.validation("loss").iter().map(|(_, estimate)| estimate.value).collect();
    let best = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map(|(epoch, _)| epoch).expect("epochs");
    assert_eq!((report.stop, report.best_epoch), (Stop::Patience, Some(best as u64 + 1)));
    assert_eq!(losses.len(), best + 4);
    assert_eq!(bits(&parameters), remember.0[best]);
    assert_eq!(report.measures[0].held_out.map(|estimate| estimate.value), Some(losses[best]));
}

#[test]
fn measures_are_those_of_the_parameters_that_were_kept() {
    let (mut trainer, mut parameters) = network(&Options::default());
    let (split, mut adam) = (small_digits(), adam());
    let training = trainer.training(&mut parameters, &mut adam).validate(&split.test);
    let report = training.fit(&split.train, &Fit::new(3, 50).level(0.9)).expect("training goes well");
    let [loss, error] = &report.measures[..] else { panic!("two measures") };
    assert_eq!((loss.name.as_str(), error.name.as_str()), ("loss", "error"));
    let held_out = trainer.evaluate(&parameters, &split.test, 0.9).expect("the test part fits");
    assert_eq!(error.held_out, Some(held_out[1].estimate));
    let training = trainer.evaluate(&parameters, &split.train, 0.9).expect("the training part fits");
    assert_eq!((loss.training, error.training), (training[0].estimate.value, training[1].estimate.value));
    let (gap, held_out) = (error.generalization_gap.expect("there is a test part"), held_out[1].estimate);
    assert_eq!((gap.value, gap.lower), (held_out.value - error.training, held_out.lower - error.training));
    // A rate of 210 examples is a fraction of 210.
    assert!((held_out.value * 210.0 - (held_out.value * 210.0).round()).abs() < 1e-9);

    let mut table = Vec::new();
    report.history.write_csv(&mut table).expect("memory takes it");
    let table = String::from_utf8(table).expect("CSV is text");
    assert!(table.starts_with("epoch,step,train_loss,train_error,validation_loss,validation_loss_lower,"));
    assert_eq!(table.lines().count(), 4);
    assert!(table.lines().last().is_some_and(|line| line.starts_with("3,30,") && line.ends_with(",0.9")), "{table}");
}

/// y = w·x by squares, whose gradient and steps are known.
fn line(options: &Options) -> (Trainer, Parameters) {
    let g = Graph::new();
    let (x, y) = (g.input("x", ("batch", 1)), g.input("y", ("batch",)));
    let w = g.parameter("w", (1,), Initializer::Constant(0.0));
    let losses = (x.dot(w) - y).square();
    let trainer = Trainer::with_options(Objective::new(losses).penalty(w.square().sum() * 0.5), [], options);
    (trainer.expect("the graph has no mistake"), g.initialize(0).expect("initializers fit"))
}

/// A column of a dataset with another beside it.
fn with_column(data: &Dataset, kept: &str, name: &str, values: impl Into<Value>) -> Dataset {
    let kept_values = data.array::<f32, IxDyn>(kept).expect("there").to_owned();
    let data = Dataset::new().column(kept, kept_values).and_then(|data| data.column(name, values));
    data.expect("as many examples")
}

fn points(n: usize) -> Dataset {
    let x = Array2::from_shape_fn((n, 1), |(row, _)| row as f32 / n as f32 + 0.5);
    let y = Array1::from_shape_fn(n, |row| 2.0 * (row as f32 / n as f32 + 0.5));
    Dataset::new().column("x", x).and_then(|rows| rows.column("y", y)).expect("as many targets as rows")
}

#[test]
fn batches_that_are_added_up_are_one_step() {
    let train = |size: usize, accumulate: usize| {
        let (mut trainer, mut parameters) = line(&Options::default());
        let mut rule = Sgd::new(0.1);
        let fit = Fit::new(3, size).accumulate(accumulate);
        let report = trainer.training(&mut parameters, &mut rule).fit(&points(40), &fit).expect("training goes well");
        (report.history.epochs()[2].step, parameters.flat::<f32>().expect("there")[0])
    };
    let (whole, parts) = (train(16, 1), train(4, 4));
    assert_eq!((whole.0, parts.0), (9, 9));
    assert!((whole.1 - parts.1).abs() < 1e-6, "{whole:?} and {parts:?}");
    // One step over all: w = −0.1·(2·mean(x(0 − y)) + 0) with y = 2x.
    let (mut trainer, mut parameters) = line(&Options::default());
    let report = trainer.training(&mut parameters, &mut Sgd::new(0.1)).fit(&points(40), &Fit::new(1, 40));
    let mean = points(40).array::<f32, Ix2>("x").expect("there").iter().map(|x| f64::from(x * x)).sum::<f64>() / 40.0;
    assert!((f64::from(parameters.flat::<f32>().expect("there")[0]) - 0.4 * mean).abs() < 1e-6);
    assert!((report.expect("training goes well").history.epochs()[0].train[0] - 4.0 * mean).abs() < 1e-5);
}

#[test]
fn clipped_steps_are_no_longer_than_the_limit() {
    let (mut trainer, mut parameters) = line(&Options::default());
    let fit = Fit::new(1, 40).clip_norm(0.5);
    trainer.training(&mut parameters, &mut Sgd::new(1.0)).fit(&points(40), &fit).expect("training goes well");
    assert!((parameters.flat::<f32>().expect("there")[0] - 0.5).abs() < 1e-6);
    let (mut trainer, mut parameters) = line(&Options::default());
    let fit = Fit::new(1, 40).clip_norm(0.5).clip_value(0.25);
    trainer.training(&mut parameters, &mut Sgd::new(1.0)).fit(&points(40), &fit).expect("training goes well");
    assert_eq!(parameters.flat::<f32>().expect("there"), [0.25]);
}

#[test]
fn the_first_operation_that_makes_no_number_is_named() {
    let g = Graph::new();
    let (x, y) = (g.input("x", ("batch", 1)), g.input("y", ("batch",)));
    let w = g.parameter("w", (1,), Initializer::Constant(1.0));
    let losses = (x.dot(w).log() - y).square(); // no number once w is negative
    let mut trainer = Trainer::new(losses, []).expect("the graph has no mistake");
    let mut parameters = g.initialize(0).expect("initializers fit");
    let result = trainer.training(&mut parameters, &mut Sgd::new(-9.0)).fit(&points(8), &Fit::new(30, 4));
    assert!(matches!(result, Err(TrainError::Optimizer(_))), "a rate that is not positive: {result:?}");
    let data = with_column(&points(8), "x", "y", Array1::from_elem(8, -5.0f32));
    let result = trainer.training(&mut parameters, &mut Sgd::new(1.0)).fit(&data, &Fit::new(30, 4));
    let Err(TrainError::NonFinite { epoch: 1, cause: Some(cause @ RunError::NonFinite { .. }), .. }) = result else {
        panic!("{result:?}")
    };
    assert!(cause.to_string().contains("log") && cause.to_string().contains("tests/it/train.rs"), "{cause}");
    // The parameters are those that made it, and finite.
    assert!(parameters.flat::<f32>().expect("there")[0] < 0.0);
}

/// Ends at a step.
struct StopAt(u64);

impl Observer for StopAt {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        if step.step == self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn an_observer_ends_a_training_which_goes_on_later() {
    let (path, split) = (crate::temporary_file("stopped"), small_digits());
    let train = |fit: &Fit, stop: u64| {
        let ((mut trainer, mut parameters), mut adam) = (network(&Options::default()), adam());
        let mut stop = StopAt(stop);
        let training = trainer.training(&mut parameters, &mut adam).observe(&mut stop);
        let report = training.fit(&split.train, fit).expect("training goes well");
        (report.stop, report.history.epochs().len(), bits(&parameters))
    };
    let stopped = train(&Fit::new(3, 32).checkpoint(Checkpoint::new(&path)), 20);
    let resumed = train(&Fit::new(3, 32).checkpoint(Checkpoint::resume(&path)), 0);
    fs::remove_file(&path).expect("the file is there");
    assert_eq!((stopped.0, stopped.1), (Stop::Observer, 1));
    assert_eq!(resumed, train(&Fit::new(3, 32), 0));
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let losses = cross_entropy(linear(x, "out", 10), label);
    let new = |metrics: Vec<Metric<'_>>| Trainer::new(losses, metrics).map(|_| ());
    assert!(matches!(Trainer::new(losses.mean(), []), Err(TrainError::NotOfEach { .. })));
    assert!(matches!(new(vec![Metric::mean("label", label)]), Err(TrainError::NotFloat { .. })));
    assert!(matches!(new(vec![Metric::mean("loss", losses)]), Err(TrainError::DuplicateMetric { .. })));
    let mut trainer = Trainer::new(losses, []).expect("the graph has no mistake");
    let mut parameters = g.initialize(0).expect("initializers fit");
    let (data, mut rule) = (digits(), Sgd::new(0.1));
    let mut fit = |fit: &Fit, train: &Dataset| trainer.training(&mut parameters, &mut rule).fit(train, fit).map(|_| ());
    assert!(matches!(fit(&Fit::new(1, 0), &data), Err(TrainError::Data(_))));
    assert!(matches!(fit(&Fit::new(1, 8), &data.first(0)), Err(TrainError::Empty { .. })));
    assert!(matches!(fit(&Fit::new(1, 8).patience(Patience::new(1)), &data), Err(TrainError::NoValidation)));
    let unknown = Patience::new(1).on("accuracy");
    assert!(matches!(fit(&Fit::new(1, 8).patience(unknown), &data), Err(TrainError::UnknownMetric { .. })));
    assert!(matches!(fit(&Fit::new(1, 900).clip_norm(f64::NAN), &data), Err(TrainError::Parameters(_))));
}

/// Wherever in the epoch the row comes, however many batches are a step, in training and in measuring.
#[test]
fn an_example_that_does_not_run_is_told_with_epoch_and_row() {
    let good = digits().first(60);
    for (row, label) in [(0, 10), (23, -1), (59, i64::MAX)] {
        let mut labels = good.array::<i64, Ix1>("label").expect("there").to_owned();
        labels[row] = label;
        let bad = with_column(&good, "x", "label", labels);
        let expect = |error: TrainError, start: &str| {
            let text = error.to_string();
            assert!(text.starts_with(start), "{text}");
            assert!(text.contains("`cross_entropy` (in it `gather`, node %"), "{text}");
            assert!(text.contains("tests/it/train.rs") && text.contains(&format!("index {label} is out")), "{text}");
        };
        for (size, accumulate) in [(60, 1), (7, 1), (7, 3), (100, usize::MAX)] {
            let (mut trainer, mut parameters) = network(&Options::default());
            let fit = Fit::new(2, size).accumulate(accumulate);
            let result = trainer.training(&mut parameters, &mut Sgd::new(0.1)).fit(&bad, &fit);
            expect(
                result.expect_err("a label is no class"),
                &format!("epoch 1, row {row} (from 0) of the examples to train on: "),
            );
        }
        let (mut trainer, mut parameters) = network(&Options::default());
        let error = trainer.evaluate(&parameters, &bad, 0.95).expect_err("a label is no class");
        expect(error, &format!("row {row} (from 0) of the examples to measure on: "));
        let mut rule = Sgd::new(0.1);
        let training = trainer.training(&mut parameters, &mut rule);
        let error = training.validate(&bad).fit(&good, &Fit::new(2, 60)).expect_err("a label is no class");
        expect(error, &format!("epoch 1, row {row} (from 0) of the examples to measure on: "));
    }
}

#[test]
fn numbers_that_would_be_missed_after_an_epoch_are_told_before_it() {
    let (mut trainer, mut parameters) = network(&Options::default());
    let (data, mut rule) = (digits().first(40), Sgd::new(0.1));
    let before = bits(&parameters);
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e39, 0.0, 1.0] {
        let training = trainer.training(&mut parameters, &mut rule).validate(&data);
        let result = training.fit(&data, &Fit::new(1, 20).level(odd));
        assert!(matches!(result, Err(TrainError::Risk { .. })), "{odd}: {result:?}");
    }
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let patience = Patience::new(1).min_delta(odd);
        let training = trainer.training(&mut parameters, &mut rule).validate(&data);
        let result = training.fit(&data, &Fit::new(1, 20).patience(patience));
        assert!(matches!(result, Err(TrainError::MinDelta { .. })), "{odd}: {result:?}");
    }
    assert_eq!(bits(&parameters), before);
}

/// What a training gives that goes on from a checkpoint whose texts were changed.
fn resume_from_changed(name: &str, change: impl FnOnce(&mut Arrays)) -> Result<(), TrainError> {
    let (path, data) = (crate::temporary_file(name), digits().first(40));
    let train = |start: Checkpoint| {
        let (mut trainer, mut parameters) = network(&Options::default());
        let fit = Fit::new(1, 20).checkpoint(start);
        trainer.training(&mut parameters, &mut adam()).fit(&data, &fit).map(drop)
    };
    train(Checkpoint::new(&path)).expect("training goes well");
    let mut arrays = Arrays::load(&path).expect("the file is whole");
    change(&mut arrays);
    arrays.save(&path).expect("the file can be written");
    let result = train(Checkpoint::resume(&path));
    fs::remove_file(&path).expect("the file is there");
    result
}

/// A name in the list of the optimizer's arrays costs a copy of the parameters.
#[test]
fn a_checkpoint_that_names_an_array_again_and_again_is_refused() {
    let result = resume_from_changed("again", |arrays| arrays.note("optimizer arrays", "mean\n".repeat(1000)));
    assert!(matches!(result, Err(TrainError::BadCheckpoint { .. })), "{result:?}");
}

/// A checkpoint says its version; one without is of the first, and one of another version is refused by name.
#[test]
fn a_checkpoint_of_a_later_version_is_refused() {
    let result = resume_from_changed("version", |arrays| {
        assert_eq!(arrays.text("version"), Some("2"));
        arrays.note("version", "3");
    });
    assert!(matches!(&result, Err(TrainError::CheckpointVersion { found, .. }) if found == "3"), "{result:?}");
}
