//! What is differentiated in place of what is written. In: a graph, a value of it, and what its derivative is asked by.
//! Out: a value of the same graph that is equal and whose derivatives, of any order, are finite wherever they should be.
//!
//! The derivative of log(1 + eˣ) as it is written is eˣ/(1 + eˣ), no number from where eˣ is infinite; no rewrite of single
//! terms finds it again once a second derivative has spread it over sums. That of softplus is a sigmoid, and so on. So
//! the rules that are for derivatives fire first. Others come after: `stop_gradient` still means something here.
//!
//! PyTensor derives what is written and has rewrites for the derivatives (`pytensor/tensor/rewriting`, Theano before
//! it); its list of stabilizations is where the rules began.

use super::{rewriter::Rewriter, table};
use crate::graph::{Graph, NodeId};

/// The value to differentiate by `opaque`, which ascend, and by leaves in place of `value`; `value` itself where no
/// rule fires. No rule looks at how the opaque nodes are computed, so that derivatives by them stay what they are.
pub(crate) fn stabilized(graph: &Graph, value: NodeId, opaque: &[NodeId]) -> NodeId {
    let mut rewriter = Rewriter::for_derivatives(graph, table::rule_set(), opaque);
    let mut image: Vec<Option<NodeId>> = vec![None; value.index() + 1];
    for id in graph.ancestors(&[value]) {
        let operands = graph
            .operands(id)
            .iter()
            .map(|operand| image[operand.index()].expect("invariant: operands come before their users"))
            .collect();
        image[id.index()] = Some(rewriter.replace(id, operands));
    }
    image[value.index()].expect("invariant: a value is among its ancestors")
}
