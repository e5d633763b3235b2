//! The interpreter of tile programs. In: a program with its kernels, the addresses of a run and a task. Out: the tiles
//! of that task.
//!
//! A task is a range of tiles. For each tile every instruction is one call of a kernel over the elements of the tile. A
//! register is written by one instruction of the tile and read by later ones, so it stays in the first-level cache.
//! Reductions over tiles go to accumulators of the task, which are combined in the order of the tasks when all are
//! done: the bits do not depend on the number of threads.

#![allow(unsafe_code, reason = "kernels take addresses")]

mod resolve;

use std::cell::Cell;

use super::{
    band::Bands,
    instruction_set::InstructionSet,
    matmul::MatmulOperands,
    strided_copy::{self, CopyRange},
    vector,
};
use crate::{
    graph::{DType, Reduction},
    plan::{Accumulated, Granularity, Location, ScalarValue, TileProgram},
};
use resolve::{Address, N_FIXED, NUMBERS, ResolvedAction, ResolvedInstruction, Resolver, accumulate};

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
            ResolvedAction::AccumulateColumns(..) | ResolvedAction::AccumulateChannels(..) => 0,
            ResolvedAction::AccumulateAll(..) => 0,
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
                ResolvedAction::AccumulateChannels(position, reduce, n_channels) => {
                    self.accumulate_channels([*position, *n_channels], *reduce, source, tile);
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

/// Rows whose sums are held until they are added to their channels.
const ROWS_AT_ONCE: usize = 64;

impl Interpreter<'_> {
    /// Reduces the rows of a tile, each into the element of its channel, in the order of the rows.
    ///
    /// # Safety
    /// As for [`TileStep::run`]; `source` is the elements of the tile, and the accumulator at the position has an element for each channel.
    unsafe fn accumulate_channels(
        &self,
        [position, n_channels]: [usize; 2],
        reduce: vector::RowReduce,
        source: *const u8,
        tile: &TileBounds,
    ) {
        let accumulator = &self.step.accumulators[position];
        let (into, size) = (self.accumulator(accumulator), accumulator.dtype.size());
        for first in (0..tile.rows).step_by(ROWS_AT_ONCE) {
            let n_rows = ROWS_AT_ONCE.min(tile.rows - first);
            let mut parts = [0u64; ROWS_AT_ONCE];
            let parts = parts.as_mut_ptr().cast::<u8>();
            // SAFETY: the rows are the tile's, no element is wider than those of the buffer, and channels are below their number.
            unsafe {
                reduce(parts, source.add(first * tile.columns * size), n_rows, tile.columns);
                let mut row = 0;
                while row < n_rows {
                    let channel = (tile.row + first + row) % n_channels;
                    let run = (n_channels - channel).min(n_rows - row);
                    (accumulator.accumulate)(into.add(channel * size), parts.add(row * size), run);
                    row += run;
                }
            }
        }
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
