//! Derivatives of loops: loops of derivatives.
//!
//! With cₜ₊₁ = f(cₜ, xₜ, k), reverse mode is the loop from the other end whose carries are c̄ and the sums k̄, and whose
//! slices are the cotangents of what was stacked and what the derivative reads of f: its arguments and saved nodes, stacked by
//! the forward loop. Forward mode is a loop over c and ċ together.
//!
//! Which carries have a derivative at all is found by a fixed point: one more carry moves the others through the body.

use super::{Family, Reads, Workshop, ids, or_zeros};
use crate::{
    autodiff::{dependents, scale::add},
    graph::{
        Body, Conditional, DType, Dim, Expr, Graph, GraphError, NodeId, Op, Scan, ScanDirection, ScanOutput, While,
    },
};

pub(super) fn pull_back<'g>(
    scan: &Scan,
    family: &Family<'g>,
    cotangents: &[Option<Expr<'g>>],
    is_wanted: &[bool],
) -> Vec<Option<Expr<'g>>> {
    let graph = family.graph();
    let workshop = Workshop::new(&scan.body);
    let _frame = workshop.graph.enter_at("gradient", family.members[0].site(), "gradient");
    let mut of_last: Vec<Option<Expr<'g>>> = vec![None; scan.carries];
    let mut of_stacks: Vec<(usize, Expr<'g>)> = Vec::new();
    for (member, cotangent) in family.members.iter().zip(cotangents) {
        match (output(*member), cotangent) {
            // Two nodes may give the same carry, if nobody has merged them.
            (ScanOutput::Final(carry), Some(cotangent)) => {
                of_last[carry] = Some(of_last[carry].map_or(*cotangent, |sum| add(sum, *cotangent)));
            }
            (ScanOutput::Stacked(number), Some(cotangent)) => of_stacks.push((number, *cotangent)),
            (_, None) => {}
        }
    }
    let stack_directions = workshop.arguments(of_stacks.iter().map(|(number, _)| scan.body.ty(*number).clone()));
    let all_directions = workshop.arguments(scan.body.result_types().cloned());
    // The float arguments whose cotangents are asked for: of the carries all, since they go round.
    let floats: Vec<usize> = (0..scan.body.n_arguments())
        .filter(|argument| {
            scan.body.ty(*argument).dtype.is_float() && (*argument < scan.carries || is_wanted[*argument])
        })
        .collect();
    let xs: Vec<_> = floats.iter().map(|argument| workshop.node(*argument)).collect();
    let stacked: Vec<usize> = of_stacks.iter().map(|(number, _)| *number).collect();
    let is_active = active_carries(&workshop, scan, of_last.iter().map(Option::is_some).collect(), &stacked);
    let next = scan.body.results().iter().zip(&all_directions).enumerate();
    let seeds: Vec<_> = next
        .filter(|(carry, _)| is_active[*carry])
        .map(|(_, (number, direction))| (workshop.node(*number), *direction))
        .chain(of_stacks.iter().zip(&stack_directions).map(|((number, _), at)| (workshop.node(*number), *at)))
        .collect();
    let found = workshop.pull_back(&seeds, &xs);
    let cotangent_of = |argument: usize| {
        let position = floats.iter().position(|float| *float == argument)?;
        found[position]
    };
    let active: Vec<usize> = (0..scan.carries).filter(|carry| is_active[*carry]).collect();
    let is_summed = |argument: &usize| *argument >= scan.carries + scan.slices && cotangent_of(*argument).is_some();
    let summed: Vec<usize> = floats.iter().copied().filter(is_summed).collect();
    let sliced: Vec<usize> = floats
        .iter()
        .copied()
        .filter(|argument| scan.is_sliced(*argument) && cotangent_of(*argument).is_some())
        .collect();
    // The carries of the reverse loop: c̄, then the sums.
    let sums = workshop.arguments(summed.iter().map(|argument| scan.body.ty(*argument).clone()));
    let carry_arguments: Vec<_> =
        active.iter().map(|carry| all_directions[*carry]).chain(sums.iter().copied()).collect();
    let next: Vec<_> = (active.iter().map(|carry| or_zeros(cotangent_of(*carry), workshop.node(*carry))))
        .chain(
            summed
                .iter()
                .zip(&sums)
                .map(|(argument, sum)| add(*sum, cotangent_of(*argument).expect("invariant: it was asked above"))),
        )
        .collect();
    let observed: Vec<_> =
        sliced.iter().map(|argument| cotangent_of(*argument).expect("invariant: it was asked above")).collect();
    let wanted: Vec<NodeId> = next.iter().chain(&observed).map(Expr::id).collect();
    let reads = Reads::of(&workshop, &wanted, true);
    let (varying, fixed): (Vec<usize>, Vec<usize>) =
        reads.arguments.iter().partition(|argument| **argument < scan.carries + scan.slices);
    let slices: Vec<usize> = varying.iter().chain(&reads.saved).copied().collect();
    let arguments: Vec<_> = (carry_arguments.iter().copied())
        .chain(stack_directions.iter().copied())
        .chain(slices.iter().chain(&fixed).map(|number| workshop.node(*number)))
        .collect();
    let (body, numbering) = Body::freeze_with(&workshop.graph, &ids(&arguments), &ids(&next), &ids(&observed));
    let stacked = |number: &usize| {
        if scan.is_sliced(*number) {
            return family.operands[*number];
        }
        graph.apply(Scan { output: ScanOutput::Stacked(*number), ..scan.clone() }, &family.operands)
    };
    let first = (active.iter().map(|carry| or_zeros(of_last[*carry], family.operands[*carry])))
        .chain(summed.iter().map(|argument| family.operands[*argument].zeros_like()));
    let operands: Vec<Expr<'g>> = first
        .chain(of_stacks.iter().map(|(_, cotangent)| *cotangent))
        .chain(slices.iter().map(stacked))
        .chain(fixed.iter().map(|argument| family.operands[*argument]))
        .collect();
    let reverse = |output: ScanOutput| {
        let scan = Scan {
            body: body.clone(),
            carries: next.len(),
            slices: of_stacks.len() + slices.len(),
            length: scan.length.clone(),
            direction: scan.direction.reversed(),
            output,
        };
        graph.apply(scan, &operands)
    };
    let mut pulled = vec![None; is_wanted.len()];
    for (position, argument) in active.iter().chain(&summed).enumerate().filter(|(_, argument)| is_wanted[**argument]) {
        pulled[*argument] = Some(reverse(ScanOutput::Final(position)));
    }
    for (argument, cotangent) in sliced.into_iter().zip(observed) {
        pulled[argument] = Some(reverse(ScanOutput::Stacked(numbering.number(cotangent.id()))));
    }
    pulled
}

