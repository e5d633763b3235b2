//! All integration tests, one binary.

mod autodiff;
mod layers;
mod primitives;
