//! What can be wrong with a text, where, and what to do about it.

use thiserror::Error;

use crate::{
    graph::{GraphError, Op, Type},
    names,
};

/// Text that is not a graph, and where.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{line}:{column}: {kind}{}", as_last_line(kind.help()))]
pub struct ParseError {
    /// Line of the text, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong there.
    pub kind: Box<ParseErrorKind>,
}

/// All that is wrong with a text, in the order of its lines: what [`Parser::parse_all`](super::Parser::parse_all) gives. One error
/// or more, a line or two each.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{}", joined(.0))]
pub struct ParseErrors(pub Vec<ParseError>);

fn joined(errors: &[ParseError]) -> String {
    errors.iter().map(ParseError::to_string).collect::<Vec<_>>().join("\n")
}

fn as_last_line(help: Option<String>) -> String {
    help.map_or_else(String::new, |help| format!("\n   = help: {help}"))
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Something else should stand here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What should stand here.
        expected: String,
        /// What does.
        found: String,
    },
    /// No primitive has this name.
    #[error("no operation is called `{0}`")]
    UnknownOperation(String),
    /// Attributes that an operation of the user's own does not take.
    #[error("`{operation}`: {message}")]
    Attributes {
        /// The operation.
        operation: &'static str,
        /// What is wrong with them.
        message: String,
    },
    /// An operand that no earlier line defines.
    #[error("%{0} is not defined above")]
    UnknownNode(usize),
    /// A body that no earlier lines define.
    #[error("body {0} is not defined above")]
    UnknownBody(usize),
    /// What belongs into a body elsewhere, or the other way round.
    #[error("{what} does not belong {place}")]
    Misplaced {
        /// What it is.
        what: &'static str,
        /// Where it stands.
        place: &'static str,
    },
    /// A format that another version of this library wrote.
    #[error("this text is of format {found}, and format {FORMAT} is known")]
    Format {
        /// The format that it says.
        found: usize,
    },
    /// Lines are numbered from 0 without gaps.
    #[error("expected the definition of %{expected}, found %{found}")]
    OutOfOrder {
        /// The number due.
        expected: usize,
        /// The number written.
        found: usize,
    },
    /// The operation with these operands is not well formed.
    #[error("{0}")]
    Graph(GraphError),
    /// The type written is not the one that the operation gives.
    #[error("the type is written {declared}, but the operation gives {inferred}")]
    WrongType {
        /// The type written.
        declared: Type,
        /// The type that follows from operation and operands.
        inferred: Type,
    },
    /// A number that does not fit where it stands.
    #[error("`{0}` does not fit here")]
    Number(String),
    /// Too many or too few elements for the type.
    #[error("expected {expected} elements, found {found}")]
    Elements {
        /// How many the type has.
        expected: usize,
        /// How many are written.
        found: usize,
    },
    /// The abbreviated form cannot be read back.
    #[error("this array is abbreviated; print the graph in its exact form to read it back")]
    Abbreviated,
    /// An error was made when the graph was built.
    #[error("`poison` stands for an error in the graph that was printed; it cannot be read back")]
    Poison,
    /// A size that would take too long to compute with.
    #[error(
        "this size is too large a polynomial: a term has at most {MAX_FACTORS} symbols, and a shape at most \
         {MAX_TERMS} terms when it is multiplied out"
    )]
    LargePolynomial,
    /// Two results or two leaves of one name.
    #[error("the name {0:?} is taken above")]
    DuplicateName(String),
}

/// The format of a text that says none.
pub(super) const FIRST_FORMAT: usize = 1;

/// The format that is written and read.
pub(super) const FORMAT: usize = 1;

/// The most symbols in one term of a size, repeated ones counted.
pub(super) const MAX_FACTORS: u32 = 64;

/// The most terms of a shape's number of elements: sums multiply, so without a bound a line of text could ask for
/// exponentially many.
pub(super) const MAX_TERMS: usize = 1024;

impl ParseErrorKind {
    /// What to do about it, where more is known than what is wrong.
    pub fn help(&self) -> Option<String> {
        match self {
            ParseErrorKind::UnknownOperation(name) => {
                let nearest = names::nearest(name, Op::names());
                Some(nearest.map_or_else(
                    || "if it is one of your own, read the text by `Graph::parse_with`".into(),
                    |nearest| format!("the nearest name is `{nearest}`"),
                ))
            }
            ParseErrorKind::OutOfOrder { expected, .. } => {
                Some(format!("number nodes line by line: this one is %{expected}"))
            }
            ParseErrorKind::Format { .. } => {
                Some("read it by the version of the library that wrote it, and print the graph again".into())
            }
            ParseErrorKind::Graph(error) => Some(error.help()),
            ParseErrorKind::WrongType { inferred, .. } => Some(format!("write {inferred}, or change the operands")),
            ParseErrorKind::DuplicateName(_) => Some("give each a name of its own".into()),
            ParseErrorKind::Poison => {
                Some("mend the error, which `Graph::check` tells, and print the graph again".into())
            }
            // What is expected instead, or the bound, is in the message.
            ParseErrorKind::Expected { .. }
            | ParseErrorKind::Elements { .. }
            | ParseErrorKind::LargePolynomial
            | ParseErrorKind::Abbreviated => None,
            // What was meant is not known.
            ParseErrorKind::UnknownNode(_)
            | ParseErrorKind::UnknownBody(_)
            | ParseErrorKind::Misplaced { .. }
            | ParseErrorKind::Attributes { .. }
            | ParseErrorKind::Number(_) => None,
        }
    }
}
