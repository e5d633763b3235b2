//! Gradient descent. In: parameters and gradients. Out: parameters moved against the gradient. It remembers the step
//! count and nothing else.

use super::{
    Optimizer, OptimizerError, OptimizerState, Schedule,
    elementwise::Elementwise,
    error::{check_layouts, check_rate},
    state::State,
};
use crate::parameters::{Gradients, Parameters, Real};

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
///     let w = parameters.flat::<f64>()[0];
///     gradients.flat_mut::<f64>()[0] = 2.0 * (w - 3.0); // of (w − 3)²
///     sgd.step(&mut parameters, &gradients)?;
/// }
/// assert!((parameters.flat::<f64>()[0] - 3.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Sgd {
    rate: Schedule,
    state: State<0>,
}

impl Sgd {
    /// Descent at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> Sgd {
        Sgd { rate: rate.into(), state: State::new("sgd", []) }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, parameters: &mut Parameters, gradients: &Gradients) -> Result<(), OptimizerError> {
        check_layouts(parameters, gradients)?;
        let rate = check_rate(&self.rate, self.state.step())?;
        self.state.advance(Descent { rate }, parameters, gradients)
    }

    fn state(&self) -> OptimizerState {
        self.state.save()
    }

    fn restore(&mut self, state: OptimizerState) -> Result<(), OptimizerError> {
        self.state.restore(state)
    }
}

#[derive(Clone, Copy)]
struct Descent {
    rate: f64,
}

impl Elementwise<0, 1> for Descent {
    fn numbers(&self) -> [(&'static str, f64); 1] {
        [("the rate", self.rate)]
    }

    #[inline(always)]
    fn update<T: Real>([rate]: [T; 1], theta: T, g: T, []: [T; 0]) -> (T, [T; 0]) {
        (theta - rate * g, [])
    }
}
