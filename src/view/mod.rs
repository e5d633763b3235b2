//! Pictures. In: numbers with names, or graphs. Out: charts and diagrams as SVG text, and pages of programs as HTML.
//! Nothing here computes what it draws.

mod chart;
mod confusion;
mod diagram;
mod draw;
mod figure;
mod histogram;
mod history;
mod matrix;
mod report;
mod scale;
#[cfg(test)]
mod tests;

pub use chart::{Axis, Chart, Corner, Grid};
pub use confusion::plot_confusion_matrix;
pub use diagram::{Diagram, Folding};
pub use figure::{Figure, FigureError};
pub use histogram::plot_histograms;
pub use history::plot_history;
pub use report::Report;
