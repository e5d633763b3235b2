//! Ranks that train together, as threads: the same bits as in one process on any number of them, what each decides, and what they
//! send. MPI has the same tests with processes, in a crate of its own.

use std::{
    env, fs,
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use ndarray::{Array1, Array2, ArrayD};
use pullback::{
    DType, Expr, Graph, Initializer, Parameters, Value,
    data::{Batch, Batching, Column, DataError, Dataset, IteratorSource, Source},
    nn::{BatchNorm, Conv2d, Dropout, Layer, Linear, Lstm, Sequential, cross_entropy, zero_one_loss},
    optim::{Adam, AdamW, Averaged, HeavyBall, Lamb, Muon, Optimizer, PerturbedSgd, Sgd},
    train::{
        Checkpoint, Communicator, CommunicatorError, Fit, Loss, Metric, Objective, Observer, Patience, Plateau, Report,
        Step, Stop, TrainError, Trainer,
    },
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A thread in place of a process, with a channel to every other.
#[derive(Debug)]
struct Rank {
    rank: usize,
    to: Vec<Sender<Vec<u8>>>,
    from: Vec<Receiver<Vec<u8>>>,
    /// Bytes that it sent to others, and messages.
    sent: Arc<[AtomicU64; 2]>,
}

impl Rank {
    /// So many ranks that reach each other.
    fn all(n_ranks: usize) -> Vec<Rank> {
        let mut ranks: Vec<Rank> =
            (0..n_ranks).map(|rank| Rank { rank, to: Vec::new(), from: Vec::new(), sent: Arc::default() }).collect();
        for sender in 0..n_ranks {
            for receiver in 0..n_ranks {
                let (to, from) = channel();
                ranks[sender].to.push(to);
                ranks[receiver].from.push(from);
            }
        }
        ranks
    }
}

impl Communicator for Rank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn n_ranks(&self) -> usize {
        self.to.len()
    }

    fn all_to_all(
        &mut self,
        mut sent: &[u8],
        sent_lengths: &[usize],
        received: &mut [u8],
        received_lengths: &[usize],
    ) -> Result<(), CommunicatorError> {
        assert_eq!((sent.len(), received.len()), (sent_lengths.iter().sum(), received_lengths.iter().sum()));
        let lost = |rank: usize| CommunicatorError::new(format!("rank {rank} is gone"));
        for (rank, length) in sent_lengths.iter().enumerate() {
            let (part, rest) = sent.split_at(*length);
            if rank != self.rank && *length > 0 {
                self.sent[0].fetch_add(*length as u64, Ordering::Relaxed);
                self.sent[1].fetch_add(1, Ordering::Relaxed);
            }
            self.to[rank].send(part.to_vec()).map_err(|_| lost(rank))?;
            sent = rest;
        }
        let mut start = 0;
        for (rank, length) in received_lengths.iter().enumerate() {
            let part = self.from[rank].recv().map_err(|_| lost(rank))?;
            received[start..start + length].copy_from_slice(&part);
            start += length;
        }
        Ok(())
    }
}

/// What each of so many ranks gives.
fn on_ranks<R: Send>(n_ranks: usize, work: impl Fn(Rank) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = Rank::all(n_ranks).into_iter().map(|rank| scope.spawn(move || work(rank))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a rank does not panic")).collect()
    })
}

const N_RANKS: [usize; 5] = [1, 2, 3, 4, 8];

fn pixel(row: usize, i: usize) -> f32 {
    ((row * 37 + i * 11) % 29) as f32 / 14.0 - 1.0
}

/// An image of 4 by 4, one of three classes, a second number to learn and a weight.
fn example(row: usize) -> (Vec<f32>, i64, f64, f32) {
    let x = (0..16).map(|i| pixel(row, i)).collect();
    (x, (row as i64 * 7 + 3) % 3, f64::from(pixel(row, 5)), 0.25 + (row % 5) as f32 * 0.5)
}

fn images(n: usize) -> Dataset {
    let x = Array2::from_shape_fn((n, 16), |(row, i)| pixel(row, i));
    let data = Dataset::new().column("x", x);
    let data = data.and_then(|data| data.column("label", Array1::from_shape_fn(n, |row| example(row).1)));
    let data = data.and_then(|data| data.column("y", Array1::from_shape_fn(n, |row| example(row).2)));
    let data = data.and_then(|data| data.column("weight", Array1::from_shape_fn(n, |row| example(row).3)));
    data.expect("as many of each")
}

