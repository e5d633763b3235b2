//! Symbolic automatic differentiation on a static compute graph.

mod autodiff;
pub mod check;
mod compile;
pub mod data;
pub mod graph;
mod names;
pub mod ops;
pub mod optim;
pub mod parameters;
pub mod program;

pub use graph::{
    Bindings, DType, Diagnostics, Dim, Element, Expr, Graph, Initializer, Mistake, Orientation, Shape, Site, Triangle,
    Type, Value, ValueView,
};
pub use ops::{AllAxes, Convolve, Index, Padding, PerAxis, Pool};
pub use parameters::{Gradients, Parameters};
pub use program::{CompileError, Outputs, Program, RunError, TrainingOutput, TrainingStep};
