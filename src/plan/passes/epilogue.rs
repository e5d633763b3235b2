//! Epilogue fusion of products: a fused step that reads a large product elementwise computes the product itself, one
//! band of rows at a time. In: steps in order. Out: the same steps, with such products moved into the first step that
//! reads them.
//!
//! A band is a block of rows of C that fits into a second-level cache, computed just before the tiles that read it. If
//! C has no other use, each band overwrites the one before it in scratch memory, and C is never materialized; otherwise
//! bands are written to their place in the stored C.
//!
//! Why it is legal: the step must iterate over the rows of C in their order and read C elementwise
//! ([`TileProgram::reads_by_element`]), so that a tile needs no element of C but those of its own rows. A band must be
//! a whole number of tiles and lie within one matrix of the batch. No cycle can arise, because steps are in order: the
//! product moves later, to its *first* reader, so its other readers still come after it, and its operands, which come
//! before it, still come before the reader.

use crate::plan::{
    ir::{Banded, Contraction, Instruction, Keep, MemRef, Network, PlanStep, StepKind, TileProgram, VertexKind, count},
    model::MachineModel,
};

/// Without a batch the number of rows in a band is a multiple of this; with a batch it divides the rows of one matrix.
const BAND_ROW_MULTIPLE: usize = 8;

/// Moves each product that is fit for it into the first step that reads it.
pub(in crate::plan) fn fuse(network: &Network, steps: Vec<PlanStep>, model: &MachineModel) -> Vec<PlanStep> {
    let mut first_reader = vec![usize::MAX; network.vertices.len()];
    let mut n_users = vec![0; network.vertices.len()];
    for (position, step) in steps.iter().enumerate().rev() {
        for vertex in &step.reads {
            first_reader[*vertex] = position;
            n_users[*vertex] += 1;
        }
    }
    network.results.iter().for_each(|result| n_users[*result] += 1);
    let mut steps: Vec<Option<PlanStep>> = steps.into_iter().map(Some).collect();
    for position in 0..steps.len() {
        let Some(StepKind::Contraction(arrays, _)) = steps[position].as_ref().map(|step| &step.work) else { continue };
        let (vertex, reader) = (arrays.vertex, first_reader[arrays.vertex]);
        let keep = if n_users[vertex] == 1 { Keep::Band } else { Keep::Whole };
        let Some(Some(PlanStep { work: StepKind::Tile(program), .. })) = steps.get(reader) else { continue };
        let Some(program) = program.with_product(network, vertex, keep, model) else { continue };
        let product = steps[position].take().expect("invariant: it was there");
        let step = steps[reader].as_mut().expect("invariant: it was there");
        step.work = StepKind::Tile(program);
        step.absorb(network, &product, keep);
    }
    steps.into_iter().flatten().collect()
}

impl PlanStep {
    /// Adds the reads, the writes and the cost of the product's step to this one.
    fn absorb(&mut self, network: &Network, product: &PlanStep, keep: Keep) {
        self.reads.retain(|vertex| !product.writes.contains(vertex));
        self.reads.extend(&product.reads);
        self.reads.sort_unstable();
        self.reads.dedup();
        if keep == Keep::Whole {
            self.writes.extend(&product.writes);
        }
        self.bytes = self.reads.iter().chain(&self.writes).map(|vertex| network.vertices[*vertex].bytes()).sum();
        self.flops = self.flops.saturating_add(product.flops);
    }
}

