//! Datasets: read, refused, drawn, shuffled and standardized.

mod bytes;
mod datasets;
mod fuzz;
mod memory;
mod readers;
mod synthetic;
