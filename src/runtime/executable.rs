//! An executable: the code of a plan with its memory, for one set of sizes. In: a plan, once; then the arrays of a run. Out:
//! results. A run fills in the addresses of the caller's arrays and executes the steps in order. It allocates nothing,
//! except to copy arrays of the caller that are not contiguous, the first time, and in reference kernels; it locks only to
//! wake sleeping workers and where a fallback kernel has an error.
//!
//! That each address is that of an array with the dtype, number of elements and element order that the plan states is
//! checked where an address is taken; [`code`](super::code) says what else running by address leans on.

#![allow(unsafe_code, reason = "arrays are handed over by address")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aligned_vec::{AVec, ConstAlign};

use super::{
    code::{BodyStepTime, Code, OuterArray, RunContext, Scratch},
    machine::Execution,
};
use crate::{
    cancel::CancelToken,
    graph::{Bindings, ValueView, ValueViewMut},
    memory::is_available,
    plan::{Plan, PlanError, StepKind, memory::ALIGNMENT},
    pool::Team,
    program::RunError,
};

type AlignedBytes = AVec<u8, ConstAlign<ALIGNMENT>>;

/// A plan with its kernels, addresses and memory.
#[derive(Debug)]
pub(super) struct Executable {
    code: Code,
    /// Never resized: the code has addresses in it.
    #[expect(dead_code, reason = "the code uses it by address")]
    arena: AlignedBytes,
    /// Scratch memory, `scratch_bytes` for each worker.
    scratch: AlignedBytes,
    scratch_bytes: usize,
    /// Whether any step has several tasks and the run is long enough to wake other threads.
    is_parallel: bool,
    /// Contiguous copies of the caller's arrays that are not contiguous, allocated when first needed.
    staged_leaves: Vec<AlignedBytes>,
    staged_outputs: Vec<AlignedBytes>,
}

/// The arrays of one run.
pub(super) struct RunArrays<'a, 'v, 'r> {
    pub(super) leaves: &'a [ValueView<'v>],
    pub(super) results: &'a mut [ValueViewMut<'r>],
}

impl Executable {
    pub(super) fn new(plan: Arc<Plan>, bindings: &Bindings, execution: Execution) -> Result<Executable, RunError> {
        let mut arena = AlignedBytes::new(ALIGNMENT);
        // Touched now, so that no run has page faults.
        grow(&mut arena, plan.arena_bytes, || "values between steps".to_owned())?;
        let staged_outputs = plan.network.results.iter().map(|_| AlignedBytes::new(ALIGNMENT)).collect();
        // SAFETY: the arena is as large as the plan asks for, and the executable keeps both together.
        let code = unsafe { Code::new(plan, arena.as_mut_ptr(), bindings, execution)? };
        let n_threads = execution.n_threads;
        let scratch_bytes = code.scratch_bytes.next_multiple_of(ALIGNMENT);
        let mut scratch = AlignedBytes::new(ALIGNMENT);
        grow(&mut scratch, scratch_bytes * n_threads, || format!("the scratch memory of {n_threads} threads"))?;
        let is_parallel = code.is_parallel() && code.is_long();
        Ok(Executable { code, arena, scratch, scratch_bytes, is_parallel, staged_leaves: Vec::new(), staged_outputs })
    }

    /// What is run.
    pub(super) fn plan(&self) -> &Plan {
        &self.code.plan
    }

    fn scratch(&self) -> Scratch {
        Scratch { start: self.scratch.as_ptr().cast_mut(), bytes: self.scratch_bytes }
    }

    /// Runs all steps on at most so many threads.
    pub(super) fn run(
        &mut self,
        mut arrays: RunArrays<'_, '_, '_>,
        n_threads: usize,
        cancel: &CancelToken,
    ) -> Result<(), RunError> {
        self.bind(&mut arrays)?;
        self.run_bound(n_threads, cancel)?;
        self.deliver(arrays.results);
        Ok(())
    }

    /// Runs all steps on the arrays that were bound last.
    pub(super) fn run_bound(&mut self, n_threads: usize, cancel: &CancelToken) -> Result<(), RunError> {
        let team = Team::gather(if self.is_parallel { n_threads } else { 1 });
        let context = RunContext { scratch: self.scratch(), team: &team, cancel };
        for step in 0..self.code.n_steps() {
            context.check(self.code.origin(step))?;
            // SAFETY: the arrays were bound, and have the types that the plan states; the steps follow one another.
            unsafe { self.code.step(step, context)? };
        }
        Ok(())
    }

