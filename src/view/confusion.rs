//! A confusion matrix as a picture. In: counts. Out: a table with numbers in its cells.

use super::{
    Figure,
    matrix::{Cell, Matrix},
};
use crate::risk::ConfusionMatrix;

/// A confusion matrix as a table: labels down, predictions along, in each cell how often it was so and which part of the examples of
/// its row that is, which is also its shade; in the title the accuracy. From 13 classes on the cells have the counts alone, from 26
/// on shades alone.
///
/// # Example
/// ```
/// use pullback::{risk::ConfusionMatrix, view::plot_confusion_matrix};
/// let mut matrix = ConfusionMatrix::new(["cat", "dog"]);
/// [(0, 0), (0, 1), (1, 1)].into_iter().try_for_each(|(label, predicted)| matrix.add(label, predicted))?;
/// assert!(plot_confusion_matrix(&matrix).to_svg()?.contains("accuracy 66.7 % of 3 examples"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "ConfusionMatrixDisplay")]
pub fn plot_confusion_matrix(matrix: &ConfusionMatrix) -> Figure {
    let n_examples = matrix.n_examples();
    let title = match matrix.accuracy() {
        Some(accuracy) => format!("accuracy {:.1} % of {n_examples} examples", accuracy * 100.0),
        None => "no examples".to_owned(),
    };
    let n_classes = matrix.classes().len();
    let cells = (0..n_classes).flat_map(|label| {
        let counts = matrix.row(label).unwrap_or_default();
        let rates = matrix.rates(label);
        let cell = move |(predicted, count): (usize, &u64)| {
            let rate = rates.as_ref().map(|rates| rates[predicted]);
            let percent = rate.filter(|_| *count > 0).map_or(String::new(), percent);
            Cell { lines: [count.to_string(), percent], shade: rate }
        };
        counts.iter().enumerate().map(cell).collect::<Vec<_>>()
    });
    let axes = ["label", "prediction"].map(str::to_owned);
    Figure::of_matrix(Matrix { title, axes, names: matrix.classes().to_vec(), cells: cells.collect() })
}

/// A part in percent, with a decimal where it is small.
fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent >= 9.95 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}
