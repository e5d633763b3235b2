//! Gradient descent. In: parameters and gradients. Out: parameters moved against the gradient. It remembers the step
//! count and nothing else.

use super::{
    OptimizerError, Schedule,
    elementwise::{ByElement, Elementwise},
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Stochastic gradient descent: θ ← θ − γₜ g.
///
/// # Source
/// Robbins and Monro, *A stochastic approximation method*, 1951.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Optimizer, Sgd}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![1])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// let mut sgd = Sgd::new(0.25);
/// for _ in 0..50 {
///     let w = parameters.flat::<f64>()?[0];
///     gradients.flat_mut::<f64>()?[0] = 2.0 * (w - 3.0); // of (w − 3)²
///     sgd.step(&mut parameters, &gradients)?;
/// }
/// assert!((parameters.flat::<f64>()?[0] - 3.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Sgd {
    rate: Schedule,
    state: RuleState<0>,
}

impl Sgd {
    /// Descent at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> Sgd {
        Sgd { rate: rate.into(), state: RuleState::default() }
    }
}

impl UpdateRule<0> for Sgd {
    const KEEPS: [&'static str; 0] = [];

    type Update = ByElement<SgdUpdate, 1>;

    fn name(&self) -> &'static str {
        "sgd"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        let rate = self.state.rate(&self.rate, step)?;
        Ok(ByElement(SgdUpdate { rate }))
    }
}

optimizer!(Sgd);

#[derive(Clone, Copy)]
pub(super) struct SgdUpdate {
    rate: f64,
}

impl Elementwise<0, 1> for SgdUpdate {
    fn numbers(&self) -> [(&'static str, f64); 1] {
        [("the rate", self.rate)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([rate]: [T; 1], theta: T, g: T, []: [T; 0]) -> (T, [T; 0]) {
        (theta - rate * g, [])
    }
}
