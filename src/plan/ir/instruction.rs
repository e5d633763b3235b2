//! Instructions of tile programs, as types: [`Instruction`], what it does ([`Action`]) and where its operands are
//! ([`Location`]).
//!
//! The [`Facts`] of an action say how it reads, writes and costs; every pass asks these instead of matching on actions.
//! `verify.rs` alone has tables of its own, on purpose.

use smallvec::SmallVec;

use super::{
    contraction::MatrixVector,
    function::Function,
    layout::{Sizes, StridedLayout},
    network::{PadOffset, ReductionAxis},
    pair::Pair,
};
use crate::graph::{DType, Reduction};

/// A reference to memory: the array of a vertex, from an element on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MemRef {
    pub(crate) vertex: usize,
    pub(crate) offset: isize,
    pub(crate) dtype: DType,
}

/// One operation on a tile.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Instruction {
    pub(crate) action: Action,
    pub(crate) output: Location,
    /// The location of the second output of a pair, and its vertex.
    pub(crate) second_output: Option<(Location, usize)>,
    pub(crate) operands: SmallVec<[Location; 3]>,
    /// The dtype of the operands.
    pub(crate) dtype: DType,
    pub(crate) granularity: Granularity,
    /// The vertex that it computes.
    pub(crate) vertex: usize,
}

/// What an instruction does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// An elementwise function.
    Apply(Function),
    /// Two elementwise functions of one operand.
    ApplyBoth(Pair),
    /// Gathers elements from memory, in row-major order of the strided layout.
    Load(StridedLayout),
    /// The same, with zeros outside of the window; the layout is that of the window.
    LoadPadded(StridedLayout, ZeroPadding),
    /// Copies a register to memory, after all else of the tile is done.
    Store,
    /// Broadcasts one element for each row along the row.
    Expand,
    /// Reduces each row to one element.
    ReduceRows(Reduction),
    /// Adds the tile to one element for each column or channel, or to one for all.
    Accumulate(Reduction, ReductionAxis),
    /// The products of rows of a matrix in memory with a vector there.
    DotRows(MatrixVector),
    /// Adds rows of a matrix in memory, each times an element of the tile, to one element for each of their columns.
    AccumulateDot(MatrixVector),
}

/// Zeros around an array.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ZeroPadding {
    pub(crate) window: PadOffset,
    pub(crate) sizes: Sizes,
}

impl ZeroPadding {
    /// The offset of an element of the padded array by the layout of the window, if the element is within the window.
    pub(crate) fn offset(&self, layout: &StridedLayout, element: usize) -> Option<isize> {
        let (mut rest, mut offset) = (element, layout.offset);
        for (position, size) in self.sizes.iter().enumerate().rev() {
            let inside = (rest % size).checked_sub(self.window.low[position])?;
            rest /= size;
            let axis = layout.axes[position];
            if inside >= axis.size {
                return None;
            }
            offset += axis.stride * inside as isize;
        }
        Some(offset)
    }
}

/// Where an operand or a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Location {
    /// A register of the worker.
    Register(usize),
    /// Memory, element by element.
    Memory(usize),
    /// One element of memory.
    Element(usize),
    /// A number of the program.
    Number(usize),
}

/// Whether an instruction has a value for each element of a tile or for each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Granularity {
    /// Every element of the tile.
    Element,
    /// One for each row.
    Row,
}

impl Location {
    /// Whether it is a single element that is used for all.
    pub(crate) fn is_splat(self) -> bool {
        matches!(self, Location::Element(_) | Location::Number(_))
    }

    pub(in crate::plan) fn is_register(self) -> bool {
        matches!(self, Location::Register(_))
    }
}

/// What an action does with memory and tiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Facts {
    /// The name in the text of a plan, in parts.
    pub(crate) name: [&'static str; 3],
    /// How each operand is read; beyond the operands that there are, nothing.
    pub(crate) reads: [ReadPattern; 3],
    pub(crate) writes: WritePattern,
    /// The rough time of one element (or row, by granularity), in additions.
    pub(crate) cost: usize,
    /// Columns of a matrix in memory of which it reads a row for each element.
    pub(crate) matrix_columns: Option<usize>,
}

/// How an instruction reads an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadPattern {
    /// Element i for element i (or row i, by granularity) of the instruction.
    Elements,
    /// One element for each row of the tile.
    Rows,
    /// Every element of the tile, whatever the extent.
    Tile,
    /// An array in memory in an order of its own.
    Whole,
}

