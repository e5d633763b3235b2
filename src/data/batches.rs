//! Minibatches. In: a [`Dataset`], a size and a generator or seed. Out: an iterator over one epoch. The order is drawn
//! when the iterator is made; it holds no generator.

use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{DataError, Dataset, Target};

/// Some examples of a dataset, copied together.
///
/// # Shapes
/// `x: [batch, features]`, `y: [batch]`
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<T = i64> {
    /// The examples.
    pub x: Array2<f32>,
    /// Their labels or targets.
    pub y: Array1<T>,
}

/// One epoch: every example once, `size` at a time, the last batch shorter if the size does not divide their number.
#[derive(Debug, Clone)]
pub struct Batches<'a, T = i64> {
    dataset: &'a Dataset<T>,
    /// Positions of the examples that are still to come, the next one first.
    remaining: std::vec::IntoIter<usize>,
    size: usize,
}

impl<T: Target> Dataset<T> {
    /// One epoch of batches of `size`, in an order drawn from `rng`: each call draws another.
    ///
    /// # Errors
    /// The size is 0.
    ///
    /// # Example
    /// ```
    /// use pullback::data;
    /// use rand::SeedableRng;
    /// # fn main() -> Result<(), pullback::data::DataError> {
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let digits = data::digits();
    /// let sizes: Vec<usize> = digits.batches(500, &mut rng)?.map(|batch| batch.y.len()).collect();
    /// assert_eq!(sizes, [500, 500, 500, 297]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "data_loader")]
    pub fn batches(&self, size: usize, rng: &mut impl Rng) -> Result<Batches<'_, T>, DataError> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(rng);
        Batches::new(self, order, size)
    }

    /// The epoch of that number, in batches of `size`: the order is drawn from the seed and the number alone, so that a
    /// training that goes on after a stop sees the batches that it would have seen. The same on every machine.
    ///
    /// The generator is ChaCha8 with the seed as key and the number of the epoch as stream.
    ///
    /// # Errors
    /// The size is 0.
    ///
    /// # Example
    /// ```
    /// # fn main() -> Result<(), pullback::data::DataError> {
    /// let digits = pullback::data::digits();
    /// let first = |epoch| digits.batches_of_epoch(32, 0, epoch).map(|mut batches| batches.next());
    /// assert_eq!(first(5)?, first(5)?);
    /// assert_ne!(first(5)?, first(6)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn batches_of_epoch(&self, size: usize, seed: u64, epoch: u64) -> Result<Batches<'_, T>, DataError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(epoch);
        self.batches(size, &mut rng)
    }

    /// One epoch of batches of `size`, in the order of the rows.
    ///
    /// # Errors
    /// The size is 0.
    ///
    /// # Example
    /// ```
    /// # fn main() -> Result<(), pullback::data::DataError> {
    /// let digits = pullback::data::digits();
    /// let labels: Vec<i64> = digits.batches_in_order(1000)?.flat_map(|batch| batch.y).collect();
    /// assert_eq!(labels, digits.y().to_vec());
    /// # Ok(())
    /// # }
    /// ```
    pub fn batches_in_order(&self, size: usize) -> Result<Batches<'_, T>, DataError> {
        Batches::new(self, (0..self.len()).collect(), size)
    }
}

impl<'a, T: Target> Batches<'a, T> {
    /// The positions in the dataset of the examples that are still to come, the next one first.
    pub(crate) fn rows(&self) -> &[usize] {
        self.remaining.as_slice()
    }

    fn new(dataset: &'a Dataset<T>, order: Vec<usize>, size: usize) -> Result<Batches<'a, T>, DataError> {
        if size == 0 {
            return Err(DataError::EmptyBatch);
        }
        Ok(Batches { dataset, remaining: order.into_iter(), size })
    }
}

impl<T: Target> Iterator for Batches<'_, T> {
    type Item = Batch<T>;

    fn next(&mut self) -> Option<Batch<T>> {
        let remaining = self.remaining.as_slice();
        let positions = &remaining[..self.size.min(remaining.len())];
        let last = positions.len().checked_sub(1)?;
        let Dataset { x, y } = self.dataset.select(positions);
        self.remaining.nth(last);
        Some(Batch { x, y })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n_batches = self.remaining.len().div_ceil(self.size);
        (n_batches, Some(n_batches))
    }
}

impl<T: Target> ExactSizeIterator for Batches<'_, T> {}
