//! What a derivative reads of the body that it is the derivative of. In: the graph in which it was made. Out: which arguments
//! of the body, and which of its nodes are saved for it.
//!
//! A node is saved if it takes more to compute than to store, as products of matrices and exponentials do. A cheap function
//! of what is saved is computed again, but if that took two saved values where one is enough, it is saved itself: of x·W + h·U
//! the sum, not the products.

use std::collections::{BTreeMap, BTreeSet};

use super::Workshop;
use crate::{
    graph::{NodeId, Op},
    ops,
};

/// Numbers in the body, ascending.
#[derive(Debug)]
pub(super) struct Reads {
    /// Arguments that are read.
    pub(super) arguments: Vec<usize>,
    /// Nodes that are saved.
    pub(super) saved: Vec<usize>,
}

impl Reads {
    /// What `wanted` reads.
    pub(super) fn of(workshop: &Workshop, wanted: &[NodeId]) -> Reads {
        let graph = &workshop.graph;
        let mut sources = Sources { workshop, known: BTreeMap::new() };
        let mut found = BTreeSet::new();
        let end = wanted.iter().map(|id| id.index() + 1).max().unwrap_or(0);
        let mut is_read = vec![false; end];
        wanted.iter().for_each(|id| is_read[id.index()] = true);
        let ids: Vec<NodeId> = graph.ids().take(end).collect();
        for id in ids.into_iter().rev() {
            if !is_read[id.index()] {
                continue;
            }
            if id.index() < workshop.n_nodes {
                found.extend(sources.of(id));
            } else {
                graph.operands(id).iter().for_each(|operand| is_read[operand.index()] = true);
            }
        }
        let is_argument = |number: &usize| matches!(workshop.node(*number).op(), Op::Argument(_));
        let (arguments, saved) = found.into_iter().partition(is_argument);
        Reads { arguments, saved }
    }
}

/// For nodes of the body, what they are computed from again.
struct Sources<'w> {
    workshop: &'w Workshop,
    known: BTreeMap<usize, BTreeSet<usize>>,
}

impl Sources<'_> {
    /// The arguments and saved nodes from which a node is computed again; itself, if it is one of these.
    fn of(&mut self, id: NodeId) -> BTreeSet<usize> {
        // Operands first, without recursion: chains of cheap functions may be long.
        let graph = &self.workshop.graph;
        let mut waiting = vec![id];
        while let Some(id) = waiting.last().copied() {
            if self.known.contains_key(&id.index()) {
                waiting.pop();
                continue;
            }
            let op = graph.node(id).op.clone();
            if matches!(op, Op::Argument(_)) || !ops::is_cheap(&op) {
                self.known.insert(id.index(), BTreeSet::from([id.index()]));
                waiting.pop();
                continue;
            }
            let operands = graph.operands(id);
            let missing: Vec<NodeId> =
                operands.iter().copied().filter(|operand| !self.known.contains_key(&operand.index())).collect();
            if !missing.is_empty() {
                waiting.extend(missing);
                continue;
            }
            let all: BTreeSet<usize> =
                operands.iter().flat_map(|operand| self.known[&operand.index()].iter().copied()).collect();
            let is_saved = |number: &&usize| {
                let op = self.workshop.node(**number).op();
                !matches!(op, Op::Argument(_))
            };
            let n_saved = all.iter().filter(is_saved).count();
            self.known.insert(id.index(), if n_saved > 1 { BTreeSet::from([id.index()]) } else { all });
            waiting.pop();
        }
        self.known[&id.index()].clone()
    }
}
