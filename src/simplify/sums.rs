//! Sums of the same terms. In: a graph. Out: an equal one in which sums of numbers that have the same terms, in whichever order and up to the sign
//! of all, are one: (x + y) − z, y − (z − x) and (z − y) − x.
//!
//! A sum is seen as a whole, from the operation that is used as something else or more than once; its terms are what is neither an
//! addition nor a subtraction nor a sign of it alone. One in which a term meets its own negative is left alone: it is there for its rounding, as
//! that of a compensated sum. No other sum is taken apart, for the same reason: parts of sums are not shared.

use std::collections::HashMap;

use super::{Class, Swept, factors::is_one_number, report::SimplifyReport};
use crate::graph::{Binary, Graph, NodeId, Op, Operands, Unary};

/// The name under which sums that give way are reported.
pub(super) const EQUAL_SUMS: &str = "equal-sums";

/// Terms, ascending, each with whether it is taken away.
type Terms = Vec<(NodeId, bool)>;

/// The graph in which equal sums are one, if there are any. What sums were made of before is still there.
pub(super) fn merged(swept: &Swept, report: &mut SimplifyReport) -> Option<Swept> {
    let graph = &swept.graph;
    let needed = graph.needed(&swept.results);
    let replaced = replaced(graph, &needed, &swept.results);
    if replaced.is_empty() {
        return None;
    }
    let new = Graph::new();
    let mut image: Vec<Option<NodeId>> = vec![None; graph.len()];
    for id in needed {
        let node = graph.node(id);
        let _frame = new.enter_at("simplify", node.provenance.clone());
        let image_of = |id: NodeId| image[id.index()].expect("invariant: operands come before their users");
        let copied = match replaced.get(&id) {
            Some((first, is_negative)) => {
                report.add(EQUAL_SUMS, Class::Ulp, node.provenance.site);
                let first = image_of(*first);
                if *is_negative { new.insert(Op::Unary(Unary::Negate), node.ty.clone(), &[first]) } else { first }
            }
            None => {
                let operands: Operands = graph.operands(id).iter().map(|operand| image_of(*operand)).collect();
                new.insert(node.op.clone(), node.ty.clone(), &operands)
            }
        };
        image[id.index()] = Some(copied);
    }
    let results = swept.results.iter().map(|id| image[id.index()].expect("invariant: results are needed")).collect();
    Some(Swept { graph: new, results, has_fired: true })
}

/// For each sum that gives way the first that is equal to it, and whether it is the negative of that one.
fn replaced(graph: &Graph, needed: &[NodeId], results: &[NodeId]) -> HashMap<NodeId, (NodeId, bool)> {
    let mut uses = vec![0; graph.len()];
    let operands = needed.iter().flat_map(|id| graph.operands(*id));
    operands.chain(results.iter().copied()).for_each(|id| uses[id.index()] += 1);
    let mut is_inside = vec![false; graph.len()];
    let mut sums: Vec<(NodeId, Terms)> = Vec::new();
    for id in needed.iter().rev().copied().filter(|id| signs(graph, *id).is_some()) {
        if !is_inside[id.index()] {
            sums.push((id, terms(graph, id, &uses, &mut is_inside)));
        }
    }
    let (mut first, mut replaced) = (HashMap::new(), HashMap::new());
    for (id, mut terms) in sums.into_iter().rev() {
        let cancels = terms.windows(2).any(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1);
        // A difference and its negative cost the same.
        if terms.len() < 3 || cancels {
            continue;
        }
        let is_negative = terms[0].1;
        terms.iter_mut().for_each(|term| term.1 ^= is_negative);
        match first.get(&terms) {
            None => drop(first.insert(terms, (id, is_negative))),
            Some((known, known_is_negative)) => drop(replaced.insert(id, (*known, is_negative != *known_is_negative))),
        }
    }
    replaced
}

/// The terms of a sum; what it is made of is marked.
fn terms(graph: &Graph, sum: NodeId, uses: &[usize], is_inside: &mut [bool]) -> Terms {
    let (mut terms, mut waiting) = (Terms::new(), vec![(sum, false)]);
    while let Some((id, is_negative)) = waiting.pop() {
        let is_own = id == sum || uses[id.index()] == 1;
        match signs(graph, id).filter(|_| is_own) {
            None => terms.push((id, is_negative)),
            Some(signs) => {
                is_inside[id.index()] = true;
                waiting.extend(graph.operands(id).iter().zip(signs).map(|(term, sign)| (*term, is_negative ^ sign)));
            }
        }
    }
    terms.sort_unstable();
    terms
}

/// For each operand whether it is taken away, if a node is a sum of numbers.
fn signs(graph: &Graph, id: NodeId) -> Option<&'static [bool]> {
    let node = graph.node(id);
    match node.op {
        _ if !is_one_number(&node.ty) => None,
        Op::Binary(Binary::Add) => Some(&[false, false]),
        Op::Binary(Binary::Sub) => Some(&[false, true]),
        Op::Unary(Unary::Negate) => Some(&[true]),
        _ => None,
    }
}
