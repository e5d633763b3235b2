//! States that go on from batch to batch within one pass over data: values as of one long sequence, derivatives as of each window,
//! passes that begin anew and know nothing of each other, and mistakes that are told.

use std::{fs, ops::ControlFlow};

use ndarray::{Array2, Axis, Slice};
use pullback::{
    DType, Diagnostics, Evaluation, Expr, Graph, Initializer, Mode, Options, Parameters, Value,
    data::{Batching, Column, Dataset, IteratorSource, Source},
    nn::{
        BatchNorm, Directions, Gru, GruCell, Layer, Linear, Lstm, LstmCell, LstmOptions, Recurrent, RecurrentCell,
        RecurrentOptions, Rnn, RnnCell,
    },
    ops::Tree,
    optim::{HeavyBall, Sgd},
    parameters::State,
    train::{Checkpoint, Fit, Metric, Observer, Patience, Step, TrainError, Trainer},
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const LENGTH: usize = 3;
const STREAMS: usize = 2;
const WINDOWS: usize = 5;

/// Numbers without a pattern, `[STREAMS, n]`.
fn numbers(n: usize) -> Array2<f64> {
    Array2::from_shape_fn((STREAMS, n), |(stream, time)| ((time * 37 + stream * 11 + 5) % 23) as f64 / 11.0 - 1.0)
}

fn options<C: Default>() -> RecurrentOptions<C> {
    RecurrentOptions { layers: 2, dtype: DType::F64, ..RecurrentOptions::default() }
}

/// The squares of what two layers give, `[time, batch]`, from x `[batch, time]`, by a way to run them.
fn squares<'g, C: RecurrentCell>(x: Expr<'g>, run: impl FnOnce(&Recurrent<'g, C>, Expr<'g>) -> Expr<'g>) -> Expr<'g> {
    let layer = Recurrent::with(x.graph(), "layer", 1, 4, options());
    run(&layer, x.t().unsqueeze(-1)).square().sum_over(-1)
}

fn window(x: &Array2<f64>, k: usize) -> Array2<f64> {
    x.slice_axis(Axis(1), Slice::from(k * LENGTH..(k + 1) * LENGTH)).to_owned()
}

fn float(value: &Value) -> ndarray::ArrayD<f64> {
    value.array::<f64>().expect("it is f64").clone()
}

fn windows_are_of_one_sequence<C: RecurrentCell>(evaluation: Evaluation) -> Outcome {
    let engine = Options { evaluation, ..Options::default() };
    let x = numbers(WINDOWS * LENGTH);
    let g = Graph::new();
    let y = squares::<C>(g.input_of(DType::F64, "x", (STREAMS, LENGTH)), |layer, x| layer.carried(x));
    let mut step = g.compile_training_with(y.mean(), [("y", y)], &engine)?;
    let mut parameters = g.initialize(3)?;
    // The same parameters on the whole sequence, and on a window whose first state is computed from all that is before it, as a
    // number that has no derivative.
    let whole = Graph::new();
    let long = squares::<C>(whole.input_of(DType::F64, "x", (STREAMS, "time")), |layer, x| layer.call(x));
    let expected = float(&whole.compile(long)?.run(&parameters, ("x", &x))?["result"]);
    for k in 0..WINDOWS {
        let out = step.run(&mut parameters, ("x", &window(&x, k)))?;
        let expected = expected.slice_axis(Axis(0), Slice::from(k * LENGTH..(k + 1) * LENGTH));
        // Roundings of sums of eight products, at most.
        assert!((&float(&out.outputs["y"]) - &expected).iter().all(|off| off.abs() < 1e-13), "window {k}");

        let cut = Graph::new();
        let (past, x_now) = (cut.input_of(DType::F64, "past", (STREAMS, k * LENGTH)), window(&x, k));
        let loss = squares::<C>(cut.input_of(DType::F64, "x", (STREAMS, LENGTH)), |layer, x| {
            let (_, state) = layer.run(past.t().unsqueeze(-1), None, None);
            layer.run(x, Some(stopped::<C>(&state)), None).0
        });
        let past = x.slice_axis(Axis(1), Slice::from(..k * LENGTH)).to_owned();
        let fresh = parameters.clone();
        let inputs = (("past", &past), ("x", &x_now));
        let expected = cut.compile_training(loss.mean())?.run(&fresh, inputs)?;
        for name in out.gradients.layout().names() {
            let [found, expected] =
                [&out.gradients, &expected.gradients].map(|g| g.array::<f64>(name).expect("a parameter"));
            assert!((&found - &expected).iter().all(|off| off.abs() < 1e-13), "{name}, window {k}");
        }
    }
    Ok(())
}

/// The same state behind `stop_gradient`.
fn stopped<'g, C: RecurrentCell>(state: &C::State<'g>) -> C::State<'g> {
    let mut leaves = Vec::new();
    state.push_to(&mut leaves);
    state.rebuild(&mut leaves.into_iter().map(Expr::stop_gradient))
}

