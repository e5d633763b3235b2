//! Pictures. In: numbers with names. Out: charts as SVG text. Nothing here computes what it draws.

mod chart;
mod draw;
mod figure;
mod history;
mod scale;
#[cfg(test)]
mod tests;

pub use chart::{Axis, Chart, Corner, Grid};
pub use figure::{Figure, FigureError};