    /// Runs all steps `n_runs` times and gives the shortest time of each; and as often again where there are bodies, for the
    /// times of their steps.
    pub(super) fn time(
        &mut self,
        mut arrays: RunArrays<'_, '_, '_>,
        (n_threads, n_runs): (usize, usize),
        cancel: &CancelToken,
    ) -> Result<Vec<BodyStepTime>, RunError> {
        let team = Team::gather(n_threads);
        self.bind(&mut arrays)?;
        let context = RunContext { scratch: self.scratch(), team: &team, cancel };
        let alone = self.shortest(n_runs, context)?;
        let has_bodies = self.plan().steps.iter().any(|step| matches!(step.work, StepKind::Nested(..)));
        let bodies = if has_bodies { self.shortest_of_bodies(n_runs, context)? } else { Vec::new() };
        self.deliver(arrays.results);
        let bodies = bodies.into_iter().chain(std::iter::repeat_with(Vec::new));
        let time = |(step, (total, bodies))| BodyStepTime { count: 1, total, bodies, ..self.code.untimed(step) };
        Ok(alone.into_iter().zip(bodies).enumerate().map(time).collect())
    }

    /// The shortest time of each step.
    fn shortest(&mut self, n_runs: usize, context: RunContext<'_>) -> Result<Vec<Duration>, PlanError> {
        let mut shortest = vec![Duration::MAX; self.code.n_steps()];
        for _ in 0..n_runs {
            for (step, shortest) in shortest.iter_mut().enumerate() {
                context.check(self.code.origin(step))?;
                let start = Instant::now();
                // SAFETY: as for a run, and the steps follow one another.
                unsafe { self.code.step(step, context)? };
                *shortest = start.elapsed().min(*shortest);
            }
        }
        Ok(shortest)
    }

    /// For each step the times in its bodies, of the run in which it was shortest.
    fn shortest_of_bodies(
        &mut self,
        n_runs: usize,
        context: RunContext<'_>,
    ) -> Result<Vec<Vec<Vec<BodyStepTime>>>, PlanError> {
        let mut shortest: Vec<(Duration, _)> = Vec::new();
        shortest.resize_with(self.code.n_steps(), || (Duration::MAX, Vec::new()));
        for _ in 0..n_runs {
            self.code.time_bodies(true);
            for (step, shortest) in shortest.iter_mut().enumerate() {
                let start = Instant::now();
                // SAFETY: as for a run, and the steps follow one another.
                let done = unsafe { self.code.step(step, context) };
                let elapsed = start.elapsed();
                if let Err(error) = done {
                    self.code.time_bodies(false);
                    return Err(error);
                }
                if elapsed < shortest.0 {
                    *shortest = (elapsed, self.code.body_times(step));
                }
            }
        }
        self.code.time_bodies(false);
        Ok(shortest.into_iter().map(|(_, bodies)| bodies).collect())
    }

    /// Fills in the addresses of the caller's arrays.
    pub(super) fn bind(&mut self, arrays: &mut RunArrays<'_, '_, '_>) -> Result<(), RunError> {
        while self.staged_leaves.len() < arrays.leaves.len() {
            self.staged_leaves.push(AlignedBytes::new(ALIGNMENT));
        }
        for (position, leaf) in arrays.leaves.iter().enumerate() {
            if !self.code.reads(position) {
                continue;
            }
            let address = match leaf_address(leaf) {
                Some(address) => address,
                None => stage(&mut self.staged_leaves[position], leaf)?,
            };
            self.code.relocate(OuterArray::Leaf(position), address);
        }
        for (position, result) in arrays.results.iter_mut().enumerate() {
            let address = match output_address(result) {
                Some(address) => address,
                None => {
                    let network = &self.code.plan.network;
                    let bytes = network.vertices[network.results[position]].bytes();
                    let staged = &mut self.staged_outputs[position];
                    grow(staged, bytes.max(1), || "an output in row-major order".to_owned())?;
                    staged.as_mut_ptr()
                }
            };
            self.code.relocate(OuterArray::Result(position), address);
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
