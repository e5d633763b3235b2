//! The threads that programs share. In: a number of tasks and what to do with each. Out: all of them done. Which thread
//! does which task is left to chance, so nothing may depend on it.
//!
//! One pool serves the process. The caller takes part, so that a step costs no wake-up where the workers are late; workers
//! spin for a while before they sleep, because the next step comes within microseconds. A program that finds the pool in
//! use runs on its own thread: the numbers are the same. The optimizers' updates of many parameters use it too. It is not
//! rayon because a step takes microseconds (docs/decisions/0007-own-pool.md).
//!
//! # Why it is right
//!
//! A *job* is what one [`Team::run`] hands out: a function, a pointer to its data on the caller's stack, and a number of
//! tasks. Five things must hold.
//!
//! **Every task is done once.** [`JobState`] is the whole of what is left of a job: its next task, how many there are, and
//! which threads may take them. A task is taken by an exchange of that word for one whose next task is greater by one, so
//! no two threads take the same. A thread that was late compares with a word that is gone, and fails. If the word has come
//! back meanwhile, because a later job has as many tasks, the exchange takes a task of that job, rightly: what the thread
//! had read is all true again, and it reads everything else afterwards.
//!
//! **A worker sees the job that its task belongs to.** The caller writes `call` and `data`, then publishes the word
//! (release). An exchange reads that word or one that other exchanges made of it, which belong to its release sequence
//! (acquire); so the worker sees `call` and `data` of this job or of a later one. There is no later one before the
//! worker has counted its task as finished, by the next point.
//!
//! **Nobody touches a job whose `run` has returned.** The job is lent to a worker from its exchange to its count. Workers
//! count a finished task last of all (release); `run` returns only after it has read that all tasks were counted (acquire),
//! and counting is one chain of additions, so it sees what every one of the tasks did. A worker that has not taken a task
//! touches the pool alone, which lives as long as the process. Unwinding would end the wait early: a panic of a task, in
//! the caller or in a worker, ends the process instead ([`AbortOnPanic`]).
//!
//! **No worker sleeps through a job.** This is about time, not about results, since the caller does what nobody else does.
//! A worker first sets its bit in `asleep` and then looks at `state`; the caller first publishes the state and then takes
//! the bits of the workers it wants. Both change the same word, so one of them is first. If it is the worker, the caller
//! finds its bit and unparks it; that is remembered if it comes before `park`. If it is the caller (release), the worker
//! reads what the caller wrote (acquire), so it sees the state and does not sleep. A plain load of the bits would need
//! sequentially consistent orderings for the same, since neither thread would then write what the other one reads.
//!
//! **One job at a time.** A team owns the pool from the exchange of `is_taken` (acquire) until it is dropped (release).
//! Only its owner writes `call`, `data`, `n_finished` and a new state, and only its owner starts workers.
//!
//! | written | ordering | read | ordering | carries |
//! |---|---|---|---|---|
//! | `state` by `run` | release | `state` by `claim` | acquire | `call`, `data`, zero in `n_finished`, what the job borrows |
//! | `n_finished` by `take_part` | release | `n_finished` by `run` | acquire | what a task did |
//! | `asleep` by `wake` | release | `asleep` by `rest` | acquire | the state |
//! | `is_taken` by `drop` | release | `is_taken` by `team` | acquire | the pool |
//! | `n_started` by `serve` | release | `n_started` by `grow` | acquire | what a thread did to start |
//!
//! All others are relaxed. `models/` tries the interleavings of small teams, with every value that these orderings let a
//! thread read; docs/ARCHITECTURE.md has the command.
//!
//! # Source
//! A counter of tasks that all threads take from is self-scheduling: Tang and Yew, *Processor self-scheduling for
//! multiple-nested parallel loops*, 1986. That a worker says it will sleep and then looks once more, in a word that both
//! sides change, is also how rayon-core's `sleep` module works.

#![allow(unsafe_code, reason = "a task borrows from the caller's stack, which waits until all tasks are done")]

use std::{
    cell::Cell,
    marker::PhantomData,
    ptr,
    sync::{LazyLock, OnceLock},
};

