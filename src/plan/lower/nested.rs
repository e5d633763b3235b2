//! From an operation with bodies to a vertex with plans. In: siblings, and numbers for the symbols. Out: the plan of each body,
//! which arrays the vertex reads and gives, and where carries lie.

use std::sync::Arc;

use super::{
    scan,
    segments::{Segmentation, interval},
};
use crate::{
    graph::{Bindings, Body, Families, Graph, NodeId, Op, Scan},
    ops::OpError,
    plan::{
        Plan, PlanInput, Settings,
        ir::{Control, LoopMemory, Nested, Origin, PlanError, Region, ScanControl, Segments, VertexKind},
        passes::{RematPolicy, memory::ALIGNMENT},
    },
};

/// The operations with bodies of one graph.
pub(super) struct NestedGraph<'g> {
    pub(super) graph: &'g Graph,
    pub(super) families: Families,
    pub(super) segmentation: Segmentation,
    pub(super) policy: RematPolicy,
}

/// An array that a vertex with bodies reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum OperandOf {
    /// An operand of the operation that has this first sibling.
    Operation(NodeId, usize),
    /// A carry of the loop that has this first sibling, where its segments begin.
    Checkpoint(NodeId, usize),
}

/// An array that a vertex with bodies gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputOf {
    /// What a sibling gives.
    Sibling(NodeId),
    /// A carry, where each of so many segments begins.
    Checkpoint { carry: usize, n_segments: usize },
}

/// A vertex with bodies, before its operands are vertices.
pub(super) struct NestedVertex {
    pub(super) nested: Nested,
    pub(super) operands: Vec<OperandOf>,
    pub(super) outputs: Vec<OutputOf>,
}

/// The plans that were made of bodies, by the nodes that they compute: one for a graph and all bodies in it, for the same sizes.
#[derive(Debug, Default)]
pub(in crate::plan) struct KnownPlans(Vec<(Body, Vec<usize>, Arc<Plan>)>);

/// Plans bodies, each once.
pub(super) struct BodyPlanner<'s> {
    pub(super) bindings: &'s Bindings,
    settings: &'s Settings,
    known: &'s mut KnownPlans,
}

