//! What a model keeps between steps, in the loop of training: a checkpoint holds it, and a step that fails changes none of it.

use std::{fs, ops::ControlFlow};

use pullback::{
    DType, Graph, Initializer, Parameters,
    data::{Batch, Batching, Column, DataError, Dataset, Source},
    io::Arrays,
    nn::cross_entropy,
    optim::{HeavyBall, Sgd},
    train::{Checkpoint, Fit, Metric, Observer, Patience, Step, TrainError, Trainer},
};

/// Classes by the distance from a running mean, which a step moves; and how many steps there were.
fn model() -> (Trainer, Parameters) {
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 2)), g.input_of(DType::I64, "label", ("batch",)));
    let mean = g.state("mean", (2,), Initializer::Zeros);
    g.update(mean, |mean| 0.9 * mean + 0.1 * x.mean_over(0));
    let n_steps = g.state_of(DType::I64, "steps", (), Initializer::Zeros);
    g.update(n_steps, |n_steps| n_steps + 1);
    let w = g.parameter("w", (2, 3), Initializer::Uniform { low: -0.5, high: 0.5 });
    let losses = cross_entropy((x - mean).dot(w), label);
    let trainer = Trainer::new(losses, [Metric::mean("size", x.square().sum_over(-1))]);
    (trainer.expect("the graph has no mistake"), g.initialize(1).expect("initializers fit"))
}

fn points(n: usize) -> Dataset {
    let x: Vec<f32> = (0..2 * n).map(|i| ((i * 31) % 17) as f32 / 5.0).collect();
    let x = ndarray::Array2::from_shape_vec((n, 2), x).expect("so many");
    let labels: Vec<i64> = (0..n as i64).map(|i| i % 3).collect();
    Dataset::new().column("x", x).and_then(|points| points.column("label", labels)).expect("columns")
}

/// All that a training moves, to the bits.
fn everything(parameters: &Parameters) -> (Vec<u32>, String) {
    let bits = parameters.flat::<f32>().expect("there").iter().map(|x| x.to_bits()).collect();
    (bits, format!("{:?}", parameters.state()))
}

struct StopAt(u64);

impl Observer for StopAt {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        if step.step == self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn a_checkpoint_holds_the_state_of_a_model_and_that_of_the_best_epoch() {
    let path = crate::temporary_file("state");
    let (train, validation) = (points(40), points(15));
    let run = |fit: Fit, stop: u64| {
        let ((mut trainer, mut parameters), mut rule) = (model(), HeavyBall::new(0.3, 0.9));
        let mut stop = StopAt(stop);
        let training = trainer.training(&mut parameters, &mut rule).validate(&validation).observe(&mut stop);
        let report = training.fit(&train, &fit.patience(Patience::new(9))).expect("training goes well");
        (report.measures, report.best_epoch, everything(&parameters))
    };
    let whole = run(Fit::new(6, 8), 0);
    for stop in [1, 4, 5, 7, 13, 29] {
        run(Fit::new(6, 8).checkpoint(Checkpoint::new(&path)), stop);
        assert_eq!(run(Fit::new(6, 8).checkpoint(Checkpoint::resume(&path)), 0), whole, "stopped at step {stop}");
    }
    let mut arrays = Arrays::load(&path).expect("the file is whole");
    assert_eq!(arrays.get("state/steps"), Some(&ndarray::arr0(30i64).into()));
    assert!(arrays.get("best state/mean").is_some());
    // A state of another type is an error that changes nothing.
    arrays.insert("state/mean", vec![0.0f64, 0.0].into());
    arrays.save(&path).expect("the file can be written");
    let (mut trainer, mut parameters) = model();
    let before = everything(&parameters);
    let fit = Fit::new(6, 8).checkpoint(Checkpoint::resume(&path)).patience(Patience::new(9));
    let mut rule = HeavyBall::new(0.3, 0.9);
    let result = trainer.training(&mut parameters, &mut rule).validate(&validation).fit(&train, &fit);
    fs::remove_file(&path).expect("the file is there");
    assert!(matches!(result, Err(TrainError::Checkpoint(_))), "{result:?}");
    assert_eq!(everything(&parameters), before);
}

/// Points of which one batch is bad in some way.
struct Bad(Dataset, Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The source fails.
    Source,
    /// A label is no class.
    Label,
    /// A number is infinite.
    Infinite,
}

impl Source for Bad {
    fn columns(&self) -> &[Column] {
        self.0.columns()
    }

    fn n_examples(&self) -> Option<usize> {
        self.0.n_examples()
    }

    fn batch(&self, rows: &[usize], epoch: u64) -> Result<Batch, DataError> {
        let batch = self.0.batch(rows, epoch)?;
        let Some(position) = rows.iter().position(|row| *row == 27) else { return Ok(batch) };
        let mut x = batch["x"].array::<f32>().expect("floats").clone();
        let mut label = batch["label"].array::<i64>().expect("integers").clone();
        match self.1 {
            Kind::Source => return Err(DataError::other("row 27 is lost", "why")),
            Kind::Label => label[[position]] = 3,
            Kind::Infinite => x[[position, 1]] = f32::INFINITY,
        }
        Batch::new().column("x", x)?.column("label", label)
    }
}

/// Whether it is the first batch of the step or a later one: the batches before it have moved the state, and it is put back.
#[test]
fn a_step_that_fails_changes_neither_parameters_nor_state() {
    for kind in [Kind::Source, Kind::Label, Kind::Infinite] {
        for (n_ahead, accumulate) in [(0, 1), (2, 1), (0, 2), (0, 3), (3, 4), (0, usize::MAX)] {
            // Row 27 is in the seventh batch of four; so many whole steps are before it.
            let n_steps = 6 / accumulate as u64;
            let ((mut trainer, mut parameters), mut rule) = (model(), Sgd::new(0.1));
            let batching = Batching::new(4).in_order().prefetch(n_ahead);
            let fit = Fit::new(1, batching.clone()).accumulate(accumulate);
            let result = trainer.training(&mut parameters, &mut rule).fit(&Bad(points(40), kind), &fit);
            assert!(result.is_err(), "{kind:?}: {result:?}");

            let ((mut trainer, mut expected), mut rule) = (model(), Sgd::new(0.1));
            if n_steps > 0 {
                let mut stop = StopAt(n_steps);
                let training = trainer.training(&mut expected, &mut rule).observe(&mut stop);
                training.fit(&points(40), &fit).expect("training goes well");
            }
            assert_eq!(everything(&parameters), everything(&expected), "{kind:?}, {accumulate} batches a step");
        }
    }
    // Neither does a step that the optimizer refuses.
    let (mut trainer, mut parameters) = model();
    let before = everything(&parameters);
    let result = trainer.training(&mut parameters, &mut Sgd::new(-1.0)).fit(&points(8), &Fit::new(1, 4));
    assert!(matches!(result, Err(TrainError::Optimizer(_))), "{result:?}");
    assert_eq!(everything(&parameters), before);
}
