//! The text form of a graph: a listing that a person can read and [`Graph::parse`] can read back.
//!
//! In: a graph and some of its nodes, or a text. Out: the other. Nothing here derives, simplifies or evaluates.
//!
//! One line is one node: its number, its type, its operation, the operands, the attributes. Only what the results are
//! computed from is listed, and the inputs that alone tell a size in there, numbered from 0 in the order of the graph,
//! operands before their users. Other inputs and parameters are left out.
//!
//! ```text
//! %0: f32[batch, 64] = input "x"
//! %1: f32[64] = parameter "scale" initializer=normal(1.0, 0.1)
//! %2: f32[batch, 64] = broadcast %1 axes=[1]
//! %3: f32[batch, 64] = mul %0, %2
//! %4: f32[] = sum %3 axes=[0, 1]
//! return total = %4
//! ```
//!
//! # Grammar
//! ```text
//! graph      = [ "format" digits ] { body } { node | update } return     a text without a format is of format 1, the only one
//! body       = "body" digits "{" { node } "return" [ operand { "," operand } ] "}"    numbered from 0
//! node       = "%" digits ":" type "=" operation [ operand { "," operand } ] { attribute }
//! update     = ( "update" | "carry" ) operand "=" operand   a state, and its value after a training step, or for the next batch
//! return     = "return" [ result { "," result } ]
//! result     = name "=" operand                        names are distinct
//! operand    = "%" digits                              defined on a line above
//! operation  = word                                    `Op::names()` lists them; others are of a `Registry`
//! attribute  = key "=" value | value                   those of the operation, all, in the order of its declaration
//! value      = integer | list | dim | word | string | initializer | elements | output
//! output     = ( "final" | "stacked" | "saved" ) "(" digits ")"    of a scan: a carry, or a node of its body
//! list       = "[" [ item { "," item } ] "]"           items are counts or dims, at most 2^46
//! type       = dtype "[" [ dim { "," dim } ] "]"
//! dtype      = "f32" | "f64" | "i64" | "bool"
//! dim        = [ "-" ] term { ( "+" | "-" ) term }
//! term       = factor { "*" factor }                   at most 64 symbols, repeated ones counted
//! factor     = digits | word [ "^" digits ]
//! initializer = word [ "(" number { "," number } ")" ]
//! elements   = number                                  every element of the constant
//!            | "[" [ number { "," number } ] "]"       all of them, in row-major order
//! number     = a Rust literal of the dtype, "inf", "-inf" and "NaN" among them
//! name       = word { "." part } | string              a part is a word that may start with a digit
//! word       = a letter or "_", then letters, digits and "_"
//! string     = a string literal of Rust
//! ```
//! An operation of the user's own is written by its name, with its attributes as one string, or none if they are empty.
//!
//! A body is the graph inside of a `call`, `cond`, `scan`, `while` or `with_derivative`, which names it by its number: `body=0`. Its nodes are
//! numbered by themselves, from 0, and the first are its arguments; it stands above all that use it, other bodies among
//! them. The lines `body 0 {` and `}` stand by themselves.
//!
//! A node or the return stands on one line. Between two tokens are spaces, tabs or nothing; `#` starts a comment, and
//! empty lines are skipped. The dims of one shape, multiplied out, have at most 1024 terms. `input`, `parameter`
//! and `state` have distinct names. Types are written for the reader's sake and must be those that follow from the operation and
//! its operands. `poison`, which stands for an error, is printed but not read.
//!
//! What is printed exactly is read back as an equal graph and prints as the same bytes; only the sign and payload of a
//! NaN are not kept, nor the sites: a node that was read has the place of its line.

mod attribute;
mod cursor;
mod error;
mod parse;
mod print;
mod registry;

pub use error::{ParseError, ParseErrorKind};
pub use parse::Parsed;
pub use registry::Registry;

#[cfg(doc)]
use crate::graph::Graph;
