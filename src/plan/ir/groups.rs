//! What is computed together, as types.

use super::network::{ReduceVertex, ReductionAxis};

/// What a step computes.
#[derive(Debug)]
pub(crate) struct FusionGroup {
    /// Positions of vertices, operands before their users.
    pub(crate) members: Vec<usize>,
    /// The elements that it goes through; none for a single primitive.
    pub(crate) space: Option<IterationSpace>,
    /// Less than those of all clusters that it reads from.
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

/// The clusters of a network.
#[derive(Debug)]
pub(crate) struct FusionGroups {
    pub(crate) groups: Vec<FusionGroup>,
    /// The cluster of each vertex; none for what needs no computing.
    pub(crate) group_of: Vec<Option<usize>>,
}

/// Whether a reduction leaves what the other members of its cluster cannot read: one number, or one for each column.
pub(crate) fn is_terminal(reduce: &ReduceVertex) -> bool {
    reduce.along == ReductionAxis::Columns || reduce.rows == 1
}

impl IterationSpace {
    /// The domain that both are.
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
