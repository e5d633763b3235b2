//! Descent by signs. In: parameters and gradients. Out: every parameter moved by the rate, against the sign of its gradient.
//! It remembers the step count and nothing else.

use super::{
    OptimizerError, Schedule,
    elementwise::{ByElement, Elementwise, sign},
    error::check_rate,
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Sign descent: θ ← θ − γₜ sign(g), where sign(0) = 0, of either sign, and sign(NaN) = NaN.
///
/// # Source
/// Bernstein, Wang, Azizzadenesheli and Anandkumar, *signSGD: compressed optimisation for non-convex problems*, 2018,
/// Algorithm 1.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Optimizer, SignSgd}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![3])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?.copy_from_slice(&[1e9, -1e-9, 0.0]);
/// SignSgd::new(0.5).step(&mut parameters, &gradients)?;
/// assert_eq!(parameters.flat::<f64>()?, [-0.5, 0.5, 0.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "signum")]
#[derive(Debug, Clone)]
pub struct SignSgd {
    rate: Schedule,
    state: RuleState<0>,
}

impl SignSgd {
    /// Descent at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> SignSgd {
        SignSgd { rate: rate.into(), state: RuleState::default() }
    }
}

impl UpdateRule<0> for SignSgd {
    const KEEPS: [&'static str; 0] = [];

    type Update = ByElement<SignSgdUpdate, 1>;

    fn name(&self) -> &'static str {
        "sign-sgd"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        let rate = check_rate(&self.rate, step)?;
        Ok(ByElement(SignSgdUpdate { rate }))
    }
}

optimizer!(SignSgd);

#[derive(Clone, Copy)]
pub(super) struct SignSgdUpdate {
    rate: f64,
}

impl Elementwise<0, 1> for SignSgdUpdate {
    fn numbers(&self) -> [(&'static str, f64); 1] {
        [("the rate", self.rate)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([rate]: [T; 1], theta: T, g: T, []: [T; 0]) -> (T, [T; 0]) {
        (theta - rate * sign(g), [])
    }
}
