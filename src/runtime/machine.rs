//! The engine of compiled programs. In: a graph and its results. Out: results for what is fed. It keeps a tape for each
//! set of sizes that it has met, so a second run of a size costs no planning.

use super::{
    attached::AttachedTape,
    tape::{Arrays, Tape},
};
use crate::{
    graph::{Bindings, Graph, NodeId, Value, ValueView, ValueViewMut},
    plan::{Origin, Plan, PlanError, Settings, Source},
    pool::MOST_THREADS,
    program::{AttachedEngine, Checker, Engine, Pass, Profile, RunError, StepProfile},
    reference::Evaluator,
};

/// Tapes that are kept; the one that was not used for longest goes first.
const MOST_TAPES: usize = 16;

/// Runs plans of one graph.
#[derive(Debug)]
pub(crate) struct Machine {
    part: Part,
    n_threads: usize,
    settings: Settings,
    /// The last used first.
    tapes: Vec<(Bindings, Tape)>,
}

/// What of a graph is run.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) graph: Graph,
    /// What is fed, in this order; what the results do not need may be missing from the graph.
    pub(crate) leaves: Vec<Option<NodeId>>,
    pub(crate) results: Vec<NodeId>,
}

impl Part {
    fn source<'p>(&'p self, bindings: &'p Bindings) -> Source<'p> {
        Source { graph: &self.graph, leaves: &self.leaves, results: &self.results, bindings }
    }
}

impl Machine {
    /// Plans `part` and runs it on at most so many threads.
    pub(crate) fn new(part: Part, n_threads: usize, settings: Settings) -> Machine {
        let n_threads = n_threads.clamp(1, MOST_THREADS);
        Machine { part, n_threads, settings, tapes: Vec::new() }
    }

    fn plan(&self, bindings: &Bindings) -> Result<Plan, RunError> {
        Plan::new(self.part.source(bindings), &self.settings).map_err(RunError::from)
    }

    fn tape(&mut self, bindings: &Bindings) -> Result<&mut Tape, RunError> {
        match self.tapes.iter().position(|(sizes, _)| sizes == bindings) {
            Some(0) => {}
            Some(position) => self.tapes[..=position].rotate_right(1),
            None => {
                let tape = Tape::new(self.plan(bindings)?, bindings, self.n_threads)?;
                self.tapes.truncate(MOST_TAPES - 1);
                self.tapes.insert(0, (bindings.clone(), tape));
            }
        }
        Ok(&mut self.tapes[0].1)
    }
}

impl From<PlanError> for RunError {
    fn from(error: PlanError) -> RunError {
        let Origin { operation, call, node, site } = error.origin;
        RunError::Node { call, operation, node, site, fault: error.fault }
    }
}

impl Engine for Machine {
    fn run(
        &mut self,
        leaves: &[ValueView<'_>],
        bindings: &Bindings,
        results: &mut [ValueViewMut<'_>],
    ) -> Result<(), RunError> {
        let n_threads = self.n_threads;
        let tape = self.tape(bindings)?;
        tape.run(Arrays { leaves, results }, n_threads)
    }

    fn attach(
        self: Box<Self>,
        leaves: Vec<Value>,
        bindings: &Bindings,
        results: Vec<Value>,
    ) -> Result<Box<dyn AttachedEngine>, RunError> {
        let tape = Tape::new(self.plan(bindings)?, bindings, self.n_threads)?;
        let mut attached = AttachedTape::new(tape, leaves, results, self.n_threads)?;
        attached.run()?;
        Ok(Box::new(attached))
    }

    fn reference(&self) -> Box<dyn Checker> {
        let Part { graph, leaves, results } = &self.part;
        Box::new(Evaluator::new(graph, leaves, results))
    }

    fn profile(
        &mut self,
        leaves: &[ValueView<'_>],
        bindings: &Bindings,
        results: &mut [ValueViewMut<'_>],
        n_runs: usize,
    ) -> Result<Profile, RunError> {
        let n_threads = self.n_threads;
        let tape = self.tape(bindings)?;
        let times = tape.time(Arrays { leaves, results }, n_threads, n_runs.max(1))?;
        let steps = tape.plan.steps.iter().zip(times).map(|(step, time)| StepProfile {
            description: tape.plan.describe(step),
            site: step.origin.site,
            time,
            flops: step.flops,
            bytes: step.bytes,
        });
        Ok(Profile { steps: steps.collect() })
    }

    fn passes(&self, bindings: &Bindings) -> Result<Vec<Pass>, RunError> {
        let passes = Plan::passes(self.part.source(bindings), &self.settings)?;
        Ok(passes.into_iter().map(|(name, text)| Pass { name, text }).collect())
    }

    fn show(&mut self, bindings: &Bindings) -> Result<String, RunError> {
        match self.tapes.iter().find(|(sizes, _)| sizes == bindings) {
            Some((_, tape)) => Ok(tape.plan.to_string()),
            None => Ok(self.plan(bindings)?.to_string()),
        }
    }
}
