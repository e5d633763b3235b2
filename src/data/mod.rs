//! Examples to learn from. In: arrays, files, iterators, texts, or a seed to draw them from. Out: a [`Source`] of named columns,
//! its parts, what is made of it, and its batches. Nothing here touches the network; programs are fed batches and know no source.
//!
//! A reader takes no file on trust: what is cut short, too long or not what its header says is an error with the file and
//! the byte ([`Place`]), and memory is asked for as bytes arrive, never as a header claims them.

mod augment;
mod batch;
mod batching;
mod byte_source;
pub mod cifar;
mod column;
pub mod csv;
mod dataset;
mod digits;
mod error;
pub mod files;
pub mod idx;
mod iterator;
mod mixup;
pub mod mnist;
mod place;
mod prefetch;
pub mod rows;
mod source;
mod standardization;
mod subset;
pub mod synthetic;
mod target;
#[cfg(test)]
mod tests;
pub mod text;
mod windows;

pub use augment::Augmented;
pub use batch::Batch;
pub use batching::{Batches, Batching};
pub use column::Column;
pub use dataset::{Dataset, ListPadding, Split};
pub use digits::{digits, read_digits};
pub use error::DataError;
pub use iterator::IteratorSource;
pub use mixup::Mixup;
pub use place::{Place, Stream};
pub use prefetch::Prefetched;
pub(crate) use prefetch::{make_ahead, panicked};
pub use source::Source;
pub use standardization::Standardization;
pub use subset::Subset;
pub use target::Target;
pub use windows::Windows;
