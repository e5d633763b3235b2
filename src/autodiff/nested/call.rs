//! Derivatives of calls: calls of derivatives. The nodes that a reverse body reads are further outputs of the forward call.

use super::{Family, Reads, Workshop, ids};
use crate::graph::{Body, Call, DerivativeMode, Expr};

pub(super) fn pull_back<'g>(
    call: &Call,
    family: &Family<'g>,
    cotangents: &[Option<Expr<'g>>],
    is_wanted: &[bool],
) -> Vec<Option<Expr<'g>>> {
    let workshop = Workshop::new(&call.body);
    let _frame = workshop.graph.enter_derivative(DerivativeMode::Reverse, family.members[0]);
    let known: Vec<(Expr<'g>, Expr<'g>)> = family
        .members
        .iter()
        .zip(cotangents)
        .filter_map(|(member, cotangent)| Some((*member, (*cotangent)?)))
        .collect();
    let directions = workshop.arguments(known.iter().map(|(_, cotangent)| cotangent.ty()));
    let seed =
        |((member, _), direction): (&(Expr<'g>, Expr<'g>), &_)| (workshop.node(member.op().output()), *direction);
    let seeds: Vec<_> = known.iter().zip(&directions).map(seed).collect();
    let wanted: Vec<usize> = (0..is_wanted.len()).filter(|operand| is_wanted[*operand]).collect();
    let xs: Vec<_> = wanted.iter().map(|operand| workshop.node(*operand)).collect();
    let found = workshop.pull_back(&seeds, &xs);
    let given: Vec<Expr<'g>> = known.iter().map(|(_, cotangent)| *cotangent).collect();
    let results = derived(call, family, &workshop, &found, directions.iter().copied().zip(given));
    let mut pulled = vec![None; is_wanted.len()];
    wanted.into_iter().zip(results).for_each(|(operand, result)| pulled[operand] = result);
    pulled
}

pub(super) fn push_forward<'g>(
    call: &Call,
    family: &Family<'g>,
    tangents: &[Option<Expr<'g>>],
) -> Vec<Option<Expr<'g>>> {
    let workshop = Workshop::new(&call.body);
    let _frame = workshop.graph.enter_derivative(DerivativeMode::Forward, family.members[0]);
    let known: Vec<(usize, Expr<'g>)> =
        tangents.iter().enumerate().filter_map(|(operand, tangent)| Some((operand, (*tangent)?))).collect();
    let directions = workshop.arguments(known.iter().map(|(_, tangent)| tangent.ty()));
    let pairs: Vec<_> =
        known.iter().zip(&directions).map(|((operand, _), direction)| (workshop.node(*operand), *direction)).collect();
    let ys: Vec<_> = family.members.iter().map(|member| workshop.node(member.op().output())).collect();
    let found = workshop.push_forward(&ys, &pairs);
    derived(call, family, &workshop, &found, directions.into_iter().zip(known.into_iter().map(|(_, tangent)| tangent)))
}

/// The call that gives what was found in the workshop; `directions` are arguments there, with what they are given outside.
fn derived<'w, 'g>(
    call: &Call,
    family: &Family<'g>,
    workshop: &'w Workshop,
    found: &[Option<Expr<'w>>],
    directions: impl Iterator<Item = (Expr<'w>, Expr<'g>)>,
) -> Vec<Option<Expr<'g>>> {
    let graph = family.graph();
    let results: Vec<Expr<'w>> = found.iter().flatten().copied().collect();
    let reads = Reads::of(workshop, &ids(&results));
    let save = |number: &usize| graph.apply(Call { body: call.body.clone(), output: *number }, &family.operands);
    let of_arguments = reads.arguments.iter().map(|number| (workshop.node(*number), family.operands[*number]));
    let of_saved = reads.saved.iter().map(|number| (workshop.node(*number), save(number)));
    let (arguments, operands): (Vec<Expr<'w>>, Vec<Expr<'g>>) = of_arguments.chain(of_saved).chain(directions).unzip();
    let (body, numbering) = Body::freeze(&workshop.graph, &ids(&arguments), &ids(&results));
    let output = |result: &Option<Expr<'w>>| {
        let output = numbering.number((*result)?.id());
        Some(graph.apply(Call { body: body.clone(), output }, &operands))
    };
    found.iter().map(output).collect()
}
