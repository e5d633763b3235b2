#![doc = include_str!("../README.md")]

#[cfg(feature = "images")]
mod images;
#[cfg(feature = "tokenizers")]
mod subwords;

#[cfg(feature = "images")]
pub use images::{Channels, ImageFolder, ImageOptions, Placement};
#[cfg(feature = "tokenizers")]
pub use subwords::Subwords;