struct Model<'g> {
    objective: Objective<'g>,
    scores: Expr<'g>,
    label: Expr<'g>,
}

fn inputs(g: &Graph) -> (Expr<'_>, Expr<'_>) {
    (g.input("x", ("batch", 16)), g.input_of(DType::I64, "label", ("batch",)))
}

fn classes<'g>(scores: Expr<'g>, label: Expr<'g>) -> Model<'g> {
    Model { objective: cross_entropy(scores, label).into(), scores, label }
}

/// Two layers with noise between them.
fn dropout(g: &Graph) -> Model<'_> {
    let (x, label) = inputs(g);
    let network = Sequential::new()
        .then(Linear::new(g, "hidden", 16, 9))
        .then(Expr::tanh)
        .then(Dropout::new(g, "first", 0.3))
        .then(Linear::new(g, "out", 9, 3))
        .then(Dropout::new(g, "second", 0.1));
    classes(network.call(x), label)
}

/// A convolution with running statistics, and noise.
fn batch_norm(g: &Graph) -> Model<'_> {
    let (x, label) = inputs(g);
    let network = Sequential::new()
        .map(|x| x.reshape(("batch", 1, 4, 4)))
        .then(Conv2d::new(g, "conv", 1, 3, 3))
        .then(BatchNorm::new(g, "norm", 3))
        .then(Expr::relu)
        .map(|x| x.flatten(1))
        .then(Dropout::new(g, "dropout", 0.2))
        .then(Linear::new(g, "out", 12, 3));
    classes(network.call(x), label)
}

/// Parameters of both dtypes, weights of examples, a penalty, a running average that the loss reads, and counters: one of floats,
/// one that reads another.
fn mixed(g: &Graph) -> Model<'_> {
    let (x, label) = inputs(g);
    let scores = Linear::new(g, "out", 16, 3).call(x);
    let (y, weight) = (g.input_of(DType::F64, "y", ("batch",)), g.input("weight", ("batch",)));
    let slope = g.parameter_of(DType::F64, "slope", (3,), Initializer::Uniform { low: -0.5, high: 0.5 });
    let mean = g.state_of(DType::F64, "mean", (), Initializer::Zeros);
    g.update(mean, |mean| 0.9 * mean + 0.1 * y.mean());
    let heat = g.state_of(DType::F64, "heat", (), Initializer::Constant(1.0));
    g.update(heat, |heat| heat * 0.99 + 0.003);
    let twice = g.state_of(DType::F64, "twice", (), Initializer::Zeros);
    g.update(twice, |_| heat * 2.0);
    let error = (scores.cast(DType::F64).dot(slope) * heat - (y - mean)).square() + twice.cos() * 0.01;
    let losses = cross_entropy(scores, label) + error.cast(DType::F32);
    let penalty = slope.square().sum().cast(DType::F32) * 0.01;
    Model { objective: Objective::new(Loss::new("both", losses).weighted(weight)).penalty(penalty), scores, label }
}

fn trainer<'g>(g: &'g Graph, model: fn(&'g Graph) -> Model<'g>) -> Result<(Trainer, Expr<'g>, Expr<'g>), TrainError> {
    let Model { objective, scores, label } = model(g);
    let trainer = Trainer::new(objective, [Metric::rate("error", zero_one_loss(scores, label))])?;
    Ok((trainer.measure_by(Batching::new(6).in_order()), scores, label))
}

/// Everything that comes of a training, to the bits.
#[derive(Debug, Clone, PartialEq)]
struct Everything {
    report: Report,
    bits: Vec<u64>,
    state: String,
    optimizer: String,
    steps: Vec<(u64, usize, Option<usize>, u64, u64)>,
    matrix: String,
}

/// Remembers steps.
#[derive(Default)]
struct Steps(Vec<(u64, usize, Option<usize>, u64, u64)>);

impl Observer for Steps {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        let Step { step, n_examples, n_steps, loss, gradient_norm, .. } = *step;
        self.0.push((step, n_examples, n_steps, loss.to_bits(), gradient_norm.to_bits()));
        ControlFlow::Continue(())
    }
}

