//! A loss and metrics, ready to train. In: expressions with a number for each example. Out: a [`Trainer`]: what is run for
//! a step, and what is run to measure.

use super::{
    Communicator, Measured, Metric, Objective, TrainError,
    coming::{Pass, Share},
    communicator::SharedCommunicator,
    feed::{Feeds, Use},
    measure::Measures,
    measuring::MeasuringProgram,
    rounds::Rounds,
    statistics::Statistics,
    step_states::StepStates,
    training::Training,
};
use crate::{
    compile::Options,
    data::{Batch, Batching, DataError, Source},
    names,
    optim::Optimizer,
    parameters::Parameters,
    program::{RunError, TrainingStep, Untrained},
    risk::JointTally,
};

/// A compiled loss with metrics.
///
/// # Example
/// ```
/// use pullback::{
///     DType, Graph, data::digits, nn::{cross_entropy, linear, zero_one_loss}, optim::Adam,
///     train::{Fit, Metric, Patience, Trainer},
/// };
/// let g = Graph::new();
/// let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
/// let scores = linear(linear(x, "hidden", 32).relu(), "out", 10);
/// let error = Metric::rate("error", zero_one_loss(scores, label));
/// let mut trainer = Trainer::new(cross_entropy(scores, label), [error])?;
///
/// let split = digits().split(0.2, 0)?;
/// let mut parameters = g.initialize(0)?;
/// let report = trainer
///     .training(&mut parameters, &mut Adam::new(3e-3))
///     .validate(&split.test)
///     .fit(&split.train, &Fit::new(6, 32).patience(Patience::new(2)))?;
/// let error = &report.measures[1];
/// assert!(error.held_out.is_some_and(|estimate| estimate.upper < 0.15), "{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Trainer {
    pub(super) step: TrainingStep,
    evaluation: MeasuringProgram,
    pub(super) feeds: Feeds,
    pub(super) states: StepStates,
    pub(super) statistics: Option<Statistics>,
    pub(super) measures: Measures,
    /// Whether gradients of several batches can be added up as if they were of one.
    pub(super) has_one_weight: bool,
    pub(super) batching: Batching,
    /// What further programs are compiled with.
    pub(super) options: Options,
    pub(super) communicator: SharedCommunicator,
}

