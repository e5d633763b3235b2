//! Which examples come together, and in which order. In: a source, a seed and the number of an epoch. Out: [`Batches`], an
//! iterator over the epoch. The order depends on these alone; no generator lives on from one epoch to the next.

use std::{collections::VecDeque, fmt};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{Batch, DataError, Source};

/// How an epoch is cut into batches: so many examples each, in which order, and what becomes of a last one that is shorter. In
/// random order with the last one kept unless said otherwise.
///
/// The order is drawn by ChaCha8 with the seed as key and the number of the epoch as stream, so that it is known by both alone:
/// a training that goes on after a stop sees the batches that it would have seen. The same on every machine.
///
/// # Example
/// ```
/// use pullback::data::{self, Batching};
/// # fn main() -> Result<(), pullback::data::DataError> {
/// let digits = data::digits();
/// let sizes = |batching: Batching| -> Result<Vec<usize>, data::DataError> {
///     batching.epoch(&digits, 0, 0)?.map(|batch| batch.map(|batch| batch.len())).collect()
/// };
/// assert_eq!(sizes(Batching::new(500))?, [500, 500, 500, 297]);
/// assert_eq!(sizes(Batching::new(500).drop_last())?, [500, 500, 500]);
/// let first = |epoch| Batching::new(32).epoch(&digits, 0, epoch)?.next().expect("there are digits");
/// assert_eq!(first(5)?, first(5)?);
/// assert_ne!(first(5)?, first(6)?);
/// # Ok(())
/// # }
/// ```
#[doc(alias("DataLoader", "data_loader", "sampler"))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batching {
    size: usize,
    order: Order,
    is_last_kept: bool,
    n_ahead: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Shuffled,
    Ascending,
    /// Shuffled in blocks of so many batches.
    Within(usize),
    /// Sorted by length in blocks of so many batches.
    ByLength(usize),
    Continued,
}

impl Batching {
    /// Batches of so many examples.
    pub fn new(size: usize) -> Batching {
        Batching { size, order: Order::Shuffled, is_last_kept: true, n_ahead: 0 }
    }

    /// In the order of the source.
    pub fn in_order(self) -> Batching {
        Batching { order: Order::Ascending, ..self }
    }

    /// In random order within blocks of so many batches, one block after the other: for sources that are read in their order, as
    /// iterators and large files.
    #[doc(alias = "shuffle_buffer")]
    pub fn shuffled_within(self, n_batches: usize) -> Batching {
        Batching { order: Order::Within(n_batches), ..self }
    }

    /// With examples of about the same length in a batch, so that little is padded: all are shuffled, then sorted by length
    /// within blocks of so many batches, and the batches of each block are shuffled. A last shorter one stays the last.
    #[doc(alias = "bucket")]
    pub fn by_length(self, n_batches: usize) -> Batching {
        Batching { order: Order::ByLength(n_batches), ..self }
    }

    /// With each place of a batch going on where it ended in the batch before: the source is cut into as many parts as a batch
    /// has places, each of n div size examples, and batch k is the k-th example of every part; what is left over is dropped. For
    /// windows of a stream of tokens and truncated backpropagation.
    ///
    /// # Example
    /// ```
    /// use pullback::data::{Batching, Dataset};
    /// let numbers = Dataset::new().column("x", (0..7).collect::<Vec<i64>>())?;
    /// let mut batches = Batching::new(2).continued().epoch(&numbers, 0, 0)?;
    /// assert_eq!(batches.next().transpose()?.map(|batch| batch.rows().to_vec()), Some(vec![0, 3]));
    /// assert_eq!(batches.next().transpose()?.map(|batch| batch.rows().to_vec()), Some(vec![1, 4]));
    /// # Ok::<(), pullback::data::DataError>(())
    /// ```
    #[doc(alias("stateful", "tbptt"))]
    pub fn continued(self) -> Batching {
        Batching { order: Order::Continued, ..self }
    }

    /// Without a last batch that is shorter than the others.
    pub fn drop_last(self) -> Batching {
        Batching { is_last_kept: false, ..self }
    }

    /// With so many batches made ahead by a thread while a training works on another, in the same order.
    /// [`Batches::prefetch`] does it for a loop of one's own.
    #[doc(alias("workers", "num_workers"))]
    pub fn prefetch(self, n_batches: usize) -> Batching {
        Batching { n_ahead: n_batches, ..self }
    }

