//! Plans, as types: steps in order, and where every value lies.

use super::{
    contraction::Contraction,
    network::{Network, Origin},
    program::TileProgram,
};
use crate::graph::Op;

/// What a program does, for one set of sizes.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) network: Network,
    pub(crate) steps: Vec<Step>,
    /// Where the value of each vertex lies.
    pub(crate) places: Vec<Storage>,
    /// Bytes of the arena.
    pub(crate) arena_bytes: usize,
    /// The least that any layout of these steps in this order needs.
    pub(crate) lower_bound: usize,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Nowhere: no step but its own reads it, or it is one number.
    Nowhere,
    /// An input or parameter.
    Leaf(usize),
    /// An array that the program owns.
    Constant,
    /// The arena, from this byte.
    Arena(usize),
    /// A result.
    Output(usize),
}

/// One step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) work: Work,
    /// Vertices whose memory it reads.
    pub(crate) reads: Vec<usize>,
    /// Vertices whose memory it writes.
    pub(crate) writes: Vec<usize>,
    /// First byte of what the step alone uses of the arena, and how many.
    pub(crate) partials: (usize, usize),
    /// The node that a report names: the last of those that it computes.
    pub(crate) origin: Origin,
    /// Operations on floats, a multiply-add as two.
    pub(crate) flops: usize,
    /// Bytes read and written, each value once.
    pub(crate) bytes: usize,
}

/// What a step does.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Fused functions and reductions, and perhaps the product of matrices that they go on with.
    Tile(TileProgram),
    /// A product of matrices.
    Contraction(usize, Contraction),
    /// Any other primitive.
    Primitive(usize, Op),
}
