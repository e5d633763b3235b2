//! The handle of a node. In: a graph and a node id. Out: what is known of the node. The operations on handles are in
//! `ops/`, because building asks their shape rules.

use std::fmt;

use super::{
    dtype::DType,
    op::Op,
    shape::{Shape, Type},
    site::Site,
    storage::{Graph, NodeId},
};

/// A value of the graph that is to be computed: a `Copy` handle with operators and a method for every operation.
///
/// Nothing is computed when a handle is used, and nothing fails: `((a.dot(w) + b).tanh() * c).sum()` needs no `?`.
#[derive(Clone, Copy)]
pub struct Expr<'g> {
    graph: &'g Graph,
    id: NodeId,
}

impl<'g> Expr<'g> {
    pub(super) fn new(graph: &'g Graph, id: NodeId) -> Expr<'g> {
        Expr { graph, id }
    }

    /// The graph it belongs to.
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// The node.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Element type and shape.
    pub fn ty(&self) -> Type {
        self.graph.node(self.id).ty.clone()
    }

    /// Sizes of the axes.
    pub fn shape(&self) -> Shape {
        self.graph.node(self.id).ty.shape.clone()
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.graph.node(self.id).ty.dtype
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.graph.node(self.id).ty.rank()
    }

    /// What computes it.
    pub fn op(&self) -> Op {
        self.graph.node(self.id).op.clone()
    }

    /// Where it was written.
    pub fn site(&self) -> Site {
        self.graph.node(self.id).provenance.site
    }

    /// The name, scopes included, if it is an input or a parameter.
    pub fn name(&self) -> Option<String> {
        self.graph.node(self.id).op.leaf_name().map(|name| name.0.to_string())
    }

    /// The handles of its operands, in order.
    pub fn operands(&self) -> Vec<Expr<'g>> {
        self.graph.operands(self.id).into_iter().map(|id| self.graph.expr(id)).collect()
    }

    /// Whether it stands for an error that was reported.
    pub fn is_poisoned(&self) -> bool {
        matches!(self.graph.node(self.id).op, Op::Poison(_))
    }

    /// Whether both are the same node of the same graph.
    pub fn is_same(&self, other: Expr<'_>) -> bool {
        std::ptr::eq(self.graph, other.graph) && self.id == other.id
    }
}

impl fmt::Debug for Expr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.graph.node(self.id);
        write!(f, "%{}: {} = {}", self.id.index(), node.ty, node.op.name())
    }
}
