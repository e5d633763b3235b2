//! Which steps of a plan become machine code. In: the steps from one on. Out: as many as follow each other and can be, as one step.

use super::{Builder, OuterArray, PreparedKind, PreparedStep, constant_address, memory_of, memory_of_program};
use crate::{
    plan::{Plan, PlanStep, StepKind, Storage},
    runtime::{
        instruction_set::InstructionSet,
        native::{Base, NativeStep, NativeWork, Place, PlacedStep},
    },
};

/// Fewer operations in a row are interpreted: making a function takes some 100 µs.
const MIN_NATIVE_OPERATIONS: usize = 8;

impl Builder<'_> {
    /// Prepares the steps of a few elements from this one on as machine code, if they are worth it; gives the step behind them.
    pub(super) fn prepare_native(
        &mut self,
        start: usize,
        set: InstructionSet,
        last_readers: &[usize],
    ) -> Option<usize> {
        let native = |step: &PlanStep| NativeWork::of(&step.work, set);
        let works: Vec<NativeWork> = self.plan.steps[start..].iter().map_while(native).collect();
        if works.iter().map(NativeWork::n_operations).sum::<usize>() < MIN_NATIVE_OPERATIONS {
            return None;
        }
        let end = start + works.len();
        let mut outer = Vec::new();
        let placed = works.into_iter().zip(&self.plan.steps[start..end]).map(|(work, step)| {
            let memory = match &step.work {
                StepKind::Tile(program) => memory_of_program(program),
                StepKind::Contraction(arrays, _) | StepKind::Primitive(arrays, _) => memory_of(arrays),
                StepKind::Nested(..) => unreachable!("invariant: it is no machine code"),
            };
            let place = |(vertex, offset)| (self.place(vertex, offset, &mut outer), last_readers[vertex] >= end);
            PlacedStep { work, places: memory.into_iter().map(place).collect() }
        });
        let placed: Vec<PlacedStep> = placed.collect();
        let native = NativeStep::new(&placed, set)?;
        let first = self.addresses.len();
        for array in &outer {
            self.relocations.push((*array, self.addresses.len(), 0));
            self.addresses.push(std::ptr::null_mut());
        }
        let origin = self.plan.steps[end - 1].origin;
        let work = PreparedKind::Native(native);
        let n_addresses = outer.len();
        self.steps.push(PreparedStep { work, plan_steps: start..end, first, n_addresses, partials: 0, origin });
        Some(end)
    }

    /// Where a vertex's memory begins; arrays from outside are numbered in the order in which they come.
    fn place(&self, vertex: usize, offset: isize, outer: &mut Vec<OuterArray>) -> Place {
        let mut number_of = |array: OuterArray| {
            let known = outer.iter().position(|other| *other == array);
            Base::Outer(known.unwrap_or_else(|| {
                outer.push(array);
                outer.len() - 1
            }))
        };
        match self.plan.storage[vertex] {
            Storage::Arena(start) => Place { base: Base::Arena, offset: offset + start as isize },
            Storage::Constant => Place { base: Base::Constant(constant_address(self.plan, vertex)), offset },
            Storage::Leaf(leaf) => Place { base: number_of(OuterArray::Leaf(leaf)), offset },
            Storage::Output(output) => Place { base: number_of(OuterArray::Result(output)), offset },
            Storage::Nowhere => unreachable!("invariant: a step uses only what is kept"),
        }
    }
}

/// For each vertex the last step that uses its memory; 0 for none.
pub(super) fn last_readers(plan: &Plan) -> Vec<usize> {
    let mut last = vec![0; plan.network.vertices.len()];
    for (number, step) in plan.steps.iter().enumerate() {
        let mut used = |vertex: usize| last[vertex] = number;
        match &step.work {
            StepKind::Tile(program) => program.memory.iter().for_each(|memory| used(memory.vertex)),
            StepKind::Contraction(arrays, _) | StepKind::Primitive(arrays, _) => {
                arrays.operands.iter().for_each(|read| used(read.vertex));
            }
            StepKind::Nested(arrays, _) => arrays.operands.iter().for_each(|read| used(read.vertex)),
        }
    }
    last
}
