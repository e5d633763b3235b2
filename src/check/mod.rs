//! Independent truth: what the library computes, computed again by the plainest means.
//!
//! In: a graph. Out: its values op by op, its derivatives by dual numbers and by differences, and whether a rule holds.
//! Slow, obvious, and imported by no stage of the road.

mod dual;
mod naive;
mod operation;
mod prove;
mod random;

pub use naive::naive_gradients;
pub use operation::prove_operation;
pub use prove::{RuleError, prove, prove_expression};
pub use random::{RandomGraph, random_graph};
