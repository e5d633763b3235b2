//! An executable: a plan with its kernels, addresses and memory, for one set of sizes. In: a plan, once; then the
//! arrays of a run. Out: results. A run fills in the addresses of the caller's arrays (relocations) and executes the
//! steps in order. It allocates nothing, except to copy arrays of the caller that are not contiguous, the first time,
//! and in reference kernels; it locks only to wake sleeping workers and where a fallback kernel has an error.
//!
//! Why reading and writing by address is sound: every plan passed [`verify::plan`](crate::plan), so every read of a
//! step sees the value of the vertex that it names and no step writes over a live value; the tasks of one step write
//! disjoint ranges, by the plan; and a barrier between steps orders their accesses. It remains for this file to ensure
//! that each address is that of an array with the dtype, number of elements and element order that the plan states: it
//! is checked where an address is taken.

#![allow(unsafe_code, reason = "steps read and write memory by address")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aligned_vec::{AVec, ConstAlign};

use super::{
    convolve::ConvolutionStep,
    fallback_step::FallbackStep,
    instruction_set::InstructionSet,
    product::ProductStep,
    scalar::ScalarStep,
    tile::{Task, TileStep},
};
use crate::{
    graph::{Bindings, Op, Value, ValueView, ValueViewMut},
    memory::is_available,
    ops::OpError,
    plan::{
        Origin, Plan, PlanError, PlanStep, ReadArray, StepKind, Storage, Vertex, VertexKind, WholeArrays,
        memory::ALIGNMENT,
    },
    pool::Team,
    program::RunError,
};

/// A shorter run uses the caller's thread only: waking a worker that sleeps takes some 5 to 50 µs.
const MIN_SHARED: Duration = Duration::from_micros(30);

/// A rough estimate of the time of a step on one thread, at 100 GFLOP/s and 20 GB/s.
fn estimate(step: &PlanStep) -> Duration {
    Duration::from_nanos((step.flops / 100 + step.bytes / 20) as u64)
}

type AlignedBytes = AVec<u8, ConstAlign<ALIGNMENT>>;

/// A plan with its kernels, addresses and memory.
#[derive(Debug)]
pub(super) struct Executable {
    pub(super) plan: Arc<Plan>,
    steps: Vec<PreparedStep>,
    /// The address of each array of each step, one step after another.
    addresses: Vec<*mut u8>,
    /// Addresses that change from run to run: the position in `addresses`, the caller's array, and the offset in bytes.
    relocations: Vec<(usize, CallerArray, isize)>,
    arena: AlignedBytes,
    /// Scratch memory, `scratch_bytes` for each worker.
    scratch: AlignedBytes,
    scratch_bytes: usize,
    /// Whether runs use other threads: some step has several tasks, and the whole is long enough to wake them.
    is_parallel: bool,
    /// Contiguous copies of the caller's arrays that are not contiguous, allocated when first needed.
    staged_leaves: Vec<AlignedBytes>,
    staged_outputs: Vec<AlignedBytes>,
}

// SAFETY: the addresses are those of memory that the executable owns, or are overwritten at the start of each run.
unsafe impl Send for Executable {}

// SAFETY: what is behind the addresses is read and written by runs alone, which have the executable for themselves.
unsafe impl Sync for Executable {}

/// An array of the caller: an input or parameter, or a result.
#[derive(Debug, Clone, Copy)]
enum CallerArray {
    Leaf(usize),
    Output(usize),
}

/// A step with its range of `addresses`.
#[derive(Debug)]
struct PreparedStep {
    work: PreparedKind,
    first: usize,
    n_addresses: usize,
    partials: usize,
    origin: Origin,
}

#[derive(Debug)]
enum PreparedKind {
    Tile(TileStep),
    Scalar(ScalarStep),
    Product(ProductStep),
    Convolution(Box<ConvolutionStep>),
    Plain(FallbackStep),
}

