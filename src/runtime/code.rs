//! The code of a plan: its steps with their kernels and the addresses of their arrays. In: a plan and the memory that it
//! works in, once; then the addresses of its leaves and results. Out: results written.
//!
//! Why reading and writing by address is sound: every plan passed [`verify::plan`](crate::plan), so every read of a
//! step sees the value of the vertex that it names and no step writes over a live value; the tasks of one step write
//! disjoint ranges, by the plan; and a barrier between steps orders their accesses. It remains for this file and for
//! whoever relocates leaves and results to ensure that each address is that of an array with the dtype, number of elements
//! and element order that the plan states: it is checked where an address is taken.

#![allow(unsafe_code, reason = "steps read and write memory by address")]

mod even_runs;
#[cfg(feature = "jit")]
mod native;

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

#[cfg(feature = "jit")]
use super::native::NativeStep;
use super::{
    convolve::ConvolutionStep,
    fallback_step::FallbackStep,
    machine::Execution,
    nested::NestedStep,
    product::ProductStep,
    scalar::ScalarStep,
    tile::{Task, TileStep},
};
pub(super) use even_runs::EvenRuns;

use crate::{
    cancel::CancelToken,
    graph::{Bindings, Op, Value},
    ops::OpError,
    plan::{
        Origin, Plan, PlanError, PlanStep, ReadArray, StepKind, Storage, TileProgram, Vertex, VertexKind, WholeArrays,
    },
    pool::Team,
};

/// A shorter run uses the caller's thread only: waking a worker that sleeps takes some 5 to 50 µs.
const MIN_SHARED: Duration = Duration::from_micros(30);

/// A rough estimate of the time of a step on one thread, at 100 GFLOP/s and 20 GB/s.
fn estimate(step: &PlanStep) -> Duration {
    Duration::from_nanos((step.flops / 100).saturating_add(step.bytes / 20) as u64)
}

/// The steps of a plan, ready to run in one place in memory.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) plan: Arc<Plan>,
    steps: Vec<PreparedStep>,
    /// The address of each array of each step, one step after another.
    addresses: Vec<*mut u8>,
    /// Addresses that are not known before leaves and results are: the position in `addresses`, and the offset in bytes.
    relocations: Vec<(usize, isize)>,
    /// The range of `relocations` of each leaf and of each result.
    leaves: Vec<Range<usize>>,
    results: Vec<Range<usize>>,
    arena: *mut u8,
    /// Scratch memory that each worker needs.
    pub(super) scratch_bytes: usize,
    /// Whether any step has several tasks.
    is_parallel: bool,
    /// The time of each step, while a profile is made of what has this code as a body.
    times: Option<Vec<StepTime>>,
    /// For code that is one step of a few elements.
    even_runs: Option<EvenRuns>,
}

/// How often a step ran, and how long in all.
#[derive(Debug, Clone, Copy, Default)]
struct StepTime {
    count: usize,
    total: Duration,
}

/// The time of some steps of a plan that run as one, with those of the steps of their own bodies.
#[derive(Debug)]
pub(super) struct BodyStepTime {
    pub(super) plan_steps: Range<usize>,
    /// Whether it is machine code.
    pub(super) is_native: bool,
    pub(super) count: usize,
    pub(super) total: Duration,
    pub(super) bodies: Vec<Vec<BodyStepTime>>,
}

// SAFETY: the addresses are those of memory that the owner of the code owns, or are overwritten before each run.
unsafe impl Send for Code {}

// SAFETY: what is behind the addresses is read and written by runs alone, which have the code for themselves.
unsafe impl Sync for Code {}

/// An array that comes from outside of the plan: an input, parameter or argument, or a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum OuterArray {
    Leaf(usize),
    Result(usize),
}

/// One or more steps of the plan that run as one, with their range of `addresses`.
#[derive(Debug)]
pub(super) struct PreparedStep {
    work: PreparedKind,
    plan_steps: Range<usize>,
    first: usize,
    n_addresses: usize,
    partials: usize,
    origin: Origin,
}

#[derive(Debug)]
enum PreparedKind {
    Tile(TileStep),
    Scalar(ScalarStep),
    #[cfg(feature = "jit")]
    Native(NativeStep),
    Product(ProductStep),
    Convolution(Box<ConvolutionStep>),
    Plain(FallbackStep),
    Nested(Box<NestedStep>),
}

/// Scratch memory, the same number of bytes for each worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scratch {
    pub(super) start: *mut u8,
    pub(super) bytes: usize,
}

