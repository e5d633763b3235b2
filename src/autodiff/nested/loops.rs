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
        Body, Checkpoints, Conditional, DType, DerivativeMode, Dim, Expr, Graph, GraphError, NodeId, Numbering, Op,
        Scan, ScanDirection, ScanOutput, While,
    },
};

/// A loop while its parts are put together: what its arguments are in the workshop, and what they are given outside.
#[derive(Default)]
struct LoopParts<'w, 'g> {
    carries: Vec<(Expr<'w>, Expr<'g>)>,
    slices: Vec<(Expr<'w>, Expr<'g>)>,
    fixed: Vec<(Expr<'w>, Expr<'g>)>,
    /// The next carries.
    next: Vec<Expr<'w>>,
    /// What is stacked.
    stacked: Vec<Expr<'w>>,
}

/// A loop of which any output may be had.
struct Derived<'g> {
    graph: &'g Graph,
    scan: Scan,
    operands: Vec<Expr<'g>>,
    numbering: Numbering,
}

impl<'g> LoopParts<'_, 'g> {
    /// The loop of as many iterations as another one.
    fn build(self, workshop: &Workshop, graph: &'g Graph, scan: &Scan, direction: ScanDirection) -> Derived<'g> {
        let all = || self.carries.iter().chain(&self.slices).chain(&self.fixed);
        let arguments: Vec<NodeId> = all().map(|(argument, _)| argument.id()).collect();
        let operands = all().map(|(_, operand)| *operand).collect();
        let (body, numbering) = Body::freeze_with(&workshop.graph, &arguments, &ids(&self.next), &ids(&self.stacked));
        let (carries, slices, output) = (self.carries.len(), self.slices.len(), ScanOutput::Final(0));
        let (length, checkpoints) = (scan.length.clone(), scan.checkpoints);
        let scan = Scan { body, carries, slices, length, direction, checkpoints, output };
        Derived { graph, scan, operands, numbering }
    }
}

impl<'g> Derived<'g> {
    fn output(&self, output: ScanOutput) -> Expr<'g> {
        self.graph.apply(Scan { output, ..self.scan.clone() }, &self.operands)
    }

    /// A carry after the last iteration.
    fn last(&self, carry: usize) -> Expr<'g> {
        self.output(ScanOutput::Final(carry))
    }

    /// One of the stacked nodes in all iterations, as an output of this kind.
    fn stack(&self, kind: ScanOutput, node: Expr<'_>) -> Expr<'g> {
        self.output(kind.with_node(self.numbering.number(node.id())))
    }
}

/// The cotangents of a loop: of the carries after the last iteration, and of what is stacked, by the node.
struct OfOutputs<'g> {
    last: Vec<Option<Expr<'g>>>,
    stacks: Vec<(usize, Expr<'g>)>,
}

impl<'g> OfOutputs<'g> {
    fn new(scan: &Scan, family: &Family<'g>, cotangents: &[Option<Expr<'g>>]) -> OfOutputs<'g> {
        let mut found = OfOutputs { last: vec![None; scan.carries], stacks: Vec::new() };
        for (member, cotangent) in family.members.iter().zip(cotangents) {
            match (member.op().scan_output(), cotangent) {
                // Two nodes may give the same carry, if nobody has merged them.
                (ScanOutput::Final(carry), Some(cotangent)) => {
                    found.last[carry] = Some(found.last[carry].map_or(*cotangent, |sum| add(sum, *cotangent)));
                }
                (ScanOutput::Stacked(number) | ScanOutput::Saved(number), Some(cotangent)) => {
                    found.stacks.push((number, *cotangent));
                }
                (_, None) => {}
            }
        }
        found
    }
}

/// The derivative of one iteration, in the workshop.
struct Pulled<'w> {
    /// The carries that have cotangents, each with the argument that is its cotangent after the iteration.
    active: Vec<(usize, Expr<'w>)>,
    /// The arguments that are the cotangents of what is stacked.
    of_stacks: Vec<Expr<'w>>,
    /// For each argument of the body its cotangent, where it is asked for and not zero.
    found: Vec<Option<Expr<'w>>>,
}

