//! Networks that make the targets which another is to find. In: widths and a seed. Out: a [`Teacher`], and examples with
//! what it says of them. It does not learn.

use ndarray::{Array2, ArrayView2};

use super::draw::{Normal, check_length, check_some, dot, matrix, room};
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
/// use ndarray::Ix2;
/// use pullback::data::synthetic::Teacher;
/// # fn main() -> Result<(), pullback::data::DataError> {
/// let curve = Teacher::new(&[3, 16, 1], 0)?.regression(100, 0.1, 1)?;
/// let classes = Teacher::new(&[3, 16, 4], 0)?.classification(100, 1)?;
/// assert_eq!(curve.array::<f32, Ix2>("x")?, classes.array::<f32, Ix2>("x")?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Teacher {
    layers: Vec<TeacherLayer>,
    n_features: usize,
}

/// One row of weights for each output.
#[derive(Debug, Clone, PartialEq)]
struct TeacherLayer(Vec<Vec<f64>>);

impl Teacher {
    /// A network of those widths: features, hidden layers, outputs. With two widths it is linear.
    ///
    /// # Errors
    /// There are fewer than two widths, one is 0, or there is no memory for so many weights.
    pub fn new(widths: &[usize], seed: u64) -> Result<Teacher, DataError> {
        if widths.len() < 2 {
            let found = widths.len() as f64;
            return Err(DataError::Parameter { what: "the number of widths", expected: "at least 2", found });
        }
        widths.iter().try_for_each(|width| check_some("a width", *width))?;
        let mut normal = Normal::new(seed);
        let layers = widths.windows(2).map(|pair| TeacherLayer::new(pair[0], pair[1], &mut normal));
        Ok(Teacher { layers: layers.collect::<Result<_, _>>()?, n_features: widths[0] })
    }

    /// What it says of examples of yours.
    ///
    /// # Shapes
    /// x: `[examples, features]` → `[examples, outputs]`
    ///
    /// # Errors
    /// The examples have another number of features, or there is no memory for so many outputs.
    pub fn outputs(&self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, DataError> {
        let (expected, found) = (self.n_features, x.ncols());
        if found != expected {
            let what = "the number of features";
            return Err(DataError::Parameter { what, expected: "the teacher's first width", found: found as f64 });
        }
        self.apply(x)
    }

    /// `n` normal examples; the target of each is the first output plus a normal number with deviation `noise`.
    ///
    /// # Shapes
    /// `x`: `f32[n, features]`, `y`: `f32[n]`
    ///
    /// # Errors
    /// The noise is not from 0 to 10³⁶, or there is no memory for so many examples.
    pub fn regression(&self, n: usize, noise: f64, seed: u64) -> Result<Dataset, DataError> {
        check_length("the noise", noise)?;
        let mut normal = Normal::new(seed);
        let x = self.examples(n, &mut normal)?;
        let clean = self.apply(x.view())?;
        let y: Vec<f32> = clean.column(0).iter().map(|y| (f64::from(*y) + noise * normal.next()) as f32).collect();
        Dataset::of_rows(x, y)
    }

    /// `n` normal examples; the label of each is the position of the greatest output, the first of equal ones. With one
    /// output it is whether that is positive. Some labels may be rarer than others, or absent.
    ///
    /// # Shapes
    /// `x`: `f32[n, features]`, `label`: `i64[n]`
    ///
    /// # Errors
    /// There is no memory for so many examples.
    pub fn classification(&self, n: usize, seed: u64) -> Result<Dataset, DataError> {
        let x = self.examples(n, &mut Normal::new(seed))?;
        let labels: Vec<i64> = self.apply(x.view())?.rows().into_iter().map(|row| label(&row.to_vec())).collect();
        Dataset::of_rows(x, labels)
    }

    fn examples(&self, n: usize, normal: &mut Normal) -> Result<Array2<f32>, DataError> {
        let mut numbers = room(n, self.n_features)?;
        numbers.extend((0..n * self.n_features).map(|_| normal.next() as f32));
        matrix(numbers, n, self.n_features)
    }

    fn apply(&self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, DataError> {
        let n_outputs = self.layers.last().map_or(0, |layer| layer.0.len());
        let mut outputs = room(x.nrows(), n_outputs)?;
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
        matrix(outputs, x.nrows(), n_outputs)
    }
}

impl TeacherLayer {
    fn new(n_inputs: usize, n_outputs: usize, normal: &mut Normal) -> Result<TeacherLayer, DataError> {
        let scale = 1.0 / libm::sqrt(n_inputs as f64);
        // All weights are asked for at once, so that what does not fit is told before any is drawn.
        drop(room::<f64>(n_outputs, n_inputs)?);
        let mut rows = room(n_outputs, 1)?;
        for _ in 0..n_outputs {
            let mut row = normal.vector(n_inputs)?;
            row.iter_mut().for_each(|weight| *weight *= scale);
            rows.push(row);
        }
        Ok(TeacherLayer(rows))
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
