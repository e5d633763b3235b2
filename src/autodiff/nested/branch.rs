//! Derivatives of branches: a branch of the derivatives. A reverse branch computes its forward part again, since what the
//! other branch would have saved is not there.

use super::{Family, Workshop, ids, or_zeros};
use crate::graph::{Body, Conditional, DerivativeMode, Expr};

pub(super) fn pull_back<'g>(
    cond: &Conditional,
    family: &Family<'g>,
    cotangents: &[Option<Expr<'g>>],
    is_wanted: &[bool],
) -> Vec<Option<Expr<'g>>> {
    let known: Vec<(usize, Expr<'g>)> = (family.members.iter().zip(cotangents))
        .filter_map(|(member, cotangent)| Some((member.op().output(), (*cotangent)?)))
        .collect();
    // Operand 0 is the condition.
    let wanted: Vec<usize> = (1..is_wanted.len()).filter(|operand| is_wanted[*operand]).collect();
    let workshops = [Workshop::new(&cond.then_body), Workshop::new(&cond.else_body)];
    let made: Vec<_> = workshops
        .iter()
        .zip([&cond.then_body, &cond.else_body])
        .map(|(workshop, body)| {
            let _frame = workshop.graph.enter_derivative(DerivativeMode::Reverse, family.members[0]);
            let directions = workshop.arguments(known.iter().map(|(_, cotangent)| cotangent.ty()));
            let seed = |((output, _), direction): (&(usize, Expr<'g>), &_)| {
                (workshop.node(body.results()[*output]), *direction)
            };
            let seeds: Vec<_> = known.iter().zip(&directions).map(seed).collect();
            let xs: Vec<_> = wanted.iter().map(|operand| workshop.node(*operand - 1)).collect();
            let found = workshop.pull_back(&seeds, &xs);
            (directions, xs, found)
        })
        .collect();
    let given: Vec<Expr<'g>> = known.iter().map(|(_, cotangent)| *cotangent).collect();
    let results = assemble(DerivativeMode::Reverse, family, &workshops, made, &given);
    let mut pulled = vec![None; is_wanted.len()];
    wanted.into_iter().zip(results).for_each(|(operand, result)| pulled[operand] = result);
    pulled
}

pub(super) fn push_forward<'g>(
    cond: &Conditional,
    family: &Family<'g>,
    tangents: &[Option<Expr<'g>>],
) -> Vec<Option<Expr<'g>>> {
    let known: Vec<(usize, Expr<'g>)> =
        tangents.iter().enumerate().skip(1).filter_map(|(operand, tangent)| Some((operand, (*tangent)?))).collect();
    let workshops = [Workshop::new(&cond.then_body), Workshop::new(&cond.else_body)];
    let made: Vec<_> = workshops
        .iter()
        .zip([&cond.then_body, &cond.else_body])
        .map(|(workshop, body)| {
            let _frame = workshop.graph.enter_derivative(DerivativeMode::Forward, family.members[0]);
            let directions = workshop.arguments(known.iter().map(|(_, tangent)| tangent.ty()));
            let pairs: Vec<_> = (known.iter().zip(&directions))
                .map(|((operand, _), direction)| (workshop.node(*operand - 1), *direction))
                .collect();
            let ys: Vec<_> =
                family.members.iter().map(|member| workshop.node(body.results()[member.op().output()])).collect();
            let found = workshop.push_forward(&ys, &pairs);
            (directions, ys, found)
        })
        .collect();
    let given: Vec<Expr<'g>> = known.iter().map(|(_, tangent)| *tangent).collect();
    assemble(DerivativeMode::Forward, family, &workshops, made, &given)
}

/// What was made of one branch: the directions, what the results are like, and the results where they are not zero.
type Made<'w> = (Vec<Expr<'w>>, Vec<Expr<'w>>, Vec<Option<Expr<'w>>>);

/// The branch of two derivatives: zeros where one branch has none, nothing where neither has.
fn assemble<'g>(
    mode: DerivativeMode,
    family: &Family<'g>,
    workshops: &[Workshop],
    made: Vec<Made<'_>>,
    given: &[Expr<'g>],
) -> Vec<Option<Expr<'g>>> {
    let graph = family.graph();
    let n_results = made[0].2.len();
    let is_some: Vec<bool> =
        (0..n_results).map(|result| made.iter().any(|(.., found)| found[result].is_some())).collect();
    let n_operands = family.operands.len() - 1;
    let bodies: Vec<Body> = workshops
        .iter()
        .zip(made)
        .map(|(workshop, (directions, likes, found))| {
            let _frame = workshop.graph.enter_derivative(mode, family.members[0]);
            let results: Vec<_> = (0..n_results)
                .filter(|result| is_some[*result])
                .map(|result| or_zeros(found[result], likes[result]))
                .collect();
            let arguments: Vec<_> = (0..n_operands).map(|operand| workshop.node(operand)).chain(directions).collect();
            Body::freeze(&workshop.graph, &ids(&arguments), &ids(&results)).0
        })
        .collect();
    let operands: Vec<Expr<'g>> = family.operands.iter().chain(given).copied().collect();
    let mut next = 0;
    let result = |is_some: &bool| {
        is_some.then(|| {
            let (then_body, else_body, output) = (bodies[0].clone(), bodies[1].clone(), next);
            next += 1;
            graph.apply(Conditional { then_body, else_body, output }, &operands)
        })
    };
    is_some.iter().map(result).collect()
}
