//! Bodies of loops, branches and calls. In: a graph. Out: an equal one whose bodies are simplified, each by itself, and do no
//! more than the rest of the graph asks for.
//!
//! Siblings are taken together: the outputs that are there say which nodes of a body are wanted. A carry that reaches none of
//! them goes, and one that never changes becomes an ordinary operand; an operand that is one number moves into the body,
//! where rules see it; a call that is the only one of its function gives way to what it calls.

mod open;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Compute, Rewrites, report::SimplifyReport, simplify_within};
use crate::graph::{
    Body, Call, Conditional, Constant, Graph, Literal, Node, NodeId, Op, Scan, ScanOutput, Type, While,
};

/// A graph with simplified bodies.
pub(super) struct Rewritten {
    pub(super) graph: Graph,
    pub(super) results: Vec<NodeId>,
    /// Whether a body gave way to its nodes, among which there may be others with bodies.
    pub(super) has_inlined: bool,
}

/// Which bodies are simplified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodySelection {
    /// All: nobody has looked at them.
    All,
    /// Those of which less is asked, or more is known, than when they were simplified.
    Open,
}

/// The graph with simplified bodies; nothing if there is none in scope.
pub(super) fn rewritten(
    graph: &Graph,
    results: &[NodeId],
    scope: BodySelection,
    (options, compute): (&Rewrites, Compute<'_>),
    (report, known): (&mut SimplifyReport, &mut KnownBodies),
) -> Option<Rewritten> {
    let needed = graph.needed(results);
    let families = graph.siblings(needed.iter().copied());
    let new = Graph::new();
    let calls = open::calls(graph, families.iter());
    let is_in_scope = |family: &[NodeId]| scope == BodySelection::All || open::is_open(graph, family, &calls);
    let chosen: HashSet<NodeId> =
        families.iter().filter(|family| is_in_scope(family)).map(|family| family[0]).collect();
    if chosen.is_empty() {
        return None;
    }
    let mut pass = BodyRewriter { graph, new: &new, options, compute, report, known, calls, has_inlined: false };
    let mut image: Vec<Option<NodeId>> = vec![None; needed.last().map_or(0, |id| id.index() + 1)];
    for id in needed {
        if image[id.index()].is_some() {
            continue;
        }
        let node = graph.node(id);
        let operands: Vec<NodeId> = graph
            .operands(id)
            .iter()
            .map(|operand| image[operand.index()].expect("invariant: operands come before their users"))
            .collect();
        let _frame = new.enter_at("simplify", node.provenance.clone());
        match families.led_by(id).filter(|family| chosen.contains(&family[0])) {
            None => image[id.index()] = Some(new.insert(node.op.clone(), node.ty.clone(), &operands)),
            Some(family) => {
                let outputs = pass.family(family, &operands);
                family.iter().zip(outputs).for_each(|(member, output)| image[member.index()] = Some(output));
            }
        }
    }
    let results = results.iter().map(|id| image[id.index()].expect("invariant: results are needed")).collect();
    let has_inlined = pass.has_inlined;
    Some(Rewritten { graph: new, results, has_inlined })
}

/// Bodies that were simplified for some wanted nodes, with some arguments known: one for a graph and all bodies in it.
#[derive(Default)]
pub(super) struct KnownBodies(Vec<(Request, Simple)>);

struct BodyRewriter<'p> {
    graph: &'p Graph,
    new: &'p Graph,
    options: &'p Rewrites,
    compute: Compute<'p>,
    report: &'p mut SimplifyReport,
    known: &'p mut KnownBodies,
    /// How many calls there are of each function, by its fingerprint: where two share one, neither gives way.
    calls: HashMap<u64, usize>,
    has_inlined: bool,
}

/// What is asked of a body.
#[derive(Debug, Clone)]
struct Request {
    body: Body,
    /// The nodes that are computed.
    wanted: Vec<usize>,
    /// The arguments that are one number.
    literals: BTreeMap<usize, Literal>,
}

impl PartialEq for Request {
    /// Literals by bits: 0 and −0 are two.
    fn eq(&self, other: &Request) -> bool {
        let is_same =
            |(one, other): ((&usize, &Literal), (&usize, &Literal))| one.0 == other.0 && one.1.is_identical(other.1);
        self.wanted == other.wanted
            && self.literals.len() == other.literals.len()
            && self.literals.iter().zip(&other.literals).all(is_same)
            && self.body == other.body
    }
}

/// A graph that computes the wanted nodes of a body.
#[derive(Debug, Clone)]
struct Simple {
    /// As a body of the arguments that are read.
    body: Body,
    /// Which arguments these are, ascending.
    arguments: Vec<usize>,
}

