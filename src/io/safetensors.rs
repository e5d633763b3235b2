//! The safetensors format: arrays by name, and short texts by name. In: arrays or bytes. Out: bytes or arrays. The format
//! itself is the crate's of that name; here are its types, its errors with their offsets, and files that are replaced whole.

use std::{borrow::Cow, collections::HashMap, fs, path::Path, sync::Arc};

use indexmap::IndexMap;
use ndarray::{ArrayD, ArrayViewD, IxDyn, ShapeError};
use safetensors::{Dtype, SafeTensorError, SafeTensors, View};

use super::{IoError, StoredFloat, Weights, conversion::halves, replace::replace};
use crate::{
    graph::{Value, ValueView},
    names,
    parameters::{Buffers, Layout, Parameters, State},
};

/// Texts are kept as lines of one entry, since the order of entries is that of a hash in the format's own library.
const NOTES: &str = "pullback";

/// The name under which the format keeps texts, among those of arrays.
const RESERVED: &str = "__metadata__";

/// Arrays and short texts by name, in the order in which they were put in.
///
/// Files are those of [safetensors](https://github.com/huggingface/safetensors), little-endian, so that other programs read
/// the arrays; texts are lines of the metadata's entry `pullback`. The same content gives the same bytes. With the feature `npz` the files of
/// NumPy are read and written too.
///
/// A file of another program may hold arrays of types that there are none of here, such as f16. They are kept as they are
/// and written again, but have no [`Value`]: [`Arrays::foreign`] names them.
///
/// # Example
/// ```
/// use ndarray::arr1;
/// use pullback::{Value, io::Arrays};
/// let mut arrays = Arrays::new();
/// arrays.insert("scores", Value::from(arr1(&[0.1f32, -0.8]).into_dyn()));
/// arrays.note("made by", "an example");
/// let read = Arrays::from_bytes("memory", &arrays.to_bytes()?)?;
/// assert_eq!(read.get("scores"), arrays.get("scores"));
/// assert_eq!(read.text("made by"), Some("an example"));
/// # Ok::<(), pullback::io::IoError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arrays {
    arrays: IndexMap<String, Value>,
    foreign: IndexMap<String, Foreign>,
    notes: IndexMap<String, String>,
}

/// An array of a type that there is none of here.
#[derive(Debug, Clone, PartialEq)]
struct Foreign {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Arrays {
    /// No arrays and no texts.
    pub fn new() -> Arrays {
        Arrays::default()
    }

    /// Puts an array in, in place of one of the same name.
    pub fn insert(&mut self, name: impl Into<String>, value: Value) {
        let name = name.into();
        self.foreign.shift_remove(&name);
        self.arrays.insert(name, value);
    }

    /// Puts a text in, in place of one of the same name.
    pub fn note(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.notes.insert(name.into(), text.into());
    }

    /// The array of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.arrays.get(name)
    }

