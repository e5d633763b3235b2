//! The threads that programs share. In: a number of tasks and what to do with each. Out: all of them done. Which thread
//! does which task is left to chance, so nothing may depend on it.
//!
//! One pool serves the process. The caller takes part, so that a step costs no wake-up where the workers are late; workers
//! spin for a while before they sleep, because the next step comes within microseconds. A program that finds the pool in
//! use runs on its own thread: the numbers are the same. The optimizers' updates of many parameters use it too.
//!
//! It is not rayon because a step takes microseconds: entering rayon's pool from outside costs more than most steps do
//! (docs/decisions/0007-own-pool.md).

#![allow(unsafe_code, reason = "a task borrows from the caller's stack, which waits until all tasks are done")]

use std::{
    cell::Cell,
    hint,
    marker::PhantomData,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// How long a worker looks for work before it sleeps.
const PATIENCE: Duration = Duration::from_micros(100);

/// Threads that a program can use at most.
pub(crate) const MAX_THREADS: usize = 255;

/// A thread's part in a run: the pool, if it is this program's for now.
pub(crate) struct Team {
    pool: Option<&'static ThreadPool>,
    n_threads: usize,
    /// One thread gives out work at a time, so a team is not shared.
    is_not_shared: PhantomData<Cell<()>>,
}

struct ThreadPool {
    /// The job at hand: its number, how many threads may take part, how many tasks it has, and the next one.
    state: AtomicU64,
    call: AtomicUsize,
    data: AtomicUsize,
    n_finished: AtomicUsize,
    is_taken: AtomicBool,
    /// Which workers sleep, a bit each, so that none is looked for that is awake or may not take part.
    asleep: [AtomicU64; 4],
    n_workers: AtomicUsize,
    n_started: AtomicUsize,
    workers: Mutex<Vec<Thread>>,
}

/// What a worker knows of the job at hand, as one word, so that taking a task and checking the job are one step.
#[derive(Clone, Copy)]
struct JobState(u64);

impl JobState {
    const TASK_BITS: u32 = 18;
    const LIMIT_BITS: u32 = 8;

    fn new(job: u64, limit: usize, n_tasks: usize) -> JobState {
        JobState((((job << Self::LIMIT_BITS) | limit as u64) << Self::TASK_BITS | n_tasks as u64) << Self::TASK_BITS)
    }

    fn next(self) -> usize {
        (self.0 & ((1 << Self::TASK_BITS) - 1)) as usize
    }

    fn n_tasks(self) -> usize {
        ((self.0 >> Self::TASK_BITS) & ((1 << Self::TASK_BITS) - 1)) as usize
    }

    fn limit(self) -> usize {
        ((self.0 >> (2 * Self::TASK_BITS)) & ((1 << Self::LIMIT_BITS) - 1)) as usize
    }

    fn job(self) -> u64 {
        self.0 >> (2 * Self::TASK_BITS + Self::LIMIT_BITS)
    }
}

/// What is done with one task by one thread of the team.
type TaskFn = unsafe fn(data: *const (), task: usize, worker: usize);

static POOL: ThreadPool = ThreadPool {
    state: AtomicU64::new(0),
    call: AtomicUsize::new(0),
    data: AtomicUsize::new(0),
    n_finished: AtomicUsize::new(0),
    is_taken: AtomicBool::new(false),
    asleep: [const { AtomicU64::new(0) }; 4],
    n_workers: AtomicUsize::new(0),
    n_started: AtomicUsize::new(0),
    workers: Mutex::new(Vec::new()),
};

/// The number of threads that the machine runs at once.
pub(crate) fn available_threads() -> usize {
    static AVAILABLE: OnceLock<usize> = OnceLock::new();
    *AVAILABLE.get_or_init(|| thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS))
}

impl Team {
    /// A team of at most so many threads, the caller among them; the caller alone if the pool is in use.
    pub(crate) fn gather(n_threads: usize) -> Team {
        let n_threads = n_threads.clamp(1, MAX_THREADS);
        if n_threads == 1 || POOL.is_taken.swap(true, Ordering::Acquire) {
            return Team { pool: None, n_threads: 1, is_not_shared: PhantomData };
        }
        if POOL.n_workers.load(Ordering::Relaxed) < n_threads - 1 {
            POOL.grow(n_threads - 1);
        }
        Team { pool: Some(&POOL), n_threads, is_not_shared: PhantomData }
    }

