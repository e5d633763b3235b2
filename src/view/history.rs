//! The history of a training as a picture. In: epochs. Out: a chart for each measure, training beside validation.

use super::{Axis, Chart, Figure};
use crate::train::History;

impl History {
    /// A chart for each measure over the epochs: its mean over the training batches of the epoch, and its estimate on the
    /// validation set with the interval as a band.
    ///
    /// # Example
    /// ```no_run
    /// # fn draw(report: pullback::train::Report) -> Result<(), Box<dyn std::error::Error>> {
    /// report.history.to_figure().save("history.svg")?;
    /// report.history.write_csv(std::fs::File::create("history.csv")?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_figure(&self) -> Figure {
        let chart = |name: &String| {
            let chart = Chart::new(name.as_str(), Axis::new("epoch"), Axis::new(name.as_str()));
            let chart = chart.line("training batches", self.train(name));
            let validation = self.validation(name);
            if validation.is_empty() {
                return chart;
            }
            let values = validation.iter().map(|(epoch, estimate)| (*epoch, estimate.value));
            let level = validation[0].1.level * 100.0;
            let bands = validation.iter().map(|(epoch, estimate)| (*epoch, estimate.lower, estimate.upper));
            chart.line(format!("validation, {level} % interval"), values).band(bands)
        };
        Figure::new(self.names().iter().map(chart), 2)
    }
}
