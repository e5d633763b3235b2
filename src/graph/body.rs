//! Bodies: graphs inside of nodes, as a loop or a call has them. In: nodes of a graph, of which some are taken for arguments.
//! Out: a [`Body`], which nothing changes and many nodes share; and the nodes of a body in another graph.
//!
//! The first nodes of a body are its arguments, in order. What a closure reads from outside is an argument too, so that a
//! pass which sees the operands of a node sees everything that it depends on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use super::{
    dim::Dim,
    frame::FrameGuard,
    op::{Argument, Constant, Op, TraceNumber},
    shape::Type,
    storage::{Graph, Node, NodeId, Operands},
};

/// How deep bodies may lie in bodies: passes go into them by recursion.
pub(crate) const MAX_DEPTH: usize = 64;

/// How many operations a body may have with those inside: functions that call each other twice double them at each level.
pub(crate) const MAX_OPERATIONS: u64 = 1 << 18;

/// A graph inside of a node: a function of its arguments. Nothing changes it, and clones share it.
///
/// Its nodes have numbers, which a text form shows and by which operations name what they give of it; the first are the
/// arguments.
#[derive(Clone)]
pub struct Body(Arc<Frozen>);

struct Frozen {
    nodes: Vec<BodyNode>,
    n_arguments: usize,
    results: Vec<usize>,
    /// 1 for a body without bodies.
    depth: usize,
    /// How many operations it has with those of the bodies inside, each as often as it is mentioned.
    n_operations: u64,
    /// Equal for bodies that are equal.
    fingerprint: u64,
    symbols: BTreeSet<Arc<str>>,
    is_pure: bool,
}

/// A node with the numbers of its operands.
#[derive(Debug, PartialEq)]
pub(crate) struct BodyNode {
    pub(crate) node: Node,
    pub(crate) operands: Operands,
}

impl Body {
    /// The body that computes `results` of `arguments`: these nodes, whatever computes them, become its arguments. Gives the
    /// number in there of each node of the graph that is part of it.
    ///
    /// Whatever else `results` are computed from becomes part of the body, so no input or parameter may be among that.
    pub(crate) fn freeze(graph: &Graph, arguments: &[NodeId], results: &[NodeId]) -> (Body, Numbering) {
        Body::freeze_with(graph, arguments, results, &[])
    }

    /// As [`Body::freeze`], with `observed` nodes that are in the body though no result may need them.
    pub(crate) fn freeze_with(
        graph: &Graph,
        arguments: &[NodeId],
        results: &[NodeId],
        observed: &[NodeId],
    ) -> (Body, Numbering) {
        let mut numbers: BTreeMap<NodeId, usize> =
            arguments.iter().enumerate().map(|(index, id)| (*id, index)).collect();
        let argument = |(index, id): (usize, &NodeId)| BodyNode {
            node: argument(&graph.node(*id), index),
            operands: Operands::new(),
        };
        let mut nodes: Vec<BodyNode> = arguments.iter().enumerate().map(argument).collect();
        let wanted = results.iter().chain(observed).copied();
        for id in reached(graph, wanted, |id| numbers.contains_key(&id)) {
            let node = graph.node(id).clone();
            let is_outside = node.op.is_fed() || matches!(node.op, Op::Argument(_));
            assert!(!is_outside, "invariant: what a body reads from outside is an argument");
            let operands = graph.operands(id).iter().map(|operand| NodeId::new(numbers[operand])).collect();
            numbers.insert(id, nodes.len());
            nodes.push(BodyNode { node, operands });
        }
        let results = results.iter().map(|id| numbers[id]).collect();
        (Body::new(nodes, arguments.len(), results), Numbering(numbers))
    }

