//! The rows of the uniform framework. In: the name of a method and its hyperparameters. Out: a [`Row`], which says what α,
//! β and the scale of the gradient are at each step. No update here: that is `uniform.rs`.

use super::{
    OptimizerError, Schedule,
    error::{check_decay, check_epsilon, check_rate},
};

/// How H_t comes from the gradients so far: Hₜ = δ + √Gₜ element by element, with Dₜ = gₜ⊙gₜ and G₋₁ = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Scaling {
    /// Hₜ = I.
    Identity,
    /// Gₜ = Gₜ₋₁ + Dₜ.
    Sum,
    /// Gₜ = τ Gₜ₋₁ + (1 − τ) Dₜ.
    Average {
        /// τ, in [0, 1).
        decay: f64,
    },
    /// Gₜ = Vₜ / (1 − β₂ᵗ⁺¹) with Vₜ = β₂ Vₜ₋₁ + (1 − β₂) Dₜ, for t = 0, 1, …
    CorrectedAverage {
        /// β₂, in [0, 1).
        decay: f64,
    },
}

/// How much of the last displacement is made again.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Momentum {
    /// β = 0 and α = γ.
    None,
    /// β = ρ and α = γ, in [0, 1): gradients are summed.
    Sum(f64),
    /// β = β₁(1 − β₁ᵗ)/(1 − β₁ᵗ⁺¹) and α = γ(1 − β₁)/(1 − β₁ᵗ⁺¹), for t = 0, 1, … and β₁ in [0, 1): gradients are averaged,
    /// and the average is corrected for its start at 0.
    CorrectedAverage(f64),
}

/// A method, as a row of the uniform framework: see [`Uniform`](super::Uniform).
///
/// Where the rate changes, β has the factor γₜ/γₜ₋₁, or the row would not be the method; where γₜ₋₁ is 0 it is 0, since a
/// displacement of 0 remembers nothing, and there the row is not the method.
///
/// # Example
/// ```
/// use pullback::optim::{Momentum, Row, Scaling};
/// let adam = Row::adam(0.1, 0.9, 0.999);
/// assert_eq!(adam.beta(0), 0.0);
/// assert!((adam.alpha(0) - 0.1).abs() < 1e-12);
/// assert!((adam.alpha(1) - 0.1 * 0.1 / 0.19).abs() < 1e-12);
/// // A method without a name:
/// let row = Row::new(0.1, Scaling::Average { decay: 0.9 }, Momentum::Sum(0.5)).epsilon(1e-6);
/// assert_eq!(row.beta(7), 0.5);
/// ```
#[derive(Debug, Clone)]
pub struct Row {
    pub(super) rate: Schedule,
    scaling: Scaling,
    momentum: Momentum,
    epsilon: f64,
}

impl Row {
    /// The row with this rate γ, a number or a [`Schedule`], this H and this β.
    pub fn new(rate: impl Into<Schedule>, scaling: Scaling, momentum: Momentum) -> Row {
        Row { rate: rate.into(), scaling, momentum, epsilon: 1e-8 }
    }

    /// [`Sgd`](super::Sgd): G = I, α = γ, β = 0.
    pub fn sgd(rate: impl Into<Schedule>) -> Row {
        Row::new(rate, Scaling::Identity, Momentum::None)
    }

    /// [`HeavyBall`](super::HeavyBall): G = I, α = γ, β = ρ.
    pub fn heavy_ball(rate: impl Into<Schedule>, momentum: f64) -> Row {
        Row::new(rate, Scaling::Identity, Momentum::Sum(momentum))
    }

    /// [`AdaGrad`](super::AdaGrad): Gₜ = Gₜ₋₁ + Dₜ, α = γ, β = 0.
    pub fn adagrad(rate: impl Into<Schedule>) -> Row {
        Row::new(rate, Scaling::Sum, Momentum::None).epsilon(1e-7)
    }

    /// [`RmsProp`](super::RmsProp) of decay τ: Gₜ = τ Gₜ₋₁ + (1 − τ) Dₜ, α = γ, β = 0.
    pub fn rms_prop(rate: impl Into<Schedule>, decay: f64) -> Row {
        Row::new(rate, Scaling::Average { decay }, Momentum::None)
    }

