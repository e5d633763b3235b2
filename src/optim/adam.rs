//! Adam. In: parameters and gradients. Out: parameters moved by a mean gradient over its root mean square. It remembers
//! both means, two numbers per parameter, and the step count.

use super::{
    OptimizerError, Schedule,
    elementwise::{ByElement, Elementwise},
    error::{check_decay, check_epsilon},
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Adaptive moment estimation, at step t = 0, 1, …, with m = v = 0 at first:
///
/// m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g²,
/// m̂ = m / (1 − β₁ᵗ⁺¹) and v̂ = v / (1 − β₂ᵗ⁺¹),
/// θ ← θ − γₜ m̂ / (√v̂ + ε).
///
/// β₁ = 0.9, β₂ = 0.999 and ε = 10⁻⁸ unless set.
///
/// # Source
/// Kingma and Ba, *Adam: a method for stochastic optimization*, 2015, Algorithm 1.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Adam, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F32, vec![2])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f32>()?.copy_from_slice(&[100.0, -0.01]);
/// let mut adam = Adam::new(1e-3).beta2(0.99);
/// adam.step(&mut parameters, &gradients)?;
/// // The first step is as long as the rate, however large the gradient.
/// assert!((parameters.flat::<f32>()?[0] + 1e-3).abs() < 1e-8);
/// assert!((parameters.flat::<f32>()?[1] - 1e-3).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Adam {
    rate: Schedule,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    state: RuleState<2>,
}

impl Adam {
    /// Adam at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> Adam {
        Adam { rate: rate.into(), beta1: 0.9, beta2: 0.999, epsilon: 1e-8, state: RuleState::default() }
    }

    /// With β₁, the decay of the mean gradient, in [0, 1).
    pub fn beta1(self, beta1: f64) -> Adam {
        Adam { beta1, ..self }
    }

    /// With β₂, the decay of the mean squared gradient, in [0, 1).
    pub fn beta2(self, beta2: f64) -> Adam {
        Adam { beta2, ..self }
    }

    /// With ε, which keeps the denominator from zero; not less than the least normal f32.
    pub fn epsilon(self, epsilon: f64) -> Adam {
        Adam { epsilon, ..self }
    }
}

impl UpdateRule<2> for Adam {
    const KEEPS: [&'static str; 2] = ["mean", "square"];

    type Update = ByElement<AdamUpdate, 7>;

    fn name(&self) -> &'static str {
        "adam"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        let rate = self.state.rate(&self.rate, step)?;
        Ok(ByElement(AdamUpdate::new([self.beta1, self.beta2], self.epsilon, rate, step)?))
    }
}

optimizer!(Adam);

/// The numbers of one step, the bias corrections taken out of the loop:
/// γ m̂ / (√v̂ + ε) is `rate` m / (`scale` √v + ε).
#[derive(Clone, Copy)]
pub(super) struct AdamUpdate {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    rate: f64,
    scale: f64,
}

impl AdamUpdate {
    /// The numbers of a step, counted from 0, at a rate.
    pub(super) fn new(
        [beta1, beta2]: [f64; 2],
        epsilon: f64,
        rate: f64,
        step: u64,
    ) -> Result<AdamUpdate, OptimizerError> {
        check_decay("beta1", beta1)?;
        check_decay("beta2", beta2)?;
        check_epsilon(epsilon)?;
        // libm's power, because the standard library's differs from one platform to the next.
        let n_steps = step as f64 + 1.0;
        let (seen1, seen2) = (1.0 - libm::pow(beta1, n_steps), 1.0 - libm::pow(beta2, n_steps));
        Ok(AdamUpdate { beta1, beta2, epsilon, rate: rate / seen1, scale: 1.0 / seen2.sqrt() })
    }
}

impl Elementwise<2, 7> for AdamUpdate {
    fn numbers(&self) -> [(&'static str, f64); 7] {
        [
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("1 − beta1", 1.0 - self.beta1),
            ("1 − beta2", 1.0 - self.beta2),
            ("the rate over its correction", self.rate),
            ("the correction of the root mean square", self.scale),
            ("epsilon", self.epsilon),
        ]
    }

    #[inline(always)]
    fn update<T: FloatElement>(numbers: [T; 7], theta: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        let [beta1, beta2, rest1, rest2, rate, scale, epsilon] = numbers;
        let m = beta1 * m + rest1 * g;
        let v = beta2 * v + rest2 * (g * g);
        (theta - rate * m / (scale * v.sqrt() + epsilon), [m, v])
    }
}
