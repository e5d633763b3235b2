//! Some rows of a source. In: a source and rows. Out: a source of these.

use super::{Batch, Column, DataError, Source, source::check_rows};

/// Some examples of a source, in any order: a part of what lies in files, without a copy.
///
/// # Example
/// ```
/// use pullback::data::{Batching, Source, Subset, digits, rows};
/// let digits = digits();
/// let [train, test] = rows::split(digits.len(), [0.8, 0.2], 0)?;
/// let (train, test) = (Subset::new(&digits, train)?, Subset::new(&digits, test)?);
/// assert_eq!((train.n_examples(), test.n_examples()), (Some(1438), Some(359)));
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Subset<S> {
    source: S,
    rows: Vec<usize>,
}

impl<S: Source> Subset<S> {
    /// Those rows.
    ///
    /// # Errors
    /// A row is beyond the last, or the source does not know how many it has.
    pub fn new(source: S, rows: Vec<usize>) -> Result<Subset<S>, DataError> {
        check_rows(&rows, source.n_examples().ok_or(DataError::UnknownLength)?)?;
        Ok(Subset { source, rows })
    }
}

impl<S: Source> Source for Subset<S> {
    fn columns(&self) -> &[Column] {
        self.source.columns()
    }

    fn n_examples(&self) -> Option<usize> {
        Some(self.rows.len())
    }

    fn batch(&self, rows: &[usize], epoch: u64) -> Result<Batch, DataError> {
        check_rows(rows, self.rows.len())?;
        let rows: Vec<usize> = rows.iter().map(|row| self.rows[*row]).collect();
        self.source.batch(&rows, epoch)
    }

    fn length(&self, row: usize) -> Option<usize> {
        self.source.length(*self.rows.get(row)?)
    }
}
