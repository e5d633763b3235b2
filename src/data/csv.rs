//! Tables of numbers as text. In: the lines of a CSV file, one example each, and which column is learned. Out: a
//! [`Dataset`]. It reads no words and fills no gaps: a cell that is no finite number is an error. It reads no gzip, whose
//! few bytes could be any number of lines.

use std::{
    collections::VecDeque,
    io::{self, Read},
    path::Path,
};

use ::csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use ndarray::Array2;

use super::{DataError, Dataset, Place, Stream, Target};

/// How many characters of a wrong cell are shown.
const N_SHOWN: usize = 40;

/// What a CSV file is like.
///
/// # Example
/// ```
/// use pullback::data::csv::{Format, Header};
/// let semicolons = Format { delimiter: b';', header: Header::Absent, ..Format::with_target(2) };
/// let by_name = Format::with_target("species");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The column of labels or targets. All others are features, in their order.
    pub target: Column,
    /// Whether the first line names the columns.
    pub header: Header,
    /// What stands between cells.
    pub delimiter: u8,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// The one of that name.
    Name(String),
    /// By its position, counted from 0.
    Index(usize),
    /// The last one.
    Last,
}

/// Whether there is a line of names before the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// There is.
    Present,
    /// There is none.
    Absent,
}

impl Format {
    /// Commas and a header, with that column as target.
    #[doc(alias = "of")]
    pub fn with_target(target: impl Into<Column>) -> Format {
        Format { target: target.into(), header: Header::Present, delimiter: b',' }
    }
}

impl From<&str> for Column {
    fn from(name: &str) -> Column {
        Column::Name(name.to_owned())
    }
}

impl From<usize> for Column {
    fn from(index: usize) -> Column {
        Column::Index(index)
    }
}

/// Reads a CSV file of numbers: labels (`i64`, integers) or real-valued targets (`f32`), as is asked for.
///
/// Spaces around a cell do not count, empty lines are skipped, and a cell may stand in double quotes. Numbers are rounded to
/// the nearest `f32`. A file that ends within its last number cannot be told from one that does not.
///
/// # Shapes
/// `x`: `f32[rows, columns − 1]`, `label`: `i64[rows]` or `y`: `f32[rows]`
///
/// # Errors
/// The file cannot be opened or read, is empty, has no such column, or a row has another number of cells than the first;
/// a cell is empty, no number, no finite `f32`, or no integer where there must be a label. The place in an error is that
/// of the row's first byte.
///
/// # Complexity
/// A cell of one character takes four bytes, and three times that may be held for a moment while the result grows.
pub fn read<T: Target>(path: impl AsRef<Path>, format: &Format) -> Result<Dataset, DataError> {
    let file = path.as_ref().display().to_string();
    match std::fs::File::open(path) {
        Ok(bytes) => read_from::<T>(&file, bytes, format),
        Err(source) => Err(DataError::Open { file, source }),
    }
}

/// [`read`] from anything that gives bytes. `name` stands for the path in errors.
///
/// # Errors
/// As for [`read`].
///
/// # Example
/// ```
/// use ndarray::{ArrayView2, array};
/// use pullback::data::csv::{Format, read_from};
/// let text = "width,height,price\n1.5,2,30\n2,4.5,90.5\n";
/// let prices = read_from::<f32>("prices", text.as_bytes(), &Format::with_target("price"))?;
/// let x: ArrayView2<f32> = prices.array("x")?;
/// assert_eq!(x, array![[1.5, 2.0], [2.0, 4.5]]);
/// let error = read_from::<i64>("prices", text.as_bytes(), &Format::with_target("price")).unwrap_err();
/// assert_eq!(error.to_string(), "prices, byte 28, line 3, column 3: `90.5` is not an integer");
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn read_from<T: Target>(name: &str, bytes: impl Read, format: &Format) -> Result<Dataset, DataError> {
    let mut rows = CsvRows::new(name, bytes, format);
    if !rows.advance()? {
        return Err(DataError::Truncated { place: rows.place(0), expected: 1 });
    }
    let n_columns = rows.record.len();
    let target = rows.find(format)?;
    let (mut features, mut targets) = (Vec::new(), Vec::new());
    let mut has_row = match format.header {
        Header::Present => rows.advance()?,
        Header::Absent => true,
    };
    while has_row {
        rows.check_cells(n_columns)?;
        for column in (0..n_columns).filter(|column| *column != target) {
            features.push(rows.cell::<f32>(column)?);
        }
        targets.push(rows.cell::<T>(target)?);
        has_row = rows.advance()?;
    }
    let x = Array2::from_shape_vec((targets.len(), n_columns - 1), features);
    Dataset::of_rows(x.expect("invariant: so many features for each target"), targets)
}