#[test]
fn windows_with_a_carried_state_are_those_of_one_sequence_and_differentiated_alone() -> Outcome {
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        windows_are_of_one_sequence::<RnnCell>(evaluation)?;
        windows_are_of_one_sequence::<GruCell>(evaluation)?;
        windows_are_of_one_sequence::<LstmCell>(evaluation)?;
    }
    Ok(())
}

/// Predicts the next number of a stream, with dropout between two layers.
fn model(dropout: f64, options: &Options) -> (Trainer, Parameters, Graph) {
    let g = Graph::new();
    let (x, y) = (g.input("x", (STREAMS, LENGTH)), g.input("y", (STREAMS, LENGTH)));
    let lstm = Lstm::with(&g, "lstm", 1, 5, LstmOptions { layers: 2, dropout, ..LstmOptions::default() });
    let hidden = lstm.carried(x.t().unsqueeze(-1));
    let predicted = Linear::new(&g, "out", 5, 1).call(hidden).squeeze(-1).t();
    let loss = (predicted - y).square();
    let trainer = Trainer::with_options(loss, [Metric::mean("size", predicted.square())], options);
    let (trainer, parameters) = (trainer.expect("no mistake"), g.initialize(1).expect("initializers fit"));
    (trainer, parameters, g)
}

/// `n` windows of each stream, one after the other.
fn windows(n: usize) -> Dataset {
    let x = numbers(n * LENGTH + 1).mapv(|x| x as f32);
    let part = |first: usize| {
        let part = x.slice_axis(Axis(1), Slice::from(first..first + n * LENGTH));
        part.to_owned().into_shape_with_order((STREAMS * n, LENGTH)).expect("so many")
    };
    Dataset::new().column("x", part(0)).and_then(|data| data.column("y", part(1))).expect("columns")
}

fn continued() -> Batching {
    Batching::new(STREAMS).continued()
}

fn everything(parameters: &Parameters) -> (Vec<u32>, String) {
    let bits = parameters.flat::<f32>().expect("there").iter().map(|x| x.to_bits()).collect();
    (bits, format!("{:?}", parameters.state()))
}

#[test]
fn every_epoch_and_every_measuring_begins_anew_and_leaves_the_others_alone() -> Outcome {
    let (train, validation) = (windows(7), windows(4));
    // Without a rate nothing changes but the carried state.
    let (mut trainer, mut parameters, _) = model(0.0, &Options::default());
    let first = trainer.evaluate(&parameters, &train, 0.95)?[0].estimate;
    let mut rule = Sgd::new(0.0);
    let report = trainer.training(&mut parameters, &mut rule).fit(&train, &Fit::new(3, continued()))?;
    let losses: Vec<f64> = report.history.epochs().iter().map(|epoch| epoch.train[0]).collect();
    assert!(losses.iter().all(|loss| *loss == losses[0] && (loss - first.value).abs() < 1e-6), "{losses:?}");
    assert_eq!(trainer.evaluate(&parameters, &train, 0.95)?[0].estimate, first);
    // As one long sequence has it, without any state.
    let whole = Graph::new();
    let (x, y) = (whole.input("x", (STREAMS, "time")), whole.input("y", (STREAMS, "time")));
    let lstm = Lstm::with(&whole, "lstm", 1, 5, LstmOptions { layers: 2, ..LstmOptions::default() });
    let predicted = Linear::new(&whole, "out", 5, 1).call(lstm.call(x.t().unsqueeze(-1))).squeeze(-1).t();
    let all = numbers(7 * LENGTH + 1).mapv(|x| x as f32);
    let part = |first: usize| all.slice_axis(Axis(1), Slice::from(first..first + 7 * LENGTH)).to_owned();
    let mut program = whole.compile((predicted - y).square().mean())?;
    let loss = program.run(&parameters, (("x", &part(0)), ("y", &part(1))))?.scalar::<f32>("result")?;
    assert!((f64::from(loss) - first.value).abs() < 1e-6, "{loss} {first:?}");

    // A training is the same with a validation in between, and so is what is measured, whatever was trained or measured before.
    let run = |validated: bool| -> Result<_, TrainError> {
        let ((mut trainer, mut parameters, _), mut rule) = (model(0.3, &Options::default()), HeavyBall::new(0.1, 0.9));
        let training = trainer.training(&mut parameters, &mut rule);
        let training = if validated { training.validate(&validation) } else { training };
        let report = training.fit(&train, &Fit::new(3, continued()))?;
        Ok((everything(&parameters), report, parameters))
    };
    let (plain, validated) = (run(false)?, run(true)?);
    assert_eq!(plain.0, validated.0);
    let last = &validated.1.history.epochs()[2].validation[0];
    let (mut trainer, start, _) = model(0.3, &Options::default());
    assert_eq!(trainer.evaluate(&validated.2, &validation, 0.95)?[0].estimate, *last);
    let restarted = validated.2.clone().with_state(start.state().clone());
    assert_eq!(trainer.evaluate(&restarted, &validation, 0.95)?[0].estimate, *last);
    Ok(())
}

