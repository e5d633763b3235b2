//! The measures of a training. In: losses and metrics. Out: what a program has to compute for them, and then, of its outputs, the
//! sums of each example, their means and intervals.

use std::collections::HashSet;

use super::{
    TrainError,
    metric::{IntervalKind, Metric},
    objective::Objective,
    rounds::bits,
    state::Running,
};
use crate::{
    graph::{Expr, Value},
    program::Outputs,
    risk::{self, Estimate, JointTally, RiskError},
};

/// What the whole loss is called.
pub(super) const LOSS: &str = "loss";

/// Means of numbers, and sums of such means.
#[derive(Debug)]
pub(super) struct Measures {
    series: Vec<Series>,
    measures: Vec<Measure>,
}

/// Numbers of each example, with weights if they have any.
#[derive(Debug)]
struct Series {
    values: String,
    weights: Option<String>,
    /// Whether each example has one number of weight 1.
    is_plain: bool,
}

/// A sum of means, each times a factor; of one mean in all cases but that of a loss of several kinds.
#[derive(Debug)]
struct Measure {
    name: String,
    kind: IntervalKind,
    parts: Vec<(usize, f64)>,
}

/// Sums over the examples of a batch, or over more of them: the numbers times their weights, and the weights.
pub(super) type Sums = Vec<Running>;

impl Measures {
    /// The measures of an objective and of metrics, and the outputs that they need, by name.
    pub(super) fn new<'g>(
        objective: &Objective<'g>,
        metrics: Vec<Metric<'g>>,
    ) -> Result<(Measures, Vec<(String, Expr<'g>)>), TrainError> {
        let (mut series, mut measures, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
        let losses = objective.losses.iter().enumerate();
        let parts: Vec<(usize, f64)> = losses.map(|(position, loss)| (position, loss.factor)).collect();
        measures.push(Measure { name: LOSS.to_owned(), kind: IntervalKind::Mean, parts });
        let losses = objective.losses.iter().map(|loss| (&loss.measured, objective.losses.len() > 1));
        for (metric, has_measure) in losses.chain(metrics.iter().map(|metric| (metric, true))) {
            metric.check()?;
            // What a single loss is called does not matter, but what is computed must not have two names.
            let name = if has_measure { metric.name.as_str() } else { LOSS };
            let values = format!("{name} of each");
            let weights = metric.all_weights().map(|weights| (format!("{name} weights"), weights));
            let is_plain = weights.is_none() && metric.values.shape().rank() == 1;
            outputs.push((values.clone(), metric.values));
            outputs.extend(weights.clone());
            if has_measure {
                let parts = vec![(series.len(), 1.0)];
                measures.push(Measure { name: metric.name.clone(), kind: metric.kind, parts });
            }
            series.push(Series { values, weights: weights.map(|(name, _)| name), is_plain });
        }
        let mut names = HashSet::new();
        match measures.iter().find(|measure| !names.insert(measure.name.as_str())) {
            Some(measure) => Err(TrainError::DuplicateMetric { name: measure.name.clone() }),
            None => Ok((Measures { series, measures }, outputs)),
        }
    }

    /// The names, `loss` first.
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.measures.iter().map(|measure| measure.name.as_str())
    }

    /// Sums over no examples.
    pub(super) fn no_sums(&self) -> Sums {
        vec![Running::default(); self.series.len()]
    }

    /// Sums over the examples of a batch, those of the first loss first.
    pub(super) fn sums(&self, out: &Outputs) -> Sums {
        let sums = self.series.iter().map(|series| {
            series.examples(out).into_iter().fold(Running::default(), |batch, (value, weight)| Running {
                sum: batch.sum + value,
                weight: batch.weight + weight,
            })
        });
        sums.collect()
    }

    /// Each measure of those sums.
    pub(super) fn means(&self, sums: &Sums) -> Vec<f64> {
        let mean = |measure: &Measure| {
            let means = measure.parts.iter().map(|(position, factor)| {
                let mean = sums[*position].mean();
                if *factor == 1.0 { mean } else { factor * mean }
            });
            means.sum()
        };
        self.measures.iter().map(mean).collect()
    }

    /// A tally of no examples for each measure.
    pub(super) fn no_tallies(&self) -> Vec<JointTally> {
        // Of each part, value and weight.
        self.measures.iter().map(|measure| JointTally::new(2 * measure.parts.len())).collect()
    }

    /// The numbers of the examples of a batch, as words that [`Measures::tell`] reads: of each series how many examples there are, and
    /// the two numbers of each.
    pub(super) fn to_words(&self, out: &Outputs) -> Vec<u64> {
        let series = self.series.iter().map(|series| series.examples(out));
        let words = series.flat_map(|examples| {
            let numbers = bits(examples.iter().flat_map(|(value, weight)| [*value, *weight]));
            [examples.len() as u64].into_iter().chain(numbers)
        });
        words.collect()
    }

    /// Adds the examples of a batch to the tallies.
    pub(super) fn tell(&self, mut words: &[u64], tallies: &mut [JointTally]) {
        let column = |_: &Series| -> Vec<(f64, f64)> {
            let (n_examples, rest) = words.split_first().expect("invariant: a series begins with its length");
            let (column, after) = rest.split_at(2 * *n_examples as usize);
            words = after;
            let (pairs, _) = column.as_chunks();
            pairs.iter().map(|[value, weight]| (f64::from_bits(*value), f64::from_bits(*weight))).collect()
        };
        let columns: Vec<Vec<(f64, f64)>> = self.series.iter().map(column).collect();
        for (measure, tally) in self.measures.iter().zip(tallies) {
            let parts: Vec<&Vec<(f64, f64)>> = measure.parts.iter().map(|(series, _)| &columns[*series]).collect();
            for example in 0..parts[0].len() {
                let numbers = parts.iter().flat_map(|column| [column[example].0, column[example].1]);
                tally.add(&numbers.collect::<Vec<f64>>());
            }
        }
    }

    /// Each measure of its tally, with its interval.
    pub(super) fn estimates(&self, tallies: &[JointTally], level: f64) -> Vec<(String, Result<Estimate, RiskError>)> {
        let measures = self.measures.iter().zip(tallies);
        measures.map(|(measure, tally)| (measure.name.clone(), self.estimate(measure, tally, level))).collect()
    }

    /// Each measure of its tally.
    pub(super) fn values(&self, tallies: &[JointTally]) -> Vec<f64> {
        let value = |(measure, tally): (&Measure, &JointTally)| match self.count(measure, tally) {
            Some(count) => count as f64 / tally.len() as f64,
            None => tally.quotients(&parts_of(measure)),
        };
        self.measures.iter().zip(tallies).map(value).collect()
    }

    fn estimate(&self, measure: &Measure, tally: &JointTally, level: f64) -> Result<Estimate, RiskError> {
        match self.count(measure, tally) {
            Some(count) => risk::error_rate(count, tally.len(), level),
            None => tally.estimate_of_quotients(&parts_of(measure), level),
        }
    }

    /// Of how many examples it is so, if that is what is measured.
    fn count(&self, measure: &Measure, tally: &JointTally) -> Option<u64> {
        let is_plain = measure.parts.iter().all(|(position, _)| self.series[*position].is_plain);
        let is_rate = measure.kind == IntervalKind::Rate && is_plain;
        is_rate.then(|| (tally.quotients(&parts_of(measure)) * tally.len() as f64).round() as u64)
    }
}

