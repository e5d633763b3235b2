//! The processes of an MPI job as ranks of a training. In: bytes for each rank. Out: bytes of each rank, by two collective calls of
//! MPI. What they mean, and every addition, is the library's.

use std::{fmt, fs::File, io, process, thread, time::Duration};

use mpi::{
    Count, Threading,
    collective::CommunicatorCollectives,
    datatype::{Partition, PartitionMut},
    environment::{Universe, initialize_with_threading},
    topology::{Communicator as _, SimpleCommunicator},
};
use pullback::train::{Communicator, CommunicatorError};
use thiserror::Error;

use crate::watchdog::{EXIT_CODE, Watchdog};

/// All processes that the launcher has started. [`Trainer::over`](pullback::train::Trainer::over) takes it.
///
/// MPI begins with it and ends where it is dropped, so there is one in a process, once. A process that panics ends the job.
///
/// # Example
/// One line makes the program of one process that of all of them:
/// ```no_run
/// use pullback::{
///     DType, Graph, data::digits, nn::{cross_entropy, linear}, optim::Adam, train::{Fit, Trainer},
/// };
/// let g = Graph::new();
/// let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
/// let trainer = Trainer::new(cross_entropy(linear(x, "out", 10), label), [])?;
/// let mut trainer = trainer.over(pullback_mpi::World::join()?)?;
/// let mut parameters = g.initialize(0)?;
/// // Steps of four batches of eight, which up to four ranks share.
/// let fit = Fit::new(10, 8).accumulate(4);
/// let report = trainer.training(&mut parameters, &mut Adam::new(1e-3)).fit(&digits(), &fit)?;
/// println!("{report}"); // rank 0 alone is heard
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct World {
    /// None only while it is dropped.
    universe: Option<Universe>,
    watchdog: Watchdog,
    rank: usize,
    n_ranks: usize,
}

/// How a process takes part.
///
/// # Example
/// ```
/// use std::time::Duration;
/// let options = pullback_mpi::WorldOptions::new().patience(Duration::from_secs(60)).all_ranks_print();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldOptions {
    patience: Duration,
    printing: Printing,
}

/// Whose standard output is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Printing {
    FirstRank,
    AllRanks,
}

impl WorldOptions {
    /// A patience of ten minutes, and rank 0 alone prints.
    pub fn new() -> WorldOptions {
        WorldOptions { patience: Duration::from_secs(600), printing: Printing::FirstRank }
    }

    /// How long a rank waits for others before it ends the job: longer than one of them may take alone for its batches of a step, for
    /// a checkpoint, or in an observer, and at least 10 milliseconds. A rank that hangs ends the job no later than a tenth after
    /// that.
    #[doc(alias = "timeout")]
    pub fn patience(self, patience: Duration) -> WorldOptions {
        WorldOptions { patience: patience.max(Duration::from_millis(10)), ..self }
    }

    /// Leaves the standard output of ranks other than 0 as it is. Without this it leads nowhere, so that a program prints once;
    /// standard error, with what goes wrong, is always heard.
    pub fn all_ranks_print(self) -> WorldOptions {
        WorldOptions { printing: Printing::AllRanks, ..self }
    }
}

impl Default for WorldOptions {
    fn default() -> WorldOptions {
        WorldOptions::new()
    }
}

/// Why a process cannot take part.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorldError {
    /// MPI was begun before in this process.
    #[error(
        "MPI has begun in this process already, and cannot begin again\n   = help: join once, and give that `World` to `Trainer::over`"
    )]
    AlreadyJoined,
    /// This build of MPI wants calls from one thread alone.
    #[error(
        "this MPI allows calls by threads only as {found:?}, but takes at least Serialized\n   = help: install an MPI with support for \
         threads, such as Debian's libopenmpi-dev"
    )]
    Threads {
        /// What it allows.
        found: Threading,
    },
    /// Standard output cannot be led elsewhere.
    #[error("the standard output of a rank other than 0 cannot be led to /dev/null: {0}")]
    Output(#[from] io::Error),
}

impl World {
    /// Takes part with [the usual options](WorldOptions::new). Without a launcher, it is a world of one process.
    ///
    /// # Errors
    /// [`WorldError`].
    pub fn join() -> Result<World, WorldError> {
        World::join_with(&WorldOptions::new())
    }

