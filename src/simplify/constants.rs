//! Which values that depend on constants alone become constants. In: a graph and its results. Out: nodes to compute once,
//! and a graph copy in which they are constants.
//!
//! Computing a value at each run costs its operations; keeping it costs memory, and reading it at each run. So from each
//! place where a constant value meets one that is fed, this looks towards the leaves for the first value that is worth
//! keeping:
//!
//! - A splat is a number that lies nowhere, and a transposed, reversed or repeated array is read where it lies: what they
//!   move is kept, not they.
//! - What few operations make of smaller arrays, such as a mask made of two rows of positions, is fused into its readers
//!   for less than reading it takes: its smaller operands are kept.
//! - What does not fit the limit stays, and its operands are looked at.

use super::{Compute, class::Class, report::SimplifyReport, without_rewrites};
use crate::{
    graph::{Constant, Graph, Literal, NodeId, Op, Type, Value},
    ops,
};

/// The name under which folded values are reported.
pub(super) const FOLD_CONSTANTS: &str = "fold-constants";

/// Arrays of fewer bytes are read from a cache for next to nothing.
const CHEAP_BYTES: i64 = 16 * 1024;
/// The most additions an element that are made again at each run: about what reading an element from beyond the
/// first-level cache takes.
const CHEAP_COST: usize = 4;
/// How many times larger than its operands an array is that is made again.
const GROWTH: i64 = 2;

/// How a constant value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reader {
    /// By elementwise functions and reductions, which compute it themselves if it is an elementwise function of others.
    Fused,
    /// As a whole, by a product for example.
    Whole,
}

/// Nodes worth keeping that depend on constants alone, ascending: together they take at most so many bytes.
pub(super) fn worth_keeping(graph: &Graph, results: &[NodeId], max_bytes: usize) -> Vec<NodeId> {
    let ids = graph.ancestors(results);
    let candidates = Candidates::new(graph, &ids);
    let mut readers = candidates.readers(&ids, results);
    let mut room = i64::try_from(max_bytes).unwrap_or(i64::MAX);
    let mut kept = Vec::new();
    for id in ids.iter().rev() {
        let Some(reader) = readers[id.index()] else { continue };
        if candidates.is_worth_it(*id, reader) && candidates.bytes(*id) <= room {
            room -= candidates.bytes(*id);
            kept.push(*id);
            continue;
        }
        let is_fused = ops::traits(&graph.node(*id).op).is_elementwise;
        let through = if is_fused { Reader::Fused } else { Reader::Whole };
        let through = if is_strided(graph, *id) { reader } else { through };
        for operand in graph.operands(*id) {
            readers[operand.index()] = readers[operand.index()].max(Some(through));
        }
    }
    kept.reverse();
    kept
}

/// The nodes of a graph that depend on constants alone.
struct Candidates<'g> {
    graph: &'g Graph,
    is_constant: Vec<bool>,
}

impl Candidates<'_> {
    fn new<'g>(graph: &'g Graph, ids: &[NodeId]) -> Candidates<'g> {
        let mut is_constant = vec![false; graph.len()];
        for id in ids {
            let node = graph.node(*id);
            // A loop that its values end may not end: its error belongs to the run, and so does what an operation does beside
            // computing.
            let is_open = matches!(node.op, Op::While(_)) || !node.op.is_pure();
            let is_settled_later = matches!(node.op, Op::IsTraining(_) | Op::Argument(_) | Op::Poison(_));
            is_constant[id.index()] = !(node.op.is_fed() || is_settled_later || is_open)
                && node.ty.shape.as_numbers().is_some()
                && graph.operands(*id).iter().all(|operand| is_constant[operand.index()]);
        }
        Candidates { graph, is_constant }
    }

    /// How each constant node is read by nodes that are not, or as a result.
    fn readers(&self, ids: &[NodeId], results: &[NodeId]) -> Vec<Option<Reader>> {
        let mut readers = vec![None; self.graph.len()];
        let mut read = |id: NodeId, reader: Reader| {
            if self.is_constant[id.index()] {
                readers[id.index()] = readers[id.index()].max(Some(reader));
            }
        };
        results.iter().for_each(|id| read(*id, Reader::Whole));
        for id in ids.iter().filter(|id| !self.is_constant[id.index()]) {
            let op = &self.graph.node(*id).op;
            let is_fused = ops::traits(op).is_elementwise || matches!(op, Op::Reduce(_));
            let reader = if is_fused { Reader::Fused } else { Reader::Whole };
            self.graph.operands(*id).iter().for_each(|operand| read(*operand, reader));
        }
        readers
    }

    fn is_worth_it(&self, id: NodeId, reader: Reader) -> bool {
        let is_constant_already = matches!(self.graph.node(id).op, Op::Constant(_));
        let is_cheap = || reader == Reader::Fused && self.bytes(id) > CHEAP_BYTES && self.is_cheap(id);
        !is_constant_already && !is_strided(self.graph, id) && !is_cheap()
    }

    /// Whether few operations make the value of smaller arrays.
    fn is_cheap(&self, root: NodeId) -> bool {
        let n_elements = self.n_elements(root);
        let (mut cost, mut left) = (0, vec![root]);
        while let Some(id) = left.pop() {
            let node = self.graph.node(id);
            let n_stored = match &node.op {
                Op::Constant(constant) if !matches!(constant.value, Literal::Array(_)) => 0,
                // Along the other axes it is read by strides.
                Op::Iota(iota) => iota.shape[iota.axis].as_number().unwrap_or(i64::MAX),
                _ => self.n_elements(id),
            };
            if n_stored.saturating_mul(GROWTH) <= n_elements {
                continue;
            }
            let traits = ops::traits(&node.op);
            if !traits.is_elementwise && !is_strided(self.graph, id) {
                return false;
            }
            cost += if traits.is_elementwise { function_cost(&node.op) } else { 0 };
            if cost > CHEAP_COST {
                return false;
            }
            left.extend(self.graph.operands(id));
        }
        true
    }

    fn n_elements(&self, id: NodeId) -> i64 {
        self.graph.node(id).ty.shape.size().as_number().unwrap_or(i64::MAX)
    }

    fn bytes(&self, id: NodeId) -> i64 {
        let size = i64::try_from(self.graph.node(id).ty.dtype.size()).unwrap_or(i64::MAX);
        self.n_elements(id).saturating_mul(size)
    }
}