    /// All nodes of a graph as a body; the first are its arguments.
    pub(crate) fn of_graph(graph: &Graph, results: &[NodeId]) -> Body {
        let nodes: Vec<BodyNode> =
            graph.ids().map(|id| BodyNode { node: graph.node(id).clone(), operands: graph.operands(id) }).collect();
        let n_arguments = nodes.iter().take_while(|node| matches!(node.node.op, Op::Argument(_))).count();
        Body::new(nodes, n_arguments, results.iter().map(|id| id.index()).collect())
    }

    /// A body of nodes whose operands come before them.
    fn new(nodes: Vec<BodyNode>, n_arguments: usize, results: Vec<usize>) -> Body {
        let inner = nodes.iter().flat_map(|node| node.node.op.bodies());
        let depth = 1 + inner.clone().map(Body::depth).max().unwrap_or(0);
        let n_operations = inner.map(Body::n_operations).fold(nodes.len() as u64, u64::saturating_add);
        let is_pure = nodes.iter().all(|node| node.node.op.is_pure());
        let symbols = nodes.iter().flat_map(|node| node.node.symbols()).collect();
        let mut hasher = DefaultHasher::new();
        for node in &nodes {
            node.node.op.name().hash(&mut hasher);
            node.node.ty.hash(&mut hasher);
            node.operands.hash(&mut hasher);
            node.node.op.bodies().iter().for_each(|body| body.0.fingerprint.hash(&mut hasher));
        }
        (n_arguments, &results).hash(&mut hasher);
        Body(Arc::new(Frozen {
            nodes,
            n_arguments,
            results,
            depth,
            n_operations,
            fingerprint: hasher.finish(),
            symbols,
            is_pure,
        }))
    }

    /// The number of nodes, arguments among them.
    pub fn len(&self) -> usize {
        self.0.nodes.len()
    }

    /// Whether it has no node: no argument and no result.
    pub fn is_empty(&self) -> bool {
        self.0.nodes.is_empty()
    }

    /// How many arguments it has: the nodes from 0 on.
    pub fn n_arguments(&self) -> usize {
        self.0.n_arguments
    }

    /// The numbers of its results, in order.
    pub fn results(&self) -> &[usize] {
        &self.0.results
    }

    /// How deep bodies lie in it: 1 if there is none.
    pub fn depth(&self) -> usize {
        self.0.depth
    }

    /// How many operations it has with those of the bodies inside, each as often as it is mentioned there.
    pub(crate) fn n_operations(&self) -> u64 {
        self.0.n_operations
    }

    /// The type of a node.
    pub fn ty(&self, number: usize) -> &Type {
        &self.0.nodes[number].node.ty
    }

    /// The types of the arguments, in order.
    pub fn argument_types(&self) -> impl ExactSizeIterator<Item = &Type> {
        self.0.nodes[..self.0.n_arguments].iter().map(|node| &node.node.ty)
    }

    /// The types of the results, in order.
    pub fn result_types(&self) -> impl ExactSizeIterator<Item = &Type> {
        self.0.results.iter().map(|number| self.ty(*number))
    }

    /// For each result whether it depends on one of these arguments, as far as operands tell, in the bodies inside too.
    pub(crate) fn reached(&self, arguments: &[bool]) -> Vec<bool> {
        let is_reached = self.reached_nodes(arguments);
        self.results().iter().map(|number| is_reached[*number]).collect()
    }

    /// The same for each node.
    pub(super) fn reached_nodes(&self, arguments: &[bool]) -> Vec<bool> {
        let mut is_reached = arguments.to_vec();
        for node in &self.0.nodes[self.n_arguments()..] {
            let operands: Vec<bool> = node.operands.iter().map(|operand| is_reached[operand.index()]).collect();
            is_reached.push(operands.contains(&true) && node.node.op.is_reached(&operands));
        }
        is_reached
    }

    /// Whether running it does nothing but compute its results.
    pub(crate) fn is_pure(&self) -> bool {
        self.0.is_pure
    }

    pub(crate) fn nodes(&self) -> &[BodyNode] {
        &self.0.nodes
    }

