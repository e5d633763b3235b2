//! Running averages anew. In: parameters, and batches. Out: the states that training averages, such as the statistics of a batch
//! norm, as plain means over these batches.

use super::{
    TrainError, Trainer,
    coming::{Pass, Share},
    feed::Use,
    rounds::{Rounds, bits},
    step_states::StepStates,
};
use crate::{
    compile::Options,
    data::{Batching, Source},
    graph::{Expr, Graph, NodeId, Value},
    parameters::{Parameters, State},
    program::Program,
    simplify::Mode,
};

/// The program that computes what running averages are made of.
#[derive(Debug)]
pub(super) struct Statistics {
    program: Program,
    /// The state of each of the first outputs; one that is averaged at several places stands here several times.
    averaged: Vec<String>,
    /// The states that go from batch to batch beside them, other than by counting.
    chained: Vec<String>,
    /// What carried states begin with.
    first: State,
}

impl Statistics {
    /// Those of a step that computes these results; none if it averages nothing.
    pub(super) fn new(
        g: &Graph,
        results: &[Expr<'_>],
        states: &StepStates,
        options: &Options,
    ) -> Result<Option<Statistics>, TrainError> {
        let ids: Vec<NodeId> = results.iter().map(Expr::id).collect();
        let name = |state: NodeId| g.expr(state).name().unwrap_or_default();
        let set = g.set_states(&ids, options);
        let is_set = |state: &NodeId| set.iter().any(|(other, _)| other == state);
        let averaged = g.running_averages(&ids).into_iter().filter(|(state, _)| is_set(state));
        let (averaged, statistics): (Vec<NodeId>, Vec<NodeId>) = averaged.unzip();
        if averaged.is_empty() {
            return Ok(None);
        }
        let chained = set.iter().copied().filter(|(state, _)| states.is_chained(&name(*state)));
        let chained = chained.filter(|(state, _)| !averaged.contains(state));
        let (chained, values): (Vec<NodeId>, Vec<NodeId>) = chained.unzip();
        let options = Options { mode: Some(Mode::Training), ..options.clone() };
        let program = g.compile_with(outputs(g, &[statistics, values].concat()), &options)?;
        let names = |states: Vec<NodeId>| states.into_iter().map(name).collect();
        let first = g.first_carried(&program.signature.states)?;
        Ok(Some(Statistics { program, averaged: names(averaged), chained: names(chained), first }))
    }
}

/// Nodes as outputs, named by their positions.
fn outputs<'g>(g: &'g Graph, nodes: &[NodeId]) -> Vec<(String, Expr<'g>)> {
    nodes.iter().enumerate().map(|(position, node)| (position.to_string(), g.expr(*node))).collect()
}

impl Trainer {
    /// Sets the states that training makes running averages of, such as mean and variance of a [`BatchNorm`](crate::nn::BatchNorm),
    /// to plain means over batches with these parameters: after weights were averaged, or loaded without their statistics. Each batch
    /// counts the same. Other states, such as counters of random numbers, go on from batch to batch, carried ones from their first
    /// value, and are then as they were.
    ///
    /// A running average is a state whose [update](crate::Graph::update) is written (1 − m)·state + m·x or state + m·(x − state)
    /// with a number m. Returns the names of those that were set: none, if the model has none or
    /// [`Options::frozen`](crate::Options::frozen) has them all.
    ///
    /// # Errors
    /// There are no examples, the inputs do not fit, or states are [carried](crate::Graph::carry) and the batches do not continue
    /// each other; nothing is changed then.
    ///
    /// # Source
    /// Izmailov et al., *Averaging weights leads to wider optima and better generalization*, 2018, section 3.2.
    ///
    /// # Example
    /// ```
    /// use ndarray::Array2;
    /// use pullback::{Graph, data::Dataset, nn::{BatchNorm, Layer, squared_error}, train::Trainer};
    /// let g = Graph::new();
    /// let normalized = BatchNorm::new(&g, "norm", 1).call(g.input("x", ("batch", 1)));
    /// let mut trainer = Trainer::new(squared_error(normalized, g.input("y", ("batch", 1))), [])?;
    ///
    /// let column = |numbers: [f32; 4]| Array2::from_shape_fn((4, 1), |(row, _)| numbers[row]);
    /// let data = Dataset::new().column("x", column([1.0, 3.0, 5.0, 7.0]))?.column("y", column([0.0; 4]))?;
    /// let mut parameters = g.initialize(0)?;
    /// assert_eq!(trainer.update_statistics(&mut parameters, &data, 4)?, ["norm.mean", "norm.variance"]);
    /// assert_eq!(parameters.state().get("norm.mean"), Some(&ndarray::arr1(&[4.0f32]).into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("update_bn", "recalibrate"))]
    pub fn update_statistics(
        &mut self,
        parameters: &mut Parameters,
        source: &dyn Source,
        batching: impl Into<Batching>,
    ) -> Result<Vec<String>, TrainError> {
        self.update_statistics_of(parameters, source, &batching.into(), (0, 0))
    }

