//! Symbolic automatic differentiation on a static compute graph.

pub mod data;
pub mod graph;
pub mod optim;
pub mod parameters;

pub use graph::{Bindings, DType, Dim, Element, Initializer, Shape, Site, Type, Value, ValueView};
pub use parameters::{Gradients, Parameters};
