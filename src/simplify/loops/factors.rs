//! Factors in front of a product: (x·a)·b is x·(a·b) in a body that has a and b of what another loop saves for it.
//!
//! Fewer arrays are read then: of the derivative of a gated unit one for each gate.

use std::collections::BTreeMap;

use super::saved::is_portable_op;
use crate::graph::{Binary, Body, Graph, Node, NodeId, Op, Operands, Type};

/// A body in which (x·a)·b is x·(a·b) where a and b, but not x·a, are computed of what another loop saves for this one and has
/// itself; and the numbers there of some nodes.
pub(super) fn with_factors_first(
    body: &Body,
    (twins, of_saver): (&[Option<usize>], &[bool]),
    wanted: &[usize],
) -> (Body, BTreeMap<usize, usize>) {
    let workshop = Graph::new();
    let _frame = body.enter(&workshop, "simplify");
    let types: Vec<Type> = body.argument_types().cloned().collect();
    let arguments = workshop.trace(&types).arguments;
    let mut is_portable: Vec<bool> = twins.iter().map(Option::is_some).collect();
    let mut is_known = of_saver.to_vec();
    let mut n_uses = vec![0; body.len()];
    let read = body.nodes().iter().flat_map(|node| node.operands.iter().map(|operand| operand.index()));
    read.chain(body.results().iter().copied()).chain(wanted.iter().copied()).for_each(|number| n_uses[number] += 1);
    let mut image = arguments.clone();
    for (number, node) in body.nodes().iter().enumerate().skip(body.n_arguments()) {
        let operands: Operands = node.operands.iter().map(|operand| image[operand.index()]).collect();
        let factors = (node.node.op == Op::Binary(Binary::Mul)).then(|| {
            (0..2).find_map(|inner| {
                let (product, b) = (operands[inner], operands[1 - inner]);
                let is_inner = n_uses[node.operands[inner].index()] == 1
                    && workshop.node(product).op == Op::Binary(Binary::Mul)
                    && is_known[b.index()]
                    && !is_known[product.index()];
                let of_product = workshop.operands(product);
                let side = (0..2).find(|side| is_inner && is_known[of_product[*side].index()])?;
                let (x, a) = (of_product[1 - side], of_product[side]);
                Some([x, a, b])
            })
        });
        let mut insert = |op: &Node, operands: &[NodeId]| {
            let may_move = is_portable_op(&op.op) && operands.iter().all(|operand| is_portable[operand.index()]);
            is_known.push(may_move && operands.iter().any(|operand| is_known[operand.index()]));
            is_portable.push(may_move);
            workshop.insert_copy(op, operands)
        };
        image.push(match factors.flatten() {
            Some([x, a, b]) => {
                let factor = insert(&node.node, &[a, b]);
                insert(&node.node, &[x, factor])
            }
            None => insert(&node.node, &operands),
        });
        debug_assert_eq!(image.len(), number + 1);
    }
    let ids = |numbers: &[usize]| -> Vec<NodeId> { numbers.iter().map(|number| image[*number]).collect() };
    let (new, numbering) = Body::freeze_with(&workshop, &arguments, &ids(body.results()), &ids(wanted));
    (new, wanted.iter().map(|number| (*number, numbering.number(image[*number]))).collect())
}
