//! What plans are made of, as types. They import nothing of planning, and every pass imports them.

mod access;
mod clusters;
mod contraction;
mod function;
mod instruction;
mod network;
mod pair;
mod plan;
mod program;

pub(crate) use access::{Access, Axis, Relation, Sizes, count, offsets};
pub(super) use clusters::{Cluster, Clusters, Domain, is_terminal};
pub(crate) use contraction::{Batch, Contraction, MatrixVector};
pub(crate) use function::Function;
pub(crate) use instruction::{Action, Extent, Instruction, Memory, Padding, Place, Read, Write};
pub(crate) use network::{Along, Kind, Network, Number, Operand, Origin, PlanError, Reduce, Vertex, Window};
pub(crate) use pair::{Both, PAIRS, Pair};
pub(super) use pair::{function_of, partner};
pub(crate) use plan::{Plan, ReadArray, Step, Storage, WholeArrays, Work};
pub(crate) use program::{Accumulated, Banded, Keep, TileProgram};
