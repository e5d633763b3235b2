//! Plans, as types: steps in order, and the storage of every value.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    contraction::Contraction,
    layout::{Sizes, StridedLayout},
    nested::{Nested, NestedArrays},
    network::{Network, Origin, StridedOperand},
    program::TileProgram,
};
use crate::graph::{DType, Op};

/// What a program does, for one set of sizes.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) network: Network,
    pub(crate) steps: Vec<PlanStep>,
    /// The storage of each vertex.
    pub(crate) storage: Vec<Storage>,
    /// Bytes of the arena.
    pub(crate) arena_bytes: usize,
    /// A lower bound of the arena of these steps in this order.
    pub(crate) lower_bound: usize,
}

impl Plan {
    /// Operations on floats. Those of a step fit its type; the sum of a plan that no memory holds need not.
    pub(crate) fn flops(&self) -> usize {
        self.steps.iter().fold(0, |sum, step| sum.saturating_add(step.flops))
    }

    /// Products of matrices that are computed in bands, inside of the steps that read them.
    pub(crate) fn n_banded_products(&self) -> usize {
        let has_product = |step: &&PlanStep| matches!(&step.work, StepKind::Tile(TileProgram { product: Some(_), .. }));
        self.steps.iter().filter(has_product).count()
    }

    /// Bytes that the steps read and write.
    pub(crate) fn moved_bytes(&self) -> usize {
        self.steps.iter().fold(0, |sum, step| sum.saturating_add(step.bytes))
    }
}

/// Where the value of a vertex is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Not stored: only its own step reads it, or it is a splat.
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
pub(crate) struct PlanStep {
    pub(crate) work: StepKind,
    /// Vertices whose memory it reads.
    pub(crate) reads: Vec<usize>,
    /// Vertices whose memory it writes.
    pub(crate) writes: Vec<usize>,
    /// Arena memory for partial results, or for the bodies, used by this step alone: first byte and size.
    pub(crate) partials: (usize, usize),
    /// The node that reports name: that of the last vertex it computes.
    pub(crate) origin: Origin,
    /// Operations on floats, a multiply-add as two.
    pub(crate) flops: usize,
    /// Bytes read and written, each value once.
    pub(crate) bytes: usize,
}

/// What a step does.
#[derive(Debug, Clone)]
pub(crate) enum StepKind {
    /// Fused functions and reductions, perhaps with the matrix product that they are the epilogue of.
    Tile(TileProgram),
    /// A product of matrices.
    Contraction(WholeArrays, Contraction),
    /// Any other primitive.
    Primitive(WholeArrays, Op),
    /// Bodies, run by a call, a branch or a loop.
    Nested(NestedArrays, Arc<Nested>),
}

impl StepKind {
    /// Bytes of the arena that a step uses for itself, if it is of a kind that does.
    pub(in crate::plan) fn own_bytes(&self) -> Option<usize> {
        match self {
            StepKind::Tile(program) => Some(program.partial_bytes()),
            StepKind::Nested(_, nested) => Some(nested.region.bytes),
            StepKind::Contraction(..) | StepKind::Primitive(..) => None,
        }
    }
}

/// The arrays of a step that takes them whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WholeArrays {
    /// What it reads, in the order of the primitive's operands.
    pub(crate) operands: SmallVec<[ReadArray; 3]>,
    /// The vertex that it computes.
    pub(crate) vertex: usize,
    pub(crate) dtype: DType,
    pub(crate) sizes: Sizes,
}

/// An array that is read, and how it lies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReadArray {
    pub(crate) vertex: usize,
    pub(crate) dtype: DType,
    pub(crate) layout: StridedLayout,
}

impl WholeArrays {
    /// Those of a vertex.
    pub(in crate::plan) fn of_vertex(network: &Network, vertex: usize) -> WholeArrays {
        let def = &network.vertices[vertex];
        let read = |operand: &StridedOperand| ReadArray {
            vertex: operand.vertex,
            dtype: network.vertices[operand.vertex].dtype,
            layout: operand.layout.clone(),
        };
        WholeArrays {
            operands: def.operands.iter().map(read).collect(),
            vertex,
            dtype: def.dtype,
            sizes: def.sizes.clone(),
        }
    }
}