use crate::sync::{
    Mutex, SpinTime,
    atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    hint,
    thread::{self, Thread},
};

/// Threads that a program can use at most.
pub(crate) const MAX_THREADS: usize = 255;

/// How often a worker looks for work before it asks whether it should sleep.
const LOOKS: u32 = 64;

/// How often a caller looks whether the workers are done before it lets other threads have its core.
const LOOKS_BEFORE_YIELD: u32 = 4096;

/// A thread's part in a run: the pool, if it is this program's for now.
pub(crate) struct Team {
    pub(crate) pool: Option<&'static ThreadPool>,
    n_threads: usize,
    /// One thread gives out work at a time, so a team is not shared.
    is_not_shared: PhantomData<Cell<()>>,
}

/// What the threads share. The head of the file says who writes what.
pub(crate) struct ThreadPool {
    /// What is left of the job at hand, as a [`JobState`].
    state: AtomicU64,
    /// A [`TaskFn`].
    call: AtomicPtr<()>,
    /// What `call` works with, on the stack of the team's owner.
    data: AtomicPtr<()>,
    n_finished: AtomicUsize,
    is_taken: AtomicBool,
    /// Which workers sleep, a bit each, so that none is looked for that is awake or may not take part.
    asleep: [AtomicU64; MAX_THREADS.div_ceil(64)],
    n_workers: AtomicUsize,
    n_started: AtomicUsize,
    workers: Mutex<Vec<Thread>>,
}

/// What is left of the job at hand, as one word, so that taking a task and checking the job are one step.
#[derive(Clone, Copy)]
struct JobState(u64);

impl JobState {
    const TASK_BITS: u32 = 28;
    const MAX_TASKS: usize = (1 << Self::TASK_BITS) - 1;

    /// A job of which no task is taken. Threads below the limit may take part.
    fn new(limit: usize, n_tasks: usize) -> JobState {
        JobState(((limit as u64) << Self::TASK_BITS | n_tasks as u64) << Self::TASK_BITS)
    }

    fn next(self) -> usize {
        self.0 as usize & Self::MAX_TASKS
    }

    fn n_tasks(self) -> usize {
        (self.0 >> Self::TASK_BITS) as usize & Self::MAX_TASKS
    }

    fn limit(self) -> usize {
        (self.0 >> (2 * Self::TASK_BITS)) as usize
    }

    /// Whether there is a task that this thread may take.
    fn has_task(self, worker: usize) -> bool {
        self.next() < self.n_tasks() && worker < self.limit()
    }
}

/// What is done with one task by one thread of the team.
type TaskFn = unsafe fn(data: *const (), task: usize, worker: usize);

static POOL: LazyLock<ThreadPool> = LazyLock::new(ThreadPool::new);

/// The number of threads that the machine runs at once.
pub(crate) fn available_threads() -> usize {
    static AVAILABLE: OnceLock<usize> = OnceLock::new();
    *AVAILABLE.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS))
}

impl Team {
    /// A team of at most so many threads, the caller among them; the caller alone if the pool is in use.
    pub(crate) fn gather(n_threads: usize) -> Team {
        match n_threads.clamp(1, MAX_THREADS) {
            1 => Team { pool: None, n_threads: 1, is_not_shared: PhantomData },
            n_threads => POOL.team(n_threads),
        }
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
        struct Start<T>(*mut T);
        // SAFETY: threads reach different items through it, which may be sent to them.
        unsafe impl<T: Send> Sync for Start<T> {}
        impl<T> Start<T> {
            fn item(&self, position: usize) -> *mut T {
                self.0.wrapping_add(position)
            }
        }
        let (start, n_items) = (Start(items.as_mut_ptr()), items.len());
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
    /// A pool without workers.
    pub(crate) fn new() -> ThreadPool {
        ThreadPool {
            state: AtomicU64::new(0),
            call: AtomicPtr::new(ptr::null_mut()),
            data: AtomicPtr::new(ptr::null_mut()),
            n_finished: AtomicUsize::new(0),
            is_taken: AtomicBool::new(false),
            asleep: std::array::from_fn(|_| AtomicU64::new(0)),
            n_workers: AtomicUsize::new(0),
            n_started: AtomicUsize::new(0),
            workers: Mutex::new(Vec::new()),
        }
    }

    /// [`Team::gather`] for more than one thread.
    pub(crate) fn team(&'static self, n_threads: usize) -> Team {
        if self.is_taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return Team { pool: None, n_threads: 1, is_not_shared: PhantomData };
        }
        if self.n_workers.load(Ordering::Relaxed) < n_threads - 1 {
            self.grow(n_threads - 1);
        }
        Team { pool: Some(self), n_threads, is_not_shared: PhantomData }
    }

