//! What the batches of one step make of a model's states. In: a graph and what a step computes. Out: which states are averaged, which
//! count on by themselves, and which go from batch to batch; and the means and counts.
//!
//! Batches of one step may be computed by several ranks at once, so none of them may need what another made of a state. Running
//! averages begin with their value before the step in each batch, and become the mean of what the batches made of them. What counts
//! on by itself, as the counters of random numbers do, is computed for any batch from the count before it. All others go from batch
//! to batch, which one rank alone can do.

use super::TrainError;
use crate::{
    compile::Options,
    graph::{Expr, Graph, NodeId, UpdateKind, Value},
    parameters::{Parameters, State},
    program::Program,
    simplify::Mode,
};

/// The states that a step sets, by name.
#[derive(Debug)]
pub(super) struct StepStates {
    averaged: Vec<String>,
    counting: Option<Counting>,
    pub(super) chained: Vec<String>,
}

/// States that count on by themselves.
#[derive(Debug)]
struct Counting {
    names: Vec<String>,
    /// Its outputs are their next values, named by the states.
    program: Program,
}

impl StepStates {
    /// Those of a step that computes these results.
    pub(super) fn new(g: &Graph, results: &[Expr<'_>], options: &Options) -> Result<StepStates, TrainError> {
        let ids: Vec<NodeId> = results.iter().map(Expr::id).collect();
        let set = g.set_states(&ids, options);
        let averages = g.averaged_states(&ids);
        let (averaged, others): (Vec<_>, Vec<_>) = set.into_iter().partition(|(state, _)| averages.contains(state));
        let is_carried = |(state, _): &(NodeId, NodeId)| g.update_kind(*state) == Some(UpdateKind::Carried);
        let (carried, kept): (Vec<_>, Vec<_>) = others.into_iter().partition(is_carried);
        let counters = g.counting_states(&kept);
        let (counting, moved): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(state, _)| counters.contains(state));
        let names = |states: &[(NodeId, NodeId)]| -> Vec<String> {
            states.iter().filter_map(|(state, _)| g.expr(*state).name()).collect()
        };
        Ok(StepStates {
            averaged: names(&averaged),
            counting: Counting::new(g, names(&counting), &counting, options)?,
            chained: names(&[carried, moved].concat()),
        })
    }

    /// Whether a state goes from batch to batch within a step.
    pub(super) fn is_chained(&self, name: &str) -> bool {
        self.chained.iter().any(|chained| chained == name)
    }

    /// Counts on over so many batches.
    pub(super) fn count(&mut self, n_batches: usize, parameters: &mut Parameters) -> Result<(), TrainError> {
        let Some(Counting { names, program }) = &mut self.counting else { return Ok(()) };
        for _ in 0..n_batches {
            let next = program.run(&*parameters, ())?;
            for name in &*names {
                parameters.state_mut().set(name, next[name.as_str()].view())?;
            }
        }
        Ok(())
    }

    /// What running averages are, array after array.
    pub(super) fn averages(&self, state: &State) -> Vec<f64> {
        self.averaged.iter().flat_map(|name| numbers(named(state, name))).collect()
    }

    /// Puts back what a batch made of the states that do not go on to the next.
    pub(super) fn put_back(&self, before: &State, state: &mut State) -> Result<(), TrainError> {
        let counting = self.counting.iter().flat_map(|counting| &counting.names);
        for name in self.averaged.iter().chain(counting) {
            state.set(name, named(before, name))?;
        }
        Ok(())
    }

    /// Makes running averages the mean of so many, given their sum.
    pub(super) fn set_means(&self, sums: &[f64], n_batches: usize, state: &mut State) -> Result<(), TrainError> {
        let mut means = sums.iter().map(|sum| sum / n_batches as f64);
        let mut next = || means.next().expect("invariant: there is a sum for each element");
        for name in &self.averaged {
            let mean = match named(state, name) {
                Value::F32(array) => Value::F32(array.map(|_| next() as f32)),
                Value::F64(array) => Value::F64(array.map(|_| next())),
                Value::I64(_) | Value::Bool(_) => unreachable!("invariant: running averages are floats"),
            };
            state.set(name, mean)?;
        }
        Ok(())
    }
}

impl Counting {
    /// Of these states with their new values; none of no states.
    fn new(
        g: &Graph,
        names: Vec<String>,
        states: &[(NodeId, NodeId)],
        options: &Options,
    ) -> Result<Option<Counting>, TrainError> {
        if names.is_empty() {
            return Ok(None);
        }
        let values = states.iter().map(|(_, value)| g.expr(*value));
        let outputs: Vec<(String, Expr<'_>)> = names.iter().cloned().zip(values).collect();
        let options = Options { mode: Some(options.mode.unwrap_or(Mode::Training)), ..options.clone() };
        Ok(Some(Counting { program: g.compile_with(outputs, &options)?, names }))
    }
}

fn named<'s>(state: &'s State, name: &str) -> &'s Value {
    state.get(name).expect("invariant: the step has read this state")
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::F32(array) => array.iter().map(|number| f64::from(*number)).collect(),
        Value::F64(array) => array.iter().copied().collect(),
        Value::I64(_) | Value::Bool(_) => unreachable!("invariant: running averages are floats"),
    }
}
