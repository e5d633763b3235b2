//! The passes of planning, one file each. The first lines of a file say what the pass is given and what it leaves;
//! [`Plan::run_passes`](super::Plan) is the order in which they run.

mod assign_buffers;
mod epilogue;
mod fusion;
mod in_place;
mod matrix_vector;
pub(crate) mod memory;
mod order;
mod pair;
mod rematerialize;
mod superinstruction;

pub(super) use assign_buffers::assign_buffers;
pub(super) use epilogue::fuse as fuse_products;
pub(super) use fusion::find as fuse;
pub(super) use matrix_vector::pair as pair_matrix_vectors;
pub(super) use order::candidates as orders;
pub(super) use pair::gather as colocate_pairs;
pub(super) use rematerialize::{RematPolicy, rematerialize};
pub(super) use superinstruction::introduce as introduce_superinstructions;
