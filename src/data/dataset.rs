//! Examples in memory. In: named arrays, or lists of unequal length. Out: a [`Dataset`] and its parts.

use ndarray::{Array1, Array2, ArrayD, ArrayView, Dimension, arr0};

use super::{
    Batch, Column, DataError, Source, Target,
    batch::{check_column, gather, view_of},
    rows,
    source::check_rows,
};
use crate::graph::{DType, Dim, Element, Shape, Value};

/// Examples in memory: named columns of any dtype and rank, whose first axis is the examples. A column of lists of unequal length
/// is padded batch by batch.
///
/// # Example
/// ```
/// use ndarray::{ArrayView1, array};
/// use pullback::data::Dataset;
/// let examples = Dataset::new()
///     .column("x", array![[0.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])?
///     .column("label", vec![0i64, 1, 1, 0])?;
/// assert_eq!(examples.len(), 4);
/// let split = examples.split(0.25, 7)?;
/// assert_eq!((split.train.len(), split.test.len()), (3, 1));
/// let labels: ArrayView1<i64> = examples.array("label")?;
/// assert_eq!(labels[2], 1);
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dataset {
    columns: Vec<Column>,
    /// Of each column in the same order.
    contents: Vec<Content>,
    n_examples: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Array(Value),
    Lists(Lists),
    /// Where the lists in the column of that position have elements.
    MaskOf(usize),
}

/// Lists one after another.
#[derive(Debug, Clone, PartialEq)]
struct Lists {
    elements: Value,
    /// Where each list ends among the elements.
    ends: Vec<usize>,
    /// One element.
    padding: Value,
    multiple: usize,
}

/// What stands behind the end of a list that is shorter than others of its batch.
///
/// # Example
/// ```
/// use pullback::data::ListPadding;
/// // To lengths of 8, 16, 24, …: a program plans once for each length that it meets.
/// let padding = ListPadding::new(0i64).multiple_of(8);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPadding<T> {
    value: T,
    multiple: usize,
}

/// A dataset in two parts, no example in both.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// To learn from.
    pub train: Dataset,
    /// To measure on.
    pub test: Dataset,
}

impl<T> ListPadding<T> {
    /// This element, up to the length of the longest list of a batch.
    pub fn new(value: T) -> ListPadding<T> {
        ListPadding { value, multiple: 1 }
    }

    /// Up to a length that is a multiple of this (at least 1).
    pub fn multiple_of(self, multiple: usize) -> ListPadding<T> {
        ListPadding { multiple: multiple.max(1), ..self }
    }
}

impl<T> From<T> for ListPadding<T> {
    fn from(value: T) -> ListPadding<T> {
        ListPadding::new(value)
    }
}

impl Dataset {
    /// One without columns, to begin with.
    pub fn new() -> Dataset {
        Dataset::default()
    }

    /// With a column more. The first column says how many examples there are.
    ///
    /// # Errors
    /// There is a column of that name, or the array has no axis, or another number of examples.
    pub fn column(mut self, name: impl Into<String>, values: impl Into<Value>) -> Result<Dataset, DataError> {
        let (name, values) = (name.into(), values.into());
        self.n_examples = check_column(&name, &values, self.first_column(), self.position(&name).is_some())?;
        self.columns.push(Column::new(name, values.dtype(), &values.shape()[1..]));
        self.contents.push(Content::Array(values));
        Ok(self)
    }

    /// With a column of lists, one an example, of any lengths: a batch has them padded to one length, `[batch, length]`, and a
    /// column `NAME_mask` beside them that is true where they have elements. [`Source::length`] is that of the first such
    /// column.
    ///
    /// # Errors
    /// There is a column of that name or `NAME_mask`, or there are not as many lists as examples.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::data::{Batching, Dataset};
    /// let sentences = Dataset::new().lists("token", [vec![5i64, 6, 7], vec![8]], 0)?;
    /// let batch = Batching::new(2).in_order().epoch(&sentences, 0, 0)?.next().expect("there are two")?;
    /// assert_eq!(batch["token"], array![[5i64, 6, 7], [8, 0, 0]].into());
    /// assert_eq!(batch["token_mask"], array![[true, true, true], [true, false, false]].into());
    /// # Ok::<(), pullback::data::DataError>(())
    /// ```
    #[doc(alias("ragged", "pad_sequence"))]
    pub fn lists<T: Element>(
        mut self,
        name: impl Into<String>,
        lists: impl IntoIterator<Item = Vec<T>>,
        padding: impl Into<ListPadding<T>>,
    ) -> Result<Dataset, DataError> {
        let (name, ListPadding { value, multiple }) = (name.into(), padding.into());
        let (mut elements, mut ends) = (Vec::new(), Vec::new());
        for list in lists {
            elements.extend(list);
            ends.push(elements.len());
        }
        let mask = format!("{name}_mask");
        for name in [&name, &mask] {
            let places = Value::from(vec![false; ends.len()]);
            self.n_examples = check_column(name, &places, self.first_column(), self.position(name).is_some())?;
        }
        let length = Dim::symbol(format!("{name}_length"));
        let contents = Lists { elements: elements.into(), ends, padding: T::wrap(arr0(value).into_dyn()), multiple };
        self.columns.push(Column::new(name, T::DTYPE, [length.clone()]));
        self.contents.push(Content::Lists(contents));
        self.columns.push(Column::new(mask, DType::Bool, [length]));
        self.contents.push(Content::MaskOf(self.columns.len() - 2));
        Ok(self)
    }