    /// The text of a name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.notes.get(name).map(String::as_str)
    }

    /// The names of the texts.
    #[cfg(feature = "npz")]
    pub(super) fn text_names(&self) -> impl Iterator<Item = &str> {
        self.notes.keys().map(String::as_str)
    }

    /// Names and arrays.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.arrays.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Names and types, in the format's words, of the arrays of a file that have another type than f32, f64, i64 and bool.
    ///
    /// # Example
    /// ```
    /// use pullback::io::Arrays;
    /// // One array of two f16, as another program may have written it.
    /// let header = r#"{"half":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#;
    /// let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 4]].concat();
    /// let read = Arrays::from_bytes("memory", &bytes)?;
    /// assert_eq!(read.foreign().collect::<Vec<_>>(), [("half", "f16".to_owned())]);
    /// assert_eq!(read.get("half"), None);
    /// # Ok::<(), pullback::io::IoError>(())
    /// ```
    pub fn foreign(&self) -> impl ExactSizeIterator<Item = (&str, String)> {
        self.foreign.iter().map(|(name, array)| (name.as_str(), array.dtype_name()))
    }

    /// The content of a file.
    ///
    /// # Errors
    /// An array is called `__metadata__`, which the format keeps for itself, or names and texts take more than the 100 MB
    /// that it has for them: no reader would take such a file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, IoError> {
        if self.arrays.contains_key(RESERVED) || self.foreign.contains_key(RESERVED) {
            return Err(IoError::ReservedName { name: RESERVED });
        }
        let arrays = self.arrays.iter().map(|(name, value)| (name.as_str(), TensorBytes::new(value)));
        let foreign = self.foreign.iter().map(|(name, array)| (name.as_str(), array.plain()));
        let metadata = (!self.notes.is_empty()).then(|| HashMap::from([(NOTES.to_owned(), lines(&self.notes))]));
        safetensors::serialize(arrays.chain(foreign), metadata).map_err(|error| match error {
            SafeTensorError::HeaderTooLarge => IoError::LargeHeader,
            error => unreachable!("invariant: arrays are as long as their shapes say: {error}"),
        })
    }

    /// What a file of that name holds.
    ///
    /// # Errors
    /// The bytes are not of the format: with the offset.
    ///
    /// # Complexity
    /// One copy; no memory is asked for beyond a multiple of the bytes.
    pub fn from_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Arrays, IoError> {
        let path = path.as_ref();
        let malformed = |error: SafeTensorError| {
            let offset = offset(&error, bytes);
            IoError::Malformed { path: path.to_owned(), offset, reason: error.to_string() }
        };
        let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
        let mut read = Arrays::new();
        if let Some(text) = metadata.metadata().as_ref().and_then(|metadata| metadata.get(NOTES)) {
            read.notes = notes(text).ok_or_else(|| IoError::Malformed {
                path: path.to_owned(),
                offset: size_of::<u64>(),
                reason: format!("the metadata's entry {NOTES:?} is not of lines `name,text`"),
            })?;
        }
        for (name, view) in SafeTensors::deserialize(bytes).map_err(malformed)?.iter() {
            let (dtype, shape) = (view.dtype(), view.shape());
            let value = value(dtype, shape, view.data()).map_err(|error| IoError::Malformed {
                path: path.to_owned(),
                offset: size_of::<u64>() + header + metadata.info(name).map_or(0, |info| info.data_offsets.0),
                reason: format!("the array {name:?} of shape {shape:?}: {error}"),
            })?;
            match value {
                Some(value) => read.arrays.insert(name.to_owned(), value).map(|_| ()),
                None => {
                    let foreign = Foreign { dtype, shape: shape.to_vec(), bytes: view.data().to_vec() };
                    read.foreign.insert(name.to_owned(), foreign).map(|_| ())
                }
            };
        }
        read.foreign.sort_unstable_keys();
        read.arrays.sort_unstable_keys();
        Ok(read)
    }

    /// Writes a file. One of that name is replaced at once, by a file that is complete and on the disk: whoever reads it sees
    /// the old one or the new one, also where several programs write it, and whoever is stopped in between leaves the old
    /// one.
    ///
    /// # Errors
    /// The file cannot be written, which leaves nothing behind; or as for [`Arrays::to_bytes`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), IoError> {
        let (path, bytes) = (path.as_ref(), self.to_bytes()?);
        let written = replace(path, |file| file.write_all(&bytes));
        written.map_err(|source| IoError::Write { path: path.to_owned(), source })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or as for [`Arrays::from_bytes`].
    pub fn load(path: impl AsRef<Path>) -> Result<Arrays, IoError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| IoError::Read { path: path.to_owned(), source })?;
        Arrays::from_bytes(path, &bytes)
    }

    /// Puts each array of some buffers in, under `prefix` and its name.
    pub(crate) fn insert_all(&mut self, prefix: &str, buffers: &Buffers) {
        for (name, view) in buffers.iter() {
            self.insert(format!("{prefix}{name}"), view.to_value());
        }
    }

    /// The buffers of a layout from the arrays whose names are `prefix` and the layout's.
    pub(crate) fn buffers(&self, path: &Path, prefix: &str, layout: &Arc<Layout>) -> Result<Buffers, IoError> {
        let mut buffers = Buffers::zeros(Arc::clone(layout));
        for name in layout.names() {
            let held = format!("{prefix}{name}");
            let value = self.get(&held).ok_or_else(|| self.missing(path, prefix, name))?;
            let set = buffers.set(name, value);
            set.map_err(|source| IoError::Parameter { path: path.to_owned(), source })?;
        }
        Ok(buffers)
    }

    /// Puts all states in, under `prefix` and their names.
    pub(crate) fn insert_state(&mut self, prefix: &str, state: &State) {
        for (name, value) in state.iter() {
            self.insert(format!("{prefix}{name}"), value.clone());
        }
    }

    /// The states of the names and types of `like` from the arrays whose names are `prefix` and theirs.
    pub(crate) fn state(&self, path: &Path, prefix: &str, like: &State) -> Result<State, IoError> {
        let mut state = like.clone();
        for name in like.names() {
            let value = self.get(&format!("{prefix}{name}")).ok_or_else(|| self.missing(path, prefix, name))?;
            let set = state.set(name, value);
            set.map_err(|source| IoError::Parameter { path: path.to_owned(), source })?;
        }
        Ok(state)
    }

    /// The error for an array that has no value here: of another type, or absent, perhaps by a slip of the name.
    fn missing(&self, path: &Path, prefix: &str, name: &str) -> IoError {
        let (path, held) = (path.to_owned(), format!("{prefix}{name}"));
        if let Some(array) = self.foreign.get(&held) {
            return IoError::UnknownType { path, name: held, dtype: array.dtype_name() };
        }
        // What all names begin with says nothing about which of them was meant.
        let alike = self.arrays.keys().chain(self.foreign.keys()).filter_map(|held| held.strip_prefix(prefix));
        let nearest = names::nearest(name, alike).map(|nearest| format!("{prefix}{nearest}"));
        IoError::MissingArray { path, name: held, nearest }
    }
}

