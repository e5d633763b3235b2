//! For what nodes are made. In: calls of the user's, scopes that are open, sweeps of derivatives. Out: the [`Provenance`] of every
//! node that is made meanwhile.
//!
//! The outermost call wins, since the line that a user wrote is the one to be told of. The innermost scope wins, since a
//! picture or a table shows the parts of a model by it.

use std::{cell::Ref, sync::Arc};

use indexmap::IndexSet;

use super::{
    expr::Expr,
    op::Name,
    site::Site,
    storage::{Graph, NodeId},
};

/// For what a node was made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Provenance {
    /// Where the user wrote it.
    pub(crate) site: Site,
    /// The operation as the user called it there: that of a composite, if one made the node.
    pub(crate) call: &'static str,
    /// The innermost scope or layer around it.
    pub(crate) scope: Option<Arc<str>>,
    /// The derivative that it is part of.
    pub(crate) derivative: Option<DerivativeMode>,
}

impl Provenance {
    /// A call at a place, outside of any scope.
    pub(crate) fn at(site: Site, call: &'static str) -> Provenance {
        Provenance { site, call, scope: None, derivative: None }
    }
}

/// The mode of a derivative: which way products of the chain rule are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DerivativeMode {
    /// From the results back: a row of the Jacobian at a time.
    Reverse,
    /// From the operands on: a column of the Jacobian at a time.
    Forward,
}

impl DerivativeMode {
    /// The operation that asks for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            DerivativeMode::Reverse => "gradient",
            DerivativeMode::Forward => "jvp",
        }
    }
}

/// The call that the user wrote and that further calls inside it are made for.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// What errors are told of.
    pub(super) operation: &'static str,
    /// What nodes have.
    pub(super) provenance: Provenance,
}

/// While it lives, nodes and errors belong to the frame that it opened.
pub(crate) struct FrameGuard<'g> {
    graph: &'g Graph,
    previous: Option<Frame>,
}

impl Drop for FrameGuard<'_> {
    fn drop(&mut self) {
        self.graph.frame.replace(self.previous.take());
    }
}

/// The paths of the scopes that are open, and of all layers.
#[derive(Default)]
pub(super) struct Scopes {
    /// From the outermost: `encoder`, `encoder.block`.
    open: Vec<Arc<str>>,
    layers: IndexSet<Arc<str>>,
}

/// The path of a layer of a graph, by its number there: the beginning of the names of what it declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerScope(Option<usize>);

impl LayerScope {
    /// That of what stands for a layer that could not be declared.
    pub(crate) const NONE: LayerScope = LayerScope(None);
}

/// While it lives, names of inputs and parameters are prefixed; made by [`Graph::scope`].
#[must_use = "the scope ends when this is dropped"]
pub struct Scope<'g> {
    graph: &'g Graph,
    depth: usize,
    /// The frame with the scope that it had.
    frame: Option<Frame>,
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        self.graph.scopes.borrow_mut().open.truncate(self.depth);
        if let (Some(frame), Some(before)) = (self.graph.frame.borrow_mut().as_mut(), self.frame.take()) {
            frame.provenance.scope = before.provenance.scope;
        }
    }
}

/// While it lives, no scope is open; made by [`Graph::leave_scopes`].
pub(crate) struct OutsideScopes<'g> {
    graph: &'g Graph,
    open: Vec<Arc<str>>,
}

impl Drop for OutsideScopes<'_> {
    fn drop(&mut self) {
        self.graph.scopes.borrow_mut().open = std::mem::take(&mut self.open);
    }
}

