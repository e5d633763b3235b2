//! The engine of compiled programs: a cache of executables, over plans that it shares with its clones. In: a graph and its
//! results. Out: results for what is fed. An executable is made at the first run with new sizes and kept, and so is its plan, so
//! that sizes which one of the clones has met cost no planning in any.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    attached::AttachedExecutable,
    code::BodyStepTime,
    executable::{Executable, RunArrays},
    instruction_set::InstructionSet,
};
use crate::{
    cancel::CancelToken,
    graph::{Bindings, Dim, Expr, Graph, NodeId, Value, ValueView, ValueViewMut},
    ops::NestedError,
    plan::{ArenaRow, Holding, Origin, Plan, PlanError, PlanInput, Settings, StepKind},
    pool::{MAX_THREADS, available_threads},
    program::{
        AttachedEngine, BodyProfile, Engine, FiniteChecker, LentGraph, MemoryMap, MemoryRow, Pass, PlanSummary,
        Profile, RunError, StepProfile,
    },
    reference::Evaluator,
};

/// The most executables that are kept; the least recently used one is dropped first.
const MAX_EXECUTABLES: usize = 16;
/// The most plans that all clones keep together, which run with sizes of their own; the plan that was made first is dropped first.
const MAX_SHARED_PLANS: usize = 4 * MAX_EXECUTABLES;

/// On how many threads at most, by which instructions, and whether steps of a few numbers become machine code (feature `jit`). None
/// of it changes a bit of what is computed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Execution {
    pub(crate) n_threads: usize,
    pub(crate) instruction_set: InstructionSet,
    #[cfg_attr(not(feature = "jit"), expect(dead_code, reason = "nothing makes machine code"))]
    pub(crate) machine_code: bool,
}

impl Execution {
    /// All that the machine has, for what runs once: machine code takes longer to make than that.
    pub(crate) fn widest() -> Execution {
        let (n_threads, instruction_set) = (available_threads(), InstructionSet::widest());
        Execution { n_threads, instruction_set, machine_code: false }
    }
}

/// Plans and runs one graph, with a cache of executables by sizes.
#[derive(Debug)]
pub(crate) struct CachingEngine {
    /// Clones plan one at a time, since a graph is not to be read from two threads at once.
    planner: Arc<Mutex<Planner>>,
    execution: Execution,
    cancel: CancelToken,
    /// With the sizes that each was made for; most recently used first.
    executables: Vec<(Bindings, Executable)>,
}

/// A graph with the plans that were made of it.
#[derive(Debug)]
struct Planner {
    subgraph: Subgraph,
    settings: Settings,
    /// With the sizes that each was made for; in the order in which they were made.
    plans: VecDeque<(Bindings, Arc<Plan>)>,
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

    fn results(&self) -> Vec<(String, Expr<'_>)> {
        self.results.iter().map(|id| (String::new(), self.graph.expr(*id))).collect()
    }
}

impl Planner {
    /// The plan for these sizes: one that was kept, or a new one.
    fn plan(&self, bindings: &Bindings) -> Result<Arc<Plan>, PlanError> {
        match self.plans.iter().find(|(sizes, _)| sizes == bindings) {
            Some((_, plan)) => Ok(plan.clone()),
            None => Ok(Arc::new(Plan::new(self.subgraph.source(bindings), &self.settings)?)),
        }
    }

    /// The plan for these sizes, which is kept for the next run with them.
    fn plan_to_run(&mut self, bindings: &Bindings) -> Result<Arc<Plan>, PlanError> {
        let plan = self.plan(bindings)?;
        if !self.plans.iter().any(|(sizes, _)| sizes == bindings) {
            if self.plans.len() == MAX_SHARED_PLANS {
                self.plans.pop_front();
            }
            self.plans.push_back((bindings.clone(), plan.clone()));
        }
        Ok(plan)
    }
}

impl CachingEngine {
    /// Plans `subgraph`, and runs it as said.
    pub(crate) fn new(subgraph: Subgraph, execution: Execution, settings: Settings) -> CachingEngine {
        let execution = Execution { n_threads: execution.n_threads.clamp(1, MAX_THREADS), ..execution };
        let planner = Planner { subgraph, settings, plans: VecDeque::new() };
        let (planner, cancel) = (Arc::new(Mutex::new(planner)), CancelToken::default());
        CachingEngine { planner, execution, cancel, executables: Vec::new() }
    }