/// The arrays of one run.
pub(super) struct RunArrays<'a, 'v, 'r> {
    pub(super) leaves: &'a [ValueView<'v>],
    pub(super) results: &'a mut [ValueViewMut<'r>],
}

impl Executable {
    pub(super) fn new(plan: Arc<Plan>, bindings: &Bindings, n_threads: usize) -> Result<Executable, RunError> {
        let set = InstructionSet::detect();
        let mut arena = AlignedBytes::new(ALIGNMENT);
        // Touched now, so that no run has page faults.
        grow(&mut arena, plan.arena_bytes, || "values between steps".to_owned())?;
        let mut executable = Executable {
            steps: Vec::with_capacity(plan.steps.len()),
            addresses: Vec::new(),
            relocations: Vec::new(),
            arena,
            scratch: AlignedBytes::new(ALIGNMENT),
            scratch_bytes: 0,
            is_parallel: false,
            staged_leaves: Vec::new(),
            staged_outputs: plan.network.results.iter().map(|_| AlignedBytes::new(ALIGNMENT)).collect(),
            plan,
        };
        for step in 0..executable.plan.steps.len() {
            executable.prepare(step, bindings, set)?;
        }
        let is_long = executable.plan.steps.iter().map(estimate).sum::<Duration>() >= MIN_SHARED;
        executable.is_parallel &= is_long;
        executable.scratch_bytes = executable.scratch_bytes.next_multiple_of(ALIGNMENT);
        grow(&mut executable.scratch, executable.scratch_bytes * n_threads, || {
            format!("the scratch memory of {n_threads} threads")
        })?;
        Ok(executable)
    }

