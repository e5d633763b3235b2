//! Sums and products that are equal up to their sign. In: a graph. Out: an equal one in which such numbers are computed once: sums of the same
//! terms in whichever order, (x + y) − z, y − (z − x) and (z − y) − x, and products with signs inside, (−x)·y and x·y.
//!
//! Nodes are numbered by value and sign, operands first. A sum is seen as a whole, from the operation that is used as something else or
//! more than once; its terms are what is neither an addition nor a subtraction nor a sign of it alone. One in which a term meets its own
//! negative, inside of terms that are sums too, is left alone: it is there for its rounding, as those of compensated sums. Parts of sums are not
//! shared, for the same reason.

use std::collections::HashMap;

use super::{Class, Swept, Uses, factors::is_one_number, report::SimplifyReport};
use crate::graph::{Binary, Constant, DType, Graph, Literal, NodeId, Op, Unary};

/// The name under which sums that give way are reported.
pub(super) const EQUAL_SUMS: &str = "equal-sums";

/// Nodes of a sum at which is looked for terms that cancel.
const MAX_VISITED: usize = 100;

/// The first node that computes a number, and whether the number is its negative.
type SignedValue = (NodeId, bool);

/// What a number is made of, without its sign.
#[derive(PartialEq, Eq, Hash)]
enum ValueKey {
    /// Terms, ascending, the first of them added.
    Sum(Vec<SignedValue>),
    Product([NodeId; 2]),
    Quotient([NodeId; 2]),
    /// A constant of one number, by the bits of its absolute value and its type.
    Literal(u64, DType, usize),
}

/// The graph in which equal sums are one, if there are any. What sums were made of before is still there.
pub(super) fn merged(swept: &Swept, report: &mut SimplifyReport) -> Option<Swept> {
    let graph = &swept.graph;
    let replaced = replaced(graph, &swept.results);
    if replaced.is_empty() {
        return None;
    }
    Some(swept.copied(|new, id, image| {
        let (first, is_negative) = replaced.get(&id)?;
        let node = graph.node(id);
        report.add(EQUAL_SUMS, Class::Ulp, node.provenance.site);
        let first = image(*first);
        Some(if *is_negative { new.insert(Op::Unary(Unary::Negate), node.ty.clone(), &[first]) } else { first })
    }))
}

/// For each node that gives way the first that is equal to it, and whether it is the negative of that one.
fn replaced(graph: &Graph, results: &[NodeId]) -> HashMap<NodeId, SignedValue> {
    let needed = graph.needed(results);
    let uses = Uses::count(graph, &needed, results);
    let mut sums: Vec<Option<Vec<SignedValue>>> = vec![None; graph.len()];
    let mut is_inside = vec![false; graph.len()];
    for id in needed.iter().rev().copied().filter(|id| signs(graph, *id).is_some()) {
        if !is_inside[id.index()] {
            sums[id.index()] = Some(terms(graph, id, &uses, &mut is_inside));
        }
    }
    let mut values: Vec<SignedValue> = graph.ids().map(|id| (id, false)).collect();
    let (mut first, mut replaced) = (HashMap::new(), HashMap::new());
    for id in needed.iter().copied() {
        let is_difference = sums[id.index()].as_ref().is_some_and(|terms| terms.len() == 2);
        let Some((made, is_negative)) = made(graph, id, sums[id.index()].take(), &values) else { continue };
        let (known, sign) = match made {
            ValueKey::Sum(terms) if terms.len() == 1 => terms[0],
            made => *first.entry(made).or_insert((id, is_negative)),
        };
        values[id.index()] = (known, sign != is_negative);
        let is_negative = values[id.index()].1;
        // The negative of a difference is no less work than the other difference.
        let is_free = has_sign_inside(graph, id, is_negative) || (is_difference && is_negative);
        if known != id && !is_free {
            replaced.insert(id, values[id.index()]);
        }
    }
    replaced
}

