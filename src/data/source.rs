//! Where examples come from. In: numbers of rows. Out: these rows, stacked, column by column. One trait; what is in memory, in
//! files, generated or made of another source implements it.

use std::sync::Arc;

use super::{Batch, Column, DataError};

/// Examples that are asked for by number: named columns of any dtype and rank, whose first axis is the examples.
///
/// A source has no order and no state that is seen: the same rows of the same epoch are the same batch, whenever and on whichever
/// thread they are asked for. What is drawn at random, as by [`Augmented`](super::Augmented), depends on a seed, the epoch and
/// the row alone.
///
/// # Example
/// A source of one's own: squares, which are computed.
/// ```
/// use pullback::{DType, data::{Batch, Batching, Column, DataError, Source}};
///
/// struct Squares([Column; 2]);
///
/// impl Source for Squares {
///     fn columns(&self) -> &[Column] {
///         &self.0
///     }
///
///     fn n_examples(&self) -> Option<usize> {
///         Some(100)
///     }
///
///     fn batch(&self, rows: &[usize], _epoch: u64) -> Result<Batch, DataError> {
///         let x: Vec<f32> = rows.iter().map(|row| *row as f32).collect();
///         let y: Vec<f32> = x.iter().map(|x| x * x).collect();
///         Batch::new().column("x", x)?.column("y", y)
///     }
/// }
///
/// let squares = Squares(["x", "y"].map(|name| Column::new(name, DType::F32, ())));
/// for batch in Batching::new(32).epoch(&squares, 7, 0)? {
///     let batch = batch?;
///     assert_eq!(batch["x"].len(), batch["y"].len());
/// }
/// # Ok::<(), DataError>(())
/// ```
pub trait Source: Send + Sync {
    /// Its columns, no two of one name.
    fn columns(&self) -> &[Column];

    /// How many examples there are, if that is known. Of a source that does not know it the rows are asked for in ascending
    /// order without gaps, from any row on; it leaves out of a batch what is beyond its end.
    fn n_examples(&self) -> Option<usize>;

    /// Those examples, in that order; a row may come more than once.
    ///
    /// # Errors
    /// They cannot be had: a row is beyond the last, a file cannot be read.
    fn batch(&self, rows: &[usize], epoch: u64) -> Result<Batch, DataError>;

    /// How long an example is, for [`Batching::by_length`](super::Batching::by_length): of a sentence the number of its tokens.
    /// None if examples have no length.
    fn length(&self, row: usize) -> Option<usize> {
        let _ = row;
        None
    }
}

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<S: Source + ?Sized> Source for $pointer {
            fn columns(&self) -> &[Column] {
                (**self).columns()
            }

            fn n_examples(&self) -> Option<usize> {
                (**self).n_examples()
            }

            fn batch(&self, rows: &[usize], epoch: u64) -> Result<Batch, DataError> {
                (**self).batch(rows, epoch)
            }

            fn length(&self, row: usize) -> Option<usize> {
                (**self).length(row)
            }
        }
    )*};
}
pointers!(&S, Box<S>, Arc<S>);

/// Checks that all rows are below the number of examples.
pub(super) fn check_rows(rows: &[usize], n_examples: usize) -> Result<(), DataError> {
    match rows.iter().find(|row| **row >= n_examples) {
        Some(row) => Err(DataError::NoRow { row: *row, n_examples }),
        None => Ok(()),
    }
}

/// The column of that name, which must have that type in words: `expected` says which, and `is_met` whether it has.
pub(super) fn find_column<'s>(
    source: &'s (impl Source + ?Sized),
    name: &str,
    expected: &'static str,
    is_met: impl Fn(&Column) -> bool,
) -> Result<&'s Column, DataError> {
    let columns = source.columns();
    let column = columns.iter().find(|column| column.name == name);
    let column = column.ok_or_else(|| DataError::unknown_column(name, columns.iter().map(|column| &*column.name)))?;
    if is_met(column) { Ok(column) } else { Err(DataError::ColumnKind { column: column.clone(), expected }) }
}
