//! Mistakes with data. In: bytes, sizes and fractions that are not as they should be. Out: a [`DataError`] that says
//! where.

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
    #[error("the fraction of test examples is {fraction}, but must be in [0, 1]")]
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
}
