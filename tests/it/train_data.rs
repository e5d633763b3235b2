//! Training on data of any kind: which column feeds which input, losses with weights and of several kinds, and that a training which
//! was stopped in the middle of an epoch goes on to the same bits, whatever its data.

use std::{
    fs,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use ndarray::{Array1, Array2, ArrayView2};
use pullback::{
    DType, Dim, Expr, Graph, Initializer, Options, Parameters,
    data::{
        Augmented, Batch, Batching, Column, DataError, Dataset, IteratorSource, Mixup, Source, Subset, Windows,
        files::{FileColumn, FileSource, Stored},
    },
    nn::{cross_entropy, linear, zero_one_loss},
    optim::{Adam, Sgd},
    train::{Checkpoint, Epoch, Fit, Loss, Metric, Objective, Observer, Report, Step, Stop, TrainError, Trainer},
};

fn bits(parameters: &Parameters) -> Vec<u32> {
    parameters.flat::<f32>().expect("there").iter().map(|x| x.to_bits()).collect()
}

/// A loss that every element of every column of a source is in: (Σ over columns of w · mean of what an example has there − 1)².
fn trainer_of(source: &dyn Source, options: &Options) -> (Trainer, Parameters) {
    let g = Graph::new();
    let terms = source.columns().iter().map(|column| {
        let shape: Vec<Dim> = [Dim::symbol("batch")].into_iter().chain(column.ty.shape.iter().cloned()).collect();
        let x = g.input_of(column.ty.dtype, &column.name, shape).cast(DType::F32);
        let mean =
            if column.ty.rank() == 0 { x } else { x.mean_over(&(1..=column.ty.rank() as i64).collect::<Vec<_>>()[..]) };
        mean * 0.01 * g.parameter(&format!("w.{}", column.name), (), Initializer::Constant(0.5))
    });
    let sum: Expr<'_> = terms.reduce(|sum, term| sum + term).expect("a column");
    let error = Metric::mean("distance", (sum - 1.0).abs());
    let trainer = Trainer::with_options((sum - 1.0).square(), [error], options).expect("the graph has no mistake");
    let parameters = g.initialize(0).expect("initializers fit");
    (trainer, parameters)
}

struct StopAt(u64);

impl Observer for StopAt {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        if step.step == self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Sets a flag at a step.
struct SetAt(u64, Arc<AtomicBool>);

impl Observer for SetAt {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        self.1.store(step.step == self.0, Ordering::Relaxed);
        ControlFlow::Continue(())
    }
}

fn images(n: usize) -> Dataset {
    let pixels: Vec<f32> = (0..n * 2 * 4 * 3).map(|i| ((i * 7919) % 97) as f32 / 97.0).collect();
    let labels: Vec<i64> = (0..n as i64).map(|i| i * i % 5).collect();
    let x = Array2::from_shape_vec((n, 24), pixels).expect("so many");
    let images = Dataset::new().column("x", x).and_then(|images| images.column("label", labels));
    images.and_then(|images| images.reshape("x", (2, 4, 3))).expect("as many labels")
}

/// Each source with the batches that suit it.
fn with_every_source(mut run: impl FnMut(&str, &dyn Source, Batching)) {
    let images = images(45);
    run("memory", &images, Batching::new(4));
    run("memory, the last batch dropped", &images, Batching::new(4).drop_last());
    run("memory within blocks", &images, Batching::new(4).shuffled_within(3));
    run("subset", &Subset::new(&images, (5..45).collect()).expect("rows"), Batching::new(4));
    let augmented = Augmented::new(&images, "x", 3).expect("images").flip().crop(1).cutout(2);
    run("augmented", &augmented, Batching::new(4));
    run("mixed", &Mixup::new(&augmented, "x", "label", 0.4, 8).expect("columns"), Batching::new(4).in_order());
    let lists = (0..45).map(|row| vec![row as f64; 1 + row % 7]);
    let lists = Dataset::new().lists("list", lists, 0.0).expect("a column");
    run("lists by length", &lists, Batching::new(4).by_length(3));
    let tokens = Dataset::new().column("token", (0..300).map(|i| i * i % 11).collect::<Vec<i64>>()).expect("a column");
    let windows = Windows::new(&tokens, "token", 6).expect("tokens");
    run("windows that go on", &windows, Batching::new(4).continued());
    let path = crate::temporary_file("records");
    fs::write(&path, (0..45 * 5).map(|i| (i * 31 % 251) as u8).collect::<Vec<_>>()).expect("it can be written");
    let columns = [
        FileColumn::new("x", &path, Stored::I16, (2,)).every(5),
        FileColumn::new("y", &path, Stored::U8, ()).starting_at(4).every(5).over(3.0),
    ];
    run("files", &FileSource::open(columns).expect("whole records"), Batching::new(4));
    fs::remove_file(&path).expect("the file is there");
    let numbers = IteratorSource::new([Column::new("x", DType::F32, (2,))], |epoch| {
        (0..45).map(move |i| Ok(vec![vec![i as f32, (i * epoch) as f32].into()]))
    });
    let numbers = numbers.expect("a column");
    run("iterator", &numbers, Batching::new(4).in_order());
    run("iterator within blocks", &numbers, Batching::new(4).shuffled_within(5));
}

#[test]
fn every_source_goes_on_in_the_middle_of_an_epoch_bit_for_bit() {
    with_every_source(|what, source, batching| {
        let path = crate::temporary_file(&what.replace(' ', "-"));
        let run = |fit: Fit, stop: u64| -> (Report, Vec<u32>) {
            let ((mut trainer, mut parameters), mut adam) = (trainer_of(source, &Options::default()), Adam::new(0.02));
            let mut stop = StopAt(stop);
            let training = trainer.training(&mut parameters, &mut adam).observe(&mut stop);
            let report = training.fit(source, &fit).unwrap_or_else(|error| panic!("{what}: {error}"));
            (report, bits(&parameters))
        };
        let fit = || Fit::new(3, batching.clone()).seed(6);
        let whole = run(fit(), 0);
        let n_steps = whole.0.history.epochs()[0].step;
        for stop in [1, n_steps - 1, n_steps, n_steps + 3, 2 * n_steps + 4] {
            let stopped = run(fit().checkpoint(Checkpoint::new(&path)), stop);
            assert_eq!(stopped.0.stop, Stop::Observer, "{what}");
            // Prefetching changes no bit, and may differ from before the stop.
            let batching = batching.clone().prefetch(2);
            let resumed = run(Fit::new(3, batching).seed(6).checkpoint(Checkpoint::resume(&path)), 0);
            assert_eq!(resumed, whole, "{what}, stopped at step {stop}");
        }
        fs::remove_file(&path).expect("the file is there");
    });
}

#[test]
fn every_source_trains_the_same_parameters_on_any_number_of_threads() {
    with_every_source(|what, source, batching| {
        let train = |threads: usize, n_ahead: usize| {
            let (trainer, mut parameters) = trainer_of(source, &Options { threads, ..Options::default() });
            let mut trainer = trainer.measure_by(Batching::new(7).in_order().prefetch(n_ahead));
            let fit = Fit::new(2, batching.clone().prefetch(n_ahead)).seed(1).accumulate(2);
            let report = trainer.training(&mut parameters, &mut Adam::new(0.02)).fit(source, &fit);
            let report = report.unwrap_or_else(|error| panic!("{what}: {error}"));
            (bits(&parameters), report.measures[1].training.to_bits())
        };
        let alone = train(1, 0);
        assert_eq!(train(3, 1), alone, "{what}");
        assert_eq!(train(1, 5), alone, "{what}");
    });
}

#[test]
fn a_flag_ends_a_training_with_its_checkpoint_from_which_it_goes_on() {
    let (path, images) = (crate::temporary_file("flag"), images(45));
    let run = |fit: Fit, set_at: u64, is_set: bool| {
        let ((mut trainer, mut parameters), mut adam) = (trainer_of(&images, &Options::default()), Adam::new(0.02));
        let flag = Arc::new(AtomicBool::new(is_set));
        let mut observer = SetAt(set_at, Arc::clone(&flag));
        let training = trainer.training(&mut parameters, &mut adam).observe(&mut observer);
        let report = training.fit(&images, &fit.stop_flag(flag)).expect("training goes well");
        (report, bits(&parameters))
    };
    let whole = run(Fit::new(3, 4), 0, false);
    assert_eq!(whole.0.stop, Stop::Epochs);
    // Before the first step, within an epoch, at the end of one, and at the end of all.
    for (set_at, expected) in [(0, Stop::Flag), (5, Stop::Flag), (12, Stop::Flag), (24, Stop::Flag), (36, Stop::Epochs)]
    {
        let (stopped, _) = run(Fit::new(3, 4).checkpoint(Checkpoint::new(&path)), set_at, set_at == 0);
        assert_eq!((stopped.stop, stopped.history.epochs().len()), (expected, set_at as usize / 12), "step {set_at}");
        assert!(path.exists(), "step {set_at}");
        let resumed = run(Fit::new(3, 4).checkpoint(Checkpoint::resume(&path)), 0, false);
        assert_eq!((resumed.1, resumed.0.history), (whole.1.clone(), whole.0.history.clone()), "step {set_at}");
        fs::remove_file(&path).expect("the file is there");
    }
}

/// Each slip with a name, a dtype, a rank or a size, in training and in validation, before anything runs.
#[test]
fn inputs_that_no_column_fits_are_told_before_anything_runs() {
    let images = images(8);
    let message = |dtype: DType, name: &str, shape: Vec<Dim>, feeds: &[(&str, &str)]| -> String {
        let g = Graph::new();
        let x = g.input_of(dtype, name, shape.clone()).cast(DType::F32);
        let axes: Vec<i64> = (1..shape.len() as i64).collect();
        let of_each = if axes.is_empty() { x } else { x.sum_over(&axes[..]) };
        let losses = of_each * g.parameter("w", (), Initializer::Constant(1.0));
        let trainer = Trainer::new(losses.square(), []).expect("the graph has no mistake");
        let fed = feeds.iter().try_fold(trainer, |trainer, (input, column)| trainer.feed(input, column));
        let mut trainer = match fed {
            Ok(trainer) => trainer,
            Err(error) => return error.to_string(),
        };
        let (mut parameters, mut rule) = (g.initialize(0).expect("initializers fit"), Sgd::new(0.1));
        let before = bits(&parameters);
        let training = trainer.training(&mut parameters, &mut rule).fit(&images, &Fit::new(1, 4)).map(drop);
        let validation = Dataset::new().column("other", vec![0.0f32]).expect("a column");
        let fit = trainer.training(&mut parameters, &mut rule).validate(&images).fit(&validation, &Fit::new(1, 4));
        let evaluated = trainer.evaluate(&parameters, &images, 0.9).map(drop);
        let (training, evaluated) = match (training, evaluated) {
            (Ok(()), Ok(())) => return "nothing".to_owned(),
            (Err(training), Err(evaluated)) => (training.to_string(), evaluated.to_string()),
            other => panic!("only one of both: {other:?}"),
        };
        assert!(fit.is_err() && bits(&parameters) == before);
        assert_eq!(training.replace("to train on", "to measure on"), evaluated);
        training
    };
    let dims =
        |sizes: &[i64]| [Dim::symbol("batch")].into_iter().chain(sizes.iter().map(|size| Dim::from(*size))).collect();
    let image = || dims(&[2, 4, 3]);
    assert_eq!(message(DType::F32, "x", image(), &[]), "nothing");
    assert_eq!(message(DType::F32, "pixels", image(), &[("pixels", "x")]), "nothing");
    assert_eq!(message(DType::I64, "label", dims(&[]), &[]), "nothing");
    let open = vec![Dim::symbol("batch"), Dim::symbol("c"), Dim::symbol("h"), Dim::symbol("w")];
    assert_eq!(message(DType::F32, "x", open, &[]), "nothing");
    let at = "declared at tests/it/train_data.rs";
    let starts = |found: String, start: &str, end: &str| {
        assert!(found.starts_with(start) && found.contains(at) && found.ends_with(end), "{found}");
    };
    starts(
        message(DType::I64, "lable", dims(&[]), &[]),
        r#"input "lable" (i64[batch], "#,
        r#"is fed the column "lable", but the examples to train on have x, label; the nearest name is `label`; another column is said by `Trainer::feed`"#,
    );
    starts(
        message(DType::F32, "x", image(), &[("x", "pixels")]),
        r#"input "x" ("#,
        r#"is fed the column "pixels", but the examples to train on have x, label; another column is said by `Trainer::feed`"#,
    );
    let of_x = "is fed column x (f32[2, 4, 3] an example), but takes ";
    starts(message(DType::F64, "x", image(), &[]), r#"input "x" (f64"#, &format!("{of_x}f64[2, 4, 3] an example"));
    starts(message(DType::F32, "x", dims(&[24]), &[]), r#"input "x" (f32"#, &format!("{of_x}f32[24] an example"));
    starts(
        message(DType::F32, "x", dims(&[2, 4, 4]), &[]),
        r#"input "x" (f32"#,
        &format!("{of_x}f32[2, 4, 4] an example"),
    );
    let unknown = message(DType::F32, "x", image(), &[("y", "x")]);
    assert_eq!(unknown, "no input is named \"y\"; the nearest name is `x`");
}

/// An input that only a penalty needs is fed in training and not asked for in measuring; a column that nothing needs is left alone.
#[test]
fn inputs_are_asked_for_where_they_are_needed() {
    let g = Graph::new();
    let (x, scale) = (g.input("x", ("batch", 2)), g.input("scale", ("batch",)));
    let w = g.parameter("w", (2,), Initializer::Constant(1.0));
    let objective = Objective::new(x.dot(w).square()).penalty(w.square().sum() * scale.mean());
    let mut trainer = Trainer::new(objective, []).expect("the graph has no mistake");
    let x = Dataset::new().column("x", Array2::<f32>::ones((4, 2))).expect("a column");
    let both =
        x.clone().column("scale", vec![1.0f32; 4]).and_then(|x| x.column("unused", vec![true; 4])).expect("columns");
    let mut parameters = g.initialize(0).expect("initializers fit");
    let mut rule = Sgd::new(0.1);
    let training = trainer.training(&mut parameters, &mut rule).validate(&x);
    training.fit(&both, &Fit::new(1, 2)).expect("training goes well");
    let error = trainer.training(&mut parameters, &mut Sgd::new(0.1)).fit(&x, &Fit::new(1, 2));
    assert!(matches!(error, Err(TrainError::NoColumn { ref column, .. }) if column == "scale"), "{error:?}");
}

/// Sentences of random length whose every token is learned, padded by `padding`.
fn sentences(padding: i64) -> Dataset {
    let lists = (0..23i64).map(|row| (0..1 + row * 5 % 7).map(|i| (row * 3 + i) % 4).collect::<Vec<i64>>());
    Dataset::new().lists("token", lists, padding).expect("a column")
}

/// The loss of each token, as a model that knows only how often each comes.
fn language(weights: bool) -> (Trainer, Parameters) {
    let g = Graph::new();
    let token = g.input_of(DType::I64, "token", ("batch", "time"));
    let mask = g.input_of(DType::Bool, "token_mask", ("batch", "time"));
    let logits = g.parameter("logits", (4,), Initializer::Uniform { low: -1.0, high: 1.0 });
    let all = (logits + (token.cast(DType::F32) * 0.0).unsqueeze(-1)).broadcast_to(("batch", "time", 4));
    let (losses, errors) = (cross_entropy(all, token), zero_one_loss(all, token));
    let (loss, error) = (Loss::new("tokens", losses), Metric::rate("error", errors));
    let (loss, error) = if weights { (loss.weighted(mask), error.weighted(mask)) } else { (loss, error) };
    let trainer = Trainer::new(loss, [error]).expect("the graph has no mistake");
    (trainer, g.initialize(4).expect("initializers fit"))
}

/// What stands under a mask does not matter, nor how sentences are put together; and the mean is that of all tokens.
#[test]
fn a_masked_loss_is_the_mean_of_what_the_mask_shows() {
    let (trainer, parameters) = language(true);
    let logits: Vec<f64> = parameters.flat::<f32>().expect("there").iter().map(|x| f64::from(*x)).collect();
    let normalizer = logits.iter().map(|x| x.exp()).sum::<f64>().ln();
    let source = sentences(0);
    let batch = source.batch(&(0..23).collect::<Vec<_>>(), 0).expect("rows");
    let (tokens, mask): (ArrayView2<i64>, ArrayView2<bool>) =
        (batch.array("token").expect("there"), batch.array("token_mask").expect("there"));
    let all: Vec<i64> = tokens.iter().zip(mask).filter(|(_, is_there)| **is_there).map(|(token, _)| *token).collect();
    let expected = all.iter().map(|token| normalizer - logits[*token as usize]).sum::<f64>() / all.len() as f64;
    let of = |trainer: Trainer, source: &Dataset, size: usize| -> [f64; 2] {
        let mut trainer = trainer.measure_by(Batching::new(size).in_order());
        let measured = trainer.evaluate(&parameters, source, 0.95).expect("all is well");
        assert!(measured.iter().all(|measured| measured.estimate.lower < measured.estimate.upper));
        [measured[0].estimate.value, measured[1].estimate.value]
    };
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(token, _)| token as i64);
    let wrong = all.iter().filter(|token| Some(**token) != best).count() as f64 / all.len() as f64;
    for (size, padding) in [(23, 0), (23, 3), (4, 1), (1, 2)] {
        let [loss, error] = of(language(true).0, &sentences(padding), size);
        // Losses are of f32 near 1, each off by a few roundings of 6·10⁻⁸.
        assert!((loss - expected).abs() < 1e-6, "{loss} and {expected}");
        assert!((error - wrong).abs() < 1e-12, "{error} and {wrong}");
    }
    // Without a mask the padding counts.
    assert!((of(language(false).0, &sentences(3), 23)[0] - expected).abs() > 1e-3);
    assert_eq!(trainer.names().collect::<Vec<_>>(), ["loss", "error"]);
}

/// Batches of unlike numbers of tokens that are added up are one step, of tokens and not of batches.
#[test]
fn batches_of_tokens_that_are_added_up_are_one_step() {
    let train = |size: usize, accumulate: usize| {
        let (mut trainer, mut parameters) = language(true);
        let fit = Fit::new(1, Batching::new(size).in_order()).accumulate(accumulate);
        let report = trainer.training(&mut parameters, &mut Sgd::new(1.0)).fit(&sentences(0), &fit);
        let report = report.expect("training goes well");
        (parameters.flat::<f32>().expect("there").to_vec(), report.history.epochs()[0].train.clone())
    };
    let (whole, parts) = (train(23, 1), train(4, 6));
    for (whole, parts) in whole.0.iter().zip(&parts.0) {
        assert!((whole - parts).abs() < 1e-6, "{whole} and {parts}");
    }
    assert!((whole.1[0] - parts.1[0]).abs() < 1e-6 && (whole.1[1] - parts.1[1]).abs() < 1e-12);
}

/// Two losses of one parameter each: the sum of both with their factors, and each measured.
#[test]
fn several_losses_are_summed_by_their_factors_and_measured_each() {
    let g = Graph::new();
    let (x, y) = (g.input("x", ("batch",)), g.input("y", ("batch",)));
    let (a, b) = (g.parameter("a", (), Initializer::Constant(1.0)), g.parameter("b", (), Initializer::Constant(2.0)));
    let weight = g.input("weight", ("batch",));
    let losses = [
        Loss::new("first", (a * x - 1.0).square()),
        Loss::new("second", (b * y).square()).times(0.25).weighted(weight),
    ];
    let penalty = Objective::new(losses.clone()).penalty(a * 3.0);
    let mut trainer = Trainer::new(penalty, []).expect("the graph has no mistake");
    assert_eq!(trainer.names().collect::<Vec<_>>(), ["loss", "first", "second"]);
    let column = |values: [f32; 4]| values.to_vec();
    let data = Dataset::new().column("x", column([1.0, 2.0, 3.0, -1.0])).expect("a column");
    let data = data.column("y", column([0.5, 1.0, -2.0, 0.0])).expect("a column");
    let data = data.column("weight", column([1.0, 3.0, 0.5, 0.0])).expect("a column");
    let mut parameters = g.initialize(0).expect("initializers fit");
    let measured = trainer.evaluate(&parameters, &data, 0.95).expect("all is well");
    let values: Vec<f64> = measured.iter().map(|measured| measured.estimate.value).collect();
    let first = (0.0 + 1.0 + 4.0 + 4.0) / 4.0;
    let second = (1.0 * 1.0 + 3.0 * 4.0 + 0.5 * 16.0) / 4.5;
    for (found, expected) in values.iter().zip([first + 0.25 * second, first, second]) {
        assert!((found - expected).abs() < 1e-6, "{values:?}");
    }
    let fit = Fit::new(1, Batching::new(4).in_order());
    trainer.training(&mut parameters, &mut Sgd::new(0.1)).fit(&data, &fit).expect("training goes well");
    // ∂a: 2·mean((x − 1)·x) + 3; ∂b: ¼·2·b·Σwy²/Σw.
    let slopes = [2.0 * (0.0 + 2.0 + 6.0 + 2.0) / 4.0 + 3.0, 0.25 * 2.0 * 2.0 * (0.25 + 3.0 + 2.0) / 4.5];
    for ((found, start), slope) in parameters.flat::<f32>().expect("there").iter().zip([1.0, 2.0]).zip(slopes) {
        assert!((f64::from(*found) - (start - 0.1 * slope)).abs() < 1e-6, "{found}");
    }
    let error = trainer.training(&mut parameters, &mut Sgd::new(0.1)).fit(&data, &Fit::new(1, 2).accumulate(2));
    assert!(matches!(error, Err(TrainError::Accumulate)), "{error:?}");
    let new = |losses: Vec<Loss<'_>>| Trainer::new(losses, []).map(drop);
    let [one, two] = losses;
    assert!(matches!(new(vec![]), Err(TrainError::NoLoss)));
    assert!(matches!(new(vec![one.clone().times(f64::NAN)]), Err(TrainError::Factor { .. })));
    assert!(matches!(new(vec![one.clone(), one.clone()]), Err(TrainError::DuplicateMetric { .. })));
    assert!(matches!(new(vec![one.clone(), Loss::new("loss", x)]), Err(TrainError::DuplicateMetric { .. })));
    let other = g.input("z", ("others",));
    assert!(matches!(new(vec![one.clone(), Loss::new("other", other)]), Err(TrainError::OtherExamples { .. })));
    assert!(matches!(new(vec![two.weighted(other)]), Err(TrainError::Weights { .. })));
    let wrong = g.input_of(DType::I64, "count", ("batch",));
    assert!(matches!(new(vec![one.weighted(wrong)]), Err(TrainError::Weights { .. })));
}

/// The interval of a mean over tokens, whose sentences are independent and not they themselves, covers as often as it says.
#[test]
fn intervals_of_masked_means_cover() {
    let g = Graph::new();
    let (x, mask) = (g.input("x", ("batch", "time")), g.input_of(DType::Bool, "x_mask", ("batch", "time")));
    let w = g.parameter("w", (), Initializer::Constant(1.0));
    let mut trainer = Trainer::new(Loss::new("x", x * w).weighted(mask), []).expect("the graph has no mistake");
    let parameters = g.initialize(0).expect("initializers fit");
    // Sentences of 1 to 8 tokens that all have the same number, larger in longer ones: the mean is Σl²/Σl = 17/3.
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + (state >> 61) as usize
    };
    let (mut n_covered, n) = (0, 300);
    for _ in 0..n {
        let lists: Vec<Vec<f32>> = (0..100).map(|_| draw()).map(|length| vec![length as f32; length]).collect();
        let source = Dataset::new().lists("x", lists, f32::NAN).expect("a column");
        let estimate = trainer.evaluate(&parameters, &source, 0.9).expect("all is well")[0].estimate;
        n_covered += usize::from((estimate.lower..=estimate.upper).contains(&(17.0 / 3.0)));
    }
    // Five standard deviations of 300 draws of 0.9: √(300·0.9·0.1) = 5.2. Taken as independent, tokens would cover half as often.
    assert!((244..=296).contains(&n_covered), "{n_covered} of {n}");
}

/// A source that fails or panics in the middle of an epoch, with and without a thread.
struct Failing(Dataset, AtomicUsize, bool);

impl Source for Failing {
    fn columns(&self) -> &[Column] {
        self.0.columns()
    }

    fn n_examples(&self) -> Option<usize> {
        self.0.n_examples()
    }

    fn batch(&self, rows: &[usize], epoch: u64) -> Result<Batch, DataError> {
        if self.1.fetch_add(1, Ordering::SeqCst) == 3 {
            assert!(!self.2, "all is lost");
            return Err(DataError::other("the disk is away", "why"));
        }
        self.0.batch(rows, epoch)
    }
}

#[test]
fn errors_of_a_source_end_a_training_before_the_step() {
    for (is_panic, n_ahead, expected) in [
        (false, 0, "the disk is away"),
        (false, 2, "the disk is away"),
        (true, 2, "the source panicked while batches were made ahead: all is lost"),
    ] {
        let source = Failing(images(45), AtomicUsize::new(0), is_panic);
        let (mut trainer, mut parameters) = trainer_of(&source, &Options::default());
        let mut seen = Seen::default();
        let mut rule = Sgd::new(0.1);
        let training = trainer.training(&mut parameters, &mut rule).observe(&mut seen);
        let result = training.fit(&source, &Fit::new(2, Batching::new(4).prefetch(n_ahead)));
        assert_eq!(result.map(drop).expect_err("it fails").to_string(), expected);
        assert_eq!(seen.n_steps, 3);
    }
    let source = Failing(images(45), AtomicUsize::new(100), false);
    let (mut trainer, mut parameters) = trainer_of(&source, &Options::default());
    let result =
        trainer.training(&mut parameters, &mut Sgd::new(0.1)).fit(&source, &Fit::new(1, Batching::new(46).drop_last()));
    let is_told = matches!(result, Err(TrainError::FewerThanPlaces { purpose: "train", found: 45, places: 46 }));
    assert!(is_told, "{result:?}");
    let empty = IteratorSource::new([Column::new("x", DType::F32, ())], |_| std::iter::empty()).expect("a column");
    let (mut trainer, mut parameters) = trainer_of(&empty, &Options::default());
    let fit = Fit::new(1, Batching::new(4).in_order());
    let result = trainer.training(&mut parameters, &mut Sgd::new(0.1)).fit(&empty, &fit);
    assert!(matches!(result, Err(TrainError::Empty { purpose: "train" })), "{result:?}");
    let result = trainer.training(&mut parameters, &mut Sgd::new(0.1)).fit(&empty, &Fit::new(1, 4));
    assert!(matches!(result, Err(TrainError::Data(DataError::UnknownLength))), "{result:?}");
}

#[derive(Default)]
struct Seen {
    n_steps: u64,
    epochs: Vec<(usize, Option<usize>)>,
}

impl Observer for Seen {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        self.n_steps += 1;
        self.epochs.push((step.step_of_epoch, step.n_steps));
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, _: &Epoch, _: &Parameters) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[test]
fn steps_are_counted_within_their_epoch() {
    let images = images(45);
    let (mut trainer, mut parameters) = trainer_of(&images, &Options::default());
    let (mut seen, mut rule) = (Seen::default(), Sgd::new(0.1));
    let training = trainer.training(&mut parameters, &mut rule).observe(&mut seen);
    training.fit(&images, &Fit::new(2, 10).accumulate(2)).expect("training goes well");
    assert_eq!(seen.epochs, [1, 2, 3, 1, 2, 3].map(|step| (step, Some(3))));
}

/// The row of a source is told where an example does not run, through a subset of it and a thread ahead.
#[test]
fn an_example_that_does_not_run_is_told_by_its_row_in_the_source() {
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 2)), g.input_of(DType::I64, "label", ("batch",)));
    let mut trainer = Trainer::new(cross_entropy(linear(x, "out", 3), label), []).expect("the graph has no mistake");
    let mut labels = Array1::<i64>::zeros(30);
    labels[17] = 3;
    let data = Dataset::new().column("x", Array2::<f32>::ones((30, 2))).and_then(|data| data.column("label", labels));
    let data = data.expect("columns");
    let mut parameters = g.initialize(0).expect("initializers fit");
    for batching in [Batching::new(4), Batching::new(4).prefetch(3), Batching::new(4).in_order()] {
        let error = trainer.training(&mut parameters, &mut Sgd::new(0.1)).fit(&data, &Fit::new(1, batching));
        assert!(matches!(error, Err(TrainError::Example { epoch: Some(1), row: 17, .. })), "{error:?}");
    }
}
