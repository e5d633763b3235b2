//! Tables of numbers as CSV, without a line of names. In: text. Out: an array of at most two axes, of the dtype that is asked
//! for; and the other way round.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use pullback::{DType, Type, Value, ValueView};

use crate::error::CliError;

/// The cells of a file.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    file: String,
    /// With the line on which each begins, from 1.
    rows: Vec<(u64, csv::StringRecord)>,
}

impl Table {
    /// Reads a text: rows of equally many cells.
    pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Table, CliError> {
        let csv_error = |source| CliError::Csv { file: file.to_owned(), source };
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
        let mut rows: Vec<(u64, csv::StringRecord)> = Vec::new();
        let mut lines = Lines { bytes, offset: 0, line: 1 };
        for row in reader.records() {
            let row = row.map_err(csv_error)?;
            let line = lines.of_row(row.position());
            let expected = rows.first().map_or(row.len(), |(_, first)| first.len());
            if row.len() != expected {
                return Err(CliError::Row { file: file.to_owned(), line, expected, found: row.len() });
            }
            rows.push((line, row));
        }
        Ok(Table { file: file.to_owned(), rows })
    }

    /// The array of that type, whose sizes may be symbols.
    pub(crate) fn value(&self, name: &str, ty: &Type) -> Result<Value, CliError> {
        let shape = self.shape(name, ty)?;
        Ok(match ty.dtype {
            DType::F32 => Value::F32(self.numbers(&shape, ty.dtype, |text| text.parse().ok())?),
            DType::F64 => Value::F64(self.numbers(&shape, ty.dtype, |text| text.parse().ok())?),
            DType::I64 => Value::I64(self.numbers(&shape, ty.dtype, |text| text.parse().ok())?),
            DType::Bool => Value::Bool(self.numbers(&shape, ty.dtype, |text| match text {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            })?),
        })
    }

    /// How the cells are an array of as many axes as the type has.
    fn shape(&self, name: &str, ty: &Type) -> Result<Vec<usize>, CliError> {
        let (rows, columns) = (self.rows.len(), self.rows.first().map_or(0, |(_, row)| row.len()));
        let help = match ty.rank() {
            2 => return Ok(vec![rows, columns]),
            1 if rows <= 1 => return Ok(vec![columns]),
            1 if columns == 1 => return Ok(vec![rows]),
            0 if (rows, columns) == (1, 1) => return Ok(Vec::new()),
            0 => "give one number",
            1 => "give one row or one column",
            _ => "give npz, npy or safetensors: a table has two axes",
        };
        let (file, name) = (self.file.clone(), name.to_owned());
        Err(CliError::Table { file, name, rows, columns, ty: ty.clone(), help })
    }

    fn numbers<T>(
        &self,
        shape: &[usize],
        expected: DType,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<ArrayD<T>, CliError> {
        let mut numbers = Vec::new();
        for (line, row) in &self.rows {
            for (column, text) in row.iter().enumerate() {
                let (file, line, column) = (self.file.clone(), *line, column + 1);
                let wrong = || CliError::Cell { file, line, column, text: text.to_owned(), expected };
                numbers.push(read(text).ok_or_else(wrong)?);
            }
        }
        Ok(ArrayD::from_shape_vec(IxDyn(shape), numbers).expect("invariant: rows are equally long"))
    }

    /// The text of an array of at most two axes: one axis is a column.
    pub(crate) fn text(file: &str, name: &str, value: &Value) -> Result<String, CliError> {
        let rank = value.shape().len();
        if rank > 2 {
            return Err(CliError::NoTable { file: file.to_owned(), name: name.to_owned(), rank });
        }
        Ok(match value.view() {
            // Debug has the shortest digits that are read back as the same number, with an exponent where zeros would be many.
            ValueView::F32(array) => lines(array, |x| format!("{x:?}")),
            ValueView::F64(array) => lines(array, |x| format!("{x:?}")),
            ValueView::I64(array) => lines(array, i64::to_string),
            ValueView::Bool(array) => lines(array, bool::to_string),
        })
    }
}

/// A place in a text, with the number of its line.
struct Lines<'b> {
    bytes: &'b [u8],
    offset: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line on which a row begins: the parser's position is ahead of the empty lines before it.
    fn of_row(&mut self, position: Option<&csv::Position>) -> u64 {
        let start = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.offset);
        while let Some(byte) = self.bytes.get(self.offset) {
            if self.offset >= start && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.offset += 1;
        }
        self.line
    }
}

fn lines<T>(array: ArrayViewD<'_, T>, text: impl Fn(&T) -> String) -> String {
    let rows: Vec<ArrayViewD<'_, T>> = match array.ndim() {
        0 => vec![array.view()],
        _ => array.axis_iter(Axis(0)).collect(),
    };
    let line = |row: &ArrayViewD<'_, T>| row.iter().map(&text).collect::<Vec<_>>().join(",") + "\n";
    rows.iter().map(line).collect()
}