/// What a run lends to every step.
#[derive(Clone, Copy)]
pub(super) struct RunContext<'r> {
    pub(super) scratch: Scratch,
    pub(super) team: &'r Team,
    pub(super) cancel: &'r CancelToken,
}

impl RunContext<'_> {
    /// That nobody cancelled the run before this operation, or its next iteration.
    pub(super) fn check(&self, origin: Origin) -> Result<(), PlanError> {
        if self.cancel.is_cancelled() { Err(PlanError { origin, error: OpError::Cancelled }) } else { Ok(()) }
    }
}

/// Where the arrays of each step lie, while code is prepared.
struct Builder<'p> {
    plan: &'p Plan,
    arena: *mut u8,
    steps: Vec<PreparedStep>,
    addresses: Vec<*mut u8>,
    relocations: Vec<(OuterArray, usize, isize)>,
    scratch_bytes: usize,
    is_parallel: bool,
}

impl Code {
    /// The code of a plan whose arena begins at `arena`.
    ///
    /// # Safety
    /// `arena` points to as many bytes as the plan asks for, aligned as it asks for, which live as long as the code is run,
    /// and which nothing else uses while it runs.
    pub(super) unsafe fn new(
        plan: Arc<Plan>,
        arena: *mut u8,
        bindings: &Bindings,
        execution: Execution,
    ) -> Result<Code, PlanError> {
        let mut builder = Builder {
            plan: &plan,
            arena,
            steps: Vec::with_capacity(plan.steps.len()),
            addresses: Vec::new(),
            relocations: Vec::new(),
            scratch_bytes: 0,
            is_parallel: false,
        };
        builder.prepare_all(bindings, execution)?;
        let Builder { steps, addresses, mut relocations, scratch_bytes, is_parallel, .. } = builder;
        relocations.sort_by_key(|(array, position, _)| (*array, *position));
        let range = |array: OuterArray| {
            let start = relocations.partition_point(|(other, ..)| *other < array);
            start..relocations.partition_point(|(other, ..)| *other <= array)
        };
        let n_leaves =
            relocations.iter().map(|(array, ..)| if let OuterArray::Leaf(leaf) = array { leaf + 1 } else { 0 });
        let leaves = (0..n_leaves.max().unwrap_or(0)).map(|leaf| range(OuterArray::Leaf(leaf))).collect();
        let results = (0..plan.network.results.len()).map(|result| range(OuterArray::Result(result))).collect();
        let relocations = relocations.into_iter().map(|(_, position, offset)| (position, offset)).collect();
        let is_of_addresses = matches!(&steps[..], [step] if step.work.is_of_addresses());
        Ok(Code {
            even_runs: is_of_addresses.then(|| EvenRuns::new(addresses.len())),
            plan,
            steps,
            addresses,
            relocations,
            leaves,
            results,
            arena,
            scratch_bytes,
            is_parallel,
            times: None,
        })
    }

    /// Whether any step has several tasks.
    pub(super) fn is_parallel(&self) -> bool {
        self.is_parallel
    }

    /// Whether a run is long enough to wake other threads.
    pub(super) fn is_long(&self) -> bool {
        self.plan.steps.iter().map(estimate).sum::<Duration>() >= MIN_SHARED
    }

    /// Whether any step uses a leaf.
    pub(super) fn reads(&self, leaf: usize) -> bool {
        self.leaves.get(leaf).is_some_and(|range| !range.is_empty())
    }

    /// From now on a leaf or result is at this address.
    pub(super) fn relocate(&mut self, array: OuterArray, address: *mut u8) {
        let range = match array {
            OuterArray::Leaf(leaf) => self.leaves.get(leaf),
            OuterArray::Result(result) => self.results.get(result),
        };
        for (position, offset) in range.map_or(&[][..], |range| &self.relocations[range.clone()]) {
            self.addresses[*position] = address.wrapping_offset(*offset);
        }
    }

    /// How many steps there are to run: fewer than in the plan where some run as one.
    pub(super) fn n_steps(&self) -> usize {
        self.steps.len()
    }

    /// What a step is, for those who time it.
    pub(super) fn untimed(&self, step: usize) -> BodyStepTime {
        let PreparedStep { plan_steps, work, .. } = &self.steps[step];
        let (plan_steps, is_native) = (plan_steps.clone(), work.is_native());
        BodyStepTime { plan_steps, is_native, count: 0, total: Duration::ZERO, bodies: Vec::new() }
    }

    /// Where a step comes from.
    pub(super) fn origin(&self, step: usize) -> Origin {
        self.steps[step].origin
    }

