//! What a run gives. In: names and arrays. Out: the arrays by name.

use std::ops::Index;

use indexmap::IndexMap;
use ndarray::{ArrayD, ArrayView, Dimension};
use thiserror::Error;

use crate::{
    graph::{DType, Element, Shape, Type, Value},
    names,
};

/// The arrays that a program computed, by name, in the order of the outputs.
///
/// # Example
/// ```
/// use ndarray::{ArrayD, ArrayView2, Ix2, array};
/// use pullback::Graph;
/// let g = Graph::new();
/// let x = g.input_of::<f64>("x", ("n", 2));
/// let mut out = g.compile([("square", x * x), ("sum", x.sum())])?.call(("x", array![[1.0, 2.0], [3.0, 4.0]]))?;
/// assert_eq!(out.scalar::<f64>("sum")?, 10.0);
/// let square: ArrayView2<f64> = out.array::<f64, Ix2>("square")?;
/// assert_eq!(square[[1, 0]], 9.0);
/// let owned: ArrayD<f64> = out.take("square")?;
/// assert_eq!(owned.len(), 4);
/// let error = out.scalar::<f32>("sun").unwrap_err();
/// assert_eq!(error.to_string(), "no output is named \"sun\"; the nearest name is `sum`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs(IndexMap<String, Value>);

/// Why an output cannot be read as it was asked for.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OutputError {
    /// No output has this name, or it was taken.
    #[error("no output is named {name:?}{}", names::suggestion(nearest.as_deref()))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The nearest name of an output.
        nearest: Option<String>,
    },
    /// It has other elements than were asked for.
    #[error("the output {name:?} is {found}, not {asked}; ask for `{}`", found.dtype)]
    DType {
        /// Its name.
        name: String,
        /// The dtype asked for.
        asked: DType,
        /// Its type.
        found: Type,
    },
    /// It has another number of axes than were asked for.
    #[error("the output {name:?} has {} axes, not {asked}: its shape is {found}", found.rank())]
    Rank {
        /// Its name.
        name: String,
        /// How many axes were asked for.
        asked: usize,
        /// Its shape.
        found: Shape,
    },
    /// One number was asked for, and it has more or fewer.
    #[error("the output {name:?} is no single number: its shape is {found}; ask for its `array`")]
    NotScalar {
        /// Its name.
        name: String,
        /// Its shape.
        found: Shape,
    },
}

impl Outputs {
    pub(super) fn new(outputs: impl IntoIterator<Item = (String, Value)>) -> Outputs {
        Outputs(outputs.into_iter().collect())
    }

    /// The array of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A view of the output of that name, of elements `T` and as many axes as `D` has.
    ///
    /// # Errors
    /// [`OutputError`] if there is none, or if its elements or axes are others.
    pub fn array<T: Element, D: Dimension>(&self, name: &str) -> Result<ArrayView<'_, T, D>, OutputError> {
        let value = self.known(name)?;
        let array = value.array::<T>().ok_or_else(|| wrong_dtype::<T>(name, value))?;
        array.view().into_dimensionality().map_err(|_| OutputError::Rank {
            name: name.to_owned(),
            asked: D::NDIM.unwrap_or_default(),
            found: value.shape().into(),
        })
    }

    /// The output of that name with its elements `T`, which is no output afterwards.
    ///
    /// # Errors
    /// [`OutputError`] if there is none, or if its elements are others; it stays an output then.
    pub fn take<T: Element>(&mut self, name: &str) -> Result<ArrayD<T>, OutputError> {
        let value = self.known(name)?;
        if value.dtype() != T::DTYPE {
            return Err(wrong_dtype::<T>(name, value));
        }
        let taken = self.0.shift_remove(name).and_then(T::into_array);
        Ok(taken.expect("invariant: the output is there, of these elements"))
    }

    /// The one element of the output of that name.
    ///
    /// # Errors
    /// [`OutputError`] if there is no such output, or if it is not exactly one `T`.
    #[doc(alias = "item")]
    pub fn scalar<T: Element>(&self, name: &str) -> Result<T, OutputError> {
        let value = self.known(name)?;
        if value.dtype() != T::DTYPE {
            return Err(wrong_dtype::<T>(name, value));
        }
        value.scalar().ok_or_else(|| OutputError::NotScalar { name: name.to_owned(), found: value.shape().into() })
    }

    /// Names and arrays.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    fn known(&self, name: &str) -> Result<&Value, OutputError> {
        self.get(name).ok_or_else(|| OutputError::Unknown {
            name: name.to_owned(),
            nearest: names::nearest(name, self.0.keys().map(String::as_str)),
        })
    }
}

fn wrong_dtype<T: Element>(name: &str, value: &Value) -> OutputError {
    OutputError::DType { name: name.to_owned(), asked: T::DTYPE, found: value.ty() }
}

impl Index<&str> for Outputs {
    type Output = Value;

    /// # Panics
    /// If there is no output of that name; [`Outputs::get`] asks.
    #[track_caller]
    fn index(&self, name: &str) -> &Value {
        self.known(name).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl IntoIterator for Outputs {
    type Item = (String, Value);
    type IntoIter = indexmap::map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
