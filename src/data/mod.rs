//! Examples to learn from. In: rows and labels, bytes that hold them, or a seed to draw them from. Out: [`Dataset`], its
//! parts and its minibatches. Nothing here sees a graph, and nothing touches the network.
//!
//! A reader takes no file on trust: what is cut short, too long or not what its header says is an error with the file and
//! the byte ([`Place`]), and memory is asked for as bytes arrive, never as a header claims them.

mod batches;
pub mod cifar;
pub mod csv;
mod digits;
mod error;
pub mod idx;
pub mod mnist;
mod place;
mod source;
mod standardization;
pub mod synthetic;
mod target;
#[cfg(test)]
mod tests;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

pub use batches::{Batch, Batches};
pub use digits::{digits, read_digits};
pub use error::DataError;
pub use place::{Place, Stream};
pub use standardization::Standardization;
pub use target::Target;

/// Examples, one a row, with a label (`i64`, as is assumed where nothing is said) or a real-valued target (`f32`) each.
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
pub struct Dataset<T = i64> {
    x: Array2<f32>,
    y: Array1<T>,
}

/// A dataset in two parts, no example in both.
#[derive(Debug, Clone, PartialEq)]
pub struct Split<T = i64> {
    /// To learn from.
    pub train: Dataset<T>,
    /// To measure on.
    pub test: Dataset<T>,
}

impl<T: Target> Dataset<T> {
    /// The examples `x` with the labels or targets `y`.
    ///
    /// # Errors
    /// There are not as many labels as rows.
    pub fn new(x: Array2<f32>, y: Array1<T>) -> Result<Dataset<T>, DataError> {
        if x.nrows() != y.len() {
            return Err(DataError::Labels { n_rows: x.nrows(), n_labels: y.len() });
        }
        Ok(Dataset { x, y })
    }

    /// The examples, `[examples, features]`.
    pub fn x(&self) -> ArrayView2<'_, f32> {
        self.x.view()
    }

    /// The labels or targets, `[examples]`.
    pub fn y(&self) -> ArrayView1<'_, T> {
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
    #[doc(alias = "train_test_split")]
    pub fn split(&self, test_fraction: f64, seed: u64) -> Result<Split<T>, DataError> {
        if !(0.0..=1.0).contains(&test_fraction) {
            return Err(DataError::Fraction { fraction: test_fraction });
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let n_test = (self.len() as f64 * test_fraction).round() as usize;
        let (test, train) = order.split_at(n_test);
        Ok(Split { train: self.select(train), test: self.select(test) })
    }

    /// The first `n` examples, or all if there are not as many.
    #[doc(alias("take", "head"))]
    pub fn first(&self, n: usize) -> Dataset<T> {
        let n = n.min(self.len());
        Dataset { x: self.x.slice(s![..n, ..]).to_owned(), y: self.y.slice(s![..n]).to_owned() }
    }

    /// The examples at those positions, in that order.
    pub(crate) fn select(&self, positions: &[usize]) -> Dataset<T> {
        Dataset { x: self.x.select(Axis(0), positions), y: self.y.select(Axis(0), positions) }
    }
}
