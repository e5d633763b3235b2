//! Which classes are taken for which. In: labels and predictions, example by example. Out: a [`ConfusionMatrix`], with the precision,
//! recall and F1 of each class, as text too.

use std::fmt;

use super::RiskError;
use crate::numbers::rounded;

/// How often each class was predicted for the examples of each class.
///
/// Of a class, precision is the part of its predictions that are right, recall the part of its examples that are found, and
/// F1 = 2tp/(2tp + fp + fn), their harmonic mean, with its tp right predictions, fp wrong ones and fn examples that were missed.
///
/// # Source
/// van Rijsbergen, *Information Retrieval*, 2nd edition, 1979, chapter 7.
///
/// # Example
/// ```
/// use pullback::risk::ConfusionMatrix;
/// let mut matrix = ConfusionMatrix::new(["cat", "dog", "owl"]);
/// for (label, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1), (1, 0), (1, 1)] {
///     matrix.add(label, predicted)?;
/// }
/// assert_eq!(matrix.row(0), Some(&[2, 1, 0][..]));
/// assert_eq!(matrix.rates(1), Some(vec![1.0 / 3.0, 2.0 / 3.0, 0.0]));
/// assert_eq!((matrix.precision(0), matrix.recall(1), matrix.f1(2)), (Some(2.0 / 3.0), Some(2.0 / 3.0), None));
/// assert_eq!(
///     matrix.to_string(),
///     "label    0  1  2\n\
///      0 cat    2  1  0\n\
///      1 dog    1  2  0\n\
///      2 owl    0  0  0\n\
///      \n\
///      class  examples  precision  recall      F1\n\
///      0 cat         3     0.6667  0.6667  0.6667\n\
///      1 dog         3     0.6667  0.6667  0.6667\n\
///      2 owl         0          –       –       –\n\
///      accuracy 0.6667 of 6 examples\n"
/// );
/// # Ok::<(), pullback::risk::RiskError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: Vec<String>,
    /// By label, then by prediction.
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// No examples yet, of classes with these names.
    pub fn new<N: Into<String>>(classes: impl IntoIterator<Item = N>) -> ConfusionMatrix {
        let classes: Vec<String> = classes.into_iter().map(Into::into).collect();
        let counts = vec![0; classes.len() * classes.len()];
        ConfusionMatrix { classes, counts }
    }

    /// The same counts with other names.
    ///
    /// # Errors
    /// There are more or fewer names than classes.
    pub fn with_classes<N: Into<String>>(
        self,
        classes: impl IntoIterator<Item = N>,
    ) -> Result<ConfusionMatrix, RiskError> {
        let classes: Vec<String> = classes.into_iter().map(Into::into).collect();
        let (expected, found) = (self.classes.len(), classes.len());
        if expected == found {
            Ok(ConfusionMatrix { classes, ..self })
        } else {
            Err(RiskError::Names { expected, found })
        }
    }

    /// One more example.
    ///
    /// # Errors
    /// The label or the prediction is no class.
    pub fn add(&mut self, label: i64, predicted: i64) -> Result<(), RiskError> {
        let n_classes = self.classes.len();
        let class = |what: &'static str, class: i64| {
            let position = usize::try_from(class).ok().filter(|class| *class < n_classes);
            position.ok_or(RiskError::NoClass { what, class, n_classes })
        };
        self.counts[class("label", label)? * n_classes + class("prediction", predicted)?] += 1;
        Ok(())
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How many examples there are.
    pub fn n_examples(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How often each class was predicted for the examples of one; none if there is no such class.
    pub fn row(&self, label: usize) -> Option<&[u64]> {
        let n_classes = self.classes.len();
        (label < n_classes).then(|| &self.counts[label * n_classes..][..n_classes])
    }

    /// The same, divided by the number of its examples: each row adds up to 1. None of a class without examples.
    #[doc(alias = "normalize")]
    pub fn rates(&self, label: usize) -> Option<Vec<f64>> {
        let row = self.row(label)?;
        row.iter().map(|count| quotient(*count, row.iter().sum())).collect()
    }

    /// The part of all examples whose class was predicted; none of no examples.
    pub fn accuracy(&self) -> Option<f64> {
        quotient((0..self.classes.len()).map(|class| self.n_right(class)).sum(), self.n_examples())
    }

    /// The part of the predictions of a class that are right; none if it was never predicted.
    pub fn precision(&self, class: usize) -> Option<f64> {
        self.row(class)?;
        quotient(self.n_right(class), self.n_predicted(class))
    }

    /// The part of the examples of a class for which it was predicted; none if it has no example.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let n_examples = self.row(class)?.iter().sum();
        quotient(self.n_right(class), n_examples)
    }

    /// The harmonic mean of precision and recall; none if the class has no example and was never predicted.
    pub fn f1(&self, class: usize) -> Option<f64> {
        let n_examples: u64 = self.row(class)?.iter().sum();
        quotient(2 * self.n_right(class), n_examples + self.n_predicted(class))
    }

    fn n_right(&self, class: usize) -> u64 {
        self.counts[class * self.classes.len() + class]
    }

    fn n_predicted(&self, class: usize) -> u64 {
        self.counts.iter().skip(class).step_by(self.classes.len()).sum()
    }
}

fn quotient(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl fmt::Display for ConfusionMatrix {
    /// Labels down, predictions along, and below both a row of numbers for each class.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_digits = |number: u64| number.to_string().len();
        let of_position = n_digits(self.classes.len().saturating_sub(1) as u64);
        let names: Vec<String> =
            self.classes.iter().enumerate().map(|(class, name)| format!("{class:>of_position$} {name}")).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("label".len());
        let of_count = self.counts.iter().map(|count| n_digits(*count)).max().unwrap_or(1).max(of_position);
        let positions: String = (0..self.classes.len()).map(|class| format!("  {class:>of_count$}")).collect();
        writeln!(f, "{:width$}  {positions}", "label")?;
        for (class, name) in names.iter().enumerate() {
            let row: String =
                self.row(class).into_iter().flatten().map(|count| format!("  {count:>of_count$}")).collect();
            writeln!(f, "{name:width$}  {row}")?;
        }
        let of_examples = n_digits(self.n_examples()).max("examples".len());
        writeln!(f, "\n{:width$}  {:>of_examples$}  precision  recall      F1", "class", "examples")?;
        let text = |number: Option<f64>| number.map_or("–".to_owned(), |number| rounded(number, 4).to_string());
        for (class, name) in names.iter().enumerate() {
            let n_examples: u64 = self.row(class).into_iter().flatten().sum();
            let [precision, recall, f1] = [self.precision(class), self.recall(class), self.f1(class)].map(text);
            writeln!(f, "{name:width$}  {n_examples:>of_examples$}  {precision:>9}  {recall:>6}  {f1:>6}")?;
        }
        writeln!(f, "accuracy {} of {} examples", text(self.accuracy()), self.n_examples())
    }
}