    /// Runs all steps.
    ///
    /// # Safety
    /// Each leaf that is read and each result is at an address of an array as the plan describes it, nothing else writes or
    /// reads what is written, and the scratch memory is as large as was asked for.
    pub(super) unsafe fn run(&mut self, context: RunContext<'_>) -> Result<(), PlanError> {
        if self.times.is_some() {
            // SAFETY: by this function's contract.
            return unsafe { self.run_timed(context) };
        }
        // SAFETY: by this function's contract.
        (0..self.steps.len()).try_for_each(|step| unsafe { self.step(step, context) })
    }

    /// Runs all steps and adds up their times.
    ///
    /// # Safety
    /// As for [`Code::run`].
    #[cold]
    unsafe fn run_timed(&mut self, context: RunContext<'_>) -> Result<(), PlanError> {
        for step in 0..self.steps.len() {
            let start = Instant::now();
            // SAFETY: by this function's contract: the steps follow one another.
            unsafe { self.step(step, context)? };
            let elapsed = start.elapsed();
            if let Some(time) = self.times.as_mut().map(|times| &mut times[step]) {
                (time.count, time.total) = (time.count + 1, time.total + elapsed);
            }
        }
        Ok(())
    }

    /// From now on runs of the bodies in its steps are timed, from zero on, or no longer.
    pub(super) fn time_bodies(&mut self, is_timed: bool) {
        for step in &mut self.steps {
            let PreparedKind::Nested(nested) = &mut step.work else { continue };
            for body in nested.codes_mut() {
                body.times = is_timed.then(|| vec![StepTime::default(); body.steps.len()]);
                body.time_bodies(is_timed);
            }
        }
    }

    /// The times of the steps in the bodies of a step, if it has bodies.
    pub(super) fn body_times(&self, step: usize) -> Vec<Vec<BodyStepTime>> {
        let PreparedKind::Nested(nested) = &self.steps[step].work else { return Vec::new() };
        nested.codes().iter().map(Code::step_times).collect()
    }

    fn step_times(&self) -> Vec<BodyStepTime> {
        let times = self.times.iter().flatten().enumerate();
        let time = |(step, time): (usize, &StepTime)| BodyStepTime {
            count: time.count,
            total: time.total,
            bodies: self.body_times(step),
            ..self.untimed(step)
        };
        times.map(time).collect()
    }

    /// Runs one step.
    ///
    /// # Safety
    /// As for [`Code::run`], and the steps before it were run.
    pub(super) unsafe fn step(&mut self, step: usize, context: RunContext<'_>) -> Result<(), PlanError> {
        let ready = &mut self.steps[step];
        let memory = &self.addresses[ready.first..ready.first + ready.n_addresses];
        let (arena, partials) = (self.arena, self.arena.wrapping_add(ready.partials));
        let call = StepCall { memory, arena, partials, context };
        // SAFETY: the plan was verified: steps overlap nothing that is live; the addresses are those of this run.
        unsafe { ready.run(&call) }
    }
}

