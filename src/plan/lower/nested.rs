//! From an operation with bodies to a vertex with plans. In: siblings, and numbers for the symbols. Out: the plan of each body,
//! and where carries lie.

use std::sync::Arc;

use crate::{
    graph::{Bindings, Body, Graph, NodeId, Op, Scan, ScanDirection, ScanOutput},
    ops::OpError,
    plan::{
        Plan, PlanInput, Settings,
        ir::{CarryHome, Control, Nested, Origin, PlanError, Region, ScanControl, VertexKind},
        passes::memory::ALIGNMENT,
    },
};

/// Plans bodies, each once.
pub(super) struct BodyPlanner<'s> {
    bindings: &'s Bindings,
    settings: &'s Settings,
    known: Vec<(Body, Vec<usize>, Arc<Plan>)>,
}

impl<'s> BodyPlanner<'s> {
    pub(super) fn new(bindings: &'s Bindings, settings: &'s Settings) -> BodyPlanner<'s> {
        BodyPlanner { bindings, settings, known: Vec::new() }
    }

    /// The plan that computes these nodes of a body.
    fn plan(&mut self, body: &Body, results: Vec<usize>) -> Result<Arc<Plan>, PlanError> {
        let is_known = |(known, found, _): &&(Body, Vec<usize>, Arc<Plan>)| *found == results && known == body;
        if let Some((.., plan)) = self.known.iter().find(is_known) {
            return Ok(plan.clone());
        }
        let graph = body.thaw();
        let ids: Vec<NodeId> = graph.ids().collect();
        let leaves: Vec<Option<NodeId>> = ids[..body.n_arguments()].iter().copied().map(Some).collect();
        let wanted: Vec<NodeId> = results.iter().map(|number| ids[*number]).collect();
        let input = PlanInput { graph: &graph, leaves: &leaves, results: &wanted, bindings: self.bindings };
        let plan = Arc::new(Plan::new(input, self.settings)?);
        self.known.push((body.clone(), results, plan.clone()));
        Ok(plan)
    }

    /// What the siblings of `family` are together; they are its outputs, in this order.
    pub(super) fn nested(&mut self, graph: &Graph, family: &[NodeId], origin: Origin) -> Result<Nested, PlanError> {
        let ops: Vec<Op> = family.iter().map(|id| graph.node(*id).op.clone()).collect();
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
            Op::Scan(scan) => {
                let number = scan.length.evaluate(self.bindings).ok().and_then(|length| usize::try_from(length).ok());
                let unbound = || PlanError { origin, error: OpError::Size(scan.length.clone()) };
                let (control, results) = scan_control(scan, &ops, number.ok_or_else(unbound)?);
                (Control::Scan(control), vec![self.plan(&scan.body, results)?])
            }
            Op::While(op) => {
                let outputs = ops.iter().map(Op::output).collect();
                let (n_carries, bound) = (op.carries, op.bound.max());
                let condition = self.plan(&op.condition, op.condition.results().to_vec())?;
                let body = self.plan(&op.body, op.body.results().to_vec())?;
                (Control::While { n_carries, bound, outputs }, vec![condition, body])
            }
            other => unreachable!("invariant: `{}` has a body", other.name()),
        };
        let region = region(&control, &bodies);
        Ok(Nested { control, bodies, region })
    }
}

/// Where carries and outputs of a loop lie, and which nodes of its body are computed.
fn scan_control(scan: &Scan, ops: &[Op], length: usize) -> (ScanControl, Vec<usize>) {
    let outputs: Vec<ScanOutput> = ops.iter().map(Op::scan_output).collect();
    let position = |wanted: ScanOutput| outputs.iter().position(|output| *output == wanted);
    let mut results = scan.body.results().to_vec();
    let mut is_home = vec![false; outputs.len()];
    let mut homes = Vec::with_capacity(scan.carries);
    for (carry, next) in scan.body.results().iter().enumerate() {
        let of_next = position(ScanOutput::Stacked(*next)).filter(|output| !is_home[*output]);
        let of_current = position(ScanOutput::Stacked(carry)).filter(|output| !is_home[*output]);
        let home = match (of_next, of_current) {
            (Some(output), _) => CarryHome::StackOfNext(output),
            (None, Some(output)) => CarryHome::StackOfCurrent(output),
            (None, None) => CarryHome::Buffers,
        };
        of_next.or(of_current).into_iter().for_each(|output| is_home[output] = true);
        homes.push(home);
    }
    let mut stacks = Vec::new();
    let mut copies = Vec::new();
    for (output, what) in outputs.iter().enumerate() {
        // Two nodes may give the same, if nobody has merged them.
        let first = position(*what).unwrap_or(output);
        if first != output {
            copies.push((output, first));
        } else if let (ScanOutput::Stacked(number), false) = (what, is_home[output]) {
            results.push(*number);
            stacks.push(output);
        }
    }
    let finals = (0..scan.carries).map(|carry| position(ScanOutput::Final(carry))).collect();
    let is_backward = scan.direction == ScanDirection::Backward;
    (ScanControl { length, is_backward, homes, n_slices: scan.slices, finals, copies, stacks }, results)
}

/// Memory for the carries of a step and for the arena of its bodies, which run one at a time.
fn region(control: &Control, bodies: &[Arc<Plan>]) -> Region {
    let mut end = 0;
    let mut take = |bytes: usize| {
        let start = end;
        end = (start + bytes).next_multiple_of(ALIGNMENT);
        start
    };
    let result_bytes = |body: &Plan, result: usize| body.network.vertices[body.network.results[result]].bytes();
    let carries = match control {
        Control::Call | Control::Branch => Vec::new(),
        Control::Scan(scan) => (scan.homes.iter().enumerate())
            .map(|(carry, home)| {
                let bytes = result_bytes(&bodies[0], carry);
                match home {
                    CarryHome::Buffers => [take(bytes), take(bytes)],
                    CarryHome::StackOfNext(_) => [take(0); 2],
                    // The last iteration writes a carry that nobody may ask for.
                    CarryHome::StackOfCurrent(_) => [take(bytes); 2],
                }
            })
            .collect(),
        Control::While { n_carries, .. } => (0..*n_carries)
            .map(|carry| {
                let bytes = result_bytes(&bodies[1], carry);
                [take(bytes), take(bytes)]
            })
            .collect(),
    };
    let flag = take(1);
    let arena = take(bodies.iter().map(|body| body.arena_bytes).max().unwrap_or(0));
    Region { carries, flag, arena, bytes: end }
}

/// The kind of the vertex of each output.
pub(super) fn kinds(nested: Nested, n_outputs: usize) -> impl Iterator<Item = VertexKind> {
    let further = (1..n_outputs).map(|_| VertexKind::FurtherOutput);
    std::iter::once(VertexKind::Nested(Arc::new(nested))).chain(further)
}
