//! The interpreter of tile programs. In: a program with its kernels, the addresses of a run and a task. Out: the tiles
//! of that task.
//!
//! A task is a range of tiles. For each tile every instruction is one call of a kernel over the elements of the tile. A
//! register is written by one instruction of the tile and read by later ones, so it stays in the first-level cache.
//! Reductions over tiles go to accumulators of the task, which are combined in the order of the tasks when all are
//! done: the bits do not depend on the number of threads.

#![allow(unsafe_code, reason = "kernels take addresses")]

use std::cell::Cell;

use smallvec::SmallVec;

use super::{
    band::{Bands, Blocks},
    instruction_set::InstructionSet,
    matmul::{Accumulation, MatmulDescriptor, MatmulOperands},
    strided_copy::{self, CopyRange},
    vector::{self, Kernel, PairKernel, RowReduce, Splats},
};
use crate::{
    graph::{DType, Reduction},
    plan::{
        Accumulated, Action, Function, Granularity, Instruction, Location, MatrixVector, ReadPattern, ReductionAxis,
        ScalarValue, StridedLayout, TileProgram, WritePattern, ZeroPadding,
    },
};

/// A tile program that is ready to run.
#[derive(Debug)]
pub(super) struct TileStep {
    calls: Vec<ResolvedInstruction>,
    n_invariant: usize,
    numbers: Vec<u64>,
    rows: usize,
    columns: usize,
    tile: [usize; 2],
    n_tiles: [usize; 2],
    /// What tasks are made of, and how many tiles of each.
    n_units: usize,
    tiles_of_unit: usize,
    /// A product that is computed before the tiles of each unit.
    product: Option<Box<Bands>>,
    pub(super) n_tasks: usize,
    n_registers_bytes: usize,
    accumulators: Vec<Accumulator>,
}

/// A reduction that every task computes for its own tiles.
#[derive(Debug, Clone, Copy)]
struct Accumulator {
    kind: Reduction,
    dtype: DType,
    accumulate: vector::Accumulate,
    /// Which memory the result is.
    memory: usize,
    width: usize,
    /// First byte among the partial results of a task, and how many all accumulators of a task take.
    partial: usize,
    stride: usize,
}

/// One instruction with its kernel.
#[derive(Debug)]
struct ResolvedInstruction {
    action: ResolvedAction,
    granularity: Granularity,
    output: Address,
    /// Where the second output of a pair goes.
    second_output: Address,
    operands: [Address; 3],
}

#[derive(Debug)]
enum ResolvedAction {
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
    /// All elements into one.
    AccumulateAll(usize, RowReduce),
    /// Rows of a matrix times a vector: bytes from row to row.
    DotRows(Box<Blocks>, isize),
    /// Rows of a matrix times elements, added up: position among the accumulators, bytes from row to row.
    AccumulateDot(usize, Box<Blocks>, isize),
}

/// An address: that of an entry of the table, with so many bytes for each element and each row of the tile's start.
#[derive(Debug, Clone, Copy, Default)]
struct Address {
    entry: u32,
    offset: u32,
    per_element: u32,
    per_row: u32,
}

/// Entries of the table before those of the program's memory.
const REGISTERS: usize = 0;
const NUMBERS: usize = 1;
const N_FIXED: usize = 2;

/// What a task needs beside the program.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) number: usize,
    /// The first element of each memory of the program.
    pub(super) memory: &'a [*mut u8],
    /// The worker's own memory, of at least [`TileStep::scratch_bytes`].
    pub(super) scratch: *mut u8,
    /// The partial results of the step.
    pub(super) partials: *mut u8,
}

/// The part of the iteration space that a tile covers.
#[derive(Clone, Copy)]
struct TileBounds {
    row: usize,
    rows: usize,
    column: usize,
    columns: usize,
    /// Position of the first element.
    start: usize,
}

