//! In-place writing: results that take over the memory of an operand. In: steps in order, and when each value is last
//! read. Out: for each value the one whose memory it reuses.
//!
//! A fused step may write a value over an array that it reads under three conditions.
//!
//! 1. No later step reads the array, and the array lies in the arena, not with the caller.
//! 2. The step reads the array elementwise only ([`TileProgram::reads_by_element`]): element i of the array is read
//!    when element i of the iteration space is computed, and no other. Then no tile, on whatever thread, needs an
//!    element that another tile overwrites. Both have as many elements of as many bytes.
//! 3. Within a tile the elements are written after the last instruction that reads the array.
//!    [`TileProgram::write_last`] establishes this: the value is computed into a register, and a store at the end of
//!    the program copies it to memory.
//!
//! [`verify`](crate::plan::verify) asks for the same conditions again, by code of its own.

use crate::plan::{
    ir::{
        Action, Banded, Granularity, Instruction, Location, Network, PlanStep, StepKind, Storage, TileProgram, count,
    },
    model::MachineModel,
};

/// For each vertex the one whose memory it reuses; steps are changed to write such values last.
pub(super) fn find(
    network: &Network,
    steps: &mut [PlanStep],
    storage: &[Storage],
    last_read: &[usize],
    model: &MachineModel,
) -> Vec<Option<usize>> {
    let mut reuses = vec![None; network.vertices.len()];
    for (position, step) in steps.iter_mut().enumerate() {
        let StepKind::Tile(program) = &mut step.work else { continue };
        let is_free = |vertex: usize| {
            // Arrays of the caller and constants are not in the arena.
            storage[vertex] == Storage::Nowhere && last_read[vertex] == position
        };
        let mut old: Vec<usize> = step.reads.iter().copied().filter(|vertex| is_free(*vertex)).collect();
        for new in &step.writes {
            let def = &network.vertices[*new];
            if storage[*new] != Storage::Nowhere || def.bytes() < model.cheap_bytes {
                continue;
            }
            let fits = |vertex: &usize| {
                let old_def = &network.vertices[*vertex];
                count(&old_def.sizes) == count(&def.sizes)
                    && old_def.dtype.size() == def.dtype.size()
                    && program.reads_by_element(*vertex)
            };
            if let Some(found) = old.iter().position(fits).filter(|_| program.write_last(*new)) {
                reuses[*new] = Some(old.swap_remove(found));
            }
        }
    }
    reuses
}

impl TileProgram {
    /// Whether element i of a vertex's memory is read by element i of instructions alone.
    pub(in crate::plan) fn reads_by_element(&self, vertex: usize) -> bool {
        let is_of = |location: &Location| match location {
            Location::Memory(memory) | Location::Element(memory) => self.memory[*memory].vertex == vertex,
            Location::Register(_) | Location::Number(_) => false,
        };
        let is_factor =
            |product: &Banded| product.memory[..2].iter().any(|memory| self.memory[*memory].vertex == vertex);
        if self.product.as_ref().is_some_and(is_factor) {
            return false;
        }
        let is_plain =
            |location: &Location| matches!(location, Location::Memory(memory) if self.memory[*memory].offset == 0);
        self.instructions.iter().all(|instruction| {
            let mut locations = instruction.operands.iter().filter(|location| is_of(location)).peekable();
            locations.peek().is_none() || (instruction.reads_by_element() && locations.all(is_plain))
        })
    }

    /// Computes a vertex into a register that is copied to memory at the end of each tile; false if it is no value for
    /// each element.
    fn write_last(&mut self, vertex: usize) -> bool {
        let is_written =
            |(location, written): &(Location, usize)| *written == vertex && matches!(location, Location::Memory(_));
        let found = self.instructions.iter().enumerate().find_map(|(position, instruction)| {
            let (memory, _) = instruction.outputs().find(is_written)?;
            let is_element = matches!(instruction.action, Action::Apply(_) | Action::ApplyBoth(_));
            (is_element && instruction.granularity == Granularity::Element).then_some((position, memory))
        });
        let Some((position, memory)) = found else { return false };
        let Location::Memory(held) = memory else { return false };
        let (dtype, register) = (self.memory[held].dtype, Location::Register(self.n_registers));
        self.n_registers += 1;
        let output = self.instructions[position].outputs_mut().find(|location| **location == memory);
        *output.expect("invariant: it was found there") = register;
        for later in &mut self.instructions[position + 1..] {
            later.operands.iter_mut().filter(|location| **location == memory).for_each(|location| *location = register);
        }
        let operands = smallvec::SmallVec::from_iter([register]);
        let store = Instruction {
            action: Action::Store,
            output: memory,
            second_output: None,
            operands,
            dtype,
            granularity: Granularity::Element,
            vertex,
        };
        self.instructions.push(store);
        true
    }
}
