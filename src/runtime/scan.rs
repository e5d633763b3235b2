//! Loops of a known number of iterations. In: the code of their bodies and the addresses of operands and outputs. Out: outputs
//! written.
//!
//! Nothing is copied from iteration to iteration: a body reads its carries where the iteration before wrote them, slices
//! where they lie in their array, and writes what is stacked where it belongs. A loop in segments copies its carries where one
//! begins, or has other loops run again there, which stack what it reads next in memory for one segment.

#![allow(unsafe_code, reason = "bodies are run by address")]

use std::ops::Range;

use super::{
    code::{Code, EvenRuns, OuterArray, RunContext},
    nested::{BodySizes, RunMemory, copy},
};
use crate::plan::{ArgumentSource, CarryHome, LoopMemory, Origin, PlanError, Replay, ScanControl, Segments};

/// Fewer iterations in the middle of a loop are run as all others.
const MIN_EVEN: usize = 2 * EvenRuns::N_KNOWN;

/// The addresses of the arguments of a loop in segments, and of what it stacks.
#[derive(Debug)]
pub(super) struct LoopAddresses {
    arguments: Vec<*mut u8>,
    outputs: Vec<*mut u8>,
}

// SAFETY: the addresses are overwritten before they are used, in each run.
unsafe impl Send for LoopAddresses {}

// SAFETY: as for `Send`; they are used by runs alone, which have the step for themselves.
unsafe impl Sync for LoopAddresses {}

impl LoopAddresses {
    /// Room for those of a loop in segments, and of what it runs again.
    pub(super) fn of(scan: &ScanControl) -> Vec<LoopAddresses> {
        let room = |n_arguments: usize, n_outputs: usize| LoopAddresses {
            arguments: vec![std::ptr::null_mut(); n_arguments],
            outputs: vec![std::ptr::null_mut(); n_outputs],
        };
        let Some(segments) = &scan.segments else { return Vec::new() };
        let replays = segments.replays.iter().map(|replay| room(replay.arguments.len(), replay.buffers.len()));
        std::iter::once(room(segments.arguments.len(), 0)).chain(replays).collect()
    }
}

/// A loop of a step, with the bodies of the step.
pub(super) struct ScanStep<'s> {
    pub(super) scan: &'s ScanControl,
    pub(super) memory: &'s LoopMemory,
    pub(super) sizes: &'s [BodySizes],
    pub(super) codes: &'s mut [Code],
    /// None for a loop that is in one piece.
    pub(super) addresses: &'s mut [LoopAddresses],
    /// Bytes of each output.
    pub(super) outputs: &'s [usize],
    pub(super) origin: Origin,
    pub(super) place: RunMemory<'s>,
}

impl ScanStep<'_> {
    /// # Safety
    /// As for [`NestedStep::run`](super::nested::NestedStep::run).
    pub(super) unsafe fn run(self, context: RunContext<'_>) -> Result<(), PlanError> {
        let Some(segments) = &self.scan.segments else {
            let run = ScanRun {
                scan: self.scan,
                memory: self.memory,
                sizes: &self.sizes[0],
                positions: 0..self.scan.length,
                first_stacked: 0,
                origin: self.origin,
                place: self.place,
            };
            // SAFETY: by this function's contract.
            unsafe {
                run.begin(&mut self.codes[0]);
                run.iterate(&mut self.codes[0], 0..self.scan.length, context)?;
                run.finish(self.outputs);
            }
            return Ok(());
        };
        // SAFETY: by this function's contract.
        unsafe { self.run_segments(segments, context) }
    }

    /// # Safety
    /// As for [`ScanStep::run`].
    unsafe fn run_segments(self, segments: &Segments, context: RunContext<'_>) -> Result<(), PlanError> {
        let ScanStep { scan, memory, sizes, codes, addresses, outputs, origin, place } = self;
        let [own, of_replays @ ..] = addresses else {
            unreachable!("invariant: a loop in segments has addresses of its own")
        };
        let (length, n_segments) = (scan.length, scan.length.div_ceil(segments.every));
        let mut first = 0;
        for turn in 0..n_segments {
            let segment = if scan.is_backward { n_segments - 1 - turn } else { turn };
            let positions = segment * segments.every..length.min((segment + 1) * segments.every);
            let iterations = first..first + positions.len();
            first = iterations.end;
            for (replay, addresses) in segments.replays.iter().zip(&mut *of_replays) {
                let again = ReplayRun { replay, sizes: &sizes[replay.body], segment, origin, place };
                // SAFETY: by this function's contract: the replays before it wrote what it reads of them.
                unsafe { again.run(&mut codes[replay.body], positions.clone(), addresses, context)? };
            }
            let bytes = &sizes[0].arguments;
            fill(&mut own.arguments, &segments.arguments, place, |leaf| {
                positions.start * bytes.get(leaf).unwrap_or(&0)
            });
            let place = RunMemory { operands: &own.arguments, ..place };
            let run = ScanRun { scan, memory, sizes: &sizes[0], positions: 0..length, first_stacked: 0, origin, place };
            // SAFETY: by this function's contract; carries lie where the iterations before left them.
            unsafe {
                if turn == 0 {
                    run.begin(&mut codes[0]);
                }
                for (carry, output) in segments.checkpoints.iter().enumerate() {
                    let bytes = sizes[0].results[carry];
                    let kept = place.outputs[*output].wrapping_add(segment * bytes);
                    copy(run.current(carry, iterations.start), kept, bytes);
                }
                run.iterate(&mut codes[0], iterations, context)?;
                if turn + 1 == n_segments {
                    run.finish(outputs);
                }
            }
        }
        Ok(())
    }
}

