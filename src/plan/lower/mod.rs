//! Lowering: the graph → a network, fusion groups → steps and their tile programs.

mod contraction;
mod nested;
mod network;
mod registers;
mod scan;
mod segments;
mod step;
mod tile;

pub(super) use nested::KnownPlans;
pub(super) use network::network;
pub(super) use step::steps;
