//! Down a level: the graph → a network, clusters → steps, fused clusters → tile programs.

mod contraction;
mod network;
mod registers;
mod step;
mod tile;

pub(super) use network::network;
pub(super) use step::steps;