/// Whether a node is no more than a sign of another, or has that sign in a literal, where it costs nothing.
fn has_sign_inside(graph: &Graph, id: NodeId, is_negative: bool) -> bool {
    let is_literal = |operand: &NodeId| matches!(graph.node(*operand).op, Op::Constant(_));
    match graph.node(id).op {
        Op::Unary(Unary::Negate) | Op::Constant(_) => true,
        Op::Binary(Binary::Mul | Binary::Div) => is_negative && graph.operands(id).iter().any(is_literal),
        _ => false,
    }
}

/// What a node is made of, and whether it is the negative of that.
fn made(graph: &Graph, id: NodeId, sum: Option<Vec<SignedValue>>, values: &[SignedValue]) -> Option<(ValueKey, bool)> {
    let value = |id: NodeId| values[id.index()];
    if let Some(sum) = sum {
        let signed = |(term, sign): SignedValue| (value(term).0, value(term).1 ^ sign);
        let mut terms: Vec<SignedValue> = sum.into_iter().map(signed).collect();
        terms.sort_unstable();
        if cancels(graph, &terms, values) {
            return None;
        }
        let is_negative = terms[0].1;
        terms.iter_mut().for_each(|term| term.1 ^= is_negative);
        return Some((ValueKey::Sum(terms), is_negative));
    }
    let node = graph.node(id);
    if let Op::Constant(Constant { value: Literal::Number(number), .. }) = node.op
        && is_one_number(&node.ty)
    {
        let (bits, dtype, rank) = (number.abs().to_bits(), node.ty.dtype, node.ty.shape.rank());
        return Some((ValueKey::Literal(bits, dtype, rank), number.is_sign_negative()));
    }
    let is_product = matches!(node.op, Op::Binary(Binary::Mul));
    if !is_one_number(&node.ty) || !(is_product || matches!(node.op, Op::Binary(Binary::Div))) {
        return None;
    }
    let operands = graph.operands(id);
    let [(mut left, one), (mut right, other)] = [operands[0], operands[1]].map(value);
    if is_product && left > right {
        std::mem::swap(&mut left, &mut right);
    }
    let made = if is_product { ValueKey::Product([left, right]) } else { ValueKey::Quotient([left, right]) };
    Some((made, one ^ other))
}

/// Whether a term meets its own negative, in a sum or in the sums that its terms are, or there are too many terms to say.
fn cancels(graph: &Graph, terms: &[SignedValue], values: &[SignedValue]) -> bool {
    let mut waiting = terms.to_vec();
    let mut found = HashMap::new();
    let mut n_visited = 0;
    while let Some((id, is_negative)) = waiting.pop() {
        n_visited += 1;
        if n_visited > MAX_VISITED {
            return true;
        }
        match signs(graph, id) {
            Some(signs) => {
                waiting.extend(graph.operands(id).iter().zip(signs).map(|(term, sign)| (*term, is_negative ^ sign)));
            }
            None => {
                let (known, sign) = values[id.index()];
                if *found.entry(known).or_insert(sign ^ is_negative) != sign ^ is_negative {
                    return true;
                }
            }
        }
    }
    false
}

/// The terms of a sum; what it is made of is marked.
fn terms(graph: &Graph, sum: NodeId, uses: &Uses, is_inside: &mut [bool]) -> Vec<SignedValue> {
    let (mut terms, mut waiting) = (Vec::new(), vec![(sum, false)]);
    while let Some((id, is_negative)) = waiting.pop() {
        let is_own = id == sum || uses.of(id).count == 1;
        match signs(graph, id).filter(|_| is_own) {
            None => terms.push((id, is_negative)),
            Some(signs) => {
                is_inside[id.index()] = true;
                waiting.extend(graph.operands(id).iter().zip(signs).map(|(term, sign)| (*term, is_negative ^ sign)));
            }
        }
    }
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
