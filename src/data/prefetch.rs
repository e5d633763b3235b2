//! Batches that are made ahead, on a thread. In: the batches of an epoch and a scope of threads. Out: the same batches in the same
//! order. A channel of bounded length is between both: who drops the receiving end ends the thread at its next batch.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, sync_channel},
    thread::Scope,
};

use super::{Batch, Batches, DataError};

/// Batches that a thread makes ahead.
#[derive(Debug)]
pub struct Prefetched {
    batches: Receiver<Result<Batch, DataError>>,
}

impl<'s> Batches<'s> {
    /// The same batches in the same order, with up to `n_ahead` of them made ahead (at least one) on a thread of `scope`.
    ///
    /// An error ends the batches, and so does a panic of the source, which comes as [`DataError::Panicked`]. Where the result
    /// is dropped before its end, the thread ends after the batch that it is at.
    ///
    /// # Example
    /// ```
    /// use pullback::data::{self, Batching};
    /// let digits = data::digits();
    /// let n_digits: usize = std::thread::scope(|scope| {
    ///     let batches = Batching::new(100).epoch(&digits, 0, 0)?.prefetch(scope, 2);
    ///     batches.map(|batch| batch.map(|batch| batch.len())).sum::<Result<usize, data::DataError>>()
    /// })?;
    /// assert_eq!(n_digits, 1797);
    /// # Ok::<(), data::DataError>(())
    /// ```
    pub fn prefetch<'scope, 'env>(self, scope: &'scope Scope<'scope, 'env>, n_ahead: usize) -> Prefetched
    where
        's: 'scope,
    {
        let mut batches = self;
        let next = move || {
            // Nothing of the iterator is looked at after a panic.
            let next = catch_unwind(AssertUnwindSafe(|| batches.next()));
            let batch = next.unwrap_or_else(|payload| Some(Err(panicked(payload))))?;
            let is_last = batch.is_err();
            Some((batch, is_last))
        };
        Prefetched { batches: make_ahead(scope, n_ahead, next) }
    }
}

/// What `next` gives, made ahead on a thread of `scope`, to the first that it calls the last.
pub(crate) fn make_ahead<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    n_ahead: usize,
    mut next: impl FnMut() -> Option<(T, bool)> + Send + 'scope,
) -> Receiver<T> {
    // The thread holds what is finished while the channel is full.
    let (sender, receiver) = sync_channel(n_ahead.saturating_sub(1));
    scope.spawn(move || {
        while let Some((made, is_last)) = next() {
            if sender.send(made).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

impl Iterator for Prefetched {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Result<Batch, DataError>> {
        self.batches.recv().ok()
    }
}

/// The error that a panic is.
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> DataError {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = text.or_else(|| payload.downcast_ref::<String>().cloned());
    DataError::Panicked { message: message.unwrap_or_else(|| "a value that is no text".to_owned()) }
}