impl Builder<'_> {
    /// Prepares the steps of the plan in their order.
    fn prepare_all(&mut self, bindings: &Bindings, execution: Execution) -> Result<(), PlanError> {
        #[cfg(feature = "jit")]
        let readers = execution.machine_code.then(|| native::Readers::of(self.plan));
        let mut next = 0;
        while next < self.plan.steps.len() {
            #[cfg(feature = "jit")]
            if let Some(readers) = readers.as_ref().filter(|_| super::native::is_available())
                && let Some(end) = self.prepare_native(next, execution.instruction_set, readers)
            {
                next = end;
                continue;
            }
            self.prepare(next, bindings, execution)?;
            next += 1;
        }
        Ok(())
    }

    fn prepare(&mut self, number: usize, bindings: &Bindings, execution: Execution) -> Result<(), PlanError> {
        let (step, set) = (&self.plan.steps[number], execution.instruction_set);
        let first = self.addresses.len();
        let (origin, partials) = (step.origin, step.partials.0);
        let band = match &step.work {
            StepKind::Tile(program) => program.band(),
            StepKind::Contraction(..) | StepKind::Primitive(..) | StepKind::Nested(..) => None,
        };
        let (work, memory, scratch): (PreparedKind, Vec<(usize, isize)>, usize) = match &step.work {
            StepKind::Tile(program) => {
                let memory = memory_of_program(program);
                match ScalarStep::new(program, set) {
                    Some(ready) => (PreparedKind::Scalar(ready), memory, 0),
                    None => {
                        let ready = TileStep::new(program, set);
                        let scratch = ready.scratch_bytes(program.memory.len());
                        (PreparedKind::Tile(ready), memory, scratch)
                    }
                }
            }
            StepKind::Contraction(arrays, contraction) => {
                let ready = ProductStep::new(contraction, arrays.dtype, set);
                let scratch = ready.scratch_bytes();
                (PreparedKind::Product(ready), memory_of(arrays), scratch)
            }
            StepKind::Primitive(arrays, Op::Convolution(op)) => {
                let ready = ConvolutionStep::new(op, arrays, bindings, set);
                let ready = ready.map_err(|error| PlanError { origin, error })?;
                let scratch = ready.scratch_bytes();
                (PreparedKind::Convolution(Box::new(ready)), memory_of(arrays), scratch)
            }
            StepKind::Nested(arrays, nested) => {
                let outputs = arrays.outputs.iter().map(|vertex| self.plan.network.vertices[*vertex].bytes()).collect();
                let region = self.arena.wrapping_add(partials);
                // SAFETY: the plan gives the step that part of the arena, and was verified.
                let ready = unsafe { NestedStep::new(nested.clone(), (origin, outputs), region, bindings, execution)? };
                let scratch = ready.scratch_bytes();
                let vertices = arrays.operands.iter().map(|read| read.vertex).chain(arrays.outputs.iter().copied());
                (PreparedKind::Nested(Box::new(ready)), vertices.map(|vertex| (vertex, 0)).collect(), scratch)
            }
            StepKind::Primitive(arrays, op) => {
                let ready =
                    FallbackStep::new(op, arrays, bindings, set).map_err(|error| PlanError { origin, error })?;
                let scratch = ready.scratch_bytes();
                (PreparedKind::Plain(ready), memory_of(arrays), scratch)
            }
        };
        let n_addresses = memory.len();
        for (vertex, offset) in memory {
            // A band that is not stored is in the scratch memory of a worker, which fills in its address.
            let address = if band == Some(vertex) { std::ptr::null_mut() } else { self.address(vertex, offset) };
            self.addresses.push(address);
        }
        self.scratch_bytes = self.scratch_bytes.max(scratch);
        self.is_parallel |= work.n_tasks() > 1;
        let plan_steps = number..number + 1;
        self.steps.push(PreparedStep { work, plan_steps, first, n_addresses, partials, origin });
        Ok(())
    }

    /// The address of a vertex's memory, or a relocation if it depends on the caller's arrays.
    fn address(&mut self, vertex: usize, offset: isize) -> *mut u8 {
        let position = self.addresses.len();
        match self.plan.storage[vertex] {
            Storage::Arena(start) => self.arena.wrapping_add(start).wrapping_offset(offset),
            Storage::Constant => constant_address(self.plan, vertex).wrapping_offset(offset),
            Storage::Leaf(leaf) => {
                self.relocations.push((OuterArray::Leaf(leaf), position, offset));
                std::ptr::null_mut()
            }
            Storage::Output(output) => {
                self.relocations.push((OuterArray::Result(output), position, offset));
                std::ptr::null_mut()
            }
            Storage::Nowhere => unreachable!("invariant: a step uses only what is kept"),
        }
    }
}

/// The addresses of one step in one run.
struct StepCall<'a> {
    memory: &'a [*mut u8],
    #[cfg_attr(not(feature = "jit"), expect(dead_code, reason = "only machine code asks for it"))]
    arena: *mut u8,
    partials: *mut u8,
    context: RunContext<'a>,
}

// SAFETY: tasks write apart from each other, by the plan; that is what sharing the addresses needs.
unsafe impl Sync for StepCall<'_> {}

impl StepCall<'_> {
    fn memory(&self) -> &[*mut u8] {
        self.memory
    }

    fn partials(&self) -> *mut u8 {
        self.partials
    }

    fn scratch(&self, worker: usize) -> *mut u8 {
        self.context.scratch.start.wrapping_add(worker * self.context.scratch.bytes)
    }
}

impl PreparedKind {
    fn is_native(&self) -> bool {
        match self {
            #[cfg(feature = "jit")]
            PreparedKind::Native(_) => true,
            PreparedKind::Tile(_) | PreparedKind::Scalar(_) | PreparedKind::Product(_) => false,
            PreparedKind::Convolution(_) | PreparedKind::Plain(_) | PreparedKind::Nested(_) => false,
        }
    }

    /// Whether it takes nothing but the addresses of its arrays.
    fn is_of_addresses(&self) -> bool {
        matches!(self, PreparedKind::Scalar(_)) || self.is_native()
    }

