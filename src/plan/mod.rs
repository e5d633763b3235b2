//! Graph with sizes → plan. In: a graph, its results and a number for each symbol. Out: a [`Plan`]: steps in execution
//! order, and the storage of every value. Nothing here runs anything. The runtime only selects kernels and cuts
//! products and fallback kernels into tasks: the order of steps, what is fused and where values lie are decided here.
//!
//! [`ir`] has the types, [`lower`] translates one form into the next (graph → network, fusion groups → steps),
//! [`passes`] has a file for each pass, and [`Plan::run_passes`] is the pipeline. [`verify`] checks the output of the
//! passes by an analysis of its own: it shares the types and accessors of [`ir`] with them, and nothing else.

mod ir;
mod lifetimes;
mod lower;
mod model;
mod passes;
mod show;
#[cfg(test)]
mod tests;
mod trace;
pub(crate) mod verify;

#[cfg(test)]
pub(crate) use ir::PAIRS;
pub(crate) use ir::{
    AccessPattern, Accumulated, Action, ArgumentSource, Banded, BatchAxis, CarryHome, Contraction, Control, Function,
    Granularity, Instruction, Keep, Location, LoopMemory, MatrixVector, Nested, NestedArrays, Origin, PadOffset, Pair,
    PairKind, Plan, PlanError, PlanStep, ReadArray, ReadPattern, ReduceVertex, ReductionAxis, Region, Replay,
    ScalarValue, ScanControl, Segments, StepKind, Storage, StridedLayout, TileProgram, Vertex, VertexKind, WholeArrays,
    WritePattern, ZeroPadding, count, is_terminal, offsets,
};
pub(crate) use lifetimes::{ArenaRow, Holding};
pub(crate) use model::MachineModel;
pub(crate) use passes::memory;

use self::{lower::KnownPlans, memory::ArenaLayout, passes::RematPolicy, trace::Trace};
use crate::graph::{Bindings, Graph, NodeId};

/// The input of planning: the part of a graph that the results need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanInput<'g> {
    pub(crate) graph: &'g Graph,
    /// The inputs and parameters in the order in which they are fed; none for one that no result needs, which may have
    /// been eliminated.
    pub(crate) leaves: &'g [Option<NodeId>],
    pub(crate) results: &'g [NodeId],
    /// A number for each symbol.
    pub(crate) bindings: &'g Bindings,
}

/// What plans are made for.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) model: MachineModel,
    /// The most bytes that the arena should take: if the fast plan takes more, it is replaced by one that recomputes
    /// more, in loops too, and takes less memory, if there is one.
    pub(crate) memory_budget: Option<usize>,
    /// The most iterations of a loop that states none.
    pub(crate) max_iterations: usize,
}

impl Plan {
    /// The plan of a source.
    pub(crate) fn new(source: PlanInput<'_>, settings: &Settings) -> Result<Plan, PlanError> {
        Plan::of_body(source, settings, &mut KnownPlans::default())
    }

    /// The plan of a source with bodies of which some were planned before, for the same sizes.
    fn of_body(source: PlanInput<'_>, settings: &Settings, known: &mut KnownPlans) -> Result<Plan, PlanError> {
        Plan::traced(source, settings, known, &mut Trace::silent())
    }

    /// What each pass leaves: its name and a text.
    pub(crate) fn passes(source: PlanInput<'_>, settings: &Settings) -> Result<Vec<(&'static str, String)>, PlanError> {
        let mut trace = Trace::written();
        Plan::traced(source, settings, &mut KnownPlans::default(), &mut trace)?;
        Ok(trace.into_passes())
    }

    fn traced(
        source: PlanInput<'_>,
        settings: &Settings,
        known: &mut KnownPlans,
        trace: &mut Trace,
    ) -> Result<Plan, PlanError> {
        let fast = Plan::run_passes(source, (RematPolicy::Cheap, settings), known, trace)?;
        if settings.memory_budget.is_none_or(|budget| fast.arena_bytes <= budget) {
            return Ok(fast);
        }
        trace.restart();
        let small = Plan::run_passes(source, (RematPolicy::AnyElementwise, settings), known, trace)?;
        Ok(if small.arena_bytes < fast.arena_bytes { small } else { fast })
    }

    /// All passes, one after another.
    fn run_passes(
        source: PlanInput<'_>,
        (policy, settings): (RematPolicy, &Settings),
        known: &mut KnownPlans,
        trace: &mut Trace,
    ) -> Result<Plan, PlanError> {
        let model = &settings.model;
        let mut network = lower::network(source, policy, settings, known)?;
        trace.network("lower", &network);
        passes::introduce_superinstructions(&mut network);
        trace.network("superinstructions", &network);
        passes::pair_matrix_vectors(&mut network, model);
        trace.network("matrix-vector pairs", &network);
        let mut groups = passes::fuse(&network, model);
        trace.groups("fusion groups", &network, &groups);
        if policy == RematPolicy::Cheap {
            passes::colocate_pairs(&network, &mut groups, model);
            trace.groups("pairs of functions", &network, &groups);
        }
        passes::rematerialize(&mut network, &mut groups, policy, model);
        trace.groups("rematerialization", &network, &groups);
        let step_of = lower::steps(&network, &groups, model);
        let mut smallest: Option<(Vec<PlanStep>, Vec<Storage>, ArenaLayout)> = None;
        for order in passes::orders(&network, &groups) {
            let steps: Vec<PlanStep> = order.iter().filter_map(|group| step_of[*group].clone()).collect();
            trace.steps("order", &network, &steps);
            let mut steps = passes::fuse_products(&network, steps, model);
            trace.steps("bands", &network, &steps);
            let (storage, layout) = passes::assign_buffers(&network, &mut steps, model)?;
            trace.steps("in place", &network, &steps);
            if smallest.as_ref().is_none_or(|(.., smallest)| layout.bytes < smallest.bytes) {
                smallest = Some((steps, storage, layout));
            }
        }
        let (steps, storage, layout) = smallest.expect("invariant: there is an order");
        let plan = Plan { network, steps, storage, arena_bytes: layout.bytes, lower_bound: layout.lower_bound };
        trace.plan("memory", &plan);
        // Steps read and write by address, so this holds in every build.
        assert_eq!(verify::plan(&plan), Ok(()), "invariant: buffers that are alive do not overlap");
        Ok(plan)
    }
}
