//! What a dataset is made of. In: a name and the type of one example. Out: a [`Column`].

use std::fmt;

use crate::graph::{DType, Shape, Type};

/// The name of a column, and the type of what one example has there. An axis whose size is a symbol is as long as the longest
/// example of a batch.
///
/// # Example
/// ```
/// use pullback::{DType, data::Column};
/// let image = Column::new("x", DType::F32, (3, 32, 32));
/// assert_eq!(image.to_string(), "x (f32[3, 32, 32] an example)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// The type of one example, without the axis of the examples.
    pub ty: Type,
}

impl Column {
    /// The column of that name, of arrays of that shape, one an example; `()` is a number.
    pub fn new(name: impl Into<String>, dtype: DType, shape: impl Into<Shape>) -> Column {
        Column { name: name.into(), ty: Type::new(dtype, shape) }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} an example)", self.name, self.ty)
    }
}
