//! What is computed together, as types.

use super::network::{ReduceVertex, ReductionAxis};

/// What a step computes.
#[derive(Debug)]
pub(crate) struct FusionGroup {
    /// Positions of vertices, operands before their users.
    pub(crate) members: Vec<usize>,
    /// Its iteration space; none for a single primitive.
    pub(crate) space: Option<IterationSpace>,
    /// Lower than the level of every group that it reads from.
    pub(crate) level: usize,
}

/// The elements that fused steps go through: a matrix, whose columns count once shapes do not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IterationSpace {
    /// So many elements in a line.
    Flat(usize),
    /// Rows of so many elements; a member has one element for each element, or one for each row.
    Matrix {
        /// How many rows.
        rows: usize,
        /// Elements of a row.
        columns: usize,
    },
}

/// The fusion groups of a network.
#[derive(Debug)]
pub(crate) struct FusionGroups {
    pub(crate) groups: Vec<FusionGroup>,
    /// The group of each vertex; none for a vertex that is not computed.
    pub(crate) group_of: Vec<Option<usize>>,
}

/// Whether the other members of its group cannot read a reduction, since it is known only at the end of the pass: one
/// number, or one for each column.
pub(crate) fn is_terminal(reduce: &ReduceVertex) -> bool {
    reduce.along == ReductionAxis::Columns || reduce.rows == 1
}

impl IterationSpace {
    /// The iteration space of a group that holds both.
    pub(in crate::plan) fn unified(self, other: IterationSpace) -> Option<IterationSpace> {
        match (self, other) {
            (IterationSpace::Flat(n), IterationSpace::Flat(m)) => (n == m).then_some(self),
            (IterationSpace::Matrix { .. }, IterationSpace::Matrix { .. }) => (self == other).then_some(self),
            (IterationSpace::Flat(n), matrix @ IterationSpace::Matrix { rows, columns })
            | (matrix @ IterationSpace::Matrix { rows, columns }, IterationSpace::Flat(n)) => {
                (n == rows * columns || n == rows).then_some(matrix)
            }
        }
    }
}
