//! Where a file is not as it should be. In: a name and a count of bytes. Out: a [`Place`], which a
//! [`DataError`](super::DataError) carries.

use std::fmt;

/// A byte of a file.
///
/// # Example
/// ```
/// use pullback::data::{Place, Stream};
/// let plain = Place { file: "labels".to_owned(), offset: 8, stream: Stream::Plain };
/// assert_eq!(plain.to_string(), "labels, byte 8");
/// let gzip = Place { file: "labels.gz".to_owned(), stream: Stream::Gzip, ..plain };
/// assert_eq!(gzip.to_string(), "labels.gz, byte 8 after decompression");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path, or the name that was given with the bytes.
    pub file: String,
    /// How many bytes precede it: in the file itself, or in what it decompresses to.
    pub offset: u64,
    /// Which of the two.
    pub stream: Stream,
}

/// What offsets are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The bytes of the file.
    Plain,
    /// The bytes that a gzip file decompresses to.
    Gzip,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, byte {}", self.file, self.offset)?;
        match self.stream {
            Stream::Plain => Ok(()),
            Stream::Gzip => f.write_str(" after decompression"),
        }
    }
}
