//! One safetensors file, read array by array, and the index of several. In: a path. Out: what is in there, and an array's bytes when
//! it is asked for: a file that is larger than memory is no hindrance. (A map of the file into memory would be as good, and no safe
//! code can promise that nobody changes it meanwhile.)

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use indexmap::IndexMap;
use safetensors::tensor::{Metadata, TensorInfo};

use super::IoError;

/// Bytes of the number in front that says how long the header is.
const LENGTH: usize = size_of::<u64>();

/// The most bytes that the format has for a header.
const MAX_HEADER: u64 = 100_000_000;

/// An open file whose header was read and held to its length.
#[derive(Debug)]
pub(super) struct Shard {
    path: PathBuf,
    file: File,
    /// Where arrays begin.
    start: u64,
    infos: IndexMap<String, TensorInfo>,
}

impl Shard {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read, or its header is none of the format: with the offset.
    pub(super) fn open(path: &Path) -> Result<Shard, IoError> {
        let read = |source| IoError::Read { path: path.to_owned(), source };
        let malformed = |offset: usize, reason: String| IoError::Malformed { path: path.to_owned(), offset, reason };
        let mut file = File::open(path).map_err(read)?;
        let n_bytes = file.metadata().map_err(read)?.len();
        if n_bytes < LENGTH as u64 {
            return Err(malformed(n_bytes as usize, "the file ends before the length of its header".to_owned()));
        }
        let mut length = [0; LENGTH];
        file.read_exact(&mut length).map_err(read)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER || length > n_bytes - LENGTH as u64 {
            return Err(malformed(0, format!("a header of {length} bytes in a file of {n_bytes}")));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(read)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| malformed(LENGTH + error.column().saturating_sub(1), error.to_string()))?;
        let start = LENGTH as u64 + length;
        let mut infos = IndexMap::new();
        for name in metadata.offset_keys() {
            let info = metadata.info(&name).expect("invariant: the header has what it lists").clone();
            let (begin, end) = info.data_offsets;
            if let Some(reason) = amiss(&info, n_bytes - start) {
                let offset = (start as usize).saturating_add(begin);
                return Err(malformed(offset, format!("the array {name:?} at {begin}..{end}: {reason}")));
            }
            infos.insert(name, info);
        }
        Ok(Shard { path: path.to_owned(), file, start, infos })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in there, in the order of the file.
    pub(super) fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    /// The bytes of an array of this file.
    ///
    /// # Errors
    /// The system does not read them.
    pub(super) fn bytes(&self, info: &TensorInfo) -> Result<Vec<u8>, IoError> {
        let (begin, end) = info.data_offsets;
        let mut bytes = vec![0; end - begin];
        let mut file = &self.file;
        let read = file.seek(SeekFrom::Start(self.start + begin as u64)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|source| IoError::Read { path: self.path.clone(), source })?;
        Ok(bytes)
    }
}

/// What is wrong with the place of an array among so many bytes.
fn amiss(info: &TensorInfo, n_bytes: u64) -> Option<String> {
    let (begin, end) = info.data_offsets;
    let n_bits = info.shape.iter().try_fold(info.dtype.bitsize(), |bits, size| bits.checked_mul(*size));
    let Some(n_bits) = n_bits else { return Some(format!("the shape {:?} is too large", info.shape)) };
    if begin > end || end as u64 > n_bytes {
        return Some(format!("there are {n_bytes} bytes of arrays"));
    }
    (n_bits != 8 * (end - begin)).then(|| format!("{:?} of the shape {:?} takes {n_bits} bits", info.dtype, info.shape))
}

/// The files of an index, each with the arrays that it names there.
pub(super) fn indexed(path: &Path) -> Result<Vec<Shard>, IoError> {
    let bytes = fs::read(path).map_err(|source| IoError::Read { path: path.to_owned(), source })?;
    let malformed = |offset: usize, reason: String| IoError::Malformed { path: path.to_owned(), offset, reason };
    let index: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| {
        let line_starts = bytes.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
        let offset = line_starts.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1);
        malformed(offset.min(bytes.len()), error.to_string())
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let map = index.get("weight_map").and_then(serde_json::Value::as_object);
    let map = map.ok_or_else(|| malformed(0, "the index has no object `weight_map`".to_owned()))?;
    let mut shards: IndexMap<PathBuf, Shard> = IndexMap::new();
    for (name, file) in map {
        let file = file.as_str().map(PathBuf::from);
        let file = file.ok_or_else(|| malformed(0, format!("the file of {name:?} is no text")))?;
        // A name of a file and no way out of the folder: an index is not to be trusted.
        if file.components().count() != 1 || file.file_name().is_none() {
            return Err(malformed(0, format!("{file:?} is no file beside the index")));
        }
        if !shards.contains_key(&file) {
            shards.insert(file.clone(), Shard::open(&folder.join(&file))?);
        }
        if !shards[&file].infos().contains_key(name) {
            return Err(malformed(0, format!("the array {name:?} is not in {}", file.display())));
        }
    }
    if shards.is_empty() {
        return Err(malformed(0, "the index names no array".to_owned()));
    }
    Ok(shards.into_values().collect())
}