impl Graph {
    /// Prefixes the names of inputs, parameters and states with `name` and a dot until the guard is dropped. What is
    /// built meanwhile is one group of the graph's picture.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Initializer};
    /// let g = Graph::new();
    /// {
    ///     let _encoder = g.scope("encoder");
    ///     g.parameter("weight", (2, 3), Initializer::Zeros);
    /// }
    /// assert_eq!(g.parameters()[0].name().unwrap(), "encoder.weight");
    /// ```
    #[doc(alias("name_scope", "variable_scope"))]
    pub fn scope(&self, name: impl Into<String>) -> Scope<'_> {
        let path = self.scoped(&name.into()).0;
        let mut scopes = self.scopes.borrow_mut();
        let depth = scopes.open.len();
        scopes.open.push(path.clone());
        let mut frame = self.frame.borrow_mut();
        let before = frame.clone();
        if let Some(frame) = frame.as_mut() {
            frame.provenance.scope = Some(path);
        }
        Scope { graph: self, depth, frame: before }
    }

    /// `name` with the open scopes before it.
    pub(crate) fn scoped(&self, name: &str) -> Name {
        match self.scopes.borrow().open.last() {
            Some(path) => Name(format!("{path}.{name}").into()),
            None => Name(name.into()),
        }
    }

    /// Closes all scopes for as long as the guard lives, for names that are whole.
    pub(crate) fn leave_scopes(&self) -> OutsideScopes<'_> {
        OutsideScopes { graph: self, open: std::mem::take(&mut self.scopes.borrow_mut().open) }
    }

    /// The path of a layer.
    pub(crate) fn path_of(&self, scope: LayerScope) -> Option<Arc<str>> {
        scope.0.and_then(|number| self.scopes.borrow().layers.get_index(number).cloned())
    }

    /// The scope of a layer of that name, as scopes are open now.
    pub(crate) fn layer_scope(&self, name: &str) -> LayerScope {
        let path = self.scoped(name).0;
        LayerScope(Some(self.scopes.borrow_mut().layers.insert_full(path).0))
    }

    /// The frame that is open.
    pub(super) fn open_frame(&self) -> Ref<'_, Frame> {
        let frame = Ref::filter_map(self.frame.borrow(), Option::as_ref).ok();
        frame.expect("invariant: every builder opens a frame")
    }

    fn set_frame(&self, frame: Option<Frame>) -> FrameGuard<'_> {
        FrameGuard { graph: self, previous: self.frame.replace(frame) }
    }

    /// Opens the frame of a call, unless one is open: what a composite builds belongs to the user's call of it.
    pub(crate) fn enter(&self, operation: &'static str, site: Site) -> FrameGuard<'_> {
        let frame = self.frame().unwrap_or_else(|| {
            let scope = self.scopes.borrow().open.last().cloned();
            Frame { operation, provenance: Provenance { scope, ..Provenance::at(site, operation) } }
        });
        self.set_frame(Some(frame))
    }

    /// [`Graph::enter`] for the call of a layer, whose nodes are of its scope.
    pub(crate) fn enter_layer(&self, operation: &'static str, site: Site, scope: LayerScope) -> FrameGuard<'_> {
        let guard = self.enter(operation, site);
        let path = self.path_of(scope);
        if let (Some(frame), Some(path)) = (self.frame.borrow_mut().as_mut(), path) {
            frame.provenance.scope = Some(path);
        }
        guard
    }

    /// Closes the frame for as long as the guard lives: what a user's closure builds meanwhile has its own lines.
    pub(crate) fn leave(&self) -> FrameGuard<'_> {
        self.set_frame(None)
    }

    /// The frame that is open, to be opened again inside of a closure of ours that a builder runs.
    pub(crate) fn frame(&self) -> Option<Frame> {
        self.frame.borrow().clone()
    }

    /// Opens a frame that was open before.
    pub(crate) fn reenter(&self, frame: Option<Frame>) -> FrameGuard<'_> {
        self.set_frame(frame)
    }

    /// Opens the frame of a pass that works for a node made before.
    pub(crate) fn enter_for(&self, operation: &'static str, id: NodeId) -> FrameGuard<'_> {
        let provenance = self.node(id).provenance.clone();
        self.enter_at(operation, provenance)
    }

    /// Opens the frame of a derivative that works for a node made before: one of this graph, or the operation whose body this graph
    /// is made of.
    pub(crate) fn enter_derivative(&self, mode: DerivativeMode, node: Expr<'_>) -> FrameGuard<'_> {
        let provenance = node.graph().node(node.id()).provenance.clone();
        self.enter_at(mode.name(), Provenance { derivative: Some(mode), ..provenance })
    }

    /// Opens the frame of a pass that makes this graph from another one, for what a node of that one was made for.
    pub(crate) fn enter_at(&self, operation: &'static str, provenance: Provenance) -> FrameGuard<'_> {
        self.set_frame(Some(Frame { operation, provenance }))
    }
}
