//! Models of the library's pool of threads: its very source, compiled with loom's atomics, locks and threads, which run
//! each model once for every order in which threads may take turns, and for every value that a load may see by its
//! ordering. How often a turn is taken from a thread that could go on is bounded, by a number that each model has.
//!
//! `cargo run --manifest-path models/Cargo.toml --target-dir target [text]` checks all models, or those whose name
//! contains a text.
//!
//! What a model finds is a panic of an assertion, of a cell (`loom::cell`) that two threads touch at once or in no order,
//! or of loom: a deadlock, or a loop that does not end. Where it unwinds through a run, the process aborts as it does in
//! the library. docs/decisions/0007-own-pool.md says what was broken on purpose, to see it found.

#[allow(dead_code, reason = "the library uses the rest")]
#[path = "../../src/pool.rs"]
mod pool;
mod sync;

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::{Condvar, Mutex},
    thread::{self, JoinHandle},
};

use pool::{Team, ThreadPool};

/// A name, how often a thread that could go on is made to wait, and what is checked.
type Model = (&'static str, usize, fn());

const MODELS: &[Model] = &[
    ("a_worker_is_woken", 5, || Company::hire(1).dismiss(0)),
    ("two_workers_are_woken", 2, || Company::hire(2).dismiss(0)),
    ("one_worker_and_jobs_of_one_shape", 3, || jobs(1, &[2])),
    ("one_worker_and_jobs_of_two_shapes", 3, || jobs(1, &[3])),
    ("one_worker_and_three_jobs", 2, || jobs(1, &[2, 2])),
    ("two_workers_and_two_jobs", 1, || jobs(2, &[3])),
    ("two_workers_and_fewer_tasks_than_threads", 1, || jobs(2, &[2])),
    ("a_second_caller_works_alone", 2, two_callers),
];

fn main() {
    let wanted = env::args().nth(1).unwrap_or_default();
    let chosen: Vec<&Model> = MODELS.iter().filter(|(name, ..)| name.contains(&wanted)).collect();
    assert!(!chosen.is_empty(), "no model has `{wanted}` in its name");
    for (name, bound, model) in chosen {
        let (n_runs, since) = (Arc::new(AtomicUsize::new(0)), Instant::now());
        let counter = n_runs.clone();
        let mut builder = Builder::new();
        builder.preemption_bound = Some(*bound);
        builder.max_branches = 10_000;
        builder.check(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            model();
        });
        let seconds = since.elapsed().as_secs_f64();
        println!("{name}: {} interleavings in {seconds:.1} s", n_runs.load(Ordering::Relaxed));
    }
}

/// A pool with workers that can be dismissed, which those of the library never are.
struct Company {
    pool: &'static ThreadPool,
    workers: Vec<JoinHandle<()>>,
    /// Set by each worker itself, so that it is no part of what the model tries.
    is_dismissed: Arc<Vec<AtomicBool>>,
}

impl Company {
    fn hire(n_workers: usize) -> Company {
        let pool: &'static ThreadPool = Box::leak(Box::new(ThreadPool::new()));
        let is_dismissed: Arc<Vec<AtomicBool>> = Arc::new((0..=n_workers).map(|_| AtomicBool::new(false)).collect());
        let hire = |worker: usize| {
            let is_dismissed = is_dismissed.clone();
            let handle = thread::spawn(move || {
                loop {
                    pool.take_part(worker);
                    if is_dismissed[worker].load(Ordering::Relaxed) {
                        break;
                    }
                    pool.rest(worker);
                }
            });
            pool.enlist(handle.thread().clone());
            handle
        };
        let workers = (1..=n_workers).map(hire).collect();
        Company { pool, workers, is_dismissed }
    }

    fn team(&self) -> Team {
        self.pool.team(self.workers.len() + 1)
    }

