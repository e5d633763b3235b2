//! A training as a picture. In: its epochs, and its steps if they were recorded. Out: a chart for each measure and each curve.

use super::{Axis, Chart, Figure};
use crate::train::{CurvePoint, Curves, History, Spread};

/// A training in one picture: a chart for each measure over the epochs, its mean over the training batches of each epoch and its
/// estimate on the validation set with the interval as a band; and if its [`Curves`] were recorded, the loss, the norm of the
/// gradient and the rate of each group over the steps. Where a point of these is of several steps, it is their mean, with a band from
/// the least to the greatest.
///
/// An axis is logarithmic if all numbers along it are positive and the greatest is at least 100 times the least.
///
/// # Example
/// ```no_run
/// # fn draw(report: pullback::train::Report, curves: pullback::train::Curves) -> Result<(), Box<dyn std::error::Error>> {
/// use pullback::view::plot_history;
/// plot_history(&report.history, &curves).save("training.svg")?;
/// plot_history(&report.history, None).save("epochs.svg")?; // of the epochs alone
/// # Ok(())
/// # }
/// ```
pub fn plot_history<'c>(history: &History, curves: impl Into<Option<&'c Curves>>) -> Figure {
    let measures = history.names().iter().map(|name| of_measure(history, name));
    let curves = curves.into().filter(|curves| !curves.points().is_empty());
    let curves = curves.into_iter().flat_map(|curves| {
        let points = curves.points();
        [
            of_steps("loss of each step", points, |point| point.loss),
            of_steps("norm of the gradient", points, |point| point.gradient_norm),
            of_rates(points),
        ]
    });
    Figure::new(measures.chain(curves), 2)
}

/// A measure over the epochs.
fn of_measure(history: &History, name: &str) -> Chart {
    let (train, validation) = (history.train(name), history.validation(name));
    let values = validation.iter().map(|(_, estimate)| estimate.value);
    let numbers: Vec<f64> = train.iter().map(|(_, number)| *number).chain(values).collect();
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let y = Axis::new(name).logarithmic_if_wide(numbers);
    // An interval that reaches below 0 ends there with the axis.
    let bottom = if y.is_logarithmic { least } else { f64::NEG_INFINITY };
    let chart = Chart::new(name, Axis::new("epoch").whole(), y);
    // A line of one point would not be seen.
    let is_line = train.len() > 1;
    let add = |chart: Chart, name: String, points: Vec<(f64, f64)>| {
        if is_line { chart.line(name, points) } else { chart.points(name, points) }
    };
    let chart = add(chart, "training batches".to_owned(), train);
    let Some((_, first)) = validation.first() else { return chart };
    let name = format!("validation, {} % interval", first.level * 100.0);
    let chart = add(chart, name, validation.iter().map(|(epoch, estimate)| (*epoch, estimate.value)).collect());
    let lower = |lower: f64| if lower > 0.0 { lower } else { lower.max(bottom) };
    let bands = validation.iter().map(|(epoch, estimate)| (*epoch, lower(estimate.lower), estimate.upper));
    if is_line { chart.band(bands) } else { chart.error_bars(bands) }
}

/// A curve over the steps.
fn of_steps(title: &str, points: &[CurvePoint], spread: impl Fn(&CurvePoint) -> Spread) -> Chart {
    let numbers = points.iter().map(&spread).flat_map(|spread| [spread.least, spread.greatest]);
    let chart = Chart::new(title, Axis::new("step").whole(), Axis::new(title).logarithmic_if_wide(numbers));
    let means = points.iter().map(|point| (middle(point), spread(point).mean));
    let n_steps = points.first().map_or(1, |point| point.last_step - point.first_step + 1);
    match (points.len(), n_steps) {
        (1, _) => chart.points("", means),
        (_, 1) => chart.line("", means),
        _ => {
            let bands = points.iter().map(|point| (middle(point), spread(point).least, spread(point).greatest));
            chart.line(format!("mean of {n_steps} steps, least to greatest"), means).band(bands)
        }
    }
}

/// The rates over the steps.
fn of_rates(points: &[CurvePoint]) -> Chart {
    let rates = || points.iter().flat_map(|point| &point.rates).map(|rate| rate.rate);
    let chart = Chart::new("rate", Axis::new("step").whole(), Axis::new("rate").logarithmic_if_wide(rates()));
    let groups = points.first().map_or(&[][..], |point| &point.rates);
    groups.iter().enumerate().fold(chart, |chart, (group, rate)| {
        let of_group = |point: &CurvePoint| Some((point.last_step as f64, point.rates.get(group)?.rate));
        let points: Vec<(f64, f64)> = points.iter().filter_map(of_group).collect();
        if points.len() > 1 { chart.line(&rate.group, points) } else { chart.points(&rate.group, points) }
    })
}

fn middle(point: &CurvePoint) -> f64 {
    (point.first_step as f64 + point.last_step as f64) / 2.0
}
