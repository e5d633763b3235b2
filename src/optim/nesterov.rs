//! Gradient descent with momentum that looks ahead. In: parameters and gradients. Out: parameters moved along the gradient
//! and a decaying sum of gradients. It remembers that sum, one number per parameter, and the step count.

use super::{
    OptimizerError, Schedule,
    elementwise::{ByElement, Elementwise},
    error::check_decay,
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// Nesterov's momentum: m ← ρ m + g, then θ ← θ − γₜ (g + ρ m), with m = 0 at first.
///
/// The method takes the gradient ahead of where it stands: m ← ρ m + ∇f(φ − γ ρ m), then φ ← φ − γ m. Written for the
/// point ahead, θ = φ − γ ρ m, at which gradients are taken anyway, it is the rule above, if the rate is constant. So the
/// parameters are the points ahead, as in PyTorch.
///
/// # Source
/// Nesterov, *A method of solving a convex programming problem with convergence rate O(1/k²)*, 1983; in this form
/// Sutskever, Martens, Dahl and Hinton, *On the importance of initialization and momentum in deep learning*, 2013,
/// equations 3 and 4, and Bengio, Boulanger-Lewandowski and Pascanu, *Advances in optimizing recurrent networks*, 2013,
/// equation 7 (the change of variables).
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Nesterov, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![1])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?[0] = 1.0;
/// let mut nesterov = Nesterov::new(1.0, 0.5);
/// nesterov.step(&mut parameters, &gradients)?;
/// assert_eq!(parameters.flat::<f64>()?, [-1.5]); // m = 1
/// nesterov.step(&mut parameters, &gradients)?;
/// assert_eq!(parameters.flat::<f64>()?, [-1.5 - 1.75]); // m = 1.5
/// # Ok(())
/// # }
/// ```
#[doc(alias = "nag")]
#[derive(Debug, Clone)]
pub struct Nesterov {
    rate: Schedule,
    momentum: f64,
    state: RuleState<1>,
}

impl Nesterov {
    /// Descent at `rate`, a number or a [`Schedule`], with momentum ρ in [0, 1).
    pub fn new(rate: impl Into<Schedule>, momentum: f64) -> Nesterov {
        Nesterov { rate: rate.into(), momentum, state: RuleState::default() }
    }
}

impl UpdateRule<1> for Nesterov {
    const KEEPS: [&'static str; 1] = ["momentum"];

    type Update = ByElement<NesterovUpdate, 2>;

    fn name(&self) -> &'static str {
        "nesterov"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_decay("momentum", self.momentum)?;
        let rate = self.state.rate(&self.rate, step)?;
        Ok(ByElement(NesterovUpdate { rate, momentum: self.momentum }))
    }
}

optimizer!(Nesterov);

#[derive(Clone, Copy)]
pub(super) struct NesterovUpdate {
    rate: f64,
    momentum: f64,
}

impl Elementwise<1, 2> for NesterovUpdate {
    fn numbers(&self) -> [(&'static str, f64); 2] {
        [("the rate", self.rate), ("momentum", self.momentum)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([rate, momentum]: [T; 2], theta: T, g: T, [m]: [T; 1]) -> (T, [T; 1]) {
        let m = momentum * m + g;
        (theta - rate * (g + momentum * m), [m])
    }
}
