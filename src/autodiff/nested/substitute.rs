//! The derivative that a user gave: of the value itself nothing is seen. Forward mode is the body, reverse mode its transpose, the
//! sweep of this folder's parent from the tangents that it gives to those that it takes.

use super::{Family, Workshop, ids, or_zeros};
use crate::graph::{Body, DerivativeMode, Expr, GraphError, NodeId, Op, WithDerivative};

pub(super) fn push_forward<'g>(
    op: &WithDerivative,
    family: &Family<'g>,
    tangents: &[Option<Expr<'g>>],
) -> Vec<Option<Expr<'g>>> {
    let places = Places::new(op, family);
    let known = &tangents[op.values..op.values + places.n_tangents];
    if known.iter().all(Option::is_none) {
        return vec![None; family.members.len()];
    }
    let given: Vec<Expr<'g>> = known.iter().zip(places.xs()).map(|(tangent, x)| or_zeros(*tangent, *x)).collect();
    let image = op.body.inline(family.graph(), &ids(&places.arguments(&given)));
    let tangent = |member: &Expr<'g>| family.graph().expr(image[op.body.results()[member.op().output()]]);
    family.members.iter().map(|member| Some(tangent(member))).collect()
}

pub(super) fn pull_back<'g>(
    op: &WithDerivative,
    family: &Family<'g>,
    cotangents: &[Option<Expr<'g>>],
    is_wanted: &[bool],
) -> Vec<Option<Expr<'g>>> {
    let (graph, places, workshop) = (family.graph(), Places::new(op, family), Workshop::new(&op.body));
    let _frame = workshop.graph.enter_derivative(DerivativeMode::Reverse, family.members[0]);
    let known: Vec<(&Expr<'g>, Expr<'g>)> =
        family.members.iter().zip(cotangents).filter_map(|(member, cotangent)| Some((member, (*cotangent)?))).collect();
    let directions = workshop.arguments(known.iter().map(|(_, cotangent)| cotangent.ty()));
    let result = |member: &Expr<'g>| workshop.node(op.body.results()[member.op().output()]);
    let seeds: Vec<_> =
        known.iter().zip(&directions).map(|((member, _), direction)| (result(member), *direction)).collect();
    let first = op.values + places.n_tangents;
    let tangents = first..first + places.n_tangents;
    let wanted: Vec<usize> = (op.values..first).filter(|operand| is_wanted[*operand]).collect();
    let xs: Vec<_> = wanted.iter().map(|operand| workshop.node(operand + places.n_tangents)).collect();
    let found = workshop.pull_back(&seeds, &xs);
    let mut pulled = vec![None; is_wanted.len()];
    if let Some(poison) = graph.take_errors(&workshop.graph) {
        wanted.into_iter().for_each(|operand| pulled[operand] = Some(poison));
        return pulled;
    }

    let results: Vec<NodeId> = found.iter().flatten().map(Expr::id).collect();
    let arguments: Vec<NodeId> =
        (0..op.body.n_arguments()).map(|number| workshop.node(number).id()).chain(ids(&directions)).collect();
    let (body, _) = Body::freeze(&workshop.graph, &arguments, &results);
    let is_tangent: Vec<bool> = (0..arguments.len()).map(|argument| tangents.contains(&argument)).collect();
    if body.reached(&is_tangent).contains(&true) {
        let poison = graph.report(GraphError::NotLinear, &[]);
        wanted.into_iter().for_each(|operand| pulled[operand] = Some(poison));
        return pulled;
    }
    // Nothing depends on the tangents, so they may be anything.
    let mut given = places.arguments(places.xs());
    given.extend(known.iter().map(|(_, cotangent)| *cotangent));
    let image = body.inline(graph, &ids(&given));
    let mut results = body.results().iter().map(|number| graph.expr(image[*number]));
    for (operand, _) in wanted.into_iter().zip(&found).filter(|(_, found)| found.is_some()) {
        pulled[operand] = results.next();
    }
    pulled
}

/// Which operands are what.
struct Places<'f, 'g> {
    family: &'f Family<'g>,
    n_values: usize,
    n_tangents: usize,
}

impl<'f, 'g> Places<'f, 'g> {
    fn new(op: &WithDerivative, family: &'f Family<'g>) -> Places<'f, 'g> {
        Places { family, n_values: op.values, n_tangents: op.n_tangents(family.operands.len()) }
    }

    /// What the derivative is by.
    fn xs(&self) -> &'f [Expr<'g>] {
        &self.family.operands[self.n_values..self.n_values + self.n_tangents]
    }

    /// What the body is given: values, operands, their tangents, captures. The values are those with their derivative, so that
    /// the second derivative is made of it too.
    fn arguments(&self, tangents: &[Expr<'g>]) -> Vec<Expr<'g>> {
        let captures = &self.family.operands[self.n_values + self.n_tangents..];
        let values = (0..self.n_values).map(|output| self.value(output));
        values.chain(self.xs().iter().chain(tangents).chain(captures).copied()).collect()
    }

    fn value(&self, output: usize) -> Expr<'g> {
        let member = self.family.members.iter().find(|member| member.op().output() == output);
        let Op::WithDerivative(op) = &self.family.op else {
            unreachable!("invariant: the family is of this operation")
        };
        member.copied().unwrap_or_else(|| {
            let op = WithDerivative { output, ..op.clone() };
            self.family.graph().apply(op, &self.family.operands)
        })
    }
}
