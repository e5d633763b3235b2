//! Plan and arrays → arrays. In: a plan. Out: an engine that runs it, with nothing allocated per run. It decides nothing
//! that the plan could have decided.

mod attached;
mod band;
mod convolution;
mod convolve;
mod instruction_set;
mod machine;
mod matmul;
mod movement;
mod plain;
mod plain_step;
mod product;
mod scalar;
mod tape;
#[cfg(test)]
mod tests;
mod tile;
mod vector;

pub(crate) use machine::{Machine, Part};
pub use vector::error_table;