    /// Does `work(task, worker)` for every task below `n_tasks`; `worker` is below the number of threads, and no two
    /// tasks with one worker run at once.
    pub(crate) fn run<F: Fn(usize, usize) + Sync>(&self, n_tasks: usize, work: &F) {
        match self.pool {
            Some(pool) if n_tasks > 1 => pool.run(n_tasks, self.n_threads, work),
            _ => (0..n_tasks).for_each(|task| work(task, 0)),
        }
    }

    /// Does `work` with every item, each as a task of its own.
    pub(crate) fn run_each<T: Send>(&self, items: &mut [T], work: &(impl Fn(&mut T) + Sync)) {
        /// Where the items begin.
        struct ItemsPointer<T>(*mut T);
        // SAFETY: threads reach different items through it, which may be sent to them.
        unsafe impl<T: Send> Sync for ItemsPointer<T> {}
        impl<T> ItemsPointer<T> {
            fn item(&self, position: usize) -> *mut T {
                self.0.wrapping_add(position)
            }
        }
        let (start, n_items) = (ItemsPointer(items.as_mut_ptr()), items.len());
        self.run(n_items, &|task, _| {
            // SAFETY: `run` gives each task below the number of items once, so that this is the one reference to an item
            // that is borrowed for as long as `run` takes.
            work(unsafe { &mut *start.item(task) });
        });
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if let Some(pool) = self.pool {
            pool.is_taken.store(false, Ordering::Release);
        }
    }
}

/// Ends the process when a task panics: other threads still use what its owner's stack holds, so unwinding is not safe.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        std::process::abort();
    }
}

impl ThreadPool {
    /// Starts workers until there are so many, and waits until they look for work.
    fn grow(&'static self, n_workers: usize) {
        let mut workers = self.workers.lock().expect("invariant: no worker panics while it holds the lock");
        while workers.len() < n_workers {
            let worker = workers.len() + 1;
            let spawned = thread::Builder::new().name(format!("pullback-{worker}")).spawn(move || self.serve(worker));
            match spawned {
                Ok(handle) => workers.push(handle.thread().clone()),
                // The caller does what too few workers leave.
                Err(_) => break,
            }
        }
        // So that what it costs to start a thread is paid here, and not by a later run that is told to allocate nothing.
        while self.n_started.load(Ordering::Acquire) < workers.len() {
            thread::yield_now();
        }
        self.n_workers.store(workers.len(), Ordering::Relaxed);
    }

    fn run<F: Fn(usize, usize) + Sync>(&self, n_tasks: usize, limit: usize, work: &F) {
        /// # Safety
        /// `data` points to an `F` that lives until the task is done.
        unsafe fn call<F: Fn(usize, usize) + Sync>(data: *const (), task: usize, worker: usize) {
            // SAFETY: by this function's contract.
            unsafe { (*data.cast::<F>())(task, worker) }
        }
        let most = (1 << JobState::TASK_BITS) - 1;
        assert!(n_tasks <= most, "invariant: plans cut fewer tasks");
        self.call.store(call::<F> as TaskFn as usize, Ordering::Relaxed);
        self.data.store(std::ptr::from_ref(work) as usize, Ordering::Relaxed);
        self.n_finished.store(0, Ordering::Relaxed);
        let job = JobState(self.state.load(Ordering::Relaxed)).job().wrapping_add(1);
        self.state.store(JobState::new(job, limit, n_tasks).0, Ordering::SeqCst);
        self.wake(limit.min(n_tasks) - 1);
        let abort = AbortOnPanic;
        while let Some(task) = self.claim(0) {
            work(task, 0);
            self.n_finished.fetch_add(1, Ordering::Relaxed);
        }
        let mut n_spins = 0u32;
        while self.n_finished.load(Ordering::Acquire) < n_tasks {
            n_spins += 1;
            if n_spins.is_multiple_of(4096) { thread::yield_now() } else { hint::spin_loop() }
        }
        std::mem::forget(abort);
    }

