//! All integration tests, one binary.

mod primitives;
