//! File formats, both ways. In: arrays with names, or bytes. Out: bytes, or arrays with names. Bad bytes are an error with
//! their offset; nothing here knows what the arrays are for.

mod conversion;
mod error;
mod replace;
mod safetensors;
mod shard;
#[cfg(test)]
mod tests;
mod weight_report;
mod weights;

pub use conversion::StoredFloat;
pub use error::IoError;
#[cfg(feature = "plot")]
pub(crate) use replace::replace;
pub use safetensors::{Arrays, load_parameters, save_parameters, save_parameters_as};
pub use weight_report::WeightReport;
pub use weights::Weights;
