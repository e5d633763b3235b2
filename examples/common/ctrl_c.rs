//! Ctrl-C as a flag. In: nothing. Out: a flag for `Fit::stop_flag`. A library installs no handler of signals; a program may.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A flag that Ctrl-C sets, so that the training ends before its next step; a second Ctrl-C ends the process at once.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            process::exit(130);
        }
    })?;
    Ok(flag)
}
