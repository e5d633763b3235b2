//! RAdam. In: parameters and gradients. Out: parameters moved by a mean gradient, at first alone, and over its root mean
//! square once that has seen enough. It remembers what Adam does.

use super::{
    OptimizerError, Schedule,
    elementwise::{ByElement, Elementwise},
    error::{check_decay, check_epsilon},
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Rectified Adam, at step t = 1, 2, …, with m = v = 0 at first:
///
/// m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g², m̂ = m / (1 − β₁ᵗ),
/// ρ = 2 / (1 − β₂) − 1 and ρₜ = ρ − 2t β₂ᵗ / (1 − β₂ᵗ),
/// θ ← θ − γₜ m̂ while ρₜ ≤ 5, and from then on θ ← θ − γₜ rₜ m̂ √(1 − β₂ᵗ) / (√v + ε) with
/// rₜ² = (ρₜ − 4)(ρₜ − 2) ρ / ((ρ − 4)(ρ − 2) ρₜ).
///
/// So it warms up by itself: rₜ is small while the variance of 1/√v is large. The paper changes over at 4; 5 is of its
/// authors' program and of PyTorch's, as is ε. With the default β₂ the first five steps are without v.
///
/// β₁ = 0.9, β₂ = 0.999 and ε = 10⁻⁸ unless set.
///
/// # Source
/// Liu et al., *On the variance of the adaptive learning rate and beyond*, 2020, Algorithm 2.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Optimizer, RAdam}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![1])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?[0] = 3.0;
/// RAdam::new(0.1).step(&mut parameters, &gradients)?;
/// // At first it is descent by the mean gradient.
/// assert!((parameters.flat::<f64>()?[0] + 0.3).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RAdam {
    rate: Schedule,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    state: RuleState<2>,
}

impl RAdam {
    /// RAdam at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> RAdam {
        RAdam { rate: rate.into(), beta1: 0.9, beta2: 0.999, epsilon: 1e-8, state: RuleState::default() }
    }

    /// With β₁, the decay of the mean gradient, in [0, 1).
    pub fn beta1(self, beta1: f64) -> RAdam {
        RAdam { beta1, ..self }
    }

    /// With β₂, the decay of the mean squared gradient, in [0, 1).
    pub fn beta2(self, beta2: f64) -> RAdam {
        RAdam { beta2, ..self }
    }

    /// With ε, which keeps the denominator from zero; not less than the least normal f32.
    pub fn epsilon(self, epsilon: f64) -> RAdam {
        RAdam { epsilon, ..self }
    }
}

impl UpdateRule<2> for RAdam {
    const KEEPS: [&'static str; 2] = ["mean", "square"];

    type Update = ByElement<RAdamUpdate, 7>;

    fn name(&self) -> &'static str {
        "r-adam"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_decay("beta1", self.beta1)?;
        check_decay("beta2", self.beta2)?;
        check_epsilon(self.epsilon)?;
        let n_steps = step as f64 + 1.0;
        let rate = self.state.rate(&self.rate, step)? / (1.0 - libm::pow(self.beta1, n_steps));
        let decayed = libm::pow(self.beta2, n_steps);
        let longest = 2.0 / (1.0 - self.beta2) - 1.0;
        let length = longest - 2.0 * n_steps * decayed / (1.0 - decayed);
        let (plain, scaled) = if length > 5.0 {
            let rectified = (length - 4.0) * (length - 2.0) * longest;
            let rectification = (rectified / ((longest - 4.0) * (longest - 2.0) * length)).sqrt();
            (0.0, rate * rectification * (1.0 - decayed).sqrt())
        } else {
            (rate, 0.0)
        };
        Ok(ByElement(RAdamUpdate { beta1: self.beta1, beta2: self.beta2, epsilon: self.epsilon, plain, scaled }))
    }
}

optimizer!(RAdam);

/// The numbers of one step: of the two rates, that of the mean and that of the mean over its root mean square, one is 0.
#[derive(Clone, Copy)]
pub(super) struct RAdamUpdate {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    plain: f64,
    scaled: f64,
}

impl Elementwise<2, 7> for RAdamUpdate {
    fn numbers(&self) -> [(&'static str, f64); 7] {
        [
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("1 − beta1", 1.0 - self.beta1),
            ("1 − beta2", 1.0 - self.beta2),
            ("the rate over its correction", self.plain),
            ("the rectified rate", self.scaled),
            ("epsilon", self.epsilon),
        ]
    }

    #[inline(always)]
    fn update<T: FloatElement>(numbers: [T; 7], theta: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        let [beta1, beta2, rest1, rest2, plain, scaled, epsilon] = numbers;
        let m = beta1 * m + rest1 * g;
        let v = beta2 * v + rest2 * (g * g);
        (theta - (plain * m + scaled * m / (v.sqrt() + epsilon)), [m, v])
    }
}
