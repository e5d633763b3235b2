//! What is measured. In: an expression with a number for each example, or for each part of one. Out: a [`Metric`], which says
//! what the numbers are and so which interval their mean has.

use super::TrainError;
use crate::graph::{DType, Expr};

/// A number of each example of a batch, or of each part of one, whose mean is of interest.
///
/// # Shapes
/// `values: [batch]`, or with more axes after the first: `[batch, time]`
#[derive(Debug, Clone)]
pub struct Metric<'g> {
    pub(super) name: String,
    pub(super) values: Expr<'g>,
    pub(super) weights: Option<Expr<'g>>,
    pub(super) kind: IntervalKind,
}

/// Which interval the mean has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntervalKind {
    /// Numbers: the normal interval.
    Mean,
    /// 0 or 1: Wilson's interval.
    Rate,
}

impl<'g> Metric<'g> {
    /// The mean of numbers. Where an example has several, they are not independent of each other: the interval is that of a
    /// quotient of sums over examples.
    ///
    /// # Source
    /// Cochran, *Sampling techniques*, 3rd edition, 1977, section 6.4 (quotients).
    pub fn mean(name: impl Into<String>, values: Expr<'g>) -> Metric<'g> {
        Metric { name: name.into(), values, weights: None, kind: IntervalKind::Mean }
    }

    /// The rate of something that is so (1) or not (0), such as an error. With weights, or several of an example, it has the
    /// interval of a mean.
    pub fn rate(name: impl Into<String>, values: Expr<'g>) -> Metric<'g> {
        Metric { kind: IntervalKind::Rate, ..Metric::mean(name, values) }
    }

    /// With a weight for each number: the mean is Σ wᵢxᵢ / Σ wᵢ. A mask of truth values counts the numbers where it is true, and
    /// looks at no other. A batch whose weights add up to 0 has no mean.
    ///
    /// # Shapes
    /// That of the values, or its first axes: `[batch]` is a weight for each example.
    #[doc(alias("mask", "sample_weight"))]
    pub fn weighted(self, weights: Expr<'g>) -> Metric<'g> {
        Metric { weights: Some(weights), ..self }
    }

    /// Floats with an axis of examples, and weights that fit.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        let (name, shape, dtype) = (|| self.name.clone(), self.values.shape(), self.values.dtype());
        if shape.rank() == 0 {
            return Err(TrainError::NotOfEach { name: name(), shape: shape.to_string() });
        }
        if !dtype.is_float() {
            return Err(TrainError::NotFloat { name: name(), dtype: dtype.to_string() });
        }
        let Some(weights) = self.weights else { return Ok(()) };
        let found = weights.shape();
        let is_of_dtype = weights.dtype() == DType::Bool || weights.dtype() == dtype;
        if found.rank() == 0 || !shape.starts_with(&found) || !is_of_dtype {
            return Err(TrainError::Weights {
                name: name(),
                found: weights.ty().into(),
                expected: self.values.ty().into(),
            });
        }
        Ok(())
    }

    /// The weights of all values, if there are weights.
    pub(super) fn all_weights(&self) -> Option<Expr<'g>> {
        let (shape, weights) = (self.values.shape(), self.weights?);
        let missing = weights.shape().rank()..shape.rank();
        let spread = missing.fold(weights, |weights, _| weights.unsqueeze(-1));
        Some(if spread.shape() == shape { spread } else { spread.broadcast_to(shape) })
    }

    /// The mean over a batch.
    pub(super) fn mean_of_batch(&self) -> Expr<'g> {
        let Some(weights) = self.all_weights() else { return self.values.mean() };
        if weights.dtype() == DType::Bool {
            let n = weights.cast(self.values.dtype()).sum();
            return weights.select(self.values, 0.0).sum() / n;
        }
        (self.values * weights).sum() / weights.sum()
    }
}
