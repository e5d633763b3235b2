//! What training makes small. In: losses of each example, of each token or of several kinds. Out: an [`Objective`], one number.

use super::{TrainError, metric::Metric};
use crate::graph::Expr;

/// Losses of one kind: a number for each example, `[batch]`, or for each part of one, `[batch, time]` and so on. What counts
/// is their mean over all examples and parts, each by its weight if there are weights.
///
/// # Example
/// The loss of each token of a padded text, and a second loss with a tenth of its weight.
/// ```
/// use pullback::{DType, Graph, nn::{cross_entropy, linear}, train::{Loss, Trainer}};
/// let g = Graph::new();
/// let (x, target) = (g.input("x", ("batch", "time", 8)), g.input_of(DType::I64, "target", ("batch", "time")));
/// let mask = g.input_of(DType::Bool, "target_mask", ("batch", "time"));
/// let scores = linear(x, "out", 5);
/// let tokens = Loss::new("tokens", cross_entropy(scores, target)).weighted(mask);
/// let size = Loss::new("size", scores.square().mean_over([1, 2])).times(0.1);
/// let trainer = Trainer::new([tokens, size], [])?;
/// assert_eq!(trainer.names().collect::<Vec<_>>(), ["loss", "tokens", "size"]);
/// # Ok::<(), pullback::train::TrainError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Loss<'g> {
    pub(super) measured: Metric<'g>,
    pub(super) factor: f64,
}

impl<'g> Loss<'g> {
    /// Losses under a name, which is that of their measure where there are several.
    pub fn new(name: impl Into<String>, values: Expr<'g>) -> Loss<'g> {
        Loss { measured: Metric::mean(name, values), factor: 1.0 }
    }

    /// With a weight for each number, see [`Metric::weighted`].
    pub fn weighted(self, weights: Expr<'g>) -> Loss<'g> {
        Loss { measured: self.measured.weighted(weights), ..self }
    }

    /// With its mean times this factor in the sum of losses.
    pub fn times(self, factor: f64) -> Loss<'g> {
        Loss { factor, ..self }
    }
}

/// What training makes small: the mean of a loss over a batch, or a sum of such means, and perhaps a penalty on the parameters.
#[derive(Debug, Clone)]
pub struct Objective<'g> {
    pub(super) losses: Vec<Loss<'g>>,
    pub(super) penalty: Option<Expr<'g>>,
}

impl<'g> Objective<'g> {
    /// The mean of losses, `[batch]` or of more axes; or the sum of several means: `Objective::new([loss, other])`.
    pub fn new(losses: impl Into<Objective<'g>>) -> Objective<'g> {
        losses.into()
    }

    /// With a scalar added that is not measured, such as λ‖θ‖².
    #[doc(alias("regularization", "weight_decay", "l2"))]
    pub fn penalty(self, penalty: Expr<'g>) -> Objective<'g> {
        Objective { penalty: Some(penalty), ..self }
    }

    /// Checks what [`Metric`]s do not: that there is a loss, that factors are numbers, and all losses of the same examples.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        if self.losses.is_empty() {
            return Err(TrainError::NoLoss);
        }
        if let Some(loss) = self.losses.iter().find(|loss| !loss.factor.is_finite()) {
            return Err(TrainError::Factor { name: loss.measured.name.clone(), found: loss.factor });
        }
        // Their sum is measured example by example.
        let n_examples = |loss: &Loss<'g>| loss.measured.values.shape().first().cloned();
        match self.losses.iter().find(|loss| n_examples(loss) != n_examples(&self.losses[0])) {
            Some(loss) => Err(TrainError::OtherExamples {
                name: loss.measured.name.clone(),
                found: loss.measured.values.ty().into(),
                first: self.losses[0].measured.name.clone(),
                expected: self.losses[0].measured.values.ty().into(),
            }),
            None => Ok(()),
        }
    }

    /// The number itself, where there is a loss.
    pub(super) fn expr(&self) -> Option<Expr<'g>> {
        let means = self.losses.iter().map(|loss| {
            let mean = loss.measured.mean_of_batch();
            if loss.factor == 1.0 { mean } else { mean * loss.factor }
        });
        let sum = means.reduce(|sum, mean| sum + mean)?;
        Some(self.penalty.map_or(sum, |penalty| sum + penalty))
    }

    /// Whether all losses count the same numbers with the same weights.
    pub(super) fn is_of_one_weight(&self) -> bool {
        let weights =
            |loss: &Loss<'g>| (loss.measured.weights.map(|weights| weights.id()), loss.measured.values.shape());
        self.losses.iter().all(|loss| weights(loss) == weights(&self.losses[0]))
    }
}

impl<'g> From<Expr<'g>> for Objective<'g> {
    fn from(losses: Expr<'g>) -> Objective<'g> {
        Objective::from(Loss::new(super::measure::LOSS, losses))
    }
}

impl<'g> From<Loss<'g>> for Objective<'g> {
    fn from(loss: Loss<'g>) -> Objective<'g> {
        Objective::from(vec![loss])
    }
}

impl<'g, const N: usize> From<[Loss<'g>; N]> for Objective<'g> {
    fn from(losses: [Loss<'g>; N]) -> Objective<'g> {
        Objective::from(Vec::from(losses))
    }
}

impl<'g> From<Vec<Loss<'g>>> for Objective<'g> {
    fn from(losses: Vec<Loss<'g>>) -> Objective<'g> {
        Objective { losses, penalty: None }
    }
}
