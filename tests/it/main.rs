//! All integration tests, one binary.

mod autodiff;
mod primitives;
