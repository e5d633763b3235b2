//! Gradient descent with momentum. In: parameters and gradients. Out: parameters moved along a decaying sum of
//! gradients. It remembers that sum, one number per parameter, and the step count.

use super::{
    OptimizerError, Schedule,
    elementwise::{ByElement, Elementwise},
    error::check_decay,
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::FloatElement;

/// The heavy ball: m ← ρ m + g, then θ ← θ − γₜ m, with m = 0 at first.
///
/// Where the rate is constant this is Polyak's θₖ₊₁ = θₖ − γ g + ρ (θₖ − θₖ₋₁). Where it changes, the new rate applies
/// to the whole of m, as in PyTorch.
///
/// # Source
/// Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{HeavyBall, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![1])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?[0] = 1.0;
/// let mut heavy_ball = HeavyBall::new(1.0, 0.5);
/// heavy_ball.step(&mut parameters, &gradients)?;
/// heavy_ball.step(&mut parameters, &gradients)?;
/// assert_eq!(parameters.flat::<f64>()?, [-1.0 - 1.5]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "momentum")]
#[derive(Debug, Clone)]
pub struct HeavyBall {
    rate: Schedule,
    momentum: f64,
    state: RuleState<1>,
}

impl HeavyBall {
    /// Descent at `rate`, a number or a [`Schedule`], with momentum ρ in [0, 1).
    pub fn new(rate: impl Into<Schedule>, momentum: f64) -> HeavyBall {
        HeavyBall { rate: rate.into(), momentum, state: RuleState::default() }
    }
}

impl UpdateRule<1> for HeavyBall {
    const KEEPS: [&'static str; 1] = ["momentum"];

    type Update = ByElement<HeavyBallUpdate, 2>;

    fn name(&self) -> &'static str {
        "heavy-ball"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_decay("momentum", self.momentum)?;
        let rate = self.state.rate(&self.rate, step)?;
        Ok(ByElement(HeavyBallUpdate { rate, momentum: self.momentum }))
    }
}

optimizer!(HeavyBall);

#[derive(Clone, Copy)]
pub(super) struct HeavyBallUpdate {
    rate: f64,
    momentum: f64,
}

impl Elementwise<1, 2> for HeavyBallUpdate {
    fn numbers(&self) -> [(&'static str, f64); 2] {
        [("the rate", self.rate), ("momentum", self.momentum)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([rate, momentum]: [T; 2], theta: T, g: T, [m]: [T; 1]) -> (T, [T; 1]) {
        let m = momentum * m + g;
        (theta - rate * m, [m])
    }
}