impl Foreign {
    fn dtype_name(&self) -> String {
        format!("{:?}", self.dtype).to_lowercase()
    }

    fn plain(&self) -> TensorBytes<'_> {
        TensorBytes { dtype: self.dtype, shape: self.shape.clone(), bytes: Cow::Borrowed(&self.bytes) }
    }
}

/// Writes parameters and their state into a safetensors file, each array under its name.
///
/// # Errors
/// The file cannot be written, a parameter is called `__metadata__`, which the format keeps for itself, or a state has the name of a
/// parameter.
///
/// # Example
/// ```no_run
/// use pullback::{Graph, io::{load_parameters, save_parameters}, nn::linear};
/// let g = Graph::new();
/// linear(g.input("x", ("batch", 64)), "out", 10);
/// let parameters = g.initialize(0)?;
/// save_parameters("model.safetensors", &parameters)?;
/// assert_eq!(load_parameters("model.safetensors", &parameters)?, parameters);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("save", "state_dict"))]
pub fn save_parameters(path: impl AsRef<Path>, parameters: &Parameters) -> Result<(), IoError> {
    save_parameters_as(path, parameters, StoredFloat::Same)
}

/// [`save_parameters`] with the floats of parameters in half as many bytes or less; [`load_parameters`] makes of them what the model
/// has. State stays as it is, since a running variance may well be more than an f16 holds.
///
/// # Errors
/// As for [`save_parameters`].
pub fn save_parameters_as(path: impl AsRef<Path>, parameters: &Parameters, stored: StoredFloat) -> Result<(), IoError> {
    let mut arrays = Arrays::new();
    for (name, value) in parameters.state().iter() {
        if parameters.view(name).is_some() {
            return Err(IoError::NameTaken { name: name.to_owned() });
        }
        arrays.insert(name, value.clone());
    }
    for (name, view) in parameters.iter() {
        let value = view.to_value();
        let halves = match &value {
            Value::F32(array) => halves(array.iter().map(|x| f64::from(*x)), stored),
            Value::F64(array) => halves(array.iter().copied(), stored),
            Value::I64(_) | Value::Bool(_) => None,
        };
        match halves {
            Some((dtype, bytes)) => {
                let foreign = Foreign { dtype, shape: value.shape().to_vec(), bytes };
                arrays.foreign.insert(name.to_owned(), foreign);
            }
            None => arrays.insert(name, value),
        }
    }
    arrays.save(path)
}