/// The carries that have cotangents in some iteration, if these have in the last: those on which the next value of one that
/// has, or what is stacked, depends.
fn active_carries(workshop: &Workshop, scan: &Scan, mut is_active: Vec<bool>, stacked: &[usize]) -> Vec<bool> {
    let last = scan.body.len() - 1;
    let depends: Vec<Vec<bool>> = (0..scan.carries)
        .map(|carry| {
            let is_float = scan.body.ty(carry).dtype.is_float();
            if is_float { dependents(&workshop.graph, &[workshop.node(carry)], last) } else { vec![false; last + 1] }
        })
        .collect();
    loop {
        let mut has_grown = false;
        for carry in 0..scan.carries {
            let next = (0..scan.carries).filter(|next| is_active[*next]).map(|next| scan.body.results()[next]);
            let is_reached = next.chain(stacked.iter().copied()).any(|number| depends[carry][number]);
            has_grown |= is_reached && !is_active[carry];
            is_active[carry] |= is_reached;
        }
        if !has_grown {
            return is_active;
        }
    }
}

pub(super) fn push_forward<'g>(
    scan: &Scan,
    family: &Family<'g>,
    tangents: &[Option<Expr<'g>>],
) -> Vec<Option<Expr<'g>>> {
    let graph = family.graph();
    let workshop = Workshop::new(&scan.body);
    let _frame = workshop.graph.enter_at("jvp", family.members[0].site(), "jvp");
    let stacked: Vec<usize> = (family.members.iter())
        .filter_map(|member| match output(*member) {
            ScanOutput::Stacked(number) => Some(number),
            ScanOutput::Final(_) => None,
        })
        .collect();
    let Pushed { moving, directions, next, of_stacks } =
        moving_carries(&workshop, &scan.body, scan.carries, tangents, &stacked);
    let is_carry = |argument: &&usize| **argument < scan.carries;
    let n_moving = moving.iter().filter(is_carry).count();
    let split = |(position, _): &(usize, &usize)| *position;
    let carried = (0..scan.carries).map(|carry| workshop.node(carry)).chain(directions[..n_moving].iter().copied());
    let is_moving_slice = |argument: &usize| scan.is_sliced(*argument);
    let moving_slices: Vec<usize> =
        moving.iter().enumerate().filter(|(_, argument)| is_moving_slice(argument)).map(|pair| split(&pair)).collect();
    let moving_captures: Vec<usize> = moving
        .iter()
        .enumerate()
        .filter(|(_, argument)| **argument >= scan.carries + scan.slices)
        .map(|pair| split(&pair))
        .collect();
    let end_of_slices = scan.carries + scan.slices;
    let arguments: Vec<_> = carried
        .chain((scan.carries..end_of_slices).map(|argument| workshop.node(argument)))
        .chain(moving_slices.iter().map(|position| directions[*position]))
        .chain((end_of_slices..scan.body.n_arguments()).map(|argument| workshop.node(argument)))
        .chain(moving_captures.iter().map(|position| directions[*position]))
        .collect();
    let results: Vec<_> = (scan.body.results().iter().map(|number| workshop.node(*number))).chain(next).collect();
    let seen: Vec<_> = of_stacks.iter().flatten().copied().collect();
    let (body, numbering) = Body::freeze_with(&workshop.graph, &ids(&arguments), &ids(&results), &ids(&seen));
    let given = |position: &usize| {
        let argument = moving[*position];
        tangents[argument].expect("invariant: a slice or a capture moves only if its operand does")
    };
    let first_tangents = moving[..n_moving].iter().map(|carry| or_zeros(tangents[*carry], family.operands[*carry]));
    let operands: Vec<Expr<'g>> = (family.operands[..scan.carries].iter().copied())
        .chain(first_tangents)
        .chain(family.operands[scan.carries..end_of_slices].iter().copied())
        .chain(moving_slices.iter().map(given))
        .chain(family.operands[end_of_slices..].iter().copied())
        .chain(moving_captures.iter().map(given))
        .collect();
    let forward = |output: ScanOutput| {
        let scan = Scan {
            body: body.clone(),
            carries: scan.carries + n_moving,
            slices: scan.slices + moving_slices.len(),
            length: scan.length.clone(),
            direction: scan.direction,
            output,
        };
        graph.apply(scan, &operands)
    };
    let mut of_stacks = of_stacks.into_iter();
    let pushed = |member: &Expr<'g>| match output(*member) {
        ScanOutput::Final(carry) => {
            let position = moving[..n_moving].iter().position(|moving| *moving == carry)?;
            Some(forward(ScanOutput::Final(scan.carries + position)))
        }
        ScanOutput::Stacked(_) => {
            let tangent = of_stacks.next().expect("invariant: there is one for each stack")?;
            Some(forward(ScanOutput::Stacked(numbering.number(tangent.id()))))
        }
    };
    family.members.iter().map(pushed).collect()
}

