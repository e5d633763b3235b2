//! The engine of compiled programs: a cache of executables. In: a graph and its results. Out: results for what is fed.
//! An executable is made at the first run with new sizes and kept, so a second run with them costs no planning.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    attached::AttachedExecutable,
    executable::{Executable, RunArrays},
};
use crate::{
    graph::{Bindings, Graph, NodeId, Value, ValueView, ValueViewMut},
    plan::{Origin, Plan, PlanError, PlanInput, Settings},
    pool::MAX_THREADS,
    program::{AttachedEngine, Engine, FiniteChecker, Pass, PlanSummary, Profile, RunError, StepProfile},
    reference::Evaluator,
};

/// The most executables that are kept; the least recently used one is dropped first.
const MAX_EXECUTABLES: usize = 16;

/// Plans and runs one graph, with a cache of executables by sizes.
#[derive(Debug)]
pub(crate) struct CachingEngine {
    /// Clones plan from it, one at a time: a graph is not to be read from two threads at once.
    subgraph: Arc<Mutex<Subgraph>>,
    n_threads: usize,
    settings: Settings,
    /// Most recently used first.
    planned: Vec<Planned>,
}

/// A set of sizes that was met.
#[derive(Debug)]
struct Planned {
    bindings: Bindings,
    plan: Arc<Plan>,
    /// Made at the first run: it has the memory of the run.
    executable: Option<Executable>,
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
    /// Plans `subgraph` and runs it on at most so many threads.
    pub(crate) fn new(subgraph: Subgraph, n_threads: usize, settings: Settings) -> CachingEngine {
        let n_threads = n_threads.clamp(1, MAX_THREADS);
        CachingEngine { subgraph: Arc::new(Mutex::new(subgraph)), n_threads, settings, planned: Vec::new() }
    }

    /// Nothing writes to it, so a panic elsewhere leaves it whole.
    fn subgraph(&self) -> MutexGuard<'_, Subgraph> {
        self.subgraph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan for these sizes: one that was made before, or a new one.
    fn plan(&self, bindings: &Bindings) -> Result<Arc<Plan>, RunError> {
        match self.planned.iter().find(|planned| planned.bindings == *bindings) {
            Some(planned) => Ok(planned.plan.clone()),
            None => Ok(Arc::new(Plan::new(self.subgraph().source(bindings), &self.settings)?)),
        }
    }

    fn executable(&mut self, bindings: &Bindings) -> Result<&mut Executable, RunError> {
        match self.planned.iter().position(|planned| planned.bindings == *bindings) {
            Some(0) => {}
            Some(position) => self.planned[..=position].rotate_right(1),
            None => {
                let planned = Planned { bindings: bindings.clone(), plan: self.plan(bindings)?, executable: None };
                self.planned.truncate(MAX_EXECUTABLES - 1);
                self.planned.insert(0, planned);
            }
        }
        let Planned { plan, executable, .. } = &mut self.planned[0];
        if executable.is_none() {
            *executable = Some(Executable::new(plan.clone(), bindings, self.n_threads)?);
        }
        Ok(executable.as_mut().expect("invariant: it was made above"))
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

    /// It shares the graph and the plans, and makes executables of its own.
    fn fork(&self) -> Box<dyn Engine> {
        let planned = self.planned.iter().map(|planned| Planned {
            bindings: planned.bindings.clone(),
            plan: planned.plan.clone(),
            executable: None,
        });
        let (subgraph, settings) = (self.subgraph.clone(), self.settings.clone());
        Box::new(CachingEngine { subgraph, n_threads: self.n_threads, settings, planned: planned.collect() })
    }

    fn reference(&self) -> Box<dyn FiniteChecker> {
        let subgraph = self.subgraph();
        let Subgraph { graph, leaves, results } = &*subgraph;
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
        let steps = executable.plan().steps.iter().zip(times).map(|(step, time)| StepProfile {
            description: executable.plan().describe(step),
            site: step.origin.site,
            time,
            flops: step.flops,
            bytes: step.bytes,
        });
        Ok(Profile { steps: steps.collect() })
    }

    fn passes(&self, bindings: &Bindings) -> Result<Vec<Pass>, RunError> {
        let passes = Plan::passes(self.subgraph().source(bindings), &self.settings)?;
        Ok(passes.into_iter().map(|(name, text)| Pass { name, text }).collect())
    }

    fn summary(&self, bindings: &Bindings) -> Result<PlanSummary, RunError> {
        let plan = self.plan(bindings)?;
        Ok(PlanSummary {
            n_steps: plan.steps.len(),
            flops: plan.flops(),
            moved_bytes: plan.moved_bytes(),
            arena_bytes: plan.arena_bytes,
            least_arena_bytes: plan.lower_bound,
            fed_bytes: 0,
        })
    }

    fn show(&mut self, bindings: &Bindings) -> Result<String, RunError> {
        Ok(self.plan(bindings)?.to_string())
    }
}
