//! What is computed.

mod dim;
mod dtype;
mod initializer;
mod shape;
mod site;
mod value;

pub use dim::{Bindings, Dim};
pub use dtype::DType;
pub use initializer::Initializer;
pub use shape::{Axes, Shape, Type};
pub use site::Site;
pub use value::{Element, Value, ValueView};
