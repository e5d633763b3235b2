//! IDX files, the format of MNIST. In: bytes, gzip or not. Out: an [`IdxArray`] of the type and the sizes that the header
//! says. It does not know what the numbers mean; [`mnist`](super::mnist) does.

use std::{io::Read, path::Path};

use ndarray::{ArrayD, IxDyn};

use super::{
    DataError,
    byte_source::ByteSource,
    files::{FileColumn, Stored},
};

/// How many bytes are read at once; a multiple of the size of every element.
const CHUNK: usize = 1 << 16;
/// The two zeros, the type and the rank.
const N_MAGIC: u64 = 4;
/// The bytes of a size.
const N_SIZE: u64 = 4;

/// The array of an IDX file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum IdxArray {
    /// Type 0x08.
    U8(ArrayD<u8>),
    /// Type 0x09.
    I8(ArrayD<i8>),
    /// Type 0x0b.
    I16(ArrayD<i16>),
    /// Type 0x0c.
    I32(ArrayD<i32>),
    /// Type 0x0d.
    F32(ArrayD<f32>),
    /// Type 0x0e.
    F64(ArrayD<f64>),
}

impl IdxArray {
    /// The sizes of its axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            IdxArray::U8(array) => array.shape(),
            IdxArray::I8(array) => array.shape(),
            IdxArray::I16(array) => array.shape(),
            IdxArray::I32(array) => array.shape(),
            IdxArray::F32(array) => array.shape(),
            IdxArray::F64(array) => array.shape(),
        }
    }
}

/// Reads an IDX file of any type and rank.
///
/// The header is 0, 0, the type of the elements, the rank r, and r sizes; the elements follow in row-major order. All
/// numbers are big-endian. A rank of 0 is one element.
///
/// # Errors
/// The file cannot be opened, read or decompressed, has another magic number or an unknown type, or is shorter or longer
/// than its header says. Of a gzip file no more is decompressed than one byte after that.
///
/// # Complexity
/// Memory at most four times the bytes that are there, whatever the header claims.
///
/// # Source
/// LeCun, Cortes and Burges, *The MNIST database of handwritten digits*, 1998, "the IDX file format".
pub fn read(path: impl AsRef<Path>) -> Result<IdxArray, DataError> {
    let mut source = ByteSource::open(path.as_ref())?;
    let header = IdxHeader::read(&mut source)?;
    header.read_array(&mut source)
}

/// The array of an IDX file as a column whose rows are read when they are asked for, the first axis being the examples: for
/// [`FileSource`](super::files::FileSource).
///
/// # Errors
/// The file cannot be opened or read, is compressed or no IDX file, has no axis, or is shorter or longer than its header says.
///
/// # Example
/// ```no_run
/// use pullback::data::{files::FileSource, idx};
/// let images = idx::column("x", "train-images-idx3-ubyte")?.over(255.0);
/// let labels = idx::column("label", "train-labels-idx1-ubyte")?;
/// let examples = FileSource::open([images, labels])?;
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn column(name: impl Into<String>, path: impl AsRef<Path>) -> Result<FileColumn, DataError> {
    let path = path.as_ref();
    let mut source = ByteSource::open_plain(path)?;
    let header = IdxHeader::read(&mut source)?;
    source.check_number(3, "the number of axes", 1..=255, header.shape.len() as u64)?;
    let (first, n_bytes) = (source.place().offset, header.n_elements as u64 * header.element.n_bytes() as u64);
    let length =
        std::fs::metadata(path).map_err(|error| DataError::Unreadable { place: source.place(), source: error })?;
    let expected = first + n_bytes;
    match length.len() {
        length if length < expected => Err(DataError::Truncated { place: source.place_at(length), expected }),
        length if length > expected => Err(DataError::Oversized { place: source.place_at(expected) }),
        _ => {
            Ok(FileColumn::new(name, path, header.element.stored(), &header.shape[1..]).starting_at(first).big_endian())
        }
    }
}

