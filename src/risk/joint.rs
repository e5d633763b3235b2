//! Means of several numbers of each example together. In: the numbers, example by example. Out: sums of quotients of their means,
//! with intervals: the mean loss of a token is a quotient of two means over texts, of losses and of lengths.

use super::{Estimate, RiskError, check_examples, normal_quantile};

/// Numbers of each example added one after another: how many examples, their means and co-moments, without keeping them.
///
/// # Source
/// As for [`Tally`](super::Tally); Pébay, *Formulas for robust, one-pass parallel computation of covariances*, 2008, for the
/// co-moments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JointTally {
    n_examples: u64,
    mean: Vec<f64>,
    /// Σ(xᵢ − meanᵢ)(xⱼ − meanⱼ), row by row.
    comoments: Vec<f64>,
}

impl JointTally {
    /// Of so many numbers an example.
    pub(crate) fn new(n_numbers: usize) -> JointTally {
        JointTally { n_examples: 0, mean: vec![0.0; n_numbers], comoments: vec![0.0; n_numbers * n_numbers] }
    }

    /// One more example.
    pub(crate) fn add(&mut self, numbers: &[f64]) {
        self.n_examples += 1;
        let n = self.n_examples as f64;
        let deviations: Vec<f64> = numbers.iter().zip(&self.mean).map(|(number, mean)| number - mean).collect();
        self.mean.iter_mut().zip(&deviations).for_each(|(mean, deviation)| *mean += deviation / n);
        for (row, deviation) in self.comoments.chunks_mut(numbers.len()).zip(&deviations) {
            for ((comoment, number), mean) in row.iter_mut().zip(numbers).zip(&self.mean) {
                *comoment += deviation * (number - mean);
            }
        }
    }

    /// How many examples were added.
    pub(crate) fn len(&self) -> u64 {
        self.n_examples
    }

    /// Whether none was.
    pub(crate) fn is_empty(&self) -> bool {
        self.n_examples == 0
    }

    /// Σₖ factorₖ · mean of xₖ / mean of wₖ, with (x, w, factor) for each k by their positions.
    pub(crate) fn quotients(&self, parts: &[(usize, usize, f64)]) -> f64 {
        parts.iter().map(|(x, w, factor)| factor * (self.mean[*x] / self.mean[*w])).sum()
    }

    /// The same with its normal interval, by the linear part of the quotients at the means (the delta method): the variance is that
    /// of the mean of Σₖ factorₖ · (xₖ − Rₖ·wₖ) / mean of wₖ, with Rₖ the quotient. With wₖ = 1 it is that of a mean.
    ///
    /// # Errors
    /// The level is outside (0, 1), there are fewer than two examples, or a number was not finite.
    ///
    /// # Source
    /// Cochran, *Sampling techniques*, 3rd edition, 1977, section 6.4; Wasserman, *All of Statistics*, 2004, theorem 5.15.
    pub(crate) fn estimate_of_quotients(
        &self,
        parts: &[(usize, usize, f64)],
        level: f64,
    ) -> Result<Estimate, RiskError> {
        let z = normal_quantile(level)?;
        check_examples(2, self.n_examples)?;
        let mut slopes = vec![0.0; self.mean.len()];
        for (x, w, factor) in parts {
            slopes[*x] += factor / self.mean[*w];
            slopes[*w] -= factor * (self.mean[*x] / self.mean[*w]) / self.mean[*w];
        }
        let rows = self.comoments.chunks(slopes.len()).zip(&slopes);
        let squares: f64 = rows
            .flat_map(|(row, slope)| row.iter().zip(&slopes).map(move |(comoment, other)| slope * other * comoment))
            .sum();
        let n = self.n_examples as f64;
        // Rounding may leave a sum of squares a little below 0.
        let half = z * (squares.max(0.0) / (n - 1.0) / n).sqrt();
        let value = self.quotients(parts);
        if !(value.is_finite() && squares.is_finite() && half.is_finite()) {
            return Err(RiskError::NotFinite { mean: value });
        }
        Ok(Estimate { value, lower: value - half, upper: value + half, level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::Tally;

    #[test]
    fn of_weights_of_one_it_is_the_tally_of_a_mean_to_the_bits() {
        let losses = [0.25, 3.5, -1.0, 7.125, 0.1];
        let (mut joint, mut plain) = (JointTally::new(2), Tally::default());
        for loss in losses {
            joint.add(&[loss, 1.0]);
            plain.add(loss);
        }
        assert_eq!(joint.estimate_of_quotients(&[(0, 1, 1.0)], 0.9).unwrap(), plain.estimate(0.9).unwrap());
    }

    /// Against the formula written out in two passes.
    #[test]
    fn a_sum_of_quotients_has_the_interval_of_its_linear_part() {
        let rows = [[3.0, 2.0, 0.5, 1.0], [8.0, 5.0, 0.25, 2.0], [1.0, 1.0, 4.0, 3.0], [9.0, 4.0, 1.0, 1.0]];
        let mut joint = JointTally::new(4);
        rows.iter().for_each(|row| joint.add(row));
        let mean = |position: usize| rows.iter().map(|row| row[position]).sum::<f64>() / 4.0;
        let [r, s] = [mean(0) / mean(1), mean(2) / mean(3)];
        let residual = |row: &[f64; 4]| (row[0] - r * row[1]) / mean(1) + 0.1 * (row[2] - s * row[3]) / mean(3);
        let variance = rows.iter().map(|row| residual(row).powi(2)).sum::<f64>() / 3.0 / 4.0;
        let found = joint.estimate_of_quotients(&[(0, 1, 1.0), (2, 3, 0.1)], 0.95).unwrap();
        assert!((found.value - (r + 0.1 * s)).abs() < 1e-15);
        // A few roundings of numbers near 1.
        assert!((found.upper - found.value - normal_quantile(0.95).unwrap() * variance.sqrt()).abs() < 1e-13);
    }
}
