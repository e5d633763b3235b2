//! Datasets: read, refused, drawn, shuffled and standardized.

mod adapters;
mod batching;
mod bytes;
mod datasets;
mod files;
mod fuzz;
mod memory;
mod readers;
mod synthetic;
mod texts;

use ndarray::{ArrayView1, ArrayView2};
use pullback::data::Dataset;

/// The columns of tables, which these tests look at all the time.
trait Table {
    fn x(&self) -> ArrayView2<'_, f32>;
    fn y(&self) -> ArrayView1<'_, f32>;
    fn label(&self) -> ArrayView1<'_, i64>;
}

impl Table for Dataset {
    fn x(&self) -> ArrayView2<'_, f32> {
        self.array("x").unwrap()
    }

    fn y(&self) -> ArrayView1<'_, f32> {
        self.array("y").unwrap()
    }

    fn label(&self) -> ArrayView1<'_, i64> {
        self.array("label").unwrap()
    }
}