struct StopAt(u64);

impl Observer for StopAt {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        if step.step == self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn a_training_with_a_carried_state_that_was_stopped_anywhere_goes_on_to_the_same_bits() {
    let path = crate::temporary_file("carried");
    let (train, validation) = (windows(6), windows(3));
    for accumulate in [1, 2] {
        let run = |fit: Fit, stop: u64| {
            let ((mut trainer, mut parameters, _), mut rule) =
                (model(0.4, &Options::default()), HeavyBall::new(0.2, 0.9));
            let mut stop = StopAt(stop);
            let training = trainer.training(&mut parameters, &mut rule).validate(&validation).observe(&mut stop);
            let fit = fit.patience(Patience::new(9)).accumulate(accumulate);
            let report = training.fit(&train, &fit).expect("training goes well");
            (report.measures, report.best_epoch, everything(&parameters))
        };
        let whole = run(Fit::new(3, continued()), 0);
        for stop in 1..18 / accumulate as u64 {
            run(Fit::new(3, continued()).checkpoint(Checkpoint::new(&path)), stop);
            let resumed = run(Fit::new(3, continued()).checkpoint(Checkpoint::resume(&path)), 0);
            assert_eq!(resumed, whole, "stopped at step {stop}");
        }
    }
    fs::remove_file(&path).expect("the file is there");
}

#[test]
fn examples_in_an_order_that_does_not_go_on_are_refused_before_the_first_step() {
    let (mut trainer, mut parameters, _) = model(0.0, &Options::default());
    let before = everything(&parameters);
    let data = windows(6);
    for batching in [
        Batching::new(STREAMS),
        Batching::new(STREAMS).in_order(),
        Batching::new(STREAMS).shuffled_within(2),
        Batching::new(STREAMS).by_length(2),
    ] {
        let mut rule = Sgd::new(0.1);
        let error = trainer.training(&mut parameters, &mut rule).fit(&data, &Fit::new(1, batching.clone()));
        let error = error.expect_err("it does not go on");
        let TrainError::NotContinued { state, purpose: "train", .. } = &error else { panic!("{error}") };
        assert_eq!(state, "lstm.carry.0");
        assert!(error.to_string().contains("take `Batching::continued`"), "{error}");
        let (other, ..) = model(0.0, &Options::default());
        let mut other = other.measure_by(batching);
        let error = other.evaluate(&parameters, &data, 0.95).expect_err("neither does this");
        assert!(matches!(error, TrainError::NotContinued { purpose: "measure", .. }), "{error}");
        // It would be missed after an epoch.
        let error = other.training(&mut parameters, &mut rule).fit(&data, &Fit::new(1, continued()));
        assert!(matches!(error, Err(TrainError::NotContinued { purpose: "measure", .. })), "{error:?}");
    }
    assert_eq!(everything(&parameters), before);
    // One example after the other, and an iterator that has its examples in their order, do.
    let g = Graph::new();
    let sum = g.state("sum", (1,), Initializer::Zeros);
    let total = sum + g.input("x", (1,));
    g.carry(sum, |_| total);
    let loss = total * g.parameter("w", (), Initializer::Constant(1.0));
    let columns = [Column::new("x", DType::F32, ())];
    let stream = IteratorSource::new(columns, |_| (0..4).map(|_| Ok(vec![1.0f32.into()]))).expect("one column");
    let ones = Dataset::new().column("x", vec![1.0f32; 4]).expect("a column");
    for source in [&ones as &dyn Source, &stream] {
        let trainer = Trainer::new(loss, []).expect("no mistake");
        let mut trainer = trainer.measure_by(Batching::new(1).in_order());
        let mean = &trainer.evaluate(&g.initialize(0).expect("it fits"), source, 0.95).expect("it goes on")[0];
        assert_eq!(mean.estimate.value, 2.5);
    }
}

/// What trains, and what is frozen, has no say in where a sequence is.
#[test]
fn a_state_is_carried_in_either_mode_and_where_its_layer_is_frozen() -> Outcome {
    for frozen in [&[][..], &["layer.*"], &["layer.sum"]] {
        for mode in [None, Some(Mode::Training), Some(Mode::Evaluation)] {
            let g = Graph::new();
            let parameter = |name| g.parameter(name, (), Initializer::Constant(1.0));
            let (x, w, out) = (g.input("x", ()), parameter("layer.w"), parameter("out"));
            let [sum, counter] = ["layer.sum", "counter"].map(|name| g.state(name, (), Initializer::Zeros));
            g.update(counter, |counter| counter + 1.0);
            let loss = out * g.carry(sum, |sum| sum + w * x);
            let frozen = frozen.iter().map(|pattern| (*pattern).to_owned()).collect();
            let mut step = g.compile_training_with(loss, (), &Options { frozen, mode, ..Options::default() })?;
            let mut parameters = g.initialize(0)?;
            for expected in [2.0, 4.0] {
                assert_eq!(step.run(&mut parameters, ("x", 2.0f32))?.loss, expected);
            }
            let n_steps = if mode == Some(Mode::Evaluation) { 0.0f32 } else { 2.0 };
            assert_eq!(parameters.state().get("counter"), Some(&ndarray::arr0(n_steps).into()));
            step.restart(&mut parameters)?;
            assert_eq!(step.run(&mut parameters, ("x", 2.0f32))?.loss, 2.0);
            // Parameters without the state are left as they are.
            let mut alone = parameters.clone().with_state(State::default());
            step.restart(&mut alone).expect_err("there is no such state");
        }
    }
    Ok(())
}

#[test]
fn what_cannot_be_carried_is_a_recorded_error() {
    fn errors(build: impl FnOnce(&Graph)) -> Diagnostics {
        let g = Graph::new();
        build(&g);
        g.check().expect_err("there is a mistake")
    }
    let told = |errors: &Diagnostics, expected: &str| {
        let text = errors.to_string();
        assert!(text.contains(expected) && text.contains("carried_states.rs"), "{text}");
    };
    let random = errors(|g| {
        let h = g.state("h", (2,), Initializer::Normal { mean: 0.0, deviation: 1.0 });
        g.carry(h, |h| h + 1.0);
    });
    told(&random, "the state \"h\" is carried from batch to batch, but starts by Normal");
    told(&random, "help: let it start by `Zeros` or a `Constant`");
    for order in [true, false] {
        let both = errors(|g| {
            let h = g.state("h", (2,), Initializer::Zeros);
            if order {
                g.carry(h, |h| h + 1.0);
                g.update(h, |h| h + 1.0);
            } else {
                g.update(h, |h| h + 1.0);
                g.carry(h, |h| h + 1.0);
            }
        });
        told(&both, "the state \"h\" is updated by `carry` and by `update`");
    }
    told(&errors(|g| _ = g.carry(g.parameter("w", (), Initializer::Zeros), |w| w)), "`state`");
    let symbol = errors(|g| _ = Gru::new(g, "gru", 1, 2).carried(g.input("x", ("time", "batch", 1))));
    told(&symbol, "the batch of a layer that carries its state");
    let options = RecurrentOptions { directions: Directions::Both, ..RecurrentOptions::default() };
    let both = errors(|g| _ = Rnn::with(g, "rnn", 1, 2, options).carried(g.input("x", ("time", 3, 1))));
    told(&both, "forward alone");
    let twice = errors(|g| {
        let gru = Gru::new(g, "gru", 1, 2);
        gru.carried(gru.carried(g.input("x", (4, 3, 1))).slice((.., .., ..1)));
    });
    told(&twice, "gru.carry.0");
}

#[test]
fn carried_states_are_those_of_texts_and_ensembles_too() -> Outcome {
    let g = Graph::new();
    let (x, w) = (g.input("x", ()), g.parameter("w", (), Initializer::Constant(1.0)));
    let sum = g.state("sum", (), Initializer::Constant(1.0));
    let loss = w * g.carry(sum, |sum| sum + x);
    let text = g.to_text([("loss", loss)]);
    assert!(text.contains("\ncarry %"), "{text}");
    let parsed = Graph::parse(&text)?;
    assert_eq!(parsed.to_text(), text);
    let all = g.ensemble(3, [("loss", loss)])?;
    let mut singles = (0..3).map(|seed| g.initialize(seed)).collect::<Result<Vec<_>, _>>()?;
    let loss_of =
        |graph: &Graph, loss: Expr<'_>, mut parameters: Parameters| -> Result<_, Box<dyn std::error::Error>> {
            let mut step = graph.compile_training(loss)?;
            let mut losses = Vec::new();
            for _ in 0..2 {
                step.restart(&mut parameters)?;
                losses.push(step.run(&mut parameters, ("x", 2.0f32))?.loss);
                losses.push(step.run(&mut parameters, ("x", 3.0f32))?.loss);
            }
            Ok(losses)
        };
    let stacked = Parameters::stack(&singles)?;
    assert_eq!(loss_of(&all.graph, all.result("loss").expect("asked for").sum(), stacked)?, [9.0, 18.0, 9.0, 18.0]);
    let loss = parsed.result("loss").expect("printed");
    assert_eq!(loss_of(&parsed.graph, loss, singles.remove(0))?, [3.0, 6.0, 3.0, 6.0]);
    let two = text.replace("\nreturn", "\nupdate %2 = %3\nreturn");
    let error = Graph::parse(&two).expect_err("it is of two kinds").to_string();
    assert!(error.contains("is updated by `carry` and by `update`"), "{error}");
    Ok(())
}

