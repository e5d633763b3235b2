//! A loss and metrics, ready to train. In: expressions with a number for each example. Out: a [`Trainer`]: what is run for
//! a step, and what is run to measure.

use super::{
    Measured, Metric, Objective, TrainError,
    coming::with_batches,
    feed::{Feeds, Use},
    measure::Measures,
    measuring::MeasuringProgram,
    statistics::Statistics,
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
    pub(super) statistics: Option<Statistics>,
    pub(super) measures: Measures,
    /// Whether gradients of several batches can be added up as if they were of one.
    pub(super) has_one_weight: bool,
    pub(super) batching: Batching,
    /// What further programs are compiled with.
    pub(super) options: Options,
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
        let statistics = Statistics::new(&results, options)?;
        let step = g.compile_training_with(loss, outputs.clone(), options)?;
        let evaluation = MeasuringProgram::new(g, outputs, options)?;
        let feeds = Feeds::new(&step.runner.signature.inputs, &evaluation.program.signature.inputs);
        let batching = evaluation.batching();
        let options = options.clone();
        Ok(Trainer { step, evaluation, feeds, statistics, measures, has_one_weight, batching, options })
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
        let mut pass = self.evaluation.begin(parameters)?;
        let mut tallies = self.measures.no_tallies();
        let batching = self.batching.clone();
        with_batches(&batching, source, (0, 0), 0, |batches, _| {
            for batch in batches {
                let batch = batch?;
                match self.evaluation.run(&mut pass, self.feeds.fed(&batch, Use::Evaluation)) {
                    Ok(out) => self.measures.tell(&out, &mut tallies),
                    Err(error) => return Err(self.blame(error, "measure", &pass, &batch)),
                }
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