/// Whether a node is read where its operand lies, by strides: a slice only of a constant, since of anything else the rest
/// would be kept too, and a reshape only of what is contiguous.
fn is_strided(graph: &Graph, id: NodeId) -> bool {
    let is_operand = |is_such: &dyn Fn(&Op) -> bool| {
        graph.operands(id).first().is_some_and(|operand| is_such(&graph.node(*operand).op))
    };
    match graph.node(id).op {
        Op::Broadcast(_) | Op::Transpose(_) | Op::Reverse(_) => true,
        Op::Slice(_) => is_operand(&|op| matches!(op, Op::Constant(_))),
        Op::Reshape(_) => is_operand(&|op| !ops::traits(op).is_movement),
        _ => false,
    }
}

/// How much longer an elementwise function takes than an addition.
fn function_cost(op: &Op) -> usize {
    match op {
        Op::Unary(function) => function.cost(),
        Op::Binary(function) => function.cost(),
        _ => 1,
    }
}

/// The nodes that became constants, ascending, with their constants.
#[derive(Default)]
pub(super) struct Folded(Vec<(NodeId, Op)>);

impl Folded {
    /// Computes the nodes: together, or one by one where together they cannot be, because one of them fails or needs too
    /// much memory on the way. That one stays as it is, so that the run fails at the user's line, or not at all.
    pub(super) fn compute(graph: &Graph, ids: &[NodeId], compute: Compute<'_>, report: &mut SimplifyReport) -> Folded {
        let together = constants(graph, ids, compute);
        let folded = together.unwrap_or_else(|| {
            let alone = ids.iter().filter(|_| ids.len() > 1);
            alone.filter_map(|id| constants(graph, std::slice::from_ref(id), compute)).flatten().collect()
        });
        for (id, _) in &folded {
            report.add(FOLD_CONSTANTS, Class::Ulp, graph.node(*id).provenance.site);
        }
        Folded(folded)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of all of them.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |(_, op): &(NodeId, Op)| match op {
            Op::Constant(Constant { value: Literal::Array(array), dtype, .. }) => array.len() * dtype.size(),
            _ => 0,
        };
        self.0.iter().map(bytes).sum()
    }

    /// The constant that a node became.
    pub(super) fn constant(&self, id: NodeId) -> Option<&Op> {
        self.0.binary_search_by_key(&id, |(folded, _)| *folded).ok().map(|position| &self.0[position].1)
    }

    /// Those of the nodes that are needed by the results once these are constants.
    pub(super) fn still_needed(&self, graph: &Graph, needed: Vec<NodeId>, results: &[NodeId]) -> Vec<NodeId> {
        if self.is_empty() {
            return needed;
        }
        let mut is_read = vec![false; graph.len()];
        results.iter().for_each(|id| is_read[id.index()] = true);
        for id in needed.iter().rev() {
            // Inputs that only tell a size are read by nothing.
            if is_read[id.index()] && self.constant(*id).is_none() {
                graph.operands(*id).iter().for_each(|operand| is_read[operand.index()] = true);
            }
        }
        let is_kept = |id: &NodeId| is_read[id.index()] || matches!(graph.node(*id).op, Op::Input(_));
        needed.into_iter().filter(is_kept).collect()
    }
}

/// The constants in place of nodes, if all of them can be computed.
fn constants(graph: &Graph, ids: &[NodeId], compute: Compute<'_>) -> Option<Vec<(NodeId, Op)>> {
    if ids.is_empty() {
        return Some(Vec::new());
    }
    let part = without_rewrites(graph, ids);
    let values = compute(part.graph, part.results)?;
    let constant = |(id, value): (&NodeId, Value)| {
        let Type { dtype, shape } = graph.node(*id).ty.clone();
        (*id, Constant { value: Literal::from(value), dtype, shape }.into())
    };
    Some(ids.iter().zip(values).map(constant).collect())
}
