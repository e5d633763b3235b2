//! Steps with bodies: calls, branches and loops. In: the plans of the bodies, once; then the addresses of the operands and
//! outputs. Out: outputs written, by running the code of a body as often as it takes.
//!
//! That the places which a body reads and writes have the sizes that it asks for, and lie apart, was verified with the plan.

#![allow(unsafe_code, reason = "bodies are run by address")]

use std::sync::Arc;

use super::{
    code::{Code, OuterArray, RunContext},
    machine::Execution,
    scan::{LoopAddresses, ScanStep},
};
use crate::{
    graph::Bindings,
    ops::OpError,
    plan::{Control, Nested, Origin, Plan, PlanError, Region, VertexKind},
};

/// Bodies with their code.
#[derive(Debug)]
pub(super) struct NestedStep {
    nested: Arc<Nested>,
    codes: Vec<Code>,
    origin: Origin,
    /// Bytes of each output.
    outputs: Vec<usize>,
    /// The sizes of each body.
    sizes: Vec<BodySizes>,
    /// For a loop in segments.
    addresses: Vec<LoopAddresses>,
}

/// What a body takes and gives.
#[derive(Debug)]
pub(super) struct BodySizes {
    /// Bytes of each result.
    pub(super) results: Vec<usize>,
    /// Bytes of each argument up to the last that is read; 0 where it is not.
    pub(super) arguments: Vec<usize>,
}

impl BodySizes {
    fn new(body: &Plan) -> BodySizes {
        let network = &body.network;
        let results = network.results.iter().map(|result| network.vertices[*result].bytes()).collect();
        let mut arguments = Vec::new();
        for def in &network.vertices {
            if let VertexKind::Leaf(leaf) = def.kind {
                arguments.resize(arguments.len().max(leaf + 1), 0);
                arguments[leaf] = def.bytes();
            }
        }
        BodySizes { results, arguments }
    }
}

/// Where one run of a step works.
#[derive(Clone, Copy)]
pub(super) struct RunMemory<'m> {
    pub(super) operands: &'m [*mut u8],
    pub(super) outputs: &'m [*mut u8],
    /// The memory of the step itself.
    pub(super) region: *mut u8,
}

impl NestedStep {
    /// # Safety
    /// `region` points to the memory that the plan gives to the step, on the terms of [`Code::new`].
    pub(super) unsafe fn new(
        nested: Arc<Nested>,
        (origin, outputs): (Origin, Vec<usize>),
        region: *mut u8,
        bindings: &Bindings,
        execution: Execution,
    ) -> Result<NestedStep, PlanError> {
        let arena = region.wrapping_add(nested.region.arena);
        // SAFETY: by this function's contract: the region holds the arena of any of the bodies, which run one at a time.
        let code = |body: &Arc<Plan>| unsafe { Code::new(body.clone(), arena, bindings, execution) };
        let codes = nested.bodies.iter().map(code).collect::<Result<Vec<Code>, PlanError>>()?;
        let sizes = nested.bodies.iter().map(|body| BodySizes::new(body)).collect();
        let addresses = match &nested.control {
            Control::Scan(scan) => LoopAddresses::of(scan),
            Control::Call | Control::Branch | Control::While { .. } => Vec::new(),
        };
        Ok(NestedStep { nested, codes, origin, outputs, sizes, addresses })
    }

    pub(super) fn codes(&self) -> &[Code] {
        &self.codes
    }

    pub(super) fn codes_mut(&mut self) -> &mut [Code] {
        &mut self.codes
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
        context: RunContext<'_>,
    ) -> Result<(), PlanError> {
        let (operands, outputs) = memory.split_at(memory.len() - self.outputs.len());
        let place = RunMemory { operands, outputs, region };
        let NestedStep { nested, codes, origin, outputs: bytes, sizes, addresses } = self;
        let (origin, regions) = (*origin, &nested.region);
        // SAFETY: by this function's contract.
        unsafe {
            match &nested.control {
                Control::Call => once(&mut codes[0], operands, place, context),
                Control::Branch => {
                    let body = usize::from(operands[0].read() == 0);
                    once(&mut codes[body], &operands[1..], place, context)
                }
                Control::Scan(scan) => {
                    let memory = &regions.own;
                    ScanStep { scan, memory, sizes, codes, addresses, outputs: bytes, origin, place }.run(context)
                }
                Control::While { n_carries, bound, outputs } => {
                    let results = &sizes[1].results;
                    let run = WhileRun { n_carries: *n_carries, regions, results, outputs, origin, place };
                    run.run(codes, *bound, context)
                }
            }
        }
    }
}

/// Runs a body on operands.
///
/// # Safety
/// As for [`NestedStep::run`].
unsafe fn once(
    code: &mut Code,
    operands: &[*mut u8],
    place: RunMemory<'_>,
    context: RunContext<'_>,
) -> Result<(), PlanError> {
    operands.iter().enumerate().for_each(|(leaf, address)| code.relocate(OuterArray::Leaf(leaf), *address));
    place.outputs.iter().enumerate().for_each(|(result, address)| code.relocate(OuterArray::Result(result), *address));
    // SAFETY: by this function's contract.
    unsafe { code.run(context) }
}

/// One run of a loop that goes on as long as a condition holds.
struct WhileRun<'r> {
    n_carries: usize,
    regions: &'r Region,
    results: &'r [usize],
    /// The carry of each output.
    outputs: &'r [usize],
    origin: Origin,
    place: RunMemory<'r>,
}

impl WhileRun<'_> {
    /// Runs condition and body by turns, the body at most `bound` times.
    ///
    /// # Safety
    /// As for [`NestedStep::run`].
    unsafe fn run(&self, codes: &mut [Code], bound: usize, context: RunContext<'_>) -> Result<(), PlanError> {
        let [condition, body] = codes else { unreachable!("invariant: a loop has a condition and a body") };
        let RunMemory { operands, outputs, region } = self.place;
        let flag = region.wrapping_add(self.regions.flag);
        condition.relocate(OuterArray::Result(0), flag);
        for (leaf, address) in operands.iter().enumerate() {
            condition.relocate(OuterArray::Leaf(leaf), *address);
            body.relocate(OuterArray::Leaf(leaf), *address);
        }
        let buffer =
            |carry: usize, iteration: usize| region.wrapping_add(self.regions.own.carries[carry][iteration % 2]);
        let mut iteration = 0;
        loop {
            context.check(self.origin)?;
            // SAFETY: by this function's contract: all addresses were filled in, and the condition writes the flag.
            let holds = unsafe {
                condition.run(context)?;
                flag.read() != 0
            };
            if !holds {
                break;
            }
            if iteration == bound {
                return Err(PlanError { origin: self.origin, error: OpError::TooManyIterations { bound } });
            }
            for carry in 0..self.n_carries {
                body.relocate(OuterArray::Result(carry), buffer(carry, iteration));
            }
            // SAFETY: as above.
            unsafe { body.run(context)? };
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
        Ok(())
    }
}

/// # Safety
/// Both addresses are those of arrays of so many bytes, apart from each other.
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: by this function's contract.
    unsafe { std::ptr::copy_nonoverlapping(from, to, bytes) };
}