    /// [`Adam`](super::Adam): G the corrected average of decay β₂, α and β those of the corrected average of decay β₁.
    pub fn adam(rate: impl Into<Schedule>, beta1: f64, beta2: f64) -> Row {
        Row::new(rate, Scaling::CorrectedAverage { decay: beta2 }, Momentum::CorrectedAverage(beta1))
    }

    /// With δ, which keeps H from zero; not less than the least normal f32. It is that of the named method unless set, and
    /// has no part in H = I.
    pub fn epsilon(self, epsilon: f64) -> Row {
        Row { epsilon, ..self }
    }

    /// αₜ at `step`, counted from 0.
    pub fn alpha(&self, step: u64) -> f64 {
        let rate = self.rate.rate(step);
        match self.momentum {
            Momentum::None | Momentum::Sum(_) => rate,
            Momentum::CorrectedAverage(beta) => rate * (1.0 - beta) / seen(beta, step as f64 + 1.0),
        }
    }

    /// βₜ at `step`, counted from 0.
    pub fn beta(&self, step: u64) -> f64 {
        let ratio = if step == 0 { 1.0 } else { ratio(self.rate.rate(step), self.rate.rate(step - 1)) };
        match self.momentum {
            Momentum::None => 0.0,
            Momentum::Sum(momentum) => momentum * ratio,
            Momentum::CorrectedAverage(beta) => beta * seen(beta, step as f64) / seen(beta, step as f64 + 1.0) * ratio,
        }
    }

    /// How G comes from the gradients.
    pub fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// The numbers of a step.
    ///
    /// # Errors
    /// A hyperparameter is out of its range.
    pub(super) fn numbers(&self, step: u64, rate_factor: f64) -> Result<RowCoefficients, OptimizerError> {
        self.check(step, rate_factor)?;
        Ok(self.numbers_unchecked(step, rate_factor))
    }

    /// The numbers of a step that was taken, so that they were checked.
    pub(super) fn numbers_unchecked(&self, step: u64, rate_factor: f64) -> RowCoefficients {
        let (keep, take) = match self.scaling {
            Scaling::Identity | Scaling::Sum => (1.0, 1.0),
            Scaling::Average { decay } | Scaling::CorrectedAverage { decay } => (decay, 1.0 - decay),
        };
        // Before the first step G is 0, and its correction would be 0/0.
        let scale_before = if step == 0 { 0.0 } else { self.root_scale(step - 1) };
        let (alpha, beta, scale) = (rate_factor * self.alpha(step), self.beta(step), self.root_scale(step));
        RowCoefficients { alpha, beta, keep, take, scale_before, scale, epsilon: self.epsilon }
    }

    /// The factor of the root of the remembered square that makes it √G.
    fn root_scale(&self, step: u64) -> f64 {
        match self.scaling {
            Scaling::CorrectedAverage { decay } => 1.0 / seen(decay, step as f64 + 1.0).sqrt(),
            _ => 1.0,
        }
    }

    fn check(&self, step: u64, rate_factor: f64) -> Result<(), OptimizerError> {
        check_rate(&self.rate, step, rate_factor)?;
        check_rate(&self.rate, step.saturating_sub(1), rate_factor)?;
        match self.momentum {
            Momentum::None => {}
            Momentum::Sum(momentum) => check_decay("momentum", momentum)?,
            Momentum::CorrectedAverage(beta) => check_decay("beta1", beta)?,
        }
        match self.scaling {
            Scaling::Identity => Ok(()),
            Scaling::Sum => check_epsilon(self.epsilon),
            Scaling::Average { decay } => check_decay("decay", decay).and(check_epsilon(self.epsilon)),
            Scaling::CorrectedAverage { decay } => check_decay("beta2", decay).and(check_epsilon(self.epsilon)),
        }
    }
}

/// What a row is at one step: V ← `keep` V + `take` D, H = `epsilon` + `scale` √V.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowCoefficients {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) keep: f64,
    pub(super) take: f64,
    pub(super) scale_before: f64,
    pub(super) scale: f64,
    pub(super) epsilon: f64,
}

/// The sum of the weights that an average of decay `decay` has given to `n_steps` numbers.
fn seen(decay: f64, n_steps: f64) -> f64 {
    1.0 - libm::pow(decay, n_steps)
}

fn ratio(rate: f64, before: f64) -> f64 {
    if before == 0.0 { 0.0 } else { rate / before }
}
