//! The engine of compiled programs. In: a graph and its results. Out: results for what is fed. It keeps a tape for each
//! set of sizes that it has met, so a second run of a size costs no planning.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// Clones plan from it, one at a time: a graph is not to be read from two threads at once.
    part: Arc<Mutex<Part>>,
    n_threads: usize,
    settings: Settings,
    /// The last used first.
    planned: Vec<Planned>,
}

/// A set of sizes that was met.
#[derive(Debug)]
struct Planned {
    bindings: Bindings,
    plan: Arc<Plan>,
    /// Made at the first run: it has the memory of the run.
    tape: Option<Tape>,
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
        Machine { part: Arc::new(Mutex::new(part)), n_threads, settings, planned: Vec::new() }
    }

    /// Nothing writes to it, so a panic elsewhere leaves it whole.
    fn part(&self) -> MutexGuard<'_, Part> {
        self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan for these sizes: one that was made before, or a new one.
    fn plan(&self, bindings: &Bindings) -> Result<Arc<Plan>, RunError> {
        match self.planned.iter().find(|planned| planned.bindings == *bindings) {
            Some(planned) => Ok(planned.plan.clone()),
            None => Ok(Arc::new(Plan::new(self.part().source(bindings), &self.settings)?)),
        }
    }

    fn tape(&mut self, bindings: &Bindings) -> Result<&mut Tape, RunError> {
        match self.planned.iter().position(|planned| planned.bindings == *bindings) {
            Some(0) => {}
            Some(position) => self.planned[..=position].rotate_right(1),
            None => {
                let planned = Planned { bindings: bindings.clone(), plan: self.plan(bindings)?, tape: None };
                self.planned.truncate(MOST_TAPES - 1);
                self.planned.insert(0, planned);
            }
        }
        let Planned { plan, tape, .. } = &mut self.planned[0];
        if tape.is_none() {
            *tape = Some(Tape::new(plan.clone(), bindings, self.n_threads)?);
        }
        Ok(tape.as_mut().expect("invariant: it was made above"))
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

    /// It shares the graph and the plans, and makes tapes of its own.
    fn fork(&self) -> Box<dyn Engine> {
        let planned = self.planned.iter().map(|planned| Planned {
            bindings: planned.bindings.clone(),
            plan: planned.plan.clone(),
            tape: None,
        });
        let (part, settings) = (self.part.clone(), self.settings.clone());
        Box::new(Machine { part, n_threads: self.n_threads, settings, planned: planned.collect() })
    }

    fn reference(&self) -> Box<dyn Checker> {
        let Part { graph, leaves, results } = &*self.part();
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
        let passes = Plan::passes(self.part().source(bindings), &self.settings)?;
        Ok(passes.into_iter().map(|(name, text)| Pass { name, text }).collect())
    }

    fn show(&mut self, bindings: &Bindings) -> Result<String, RunError> {
        Ok(self.plan(bindings)?.to_string())
    }
}
