//! Adam with weight decay apart from the gradient. In: parameters and gradients. Out: parameters shrunk, then moved as Adam
//! moves them. It remembers what Adam does.

use super::{
    OptimizerError, Schedule,
    adam::AdamUpdate,
    elementwise::{ByElement, Elementwise},
    error::check_factor,
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Adam with decoupled weight decay: θ ← (1 − γₜ λ) θ − γₜ m̂ / (√v̂ + ε), with m̂ and v̂ as in [`Adam`](super::Adam).
///
/// λ‖θ‖²/2 added to the loss would be divided by √v̂ too, so that what has large gradients would decay less; here all
/// parameters decay alike. The decay is by γₜ λ, as in PyTorch; the paper has a schedule of its own in place of γₜ.
///
/// λ = 0.01, β₁ = 0.9, β₂ = 0.999 and ε = 10⁻⁸ unless set.
///
/// # Source
/// Loshchilov and Hutter, *Decoupled weight decay regularization*, 2019, Algorithm 2.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{AdamW, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![2])])?);
/// parameters.flat_mut::<f64>()?.copy_from_slice(&[10.0, -10.0]);
/// let gradients = Gradients::zeros(parameters.layout().clone());
/// // Without a gradient there is the decay alone: by 0.5 · 0.2.
/// AdamW::new(0.5).weight_decay(0.2).step(&mut parameters, &gradients)?;
/// assert_eq!(parameters.flat::<f64>()?, [9.0, -9.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AdamW {
    rate: Schedule,
    weight_decay: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    state: RuleState<2>,
}

impl AdamW {
    /// AdamW at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> AdamW {
        AdamW {
            rate: rate.into(),
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            state: RuleState::default(),
        }
    }

    /// With λ, by which parameters decay, finite and not negative.
    #[doc(alias = "decay")]
    pub fn weight_decay(self, weight_decay: f64) -> AdamW {
        AdamW { weight_decay, ..self }
    }

    /// With β₁, the decay of the mean gradient, in [0, 1).
    pub fn beta1(self, beta1: f64) -> AdamW {
        AdamW { beta1, ..self }
    }

    /// With β₂, the decay of the mean squared gradient, in [0, 1).
    pub fn beta2(self, beta2: f64) -> AdamW {
        AdamW { beta2, ..self }
    }

    /// With ε, which keeps the denominator from zero; not less than the least normal f32.
    pub fn epsilon(self, epsilon: f64) -> AdamW {
        AdamW { epsilon, ..self }
    }
}

impl UpdateRule<2> for AdamW {
    const KEEPS: [&'static str; 2] = ["mean", "square"];

    type Update = ByElement<AdamWUpdate, 8>;

    fn name(&self) -> &'static str {
        "adam-w"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_factor("weight_decay", self.weight_decay)?;
        let rate = self.state.rate(&self.rate, step)?;
        let moments = AdamUpdate::new([self.beta1, self.beta2], self.epsilon, rate, step)?;
        Ok(ByElement(AdamWUpdate { keep: 1.0 - rate * self.weight_decay, moments }))
    }
}

optimizer!(AdamW);

#[derive(Clone, Copy)]
pub(super) struct AdamWUpdate {
    keep: f64,
    moments: AdamUpdate,
}

impl Elementwise<2, 8> for AdamWUpdate {
    fn numbers(&self) -> [(&'static str, f64); 8] {
        let [a, b, c, d, e, f, g] = self.moments.numbers();
        [a, b, c, d, e, f, g, ("1 − rate · weight_decay", self.keep)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([moments @ .., keep]: [T; 8], theta: T, g: T, memory: [T; 2]) -> (T, [T; 2]) {
        AdamUpdate::update(moments, keep * theta, g, memory)
    }
}
