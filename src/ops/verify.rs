//! The consistency of a graph: whether every node has the type that its primitive infers. In: a graph. Out: nothing, or
//! the first node that does not fit. It checks the stages that make graphs, not their users: a user's errors are
//! diagnostics.

use std::collections::HashSet;

use thiserror::Error;

use super::apply::infer;
use crate::graph::{Graph, GraphError, Name, NodeId, Site, Type};

/// A node that does not fit into its graph: a bug of the stage that made it.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("%{} at {site} {kind}", .node.index())]
pub struct VerifyError {
    /// The node.
    pub node: NodeId,
    /// Its site.
    pub site: Site,
    /// What does not fit.
    pub kind: Box<VerifyErrorKind>,
}

/// What is wrong with a node.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// An operand that does not come before its user.
    #[error("has the operand %{}, which does not come before it", .operand.index())]
    OperandOrder {
        /// The operand.
        operand: NodeId,
    },
    /// A primitive that refuses its operands.
    #[error("is not well formed: {0}")]
    Refused(GraphError),
    /// A type that does not follow from the primitive and its operands.
    #[error("has the type {found}, but its operation gives {inferred}")]
    WrongType {
        /// The type that the node has.
        found: Type,
        /// The type that follows.
        inferred: Type,
    },
    /// An input or parameter whose name another one before it has.
    #[error("has the name {name:?}, which is taken")]
    DuplicateName {
        /// The name.
        name: String,
    },
}

/// Whether every node of the graph has operands before it, the type that its primitive infers from them, and, if it is
/// an input or a parameter, a name of its own.
///
/// # Errors
/// The first node that has not.
///
/// # Complexity
/// Linear in nodes and edges.
///
/// # Example
/// ```
/// use pullback::{Graph, ops};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 3));
/// (x * 2.0).tanh().sum();
/// assert!(ops::verify(&g).is_ok());
/// ```
pub fn verify(graph: &Graph) -> Result<(), VerifyError> {
    let mut names = HashSet::new();
    for id in graph.ids() {
        verify_node(graph, id, &mut names).map_err(|kind| {
            let site = graph.node(id).provenance.site;
            VerifyError { node: id, site, kind }
        })?;
    }
    Ok(())
}

fn verify_node(graph: &Graph, id: NodeId, names: &mut HashSet<Name>) -> Result<(), Box<VerifyErrorKind>> {
    let node = graph.node(id);
    let operands = graph.operands(id);
    if let Some(operand) = operands.iter().copied().find(|operand| *operand >= id) {
        return Err(Box::new(VerifyErrorKind::OperandOrder { operand }));
    }
    let types: Vec<Type> = operands.iter().map(|operand| graph.node(*operand).ty.clone()).collect();
    let inferred = infer(&node.op, &types).map_err(|mistake| Box::new(VerifyErrorKind::Refused(mistake)))?;
    if inferred != node.ty {
        return Err(Box::new(VerifyErrorKind::WrongType { found: node.ty.clone(), inferred }));
    }
    match node.op.leaf_name() {
        Some(name) if !names.insert(name.clone()) => {
            Err(Box::new(VerifyErrorKind::DuplicateName { name: name.0.to_string() }))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{DType, Op, Select, Unary};

    fn graph_with(op: Op, ty: Type) -> Graph {
        let g = Graph::new();
        let x = g.input("x", (2,));
        let frame = g.enter("test", Site::caller());
        g.insert(op, ty, &[x.id()]);
        drop(frame);
        g
    }

    #[test]
    fn a_type_that_does_not_follow_is_found() {
        let g = graph_with(Op::Unary(Unary::Exp), Type::new(DType::F32, (3,)));
        let message = verify(&g).unwrap_err().to_string();
        assert!(message.ends_with("has the type f32[3], but its operation gives f32[2]"), "{message}");
    }

    #[test]
    fn a_refused_operand_is_found() {
        let g = graph_with(Op::Unary(Unary::Exp), Type::new(DType::F32, (2,)));
        assert!(verify(&g).is_ok());
        let g = graph_with(Op::Select(Select {}), Type::new(DType::F32, (2,)));
        let message = verify(&g).unwrap_err().to_string();
        assert!(message.ends_with("is not well formed: expected 3 operands, found 1"), "{message}");
    }

    #[test]
    fn a_second_leaf_of_one_name_is_found() {
        let g = Graph::new();
        let x = g.input("x", (2,));
        let frame = g.enter("test", Site::caller());
        g.insert(x.op(), x.ty(), &[]);
        drop(frame);
        let message = verify(&g).unwrap_err().to_string();
        assert!(message.ends_with("has the name \"x\", which is taken"), "{message}");
    }
}
