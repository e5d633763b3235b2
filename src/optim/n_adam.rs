//! NAdam. In: parameters and gradients. Out: parameters moved as Adam moves them, by a mean that looks one step ahead. It
//! remembers what Adam does.

use super::{
    OptimizerError, Schedule,
    elementwise::{ByElement, Elementwise},
    error::{check_decay, check_epsilon, check_rate},
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Adam with Nesterov's momentum, at step t = 1, 2, …, with m = v = 0 at first and μₜ = β₁ (1 − 0.96^(t/250) / 2):
///
/// m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g²,
/// θ ← θ − γₜ / (√v̂ + ε) · ((1 − μₜ) / (1 − Πₜ) g + μₜ₊₁ / (1 − Πₜ₊₁) m), with v̂ = v / (1 − β₂ᵗ) and Πₜ = μ₁ ⋯ μₜ.
///
/// This is PyTorch's form; the paper's mean has μₜ for β₁ too. β₁ = 0.9, β₂ = 0.999 and ε = 10⁻⁸ unless set.
///
/// # Source
/// Dozat, *Incorporating Nesterov momentum into Adam*, 2016, Algorithm 2; the warm-up of μ is of Sutskever et al., *On the
/// importance of initialization and momentum in deep learning*, 2013.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{NAdam, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![1])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?[0] = 1.0;
/// NAdam::new(0.1).step(&mut parameters, &gradients)?;
/// assert!(parameters.flat::<f64>()?[0] < 0.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct NAdam {
    rate: Schedule,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    state: RuleState<2>,
}

impl NAdam {
    /// NAdam at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> NAdam {
        NAdam { rate: rate.into(), beta1: 0.9, beta2: 0.999, epsilon: 1e-8, state: RuleState::default() }
    }

    /// With β₁, the decay of the mean gradient, in [0, 1).
    pub fn beta1(self, beta1: f64) -> NAdam {
        NAdam { beta1, ..self }
    }

    /// With β₂, the decay of the mean squared gradient, in [0, 1).
    pub fn beta2(self, beta2: f64) -> NAdam {
        NAdam { beta2, ..self }
    }

    /// With ε, which keeps the denominator from zero; not less than the least normal f32.
    pub fn epsilon(self, epsilon: f64) -> NAdam {
        NAdam { epsilon, ..self }
    }

    /// μ at a step counted from 1.
    fn momentum(&self, step: f64) -> f64 {
        self.beta1 * (1.0 - 0.5 * libm::pow(0.96, step / 250.0))
    }

    /// μ₁ ⋯ μₜ, or 0 where one less it is 1 in f64: that is so after some fifty steps for any β₁, so nothing is kept for it.
    fn product(&self, n_steps: u64) -> f64 {
        let mut product = 1.0;
        for step in 1..=n_steps {
            product *= self.momentum(step as f64);
            if product < f64::EPSILON / 4.0 {
                return 0.0;
            }
        }
        product
    }
}

impl UpdateRule<2> for NAdam {
    const KEEPS: [&'static str; 2] = ["mean", "square"];

    type Update = ByElement<NAdamUpdate, 8>;

    fn name(&self) -> &'static str {
        "n-adam"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_decay("beta1", self.beta1)?;
        check_decay("beta2", self.beta2)?;
        check_epsilon(self.epsilon)?;
        let rate = check_rate(&self.rate, step)?;
        let n_steps = step as f64 + 1.0;
        let (now, next) = (self.momentum(n_steps), self.momentum(n_steps + 1.0));
        let product = self.product(step + 1);
        Ok(ByElement(NAdamUpdate {
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            rate_of_gradient: rate * (1.0 - now) / (1.0 - product),
            rate_of_mean: rate * next / (1.0 - product * next),
            scale: 1.0 / (1.0 - libm::pow(self.beta2, n_steps)).sqrt(),
        }))
    }
}

optimizer!(NAdam);

/// The numbers of one step, the corrections taken out of the loop.
#[derive(Clone, Copy)]
pub(super) struct NAdamUpdate {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    rate_of_gradient: f64,
    rate_of_mean: f64,
    scale: f64,
}

impl Elementwise<2, 8> for NAdamUpdate {
    fn numbers(&self) -> [(&'static str, f64); 8] {
        [
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("1 − beta1", 1.0 - self.beta1),
            ("1 − beta2", 1.0 - self.beta2),
            ("the rate of the gradient", self.rate_of_gradient),
            ("the rate of the mean", self.rate_of_mean),
            ("the correction of the root mean square", self.scale),
            ("epsilon", self.epsilon),
        ]
    }

    #[inline(always)]
    fn update<T: FloatElement>(numbers: [T; 8], theta: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        let [beta1, beta2, rest1, rest2, rate_of_gradient, rate_of_mean, scale, epsilon] = numbers;
        let m = beta1 * m + rest1 * g;
        let v = beta2 * v + rest2 * (g * g);
        let direction = rate_of_gradient * g + rate_of_mean * m;
        (theta - direction / (scale * v.sqrt() + epsilon), [m, v])
    }
}