/// The arguments of a body that have tangents, carries among them that get one in the loop; the directions; and the tangents
/// of the next carries, for each moving carry, and of what is stacked.
struct Pushed<'w> {
    moving: Vec<usize>,
    directions: Vec<Expr<'w>>,
    next: Vec<Expr<'w>>,
    of_stacks: Vec<Option<Expr<'w>>>,
}

fn moving_carries<'w>(
    workshop: &'w Workshop,
    body: &Body,
    n_carries: usize,
    tangents: &[Option<Expr<'_>>],
    stacked: &[usize],
) -> Pushed<'w> {
    let mut is_moving: Vec<bool> = tangents.iter().map(Option::is_some).collect();
    let moving: Vec<usize> = loop {
        let moving: Vec<usize> = (0..is_moving.len()).filter(|argument| is_moving[*argument]).collect();
        let xs: Vec<_> = moving.iter().map(|argument| workshop.node(*argument)).collect();
        let depends = dependents(&workshop.graph, &xs, body.len() - 1);
        let is_new = |carry: &usize| depends[body.results()[*carry]] && !is_moving[*carry];
        let newly: Vec<usize> = (0..n_carries).filter(is_new).collect();
        if newly.is_empty() {
            break moving;
        }
        newly.into_iter().for_each(|carry| is_moving[carry] = true);
    };
    let directions = workshop.arguments(moving.iter().map(|argument| body.ty(*argument).clone()));
    let pairs: Vec<_> = moving.iter().zip(&directions).map(|(argument, at)| (workshop.node(*argument), *at)).collect();
    let ys: Vec<_> = body.results().iter().chain(stacked).map(|number| workshop.node(*number)).collect();
    let mut pushed = workshop.push_forward(&ys, &pairs);
    let of_stacks = pushed.split_off(n_carries);
    let carries = moving.iter().copied().filter(|argument| *argument < n_carries);
    let next = carries.map(|carry| or_zeros(pushed[carry], workshop.node(carry))).collect();
    Pushed { moving, directions, next, of_stacks }
}

