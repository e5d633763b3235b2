//! Operations that have bodies: calls, branches and loops. In: nodes. Out: their bodies, and which nodes give one output each
//! of the same run.
//!
//! A node has one value. An operation with several outputs is several nodes with the same operands and attributes, which say
//! which output they give: *siblings*. Passes that derive, plan or run such an operation take its siblings together.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::{
    body::Body,
    op::{Call, Conditional, Op, Scan, While, WithDerivative},
    storage::{Graph, NodeId, Operands},
};

/// What a node gives of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScanOutput {
    /// A carry after the last iteration.
    Final(usize),
    /// A node of the body in every iteration, by its number: a leading axis goes over the iterations.
    Stacked(usize),
    /// As [`ScanOutput::Stacked`], for a derivative alone: a plan may keep some carries instead and compute the node again,
    /// as [`Checkpoints`](super::Checkpoints) says.
    Saved(usize),
}

impl ScanOutput {
    /// The node of the body that this gives in every iteration.
    pub fn stacked_node(self) -> Option<usize> {
        match self {
            ScanOutput::Final(_) => None,
            ScanOutput::Stacked(number) | ScanOutput::Saved(number) => Some(number),
        }
    }

    /// The same for the node of another body.
    pub(crate) fn with_node(self, number: usize) -> ScanOutput {
        match self {
            ScanOutput::Final(carry) => ScanOutput::Final(carry),
            ScanOutput::Stacked(_) => ScanOutput::Stacked(number),
            ScanOutput::Saved(_) => ScanOutput::Saved(number),
        }
    }
}

/// Which carries of a loop are kept for its derivative by reverse mode. The others, and what else the derivative reads, are
/// computed again from the last one that was kept, segment by segment, to the same bits.
///
/// All values of a carry are kept, whatever is chosen, where a product over all iterations reads them and the loop stacks the
/// next ones anyway, as the hidden states of a recurrent layer (rule `product-after-loop`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Checkpoints {
    /// All, and nothing is computed again. A plan that is over its
    /// [`memory_budget`](crate::Options::memory_budget) takes them as [`Checkpoints::SquareRoot`].
    #[default]
    All,
    /// Those before every k-th iteration: memory for n/k carries and for k iterations of what the derivative reads.
    Every(usize),
    /// Those before every ⌈√n⌉-th of n iterations.
    SquareRoot,
}

impl Op {
    /// The bodies in it.
    pub fn bodies(&self) -> SmallVec<[&Body; 2]> {
        match self {
            Op::Call(Call { body, .. })
            | Op::Scan(Scan { body, .. })
            | Op::WithDerivative(WithDerivative { body, .. }) => SmallVec::from_iter([body]),
            Op::Conditional(Conditional { then_body, else_body, .. }) => SmallVec::from_iter([then_body, else_body]),
            Op::While(While { condition, body, .. }) => SmallVec::from_iter([condition, body]),
            _ => SmallVec::new(),
        }
    }

    /// Whether running it does nothing but compute its value, as far as its bodies go too.
    pub(crate) fn is_pure(&self) -> bool {
        match self {
            Op::Custom(custom) => custom.kind.is_pure(),
            other => other.bodies().iter().all(|body| body.is_pure()),
        }
    }

    /// Whether its value depends on one of these operands, of which there is one. A batch takes the same for what differs from
    /// example to example, so neither may see less than the other.
    pub(super) fn is_reached(&self, operands: &[bool]) -> bool {
        match self {
            Op::Call(call) => call.body.reached_nodes(operands)[call.output],
            Op::Conditional(cond) => {
                let gives = |body: &Body| body.reached(&operands[1..])[cond.output];
                operands[0] || gives(&cond.then_body) || gives(&cond.else_body)
            }
            Op::Scan(scan) => {
                let arguments = settled(operands, scan.carries, |arguments| scan.body.reached(arguments));
                match scan.output {
                    ScanOutput::Final(carry) => arguments[carry],
                    ScanOutput::Stacked(number) | ScanOutput::Saved(number) => {
                        scan.body.reached_nodes(&arguments)[number]
                    }
                }
            }
            Op::While(op) => settled(operands, op.carries, |arguments| op.reached_carries(arguments))[op.output],
            // Of any other an element may depend on all operands; of a value with its derivative, the derivative does.
            _ => true,
        }
    }

