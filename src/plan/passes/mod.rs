//! The passes of planning, a file each: what a pass is given and what it leaves is in its first lines, and in which order
//! they run is in [`Plan::of`](super::Plan).

mod cluster;
mod epilogue;
mod in_place;
mod matrix_vector;
pub(crate) mod memory;
mod order;
mod pair;
mod place;
mod recompute;
mod superinstruction;

pub(super) use cluster::find as cluster;
pub(super) use epilogue::fuse as fuse_products;
pub(super) use matrix_vector::pair as pair_matrix_vectors;
pub(super) use order::candidates as orders;
pub(super) use pair::gather as gather_pairs;
pub(super) use place::place;
pub(super) use recompute::{Dearest, recompute};
pub(super) use superinstruction::introduce as introduce_superinstructions;
