//! Parsing. In: a text. Out: a new graph with its named results, or what is wrong and where. A text from anywhere is an answer
//! or errors, never a panic, and takes memory in proportion to its length. `lines.rs` reads each line.

use indexmap::IndexMap;

use super::{
    cursor::Cursor,
    error::{ParseError, ParseErrorKind, ParseErrors},
    lines::Reading,
    registry::Registry,
};
use crate::graph::{Expr, Graph, NodeId};

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

    /// Handles of the results, as [`Graph::compile`] and [`Graph::show`] take them.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Value};
    /// let parsed = Graph::parse("%0: f64[] = input \"x\"\n%1: f64[] = exp %0\nreturn y = %1")?;
    /// let mut program = parsed.graph.compile(parsed.results())?;
    /// assert_eq!(program.call(("x", 0.0))?["y"], Value::from(1.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn results(&self) -> Vec<(String, Expr<'_>)> {
        self.results.iter().map(|(name, id)| (name.clone(), self.graph.expr(*id))).collect()
    }

    /// The exact text of the results: the text that was read, but for comments, spaces and nodes that no result needs.
    pub fn to_text(&self) -> String {
        self.graph.to_text(self.results())
    }
}

impl Graph {
    /// Reads the exact text form of a graph; [`text`](crate::text) has the grammar.
    ///
    /// # Errors
    /// The first thing that is wrong, with line and column: the grammar, an operation, its operands or a type that does
    /// not follow from them. [`Parser::parse_all`] gives all that is wrong.
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
        Parser::new().parse(text)
    }

    /// As [`Graph::parse`], with operations of the user's own.
    ///
    /// # Errors
    /// As for [`Graph::parse`]; also if an operation of the user's own does not take its attributes.
    pub fn parse_with(text: &str, registry: &Registry) -> Result<Parsed, ParseError> {
        Parser::new().registry(registry).parse(text)
    }
}

/// Reads texts of graphs, with more said than [`Graph::parse`] takes: the file's name, and operations of the user's own.
///
/// # Example
/// ```
/// use pullback::text::Parser;
/// let text = "%0: f32[2] = input \"x\"\n%1: f32[3] = exp %0\n%2: f32[3] = neg %1\n%3: f32[2] = ex %0\nreturn y = %2";
/// let errors = Parser::new().parse_all(text).unwrap_err();
/// let lines: Vec<u32> = errors.0.iter().map(|error| error.line).collect();
/// // Nothing is said of line 3 and of the result: they only follow from line 2.
/// assert_eq!(lines, [2, 4]);
///
/// let parsed = Parser::new().file("x.graph").parse("%0: f32[n] = input \"x\"\nreturn x = %0")?;
/// assert_eq!(parsed.result("x").unwrap().site().to_string(), "x.graph:1:1");
/// # Ok::<(), pullback::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Parser<'r> {
    file: &'static str,
    registry: Option<&'r Registry>,
}

impl Default for Parser<'_> {
    fn default() -> Self {
        Parser::new()
    }
}

impl<'r> Parser<'r> {
    /// Without operations of the user's own, and with `graph text` for the file.
    pub fn new() -> Parser<'r> {
        Parser { file: "graph text", registry: None }
    }

    /// With this as the file in the sites of nodes, which errors of programs tell.
    #[must_use]
    pub fn file(self, file: &'static str) -> Parser<'r> {
        Parser { file, ..self }
    }

    /// With these operations of the user's own.
    #[must_use]
    pub fn registry(self, registry: &'r Registry) -> Parser<'r> {
        Parser { registry: Some(registry), ..self }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As for [`Graph::parse_with`].
    pub fn parse(&self, text: &str) -> Result<Parsed, ParseError> {
        self.read(text, 1).map_err(|mut errors| errors.0.swap_remove(0))
    }

    /// Reads a text, and does not end with the first line that is wrong.
    ///
    /// # Errors
    /// All that is wrong, in the order of the lines, one error a line; what is computed from the node of a wrong line adds none.
    pub fn parse_all(&self, text: &str) -> Result<Parsed, ParseErrors> {
        self.read(text, usize::MAX)
    }

    /// The graph of a text, or as many errors at most.
    fn read(&self, text: &str, max_errors: usize) -> Result<Parsed, ParseErrors> {
        let none = Registry::new();
        let mut reading = Reading::new(self.file, self.registry.unwrap_or(&none));
        let mut errors = Vec::new();
        let mut end = (1, 1);
        for start in Cursor::lines(text) {
            let mut cursor = start.clone();
            end = cursor.position();
            if cursor.is_blank() {
                continue;
            }
            let read = reading.line(&mut cursor);
            end = cursor.position();
            if let Err(error) = read {
                // Lines of another format, or behind the end, are not looked at.
                let is_last = reading.is_finished() || matches!(*error.kind, ParseErrorKind::Format { .. });
                if !reading.is_consequence(&error) {
                    errors.push(error);
                }
                if is_last || errors.len() == max_errors {
                    return Err(ParseErrors(errors));
                }
                reading.skip(start);
            }
        }
        let Some((graph, results)) = reading.into_results() else {
            let kind = ParseErrorKind::Expected { expected: "`return`".to_string(), found: "the end".to_string() };
            errors.push(ParseError { line: end.0, column: end.1, kind: Box::new(kind) });
            return Err(ParseErrors(errors));
        };
        if errors.is_empty() { Ok(Parsed { graph, results }) } else { Err(ParseErrors(errors)) }
    }
}
