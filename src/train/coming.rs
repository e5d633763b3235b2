//! The batches of an epoch on their way. In: a source, how it is cut, and which of the batches are this rank's. Out: these, made
//! ahead by a thread if that is wanted, for as long as somebody uses them.

use std::{
    iter::{Peekable, from_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use super::{TrainError, communicator::SharedCommunicator};
use crate::data::{Batch, Batches, Batching, DataError, Source, make_ahead, panicked};

/// Which batches a rank computes: of each group of so many, a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    group_size: usize,
    rank: usize,
    n_ranks: usize,
}

impl Share {
    /// Of groups of so many batches, blocks of about the same size.
    pub(super) fn of_groups(group_size: usize, communicator: &SharedCommunicator) -> Share {
        Share { group_size, rank: communicator.rank, n_ranks: communicator.n_ranks }
    }

    /// One of each group of as many batches as there are ranks.
    pub(super) fn of_rounds(communicator: &SharedCommunicator) -> Share {
        Share::of_groups(communicator.n_ranks, communicator)
    }

    /// Whether the batch at a position of an epoch is this rank's. A group is no larger than the epoch, which may be of no batch.
    fn is_own(self, position: usize, n_batches: Option<usize>) -> bool {
        let n_places = n_batches.map_or(self.group_size, |n_batches| self.group_size.min(n_batches.max(1)));
        let place = position % self.group_size;
        // In u128, in which no product overflows.
        place as u128 * self.n_ranks as u128 / n_places as u128 == self.rank as u128
    }
}

/// One pass over a source.
pub(super) struct Pass<'p> {
    pub(super) batching: &'p Batching,
    pub(super) source: &'p dyn Source,
    /// Seed and epoch.
    pub(super) key: (u64, u64),
    /// Batches from the start on that are left out.
    pub(super) n_done: usize,
    pub(super) share: Share,
}

impl Pass<'_> {
    /// Hands over the batches that are still to come, and how many the epoch has in all if that is known. A thread that makes them
    /// ahead ends before this returns.
    pub(super) fn with_batches<R>(
        &self,
        work: impl FnOnce(Coming<'_>, Option<usize>) -> Result<R, TrainError>,
    ) -> Result<R, TrainError> {
        let Pass { batching, source, key: (seed, epoch), n_done, share } = *self;
        thread::scope(|scope| {
            let batches = batching.epoch(source, seed, epoch)?;
            let n_batches = batches.n_batches();
            let batches = batches.skip_batches(n_done);
            let mut own = OwnBatches { batches, n_batches, position: n_done, share, is_over: false };
            let arriving: Box<dyn Iterator<Item = Arrival>> = match batching.n_ahead() {
                0 => Box::new(own),
                n_ahead => Box::new(make_ahead(scope, n_ahead, move || own.next_caught()).into_iter()),
            };
            work(Coming(arriving.peekable()), n_batches)
        })
    }
}

/// The batches of a rank that are still to come.
pub(super) struct Coming<'b>(Peekable<Box<dyn Iterator<Item = Arrival> + 'b>>);

impl Coming<'_> {
    /// Whether the epoch has a batch at a position behind those that came, on any rank.
    pub(super) fn has(&mut self, position: usize) -> bool {
        match self.0.peek() {
            Some(Arrival::End { n_batches }) => position < *n_batches,
            Some(Arrival::Batch { .. }) => true,
            None => false,
        }
    }

    /// The next batches of this rank before a position.
    pub(super) fn before(&mut self, end: usize) -> impl Iterator<Item = Result<(usize, Batch), DataError>> {
        from_fn(move || {
            let is_before = |arrival: &Arrival| matches!(arrival, Arrival::Batch { position, .. } if *position < end);
            match self.0.next_if(is_before)? {
                Arrival::Batch { position, batch } => Some(batch.map(|batch| (position, batch))),
                Arrival::End { .. } => None,
            }
        })
    }
}

/// What comes next of an epoch.
enum Arrival {
    /// A batch of this rank, or why it cannot be had.
    Batch { position: usize, batch: Result<Batch, DataError> },
    /// There were so many, with those of all ranks.
    End { n_batches: usize },
}

/// The batches of a rank, read when they are asked for, and then the end.
struct OwnBatches<'s> {
    batches: Batches<'s>,
    n_batches: Option<usize>,
    /// That of the next batch.
    position: usize,
    share: Share,
    is_over: bool,
}

impl OwnBatches<'_> {
    /// The next, and whether it is the last; a panic of the source is an error.
    fn next_caught(&mut self) -> Option<(Arrival, bool)> {
        // After a panic nothing is looked at but the position.
        let next = catch_unwind(AssertUnwindSafe(|| self.next()));
        let arrival = next.unwrap_or_else(|payload| {
            Some(Arrival::Batch { position: self.position, batch: Err(panicked(payload)) })
        })?;
        let is_last = matches!(arrival, Arrival::End { .. } | Arrival::Batch { batch: Err(_), .. });
        Some((arrival, is_last))
    }
}

impl Iterator for OwnBatches<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        while !self.is_over {
            let position = self.position;
            let next = if self.share.is_own(position, self.n_batches) {
                self.batches.next().map(|batch| Some(batch).transpose())
            } else {
                self.batches.pass_over().map(|passed| passed.map(|()| None))
            };
            match next {
                None => {
                    self.is_over = true;
                    return Some(Arrival::End { n_batches: position });
                }
                Some(read) => {
                    self.position += 1;
                    if let Some(batch) = read.transpose() {
                        return Some(Arrival::Batch { position, batch });
                    }
                }
            }
        }
        None
    }
}
