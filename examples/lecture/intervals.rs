//! Means of runs with their intervals. In: a number of each run. Out: an estimate.

use std::error::Error;

use pullback::risk::{Estimate, Tally};

/// Student's 97.5 % quantiles for 1, 2, … degrees of freedom.
const STUDENT: [f64; 9] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
/// That of the normal distribution.
const NORMAL: f64 = 1.960;

/// The mean of numbers, with its normal interval.
pub(crate) fn tally(numbers: impl IntoIterator<Item = f64>) -> Tally {
    let mut tally = Tally::default();
    tally.extend(numbers);
    tally
}

/// The mean of 2 to 10 numbers with its 95 % interval by Student's distribution: the normal one is too narrow for so few.
pub(crate) fn mean_of_few(numbers: impl IntoIterator<Item = f64>) -> Result<Estimate, Box<dyn Error>> {
    let tally = tally(numbers);
    let estimate = tally.estimate(0.95)?;
    let quantile = STUDENT.get(tally.len() as usize - 2).ok_or("more than 10 numbers have a normal interval")?;
    let half = (estimate.upper - estimate.value) * quantile / NORMAL;
    Ok(Estimate { lower: estimate.value - half, upper: estimate.value + half, ..estimate })
}
