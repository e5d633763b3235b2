//! In-place writing: an output of a fused step reuses the buffer of an operand that is dead after the step. In: steps
//! in order, and the last step that reads each value. Out: for each value the one whose buffer it reuses, if any.
//!
//! A fused step may write a value over an array that it reads under three conditions.
//!
//! 1. No later step reads the array, and the array lies in the arena, not with the caller.
//! 2. The step reads the array elementwise only ([`TileProgram::reads_by_element`]): element i of the array is read
//!    only by the tile that contains element i of the iteration space. Then no tile, on whatever thread, needs an
//!    element that another tile overwrites. The two arrays have equally many elements, of the same size in bytes.
//! 3. Within a tile the elements are written after the last instruction that reads the array.
//!    [`TileProgram::write_last`] establishes this: the value is computed into a register, and a store at the end of
//!    the program copies it to memory.
//!
//! A step of a primitive that only changes some elements of an operand ([`ops::overwritten`]) writes over that operand under
//! the first condition, if it reads all of it and by no other operand.
//!
//! [`verify`](crate::plan::verify) asks for the same conditions again, by code of its own.

use crate::{
    ops,
    plan::{
        ir::{
            Action, Banded, Granularity, Instruction, Location, Network, PlanStep, StepKind, Storage, TileProgram,
            WholeArrays, count,
        },
        model::MachineModel,
    },
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
        let is_free = |vertex: usize| {
            // `Nowhere`: not assigned yet. Fed arrays, constants and results have their storage already.
            storage[vertex] == Storage::Nowhere && last_read[vertex] == position
        };
        let program = match &mut step.work {
            StepKind::Tile(program) => program,
            StepKind::Primitive(arrays, op) => {
                let new = arrays.vertex;
                let old = ops::overwritten(op).filter(|_| storage[new] == Storage::Nowhere);
                let old = old.and_then(|operand| arrays.alone(network, operand)).filter(|old| is_free(*old));
                reuses[new] = old;
                continue;
            }
            StepKind::Contraction(..) | StepKind::Nested(..) => continue,
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

impl WholeArrays {
    /// The vertex of an operand that is read whole, and by no other operand.
    fn alone(&self, network: &Network, operand: usize) -> Option<usize> {
        let read = &self.operands[operand];
        let is_whole = read.layout.is_contiguous()
            && read.layout.offset == 0
            && read.layout.count() == count(&network.vertices[read.vertex].sizes);
        let others = self.operands.iter().enumerate().filter(|(other, _)| *other != operand);
        let is_alone = others.map(|(_, other)| other.vertex).all(|other| other != read.vertex);
        (is_whole && is_alone).then_some(read.vertex)
    }
}

impl TileProgram {
    /// Whether each tile reads of a vertex's memory only the elements at the tile's own positions.
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

    /// Redirects the output that is a vertex to a register, and stores that to memory at the end of each tile. False,
    /// and nothing is changed, if the output is not in memory or not elementwise.
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