    fn prepare(&mut self, position: usize, bindings: &Bindings, set: InstructionSet) -> Result<(), PlanError> {
        let first = self.addresses.len();
        let step = &self.plan.steps[position];
        let (origin, partials) = (step.origin, step.partials.0);
        let band = match &step.work {
            StepKind::Tile(program) => program.band(),
            StepKind::Contraction(..) | StepKind::Primitive(..) => None,
        };
        let (work, memory, scratch): (PreparedKind, Vec<(usize, isize)>, usize) = match &step.work {
            StepKind::Tile(program) => {
                let memory = program.memory.iter();
                let memory = memory.map(|memory| (memory.vertex, memory.offset * memory.dtype.size() as isize));
                match ScalarStep::new(program) {
                    Some(ready) => (PreparedKind::Scalar(ready), memory.collect(), 0),
                    None => {
                        let ready = TileStep::new(program, set);
                        let scratch = ready.scratch_bytes(program.memory.len());
                        (PreparedKind::Tile(ready), memory.collect(), scratch)
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
            StepKind::Primitive(arrays, op) => {
                let ready = FallbackStep::new(op, arrays, bindings).map_err(|error| PlanError { origin, error })?;
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
        self.steps.push(PreparedStep { work, first, n_addresses, partials, origin });
        Ok(())
    }

    /// The address of a vertex's memory, or a relocation if it depends on the caller's arrays.
    fn address(&mut self, vertex: usize, offset: isize) -> *mut u8 {
        let position = self.addresses.len();
        match self.plan.storage[vertex] {
            Storage::Arena(start) => self.arena.as_mut_ptr().wrapping_add(start).wrapping_offset(offset),
            Storage::Constant => constant_address(&self.plan, vertex).wrapping_offset(offset),
            Storage::Leaf(leaf) => {
                self.relocations.push((position, CallerArray::Leaf(leaf), offset));
                std::ptr::null_mut()
            }
            Storage::Output(output) => {
                self.relocations.push((position, CallerArray::Output(output), offset));
                std::ptr::null_mut()
            }
            Storage::Nowhere => unreachable!("invariant: a step uses only what is kept"),
        }
    }

    /// Runs all steps on at most so many threads.
    pub(super) fn run(&mut self, mut arrays: RunArrays<'_, '_, '_>, n_threads: usize) -> Result<(), RunError> {
        self.bind(&mut arrays)?;
        self.run_bound(n_threads)?;
        self.deliver(arrays.results);
        Ok(())
    }

    /// Runs all steps on the arrays that were bound last.
    pub(super) fn run_bound(&mut self, n_threads: usize) -> Result<(), RunError> {
        let team = Team::gather(if self.is_parallel { n_threads } else { 1 });
        for step in 0..self.steps.len() {
            self.step(step, &team)?;
        }
        Ok(())
    }

    /// Runs all steps `n_runs` times and gives the shortest time of each.
    pub(super) fn time(
        &mut self,
        mut arrays: RunArrays<'_, '_, '_>,
        n_threads: usize,
        n_runs: usize,
    ) -> Result<Vec<Duration>, RunError> {
        let team = Team::gather(n_threads);
        let mut shortest = vec![Duration::MAX; self.steps.len()];
        self.bind(&mut arrays)?;
        for _ in 0..n_runs {
            for (step, shortest) in shortest.iter_mut().enumerate() {
                let start = Instant::now();
                self.step(step, &team)?;
                *shortest = start.elapsed().min(*shortest);
            }
        }
        self.deliver(arrays.results);
        Ok(shortest)
    }

    fn step(&mut self, step: usize, team: &Team) -> Result<(), RunError> {
        let ready = &mut self.steps[step];
        let memory = &self.addresses[ready.first..ready.first + ready.n_addresses];
        let call = StepCall {
            memory,
            partials: self.arena.as_ptr().cast_mut().wrapping_add(ready.partials),
            scratch: self.scratch.as_ptr().cast_mut(),
            scratch_bytes: self.scratch_bytes,
        };
        // SAFETY: the plan was verified: steps overlap nothing that is live; the addresses are those of this run.
        let done = unsafe { ready.run(&call, team) };
        done.map_err(|error| {
            let Origin { operation, call, node, site } = ready.origin;
            RunError::Node { call, operation, node, site, error }
        })
    }

    /// Resolves the relocations: fills in the addresses of the caller's arrays.
    pub(super) fn bind(&mut self, arrays: &mut RunArrays<'_, '_, '_>) -> Result<(), RunError> {
        while self.staged_leaves.len() < arrays.leaves.len() {
            self.staged_leaves.push(AlignedBytes::new(ALIGNMENT));
        }
        for relocation in 0..self.relocations.len() {
            let (position, fed, offset) = self.relocations[relocation];
            let start = match fed {
                CallerArray::Leaf(leaf) => leaf_address(&arrays.leaves[leaf]),
                CallerArray::Output(output) => output_address(&mut arrays.results[output]),
            };
            let start = match (start, fed) {
                (Some(start), _) => start,
                (None, CallerArray::Leaf(leaf)) => stage(&mut self.staged_leaves[leaf], &arrays.leaves[leaf])?,
                (None, CallerArray::Output(output)) => {
                    let bytes = self.plan.network.vertices[self.plan.network.results[output]].bytes();
                    let staged = &mut self.staged_outputs[output];
                    grow(staged, bytes.max(1), || "an output in row-major order".to_owned())?;
                    staged.as_mut_ptr()
                }
            };
            self.addresses[position] = start.wrapping_offset(offset);
        }
        Ok(())
    }

    /// Copies results into the caller's arrays that are not contiguous.
    fn deliver(&self, results: &mut [ValueViewMut<'_>]) {
        for (result, staged) in results.iter_mut().zip(&self.staged_outputs) {
            if output_address(result).is_none() {
                unstage(staged, result);
            }
        }
    }
}

/// The addresses of one step in one run.
struct StepCall<'a> {
    memory: &'a [*mut u8],
    partials: *mut u8,
    scratch: *mut u8,
    scratch_bytes: usize,
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
        self.scratch.wrapping_add(worker * self.scratch_bytes)
    }
}

impl PreparedKind {
    fn n_tasks(&self) -> usize {
        match self {
            PreparedKind::Tile(step) => step.n_tasks,
            PreparedKind::Scalar(_) => 1,
            PreparedKind::Product(step) => step.n_tasks(),
            PreparedKind::Convolution(step) => step.n_tasks(),
            PreparedKind::Plain(step) => step.n_tasks(),
        }
    }
}

impl PreparedStep {
    /// # Safety
    /// The addresses are those of arrays as the plan describes them.
    unsafe fn run(&mut self, call: &StepCall<'_>, team: &Team) -> Result<(), OpError> {
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
            // SAFETY: as above.
            PreparedKind::Plain(step) => unsafe { step.run(call.memory, &|worker| call.scratch(worker), team) },
        }
    }
}

/// Runs `$body` with `$view` bound to the array inside, whatever its dtype.
macro_rules! each_view {
    ($kind:ident, $value:expr, $view:ident => $body:expr) => {
        match $value {
            $kind::F32($view) => $body,
            $kind::F64($view) => $body,
            $kind::I64($view) => $body,
            $kind::Bool($view) => $body,
        }
    };
}

/// The vertices of the operands and the result, with the offset in bytes at which each begins.
fn memory_of(arrays: &WholeArrays) -> Vec<(usize, isize)> {
    let start = |read: &ReadArray| (read.vertex, read.layout.offset * read.dtype.size() as isize);
    arrays.operands.iter().map(start).chain([(arrays.vertex, 0)]).collect()
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
    each_view!(Value, &**value, array => array.as_ptr().cast_mut().cast())
}

/// The address of the first element, if the array is contiguous.
fn leaf_address(view: &ValueView<'_>) -> Option<*mut u8> {
    each_view!(ValueView, view, array => array.is_standard_layout().then(|| array.as_ptr().cast_mut().cast()))
}

fn output_address(view: &mut ValueViewMut<'_>) -> Option<*mut u8> {
    each_view!(ValueViewMut, view, array => array.is_standard_layout().then(|| array.as_mut_ptr().cast()))
}

/// Resizes memory to `bytes`; new bytes are zero.
fn grow(memory: &mut AlignedBytes, bytes: usize, what: impl Fn() -> String) -> Result<(), RunError> {
    if memory.capacity() < bytes && !is_available(bytes) {
        return Err(RunError::OutOfMemory { what: what(), bytes });
    }
    memory.resize(bytes, 0);
    Ok(())
}

/// Copies an array into contiguous memory; gives its address.
fn stage(staged: &mut AlignedBytes, view: &ValueView<'_>) -> Result<*mut u8, RunError> {
    fn copy<T: Copy>(staged: &mut AlignedBytes, array: &ndarray::ArrayViewD<'_, T>) {
        let start = staged.as_mut_ptr().cast::<T>();
        for (position, element) in array.iter().enumerate() {
            // SAFETY: the memory was resized to hold every element, and is aligned to any of them.
            unsafe { start.add(position).write(*element) };
        }
    }
    let bytes = view.shape().iter().product::<usize>() * view.dtype().size();
    grow(staged, bytes.max(1), || "an array that is fed in another order than row-major".to_owned())?;
    each_view!(ValueView, view, array => copy(staged, array));
    Ok(staged.as_mut_ptr())
}

fn unstage(staged: &AlignedBytes, result: &mut ValueViewMut<'_>) {
    fn copy<T: Copy>(staged: &AlignedBytes, array: &mut ndarray::ArrayViewMutD<'_, T>) {
        let start = staged.as_ptr().cast::<T>();
        for (position, element) in array.iter_mut().enumerate() {
            // SAFETY: a step wrote as many elements of this type as the result has.
            *element = unsafe { start.add(position).read() };
        }
    }
    each_view!(ValueViewMut, result, array => copy(staged, array));
}