/// [`read`] from anything that gives bytes. `name` stands for the path in errors.
///
/// # Errors
/// As for [`read`].
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::data::idx::{IdxArray, read_from};
/// let bytes = [0, 0, 0x0b, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x01, 0x02, 0xff, 0xff];
/// assert_eq!(read_from("pair", &bytes[..]).unwrap(), IdxArray::I16(array![[258, -1]].into_dyn()));
/// let error = read_from("pair", &bytes[..15]).unwrap_err();
/// assert_eq!(error.to_string(), "pair, byte 15: the file ends, but should have 16 bytes or more");
/// ```
pub fn read_from(name: &str, bytes: impl Read) -> Result<IdxArray, DataError> {
    let mut source = ByteSource::new(name, bytes)?;
    let header = IdxHeader::read(&mut source)?;
    header.read_array(&mut source)
}

/// What an IDX file says that it holds.
pub(super) struct IdxHeader {
    element: IdxElement,
    shape: Vec<usize>,
    n_elements: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum IdxElement {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl IdxHeader {
    /// Reads the magic number and the sizes; their product fits the address space.
    fn read<R: Read>(source: &mut ByteSource<R>) -> Result<IdxHeader, DataError> {
        let mut magic = [0; N_MAGIC as usize];
        source.fill_exactly(&mut magic, N_MAGIC)?;
        for (offset, byte) in (0..).zip(&magic[..2]) {
            source.check_number(offset, "the byte", 0..=0, u64::from(*byte))?;
        }
        let element = IdxElement::from_code(magic[2])
            .ok_or_else(|| DataError::ElementType { place: source.place_at(2), found: magic[2] })?;
        let (shape, n_elements) = read_shape(source, magic[3], element.n_bytes())?;
        Ok(IdxHeader { element, shape, n_elements })
    }

    /// Reads a header of bytes whose axes have the sizes in `expected`, or any where there is none.
    pub(super) fn read_bytes_of<R: Read>(
        source: &mut ByteSource<R>,
        expected: &[(&'static str, Option<usize>)],
    ) -> Result<IdxHeader, DataError> {
        let header = IdxHeader::read(source)?;
        source.check_number(2, "the type of the elements", 0x08..=0x08, header.element.code().into())?;
        let n_axes = expected.len() as u64;
        source.check_number(3, "the number of axes", n_axes..=n_axes, header.shape.len() as u64)?;
        for ((axis, (what, size)), found) in (0..).zip(expected).zip(&header.shape) {
            let size = size.map_or(*found, |size| size) as u64;
            source.check_number(N_MAGIC + axis * N_SIZE, what, size..=size, *found as u64)?;
        }
        Ok(header)
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn read_array<R: Read>(&self, source: &mut ByteSource<R>) -> Result<IdxArray, DataError> {
        Ok(match self.element {
            IdxElement::U8 => IdxArray::U8(self.read_elements(source, u8::from_be_bytes)?),
            IdxElement::I8 => IdxArray::I8(self.read_elements(source, i8::from_be_bytes)?),
            IdxElement::I16 => IdxArray::I16(self.read_elements(source, i16::from_be_bytes)?),
            IdxElement::I32 => IdxArray::I32(self.read_elements(source, i32::from_be_bytes)?),
            IdxElement::F32 => IdxArray::F32(self.read_elements(source, f32::from_be_bytes)?),
            IdxElement::F64 => IdxArray::F64(self.read_elements(source, f64::from_be_bytes)?),
        })
    }

    fn read_elements<R: Read, T, const N: usize>(
        &self,
        source: &mut ByteSource<R>,
        decode: fn([u8; N]) -> T,
    ) -> Result<ArrayD<T>, DataError> {
        let elements = self.read_list(source, |bytes| decode(*bytes))?;
        let array = ArrayD::from_shape_vec(IxDyn(&self.shape), elements);
        Ok(array.expect("invariant: as many elements were read as the shape has, which is addressable"))
    }

    /// Reads all elements, of `N` bytes each, and checks that nothing follows. The list grows as bytes arrive.
    pub(super) fn read_list<R: Read, T, const N: usize>(
        &self,
        source: &mut ByteSource<R>,
        decode: impl Fn(&[u8; N]) -> T,
    ) -> Result<Vec<T>, DataError> {
        let expected = source.place().offset + (self.n_elements as u64) * N as u64;
        let mut elements: Vec<T> = Vec::new();
        let mut chunk = vec![0; CHUNK.min(self.n_elements * N)];
        while elements.len() < self.n_elements {
            let n_more = (self.n_elements - elements.len()).min(chunk.len() / N);
            let bytes = &mut chunk[..n_more * N];
            source.fill_exactly(bytes, expected)?;
            grow(&mut elements, n_more, self.n_elements);
            let (groups, _) = bytes.as_chunks::<N>();
            elements.extend(groups.iter().map(&decode));
        }
        source.check_end()?;
        Ok(elements)
    }
}

impl IdxElement {
    const ALL: [IdxElement; 6] =
        [IdxElement::U8, IdxElement::I8, IdxElement::I16, IdxElement::I32, IdxElement::F32, IdxElement::F64];

    fn from_code(code: u8) -> Option<IdxElement> {
        IdxElement::ALL.into_iter().find(|element| element.code() == code)
    }

    fn code(self) -> u8 {
        match self {
            IdxElement::U8 => 0x08,
            IdxElement::I8 => 0x09,
            IdxElement::I16 => 0x0b,
            IdxElement::I32 => 0x0c,
            IdxElement::F32 => 0x0d,
            IdxElement::F64 => 0x0e,
        }
    }

    fn stored(self) -> Stored {
        match self {
            IdxElement::U8 => Stored::U8,
            IdxElement::I8 => Stored::I8,
            IdxElement::I16 => Stored::I16,
            IdxElement::I32 => Stored::I32,
            IdxElement::F32 => Stored::F32,
            IdxElement::F64 => Stored::F64,
        }
    }

    fn n_bytes(self) -> usize {
        match self {
            IdxElement::U8 | IdxElement::I8 => 1,
            IdxElement::I16 => 2,
            IdxElement::I32 | IdxElement::F32 => 4,
            IdxElement::F64 => 8,
        }
    }
}

/// The sizes and their product. A size of 0 makes the product 0, but the others must be addressable all the same, since
/// an array's strides are made of them.
fn read_shape<R: Read>(source: &mut ByteSource<R>, rank: u8, n_bytes: usize) -> Result<(Vec<usize>, usize), DataError> {
    let header_end = N_MAGIC + u64::from(rank) * N_SIZE;
    let mut shape = Vec::new();
    let mut n_addressed = n_bytes;
    for _ in 0..rank {
        let place = source.place();
        let mut size = [0; N_SIZE as usize];
        source.fill_exactly(&mut size, header_end)?;
        let found = u32::from_be_bytes(size);
        let size = usize::try_from(found).ok();
        let product = size.and_then(|size| n_addressed.checked_mul(size.max(1)));
        match (size, product) {
            (Some(size), Some(product)) if isize::try_from(product).is_ok() => {
                n_addressed = product;
                shape.push(size);
            }
            _ => return Err(DataError::TooLarge { place, found: found.into() }),
        }
    }
    let n_elements = shape.iter().product();
    Ok((shape, n_elements))
}

/// Makes room for `n_more`, at least doubling, but never for more than `n_elements` in all.
fn grow<T>(elements: &mut Vec<T>, n_more: usize, n_elements: usize) {
    let n_needed = elements.len() + n_more;
    if n_needed > elements.capacity() {
        let n_wanted = n_needed.max(2 * elements.len()).min(n_elements);
        elements.reserve_exact(n_wanted - elements.len());
    }
}
