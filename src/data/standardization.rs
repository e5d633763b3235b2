//! Features of mean 0 and deviation 1. In: the examples that are learned from. Out: a [`Standardization`], which does the
//! same to any others. Targets stay as they are.

use ndarray::{Array1, ArrayView1, Axis};

use super::{DataError, Dataset, Split, Target};

/// For each feature the mean μ and the standard deviation σ of some examples; x becomes (x − μ) / σ.
///
/// σ² is the mean of (x − μ)², over n. A feature that is the same in all examples has σ = 0 and is only moved, to 0. Of no
/// examples, μ = 0 and σ = 0. Sums are made in f64.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::data::{Dataset, Standardization};
/// # fn main() -> Result<(), pullback::data::DataError> {
/// let train = Dataset::new(array![[1.0, 7.0], [3.0, 7.0]], array![0, 1])?;
/// let standardization = Standardization::fit(&train);
/// assert_eq!(standardization.mean(), array![2.0, 7.0]);
/// let test = Dataset::new(array![[5.0, 8.0]], array![1])?;
/// assert_eq!(standardization.apply(test)?.x(), array![[3.0, 1.0]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias("standard_scaler", "z_score"))]
#[derive(Debug, Clone, PartialEq)]
pub struct Standardization {
    mean: Array1<f32>,
    deviation: Array1<f32>,
}

impl Standardization {
    /// That of the features of `examples`.
    pub fn fit<T: Target>(examples: &Dataset<T>) -> Standardization {
        let (means, deviations) = examples.x.axis_iter(Axis(1)).map(mean_and_deviation).unzip();
        Standardization { mean: Array1::from_vec(means), deviation: Array1::from_vec(deviations) }
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
    /// They have another number of features.
    pub fn apply<T: Target>(&self, mut examples: Dataset<T>) -> Result<Dataset<T>, DataError> {
        let (expected, found) = (self.mean.len(), examples.x.ncols());
        if found != expected {
            return Err(DataError::Features { expected, found });
        }
        let divisor = self.deviation.mapv(|deviation| if deviation > 0.0 { deviation } else { 1.0 });
        for mut row in examples.x.rows_mut() {
            row -= &self.mean;
            row /= &divisor;
        }
        Ok(examples)
    }
}

impl<T: Target> Split<T> {
    /// Both parts, standardized by mean and deviation of the training part alone; and these.
    ///
    /// # Errors
    /// The parts have different numbers of features.
    ///
    /// # Example
    /// ```
    /// # fn main() -> Result<(), pullback::data::DataError> {
    /// let (split, standardization) = pullback::data::digits().split(0.2, 0)?.standardized()?;
    /// assert_eq!(standardization.mean().len(), 64);
    /// assert!(split.train.x().mean().unwrap().abs() < 1e-5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn standardized(self) -> Result<(Split<T>, Standardization), DataError> {
        let standardization = Standardization::fit(&self.train);
        let (train, test) = (standardization.apply(self.train)?, standardization.apply(self.test)?);
        Ok((Split { train, test }, standardization))
    }
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
