//! Independent truth: what the library computes, computed again by the plainest means.
//!
//! In: a graph. Out: its values op by op, its derivatives by dual numbers and by differences, whether a rule holds, and whether gradients are right.
//! Slow, obvious, and imported by no stage of the road.

mod dual;
mod gradients;
mod naive;
mod operation;
mod prove;
mod random;

pub use gradients::{
    Agreement, ElementCheck, GradientCheckError, GradientCheckOptions, GradientReport, GradientVerdict,
    SuspectOperation, VariableCheck, gradients, gradients_with, program_gradients, program_gradients_with,
    training_gradients, training_gradients_with,
};
pub use naive::naive_gradients;
pub use operation::prove_operation;
pub use prove::{RuleError, prove, prove_expression};
pub use random::{RandomGraph, random_graph};
