//! The reference: an engine that computes one operation after another by the plainest means.
//!
//! In: a graph and its results. Out: their values over any numbers, and the first operation that makes NaN or infinity.
//! What is faster is compared with it; it knows no plan.

mod evaluator;
mod finite;

pub(crate) use evaluator::Evaluator;
