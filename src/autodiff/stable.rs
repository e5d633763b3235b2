//! What is differentiated in place of y. In: y and the xs. Out: an equal value whose derivatives are finite wherever they
//! should be, for each group of xs.
//!
//! A derivative by a node in the middle is that of what is written after it, so the rewrites must not look behind it; by a
//! leaf they may look at everything. Where that makes a difference the two kinds of xs are swept one after the other.

use crate::{
    graph::{Expr, NodeId},
    simplify::stabilized,
};

/// Values to differentiate, each with the positions of the xs that it is for.
pub(super) fn values<'g>(y: Expr<'g>, xs: &[Expr<'g>]) -> Vec<(Expr<'g>, Vec<usize>)> {
    let graph = y.graph();
    let is_inner = |position: &usize| !xs[*position].operands().is_empty();
    let (inner, leaves): (Vec<usize>, Vec<usize>) = (0..xs.len()).partition(is_inner);
    let mut opaque: Vec<NodeId> = inner.iter().map(|position| xs[*position].id()).collect();
    opaque.sort_unstable();
    let of_inner = graph.expr(stabilized(graph, y.id(), &opaque));
    if inner.is_empty() || leaves.is_empty() {
        return vec![(of_inner, (0..xs.len()).collect())];
    }
    let of_leaves = graph.expr(stabilized(graph, y.id(), &[]));
    if of_leaves.is_same(of_inner) {
        return vec![(of_inner, (0..xs.len()).collect())];
    }
    vec![(of_leaves, leaves), (of_inner, inner)]
}