/// Where the parts of a measure are in a tally: value, weight and factor.
fn parts_of(measure: &Measure) -> Vec<(usize, usize, f64)> {
    measure.parts.iter().enumerate().map(|(part, (_, factor))| (2 * part, 2 * part + 1, *factor)).collect()
}

impl Series {
    /// Of each example Σ wx and Σ w.
    fn examples(&self, out: &Outputs) -> Vec<(f64, f64)> {
        let values = numbers(out, &self.values);
        let shape = out[self.values.as_str()].shape();
        let n_each: usize = shape[1..].iter().product();
        let Some(weights) = &self.weights else {
            let sum = |values: &[f64]| (values.iter().sum::<f64>(), n_each as f64);
            // Examples of no numbers have no sums.
            return if n_each == 0 { vec![(0.0, 0.0); shape[0]] } else { values.chunks(n_each).map(sum).collect() };
        };
        let weights = numbers(out, weights);
        let sum = |(values, weights): (&[f64], &[f64])| {
            // What has no weight is not looked at: it may be no number.
            let counted = values.iter().zip(weights).filter(|(_, weight)| **weight != 0.0);
            counted.fold((0.0, 0.0), |(sum, total), (value, weight)| (sum + value * weight, total + weight))
        };
        match n_each {
            0 => vec![(0.0, 0.0); shape[0]],
            _ => values.chunks(n_each).zip(weights.chunks(n_each)).map(sum).collect(),
        }
    }
}

/// The numbers of an output.
fn numbers(out: &Outputs, name: &str) -> Vec<f64> {
    match &out[name] {
        Value::F32(array) => array.iter().map(|number| f64::from(*number)).collect(),
        Value::F64(array) => array.iter().copied().collect(),
        Value::Bool(array) => array.iter().map(|is_so| f64::from(u8::from(*is_so))).collect(),
        Value::I64(_) => unreachable!("invariant: measures and weights are floats or truth values"),
    }
}
