//! What a run gives. In: names and arrays. Out: the arrays by name.

use std::ops::Index;

use indexmap::IndexMap;

use crate::graph::{Element, Value};

/// The arrays that a program computed, by name, in the order of the outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs(IndexMap<String, Value>);

impl Outputs {
    pub(super) fn new(outputs: impl IntoIterator<Item = (String, Value)>) -> Outputs {
        Outputs(outputs.into_iter().collect())
    }

    /// The array of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The one element of the output of that name, if it is a `T` with exactly one.
    #[doc(alias = "item")]
    pub fn scalar<T: Element>(&self, name: &str) -> Option<T> {
        self.get(name)?.scalar()
    }

    /// Names and arrays.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl Index<&str> for Outputs {
    type Output = Value;

    /// # Panics
    /// If there is no output of that name; [`Outputs::get`] asks.
    fn index(&self, name: &str) -> &Value {
        &self.0[name]
    }
}

impl IntoIterator for Outputs {
    type Item = (String, Value);
    type IntoIter = indexmap::map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