    /// One epoch of a source.
    ///
    /// # Errors
    /// The size, or that of a block, is 0; or the source does not know how many examples or how long they are, where the order
    /// needs it.
    pub fn epoch<'s>(&self, source: &'s dyn Source, seed: u64, epoch: u64) -> Result<Batches<'s>, DataError> {
        if self.size == 0 || matches!(self.order, Order::Within(0) | Order::ByLength(0)) {
            return Err(DataError::EmptyBatch);
        }
        let size = self.size;
        let plan = match (source.n_examples(), self.order) {
            (Some(n), order) => {
                let mut rows = order.rows(source, n, size, (seed, epoch))?;
                if !self.is_last_kept {
                    rows.truncate(rows.len() / size * size);
                }
                Remaining::Rows { rows: rows.into_iter(), size }
            }
            (None, Order::Ascending) => Remaining::Blocks(BlocksLeft::new(self, 1, None)),
            (None, Order::Within(n)) => Remaining::Blocks(BlocksLeft::new(self, n, Some((seed, epoch)))),
            (None, Order::Shuffled | Order::ByLength(_) | Order::Continued) => return Err(DataError::UnknownLength),
        };
        Ok(Batches { source, epoch, plan })
    }

    /// Whether each place of a batch goes on where it ended in the batch before, of a source of so many examples. One that does not
    /// know how many gives its rows place by place by itself.
    pub(crate) fn is_continued(&self, n_examples: Option<usize>) -> bool {
        match self.order {
            Order::Continued => true,
            Order::Ascending => self.size == 1 || n_examples.is_none(),
            Order::Shuffled | Order::Within(_) | Order::ByLength(_) => false,
        }
    }

    /// Whether a source must know how many examples it has.
    pub(crate) fn needs_length(&self) -> bool {
        match self.order {
            Order::Shuffled | Order::ByLength(_) | Order::Continued => true,
            Order::Ascending | Order::Within(_) => false,
        }
    }

    /// Of fewer examples there is no batch.
    pub(crate) fn fewest_examples(&self) -> usize {
        let needs_whole_batch = match self.order {
            Order::Continued => true,
            Order::Shuffled | Order::Ascending | Order::Within(_) | Order::ByLength(_) => !self.is_last_kept,
        };
        if needs_whole_batch { self.size } else { 1 }
    }

    pub(crate) fn n_ahead(&self) -> usize {
        self.n_ahead
    }
}

/// What decides about the batches of an epoch beside the seed.
impl fmt::Display for Batching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.size)?;
        match self.order {
            Order::Shuffled => f.write_str("in random order")?,
            Order::Ascending => f.write_str("in order")?,
            Order::Within(n) => write!(f, "in random order within {n} batches")?,
            Order::ByLength(n) => write!(f, "by length within {n} batches")?,
            Order::Continued => f.write_str("continued")?,
        }
        f.write_str(if self.is_last_kept { "" } else { ", a shorter last one dropped" })
    }
}

impl From<usize> for Batching {
    fn from(size: usize) -> Batching {
        Batching::new(size)
    }
}

/// The generator of an epoch.
fn generator((seed, epoch): (u64, u64)) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch);
    rng
}

/// Shuffles a block. Each has a part of the stream for itself, so that no block needs to know the others.
fn shuffle_block<T>(block: usize, elements: &mut [T], key: (u64, u64)) {
    let mut rng = generator(key);
    rng.set_word_pos((block as u128) << 36);
    elements.shuffle(&mut rng);
}

impl Order {
    /// All rows of an epoch, of which each `size` are a batch.
    fn rows(self, source: &dyn Source, n: usize, size: usize, key: (u64, u64)) -> Result<Vec<usize>, DataError> {
        let mut rows: Vec<usize> = (0..n).collect();
        match self {
            Order::Ascending => {}
            Order::Shuffled => rows.shuffle(&mut generator(key)),
            Order::Within(n_batches) => {
                let blocks = rows.chunks_mut(n_batches.saturating_mul(size)).enumerate();
                blocks.for_each(|(block, rows)| shuffle_block(block, rows, key));
            }
            Order::ByLength(n_batches) => {
                let mut rng = generator(key);
                rows.shuffle(&mut rng);
                let mut lengths = Vec::with_capacity(n);
                for row in 0..n {
                    lengths.push(source.length(row).ok_or(DataError::UnknownLength)?);
                }
                for block in rows.chunks_mut(n_batches.saturating_mul(size)) {
                    block.sort_by_key(|row| lengths[*row]);
                    shuffle_batches(block, size, &mut rng);
                }
            }
            Order::Continued => {
                let n_each = n / size;
                rows = (0..n_each).flat_map(|k| (0..size).map(move |place| place * n_each + k)).collect();
            }
        }
        Ok(rows)
    }
}

/// Shuffles the whole batches of a block; a shorter one at its end stays there.
fn shuffle_batches(block: &mut [usize], size: usize, rng: &mut ChaCha8Rng) {
    let n_whole = block.len() / size;
    let mut order: Vec<usize> = (0..n_whole).collect();
    order.shuffle(rng);
    let shuffled: Vec<usize> = order.iter().flat_map(|batch| block[batch * size..][..size].to_vec()).collect();
    block[..shuffled.len()].copy_from_slice(&shuffled);
}

/// One epoch: batch after batch, each read when it is asked for.
pub struct Batches<'s> {
    source: &'s dyn Source,
    epoch: u64,
    plan: Remaining,
}

