//! Forward mode: one sweep from the inputs up. In: the ys and pairs (x, ẋ). Out: ẏ for each y.
//!
//! Absent tangents are structurally zero. The sweep is a loop over ids, so its depth does not grow with the graph's.

use smallvec::SmallVec;

use super::{
    dependents,
    nested::{self, Family},
    scale::{add, scale},
};
use crate::{
    graph::{DerivativeMode, Expr, Graph, NodeId, Op},
    ops::{self, Application, Linearization},
};

/// ẏ = Σ (∂y/∂x)·ẋ over the pairs, for each of `ys`; nothing where it is structurally zero.
pub(super) fn sweep<'g>(ys: &[Expr<'g>], tangents: &[(Expr<'g>, Expr<'g>)]) -> Vec<Option<Expr<'g>>> {
    let Some(last) = ys.iter().map(|y| y.id().index()).max() else { return Vec::new() };
    let graph = ys[0].graph();
    let xs: Vec<Expr<'g>> = tangents.iter().map(|(x, _)| *x).collect();
    let depends = dependents(graph, &xs, last);
    let mut found: Vec<Option<Expr<'g>>> = vec![None; last + 1];
    for (x, tangent) in tangents.iter().filter(|(x, _)| x.id().index() <= last) {
        let sum = &mut found[x.id().index()];
        *sum = Some(sum.map_or(*tangent, |so_far| add(so_far, *tangent)));
    }
    let targets: Vec<NodeId> = ys.iter().map(Expr::id).collect();
    let ids: Vec<NodeId> = graph.ancestors(&targets).into_iter().filter(|id| depends[id.index()]).collect();
    let families = graph.siblings(ids.iter().copied());
    // What siblings of nodes that were visited have got with them.
    let mut of_siblings: Vec<Option<Expr<'g>>> = vec![None; last + 1];
    for id in ids {
        let _frame = graph.enter_derivative(DerivativeMode::Forward, graph.expr(id));
        let pushed = if graph.node(id).op.is_nested() {
            if let Some(family) = families.led_by(id) {
                push_forward_family(graph, family, &found, &mut of_siblings);
            }
            of_siblings[id.index()]
        } else {
            let application = Application {
                operands: graph.operands(id).iter().map(|operand| graph.expr(*operand)).collect(),
                output: graph.expr(id),
            };
            let operand_tangents: Tangents<'g> =
                application.operands.iter().map(|operand| found[operand.id().index()]).collect();
            let is_moving = operand_tangents.iter().any(Option::is_some);
            if is_moving { push_forward(&application, &operand_tangents) } else { None }
        };
        let sum = &mut found[id.index()];
        *sum = match (*sum, pushed) {
            (Some(seed), Some(pushed)) => Some(add(seed, pushed)),
            (seed, pushed) => seed.or(pushed),
        };
    }
    ys.iter().map(|y| found[y.id().index()]).collect()
}

/// The tangents of all outputs of one operation.
fn push_forward_family<'g>(
    graph: &'g Graph,
    ids: &[NodeId],
    found: &[Option<Expr<'g>>],
    of_siblings: &mut [Option<Expr<'g>>],
) {
    let family = Family::new(graph, ids);
    let tangents: Vec<Option<Expr<'g>>> = family.operands.iter().map(|operand| found[operand.id().index()]).collect();
    if tangents.iter().all(Option::is_none) {
        return;
    }
    let pushed = nested::push_forward(&family, &tangents);
    ids.iter().zip(pushed).for_each(|(id, tangent)| of_siblings[id.index()] = tangent);
}

/// The tangent of each operand, where it is not structurally zero.
type Tangents<'g> = SmallVec<[Option<Expr<'g>>; 3]>;

/// Σᵢ Jᵢẋᵢ, or nothing where it is structurally zero.
fn push_forward<'g>(application: &Application<'g>, tangents: &Tangents<'g>) -> Option<Expr<'g>> {
    let op = application.output.op();
    let part = |operand: usize, tangent: Expr<'g>| match ops::linearization(&op) {
        Linearization::Constant => None,
        Linearization::Partials(rule) => scale(tangent, rule.partial(operand, application)),
        Linearization::Multilinear(_) => Some(replaced(&op, application, operand, tangent)),
        Linearization::Products(rule) => Some(rule.jvp(operand, tangent, application)),
        Linearization::Linear(_) => unreachable!("invariant: a linear primitive takes all tangents at once"),
    };
    if let Linearization::Linear(_) = ops::linearization(&op) {
        return Some(applied(&op, application, tangents));
    }
    let parts = tangents.iter().enumerate().filter_map(|(operand, tangent)| part(operand, (*tangent)?));
    parts.reduce(add)
}

/// The primitive applied to the tangents: integers and truth values stay, absent tangents are zeros.
fn applied<'g>(op: &Op, application: &Application<'g>, tangents: &Tangents<'g>) -> Expr<'g> {
    let operands: Vec<Expr<'g>> = application
        .operands
        .iter()
        .zip(tangents)
        .map(|(operand, tangent)| match tangent {
            Some(tangent) => *tangent,
            None if operand.dtype().is_float() => operand.zeros_like(),
            None => *operand,
        })
        .collect();
    application.output.graph().apply(op.clone(), &operands)
}

/// The primitive applied with a tangent in place of one operand.
fn replaced<'g>(op: &Op, application: &Application<'g>, operand: usize, tangent: Expr<'g>) -> Expr<'g> {
    let mut operands = application.operands.clone();
    operands[operand] = tangent;
    application.output.graph().apply(op.clone(), &operands)
}
