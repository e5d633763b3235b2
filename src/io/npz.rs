//! The npz format of NumPy: npy files in a zip archive, one for each array. In: arrays by name, or bytes. Out: bytes, or arrays. The
//! archive is the crate zip's; here are names, and errors with their offsets.

use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
};

use zip::{CompressionMethod, ZipArchive, ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::{
    Arrays, IoError,
    npy::{NpyError, npy_to_bytes, read},
    replace::replace,
};
use crate::graph::Value;

/// What follows the name of an array in the archive.
const EXTENSION: &str = ".npy";

/// Entries of more bytes need the longer fields of the format.
const LARGE: usize = u32::MAX as usize;

/// The format of NumPy, `npz`: for arrays that a program in Python makes or takes. It has no texts.
impl Arrays {
    /// Reads an npz file of NumPy, compressed or not.
    ///
    /// Elements of f32, f64, i64 and bool stay what they are; other integers become i64, and f16 becomes f32, each the same number.
    /// Both byte orders are read, and both orders of axes: what comes out is in row-major order.
    ///
    /// # Errors
    /// The file cannot be read; its bytes are not of the format: with the offset, and the array where it is one; an array has
    /// elements of another type, such as complex numbers and texts, or of u64 and more than an i64 holds.
    ///
    /// # Complexity
    /// Two copies of the elements for a moment; no memory is asked for before the bytes that it is for.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{Value, io::Arrays};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("data.npz");
    /// let mut arrays = Arrays::new();
    /// arrays.insert("x", Value::from(array![[1.0f32, 2.0], [3.0, 4.0]]));
    /// arrays.insert("label", Value::from(array![7i64, 9]));
    /// arrays.save_npz(&path)?; // numpy.load("data.npz")["x"] is the first
    /// assert_eq!(Arrays::load_npz(&path)?, arrays);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "numpy")]
    pub fn load_npz(path: impl AsRef<Path>) -> Result<Arrays, IoError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| IoError::Read { path: path.to_owned(), source })?;
        Arrays::from_npz(path, &bytes)
    }

    /// What an npz file of that name holds.
    ///
    /// # Errors
    /// As for [`Arrays::load_npz`].
    pub fn from_npz(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Arrays, IoError> {
        let path = path.as_ref();
        let no_archive = |error: ZipError| IoError::Malformed {
            path: path.to_owned(),
            // An archive is read from its end.
            offset: bytes.len(),
            reason: format!("it is no npz file: {error}"),
        };
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(no_archive)?;
        let mut arrays = Arrays::new();
        for position in 0..archive.len() {
            let mut entry = archive.by_index(position).map_err(no_archive)?;
            let start = entry.data_start().and_then(|start| usize::try_from(start).ok()).unwrap_or(bytes.len());
            let malformed =
                |offset: usize, reason: String| IoError::Malformed { path: path.to_owned(), offset, reason };
            let entry_name = entry.name().map_err(no_archive)?.into_owned();
            let Some(name) = entry_name.strip_suffix(EXTENSION) else {
                return Err(malformed(
                    start,
                    format!("the archive has {entry_name:?}, which is no array: its name does not end in {EXTENSION}"),
                ));
            };
            let value = read(&mut entry).map_err(|error| match error {
                NpyError::UnknownType { dtype } => {
                    IoError::UnknownType { path: path.to_owned(), name: name.to_owned(), dtype }
                }
                NpyError::Malformed { offset, reason } => {
                    malformed(start, format!("byte {offset} of the array {name:?}: {reason}"))
                }
                NpyError::Read(error) => malformed(start, format!("the array {name:?} cannot be unpacked: {error}")),
            })?;
            if arrays.get(name).is_some() {
                return Err(malformed(start, format!("there are two arrays {name:?}")));
            }
            arrays.insert(name, value);
        }
        Ok(arrays)
    }

    /// The content of an npz file, not compressed, as `numpy.savez` writes it. The same arrays give the same bytes.
    ///
    /// # Errors
    /// There are texts, or arrays of other types than f32, f64, i64 and bool, for which the format or this library has no place; or a
    /// name is longer than the format's 65,535 bytes.
    pub fn to_npz(&self) -> Result<Vec<u8>, IoError> {
        if let Some((name, dtype)) = self.foreign().next() {
            return Err(IoError::NoPlaceInNpz {
                what: format!("the array {name:?}"),
                reason: format!("it is of {dtype}").into(),
            });
        }
        if let Some(name) = self.text_names().next() {
            return Err(IoError::NoPlaceInNpz {
                what: format!("the text {name:?}"),
                reason: "there are arrays alone".into(),
            });
        }
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, value) in self.iter() {
            let written = write_entry(&mut archive, name, value);
            written.map_err(|error| IoError::NoPlaceInNpz {
                what: format!("the array {name:?}"),
                reason: error.to_string().into(),
            })?;
        }
        let bytes = archive.finish().expect("invariant: memory takes what is written");
        Ok(bytes.into_inner())
    }

    /// Writes an npz file, as [`Arrays::to_npz`] makes it; one of that name is replaced at once, as by [`Arrays::save`].
    ///
    /// # Errors
    /// The file cannot be written, which leaves nothing behind; or as for [`Arrays::to_npz`].
    pub fn save_npz(&self, path: impl AsRef<Path>) -> Result<(), IoError> {
        let (path, bytes) = (path.as_ref(), self.to_npz()?);
        let written = replace(path, |file| file.write_all(&bytes));
        written.map_err(|source| IoError::Write { path: path.to_owned(), source })
    }
}

fn write_entry(archive: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, value: &Value) -> Result<(), ZipError> {
    let bytes = npy_to_bytes(value);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file(format!("{name}{EXTENSION}"), options.large_file(bytes.len() >= LARGE))?;
    archive.write_all(&bytes)?;
    Ok(())
}
