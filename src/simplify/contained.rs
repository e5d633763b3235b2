//! Loops that are contained in others. In: a graph. Out: an equal one in which such a loop gives way to outputs of the other: forward
//! mode makes a loop over values and tangents beside the loop over values, and one run of the values is enough.
//!
//! A loop F is contained in G if both go over the same positions in the same direction; each carry of F has its own in G with the
//! same first value, and each slice and what stays the same is an operand of G in the same role; and each node of F's
//! body that is asked for has one in G's body: the same operation on nodes that correspond. If the next value of each carry
//! corresponds to that of its carry in G, then by induction over the iterations the carries are equal, and so is all else.

use std::collections::HashMap;

use super::Swept;
use crate::graph::{Body, Families, Graph, NodeId, Op, Operands, Scan, ScanOutput};

/// For nodes of loops that are contained in another: the first sibling of that one, and which output of it is equal.
type Replaced = HashMap<NodeId, (NodeId, ScanOutput)>;

/// The graph without loops that others contain, if there are any.
pub(super) fn merged(swept: &Swept) -> Option<Swept> {
    let graph = &swept.graph;
    let needed = graph.needed(&swept.results);
    let families = graph.siblings(needed.iter().copied());
    let replaced = replaced(graph, &families);
    if replaced.is_empty() {
        return None;
    }
    let new = Graph::new();
    let mut image: Vec<Option<NodeId>> = vec![None; graph.len()];
    let operands_of = |id: NodeId| graph.operands(replaced.get(&id).map_or(id, |(loop_id, _)| *loop_id));
    // What takes the place of a node may depend on later ones, so that the order is not that of the graph.
    let mut waiting: Vec<NodeId> = needed.into_iter().rev().collect();
    while let Some(id) = waiting.last().copied() {
        if image[id.index()].is_some() {
            waiting.pop();
            continue;
        }
        let operands = operands_of(id);
        let missing = operands.iter().copied().filter(|operand| image[operand.index()].is_none());
        let n_waiting = waiting.len();
        waiting.extend(missing);
        if waiting.len() > n_waiting {
            continue;
        }
        let node = graph.node(id);
        let op = match (replaced.get(&id), &node.op) {
            (Some((loop_id, output)), _) => match &graph.node(*loop_id).op {
                Op::Scan(scan) => Op::Scan(Scan { output: *output, ..scan.clone() }),
                other => unreachable!("invariant: `{}` contains no loop", other.name()),
            },
            (None, op) => op.clone(),
        };
        let operands: Operands =
            operands.iter().map(|operand| image[operand.index()].expect("invariant: none is missing")).collect();
        let _frame = new.enter_at("simplify", node.provenance.clone());
        image[id.index()] = Some(new.insert(op, node.ty.clone(), &operands));
        waiting.pop();
    }
    let results = swept.results.iter().map(|id| image[id.index()].expect("invariant: results are needed")).collect();
    Some(Swept { graph: new, results, has_fired: true })
}

/// The nodes that give way. A loop to which another gave way stays.
fn replaced(graph: &Graph, families: &Families) -> Replaced {
    let loops: Vec<(&[NodeId], Scan, Operands)> = (families.iter())
        .filter_map(|family| match &graph.node(family[0]).op {
            Op::Scan(scan) => Some((family, scan.clone(), graph.operands(family[0]))),
            _ => None,
        })
        .collect();
    let mut replaced = Replaced::new();
    let mut is_target = vec![false; loops.len()];
    for (position, (family, scan, operands)) in loops.iter().enumerate() {
        if is_target[position] {
            continue;
        }
        let outputs: Vec<ScanOutput> = family.iter().map(|id| graph.node(*id).op.scan_output()).collect();
        for (other_position, (other_family, other, other_operands)) in loops.iter().enumerate() {
            let is_candidate = position != other_position
                && other_operands.len() > operands.len()
                && (scan.length == other.length && scan.direction == other.direction)
                && scan.checkpoints == other.checkpoints
                && !replaced.contains_key(&other_family[0])
                && operands.iter().all(|operand| other_operands.contains(operand));
            if !is_candidate {
                continue;
            }
            let Some(equal) = contained((scan, operands), (other, other_operands), &outputs) else { continue };
            // The larger loop may read what is made of the smaller one.
            if depends(graph, other_operands, family, &replaced) {
                continue;
            }
            is_target[other_position] = true;
            replaced.extend(family.iter().copied().zip(equal.into_iter().map(|output| (other_family[0], output))));
            break;
        }
    }
    replaced
}

