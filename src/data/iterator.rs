//! Examples from an iterator. In: columns, and what makes the iterator of an epoch. Out: a source without a known end, which is
//! read in order. It holds the iterator that is at work, and no example.

use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayViewD, Axis};

use super::{Batch, Column, DataError, Source};
use crate::graph::{DType, Element, Value};

/// One example: an array for each column, in their order; a number is an array without axes.
type Example = Vec<Value>;

type Boxed<'i> = Box<dyn Iterator<Item = Result<Example, DataError>> + Send + 'i>;

/// Examples that come one after another: from a generator, a server, a file of one's own format.
///
/// The iterator is made anew for each epoch, whose number it is given, and where rows are asked for again that were passed: so a
/// training that goes on after a stop reads past what it has seen. An epoch ends where the iterator ends: of one without an end,
/// `take` as many examples as an epoch should have. For its batches take
/// [`Batching::in_order`](super::Batching::in_order) or [`shuffled_within`](super::Batching::shuffled_within).
///
/// # Example
/// ```
/// use pullback::{DType, data::{Batching, Column, IteratorSource}};
/// let columns = [Column::new("x", DType::F32, (2,)), Column::new("y", DType::F32, ())];
/// let points = IteratorSource::new(columns, |epoch| {
///     (0..10).map(move |i| Ok(vec![vec![i as f32, epoch as f32].into(), (2.0 * i as f32).into()]))
/// })?;
/// let sizes = Batching::new(4).in_order().epoch(&points, 0, 3)?.map(|batch| batch.map(|batch| batch.len()));
/// assert_eq!(sizes.collect::<Result<Vec<_>, _>>()?, [4, 4, 2]);
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub struct IteratorSource<'i> {
    columns: Vec<Column>,
    make: Box<dyn Fn(u64) -> Boxed<'i> + Send + Sync + 'i>,
    reader: Mutex<Option<Reader<'i>>>,
}

/// The iterator of an epoch, and the row that it gives next.
struct Reader<'i> {
    epoch: u64,
    row: usize,
    examples: Boxed<'i>,
}

impl<'i> IteratorSource<'i> {
    /// The examples of an iterator with those columns; `make` is given the number of an epoch.
    ///
    /// # Errors
    /// Two columns have one name, or the shape of one has a symbol.
    pub fn new<I>(
        columns: impl IntoIterator<Item = Column>,
        make: impl Fn(u64) -> I + Send + Sync + 'i,
    ) -> Result<IteratorSource<'i>, DataError>
    where
        I: Iterator<Item = Result<Example, DataError>> + Send + 'i,
    {
        let columns: Vec<Column> = columns.into_iter().collect();
        for (position, column) in columns.iter().enumerate() {
            if columns[..position].iter().any(|other| other.name == column.name) {
                return Err(DataError::DuplicateColumn { name: column.name.clone() });
            }
            if column.ty.shape.as_numbers().is_none() {
                return Err(DataError::ColumnKind { column: column.clone(), expected: "of sizes that are numbers" });
            }
        }
        let make = Box::new(move |epoch| -> Boxed<'i> { Box::new(make(epoch)) });
        Ok(IteratorSource { columns, make, reader: Mutex::new(None) })
    }
}

impl Source for IteratorSource<'_> {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn n_examples(&self) -> Option<usize> {
        None
    }

    fn batch(&self, rows: &[usize], epoch: u64) -> Result<Batch, DataError> {
        let first = rows.first().copied().unwrap_or(0);
        if let Some((before, found)) = (first..).zip(rows).find(|(wanted, row)| wanted != *row) {
            return Err(DataError::OutOfOrder { found: *found, before: before.saturating_sub(1) });
        }
        // A reader that panicked is not gone on with.
        let mut held = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = held.take().filter(|reader| reader.epoch == epoch && reader.row <= first);
        let mut reader = kept.unwrap_or_else(|| Reader { epoch, row: 0, examples: (self.make)(epoch) });
        let mut examples = Vec::new();
        while reader.row < first.saturating_add(rows.len()) {
            let Some(example) = reader.examples.next().transpose()? else { break };
            if reader.row >= first {
                self.check(&example, reader.row)?;
                examples.push(example);
            }
            reader.row += 1;
        }
        *held = Some(reader);
        let mut stacked = self.columns.iter().enumerate().map(|(position, column)| {
            let values = examples.iter().map(|example| &example[position]);
            (column, stack(column, values))
        });
        stacked.try_fold(Batch::new(), |batch, (column, values)| batch.column(&column.name, values))
    }
}

impl IteratorSource<'_> {
    /// Checks that an example has an array of its type for each column.
    fn check(&self, example: &Example, row: usize) -> Result<(), DataError> {
        if let (true, Some(column)) = (example.len() > self.columns.len(), self.columns.last()) {
            let found = format!("{} arrays, and the last of {}", example.len(), self.columns.len());
            return Err(DataError::Example { row, found, column: column.clone() });
        }
        for (position, column) in self.columns.iter().enumerate() {
            let found = example.get(position).map(Value::ty);
            if found.as_ref() != Some(&column.ty) {
                let found = found.map_or("nothing".to_owned(), |ty| ty.to_string());
                return Err(DataError::Example { row, found, column: column.clone() });
            }
        }
        Ok(())
    }
}

/// Arrays of one type, one above the other.
fn stack<'v>(column: &Column, values: impl Iterator<Item = &'v Value>) -> Value {
    fn of<'v, T: Element>(column: &Column, values: impl Iterator<Item = &'v Value>) -> Value {
        let views: Vec<ArrayViewD<'v, T>> = values.filter_map(|value| Some(value.array::<T>()?.view())).collect();
        let sizes = column.ty.shape.as_numbers().unwrap_or_default();
        match ndarray::stack(Axis(0), &views) {
            Ok(stacked) => T::wrap(stacked),
            // Of nothing there is no stack.
            Err(_) => Value::zeros(T::DTYPE, &[&[0], &sizes[..]].concat()),
        }
    }
    match column.ty.dtype {
        DType::F32 => of::<f32>(column, values),
        DType::F64 => of::<f64>(column, values),
        DType::I64 => of::<i64>(column, values),
        DType::Bool => of::<bool>(column, values),
    }
}