    /// [`World::join`] with options.
    ///
    /// # Errors
    /// [`WorldError`].
    pub fn join_with(options: &WorldOptions) -> Result<World, WorldError> {
        // A trainer may move to another thread, but two never call at once: every call takes `&mut self`.
        let (universe, found) = initialize_with_threading(Threading::Serialized).ok_or(WorldError::AlreadyJoined)?;
        if found < Threading::Serialized {
            return Err(WorldError::Threads { found });
        }
        let world = universe.world();
        let (rank, n_ranks) = (to_size(world.rank()), to_size(world.size()));
        if rank != 0 && options.printing == Printing::FirstRank {
            rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?).map_err(io::Error::from)?;
        }
        Ok(World { universe: Some(universe), watchdog: Watchdog::new(rank, options.patience), rank, n_ranks })
    }

    /// Waits in a call of MPI.
    fn wait<R>(&self, call: impl FnOnce(&SimpleCommunicator) -> R) -> R {
        let universe = self.universe.as_ref().expect("invariant: MPI ends when the world is dropped");
        self.watchdog.watch(|| call(&universe.world()))
    }
}

impl Communicator for World {
    fn rank(&self) -> usize {
        self.rank
    }

    fn n_ranks(&self) -> usize {
        self.n_ranks
    }

    fn all_to_all(
        &mut self,
        sent: &[u8],
        sent_lengths: &[usize],
        received: &mut [u8],
        received_lengths: &[usize],
    ) -> Result<(), CommunicatorError> {
        let (sent_counts, sent_starts) = counts(sent_lengths)?;
        let (received_counts, received_starts) = counts(received_lengths)?;
        let mut place = [0];
        let received = if received.is_empty() { &mut place[..0] } else { received };
        let sent = Partition::new(addressed(sent), sent_counts, sent_starts);
        let mut received = PartitionMut::new(received, received_counts, received_starts);
        self.wait(|world| world.all_to_all_varcount_into(&sent, &mut received));
        Ok(())
    }

    fn all_gather(&mut self, own: &[u8], all: &mut [u8], lengths: &[usize]) -> Result<(), CommunicatorError> {
        let (counts, starts) = counts(lengths)?;
        let mut place = [0];
        let all = if all.is_empty() { &mut place[..0] } else { all };
        let mut all = PartitionMut::new(all, counts, starts);
        self.wait(|world| world.all_gather_varcount_into(addressed(own), &mut all));
        Ok(())
    }
}

/// The same bytes, or none at an address of their own: an empty slice may have the address 1, by which OpenMPI means `MPI_IN_PLACE`.
fn addressed(bytes: &[u8]) -> &[u8] {
    static PLACE: [u8; 1] = [0];
    if bytes.is_empty() { &PLACE[..0] } else { bytes }
}

/// Lengths and starts of parts as MPI counts them.
fn counts(lengths: &[usize]) -> Result<(Vec<Count>, Vec<Count>), CommunicatorError> {
    let total: usize = lengths.iter().sum();
    if Count::try_from(total).is_err() {
        return Err(CommunicatorError::new(format!(
            "{total} bytes are exchanged at once, but MPI takes at most {}; measure in smaller batches (`Trainer::measure_by`)",
            Count::MAX
        )));
    }
    // Each is at most the total, which fits.
    let counts: Vec<Count> = lengths.iter().map(|length| *length as Count).collect();
    let starts = counts.iter().scan(0, |start, count| {
        *start += count;
        Some(*start - count)
    });
    let starts = starts.collect();
    Ok((counts, starts))
}

fn to_size(number: i32) -> usize {
    usize::try_from(number).expect("invariant: ranks are not negative")
}

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            // The others are at some other call, and would wait for this one.
            eprintln!("pullback-mpi: rank {} has panicked, and the job ends", self.rank);
            process::exit(EXIT_CODE);
        }
        let universe = self.universe.take();
        // MPI ends when all ranks do.
        self.watchdog.watch(|| drop(universe));
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("rank", &self.rank).field("n_ranks", &self.n_ranks).finish_non_exhaustive()
    }
}
