//! Minibatches. In: a [`Dataset`], a size and a generator. Out: an iterator over one epoch. The order is drawn when the
//! iterator is made; it holds no generator.

use ndarray::{Array1, Array2};
use rand::{Rng, seq::SliceRandom};

use super::{DataError, Dataset};

/// Some examples of a dataset, copied together.
///
/// # Shapes
/// `x: [batch, features]`, `y: [batch]`
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The examples.
    pub x: Array2<f32>,
    /// Their labels.
    pub y: Array1<i64>,
}

/// One epoch: every example once, `size` at a time, the last batch shorter if the size does not divide their number.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    dataset: &'a Dataset,
    /// Positions of the examples that are still to come, the next one first.
    remaining: std::vec::IntoIter<usize>,
    size: usize,
}

impl Dataset {
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
    pub fn batches(&self, size: usize, rng: &mut impl Rng) -> Result<Batches<'_>, DataError> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(rng);
        Batches::new(self, order, size)
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
    pub fn batches_in_order(&self, size: usize) -> Result<Batches<'_>, DataError> {
        Batches::new(self, (0..self.len()).collect(), size)
    }
}

impl<'a> Batches<'a> {
    fn new(dataset: &'a Dataset, order: Vec<usize>, size: usize) -> Result<Batches<'a>, DataError> {
        if size == 0 {
            return Err(DataError::EmptyBatch);
        }
        Ok(Batches { dataset, remaining: order.into_iter(), size })
    }
}

impl Iterator for Batches<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
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

impl ExactSizeIterator for Batches<'_> {}
