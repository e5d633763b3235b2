//! Gradient descent. In: parameters and gradients. Out: parameters moved against the gradient. It remembers the step
//! count and nothing else.

use super::{
    Optimizer, OptimizerError, Schedule,
    error::{check_layouts, check_rate},
    ranges::{self, Ranges},
};
use crate::{
    parameters::{Gradients, Parameters, Real},
    vectorize::Loop,
};

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
    step: u64,
}

impl Sgd {
    /// Descent at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> Sgd {
        Sgd { rate: rate.into(), step: 0 }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, parameters: &mut Parameters, gradients: &Gradients) -> Result<(), OptimizerError> {
        check_layouts(parameters, gradients)?;
        let rate = check_rate(&self.rate, self.step)?;
        descend::<f32>(rate, parameters, gradients);
        descend::<f64>(rate, parameters, gradients);
        self.step += 1;
        Ok(())
    }
}

/// One pass over the elements of one dtype.
fn descend<T: Real>(rate: f64, parameters: &mut Parameters, gradients: &Gradients) {
    let (rate, gradients) = (T::from_f64(rate), gradients.flat::<T>());
    ranges::run(Update { rate, parameters: parameters.flat_mut::<T>(), gradients });
}

/// The step of one range of the flat buffers: any cut into ranges gives the same.
struct Update<'a, T> {
    rate: T,
    parameters: &'a mut [T],
    gradients: &'a [T],
}

impl<T: Real> Ranges for Update<'_, T> {
    const BYTES: usize = size_of::<T>();

    fn n_elements(&self) -> usize {
        self.parameters.len()
    }

    fn split_at(self, n: usize) -> (Self, Self) {
        let rate = self.rate;
        let (parameters, other_parameters) = self.parameters.split_at_mut(n);
        let (gradients, other_gradients) = self.gradients.split_at(n);
        let others = Update { rate, parameters: other_parameters, gradients: other_gradients };
        (Update { rate, parameters, gradients }, others)
    }
}

impl<T: Real> Loop for Update<'_, T> {
    #[inline(always)]
    fn run(self) {
        for (theta, &g) in self.parameters.iter_mut().zip(self.gradients) {
            *theta -= self.rate * g;
        }
    }
}