    /// Rows of features as the column `x`, with a label or a target of each.
    pub(super) fn of_rows<T: Target>(x: Array2<f32>, targets: Vec<T>) -> Result<Dataset, DataError> {
        Dataset::new().column("x", x)?.column(T::COLUMN, targets)
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.n_examples
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.n_examples == 0
    }

    /// A view of the column of that name, of elements `T` and as many axes as `D` has.
    ///
    /// # Errors
    /// There is no such column, its elements or axes are others, or it is made of lists, which are no array until they are
    /// padded.
    pub fn array<T: Element, D: Dimension>(&self, name: &str) -> Result<ArrayView<'_, T, D>, DataError> {
        let position = self.known(name)?;
        match &self.contents[position] {
            Content::Array(value) => view_of(name, value),
            Content::Lists(_) | Content::MaskOf(_) => {
                Err(DataError::ColumnKind { column: self.columns[position].clone(), expected: "an array" })
            }
        }
    }

    /// The same with the examples of a column in another shape of as many elements: pixels as an image.
    ///
    /// # Errors
    /// There is no such column, it is made of lists, or the shape has a symbol or another number of elements.
    ///
    /// # Example
    /// ```
    /// use pullback::data::{Source, digits};
    /// let images = digits().reshape("x", (1, 8, 8))?;
    /// assert_eq!(images.columns()[0].to_string(), "x (f32[1, 8, 8] an example)");
    /// # Ok::<(), pullback::data::DataError>(())
    /// ```
    pub fn reshape(mut self, name: &str, shape: impl Into<Shape>) -> Result<Dataset, DataError> {
        let (position, shape) = (self.known(name)?, shape.into());
        let wrong =
            || DataError::ColumnShape { column: self.columns[position].clone(), shape: Box::new(shape.clone()) };
        let sizes = shape.as_numbers().ok_or_else(wrong)?;
        let Content::Array(value) = &self.contents[position] else { return Err(wrong()) };
        let all = [&[self.n_examples], &sizes[..]].concat();
        let reshaped = match value.clone() {
            Value::F32(array) => array.into_shape_clone(all).map(Value::F32),
            Value::F64(array) => array.into_shape_clone(all).map(Value::F64),
            Value::I64(array) => array.into_shape_clone(all).map(Value::I64),
            Value::Bool(array) => array.into_shape_clone(all).map(Value::Bool),
        };
        self.contents[position] = Content::Array(reshaped.map_err(|_| wrong())?);
        self.columns[position].ty.shape = shape;
        Ok(self)
    }

    /// The same with a column under another name.
    ///
    /// # Errors
    /// There is no such column, or one has the new name.
    pub fn rename(mut self, name: &str, new_name: impl Into<String>) -> Result<Dataset, DataError> {
        let (position, new_name) = (self.known(name)?, new_name.into());
        if self.position(&new_name).is_some_and(|found| found != position) {
            return Err(DataError::DuplicateColumn { name: new_name });
        }
        self.columns[position].name = new_name;
        Ok(self)
    }

    /// Shuffles the examples and cuts: the first `test_fraction · len`, rounded to the nearest whole number (halves
    /// up), are the test part. The same seed gives the same split on every machine. For more parts, or parts alike in their
    /// classes, see [`rows`](super::rows).
    ///
    /// # Errors
    /// The fraction is not in [0, 1]. At either end one part is empty.
    #[doc(alias = "train_test_split")]
    pub fn split(&self, test_fraction: f64, seed: u64) -> Result<Split, DataError> {
        let [test, train] = rows::split(self.len(), [test_fraction, 1.0 - test_fraction], seed)?;
        Ok(Split { train: self.gather(&train), test: self.gather(&test) })
    }

    /// The first `n` examples, or all if there are not as many.
    #[doc(alias("take", "head"))]
    pub fn first(&self, n: usize) -> Dataset {
        self.gather(&(0..n.min(self.len())).collect::<Vec<_>>())
    }

    /// The examples of those rows, in that order.
    ///
    /// # Errors
    /// A row is beyond the last.
    pub fn select(&self, rows: &[usize]) -> Result<Dataset, DataError> {
        check_rows(rows, self.len())?;
        Ok(self.gather(rows))
    }

    /// The same for rows that are all there.
    fn gather(&self, rows: &[usize]) -> Dataset {
        let contents = self.contents.iter().map(|content| match content {
            Content::Array(value) => Content::Array(gather(value, rows)),
            Content::Lists(lists) => Content::Lists(lists.select(rows)),
            Content::MaskOf(position) => Content::MaskOf(*position),
        });
        Dataset { columns: self.columns.clone(), contents: contents.collect(), n_examples: rows.len() }
    }

    /// The array of a column, to be changed in place.
    pub(super) fn value_mut(&mut self, name: &str) -> Result<&mut Value, DataError> {
        let position = self.known(name)?;
        match &mut self.contents[position] {
            Content::Array(value) => Ok(value),
            Content::Lists(_) | Content::MaskOf(_) => {
                Err(DataError::ColumnKind { column: self.columns[position].clone(), expected: "an array" })
            }
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    fn known(&self, name: &str) -> Result<usize, DataError> {
        let names = self.columns.iter().map(|column| column.name.as_str());
        self.position(name).ok_or_else(|| DataError::unknown_column(name, names))
    }

    fn first_column(&self) -> Option<(&str, usize)> {
        self.columns.first().map(|column| (column.name.as_str(), self.n_examples))
    }
}

impl Source for Dataset {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn n_examples(&self) -> Option<usize> {
        Some(self.n_examples)
    }

    fn batch(&self, rows: &[usize], _: u64) -> Result<Batch, DataError> {
        check_rows(rows, self.n_examples)?;
        let mut batch = Batch::new();
        for (column, content) in self.columns.iter().zip(&self.contents) {
            let values = match content {
                Content::Array(value) => gather(value, rows),
                Content::Lists(lists) => lists.padded(rows),
                Content::MaskOf(position) => match &self.contents[*position] {
                    Content::Lists(lists) => lists.mask(rows),
                    _ => unreachable!("invariant: a mask is that of a column of lists"),
                },
            };
            batch = batch.column(&column.name, values)?;
        }
        Ok(batch)
    }

    fn length(&self, row: usize) -> Option<usize> {
        let lists = self.contents.iter().find_map(|content| match content {
            Content::Lists(lists) => Some(lists),
            Content::Array(_) | Content::MaskOf(_) => None,
        });
        lists.filter(|_| row < self.n_examples).map(|lists| lists.range(row).len())
    }
}

impl Lists {
    /// Where a list is among the elements.
    fn range(&self, row: usize) -> std::ops::Range<usize> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[row]
    }

    fn select(&self, rows: &[usize]) -> Lists {
        let kept: Vec<usize> = rows.iter().flat_map(|row| self.range(*row)).collect();
        let mut end = 0;
        let ends = rows.iter().map(|row| {
            end += self.range(*row).len();
            end
        });
        Lists {
            ends: ends.collect(),
            elements: gather(&self.elements, &kept),
            padding: self.padding.clone(),
            multiple: self.multiple,
        }
    }

    /// The length to which all lists of those rows are padded.
    fn longest(&self, rows: &[usize]) -> usize {
        let longest = rows.iter().map(|row| self.range(*row).len()).max().unwrap_or(0);
        longest.next_multiple_of(self.multiple)
    }

    fn padded(&self, rows: &[usize]) -> Value {
        match (&self.elements, &self.padding) {
            (Value::F32(elements), Value::F32(padding)) => Value::F32(self.pad(rows, elements, padding)),
            (Value::F64(elements), Value::F64(padding)) => Value::F64(self.pad(rows, elements, padding)),
            (Value::I64(elements), Value::I64(padding)) => Value::I64(self.pad(rows, elements, padding)),
            (Value::Bool(elements), Value::Bool(padding)) => Value::Bool(self.pad(rows, elements, padding)),
            _ => unreachable!("invariant: lists are padded with an element of theirs"),
        }
    }

    fn pad<T: Copy>(&self, rows: &[usize], elements: &ArrayD<T>, padding: &ArrayD<T>) -> ArrayD<T> {
        let (length, elements) = (self.longest(rows), elements.as_slice().unwrap_or_default());
        let padding = padding.iter().cycle();
        let padded: Array1<T> = rows
            .iter()
            .flat_map(|row| elements[self.range(*row)].iter().chain(padding.clone()).take(length).copied())
            .collect();
        padded.into_shape_with_order((rows.len(), length)).expect("invariant: each row is as long").into_dyn()
    }

    fn mask(&self, rows: &[usize]) -> Value {
        let length = self.longest(rows);
        let n_each: Vec<usize> = rows.iter().map(|row| self.range(*row).len()).collect();
        Array2::from_shape_fn((rows.len(), length), |(row, position)| position < n_each[row]).into()
    }
}
