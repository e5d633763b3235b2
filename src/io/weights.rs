//! Weights that another program has written. In: files, and how their names and axes differ from a model's. Out: the model's
//! parameters and states, and a report of what did not fit.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use ndarray::ArrayD;
use safetensors::{Dtype, tensor::TensorInfo};

use super::{
    IoError, WeightReport,
    conversion::converted,
    shard::{Shard, indexed},
};
use crate::{
    graph::{DType, Value},
    names,
    parameters::Parameters,
};

/// Safetensors files of one model, opened and not yet read.
///
/// Arrays go to the parameter or [state](crate::Graph::state) of their name, after [`Weights::rename`], in the order of its axes, after
/// [`Weights::transpose`], converted to its dtype: f16, bf16, f32, f64 and integers of 8 to 64 bits become floats, rounded to the
/// nearest, and integers become `i64`. One array is in memory at a time.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{Graph, io::{Arrays, Weights}, nn::{Layer, Linear}};
/// let g = Graph::new();
/// Linear::new(&g, "layers.0", 2, 3);
/// let mut parameters = g.initialize(0)?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// # let mut file = Arrays::new();
/// # file.insert("net.0.weight", array![[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]].into());
/// # file.insert("net.0.bias", array![0.0f32, 0.0, 1.0].into());
/// # file.save(&path)?;
/// // PyTorch keeps the weight of a linear layer as [outputs, inputs].
/// let report = Weights::open(&path)?.rename("net.*", "layers.*").transpose("*.weight").load_into(&mut parameters)?;
/// assert_eq!(report.loaded, ["layers.0.weight", "layers.0.bias"]);
/// assert_eq!(parameters.array::<f32>("layers.0.weight")?[[1, 0]], 2.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Weights {
    shards: Vec<Shard>,
    renames: Vec<(String, String)>,
    transposed: Vec<String>,
    ignored: Vec<String>,
    is_strict: bool,
}

