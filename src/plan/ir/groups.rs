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
        /// By how many channels its rows are reduced, if they are: one number for the group, so that loops can go over them.
        channels: Option<usize>,
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
/// number, or one for each column or channel.
pub(crate) fn is_terminal(reduce: &ReduceVertex) -> bool {
    match reduce.along {
        ReductionAxis::Rows => reduce.rows == 1,
        ReductionAxis::Columns | ReductionAxis::Channels(_) => true,
    }
}

impl ReduceVertex {
    /// The matrix whose elements it reduces.
    pub(in crate::plan) fn matrix(&self) -> IterationSpace {
        let channels = match self.along {
            ReductionAxis::Channels(n) => Some(n),
            ReductionAxis::Rows | ReductionAxis::Columns => None,
        };
        IterationSpace::Matrix { rows: self.rows, columns: self.columns, channels }
    }
}

impl IterationSpace {
    /// The iteration space of a group that holds both.
    pub(in crate::plan) fn unified(self, other: IterationSpace) -> Option<IterationSpace> {
        match (self, other) {
            (IterationSpace::Flat(n), IterationSpace::Flat(m)) => (n == m).then_some(self),
            (
                IterationSpace::Matrix { rows, columns, channels },
                IterationSpace::Matrix { rows: other_rows, columns: other_columns, channels: other_channels },
            ) => {
                let agree = channels.zip(other_channels).is_none_or(|(left, right)| left == right);
                let matrix = IterationSpace::Matrix { rows, columns, channels: channels.or(other_channels) };
                (agree && (rows, columns) == (other_rows, other_columns)).then_some(matrix)
            }
            (IterationSpace::Flat(n), matrix @ IterationSpace::Matrix { rows, columns, .. })
            | (matrix @ IterationSpace::Matrix { rows, columns, .. }, IterationSpace::Flat(n)) => {
                (n == rows * columns || n == rows).then_some(matrix)
            }
        }
    }
}