impl BodyRewriter<'_> {
    /// The new nodes of siblings with these operands.
    fn family(&mut self, family: &[NodeId], operands: &[NodeId]) -> Vec<NodeId> {
        let members: Vec<Node> = family.iter().map(|id| self.graph.node(*id).clone()).collect();
        match &members[0].op {
            Op::Call(call) => self.call(call, &members, operands),
            Op::Conditional(cond) => self.branch(cond, &members, operands),
            Op::Scan(scan) => self.scan(scan, &members, operands),
            Op::While(while_loop) => self.while_loop(while_loop, &members, operands),
            // A derivative may still be taken; a rule drops it where none is.
            Op::WithDerivative(_) => {
                members.iter().map(|member| self.new.insert(member.op.clone(), member.ty.clone(), operands)).collect()
            }
            other => unreachable!("invariant: `{}` has a body", other.name()),
        }
    }

    fn call(&mut self, call: &Call, members: &[Node], operands: &[NodeId]) -> Vec<NodeId> {
        let output = |member: &Node| member.op.output();
        let wanted: Vec<usize> = members.iter().map(output).collect();
        if self.calls[&call.body.fingerprint()] == 1 {
            let image = call.body.inline(self.new, operands);
            self.has_inlined = true;
            return wanted.into_iter().map(|number| image[number]).collect();
        }
        // Literals stay outside: the next call of the function may have others.
        let simple = self.simple(Request { body: call.body.clone(), wanted, literals: BTreeMap::new() });
        let operands: Vec<NodeId> = simple.arguments.iter().map(|argument| operands[*argument]).collect();
        let output = |(member, number): (&Node, &usize)| {
            let op = Op::Call(Call { body: simple.body.clone(), output: *number });
            self.new.insert(op, member.ty.clone(), &operands)
        };
        members.iter().zip(simple.body.results()).map(output).collect()
    }

    fn branch(&mut self, cond: &Conditional, members: &[Node], operands: &[NodeId]) -> Vec<NodeId> {
        let output = |member: &Node| member.op.output();
        let outputs: Vec<usize> = members.iter().map(output).collect();
        let literals = literals(self.new, &operands[1..], |_| true);
        let bodies = [&cond.then_body, &cond.else_body];
        if let Some(Literal::Number(number)) = literal(self.new, operands[0]) {
            let body = bodies[usize::from(number == 0.0)];
            let image = body.inline(self.new, &operands[1..]);
            self.has_inlined = true;
            return outputs.into_iter().map(|output| image[body.results()[output]]).collect();
        }
        let [then_simple, else_simple] = bodies.map(|body| {
            let wanted = outputs.iter().map(|output| body.results()[*output]).collect();
            self.simple(Request { body: body.clone(), wanted, literals: literals.clone() })
        });
        let mut arguments: Vec<usize> = then_simple.arguments.iter().chain(&else_simple.arguments).copied().collect();
        arguments.sort_unstable();
        arguments.dedup();
        let n_results = outputs.len();
        let then_body = reordered(&then_simple, &arguments, &cond.then_body, n_results).body;
        let else_body = reordered(&else_simple, &arguments, &cond.else_body, n_results).body;
        let operands: Vec<NodeId> =
            std::iter::once(operands[0]).chain(arguments.iter().map(|argument| operands[argument + 1])).collect();
        let output = |(output, member): (usize, &Node)| {
            let (then_body, else_body) = (then_body.clone(), else_body.clone());
            self.new.insert(Op::Conditional(Conditional { then_body, else_body, output }), member.ty.clone(), &operands)
        };
        members.iter().enumerate().map(output).collect()
    }

    fn scan(&mut self, scan: &Scan, members: &[Node], operands: &[NodeId]) -> Vec<NodeId> {
        let output = |member: &Node| member.op.scan_output();
        let outputs: Vec<ScanOutput> = members.iter().map(output).collect();
        let stacked: Vec<usize> = outputs.iter().filter_map(|output| output.stacked_node()).collect();
        let is_final = |carry: usize| outputs.contains(&ScanOutput::Final(carry));
        let changing = changing_carries(&scan.body, scan.carries);
        let live = live_carries(&scan.body, &changing, stacked.clone(), is_final);
        let literals = literals(self.new, operands, |operand| operand >= scan.carries || !changing[operand]);
        let wanted: Vec<usize> =
            live.iter().map(|carry| scan.body.results()[*carry]).chain(stacked.iter().copied()).collect();
        let simple = self.simple(Request { body: scan.body.clone(), wanted, literals });
        let is_carry = |argument: &usize| live.contains(argument);
        let slices: Vec<usize> =
            simple.arguments.iter().copied().filter(|argument| scan.is_sliced(*argument)).collect();
        let fixed: Vec<usize> = (simple.arguments.iter().copied())
            .filter(|argument| !is_carry(argument) && !scan.is_sliced(*argument))
            .collect();
        let order: Vec<usize> = live.iter().chain(&slices).chain(&fixed).copied().collect();
        let n_live = live.len();
        let body = reordered(&simple, &order, &scan.body, n_live);
        let new_operands: Vec<NodeId> = order.iter().map(|argument| operands[*argument]).collect();
        let mut stacks = body.observed.iter();
        let output = |(member, output): (&Node, ScanOutput)| {
            let output = match output {
                ScanOutput::Final(carry) => match live.iter().position(|live| *live == carry) {
                    Some(position) => ScanOutput::Final(position),
                    // It never changes.
                    None => return operands[carry],
                },
                kind @ (ScanOutput::Stacked(number) | ScanOutput::Saved(number)) => {
                    // What is kept for the user anyway is read there by derivatives too.
                    let is_kept = outputs.contains(&ScanOutput::Stacked(number));
                    let kind = if is_kept { ScanOutput::Stacked(number) } else { kind };
                    kind.with_node(*stacks.next().expect("invariant: one for each stacked node"))
                }
            };
            let (carries, slices, body) = (n_live, slices.len(), body.body.clone());
            let op = Scan { body, carries, slices, output, ..scan.clone() };
            self.new.insert(Op::Scan(op), member.ty.clone(), &new_operands)
        };
        members.iter().zip(outputs.iter().copied()).map(output).collect()
    }

    fn while_loop(&mut self, op: &While, members: &[Node], operands: &[NodeId]) -> Vec<NodeId> {
        let output = |member: &Node| member.op.output();
        let outputs: Vec<usize> = members.iter().map(output).collect();
        let changing = changing_carries(&op.body, op.carries);
        let asked = arguments_of(&op.condition, op.condition.results());
        let live =
            live_carries(&op.body, &changing, Vec::new(), |carry| outputs.contains(&carry) || asked.contains(&carry));
        let literals = literals(self.new, operands, |operand| operand >= op.carries || !changing[operand]);
        let condition =
            Request { body: op.condition.clone(), wanted: op.condition.results().to_vec(), literals: literals.clone() };
        let condition = self.simple(condition);
        let wanted = live.iter().map(|carry| op.body.results()[*carry]).collect();
        let body = self.simple(Request { body: op.body.clone(), wanted, literals });
        let mut fixed: Vec<usize> = condition.arguments.iter().chain(&body.arguments).copied().collect();
        fixed.sort_unstable();
        fixed.dedup();
        fixed.retain(|argument| !live.contains(argument));
        let order: Vec<usize> = live.iter().chain(&fixed).copied().collect();
        let condition = reordered(&condition, &order, &op.condition, 1).body;
        let body = reordered(&body, &order, &op.body, live.len()).body;
        let new_operands: Vec<NodeId> = order.iter().map(|argument| operands[*argument]).collect();
        let output = |(member, carry): (&Node, usize)| {
            let Some(output) = live.iter().position(|live| *live == carry) else { return operands[carry] };
            let (condition, body) = (condition.clone(), body.clone());
            let op = While { condition, body, carries: live.len(), bound: op.bound, output };
            self.new.insert(Op::While(op), member.ty.clone(), &new_operands)
        };
        members.iter().zip(outputs).map(output).collect()
    }

    /// The wanted nodes of a body, simplified.
    fn simple(&mut self, request: Request) -> Simple {
        if let Some((_, simple)) = self.known.0.iter().find(|(known, _)| *known == request) {
            return simple.clone();
        }
        let Request { body, wanted, literals } = &request;
        let workshop = Graph::new();
        let _frame = body.enter(&workshop, "simplify");
        let types: Vec<Type> = body.argument_types().cloned().collect();
        let arguments = workshop.trace(&types).arguments;
        let known = |(argument, ty): (usize, &Type)| match literals.get(&argument) {
            Some(value) => {
                let constant = Constant { value: value.clone(), dtype: ty.dtype, shape: ty.shape.clone() };
                workshop.insert(Op::Constant(constant), ty.clone(), &[])
            }
            None => arguments[argument],
        };
        let given: Vec<NodeId> = types.iter().enumerate().map(known).collect();
        let image = body.inline(&workshop, &given);
        let wanted: Vec<NodeId> = wanted.iter().map(|number| image[*number]).collect();
        let simplified = simplify_within(&workshop, &wanted, (self.options, self.compute), self.known);
        self.report.absorb(&simplified.report);
        let graph = &simplified.graph;
        let mut read: Vec<(usize, NodeId)> = graph
            .ids()
            .filter_map(
                |id| if let Op::Argument(argument) = &graph.node(id).op { Some((argument.index, id)) } else { None },
            )
            .collect();
        read.sort_unstable();
        let (numbers, nodes): (Vec<usize>, Vec<NodeId>) = read.into_iter().unzip();
        let (body, _) = Body::freeze(graph, &nodes, &simplified.results);
        let simple = Simple { body, arguments: numbers };
        self.known.0.push((request, simple.clone()));
        simple
    }
}

