//! The npy format of NumPy: one array. In: bytes of versions 1 to 3, or an array. Out: the array, or bytes of version 1. A header is
//! not believed: memory is asked for as the bytes of elements arrive. `npz.rs` puts several arrays into one file.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use half::f16;
use ndarray::{ArrayD, ArrayViewD, IxDyn, ShapeBuilder};

use super::{
    IoError,
    npy_header::{Header, Kind, Order},
    replace::replace,
};
use crate::graph::{AsView, DType, Value, ValueView};

/// What every file begins with.
const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Headers that this library writes end at a multiple of this, as NumPy's do.
const ALIGNMENT: usize = 64;

/// What is wrong with an array, and after how many of its bytes.
#[derive(Debug)]
pub(super) enum NpyError {
    /// The bytes are not of the format.
    Malformed { offset: usize, reason: String },
    /// It is of a type that there is none of here.
    UnknownType { dtype: String },
    /// The bytes cannot be had.
    Read(io::Error),
}

impl NpyError {
    pub(super) fn malformed(offset: usize, reason: impl Into<String>) -> NpyError {
        NpyError::Malformed { offset, reason: reason.into() }
    }
}

/// Reads an array from an npy file of NumPy.
///
/// Elements of f32, f64, i64 and bool stay what they are; other integers become i64, and f16 becomes f32, each the same number.
/// Both byte orders are read, and both orders of axes: what comes out is in row-major order.
///
/// # Errors
/// The file cannot be read; its bytes are not of the format: with the offset; its elements are of another type, such as
/// complex numbers and texts, or of u64 and more than an i64 holds.
///
/// # Complexity
/// Two copies of the elements for a moment; no memory is asked for beyond a multiple of the file.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{Value, io::{load_npy, save_npy}};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("x.npy");
/// save_npy(&path, &array![[1.0f32, 2.0], [3.0, 4.0]])?;
/// assert_eq!(load_npy(&path)?, Value::from(array![[1.0f32, 2.0], [3.0, 4.0]]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "numpy")]
pub fn load_npy(path: impl AsRef<Path>) -> Result<Value, IoError> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|source| IoError::Read { path: path.to_owned(), source })?;
    npy_from_bytes(path, &bytes)
}

/// What an npy file of that name holds, as [`load_npy`] reads it.
///
/// # Errors
/// As for [`load_npy`].
pub fn npy_from_bytes(path: impl AsRef<Path>, mut bytes: &[u8]) -> Result<Value, IoError> {
    let path = path.as_ref().to_owned();
    read(&mut bytes).map_err(|error| match error {
        NpyError::Malformed { offset, reason } => IoError::Malformed { path, offset, reason },
        NpyError::UnknownType { dtype } => IoError::NpyType { path, dtype },
        NpyError::Read(source) => IoError::Read { path, source },
    })
}

/// Writes an array into an npy file, as NumPy does; one of that name is replaced whole.
///
/// # Errors
/// The file cannot be written, which leaves nothing behind.
///
/// # Example
/// See [`load_npy`].
pub fn save_npy(path: impl AsRef<Path>, array: &impl AsView) -> Result<(), IoError> {
    let (path, bytes) = (path.as_ref(), npy_to_bytes(array));
    let written = replace(path, |file| file.write_all(&bytes));
    written.map_err(|source| IoError::Write { path: path.to_owned(), source })
}

/// The content of an npy file.
pub fn npy_to_bytes(array: &impl AsView) -> Vec<u8> {
    fn elements<T: Copy, const N: usize>(bytes: &mut Vec<u8>, array: ArrayViewD<'_, T>, to: fn(T) -> [u8; N]) {
        bytes.extend(array.iter().flat_map(|element| to(*element)));
    }
    let view = array.as_view();
    let mut bytes = header(view.dtype(), view.shape());
    match view {
        ValueView::F32(array) => elements(&mut bytes, array, f32::to_le_bytes),
        ValueView::F64(array) => elements(&mut bytes, array, f64::to_le_bytes),
        ValueView::I64(array) => elements(&mut bytes, array, i64::to_le_bytes),
        ValueView::Bool(array) => elements(&mut bytes, array, |x| [u8::from(x)]),
    }
    bytes
}

