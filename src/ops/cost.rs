//! What a graph costs by its operations alone. In: results. Out: the number of floating-point operations, as a
//! polynomial in the symbols.

use crate::graph::{Dim, Graph, IntoResults, NodeId, Type};

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
        let cost = |id: NodeId| {
            let operands: Vec<Type> = self.operands(id).iter().map(|operand| self.node(*operand).ty.clone()).collect();
            let node = self.node(id);
            super::flops(&node.op, &operands, &node.ty)
        };
        self.ancestors(&ids).into_iter().map(cost).sum()
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