    /// The symbols in sizes of its nodes.
    pub(crate) fn symbols(&self) -> &BTreeSet<Arc<str>> {
        &self.0.symbols
    }

    /// Equal for bodies that are equal, on every run of every program.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.0.fingerprint
    }

    /// Whether both are one and the same, which is more than being equal.
    pub(crate) fn is_same(&self, other: &Body) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Opens the frame of a pass that makes nodes for this body, at the line of its first node.
    pub(crate) fn enter<'g>(&self, graph: &'g Graph, operation: &'static str) -> FrameGuard<'g> {
        let first = &self.0.nodes.first().expect("invariant: what gives an output has a node").node;
        graph.enter_at(operation, first.provenance.clone())
    }

    /// A graph of its own whose nodes have the numbers of the body.
    pub(crate) fn thaw(&self) -> Graph {
        let graph = Graph::new();
        for BodyNode { node, operands } in self.nodes() {
            graph.insert_copy(node, operands);
        }
        graph
    }

    /// Its nodes as nodes of `graph`, by their numbers, with these nodes in place of the arguments.
    pub(crate) fn inline(&self, graph: &Graph, arguments: &[NodeId]) -> Vec<NodeId> {
        let mut image: Vec<NodeId> = arguments.to_vec();
        for BodyNode { node, operands } in &self.nodes()[self.n_arguments()..] {
            let operands: Operands = operands.iter().map(|operand| image[operand.index()]).collect();
            image.push(graph.insert_copy(node, &operands));
        }
        image
    }
}

/// The number in a body of each node of the graph that the body was made from.
pub(crate) struct Numbering(BTreeMap<NodeId, usize>);

impl Numbering {
    /// The number of a node that is in the body.
    pub(crate) fn number(&self, id: NodeId) -> usize {
        *self.0.get(&id).expect("invariant: the node is a result or observed")
    }
}

/// The nodes from which some are computed, these among them, in ascending order: all up to those at which it ends, without
/// these.
fn reached(graph: &Graph, from: impl IntoIterator<Item = NodeId>, ends: impl Fn(NodeId) -> bool) -> BTreeSet<NodeId> {
    let mut found = BTreeSet::new();
    let mut left: Vec<NodeId> = from.into_iter().collect();
    while let Some(id) = left.pop() {
        if !ends(id) && found.insert(id) {
            left.extend(graph.operands(id));
        }
    }
    found
}

/// The argument in place of a node.
fn argument(node: &Node, index: usize) -> Node {
    let Type { dtype, shape } = node.ty.clone();
    let op = Op::Argument(Argument { index, trace: TraceNumber(0), dtype, shape });
    Node { op, ty: node.ty.clone(), provenance: node.provenance.clone() }
}

impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.is_same(other)
            || (self.0.fingerprint == other.0.fingerprint
                && self.0.results == other.0.results
                && self.0.n_arguments == other.0.n_arguments
                && self.0.nodes.len() == other.0.nodes.len()
                && self.0.nodes.iter().zip(&other.0.nodes).all(|(one, other)| {
                    one.operands == other.operands
                        && one.node.ty == other.node.ty
                        && one.node.op.is_identical(&other.node.op)
                }))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} arguments, {} nodes, results {:?})", self.n_arguments(), self.len(), self.results())
    }
}

/// While a closure builds a body: the nodes that stand for its arguments, and where it began.
pub(crate) struct BodyTrace<'g> {
    graph: &'g Graph,
    start: usize,
    pub(crate) arguments: Vec<NodeId>,
}

/// Which nodes that a closure made go into the body though they depend on no argument.
#[derive(Clone, Copy)]
pub(crate) enum Invariants<'i> {
    /// Movements, which cost nothing there, and operations that may fail, with what depends on them: the body may not run at all,
    /// and then there is no error. The others are computed once, outside. It says whether an operation may fail.
    Outside(&'i dyn Fn(&Op) -> bool),
    /// All: the body may not run at all.
    Inside,
}

