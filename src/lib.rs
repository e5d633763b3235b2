//! Symbolic automatic differentiation on a static compute graph.

pub mod data;
pub mod graph;
pub mod ops;
pub mod optim;
pub mod parameters;
pub mod text;

pub use graph::{
    Bindings, DType, Diagnostics, Dim, Element, Expr, Graph, Initializer, Mistake, ParseError, Problem, Shape, Site,
    Type, Value, ValueView,
};
pub use ops::{AllAxes, Index};
pub use parameters::{Gradients, Parameters};
pub use text::{IntoResults, Parsed};
