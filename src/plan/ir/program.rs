//! Tile programs, as types: the instructions of a fused step, the memory that they read and write, and how the
//! iteration space is cut into tiles and tasks.

use super::{
    contraction::Contraction,
    instruction::{Granularity, Instruction, MemRef, Width, WritePattern},
    network::ScalarValue,
};
use crate::{graph::Reduction, plan::model::MachineModel};

/// A fused step: instructions that run over the iteration space, tile by tile.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TileProgram {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) instructions: Vec<Instruction>,
    /// The number of loop-invariant instructions, at the start: they give the same for every tile of a task.
    pub(crate) n_invariant: usize,
    /// Memory that is read or written: the vertex that holds it, and the first element.
    pub(crate) memory: Vec<MemRef>,
    pub(crate) numbers: Vec<ScalarValue>,
    pub(crate) n_registers: usize,
    pub(crate) register_bytes: usize,
    /// Rows and columns of a tile. Rows are cut only if no instruction needs a whole row in a register.
    pub(crate) tile: [usize; 2],
    pub(crate) n_tasks: usize,
    /// A matrix product that is computed in bands, each before the tiles that read it.
    pub(crate) product: Option<Banded>,
}

impl TileProgram {
    /// Tiles along rows and along columns.
    pub(crate) fn n_tiles(&self) -> [usize; 2] {
        // Rows without elements have values of rows all the same.
        [self.rows.div_ceil(self.tile[0]), self.columns.div_ceil(self.tile[1]).max(1)]
    }

    /// Whether rows are cut, so that a reduction along rows continues from tile to tile.
    pub(crate) fn cuts_rows(&self) -> bool {
        self.tile[1] < self.columns
    }

    /// Whether tasks take all tiles of a row together, because a reduction continues along rows that are cut.
    pub(crate) fn goes_by_bands(&self) -> bool {
        let reduces = |instruction: &Instruction| instruction.action.facts().writes == WritePattern::Rows;
        self.cuts_rows() && self.instructions.iter().any(reduces)
    }

    /// The number of tiles of a unit, which one task computes: those of a band of rows, or one.
    pub(crate) fn tiles_of_unit(&self) -> usize {
        match &self.product {
            Some(product) => product.tiles,
            None if self.goes_by_bands() => self.n_tiles()[1],
            None => 1,
        }
    }

    /// The number of units.
    pub(crate) fn n_units(&self) -> usize {
        let [down, across] = self.n_tiles();
        (down * across).div_ceil(self.tiles_of_unit())
    }

    /// The vertices that the program computes.
    pub(crate) fn computed(&self) -> impl Iterator<Item = usize> {
        let product = self.product.iter().map(|product| product.vertex);
        self.instructions.iter().flat_map(Instruction::outputs).map(|(_, vertex)| vertex).chain(product)
    }

    /// The reductions that every task computes for its part, and that are combined at the end.
    pub(crate) fn accumulators(&self) -> Vec<Accumulated<'_>> {
        let mut offset = 0;
        let mut accumulators = Vec::new();
        for instruction in &self.instructions {
            let WritePattern::Accumulator(kind, width) = instruction.action.facts().writes else { continue };
            let width = match width {
                Width::One => 1,
                Width::Columns => self.columns,
                Width::Channels(width) | Width::Elements(width) => width,
            };
            accumulators.push(Accumulated { instruction, kind, width, offset });
            offset += (width * instruction.dtype.size()).next_multiple_of(64);
        }
        accumulators
    }

    /// Bytes from the partial results of one task to those of the next.
    pub(crate) fn partial_stride(&self) -> usize {
        let last = self.accumulators().pop();
        last.map_or(0, |last| last.offset + (last.width * last.instruction.dtype.size()).next_multiple_of(64))
    }

    /// Bytes of the partial results of all tasks but the first, which writes where the result goes.
    pub(crate) fn partial_bytes(&self) -> usize {
        self.partial_stride() * (self.n_tasks - 1)
    }

    /// The product of which only a band is kept at a time.
    pub(crate) fn band(&self) -> Option<usize> {
        self.product.as_ref().filter(|product| product.keep == Keep::Band).map(|product| product.vertex)
    }

    /// Tasks by the work there is; one where a row that is cut must not be torn apart.
    pub(in crate::plan) fn count_tasks(&self, model: &MachineModel) -> usize {
        let weight = |instruction: &Instruction| {
            let cost = instruction.action.facts().cost;
            match instruction.granularity {
                Granularity::Element => cost * self.rows * self.columns,
                Granularity::Row => cost * self.rows,
            }
        };
        let product = self.product.as_ref().map_or(0, |product| product.flops() / model.flops_of_addition);
        let work = self.instructions.iter().map(weight).sum::<usize>() + product;
        // Partial results are to be few beside what they are made of.
        let partials: usize = self.accumulators().iter().map(|accumulator| accumulator.width).sum();
        let most = (self.rows * self.columns / (4 * partials.max(1))).clamp(1, model.max_tasks);
        (work / model.task_cost).clamp(1, most).min(self.n_units().max(1))
    }
}

/// A reduction with partial results.
pub(crate) struct Accumulated<'p> {
    pub(crate) instruction: &'p Instruction,
    /// The reduction that combines partial results.
    pub(crate) kind: Reduction,
    /// Elements that it leaves.
    pub(crate) width: usize,
    /// First byte among the partial results of a task.
    pub(crate) offset: usize,
}

/// A product of matrices whose rows the rest of a tile program goes on with, band by band.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Banded {
    pub(crate) vertex: usize,
    /// C is in row-major order, with all matrices of the batch as one.
    pub(crate) contraction: Contraction,
    /// Rows of a band; none reaches from one matrix of the batch into the next.
    pub(crate) rows: usize,
    /// Tiles of the program in a band.
    pub(crate) tiles: usize,
    /// Which memory of the program A, B and C are.
    pub(crate) memory: [usize; 3],
    pub(crate) keep: Keep,
}

/// What happens to the rows of a band once they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Others read the product: it is stored as a whole.
    Whole,
    /// Rows are overwritten by the next band.
    Band,
}

impl Banded {
    /// Rows of all matrices of the batch.
    pub(crate) fn n_rows(&self) -> usize {
        self.contraction.batch.iter().map(|batch| batch.size).product::<usize>() * self.contraction.m
    }

    /// Multiplications and additions.
    pub(crate) fn flops(&self) -> usize {
        2 * self.n_rows() * self.contraction.n * self.contraction.k
    }
}
