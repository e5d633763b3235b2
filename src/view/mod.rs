//! Pictures. In: numbers with names, or graphs. Out: charts and diagrams as SVG text. Nothing here computes what it draws.

mod chart;
mod diagram;
mod draw;
mod figure;
mod history;
mod scale;
#[cfg(test)]
mod tests;

pub use chart::{Axis, Chart, Corner, Grid};
pub use diagram::{Diagram, Folding};
pub use figure::{Figure, FigureError};
