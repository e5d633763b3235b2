//! Which steps of a plan become machine code. In: the steps from one on. Out: as many as follow each other and can be, as one step.

use std::time::Duration;

use indexmap::IndexSet;

use super::{
    Builder, OuterArray, PreparedKind, PreparedStep, constant_address, estimate, memory_of, memory_of_program,
};
use crate::{
    plan::{Plan, PlanStep, StepKind, Storage, verify},
    runtime::{
        instruction_set::InstructionSet,
        native::{ArrayPlace, Base, NativeStep, NativeWork, PlacedStep},
    },
};

/// Fewer operations in a row are interpreted: making a function takes some 100 µs.
const MIN_OPERATIONS: usize = 8;

/// Nor is it worth it where the operations are less than one part in so many of the time of the plan.
const MAX_RATIO: u32 = 100;

/// What an operation takes in the interpreter.
const INTERPRETED: Duration = Duration::from_nanos(2);

impl Builder<'_> {
    /// Prepares the steps of a few elements from this one on as machine code, if they are worth it; gives the step behind them.
    pub(super) fn prepare_native(&mut self, start: usize, set: InstructionSet, readers: &Readers) -> Option<usize> {
        let native = |step: &PlanStep| NativeWork::of(&step.work, set);
        let works: Vec<NativeWork> = self.plan.steps[start..].iter().map_while(native).collect();
        let n_operations = works.iter().map(NativeWork::n_operations).sum::<usize>();
        let saved = INTERPRETED * u32::try_from(n_operations).unwrap_or(u32::MAX);
        if n_operations < MIN_OPERATIONS || saved * MAX_RATIO < readers.whole {
            return None;
        }
        let end = start + works.len();
        let mut outer = IndexSet::new();
        let placed = works.into_iter().zip(&self.plan.steps[start..end]).map(|(work, step)| {
            let memory = match &step.work {
                StepKind::Tile(program) => memory_of_program(program),
                StepKind::Contraction(arrays, _) | StepKind::Primitive(arrays, _) => memory_of(arrays),
                StepKind::Nested(..) => unreachable!("invariant: it is no machine code"),
            };
            let place = |(vertex, offset)| (self.place(vertex, offset, &mut outer), readers.is_read_from(vertex, end));
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
    fn place(&self, vertex: usize, offset: isize, outer: &mut IndexSet<OuterArray>) -> ArrayPlace {
        let mut number_of = |array: OuterArray| Base::Outer(outer.insert_full(array).0);
        match self.plan.storage[vertex] {
            Storage::Arena(start) => ArrayPlace { base: Base::Arena, offset: offset + start as isize },
            Storage::Constant => ArrayPlace { base: Base::Constant(constant_address(self.plan, vertex)), offset },
            Storage::Leaf(leaf) => ArrayPlace { base: number_of(OuterArray::Leaf(leaf)), offset },
            Storage::Output(output) => ArrayPlace { base: number_of(OuterArray::Result(output)), offset },
            Storage::Nowhere => unreachable!("invariant: a step uses only what is kept"),
        }
    }
}

/// Who reads what the steps of a plan compute.
pub(super) struct Readers {
    /// For each vertex the last step that reads it.
    last: Vec<Option<usize>>,
    /// About what all steps take together.
    whole: Duration,
}

impl Readers {
    pub(super) fn of(plan: &Plan) -> Readers {
        let mut last = vec![None; plan.network.vertices.len()];
        for (number, step) in plan.steps.iter().enumerate() {
            // By the list that the memory of the plan was verified with.
            verify::operands(&step.work).into_iter().for_each(|vertex| last[vertex] = Some(number));
        }
        Readers { last, whole: plan.steps.iter().map(estimate).sum() }
    }

    /// Whether a step from this one on reads a vertex.
    fn is_read_from(&self, vertex: usize, step: usize) -> bool {
        self.last[vertex].is_some_and(|last| last >= step)
    }
}