/// The rows of a file, one at a time.
struct CsvRows<R> {
    reader: Reader<Lines<R>>,
    file: String,
    /// The row that was read last.
    record: ByteRecord,
    start: LineStart,
}

impl<R: Read> CsvRows<R> {
    fn new(name: &str, bytes: R, format: &Format) -> CsvRows<R> {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .delimiter(format.delimiter)
            .from_reader(Lines::new(bytes));
        CsvRows { reader, file: name.to_owned(), record: ByteRecord::new(), start: LineStart { offset: 0, line: 1 } }
    }

    /// Reads the next row, if there is one.
    fn advance(&mut self) -> Result<bool, DataError> {
        let is_read = self.reader.read_byte_record(&mut self.record).map_err(|error| {
            let place = self.place(self.reader.get_ref().next.offset);
            DataError::Unreadable { place, source: io::Error::from(error) }
        })?;
        if let Some(position) = self.record.position().filter(|_| is_read) {
            self.start = self.reader.get_mut().start_after(position.byte()).unwrap_or(self.start);
        }
        Ok(is_read)
    }

    /// The position of the column of targets in the first row, which has been read.
    fn find(&self, format: &Format) -> Result<usize, DataError> {
        let (file, n_columns) = (|| self.file.clone(), self.record.len());
        let name = match &format.target {
            Column::Index(index) if *index < n_columns => return Ok(*index),
            Column::Index(index) => return Err(DataError::ColumnIndex { file: file(), index: *index, n_columns }),
            Column::Last => return Ok(n_columns - 1),
            Column::Name(name) => name,
        };
        if format.header == Header::Absent {
            return Err(DataError::NoHeader { file: file(), name: name.clone() });
        }
        let found: Vec<usize> = (0..n_columns).filter(|&column| &self.record[column] == name.as_bytes()).collect();
        match found[..] {
            [column] => Ok(column),
            _ => Err(DataError::ColumnName { file: file(), name: name.clone(), n_found: found.len() }),
        }
    }

    fn check_cells(&self, expected: usize) -> Result<(), DataError> {
        let (found, LineStart { offset, line }) = (self.record.len(), self.start);
        if found == expected {
            Ok(())
        } else {
            Err(DataError::Row { place: self.place(offset), line, expected, found })
        }
    }

    /// The number in a column of the last row.
    fn cell<T: Target>(&self, column: usize) -> Result<T, DataError> {
        let text = &self.record[column];
        let number =
            str::from_utf8(text).ok().and_then(|text| text.parse().ok()).filter(|number: &T| number.is_finite());
        number.ok_or_else(|| {
            let (place, line, column) = (self.place(self.start.offset), self.start.line, column + 1);
            if text.is_empty() {
                return DataError::EmptyCell { place, line, column };
            }
            let text = String::from_utf8_lossy(&text[..text.len().min(4 * N_SHOWN)]).chars().take(N_SHOWN).collect();
            DataError::Cell { place, line, column, expected: T::DESCRIPTION, text }
        })
    }

    fn place(&self, offset: u64) -> Place {
        Place { file: self.file.clone(), offset, stream: Stream::Plain }
    }
}

/// The first byte of a line, and the number of that line, counted from 1.
#[derive(Debug, Clone, Copy)]
struct LineStart {
    offset: u64,
    line: u64,
}

/// Bytes that are looked at on their way: the parser says where it stopped before a row, which is ahead of empty lines and
/// in the middle of `\r\n`.
struct Lines<R> {
    bytes: R,
    next: LineStart,
    is_in_break: bool,
    /// Of lines that are not empty and that the parser has not gone through yet.
    starts: VecDeque<LineStart>,
}

impl<R> Lines<R> {
    fn new(bytes: R) -> Lines<R> {
        Lines { bytes, next: LineStart { offset: 0, line: 1 }, is_in_break: true, starts: VecDeque::new() }
    }

    /// The first start at or after `offset`; those before it are forgotten.
    fn start_after(&mut self, offset: u64) -> Option<LineStart> {
        while self.starts.front().is_some_and(|start| start.offset < offset) {
            self.starts.pop_front();
        }
        self.starts.front().copied()
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.bytes.read(buffer)?;
        for byte in &buffer[..n_bytes] {
            let is_break = matches!(byte, b'\r' | b'\n');
            if self.is_in_break && !is_break {
                self.starts.push_back(self.next);
            }
            self.is_in_break = is_break;
            self.next.offset += 1;
            self.next.line += u64::from(*byte == b'\n');
        }
        Ok(n_bytes)
    }
}