fn bits(parameters: &Parameters) -> Vec<u64> {
    let narrow = parameters.flat::<f32>().unwrap_or_default().iter().map(|x| u64::from(x.to_bits()));
    narrow.chain(parameters.flat::<f64>().unwrap_or_default().iter().map(|x| x.to_bits())).collect()
}

type Build = for<'g> fn(&'g Graph) -> Model<'g>;
type Rule<'c> = &'c (dyn Fn() -> Box<dyn Optimizer> + Sync);

/// A training of a model as one of the ranks, or alone.
struct Case<'c> {
    model: Build,
    rule: Rule<'c>,
    train: &'c dyn Source,
    fit: Fit,
}

impl Case<'_> {
    fn run(&self, rank: Option<Rank>) -> Result<Everything, TrainError> {
        let g = Graph::new();
        let (mut trainer, scores, label) = trainer(&g, self.model)?;
        if let Some(rank) = rank {
            trainer = trainer.over(rank)?;
        }
        let (mut parameters, mut rule) = (g.initialize(4).expect("initializers fit"), (self.rule)());
        let (validation, mut steps) = (images(20), Steps::default());
        let training = trainer.training(&mut parameters, &mut *rule).validate(&validation).observe(&mut steps);
        let report = training.fit(self.train, &self.fit)?;
        Ok(Everything {
            report,
            bits: bits(&parameters),
            state: format!("{:?}", parameters.state()),
            optimizer: format!("{:?}", rule.state()),
            steps: steps.0,
            matrix: trainer.confusion_matrix((scores, label), &parameters, &validation)?.to_string(),
        })
    }

    /// On every number of ranks, each rank has what one process has.
    fn check(&self, what: &str) {
        let alone = self.run(None).unwrap_or_else(|error| panic!("{what}: {error}"));
        for n_ranks in N_RANKS {
            for (rank, found) in on_ranks(n_ranks, |rank| self.run(Some(rank))).into_iter().enumerate() {
                let found = found.unwrap_or_else(|error| panic!("{what}, rank {rank} of {n_ranks}: {error}"));
                assert!(found == alone, "{what}, rank {rank} of {n_ranks}:\n{found:?}\n{alone:?}");
            }
        }
    }
}

fn adam() -> Box<dyn Optimizer> {
    Box::new(Adam::new(0.02))
}

const MODELS: [(&str, Build); 3] = [("dropout", dropout), ("batch norm", batch_norm), ("mixed", mixed)];

/// The last batch is short, the last step has fewer batches, and neither is divided by the number of ranks.
#[test]
fn every_model_trains_the_same_bits_on_any_number_of_ranks() {
    let train = images(45);
    for (what, model) in MODELS {
        for (size, accumulate) in [(7, 4), (5, 3), (3, 8), (4, usize::MAX), (100, 2)] {
            let fit = Fit::new(2, size).accumulate(accumulate).seed(3).clip_norm(0.8);
            let case = Case { model, rule: &adam, train: &train, fit };
            case.check(&format!("{what}, {accumulate} batches of {size}"));
        }
    }
}

