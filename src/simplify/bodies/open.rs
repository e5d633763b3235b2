//! Whether there is something left to do for an operation with bodies that were simplified. In: siblings. Out: whether a part
//! of a body is not asked for any more, or an operand is known that moves in.
//!
//! Rewrites of the graph around it do that: a carry whose last value is multiplied by 0 goes, a condition becomes a constant.

use std::collections::HashMap;

use super::{changing_carries, literal, literals, live_carries, read_by};
use crate::graph::{Body, Conditional, Graph, Node, NodeId, Op, Scan, ScanOutput, While};

/// How many calls there are of each function, by its fingerprint.
pub(super) fn calls<'f>(graph: &Graph, families: impl Iterator<Item = &'f [NodeId]>) -> HashMap<u64, usize> {
    let mut calls = HashMap::new();
    for family in families {
        if let Op::Call(call) = &graph.node(family[0]).op {
            *calls.entry(call.body.fingerprint()).or_default() += 1;
        }
    }
    calls
}

/// Whether the pass would change these siblings again.
pub(super) fn is_open(graph: &Graph, family: &[NodeId], calls: &HashMap<u64, usize>) -> bool {
    let members: Vec<Node> = family.iter().map(|id| graph.node(*id).clone()).collect();
    let operands: Vec<NodeId> = graph.operands(family[0]).to_vec();
    match &members[0].op {
        Op::Call(call) => {
            let wanted: Vec<usize> = members.iter().map(|member| member.op.output()).collect();
            calls[&call.body.fingerprint()] == 1 || !is_all_read([(&call.body, wanted.as_slice())], 0)
        }
        Op::Conditional(cond) => is_open_branch(graph, cond, &members, &operands),
        Op::Scan(scan) => is_open_scan(graph, scan, &members, &operands),
        Op::While(while_loop) => is_open_while(graph, while_loop, &members, &operands),
        // It is a rule that drops its body.
        Op::WithDerivative(_) => false,
        other => unreachable!("invariant: `{}` has a body", other.name()),
    }
}

fn is_open_branch(graph: &Graph, cond: &Conditional, members: &[Node], operands: &[NodeId]) -> bool {
    let [then_wanted, else_wanted] = [&cond.then_body, &cond.else_body]
        .map(|body| -> Vec<usize> { members.iter().map(|member| body.results()[member.op.output()]).collect() });
    literal(graph, operands[0]).is_some()
        || !literals(graph, &operands[1..], |_| true).is_empty()
        || !is_all_read([(&cond.then_body, then_wanted.as_slice()), (&cond.else_body, else_wanted.as_slice())], 0)
}

fn is_open_scan(graph: &Graph, scan: &Scan, members: &[Node], operands: &[NodeId]) -> bool {
    let outputs: Vec<ScanOutput> = members.iter().map(|member| member.op.scan_output()).collect();
    let mut wanted: Vec<usize> = outputs.iter().filter_map(|output| output.stacked_node()).collect();
    let changing = changing_carries(&scan.body, scan.carries);
    let is_final = |carry: usize| outputs.contains(&ScanOutput::Final(carry));
    let live = live_carries(&scan.body, &changing, wanted.clone(), is_final);
    wanted.extend(scan.body.results());
    live.len() < scan.carries
        || !literals(graph, operands, |operand| operand >= scan.carries).is_empty()
        || !is_all_read([(&scan.body, wanted.as_slice())], scan.carries)
}

fn is_open_while(graph: &Graph, op: &While, members: &[Node], operands: &[NodeId]) -> bool {
    let changing = changing_carries(&op.body, op.carries);
    let asked = read_by(&op.condition, op.condition.results());
    let is_wanted = |carry: usize| asked[carry] || members.iter().any(|member| member.op.output() == carry);
    let live = live_carries(&op.body, &changing, Vec::new(), is_wanted);
    live.len() < op.carries
        || !literals(graph, operands, |operand| operand >= op.carries).is_empty()
        || !is_all_read([(&op.condition, op.condition.results()), (&op.body, op.body.results())], op.carries)
}

/// Whether the wanted nodes of bodies of the same arguments are computed from all that is in them: each node by its own
/// body, each argument behind the carries by one of them.
fn is_all_read<const N: usize>(bodies: [(&Body, &[usize]); N], n_carries: usize) -> bool {
    let read = bodies.map(|(body, wanted)| (body, read_by(body, wanted)));
    let is_node_read = read.iter().all(|(body, is_read)| is_read[body.n_arguments()..].iter().all(|is_read| *is_read));
    let n_arguments = read.iter().map(|(body, _)| body.n_arguments()).max().unwrap_or(0);
    is_node_read && (n_carries..n_arguments).all(|argument| read.iter().any(|(_, is_read)| is_read[argument]))
}
