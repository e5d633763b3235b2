//! Which loops are cut into segments. In: a graph with sizes. Out: for each loop that saves stacks for derivatives how far its
//! checkpoints are apart, and which of its stacks are not kept, because every loop that reads them runs it again.
//!
//! A saved stack is computed again if loops of the same length with the same checkpoints read it, slice by slice, and nothing
//! else does. Segments lie at the same positions in all of them, whichever way each goes, so that one loop may run several
//! others again, one for the next, as derivatives of higher order ask for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    graph::{Bindings, Checkpoints, Families, Graph, NodeId, Op, Scan, ScanOutput},
    plan::passes::RematPolicy,
};

/// The loops of a graph that are cut into segments.
#[derive(Debug, Default)]
pub(super) struct Segmentation {
    /// For each stack that is not kept the first sibling of the loop that gives it.
    producers: HashMap<NodeId, NodeId>,
}

impl Segmentation {
    pub(super) fn new(
        graph: &Graph,
        (ids, families): (&[NodeId], &Families),
        results: &[NodeId],
        bindings: &Bindings,
        policy: RematPolicy,
    ) -> Segmentation {
        let mut producers = HashMap::new();
        for family in families.iter() {
            let Op::Scan(scan) = &graph.node(family[0]).op else { continue };
            if interval(scan, bindings, policy).is_none() {
                continue;
            }
            let outputs: Vec<ScanOutput> = family.iter().map(|id| graph.node(*id).op.scan_output()).collect();
            for (id, output) in family.iter().zip(&outputs) {
                // Of two outputs that give the same node neither is worth less than the other.
                let is_only = outputs.iter().filter(|other| other.stacked_node() == output.stacked_node()).count() == 1;
                if matches!(output, ScanOutput::Saved(_)) && is_only && !results.contains(id) {
                    producers.insert(*id, family[0]);
                }
            }
        }
        for id in ids {
            let op = &graph.node(*id).op;
            for (position, operand) in graph.operands(*id).iter().enumerate() {
                let is_replayed = |producer: &NodeId| match (op, &graph.node(*producer).op) {
                    (Op::Scan(reader), Op::Scan(scan)) => {
                        reader.is_sliced(position)
                            && reader.length == scan.length
                            && reader.checkpoints == scan.checkpoints
                    }
                    _ => false,
                };
                if producers.get(operand).is_some_and(|producer| !is_replayed(producer)) {
                    producers.remove(operand);
                }
            }
        }
        Segmentation { producers }
    }

    /// The first sibling of the loop that gives a stack, if that is not kept.
    pub(super) fn producer(&self, id: NodeId) -> Option<NodeId> {
        self.producers.get(&id).copied()
    }

    /// What runs again in each segment of a loop with these operands: the first siblings of loops, those that others read before
    /// these, and the stacks that are wanted of each.
    pub(super) fn replays(&self, graph: &Graph, operands: &[NodeId]) -> BTreeMap<NodeId, BTreeSet<NodeId>> {
        let mut found: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
        let mut waiting: Vec<NodeId> = operands.to_vec();
        while let Some(id) = waiting.pop() {
            let Some(producer) = self.producer(id) else { continue };
            let is_new = !found.contains_key(&producer);
            found.entry(producer).or_default().insert(id);
            if is_new {
                waiting.extend(graph.operands(producer));
            }
        }
        found
    }
}

/// How far the checkpoints of a loop are apart; none where all carries are kept, or if there was one segment.
pub(super) fn interval(scan: &Scan, bindings: &Bindings, policy: RematPolicy) -> Option<usize> {
    let length = usize::try_from(scan.length.evaluate(bindings).ok()?).ok()?;
    let root = || length.isqrt() + usize::from(length.isqrt().pow(2) < length);
    let every = match (scan.checkpoints, policy) {
        (Checkpoints::Every(every), _) => every,
        (Checkpoints::SquareRoot, _) | (Checkpoints::All, RematPolicy::AnyElementwise) => root(),
        (Checkpoints::All, RematPolicy::Cheap) => return None,
    };
    (every < length).then_some(every)
}
