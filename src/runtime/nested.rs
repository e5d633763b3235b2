//! Steps with bodies: calls, branches and loops. In: the plans of the bodies, once; then the addresses of the operands and
//! outputs. Out: outputs written, by running the code of a body as often as it takes.
//!
//! Nothing is copied from iteration to iteration: a body reads its carries where the iteration before wrote them, slices
//! where they lie in their array, and writes what is stacked where it belongs. That these places have the sizes that the body
//! asks for, and lie apart, was verified with the plan.

#![allow(unsafe_code, reason = "bodies are run by address")]

use std::sync::Arc;

use super::{
    code::{Code, OuterArray, Scratch},
    instruction_set::InstructionSet,
};
use crate::{
    graph::Bindings,
    ops::OpError,
    plan::{CarryHome, Control, Nested, Origin, Plan, PlanError, Region, ScanControl, VertexKind},
    pool::Team,
};

/// Bodies with their code.
#[derive(Debug)]
pub(super) struct NestedStep {
    nested: Arc<Nested>,
    codes: Vec<Code>,
    origin: Origin,
    /// Bytes of each output.
    outputs: Vec<usize>,
    /// Bytes of each result of the last body.
    results: Vec<usize>,
    /// Bytes of each argument of the last body; 0 where it is not read.
    arguments: Vec<usize>,
}

/// Where one run of a step works.
#[derive(Clone, Copy)]
struct RunMemory<'m> {
    operands: &'m [*mut u8],
    outputs: &'m [*mut u8],
    /// The memory of the step itself.
    region: *mut u8,
    scratch: Scratch,
    team: &'m Team,
}

impl NestedStep {
    /// # Safety
    /// `region` points to the memory that the plan gives to the step, on the terms of [`Code::new`].
    pub(super) unsafe fn new(
        nested: Arc<Nested>,
        (origin, outputs): (Origin, Vec<usize>),
        region: *mut u8,
        bindings: &Bindings,
        set: InstructionSet,
    ) -> Result<NestedStep, PlanError> {
        let arena = region.wrapping_add(nested.region.arena);
        // SAFETY: by this function's contract: the region holds the arena of any of the bodies, which run one at a time.
        let code = |body: &Arc<Plan>| unsafe { Code::new(body.clone(), arena, bindings, set) };
        let codes = nested.bodies.iter().map(code).collect::<Result<Vec<Code>, PlanError>>()?;
        let network = &nested.bodies.last().expect("invariant: there is a body").network;
        let results = network.results.iter().map(|result| network.vertices[*result].bytes()).collect();
        let mut arguments = Vec::new();
        for def in &network.vertices {
            if let VertexKind::Leaf(leaf) = def.kind {
                arguments.resize(arguments.len().max(leaf + 1), 0);
                arguments[leaf] = def.bytes();
            }
        }
        Ok(NestedStep { nested, codes, origin, outputs, results, arguments })
    }

    /// 1 where no body has several tasks, else more.
    pub(super) fn n_tasks(&self) -> usize {
        if self.codes.iter().any(Code::is_parallel) { 2 } else { 1 }
    }

    pub(super) fn scratch_bytes(&self) -> usize {
        self.codes.iter().map(|code| code.scratch_bytes).max().unwrap_or(0)
    }

    /// Runs the step; `memory` has the operands and then the outputs.
    ///
    /// # Safety
    /// Each address is that of an array as the plan describes it, nothing else uses the outputs, and `region` is that of
    /// [`NestedStep::new`].
    pub(super) unsafe fn run(
        &mut self,
        memory: &[*mut u8],
        region: *mut u8,
        scratch: Scratch,
        team: &Team,
    ) -> Result<(), PlanError> {
        let (operands, outputs) = memory.split_at(memory.len() - self.outputs.len());
        let place = RunMemory { operands, outputs, region, scratch, team };
        let NestedStep { nested, codes, origin, outputs: sizes, results, arguments } = self;
        // SAFETY: by this function's contract.
        unsafe {
            match &nested.control {
                Control::Call => once(&mut codes[0], operands, place),
                Control::Branch => {
                    let body = usize::from(operands[0].read() == 0);
                    once(&mut codes[body], &operands[1..], place)
                }
                Control::Scan(scan) => {
                    ScanRun { scan, regions: &nested.region, results, arguments, outputs: sizes, place }
                        .run(&mut codes[0])
                }
                Control::While { n_carries, bound, outputs } => {
                    let run = WhileRun { n_carries: *n_carries, regions: &nested.region, results, outputs, place };
                    match run.run(codes, *bound)? {
                        true => Ok(()),
                        false => {
                            let error = OpError::TooManyIterations { bound: *bound };
                            Err(PlanError { origin: *origin, error })
                        }
                    }
                }
            }
        }
    }
}

