//! Reverse mode: one sweep from the output down. In: y, ȳ and the xs. Out: x̄ for each x.
//!
//! Absent cotangents are structurally zero. The sweep is a loop over ids, so its depth does not grow with the graph's.

use super::{
    dependents,
    scale::{add, scale},
};
use crate::{
    graph::{Expr, NodeId},
    ops::{self, Application, Linearization},
};

/// x̄ = (∂y/∂x)ᵀ·ȳ for each of `xs`; zeros where y does not depend on it.
pub(super) fn sweep<'g>(y: Expr<'g>, cotangent: Expr<'g>, xs: &[Expr<'g>]) -> Vec<Expr<'g>> {
    let graph = y.graph();
    let last = y.id().index();
    let depends = dependents(graph, xs, last);
    let mut cotangents: Vec<Option<Expr<'g>>> = vec![None; last + 1];
    cotangents[last] = Some(cotangent);
    let first = xs.iter().map(|x| x.id().index()).min().unwrap_or(last);
    let ids: Vec<NodeId> = graph.ids().take(last + 1).skip(first).collect();
    for id in ids.into_iter().rev().filter(|id| depends[id.index()]) {
        let Some(cotangent) = cotangents[id.index()] else { continue };
        let _frame = graph.enter_for("gradient", id);
        let application = Application {
            operands: graph.operands(id).iter().map(|operand| graph.expr(*operand)).collect(),
            output: graph.expr(id),
        };
        let op = application.output.op();
        for (position, operand) in application.operands.iter().enumerate() {
            if !depends[operand.id().index()] {
                continue;
            }
            if let Some(part) = pull_back(&ops::linearization(&op), position, cotangent, &application) {
                let sum = &mut cotangents[operand.id().index()];
                *sum = Some(sum.map_or(part, |so_far| add(so_far, part)));
            }
        }
    }
    let found = |x: &Expr<'g>| cotangents.get(x.id().index()).copied().flatten();
    xs.iter().map(|x| found(x).unwrap_or_else(|| x.zeros_like())).collect()
}

/// Jᵢᵀȳ, or nothing where it is structurally zero.
fn pull_back<'g>(
    linearization: &Linearization<'_>,
    operand: usize,
    cotangent: Expr<'g>,
    application: &Application<'g>,
) -> Option<Expr<'g>> {
    match linearization {
        Linearization::Constant => None,
        Linearization::Partials(rule) => scale(cotangent, rule.partial(operand, application)),
        Linearization::Linear(rule) | Linearization::Multilinear(rule) => {
            Some(rule.transpose(operand, cotangent, application))
        }
        Linearization::Custom(rule) => Some(rule.vjp(operand, cotangent, application)),
    }
}
