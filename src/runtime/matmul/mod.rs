//! Products of matrices. In: sizes, strides and an instruction set; then operands. Out: C, in tasks that may run on any
//! threads. It knows no graph beyond its dtypes, and nothing of what is done to C next.
#![expect(unsafe_code, reason = "kernels read and write memory that the plan has laid out")]

pub(in crate::runtime) mod grid;
mod naive;
pub(in crate::runtime) mod pack;
pub(in crate::runtime) mod panels;
mod plan;
mod product;
#[cfg(test)]
pub(in crate::runtime) mod tests;
pub(in crate::runtime) mod tile;
pub(in crate::runtime) mod vector;
pub(in crate::runtime) mod vector_portable;
#[cfg(target_arch = "x86_64")]
mod vector_x86;
mod vectors;

pub(crate) use plan::ProductPlan;
#[cfg(test)]
pub(crate) use product::MatmulBlock;
pub(crate) use product::{Accumulation, BatchStrides, MatmulDescriptor, MatmulOperands};
