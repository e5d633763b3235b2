//! AMSGrad. In: parameters and gradients. Out: parameters moved as Adam moves them, by a root mean square that never falls. It
//! remembers what Adam does and the largest square, three numbers per parameter, and the step count.

use super::{
    OptimizerError, Schedule,
    adam::AdamUpdate,
    elementwise::{ByElement, Elementwise, larger},
    error::check_rate,
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Adam whose effective rate never rises by its second moment, with m = v = s = 0 at first:
///
/// m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g² and s ← max(s, v),
/// θ ← θ − γₜ m̂ / (√ŝ + ε), with m̂ = m / (1 − β₁ᵗ⁺¹) and ŝ = s / (1 − β₂ᵗ⁺¹) for t = 0, 1, …
///
/// The paper corrects neither for its start at 0; this is PyTorch's form, which is [`Adam`](super::Adam) as long as v rises.
///
/// β₁ = 0.9, β₂ = 0.999 and ε = 10⁻⁸ unless set.
///
/// # Source
/// Reddi, Kale and Kumar, *On the convergence of Adam and beyond*, 2018, Algorithm 2.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{AmsGrad, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![1])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// let mut rule = AmsGrad::new(0.1);
/// for gradient in [8.0, 0.0, 0.0] {
///     gradients.flat_mut::<f64>()?[0] = gradient;
///     rule.step(&mut parameters, &gradients)?;
/// }
/// // The largest square is remembered: that of the first step.
/// assert_eq!(rule.state().get("largest square").expect("it is kept").flat::<f64>()?, [(1.0 - 0.999) * 64.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AmsGrad {
    rate: Schedule,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    state: RuleState<3>,
}

impl AmsGrad {
    /// AMSGrad at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> AmsGrad {
        AmsGrad { rate: rate.into(), beta1: 0.9, beta2: 0.999, epsilon: 1e-8, state: RuleState::default() }
    }

    /// With β₁, the decay of the mean gradient, in [0, 1).
    pub fn beta1(self, beta1: f64) -> AmsGrad {
        AmsGrad { beta1, ..self }
    }

    /// With β₂, the decay of the mean squared gradient, in [0, 1).
    pub fn beta2(self, beta2: f64) -> AmsGrad {
        AmsGrad { beta2, ..self }
    }

    /// With ε, which keeps the denominator from zero; not less than the least normal f32.
    pub fn epsilon(self, epsilon: f64) -> AmsGrad {
        AmsGrad { epsilon, ..self }
    }
}

impl UpdateRule<3> for AmsGrad {
    const KEEPS: [&'static str; 3] = ["mean", "square", "largest square"];

    type Update = ByElement<AmsGradUpdate, 7>;

    fn name(&self) -> &'static str {
        "ams-grad"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        let rate = check_rate(&self.rate, step)?;
        Ok(ByElement(AmsGradUpdate(AdamUpdate::new([self.beta1, self.beta2], self.epsilon, rate, step)?)))
    }
}

optimizer!(AmsGrad);

#[derive(Clone, Copy)]
pub(super) struct AmsGradUpdate(AdamUpdate);

impl Elementwise<3, 7> for AmsGradUpdate {
    fn numbers(&self) -> [(&'static str, f64); 7] {
        self.0.numbers()
    }

    #[inline(always)]
    fn update<T: FloatElement>(numbers: [T; 7], theta: T, g: T, [m, v, largest]: [T; 3]) -> (T, [T; 3]) {
        let [beta1, beta2, rest1, rest2, rate, scale, epsilon] = numbers;
        let m = beta1 * m + rest1 * g;
        let v = beta2 * v + rest2 * (g * g);
        let largest = larger(largest, v);
        (theta - rate * m / (scale * largest.sqrt() + epsilon), [m, v, largest])
    }
}