/// The one number that all elements of a node are.
fn literal(graph: &Graph, id: NodeId) -> Option<Literal> {
    let Op::Constant(Constant { value, .. }) = &graph.node(id).op else { return None };
    match value {
        Literal::Number(_) | Literal::Integer(_) => Some(value.clone()),
        Literal::Array(_) => None,
    }
}

/// The arguments whose operands are one number, among those that are the same in every iteration.
fn literals(graph: &Graph, operands: &[NodeId], is_fixed: impl Fn(usize) -> bool) -> BTreeMap<usize, Literal> {
    let fixed = operands.iter().enumerate().filter(|(argument, _)| is_fixed(*argument));
    fixed.filter_map(|(argument, id)| Some((argument, literal(graph, *id)?))).collect()
}

/// Which carries get another value in some iteration, as far as the body tells without looking at numbers.
fn changing_carries(body: &Body, n_carries: usize) -> Vec<bool> {
    (0..n_carries).map(|carry| body.results()[carry] != carry).collect()
}

/// The changing carries on which a final carry or a wanted node depends.
fn live_carries(
    body: &Body,
    is_changing: &[bool],
    mut wanted: Vec<usize>,
    is_final: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let mut is_live: Vec<bool> = (0..is_changing.len()).map(|carry| is_changing[carry] && is_final(carry)).collect();
    loop {
        wanted.extend((0..is_live.len()).filter(|carry| is_live[*carry]).map(|carry| body.results()[carry]));
        let read = arguments_of(body, &wanted);
        let newly: Vec<usize> = read
            .into_iter()
            .filter(|carry| *carry < is_live.len() && is_changing[*carry] && !is_live[*carry])
            .collect();
        if newly.is_empty() {
            return (0..is_live.len()).filter(|carry| is_live[*carry]).collect();
        }
        newly.into_iter().for_each(|carry| is_live[carry] = true);
    }
}