impl TileStep {
    pub(super) fn new(program: &TileProgram, set: InstructionSet) -> TileStep {
        let stride = program.partial_stride();
        let accumulator = |accumulated: &Accumulated<'_>| {
            let Accumulated { instruction, kind, width, offset } = *accumulated;
            let Location::Memory(memory) = instruction.output else {
                unreachable!("invariant: an accumulator is stored")
            };
            let (dtype, accumulate) = (instruction.dtype, accumulate(kind, instruction.dtype, set));
            Accumulator { kind, dtype, accumulate, memory, width, partial: offset, stride }
        };
        let accumulators: Vec<Accumulator> = program.accumulators().iter().map(accumulator).collect();
        let mut n_accumulators = 0;
        let resolver = Resolver { program, set };
        let calls = program.instructions.iter().map(|instruction| resolver.call(instruction, &mut n_accumulators));
        let calls: Vec<ResolvedInstruction> = calls.collect();
        TileStep {
            calls,
            n_invariant: program.n_invariant,
            numbers: program.numbers.iter().map(|number| u64::from_ne_bytes(number.bits)).collect(),
            rows: program.rows,
            columns: program.columns,
            tile: program.tile,
            n_tiles: program.n_tiles(),
            n_units: program.n_units(),
            tiles_of_unit: program.tiles_of_unit(),
            product: program.product.as_ref().map(|product| {
                let dtype = program.memory[product.memory[2]].dtype;
                Box::new(Bands::new(product, dtype, set))
            }),
            n_tasks: program.n_tasks,
            n_registers_bytes: program.n_registers * program.register_bytes,
            accumulators,
        }
    }

    /// Memory that each worker needs: registers, the table of addresses, and one element.
    pub(super) fn scratch_bytes(&self, n_memory: usize) -> usize {
        let products = self.calls.iter().map(|call| match &call.action {
            ResolvedAction::DotRows(blocks, _) | ResolvedAction::AccumulateDot(_, blocks, _) => blocks.scratch_bytes(),
            ResolvedAction::Kernel(_) | ResolvedAction::Pair(_) | ResolvedAction::Fill(_) => 0,
            ResolvedAction::Load(..) | ResolvedAction::LoadPadded(..) => 0,
            ResolvedAction::Store(_) | ResolvedAction::Expand(_) | ResolvedAction::ReduceRows(..) => 0,
            ResolvedAction::AccumulateColumns(..) | ResolvedAction::AccumulateAll(..) => 0,
        });
        let products = products.chain(self.product.iter().map(|product| product.scratch_bytes()));
        self.table_end(n_memory) + products.max().unwrap_or(0)
    }

    /// Where the memory of products begins, behind registers and table.
    fn table_end(&self, n_memory: usize) -> usize {
        (self.n_registers_bytes + (N_FIXED + n_memory) * size_of::<*mut u8>()).next_multiple_of(64)
    }

    /// Runs the tiles of one task.
    ///
    /// # Safety
    /// The task's memory points to arrays as the plan describes them, of which no other task writes what this one
    /// reads or writes; scratch and partials are as large as was asked for.
    pub(super) unsafe fn run(&self, task: &Task<'_>) {
        let table = task.scratch.wrapping_add(self.n_registers_bytes).cast::<Cell<*mut u8>>();
        // SAFETY: the scratch has room for the table behind the registers, aligned since registers are.
        let table = unsafe {
            table.write(Cell::new(task.scratch));
            table.add(NUMBERS).write(Cell::new(self.numbers.as_ptr().cast_mut().cast()));
            for (position, memory) in task.memory.iter().enumerate() {
                table.add(N_FIXED + position).write(Cell::new(*memory));
            }
            std::slice::from_raw_parts(table, N_FIXED + task.memory.len())
        };
        let machine = Interpreter { step: self, task, table };
        // SAFETY: by this function's contract.
        unsafe { machine.run() };
    }

    /// Combines the partial results of all tasks, in the order of the tasks.
    ///
    /// # Safety
    /// All tasks are done; memory and partials as in [`TileStep::run`].
    pub(super) unsafe fn finish(&self, memory: &[*mut u8], partials: *const u8) {
        for accumulator in &self.accumulators {
            for task in 1..self.n_tasks {
                let partial = partials.wrapping_add((task - 1) * accumulator.stride + accumulator.partial);
                // SAFETY: both are `width` elements by the plan, and the partials lie apart from all results.
                unsafe { (accumulator.accumulate)(memory[accumulator.memory], partial, accumulator.width) };
            }
        }
    }
}

