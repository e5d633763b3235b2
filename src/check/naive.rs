//! The naive derivative, against which the lecture sets backpropagation.
//!
//! In: a loss and its parameters. Out: the derivative with respect to each parameter, derived separately with nothing
//! shared: for each parameter the whole function is written out again and the chain rule applied from the loss down to
//! that parameter alone. For a network of k layers of H units that is k chains of up to k products of an H × H matrix
//! with a vector, O(k²H²) in all, where backpropagation shares the chains and takes O(kH²).
//!
//! # Source
//! V. Cevher, *Mathematics of Data: From Theory to Computation*, EPFL EE-556, fall 2018, lecture 8.

use crate::graph::{Expr, Graph, NodeId, Site};

/// ∂loss/∂parameter for each parameter, each from a copy of the function of its own.
///
/// # Complexity
/// As many copies of the function and sweeps over it as there are parameters.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, check::naive_gradients};
/// let g = Graph::new();
/// let (a, b) = (g.input_of(DType::F64, "a", ()), g.input_of(DType::F64, "b", ()));
/// let loss = (1.0 - a * b).powi(2);
/// let naive = naive_gradients(loss, &[a, b]);
/// let shared = g.gradients(loss, &[a, b]);
/// assert!(g.ancestors(&[naive[0].id(), naive[1].id()]).len() > g.ancestors(&[shared[0].id(), shared[1].id()]).len());
/// ```
#[track_caller]
pub fn naive_gradients<'g>(loss: Expr<'g>, parameters: &[Expr<'g>]) -> Vec<Expr<'g>> {
    let graph = loss.graph();
    let _frame = graph.enter("naive_gradients", Site::caller());
    let derive = |parameter: &Expr<'g>| graph.gradient(copy(graph, loss, *parameter), *parameter);
    parameters.iter().map(derive).collect()
}

/// The same function written out again: only inputs, parameters and `kept` are the old nodes.
fn copy<'g>(graph: &'g Graph, result: Expr<'g>, kept: Expr<'g>) -> Expr<'g> {
    let mut copies: Vec<NodeId> = graph.ids().take(result.id().index() + 1).collect();
    for id in graph.ancestors(&[result.id()]) {
        let expr = graph.expr(id);
        if expr.name().is_none() && !expr.is_same(kept) {
            let operands: Vec<Expr<'g>> =
                graph.operands(id).iter().map(|operand| graph.expr(copies[operand.index()])).collect();
            copies[id.index()] = graph.apply(expr.op(), &operands).id();
        }
    }
    graph.expr(copies[result.id().index()])
}
