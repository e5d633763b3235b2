//! What is computed together, as types.

use super::network::{Along, Reduce};

/// What a step computes.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Positions of vertices, operands before their users.
    pub(crate) members: Vec<usize>,
    /// The elements that it goes through; none for a single primitive.
    pub(crate) domain: Option<Domain>,
    /// Less than those of all clusters that it reads from.
    pub(crate) height: usize,
}

/// The elements that fused steps go through: a matrix, whose columns count once shapes do not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// So many elements in a line.
    Line(usize),
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
pub(crate) struct Clusters {
    pub(crate) clusters: Vec<Cluster>,
    /// The cluster of each vertex; none for what needs no computing.
    pub(crate) of: Vec<Option<usize>>,
}

/// Whether a reduction leaves what the other members of its cluster cannot read: one number, or one for each column.
pub(crate) fn is_terminal(reduce: &Reduce) -> bool {
    reduce.along == Along::Columns || reduce.rows == 1
}

impl Domain {
    /// The domain that both are.
    pub(in crate::plan) fn unified(self, other: Domain) -> Option<Domain> {
        match (self, other) {
            (Domain::Line(n), Domain::Line(m)) => (n == m).then_some(self),
            (Domain::Matrix { .. }, Domain::Matrix { .. }) => (self == other).then_some(self),
            (Domain::Line(n), matrix @ Domain::Matrix { rows, columns })
            | (matrix @ Domain::Matrix { rows, columns }, Domain::Line(n)) => {
                (n == rows * columns || n == rows).then_some(matrix)
            }
        }
    }
}