impl Weights {
    /// Opens a safetensors file, or the JSON index of several: `model.safetensors.index.json`, whose files lie beside it.
    ///
    /// # Errors
    /// A file cannot be read, or is not of the format: with the offset. An array is in two files, or not in that which the index names.
    pub fn open(path: impl AsRef<Path>) -> Result<Weights, IoError> {
        let path = path.as_ref();
        let shards = if path.extension().is_some_and(|extension| extension == "json") {
            indexed(path)?
        } else {
            vec![Shard::open(path)?]
        };
        let (renames, transposed, ignored) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Weights { shards, renames, transposed, ignored, is_strict: true })
    }

    /// Arrays whose names match a pattern are for another name: each `*` of `name` is what the `*` of the pattern in its place stands
    /// for. Of several patterns the first that matches counts.
    #[must_use]
    pub fn rename(mut self, pattern: impl Into<String>, name: impl Into<String>) -> Weights {
        self.renames.push((pattern.into(), name.into()));
        self
    }

    /// Matrices for parameters whose names match a pattern are transposed; arrays of other ranks are not.
    #[must_use]
    pub fn transpose(mut self, pattern: impl Into<String>) -> Weights {
        self.transposed.push(pattern.into());
        self
    }

    /// Arrays whose names in the file match a pattern are no part of the model.
    #[must_use]
    pub fn ignore(mut self, pattern: impl Into<String>) -> Weights {
        self.ignored.push(pattern.into());
        self
    }

    /// Takes what fits and reports the rest, where [`Weights::load_into`] else gives an error if anything is missing, unexpected or
    /// does not fit.
    #[must_use]
    pub fn lenient(self) -> Weights {
        Weights { is_strict: false, ..self }
    }

    /// Names, types in the format's words, and shapes of all arrays, in the order of the files.
    pub fn arrays(&self) -> impl Iterator<Item = (&str, String, &[usize])> {
        let infos = self.shards.iter().flat_map(|shard| shard.infos());
        infos.map(|(name, info)| (name.as_str(), format!("{:?}", info.dtype).to_lowercase(), info.shape.as_slice()))
    }

    /// Reads what is for these parameters and their state into them.
    ///
    /// # Errors
    /// A file cannot be read; a pattern of `rename` or `ignore` matches no array, or one of `transpose` no parameter or state; or, unless
    /// this is lenient, [`IoError::Weights`] with the report if anything is missing, unexpected or does
    /// not fit. Nothing is changed then.
    pub fn load_into(&self, parameters: &mut Parameters) -> Result<WeightReport, IoError> {
        let mut report = WeightReport::default();
        let mut sources: HashMap<String, (&Shard, &str, &TensorInfo)> = HashMap::new();
        let mut twice = BTreeMap::new();
        for shard in &self.shards {
            for (name, info) in shard.infos() {
                if names::matches_any(&self.ignored, name) {
                    continue;
                }
                let target = self.renamed(name);
                let is_known = parameters.view(&target).is_some() || parameters.state().get(&target).is_some();
                if !is_known {
                    report.unexpected.push((name.clone(), target));
                } else if let Some((_, first, _)) = sources.insert(target.clone(), (shard, name, info)) {
                    twice.insert(target, format!("{first:?} and {name:?} are both for it"));
                }
            }
        }
        self.check_patterns(parameters)?;
        let mut read = parameters.clone();
        let targets = parameters.iter().map(|(name, view)| (name, view.dtype(), view.shape().to_vec()));
        let states = parameters.state().iter().map(|(name, value)| (name, value.dtype(), value.shape().to_vec()));
        for (name, dtype, shape) in targets.chain(states) {
            let Some((shard, _, info)) = sources.get(name) else {
                report.missing.push(name.to_owned());
                continue;
            };
            if let Some(reason) = twice.remove(name) {
                report.misfits.push((name.to_owned(), reason));
                continue;
            }
            match self.array(shard, info, name, (dtype, &shape))? {
                Ok(value) => {
                    let set = if read.view(name).is_some() {
                        read.set(name, &value)
                    } else {
                        read.state_mut().set(name, &value)
                    };
                    set.expect("invariant: it was converted to the dtype and has the shape");
                    report.loaded.push(name.to_owned());
                }
                Err(reason) => report.misfits.push((name.to_owned(), reason)),
            }
        }
        if self.is_strict && !report.is_complete() {
            return Err(IoError::Weights { path: self.shards[0].path().to_owned(), report: Box::new(report) });
        }
        *parameters = read;
        Ok(report)
    }

    /// That each pattern matches something: a slip in one may go unseen where a matrix is square.
    fn check_patterns(&self, parameters: &Parameters) -> Result<(), IoError> {
        let held = || self.shards.iter().flat_map(|shard| shard.infos().keys().map(String::as_str));
        let known = || parameters.names().chain(parameters.state().names());
        let of_files = self.renames.iter().map(|(pattern, _)| pattern).chain(&self.ignored);
        let of_files = of_files.map(|pattern| (pattern, names::check_pattern(pattern, held())));
        let of_model = self.transposed.iter().map(|pattern| (pattern, names::check_pattern(pattern, known())));
        for (pattern, checked) in of_files.chain(of_model) {
            checked.map_err(|nearest| IoError::UnmatchedPattern { pattern: pattern.clone(), nearest })?;
        }
        Ok(())
    }

    /// The array for a parameter or state, or why it does not fit.
    fn array(
        &self,
        shard: &Shard,
        info: &TensorInfo,
        name: &str,
        (dtype, shape): (DType, &[usize]),
    ) -> Result<Result<Value, String>, IoError> {
        let is_transposed = info.shape.len() == 2 && names::matches_any(&self.transposed, name);
        let found: Vec<usize> =
            if is_transposed { info.shape.iter().rev().copied().collect() } else { info.shape.clone() };
        if found != shape {
            let transposed = if is_transposed { ", transposed" } else { "" };
            return Ok(Err(format!("it has shape {shape:?}, the array {found:?}{transposed}")));
        }
        let bytes = shard.bytes(info)?;
        let Some(value) = converted(info.dtype, &info.shape, &bytes, dtype) else {
            return Ok(Err(format!("it is {dtype}, to which {} is not converted", type_name(info.dtype))));
        };
        Ok(Ok(if is_transposed { transposed(value) } else { value }))
    }

    /// The name that an array is for.
    fn renamed(&self, name: &str) -> String {
        let found = self.renames.iter().find_map(|(pattern, to)| Some(filled(to, &names::captures(pattern, name)?)));
        found.unwrap_or_else(|| name.to_owned())
    }
}

/// A name with what stars stood for in place of its own.
fn filled(name: &str, captures: &[&str]) -> String {
    let mut captures = captures.iter();
    let mut filled = String::new();
    for letter in name.chars() {
        match letter {
            '*' => filled.push_str(captures.next().unwrap_or(&"")),
            letter => filled.push(letter),
        }
    }
    filled
}

fn type_name(dtype: Dtype) -> String {
    format!("{dtype:?}").to_lowercase()
}

fn transposed(value: Value) -> Value {
    fn turned<T: Clone>(array: ArrayD<T>) -> ArrayD<T> {
        array.reversed_axes().as_standard_layout().into_owned()
    }
    match value {
        Value::F32(array) => Value::F32(turned(array)),
        Value::F64(array) => Value::F64(turned(array)),
        Value::I64(array) => Value::I64(turned(array)),
        Value::Bool(array) => Value::Bool(turned(array)),
    }
}
