//! Several processes that train one model. In: what this process hands to the others. Out: what all of them handed over, in the order
//! of their ranks, so that each of them decides the same. How bytes travel is left to whoever implements [`Communicator`]; a trainer
//! without one is a process alone.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use thiserror::Error;
use zerocopy::IntoBytes;

use super::{TrainError, report::Stop};

/// The processes that train one model together, each with a number, its rank, from 0: as one of them sees them.
///
/// [`Trainer::over`](super::Trainer::over) says what they do with it. Every rank calls the same methods in the same order; a call
/// returns when all have made it. What they exchange is bytes in the machine's own order: all ranks are of one architecture.
///
/// # Example
/// Threads in the place of processes, each with a channel to every other:
/// ```
/// use std::sync::mpsc::{Receiver, Sender, channel};
/// use pullback::train::{Communicator, CommunicatorError};
///
/// #[derive(Debug)]
/// struct Thread {
///     rank: usize,
///     to: Vec<Sender<Vec<u8>>>,
///     from: Vec<Receiver<Vec<u8>>>,
/// }
///
/// impl Communicator for Thread {
///     fn rank(&self) -> usize {
///         self.rank
///     }
///
///     fn n_ranks(&self) -> usize {
///         self.to.len()
///     }
///
///     fn all_to_all(
///         &mut self,
///         mut sent: &[u8],
///         sent_lengths: &[usize],
///         received: &mut [u8],
///         received_lengths: &[usize],
///     ) -> Result<(), CommunicatorError> {
///         let lost = |rank: usize| CommunicatorError::new(format!("rank {rank} is gone"));
///         for (rank, length) in sent_lengths.iter().enumerate() {
///             let (part, rest) = sent.split_at(*length);
///             self.to[rank].send(part.to_vec()).map_err(|_| lost(rank))?;
///             sent = rest;
///         }
///         let mut start = 0;
///         for (rank, length) in received_lengths.iter().enumerate() {
///             let part = self.from[rank].recv().map_err(|_| lost(rank))?;
///             received[start..start + length].copy_from_slice(&part);
///             start += length;
///         }
///         Ok(())
///     }
/// }
///
/// let (to, from) = channel();
/// let mut alone = Thread { rank: 0, to: vec![to], from: vec![from] };
/// let mut all = [0; 3];
/// alone.all_gather(&[1, 2, 3], &mut all, &[3])?;
/// assert_eq!(all, [1, 2, 3]);
/// # Ok::<(), CommunicatorError>(())
/// ```
#[doc(alias("ProcessGroup", "MPI_Comm"))]
pub trait Communicator: fmt::Debug + Send {
    /// Which of the ranks this process is.
    fn rank(&self) -> usize;

    /// How many ranks there are, at least 1.
    fn n_ranks(&self) -> usize;

    /// Sends a part of `sent` to each rank, and receives one from each. The parts lie one after another, that of rank 0 first: part r
    /// of `sent`, of `sent_lengths[r]` bytes, goes to rank r, and part r of `received`, of `received_lengths[r]` bytes, comes from
    /// it. A rank has a part for itself, and parts may be empty.
    ///
    /// # Errors
    /// Another rank is not reached.
    fn all_to_all(
        &mut self,
        sent: &[u8],
        sent_lengths: &[usize],
        received: &mut [u8],
        received_lengths: &[usize],
    ) -> Result<(), CommunicatorError>;

    /// Sends `own` to every rank, this one among them, and receives into `all` what each sent, that of rank 0 first: rank r
    /// sends `lengths[r]` bytes.
    ///
    /// # Errors
    /// Another rank is not reached.
    fn all_gather(&mut self, own: &[u8], all: &mut [u8], lengths: &[usize]) -> Result<(), CommunicatorError> {
        let n_ranks = self.n_ranks();
        self.all_to_all(&own.repeat(n_ranks), &vec![own.len(); n_ranks], all, lengths)
    }
}

/// Another rank is not reached. What a training has done since its last checkpoint is lost then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the ranks of this training no longer reach each other: {reason}")]
pub struct CommunicatorError {
    reason: String,
}

impl CommunicatorError {
    /// With what is known of it.
    pub fn new(reason: impl Into<String>) -> CommunicatorError {
        CommunicatorError { reason: reason.into() }
    }
}

/// One process.
#[derive(Debug)]
struct Alone;