    /// Takes the next task of the job at hand, if there is one and the worker may take part.
    fn claim(&self, worker: usize) -> Option<usize> {
        let mut state = JobState(self.state.load(Ordering::Acquire));
        while state.next() < state.n_tasks() && worker < state.limit() {
            match self.state.compare_exchange_weak(state.0, state.0 + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(state.next()),
                Err(found) => state = JobState(found),
            }
        }
        None
    }

    fn serve(&self, worker: usize) {
        let _abort = AbortOnPanic;
        self.n_started.fetch_add(1, Ordering::Release);
        loop {
            while let Some(task) = self.claim(worker) {
                let (call, data) = (self.call.load(Ordering::Relaxed), self.data.load(Ordering::Relaxed));
                // SAFETY: `call` was stored from a `TaskFn` before the state that `claim` acquired, and is not stored again
                // until this task is counted as finished.
                let call = unsafe { std::mem::transmute::<usize, TaskFn>(call) };
                // SAFETY: `data` points to the work of the job that the task belongs to; its owner waits in `run` until
                // all claimed tasks are finished.
                unsafe { call(data as *const (), task, worker) };
                self.n_finished.fetch_add(1, Ordering::Release);
            }
            self.rest(worker);
        }
    }

    /// Waits for a job: awake for a while, then asleep.
    fn rest(&self, worker: usize) {
        let since = Instant::now();
        let has_work = || {
            let state = JobState(self.state.load(Ordering::SeqCst));
            state.next() < state.n_tasks() && worker < state.limit()
        };
        loop {
            for _ in 0..64 {
                if has_work() {
                    return;
                }
                hint::spin_loop();
            }
            if since.elapsed() > PATIENCE {
                break;
            }
        }
        let (word, bit) = ((worker - 1) / 64, 1u64 << ((worker - 1) % 64));
        self.asleep[word].fetch_or(bit, Ordering::SeqCst);
        while !has_work() {
            thread::park();
        }
        self.asleep[word].fetch_and(!bit, Ordering::SeqCst);
    }

    /// Wakes those of the first workers that sleep.
    fn wake(&self, n_workers: usize) {
        for (word, asleep) in self.asleep.iter().enumerate().take(n_workers.div_ceil(64)) {
            let first = word * 64;
            let wanted = if n_workers - first >= 64 { u64::MAX } else { (1 << (n_workers - first)) - 1 };
            let sleepers = asleep.load(Ordering::SeqCst) & wanted;
            if sleepers != 0 {
                let workers = self.workers.lock().expect("invariant: no worker panics while it holds the lock");
                let is_asleep = |position: &usize| sleepers >> (position - first) & 1 == 1;
                (first..workers.len().min(first + 64))
                    .filter(is_asleep)
                    .for_each(|position| workers[position].unpark());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_task_is_done_once_on_any_number_of_threads() {
        for n_threads in [1, 2, 3, 8] {
            let team = Team::gather(n_threads);
            for n_tasks in [0, 1, 2, 7, 1000] {
                let counts: Vec<AtomicUsize> = (0..n_tasks).map(|_| AtomicUsize::new(0)).collect();
                team.run(n_tasks, &|task, worker| {
                    assert!(worker < n_threads);
                    counts[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn every_item_is_met_once() {
        for n_threads in [1, 2, 5] {
            let mut items: Vec<usize> = (0..1000).collect();
            Team::gather(n_threads).run_each(&mut items, &|item| *item += 7);
            assert!(items.iter().enumerate().all(|(position, item)| *item == position + 7));
        }
    }

    #[test]
    fn a_second_team_works_alone() {
        let first = Team::gather(2);
        let second = Team::gather(2);
        let sum = AtomicUsize::new(0);
        second.run(10, &|task, worker| {
            assert!(worker == 0 || first.pool.is_none());
            sum.fetch_add(task, Ordering::Relaxed);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 45);
    }
}
