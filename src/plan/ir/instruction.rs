//! What a fused step is made of. In: nothing. Out: [`Instruction`], what it does ([`Action`]) and where ([`Place`]), and the
//! [`Facts`] of each action, which every other stage reads instead of asking which action it is. `check.rs` alone has a table
//! of its own, on purpose.

use smallvec::SmallVec;

use super::{
    access::{Access, Sizes},
    contraction::MatrixVector,
    function::Function,
    network::{Along, Window},
    pair::Pair,
};
use crate::graph::{DType, Reduction};

/// An array in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Memory {
    pub(crate) vertex: usize,
    pub(crate) offset: isize,
    pub(crate) dtype: DType,
}

/// One operation on a tile.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Instruction {
    pub(crate) action: Action,
    pub(crate) output: Place,
    /// Where the second value of two goes, and the vertex that it is.
    pub(crate) beside: Option<(Place, usize)>,
    pub(crate) operands: SmallVec<[Place; 3]>,
    /// The dtype of the operands.
    pub(crate) dtype: DType,
    pub(crate) extent: Extent,
    /// Which vertex it computes, for whoever reads a plan.
    pub(crate) vertex: usize,
}

/// What an instruction does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// An elementwise function.
    Apply(Function),
    /// Two elementwise functions of one operand.
    ApplyBoth(Pair),
    /// Gathers elements from memory, in row-major order of the access.
    Load(Access),
    /// The same, with zeros outside of the window; the access is that of the window.
    LoadPadded(Access, Padding),
    /// Copies a register to memory, after all else of the tile is done.
    Store,
    /// Repeats each element along a row.
    Expand,
    /// Reduces each row to one element.
    ReduceRows(Reduction),
    /// Adds the tile to one element for each column, or to one for all.
    Accumulate(Reduction, Along),
    /// The products of rows of a matrix in memory with a vector there.
    DotRows(MatrixVector),
    /// Adds rows of a matrix in memory, each times an element of the tile, to one element for each of their columns.
    AccumulateDot(MatrixVector),
}

/// Zeros around an array.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Padding {
    pub(crate) window: Window,
    pub(crate) sizes: Sizes,
}

impl Padding {
    /// The offset of an element of the padded array within the access of the window, if the window has it.
    pub(crate) fn offset(&self, access: &Access, element: usize) -> Option<isize> {
        let (mut rest, mut offset) = (element, access.offset);
        for (position, size) in self.sizes.iter().enumerate().rev() {
            let inside = (rest % size).checked_sub(self.window.low[position])?;
            rest /= size;
            let axis = access.axes[position];
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
pub(crate) enum Place {
    /// A register of the worker.
    Register(usize),
    /// Memory, element by element.
    Memory(usize),
    /// One element of memory.
    Element(usize),
    /// A number of the program.
    Number(usize),
}

/// How many elements an instruction goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Extent {
    /// Every element of the tile.
    Full,
    /// One for each row.
    Row,
}

impl Place {
    /// Whether one element stands for all.
    pub(crate) fn is_splat(self) -> bool {
        matches!(self, Place::Element(_) | Place::Number(_))
    }

    pub(in crate::plan) fn is_register(self) -> bool {
        matches!(self, Place::Register(_))
    }
}

/// What an action does with memory and tiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Facts {
    /// The name in the text of a plan, in parts.
    pub(crate) name: [&'static str; 3],
    /// How each operand is read; beyond the operands that there are, nothing.
    pub(crate) reads: [Read; 3],
    pub(crate) writes: Write,
    /// How much longer an element of the extent takes than an addition, roughly.
    pub(crate) cost: usize,
    /// Columns of a matrix in memory of which it reads a row for each element.
    pub(crate) matrix_columns: Option<usize>,
}

/// How an instruction reads an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// Element i for element i of the instruction's extent.
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
pub(crate) enum Write {
    /// The elements of its extent.
    Elements,
    /// One element for each row of the tile, which goes on where a row is cut.
    Rows,
    /// Elements that all tiles of a task write to, and that are put together by this reduction at the end.
    Accumulator(Reduction, Width),
}

/// How many elements an accumulator has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// One.
    One,
    /// One for each column of the program.
    Columns,
    /// So many.
    Elements(usize),
}

impl Action {
    /// The facts of an action: a new one is a row here.
    pub(crate) fn facts(&self) -> Facts {
        use Read::{Elements, Rows, Tile, Whole};
        const EACH: [Read; 3] = [Elements; 3];
        const FIRST_WHOLE: [Read; 3] = [Whole, Elements, Elements];
        let row = |name: [&'static str; 3], reads, writes| Facts { name, reads, writes, cost: 2, matrix_columns: None };
        let product = |of: &MatrixVector, facts: Facts| {
            let columns = of.columns.size;
            Facts { cost: 2 * columns, matrix_columns: Some(columns), ..facts }
        };
        match self {
            Action::Apply(function) => {
                Facts { cost: function.weight(), ..row([function.name(), "", ""], EACH, Write::Elements) }
            }
            Action::ApplyBoth(pair) => {
                let [first, second] = pair.functions.map(Function::name);
                Facts { cost: pair.weight, ..row([first, "_and_", second], EACH, Write::Elements) }
            }
            Action::Load(_) => row(["load", "", ""], FIRST_WHOLE, Write::Elements),
            Action::LoadPadded(..) => row(["load", "_padded", ""], FIRST_WHOLE, Write::Elements),
            Action::Store => row(["store", "", ""], EACH, Write::Elements),
            Action::Expand => row(["expand", "", ""], [Rows, Elements, Elements], Write::Elements),
            Action::ReduceRows(kind) => row([kind.name(), "_of_rows", ""], [Tile, Elements, Elements], Write::Rows),
            Action::Accumulate(kind, Along::Columns) => {
                row([kind.name(), "_of_columns", ""], EACH, Write::Accumulator(*kind, Width::Columns))
            }
            Action::Accumulate(kind, Along::Rows) => {
                row([kind.name(), "_of_all", ""], EACH, Write::Accumulator(*kind, Width::One))
            }
            Action::DotRows(of) => product(of, row(["dot_rows", "", ""], [Whole, Whole, Elements], Write::Elements)),
            Action::AccumulateDot(of) => {
                let writes = Write::Accumulator(Reduction::Sum, Width::Elements(of.columns.size));
                product(of, row(["dot_columns", "", ""], FIRST_WHOLE, writes))
            }
        }
    }
}

impl Instruction {
    /// Where its values go, and which vertices they are.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = (Place, usize)> + use<> {
        [(self.output, self.vertex)].into_iter().chain(self.beside)
    }

    /// The places of its values.
    pub(crate) fn outputs_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        [&mut self.output].into_iter().chain(self.beside.as_mut().map(|(place, _)| place))
    }

    /// Whether element i of the tile is computed from element i of each operand, so that memory may be written over once it
    /// was read.
    pub(in crate::plan) fn reads_by_element(&self) -> bool {
        let facts = self.action.facts();
        facts.reads.iter().take(self.operands.len()).all(|read| match read {
            Read::Elements => self.extent == Extent::Full,
            Read::Tile => true,
            Read::Rows | Read::Whole => false,
        })
    }

    /// Whether it knows where rows begin and end.
    pub(in crate::plan) fn knows_rows(&self) -> bool {
        let facts = self.action.facts();
        self.extent == Extent::Row
            || facts.reads.contains(&Read::Rows)
            || matches!(facts.writes, Write::Rows | Write::Accumulator(_, Width::Columns))
    }
}
