//! Reading at a position. In: a file and an offset. Out: the bytes there, or an error with file and byte. No position is kept, so
//! that threads may read at once.

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::Path,
};

use super::{DataError, Place, Stream};

/// A file that is read at positions.
#[derive(Debug)]
pub(super) struct PositionedFile {
    file: File,
    name: String,
}

impl PositionedFile {
    pub(super) fn open(path: &Path) -> Result<PositionedFile, DataError> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Ok(PositionedFile { file, name }),
            Err(source) => Err(DataError::Open { file: name, source }),
        }
    }

    /// How many bytes it has now.
    pub(super) fn length(&self) -> Result<u64, DataError> {
        let length = self.file.metadata().map(|metadata| metadata.len());
        length.map_err(|source| DataError::Unreadable { place: self.place(0), source })
    }

    pub(super) fn place(&self, offset: u64) -> Place {
        Place { file: self.name.clone(), offset, stream: Stream::Plain }
    }

    /// Fills all of `buffer` with the bytes from `offset` on.
    pub(super) fn read_exactly(&self, buffer: &mut [u8], offset: u64) -> Result<(), DataError> {
        let expected = offset + buffer.len() as u64;
        let mut n_read = 0;
        while n_read < buffer.len() {
            let position = offset + n_read as u64;
            match read_at(&self.file, &mut buffer[n_read..], position) {
                Ok(0) => return Err(DataError::Truncated { place: self.place(position), expected }),
                Ok(n_more) => n_read += n_more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(DataError::Unreadable { place: self.place(position), source }),
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(not(any(unix, windows)))]
fn read_at(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(io::Error::from(ErrorKind::Unsupported))
}
