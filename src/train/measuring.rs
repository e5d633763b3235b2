//! What is run to measure. In: a graph and what is measured. Out: its numbers batch by batch, states that go on from batch to batch
//! among what is computed, and left alone in the parameters.

use std::borrow::Cow;

use super::TrainError;
use crate::{
    compile::Options,
    data::Batching,
    graph::{Expr, Graph},
    parameters::{Parameters, State},
    program::{Inputs, Outputs, Program, RunError},
};

/// Examples that are measured at once, where inputs take any number.
const MEASURED_AT_ONCE: usize = 512;

/// A program, and the states that it carries from batch to batch.
#[derive(Debug)]
pub(super) struct MeasuringProgram {
    pub(super) program: Program,
    /// Of each state that is carried its name, and the output that is what the next batch begins with.
    carried: Vec<(String, String)>,
    /// What a pass begins with.
    first: State,
}

impl MeasuringProgram {
    pub(super) fn new<'g>(
        g: &'g Graph,
        mut outputs: Vec<(String, Expr<'g>)>,
        options: &Options,
    ) -> Result<MeasuringProgram, TrainError> {
        let mut carried = Vec::new();
        for (state, value) in g.carried(&outputs) {
            let output = format!("update of {state}");
            outputs.push((output.clone(), value));
            carried.push((state, output));
        }
        let program = g.compile_with(outputs, options)?;
        let first = g.first_carried(&program.signature.states)?;
        // What is not read makes no difference to what is measured.
        carried.retain(|(state, _)| first.get(state).is_some());
        Ok(MeasuringProgram { program, carried, first })
    }

    /// A state that is carried, if there is one.
    pub(super) fn carried(&self) -> Option<&str> {
        self.carried.first().map(|(state, _)| state.as_str())
    }

    /// In how many examples it measures if nothing else is said: as many as the inputs have, where that is a number.
    pub(super) fn batching(&self) -> Batching {
        let inputs = self.program.signature.inputs.iter().filter(|input| input.is_needed);
        let mut sizes = inputs.filter_map(|input| usize::try_from(input.ty.shape.first()?.as_number()?).ok());
        let batching = Batching::new(sizes.next().unwrap_or(MEASURED_AT_ONCE));
        if self.carried.is_empty() { batching.in_order() } else { batching.continued() }
    }

    /// The parameters of a pass over data that begins; a copy of them, if there is state to carry.
    pub(super) fn begin<'p>(&self, parameters: &'p Parameters) -> Result<Cow<'p, Parameters>, TrainError> {
        let mut parameters = Cow::Borrowed(parameters);
        if !self.first.is_empty() {
            parameters.to_mut().state_mut().set_all(&self.first)?;
        }
        Ok(parameters)
    }

    /// One batch of that pass.
    pub(super) fn run(&mut self, pass: &mut Cow<'_, Parameters>, inputs: impl Inputs) -> Result<Outputs, RunError> {
        let out = self.program.run(&**pass, inputs)?;
        for (state, output) in &self.carried {
            let set = pass.to_mut().state_mut().set(state, &out[output.as_str()]);
            set.expect("invariant: the run has read this state, and its new value has the same type");
        }
        Ok(out)
    }
}
