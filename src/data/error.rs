//! Errors with data. In: bytes, sizes and fractions that are not as they should be. Out: a [`DataError`] that says
//! where.

use std::{io, ops::RangeInclusive};

use super::{Column, Place};
use crate::{
    graph::{Shape, Type},
    names,
    numbers::short,
};

/// Why there is no such dataset, split or batch.
///
/// Lines and fields are counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Two columns of one name.
    #[error("two columns are named `{name}`")]
    DuplicateColumn {
        /// The name.
        name: String,
    },
    /// No column has this name.
    #[error("no column is named `{name}`{}", names::suggestion(nearest.as_deref()))]
    UnknownColumn {
        /// The name that was asked for.
        name: String,
        /// The column most like it.
        nearest: Option<String>,
    },
    /// An array without an axis is no column of examples.
    #[error("column `{name}` is one number, but a column has an axis of examples")]
    NoExamples {
        /// The column.
        name: String,
    },
    /// A column is longer or shorter than the first one.
    #[error("column `{name}` has {found} examples, but `{first}` has {expected}")]
    ColumnLength {
        /// The column.
        name: String,
        /// How many examples it has.
        found: usize,
        /// The first column.
        first: String,
        /// How many examples that one has.
        expected: usize,
    },
    /// A column has other elements or axes than are asked for.
    #[error("column `{name}` is {found}, not {asked}")]
    ColumnType {
        /// The column.
        name: String,
        /// Its type, with the axis of examples.
        found: Type,
        /// What was asked for.
        asked: String,
    },
    /// A column is of another kind than something is made of.
    #[error("column {column} must be {expected}")]
    ColumnKind {
        /// The column.
        column: Column,
        /// What it must be.
        expected: &'static str,
    },
    /// An example cannot have a shape.
    #[error("an example of column {column} cannot have the shape {shape}")]
    ColumnShape {
        /// The column.
        column: Column,
        /// The shape.
        shape: Box<Shape>,
    },
    /// A row beyond the last.
    #[error("there is no row {row} (from 0) among {n_examples} examples")]
    NoRow {
        /// The row.
        row: usize,
        /// How many there are.
        n_examples: usize,
    },
    /// A source gave other than as many examples as it was asked for.
    #[error("a source was asked for {expected} examples, and gave {found}")]
    NotAsMany {
        /// How many it was asked for.
        expected: usize,
        /// How many it gave.
        found: usize,
    },
    /// What needs the number of examples, or their lengths, of a source that does not know them.
    #[error(
        "the source does not know how many examples it has, or how long they are: take them by `Batching::in_order` or \
         `shuffled_within`"
    )]
    UnknownLength,
    /// Rows of an iterator out of their order.
    #[error("row {found} was asked for after row {before}, but an iterator is read in order")]
    OutOfOrder {
        /// The row that was asked for.
        found: usize,
        /// The row before it.
        before: usize,
    },
    /// An example that an iterator gave is not what its columns say.
    #[error("example {row} (from 0) of the iterator has {found} as column {column}")]
    Example {
        /// Its row.
        row: usize,
        /// What it has in place of that.
        found: String,
        /// The column.
        column: Column,
    },
    /// The thread that makes batches ahead panicked.
    #[error("the source panicked while batches were made ahead: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// A source of yours failed; see [`DataError::other`].
    #[error("{message}")]
    Other {
        /// What went wrong.
        message: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A character that a tokenizer does not know.
    #[error("byte {offset}: the character {character:?} is not in the vocabulary")]
    UnknownCharacter {
        /// The character.
        character: char,
        /// How many bytes of the text precede it.
        offset: usize,
    },
    /// A number that is no token.
    #[error("position {position}: {token} is no token, of which there are {n_tokens}")]
    UnknownToken {
        /// The number.
        token: i64,
        /// Where it stands among the others, from 0.
        position: usize,
        /// How many tokens there are.
        n_tokens: usize,
    },
    /// Bytes that are no text.
    #[error("{place}: this byte and those after it are no UTF-8")]
    NotText {
        /// The first byte that is not.
        place: Place,
    },
    /// Fractions of parts that do not make a whole.
    #[error("the fractions add up to {}, but must to 1", short(*sum))]
    FractionSum {
        /// Their sum.
        sum: f64,
    },
    /// More or fewer folds than can be made.
    #[error("{n_examples} examples cannot be cut into {n_folds} folds: take from 2 to {n_examples}")]
    Folds {
        /// How many were asked for.
        n_folds: usize,
        /// How many examples there are.
        n_examples: usize,
    },
    /// A fraction is not in [0, 1].
    #[error("the fraction of a part is {}, but must be in [0, 1]", short(*fraction))]
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
    /// The error of a source of yours.
    ///
    /// # Example
    /// ```
    /// use pullback::data::DataError;
    /// let error = DataError::other("row 7", std::io::Error::other("the server is away"));
    /// assert_eq!(error.to_string(), "row 7");
    /// ```
    pub fn other(message: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DataError {
        DataError::Other { message: message.into(), source: source.into() }
    }

    /// The error of a name that no column has.
    pub(super) fn unknown_column<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> DataError {
        DataError::UnknownColumn { name: name.to_owned(), nearest: names::nearest(name, known) }
    }

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
            | DataError::NotText { place }
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