    /// Runs a step that takes nothing but the addresses of its arrays.
    ///
    /// # Safety
    /// As for [`PreparedStep::run`]; machine code is of this arena.
    unsafe fn run_on(&mut self, addresses: &[*mut u8], arena: *mut u8) {
        // Only machine code asks for it.
        let _ = arena;
        match self {
            // SAFETY: by this function's contract.
            PreparedKind::Scalar(step) => unsafe { step.run(addresses) },
            #[cfg(feature = "jit")]
            // SAFETY: by this function's contract.
            PreparedKind::Native(step) => unsafe { step.run(addresses, arena) },
            _ => unreachable!("invariant: it was asked whether the step takes addresses alone"),
        }
    }

    fn n_tasks(&self) -> usize {
        match self {
            PreparedKind::Tile(step) => step.n_tasks,
            PreparedKind::Scalar(_) => 1,
            #[cfg(feature = "jit")]
            PreparedKind::Native(_) => 1,
            PreparedKind::Product(step) => step.n_tasks(),
            PreparedKind::Convolution(step) => step.n_tasks(),
            PreparedKind::Plain(step) => step.n_tasks(),
            PreparedKind::Nested(step) => step.n_tasks(),
        }
    }
}

impl PreparedStep {
    /// # Safety
    /// The addresses are those of arrays as the plan describes them.
    unsafe fn run(&mut self, call: &StepCall<'_>) -> Result<(), PlanError> {
        let (origin, team) = (self.origin, call.context.team);
        match &mut self.work {
            PreparedKind::Tile(step) => {
                team.run(step.n_tasks, &|number, worker| {
                    let (memory, scratch, partials) = (call.memory(), call.scratch(worker), call.partials());
                    let task = Task { number, memory, scratch, partials };
                    // SAFETY: by this function's contract; the scratch of a worker is its own.
                    unsafe { step.run(&task) }
                });
                // SAFETY: all tasks are done.
                unsafe { step.finish(call.memory, call.partials) };
                Ok(())
            }
            PreparedKind::Scalar(step) => {
                // SAFETY: by this function's contract.
                unsafe { step.run(call.memory) };
                Ok(())
            }
            #[cfg(feature = "jit")]
            PreparedKind::Native(step) => {
                // SAFETY: by this function's contract.
                unsafe { step.run(call.memory, call.arena) };
                Ok(())
            }
            PreparedKind::Product(step) => {
                team.run(step.n_tasks(), &|task, worker| {
                    // SAFETY: as above.
                    unsafe { step.run(task, call.memory(), call.scratch(worker)) }
                });
                Ok(())
            }
            PreparedKind::Convolution(step) => {
                team.run(step.n_tasks(), &|task, worker| {
                    // SAFETY: as above.
                    unsafe { step.run(task, call.memory(), call.scratch(worker)) }
                });
                Ok(())
            }
            PreparedKind::Plain(step) => {
                // SAFETY: as above.
                let done = unsafe { step.run(call.memory, &|worker| call.scratch(worker), team) };
                done.map_err(|error| PlanError { origin, error })
            }
            PreparedKind::Nested(step) => {
                // SAFETY: as above.
                unsafe { step.run(call.memory, call.partials, call.context) }
            }
        }
    }
}

/// The vertices of the operands and the result, with the offset in bytes at which each begins.
fn memory_of(arrays: &WholeArrays) -> Vec<(usize, isize)> {
    let start = |read: &ReadArray| (read.vertex, read.layout.offset * read.dtype.size() as isize);
    arrays.operands.iter().map(start).chain([(arrays.vertex, 0)]).collect()
}

fn memory_of_program(program: &TileProgram) -> Vec<(usize, isize)> {
    program.memory.iter().map(|memory| (memory.vertex, memory.offset * memory.dtype.size() as isize)).collect()
}

fn constant_address(plan: &Plan, vertex: usize) -> *mut u8 {
    let Vertex { kind: VertexKind::Constant(value), dtype, sizes, .. } = &plan.network.vertices[vertex] else {
        unreachable!("invariant: only a constant lies among the constants")
    };
    // Steps read by address, by the sizes and the order that the plan states, so these hold in every build.
    assert!(value.is_row_major(), "invariant: constants of a plan are in row-major order");
    assert_eq!(
        (value.dtype(), value.shape()),
        (*dtype, &sizes[..]),
        "invariant: constants have the type of their vertex"
    );
    match &**value {
        Value::F32(array) => array.as_ptr().cast_mut().cast(),
        Value::F64(array) => array.as_ptr().cast_mut().cast(),
        Value::I64(array) => array.as_ptr().cast_mut().cast(),
        Value::Bool(array) => array.as_ptr().cast_mut().cast(),
    }
}
