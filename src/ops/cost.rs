//! What a graph costs by its operations alone. In: results. Out: the number of floating-point operations, as a
//! polynomial in the symbols.

use super::nested::family_flops;
use crate::graph::{Dim, Graph, IntoResults, NodeId, Op, Type};

impl Graph {
    /// The exact number of floating-point operations that computing `results` op by op takes: a function of one number
    /// counts as one, a multiply-add as two, moving data as none.
    ///
    /// # Complexity
    /// Linear in the number of nodes.
    ///
    /// # Example
    /// ```
    /// # use pullback::{Graph, Initializer};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 64));
    /// let w = g.parameter("w", (64, 10), Initializer::Zeros);
    /// assert_eq!(g.flops(x.dot(w)).to_string(), "1280*batch");
    /// ```
    #[doc(alias("cost_analysis", "macs"))]
    pub fn flops<'g>(&'g self, results: impl IntoResults<'g>) -> Dim {
        let ids: Vec<NodeId> = results.into_results().iter().map(|(_, result)| result.id()).collect();
        flops_of(self, &self.ancestors(&ids))
    }

    /// The bytes of every value that `results` are computed from, theirs among them, each once: what computing them op by op
    /// keeps if nothing is dropped. A plan that fuses keeps less; [`PlanSummary`](crate::program::PlanSummary) tells.
    ///
    /// # Complexity
    /// Linear in the number of nodes.
    ///
    /// # Example
    /// ```
    /// # use pullback::{Graph, Initializer};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 64));
    /// let w = g.parameter("w", (64, 10), Initializer::Zeros);
    /// assert_eq!(g.bytes(x.dot(w)).to_string(), "296*batch + 2560");
    /// ```
    pub fn bytes<'g>(&'g self, results: impl IntoResults<'g>) -> Dim {
        let ids: Vec<NodeId> = results.into_results().iter().map(|(_, result)| result.id()).collect();
        self.ancestors(&ids).into_iter().map(|id| self.node(id).ty.bytes()).sum()
    }
}

/// The floating-point operations of nodes, which ascend; what has several outputs counts once.
pub(super) fn flops_of(graph: &Graph, ids: &[NodeId]) -> Dim {
    let families = graph.siblings(ids.iter().copied());
    let of_families = families.iter().map(|family| {
        let siblings: Vec<Op> = family.iter().map(|id| graph.node(*id).op.clone()).collect();
        family_flops(&siblings)
    });
    let cost = |id: NodeId| {
        let operands: Vec<Type> = graph.operands(id).iter().map(|operand| graph.node(*operand).ty.clone()).collect();
        let node = graph.node(id);
        super::flops(&node.op, &operands, &node.ty)
    };
    let is_single = |id: &NodeId| !graph.node(*id).op.is_nested();
    let of_singles: Dim = ids.iter().copied().filter(is_single).map(cost).sum();
    of_families.fold(of_singles, |sum, flops| sum + flops)
}
