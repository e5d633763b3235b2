//! What becomes of states. In: what a step computes. Out: the state that it sets, each with its new value.

use std::collections::BTreeMap;

use super::{Graph, NodeId, Op};

impl Graph {
    /// What a state is after the updates so far: the state itself, if there are none.
    pub(crate) fn latest(&self, state: NodeId) -> NodeId {
        self.updates().into_iter().rfind(|(updated, _)| *updated == state).map_or(state, |(_, value)| value)
    }

    /// The states that a step sets which computes these results, ascending, with their new values: of each its last update that
    /// reads no input which the results do not read, so that a step need not be fed more for it.
    pub(crate) fn updates_beside(&self, results: &[NodeId]) -> Vec<(NodeId, NodeId)> {
        let updates = self.updates();
        if updates.is_empty() {
            return Vec::new();
        }
        let read = self.inputs_of(results);
        let mut found = BTreeMap::new();
        for (state, value) in updates {
            if self.inputs_of(&[value]).iter().all(|input| read.binary_search(input).is_ok()) {
                found.insert(state, value);
            }
        }
        found.into_iter().collect()
    }

    /// The inputs that nodes are computed from, ascending.
    fn inputs_of(&self, nodes: &[NodeId]) -> Vec<NodeId> {
        self.ancestors(nodes).into_iter().filter(|id| matches!(self.node(*id).op, Op::Input(_))).collect()
    }
}