/// What an instruction writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WritePattern {
    /// The elements of its extent.
    Elements,
    /// One element for each row of the tile, which goes on where a row is cut.
    Rows,
    /// Elements that all tiles of a task write to; the tasks' elements are combined by this reduction at the end.
    Accumulator(Reduction, Width),
}

/// How many elements an accumulator has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// One.
    One,
    /// One for each column of the program.
    Columns,
    /// One for each of so many channels.
    Channels(usize),
    /// So many.
    Elements(usize),
}

impl Action {
    /// The facts of an action: a new one is a row here.
    pub(crate) fn facts(&self) -> Facts {
        use ReadPattern::{Elements, Rows, Tile, Whole};
        const EACH: [ReadPattern; 3] = [Elements; 3];
        const FIRST_WHOLE: [ReadPattern; 3] = [Whole, Elements, Elements];
        let row = |name: [&'static str; 3], reads, writes| Facts { name, reads, writes, cost: 2, matrix_columns: None };
        let product = |matrix: &MatrixVector, facts: Facts| {
            let columns = matrix.columns.size;
            Facts { cost: 2 * columns, matrix_columns: Some(columns), ..facts }
        };
        match self {
            Action::Apply(function) => {
                Facts { cost: function.weight(), ..row([function.name(), "", ""], EACH, WritePattern::Elements) }
            }
            Action::ApplyBoth(pair) => {
                let [first, second] = pair.functions.map(Function::name);
                Facts { cost: pair.weight, ..row([first, "_and_", second], EACH, WritePattern::Elements) }
            }
            Action::Load(_) => row(["load", "", ""], FIRST_WHOLE, WritePattern::Elements),
            Action::LoadPadded(..) => row(["load", "_padded", ""], FIRST_WHOLE, WritePattern::Elements),
            Action::Store => row(["store", "", ""], EACH, WritePattern::Elements),
            Action::Expand => row(["expand", "", ""], [Rows, Elements, Elements], WritePattern::Elements),
            Action::ReduceRows(kind) => {
                row([kind.name(), "_of_rows", ""], [Tile, Elements, Elements], WritePattern::Rows)
            }
            Action::Accumulate(kind, ReductionAxis::Columns) => {
                row([kind.name(), "_of_columns", ""], EACH, WritePattern::Accumulator(*kind, Width::Columns))
            }
            Action::Accumulate(kind, ReductionAxis::Channels(n)) => {
                row([kind.name(), "_of_channels", ""], EACH, WritePattern::Accumulator(*kind, Width::Channels(*n)))
            }
            Action::Accumulate(kind, ReductionAxis::Rows) => {
                row([kind.name(), "_of_all", ""], EACH, WritePattern::Accumulator(*kind, Width::One))
            }
            Action::DotRows(matrix) => {
                product(matrix, row(["dot_rows", "", ""], [Whole, Whole, Elements], WritePattern::Elements))
            }
            Action::AccumulateDot(matrix) => {
                let writes = WritePattern::Accumulator(Reduction::Sum, Width::Elements(matrix.columns.size));
                product(matrix, row(["dot_columns", "", ""], FIRST_WHOLE, writes))
            }
        }
    }
}

impl Instruction {
    /// Where its values go, and which vertices they are.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = (Location, usize)> + use<> {
        [(self.output, self.vertex)].into_iter().chain(self.second_output)
    }

    /// The locations of its values.
    pub(crate) fn outputs_mut(&mut self) -> impl Iterator<Item = &mut Location> {
        [&mut self.output].into_iter().chain(self.second_output.as_mut().map(|(location, _)| location))
    }

    /// Whether element i of the tile is computed from element i of each operand, so that memory may be written over
    /// once it was read.
    pub(in crate::plan) fn reads_by_element(&self) -> bool {
        let facts = self.action.facts();
        facts.reads.iter().take(self.operands.len()).all(|read| match read {
            ReadPattern::Elements => self.granularity == Granularity::Element,
            ReadPattern::Tile => true,
            ReadPattern::Rows | ReadPattern::Whole => false,
        })
    }

    /// Whether it knows where rows begin and end.
    pub(in crate::plan) fn knows_rows(&self) -> bool {
        let facts = self.action.facts();
        self.granularity == Granularity::Row
            || facts.reads.contains(&ReadPattern::Rows)
            || matches!(
                facts.writes,
                WritePattern::Rows | WritePattern::Accumulator(_, Width::Columns | Width::Channels(_))
            )
    }
}
