//! Graph with sizes → plan. In: a graph and numbers for its symbols. Out: steps, buffers and an independent check of
//! them. Nothing here runs anything.

mod function;

pub(crate) use function::Function;
