//! Lion. In: parameters and gradients. Out: parameters shrunk, then each moved by the rate against the sign of a mean
//! gradient. It remembers another mean, one number per parameter.

use super::{
    OptimizerError, Schedule,
    elementwise::{ByElement, Elementwise, sign},
    error::{check_decay, check_factor, check_rate},
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Evolved sign momentum, with m = 0 at first:
///
/// c = β₁ m + (1 − β₁) g, then θ ← (1 − γₜ λ) θ − γₜ sign(c) and m ← β₂ m + (1 − β₂) g.
///
/// The sign of 0 is 0. Every element moves by the rate, so that rates are three to ten times lower than those of
/// [`AdamW`](super::AdamW), and λ as much higher. It remembers half of what Adam does.
///
/// β₁ = 0.9, β₂ = 0.99 and λ = 0 unless set.
///
/// # Source
/// Chen et al., *Symbolic discovery of optimization algorithms*, 2023, Algorithm 2.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Lion, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![3])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?.copy_from_slice(&[1e3, -1e-3, 0.0]);
/// Lion::new(0.25).step(&mut parameters, &gradients)?;
/// assert_eq!(parameters.flat::<f64>()?, [-0.25, 0.25, 0.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Lion {
    rate: Schedule,
    weight_decay: f64,
    beta1: f64,
    beta2: f64,
    state: RuleState<1>,
}

impl Lion {
    /// Lion at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> Lion {
        Lion { rate: rate.into(), weight_decay: 0.0, beta1: 0.9, beta2: 0.99, state: RuleState::default() }
    }

    /// With λ, by which parameters decay, finite and not negative.
    #[doc(alias = "decay")]
    pub fn weight_decay(self, weight_decay: f64) -> Lion {
        Lion { weight_decay, ..self }
    }

    /// With β₁, the decay of the mean whose sign is taken, in [0, 1).
    pub fn beta1(self, beta1: f64) -> Lion {
        Lion { beta1, ..self }
    }

    /// With β₂, the decay of the mean that is remembered, in [0, 1).
    pub fn beta2(self, beta2: f64) -> Lion {
        Lion { beta2, ..self }
    }
}

impl UpdateRule<1> for Lion {
    const KEEPS: [&'static str; 1] = ["mean"];

    type Update = ByElement<LionUpdate, 6>;

    fn name(&self) -> &'static str {
        "lion"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_factor("weight_decay", self.weight_decay)?;
        check_decay("beta1", self.beta1)?;
        check_decay("beta2", self.beta2)?;
        let rate = check_rate(&self.rate, step)?;
        Ok(ByElement(LionUpdate { beta1: self.beta1, beta2: self.beta2, rate, keep: 1.0 - rate * self.weight_decay }))
    }
}

optimizer!(Lion);

#[derive(Clone, Copy)]
pub(super) struct LionUpdate {
    beta1: f64,
    beta2: f64,
    rate: f64,
    keep: f64,
}

impl Elementwise<1, 6> for LionUpdate {
    fn numbers(&self) -> [(&'static str, f64); 6] {
        [
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("1 − beta1", 1.0 - self.beta1),
            ("1 − beta2", 1.0 - self.beta2),
            ("the rate", self.rate),
            ("1 − rate · weight_decay", self.keep),
        ]
    }

    #[inline(always)]
    fn update<T: FloatElement>(numbers: [T; 6], theta: T, g: T, [m]: [T; 1]) -> (T, [T; 1]) {
        let [beta1, beta2, rest1, rest2, rate, keep] = numbers;
        let direction = sign(beta1 * m + rest1 * g);
        (keep * theta - rate * direction, [beta2 * m + rest2 * g])
    }
}
