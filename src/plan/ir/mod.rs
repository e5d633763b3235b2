//! What plans are made of, as types. They import nothing of planning, and every pass imports them.

mod contraction;
mod function;
mod groups;
mod instruction;
mod layout;
mod nested;
mod network;
mod pair;
mod plan;
mod program;

pub(crate) use contraction::{BatchAxis, Contraction, MatrixVector};
pub(crate) use function::Function;
pub(crate) use groups::is_terminal;
pub(super) use groups::{FusionGroup, FusionGroups, IterationSpace};
pub(crate) use instruction::{
    Action, Granularity, Instruction, Location, MemRef, ReadPattern, WritePattern, ZeroPadding,
};
pub(crate) use layout::{AccessPattern, Sizes, StridedAxis, StridedLayout, count, offsets};
pub(crate) use nested::{
    ArgumentSource, CarryHome, Control, LoopMemory, Nested, NestedArrays, Region, Replay, ScanControl, Segments,
};
pub(crate) use network::{
    Network, Origin, PadOffset, PlanError, ReduceVertex, ReductionAxis, ScalarValue, StridedOperand, Vertex, VertexKind,
};
pub(crate) use pair::{PAIRS, Pair, PairKind};
pub(super) use pair::{function_of, partner};
pub(crate) use plan::{Plan, PlanStep, ReadArray, StepKind, Storage, WholeArrays};
pub(crate) use program::{Accumulated, Banded, Keep, TileProgram};
