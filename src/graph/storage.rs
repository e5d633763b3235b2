//! The graph itself: an append-only list of nodes with the edges between them, and what is recorded beside it.
//!
//! In: operations whose type is known. Out: node ids whose order is a topological order. Nothing else in the crate
//! touches petgraph.

use std::{
    cell::{Ref, RefCell},
    fmt,
};

use indexmap::IndexMap;
use petgraph::{Direction::Incoming, graph::DiGraph, graph::NodeIndex, visit::EdgeRef};
use smallvec::SmallVec;

use super::{
    diagnostic::{Diagnostic, Diagnostics, GraphError, OperandNote},
    expr::Expr,
    frame::{Frame, Provenance, Scopes},
    list::List,
    op::{Name, Op, Poison},
    shape::Type,
    site::Site,
    updates::Update,
};

/// The position of a node: operands always come before their users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(super) NodeIndex);

impl NodeId {
    /// The node at a position.
    pub(crate) fn new(index: usize) -> NodeId {
        NodeId(NodeIndex::new(index))
    }

    /// The position as a number, from 0.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

/// Operands of a node, in order.
pub type Operands = List<NodeId>;

/// What a node computes, of which type, and where that was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// The primitive with its attributes.
    pub op: Op,
    /// The type of its value.
    pub ty: Type,
    /// For what it was made.
    pub provenance: Provenance,
}

/// A static graph of array operations, built through [`Expr`] handles.
///
/// Building never fails: an error is recorded with the caller's file and line, and [`Graph::check`] or compilation
/// returns all of them together. The graph only grows; passes read it and append to it or make a new one.
///
/// # Example
/// ```
/// use pullback::Graph;
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 3));
/// let y = (x * x).sum();
/// assert_eq!(y.ty().to_string(), "f32[]");
/// assert!(g.check().is_ok());
/// ```
#[derive(Default)]
pub struct Graph {
    inner: RefCell<Inner>,
    pub(super) frame: RefCell<Option<Frame>>,
    pub(super) scopes: RefCell<Scopes>,
}

#[derive(Default)]
struct Inner {
    nodes: DiGraph<Node, u32>,
    names: IndexMap<Name, NodeId>,
    /// What becomes of states, in the order in which it was written.
    updates: Vec<Update>,
    diagnostics: Vec<Diagnostic>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Graph {
        Graph::default()
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.inner.borrow().nodes.node_count()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of all nodes, operands before their users.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<> {
        (0..self.len()).map(|index| NodeId(NodeIndex::new(index)))
    }

    /// The node of that id.
    pub(crate) fn node(&self, id: NodeId) -> Ref<'_, Node> {
        Ref::map(self.inner.borrow(), |inner| &inner.nodes[id.0])
    }

    /// The operands of a node, in order.
    pub fn operands(&self, id: NodeId) -> Operands {
        let inner = self.inner.borrow();
        let mut edges: SmallVec<[(u32, NodeId); 3]> =
            inner.nodes.edges_directed(id.0, Incoming).map(|edge| (*edge.weight(), NodeId(edge.source()))).collect();
        edges.sort_unstable_by_key(|(position, _)| *position);
        edges.into_iter().map(|(_, operand)| operand).collect()
    }

    /// The nodes that `results` are computed from, themselves included, operands before their users.
    ///
    /// # Complexity
    /// Linear in the number of nodes up to the last result.
    pub fn ancestors(&self, results: &[NodeId]) -> Vec<NodeId> {
        let end = results.iter().map(|id| id.index() + 1).max().unwrap_or(0);
        let mut is_needed = vec![false; end];
        for result in results {
            is_needed[result.index()] = true;
        }
        let ids: Vec<NodeId> = self.ids().take(end).collect();
        for id in ids.iter().rev() {
            if is_needed[id.index()] {
                self.operands(*id).iter().for_each(|operand| is_needed[operand.index()] = true);
            }
        }
        ids.into_iter().filter(|id| is_needed[id.index()]).collect()
    }

