//! The engine of compiled programs: a cache of executables. In: a graph and its results. Out: results for what is fed.
//! An executable is made at the first run with new sizes and kept, so a second run with them costs no planning.

use super::{
    attached::AttachedExecutable,
    executable::{Executable, RunArrays},
};
use crate::{
    graph::{Bindings, Graph, NodeId, Value, ValueView, ValueViewMut},
    plan::{Origin, Plan, PlanError, PlanInput, Settings},
    pool::MAX_THREADS,
    program::{AttachedEngine, Engine, FiniteChecker, Pass, Profile, RunError, StepProfile},
    reference::Evaluator,
};

/// The most executables that are kept; the least recently used one is dropped first.
const MAX_EXECUTABLES: usize = 16;

/// Plans and runs one graph, with a cache of executables by sizes.
#[derive(Debug)]
pub(crate) struct CachingEngine {
    part: Subgraph,
    n_threads: usize,
    settings: Settings,
    /// Most recently used first.
    executables: Vec<(Bindings, Executable)>,
}

/// The part of a graph that is run.
#[derive(Debug)]
pub(crate) struct Subgraph {
    pub(crate) graph: Graph,
    /// What is fed, in this order; what the results do not need may be missing from the graph.
    pub(crate) leaves: Vec<Option<NodeId>>,
    pub(crate) results: Vec<NodeId>,
}

impl Subgraph {
    fn source<'p>(&'p self, bindings: &'p Bindings) -> PlanInput<'p> {
        PlanInput { graph: &self.graph, leaves: &self.leaves, results: &self.results, bindings }
    }
}

impl CachingEngine {
    /// Plans `part` and runs it on at most so many threads.
    pub(crate) fn new(part: Subgraph, n_threads: usize, settings: Settings) -> CachingEngine {
        let n_threads = n_threads.clamp(1, MAX_THREADS);
        CachingEngine { part, n_threads, settings, executables: Vec::new() }
    }

    fn plan(&self, bindings: &Bindings) -> Result<Plan, RunError> {
        Plan::new(self.part.source(bindings), &self.settings).map_err(RunError::from)
    }

    fn executable(&mut self, bindings: &Bindings) -> Result<&mut Executable, RunError> {
        match self.executables.iter().position(|(sizes, _)| sizes == bindings) {
            Some(0) => {}
            Some(position) => self.executables[..=position].rotate_right(1),
            None => {
                let executable = Executable::new(self.plan(bindings)?, bindings, self.n_threads)?;
                self.executables.truncate(MAX_EXECUTABLES - 1);
                self.executables.insert(0, (bindings.clone(), executable));
            }
        }
        Ok(&mut self.executables[0].1)
    }
}

impl From<PlanError> for RunError {
    fn from(error: PlanError) -> RunError {
        let Origin { operation, call, node, site } = error.origin;
        RunError::Node { call, operation, node, site, error: error.error }
    }
}

impl Engine for CachingEngine {
    fn run(
        &mut self,
        leaves: &[ValueView<'_>],
        bindings: &Bindings,
        results: &mut [ValueViewMut<'_>],
    ) -> Result<(), RunError> {
        let n_threads = self.n_threads;
        let executable = self.executable(bindings)?;
        executable.run(RunArrays { leaves, results }, n_threads)
    }

    fn attach(
        self: Box<Self>,
        leaves: Vec<Value>,
        bindings: &Bindings,
        results: Vec<Value>,
    ) -> Result<Box<dyn AttachedEngine>, RunError> {
        let executable = Executable::new(self.plan(bindings)?, bindings, self.n_threads)?;
        let mut attached = AttachedExecutable::new(executable, leaves, results, self.n_threads)?;
        attached.run()?;
        Ok(Box::new(attached))
    }

    fn reference(&self) -> Box<dyn FiniteChecker> {
        let Subgraph { graph, leaves, results } = &self.part;
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
        let executable = self.executable(bindings)?;
        let times = executable.time(RunArrays { leaves, results }, n_threads, n_runs.max(1))?;
        let steps = executable.plan.steps.iter().zip(times).map(|(step, time)| StepProfile {
            description: executable.plan.describe(step),
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
        match self.executables.iter().find(|(sizes, _)| sizes == bindings) {
            Some((_, executable)) => Ok(executable.plan.to_string()),
            None => Ok(self.plan(bindings)?.to_string()),
        }
    }
}