impl<'w> Pulled<'w> {
    fn new(workshop: &'w Workshop, scan: &Scan, of_outputs: &OfOutputs<'_>, is_wanted: &[bool]) -> Pulled<'w> {
        let stacked: Vec<usize> = of_outputs.stacks.iter().map(|(number, _)| *number).collect();
        let of_stacks = workshop.arguments(stacked.iter().map(|number| scan.body.ty(*number).clone()));
        let is_active = active_carries(workshop, scan, of_outputs.last.iter().map(Option::is_some).collect(), &stacked);
        let carries: Vec<usize> = (0..scan.carries).filter(|carry| is_active[*carry]).collect();
        let directions = workshop.arguments(carries.iter().map(|carry| scan.body.ty(*carry).clone()));
        let of_carries = carries.iter().map(|carry| scan.body.results()[*carry]).zip(&directions);
        let seeds: Vec<_> = of_carries
            .chain(stacked.iter().copied().zip(&of_stacks))
            .map(|(number, direction)| (workshop.node(number), *direction))
            .collect();
        // Those of the carries are all asked for, since they go round.
        let is_asked = |argument: &usize| {
            scan.body.ty(*argument).dtype.is_float() && (*argument < scan.carries || is_wanted[*argument])
        };
        let asked: Vec<usize> = (0..scan.body.n_arguments()).filter(is_asked).collect();
        let xs: Vec<_> = asked.iter().map(|argument| workshop.node(*argument)).collect();
        let mut found = vec![None; scan.body.n_arguments()];
        let swept = workshop.pull_back(&seeds, &xs);
        asked.into_iter().zip(swept).for_each(|(argument, cotangent)| found[argument] = cotangent);
        Pulled { active: carries.into_iter().zip(directions).collect(), of_stacks, found }
    }

    /// The arguments from `first` up to `end` that have cotangents.
    fn having(&self, first: usize, end: usize) -> impl Iterator<Item = (usize, Expr<'w>)> {
        (first..end).filter_map(|argument| Some((argument, self.found[argument]?)))
    }
}

