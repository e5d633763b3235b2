//! Handwritten digits. In: gzipped lines of 64 pixels and a label, one copy of which is embedded. Out: a [`Dataset`].
//! It does not split or shuffle.

use std::io::{self, Read};

use ::csv::{ByteRecord, Position, ReaderBuilder};
use flate2::read::MultiGzDecoder;
use ndarray::Array2;

use super::{DataError, Dataset};

static EMBEDDED: &[u8] = include_bytes!("digits.csv.gz");

/// Where reading stops: gzip makes a thousand bytes out of one, and the lines say nowhere how many they are. There are 5,620
/// digits in all, in less than a fifth of this.
const MAX_BYTES: usize = 1 << 22;
/// A line of 65 numbers of two digits takes 195 bytes; one that is wrong otherwise is still told by its fields.
const MAX_LINE: usize = 1 << 10;
const N_PIXELS: usize = 64;
const N_FIELDS: usize = N_PIXELS + 1;
const MAX_PIXEL: i64 = 16;
const MAX_LABEL: i64 = 9;

/// 1,797 handwritten digits of 8×8 pixels, embedded in the library.
///
/// # Shapes
/// `x`: `f32[1797, 64]`, rows of pixels from the top; `label`: `i64[1797]`
///
/// # Units
/// A pixel is the inked fraction of its area, a multiple of 1/16 from 0 (blank) to 1. A label is the digit, 0 to 9.
///
/// # Source
/// Alpaydin and Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998,
/// doi 10.24432/C50P49, its test part. Licence: CC BY 4.0.
///
/// # Example
/// ```
/// use ndarray::{ArrayView1, ArrayView2};
/// let digits = pullback::data::digits();
/// let (x, label): (ArrayView2<f32>, ArrayView1<i64>) = (digits.array("x")?, digits.array("label")?);
/// assert_eq!((x.dim(), label[3]), ((1797, 64), 3));
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[doc(alias = "load_digits")]
pub fn digits() -> Dataset {
    read_digits(EMBEDDED).expect("invariant: the embedded digits are well formed")
}

/// Reads digits in the format of the embedded ones: gzip; on each line 64 pixels, integers from 0 to 16, and a label
/// from 0 to 9, separated by commas; no header.
///
/// Pixels are divided by 16. Blank lines are skipped.
///
/// # Errors
/// The bytes cannot be read or decompressed, are more than 4 MiB then (about 25,000 digits), or a line has more than
/// 1,024 bytes or not 65 fields; a field is no integer or out of its range.
///
/// # Complexity
/// A number of one character takes two bytes for it and its comma, and four as a pixel, and three times that may be held
/// for a moment while the result grows: 32 MiB at most, whatever the bytes are.
///
/// # Example
/// ```
/// use pullback::data::{DataError, read_digits};
/// let plain_text = "0,0,5,13,9,1,0,0".as_bytes();
/// assert!(matches!(read_digits(plain_text), Err(DataError::Read { line: 0, .. })));
/// ```
pub fn read_digits(gzipped: impl Read) -> Result<Dataset, DataError> {
    let bounded = Bounded { bytes: MultiGzDecoder::new(gzipped), n_left: MAX_BYTES, n_of_line: 0 };
    // Without quotes a row is a line, so that what bounds the one bounds what is held of the other.
    let mut lines = ReaderBuilder::new().has_headers(false).flexible(true).quoting(false).from_reader(bounded);
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let mut record = ByteRecord::new();
    let mut line = 0;
    while lines.read_byte_record(&mut record).map_err(|source| DataError::Read { line, source })? {
        line = record.position().map_or(line + 1, Position::line);
        labels.push(read_line(&record, line, &mut pixels)?);
    }
    let x = Array2::from_shape_vec((labels.len(), N_PIXELS), pixels).expect("invariant: 64 pixels for each label");
    Dataset::of_rows(x, labels)
}

/// Appends the pixels of one line and returns its label.
fn read_line(record: &ByteRecord, line: u64, pixels: &mut Vec<f32>) -> Result<i64, DataError> {
    if record.len() != N_FIELDS {
        return Err(DataError::Fields { line, expected: N_FIELDS, found: record.len() });
    }
    for position in 0..N_PIXELS {
        let pixel = read_integer(record, line, position, MAX_PIXEL)?;
        pixels.push(pixel as f32 / MAX_PIXEL as f32);
    }
    read_integer(record, line, N_PIXELS, MAX_LABEL)
}

/// The integer at `position`, from 0 to `max`.
fn read_integer(record: &ByteRecord, line: u64, position: usize, max: i64) -> Result<i64, DataError> {
    let text = String::from_utf8_lossy(&record[position]);
    let field = position + 1;
    let value: i64 = text.parse().map_err(|_| DataError::NotInteger { line, field, text: text.to_string() })?;
    if (0..=max).contains(&value) { Ok(value) } else { Err(DataError::OutOfRange { line, field, value, max }) }
}

/// Bytes that end with an error where they, or those of one line, are too many.
struct Bounded<R> {
    bytes: R,
    n_left: usize,
    /// How many bytes of a line that has not ended were read.
    n_of_line: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.bytes.read(buffer)?;
        let too_large = |what: &str| Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        let Some(n_left) = self.n_left.checked_sub(n_bytes) else { return too_large("digits take at most 4 MiB") };
        self.n_left = n_left;
        for byte in &buffer[..n_bytes] {
            self.n_of_line = if matches!(byte, b'\r' | b'\n') { 0 } else { self.n_of_line + 1 };
            if self.n_of_line > MAX_LINE {
                return too_large("a line of digits has at most 1,024 bytes");
            }
        }
        Ok(n_bytes)
    }
}
