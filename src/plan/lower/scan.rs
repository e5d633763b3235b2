//! Loops of a known number of iterations: where carries and stacks lie, and what runs again in each segment. In: the outputs that
//! are asked for. Out: a [`ScanControl`] and the memory that it works in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::nested::{BodyPlanner, NestedGraph, OperandOf, StepMemory};
use crate::{
    graph::{Graph, NodeId, Op, Scan, ScanDirection, ScanOutput},
    plan::{
        Plan,
        ir::{ArgumentSource, CarryHome, LoopMemory, PlanError, Replay, ScanControl},
    },
};

/// What siblings give, with no difference made between stacks for the user and for derivatives.
pub(super) fn outputs(graph: &Graph, family: &[NodeId]) -> Vec<ScanOutput> {
    let output = |id: &NodeId| {
        let output = graph.node(*id).op.scan_output();
        output.stacked_node().map_or(output, ScanOutput::Stacked)
    };
    family.iter().map(output).collect()
}

/// For each sibling the position that it is given.
pub(super) fn places(family: &[NodeId], position: impl Fn(NodeId) -> Option<usize>) -> Vec<Option<usize>> {
    family.iter().map(|id| position(*id)).collect()
}

/// Where carries and outputs of a loop lie, and which nodes of its body are computed.
pub(super) fn control(scan: &Scan, outputs: &[ScanOutput], length: usize) -> (ScanControl, Vec<usize>) {
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
        } else if let (Some(number), false) = (what.stacked_node(), is_home[output]) {
            results.push(number);
            stacks.push(Some(output));
        }
    }
    let finals = (0..scan.carries).map(|carry| position(ScanOutput::Final(carry))).collect();
    let is_backward = scan.direction == ScanDirection::Backward;
    let n_slices = scan.slices;
    (ScanControl { length, is_backward, homes, n_slices, finals, copies, stacks, segments: None }, results)
}

impl ScanControl {
    /// The same body with fewer outputs: `places` has the new position of each, if it stays. The body gives what it gave, so
    /// that all bits stay what they are.
    pub(super) fn with_outputs(&self, places: &[Option<usize>]) -> ScanControl {
        let home = |home: &CarryHome| match *home {
            CarryHome::Buffers => CarryHome::Buffers,
            CarryHome::StackOfNext(output) => places[output].map_or(CarryHome::Buffers, CarryHome::StackOfNext),
            CarryHome::StackOfCurrent(output) => places[output].map_or(CarryHome::Buffers, CarryHome::StackOfCurrent),
        };
        let place = |output: &Option<usize>| output.and_then(|output| places[output]);
        ScanControl {
            homes: self.homes.iter().map(home).collect(),
            finals: self.finals.iter().map(place).collect(),
            copies: self.copies.iter().filter_map(|copy| Some((places[copy.0]?, places[copy.1]?))).collect(),
            stacks: self.stacks.iter().map(place).collect(),
            ..self.clone()
        }
    }
}

/// Bytes of a result of a body.
pub(super) fn result_bytes(body: &Plan, result: usize) -> usize {
    body.network.vertices[body.network.results[result]].bytes()
}

/// Memory for the carries of a loop, and for results that are not stacked.
pub(super) fn memory(scan: &ScanControl, body: &Plan, memory: &mut StepMemory) -> LoopMemory {
    let carry = |(carry, home): (usize, &CarryHome)| {
        let bytes = result_bytes(body, carry);
        match home {
            CarryHome::Buffers => [memory.take(bytes), memory.take(bytes)],
            CarryHome::StackOfNext(_) => [memory.take(0); 2],
            // The last iteration writes a carry that nobody may ask for.
            CarryHome::StackOfCurrent(_) => [memory.take(bytes); 2],
        }
    };
    let carries = scan.homes.iter().enumerate().map(carry).collect();
    let discard = |(stack, output): (usize, &Option<usize>)| match output {
        Some(_) => 0,
        None => memory.take(result_bytes(body, scan.homes.len() + stack)),
    };
    LoopMemory { carries, discards: scan.stacks.iter().enumerate().map(discard).collect() }
}

/// A loop in segments while it is put together.
pub(super) struct SegmentParts<'p> {
    graph: &'p NestedGraph<'p>,
    every: usize,
    pub(super) memory: StepMemory,
    pub(super) bodies: Vec<Arc<Plan>>,
    pub(super) operands: Vec<OperandOf>,
    /// Where each stack that runs again is, for one segment.
    buffers: BTreeMap<NodeId, usize>,
}

impl<'p> SegmentParts<'p> {
    pub(super) fn new(
        graph: &'p NestedGraph<'p>,
        every: usize,
        memory: StepMemory,
        body: Arc<Plan>,
    ) -> SegmentParts<'p> {
        SegmentParts { graph, every, memory, bodies: vec![body], operands: Vec::new(), buffers: BTreeMap::new() }
    }

    fn operand(&mut self, operand: OperandOf) -> usize {
        self.operands.iter().position(|known| *known == operand).unwrap_or_else(|| {
            self.operands.push(operand);
            self.operands.len() - 1
        })
    }

    /// Where the arguments of a loop come from, by its first sibling; of carries it is said.
    pub(super) fn arguments(
        &mut self,
        first: NodeId,
        scan: &Scan,
        carry: impl Fn(NodeId, usize) -> OperandOf,
    ) -> Vec<ArgumentSource> {
        let operands = self.graph.graph.operands(first);
        let source = |(argument, id): (usize, &NodeId)| match self.buffers.get(id) {
            Some(buffer) if scan.is_sliced(argument) => ArgumentSource::Segment(*buffer),
            _ if argument < scan.carries => ArgumentSource::Operand(self.operand(carry(first, argument))),
            _ => ArgumentSource::Operand(self.operand(OperandOf::Operation(first, argument))),
        };
        operands.iter().enumerate().map(source).collect()
    }

    /// The loop with this first sibling, again for one segment, which gives the stacks that are wanted.
    pub(super) fn replay(
        &mut self,
        planner: &mut BodyPlanner<'_>,
        producer: NodeId,
        wanted: &BTreeSet<NodeId>,
    ) -> Result<Replay, PlanError> {
        let graph = self.graph;
        let Op::Scan(scan) = graph.graph.node(producer).op.clone() else {
            unreachable!("invariant: what is saved comes from a loop")
        };
        let family = graph.families.led_by(producer).expect("invariant: it is the first sibling");
        let (control, results) = control(&scan, &outputs(graph.graph, family), self.every);
        let body = planner.plan(&scan.body, results)?;
        let scan_again = control.with_outputs(&places(family, |id| wanted.iter().position(|wanted| *wanted == id)));
        let arguments = self.arguments(producer, &scan, OperandOf::Checkpoint);
        let memory = self.memory.of_loop(&scan_again, &body);
        let mut buffers = Vec::with_capacity(wanted.len());
        for (output, id) in wanted.iter().enumerate() {
            let result = scan_again.result(output).expect("invariant: what is saved is stacked");
            // Each begins somewhere else, of arrays without elements too, since its place is its name.
            let buffer = self.memory.take((self.every * result_bytes(&body, result)).max(1));
            self.buffers.insert(*id, buffer);
            buffers.push(buffer);
        }
        let number = self.bodies.iter().position(|known| Arc::ptr_eq(known, &body));
        let number = number.filter(|number| *number > 0).unwrap_or_else(|| {
            self.bodies.push(body);
            self.bodies.len() - 1
        });
        Ok(Replay { body: number, scan: scan_again, arguments, memory, buffers })
    }
}
