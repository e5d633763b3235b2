//! Parsing. In: a text. Out: a new graph with its named results, or the first thing that is wrong and where. A text from
//! anywhere is an answer or an error, never a panic, and takes memory in proportion to its length.

use indexmap::IndexMap;
use smallvec::SmallVec;

use super::{
    attribute::{Declared, read_operation},
    cursor::Cursor,
    error::{FIRST_FORMAT, FORMAT, ParseError, ParseErrorKind},
    registry::Registry,
};
use crate::{
    graph::{Body, Expr, Graph, GraphError, NodeId, Op, Operands, Site, Type, UpdateKind},
    ops,
};

/// A graph that was read from text, with its results.
#[derive(Debug)]
pub struct Parsed {
    /// The graph.
    pub graph: Graph,
    /// What the text returns, in order.
    pub results: IndexMap<String, NodeId>,
}

impl Parsed {
    /// The result of that name.
    pub fn result(&self, name: &str) -> Option<Expr<'_>> {
        self.results.get(name).map(|id| self.graph.expr(*id))
    }

    /// The exact text of the results: the text that was read, but for comments, spaces and nodes that no result needs.
    pub fn to_text(&self) -> String {
        let named: Vec<(&str, Expr<'_>)> =
            self.results.iter().map(|(name, id)| (name.as_str(), self.graph.expr(*id))).collect();
        self.graph.to_text(named)
    }
}

impl Graph {
    /// Reads the exact text form of a graph; [`text`](crate::text) has the grammar.
    ///
    /// # Errors
    /// The first thing that is wrong, with line and column: the grammar, an operation, its operands or a type that does
    /// not follow from them.
    ///
    /// # Example
    /// ```
    /// use pullback::Graph;
    /// let parsed = Graph::parse(
    ///     r#"
    ///     %0: f32[batch] = input "x"
    ///     %1: f32[batch] = mul %0, %0      # squares
    ///     return square = %1
    ///     "#,
    /// )?;
    /// assert_eq!(parsed.result("square").unwrap().ty().to_string(), "f32[batch]");
    ///
    /// let error = Graph::parse("%0: f32[2] = input \"x\"\nreturn y = %1").unwrap_err();
    /// assert_eq!(error.to_string(), "2:12: %1 is not defined above");
    /// # Ok::<(), pullback::ParseError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Parsed, ParseError> {
        Graph::parse_with(text, &Registry::new())
    }

    /// As [`Graph::parse`], with operations of the user's own.
    ///
    /// # Errors
    /// As for [`Graph::parse`]; also if an operation of the user's own does not take its attributes.
    pub fn parse_with(text: &str, registry: &Registry) -> Result<Parsed, ParseError> {
        let mut reading = Reading { scope: Definitions::default(), outer: None, bodies: Vec::new(), registry };
        let mut results = None;
        let mut end = (1, 1);
        let mut is_first = true;
        for mut cursor in Cursor::lines(text) {
            end = cursor.position();
            if cursor.is_blank() {
                continue;
            }
            if results.is_some() {
                return cursor.expected("nothing after `return`");
            }
            if std::mem::replace(&mut is_first, false) && check_format(&mut cursor)? {
                continue;
            }
            results = reading.line(&mut cursor)?;
            end = cursor.position();
        }
        let (line, column) = end;
        let kind = ParseErrorKind::Expected { expected: "`return`".to_string(), found: "the end".to_string() };
        let results = results.ok_or(ParseError { line, column, kind: Box::new(kind) })?;
        Ok(Parsed { graph: reading.scope.graph, results })
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

/// What the lines so far define.
struct Reading<'r> {
    /// What is being defined: the graph, or a body.
    scope: Definitions,
    /// The graph, while a body is being defined.
    outer: Option<Definitions>,
    bodies: Vec<Body>,
    registry: &'r Registry,
}

/// The nodes of the graph or of a body.
#[derive(Default)]
struct Definitions {
    graph: Graph,
    /// The node of each number.
    nodes: Vec<NodeId>,
    /// What a body returns, once that is read.
    results: Option<Vec<NodeId>>,
}

impl Reading<'_> {
    /// One line; the results, if it is the last one.
    fn line(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<IndexMap<String, NodeId>>, ParseError> {
        if self.outer.is_some() {
            return self.line_of_body(cursor).map(|()| None);
        }
        if cursor.is_at("%") {
            return self.node(cursor).map(|()| None);
        }
        let Ok(word) = cursor.clone().word() else { return self.results(cursor).map(Some) };
        match UpdateKind::ALL.into_iter().find(|kind| kind.word() == word) {
            Some(kind) => self.update(kind, cursor).map(|()| None),
            None if word == "body" => self.open_body(cursor).map(|()| None),
            None => self.results(cursor).map(Some),
        }
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
        let outer = self.outer.take().expect("invariant: a body is open");
        let Definitions { graph, results, .. } = std::mem::replace(&mut self.scope, outer);
        self.bodies.push(Body::of_graph(&graph, &results.expect("invariant: they were read")));
        Ok(())
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
        let _frame = self.scope.graph.enter(op.name(), Site { file: "graph text", line, column });
        self.scope.nodes.push(self.scope.graph.insert(op, inferred, &operands));
        Ok(())
    }

    /// That arguments are the first nodes of a body, in order, and that what is fed is none of its nodes.
    fn check_place(&self, op: &Op, at_operation: &Cursor<'_>) -> Result<(), ParseError> {
        let is_argument = |id: &NodeId| matches!(self.scope.graph.node(*id).op, Op::Argument(_));
        let (what, place) = match op {
            Op::Argument(_) if self.outer.is_none() => ("an argument", "outside of a body"),
            Op::Argument(argument) if argument.index != self.scope.nodes.len() => {
                ("this argument", "here: they are in order")
            }
            Op::Argument(_) if !self.scope.nodes.last().is_none_or(is_argument) => {
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
        self.scope.nodes.get(number).copied().ok_or_else(|| start.error(ParseErrorKind::UnknownNode(number)))
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
