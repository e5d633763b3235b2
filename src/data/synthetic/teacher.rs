//! Networks that make the targets which another is to find. In: widths and a seed. Out: a [`Teacher`], and examples with
//! what it says of them. It does not learn.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::draw::{Normal, dot, expect_length, expect_some};
use crate::data::{DataError, Dataset};

/// A network with random weights: hₖ = tanh(Wₖ·hₖ₋₁), and the last layer without the tanh.
///
/// Weights are normal with variance 1 / fan_in, so that sums have a variance of about one at most; there are no biases, so
/// that no output is great for all examples. Examples for it are normal.
///
/// # Source
/// Gardner and Derrida, *Three unfinished works on the optimal storage capacity of networks*, 1989; Saad and Solla,
/// *On-line learning in soft committee machines*, 1995.
///
/// # Example
/// ```
/// use pullback::data::{Dataset, synthetic::Teacher};
/// # fn main() -> Result<(), pullback::data::DataError> {
/// let curve: Dataset<f32> = Teacher::new(&[3, 16, 1], 0)?.regression(100, 0.1, 1)?;
/// let classes: Dataset = Teacher::new(&[3, 16, 4], 0)?.classification(100, 1);
/// assert_eq!((curve.x(), curve.len()), (classes.x(), 100));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Teacher {
    layers: Vec<Layer>,
    n_features: usize,
}

/// One row of weights for each output.
#[derive(Debug, Clone, PartialEq)]
struct Layer(Vec<Vec<f64>>);

impl Teacher {
    /// A network of those widths: features, hidden layers, outputs. With two widths it is linear.
    ///
    /// # Errors
    /// There are fewer than two widths, or one is 0.
    pub fn new(widths: &[usize], seed: u64) -> Result<Teacher, DataError> {
        if widths.len() < 2 {
            let found = widths.len() as f64;
            return Err(DataError::Parameter { what: "the number of widths", expected: "at least 2", found });
        }
        widths.iter().try_for_each(|width| expect_some("a width", *width))?;
        let mut normal = Normal::new(seed);
        let layers = widths.windows(2).map(|pair| Layer::new(pair[0], pair[1], &mut normal)).collect();
        Ok(Teacher { layers, n_features: widths[0] })
    }

    /// What it says of examples of yours.
    ///
    /// # Shapes
    /// x: `[examples, features]` → `[examples, outputs]`
    ///
    /// # Errors
    /// The examples have another number of features.
    pub fn outputs(&self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, DataError> {
        let (expected, found) = (self.n_features, x.ncols());
        if found != expected {
            let what = "the number of features";
            return Err(DataError::Parameter { what, expected: "the teacher's first width", found: found as f64 });
        }
        Ok(self.apply(x))
    }

    /// `n` normal examples; the target of each is the first output plus a normal number with deviation `noise`.
    ///
    /// # Shapes
    /// `x: [n, features]`, `y: [n]`
    ///
    /// # Errors
    /// The noise is negative or not finite.
    pub fn regression(&self, n: usize, noise: f64, seed: u64) -> Result<Dataset<f32>, DataError> {
        expect_length("the noise", noise)?;
        let mut normal = Normal::new(seed);
        let x = self.examples(n, &mut normal);
        let clean = self.apply(x.view()).index_axis_move(Axis(1), 0);
        let y = clean.iter().map(|y| (f64::from(*y) + noise * normal.next()) as f32).collect();
        Dataset::new(x, y)
    }

    /// `n` normal examples; the label of each is the position of the greatest output, the first of equal ones. With one
    /// output it is whether that is positive. Some labels may be rarer than others, or absent.
    ///
    /// # Shapes
    /// `x: [n, features]`, `y: [n]`
    pub fn classification(&self, n: usize, seed: u64) -> Dataset {
        let x = self.examples(n, &mut Normal::new(seed));
        let labels: Array1<i64> = self.apply(x.view()).rows().into_iter().map(|row| label(&row.to_vec())).collect();
        Dataset::new(x, labels).expect("invariant: one label for each row")
    }

    fn examples(&self, n: usize, normal: &mut Normal) -> Array2<f32> {
        Array2::from_shape_simple_fn((n, self.n_features), || normal.next() as f32)
    }

    fn apply(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let n_outputs = self.layers.last().map_or(0, |layer| layer.0.len());
        let mut outputs = Vec::with_capacity(x.nrows() * n_outputs);
        for row in x.rows() {
            let mut values: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            for (position, layer) in self.layers.iter().enumerate() {
                if position > 0 {
                    values.iter_mut().for_each(|value| *value = libm::tanh(*value));
                }
                values = layer.apply(&values);
            }
            outputs.extend(values.into_iter().map(|value| value as f32));
        }
        Array2::from_shape_vec((x.nrows(), n_outputs), outputs).expect("invariant: so many outputs for each row")
    }
}

impl Layer {
    fn new(n_inputs: usize, n_outputs: usize, normal: &mut Normal) -> Layer {
        let scale = 1.0 / libm::sqrt(n_inputs as f64);
        let row = |_| normal.vector(n_inputs).into_iter().map(|weight| weight * scale).collect();
        Layer((0..n_outputs).map(row).collect())
    }

    fn apply(&self, inputs: &[f64]) -> Vec<f64> {
        self.0.iter().map(|weights| dot(weights, inputs)).collect()
    }
}

fn label(outputs: &[f32]) -> i64 {
    if let [output] = outputs {
        return i64::from(*output > 0.0);
    }
    let mut best = 0;
    for (position, output) in outputs.iter().enumerate() {
        if *output > outputs[best] {
            best = position;
        }
    }
    best as i64
}
