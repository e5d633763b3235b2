//! Adam. In: parameters and gradients. Out: parameters moved by a mean gradient over its root mean square. It remembers
//! both means, two numbers per parameter, and the step count.

use super::{
    Optimizer, OptimizerError, Schedule,
    error::{check_decay, check_epsilon, check_layouts, check_rate},
    state::State,
};
use crate::parameters::{Buffers, Gradients, Parameters, Real};

/// Adaptive moment estimation, at step t = 0, 1, …, with m = v = 0 at first:
///
/// m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g²,
/// m̂ = m / (1 − β₁ᵗ⁺¹) and v̂ = v / (1 − β₂ᵗ⁺¹),
/// θ ← θ − γₜ m̂ / (√v̂ + ε).
///
/// β₁ = 0.9, β₂ = 0.999 and ε = 10⁻⁸ unless set.
///
/// # Source
/// Kingma and Ba, *Adam: a method for stochastic optimization*, 2015, Algorithm 1.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Adam, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F32, vec![2])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f32>().copy_from_slice(&[100.0, -0.01]);
/// let mut adam = Adam::new(1e-3).beta2(0.99);
/// adam.step(&mut parameters, &gradients)?;
/// // The first step is as long as the rate, however large the gradient.
/// assert!((parameters.flat::<f32>()[0] + 1e-3).abs() < 1e-8);
/// assert!((parameters.flat::<f32>()[1] - 1e-3).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Adam {
    rate: Schedule,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    step: u64,
    state: State<2>,
}

impl Adam {
    /// Adam at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> Adam {
        Adam { rate: rate.into(), beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step: 0, state: State::empty() }
    }

    /// With β₁, the decay of the mean gradient, in [0, 1).
    pub fn beta1(self, beta1: f64) -> Adam {
        Adam { beta1, ..self }
    }

    /// With β₂, the decay of the mean squared gradient, in [0, 1).
    pub fn beta2(self, beta2: f64) -> Adam {
        Adam { beta2, ..self }
    }

    /// With ε, which keeps the denominator from zero; not less than the least normal f32.
    pub fn epsilon(self, epsilon: f64) -> Adam {
        Adam { epsilon, ..self }
    }

    /// The factors of the present step.
    fn factors(&self) -> Result<Factors, OptimizerError> {
        check_decay("beta1", self.beta1)?;
        check_decay("beta2", self.beta2)?;
        check_epsilon(self.epsilon)?;
        let rate = check_rate(&self.rate, self.step)?;
        // libm's power, because the standard library's differs from one platform to the next.
        let n_steps = self.step as f64 + 1.0;
        let (seen1, seen2) = (1.0 - libm::pow(self.beta1, n_steps), 1.0 - libm::pow(self.beta2, n_steps));
        let (beta1, beta2, epsilon) = (self.beta1, self.beta2, self.epsilon);
        Ok(Factors { beta1, beta2, epsilon, rate: rate / seen1, scale: 1.0 / seen2.sqrt() })
    }
}

impl Optimizer for Adam {
    fn step(&mut self, parameters: &mut Parameters, gradients: &Gradients) -> Result<(), OptimizerError> {
        check_layouts(parameters, gradients)?;
        let factors = self.factors()?;
        let moments = self.state.in_layout(parameters.layout())?;
        update::<f32>(&factors, parameters, gradients, moments);
        update::<f64>(&factors, parameters, gradients, moments);
        self.step += 1;
        Ok(())
    }
}

/// The numbers of one step, the bias corrections taken out of the loop:
/// γ m̂ / (√v̂ + ε) is `rate` m / (`scale` √v + ε).
struct Factors {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    rate: f64,
    scale: f64,
}

fn update<T: Real>(
    factors: &Factors,
    parameters: &mut Parameters,
    gradients: &Gradients,
    [means, squares]: &mut [Buffers; 2],
) {
    let (beta1, beta2) = (T::from_f64(factors.beta1), T::from_f64(factors.beta2));
    let (rest1, rest2) = (T::from_f64(1.0 - factors.beta1), T::from_f64(1.0 - factors.beta2));
    let (rate, scale, epsilon) = (T::from_f64(factors.rate), T::from_f64(factors.scale), T::from_f64(factors.epsilon));
    let descend = |((theta, &g), (m, v)): ((&mut T, &T), (&mut T, &mut T))| {
        *m = beta1 * *m + rest1 * g;
        *v = beta2 * *v + rest2 * (g * g);
        *theta -= rate * *m / (scale * v.sqrt() + epsilon);
    };
    let moments = means.flat_mut::<T>().iter_mut().zip(squares.flat_mut::<T>());
    parameters.flat_mut::<T>().iter_mut().zip(gradients.flat::<T>()).zip(moments).for_each(descend);
}
