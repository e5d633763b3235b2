//! Gradient descent with momentum. In: parameters and gradients. Out: parameters moved along a decaying sum of
//! gradients. It remembers that sum, one number per parameter, and the step count.

use super::{
    Optimizer, OptimizerError, Schedule,
    error::{check_decay, check_layouts, check_rate},
    ranges::{self, Ranges},
    state::State,
};
use crate::{
    parameters::{Buffers, Gradients, Parameters, Real},
    vectorize::Loop,
};

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
/// gradients.flat_mut::<f64>()[0] = 1.0;
/// let mut heavy_ball = HeavyBall::new(1.0, 0.5);
/// heavy_ball.step(&mut parameters, &gradients)?;
/// heavy_ball.step(&mut parameters, &gradients)?;
/// assert_eq!(parameters.flat::<f64>(), [-1.0 - 1.5]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct HeavyBall {
    rate: Schedule,
    momentum: f64,
    step: u64,
    state: State<1>,
}

impl HeavyBall {
    /// Descent at `rate`, a number or a [`Schedule`], with momentum ρ in [0, 1).
    pub fn new(rate: impl Into<Schedule>, momentum: f64) -> HeavyBall {
        HeavyBall { rate: rate.into(), momentum, step: 0, state: State::empty() }
    }
}

impl Optimizer for HeavyBall {
    fn step(&mut self, parameters: &mut Parameters, gradients: &Gradients) -> Result<(), OptimizerError> {
        check_layouts(parameters, gradients)?;
        check_decay("momentum", self.momentum)?;
        let rate = check_rate(&self.rate, self.step)?;
        let [momenta] = self.state.in_layout(parameters.layout())?;
        let factors = Factors { rate, momentum: self.momentum };
        descend::<f32>(&factors, parameters, gradients, momenta);
        descend::<f64>(&factors, parameters, gradients, momenta);
        self.step += 1;
        Ok(())
    }
}

struct Factors {
    rate: f64,
    momentum: f64,
}

/// One pass over the elements of one dtype.
fn descend<T: Real>(factors: &Factors, parameters: &mut Parameters, gradients: &Gradients, momenta: &mut Buffers) {
    ranges::run(Update {
        factors,
        parameters: parameters.flat_mut::<T>(),
        gradients: gradients.flat::<T>(),
        momenta: momenta.flat_mut::<T>(),
    });
}

/// The step of one range of the flat buffers: any cut into ranges gives the same.
struct Update<'a, T> {
    factors: &'a Factors,
    parameters: &'a mut [T],
    gradients: &'a [T],
    momenta: &'a mut [T],
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
        let (momenta, other_momenta) = self.momenta.split_at_mut(n);
        let others =
            Update { factors, parameters: other_parameters, gradients: other_gradients, momenta: other_momenta };
        (Update { factors, parameters, gradients, momenta }, others)
    }
}

impl<T: Real> Loop for Update<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (rate, momentum) = (T::from_f64(self.factors.rate), T::from_f64(self.factors.momentum));
        for ((theta, &g), m) in self.parameters.iter_mut().zip(self.gradients).zip(self.momenta) {
            *m = momentum * *m + g;
            *theta -= rate * *m;
        }
    }
}