#[test]
fn every_optimizer_trains_the_same_bits_on_any_number_of_ranks() {
    let train = images(30);
    let rules: [(&str, Rule<'_>); 6] = [
        ("sgd", &|| Box::new(Sgd::new(0.1))),
        ("perturbed sgd", &|| Box::new(PerturbedSgd::new(0.05, 3).radius(0.5))),
        ("heavy ball", &|| Box::new(HeavyBall::new(0.05, 0.9))),
        ("lamb", &|| Box::new(Lamb::new(0.01))),
        ("muon", &|| Box::new(Muon::new(0.02, AdamW::new(0.01)))),
        ("averages", &|| Box::new(Averaged::ema(Adam::new(0.02), 0.8))),
    ];
    for (what, rule) in rules {
        let mut fit = Fit::new(3, 4).accumulate(4).seed(1).patience(Patience::new(2)).plateau(Plateau::new(0.5, 1));
        if what == "averages" {
            fit = fit.by_averages();
        }
        Case { model: batch_norm, rule, train: &train, fit }.check(what);
    }
}

/// Of a source that does not know its end every rank reads all, and finds the end.
#[test]
fn every_source_and_order_trains_the_same_bits_on_any_number_of_ranks() {
    let train = images(37);
    let columns = train.columns().to_vec();
    let row = |row: usize| -> Result<Vec<Value>, DataError> {
        let (x, label, y, weight) = example(row);
        Ok(vec![x.into(), label.into(), y.into(), weight.into()])
    };
    let stream = IteratorSource::new(columns, |_| (0..37).map(row)).expect("columns fit");
    for n_ahead in [0, 2] {
        for (what, batching) in [
            ("in random order", Batching::new(5)),
            ("in order", Batching::new(5).in_order()),
            ("within blocks", Batching::new(5).shuffled_within(2)),
            ("the last dropped", Batching::new(5).drop_last()),
        ] {
            let fit = Fit::new(2, batching.clone().prefetch(n_ahead)).accumulate(3);
            Case { model: dropout, rule: &adam, train: &train, fit }.check(what);
        }
        for batching in [Batching::new(5).in_order(), Batching::new(5).shuffled_within(3)] {
            let fit = Fit::new(2, batching.prefetch(n_ahead)).accumulate(3);
            Case { model: batch_norm, rule: &adam, train: &stream, fit }.check("a stream");
        }
    }
}

/// Against a loop of plain steps: the tree is written out, running averages are made anew from where the step began, and counters
/// count.
#[test]
fn a_step_of_four_batches_is_their_sum_in_a_tree() -> Outcome {
    let (g, train) = (Graph::new(), images(29));
    let (mut trainer, ..) = trainer(&g, batch_norm)?;
    let (mut parameters, mut rule) = (g.initialize(4)?, Sgd::new(0.1));
    let fit = Fit::new(1, Batching::new(4).in_order()).accumulate(4);
    trainer.training(&mut parameters, &mut rule).fit(&train, &fit)?;

    let plain_graph = Graph::new();
    let Model { scores, label, .. } = batch_norm(&plain_graph);
    let mut plain = plain_graph.compile_training(cross_entropy(scores, label).mean())?;
    let (mut expected, mut rule) = (g.initialize(4)?, Sgd::new(0.1));
    let averages = ["norm.mean", "norm.variance"];
    let batches: Vec<Batch> = Batching::new(4).in_order().epoch(&train, 0, 0)?.collect::<Result<_, _>>()?;
    // Seven whole batches and a single example: four of one step, three and the short one of the other.
    for group in batches.chunks(4) {
        let before = expected.state().clone();
        let mut sums = vec![ArrayD::<f64>::zeros(vec![3]); 2];
        let mut gradients = Vec::new();
        for batch in group {
            let mut out = plain.run(&mut expected, [("x", &batch["x"]), ("label", &batch["label"])])?;
            out.gradients.scale(batch.len() as f64);
            gradients.push(out.gradients);
            for (name, sum) in averages.iter().zip(&mut sums) {
                let made = expected.state().get(name).and_then(|value| value.array::<f32>()).ok_or("a state")?;
                *sum += &made.mapv(f64::from);
                expected.state_mut().set(name, before.get(name).ok_or("a state")?)?;
            }
        }
        let [mut left, second, mut right, fourth] = <[_; 4]>::try_from(gradients).map_err(|_| "four batches")?;
        left.add(&second)?;
        right.add(&fourth)?;
        left.add(&right)?;
        left.scale(1.0 / group.iter().map(Batch::len).sum::<usize>() as f64);
        rule.step(&mut expected, &left)?;
        for (name, sum) in averages.iter().zip(&sums) {
            expected.state_mut().set(name, sum.mapv(|sum| (sum / 4.0) as f32))?;
        }
    }
    assert_eq!(bits(&parameters), bits(&expected));
    assert_eq!(format!("{:?}", parameters.state()), format!("{:?}", expected.state()));
    Ok(())
}

/// A training on images as one of the ranks, with what is done to it.
fn train_on(rank: Option<Rank>, fit: &Fit, observer: &mut dyn Observer) -> (Result<Report, TrainError>, Vec<u64>) {
    let g = Graph::new();
    let (mut trainer, ..) = trainer(&g, dropout).expect("no mistake");
    if let Some(rank) = rank {
        trainer = trainer.over(rank).expect("nothing goes from batch to batch");
    }
    let (mut parameters, mut rule, validation) = (g.initialize(4).expect("they fit"), adam(), images(20));
    let training = trainer.training(&mut parameters, &mut *rule).validate(&validation).observe(observer);
    let report = training.fit(&images(45), fit);
    (report, bits(&parameters))
}

/// Does something at a step, on one rank.
struct At<F: FnMut() -> ControlFlow<()>>(u64, F);

impl<F: FnMut() -> ControlFlow<()>> Observer for At<F> {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        if step.step == self.0 { (self.1)() } else { ControlFlow::Continue(()) }
    }
}