impl Graph {
    /// Opens a body with arguments of these types.
    pub(crate) fn trace<'t>(&self, types: impl IntoIterator<Item = &'t Type>) -> BodyTrace<'_> {
        let start = self.len();
        let argument = |(index, ty): (usize, &Type)| {
            let Type { dtype, shape } = ty.clone();
            let op = Op::Argument(Argument { index, trace: TraceNumber(start + 1), dtype, shape });
            self.insert(op, ty.clone(), &[])
        };
        let arguments = types.into_iter().enumerate().map(argument).collect();
        BodyTrace { graph: self, start, arguments }
    }
}

impl BodyTrace<'_> {
    /// The body of `results`, with `observed` nodes in it too. The arguments after the declared ones are `captures`, which
    /// are all that [`BodyTrace::captures`] gives for these nodes, and perhaps more.
    pub(crate) fn close(self, captures: &[NodeId], results: &[NodeId], observed: &[NodeId]) -> (Body, Vec<usize>) {
        let arguments: Vec<NodeId> = self.arguments.iter().chain(captures).copied().collect();
        let (body, numbering) = Body::freeze_with(self.graph, &arguments, results, observed);
        (body, observed.iter().map(|id| numbering.number(*id)).collect())
    }

    /// The nodes that the body of `wanted` reads from outside, ascending.
    pub(crate) fn captures(&self, wanted: &[NodeId], invariants: Invariants<'_>) -> Vec<NodeId> {
        let graph = self.graph;
        let arguments: BTreeSet<NodeId> = self.arguments.iter().copied().collect();
        let is_new = |id: NodeId| id.index() >= self.start && !arguments.contains(&id);
        let may_fail = |id: NodeId| match invariants {
            Invariants::Outside(may_fail) => may_fail(&graph.node(id).op),
            Invariants::Inside => false,
        };
        // In ascending order, so that operands come before their users.
        let mut depends = arguments.clone();
        for id in reached(graph, wanted.iter().copied(), |id| !is_new(id)) {
            if graph.operands(id).iter().any(|operand| depends.contains(operand)) || may_fail(id) {
                depends.insert(id);
            }
        }
        let is_inside = |id: NodeId| {
            let op = &graph.node(id).op;
            // A handle of another body is read from outside: where it stands alone, it is told as an error.
            // The mode is settled outside of bodies.
            let may_move = is_new(id) && !op.is_fed() && !matches!(op, Op::Argument(_) | Op::IsTraining(_));
            matches!(op, Op::Constant(Constant { .. }) | Op::DimSize(_))
                || depends.contains(&id)
                || (may_move && (matches!(invariants, Invariants::Inside) || is_free_movement(op)))
        };
        let inside = reached(graph, wanted.iter().copied(), |id| arguments.contains(&id) || !is_inside(id));
        let read = inside.iter().flat_map(|id| graph.operands(*id)).chain(wanted.iter().copied());
        let outside: BTreeSet<NodeId> = read.filter(|id| !inside.contains(id) && !arguments.contains(id)).collect();
        outside.into_iter().collect()
    }
}

/// Whether a plan says it by strides, so that it is better read from inside than stored outside.
fn is_free_movement(op: &Op) -> bool {
    matches!(op, Op::Broadcast(_) | Op::Transpose(_) | Op::Reverse(_) | Op::Slice(_))
}

impl Node {
    /// The symbols that must be known to compute it.
    pub(crate) fn symbols(&self) -> Vec<Arc<str>> {
        let mut symbols: Vec<Arc<str>> = self.ty.shape.iter().flat_map(Dim::symbols).collect();
        match &self.op {
            Op::DimSize(size) => symbols.extend(size.dim.symbols()),
            Op::Scan(scan) => symbols.extend(scan.length.symbols()),
            _ => {}
        }
        symbols.extend(self.op.bodies().iter().flat_map(|body| body.symbols().iter().cloned()));
        symbols
    }
}