/// A carried sum of what was fed, a batch norm behind it, and a leaky average that is carried too.
struct Mixed {
    trainer: Trainer,
    parameters: Parameters,
}

fn mixed(options: &Options) -> Mixed {
    let g = Graph::new();
    let (x, y) = (g.input("x", (STREAMS, LENGTH)), g.input("y", (STREAMS, LENGTH)));
    let sum = g.state("sum", (STREAMS, 1), Initializer::Zeros);
    let total = sum + x.sum_over(1).unsqueeze(-1);
    g.carry(sum, |_| total);
    let leaky = g.state("leaky", (STREAMS, 1), Initializer::Zeros);
    g.carry(leaky, |leaky| 0.9 * leaky + 0.1 * total);
    let hidden = BatchNorm::new(&g, "norm", 1).call(total + leaky);
    let loss = (Linear::new(&g, "out", 1, LENGTH).call(hidden) - y).square();
    let trainer = Trainer::with_options(loss, [], options).expect("it can be trained");
    Mixed { trainer, parameters: g.initialize(5).expect("small") }
}

#[test]
fn statistics_anew_begin_a_pass_whatever_was_carried_before() -> Outcome {
    let data = windows(6);
    let Mixed { mut trainer, parameters } = mixed(&Options::default());
    let mut fresh = parameters.clone();
    // The leaky average is carried, so no statistic.
    assert_eq!(trainer.update_statistics(&mut fresh, &data, continued())?, ["norm.mean", "norm.variance"]);
    // By hand: sums of each stream so far, and their leaky averages before each batch.
    let batches = continued().epoch(&data, 0, 0)?.collect::<Result<Vec<_>, _>>()?;
    let (mut total, mut leaky, mut means) = ([0.0f64; STREAMS], [0.0f64; STREAMS], Vec::new());
    for batch in &batches {
        let x = batch["x"].array::<f32>().expect("f32");
        let mut sum = 0.0;
        for stream in 0..STREAMS {
            total[stream] += x.index_axis(Axis(0), stream).iter().map(|number| f64::from(*number)).sum::<f64>();
            sum += total[stream] + leaky[stream];
            leaky[stream] = 0.9 * leaky[stream] + 0.1 * total[stream];
        }
        means.push(sum / STREAMS as f64);
    }
    let expected = means.iter().sum::<f64>() / means.len() as f64;
    let found = fresh.state().get("norm.mean").expect("a state").array::<f32>().expect("f32")[[0]];
    assert!((f64::from(found) - expected).abs() < 1e-5, "{found} and {expected}");

    let mut used = parameters.clone();
    for name in ["sum", "leaky"] {
        let far = ndarray::ArrayD::<f32>::from_elem(vec![STREAMS, 1], 100.0);
        used.state_mut().set(name, Value::from(far))?;
    }
    let before = used.state().get("sum").cloned();
    trainer.update_statistics(&mut used, &data, continued())?;
    assert_eq!(used.state().get("norm.mean"), fresh.state().get("norm.mean"));
    assert_eq!(used.state().get("sum"), before.as_ref(), "what was carried is as it was");

    let shuffled = trainer.update_statistics(&mut used, &data, STREAMS);
    assert!(matches!(shuffled, Err(TrainError::NotContinued { .. })), "{shuffled:?}");
    // A trainer whose steps set no statistics sets none here.
    let Mixed { mut trainer, mut parameters } = mixed(&Options { mode: Some(Mode::Evaluation), ..Options::default() });
    assert!(trainer.update_statistics(&mut parameters, &data, continued())?.is_empty());
    Ok(())
}