/// A flag or an observer of one rank ends the training on all, in the same step, and it goes on with any other number of ranks.
#[test]
fn one_rank_ends_a_training_that_others_go_on_with() {
    let fit = || Fit::new(4, 4).accumulate(4).seed(2).patience(Patience::new(9));
    let (whole, expected) = train_on(None, &fit(), &mut Steps::default());
    let whole = whole.expect("training goes well");
    for (n_ranks, n_later, stopping, step) in [(2, 3, 1, 2), (3, 1, 2, 3), (4, 8, 0, 7), (8, 2, 5, 9), (1, 4, 0, 5)] {
        for expected_stop in [Stop::Flag, Stop::Observer] {
            let path = crate::temporary_file(&format!("stopped-{n_ranks}-{step}-{expected_stop:?}"));
            let reports = on_ranks(n_ranks, |rank| {
                let flag = Arc::new(AtomicBool::new(false));
                let is_stopping = rank.rank == stopping;
                let mut observer = At(step, || match expected_stop {
                    _ if !is_stopping => ControlFlow::Continue(()),
                    Stop::Observer => ControlFlow::Break(()),
                    _ => {
                        flag.store(true, Ordering::Relaxed);
                        ControlFlow::Continue(())
                    }
                });
                let fit = fit().checkpoint(Checkpoint::new(&path)).stop_flag(Arc::clone(&flag));
                train_on(Some(rank), &fit, &mut observer).0.expect("training goes well")
            });
            assert!(reports.iter().all(|report| report == &reports[0] && report.stop == expected_stop));
            let resumed = on_ranks(n_later, |rank| {
                train_on(Some(rank), &fit().checkpoint(Checkpoint::resume(&path)), &mut Steps::default())
            });
            fs::remove_file(&path).expect("the file is there");
            for (report, bits) in resumed {
                assert_eq!((report.expect("training goes well"), bits), (whole.clone(), expected.clone()));
            }
        }
    }
}

#[test]
fn rank_0_alone_writes_checkpoints() {
    let fit = |path: PathBuf| Fit::new(2, 4).accumulate(2).checkpoint(Checkpoint::new(path).every_steps(2));
    let files = on_ranks(3, |rank| {
        let path = crate::temporary_file(&format!("of-rank-{}", rank.rank));
        train_on(Some(rank), &fit(path.clone()), &mut Steps::default()).0.expect("training goes well");
        path
    });
    assert_eq!(files.iter().map(|path| path.exists()).collect::<Vec<_>>(), [true, false, false]);
    let alone = crate::temporary_file("alone");
    train_on(None, &fit(alone.clone()), &mut Steps::default()).0.expect("training goes well");
    assert_eq!(fs::read(&files[0]).expect("it is there"), fs::read(&alone).expect("it is there"));
    for path in [&files[0], &alone] {
        fs::remove_file(path).expect("it is there");
    }
    // Where it cannot be written, all ranks are told.
    let errors = on_ranks(3, |rank| {
        let path = env::temp_dir().join("pullback-no-such-folder").join("\0");
        train_on(Some(rank), &fit(path), &mut Steps::default()).0.expect_err("there is no such name").to_string()
    });
    assert!(
        errors[1].starts_with("rank 0: ") && errors[1] == errors[2] && errors[1].contains(&errors[0]),
        "{errors:?}"
    );
}

/// Images with one that is of no class.
struct Bad(Dataset);

impl Source for Bad {
    fn columns(&self) -> &[Column] {
        self.0.columns()
    }

    fn n_examples(&self) -> Option<usize> {
        self.0.n_examples()
    }

