//! What `src/sync.rs` is to the library: here loom's, and workers that sleep at once.

pub(crate) use loom::{
    hint,
    sync::{Mutex, atomic},
    thread,
};

/// None: each look at the state is one more place to switch threads at, and a clock is not the same at every run.
pub(crate) struct SpinTime;

impl SpinTime {
    pub(crate) fn new() -> SpinTime {
        SpinTime
    }

    pub(crate) fn is_over(&self) -> bool {
        true
    }
}
