//! Bytes with a name and a count. In: a file or any reader, gzip or not. Out: the decompressed bytes, as many as are asked
//! for, and errors that say where. It buffers nothing, and decompresses no byte before it is asked for.

use std::{
    fs::File,
    io::{Chain, Cursor, ErrorKind, Read},
    ops::RangeInclusive,
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::{DataError, Place, Stream};

/// What a gzip file begins with.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A named stream of bytes, and how many were taken from it.
pub(super) struct ByteSource<R: Read> {
    bytes: Bytes<R>,
    file: String,
    offset: u64,
}

enum Bytes<R: Read> {
    Plain(Sniffed<R>),
    Gzip(Box<MultiGzDecoder<Sniffed<R>>>),
}

/// The first bytes, which have been looked at, and the rest.
type Sniffed<R> = Chain<Cursor<Vec<u8>>, R>;

impl ByteSource<File> {
    /// Opens a file, gzip or not as its first bytes say.
    pub(super) fn open(path: &Path) -> Result<ByteSource<File>, DataError> {
        let file = path.display().to_string();
        match File::open(path) {
            Ok(bytes) => ByteSource::new(&file, bytes),
            Err(source) => Err(DataError::Open { file, source }),
        }
    }

    /// Opens a file that is not decompressed, whatever it begins with.
    pub(super) fn open_plain(path: &Path) -> Result<ByteSource<File>, DataError> {
        let file = path.display().to_string();
        match File::open(path) {
            Ok(bytes) => Ok(ByteSource::plain(&file, bytes)),
            Err(source) => Err(DataError::Open { file, source }),
        }
    }
}

impl<R: Read> ByteSource<R> {
    /// Bytes that may be gzip.
    pub(super) fn new(file: &str, mut bytes: R) -> Result<ByteSource<R>, DataError> {
        let mut magic = [0; GZIP_MAGIC.len()];
        let place = || Place { file: file.to_owned(), offset: 0, stream: Stream::Plain };
        let n_bytes =
            fill(&mut bytes, &mut magic).map_err(|(_, source)| DataError::Unreadable { place: place(), source })?;
        let sniffed = Cursor::new(magic[..n_bytes].to_vec()).chain(bytes);
        let bytes = match magic {
            GZIP_MAGIC => Bytes::Gzip(Box::new(MultiGzDecoder::new(sniffed))),
            _ => Bytes::Plain(sniffed),
        };
        Ok(ByteSource { bytes, file: file.to_owned(), offset: 0 })
    }

    /// Bytes that are not decompressed, whatever they begin with.
    pub(super) fn plain(file: &str, bytes: R) -> ByteSource<R> {
        ByteSource { bytes: Bytes::Plain(Cursor::new(Vec::new()).chain(bytes)), file: file.to_owned(), offset: 0 }
    }

    /// The byte that comes next.
    pub(super) fn place(&self) -> Place {
        self.place_at(self.offset)
    }

    /// The byte at `offset`.
    pub(super) fn place_at(&self, offset: u64) -> Place {
        let stream = match self.bytes {
            Bytes::Plain(_) => Stream::Plain,
            Bytes::Gzip(_) => Stream::Gzip,
        };
        Place { file: self.file.clone(), offset, stream }
    }

    /// Fills `buffer` as far as there are bytes, and returns how many there were.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, DataError> {
        let filled = match &mut self.bytes {
            Bytes::Plain(bytes) => fill(bytes, buffer),
            Bytes::Gzip(bytes) => fill(bytes, buffer),
        };
        match filled {
            Ok(n_bytes) => {
                self.offset += n_bytes as u64;
                Ok(n_bytes)
            }
            Err((n_bytes, source)) => {
                self.offset += n_bytes as u64;
                Err(DataError::Unreadable { place: self.place(), source })
            }
        }
    }

    /// Fills all of `buffer`. `expected` is how long the stream should be, for the error.
    pub(super) fn fill_exactly(&mut self, buffer: &mut [u8], expected: u64) -> Result<(), DataError> {
        let n_bytes = self.fill(buffer)?;
        if n_bytes < buffer.len() {
            return Err(DataError::Truncated { place: self.place(), expected });
        }
        Ok(())
    }

    /// Checks the number at `offset`, which has been read.
    pub(super) fn check_number(
        &self,
        offset: u64,
        what: &'static str,
        expected: RangeInclusive<u64>,
        found: u64,
    ) -> Result<(), DataError> {
        if expected.contains(&found) {
            return Ok(());
        }
        Err(DataError::Number { place: self.place_at(offset), what, expected, found })
    }

    /// Checks that nothing follows. For gzip this is also where its checksum is compared.
    pub(super) fn check_end(&mut self) -> Result<(), DataError> {
        let place = self.place();
        if self.fill(&mut [0])? > 0 { Err(DataError::Oversized { place }) } else { Ok(()) }
    }
}

/// Reads until `buffer` is full or the bytes end, and returns how many there were; with an error too.
fn fill(bytes: &mut impl Read, buffer: &mut [u8]) -> Result<usize, (usize, std::io::Error)> {
    let mut n_bytes = 0;
    while n_bytes < buffer.len() {
        match bytes.read(&mut buffer[n_bytes..]) {
            Ok(0) => break,
            Ok(n_more) => n_bytes += n_more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err((n_bytes, error)),
        }
    }
    Ok(n_bytes)
}