/// Whether some nodes depend on one of a family, once loops gave way.
fn depends(graph: &Graph, nodes: &[NodeId], family: &[NodeId], replaced: &Replaced) -> bool {
    let mut is_met = vec![false; graph.len()];
    let mut waiting = nodes.to_vec();
    while let Some(id) = waiting.pop() {
        if family.contains(&id) {
            return true;
        }
        if !std::mem::replace(&mut is_met[id.index()], true) {
            waiting.extend(graph.operands(replaced.get(&id).map_or(id, |(loop_id, _)| *loop_id)));
        }
    }
    false
}

/// The outputs of a loop that are equal to these of another, if it contains them.
fn contained(
    (scan, operands): (&Scan, &Operands),
    (other, other_operands): (&Scan, &Operands),
    outputs: &[ScanOutput],
) -> Option<Vec<ScanOutput>> {
    let arguments = arguments((scan, operands), (other, other_operands))?;
    let image = image(&scan.body, &other.body, &arguments);
    let next = |carry: usize| other.body.results()[carry];
    let are_equal = (0..scan.carries).all(|carry| image[scan.body.results()[carry]] == Some(next(arguments[carry])));
    let output = |output: &ScanOutput| match output {
        ScanOutput::Final(carry) => Some(ScanOutput::Final(arguments[*carry])),
        ScanOutput::Stacked(number) | ScanOutput::Saved(number) => Some(output.with_node(image[*number]?)),
    };
    if are_equal { outputs.iter().map(output).collect() } else { None }
}

/// For each argument the first of the other loop that has the same operand in the same role, each carry another one.
fn arguments((scan, operands): (&Scan, &Operands), (other, other_operands): (&Scan, &Operands)) -> Option<Vec<usize>> {
    let role = |scan: &Scan, argument: usize| (argument < scan.carries, scan.is_sliced(argument));
    let mut found: Vec<usize> = Vec::with_capacity(operands.len());
    for (argument, operand) in operands.iter().enumerate() {
        let fits = |candidate: &usize| {
            other_operands[*candidate] == *operand
                && role(scan, argument) == role(other, *candidate)
                && (argument >= scan.carries || !found.contains(candidate))
        };
        found.push((0..other_operands.len()).find(fits)?);
    }
    Some(found)
}

/// For each node of a body the node of another that is the same operation on the same, given what its arguments are there.
fn image(body: &Body, other: &Body, arguments: &[usize]) -> Vec<Option<usize>> {
    let mut by_operands: HashMap<(&'static str, &[NodeId]), Vec<usize>> = HashMap::new();
    for (number, node) in other.nodes().iter().enumerate().skip(other.n_arguments()) {
        by_operands.entry((node.node.op.name(), &node.operands)).or_default().push(number);
    }
    let mut image: Vec<Option<usize>> = arguments.iter().copied().map(Some).collect();
    for node in &body.nodes()[body.n_arguments()..] {
        let operands: Option<Vec<NodeId>> =
            node.operands.iter().map(|operand| image[operand.index()].map(NodeId::new)).collect();
        let same = operands.and_then(|operands| {
            let candidates = by_operands.get(&(node.node.op.name(), operands.as_slice()))?;
            let is_same = |number: &&usize| {
                let other = &other.nodes()[**number].node;
                other.ty == node.node.ty && other.op.is_identical(&node.node.op)
            };
            candidates.iter().find(is_same).copied()
        });
        image.push(same);
    }
    image
}