pub(super) fn pull_back<'g>(
    scan: &Scan,
    family: &Family<'g>,
    cotangents: &[Option<Expr<'g>>],
    is_wanted: &[bool],
) -> Vec<Option<Expr<'g>>> {
    let graph = family.graph();
    let workshop = Workshop::new(&scan.body);
    let _frame = workshop.graph.enter_derivative(DerivativeMode::Reverse, family.members[0]);
    let of_outputs = OfOutputs::new(scan, family, cotangents);
    let pulled = Pulled::new(&workshop, scan, &of_outputs, is_wanted);
    let end_of_slices = scan.carries + scan.slices;
    let mut parts = LoopParts::default();
    for (carry, direction) in &pulled.active {
        let first = or_zeros(of_outputs.last[*carry], family.operands[*carry]);
        parts.carries.push((*direction, first));
        parts.next.push(or_zeros(pulled.found[*carry], workshop.node(*carry)));
    }
    // The cotangents of what stays the same add up, as further carries.
    let summed: Vec<(usize, Expr<'_>)> = pulled.having(end_of_slices, scan.body.n_arguments()).collect();
    let sums = workshop.arguments(summed.iter().map(|(argument, _)| scan.body.ty(*argument).clone()));
    for ((argument, cotangent), sum) in summed.iter().zip(sums) {
        parts.carries.push((sum, family.operands[*argument].zeros_like()));
        parts.next.push(add(sum, *cotangent));
    }
    let sliced: Vec<(usize, Expr<'_>)> = pulled.having(scan.carries, end_of_slices).collect();
    parts.stacked = sliced.iter().map(|(_, cotangent)| *cotangent).collect();
    parts.slices = pulled.of_stacks.iter().copied().zip(of_outputs.stacks.iter().map(|(_, given)| *given)).collect();
    let wanted: Vec<NodeId> = parts.next.iter().chain(&parts.stacked).map(Expr::id).collect();
    let reads = Reads::of(&workshop, &wanted);
    for number in reads.arguments.iter().chain(&reads.saved) {
        let argument = workshop.node(*number);
        if (end_of_slices..scan.body.n_arguments()).contains(number) {
            parts.fixed.push((argument, family.operands[*number]));
        } else if scan.is_sliced(*number) {
            parts.slices.push((argument, family.operands[*number]));
        } else {
            let stack = Scan { output: ScanOutput::Saved(*number), ..scan.clone() };
            parts.slices.push((argument, graph.apply(stack, &family.operands)));
        }
    }
    let reverse = parts.build(&workshop, graph, scan, scan.direction.reversed());
    let mut found = vec![None; is_wanted.len()];
    let carried = pulled.active.iter().map(|(carry, _)| *carry).chain(summed.iter().map(|(argument, _)| *argument));
    for (position, argument) in carried.enumerate().filter(|(_, argument)| is_wanted[*argument]) {
        found[argument] = Some(reverse.last(position));
    }
    for (argument, cotangent) in sliced {
        // What is sent back to a loop that saved the array is read by the derivative of that loop alone.
        let is_saved = matches!(family.operands[argument].op(), Op::Scan(Scan { output: ScanOutput::Saved(_), .. }));
        let kind = if is_saved { ScanOutput::Saved(0) } else { ScanOutput::Stacked(0) };
        found[argument] = Some(reverse.stack(kind, cotangent));
    }
    found
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
    let _frame = workshop.graph.enter_derivative(DerivativeMode::Forward, family.members[0]);
    let stacked: Vec<usize> =
        family.members.iter().filter_map(|member| member.op().scan_output().stacked_node()).collect();
    let Pushed { moving, directions, next, of_stacks } =
        moving_carries(&workshop, &scan.body, scan.carries, tangents, &stacked);
    let mut parts = LoopParts::default();
    let end_of_slices = scan.carries + scan.slices;
    let values =
        (0..scan.body.n_arguments()).map(|argument| (argument, workshop.node(argument), family.operands[argument]));
    let of_moving = moving.iter().zip(&directions).map(|(argument, direction)| {
        (*argument, *direction, or_zeros(tangents[*argument], family.operands[*argument]))
    });
    for (argument, inside, outside) in values.chain(of_moving) {
        let part = match argument {
            carry if carry < scan.carries => &mut parts.carries,
            slice if slice < end_of_slices => &mut parts.slices,
            _ => &mut parts.fixed,
        };
        part.push((inside, outside));
    }
    parts.next = (scan.body.results().iter().map(|number| workshop.node(*number))).chain(next).collect();
    parts.stacked = of_stacks.iter().flatten().copied().collect();
    let both = parts.build(&workshop, graph, scan, scan.direction);
    let mut of_stacks = of_stacks.into_iter();
    let pushed = |member: &Expr<'g>| match member.op().scan_output() {
        // The tangents are the carries behind the values.
        ScanOutput::Final(carry) => {
            let position = moving.iter().position(|moving| *moving == carry)?;
            Some(both.last(scan.carries + position))
        }
        kind @ (ScanOutput::Stacked(_) | ScanOutput::Saved(_)) => {
            Some(both.stack(kind, of_stacks.next().expect("invariant: there is one for each stack")?))
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
    let _frame = workshop.graph.enter_derivative(DerivativeMode::Forward, family.members[0]);
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
    let _frame = asked.graph.enter_derivative(DerivativeMode::Forward, family.members[0]);
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
        let carry = member.op().output();
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
        checkpoints: Checkpoints::All,
        output: ScanOutput::Final(0),
    };
    let twin = |member: &Expr<'g>| {
        let output = ScanOutput::Final(member.op().output());
        graph.apply(Scan { output, ..scan.clone() }, &family.operands)
    };
    let twins: Vec<Expr<'g>> = family.members.iter().map(twin).collect();
    let twins = Family { op: Op::Scan(scan.clone()), operands: family.operands.clone(), members: twins };
    pull_back(&scan, &twins, cotangents, is_wanted)
}

/// The body that gives the next carries if the condition holds, else the carries themselves.
fn guarded_body(while_loop: &While, family: &Family<'_>) -> Body {
    let workshop = Graph::new();
    let _frame = workshop.enter_derivative(DerivativeMode::Reverse, family.members[0]);
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