pub(super) fn push_forward_while<'g>(
    while_loop: &While,
    family: &Family<'g>,
    tangents: &[Option<Expr<'g>>],
) -> Vec<Option<Expr<'g>>> {
    let graph = family.graph();
    let n_carries = while_loop.carries;
    let workshop = Workshop::new(&while_loop.body);
    let _frame = workshop.graph.enter_at("jvp", family.members[0].site(), "jvp");
    let Pushed { moving, directions, next, .. } = moving_carries(&workshop, &while_loop.body, n_carries, tangents, &[]);
    let n_moving = next.len();
    let n_arguments = while_loop.body.n_arguments();
    let arguments: Vec<_> = ((0..n_carries).map(|carry| workshop.node(carry)))
        .chain(directions[..n_moving].iter().copied())
        .chain((n_carries..n_arguments).map(|argument| workshop.node(argument)))
        .chain(directions[n_moving..].iter().copied())
        .collect();
    let results: Vec<_> = (while_loop.body.results().iter().map(|number| workshop.node(*number))).chain(next).collect();
    let (body, _) = Body::freeze(&workshop.graph, &ids(&arguments), &ids(&results));
    // The condition takes the same arguments, and looks at the carries alone.
    let asked = Workshop::new(&while_loop.condition);
    let _frame = asked.graph.enter_at("jvp", family.members[0].site(), "jvp");
    let ignored = asked.arguments(directions.iter().map(Expr::ty));
    let arguments: Vec<_> = ((0..n_carries).map(|carry| asked.node(carry)))
        .chain(ignored[..n_moving].iter().copied())
        .chain((n_carries..n_arguments).map(|argument| asked.node(argument)))
        .chain(ignored[n_moving..].iter().copied())
        .collect();
    let holds: Vec<_> = while_loop.condition.results().iter().map(|number| asked.node(*number)).collect();
    let (condition, _) = Body::freeze(&asked.graph, &ids(&arguments), &ids(&holds));
    let first = moving[..n_moving].iter().map(|carry| or_zeros(tangents[*carry], family.operands[*carry]));
    let captured = moving[n_moving..].iter().filter_map(|argument| tangents[*argument]);
    let operands: Vec<Expr<'g>> = (family.operands[..n_carries].iter().copied())
        .chain(first)
        .chain(family.operands[n_carries..].iter().copied())
        .chain(captured)
        .collect();
    let pushed = |member: &Expr<'g>| {
        let carry = while_output(*member);
        let position = moving[..n_moving].iter().position(|moving| *moving == carry)?;
        let (condition, body, carries) = (condition.clone(), body.clone(), n_carries + n_moving);
        let output = n_carries + position;
        Some(graph.apply(While { condition, body, carries, bound: while_loop.bound, output }, &operands))
    };
    family.members.iter().map(pushed).collect()
}