/// Runs a body on operands.
///
/// # Safety
/// As for [`NestedStep::run`].
unsafe fn once(code: &mut Code, operands: &[*mut u8], place: RunMemory<'_>) -> Result<(), PlanError> {
    operands.iter().enumerate().for_each(|(leaf, address)| code.relocate(OuterArray::Leaf(leaf), *address));
    place.outputs.iter().enumerate().for_each(|(result, address)| code.relocate(OuterArray::Result(result), *address));
    // SAFETY: by this function's contract.
    unsafe { code.run(place.scratch, place.team) }
}

/// One run of a loop of a known number of iterations.
struct ScanRun<'r> {
    scan: &'r ScanControl,
    regions: &'r Region,
    results: &'r [usize],
    arguments: &'r [usize],
    /// Bytes of each output.
    outputs: &'r [usize],
    place: RunMemory<'r>,
}

impl ScanRun<'_> {
    /// # Safety
    /// As for [`NestedStep::run`].
    unsafe fn run(&self, code: &mut Code) -> Result<(), PlanError> {
        let (scan, RunMemory { operands, outputs, scratch, team, .. }) = (self.scan, self.place);
        let n_carries = scan.homes.len();
        for (leaf, address) in operands.iter().enumerate().skip(n_carries + scan.n_slices) {
            code.relocate(OuterArray::Leaf(leaf), *address);
        }
        for (carry, home) in scan.homes.iter().enumerate() {
            if let (CarryHome::StackOfCurrent(output), 1..) = (home, scan.length) {
                // SAFETY: both are arrays of a carry's size, by this function's contract.
                unsafe { copy(operands[carry], self.stacked(*output, carry, 0), self.results[carry]) };
            }
        }
        for iteration in 0..scan.length {
            for carry in 0..n_carries {
                code.relocate(OuterArray::Leaf(carry), self.current(carry, iteration));
                code.relocate(OuterArray::Result(carry), self.next(carry, iteration));
            }
            let position = self.position(iteration);
            for (leaf, start) in operands.iter().enumerate().skip(n_carries).take(scan.n_slices) {
                let bytes = self.arguments.get(leaf).copied().unwrap_or(0);
                code.relocate(OuterArray::Leaf(leaf), start.wrapping_add(position * bytes));
            }
            for (result, output) in (n_carries..).zip(&scan.stacks) {
                let address = outputs[*output].wrapping_add(position * self.results[result]);
                code.relocate(OuterArray::Result(result), address);
            }
            // SAFETY: by this function's contract: all addresses were filled in.
            unsafe { code.run(scratch, team)? };
        }
        for (carry, output) in scan.finals.iter().enumerate() {
            let Some(output) = output else { continue };
            let last = match (scan.length, scan.homes[carry]) {
                (0, _) => operands[carry],
                (length, CarryHome::StackOfNext(stack)) => self.stacked(stack, carry, length - 1),
                // The last iteration wrote it in its place.
                (_, CarryHome::Buffers | CarryHome::StackOfCurrent(_)) => continue,
            };
            // SAFETY: as above.
            unsafe { copy(last, outputs[*output], self.results[carry]) };
        }
        for (output, first) in &scan.copies {
            // SAFETY: both have the same size, and the first was written.
            unsafe { copy(outputs[*first], outputs[*output], self.outputs[*output]) };
        }
        Ok(())
    }

    /// The position of an iteration in what is sliced and stacked.
    fn position(&self, iteration: usize) -> usize {
        if self.scan.is_backward { self.scan.length - 1 - iteration } else { iteration }
    }

    /// Where an output stacks a carry.
    fn stacked(&self, output: usize, carry: usize, iteration: usize) -> *mut u8 {
        self.place.outputs[output].wrapping_add(self.position(iteration) * self.results[carry])
    }

    /// Where an iteration reads a carry.
    fn current(&self, carry: usize, iteration: usize) -> *mut u8 {
        match (self.scan.homes[carry], iteration) {
            (CarryHome::StackOfCurrent(output), _) => self.stacked(output, carry, iteration),
            (_, 0) => self.place.operands[carry],
            (CarryHome::StackOfNext(output), _) => self.stacked(output, carry, iteration - 1),
            (CarryHome::Buffers, _) => self.buffer(carry, iteration - 1),
        }
    }

    /// Where an iteration writes the next value of a carry.
    fn next(&self, carry: usize, iteration: usize) -> *mut u8 {
        let is_last = iteration + 1 == self.scan.length;
        match (self.scan.homes[carry], self.scan.finals[carry]) {
            (CarryHome::StackOfNext(output), _) => self.stacked(output, carry, iteration),
            (CarryHome::StackOfCurrent(output), _) if !is_last => self.stacked(output, carry, iteration + 1),
            (CarryHome::Buffers | CarryHome::StackOfCurrent(_), Some(output)) if is_last => self.place.outputs[output],
            (CarryHome::Buffers | CarryHome::StackOfCurrent(_), _) => self.buffer(carry, iteration),
        }
    }

    fn buffer(&self, carry: usize, iteration: usize) -> *mut u8 {
        self.place.region.wrapping_add(self.regions.carries[carry][iteration % 2])
    }
}

