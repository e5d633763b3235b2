//! Examples that are drawn, not measured. In: how many, how noisy, a seed. Out: a [`Dataset`](super::Dataset), the same on
//! every machine. Nothing here reads a file.
//!
//! Labels go round: example i has the label i mod classes, so that the first n examples of any set are as mixed as all.
//! Numbers are computed in f64, with the elementary functions of libm, and rounded to f32 at the end.

mod curves;
mod draw;
mod planes;
mod teacher;

pub use curves::{circles, spirals, two_moons};
pub use planes::{overlapping, separable};
pub use teacher::Teacher;
