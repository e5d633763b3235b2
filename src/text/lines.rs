//! One line of a text after another. In: a line. Out: the node, body, update or results that it says, in a graph that grows; or
//! what is wrong with it. [`Reading::skip`] goes on behind a line that is wrong: what it would have defined is then not known.

use indexmap::IndexMap;
use smallvec::SmallVec;

use super::{
    attribute::{Declared, read_operation},
    cursor::Cursor,
    error::{FIRST_FORMAT, FORMAT, ParseError, ParseErrorKind},
    registry::Registry,
};
use crate::{
    graph::{Body, Graph, GraphError, NodeId, Op, Operands, Site, Type, UpdateKind},
    ops,
};

/// A number that leaves out more nodes is a slip of one line.
const MAX_LEFT_OUT: usize = 16;

/// What the lines so far define.
pub(super) struct Reading<'r> {
    file: &'static str,
    registry: &'r Registry,
    /// Whether a line was read: the first may say the format.
    has_begun: bool,
    /// What is being defined: the graph, or a body.
    scope: Definitions,
    /// The graph, while a body is being defined.
    outer: Option<Definitions>,
    /// Those above; none for one with a line that is wrong.
    bodies: Vec<Option<Body>>,
    /// Of the line that ends a text.
    results: Option<IndexMap<String, NodeId>>,
}

/// The nodes of the graph or of a body.
#[derive(Default)]
struct Definitions {
    graph: Graph,
    /// The node of each number; none where its line is wrong.
    nodes: Vec<Option<NodeId>>,
    /// What a body returns, once that is read.
    results: Option<Vec<NodeId>>,
    /// Whether a line is wrong.
    is_broken: bool,
}