impl Communicator for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn n_ranks(&self) -> usize {
        1
    }

    fn all_to_all(
        &mut self,
        sent: &[u8],
        _: &[usize],
        received: &mut [u8],
        _: &[usize],
    ) -> Result<(), CommunicatorError> {
        received.copy_from_slice(sent);
        Ok(())
    }
}

/// A communicator that a trainer and its trainings share.
#[derive(Debug, Clone)]
pub(super) struct SharedCommunicator {
    communicator: Arc<Mutex<dyn Communicator>>,
    pub(super) rank: usize,
    pub(super) n_ranks: usize,
}

/// What a rank has to say, in the first of its two words; the second is the number of bytes that follow.
const NOTHING: u64 = 0;
const DONE: u64 = 1;
const FAILED: u64 = 2;

impl SharedCommunicator {
    /// One process.
    pub(super) fn alone() -> SharedCommunicator {
        SharedCommunicator::new(Alone)
    }

    pub(super) fn new(communicator: impl Communicator + 'static) -> SharedCommunicator {
        let (rank, n_ranks) = (communicator.rank(), communicator.n_ranks());
        SharedCommunicator { communicator: Arc::new(Mutex::new(communicator)), rank, n_ranks }
    }

    pub(super) fn is_alone(&self) -> bool {
        self.n_ranks == 1
    }

    /// For calls that belong together.
    pub(super) fn lock(&self) -> MutexGuard<'_, dyn Communicator + 'static> {
        // A call that panicked has left nothing here half done.
        self.communicator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What every rank computed, if it had something to compute. An error of any rank is one on all of them: the rank's own, or what
    /// the first other one says.
    pub(super) fn collect(
        &self,
        own: Option<Result<Vec<u64>, TrainError>>,
    ) -> Result<Vec<Option<Vec<u64>>>, TrainError> {
        if self.is_alone() {
            return Ok(vec![own.transpose()?]);
        }
        let (kind, bytes) = match &own {
            None => (NOTHING, Vec::new()),
            Some(Ok(words)) => (DONE, words.as_bytes().to_vec()),
            Some(Err(error)) => (FAILED, error.to_string().into_bytes()),
        };
        let all = self.gather(kind, &bytes);
        if let Some(Err(error)) = own {
            return Err(error);
        }
        let told = all?.into_iter().enumerate().map(|(rank, (kind, bytes))| match kind {
            NOTHING => Ok(None),
            DONE => Ok(Some(words_of(&bytes))),
            _ => Err(TrainError::OtherRank { rank, message: String::from_utf8_lossy(&bytes).into_owned() }),
        });
        told.collect()
    }

    /// A word and some bytes of every rank.
    fn gather(&self, word: u64, own: &[u8]) -> Result<Vec<(u64, Vec<u8>)>, TrainError> {
        let mut communicator = self.lock();
        let mut heads = vec![[0u64; 2]; self.n_ranks];
        let head = [word, own.len() as u64];
        communicator.all_gather(head.as_bytes(), heads.as_mut_bytes(), &vec![size_of_val(&head); self.n_ranks])?;
        let lengths: Vec<usize> = heads.iter().map(|[_, length]| *length as usize).collect();
        let mut all = vec![0; lengths.iter().sum()];
        if !all.is_empty() {
            communicator.all_gather(own, &mut all, &lengths)?;
        }
        let mut rest = &all[..];
        let parts = heads.iter().zip(lengths).map(|([word, _], length)| {
            let (part, after) = rest.split_at(length);
            rest = after;
            (*word, part.to_vec())
        });
        Ok(parts.collect())
    }

    /// Whether a training ends, and why: what the first rank with a wish wishes.
    pub(super) fn agree(&self, own: Result<Option<Stop>, TrainError>) -> Result<Option<Stop>, TrainError> {
        if self.is_alone() {
            return own;
        }
        let told = self.collect(Some(own.map(|stop| vec![stop.map_or(0, stop_word)])))?;
        Ok(told.into_iter().flatten().flatten().find_map(stop_of))
    }
}

fn words_of(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)).collect()
}

const STOPS: [Stop; 4] = [Stop::Epochs, Stop::Patience, Stop::Observer, Stop::Flag];

fn stop_word(stop: Stop) -> u64 {
    STOPS.iter().position(|known| *known == stop).map_or(0, |position| position as u64 + 1)
}

fn stop_of(word: u64) -> Option<Stop> {
    STOPS.get(usize::try_from(word).ok()?.checked_sub(1)?).copied()
}
