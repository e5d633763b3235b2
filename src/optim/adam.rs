//! Adam. In: parameters and gradients. Out: parameters moved by a mean gradient over its root mean square. It remembers
//! both means, two numbers per parameter, and the step count.

use super::{
    Optimizer, OptimizerError, Schedule,
    error::{check_decay, check_epsilon, check_layouts, check_rate},
    ranges::{self, Ranges},
    state::State,
};
use crate::{
    parameters::{Buffers, Gradients, Parameters, Real},
    vectorize::Loop,
};

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
        descend::<f32>(&factors, parameters, gradients, moments);
        descend::<f64>(&factors, parameters, gradients, moments);
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

/// One pass over the elements of one dtype.
fn descend<T: Real>(
    factors: &Factors,
    parameters: &mut Parameters,
    gradients: &Gradients,
    [means, squares]: &mut [Buffers; 2],
) {
    ranges::run(Update {
        factors,
        parameters: parameters.flat_mut::<T>(),
        gradients: gradients.flat::<T>(),
        means: means.flat_mut::<T>(),
        squares: squares.flat_mut::<T>(),
    });
}

/// The step of one range of the flat buffers: any cut into ranges gives the same.
struct Update<'a, T> {
    factors: &'a Factors,
    parameters: &'a mut [T],
    gradients: &'a [T],
    means: &'a mut [T],
    squares: &'a mut [T],
}

impl<T: Real> Ranges for Update<'_, T> {
    const BYTES: usize = size_of::<T>();

    fn n_elements(&self) -> usize {
        self.parameters.len()
    }

    fn split_at(self, n: usize) -> (Self, Self) {
        let factors = self.factors;
        let (parameters, other_parameters) = self.parameters.split_at_mut(n);
        let (gradients, other_gradients) = self.gradients.split_at(n);
        let (means, other_means) = self.means.split_at_mut(n);
        let (squares, other_squares) = self.squares.split_at_mut(n);
        let others = Update {
            factors,
            parameters: other_parameters,
            gradients: other_gradients,
            means: other_means,
            squares: other_squares,
        };
        (Update { factors, parameters, gradients, means, squares }, others)
    }
}

impl<T: Real> Loop for Update<'_, T> {
    #[inline(always)]
    fn run(self) {
        let factors = self.factors;
        let (beta1, beta2) = (T::from_f64(factors.beta1), T::from_f64(factors.beta2));
        let (rest1, rest2) = (T::from_f64(1.0 - factors.beta1), T::from_f64(1.0 - factors.beta2));
        let (rate, scale) = (T::from_f64(factors.rate), T::from_f64(factors.scale));
        let epsilon = T::from_f64(factors.epsilon);
        let moments = self.means.iter_mut().zip(self.squares);
        for ((theta, &g), (m, v)) in self.parameters.iter_mut().zip(self.gradients).zip(moments) {
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * (g * g);
            *theta -= rate * *m / (scale * v.sqrt() + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectorize;

    /// What a step makes of parameters, means and squares: run as a whole in the widest vectors, or range by range in
    /// the crate's own.
    fn stepped(n: usize, ranges: &[usize]) -> [Vec<f32>; 3] {
        let wave = |frequency: f32| (0..n).map(|i| (i as f32 * frequency).sin()).collect::<Vec<f32>>();
        let (mut parameters, gradients, mut means) = (wave(0.1), wave(1.7), wave(0.3));
        let mut squares: Vec<f32> = wave(0.9).iter().map(|x| x * x).collect();
        let factors = Adam::new(1e-3).factors().unwrap();
        let mut rest = (&mut parameters[..], &gradients[..], &mut means[..], &mut squares[..]);
        for n in ranges {
            let (parameters, later_parameters) = rest.0.split_at_mut(*n);
            let (gradients, later_gradients) = rest.1.split_at(*n);
            let (means, later_means) = rest.2.split_at_mut(*n);
            let (squares, later_squares) = rest.3.split_at_mut(*n);
            let update = Update { factors: &factors, parameters, gradients, means, squares };
            if ranges.len() > 1 {
                update.run()
            } else {
                vectorize::run(update)
            }
            rest = (later_parameters, later_gradients, later_means, later_squares);
        }
        assert!(rest.0.is_empty(), "the ranges are all elements");
        [parameters, means, squares]
    }

    #[test]
    fn any_cut_and_any_width_give_the_same_bits() {
        assert_eq!(stepped(1003, &[1003]), stepped(1003, &[1, 500, 0, 37, 465]));
    }
}
