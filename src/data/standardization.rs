//! Features of mean 0 and deviation 1. In: the examples that are learned from. Out: a [`Standardization`], which does the
//! same to any others. Other columns stay as they are.

use ndarray::{Array1, ArrayView1, ArrayViewD, Axis, IxDyn};

use super::{DataError, Dataset, Split};
use crate::graph::Value;

/// For each feature of a column the mean μ and the standard deviation σ of some examples; x becomes (x − μ) / σ. What an example
/// has in the column is taken as its features in row-major order.
///
/// σ² is the mean of (x − μ)², over n. A feature that is the same in all examples has σ = 0 and is only moved, to 0. Of no
/// examples, μ = 0 and σ = 0. Sums are made in f64.
///
/// # Example
/// ```
/// use ndarray::{ArrayView2, array};
/// use pullback::data::{Dataset, Standardization};
/// # fn main() -> Result<(), pullback::data::DataError> {
/// let train = Dataset::new().column("x", array![[1.0f32, 7.0], [3.0, 7.0]])?;
/// let standardization = Standardization::fit(&train, "x")?;
/// assert_eq!(standardization.mean(), array![2.0, 7.0]);
/// let test = standardization.apply(Dataset::new().column("x", array![[5.0f32, 8.0]])?)?;
/// let x: ArrayView2<f32> = test.array("x")?;
/// assert_eq!(x, array![[3.0, 1.0]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias("standard_scaler", "z_score"))]
#[derive(Debug, Clone, PartialEq)]
pub struct Standardization {
    column: String,
    mean: Array1<f32>,
    deviation: Array1<f32>,
}

impl Standardization {
    /// That of the features in a column of `f32`.
    ///
    /// # Errors
    /// There is no such column, or it is of another dtype.
    pub fn fit(examples: &Dataset, column: &str) -> Result<Standardization, DataError> {
        let x = examples.array::<f32, IxDyn>(column)?;
        let n_features = n_features(&x);
        let flat = x.to_shape((x.len_of(Axis(0)), n_features)).expect("invariant: the features of each example");
        let (means, deviations) = flat.axis_iter(Axis(1)).map(mean_and_deviation).unzip();
        let (mean, deviation) = (Array1::from_vec(means), Array1::from_vec(deviations));
        Ok(Standardization { column: column.to_owned(), mean, deviation })
    }

    /// μ, `[features]`.
    pub fn mean(&self) -> ArrayView1<'_, f32> {
        self.mean.view()
    }

    /// σ, `[features]`.
    pub fn deviation(&self) -> ArrayView1<'_, f32> {
        self.deviation.view()
    }

    /// Standardizes the features of `examples`, in place.
    ///
    /// # Errors
    /// They have no such column, or another number of features in it.
    pub fn apply(&self, mut examples: Dataset) -> Result<Dataset, DataError> {
        let (expected, found) = (self.mean.len(), n_features(&examples.array::<f32, IxDyn>(&self.column)?));
        if found != expected {
            return Err(DataError::Features { expected, found });
        }
        let divisor = self.deviation.mapv(|deviation| if deviation > 0.0 { deviation } else { 1.0 });
        if let Value::F32(x) = examples.value_mut(&self.column)? {
            for mut example in x.outer_iter_mut() {
                for ((x, mean), divisor) in example.iter_mut().zip(&self.mean).zip(&divisor) {
                    *x = (*x - mean) / divisor;
                }
            }
        }
        Ok(examples)
    }
}

impl Split {
    /// Both parts, with a column standardized by mean and deviation of the training part alone; and these.
    ///
    /// # Errors
    /// There is no such column, it is of another dtype, or the parts have different numbers of features.
    ///
    /// # Example
    /// ```
    /// use ndarray::Ix2;
    /// # fn main() -> Result<(), pullback::data::DataError> {
    /// let (split, standardization) = pullback::data::digits().split(0.2, 0)?.standardized("x")?;
    /// assert_eq!(standardization.mean().len(), 64);
    /// assert!(split.train.array::<f32, Ix2>("x")?.mean().unwrap().abs() < 1e-5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn standardized(self, column: &str) -> Result<(Split, Standardization), DataError> {
        let standardization = Standardization::fit(&self.train, column)?;
        let (train, test) = (standardization.apply(self.train)?, standardization.apply(self.test)?);
        Ok((Split { train, test }, standardization))
    }
}

fn n_features(x: &ArrayViewD<'_, f32>) -> usize {
    x.shape()[1..].iter().product()
}

/// Two passes, so that nothing cancels where the mean is large. Equal numbers are told apart from those that nearly are by
/// looking, since rounding of their mean would leave a deviation.
fn mean_and_deviation(feature: ArrayView1<'_, f32>) -> (f32, f32) {
    if feature.iter().all(|x| *x == feature[0]) {
        return (feature.first().copied().unwrap_or(0.0), 0.0);
    }
    let n = feature.len() as f64;
    let mean = feature.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let square = |&x: &f32| (f64::from(x) - mean) * (f64::from(x) - mean);
    let variance = feature.iter().map(square).sum::<f64>() / n;
    (mean as f32, variance.sqrt() as f32)
}
