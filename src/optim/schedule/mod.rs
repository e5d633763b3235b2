//! A rate that may change. In: a few numbers, or a function of the step. Out: the rate at a step. Whether a rate makes sense
//! is checked where it is used; the formulas are in `kind.rs`.

mod kind;

use std::sync::Arc;

use super::OptimizerError;
use kind::ScheduleKind;

/// The learning rate γₜ at each step t, counted from 0.
///
/// It is a function of the step alone and remembers nothing, so a restored optimizer is where it was. A number is a constant
/// schedule. Numbers are not checked when it is made. The first step refuses a number that makes no sense at any, as a stair
/// of no steps, and each step a rate that is negative, NaN or not finite in f32.
///
/// With the feature `serde` it is serialized by its numbers; to serialize a function of the step is an error.
///
/// # Example
/// ```
/// use pullback::optim::{Schedule, Sgd};
/// let constant = Schedule::from(0.1);
/// assert_eq!(constant.rate(1000), 0.1);
/// let halved = Schedule::steps(0.1, 0.5, 30).warm_up(10);
/// assert_eq!((halved.rate(4), halved.rate(29), halved.rate(30)), (0.05, 0.1, 0.05));
/// // A line up to the rate, then a cosine down to a tenth of it:
/// let warmed = Schedule::linear(0.0, 0.1, 100).then(100, Schedule::cosine(0.1, 0.01, 900));
/// assert_eq!((warmed.rate(50), warmed.rate(100), warmed.rate(1000)), (0.05, 0.1, 0.01));
/// // In epochs of 20 steps:
/// let epochs = Schedule::steps(0.1, 0.5, 30).in_epochs(20);
/// assert_eq!((epochs.rate(599), epochs.rate(600)), (0.1, 0.05));
/// let custom = Schedule::function(|step| 0.1 / (1.0 + step as f64));
/// assert_eq!(custom.rate(1), 0.05);
/// let sgd = Sgd::new(custom);
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Schedule(ScheduleKind);

impl Schedule {
    /// γₜ = `rate`.
    pub fn constant(rate: f64) -> Schedule {
        Schedule(ScheduleKind::Constant(rate))
    }

    /// γₜ = 1/(L√N), of a loss whose gradient has the Lipschitz constant L = `smoothness`, for N = `n_steps` steps in all.
    ///
    /// # Source
    /// Cevher, *Mathematics of data*, EE-556, EPFL 2018, lecture 8; Ghadimi and Lan, *Stochastic first- and zeroth-order
    /// methods for nonconvex stochastic programming*, 2013, Corollary 2.2 (the order of this rate).
    ///
    /// # Example
    /// ```
    /// assert_eq!(pullback::optim::Schedule::inverse_root(5.0, 400).rate(7), 0.01);
    /// ```
    pub fn inverse_root(smoothness: f64, n_steps: u64) -> Schedule {
        Schedule(ScheduleKind::InverseRoot { smoothness, n_steps })
    }

    /// γₜ = rate · factor^⌊t/length⌋: a step of the stairs is `length` steps long, at least one: with 0 it is NaN.
    #[doc(alias("step_lr", "piecewise_constant"))]
    pub fn steps(rate: f64, factor: f64, length: u64) -> Schedule {
        Schedule(ScheduleKind::Steps { rate, factor, length })
    }

    /// γₜ = rate · factorᵗ.
    pub fn exponential(rate: f64, factor: f64) -> Schedule {
        Schedule(ScheduleKind::Exponential { rate, factor })
    }

    /// γₜ = last + (rate − last)(1 + cos(πt/N))/2 for t < N = `n_steps`, and `last` from then on.
    ///
    /// # Source
    /// Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts*, 2017, equation 5, without restarts.
    #[doc(alias = "cosine_annealing")]
    pub fn cosine(rate: f64, last: f64, n_steps: u64) -> Schedule {
        Schedule(ScheduleKind::Cosine { rate, last, n_steps })
    }

    /// γₜ = rate + (last − rate) t/N for t < N = `n_steps`, and `last` from then on.
    #[doc(alias = "linear_decay")]
    pub fn linear(rate: f64, last: f64, n_steps: u64) -> Schedule {
        Schedule(ScheduleKind::Linear { rate, last, n_steps })
    }

    /// The rate of the last of these pairs (step, rate) whose step is not after t, and `rate` before the first. Their steps
    /// rise.
    ///
    /// # Example
    /// ```
    /// let falling = pullback::optim::Schedule::piecewise(0.1, [(30, 0.01), (60, 0.001)]);
    /// assert_eq!([0, 29, 30, 60, 99].map(|step| falling.rate(step)), [0.1, 0.1, 0.01, 0.001, 0.001]);
    /// ```
    #[doc(alias = "multi_step_lr")]
    pub fn piecewise(rate: f64, changes: impl IntoIterator<Item = (u64, f64)>) -> Schedule {
        Schedule(ScheduleKind::Piecewise { rate, changes: changes.into_iter().collect() })
    }

    /// [`Schedule::cosine`] again and again: the first takes `n_steps` steps, at least one, and each later one `factor` times as
    /// many as the one before, at least as many.
    ///
    /// # Source
    /// Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts*, 2017, equation 5, with T₀ = `n_steps`
    /// and T_mult = `factor`.
    ///
    /// # Example
    /// ```
    /// let restarted = pullback::optim::Schedule::restarts(0.1, 0.0, 10, 2);
    /// assert_eq!([0, 10, 30].map(|step| restarted.rate(step)), [0.1; 3]);
    /// assert!(restarted.rate(9) < 0.003 && restarted.rate(29) < 0.001);
    /// ```
    #[doc(alias("sgdr", "cosine_annealing_warm_restarts"))]
    pub fn restarts(rate: f64, last: f64, n_steps: u64, factor: u64) -> Schedule {
        Schedule(ScheduleKind::Restarts { rate, last, n_steps, factor })
    }