impl<'r> Reading<'r> {
    /// Before the first line.
    pub(super) fn new(file: &'static str, registry: &'r Registry) -> Reading<'r> {
        Reading {
            file,
            registry,
            has_begun: false,
            scope: Definitions::default(),
            outer: None,
            bodies: Vec::new(),
            results: None,
        }
    }

    /// The graph with its results, if there was a line with them.
    pub(super) fn into_results(self) -> Option<(Graph, IndexMap<String, NodeId>)> {
        Some((self.scope.graph, self.results?))
    }

    /// Whether the line of the results was read, behind which nothing is looked at.
    pub(super) fn is_finished(&self) -> bool {
        self.results.is_some()
    }

    /// Reads one line.
    pub(super) fn line(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        if self.is_finished() {
            return cursor.expected("nothing after `return`");
        }
        if !std::mem::replace(&mut self.has_begun, true) && check_format(cursor)? {
            return Ok(());
        }
        if self.outer.is_some() {
            return self.line_of_body(cursor);
        }
        if cursor.is_at("%") {
            return self.node(cursor);
        }
        let word = cursor.clone().word().unwrap_or_default();
        match UpdateKind::ALL.into_iter().find(|kind| kind.word() == word) {
            Some(kind) => self.update(kind, cursor),
            None if word == "body" => self.open_body(cursor),
            None => {
                self.results = Some(self.results(cursor)?);
                Ok(())
            }
        }
    }

    /// Whether an error follows from one above: it names a node or body whose own lines are wrong.
    pub(super) fn is_consequence(&self, error: &ParseError) -> bool {
        match *error.kind {
            ParseErrorKind::UnknownNode(number) => number < self.scope.nodes.len(),
            ParseErrorKind::UnknownBody(number) => number < self.bodies.len(),
            _ => false,
        }
    }

    /// Goes on behind a line that is wrong.
    pub(super) fn skip(&mut self, cursor: Cursor<'_>) {
        self.scope.is_broken = true;
        if cursor.is_at("%") {
            return self.skip_node(cursor);
        }
        let is_in_body = self.outer.is_some();
        match cursor.clone().word() {
            Ok("return") if is_in_body => self.scope.results = Some(Vec::new()),
            Ok("return") => self.results = Some(IndexMap::new()),
            Ok("body") if !is_in_body => {
                self.outer = Some(std::mem::take(&mut self.scope));
                self.scope.is_broken = true;
            }
            _ if is_in_body && cursor.is_at("}") => self.end_body(),
            _ => {}
        }
    }

    /// The node of this line, and any that is left out before it, is not known.
    fn skip_node(&mut self, mut cursor: Cursor<'_>) {
        let n_nodes = self.scope.nodes.len();
        let number = cursor.node_number().ok().filter(|number| *number <= n_nodes + MAX_LEFT_OUT).unwrap_or(n_nodes);
        self.scope.nodes.resize(n_nodes.max(number + 1), None);
    }

    /// What becomes of a state. Nodes may follow: only the printed form has all updates behind them.
    fn update(&mut self, kind: UpdateKind, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        cursor.word()?;
        let at_state = cursor.clone();
        let state = self.operand(cursor)?;
        cursor.expect("=")?;
        let at_value = cursor.clone();
        let value = self.operand(cursor)?;
        cursor.end_of_line()?;
        let graph = &self.scope.graph;
        graph.check_update(kind, state, value).map_err(|error| {
            let is_of_value = matches!(error, GraphError::UpdateType { .. });
            (if is_of_value { &at_value } else { &at_state }).error(ParseErrorKind::Graph(error))
        })?;
        graph.push_update(kind, state, value);
        Ok(())
    }

    /// The line before a body: bodies stand before all nodes of the graph.
    fn open_body(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        if !self.scope.nodes.is_empty() {
            return Err(cursor.error(ParseErrorKind::Misplaced { what: "a body", place: "behind a node" }));
        }
        cursor.word()?;
        let start = cursor.clone();
        let number = cursor.count()?;
        if number != self.bodies.len() {
            return start.expected(format_args!("{}", self.bodies.len()));
        }
        cursor.expect("{")?;
        cursor.end_of_line()?;
        self.outer = Some(std::mem::take(&mut self.scope));
        Ok(())
    }

    fn line_of_body(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        if self.scope.results.is_some() {
            return self.close_body(cursor);
        }
        if cursor.is_at("%") {
            return self.node(cursor);
        }
        let start = cursor.clone();
        if !cursor.word().is_ok_and(|word| word == "return") {
            return start.expected("a node or `return`");
        }
        let results = self.operands(cursor)?;
        cursor.end_of_line()?;
        self.scope.results = Some(results.to_vec());
        Ok(())
    }

    fn close_body(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        cursor.expect("}")?;
        cursor.end_of_line()?;
        self.end_body();
        Ok(())
    }

    /// The body that is open is the next one.
    fn end_body(&mut self) {
        let outer = self.outer.take().expect("invariant: a body is open");
        let Definitions { graph, results, is_broken, .. } = std::mem::replace(&mut self.scope, outer);
        let results = results.filter(|_| !is_broken);
        self.bodies.push(results.map(|results| Body::of_graph(&graph, &results)));
    }

    fn node(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        let at_line = cursor.clone();
        let (expected, found) = (self.scope.nodes.len(), cursor.node_number()?);
        if found != expected {
            return Err(at_line.error(ParseErrorKind::OutOfOrder { expected, found }));
        }
        cursor.expect(":")?;
        let at_type = cursor.clone();
        let ty = cursor.ty()?;
        cursor.expect("=")?;
        let at_operation = cursor.clone();
        let operation = cursor.word().or_else(|_| at_operation.expected("an operation"))?;
        let operands = self.operands(cursor)?;
        let declared = Declared { operation, ty: ty.clone(), bodies: &self.bodies, registry: self.registry };
        let op = self.attributes(&declared, &at_operation, cursor)?;
        self.check_place(&op, &at_operation)?;

        let types: SmallVec<[Type; 3]> = operands.iter().map(|id| self.scope.graph.node(*id).ty.clone()).collect();
        let inferred = ops::infer(&op, &types).map_err(|error| at_operation.error(ParseErrorKind::Graph(error)))?;
        if inferred != ty {
            return Err(at_type.error(ParseErrorKind::WrongType { declared: ty, inferred }));
        }
        let (line, column) = at_line.position();
        let _frame = self.scope.graph.enter(op.name(), Site { file: self.file, line, column });
        self.scope.nodes.push(Some(self.scope.graph.insert(op, inferred, &operands)));
        Ok(())
    }

    /// That arguments are the first nodes of a body, in order, and that what is fed is none of its nodes.
    fn check_place(&self, op: &Op, at_operation: &Cursor<'_>) -> Result<(), ParseError> {
        let is_argument = |id: NodeId| matches!(self.scope.graph.node(id).op, Op::Argument(_));
        let (what, place) = match op {
            Op::Argument(_) if self.outer.is_none() => ("an argument", "outside of a body"),
            Op::Argument(argument) if argument.index != self.scope.nodes.len() => {
                ("this argument", "here: they are in order")
            }
            Op::Argument(_) if !self.scope.nodes.last().is_none_or(|id| id.is_none_or(is_argument)) => {
                ("an argument", "behind other nodes")
            }
            op if op.is_fed() && self.outer.is_some() => ("what is fed", "into a body"),
            _ => return Ok(()),
        };
        Err(at_operation.error(ParseErrorKind::Misplaced { what, place }))
    }

    fn operands(&self, cursor: &mut Cursor<'_>) -> Result<Operands, ParseError> {
        let mut operands = Operands::new();
        if !cursor.is_at("%") {
            return Ok(operands);
        }
        loop {
            operands.push(self.operand(cursor)?);
            if !cursor.take(",") {
                return Ok(operands);
            }
        }
    }

    fn operand(&self, cursor: &mut Cursor<'_>) -> Result<NodeId, ParseError> {
        let start = cursor.clone();
        let number = cursor.node_number()?;
        self.scope.nodes.get(number).copied().flatten().ok_or_else(|| start.error(ParseErrorKind::UnknownNode(number)))
    }

    /// The operation with its attributes, up to the end of the line.
    fn attributes(
        &self,
        declared: &Declared<'_>,
        at_operation: &Cursor<'_>,
        cursor: &mut Cursor<'_>,
    ) -> Result<Op, ParseError> {
        let start = cursor.clone();
        let Some(op) = read_operation(declared, cursor)? else {
            return Err(at_operation.error(ParseErrorKind::UnknownOperation(declared.operation.to_string())));
        };
        cursor.end_of_line()?;
        match op.leaf_name() {
            _ if matches!(op, Op::Poison(_)) => Err(at_operation.error(ParseErrorKind::Poison)),
            Some(name) if self.scope.graph.named(&name.0).is_some() => {
                Err(start.error(ParseErrorKind::DuplicateName(name.0.to_string())))
            }
            _ => Ok(op),
        }
    }

    /// The line that ends a text.
    fn results(&self, cursor: &mut Cursor<'_>) -> Result<IndexMap<String, NodeId>, ParseError> {
        let start = cursor.clone();
        if !cursor.word().is_ok_and(|word| word == "return") {
            return start.expected("a node, `update`, `carry` or `return`");
        }
        let mut results = IndexMap::new();
        if cursor.is_blank() {
            return Ok(results);
        }
        loop {
            let start = cursor.clone();
            let name = cursor.path()?;
            if results.contains_key(&name) {
                return Err(start.error(ParseErrorKind::DuplicateName(name)));
            }
            cursor.expect("=")?;
            results.insert(name, self.operand(cursor)?);
            if !cursor.take(",") {
                return cursor.end_of_line().map(|()| results);
            }
        }
    }
}

/// That the text is of the format that is known, by its first line or, if that says none, as of the first format; whether it
/// said one.
fn check_format(cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
    let is_said = cursor.take("format");
    let start = cursor.clone();
    let found = if is_said { cursor.count()? } else { FIRST_FORMAT };
    if found != FORMAT {
        return Err(start.error(ParseErrorKind::Format { found }));
    }
    if is_said {
        cursor.end_of_line()?;
    }
    Ok(is_said)
}
