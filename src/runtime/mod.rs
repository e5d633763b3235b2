//! Plan and arrays → arrays. In: a plan. Out: an engine that runs it, with nothing allocated per run. It decides nothing
//! that the plan could have decided.

mod convolution;
mod instruction_set;
mod matmul;