    fn batch(&self, rows: &[usize], epoch: u64) -> Result<Batch, DataError> {
        let batch = self.0.batch(rows, epoch)?;
        let label = batch["label"].array::<i64>().expect("integers").iter().zip(rows);
        let label: Vec<i64> = label.map(|(label, row)| if *row == 27 { 3 } else { *label }).collect();
        let batch = batch
            .iter()
            .filter(|(name, _)| *name != "label")
            .try_fold(Batch::new(), |changed, (name, value)| changed.column(name, value.clone()))?;
        batch.column("label", label)
    }
}

/// The rank that meets it says what it is, the others which rank said so; no rank has taken the step.
#[test]
fn an_error_of_one_rank_is_one_of_all() {
    let bad = Bad(images(45));
    let run = |rank: Option<Rank>| {
        let g = Graph::new();
        let (mut trainer, ..) = trainer(&g, batch_norm).expect("no mistake");
        if let Some(rank) = rank {
            trainer = trainer.over(rank).expect("nothing goes from batch to batch");
        }
        let mut parameters = g.initialize(4).expect("they fit");
        let fit = Fit::new(1, Batching::new(3).in_order()).accumulate(4);
        let error = trainer.training(&mut parameters, &mut Sgd::new(0.1)).fit(&bad, &fit).expect_err("row 27 is bad");
        let measured = trainer.evaluate(&parameters, &bad, 0.95).expect_err("row 27 is bad");
        (error, measured, bits(&parameters), format!("{:?}", parameters.state()))
    };
    let alone = run(None);
    assert!(matches!(alone.0, TrainError::Example { epoch: Some(1), row: 27, .. }), "{}", alone.0);
    for n_ranks in [2, 3, 4, 8] {
        let all = on_ranks(n_ranks, |rank| run(Some(rank)));
        // The rank that has the row says what one process says.
        let is_own = |found: &TrainError, alone: &TrainError| found.to_string() == alone.to_string();
        let n_own = all.iter().filter(|found| is_own(&found.0, &alone.0)).count();
        let n_measured = all.iter().filter(|found| is_own(&found.1, &alone.1)).count();
        assert_eq!((n_own, n_measured), (1, 1), "{n_ranks} ranks");
        for (error, _, parameters, state) in &all {
            assert!(error.to_string().ends_with(&alone.0.to_string()), "{error}");
            assert_eq!((parameters, state), (&alone.2, &alone.3));
        }
    }
}

#[test]
fn ranks_that_begin_with_something_else_are_told() {
    for what in ["parameters", "states of the model", "states of the optimizer", "settings"] {
        let errors = on_ranks(3, |rank| {
            let (g, is_other) = (Graph::new(), rank.rank == 2);
            let seed = u64::from(is_other && what == "parameters");
            let (mut trainer, ..) = trainer(&g, dropout).expect("no mistake");
            let mut parameters = g.initialize(seed).expect("they fit");
            if is_other && what == "states of the model" {
                parameters.state_mut().set("first.counter", 1i64).expect("a counter");
            }
            let mut rule = Sgd::new(0.1);
            if is_other && what == "states of the optimizer" {
                let state = pullback::optim::OptimizerState::new(
                    "sgd",
                    3,
                    <[(&str, pullback::parameters::Buffers); 0]>::default(),
                );
                rule.restore(state).expect("a state of its kind");
            }
            trainer = trainer.over(rank).expect("nothing goes from batch to batch");
            let fit = Fit::new(2, 4).accumulate(2).seed(u64::from(is_other && what == "settings"));
            let error = trainer.training(&mut parameters, &mut rule).fit(&images(20), &fit).expect_err(what);
            let TrainError::RanksDiffer { rank: 2, what } = error else { panic!("{error}") };
            what
        });
        assert_eq!(errors, [what; 3]);
    }
}

