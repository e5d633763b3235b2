//! A pass over a source that ranks share. In: the batches of a rank. Out: what was computed of all batches, in their order, on every
//! rank: whoever adds up numbers adds the same ones in the same order on any number of ranks.

use super::{TrainError, coming::Coming, communicator::SharedCommunicator};
use crate::data::Batch;

/// As many batches at a time as there are ranks, one on each.
pub(super) struct Rounds<'b> {
    coming: Coming<'b>,
    communicator: SharedCommunicator,
    /// Batches that are done.
    n_done: usize,
}

impl<'b> Rounds<'b> {
    pub(super) fn new(coming: Coming<'b>, communicator: &SharedCommunicator) -> Rounds<'b> {
        Rounds { coming, communicator: communicator.clone(), n_done: 0 }
    }

    /// What `compute` makes of each batch of the next round, as words, with its position; none after the last.
    pub(super) fn next(
        &mut self,
        compute: impl FnOnce(usize, Batch) -> Result<Vec<u64>, TrainError>,
    ) -> Result<Option<Vec<Vec<u64>>>, TrainError> {
        if !self.coming.has(self.n_done) {
            return Ok(None);
        }
        self.n_done += self.communicator.n_ranks;
        let own = self.coming.before(self.n_done).next();
        let own =
            own.map(|batch| batch.map_err(TrainError::from).and_then(|(position, batch)| compute(position, batch)));
        Ok(Some(self.communicator.collect(own)?.into_iter().flatten().collect()))
    }
}

/// The bits of numbers as words.
pub(super) fn bits(numbers: impl IntoIterator<Item = f64>) -> Vec<u64> {
    numbers.into_iter().map(f64::to_bits).collect()
}
