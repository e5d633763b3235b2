//! A rate that may change. In: a number, or a function of the step. Out: the rate at a step. Whether a rate makes sense
//! is checked where it is used.

use std::{fmt, sync::Arc};

/// The learning rate γₜ at each step t, counted from 0.
///
/// # Example
/// ```
/// use pullback::optim::{Schedule, Sgd};
/// let constant = Schedule::from(0.1);
/// assert_eq!(constant.at(1000), 0.1);
/// let warm_up = Schedule::function(|step| 0.1 * (step as f64 / 100.0).min(1.0));
/// assert_eq!(warm_up.at(50), 0.05);
/// let sgd = Sgd::new(warm_up);
/// ```
#[derive(Clone)]
pub struct Schedule(Kind);

#[derive(Clone)]
enum Kind {
    Constant(f64),
    Function(Arc<dyn Fn(u64) -> f64 + Send + Sync>),
}

impl Schedule {
    /// The rate `function(step)` at each step. It is called once per step, and should depend on nothing else.
    pub fn function(function: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Schedule {
        Schedule(Kind::Function(Arc::new(function)))
    }

    /// The rate at `step`, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        match &self.0 {
            Kind::Constant(rate) => *rate,
            Kind::Function(function) => function(step),
        }
    }
}

impl From<f64> for Schedule {
    fn from(rate: f64) -> Schedule {
        Schedule(Kind::Constant(rate))
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Constant(rate) => write!(f, "{rate}"),
            Kind::Function(_) => f.write_str("a function of the step"),
        }
    }
}
