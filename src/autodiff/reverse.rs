//! Reverse mode: one sweep from the outputs down. In: pairs (y, ȳ) and the xs. Out: x̄ for each x.
//!
//! Absent cotangents are structurally zero. The sweep is a loop over ids, so its depth does not grow with the graph's.

use super::{
    dependents,
    nested::{self, Family},
    scale::{add, scale},
};
use crate::{
    graph::{DerivativeMode, Expr, Graph, NodeId},
    ops::{self, Application, Linearization},
};

/// x̄ = Σ (∂y/∂x)ᵀ·ȳ over the seeds (y, ȳ), for each of `xs`; nothing where it is structurally zero.
pub(super) fn sweep<'g>(seeds: &[(Expr<'g>, Expr<'g>)], xs: &[Expr<'g>]) -> Vec<Option<Expr<'g>>> {
    let Some(last) = seeds.iter().map(|(y, _)| y.id().index()).max() else { return vec![None; xs.len()] };
    let graph = seeds[0].0.graph();
    let depends = dependents(graph, xs, last);
    let mut cotangents = Cotangents(vec![None; last + 1]);
    seeds.iter().for_each(|(y, cotangent)| cotangents.add(*y, *cotangent));
    let first = xs.iter().map(|x| x.id().index()).min().unwrap_or(last);
    let ids: Vec<NodeId> = graph.ids().take(last + 1).skip(first).filter(|id| depends[id.index()]).collect();
    let families = graph.siblings(ids.iter().copied());
    for id in ids.into_iter().rev() {
        if graph.node(id).op.is_nested() {
            // All siblings have the operands of the first, so that whatever reads one of them was visited by then.
            if let Some(family) = families.led_by(id) {
                pull_back_family(graph, family, &depends, &mut cotangents);
            }
            continue;
        }
        let Some(cotangent) = cotangents.0[id.index()] else { continue };
        let _frame = graph.enter_derivative(DerivativeMode::Reverse, graph.expr(id));
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
                cotangents.add(*operand, part);
            }
        }
    }
    xs.iter().map(|x| cotangents.0.get(x.id().index()).copied().flatten()).collect()
}

/// The sum of what was found so far of each node's cotangent.
struct Cotangents<'g>(Vec<Option<Expr<'g>>>);

impl<'g> Cotangents<'g> {
    fn add(&mut self, node: Expr<'g>, part: Expr<'g>) {
        let sum = &mut self.0[node.id().index()];
        *sum = Some(sum.map_or(part, |so_far| add(so_far, part)));
    }
}

/// The parts of the operands of an operation with several outputs.
fn pull_back_family<'g>(graph: &'g Graph, ids: &[NodeId], depends: &[bool], cotangents: &mut Cotangents<'g>) {
    let known: Vec<Option<Expr<'g>>> = ids.iter().map(|id| cotangents.0[id.index()]).collect();
    if known.iter().all(Option::is_none) {
        return;
    }
    let _frame = graph.enter_derivative(DerivativeMode::Reverse, graph.expr(ids[0]));
    let family = Family::new(graph, ids);
    let is_wanted: Vec<bool> = family.operands.iter().map(|operand| depends[operand.id().index()]).collect();
    if !is_wanted.contains(&true) {
        // The derivative is by an output, and nothing goes through.
        return;
    }
    let parts = nested::pull_back(&family, &known, &is_wanted);
    for (operand, part) in family.operands.iter().zip(parts) {
        part.into_iter().for_each(|part| cotangents.add(*operand, part));
    }
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
        Linearization::Products(rule) => Some(rule.vjp(operand, cotangent, application)),
    }
}