    /// Whether it has bodies.
    pub(crate) fn is_nested(&self) -> bool {
        !self.bodies().is_empty()
    }

    /// Which output a call, a branch, a loop without a known length or a value with its derivative gives: a node of the body, a
    /// result, a carry, a value.
    pub(crate) fn output(&self) -> usize {
        match self {
            Op::Call(call) => call.output,
            Op::Conditional(cond) => cond.output,
            Op::While(while_loop) => while_loop.output,
            Op::WithDerivative(value) => value.output,
            other => unreachable!("invariant: `{}` has no numbered output", other.name()),
        }
    }

    /// What a loop of a known length gives.
    pub(crate) fn scan_output(&self) -> ScanOutput {
        match self {
            Op::Scan(scan) => scan.output,
            other => unreachable!("invariant: `{}` is no scan", other.name()),
        }
    }

    /// Whether both are outputs of one operation, if their operands are the same.
    fn is_sibling(&self, other: &Op) -> bool {
        match (self, other) {
            (Op::Call(one), Op::Call(other)) => one.body == other.body,
            (Op::Scan(one), Op::Scan(other)) => *one == Scan { output: one.output, ..other.clone() },
            (Op::Conditional(one), Op::Conditional(other)) => {
                *one == Conditional { output: one.output, ..other.clone() }
            }
            (Op::While(one), Op::While(other)) => *one == While { output: one.output, ..other.clone() },
            (Op::WithDerivative(one), Op::WithDerivative(other)) => {
                *one == WithDerivative { output: one.output, ..other.clone() }
            }
            _ => false,
        }
    }
}

impl While {
    /// For each carry whether its next value depends on one of these arguments. Where the condition does, each does: the loop
    /// ends sooner or later.
    pub(crate) fn reached_carries(&self, arguments: &[bool]) -> Vec<bool> {
        let is_condition_reached = self.condition.reached(arguments)[0];
        self.body.reached(arguments).into_iter().map(|is_reached| is_reached || is_condition_reached).collect()
    }
}

/// The arguments of a loop that are reached if these are: with the carries that some iteration reaches. `next` tells which
/// of the next carries are.
pub(crate) fn settled(arguments: &[bool], n_carries: usize, next: impl Fn(&[bool]) -> Vec<bool>) -> Vec<bool> {
    let mut is_reached = arguments.to_vec();
    loop {
        let found = next(&is_reached);
        let newly: Vec<usize> = (0..n_carries).filter(|carry| found[*carry] && !is_reached[*carry]).collect();
        if newly.is_empty() {
            return is_reached;
        }
        newly.into_iter().for_each(|carry| is_reached[carry] = true);
    }
}

/// Nodes with bodies, siblings together, each family and all of them in ascending order.
pub(crate) struct Families(Vec<Vec<NodeId>>);

impl Families {
    /// The siblings of which this node is the first: it comes after their operands, and before the others.
    pub(crate) fn led_by(&self, id: NodeId) -> Option<&[NodeId]> {
        self.0.binary_search_by_key(&id, |family| family[0]).ok().map(|position| self.0[position].as_slice())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[NodeId]> {
        self.0.iter().map(Vec::as_slice)
    }
}

impl Graph {
    /// The nodes with bodies among `ids`, which ascend.
    ///
    /// # Complexity
    /// Linear in the nodes and their operands.
    pub(crate) fn siblings(&self, ids: impl IntoIterator<Item = NodeId>) -> Families {
        let mut families: Vec<Vec<NodeId>> = Vec::new();
        let mut by_operands: HashMap<(Operands, u64), SmallVec<[usize; 1]>> = HashMap::new();
        for id in ids.into_iter().filter(|id| self.node(*id).op.is_nested()) {
            let op = &self.node(id).op;
            let key =
                (self.operands(id), op.bodies().iter().fold(0, |sum: u64, body| sum.wrapping_add(body.fingerprint())));
            let candidates = by_operands.entry(key).or_default();
            let is_family = |family: &&usize| self.node(families[**family][0]).op.is_sibling(op);
            match candidates.iter().find(is_family).copied() {
                Some(family) => families[family].push(id),
                None => {
                    candidates.push(families.len());
                    families.push(vec![id]);
                }
            }
        }
        Families(families)
    }
}