impl<'s> BodyPlanner<'s> {
    pub(super) fn new(bindings: &'s Bindings, settings: &'s Settings, known: &'s mut KnownPlans) -> BodyPlanner<'s> {
        BodyPlanner { bindings, settings, known }
    }

    /// The plan that computes these nodes of a body.
    pub(super) fn plan(&mut self, body: &Body, results: Vec<usize>) -> Result<Arc<Plan>, PlanError> {
        let is_known = |(known, found, _): &&(Body, Vec<usize>, Arc<Plan>)| *found == results && known == body;
        if let Some((.., plan)) = self.known.0.iter().find(is_known) {
            return Ok(plan.clone());
        }
        let graph = body.thaw();
        let ids: Vec<NodeId> = graph.ids().collect();
        let leaves: Vec<Option<NodeId>> = ids[..body.n_arguments()].iter().copied().map(Some).collect();
        let wanted: Vec<NodeId> = results.iter().map(|number| ids[*number]).collect();
        let input = PlanInput { graph: &graph, leaves: &leaves, results: &wanted, bindings: self.bindings };
        let plan = Arc::new(Plan::of_body(input, self.settings, self.known)?);
        self.known.0.push((body.clone(), results, plan.clone()));
        Ok(plan)
    }

    /// What the siblings of `family` are together.
    pub(super) fn nested(
        &mut self,
        graph: &NestedGraph<'_>,
        family: &[NodeId],
        origin: Origin,
    ) -> Result<NestedVertex, PlanError> {
        let ops: Vec<Op> = family.iter().map(|id| graph.graph.node(*id).op.clone()).collect();
        let (control, bodies) = match &ops[0] {
            Op::Call(call) => {
                let outputs = ops.iter().map(Op::output);
                (Control::Call, vec![self.plan(&call.body, outputs.collect())?])
            }
            Op::Conditional(cond) => {
                let outputs: Vec<usize> = ops.iter().map(Op::output).collect();
                let results = |body: &Body| outputs.iter().map(|output| body.results()[*output]).collect();
                let then_plan = self.plan(&cond.then_body, results(&cond.then_body))?;
                (Control::Branch, vec![then_plan, self.plan(&cond.else_body, results(&cond.else_body))?])
            }
            Op::Scan(scan) => return self.scan(graph, family, scan, origin),
            Op::While(op) => {
                let outputs = ops.iter().map(Op::output).collect();
                let (n_carries, bound) = (op.carries, op.bound.or(self.settings.max_iterations));
                let condition = self.plan(&op.condition, op.condition.results().to_vec())?;
                let body = self.plan(&op.body, op.body.results().to_vec())?;
                (Control::While { n_carries, bound, outputs }, vec![condition, body])
            }
            other => unreachable!("invariant: `{}` has a body", other.name()),
        };
        let mut memory = StepMemory::default();
        let own = match control {
            Control::While { n_carries, .. } => memory.buffers(&bodies[1], n_carries),
            Control::Call | Control::Branch | Control::Scan(_) => LoopMemory::default(),
        };
        let nested = Nested { region: memory.close(own, &bodies), control, bodies };
        Ok(whole(graph.graph, family, nested))
    }

    /// A loop of a known number of iterations.
    fn scan(
        &mut self,
        graph: &NestedGraph<'_>,
        family: &[NodeId],
        scan: &Scan,
        origin: Origin,
    ) -> Result<NestedVertex, PlanError> {
        let length = scan.length.evaluate(self.bindings).ok().and_then(|length| usize::try_from(length).ok());
        let unbound = || PlanError { origin, error: OpError::Size(scan.length.clone()) };
        let length = length.ok_or_else(unbound)?;
        let (control, results) = scan::control(scan, &scan::outputs(graph.graph, family), length);
        let body = self.plan(&scan.body, results)?;
        let kept: Vec<NodeId> =
            family.iter().copied().filter(|id| graph.segmentation.producer(*id).is_none()).collect();
        let replays = graph.segmentation.replays(graph.graph, &graph.graph.operands(family[0]));
        let mut memory = StepMemory::default();
        if kept.len() == family.len() && replays.is_empty() {
            let own = memory.of_loop(&control, &body);
            let bodies = vec![body];
            let nested = Nested { region: memory.close(own, &bodies), control: Control::Scan(control), bodies };
            return Ok(whole(graph.graph, family, nested));
        }
        let every =
            interval(scan, self.bindings, graph.policy).expect("invariant: what is cut has more than a segment");
        let mut control = control.with_outputs(&scan::places(family, |id| kept.iter().position(|kept| *kept == id)));
        let own = memory.of_loop(&control, &body);
        let mut parts = scan::SegmentParts::new(graph, every, memory, body);
        let replays = replays.iter().map(|(producer, wanted)| parts.replay(self, *producer, wanted));
        let replays = replays.collect::<Result<Vec<_>, PlanError>>()?;
        let arguments = parts.arguments(family[0], scan, OperandOf::Operation);
        let mut outputs: Vec<OutputOf> = kept.iter().copied().map(OutputOf::Sibling).collect();
        let mut checkpoints = Vec::new();
        if kept.len() < family.len() {
            let n_segments = length.div_ceil(every);
            checkpoints.extend(outputs.len()..outputs.len() + scan.carries);
            outputs.extend((0..scan.carries).map(|carry| OutputOf::Checkpoint { carry, n_segments }));
        }
        control.segments = Some(Segments { every, checkpoints, arguments, replays });
        let scan::SegmentParts { memory, bodies, operands, .. } = parts;
        let nested = Nested { region: memory.close(own, &bodies), control: Control::Scan(control), bodies };
        Ok(NestedVertex { nested, operands, outputs })
    }
}

/// A vertex that reads and gives what its operation does.
fn whole(graph: &Graph, family: &[NodeId], nested: Nested) -> NestedVertex {
    let operands = (0..graph.operands(family[0]).len()).map(|operand| OperandOf::Operation(family[0], operand));
    let outputs = family.iter().copied().map(OutputOf::Sibling);
    NestedVertex { nested, operands: operands.collect(), outputs: outputs.collect() }
}

/// The memory of a step, as parts of it are given away.
#[derive(Debug, Default)]
pub(super) struct StepMemory {
    end: usize,
}

impl StepMemory {
    pub(super) fn take(&mut self, bytes: usize) -> usize {
        let start = self.end;
        self.end = (start + bytes).next_multiple_of(ALIGNMENT);
        start
    }

    /// Two buffers for each carry of a body whose first results they are.
    fn buffers(&mut self, body: &Plan, n_carries: usize) -> LoopMemory {
        let buffers = |carry: usize| {
            let bytes = scan::result_bytes(body, carry);
            [self.take(bytes), self.take(bytes)]
        };
        LoopMemory { carries: (0..n_carries).map(buffers).collect(), discards: Vec::new() }
    }

    pub(super) fn of_loop(&mut self, scan: &ScanControl, body: &Plan) -> LoopMemory {
        scan::memory(scan, body, self)
    }

    /// With one truth value, and the arena of the bodies, which run one at a time.
    fn close(mut self, own: LoopMemory, bodies: &[Arc<Plan>]) -> Region {
        let flag = self.take(1);
        let arena = self.take(bodies.iter().map(|body| body.arena_bytes).max().unwrap_or(0));
        Region { own, flag, arena, bytes: self.end }
    }
}

/// The kind of the vertex of each output.
pub(super) fn kinds(nested: Nested, n_outputs: usize) -> impl Iterator<Item = VertexKind> {
    let further = (1..n_outputs).map(|_| VertexKind::FurtherOutput);
    std::iter::once(VertexKind::Nested(Arc::new(nested))).chain(further).take(n_outputs)
}