/// The arguments that nodes of a body are computed from.
fn arguments_of(body: &Body, wanted: &[usize]) -> Vec<usize> {
    let is_read = read_by(body, wanted);
    (0..body.n_arguments()).filter(|argument| is_read[*argument]).collect()
}

/// Whether each node of a body is among what others are computed from, or is one of them.
fn read_by(body: &Body, wanted: &[usize]) -> Vec<bool> {
    let mut is_read = vec![false; body.len()];
    wanted.iter().for_each(|number| is_read[*number] = true);
    for (number, node) in body.nodes().iter().enumerate().rev() {
        if is_read[number] {
            node.operands.iter().for_each(|operand| is_read[operand.index()] = true);
        }
    }
    is_read
}

/// A simplified body as one of these arguments.
struct Reordered {
    body: Body,
    /// The numbers of the results behind the first ones.
    observed: Vec<usize>,
}

/// A simplified body as one of the arguments in `order`, of which it reads some; the first `n_results` of its results stay
/// results, the others become observed nodes. `old` has the types.
fn reordered(simple: &Simple, order: &[usize], old: &Body, n_results: usize) -> Reordered {
    let graph = Graph::new();
    let _frame = old.enter(&graph, "simplify");
    let types: Vec<Type> = order.iter().map(|argument| old.ty(*argument).clone()).collect();
    let arguments = graph.trace(&types).arguments;
    let place = |argument: &usize| {
        let position = order.iter().position(|ordered| ordered == argument);
        arguments[position.expect("invariant: the order has every argument that is read")]
    };
    let given: Vec<NodeId> = simple.arguments.iter().map(place).collect();
    let image = simple.body.inline(&graph, &given);
    let nodes: Vec<NodeId> = simple.body.results().iter().map(|number| image[*number]).collect();
    let (results, observed) = nodes.split_at(n_results);
    let (body, numbering) = Body::freeze_with(&graph, &arguments, results, observed);
    Reordered { body, observed: observed.iter().map(|id| numbering.number(*id)).collect() }
}
