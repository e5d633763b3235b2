//! From instructions of a tile program to calls: kernels are chosen, and locations become entries of the table of addresses.
//! In: a program and an instruction set. Out: resolved instructions, which the interpreter calls for each tile.

use smallvec::SmallVec;

use super::super::{
    band::Blocks,
    instruction_set::InstructionSet,
    matmul::{Accumulation, MatmulDescriptor},
    vector::{self, Kernel, PairKernel, RowReduce, Splats},
};
use crate::{
    graph::{DType, Reduction},
    plan::{
        Action, Function, Granularity, Instruction, Location, MatrixVector, ReadPattern, ReductionAxis, StridedLayout,
        TileProgram, WritePattern, ZeroPadding,
    },
};

/// One instruction with its kernel.
#[derive(Debug)]
pub(super) struct ResolvedInstruction {
    pub(super) action: ResolvedAction,
    pub(super) granularity: Granularity,
    pub(super) output: Address,
    /// Where the second output of a pair goes.
    pub(super) second_output: Address,
    pub(super) operands: [Address; 3],
}

#[derive(Debug)]
pub(super) enum ResolvedAction {
    Kernel(Kernel),
    Pair(PairKernel),
    Load(StridedLayout, usize),
    LoadPadded(StridedLayout, ZeroPadding, usize),
    Fill(usize),
    Store(usize),
    Expand(usize),
    ReduceRows(RowReduce, vector::Accumulate),
    /// By row, into one element for each column: position among the accumulators, bytes of an element.
    AccumulateColumns(usize, usize),
    /// By row, into one element for each of so many channels: position among the accumulators.
    AccumulateChannels(usize, RowReduce, usize),
    /// All elements into one.
    AccumulateAll(usize, RowReduce),
    /// Rows of a matrix times a vector: bytes from row to row.
    DotRows(Box<Blocks>, isize),
    /// Rows of a matrix times elements, added up: position among the accumulators, bytes from row to row.
    AccumulateDot(usize, Box<Blocks>, isize),
}

/// An address: that of an entry of the table, with so many bytes for each element and each row of the tile's start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Address {
    pub(super) entry: u32,
    pub(super) offset: u32,
    pub(super) per_element: u32,
    pub(super) per_row: u32,
}

/// Entries of the table of addresses: registers, numbers, and then the arrays of the program.
pub(super) const REGISTERS: usize = 0;
pub(super) const NUMBERS: usize = 1;
pub(super) const N_FIXED: usize = 2;

pub(super) fn accumulate(kind: Reduction, dtype: DType, set: InstructionSet) -> vector::Accumulate {
    vector::accumulate(kind, dtype, set).expect("invariant: numbers are reduced")
}

fn row_reduce(kind: Reduction, dtype: DType, set: InstructionSet) -> RowReduce {
    vector::row_reduce(kind, dtype, set).expect("invariant: numbers are reduced")
}

/// Resolves instructions to kernels and locations to addresses.
pub(super) struct Resolver<'p> {
    pub(super) program: &'p TileProgram,
    pub(super) set: InstructionSet,
}