    /// The handle of a node of this graph: a struct that has a graph keeps ids of its nodes, since handles borrow the graph.
    ///
    /// # Errors
    /// An error is recorded if the graph has no such node, because the id is that of another, larger one.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, graph::NodeId};
    /// struct Model {
    ///     graph: Graph,
    ///     loss: NodeId,
    /// }
    /// let graph = Graph::new();
    /// let loss = graph.input("x", ("n",)).square().sum().id();
    /// let model = Model { graph, loss };
    /// assert_eq!(model.graph.expr(model.loss).ty().to_string(), "f32[]");
    /// ```
    #[track_caller]
    pub fn expr(&self, id: NodeId) -> Expr<'_> {
        if id.index() < self.len() {
            return Expr::new(self, id);
        }
        let _frame = self.enter("expr", Site::caller());
        self.report(GraphError::ForeignGraph, &[])
    }

    /// The inputs, in the order of declaration.
    pub fn inputs(&self) -> Vec<Expr<'_>> {
        self.leaves(|op| matches!(op, Op::Input(_)))
    }

    /// The parameters, in the order of declaration.
    pub fn parameters(&self) -> Vec<Expr<'_>> {
        self.leaves(|op| matches!(op, Op::Parameter(_)))
    }

    /// The states, in the order of declaration.
    pub fn states(&self) -> Vec<Expr<'_>> {
        self.leaves(|op| matches!(op, Op::State(_)))
    }

    /// Looks at what becomes of states, or adds to it.
    pub(super) fn with_updates<T>(&self, read: impl FnOnce(&mut Vec<Update>) -> T) -> T {
        read(&mut self.inner.borrow_mut().updates)
    }

    fn leaves(&self, accept: impl Fn(&Op) -> bool) -> Vec<Expr<'_>> {
        let ids: Vec<NodeId> = self.inner.borrow().names.values().copied().collect();
        ids.into_iter().filter(|id| accept(&self.node(*id).op)).map(|id| self.expr(id)).collect()
    }

    /// The input, parameter or state of that name, scopes included.
    pub fn named(&self, name: &str) -> Option<Expr<'_>> {
        let id = self.inner.borrow().names.get(&Name(name.into())).copied();
        id.map(|id| self.expr(id))
    }

    /// All errors so far.
    ///
    /// # Errors
    /// One report for each independent error; what is built on an error adds none.
    ///
    /// # Example
    /// ```
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", (2, 3));
    /// let y = g.input("y", (4, 5));
    /// let z = (x + y).tanh().sum();
    /// let report = g.check().unwrap_err().to_string();
    /// assert!(report.contains("shapes [2, 3] and [4, 5] do not broadcast together"));
    /// ```
    #[doc(alias = "validate")]
    pub fn check(&self) -> Result<(), Diagnostics> {
        let inner = self.inner.borrow();
        if inner.diagnostics.is_empty() { Ok(()) } else { Err(Diagnostics(inner.diagnostics.clone())) }
    }

    /// Appends a node whose type has been inferred.
    pub(crate) fn insert(&self, op: Op, ty: Type, operands: &[NodeId]) -> NodeId {
        let provenance = self.open_frame().provenance.clone();
        let mut inner = self.inner.borrow_mut();
        let id = NodeId(inner.nodes.add_node(Node { op, ty, provenance }));
        for (position, operand) in (0u32..).zip(operands) {
            assert!(*operand < id, "invariant: operands come before their users");
            inner.nodes.add_edge(operand.0, id.0, position);
        }
        if let Some(name) = inner.nodes[id.0].op.leaf_name().cloned() {
            inner.names.insert(name, id);
        }
        id
    }

    /// Appends a node of another graph or body with these operands: it keeps for what it was made.
    pub(crate) fn insert_copy(&self, node: &Node, operands: &[NodeId]) -> NodeId {
        let _frame = self.enter_at(node.op.name(), node.provenance.clone());
        self.insert(node.op.clone(), node.ty.clone(), operands)
    }

    /// Records an error of the current call and returns the poison that stands in its place.
    pub(crate) fn report(&self, error: GraphError, operands: &[Expr<'_>]) -> Expr<'_> {
        let operands = operands.iter().map(Expr::note).collect();
        let (operation, site) = {
            let frame = self.open_frame();
            (frame.operation, frame.provenance.site)
        };
        let diagnostic = Diagnostic { error, operation, site, operands };
        self.inner.borrow_mut().diagnostics.push(diagnostic);
        self.poison()
    }

    /// Takes over the errors of a graph that was made beside this one, and gives the poison that stands for them.
    pub(crate) fn take_errors(&self, beside: &Graph) -> Option<Expr<'_>> {
        let errors = beside.inner.borrow().diagnostics.clone();
        if errors.is_empty() {
            return None;
        }
        self.inner.borrow_mut().diagnostics.extend(errors);
        Some(self.poison())
    }

    /// A node that stands for an error reported already.
    pub(crate) fn poison(&self) -> Expr<'_> {
        let ty = Type::new(super::dtype::DType::F32, ());
        self.expr(self.insert(Op::Poison(Poison {}), ty, &[]))
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph({} nodes)", self.len())
    }
}

impl Expr<'_> {
    fn note(&self) -> OperandNote {
        let node = self.graph().node(self.id());
        let made_by = match node.op.leaf_name() {
            Some(Name(name)) => format!("{} {name:?}", node.op.name()),
            None => format!("`{}`", node.op.name()),
        };
        OperandNote { ty: node.ty.clone(), made_by, site: node.provenance.site }
    }
}
