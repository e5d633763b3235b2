//! Loss, norm of the gradient and rates, step by step. In: steps. Out: curves of a bounded number of points, as CSV too.

use std::{io, ops::ControlFlow};

use super::{Observer, Step};
use crate::{numbers::short, optim::GroupRate};

/// How many points are kept unless another number is asked for.
const N_POINTS: usize = 1000;

/// An observer that records the curves of a training: the loss of each batch, the norm of its gradient before clipping, and the rate
/// of each group of the optimizer.
///
/// Memory is bounded: there are at most 1000 points, or as many as [`Curves::with_points`] says. Where one more would be too many,
/// each two neighbours become one, and from then on a point is of twice as many steps: their mean with the least and the greatest, so
/// that no spike is lost. Rates are those of the last step of a point. A training that goes on from a checkpoint is recorded from
/// there on; one that begins anew, at an earlier step than the last, is recorded anew.
///
/// # Example
/// ```
/// use pullback::{
///     DType, Graph, data::digits, nn::{cross_entropy, linear}, optim::{Adam, Schedule}, train::{Curves, Fit, Trainer},
/// };
/// let g = Graph::new();
/// let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
/// let mut trainer = Trainer::new(cross_entropy(linear(x, "out", 10), label), [])?;
/// let (mut parameters, mut rule) = (g.initialize(0)?, Adam::new(Schedule::linear(1e-2, 0.0, 100)));
/// let mut curves = Curves::with_points(16);
/// trainer.training(&mut parameters, &mut rule).observe(&mut curves).fit(&digits(), &Fit::new(1, 32))?;
///
/// let points = curves.points(); // 57 steps, four to a point
/// assert_eq!((points.len(), points[1].first_step, points[1].last_step), (15, 5, 8));
/// assert!(points[1].loss.least <= points[1].loss.mean && points[1].gradient_norm.greatest > 0.0);
/// assert!((points[0].rates[0].rate - 0.0097).abs() < 1e-15); // of the fourth step
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Curves {
    most: usize,
    steps_of_a_point: u64,
    points: Vec<CurvePoint>,
}

/// Some steps in a row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CurvePoint {
    /// The first of them, from 1.
    pub first_step: u64,
    /// The last of them.
    pub last_step: u64,
    /// The losses of their batches, with penalties.
    pub loss: Spread,
    /// The Euclidean norms of their gradients, before clipping.
    pub gradient_norm: Spread,
    /// The rates of the last of them.
    pub rates: Vec<GroupRate>,
}

/// What numbers there were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// The least of them.
    pub least: f64,
    /// The greatest of them.
    pub greatest: f64,
}

impl Curves {
    /// Curves of at most 1000 points.
    pub fn new() -> Curves {
        Curves::with_points(N_POINTS)
    }

    /// Curves of at most so many points, at least two.
    pub fn with_points(most: usize) -> Curves {
        Curves { most: most.max(2), steps_of_a_point: 1, points: Vec::new() }
    }

    /// The points, in the order of steps.
    pub fn points(&self) -> &[CurvePoint] {
        &self.points
    }

    fn add(&mut self, point: CurvePoint) {
        if self.points.last().is_some_and(|last| point.first_step <= last.last_step) {
            *self = Curves::with_points(self.most);
        }
        if let Some(last) = self.points.last_mut().filter(|last| last.n_steps() < self.steps_of_a_point) {
            *last = last.merged(&point);
        } else if self.points.len() < self.most {
            self.points.push(point);
        } else {
            self.points = self.points.chunks(2).map(merged).collect();
            self.steps_of_a_point *= 2;
            self.add(point);
        }
    }