/// Puts addresses of arguments in their places; what a replay stacked begins `behind(argument)` bytes before its buffer, so that
/// positions count from the start of the whole array.
fn fill(addresses: &mut [*mut u8], sources: &[ArgumentSource], place: RunMemory<'_>, behind: impl Fn(usize) -> usize) {
    for (argument, (address, source)) in addresses.iter_mut().zip(sources).enumerate() {
        *address = match source {
            ArgumentSource::Operand(operand) => place.operands[*operand],
            ArgumentSource::Segment(buffer) => place.region.wrapping_add(*buffer).wrapping_sub(behind(argument)),
        };
    }
}

/// A loop that runs again for one segment.
struct ReplayRun<'r> {
    replay: &'r Replay,
    sizes: &'r BodySizes,
    segment: usize,
    origin: Origin,
    place: RunMemory<'r>,
}

impl ReplayRun<'_> {
    /// # Safety
    /// As for [`ScanStep::run`]; the checkpoints were written.
    unsafe fn run(
        &self,
        code: &mut Code,
        positions: Range<usize>,
        addresses: &mut LoopAddresses,
        context: RunContext<'_>,
    ) -> Result<(), PlanError> {
        let Replay { scan, arguments, memory, buffers, .. } = self.replay;
        let bytes = &self.sizes.arguments;
        fill(&mut addresses.arguments, arguments, self.place, |leaf| positions.start * bytes.get(leaf).unwrap_or(&0));
        for (carry, address) in addresses.arguments.iter_mut().enumerate().take(scan.homes.len()) {
            *address = address.wrapping_add(self.segment * self.sizes.results[carry]);
        }
        for (address, buffer) in addresses.outputs.iter_mut().zip(buffers) {
            *address = self.place.region.wrapping_add(*buffer);
        }
        let place = RunMemory { operands: &addresses.arguments, outputs: &addresses.outputs, ..self.place };
        let (n_iterations, first_stacked) = (positions.len(), positions.start);
        let run = ScanRun { scan, memory, sizes: self.sizes, positions, first_stacked, origin: self.origin, place };
        // SAFETY: by this function's contract. It has no last carries to hand out.
        unsafe {
            run.begin(code);
            run.iterate(code, 0..n_iterations, context)
        }
    }
}

/// One run of a loop over some positions of what it slices and stacks.
struct ScanRun<'r> {
    scan: &'r ScanControl,
    memory: &'r LoopMemory,
    sizes: &'r BodySizes,
    positions: Range<usize>,
    /// The position at which what is stacked begins.
    first_stacked: usize,
    origin: Origin,
    place: RunMemory<'r>,
}

