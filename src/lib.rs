//! The names that a user needs, and the folders behind them. The rest of this page is the README.
//!
#![doc = include_str!("../README.md")]
#![deny(clippy::print_stdout)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod autodiff;
pub mod batching;
mod cancel;
pub mod check;
pub mod codegen;
mod compile;
pub mod data;
pub mod densities;
mod functions;
pub mod graph;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod implicit;
pub mod io;
mod jacobian;
pub mod landscape;
pub mod lie;
mod memory;
mod names;
pub mod nn;
mod numbers;
pub mod ops;
pub mod optim;
pub mod parameters;
mod plan;
mod pool;
mod precompute;
pub mod program;
mod reference;
pub mod risk;
mod runtime;
pub mod simplify;
pub mod sparsity;
mod sync;
pub mod text;
pub mod train;
mod vectorize;
#[cfg(feature = "plot")]
pub mod view;

pub use cancel::CancelToken;
pub use codegen::{CodeError, CodeOptions, MathProvider, RustModule};
pub use compile::{Evaluation, Options};
pub use graph::{
    AsView, AsViewMut, Bindings, DType, Diagnostics, Dim, Element, Expr, Graph, GraphError, Initializer, Orientation,
    Shape, Side, Site, Triangle, Type, Value, ValueView, ValueViewMut,
};
pub use io::{StableHloError, StableHloOptions};
pub use nn::Correction;
pub use ops::{
    AllAxes, Convolve, ConvolveTranspose, EighParts, Index, LuParts, Padding, PerAxis, Pool, QrParts, SvdParts, range,
};
pub use parameters::{Gradients, Parameters};
pub use program::{
    AsParameters, Attached, BodyProfile, CompileError, Destinations, Inputs, LineBytes, LineTime, MemoryMap, MemoryRow,
    OutputError, Outputs, Pass, PlanSummary, Profile, Program, RunError, Runner, StepProfile, TrainingOutput,
    TrainingStep, Untrained,
};
pub use runtime::{AccuracyRow, InstructionSet, UnknownInstructionSet, error_table};
pub use simplify::{Mode, Rewrites, Simplification};
pub use text::{ParseError, Parsed};