    /// Starts workers until there are so many, and waits until they look for work.
    fn grow(&'static self, n_workers: usize) {
        for worker in self.n_workers.load(Ordering::Relaxed) + 1..=n_workers {
            let spawned = thread::Builder::new().name(format!("pullback-{worker}")).spawn(move || self.serve(worker));
            match spawned {
                Ok(handle) => self.enlist(handle.thread().clone()),
                // The caller does what too few workers leave.
                Err(_) => break,
            }
        }
        // So that what it costs to start a thread is paid here, and not by a later run that is told to allocate nothing.
        while self.n_started.load(Ordering::Acquire) < self.n_workers.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }

    /// Counts a thread among the workers. It serves under the next number, from 1 on.
    pub(crate) fn enlist(&self, worker: Thread) {
        let mut workers = self.workers.lock().expect("invariant: no thread panics while it holds the lock");
        workers.push(worker);
        self.n_workers.store(workers.len(), Ordering::Relaxed);
    }

    fn run<F: Fn(usize, usize) + Sync>(&self, n_tasks: usize, limit: usize, work: &F) {
        /// # Safety
        /// `data` points to an `F` that lives until the task is done.
        unsafe fn call<F: Fn(usize, usize) + Sync>(data: *const (), task: usize, worker: usize) {
            // SAFETY: by this function's contract.
            unsafe { (*data.cast::<F>())(task, worker) }
        }
        assert!(n_tasks <= JobState::MAX_TASKS, "invariant: plans cut fewer tasks");
        self.call.store(call::<F> as TaskFn as *mut (), Ordering::Relaxed);
        self.data.store(ptr::from_ref(work).cast_mut().cast(), Ordering::Relaxed);
        self.n_finished.store(0, Ordering::Relaxed);
        let abort = AbortOnPanic;
        self.state.store(JobState::new(limit, n_tasks).0, Ordering::Release);
        self.wake(limit.min(n_tasks) - 1);
        while let Some(task) = self.claim(0) {
            work(task, 0);
            self.n_finished.fetch_add(1, Ordering::Relaxed);
        }
        let mut n_looks = 0u32;
        while self.n_finished.load(Ordering::Acquire) < n_tasks {
            n_looks += 1;
            if n_looks.is_multiple_of(LOOKS_BEFORE_YIELD) { thread::yield_now() } else { hint::spin_loop() }
        }
        std::mem::forget(abort);
    }

    /// Takes the next task of the job at hand, if there is one and the worker may take part.
    fn claim(&self, worker: usize) -> Option<usize> {
        let mut state = JobState(self.state.load(Ordering::Relaxed));
        while state.has_task(worker) {
            match self.state.compare_exchange_weak(state.0, state.0 + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(state.next()),
                Err(found) => state = JobState(found),
            }
        }
        None
    }

    /// The life of a worker.
    fn serve(&self, worker: usize) {
        let _abort = AbortOnPanic;
        self.n_started.fetch_add(1, Ordering::Release);
        loop {
            self.take_part(worker);
            self.rest(worker);
        }
    }

