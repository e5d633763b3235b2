//! AdaGrad. In: parameters and gradients. Out: parameters moved by the gradient over the root of the sum of its squares so
//! far. It remembers that sum, one number per parameter, and the step count.

use super::{
    OptimizerError, Schedule,
    elementwise::{ByElement, Elementwise},
    error::check_epsilon,
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Adaptive gradient: r ← r + g⊙g, then θ ← θ − γₜ g / (δ + √r), with r = 0 at first.
///
/// δ is outside the root. δ = 10⁻⁷ unless set (PyTorch has 10⁻¹⁰).
///
/// # Source
/// Duchi, Hazan and Singer, *Adaptive subgradient methods for online learning and stochastic optimization*, 2011, Figure 1
/// (diagonal); in this form Goodfellow, Bengio and Courville, *Deep learning*, 2016, Algorithm 8.4.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{AdaGrad, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![1])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?[0] = 30.0;
/// let mut adagrad = AdaGrad::new(1.0);
/// adagrad.step(&mut parameters, &gradients)?;
/// assert!((parameters.flat::<f64>()?[0] + 1.0).abs() < 1e-6); // 30 / √900
/// adagrad.step(&mut parameters, &gradients)?;
/// assert!((parameters.flat::<f64>()?[0] + 1.0 + 0.5f64.sqrt()).abs() < 1e-6); // 30 / √1800
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AdaGrad {
    rate: Schedule,
    epsilon: f64,
    state: RuleState<1>,
}

impl AdaGrad {
    /// AdaGrad at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> AdaGrad {
        AdaGrad { rate: rate.into(), epsilon: 1e-7, state: RuleState::default() }
    }

    /// With δ, which keeps the denominator from zero; not less than the least normal f32.
    pub fn epsilon(self, epsilon: f64) -> AdaGrad {
        AdaGrad { epsilon, ..self }
    }
}

impl UpdateRule<1> for AdaGrad {
    const KEEPS: [&'static str; 1] = ["square"];

    type Update = ByElement<AdaGradUpdate, 2>;

    fn name(&self) -> &'static str {
        "adagrad"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_epsilon(self.epsilon)?;
        let rate = self.state.rate(&self.rate, step)?;
        Ok(ByElement(AdaGradUpdate { rate, epsilon: self.epsilon }))
    }
}

optimizer!(AdaGrad);

#[derive(Clone, Copy)]
pub(super) struct AdaGradUpdate {
    rate: f64,
    epsilon: f64,
}

impl Elementwise<1, 2> for AdaGradUpdate {
    fn numbers(&self) -> [(&'static str, f64); 2] {
        [("the rate", self.rate), ("epsilon", self.epsilon)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([rate, epsilon]: [T; 2], theta: T, g: T, [r]: [T; 1]) -> (T, [T; 1]) {
        let r = r + g * g;
        (theta - rate * g / (epsilon + r.sqrt()), [r])
    }
}
