//! Products that a loop adds up: s ← s + Σₖ aₜₖ·bₜₖ in every iteration is s + Σₜₖ aₜₖ·bₜₖ behind the loop, one product of what it stacks.
//!
//! The loop neither reads nor writes the sum any more, and the long product runs at the rate of large ones. Only products of what is there
//! in any case are taken: of slices and of what is stacked for others, as the cotangents of what each iteration reads.

use std::collections::{HashMap, HashSet};

use crate::{
    graph::{Axes, Binary, Body, DotGeneral, Graph, Node, NodeId, Op, Scan, ScanOutput},
    simplify::{Class, Swept, report::SimplifyReport},
};

/// The name under which sums that leave their loop are reported.
pub(in crate::simplify) const PRODUCT_AFTER_LOOP: &str = "product-after-loop";

/// A sum that leaves its loop: its first value, and the products of which it is the sum, with the numbers of their factors in the body.
struct LoopSum {
    carry: usize,
    products: Vec<(DotGeneral, [usize; 2])>,
}

/// The graph in which sums of products are made behind their loops, if there is one.
pub(super) fn summed(swept: &Swept, report: &mut SimplifyReport) -> Option<Swept> {
    let graph = &swept.graph;
    let mut sums: HashMap<NodeId, LoopSum> = HashMap::new();
    let families = graph.siblings(graph.needed(&swept.results));
    let first_of: HashMap<NodeId, NodeId> =
        families.iter().flat_map(|family| family.iter().map(|id| (*id, family[0]))).collect();
    let stacks: HashSet<(NodeId, usize)> = first_of
        .iter()
        .filter_map(|(id, first)| match &graph.node(*id).op {
            Op::Scan(Scan { output: ScanOutput::Stacked(number), .. }) => Some((*first, *number)),
            _ => None,
        })
        .collect();
    for family in families.iter() {
        let Op::Scan(scan) = &graph.node(family[0]).op else { continue };
        let outputs: Vec<ScanOutput> = family.iter().map(|id| graph.node(*id).op.scan_output()).collect();
        let uses = uses(&scan.body, &outputs);
        let is_there = |factor: usize| {
            if scan.is_sliced(factor) {
                is_kept(graph, graph.operands(family[0])[factor], &first_of, &stacks)
            } else {
                stacks.contains(&(family[0], factor))
            }
        };
        let of_carry = |(id, output): (&NodeId, &ScanOutput)| {
            let ScanOutput::Final(carry) = *output else { return None };
            let products = products(scan, carry, &uses)?;
            let mut factors = products.iter().flat_map(|(_, factors)| factors);
            factors.all(|factor| is_there(*factor)).then_some((*id, LoopSum { carry, products }))
        };
        sums.extend(family.iter().zip(&outputs).filter_map(of_carry));
    }
    if sums.is_empty() {
        return None;
    }
    Some(swept.copied(|new, id, image| {
        let sum = sums.get(&id)?;
        let node = graph.node(id);
        report.add(PRODUCT_AFTER_LOOP, Class::Ulp, node.provenance.site);
        let operands: Vec<NodeId> = graph.operands(id).iter().map(|operand| image(*operand)).collect();
        Some(sum.write(new, &node, &operands))
    }))
}

impl LoopSum {
    /// The sum behind the loop with these operands.
    fn write(&self, new: &Graph, node: &Node, operands: &[NodeId]) -> NodeId {
        let Op::Scan(scan) = &node.op else { unreachable!("invariant: the sum of a loop is one of its outputs") };
        let stack = |factor: usize| {
            if scan.is_sliced(factor) {
                return operands[factor];
            }
            let stack = Scan { output: ScanOutput::Stacked(factor), ..scan.clone() };
            new.insert(Op::Scan(stack), scan.stacked(scan.body.ty(factor)), operands)
        };
        self.products.iter().fold(operands[self.carry], |sum, (product, factors)| {
            let product = new.insert(Op::DotGeneral(over_iterations(product)), node.ty.clone(), &factors.map(stack));
            new.insert(Op::Binary(Binary::Add), node.ty.clone(), &[sum, product])
        })
    }
}

/// The product that also sums over an axis in front of both operands.
fn over_iterations(product: &DotGeneral) -> DotGeneral {
    let behind = |axes: &Axes| -> Vec<usize> { axes.iter().map(|axis| axis + 1).collect() };
    let contracted = |axes: &Axes| std::iter::once(0).chain(behind(axes)).collect();
    DotGeneral {
        left_batch: behind(&product.left_batch).into_iter().collect(),
        right_batch: behind(&product.right_batch).into_iter().collect(),
        left_contract: contracted(&product.left_contract),
        right_contract: contracted(&product.right_contract),
    }
}

/// How often each node of a body is read: by others, as a next carry, and as what is stacked.
fn uses(body: &Body, outputs: &[ScanOutput]) -> Vec<usize> {
    let mut uses = vec![0; body.len()];
    let read = body.nodes().iter().flat_map(|node| node.operands.iter().map(|operand| operand.index()));
    let stacked = outputs.iter().filter_map(|output| output.stacked_node());
    read.chain(body.results().iter().copied()).chain(stacked).for_each(|number| uses[number] += 1);
    uses
}

/// The products of which a carry is the sum, if it is no more than that and nothing reads it before the end.
fn products(scan: &Scan, carry: usize, uses: &[usize]) -> Option<Vec<(DotGeneral, [usize; 2])>> {
    let nodes = scan.body.nodes();
    let (mut products, mut waiting, mut has_carry) = (Vec::new(), vec![scan.body.results()[carry]], false);
    while let Some(number) = waiting.pop() {
        if uses[number] != 1 {
            return None;
        }
        if number == carry {
            has_carry = true;
            continue;
        }
        let operands: Vec<usize> = nodes[number].operands.iter().map(|operand| operand.index()).collect();
        match &nodes[number].node.op {
            Op::Binary(Binary::Add) => waiting.extend(operands),
            Op::DotGeneral(product) if sums_over_leading_axes(product) => {
                products.push((product.clone(), [operands[0], operands[1]]));
            }
            _ => return None,
        }
    }
    (has_carry && !products.is_empty()).then_some(products)
}

/// Whether the axes that are summed over come first in both operands, so that with the iterations in front they are one axis of what lies in
/// memory, and nothing is copied for the long product.
fn sums_over_leading_axes(product: &DotGeneral) -> bool {
    let lead = |axes: &Axes| axes.iter().copied().eq(0..axes.len());
    product.left_batch.is_empty() && lead(&product.left_contract) && lead(&product.right_contract)
}

/// Whether an array is there whether or not the sum reads it: not what a loop saves for a derivative alone, of which it may keep some, but
/// for a carry whose next values are stacked anyway.
///
/// Whether products are summed behind a loop must not depend on what it keeps, or its checkpoints would change the bits.
fn is_kept(graph: &Graph, id: NodeId, first_of: &HashMap<NodeId, NodeId>, stacks: &HashSet<(NodeId, usize)>) -> bool {
    let Op::Scan(scan) = &graph.node(id).op else { return true };
    let ScanOutput::Saved(number) = scan.output else { return true };
    number < scan.carries && stacks.contains(&(first_of[&id], scan.body.results()[number]))
}