/// One run of a loop that goes on as long as a condition holds.
struct WhileRun<'r> {
    n_carries: usize,
    regions: &'r Region,
    results: &'r [usize],
    /// The carry of each output.
    outputs: &'r [usize],
    place: RunMemory<'r>,
}

impl WhileRun<'_> {
    /// Runs condition and body by turns; whether it came to an end within `bound` iterations.
    ///
    /// # Safety
    /// As for [`NestedStep::run`].
    unsafe fn run(&self, codes: &mut [Code], bound: usize) -> Result<bool, PlanError> {
        let [condition, body] = codes else { unreachable!("invariant: a loop has a condition and a body") };
        let RunMemory { operands, outputs, region, scratch, team } = self.place;
        let flag = region.wrapping_add(self.regions.flag);
        condition.relocate(OuterArray::Result(0), flag);
        for (leaf, address) in operands.iter().enumerate() {
            condition.relocate(OuterArray::Leaf(leaf), *address);
            body.relocate(OuterArray::Leaf(leaf), *address);
        }
        let buffer = |carry: usize, iteration: usize| region.wrapping_add(self.regions.carries[carry][iteration % 2]);
        let mut iteration = 0;
        loop {
            // SAFETY: by this function's contract: all addresses were filled in, and the condition writes the flag.
            let holds = unsafe {
                condition.run(scratch, team)?;
                flag.read() != 0
            };
            if !holds {
                break;
            }
            if iteration == bound {
                return Ok(false);
            }
            for carry in 0..self.n_carries {
                body.relocate(OuterArray::Result(carry), buffer(carry, iteration));
            }
            // SAFETY: as above.
            unsafe { body.run(scratch, team)? };
            for carry in 0..self.n_carries {
                condition.relocate(OuterArray::Leaf(carry), buffer(carry, iteration));
                body.relocate(OuterArray::Leaf(carry), buffer(carry, iteration));
            }
            iteration += 1;
        }
        for (output, carry) in outputs.iter().zip(self.outputs) {
            let last = if iteration == 0 { operands[*carry] } else { buffer(*carry, iteration - 1) };
            // SAFETY: both are arrays of the carry's size, by this function's contract.
            unsafe { copy(last, *output, self.results[*carry]) };
        }
        Ok(true)
    }
}

/// # Safety
/// Both addresses are those of arrays of so many bytes, apart from each other.
unsafe fn copy(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: by this function's contract.
    unsafe { std::ptr::copy_nonoverlapping(from, to, bytes) };
}