impl TileProgram {
    /// This program with the product computed in bands before its tiles; none if that is not legal, would not pay, or
    /// there is a banded product already.
    fn with_product(&self, network: &Network, vertex: usize, keep: Keep, model: &MachineModel) -> Option<TileProgram> {
        let def = &network.vertices[vertex];
        let VertexKind::Contraction(contraction) = &def.kind else { return None };
        let is_fit = self.product.is_none()
            && def.bytes() >= model.min_band_bytes
            // A vector and an outer product have no rows that would be worth a band.
            && contraction.n > 1
            && contraction.k > 1
            && is_output_contiguous(contraction)
            && count(&def.sizes) == self.rows * self.columns
            && self.reads_by_element(vertex)
            && !self.instructions.iter().any(reads_another_matrix);
        let shaped = if is_fit { self.shaped(contraction.n)? } else { return None };
        let rows = band_rows(contraction, def.dtype.size(), model)?;
        // Rows of a band in the iteration space, in which one row of the product may be several rows.
        let rows_of_program = rows * (contraction.n / shaped.columns);
        let tile = [largest_divisor(rows_of_program, shaped.tile[0]), shaped.tile[1]];
        if tile[0] < rows_of_program.min(shaped.tile[0]) / 2 {
            return None;
        }
        let mut program = TileProgram { tile, ..shaped };
        let operand = |position: usize| {
            let operand = &def.operands[position];
            MemRef { vertex: operand.vertex, offset: operand.layout.offset, dtype: def.dtype }
        };
        let memories = [operand(0), operand(1), MemRef { vertex, offset: 0, dtype: def.dtype }];
        let memory = memories.map(|memory| program.remember(memory));
        let across = program.columns.div_ceil(program.tile[1]);
        let tiles = rows_of_program / program.tile[0] * across;
        program.product = Some(Banded { vertex, contraction: contraction.clone(), rows, tiles, memory, keep });
        program.n_tasks = program.count_tasks(model);
        Some(program)
    }

    /// The same program over an iteration space in which each row of the product, of `n` elements, is one or more whole
    /// rows; none if there is no such space.
    fn shaped(&self, n: usize) -> Option<TileProgram> {
        if self.columns > 1 && n.is_multiple_of(self.columns) {
            return Some(self.clone());
        }
        // A flat iteration space may be cut into rows, if no instruction depends on rows.
        if self.rows != 1 || self.n_invariant > 0 || self.instructions.iter().any(Instruction::knows_rows) {
            return None;
        }
        let budget = self.tile[1];
        let tile = if n <= budget { [budget / n, n] } else { [1, budget] };
        Some(TileProgram { rows: self.columns / n, columns: n, tile, ..self.clone() })
    }

    fn remember(&mut self, memory: MemRef) -> usize {
        self.memory.iter().position(|known| *known == memory).unwrap_or_else(|| {
            self.memory.push(memory);
            self.memory.len() - 1
        })
    }
}

/// Whether C is contiguous: row after row, one matrix of the batch after the other.
fn is_output_contiguous(contraction: &Contraction) -> bool {
    let mut stride = (contraction.m * contraction.n) as isize;
    let follows = contraction.batch.iter().rev().all(|batch| {
        let is_next = batch.strides[2] == stride;
        stride *= batch.size as isize;
        is_next
    });
    follows && contraction.c == [contraction.n as isize, 1]
}

/// Rows of a band, if the product has enough of them.
fn band_rows(contraction: &Contraction, element_bytes: usize, model: &MachineModel) -> Option<usize> {
    let n_rows: usize = contraction.batch.iter().map(|batch| batch.size).product::<usize>() * contraction.m;
    let [min, max] = model.band_rows;
    let wanted = (model.resident_bytes / (contraction.n * element_bytes)).min(n_rows / model.min_bands).min(max);
    let rows = match contraction.batch.is_empty() {
        true => wanted / BAND_ROW_MULTIPLE * BAND_ROW_MULTIPLE,
        false => largest_divisor(contraction.m, wanted.max(1)),
    };
    (rows >= min).then_some(rows)
}

/// The largest number that is no more than `max` and divides `n`.
fn largest_divisor(n: usize, max: usize) -> usize {
    (1..=max.min(n)).rev().find(|part| n.is_multiple_of(*part)).unwrap_or(1)
}

/// Whether an instruction multiplies a matrix of its own.
fn reads_another_matrix(instruction: &Instruction) -> bool {
    instruction.action.facts().matrix_columns.is_some()
}
