//! The text form of a graph: a listing that a person can read and [`Graph::parse`] can read back.
//!
//! In: a graph and some of its nodes, or a text. Out: the other. Nothing here derives, simplifies or evaluates. The rest of this
//! page is `docs/reference/text.md`.
//!
#![doc = include_str!("../../docs/reference/text.md")]

mod attribute;
mod cursor;
mod error;
mod lines;
mod parse;
mod print;
mod registry;

pub use error::{ParseError, ParseErrorKind, ParseErrors};
pub use parse::{Parsed, Parser};
pub use registry::Registry;

#[cfg(doc)]
use crate::graph::Graph;
