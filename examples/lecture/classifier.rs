//! Networks of one hidden layer that learn classes, trained until they know their examples by heart. In: examples, a rule and
//! when to stop. Out: parameters, and errors example by example. It draws and judges nothing.

use std::{
    error::Error,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use ndarray::ArrayView1;
use pullback::{
    DType, Expr, Gradients, Graph, Options, Parameters, Program, TrainingStep,
    data::{Batching, Dataset},
    landscape::Landscape,
    nn::{cross_entropy, hidden_layers, linear},
    optim::Optimizer,
};

/// What may fail on a thread of its own.
pub(crate) type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Rows that are measured at once.
const MEASURED: usize = 1000;

/// σ of the hidden units.
pub(crate) type Activation = for<'g> fn(Expr<'g>) -> Expr<'g>;

/// softmax(B·σ(Wx + b) + c) with the cross-entropy, compiled for one thread.
pub(crate) struct Classifier {
    graph: Graph,
    step: TrainingStep,
    measure: Program,
}

/// How long to train.
#[derive(Clone, Copy)]
pub(crate) struct Training {
    pub(crate) batch: usize,
    /// Ends where the loss over all training examples is at most this, and no class is wrong.
    pub(crate) goal: f64,
    pub(crate) most_epochs: u64,
    /// Of the first weights and of the order of the examples.
    pub(crate) seed: u64,
}

/// What training gives.
pub(crate) struct Trained {
    pub(crate) parameters: Parameters,
    pub(crate) n_epochs: u64,
    /// Whether the goal was reached.
    pub(crate) has_learned: bool,
}

/// How well a network does on examples.
pub(crate) struct Measured {
    /// The mean cross-entropy.
    pub(crate) loss: f64,
    /// 1 for each example that is taken for another class, else 0.
    pub(crate) errors: Vec<f64>,
}

impl Measured {
    pub(crate) fn error_rate(&self) -> f64 {
        self.errors.iter().sum::<f64>() / self.errors.len() as f64
    }

    fn is_perfect(&self, goal: f64) -> bool {
        self.loss <= goal && self.error_rate() == 0.0
    }
}

impl Classifier {
    pub(crate) fn new(n_features: usize, width: usize, activation: Activation) -> Fallible<Classifier> {
        let graph = Graph::new();
        let options = Options { threads: 1, ..Options::default() };
        let (logits, losses) = network(&graph, n_features, width, activation);
        let step = graph.compile_training_with(losses.mean(), (), &options)?;
        let measure = graph.compile_with([("class", logits.argmax(-1)), ("loss", losses)], &options)?;
        Ok(Classifier { graph, step, measure })
    }

    /// The mean loss as a landscape.
    pub(crate) fn landscape(n_features: usize, width: usize, activation: Activation) -> Fallible<Landscape> {
        let graph = Graph::new();
        let (_, losses) = network(&graph, n_features, width, activation);
        Ok(Landscape::with_options(losses.mean(), &Options { threads: 1, ..Options::default() })?)
    }

    /// Steps through epochs of minibatches until the goal is reached, the loss is no number any more, or time is up.
    pub(crate) fn train(&mut self, rule: &mut dyn Optimizer, examples: &Dataset, how: &Training) -> Fallible<Trained> {
        let mut parameters = self.graph.initialize(how.seed)?;
        let mut gradients = Gradients::zeros(parameters.layout().clone());
        for epoch in 1..=how.most_epochs {
            let mut total = 0.0;
            for batch in Batching::new(how.batch).epoch(examples, how.seed, epoch)? {
                let batch = batch?;
                let (loss, _) = self.step.run_into(&parameters, &batch, &mut gradients)?;
                rule.step(&mut parameters, &gradients)?;
                total += loss * batch.len() as f64;
            }
            let mean = total / examples.len() as f64;
            // Losses on the way through an epoch are dear to average and a little too high: they only say when to look.
            if mean <= 2.0 * how.goal && self.measure(&parameters, examples)?.is_perfect(how.goal) {
                return Ok(Trained { parameters, n_epochs: epoch, has_learned: true });
            }
            if !mean.is_finite() {
                return Ok(Trained { parameters, n_epochs: epoch, has_learned: false });
            }
        }
        Ok(Trained { parameters, n_epochs: how.most_epochs, has_learned: false })
    }

    pub(crate) fn measure(&mut self, parameters: &Parameters, examples: &Dataset) -> Fallible<Measured> {
        let (mut total, mut errors) = (0.0, Vec::with_capacity(examples.len()));
        for batch in Batching::new(MEASURED).in_order().epoch(examples, 0, 0)? {
            let batch = batch?;
            let out = self.measure.run(parameters, &batch)?;
            let losses = out["loss"].array::<f32>().ok_or("losses are not of f32")?;
            let classes = out["class"].array::<i64>().ok_or("classes are not of i64")?;
            total += losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
            let labels: ArrayView1<i64> = batch.array("label")?;
            errors.extend(classes.iter().zip(labels).map(|(found, class)| f64::from(found != class)));
        }
        Ok(Measured { loss: total / examples.len() as f64, errors })
    }
}

/// The logits, and the loss of each example.
fn network(g: &Graph, n_features: usize, width: usize, activation: Activation) -> (Expr<'_>, Expr<'_>) {
    let (x, label) = (g.input("x", ("batch", n_features)), g.input_of(DType::I64, "label", ("batch",)));
    let logits = linear(hidden_layers(x, "hidden", &[width], activation), "out", 10);
    (logits, cross_entropy(logits, label))
}

/// Does all jobs, as many at a time as the machine does, and gives what comes of them in their order.
pub(crate) fn in_parallel<J: Sync, R: Send>(
    jobs: &[J],
    run: impl Fn(&J) -> Fallible<R> + Sync,
) -> Result<Vec<R>, Box<dyn Error>> {
    let (next, run) = (AtomicUsize::new(0), &run);
    let work = || {
        let mut done = Vec::new();
        while let Some(position) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|position| *position < jobs.len())
        {
            done.push((position, run(&jobs[position])));
        }
        done
    };
    let n_threads = thread::available_parallelism().map_or(1, usize::from);
    let mut done = thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads.min(jobs.len())).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("invariant: no job panics")).collect::<Vec<_>>()
    });
    done.sort_by_key(|(position, _)| *position);
    done.into_iter().map(|(_, result)| result.map_err(|error| error as Box<dyn Error>)).collect()
}