    /// A plan is added at once when it is made, so a panic in a clone leaves the planner whole.
    fn planner(&self) -> MutexGuard<'_, Planner> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the executable for these sizes the first, with what ends its runs.
    fn executable(&mut self, bindings: &Bindings) -> Result<(&mut Executable, &CancelToken), RunError> {
        match self.executables.iter().position(|(sizes, _)| sizes == bindings) {
            Some(0) => {}
            Some(position) => self.executables[..=position].rotate_right(1),
            None => {
                let plan = self.planner().plan_to_run(bindings)?;
                self.executables.truncate(MAX_EXECUTABLES - 1);
                let executable = Executable::new(plan, bindings, self.execution)?;
                self.executables.insert(0, (bindings.clone(), executable));
            }
        }
        Ok((&mut self.executables[0].1, &self.cancel))
    }
}

/// The steps of a plan with their times; steps that run as one are one.
fn step_profiles(plan: &Plan, times: Vec<BodyStepTime>) -> Vec<StepProfile> {
    let profile = |time: BodyStepTime| {
        let steps = &plan.steps[time.plan_steps.clone()];
        let [.., last] = steps else { unreachable!("invariant: what was timed is at least one step") };
        let bodies = match &last.work {
            StepKind::Nested(_, nested) => (time.bodies.into_iter().zip(&nested.bodies).enumerate())
                .map(|(body, (times, plan))| BodyProfile { role: nested.role(body), steps: step_profiles(plan, times) })
                .collect(),
            StepKind::Tile(_) | StepKind::Contraction(..) | StepKind::Primitive(..) => Vec::new(),
        };
        let description = plan.describe(last);
        StepProfile {
            description: if time.is_native { native_description(&description, steps.len()) } else { description },
            site: last.origin.site,
            time: time.total,
            count: time.count,
            flops: steps.iter().map(|step| step.flops).sum(),
            bytes: steps.iter().map(|step| step.bytes).sum(),
            bodies,
        }
    };
    times.into_iter().map(profile).collect()
}

/// Machine code of some steps, by the description of the last.
fn native_description(last: &str, n_steps: usize) -> String {
    match n_steps {
        1 => format!("native {last}"),
        _ => format!("native {last} and {} before it", n_steps - 1),
    }
}

/// The arena of a plan.
fn memory_map(plan: &Plan) -> MemoryMap {
    let arena = plan.arena_rows();
    // Steps write into memory that is free, or that they read for the last time.
    let written: HashSet<(usize, usize)> =
        arena.iter().filter(|row| row.bytes > 0).map(|row| (row.first, row.offset)).collect();
    let row = |row: ArenaRow| {
        let (description, site) = match row.holding {
            Holding::Value(vertex) => (plan.describe_value(vertex), plan.network.vertices[vertex].origin.site),
            Holding::Scratch => ("for the step itself".to_owned(), plan.steps[row.first].origin.site),
        };
        let is_overwritten = row.first < row.last && written.contains(&(row.last, row.offset));
        let ArenaRow { offset, bytes, first: first_step, last: last_step, .. } = row;
        MemoryRow { offset, bytes, first_step, last_step, is_overwritten, description, site }
    };
    MemoryMap { n_steps: plan.steps.len(), arena_bytes: plan.arena_bytes, rows: arena.into_iter().map(row).collect() }
}

impl From<PlanError> for RunError {
    fn from(error: PlanError) -> RunError {
        let Origin { operation, call, node, site } = error.origin;
        RunError::of_operation(NestedError { call, operation, node, site, error: error.error })
    }
}

