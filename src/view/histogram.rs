//! Histograms as pictures. In: how numbers are spread. Out: a chart for each.

use super::{Axis, Chart, Figure};
use crate::{numbers::digits, parameters::Histogram};

/// How many digits of a mean or deviation are shown.
const N_DIGITS: usize = 3;

/// A chart for each histogram, three in a row: bars as high as there are numbers in each bin, and below how many there are in all,
/// with their mean and standard deviation.
///
/// # Example
/// One chart for each parameter, or one for all weights and one for all biases:
/// ```
/// use pullback::{Graph, nn::linear, view::plot_histograms};
/// let g = Graph::new();
/// linear(linear(g.input("x", ("batch", 64)), "hidden", 32).relu(), "out", 10);
/// let parameters = g.initialize(0)?;
/// let each = plot_histograms(&parameters.histograms()).to_svg()?;
/// assert!(each.contains("hidden.weight") && each.contains("out.bias"));
/// let groups = plot_histograms(&parameters.histograms_of(["*.weight", "*.bias"])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("hist", "add_histogram"))]
pub fn plot_histograms(histograms: &[Histogram]) -> Figure {
    Figure::new(histograms.iter().map(chart), 3)
}

fn chart(histogram: &Histogram) -> Chart {
    let Histogram { name, low, high, counts, n_not_finite, mean, deviation, .. } = histogram;
    let n_numbers = counts.iter().sum::<u64>() + n_not_finite;
    let not_finite = if *n_not_finite > 0 { format!(", {n_not_finite} not finite") } else { String::new() };
    let label = match n_numbers - n_not_finite {
        0 => format!("{n_numbers} numbers{not_finite}"),
        _ => format!("{n_numbers} numbers{not_finite}, {} ± {}", digits(*mean, N_DIGITS), digits(*deviation, N_DIGITS)),
    };
    // Numbers that are all equal need some room.
    let room = if counts.len() > 1 { 0.0 } else { low.abs().max(1.0) / 20.0 };
    let (low, high) = (low - room, high + room);
    let edge = |bin: usize| {
        let part = bin as f64 / counts.len() as f64;
        low * (1.0 - part) + high * part
    };
    let bars = counts.iter().enumerate().map(|(bin, count)| (edge(bin), edge(bin + 1), *count as f64));
    Chart::new(name.as_str(), Axis::new(label), Axis::new("count").whole()).bars(bars)
}
