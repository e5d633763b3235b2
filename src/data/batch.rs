//! Some examples, copied together. In: named arrays with one first axis. Out: a [`Batch`], which programs are fed.

use std::ops::Index;

use indexmap::IndexMap;
use ndarray::{ArrayView, Axis, Dimension};

use super::{DataError, source::check_rows};
use crate::{
    graph::{Element, Value, ValueView},
    program::{Inputs, RunError},
};

/// Named arrays, each with the same examples along its first axis.
///
/// A program is fed a batch as a whole if its inputs are the columns, or column by column.
///
/// # Example
/// ```
/// use ndarray::{ArrayView1, array};
/// use pullback::{Graph, data::Batch};
/// let batch = Batch::new().column("x", array![[1.0f32, 2.0], [3.0, 4.0]])?.column("y", array![0.5f32, 1.5])?;
/// let g = Graph::new();
/// let loss = (g.input("x", ("batch", 2)).sum_over(-1) - g.input("y", ("batch",))).square().mean();
/// let mut program = g.compile(loss)?;
/// assert_eq!(program.call(&batch)?, program.call((("x", &batch["x"]), ("y", &batch["y"])))?);
/// let y: ArrayView1<f32> = batch.array("y")?;
/// assert_eq!((batch.len(), y[1]), (2, 1.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    columns: IndexMap<String, Value>,
    rows: Vec<usize>,
}

impl Batch {
    /// One without columns, to begin with.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// With a column more. The first column says how many examples there are.
    ///
    /// # Errors
    /// There is a column of that name, or the array has no axis, or another number of examples.
    pub fn column(mut self, name: impl Into<String>, values: impl Into<Value>) -> Result<Batch, DataError> {
        let (name, values) = (name.into(), values.into());
        let n_examples = check_column(&name, &values, self.first_column(), self.columns.contains_key(&name))?;
        if self.columns.is_empty() {
            self.rows = (0..n_examples).collect();
        }
        self.columns.insert(name, values);
        Ok(self)
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Where the examples are in the source that they come from.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The array of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.columns.get(name)
    }

    /// A view of the column of that name, of elements `T` and as many axes as `D` has.
    ///
    /// # Errors
    /// There is no such column, or its elements or axes are others.
    pub fn array<T: Element, D: Dimension>(&self, name: &str) -> Result<ArrayView<'_, T, D>, DataError> {
        view_of(name, self.known(name)?)
    }

    /// Names and arrays.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.columns.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The examples at those positions of the batch, in that order.
    ///
    /// # Errors
    /// A position is beyond the last.
    pub fn select(&self, positions: &[usize]) -> Result<Batch, DataError> {
        check_rows(positions, self.len())?;
        let columns = self.columns.iter().map(|(name, value)| (name.clone(), gather(value, positions)));
        let rows = positions.iter().map(|position| self.rows[*position]);
        Ok(Batch { columns: columns.collect(), rows: rows.collect() })
    }

    /// The same, of those rows of a source.
    pub(super) fn at_rows(self, rows: Vec<usize>) -> Batch {
        Batch { rows, ..self }
    }

    /// The array of that name, to be replaced by another of as many examples.
    pub(super) fn take(&mut self, name: &str) -> Result<&mut Value, DataError> {
        let unknown = DataError::unknown_column(name, self.columns.keys().map(String::as_str));
        self.columns.get_mut(name).ok_or(unknown)
    }

    fn known(&self, name: &str) -> Result<&Value, DataError> {
        self.get(name).ok_or_else(|| DataError::unknown_column(name, self.columns.keys().map(String::as_str)))
    }

    fn first_column(&self) -> Option<(&str, usize)> {
        self.columns.first().map(|(name, _)| (name.as_str(), self.rows.len()))
    }
}

impl Index<&str> for Batch {
    type Output = Value;

    /// # Panics
    /// If there is no column of that name; [`Batch::get`] asks.
    #[track_caller]
    fn index(&self, name: &str) -> &Value {
        self.known(name).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// All columns, each to the input of its name.
impl Inputs for Batch {
    fn each<'s>(&'s self, feed: &mut dyn FnMut(&str, ValueView<'s>) -> Result<(), RunError>) -> Result<(), RunError> {
        self.iter().try_for_each(|(name, value)| feed(name, value.view()))
    }
}

/// How many examples a new column has: as many as the first one, if there is one.
pub(super) fn check_column(
    name: &str,
    values: &Value,
    first: Option<(&str, usize)>,
    is_there: bool,
) -> Result<usize, DataError> {
    if is_there {
        return Err(DataError::DuplicateColumn { name: name.to_owned() });
    }
    let Some(found) = values.shape().first() else { return Err(DataError::NoExamples { name: name.to_owned() }) };
    match first {
        Some((first, expected)) if expected != *found => {
            let (name, first) = (name.to_owned(), first.to_owned());
            Err(DataError::ColumnLength { name, found: *found, first, expected })
        }
        _ => Ok(*found),
    }
}

/// A view of an array, of elements `T` and as many axes as `D` has.
pub(super) fn view_of<'v, T: Element, D: Dimension>(
    name: &str,
    value: &'v Value,
) -> Result<ArrayView<'v, T, D>, DataError> {
    let wrong = || {
        let (name, rank) = (name.to_owned(), D::NDIM.map_or(String::new(), |rank| format!(" of {rank} axes")));
        DataError::ColumnType { name, found: value.ty(), asked: format!("{}{rank}", T::DTYPE) }
    };
    let array = value.array::<T>().ok_or_else(wrong)?;
    array.view().into_dimensionality().map_err(|_| wrong())
}

/// The rows of an array, which are all there.
pub(super) fn gather(value: &Value, rows: &[usize]) -> Value {
    match value {
        Value::F32(array) => Value::F32(array.select(Axis(0), rows)),
        Value::F64(array) => Value::F64(array.select(Axis(0), rows)),
        Value::I64(array) => Value::I64(array.select(Axis(0), rows)),
        Value::Bool(array) => Value::Bool(array.select(Axis(0), rows)),
    }
}
