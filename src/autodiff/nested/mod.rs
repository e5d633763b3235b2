//! Derivatives of operations with bodies: calls, branches and loops. In: siblings, and the cotangents or tangents that are
//! known. Out: those of the operands or outputs, by operations whose bodies are derivatives of the bodies.
//!
//! The derivative of a body is made in a graph of its own: the body's nodes, and behind them the sweep of this folder's
//! parent. What a reverse body needs of the forward body it is given as operands: the arguments, and *saved* nodes, which
//! are outputs of the forward operation by their numbers ([`Reads`]). Cheap functions of these are computed again.

mod branch;
mod call;
mod loops;
mod reads;
mod substitute;

use super::{forward, reverse};
use crate::{
    graph::{Body, Expr, Graph, NodeId, Op, Type},
    simplify::stabilized,
};
use reads::Reads;

/// The outputs of one operation that are in a graph.
pub(super) struct Family<'g> {
    pub(super) op: Op,
    pub(super) operands: Vec<Expr<'g>>,
    /// Ascending.
    pub(super) members: Vec<Expr<'g>>,
}

impl<'g> Family<'g> {
    pub(super) fn new(graph: &'g Graph, ids: &[NodeId]) -> Family<'g> {
        let members: Vec<Expr<'g>> = ids.iter().map(|id| graph.expr(*id)).collect();
        Family { op: members[0].op(), operands: members[0].operands(), members }
    }

    fn graph(&self) -> &'g Graph {
        self.members[0].graph()
    }
}

/// x̄ of each operand, for the cotangents of the members; only of those that are wanted.
pub(super) fn pull_back<'g>(
    family: &Family<'g>,
    cotangents: &[Option<Expr<'g>>],
    is_wanted: &[bool],
) -> Vec<Option<Expr<'g>>> {
    match &family.op {
        Op::Call(call) => call::pull_back(call, family, cotangents, is_wanted),
        Op::Conditional(cond) => branch::pull_back(cond, family, cotangents, is_wanted),
        Op::Scan(scan) => loops::pull_back(scan, family, cotangents, is_wanted),
        Op::While(while_loop) => loops::pull_back_while(while_loop, family, cotangents, is_wanted),
        Op::WithDerivative(value) => substitute::pull_back(value, family, cotangents, is_wanted),
        other => unreachable!("invariant: `{}` has a body", other.name()),
    }
}

/// ẏ of each member, for the tangents of the operands.
pub(super) fn push_forward<'g>(family: &Family<'g>, tangents: &[Option<Expr<'g>>]) -> Vec<Option<Expr<'g>>> {
    match &family.op {
        Op::Call(call) => call::push_forward(call, family, tangents),
        Op::Conditional(cond) => branch::push_forward(cond, family, tangents),
        Op::Scan(scan) => loops::push_forward(scan, family, tangents),
        Op::While(while_loop) => loops::push_forward_while(while_loop, family, tangents),
        Op::WithDerivative(value) => substitute::push_forward(value, family, tangents),
        other => unreachable!("invariant: `{}` has a body", other.name()),
    }
}

/// A graph in which the derivative of a body is made: the nodes of the body have its numbers.
struct Workshop {
    graph: Graph,
    n_nodes: usize,
}

impl Workshop {
    fn new(body: &Body) -> Workshop {
        Workshop { graph: body.thaw(), n_nodes: body.len() }
    }

    /// The node of the body of that number.
    fn node(&self, number: usize) -> Expr<'_> {
        self.graph.expr(NodeId::new(number))
    }

    /// Further arguments, of these types.
    fn arguments(&self, types: impl IntoIterator<Item = Type>) -> Vec<Expr<'_>> {
        let types: Vec<Type> = types.into_iter().collect();
        self.graph.trace(&types).arguments.into_iter().map(|id| self.graph.expr(id)).collect()
    }

    /// x̄ of nodes, for seeds (y, ȳ), of the stable forms of the ys.
    fn pull_back<'w>(&'w self, seeds: &[(Expr<'w>, Expr<'w>)], xs: &[Expr<'w>]) -> Vec<Option<Expr<'w>>> {
        let stable: Vec<_> = seeds.iter().map(|(y, cotangent)| (self.stable(*y), *cotangent)).collect();
        reverse::sweep(&stable, xs)
    }

    /// ẏ of nodes, for pairs (x, ẋ), of the stable forms of the ys.
    fn push_forward<'w>(&'w self, ys: &[Expr<'w>], tangents: &[(Expr<'w>, Expr<'w>)]) -> Vec<Option<Expr<'w>>> {
        let stable: Vec<Expr<'w>> = ys.iter().map(|y| self.stable(*y)).collect();
        forward::sweep(&stable, tangents)
    }

    fn stable<'w>(&'w self, y: Expr<'w>) -> Expr<'w> {
        self.graph.expr(stabilized(&self.graph, y.id(), &[]))
    }
}

/// Zeros where there is nothing.
fn or_zeros<'g>(value: Option<Expr<'g>>, like: Expr<'g>) -> Expr<'g> {
    value.unwrap_or_else(|| like.zeros_like())
}

fn ids(exprs: &[Expr<'_>]) -> Vec<NodeId> {
    exprs.iter().map(Expr::id).collect()
}
