//! RMSProp. In: parameters and gradients. Out: parameters moved by the gradient over its root mean square. It remembers
//! the mean square, one number per parameter, and the step count.

use super::{
    OptimizerError, Schedule,
    elementwise::{ByElement, Elementwise},
    error::{check_decay, check_epsilon},
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Root mean square propagation: r ← τ r + (1 − τ) g⊙g, then θ ← θ − γₜ g / (δ + √r), with r = 0 at first.
///
/// The mean starts at 0 and is not corrected for it, so first steps are longer than γ, by 1/√(1 − τ). δ is outside the
/// root. τ = 0.9 and δ = 10⁻⁸ unless set (PyTorch has τ = 0.99).
///
/// # Source
/// Tieleman and Hinton, *Lecture 6.5: RMSProp*, Neural networks for machine learning, 2012.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Optimizer, RmsProp}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![1])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?[0] = 30.0;
/// RmsProp::new(1.0).decay(0.75).step(&mut parameters, &gradients)?;
/// assert!((parameters.flat::<f64>()?[0] + 2.0).abs() < 1e-6); // 30 / √(900 / 4)
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RmsProp {
    rate: Schedule,
    decay: f64,
    epsilon: f64,
    state: RuleState<1>,
}

impl RmsProp {
    /// RmsProp at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> RmsProp {
        RmsProp { rate: rate.into(), decay: 0.9, epsilon: 1e-8, state: RuleState::default() }
    }

    /// With τ, the decay of the mean square, in [0, 1).
    #[doc(alias("rho", "alpha"))]
    pub fn decay(self, decay: f64) -> RmsProp {
        RmsProp { decay, ..self }
    }

    /// With δ, which keeps the denominator from zero; not less than the least normal f32.
    pub fn epsilon(self, epsilon: f64) -> RmsProp {
        RmsProp { epsilon, ..self }
    }
}

impl UpdateRule<1> for RmsProp {
    const KEEPS: [&'static str; 1] = ["square"];

    type Update = ByElement<RmsPropUpdate, 4>;

    fn name(&self) -> &'static str {
        "rms-prop"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_decay("decay", self.decay)?;
        check_epsilon(self.epsilon)?;
        let rate = self.state.rate(&self.rate, step)?;
        Ok(ByElement(RmsPropUpdate { rate, decay: self.decay, epsilon: self.epsilon }))
    }
}

optimizer!(RmsProp);

#[derive(Clone, Copy)]
pub(super) struct RmsPropUpdate {
    rate: f64,
    decay: f64,
    epsilon: f64,
}

impl Elementwise<1, 4> for RmsPropUpdate {
    fn numbers(&self) -> [(&'static str, f64); 4] {
        [("the rate", self.rate), ("epsilon", self.epsilon), ("decay", self.decay), ("1 − decay", 1.0 - self.decay)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([rate, epsilon, decay, rest]: [T; 4], theta: T, g: T, [r]: [T; 1]) -> (T, [T; 1]) {
        let r = decay * r + rest * (g * g);
        (theta - rate * g / (epsilon + r.sqrt()), [r])
    }
}