fn accumulate(kind: Reduction, dtype: DType, set: InstructionSet) -> vector::Accumulate {
    vector::accumulate(kind, dtype, set).expect("invariant: numbers are reduced")
}

fn row_reduce(kind: Reduction, dtype: DType, set: InstructionSet) -> RowReduce {
    vector::row_reduce(kind, dtype, set).expect("invariant: numbers are reduced")
}

/// Resolves instructions to kernels and locations to addresses.
struct Resolver<'p> {
    program: &'p TileProgram,
    set: InstructionSet,
}

impl Resolver<'_> {
    fn call(&self, instruction: &Instruction, n_accumulators: &mut usize) -> ResolvedInstruction {
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

/// One task at work.
struct Interpreter<'t> {
    step: &'t TileStep,
    task: &'t Task<'t>,
    table: &'t [Cell<*mut u8>],
}

impl Interpreter<'_> {
    /// # Safety
    /// As for [`TileStep::run`].
    unsafe fn run(&self) {
        let step = self.step;
        let n_tiles = step.n_tiles[0] * step.n_tiles[1];
        for accumulator in &step.accumulators {
            // SAFETY: a task's accumulators are `width` elements that only it writes.
            unsafe { start(self.accumulator(accumulator), accumulator) };
        }
        let share = |task: usize| step.n_units * task / step.n_tasks;
        let mut is_first = true;
        for unit in share(self.task.number)..share(self.task.number + 1) {
            if let Some(product) = &step.product {
                // SAFETY: by this function's contract; a unit is a band.
                unsafe { self.multiply(product, unit) };
            }
            let tiles = unit * step.tiles_of_unit..((unit + 1) * step.tiles_of_unit).min(n_tiles);
            for tile in tiles.map(|tile| self.tile(tile)) {
                let calls = if is_first { &step.calls[..] } else { &step.calls[step.n_invariant..] };
                // SAFETY: by this function's contract; the tile lies within the matrix.
                calls.iter().for_each(|call| unsafe { self.call(call, &tile) });
                is_first = false;
            }
        }
    }

    /// Computes a band of the product, where the tiles will read it.
    ///
    /// # Safety
    /// As for [`TileStep::run`].
    unsafe fn multiply(&self, product: &Bands, band: usize) {
        let scratch = self.product_scratch();
        if let Some((memory, address)) = product.location(band, scratch) {
            self.table[N_FIXED + memory].set(address);
        }
        let memory = |position: usize| self.table[N_FIXED + position].get();
        // SAFETY: by this function's contract; the worker's scratch memory has the room that was asked for.
        unsafe { product.run(band, memory, scratch) };
    }

    fn tile(&self, tile: usize) -> TileBounds {
        let step = self.step;
        let (down, across) = (tile / step.n_tiles[1], tile % step.n_tiles[1]);
        let (row, column) = (down * step.tile[0], across * step.tile[1]);
        let rows = step.tile[0].min(step.rows - row);
        TileBounds {
            row,
            rows,
            column,
            columns: step.tile[1].min(step.columns - column),
            start: row * step.columns + column,
        }
    }

    fn accumulator(&self, accumulator: &Accumulator) -> *mut u8 {
        match self.task.number {
            0 => self.task.memory[accumulator.memory],
            number => self.task.partials.wrapping_add((number - 1) * accumulator.stride + accumulator.partial),
        }
    }

    /// The part of the scratch that products use.
    fn product_scratch(&self) -> *mut u8 {
        self.task.scratch.wrapping_add(self.step.table_end(self.task.memory.len()))
    }

    fn resolve_address(&self, address: Address, tile: &TileBounds) -> *mut u8 {
        let offset =
            address.offset as usize + address.per_element as usize * tile.start + address.per_row as usize * tile.row;
        self.table[address.entry as usize].get().wrapping_add(offset)
    }

    /// # Safety
    /// As for [`TileStep::run`].
    unsafe fn call(&self, call: &ResolvedInstruction, tile: &TileBounds) {
        let n_full = tile.rows * tile.columns;
        let (start, n) = match call.granularity {
            Granularity::Element => (tile.start, n_full),
            Granularity::Row => (tile.row, tile.rows),
        };
        let out = self.resolve_address(call.output, tile);
        let operand = |position: usize| self.resolve_address(call.operands[position], tile).cast_const();
        let source = operand(0);
        // SAFETY: the plan gives each location the elements that its granularity asks for, never the output's as an
        // operand.
        unsafe {
            match &call.action {
                ResolvedAction::Kernel(kernel) => {
                    kernel(out, &[source, operand(1), operand(2)], n);
                }
                ResolvedAction::Pair(kernel) => {
                    kernel(&[out, self.resolve_address(call.second_output, tile)], source, n)
                }
                ResolvedAction::Load(layout, size) => {
                    strided_copy::gather(CopyRange { out, source, start, n }, layout, *size)
                }
                ResolvedAction::LoadPadded(layout, padding, size) => {
                    strided_copy::gather_padded(CopyRange { out, source, start, n }, layout, padding, *size);
                }
                ResolvedAction::Store(size) => std::ptr::copy_nonoverlapping(source, out, n * size),
                ResolvedAction::Fill(size) => strided_copy::expand(out, source, [1, n], *size),
                ResolvedAction::Expand(size) => strided_copy::expand(out, source, [tile.rows, tile.columns], *size),
                ResolvedAction::ReduceRows(reduce, accumulate) if tile.column > 0 => {
                    let mut part = [0u64; 1];
                    reduce(part.as_mut_ptr().cast(), source, 1, tile.columns);
                    accumulate(out, part.as_ptr().cast(), 1);
                }
                ResolvedAction::ReduceRows(reduce, ..) => reduce(out, source, tile.rows, tile.columns),
                ResolvedAction::AccumulateColumns(position, size) => {
                    let accumulate = self.step.accumulators[*position].accumulate;
                    let into = self.accumulator(&self.step.accumulators[*position]).wrapping_add(tile.column * size);
                    for row in 0..tile.rows {
                        accumulate(into, source.add(row * tile.columns * size), tile.columns);
                    }
                }
                ResolvedAction::DotRows(blocks, stride) => {
                    let (a, b) = (source.offset(stride * start as isize), operand(1));
                    blocks.run(n, MatmulOperands { a, b, c: out }, self.product_scratch());
                }
                ResolvedAction::AccumulateDot(position, blocks, stride) => {
                    let (a, b) = (source.offset(stride * start as isize), operand(1));
                    let c = self.accumulator(&self.step.accumulators[*position]);
                    blocks.run(n, MatmulOperands { a, b, c }, self.product_scratch());
                }
                ResolvedAction::AccumulateAll(position, reduce) => {
                    let mut part = [0u64; 1];
                    reduce(part.as_mut_ptr().cast(), source, 1, n);
                    let accumulator = &self.step.accumulators[*position];
                    (accumulator.accumulate)(self.accumulator(accumulator), part.as_ptr().cast(), 1);
                }
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

/// Fills an accumulator with the neutral element of its reduction.
///
/// # Safety
/// `address` points to the elements of the accumulator, which nothing else uses.
unsafe fn start(address: *mut u8, accumulator: &Accumulator) {
    let number = match (accumulator.kind, accumulator.dtype) {
        (Reduction::Sum, dtype) => ScalarValue::new(dtype, 0.0),
        (Reduction::Product, dtype) => ScalarValue::integer(dtype, 1),
        (Reduction::Max, DType::I64) => ScalarValue::integer(DType::I64, i64::MIN),
        (Reduction::Min, DType::I64) => ScalarValue::integer(DType::I64, i64::MAX),
        (Reduction::Max, dtype) => ScalarValue::new(dtype, f64::NEG_INFINITY),
        (Reduction::Min, dtype) => ScalarValue::new(dtype, f64::INFINITY),
    };
    let bits = u64::from_ne_bytes(number.bits);
    let source = std::ptr::from_ref(&bits).cast();
    // SAFETY: by this function's contract; a number is as wide as the widest element.
    unsafe { strided_copy::expand(address, source, [1, accumulator.width], accumulator.dtype.size()) };
}
