//! Forward mode: one sweep from the inputs up. In: y and pairs (x, ẋ). Out: ẏ.
//!
//! Absent tangents are structurally zero. The sweep is a loop over ids, so its depth does not grow with the graph's.

use smallvec::SmallVec;

use super::{
    dependents,
    scale::{add, scale},
};
use crate::{
    graph::{Expr, Op},
    ops::{self, Application, Linearization},
};

/// ẏ = Σ (∂y/∂x)·ẋ over the pairs; zeros where y depends on none.
pub(super) fn sweep<'g>(y: Expr<'g>, tangents: &[(Expr<'g>, Expr<'g>)]) -> Expr<'g> {
    let graph = y.graph();
    let last = y.id().index();
    let xs: Vec<Expr<'g>> = tangents.iter().map(|(x, _)| *x).collect();
    let depends = dependents(graph, &xs, last);
    let mut found: Vec<Option<Expr<'g>>> = vec![None; last + 1];
    for (x, tangent) in tangents.iter().filter(|(x, _)| x.id().index() <= last) {
        let sum = &mut found[x.id().index()];
        *sum = Some(sum.map_or(*tangent, |so_far| add(so_far, *tangent)));
    }
    for id in graph.ancestors(&[y.id()]).into_iter().filter(|id| depends[id.index()]) {
        let _frame = graph.enter_for("jvp", id);
        let application = Application {
            operands: graph.operands(id).iter().map(|operand| graph.expr(*operand)).collect(),
            output: graph.expr(id),
        };
        let operand_tangents: Tangents<'g> =
            application.operands.iter().map(|operand| found[operand.id().index()]).collect();
        if operand_tangents.iter().any(Option::is_some) {
            let pushed = push_forward(&application, &operand_tangents);
            let sum = &mut found[id.index()];
            *sum = sum.map_or(pushed, |seed| Some(pushed.map_or(seed, |pushed| add(seed, pushed))));
        }
    }
    found[last].unwrap_or_else(|| y.zeros_like())
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
        Linearization::Custom(rule) => Some(rule.jvp(operand, tangent, application)),
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
