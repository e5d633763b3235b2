//! AdaMax. In: parameters and gradients. Out: parameters moved by a mean gradient over the largest one, which decays. It
//! remembers both, two numbers per parameter, and the step count.

use super::{
    OptimizerError, Schedule,
    elementwise::{ByElement, Elementwise, larger},
    error::{check_decay, check_epsilon, check_rate},
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Adam by the infinity norm, at step t = 0, 1, …, with m = u = 0 at first:
///
/// m ← β₁ m + (1 − β₁) g, u ← max(β₂ u, |g| + ε) and θ ← θ − γₜ / (1 − β₁ᵗ⁺¹) · m / u.
///
/// ε, which keeps u from zero, is PyTorch's; the paper has none.
///
/// β₁ = 0.9, β₂ = 0.999 and ε = 10⁻⁸ unless set; the paper's rate is 0.002.
///
/// # Source
/// Kingma and Ba, *Adam: a method for stochastic optimization*, 2015, Algorithm 2.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{AdaMax, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![2])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?.copy_from_slice(&[100.0, -0.5]);
/// AdaMax::new(0.002).step(&mut parameters, &gradients)?;
/// // The first step is as long as the rate.
/// assert!((parameters.flat::<f64>()?[0] + 0.002).abs() < 1e-9);
/// assert!((parameters.flat::<f64>()?[1] - 0.002).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AdaMax {
    rate: Schedule,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    state: RuleState<2>,
}

impl AdaMax {
    /// AdaMax at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> AdaMax {
        AdaMax { rate: rate.into(), beta1: 0.9, beta2: 0.999, epsilon: 1e-8, state: RuleState::default() }
    }

    /// With β₁, the decay of the mean gradient, in [0, 1).
    pub fn beta1(self, beta1: f64) -> AdaMax {
        AdaMax { beta1, ..self }
    }

    /// With β₂, the decay of the largest gradient, in [0, 1).
    pub fn beta2(self, beta2: f64) -> AdaMax {
        AdaMax { beta2, ..self }
    }

    /// With ε, which keeps the denominator from zero; not less than the least normal f32.
    pub fn epsilon(self, epsilon: f64) -> AdaMax {
        AdaMax { epsilon, ..self }
    }
}

impl UpdateRule<2> for AdaMax {
    const KEEPS: [&'static str; 2] = ["mean", "largest"];

    type Update = ByElement<AdaMaxUpdate, 5>;

    fn name(&self) -> &'static str {
        "ada-max"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_decay("beta1", self.beta1)?;
        check_decay("beta2", self.beta2)?;
        check_epsilon(self.epsilon)?;
        // libm's power, because the standard library's differs from one platform to the next.
        let rate = check_rate(&self.rate, step)? / (1.0 - libm::pow(self.beta1, step as f64 + 1.0));
        Ok(ByElement(AdaMaxUpdate { beta1: self.beta1, beta2: self.beta2, epsilon: self.epsilon, rate }))
    }
}

optimizer!(AdaMax);

#[derive(Clone, Copy)]
pub(super) struct AdaMaxUpdate {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    rate: f64,
}

impl Elementwise<2, 5> for AdaMaxUpdate {
    fn numbers(&self) -> [(&'static str, f64); 5] {
        [
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("1 − beta1", 1.0 - self.beta1),
            ("the rate over its correction", self.rate),
            ("epsilon", self.epsilon),
        ]
    }

    #[inline(always)]
    fn update<T: FloatElement>(numbers: [T; 5], theta: T, g: T, [m, u]: [T; 2]) -> (T, [T; 2]) {
        let [beta1, beta2, rest1, rate, epsilon] = numbers;
        let m = beta1 * m + rest1 * g;
        let u = larger(beta2 * u, g.abs() + epsilon);
        (theta - rate * m / u, [m, u])
    }
}
