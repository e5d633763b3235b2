//! Symbolic automatic differentiation on a static compute graph.

pub mod data;
pub mod graph;
pub mod ops;
pub mod optim;
pub mod parameters;

pub use graph::{
    Bindings, DType, Diagnostics, Dim, Element, Expr, Graph, Initializer, Mistake, Orientation, Shape, Site, Triangle,
    Type, Value, ValueView,
};
pub use ops::{AllAxes, Convolve, Index, Padding, PerAxis, Pool};
pub use parameters::{Gradients, Parameters};
