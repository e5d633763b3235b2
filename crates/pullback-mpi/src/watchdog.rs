//! The end of a job in which a rank hangs. In: when this rank begins to wait for others, and when it has them. Out: nothing, or the
//! end of the process, from a thread of its own, which the launcher answers by ending all ranks. What a wait is for is not known
//! here.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The exit code of a process that gave up waiting: a failure that may be gone at the next try.
pub(crate) const EXIT_CODE: i32 = 75;

/// Ends the process after it has waited for too long.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    /// Nanoseconds from the start to that of the wait, or [`NOT_WAITING`].
    since: AtomicU64,
    is_over: AtomicBool,
}

const NOT_WAITING: u64 = u64::MAX;

/// How many times the wait is looked at until it is too long.
const N_LOOKS: u32 = 10;

impl Watchdog {
    /// Of the rank of that number; a wait is too long after `patience`, and ends a tenth later at the latest.
    pub(crate) fn new(rank: usize, patience: Duration) -> Watchdog {
        let (start, since, is_over) = (Instant::now(), AtomicU64::new(NOT_WAITING), AtomicBool::new(false));
        let shared = Arc::new(Shared { start, since, is_over });
        let watched = Arc::clone(&shared);
        let watch = move || {
            while !watched.is_over.load(Ordering::Acquire) {
                thread::park_timeout(patience / N_LOOKS);
                if watched.waited().is_some_and(|waited| waited >= patience) {
                    give_up(rank, patience);
                }
            }
        };
        Watchdog { shared, thread: Some(thread::spawn(watch)) }
    }

    /// Does what may wait for other ranks.
    pub(crate) fn watch<R>(&self, wait: impl FnOnce() -> R) -> R {
        let now = u64::try_from(self.shared.start.elapsed().as_nanos()).unwrap_or(NOT_WAITING);
        self.shared.since.store(now, Ordering::Release);
        let result = wait();
        self.shared.since.store(NOT_WAITING, Ordering::Release);
        result
    }
}

impl Shared {
    /// How long the process waits already, if it does.
    fn waited(&self) -> Option<Duration> {
        let since = Some(self.since.load(Ordering::Acquire)).filter(|since| *since != NOT_WAITING)?;
        Some(self.start.elapsed().saturating_sub(Duration::from_nanos(since)))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has nothing to give, and a panic of it is told already.
            let _ = thread.join();
        }
    }
}

/// Ends the process, and by that the job: the launcher ends all ranks where one exits without its goodbye.
fn give_up(rank: usize, patience: Duration) -> ! {
    eprintln!(
        "pullback-mpi: rank {rank} has waited {patience:?} for the other ranks, of which one hangs or is lost. The job ends. A training \
         with `Checkpoint::resume` goes on from its last checkpoint when it is started again, on any number of ranks; \
         `WorldOptions::patience` is for ranks that take longer."
    );
    process::exit(EXIT_CODE)
}