    /// Does tasks until there is none to take.
    pub(crate) fn take_part(&self, worker: usize) {
        while let Some(task) = self.claim(worker) {
            let (call, data) = (self.call.load(Ordering::Relaxed), self.data.load(Ordering::Relaxed));
            // SAFETY: `run` stored `call` from a `TaskFn` before it published the state that `claim` acquired, and no run
            // stores it again until this task is counted as finished.
            let call = unsafe { std::mem::transmute::<*mut (), TaskFn>(call) };
            // SAFETY: `data` points to the work of the job that the task belongs to, for the same reason, with the type
            // that `call` was made for; its owner waits in `run` until this task is counted as finished.
            unsafe { call(data, task, worker) };
            self.n_finished.fetch_add(1, Ordering::Release);
        }
    }

    /// Waits for a job: awake for a while, then asleep.
    pub(crate) fn rest(&self, worker: usize) {
        // No more than a hint, since `claim` looks again.
        let has_task = || JobState(self.state.load(Ordering::Relaxed)).has_task(worker);
        let spin_time = SpinTime::new();
        while !spin_time.is_over() {
            for _ in 0..LOOKS {
                if has_task() {
                    return;
                }
                hint::spin_loop();
            }
        }
        let (word, bit) = ((worker - 1) / 64, 1u64 << ((worker - 1) % 64));
        loop {
            // Before each sleep, since who wakes it takes the bit. It acquires what `wake` releases.
            self.asleep[word].fetch_or(bit, Ordering::Acquire);
            if has_task() {
                break;
            }
            thread::park();
        }
        self.asleep[word].fetch_and(!bit, Ordering::Relaxed);
    }

    /// Wakes those of the first workers that sleep.
    fn wake(&self, n_workers: usize) {
        for (word, asleep) in self.asleep.iter().enumerate().take(n_workers.div_ceil(64)) {
            let first = word * 64;
            let wanted = if n_workers - first >= 64 { u64::MAX } else { (1 << (n_workers - first)) - 1 };
            // A change even if no bit is set: it releases the state to those that are about to sleep.
            let sleepers = asleep.fetch_and(!wanted, Ordering::Release) & wanted;
            if sleepers != 0 {
                let workers = self.workers.lock().expect("invariant: no thread panics while it holds the lock");
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

    #[test]
    fn teams_of_many_threads_at_once_do_every_task_once() {
        let n_rounds = if cfg!(miri) { 5 } else { 500 };
        thread::scope(|scope| {
            for n_threads in [2, 3, 4] {
                scope.spawn(move || {
                    for round in 0..n_rounds {
                        let mut items = vec![round; 1 + round % 7];
                        Team::gather(n_threads).run_each(&mut items, &|item| *item += 1);
                        assert!(items.iter().all(|item| *item == round + 1));
                    }
                });
            }
        });
    }

    /// What the environment of a process has that panics in a task of the caller, or of a worker.
    const WHO_PANICS: &str = "PULLBACK_TEST_WHO_PANICS";

    #[test]
    #[cfg_attr(miri, ignore = "Miri starts no processes")]
    fn a_panic_in_a_task_ends_the_process_whoever_does_the_task() {
        if let Ok(who) = std::env::var(WHO_PANICS) {
            let caller_panics = who == "caller";
            let is_met = AtomicBool::new(false);
            Team::gather(2).run(2, &|_, worker| {
                // Each of both threads has one task: neither ends before the other has begun.
                if (worker == 0) == caller_panics {
                    while !is_met.load(Ordering::Acquire) {
                        hint::spin_loop();
                    }
                    panic!("in a task of the {who}");
                }
                is_met.store(true, Ordering::Release);
                loop {
                    thread::park();
                }
            });
            unreachable!("one task does not end");
        }
        for who in ["caller", "worker"] {
            let name = "pool::tests::a_panic_in_a_task_ends_the_process_whoever_does_the_task";
            let child = std::process::Command::new(std::env::current_exe().expect("this test"))
                .args(["--exact", name, "--nocapture"])
                .env(WHO_PANICS, who)
                .output()
                .expect("this test can be started");
            let text = String::from_utf8_lossy(&child.stderr);
            assert!(text.contains(&format!("in a task of the {who}")), "{text}");
            // A test that fails by unwinding ends with a code.
            assert!(
                !child.status.success() && child.status.code().is_none_or(|code| code != 101),
                "{:?}",
                child.status
            );
        }
    }
}