/// All that stands before the elements.
fn header(dtype: DType, shape: &[usize]) -> Vec<u8> {
    let descr = match dtype {
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::I64 => "<i8",
        DType::Bool => "|b1",
    };
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{comma}), }}", sizes.join(", "));
    // Version 2 has a length of four bytes in place of two.
    let (version, n_length) = if dict.len() + ALIGNMENT < usize::from(u16::MAX) { (1, 2) } else { (2, 4) };
    let before = MAGIC.len() + 2 + n_length;
    let length = (before + dict.len() + 1).next_multiple_of(ALIGNMENT) - before;
    let mut bytes = [&MAGIC[..], &[version, 0], &(length as u64).to_le_bytes()[..n_length], dict.as_bytes()].concat();
    bytes.resize(before + length - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// The one array that `bytes` are.
pub(super) fn read(bytes: &mut dyn Read) -> Result<Value, NpyError> {
    let (header, start) = read_header(bytes)?;
    let n_elements = header.shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    let n_bytes = n_elements.and_then(|n_elements| n_elements.checked_mul(header.kind.size()));
    let Some(n_bytes) = n_bytes else {
        return Err(NpyError::malformed(start, format!("the shape {:?} has more elements than can be", header.shape)));
    };
    let elements = take(bytes, n_bytes)?;
    if elements.len() < n_bytes {
        let reason =
            format!("the file ends after {} of {n_bytes} bytes of the shape {:?}", elements.len(), header.shape);
        return Err(NpyError::malformed(start + elements.len(), reason));
    }
    // Asking for one more byte has archives compare checksums, too.
    if !take(bytes, 1)?.is_empty() {
        return Err(NpyError::malformed(
            start + n_bytes,
            format!("there is more than the shape {:?} has", header.shape),
        ));
    }
    value(&header, elements, start)
}

/// At most so many bytes, in memory that grows as they arrive.
fn take(bytes: &mut dyn Read, n_bytes: usize) -> Result<Vec<u8>, NpyError> {
    let mut taken = Vec::new();
    bytes.take(n_bytes as u64).read_to_end(&mut taken).map_err(NpyError::Read)?;
    Ok(taken)
}

/// What stands before the elements, and where those begin.
fn read_header(bytes: &mut dyn Read) -> Result<(Header, usize), NpyError> {
    let start = take(bytes, MAGIC.len() + 2)?;
    if !start.starts_with(MAGIC) {
        return Err(NpyError::malformed(0, "it does not begin as npy files do, with \\x93NUMPY"));
    }
    let n_length = match start[MAGIC.len()..] {
        [1, _] => 2,
        [2 | 3, _] => 4,
        [version, _] => {
            let reason = format!("it is of version {version} of the format, and 1 to 3 are known");
            return Err(NpyError::malformed(MAGIC.len(), reason));
        }
        _ => return Err(NpyError::malformed(start.len(), "the file ends before its version")),
    };
    let length = take(bytes, n_length)?;
    let before = start.len() + n_length;
    if length.len() < n_length {
        return Err(NpyError::malformed(start.len() + length.len(), "the file ends before its header"));
    }
    let length = length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
    let text = take(bytes, length)?;
    if text.len() < length {
        let reason = format!("the file ends after {} of {length} bytes of its header", text.len());
        return Err(NpyError::malformed(before + text.len(), reason));
    }
    let header = Header::parse(&text).map_err(|error| error.behind(before))?;
    Ok((header, before + length))
}

impl NpyError {
    /// The same, after so many bytes more.
    fn behind(self, before: usize) -> NpyError {
        match self {
            NpyError::Malformed { offset, reason } => NpyError::Malformed { offset: offset + before, reason },
            other => other,
        }
    }
}

/// The array of these elements, which begin at `start`.
fn value(header: &Header, mut bytes: Vec<u8>, start: usize) -> Result<Value, NpyError> {
    let size = header.kind.size();
    if header.is_big_endian {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    let numbers = match header.kind {
        Kind::Bool => array(header, each(&bytes, |[byte]: [u8; 1]| byte != 0)).map(Value::Bool),
        Kind::F16 => array(header, each(&bytes, |x| f16::from_le_bytes(x).to_f32())).map(Value::F32),
        Kind::F32 => array(header, each(&bytes, f32::from_le_bytes)).map(Value::F32),
        Kind::F64 => array(header, each(&bytes, f64::from_le_bytes)).map(Value::F64),
        Kind::I8 => array(header, each(&bytes, |x| i8::from_le_bytes(x).into())).map(Value::I64),
        Kind::I16 => array(header, each(&bytes, |x| i16::from_le_bytes(x).into())).map(Value::I64),
        Kind::I32 => array(header, each(&bytes, |x| i32::from_le_bytes(x).into())).map(Value::I64),
        Kind::I64 => array(header, each(&bytes, i64::from_le_bytes)).map(Value::I64),
        Kind::U8 => array(header, each(&bytes, |x| u8::from_le_bytes(x).into())).map(Value::I64),
        Kind::U16 => array(header, each(&bytes, |x| u16::from_le_bytes(x).into())).map(Value::I64),
        Kind::U32 => array(header, each(&bytes, |x| u32::from_le_bytes(x).into())).map(Value::I64),
        Kind::U64 => {
            let numbers = each(&bytes, u64::from_le_bytes);
            if let Some(position) = numbers.iter().position(|number| i64::try_from(*number).is_err()) {
                let reason = format!("{} is more than an i64 holds", numbers[position]);
                return Err(NpyError::malformed(start + position * size, reason));
            }
            array(header, numbers.into_iter().map(u64::cast_signed).collect()).map(Value::I64)
        }
    };
    numbers.ok_or_else(|| NpyError::malformed(start, format!("the shape {:?} is too large", header.shape)))
}

fn each<const N: usize, T>(bytes: &[u8], from: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|bytes| from(*bytes)).collect()
}

/// These elements in the shape and order of a header, in row-major order; none if there are so many beside a size of 0 that they
/// could not be addressed.
fn array<T: Clone>(header: &Header, elements: Vec<T>) -> Option<ArrayD<T>> {
    let shape = IxDyn(&header.shape);
    match header.order {
        Order::RowMajor => ArrayD::from_shape_vec(shape, elements).ok(),
        Order::ColumnMajor => {
            let array = ArrayD::from_shape_vec(shape.f(), elements).ok()?;
            Some(array.as_standard_layout().into_owned())
        }
    }
}
