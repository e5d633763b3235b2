//! A loss and metrics, ready to train. In: expressions with a number for each example. Out: a [`Trainer`]: what is run for
//! a step, and what is run to measure.

use std::collections::HashSet;

use super::{Measured, Metric, TrainError, inputs, metric::IntervalKind, training::Training};
use crate::{
    compile::Options,
    data::{Batch, Dataset, Target},
    graph::{Element, Expr, Value},
    names,
    optim::Optimizer,
    parameters::Parameters,
    program::{Outputs, Program, RunError, TrainingStep},
    risk::{self, Estimate, Tally},
};

/// Examples that are measured at once.
const MEASURED_AT_ONCE: usize = 512;

/// What training makes small: the mean of a loss over the examples of a batch, and perhaps a penalty on the parameters.
#[derive(Debug, Clone, Copy)]
pub struct Objective<'g> {
    losses: Expr<'g>,
    penalty: Option<Expr<'g>>,
}

impl<'g> Objective<'g> {
    /// The mean of the losses of each example, `[batch]`.
    pub fn new(losses: Expr<'g>) -> Objective<'g> {
        Objective { losses, penalty: None }
    }

    /// With a scalar added that is not measured, such as λ‖θ‖².
    #[doc(alias("regularization", "weight_decay", "l2"))]
    pub fn penalty(self, penalty: Expr<'g>) -> Objective<'g> {
        Objective { penalty: Some(penalty), ..self }
    }
}

impl<'g> From<Expr<'g>> for Objective<'g> {
    fn from(losses: Expr<'g>) -> Objective<'g> {
        Objective::new(losses)
    }
}

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
/// let mut trainer = Trainer::new(["x", "label"], cross_entropy(scores, label), [error])?;
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
    evaluation: Program,
    pub(super) inputs: [String; 2],
    measures: Vec<(String, IntervalKind)>,
}

impl Trainer {
    /// A trainer of all parameters of the graph that is fed a dataset's rows and labels as the inputs of those names. The
    /// first measure is the loss, `loss`.
    ///
    /// # Errors
    /// The graph does not compile, the losses or a metric are not one number for each example, or two metrics have one
    /// name. The graph has no input of one of the names, has it of a type that a dataset's rows (f32 of two axes) or labels
    /// (i64 or f32 of one) do not have, or the loss or a metric needs a third input.
    pub fn new<'g>(
        inputs: [&str; 2],
        objective: impl Into<Objective<'g>>,
        metrics: impl IntoIterator<Item = Metric<'g>>,
    ) -> Result<Trainer, TrainError> {
        Trainer::with_options(inputs, objective, metrics, &Options::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As for [`Trainer::new`].
    pub fn with_options<'g>(
        names: [&str; 2],
        objective: impl Into<Objective<'g>>,
        metrics: impl IntoIterator<Item = Metric<'g>>,
        options: &Options,
    ) -> Result<Trainer, TrainError> {
        let Objective { losses, penalty } = objective.into();
        let g = losses.graph();
        g.check().map_err(crate::program::CompileError::from)?;
        let loss_and_metrics: Vec<Metric<'g>> = std::iter::once(Metric::mean("loss", losses)).chain(metrics).collect();
        check(&loss_and_metrics)?;
        let named: Vec<(String, Expr<'g>)> =
            loss_and_metrics.iter().map(|metric| (label(&metric.name), metric.values)).collect();
        let loss = penalty.map_or(losses.mean(), |penalty| losses.mean() + penalty);
        let step = g.compile_training_with(loss, named.clone(), options)?;
        inputs::check(names, &step.runner.signature.inputs)?;
        Ok(Trainer {
            step,
            evaluation: g.compile_with(named, options)?,
            inputs: names.map(str::to_owned),
            measures: loss_and_metrics.into_iter().map(|metric| (metric.name, metric.kind)).collect(),
        })
    }

    /// Names of the measures, `loss` first.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.measures.iter().map(|(name, _)| name.as_str())
    }

    /// A training that moves these parameters by this optimizer; [`Training::fit`] begins it.
    pub fn training<'a, T>(
        &'a mut self,
        parameters: &'a mut Parameters,
        optimizer: &'a mut dyn Optimizer,
    ) -> Training<'a, T> {
        Training::new(self, parameters, optimizer)
    }

    /// Each measure over a dataset, with its interval at the confidence `level`: for rates Wilson's, for others the normal
    /// one.
    ///
    /// # Errors
    /// There are no examples, or one only where an interval takes two; a measure is no number; or the inputs do not fit.
    pub fn evaluate<T: Target + Element>(
        &mut self,
        parameters: &Parameters,
        dataset: &Dataset<T>,
        level: f64,
    ) -> Result<Vec<Measured>, TrainError> {
        let tallies = self.tallies(parameters, dataset)?;
        let measured = self.measures.iter().zip(tallies).map(|((name, kind), tally)| {
            let estimate = kind.estimate(&tally, level);
            let estimate = estimate.map_err(|source| TrainError::Risk { name: name.clone(), source })?;
            Ok(Measured { name: name.clone(), estimate })
        });
        measured.collect()
    }

    /// Each measure over a dataset.
    pub(super) fn means<T: Target + Element>(
        &mut self,
        parameters: &Parameters,
        dataset: &Dataset<T>,
    ) -> Result<Vec<f64>, TrainError> {
        let tallies = self.tallies(parameters, dataset)?;
        Ok(self.measures.iter().zip(&tallies).map(|((_, kind), tally)| kind.value(tally)).collect())
    }

    /// All numbers of each measure over a dataset.
    fn tallies<T: Target + Element>(
        &mut self,
        parameters: &Parameters,
        dataset: &Dataset<T>,
    ) -> Result<Vec<Tally>, TrainError> {
        if dataset.is_empty() {
            return Err(TrainError::Empty { purpose: "measure" });
        }
        let mut tallies = vec![Tally::default(); self.measures.len()];
        let mut first = 0;
        for batch in dataset.batches_in_order(MEASURED_AT_ONCE)? {
            let rows: Vec<usize> = (first..first + batch.y.len()).collect();
            first += rows.len();
            let out = match self.measure(parameters, &batch) {
                Ok(out) => out,
                Err(error) => return Err(self.blame(error, "measure", parameters, (dataset, &rows))),
            };
            for ((name, _), tally) in self.measures.iter().zip(&mut tallies) {
                tally.extend(numbers(&out, name));
            }
        }
        Ok(tallies)
    }

    fn measure<T: Element>(&mut self, parameters: &Parameters, batch: &Batch<T>) -> Result<Outputs, RunError> {
        let [name_of_x, name_of_y] = &self.inputs;
        self.evaluation.run(parameters, ((name_of_x.as_str(), &batch.x), (name_of_y.as_str(), &batch.y)))
    }

    /// The error of some rows that did not run together: that of the first that does not run alone, if there is one.
    pub(super) fn blame<T: Target + Element>(
        &mut self,
        error: RunError,
        purpose: &'static str,
        parameters: &Parameters,
        (dataset, rows): (&Dataset<T>, &[usize]),
    ) -> TrainError {
        // Other errors are of what is fed as a whole.
        if !matches!(error, RunError::Node { .. }) {
            return error.into();
        }
        for row in rows {
            let row_dataset = dataset.select(&[*row]);
            let batch = Batch { x: row_dataset.x().to_owned(), y: row_dataset.y().to_owned() };
            if let Err(source @ RunError::Node { .. }) = self.measure(parameters, &batch) {
                return TrainError::Example { epoch: None, purpose, row: *row, source };
            }
        }
        error.into()
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

impl IntervalKind {
    fn value(self, tally: &Tally) -> f64 {
        match self {
            IntervalKind::Mean => tally.mean(),
            IntervalKind::Rate => self.count(tally) as f64 / tally.len() as f64,
        }
    }

    /// Of how many examples it is so.
    fn count(self, tally: &Tally) -> u64 {
        (tally.mean() * tally.len() as f64).round() as u64
    }

    fn estimate(self, tally: &Tally, level: f64) -> Result<Estimate, risk::RiskError> {
        match self {
            IntervalKind::Mean => tally.estimate(level),
            IntervalKind::Rate => risk::error_rate(self.count(tally), tally.len(), level),
        }
    }
}

/// One number for each example, floats, and no name twice.
fn check(metrics: &[Metric<'_>]) -> Result<(), TrainError> {
    let mut names = HashSet::new();
    for Metric { name, values, .. } in metrics {
        let (shape, dtype) = (values.shape(), values.dtype());
        if shape.rank() != 1 {
            return Err(TrainError::NotOfEach { name: name.clone(), shape: shape.to_string() });
        }
        if !dtype.is_float() {
            return Err(TrainError::NotFloat { name: name.clone(), dtype: dtype.to_string() });
        }
        if !names.insert(name.as_str()) {
            return Err(TrainError::DuplicateMetric { name: name.clone() });
        }
    }
    Ok(())
}

/// The output that a measure is: a step has others of its own.
fn label(name: &str) -> String {
    format!("{name} of each")
}

/// The numbers of a measure in a batch.
pub(super) fn numbers(out: &Outputs, name: &str) -> Vec<f64> {
    match out.get(&label(name)) {
        Some(Value::F32(array)) => array.iter().map(|number| f64::from(*number)).collect(),
        Some(Value::F64(array)) => array.iter().copied().collect(),
        _ => unreachable!("invariant: measures are floats, and outputs of the program"),
    }
}
