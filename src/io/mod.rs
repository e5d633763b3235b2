//! File formats, both ways. In: arrays with names, or bytes. Out: bytes, or arrays with names. Bad bytes are an error with
//! their offset; nothing here knows what the arrays are for.

mod error;
mod replace;
mod safetensors;
#[cfg(test)]
mod tests;

pub use error::IoError;
#[cfg(feature = "plot")]
pub(crate) use replace::replace;
pub use safetensors::{Arrays, load_parameters, save_parameters};
