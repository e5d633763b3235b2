//! Weights that another program has written. In: files, and how their names and axes differ from a model's. Out: the model's
//! parameters and states, and a report of what did not fit.

use std::{collections::HashMap, ops::Range, path::Path, rc::Rc};

use ndarray::{ArrayD, Axis, IxDyn, Slice};
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
/// Arrays go to the parameter or [state](crate::Graph::state) of their name, after [`Weights::rename`] or, where several lie side by
/// side in one, [`Weights::split`], in the order of its axes, after [`Weights::transpose`], converted to its dtype: f16, bf16, f32,
/// f64 and integers of 8 to 64 bits become floats, rounded to the nearest, and integers become `i64`. One array is in memory at a
/// time.
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
/// let report = Weights::open(&path)?.rename("net.*", "layers.*").transpose("*.weight", [1, 0]).load_into(&mut parameters)?;
/// assert_eq!(report.loaded, ["layers.0.weight", "layers.0.bias"]);
/// assert_eq!(parameters.array::<f32>("layers.0.weight")?[[1, 0]], 2.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Weights {
    shards: Vec<Shard>,
    renames: Vec<(String, String)>,
    splits: Vec<Split>,
    transposed: Vec<(String, Vec<usize>)>,
    ignored: Vec<String>,
    is_strict: bool,
}

/// Arrays that are several, side by side along an axis.
#[derive(Debug)]
struct Split {
    pattern: String,
    axis: usize,
    names: Vec<String>,
}

/// Where the numbers of a parameter or state are.
struct Origin<'w> {
    shard: &'w Shard,
    name: &'w str,
    info: &'w TensorInfo,
    part: Option<Part>,
}

/// One of the arrays that lie side by side in one.
struct Part {
    axis: usize,
    /// The parameters and states that all of them are for.
    targets: Rc<[String]>,
    position: usize,
}