#[test]
fn what_ranks_cannot_share_is_refused() -> Outcome {
    // A state that is carried, and one that is moved by data.
    let (recurrent, counted) = (Graph::new(), Graph::new());
    let hidden = Lstm::new(&recurrent, "lstm", 2, 3).carried(recurrent.input("x", (2, 5, 2)));
    let x = counted.input("x", ("batch",));
    let seen = counted.state("seen", (), Initializer::Zeros);
    counted.update(seen, |seen| seen + x.sum());
    let loss = (x * counted.parameter("w", (), Initializer::Zeros)).square();
    for (losses, name) in [(hidden.square().sum_over([1, 2]), "lstm.carry.0"), (loss, "seen")] {
        for rank in Rank::all(2) {
            let error = Trainer::new(losses, [])?.over(rank).expect_err("it goes from batch to batch");
            assert!(matches!(&error, TrainError::StateOfRanks { state } if state == name), "{error}");
            assert!(error.to_string().contains("help: train in one process"), "{error}");
        }
        for rank in Rank::all(1) {
            Trainer::new(losses, [])?.over(rank)?;
        }
    }
    for (result, _) in on_ranks(2, |rank| train_on(Some(rank), &Fit::new(1, 16), &mut Steps::default())) {
        let error = result.expect_err("there is nothing to share");
        assert!(
            matches!(error, TrainError::OneBatch { n_ranks: 2 }) && error.to_string().contains("accumulate"),
            "{error}"
        );
    }
    Ok(())
}

/// Whoever waits for a rank that is gone is told.
#[test]
fn a_rank_that_is_lost_is_an_error_of_the_others() {
    let errors = on_ranks(3, |rank| {
        let is_lost = rank.rank == 1;
        let mut lost = At(4, || if is_lost { panic!("lost") } else { ControlFlow::Continue(()) });
        let fit = Fit::new(2, 4).accumulate(3);
        let run = || train_on(Some(rank), &fit, &mut lost).0;
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).ok()
    });
    for (rank, result) in errors.into_iter().enumerate() {
        match result {
            None => assert_eq!(rank, 1),
            Some(result) => {
                let error = result.expect_err("a rank is gone");
                assert!(matches!(error, TrainError::Communicator(_)), "{error}");
                assert!(error.to_string().contains("no longer reach each other"), "{error}");
            }
        }
    }
}

/// Bytes and messages of an epoch of steps beside those of no epoch, against the formulas of the documentation.
#[test]
fn a_step_sends_what_is_documented() {
    for (n_ranks, accumulate, n_nodes) in [(2, 2, 1), (2, 4, 1), (4, 4, 1), (4, 8, 1), (8, 8, 1), (2, 6, 2), (3, 3, 1)]
    {
        let sent = |n_steps: usize| {
            let sent = on_ranks(n_ranks, |rank| {
                let (g, counts) = (Graph::new(), Arc::clone(&rank.sent));
                let (x, label) = inputs(&g);
                let trainer = Trainer::new(cross_entropy(Linear::new(&g, "out", 16, 12).call(x), label), []);
                let mut trainer = trainer.and_then(|trainer| trainer.over(rank)).expect("no mistake");
                let mut parameters = g.initialize(4).expect("they fit");
                let fit = Fit::new(1, 2).accumulate(accumulate);
                let data = images(2 * accumulate * n_steps);
                let before_report = At(n_steps as u64, || ControlFlow::Break(()));
                let (mut stop, mut seen) = (before_report, [0; 2]);
                let mut rule = Sgd::new(0.1);
                let mut look = Look(&counts, &mut seen);
                let training = trainer.training(&mut parameters, &mut rule).observe(&mut look).observe(&mut stop);
                training.fit(&data, &fit).expect("training goes well");
                seen
            });
            [0, 1].map(|number| sent.iter().map(|sent| sent[number]).sum::<u64>())
        };
        let [four, five] = [4, 5].map(sent);
        let (p, k, m) = (n_ranks as u64, n_nodes as u64, accumulate as u64);
        // 16·12 + 12 parameters of four bytes; a batch has five words with one loss.
        let n = 16 * 12 + 12;
        let gradients = 4 * n * (k + 1) * (p - 1);
        let words = p * (p - 1) * (16 + 8) + p * (p - 1) * 16 + 8 * 5 * m * (p - 1);
        assert_eq!(five[0] - four[0], gradients + words, "{n_ranks} ranks, {accumulate} batches");
        assert_eq!(five[1] - four[1], p * (p - 1) * (k + 1 + 4), "{n_ranks} ranks, {accumulate} batches");
    }
}

/// Remembers how much was sent at the last step.
struct Look<'c>(&'c [AtomicU64; 2], &'c mut [u64; 2]);

impl Observer for Look<'_> {
    fn step(&mut self, _: &Step) -> ControlFlow<()> {
        *self.1 = [0, 1].map(|number| self.0[number].load(Ordering::Relaxed));
        ControlFlow::Continue(())
    }
}