#[test]
fn a_confusion_matrix_carries_states_as_measuring_does() -> Outcome {
    let g = Graph::new();
    let x = g.input("x", (STREAMS, LENGTH));
    let sum = g.state("sum", (STREAMS,), Initializer::Zeros);
    let total = sum + x.sum_over(1);
    g.carry(sum, |_| total);
    let weight = g.parameter("weight", (1, 3), Initializer::Normal { mean: 0.0, deviation: 1.0 });
    let scores = total.unsqueeze(-1).dot(weight) + g.constant(ndarray::arr1(&[0.1f32, 0.0, -0.1]));
    let label = (x.slice((.., 0)).greater(0.0f32)).cast(DType::I64);
    let wrong = pullback::nn::zero_one_loss(scores, label);
    let loss = pullback::nn::cross_entropy(scores, label);
    let mut trainer = Trainer::new(loss, [Metric::rate("error", wrong)])?;
    let mut parameters = g.initialize(1)?;
    parameters.state_mut().set("sum", Value::from(ndarray::ArrayD::<f32>::from_elem(vec![STREAMS], -50.0)))?;
    let data = windows(6);
    let error = trainer.evaluate(&parameters, &data, 0.95)?[1].estimate.value;
    let matrix = trainer.confusion_matrix((scores, label), &parameters, &data)?;
    assert!((matrix.accuracy().expect("examples") - (1.0 - error)).abs() < 1e-12, "{matrix} and {error}");
    Ok(())
}

