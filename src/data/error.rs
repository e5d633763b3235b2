//! Errors with data. In: bytes, sizes and fractions that are not as they should be. Out: a [`DataError`] that says
//! where.

use std::{io, ops::RangeInclusive};

use super::Place;
use crate::numbers::short;

/// Why there is no such dataset, split or batch.
///
/// Lines and fields are counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// There are not as many labels as examples.
    #[error("{n_rows} examples have {n_labels} labels")]
    Labels {
        /// The number of examples.
        n_rows: usize,
        /// The number of labels.
        n_labels: usize,
    },
    /// A fraction is not in [0, 1].
    #[error("the fraction of test examples is {}, but must be in [0, 1]", short(*fraction))]
    Fraction {
        /// The fraction.
        fraction: f64,
    },
    /// Batches of no example were asked for.
    #[error("a batch has at least one example, but the size is 0")]
    EmptyBatch,
    /// The bytes end too early, are not what they should be compressed with, or could not be read.
    #[error("cannot read after line {line}")]
    Read {
        /// The last line that was read whole, 0 if none was.
        line: u64,
        /// What went wrong.
        source: csv::Error,
    },
    /// A line has too few or too many fields.
    #[error("line {line}: expected {expected} fields, found {found}")]
    Fields {
        /// The line.
        line: u64,
        /// How many fields a line has.
        expected: usize,
        /// How many this one has.
        found: usize,
    },
    /// A field is not an integer.
    #[error("line {line}, field {field}: `{text}` is not an integer")]
    NotInteger {
        /// The line.
        line: u64,
        /// The field.
        field: usize,
        /// What it holds.
        text: String,
    },
    /// A pixel or a label is out of its range.
    #[error("line {line}, field {field}: {value} is not in 0..={max}")]
    OutOfRange {
        /// The line.
        line: u64,
        /// The field.
        field: usize,
        /// What it holds.
        value: i64,
        /// The greatest value it may hold.
        max: i64,
    },
    /// A file cannot be opened.
    #[error("{file}: cannot be opened")]
    Open {
        /// The file.
        file: String,
        /// What went wrong.
        source: io::Error,
    },
    /// A file of a data set is not in its directory.
    #[error("{directory}: holds no file `{}`", names.join("` or `"))]
    Absent {
        /// The directory.
        directory: String,
        /// The names, one of which is expected.
        names: Vec<String>,
    },
    /// The bytes cannot be read or decompressed.
    #[error("{place}: cannot be read further")]
    Unreadable {
        /// The first byte that could not be had.
        place: Place,
        /// What went wrong.
        source: io::Error,
    },
    /// A file ends too early.
    #[error("{place}: the file ends, but should have {expected} bytes or more")]
    Truncated {
        /// Where it ends.
        place: Place,
        /// How many bytes it should have, as far as is known there.
        expected: u64,
    },
    /// A file goes on where it should end.
    #[error("{place}: the file should end, but goes on")]
    Oversized {
        /// Where it should end.
        place: Place,
    },
    /// A number in a file, as a magic number, a size or a label, is not one of those that may stand there.
    #[error("{place}: {what} is {found}, but must be {}", describe(expected))]
    Number {
        /// Where it begins.
        place: Place,
        /// What it says.
        what: &'static str,
        /// What it may be.
        expected: RangeInclusive<u64>,
        /// What it is.
        found: u64,
    },
    /// The type of elements in an IDX header is unknown.
    #[error("{place}: the type of the elements is {found:#04x}, but must be 0x08, 0x09, 0x0b, 0x0c, 0x0d or 0x0e")]
    ElementType {
        /// Where it stands.
        place: Place,
        /// What stands there.
        found: u8,
    },
    /// The sizes in a header make more bytes than can be addressed.
    #[error("{place}: the sizes up to this one, {found}, make more bytes than can be addressed")]
    TooLarge {
        /// The size with which they do.
        place: Place,
        /// What it is.
        found: u64,
    },
    /// The columns of a CSV file have no names.
    #[error("{file}: column `{name}` was asked for, but there is no header")]
    NoHeader {
        /// The file.
        file: String,
        /// The column that was asked for.
        name: String,
    },
    /// Not exactly one column of a CSV file has a name.
    #[error("{file}: {n_found} columns are named `{name}`, but one must be")]
    ColumnName {
        /// The file.
        file: String,
        /// The name.
        name: String,
        /// How many have it.
        n_found: usize,
    },
    /// A CSV file has not as many columns.
    #[error("{file}: there is no column {index} (counted from 0), since there are {n_columns}")]
    ColumnIndex {
        /// The file.
        file: String,
        /// The column that was asked for.
        index: usize,
        /// How many there are.
        n_columns: usize,
    },
    /// A row of a CSV file has too few or too many cells.
    #[error("{place}, line {line}: expected {expected} cells, found {found}")]
    Row {
        /// Where the row begins.
        place: Place,
        /// The line it begins on.
        line: u64,
        /// How many cells the first row has.
        expected: usize,
        /// How many this one has.
        found: usize,
    },
    /// A cell of a CSV file is empty.
    #[error("{place}, line {line}, column {column}: the cell is empty")]
    EmptyCell {
        /// Where its row begins.
        place: Place,
        /// The line its row begins on.
        line: u64,
        /// Its column.
        column: usize,
    },
    /// A cell of a CSV file is no number, an infinite one, or no integer where there must be one.
    #[error("{place}, line {line}, column {column}: `{text}` is not {expected}")]
    Cell {
        /// Where its row begins.
        place: Place,
        /// The line its row begins on.
        line: u64,
        /// Its column.
        column: usize,
        /// What it must be.
        expected: &'static str,
        /// How it begins.
        text: String,
    },
    /// A parameter of a synthetic data set is out of its range.
    #[error("{what} is {}, but must be {expected}", short(*found))]
    Parameter {
        /// Which one.
        what: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: f64,
    },
    /// More numbers than there is memory for.
    #[error("{n_rows} × {n_columns} numbers do not fit in memory")]
    Memory {
        /// How many rows were asked for.
        n_rows: usize,
        /// How many numbers a row has.
        n_columns: usize,
    },
    /// Examples have another number of features than those that a mean was taken of.
    #[error("the examples have {found} features, but the mean is of {expected}")]
    Features {
        /// How many the mean is of.
        expected: usize,
        /// How many the examples have.
        found: usize,
    },
}

impl DataError {
    /// The byte of a file that is wrong, if one is.
    ///
    /// # Example
    /// ```
    /// let error = pullback::data::idx::read_from("empty", &[][..]).unwrap_err();
    /// assert_eq!(error.place().map(|place| (place.file.as_str(), place.offset)), Some(("empty", 0)));
    /// ```
    pub fn place(&self) -> Option<&Place> {
        match self {
            DataError::Unreadable { place, .. }
            | DataError::Truncated { place, .. }
            | DataError::Oversized { place }
            | DataError::Number { place, .. }
            | DataError::ElementType { place, .. }
            | DataError::TooLarge { place, .. }
            | DataError::Row { place, .. }
            | DataError::EmptyCell { place, .. }
            | DataError::Cell { place, .. } => Some(place),
            _ => None,
        }
    }
}

fn describe(range: &RangeInclusive<u64>) -> String {
    let (low, high) = (range.start(), range.end());
    if low == high { low.to_string() } else { format!("in {low}..={high}") }
}
