//! Files larger than memory. In: where in files the columns of a dataset are. Out: a source that reads the rows it is asked for, and
//! nothing else. It does not decompress: what is compressed has no rows that could be found.

mod element;
mod positioned;

use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};

pub use element::Stored;
use element::{ByteOrder, Decoder, decoded_dtype};
use positioned::PositionedFile;

use super::{Batch, Column, DataError, Place, Source, Stream, source::check_rows};
use crate::graph::{DType, Element, Shape, Value};

/// A column in a file: records of one size, each the numbers of one example, at equal distances.
///
/// # Example
/// CIFAR-10 in its binary version: each record has a label of one byte and then 3·32·32 pixels.
/// ```
/// use pullback::data::files::{FileColumn, Stored};
/// let file = "data_batch_1.bin";
/// let label = FileColumn::new("label", file, Stored::U8, ()).every(3073);
/// let pixels = FileColumn::new("x", file, Stored::U8, (3, 32, 32)).starting_at(1).every(3073).over(255.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FileColumn {
    name: String,
    path: PathBuf,
    stored: Stored,
    sizes: Shape,
    first: u64,
    stride: Option<u64>,
    order: ByteOrder,
    divisor: Option<f32>,
}

impl FileColumn {
    /// A column of that name: the numbers of one example after another, little-endian, from the beginning of a file to its end.
    pub fn new(name: impl Into<String>, path: impl AsRef<Path>, stored: Stored, shape: impl Into<Shape>) -> FileColumn {
        FileColumn {
            name: name.into(),
            path: path.as_ref().to_owned(),
            stored,
            sizes: shape.into(),
            first: 0,
            stride: None,
            order: ByteOrder::Little,
            divisor: None,
        }
    }

    /// With the first example at that byte.
    pub fn starting_at(self, first: u64) -> FileColumn {
        FileColumn { first, ..self }
    }

    /// With examples that begin so many bytes after each other, instead of where the one before ends.
    pub fn every(self, bytes: u64) -> FileColumn {
        FileColumn { stride: Some(bytes), ..self }
    }

    /// With the most significant byte first.
    pub fn big_endian(self) -> FileColumn {
        FileColumn { order: ByteOrder::Big, ..self }
    }

    /// As `f32`, each number divided by this one: by 255, bytes are from 0 to 1.
    pub fn over(self, divisor: f32) -> FileColumn {
        FileColumn { divisor: Some(divisor), ..self }
    }
}

/// Examples in files, of which only those are read that are asked for, by positioned reads: any number of threads may ask.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::data::{Source, files::{FileColumn, FileSource, Stored}};
/// let path = std::env::temp_dir().join(format!("pullback-files-{}", std::process::id()));
/// std::fs::write(&path, [1u8, 10, 11, 2, 20, 21, 3, 30, 31])?;
/// let source = FileSource::open([
///     FileColumn::new("label", &path, Stored::U8, ()).every(3),
///     FileColumn::new("x", &path, Stored::U8, (2,)).starting_at(1).every(3).over(10.0),
/// ])?;
/// let batch = source.batch(&[2, 0], 0)?;
/// assert_eq!(batch["label"], array![3i64, 1].into());
/// assert_eq!(batch["x"], array![[3.0f32, 3.1], [1.0, 1.1]].into());
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileSource {
    columns: Vec<Column>,
    records: Vec<Records>,
    n_examples: usize,
}

/// Where the records of a column are.
#[derive(Debug)]
struct Records {
    file: PositionedFile,
    decoder: Decoder,
    sizes: Vec<usize>,
    first: u64,
    stride: u64,
    /// Bytes of a record.
    width: u64,
    n_records: u64,
}

/// Appends the numbers of a record; a truth value that is none is told by its byte in the record.
type Decode<T> = fn(&Decoder, &[u8], &mut Vec<T>) -> Result<(), (usize, u64)>;

impl FileSource {
    /// The examples in those columns, of one file or of several.
    ///
    /// # Errors
    /// A file cannot be opened; it ends within a record (with the file and the byte); the columns have different numbers of
    /// examples, or two have one name; a shape has a symbol; records overlap; or a divisor is 0 or not finite.
    pub fn open(columns: impl IntoIterator<Item = FileColumn>) -> Result<FileSource, DataError> {
        let mut source = FileSource { columns: Vec::new(), records: Vec::new(), n_examples: 0 };
        for column in columns {
            let declared =
                Column::new(&column.name, decoded_dtype(column.stored, column.divisor), column.sizes.clone());
            if source.columns.iter().any(|other| other.name == declared.name) {
                return Err(DataError::DuplicateColumn { name: column.name });
            }
            let records = Records::open(&column, &declared)?;
            let found = records.n_records as usize;
            match source.columns.first() {
                Some(first) if found != source.n_examples => {
                    let (first, expected) = (first.name.clone(), source.n_examples);
                    return Err(DataError::ColumnLength { name: column.name, found, first, expected });
                }
                _ => source.n_examples = found,
            }
            source.columns.push(declared);
            source.records.push(records);
        }
        Ok(source)
    }
}

