//! What a model keeps between steps and no gradient moves. In: names and arrays of any dtype. Out: a [`State`], a map from name
//! to array.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::{ParameterError, ParameterSpec, initialize};
use crate::{
    graph::{AsView, Value, ValueView},
    names,
};

/// The states of a graph, by name: running statistics, counters, keys of random numbers, as
/// [`Graph::state`](crate::Graph::state) declares them. A training step sets them anew.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, Initializer};
/// let g = Graph::new();
/// g.state_of(DType::I64, "steps", (), Initializer::Zeros);
/// let mut parameters = g.initialize(0)?;
/// parameters.state_mut().set("steps", 7i64)?;
/// assert_eq!(parameters.state().get("steps"), Some(&ndarray::arr0(7i64).into()));
/// assert!(parameters.is_empty()); // A state is none of the arrays that are learned.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("buffers", "batch_stats"))]
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Shared by clones, so that a later comparison is one of pointers.
    names: Arc<IndexSet<String>>,
    values: Vec<Value>,
}

impl State {
    /// These arrays, under their names; of two with one name, the later.
    pub fn new<N: Into<String>>(arrays: impl IntoIterator<Item = (N, Value)>) -> State {
        let arrays: IndexMap<String, Value> =
            arrays.into_iter().map(|(name, value)| (name.into(), value.into_row_major())).collect();
        let (names, values): (IndexSet<String>, Vec<Value>) = arrays.into_iter().unzip();
        State { names: names.into(), values }
    }

    /// One array for each of `specs`, as its initializer says.
    ///
    /// # Errors
    /// An initializer that gives no numbers of the dtype, or memory that cannot be had.
    pub(crate) fn initialize(specs: &[ParameterSpec], seed: u64) -> Result<State, ParameterError> {
        let values = specs.iter().map(|spec| Ok((spec.name.clone(), initialize::state(spec, seed)?)));
        Ok(State::new(values.collect::<Result<Vec<_>, ParameterError>>()?))
    }

    /// The array of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|position| &self.values[position])
    }

    /// Copies `value`, of any strides, into the array of that name.
    ///
    /// # Errors
    /// The name is unknown, or the dtype or the shape is another; nothing is written then.
    pub fn set(&mut self, name: &str, value: impl AsView) -> Result<(), ParameterError> {
        let found = value.as_view();
        let position = self.fitting(name, &found)?;
        self.values[position] = found.to_value().into_row_major();
        Ok(())
    }

    /// Copies every array of another state into that of its name; or none, if one does not fit.
    pub(crate) fn set_all(&mut self, others: &State) -> Result<(), ParameterError> {
        others.iter().try_for_each(|(name, value)| self.fitting(name, &value.view()).map(|_| ()))?;
        others.iter().try_for_each(|(name, value)| self.set(name, value))
    }

    /// Where the array of that name is, if this one may take its place.
    fn fitting(&self, name: &str, found: &ValueView<'_>) -> Result<usize, ParameterError> {
        let Some(position) = self.position(name) else {
            let nearest = names::nearest(name, self.names());
            return Err(ParameterError::Unknown { name: name.to_owned(), nearest });
        };
        let (name, kept) = (name.to_owned(), &self.values[position]);
        if kept.dtype() != found.dtype() {
            return Err(ParameterError::WrongDType { name, expected: kept.dtype(), found: found.dtype() });
        }
        if kept.shape() != found.shape() {
            let (expected, found) = (kept.shape().to_vec(), found.shape().to_vec());
            return Err(ParameterError::WrongShape { name, expected, found });
        }
        Ok(position)
    }

    /// Names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Names and arrays, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.names().zip(&self.values)
    }

    /// The number of arrays.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no array.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What is the same allocation for states with the same names in the same places.
    pub(crate) fn shared_names(&self) -> &Arc<IndexSet<String>> {
        &self.names
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.names.get_index_of(name)
    }

    /// The array at a position.
    pub(crate) fn view_at(&self, position: usize) -> ValueView<'_> {
        self.values[position].view()
    }

    /// Exchanges the array at a position with one of its type.
    pub(crate) fn swap(&mut self, position: usize, value: &mut Value) {
        std::mem::swap(&mut self.values[position], value);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.iter().eq(other.iter())
    }
}