    /// Writes the table: `first_step,last_step`, then `loss`, `loss_least`, `loss_greatest`, the same of `gradient_norm`, and `rate`,
    /// or `rate_GROUP` for each group. Numbers are written with all their digits.
    ///
    /// # Errors
    /// Whatever `writer` says.
    pub fn write_csv(&self, writer: impl io::Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(writer);
        let rates = self.points.first().map_or(&[][..], |point| &point.rates);
        let rates = rates
            .iter()
            .map(|rate| if rate.group.is_empty() { "rate".to_owned() } else { format!("rate_{}", rate.group) });
        let spreads = ["loss", "gradient_norm"].into_iter();
        let spreads = spreads.flat_map(|name| ["", "_least", "_greatest"].map(|bound| format!("{name}{bound}")));
        let header = ["first_step", "last_step"].map(str::to_owned).into_iter().chain(spreads).chain(rates);
        writer.write_record(header)?;
        for CurvePoint { first_step, last_step, loss, gradient_norm, rates } in &self.points {
            let spreads =
                [loss, gradient_norm].into_iter().flat_map(|spread| [spread.mean, spread.least, spread.greatest]);
            let numbers = spreads.chain(rates.iter().map(|rate| rate.rate)).map(|number| short(number).to_string());
            writer.write_record([first_step, last_step].map(u64::to_string).into_iter().chain(numbers))?;
        }
        writer.flush()
    }
}

impl Default for Curves {
    fn default() -> Curves {
        Curves::new()
    }
}

impl Observer for Curves {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<()> {
        let one = |number: f64| Spread { mean: number, least: number, greatest: number };
        self.add(CurvePoint {
            first_step: step.step,
            last_step: step.step,
            loss: one(step.loss),
            gradient_norm: one(step.gradient_norm),
            rates: step.rates.to_vec(),
        });
        ControlFlow::Continue(())
    }
}

/// Neighbours as one.
fn merged(points: &[CurvePoint]) -> CurvePoint {
    let (first, others) = points.split_first().expect("invariant: a chunk is not empty");
    others.iter().fold(first.clone(), |merged, point| merged.merged(point))
}

impl CurvePoint {
    fn n_steps(&self) -> u64 {
        self.last_step - self.first_step + 1
    }

    /// With the point behind it.
    fn merged(&self, next: &CurvePoint) -> CurvePoint {
        let (n_steps, n_next) = (self.n_steps() as f64, next.n_steps() as f64);
        let merge = |one: &Spread, other: &Spread| Spread {
            mean: one.mean + (other.mean - one.mean) * (n_next / (n_steps + n_next)),
            least: one.least.min(other.least),
            greatest: one.greatest.max(other.greatest),
        };
        CurvePoint {
            first_step: self.first_step,
            last_step: next.last_step,
            loss: merge(&self.loss, &next.loss),
            gradient_norm: merge(&self.gradient_norm, &next.gradient_norm),
            rates: next.rates.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> CurvePoint {
        let loss = (step * 7919 % 101) as f64;
        let spread = |x: f64| Spread { mean: x, least: x, greatest: x };
        let rates = vec![GroupRate::of_all(1.0 / step as f64)];
        CurvePoint { first_step: step, last_step: step, loss: spread(loss), gradient_norm: spread(2.0 * loss), rates }
    }

    #[test]
    fn points_of_any_number_of_steps_are_bounded_and_say_what_their_steps_say() {
        for most in [2, 3, 7, 16] {
            let mut curves = Curves::with_points(most);
            for n_steps in 1..=300 {
                curves.add(step(n_steps));
                assert!((most.div_ceil(2)..=most).contains(&curves.points.len()) || n_steps < most as u64);
                assert_eq!(curves.points.last().map(|point| point.last_step), Some(n_steps));
                let mut next = 1;
                for point in curves.points() {
                    assert_eq!(point.first_step, next);
                    let losses = (point.first_step..=point.last_step).map(|number| step(number).loss.mean);
                    let (least, greatest) =
                        losses.clone().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
                    let mean = losses.clone().sum::<f64>() / losses.count() as f64;
                    // A running mean of at most 300 numbers below 101 rounds by less.
                    assert!((point.loss.mean - mean).abs() < 1e-10);
                    assert_eq!((point.loss.least, point.loss.greatest), (least, greatest));
                    assert_eq!(point.rates, step(point.last_step).rates);
                    next = point.last_step + 1;
                }
            }
            // A training from its beginning replaces the one before.
            curves.add(step(1));
            assert_eq!(curves.points, [step(1)]);
        }
    }
}