    /// The same in the order of an epoch of a seed.
    pub(super) fn update_statistics_of(
        &mut self,
        parameters: &mut Parameters,
        source: &dyn Source,
        batching: &Batching,
        (seed, epoch): (u64, u64),
    ) -> Result<Vec<String>, TrainError> {
        self.feeds.check(source, Use::Step, "train")?;
        self.check_order(batching, source, "train")?;
        let Some(Statistics { program, averaged, chained, first }) = &mut self.statistics else {
            return Ok(Vec::new());
        };
        let (feeds, states) = (&self.feeds, &mut self.states);
        let mut moved = parameters.clone();
        moved.state_mut().set_all(first)?;
        let mut means = vec![Mean::default(); averaged.len()];
        let share = Share::of_rounds(&self.communicator);
        let pass = Pass { batching, source, key: (seed, epoch), n_done: 0, share };
        pass.with_batches(|coming, _| {
            let (mut rounds, mut n_counted) = (Rounds::new(coming, &self.communicator), 0);
            while let Some(told) = rounds.next(|position, batch| {
                states.count(position - n_counted, &mut moved)?;
                n_counted = position;
                let out = program.run(&moved, feeds.fed(&batch, Use::Step))?;
                for (position, name) in (averaged.len()..).zip(&*chained) {
                    moved.state_mut().set(name, out[position.to_string().as_str()].view())?;
                }
                Ok((0..averaged.len()).flat_map(|position| to_words(&out[position.to_string().as_str()])).collect())
            })? {
                for mut words in told.iter().map(|words| &words[..]) {
                    means.iter_mut().for_each(|mean| words = mean.add(words));
                }
            }
            Ok(())
        })?;
        if means.first().is_some_and(|mean| mean.n_batches == 0.0) {
            return Err(TrainError::Empty { purpose: "train" });
        }
        let mut names: Vec<String> = Vec::new();
        for name in averaged.iter() {
            if !names.contains(name) {
                let means = averaged.iter().zip(&means).filter(|(state, _)| *state == name).map(|(_, mean)| mean);
                let like = parameters.state().get(name).expect("invariant: the step has this state");
                let mean = means.cloned().reduce(Mean::with).expect("invariant: it is one of them").to_value(like);
                parameters.state_mut().set(name, mean.view())?;
                names.push(name.clone());
            }
        }
        Ok(names)
    }
}

/// How many elements an array has, and the elements.
fn to_words(array: &Value) -> Vec<u64> {
    let numbers = match array {
        Value::F32(array) => bits(array.iter().map(|number| f64::from(*number))),
        Value::F64(array) => bits(array.iter().copied()),
        Value::I64(_) | Value::Bool(_) => unreachable!("invariant: running averages are floats"),
    };
    [numbers.len() as u64].into_iter().chain(numbers).collect()
}

/// The mean of arrays.
#[derive(Debug, Clone, Default)]
struct Mean {
    sums: Vec<f64>,
    n_batches: f64,
}

impl Mean {
    /// One array more, from words that begin with it; gives the others.
    fn add<'w>(&mut self, words: &'w [u64]) -> &'w [u64] {
        let (n_elements, rest) = words.split_first().expect("invariant: an array begins with its length");
        let (numbers, rest) = rest.split_at(*n_elements as usize);
        self.sums.resize(numbers.len(), 0.0);
        self.sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += f64::from_bits(*number));
        self.n_batches += 1.0;
        rest
    }

    /// Of the arrays of both.
    fn with(self, other: Mean) -> Mean {
        let sums = self.sums.iter().zip(&other.sums).map(|(one, other)| one + other).collect();
        Mean { sums, n_batches: self.n_batches + other.n_batches }
    }

    /// In the type of a state.
    fn to_value(&self, like: &Value) -> Value {
        let mut means = self.sums.iter().map(|sum| sum / self.n_batches);
        let mut next = || means.next().expect("invariant: there is a mean for each element");
        match like {
            Value::F32(array) => Value::F32(array.map(|_| next() as f32)),
            Value::F64(array) => Value::F64(array.map(|_| next())),
            Value::I64(_) | Value::Bool(_) => unreachable!("invariant: running averages are floats"),
        }
    }
}