enum Remaining {
    /// The rows that are still to come, the next one first.
    Rows {
        rows: std::vec::IntoIter<usize>,
        size: usize,
    },
    Blocks(BlocksLeft),
}

/// Batches of a source that does not know its end: it is read block by block.
struct BlocksLeft {
    size: usize,
    n_batches: usize,
    is_last_kept: bool,
    /// Seed and epoch, if blocks are shuffled.
    key: Option<(u64, u64)>,
    /// The block that comes next.
    block: usize,
    /// Batches of a block before it.
    ready: VecDeque<Batch>,
    /// How many batches of the next block are left out, since they were seen before a stop.
    n_skipped: usize,
    is_over: bool,
}

impl Batches<'_> {
    /// How many batches are still to come, if that is known.
    pub fn n_batches(&self) -> Option<usize> {
        match &self.plan {
            Remaining::Rows { rows, size } => Some(rows.len().div_ceil(*size)),
            Remaining::Blocks(_) => None,
        }
    }

    /// The same without the next `n` batches, which are not read.
    pub fn skip_batches(mut self, n: usize) -> Self {
        match &mut self.plan {
            Remaining::Rows { rows, size } => {
                if let Some(last) = n.saturating_mul(*size).checked_sub(1) {
                    rows.nth(last);
                }
            }
            Remaining::Blocks(blocks) => {
                let n_ready = n.min(blocks.ready.len());
                blocks.ready.drain(..n_ready);
                let n_more = blocks.n_skipped + n - n_ready;
                blocks.block += n_more / blocks.n_batches;
                blocks.n_skipped = n_more % blocks.n_batches;
            }
        }
        self
    }

    /// The next batch, if there is one, without its examples, which are read only where nothing else tells how many there are.
    pub(crate) fn pass_over(&mut self) -> Option<Result<(), DataError>> {
        match &mut self.plan {
            Remaining::Rows { rows, size } => {
                let n_passed = rows.by_ref().take(*size).count();
                (n_passed > 0).then_some(Ok(()))
            }
            Remaining::Blocks(_) => self.next().map(|batch| batch.map(|_| ())),
        }
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Result<Batch, DataError>> {
        match &mut self.plan {
            Remaining::Rows { rows, size } => {
                let rows: Vec<usize> = rows.by_ref().take(*size).collect();
                (!rows.is_empty()).then(|| read(self.source, rows, self.epoch, HowMany::All))
            }
            Remaining::Blocks(blocks) => blocks.next(self.source, self.epoch).transpose(),
        }
    }
}

impl BlocksLeft {
    fn new(batching: &Batching, n_batches: usize, key: Option<(u64, u64)>) -> BlocksLeft {
        let (size, is_last_kept) = (batching.size, batching.is_last_kept);
        BlocksLeft {
            size,
            n_batches,
            is_last_kept,
            key,
            block: 0,
            ready: VecDeque::new(),
            n_skipped: 0,
            is_over: false,
        }
    }

    fn next(&mut self, source: &dyn Source, epoch: u64) -> Result<Option<Batch>, DataError> {
        while self.ready.is_empty() && !self.is_over {
            self.read(source, epoch)?;
        }
        Ok(self.ready.pop_front())
    }

    /// Reads the next block and cuts it.
    fn read(&mut self, source: &dyn Source, epoch: u64) -> Result<(), DataError> {
        let n = self.n_batches.saturating_mul(self.size);
        let first = self.block.saturating_mul(n);
        let mut rows = Vec::new();
        rows.try_reserve_exact(n).map_err(|_| DataError::Memory { n_rows: n, n_columns: 1 })?;
        rows.extend(first..first.saturating_add(n));
        let block = read(source, rows, epoch, HowMany::UpToTheEnd)?;
        self.is_over = block.len() < n;
        let mut order: Vec<usize> = (0..block.len()).collect();
        if let Some(key) = self.key {
            shuffle_block(self.block, &mut order, key);
        }
        let batches = order.chunks(self.size).filter(|batch| self.is_last_kept || batch.len() == self.size);
        for batch in batches.skip(std::mem::take(&mut self.n_skipped)) {
            self.ready.push_back(block.select(batch)?);
        }
        self.block += 1;
        Ok(())
    }
}

/// Whether a source may give fewer examples than it is asked for.
#[derive(PartialEq)]
enum HowMany {
    All,
    UpToTheEnd,
}

/// Asks for some rows and looks at how many came.
fn read(source: &dyn Source, mut rows: Vec<usize>, epoch: u64, how_many: HowMany) -> Result<Batch, DataError> {
    let batch = source.batch(&rows, epoch)?;
    let (expected, found) = (rows.len(), batch.len());
    if found > expected || (found < expected && how_many == HowMany::All) {
        return Err(DataError::NotAsMany { expected, found });
    }
    rows.truncate(found);
    Ok(batch.at_rows(rows))
}