/// Reverse mode goes through a loop of as many iterations as the bound says, in which the body is run only as long as the
/// condition holds.
pub(super) fn pull_back_while<'g>(
    while_loop: &While,
    family: &Family<'g>,
    cotangents: &[Option<Expr<'g>>],
    is_wanted: &[bool],
) -> Vec<Option<Expr<'g>>> {
    let graph = family.graph();
    let Some(bound) = while_loop.bound.0 else {
        let site = family.members[0].site();
        let poison = graph.report(GraphError::UnboundedLoop { site }, &family.members);
        return is_wanted.iter().map(|is_wanted| is_wanted.then_some(poison)).collect();
    };
    let scan = Scan {
        body: guarded_body(while_loop, family),
        carries: while_loop.carries,
        slices: 0,
        length: Dim::from(bound),
        direction: ScanDirection::Forward,
        output: ScanOutput::Final(0),
    };
    let twin = |member: &Expr<'g>| {
        let output = ScanOutput::Final(while_output(*member));
        graph.apply(Scan { output, ..scan.clone() }, &family.operands)
    };
    let twins: Vec<Expr<'g>> = family.members.iter().map(twin).collect();
    let twins = Family { op: Op::Scan(scan.clone()), operands: family.operands.clone(), members: twins };
    pull_back(&scan, &twins, cotangents, is_wanted)
}

/// The body that gives the next carries if the condition holds, else the carries themselves.
fn guarded_body(while_loop: &While, family: &Family<'_>) -> Body {
    let workshop = Graph::new();
    let _frame = workshop.enter_at("gradient", family.members[0].site(), "gradient");
    let types: Vec<_> = while_loop.body.argument_types().cloned().collect();
    let arguments = workshop.trace(&types).arguments;
    let holds = while_loop.condition.inline(&workshop, &arguments)[while_loop.condition.results()[0]];
    let carries: Vec<NodeId> = arguments[..while_loop.carries].to_vec();
    let (stay, _) = Body::freeze(&workshop, &arguments, &carries);
    let operands: Vec<Expr<'_>> =
        std::iter::once(holds).chain(arguments.iter().copied()).map(|id| workshop.expr(id)).collect();
    debug_assert_eq!(operands[0].dtype(), DType::Bool);
    let next = |output: usize| {
        let (then_body, else_body) = (while_loop.body.clone(), stay.clone());
        workshop.apply(Conditional { then_body, else_body, output }, &operands).id()
    };
    let results: Vec<NodeId> = (0..while_loop.carries).map(next).collect();
    Body::freeze(&workshop, &arguments, &results).0
}

/// What a member gives of its loop.
fn output(member: Expr<'_>) -> ScanOutput {
    match member.op() {
        Op::Scan(scan) => scan.output,
        other => unreachable!("invariant: `{}` is no sibling of a scan", other.name()),
    }
}

/// The carry that a member gives.
fn while_output(member: Expr<'_>) -> usize {
    match member.op() {
        Op::While(while_loop) => while_loop.output,
        other => unreachable!("invariant: `{}` is no sibling of a loop", other.name()),
    }
}
