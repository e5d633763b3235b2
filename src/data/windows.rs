//! Language models: windows of a stream of tokens. In: a source with one token an example. Out: a source of windows, each with the
//! tokens that follow.

use ndarray::{ArrayD, Axis, Slice};

use super::{
    Batch, Column, DataError, Source,
    source::{check_rows, find_column},
};
use crate::graph::{DType, Value};

/// Windows of a stream of tokens: of each the tokens, and those one place further on, which are to be predicted.
///
/// Window i is x = tokens[i·s .. i·s + length] and y = tokens[i·s + 1 .. i·s + length + 1], with the step s = `length`
/// unless [`Windows::step`] says otherwise; of n tokens there are (n − 1 − length) div s + 1, and what is left is not seen.
///
/// # Shapes
/// `x`: `i64[batch, length]`, `y`: `i64[batch, length]`
///
/// # Example
/// With [`Batching::continued`](super::Batching::continued) each row of a batch goes on where it ended in the batch before.
/// ```
/// use ndarray::array;
/// use pullback::data::{Batching, Dataset, Windows};
/// let tokens = Dataset::new().column("token", (0..13).collect::<Vec<i64>>())?;
/// let windows = Windows::new(tokens, "token", 3)?;
/// let mut batches = Batching::new(2).continued().epoch(&windows, 0, 0)?;
/// let batch = batches.next().expect("two batches")?;
/// assert_eq!(batch["x"], array![[0i64, 1, 2], [6, 7, 8]].into());
/// assert_eq!(batch["y"], array![[1i64, 2, 3], [7, 8, 9]].into());
/// assert_eq!(batches.next().expect("two batches")?["x"], array![[3i64, 4, 5], [9, 10, 11]].into());
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Windows<S> {
    tokens: S,
    name: String,
    length: usize,
    step: usize,
    n_windows: usize,
    columns: [Column; 2],
}

impl<S: Source> Windows<S> {
    /// The windows of so many tokens of the column of that name, which has one integer an example.
    ///
    /// # Errors
    /// There is no such column, it is of another kind, or the source does not know its end; or the length is 0.
    pub fn new(tokens: S, name: &str, length: usize) -> Result<Windows<S>, DataError> {
        let is_met = |column: &Column| column.ty.dtype == DType::I64 && column.ty.rank() == 0;
        find_column(&tokens, name, "one i64 an example", is_met)?;
        let columns = ["x", "y"].map(|name| Column::new(name, DType::I64, (length,)));
        let windows = Windows { tokens, name: name.to_owned(), length, step: length, n_windows: 0, columns };
        windows.counted()
    }

    /// With windows that begin so many tokens after each other.
    ///
    /// # Errors
    /// The step is 0.
    pub fn step(self, step: usize) -> Result<Windows<S>, DataError> {
        Windows { step, ..self }.counted()
    }

    fn counted(mut self) -> Result<Windows<S>, DataError> {
        for (what, found) in [("the length of a window", self.length), ("the step of windows", self.step)] {
            if found == 0 {
                return Err(DataError::Parameter { what, expected: "at least 1", found: 0.0 });
            }
        }
        let n_tokens = self.tokens.n_examples().ok_or(DataError::UnknownLength)?;
        let n_starts = n_tokens.saturating_sub(self.length);
        self.n_windows = n_starts.div_ceil(self.step);
        Ok(self)
    }
}

impl<S: Source> Source for Windows<S> {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn n_examples(&self) -> Option<usize> {
        Some(self.n_windows)
    }

    fn batch(&self, rows: &[usize], epoch: u64) -> Result<Batch, DataError> {
        check_rows(rows, self.n_windows)?;
        let starts = rows.iter().map(|row| row * self.step);
        let places: Vec<usize> = starts.flat_map(|start| start..=start + self.length).collect();
        let tokens = self.tokens.batch(&places, epoch)?;
        let (expected, found) = (places.len(), tokens.len());
        if found != expected {
            return Err(DataError::NotAsMany { expected, found });
        }
        let tokens = tokens.array::<i64, ndarray::IxDyn>(&self.name)?;
        let tokens = tokens.to_shape((rows.len(), self.length + 1)).expect("invariant: so many tokens were asked for");
        let part = |start: usize| -> ArrayD<i64> {
            let slice = Slice::from(start..start + self.length);
            tokens.slice_axis(Axis(1), slice).as_standard_layout().into_owned().into_dyn()
        };
        Batch::new().column("x", Value::I64(part(0)))?.column("y", Value::I64(part(1)))
    }
}
