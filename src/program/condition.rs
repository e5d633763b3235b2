//! What sizes must fulfil once they are numbers, node by node. In: a graph, then the values of its symbols. Out: nothing,
//! or the error with node and line. It is asked before anything is allocated, so both engines answer the same.

use smallvec::SmallVec;

use super::RunError;
use crate::{
    graph::{Bindings, Dim, Graph, NodeId, Op, Shape, Site},
    ops,
};

/// A node of which numbers may turn out not to fit, because a size that it reads is a symbol.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    op: Op,
    operands: Vec<Shape>,
    call: &'static str,
    node: usize,
    site: Site,
}

impl Condition {
    /// The condition of a node, if there is one.
    pub(crate) fn for_node(graph: &Graph, id: NodeId) -> Option<Condition> {
        let node = graph.node(id);
        let operands: Vec<Shape> =
            graph.operands(id).iter().map(|operand| graph.node(*operand).ty.shape.clone()).collect();
        (ops::has_checked_sizes(&node.op) && !is_settled(&node.op, &operands)).then(|| Condition {
            op: node.op.clone(),
            operands,
            call: node.provenance.call,
            node: id.index(),
            site: node.provenance.site,
        })
    }

    /// That it holds; an operand without a shape is for the engine to tell.
    pub(super) fn check(&self, bindings: &Bindings) -> Result<(), RunError> {
        let size = |dim: &Dim| dim.evaluate(bindings).ok().and_then(|number| usize::try_from(number).ok());
        let shape = |shape: &Shape| shape.iter().map(size).collect::<Option<SmallVec<[usize; 4]>>>();
        let Some(shapes) = self.operands.iter().map(shape).collect::<Option<SmallVec<[_; 2]>>>() else {
            return Ok(());
        };
        let shapes: SmallVec<[&[usize]; 2]> = shapes.iter().map(|sizes| &sizes[..]).collect();
        let (call, operation, node, site) = (self.call, self.op.name(), self.node, self.site);
        ops::check_sizes(&self.op, &shapes, bindings).map_err(|error| RunError::Node {
            call,
            operation,
            node,
            site,
            error,
        })
    }
}

/// Whether the sizes fit whatever the symbols are, because neither the shapes nor the attributes have any.
fn is_settled(op: &Op, operands: &[Shape]) -> bool {
    let Some(shapes) = operands.iter().map(Shape::as_numbers).collect::<Option<Vec<_>>>() else {
        return false;
    };
    let shapes: SmallVec<[&[usize]; 2]> = shapes.iter().map(|sizes| &sizes[..]).collect();
    ops::check_sizes(op, &shapes, &Bindings::new()).is_ok()
}
