//! Plan and arrays → arrays. In: a plan. Out: an engine that runs it without allocating. What is computed together, in
//! which order and at which offset was decided by the plan; here kernels and addresses are resolved.

mod attached;
mod band;
mod code;
mod convolution;
mod convolve;
mod executable;
mod fallback;
mod fallback_step;
mod instruction_set;
mod machine;
mod matmul;
#[cfg(feature = "jit")]
mod native;
mod nested;
mod product;
mod scalar;
mod scan;
mod strided_copy;
#[cfg(test)]
mod tests;
mod tile;
mod vector;

pub use instruction_set::{InstructionSet, UnknownInstructionSet};
pub(crate) use machine::{CachingEngine, Execution, Subgraph};
pub use vector::{AccuracyRow, error_table};
