//! Derivatives of calls: calls of derivatives. The nodes that a reverse body reads are further outputs of the forward call.

use super::{Family, Reads, Workshop, ids};
use crate::graph::{Body, Call, Expr};

pub(super) fn pull_back<'g>(
    call: &Call,
    family: &Family<'g>,
    cotangents: &[Option<Expr<'g>>],
    is_wanted: &[bool],
) -> Vec<Option<Expr<'g>>> {
    let graph = family.graph();
    let workshop = Workshop::new(&call.body);
    let _frame = workshop.graph.enter_at("gradient", family.members[0].site(), "gradient");
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
    let results: Vec<_> = found.iter().flatten().copied().collect();
    let reads = Reads::of(&workshop, &ids(&results), true);
    let arguments: Vec<_> = reads.nodes(&workshop).into_iter().chain(directions.iter().copied()).collect();
    let (body, numbering) = Body::freeze(&workshop.graph, &ids(&arguments), &ids(&results));
    let save = |number: &usize| graph.apply(Call { body: call.body.clone(), output: *number }, &family.operands);
    let operands: Vec<Expr<'g>> = (reads.arguments.iter().map(|argument| family.operands[*argument]))
        .chain(reads.saved.iter().map(save))
        .chain(known.iter().map(|(_, cotangent)| *cotangent))
        .collect();
    let mut pulled = vec![None; is_wanted.len()];
    for (operand, result) in wanted.into_iter().zip(found) {
        let output = result.map(|result| numbering.number(result.id()));
        pulled[operand] = output.map(|output| graph.apply(Call { body: body.clone(), output }, &operands));
    }
    pulled
}

pub(super) fn push_forward<'g>(
    call: &Call,
    family: &Family<'g>,
    tangents: &[Option<Expr<'g>>],
) -> Vec<Option<Expr<'g>>> {
    let graph = family.graph();
    let workshop = Workshop::new(&call.body);
    let _frame = workshop.graph.enter_at("jvp", family.members[0].site(), "jvp");
    let known: Vec<(usize, Expr<'g>)> =
        tangents.iter().enumerate().filter_map(|(operand, tangent)| Some((operand, (*tangent)?))).collect();
    let directions = workshop.arguments(known.iter().map(|(_, tangent)| tangent.ty()));
    let pairs: Vec<_> =
        known.iter().zip(&directions).map(|((operand, _), direction)| (workshop.node(*operand), *direction)).collect();
    let ys: Vec<_> = family.members.iter().map(|member| workshop.node(member.op().output())).collect();
    let found = workshop.push_forward(&ys, &pairs);
    let results: Vec<_> = found.iter().flatten().copied().collect();
    let reads = Reads::of(&workshop, &ids(&results), true);
    let arguments: Vec<_> = reads.nodes(&workshop).into_iter().chain(directions.iter().copied()).collect();
    let (body, numbering) = Body::freeze(&workshop.graph, &ids(&arguments), &ids(&results));
    let save = |number: &usize| graph.apply(Call { body: call.body.clone(), output: *number }, &family.operands);
    let operands: Vec<Expr<'g>> = (reads.arguments.iter().map(|argument| family.operands[*argument]))
        .chain(reads.saved.iter().map(save))
        .chain(known.iter().map(|(_, tangent)| *tangent))
        .collect();
    let pushed = |result: Option<Expr<'_>>| {
        let output = numbering.number(result?.id());
        Some(graph.apply(Call { body: body.clone(), output }, &operands))
    };
    found.into_iter().map(pushed).collect()
}