impl Trainer {
    /// A trainer of all parameters of the graph. Each input that the loss or a metric needs is fed the column of its name, or
    /// the one that [`Trainer::feed`] says. The first measure is the loss, `loss`.
    ///
    /// The objective is an expression with a number for each example, or a [`Loss`](super::Loss), or several of them, or an
    /// [`Objective`] with a penalty.
    ///
    /// # Errors
    /// The graph does not compile; losses, metrics or their weights are not of the shapes that [`Metric`] says; two measures
    /// have one name; there is no loss, or a factor is not finite.
    pub fn new<'g>(
        objective: impl Into<Objective<'g>>,
        metrics: impl IntoIterator<Item = Metric<'g>>,
    ) -> Result<Trainer, TrainError> {
        Trainer::with_options(objective, metrics, &Options::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As for [`Trainer::new`].
    pub fn with_options<'g>(
        objective: impl Into<Objective<'g>>,
        metrics: impl IntoIterator<Item = Metric<'g>>,
        options: &Options,
    ) -> Result<Trainer, TrainError> {
        let objective = objective.into();
        objective.check()?;
        let metrics: Vec<Metric<'g>> = metrics.into_iter().collect();
        let Some(first) = objective.losses.first() else { return Err(TrainError::NoLoss) };
        let g = first.measured.values.graph();
        g.check().map_err(crate::program::CompileError::from)?;
        let has_one_weight = objective.is_of_one_weight();
        let (measures, outputs) = Measures::new(&objective, metrics)?;
        let loss = objective.expr().ok_or(TrainError::NoLoss)?;
        let results: Vec<_> = [loss].into_iter().chain(outputs.iter().map(|(_, output)| *output)).collect();
        let states = StepStates::new(g, &results, options)?;
        let statistics = Statistics::new(g, &results, &states, options)?;
        let step = g.compile_training_with(loss, outputs.clone(), options)?;
        let evaluation = MeasuringProgram::new(g, outputs, options)?;
        let feeds = Feeds::new(&step.runner.signature.inputs, &evaluation.program.signature.inputs);
        let batching = evaluation.batching();
        Ok(Trainer {
            step,
            evaluation,
            feeds,
            states,
            statistics,
            measures,
            has_one_weight,
            batching,
            options: options.clone(),
            communicator: SharedCommunicator::alone(),
        })
    }

    /// Feeds an input the column of another name.
    ///
    /// # Errors
    /// The graph has no such input.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, data::digits, nn::{cross_entropy, linear}, train::Trainer};
    /// let g = Graph::new();
    /// let (pixels, label) = (g.input("pixels", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    /// let mut trainer = Trainer::new(cross_entropy(linear(pixels, "out", 10), label), [])?.feed("pixels", "x")?;
    /// let loss = trainer.evaluate(&g.initialize(0)?, &digits(), 0.95)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn feed(mut self, input: &str, column: &str) -> Result<Trainer, TrainError> {
        self.feeds.set(input, column)?;
        Ok(self)
    }

    /// Measures in these batches. Without it, as many examples are measured at once as the inputs have where their first axis is a
    /// number, and else 512; in their order, or [continued](Batching::continued) where states are
    /// [carried](crate::Graph::carry) from batch to batch.
    pub fn measure_by(self, batching: impl Into<Batching>) -> Trainer {
        Trainer { batching: batching.into(), ..self }
    }

    /// Trains and measures together with other processes, each of which runs this program: **data parallelism**. The batches that
    /// [`Fit::accumulate`](super::Fit::accumulate) makes a step of are shared by all ranks, and so are those of every measuring.
    /// Gradients are added up in a fixed tree over the batches, so that parameters and reports are those of one process with the same
    /// [`Fit`](super::Fit), bit for bit, on any number of ranks; the same machine instructions given, since they decide about
    /// roundings.
    ///
    /// All ranks have the same parameters throughout, and all call the same methods of the trainer and its trainings in the same
    /// order. They read the same data and, with [`Checkpoint::resume`](super::Checkpoint::resume), the same checkpoint; rank 0 alone
    /// writes it. Observers are told on every rank. A flag to stop, an observer that ends a training, and an error end it on all
    /// ranks.
    ///
    /// Of the states of a model, running averages begin in each batch of a step as they were before it, and become the mean of what
    /// the batches made of them; what counts on by itself, as [`Dropout`](crate::nn::Dropout) does, counts on from batch to batch.
    ///
    /// # Errors
    /// There are several ranks, and a state goes from batch to batch in another way: it is [carried](crate::Graph::carry), or its
    /// update is no running average and reads data or parameters.
    ///
    /// # Complexity
    /// A step of m batches on P ranks, of n numbers of parameters: each rank computes m/P batches, rounded up, and sends n·(k + 1)·(P
    /// − 1)/P numbers, where k is the number of nodes of the tree that its batches are: 1 where m = 2ʲ·P, and no more than 2·log₂(m/P
    /// + 1). Beside these go some words a batch, and the running averages.
    ///
    /// # Example
    /// See [`Communicator`] for ranks that are threads; the crate `pullback-mpi` has those of MPI.
    #[doc(alias("distributed", "data_parallel", "all_reduce", "DistributedDataParallel"))]
    pub fn over(self, communicator: impl Communicator + 'static) -> Result<Trainer, TrainError> {
        let communicator = SharedCommunicator::new(communicator);
        let mut chained = self.states.chained.iter().map(String::as_str).chain(self.evaluation.carried());
        match chained.next().filter(|_| !communicator.is_alone()) {
            Some(state) => Err(TrainError::StateOfRanks { state: state.to_owned() }),
            None => Ok(Trainer { communicator, ..self }),
        }
    }

    /// The parameters of the graph that training leaves as they are, with the reason; one that the loss does not use is a mistake as
    /// a rule. See [`TrainingStep::untrained`].
    pub fn untrained(&self) -> impl ExactSizeIterator<Item = (&str, Untrained)> {
        self.step.untrained()
    }

    /// Names of the measures, `loss` first, then those of the losses if there are several, then those of the metrics.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.measures.names()
    }

    /// A training that moves these parameters by this optimizer; [`Training::fit`] begins it.
    pub fn training<'a>(
        &'a mut self,
        parameters: &'a mut Parameters,
        optimizer: &'a mut dyn Optimizer,
    ) -> Training<'a> {
        Training::new(self, parameters, optimizer)
    }

    /// Each measure over a dataset, with its interval at the confidence `level`: for rates of examples Wilson's, for others the
    /// normal one.
    ///
    /// # Errors
    /// There are no examples, or one only where an interval takes two; a measure is no number; or the inputs do not fit.
    pub fn evaluate(
        &mut self,
        parameters: &Parameters,
        source: &dyn Source,
        level: f64,
    ) -> Result<Vec<Measured>, TrainError> {
        let tallies = self.tallies(parameters, source)?;
        let measured = self.measures.estimates(&tallies, level).into_iter().map(|(name, estimate)| match estimate {
            Ok(estimate) => Ok(Measured { name, estimate }),
            Err(source) => Err(TrainError::Risk { name, source }),
        });
        measured.collect()
    }

    /// Each measure over a dataset.
    pub(super) fn means(&mut self, parameters: &Parameters, source: &dyn Source) -> Result<Vec<f64>, TrainError> {
        let tallies = self.tallies(parameters, source)?;
        Ok(self.measures.values(&tallies))
    }

    /// The sums of each example of a dataset.
    fn tallies(&mut self, parameters: &Parameters, source: &dyn Source) -> Result<Vec<JointTally>, TrainError> {
        self.check_measured(source)?;
        let mut states = self.evaluation.begin(parameters)?;
        let mut tallies = self.measures.no_tallies();
        let (batching, communicator) = (self.batching.clone(), self.communicator.clone());
        let share = Share::of_rounds(&communicator);
        let pass = Pass { batching: &batching, source, key: (0, 0), n_done: 0, share };
        pass.with_batches(|coming, _| {
            let mut rounds = Rounds::new(coming, &communicator);
            while let Some(told) = rounds.next(|_, batch| {
                let out = self.evaluation.run(&mut states, self.feeds.fed(&batch, Use::Evaluation));
                let out = out.map_err(|error| self.blame(error, "measure", &states, &batch))?;
                Ok(self.measures.to_words(&out))
            })? {
                told.iter().for_each(|words| self.measures.tell(words, &mut tallies));
            }
            Ok(())
        })?;
        let is_empty = tallies.iter().any(JointTally::is_empty);
        if is_empty { Err(TrainError::Empty { purpose: "measure" }) } else { Ok(tallies) }
    }

    /// The error of a batch that did not run: that of its first example that does not run alone, if there is one.
    pub(super) fn blame(
        &mut self,
        error: RunError,
        purpose: &'static str,
        parameters: &Parameters,
        batch: &Batch,
    ) -> TrainError {
        // Other errors are of what is fed as a whole.
        if !matches!(error, RunError::Node { .. }) {
            return error.into();
        }
        for (position, row) in batch.rows().iter().enumerate() {
            let Ok(example) = batch.select(&[position]) else { break };
            let fed = self.feeds.fed(&example, Use::Evaluation);
            if let Err(source @ RunError::Node { .. }) = self.evaluation.program.run(parameters, fed) {
                return TrainError::Example { epoch: None, purpose, row: *row, source };
            }
        }
        error.into()
    }

    /// That a source can be measured.
    pub(super) fn check_measured(&self, source: &dyn Source) -> Result<(), TrainError> {
        self.feeds.check(source, Use::Evaluation, "measure")?;
        self.check_order(&self.batching, source, "measure")
    }

    /// That examples come in the order in which states are carried from one to the next.
    pub(super) fn check_order(
        &self,
        batching: &Batching,
        source: &dyn Source,
        purpose: &'static str,
    ) -> Result<(), TrainError> {
        let carried = self.evaluation.carried();
        if let Some(state) = carried.filter(|_| !batching.is_continued(source.n_examples())) {
            let (state, batching) = (state.to_owned(), batching.to_string());
            return Err(TrainError::NotContinued { state, batching, purpose });
        }
        // Not after an epoch, when it is too late to mend.
        if batching.needs_length() && source.n_examples().is_none() {
            return Err(DataError::UnknownLength.into());
        }
        match source.n_examples() {
            Some(found) if found > 0 && batching.fewest_examples() > found => {
                Err(TrainError::FewerThanPlaces { purpose, found, places: batching.fewest_examples() })
            }
            _ => Ok(()),
        }
    }

    /// Which number of the measures has that name.
    pub(super) fn position(&self, name: &str) -> Result<usize, TrainError> {
        let position = self.names().position(|found| found == name);
        position.ok_or_else(|| TrainError::UnknownMetric {
            name: name.to_owned(),
            nearest: names::nearest(name, self.names()),
        })
    }
}