impl Engine for CachingEngine {
    fn run(
        &mut self,
        leaves: &[ValueView<'_>],
        bindings: &Bindings,
        results: &mut [ValueViewMut<'_>],
    ) -> Result<(), RunError> {
        let n_threads = self.execution.n_threads;
        let (executable, cancel) = self.executable(bindings)?;
        executable.run(RunArrays { leaves, results }, n_threads, cancel)
    }

    fn attach(
        self: Box<Self>,
        leaves: Vec<Value>,
        bindings: &Bindings,
        results: Vec<Value>,
    ) -> Result<Box<dyn AttachedEngine>, RunError> {
        let plan = self.planner().plan_to_run(bindings)?;
        let executable = Executable::new(plan, bindings, self.execution)?;
        let mut attached =
            AttachedExecutable::new(executable, leaves, results, (self.execution.n_threads, self.cancel))?;
        attached.run()?;
        Ok(Box::new(attached))
    }

    fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// It shares the graph and the plans, those of later sizes too, and makes executables of its own.
    fn fork(&self) -> Box<dyn Engine> {
        let (planner, cancel) = (self.planner.clone(), CancelToken::default());
        Box::new(CachingEngine { planner, execution: self.execution, cancel, executables: Vec::new() })
    }

    fn reference(&self) -> Box<dyn FiniteChecker> {
        let planner = self.planner();
        let Subgraph { graph, leaves, results } = &planner.subgraph;
        let evaluator = Evaluator::new(graph, leaves, results);
        Box::new(evaluator.with_limits(planner.settings.max_iterations, self.cancel.clone()))
    }

    fn profile(
        &mut self,
        leaves: &[ValueView<'_>],
        bindings: &Bindings,
        results: &mut [ValueViewMut<'_>],
        n_runs: usize,
    ) -> Result<Profile, RunError> {
        let n_threads = self.execution.n_threads;
        let (executable, cancel) = self.executable(bindings)?;
        let times = executable.time(RunArrays { leaves, results }, (n_threads, n_runs.max(1)), cancel)?;
        Ok(Profile { steps: step_profiles(executable.plan(), times) })
    }

    fn passes(&self, bindings: &Bindings) -> Result<Vec<Pass>, RunError> {
        let planner = self.planner();
        let passes = Plan::passes(planner.subgraph.source(bindings), &planner.settings)?;
        Ok(passes.into_iter().map(|(name, text)| Pass { name, text }).collect())
    }

    fn lend_graph(&self, borrower: &mut dyn FnMut(LentGraph<'_>)) {
        let planner = self.planner();
        let Subgraph { graph, leaves, results } = &planner.subgraph;
        borrower(LentGraph { graph, leaves, results, max_iterations: planner.settings.max_iterations });
    }

    fn flops(&self) -> Dim {
        let planner = self.planner();
        planner.subgraph.graph.flops(planner.subgraph.results())
    }

    fn bytes(&self) -> Dim {
        let planner = self.planner();
        planner.subgraph.graph.bytes(planner.subgraph.results())
    }

    fn summary(&self, bindings: &Bindings) -> Result<PlanSummary, RunError> {
        let plan = self.planner().plan(bindings)?;
        Ok(PlanSummary {
            n_steps: plan.steps.len(),
            n_banded_products: plan.n_banded_products(),
            flops: plan.flops(),
            moved_bytes: plan.moved_bytes(),
            arena_bytes: plan.arena_bytes,
            least_arena_bytes: plan.lower_bound,
            fed_bytes: 0,
        })
    }

    fn memory(&self, bindings: &Bindings) -> Result<MemoryMap, RunError> {
        Ok(memory_map(&*self.planner().plan(bindings)?))
    }

    fn show(&self, bindings: &Bindings) -> Result<String, RunError> {
        let plan = self.planner().plan(bindings)?;
        Ok(plan.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph::MAX_ITERATIONS, plan::MachineModel};

    fn engine() -> CachingEngine {
        let graph = Graph::new();
        let x = graph.input("x", ("n",));
        let (leaves, results) = (vec![Some(x.id())], vec![x.tanh().id()]);
        let settings = Settings { model: MachineModel::DEFAULT, memory_budget: None, max_iterations: MAX_ITERATIONS };
        let execution = Execution { n_threads: 1, ..Execution::widest() };
        CachingEngine::new(Subgraph { graph, leaves, results }, execution, settings)
    }

    fn run(engine: &mut dyn Engine, size: usize) {
        let x = Value::zeros(crate::graph::DType::F32, &[size]);
        let mut y = x.clone();
        let bindings = Bindings::from([("n".into(), size as i64)]);
        engine.run(&[x.view()], &bindings, &mut [y.view_mut()]).expect("it fits");
    }

    #[test]
    fn sizes_that_one_clone_has_met_are_planned_by_no_other() {
        let mut first = engine();
        let mut second = first.fork();
        for size in [3, 5, 3] {
            run(&mut first, size);
            run(&mut *second, size);
        }
        let planner = first.planner();
        let sizes: Vec<i64> = planner.plans.iter().map(|(sizes, _)| sizes["n"]).collect();
        assert_eq!(sizes, [3, 5]);
        // The planner's, the first clone's and the second's.
        assert!(planner.plans.iter().all(|(_, plan)| Arc::strong_count(plan) == 3));
    }

    #[test]
    fn plans_and_executables_are_kept_up_to_their_limits() {
        let mut engine = engine();
        for size in 1..=MAX_SHARED_PLANS + 1 {
            run(&mut engine, size);
        }
        assert_eq!(engine.executables.len(), MAX_EXECUTABLES);
        let planner = engine.planner();
        assert_eq!((planner.plans.len(), planner.plans[0].0["n"]), (MAX_SHARED_PLANS, 2));
    }
}