impl Source for FileSource {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn n_examples(&self) -> Option<usize> {
        Some(self.n_examples)
    }

    fn batch(&self, rows: &[usize], _: u64) -> Result<Batch, DataError> {
        check_rows(rows, self.n_examples)?;
        let mut batch = Batch::new();
        for (column, records) in self.columns.iter().zip(&self.records) {
            batch = batch.column(&column.name, records.read(column.ty.dtype, rows)?)?;
        }
        Ok(batch)
    }
}

impl Records {
    fn open(column: &FileColumn, declared: &Column) -> Result<Records, DataError> {
        let wrong_shape = || DataError::ColumnShape { column: declared.clone(), shape: Box::new(column.sizes.clone()) };
        let sizes = column.sizes.as_numbers().ok_or_else(wrong_shape)?;
        let n_bytes = column.stored.n_bytes() as u64;
        let width = sizes.iter().try_fold(n_bytes, |width, size| width.checked_mul(*size as u64));
        let width = width.filter(|width| (1..=i64::MAX as u64).contains(width)).ok_or_else(wrong_shape)?;
        let stride = column.stride.unwrap_or(width);
        if stride < width {
            let what = "the distance of examples in a file";
            return Err(DataError::Parameter { what, expected: "at least their size", found: stride as f64 });
        }
        if let Some(divisor) = column.divisor.filter(|divisor| !divisor.is_finite() || *divisor == 0.0) {
            let found = f64::from(divisor);
            return Err(DataError::Parameter { what: "the divisor of a column", expected: "finite and not 0", found });
        }
        let file = PositionedFile::open(&column.path)?;
        let n_records = file.length()?.saturating_sub(column.first).div_ceil(stride);
        let decoder = Decoder { stored: column.stored, order: column.order, divisor: column.divisor };
        let records = Records { file, decoder, sizes, first: column.first, stride, width, n_records };
        if let Some(last) = n_records.checked_sub(1) {
            records.check_end(last)?;
        }
        Ok(records)
    }

    /// Checks that the file has all of a record.
    fn check_end(&self, record: u64) -> Result<(), DataError> {
        let (length, expected) = (self.file.length()?, self.first + record * self.stride + self.width);
        if length < expected {
            return Err(DataError::Truncated { place: self.file.place(length), expected });
        }
        Ok(())
    }

    fn read(&self, dtype: DType, rows: &[usize]) -> Result<Value, DataError> {
        match dtype {
            DType::F32 => self.read_as::<f32>(rows, Decoder::f32s),
            DType::F64 => self.read_as::<f64>(rows, Decoder::f64s),
            DType::I64 => self.read_as::<i64>(rows, Decoder::i64s),
            DType::Bool => self.read_as::<bool>(rows, Decoder::bools),
        }
    }

    /// The records of those rows; rows that follow each other are read at once.
    fn read_as<T: Element>(&self, rows: &[usize], decode: Decode<T>) -> Result<Value, DataError> {
        let n_each: usize = self.sizes.iter().product();
        let mut elements = Vec::with_capacity(rows.len() * n_each);
        let mut bytes = Vec::new();
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let n_run = rest.iter().zip(*first..).take_while(|(row, expected)| **row == *expected).count();
            let start = self.first + *first as u64 * self.stride;
            bytes.resize(((n_run as u64 - 1) * self.stride + self.width) as usize, 0);
            self.file.read_exactly(&mut bytes, start)?;
            for (position, record) in bytes.chunks(self.stride as usize).enumerate() {
                let offset = start + position as u64 * self.stride;
                decode(&self.decoder, &record[..self.width as usize], &mut elements).map_err(|(byte, found)| {
                    let place = self.file.place(offset + byte as u64);
                    DataError::Number { place, what: "the truth value", expected: 0..=1, found }
                })?;
            }
            rest = &rest[n_run..];
        }
        let sizes = [&[rows.len()], &self.sizes[..]].concat();
        let array = ArrayD::from_shape_vec(IxDyn(&sizes), elements);
        Ok(T::wrap(array.expect("invariant: each record has as many elements as its shape")))
    }
}
