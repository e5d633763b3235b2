//! Examples to learn from. In: rows and labels, or bytes that hold them. Out: [`Dataset`], its parts and its
//! minibatches. Nothing here sees a graph, and nothing touches the network.

mod batches;
mod digits;
mod error;
#[cfg(test)]
mod tests;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

pub use batches::{Batch, Batches};
pub use digits::{digits, read_digits};
pub use error::DataError;

/// Examples, one a row, with a label each.
///
/// # Shapes
/// `x: [examples, features]`, `y: [examples]`
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::data::Dataset;
/// # fn main() -> Result<(), pullback::data::DataError> {
/// let examples = Dataset::new(array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], array![0, 1, 1, 0])?;
/// assert_eq!(examples.len(), 4);
/// let split = examples.split(0.25, 7)?;
/// assert_eq!((split.train.len(), split.test.len()), (3, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    x: Array2<f32>,
    y: Array1<i64>,
}

/// A dataset in two parts, no example in both.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// To learn from.
    pub train: Dataset,
    /// To measure on.
    pub test: Dataset,
}

impl Dataset {
    /// The examples `x` with the labels `y`.
    ///
    /// # Errors
    /// There are not as many labels as rows.
    pub fn new(x: Array2<f32>, y: Array1<i64>) -> Result<Dataset, DataError> {
        if x.nrows() != y.len() {
            return Err(DataError::Labels { n_rows: x.nrows(), n_labels: y.len() });
        }
        Ok(Dataset { x, y })
    }

    /// The examples, `[examples, features]`.
    pub fn x(&self) -> ArrayView2<'_, f32> {
        self.x.view()
    }

    /// The labels, `[examples]`.
    pub fn y(&self) -> ArrayView1<'_, i64> {
        self.y.view()
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// Shuffles the examples and cuts: the first `test_fraction · len`, rounded to the nearest whole number (halves
    /// up), are the test part. The same seed gives the same split on every machine.
    ///
    /// # Errors
    /// The fraction is not in [0, 1]. At either end one part is empty.
    pub fn split(&self, test_fraction: f64, seed: u64) -> Result<Split, DataError> {
        if !(0.0..=1.0).contains(&test_fraction) {
            return Err(DataError::Fraction { fraction: test_fraction });
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let n_test = (self.len() as f64 * test_fraction).round() as usize;
        let (test, train) = order.split_at(n_test);
        Ok(Split { train: self.select(train), test: self.select(test) })
    }

    /// The examples at those positions, in that order.
    fn select(&self, positions: &[usize]) -> Dataset {
        Dataset { x: self.x.select(Axis(0), positions), y: self.y.select(Axis(0), positions) }
    }
}
