//! File formats, both ways: safetensors, and npz and npy of NumPy with the feature `npz`. In: arrays with names, or bytes. Out: bytes, or arrays with names. Bad bytes are an error with
//! their offset; nothing here knows what the arrays are for.

mod conversion;
mod error;
#[cfg(feature = "npz")]
mod npy;
#[cfg(feature = "npz")]
mod npy_header;
#[cfg(feature = "npz")]
mod npz;
mod replace;
mod safetensors;
mod shard;
mod stablehlo;
#[cfg(test)]
mod tests;
mod weight_report;
mod weights;

pub use conversion::StoredFloat;
pub use error::IoError;
#[cfg(feature = "npz")]
pub use npy::{load_npy, npy_from_bytes, npy_to_bytes, save_npy};
pub(crate) use replace::replace;
pub use safetensors::{Arrays, load_parameters, save_parameters, save_parameters_as};
pub use stablehlo::{StableHloError, StableHloOptions};
pub use weight_report::WeightReport;
pub use weights::Weights;