impl Resolver<'_> {
    /// An instruction with its kernel and its addresses; `n_accumulators` counts those before it.
    pub(super) fn call(&self, instruction: &Instruction, n_accumulators: &mut usize) -> ResolvedInstruction {
        let size = instruction.dtype.size();
        let facts = instruction.action.facts();
        let action = match &instruction.action {
            Action::Apply(function) => ResolvedAction::Kernel(self.kernel(*function, instruction)),
            Action::ApplyBoth(pair) => {
                let kernel = vector::pair_kernel(*pair, instruction.dtype, self.set);
                ResolvedAction::Pair(kernel.expect("invariant: pairs are of floats"))
            }
            Action::Load(_) if instruction.operands[0].is_splat() => ResolvedAction::Fill(size),
            Action::Load(layout) => ResolvedAction::Load(layout.clone(), size),
            Action::LoadPadded(layout, padding) => ResolvedAction::LoadPadded(layout.clone(), padding.clone(), size),
            Action::Store => ResolvedAction::Store(size),
            Action::Expand => ResolvedAction::Expand(size),
            Action::ReduceRows(kind) => {
                let reduce = row_reduce(*kind, instruction.dtype, self.set);
                ResolvedAction::ReduceRows(reduce, accumulate(*kind, instruction.dtype, self.set))
            }
            Action::DotRows(product) => {
                let blocks = self.blocks(instruction, |rows| dot_rows(product, rows, instruction.dtype));
                ResolvedAction::DotRows(blocks, product.rows.stride * size as isize)
            }
            Action::AccumulateDot(product) => {
                *n_accumulators += 1;
                let blocks = self.blocks(instruction, |rows| dot_columns(product, rows, instruction.dtype));
                ResolvedAction::AccumulateDot(*n_accumulators - 1, blocks, product.rows.stride * size as isize)
            }
            Action::Accumulate(kind, along) => {
                *n_accumulators += 1;
                match along {
                    ReductionAxis::Columns => ResolvedAction::AccumulateColumns(*n_accumulators - 1, size),
                    ReductionAxis::Channels(n) => {
                        let reduce = row_reduce(*kind, instruction.dtype, self.set);
                        ResolvedAction::AccumulateChannels(*n_accumulators - 1, reduce, *n)
                    }
                    ReductionAxis::Rows => {
                        let reduce = row_reduce(*kind, instruction.dtype, self.set);
                        ResolvedAction::AccumulateAll(*n_accumulators - 1, reduce)
                    }
                }
            }
        };
        let mut operands = [Address::default(); 3];
        for ((address, location), read) in operands.iter_mut().zip(&instruction.operands).zip(facts.reads) {
            *address = self.operand_address(*location, read, instruction.granularity);
        }
        let output = match facts.writes {
            WritePattern::Elements | WritePattern::Accumulator(..) => instruction.granularity,
            WritePattern::Rows => Granularity::Row,
        };
        let second = instruction.second_output.map(|(location, _)| self.address(location, output));
        ResolvedInstruction {
            action,
            granularity: instruction.granularity,
            output: self.address(instruction.output, output),
            second_output: second.unwrap_or_default(),
            operands,
        }
    }

    /// The address of an operand that is read in this pattern.
    fn operand_address(&self, location: Location, read: ReadPattern, granularity: Granularity) -> Address {
        match read {
            ReadPattern::Elements => self.address(location, granularity),
            ReadPattern::Rows => self.address(location, Granularity::Row),
            ReadPattern::Tile => self.address(location, Granularity::Element),
            ReadPattern::Whole => Address { per_element: 0, per_row: 0, ..self.address(location, granularity) },
        }
    }

    /// Products for full tiles and for the last one.
    fn blocks(&self, instruction: &Instruction, product: impl Fn(usize) -> MatmulDescriptor) -> Box<Blocks> {
        let program = self.program;
        let (whole, tile) = match instruction.granularity {
            Granularity::Element if program.cuts_rows() => (program.columns, program.tile[1]),
            Granularity::Element => (program.rows * program.columns, program.tile[0] * program.tile[1]),
            Granularity::Row => (program.rows, program.tile[0]),
        };
        let full = tile.min(whole);
        let last = whole % full.max(1);
        Box::new(Blocks::new(full, last, self.set, product))
    }

    fn kernel(&self, function: Function, instruction: &Instruction) -> Kernel {
        let mut splats = Splats::NONE;
        let is_power = matches!(function, Function::IntegerPower(_));
        for (position, location) in instruction.operands.iter().enumerate() {
            if location.is_splat() && !(is_power && position == 1) {
                splats = splats.with(position);
            }
        }
        let kernel = vector::kernel(function, instruction.dtype, splats, self.set);
        kernel.unwrap_or_else(|| unreachable!("invariant: {} has a kernel for {}", function.name(), instruction.dtype))
    }

    fn address(&self, location: Location, granularity: Granularity) -> Address {
        let entry =
            |entry: usize, offset: usize| Address { entry: entry as u32, offset: offset as u32, ..Address::default() };
        match location {
            Location::Register(register) => entry(REGISTERS, register * self.program.register_bytes),
            Location::Number(number) => entry(NUMBERS, number * size_of::<u64>()),
            Location::Element(memory) => entry(N_FIXED + memory, 0),
            Location::Memory(memory) => {
                let size = self.program.memory[memory].dtype.size() as u32;
                let (per_element, per_row) = if granularity == Granularity::Element { (size, 0) } else { (0, size) };
                Address { per_element, per_row, ..entry(N_FIXED + memory, 0) }
            }
        }
    }
}

/// `rows` rows of the matrix times the vector.
fn dot_rows(product: &MatrixVector, rows: usize, dtype: DType) -> MatmulDescriptor {
    MatmulDescriptor {
        batch: SmallVec::new(),
        m: rows,
        n: 1,
        k: product.columns.size,
        a: [product.rows.stride, product.columns.stride],
        b: [product.vector, 1],
        c: [1, 1],
        output: Accumulation::Overwrite,
        dtype,
    }
}

/// The transposed rows of the matrix times `rows` elements, added to what is there.
fn dot_columns(product: &MatrixVector, rows: usize, dtype: DType) -> MatmulDescriptor {
    MatmulDescriptor {
        batch: SmallVec::new(),
        m: product.columns.size,
        n: 1,
        k: rows,
        a: [product.columns.stride, product.rows.stride],
        b: [1, 1],
        c: [1, 1],
        output: Accumulation::Add,
        dtype,
    }
}