    /// A last job, with a task for each thread that waits for those of all others: a worker that sleeps through it is a
    /// deadlock.
    fn dismiss(self, number: usize) {
        let n_threads = self.workers.len() + 1;
        let (n_arrived, all_arrived) = (Mutex::new(0), Condvar::new());
        let job = Job::new(number, n_threads);
        let team = self.team();
        assert!(team.pool.is_some(), "a team that was dropped has left the pool taken");
        team.run(n_threads, &|task, worker| {
            job.task(number, task);
            self.is_dismissed[worker].store(true, Ordering::Relaxed);
            let mut n = n_arrived.lock().expect("no thread panics while it holds the lock");
            *n += 1;
            all_arrived.notify_all();
            while *n < n_threads {
                n = all_arrived.wait(n).expect("no thread panics while it holds the lock");
            }
        });
        job.end();
        self.workers.into_iter().for_each(|worker| worker.join().expect("no worker panics"));
        drop(team);
        // SAFETY: it was leaked when the workers were hired; they have ended, and so have all teams.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(self.pool).cast_mut()) });
    }
}

/// What a run borrows: a cell that every task reads, and one that its own task alone writes.
struct Job {
    number: UnsafeCell<usize>,
    n_done: Vec<UnsafeCell<usize>>,
}

// SAFETY: the cells are loom's, which panic where two threads touch one in no order.
unsafe impl Sync for Job {}

impl Job {
    fn new(number: usize, n_tasks: usize) -> Job {
        Job { number: UnsafeCell::new(number), n_done: (0..n_tasks).map(|_| UnsafeCell::new(0)).collect() }
    }

    fn task(&self, number: usize, task: usize) {
        // SAFETY: loom checks that nobody writes it meanwhile.
        let found = self.number.with(|found| unsafe { *found });
        assert_eq!(found, number, "a task of one job is done with the data of another");
        // SAFETY: loom checks that nobody else touches it meanwhile.
        self.n_done[task].with_mut(|n_done| unsafe { *n_done += 1 });
    }

    /// Uses everything for something else, as the owner may once the run has returned.
    fn end(self) {
        // SAFETY: loom checks that nobody touches it meanwhile, or may do so later.
        self.number.with_mut(|number| unsafe { *number = usize::MAX });
        for n_done in &self.n_done {
            // SAFETY: as above.
            assert_eq!(n_done.with_mut(|n_done| unsafe { *n_done }), 1, "every task is done once");
        }
    }
}

/// Jobs of so many tasks, one after the other, before the last one.
fn jobs(n_workers: usize, n_tasks: &[usize]) {
    let company = Company::hire(n_workers);
    let team = company.team();
    for (number, &n_tasks) in n_tasks.iter().enumerate() {
        let job = Job::new(number, n_tasks);
        team.run(n_tasks, &|task, worker| {
            assert!(worker <= n_workers);
            job.task(number, task);
        });
        job.end();
    }
    drop(team);
    company.dismiss(n_tasks.len());
}

/// Two threads ask for the pool. Who has it writes a cell that loom sees; who finds it taken is alone with its tasks.
fn two_callers() {
    let company = Company::hire(1);
    let owned = Arc::new(Owned(UnsafeCell::new(0)));
    let call = |number: usize| {
        let (owned, pool) = (owned.clone(), company.pool);
        move || {
            let team = pool.team(2);
            let has_pool = team.pool.is_some();
            if has_pool {
                // SAFETY: loom checks that nobody else has the pool.
                owned.0.with_mut(|n_owners| unsafe { *n_owners += 1 });
            }
            let job = Job::new(number, 2);
            team.run(2, &|task, worker| {
                assert!(worker == 0 || has_pool);
                job.task(number, task);
            });
            job.end();
        }
    };
    let other = thread::spawn(call(1));
    call(0)();
    other.join().expect("no caller panics");
    // SAFETY: both callers have ended.
    assert!(owned.0.with(|n_owners| unsafe { *n_owners }) >= 1, "one of them had the pool");
    company.dismiss(2);
}

/// What belongs to the owner of the pool.
struct Owned(UnsafeCell<usize>);

// SAFETY: the cell is loom's, which panics where two threads touch it in no order.
unsafe impl Sync for Owned {}
// SAFETY: as above.
unsafe impl Send for Owned {}
