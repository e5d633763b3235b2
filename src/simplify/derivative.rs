//! Stable forms before differentiation. In: a value of a graph, and the nodes that it is differentiated by. Out: an
//! equal value of the same graph, whose derivatives of any order are finite wherever they should be.
//!
//! The derivative of log(1 + eˣ) as it is written is eˣ/(1 + eˣ), which is NaN where eˣ is infinite, and no rewrite of
//! single terms finds the stable form again once a second derivative has spread it over sums. The derivative of
//! softplus is a sigmoid, and so on. So the rewrite rules that are marked for derivatives fire before differentiation,
//! and no others do: `stop_gradient` still means something here.
//!
//! PyTensor differentiates what is written and has rewrites for the derivatives (`pytensor/tensor/rewriting`, Theano
//! before it); its list of stabilizations is where these rules began.

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
