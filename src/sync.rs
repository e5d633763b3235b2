//! The atomics, locks and threads that `pool.rs` synchronizes by: those of the standard library. `models/` compiles the
//! pool with loom's in their place, which try one interleaving after another; nothing else may use this module.

use std::time::{Duration, Instant};
pub(crate) use std::{
    hint,
    sync::{Mutex, atomic},
    thread,
};

/// How long a worker looks for work before it sleeps.
const SPIN_TIME: Duration = Duration::from_micros(100);

/// The time that a worker spends on looking for work.
pub(crate) struct SpinTime(Instant);

impl SpinTime {
    /// Begins now.
    pub(crate) fn new() -> SpinTime {
        SpinTime(Instant::now())
    }

    /// Whether the worker should sleep.
    pub(crate) fn is_over(&self) -> bool {
        self.0.elapsed() > SPIN_TIME
    }
}
