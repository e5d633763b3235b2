//! The batches of an epoch on their way. In: a source and how it is cut. Out: its batches, made ahead by a thread if that is wanted,
//! for as long as somebody uses them.

use std::{iter::Peekable, thread};

use super::TrainError;
use crate::data::{Batch, Batching, DataError, Source};

/// The batches of an epoch that are still to come.
pub(super) type Coming<'b> = Peekable<Box<dyn Iterator<Item = Result<Batch, DataError>> + 'b>>;

/// Hands over the batches of an epoch, without the first `n_done`, and how many it has in all if that is known. A thread that makes
/// them ahead ends before this returns.
pub(super) fn with_batches<R>(
    batching: &Batching,
    source: &dyn Source,
    (seed, epoch): (u64, u64),
    n_done: usize,
    work: impl FnOnce(Coming<'_>, Option<usize>) -> Result<R, TrainError>,
) -> Result<R, TrainError> {
    thread::scope(|scope| {
        let batches = batching.epoch(source, seed, epoch)?;
        let n_batches = batches.n_batches();
        let batches = batches.skip_batches(n_done);
        let coming: Box<dyn Iterator<Item = Result<Batch, DataError>>> = match batching.n_ahead() {
            0 => Box::new(batches),
            n_ahead => Box::new(batches.prefetch(scope, n_ahead)),
        };
        work(coming.peekable(), n_batches)
    })
}