impl Weights {
    /// Opens a safetensors file, or the JSON index of several: `model.safetensors.index.json`, whose files lie beside it.
    ///
    /// # Errors
    /// A file cannot be read, or is not of the format: with the offset. An array is in two files, or not in that which the index
    /// names.
    pub fn open(path: impl AsRef<Path>) -> Result<Weights, IoError> {
        let path = path.as_ref();
        let shards = if path.extension().is_some_and(|extension| extension == "json") {
            indexed(path)?
        } else {
            vec![Shard::open(path)?]
        };
        let (renames, splits, transposed, ignored) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Weights { shards, renames, splits, transposed, ignored, is_strict: true })
    }

    /// Arrays whose names match a pattern are for another name: each `*` of `name` is what the `*` of the pattern in its place stands
    /// for. Of several patterns the first that matches counts.
    #[must_use]
    pub fn rename(mut self, pattern: impl Into<String>, name: impl Into<String>) -> Weights {
        self.renames.push((pattern.into(), name.into()));
        self
    }

    /// Arrays whose names match a pattern are several, side by side along an axis in this order, and take no [`Weights::rename`]:
    /// each `*` of a name is what the `*` of the pattern in its place stands for. How wide each of them is, the model says.
    ///
    /// # Example
    /// Two layers, the second twice as wide, of which another program has made one:
    /// ```
    /// use ndarray::array;
    /// use pullback::{Graph, io::{Arrays, Weights}, nn::{Layer, Linear}};
    /// let g = Graph::new();
    /// for (name, width) in [("h.0.keys", 1), ("h.0.values", 2)] {
    ///     Linear::new(&g, name, 2, width);
    /// }
    /// let mut parameters = g.initialize(0)?;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("model.safetensors");
    /// # let mut file = Arrays::new();
    /// # file.insert("h.0.kv.weight", array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]].into());
    /// # file.insert("h.0.kv.bias", array![7.0f32, 8.0, 9.0].into());
    /// # file.save(&path)?;
    /// let weights = Weights::open(&path)?
    ///     .split("h.*.kv.weight", 1, ["h.*.keys.weight", "h.*.values.weight"])
    ///     .split("h.*.kv.bias", 0, ["h.*.keys.bias", "h.*.values.bias"]);
    /// assert_eq!(weights.load_into(&mut parameters)?.loaded.len(), 4);
    /// assert_eq!(parameters.array::<f32>("h.0.values.weight")?, array![[2.0, 3.0], [5.0, 6.0]].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("chunk", "fused", "qkv"))]
    #[must_use]
    pub fn split<N: Into<String>>(
        mut self,
        pattern: impl Into<String>,
        axis: usize,
        names: impl IntoIterator<Item = N>,
    ) -> Weights {
        let names = names.into_iter().map(Into::into).collect();
        self.splits.push(Split { pattern: pattern.into(), axis, names });
        self
    }

    /// Arrays of as many axes for parameters and states whose names match a pattern are transposed, as by
    /// [`Expr::transpose`](crate::Expr::transpose): axis k of the model's is axis `axes[k]` of the file's. Arrays of other ranks are
    /// not. Of several patterns the first that matches counts.
    #[doc(alias = "permute")]
    #[must_use]
    pub fn transpose(mut self, pattern: impl Into<String>, axes: impl Into<Vec<usize>>) -> Weights {
        self.transposed.push((pattern.into(), axes.into()));
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
    /// A file cannot be read; a pattern of `rename`, `split` or `ignore` matches no array, or one of `transpose` no parameter or
    /// state; `split` has no names; the axes of `transpose` are no permutation; or, unless this is lenient, [`IoError::Weights`] with
    /// the report if anything is missing, unexpected or does not fit. Nothing is changed then.
    pub fn load_into(&self, parameters: &mut Parameters) -> Result<WeightReport, IoError> {
        self.check(parameters)?;
        let mut report = WeightReport::default();
        let mut origins = self.origins(parameters, &mut report);
        let mut read = parameters.clone();
        let targets = parameters.iter().map(|(name, view)| (name, view.dtype(), view.shape().to_vec()));
        let states = parameters.state().iter().map(|(name, value)| (name, value.dtype(), value.shape().to_vec()));
        for (name, dtype, shape) in targets.chain(states) {
            let value = match origins.remove(name) {
                Some(Ok(origin)) => self.array(&origin, parameters, name, (dtype, &shape))?,
                Some(Err(reason)) => Err(reason),
                None => {
                    report.missing.push(name.to_owned());
                    continue;
                }
            };
            match value {
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

    /// Where the numbers of each parameter and state are, or why none can be taken; what is for none of them goes into the report.
    fn origins(
        &self,
        parameters: &Parameters,
        report: &mut WeightReport,
    ) -> HashMap<String, Result<Origin<'_>, String>> {
        let mut origins: HashMap<String, Result<Origin<'_>, String>> = HashMap::new();
        for shard in &self.shards {
            for (name, info) in shard.infos() {
                if names::matches_any(&self.ignored, name) {
                    continue;
                }
                let (axis, targets) = self.targets(name);
                for (position, target) in targets.iter().enumerate() {
                    if shape_of(parameters, target).is_none() {
                        report.unexpected.push((name.clone(), target.clone()));
                        continue;
                    }
                    let part = axis.map(|axis| Part { axis, targets: Rc::clone(&targets), position });
                    let origin = match origins.get(target) {
                        None => Ok(Origin { shard, name, info, part }),
                        Some(Ok(first)) => Err(format!("{:?} and {name:?} are both for it", first.name)),
                        Some(Err(reason)) => Err(reason.clone()),
                    };
                    origins.insert(target.clone(), origin);
                }
            }
        }
        origins
    }

    /// That each pattern matches something, since a slip in one may go unseen where a matrix is square, that `split` has names, and
    /// that axes are a permutation.
    fn check(&self, parameters: &Parameters) -> Result<(), IoError> {
        let held = || self.shards.iter().flat_map(|shard| shard.infos().keys().map(String::as_str));
        let known = || parameters.names().chain(parameters.state().names());
        let of_files = self.renames.iter().map(|(pattern, _)| pattern).chain(&self.ignored);
        let of_files = of_files.chain(self.splits.iter().map(|split| &split.pattern));
        let of_files = of_files.map(|pattern| (pattern, names::check_pattern(pattern, held())));
        let of_model = self.transposed.iter().map(|(pattern, _)| (pattern, names::check_pattern(pattern, known())));
        for (pattern, checked) in of_files.chain(of_model) {
            checked.map_err(|nearest| IoError::UnmatchedPattern { pattern: pattern.clone(), nearest })?;
        }
        if let Some(Split { pattern, .. }) = self.splits.iter().find(|split| split.names.is_empty()) {
            return Err(IoError::NoParts { pattern: pattern.clone() });
        }
        for (_, axes) in &self.transposed {
            if (0..axes.len()).any(|axis| !axes.contains(&axis)) {
                return Err(IoError::NoPermutation { axes: axes.clone() });
            }
        }
        Ok(())
    }

    /// The array for a parameter or state, or why it does not fit.
    fn array(
        &self,
        origin: &Origin<'_>,
        parameters: &Parameters,
        name: &str,
        (dtype, shape): (DType, &[usize]),
    ) -> Result<Result<Value, String>, IoError> {
        let Origin { shard, info, part, .. } = origin;
        let axes = self.axes(name, info.shape.len());
        let slice = match part.as_ref().map(|part| self.slice(origin.name, info, part, parameters)).transpose() {
            Ok(slice) => slice,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut found = info.shape.clone();
        if let Some((axis, range)) = &slice {
            found[*axis] = range.len();
        }
        if let Some(axes) = axes {
            found = axes.iter().map(|axis| found[*axis]).collect();
        }
        if found != shape {
            let transposed = if axes.is_some() { ", transposed" } else { "" };
            return Ok(Err(format!("it has shape {shape:?}, the array {found:?}{transposed}")));
        }
        let Some(value) = converted(info.dtype, &info.shape, &shard.bytes(info)?, dtype) else {
            return Ok(Err(format!("it is {dtype}, to which {} is not converted", type_name(info.dtype))));
        };
        Ok(Ok(arranged(value, slice, axes)))
    }

    /// How the array for that name is transposed, if it has so many axes.
    fn axes(&self, name: &str, rank: usize) -> Option<&[usize]> {
        let is_meant = |(pattern, axes): &&(String, Vec<usize>)| {
            axes.len() == rank && names::matches_any(std::slice::from_ref(pattern), name)
        };
        self.transposed.iter().find(is_meant).map(|(_, axes)| axes.as_slice())
    }

    /// Where in an array one of those lies that it is made of: their widths are those of the model's.
    fn slice(
        &self,
        name: &str,
        info: &TensorInfo,
        part: &Part,
        parameters: &Parameters,
    ) -> Result<(usize, Range<usize>), String> {
        let axis = part.axis;
        let Some(found) = info.shape.get(axis) else { return Err(format!("{name:?} has no axis {axis}")) };
        let width = |target: &String| {
            let shape = shape_of(parameters, target)?;
            let axes = self.axes(target, info.shape.len());
            shape.get(axes.map_or(Some(axis), |axes| axes.iter().position(|other| *other == axis))?).copied()
        };
        let Some(widths) = part.targets.iter().map(width).collect::<Option<Vec<usize>>>() else {
            return Err(format!("how wide the others in {name:?} are is not known"));
        };
        if widths.iter().sum::<usize>() != *found {
            return Err(format!("those in {name:?} are {widths:?} wide, its axis {axis} is {found}"));
        }
        let start = widths[..part.position].iter().sum();
        Ok((axis, start..start + widths[part.position]))
    }

    /// The names that an array is for, and the axis along which they lie where they are several.
    fn targets(&self, name: &str) -> (Option<usize>, Rc<[String]>) {
        let split = |split: &Split| {
            let captures = names::captures(&split.pattern, name)?;
            Some((Some(split.axis), split.names.iter().map(|name| filled(name, &captures)).collect()))
        };
        let found = self.splits.iter().find_map(split);
        found.unwrap_or_else(|| (None, [self.renamed(name)].into()))
    }

    /// The name that an array is for.
    fn renamed(&self, name: &str) -> String {
        let found = self.renames.iter().find_map(|(pattern, to)| Some(filled(to, &names::captures(pattern, name)?)));
        found.unwrap_or_else(|| name.to_owned())
    }
}

/// The sizes of a parameter or state of that name.
fn shape_of(parameters: &Parameters, name: &str) -> Option<Vec<usize>> {
    let of_parameter = parameters.view(name).map(|view| view.shape().to_vec());
    of_parameter.or_else(|| parameters.state().get(name).map(|value| value.shape().to_vec()))
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

/// A part of an array along an axis, then with its axes in another order.
fn arranged(value: Value, slice: Option<(usize, Range<usize>)>, axes: Option<&[usize]>) -> Value {
    fn of<T: Clone>(mut array: ArrayD<T>, slice: Option<(usize, Range<usize>)>, axes: Option<&[usize]>) -> ArrayD<T> {
        if let Some((axis, range)) = slice {
            array.slice_axis_inplace(Axis(axis), Slice::from(range));
        }
        if let Some(axes) = axes {
            array = array.permuted_axes(IxDyn(axes));
        }
        array.as_standard_layout().into_owned()
    }
    match value {
        Value::F32(array) => Value::F32(of(array, slice, axes)),
        Value::F64(array) => Value::F64(of(array, slice, axes)),
        Value::I64(array) => Value::I64(of(array, slice, axes)),
        Value::Bool(array) => Value::Bool(of(array, slice, axes)),
    }
}