    /// One cycle: for `n_rising` steps along a cosine from rate/25 up to `rate`, which is reached at the last of them, then along a
    /// cosine down to rate/250,000 at step N − 1, with N = `n_steps`, and that from then on.
    ///
    /// # Source
    /// Smith and Topin, *Super-convergence: very fast training of neural networks using large learning rates*, 2018; with
    /// cosines and these two quotients in fastai and PyTorch, where 0.3 N steps rise.
    ///
    /// # Example
    /// ```
    /// let cycle = pullback::optim::Schedule::one_cycle(1.0, 30, 100);
    /// assert_eq!([0, 29, 99, 500].map(|step| cycle.rate(step)), [0.04, 1.0, 4e-6, 4e-6]);
    /// ```
    #[doc(alias = "super_convergence")]
    pub fn one_cycle(rate: f64, n_rising: u64, n_steps: u64) -> Schedule {
        Schedule(ScheduleKind::OneCycle { rate, n_rising, n_steps })
    }

    /// The rate `function(step)` at each step. It may be asked several times per step, also for the step
    /// before, and should depend on nothing else.
    pub fn function(function: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Schedule {
        Schedule(ScheduleKind::Function(Arc::new(function)))
    }

    /// This schedule, multiplied by (t + 1)/N for t < N = `n_steps`: a line from a small rate that is not 0 up to it.
    ///
    /// # Source
    /// Goyal et al., *Accurate, large minibatch SGD: training ImageNet in 1 hour*, 2017, section 2.2.
    #[doc(alias = "warmup")]
    pub fn warm_up(self, n_steps: u64) -> Schedule {
        Schedule(ScheduleKind::WarmUp { then: Arc::new(self.0), n_steps })
    }

    /// This schedule for `n_steps` steps, and from then on `next`, which counts its steps from there.
    #[doc(alias = "sequential_lr")]
    pub fn then(self, n_steps: u64, next: impl Into<Schedule>) -> Schedule {
        Schedule(ScheduleKind::Then { first: Arc::new(self.0), n_steps, next: Arc::new(next.into().0) })
    }

    /// This schedule with its steps taken as epochs of `n_steps` steps each, at least one: the rate changes between epochs
    /// only.
    #[doc(alias = "per_epoch")]
    pub fn in_epochs(self, n_steps: u64) -> Schedule {
        Schedule(ScheduleKind::Epochs { of: Arc::new(self.0), n_steps })
    }

    /// The rate at `step`, counted from 0.
    #[doc(alias("at", "get_lr"))]
    pub fn rate(&self, step: u64) -> f64 {
        self.0.rate(step)
    }

    /// That the numbers it was made of make sense.
    pub(super) fn check(&self) -> Result<(), OptimizerError> {
        self.0.check()
    }
}

impl From<f64> for Schedule {
    fn from(rate: f64) -> Schedule {
        Schedule::constant(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_their_formulas() {
        let close = |schedule: &Schedule, step: u64, want: f64| {
            let got = schedule.rate(step);
            assert!((got - want).abs() <= 1e-15 * want.abs(), "{schedule:?} at {step}: {got} is not {want}");
        };
        let stairs = Schedule::steps(0.8, 0.5, 3);
        [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]
            .into_iter()
            .enumerate()
            .for_each(|(t, want)| close(&stairs, t as u64, want));
        close(&Schedule::exponential(2.0, 0.5), 4, 0.125);
        close(&Schedule::inverse_root(4.0, 25), 9, 0.05);
        let cosine = Schedule::cosine(1.0, 0.2, 6);
        [(0, 1.0), (2, 0.8), (3, 0.6), (4, 0.4), (6, 0.2), (600, 0.2)]
            .into_iter()
            .for_each(|(t, want)| close(&cosine, t, want));
        let warmed = Schedule::exponential(1.0, 0.5).warm_up(4);
        [(0, 0.25), (1, 0.25), (2, 0.1875), (3, 0.125), (4, 0.0625)]
            .into_iter()
            .for_each(|(t, want)| close(&warmed, t, want));
        let line = Schedule::linear(1.0, 0.2, 4);
        [1.0, 0.8, 0.6, 0.4, 0.2, 0.2].into_iter().enumerate().for_each(|(t, want)| close(&line, t as u64, want));
        close(&Schedule::linear(1.0, 0.2, 0), 0, 0.2);
        let restarted = Schedule::restarts(1.0, 0.0, 2, 3);
        [1.0, 0.5, 1.0, 0.5 + 0.75f64.sqrt() / 2.0, 0.75, 0.5, 0.25]
            .into_iter()
            .enumerate()
            .for_each(|(t, want)| close(&restarted, t as u64, want));
        let joined = line.then(3, Schedule::steps(8.0, 0.5, 1)).then(5, 7.0).in_epochs(2);
        [1.0, 0.8, 0.6, 8.0, 4.0, 7.0, 7.0]
            .into_iter()
            .enumerate()
            .for_each(|(epoch, want)| [0, 1].into_iter().for_each(|t| close(&joined, 2 * epoch as u64 + t, want)));
        [0, 1].into_iter().for_each(|n_rising| close(&Schedule::one_cycle(0.5, n_rising, 3), 0, 0.5));
        close(&Schedule::cosine(1.0, 0.3, 0), 0, 0.3);
        close(&Schedule::constant(0.5).warm_up(0), 0, 0.5);
        let described = format!("{:?}", Schedule::steps(0.1, 0.5, 30).warm_up(10));
        assert_eq!(described, "Schedule(0.1 times 0.5 every 30 steps, warmed up in 10 steps)");
    }
}