/// Reads parameters and state of the names and types of others from a safetensors file, as [`Weights`] converts them. Other
/// arrays in it are left alone.
///
/// # Errors
/// As for [`Weights::load_into`], but for arrays that are for nothing.
#[doc(alias = "load_state_dict")]
pub fn load_parameters(path: impl AsRef<Path>, like: &Parameters) -> Result<Parameters, IoError> {
    let path = path.as_ref();
    let mut parameters = like.clone();
    let report = Weights::open(path)?.lenient().load_into(&mut parameters)?;
    if report.missing.is_empty() && report.misfits.is_empty() {
        return Ok(parameters);
    }
    Err(IoError::Weights { path: path.to_owned(), report: Box::new(report) })
}

/// An array as bytes.
struct TensorBytes<'v> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'v, [u8]>,
}

impl<'v> TensorBytes<'v> {
    fn new(value: &'v Value) -> TensorBytes<'v> {
        fn bytes<'v, T: Copy, const N: usize>(array: ArrayViewD<'v, T>, to: fn(T) -> [u8; N]) -> Cow<'v, [u8]> {
            array.iter().flat_map(|element| to(*element)).collect::<Vec<u8>>().into()
        }
        let (dtype, bytes) = match value.view() {
            ValueView::F32(array) => (Dtype::F32, bytes(array, f32::to_le_bytes)),
            ValueView::F64(array) => (Dtype::F64, bytes(array, f64::to_le_bytes)),
            ValueView::I64(array) => (Dtype::I64, bytes(array, i64::to_le_bytes)),
            ValueView::Bool(array) => (Dtype::BOOL, bytes(array, |element| [u8::from(element)])),
        };
        TensorBytes { dtype, shape: value.shape().to_vec(), bytes }
    }
}

impl View for TensorBytes<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The array that bytes are; none for types that are not known. The library has compared their number with the shape, but
/// not whether an empty array's other sizes can be addressed.
fn value(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Result<Option<Value>, ShapeError> {
    fn array<T, const N: usize>(
        shape: &[usize],
        bytes: &[u8],
        from: fn([u8; N]) -> T,
    ) -> Result<ArrayD<T>, ShapeError> {
        let elements = bytes.as_chunks::<N>().0.iter().map(|bytes| from(*bytes)).collect();
        ArrayD::from_shape_vec(IxDyn(shape), elements)
    }
    Ok(Some(match dtype {
        Dtype::F32 => array(shape, bytes, f32::from_le_bytes)?.into(),
        Dtype::F64 => array(shape, bytes, f64::from_le_bytes)?.into(),
        Dtype::I64 => array(shape, bytes, i64::from_le_bytes)?.into(),
        Dtype::BOOL => array(shape, bytes, |[byte]: [u8; 1]| byte != 0)?.into(),
        _ => return Ok(None),
    }))
}

/// Texts as lines of names and texts.
fn lines(notes: &IndexMap<String, String>) -> String {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for (name, text) in notes {
        writer.write_record([name, text]).expect("invariant: memory takes what is written");
    }
    let bytes = writer.into_inner().expect("invariant: memory takes what is written");
    String::from_utf8(bytes).expect("invariant: texts are UTF-8, and so are commas")
}

fn notes(text: &str) -> Option<IndexMap<String, String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let note = |record: csv::Result<csv::StringRecord>| {
        let record = record.ok()?;
        (record.len() == 2).then(|| (record[0].to_owned(), record[1].to_owned()))
    };
    reader.records().map(note).collect()
}

/// Where in the bytes an error lies: the length of the header, the header, or what follows it.
fn offset(error: &SafeTensorError, bytes: &[u8]) -> usize {
    let header = size_of::<u64>();
    match error {
        SafeTensorError::HeaderTooSmall => bytes.len(),
        SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeaderLength => 0,
        SafeTensorError::InvalidHeader(error) => header + error.valid_up_to(),
        SafeTensorError::InvalidHeaderDeserialization(error) => header + error.column().saturating_sub(1),
        SafeTensorError::MetadataIncompleteBuffer => {
            let length = bytes.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes) as usize);
            bytes.len().min(header.saturating_add(length))
        }
        _ => header,
    }
}