#[test]
fn what_has_no_batch_to_be_measured_on_is_told_before_the_first_step() -> Outcome {
    let Mixed { trainer, mut parameters } = mixed(&Options::default());
    let mut trainer = trainer.measure_by(Batching::new(64).continued());
    let mut rule = Sgd::new(0.1);
    let data = windows(6);
    let error = trainer.training(&mut parameters, &mut rule).fit(&data, &Fit::new(1, continued()));
    let error = error.expect_err("there are fewer windows");
    assert!(matches!(error, TrainError::FewerThanPlaces { purpose: "measure", places: 64, .. }), "{error}");
    Ok(())
}

#[test]
fn carried_states_lie_beside_the_parameters_of_their_layer() -> Outcome {
    let g = Graph::new();
    let x = g.input("x", ("time", 2, 3));
    let layers = ["left", "right"].map(|scope| {
        let _scope = g.scope(scope);
        Lstm::new(&g, "lstm", 3, 4)
    });
    let _other = g.scope("elsewhere");
    layers.iter().for_each(|layer| _ = layer.carried(x));
    g.check()?;
    let names: Vec<String> = g.states().into_iter().filter_map(|state| state.name()).collect();
    assert_eq!(names, ["left.lstm.carry.0", "left.lstm.carry.1", "right.lstm.carry.0", "right.lstm.carry.1"]);
    Ok(())
}