impl ScanRun<'_> {
    /// Puts what stays the same, and the first carries, in place.
    ///
    /// # Safety
    /// Each address is that of an array as the plan describes it, and nothing else uses the outputs.
    unsafe fn begin(&self, code: &mut Code) {
        let (scan, operands) = (self.scan, self.place.operands);
        for (leaf, address) in operands.iter().enumerate().skip(scan.homes.len() + scan.n_slices) {
            code.relocate(OuterArray::Leaf(leaf), *address);
        }
        for (carry, home) in scan.homes.iter().enumerate() {
            if let (CarryHome::StackOfCurrent(output), 1..) = (home, self.positions.len()) {
                // SAFETY: both are arrays of a carry's size, by this function's contract.
                unsafe { copy(operands[carry], self.stacked(*output, carry, 0), self.sizes.results[carry]) };
            }
        }
    }

    /// Runs iterations, which follow those that were run before.
    ///
    /// # Safety
    /// As for [`ScanRun::begin`], which was called.
    unsafe fn iterate(
        &self,
        code: &mut Code,
        iterations: Range<usize>,
        context: RunContext<'_>,
    ) -> Result<(), PlanError> {
        let (scan, region) = (self.scan, self.place.region);
        let n_carries = scan.homes.len();
        for (stack, output) in scan.stacks.iter().enumerate() {
            if output.is_none() {
                let address = region.wrapping_add(self.memory.discards[stack]);
                code.relocate(OuterArray::Result(n_carries + stack), address);
            }
        }
        let even = self.even(&iterations);
        let (before, behind) = if code.has_even_runs() && even.len() >= MIN_EVEN {
            (iterations.start..even.start, even.end..iterations.end)
        } else {
            (iterations.clone(), iterations.end..iterations.end)
        };
        // SAFETY: by this function's contract.
        unsafe {
            before.clone().try_for_each(|iteration| self.iteration(code, iteration, context))?;
            if before.end < behind.start {
                for (turn, iteration) in even.clone().take(EvenRuns::N_KNOWN).enumerate() {
                    self.fill_in(code, iteration);
                    code.note_addresses(turn);
                }
                code.run_evenly(even.len(), || context.check(self.origin))?;
                self.fill_in(code, even.end - 1);
                debug_assert!(code.has_run_last(even.len()), "invariant: the last addresses are those that follow");
            }
            behind.into_iter().try_for_each(|iteration| self.iteration(code, iteration, context))
        }
    }

    /// The iterations whose addresses follow from those of the two before them: neither the first, which reads the first carries where
    /// they are, nor the last, which writes the last ones where they are asked for.
    fn even(&self, iterations: &Range<usize>) -> Range<usize> {
        let start = iterations.start.max(1);
        start..iterations.end.min(self.positions.len().saturating_sub(1)).max(start)
    }

    /// Runs one iteration.
    ///
    /// # Safety
    /// As for [`ScanRun::iterate`].
    unsafe fn iteration(&self, code: &mut Code, iteration: usize, context: RunContext<'_>) -> Result<(), PlanError> {
        context.check(self.origin)?;
        self.fill_in(code, iteration);
        // SAFETY: by this function's contract: all addresses were filled in.
        unsafe { code.run(context) }
    }

    /// Puts carries, slices and what is stacked where an iteration has them.
    fn fill_in(&self, code: &mut Code, iteration: usize) {
        let (scan, RunMemory { operands, outputs, .. }) = (self.scan, self.place);
        let n_carries = scan.homes.len();
        for carry in 0..n_carries {
            code.relocate(OuterArray::Leaf(carry), self.current(carry, iteration));
            code.relocate(OuterArray::Result(carry), self.next(carry, iteration));
        }
        let position = self.position(iteration);
        for (leaf, start) in operands.iter().enumerate().skip(n_carries).take(scan.n_slices) {
            let bytes = self.sizes.arguments.get(leaf).copied().unwrap_or(0);
            code.relocate(OuterArray::Leaf(leaf), start.wrapping_add(position * bytes));
        }
        for (result, output) in (n_carries..).zip(&scan.stacks) {
            let Some(output) = output else { continue };
            let address = outputs[*output].wrapping_add((position - self.first_stacked) * self.sizes.results[result]);
            code.relocate(OuterArray::Result(result), address);
        }
    }

    /// Writes last carries that lie elsewhere, and outputs that are equal to others.
    ///
    /// # Safety
    /// As for [`ScanRun::begin`]; all iterations were run. `outputs` are the bytes of each output.
    unsafe fn finish(&self, outputs: &[usize]) {
        let (scan, place) = (self.scan, self.place);
        for (carry, output) in scan.finals.iter().enumerate() {
            let Some(output) = output else { continue };
            let last = match (scan.length, scan.homes[carry]) {
                (0, _) => place.operands[carry],
                (length, CarryHome::StackOfNext(stack)) => self.stacked(stack, carry, length - 1),
                // The last iteration wrote it in its place.
                (_, CarryHome::Buffers | CarryHome::StackOfCurrent(_)) => continue,
            };
            // SAFETY: both are arrays of a carry's size, by this function's contract.
            unsafe { copy(last, place.outputs[*output], self.sizes.results[carry]) };
        }
        for (output, first) in &scan.copies {
            // SAFETY: both have the same size, and the first was written.
            unsafe { copy(place.outputs[*first], place.outputs[*output], outputs[*output]) };
        }
    }

    /// The position of an iteration in what is sliced and stacked.
    fn position(&self, iteration: usize) -> usize {
        if self.scan.is_backward { self.positions.end - 1 - iteration } else { self.positions.start + iteration }
    }

    /// Where an output stacks a carry.
    fn stacked(&self, output: usize, carry: usize, iteration: usize) -> *mut u8 {
        let position = self.position(iteration) - self.first_stacked;
        self.place.outputs[output].wrapping_add(position * self.sizes.results[carry])
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
        let is_last = iteration + 1 == self.positions.len();
        match (self.scan.homes[carry], self.scan.finals[carry]) {
            (CarryHome::StackOfNext(output), _) => self.stacked(output, carry, iteration),
            (CarryHome::StackOfCurrent(output), _) if !is_last => self.stacked(output, carry, iteration + 1),
            (CarryHome::Buffers | CarryHome::StackOfCurrent(_), Some(output)) if is_last => self.place.outputs[output],
            (CarryHome::Buffers | CarryHome::StackOfCurrent(_), _) => self.buffer(carry, iteration),
        }
    }

    fn buffer(&self, carry: usize, iteration: usize) -> *mut u8 {
        self.place.region.wrapping_add(self.memory.carries[carry][iteration % 2])
    }
}
