//! How the numbers of arrays are spread. In: arrays by name. Out: a [`Histogram`] of each, or of those that a pattern matches.

use super::{Buffers, ParameterError, buffers::FloatElement, layout::Slot};
use crate::{graph::DType, names};

/// The most bins of a histogram.
const MAX_BINS: usize = 60;

/// How many numbers lie in each of some bins of one width, from the least to the greatest.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Histogram {
    /// The name of the array, or the pattern of names.
    pub name: String,
    /// The least finite number, 0 if there is none.
    pub low: f64,
    /// The greatest finite number, 0 if there is none.
    pub high: f64,
    /// How many finite numbers are in each bin, the last with its end: ⌈2∛n⌉ bins of n numbers, at most 60; one if all are equal,
    /// and none if there is no number.
    pub counts: Vec<u64>,
    /// How many are infinite or NaN.
    pub n_not_finite: u64,
    /// The mean of the finite ones, 0 if there is none.
    pub mean: f64,
    /// Their standard deviation √(Σ(x − mean)²/n), 0 if there is none.
    pub deviation: f64,
}

impl Buffers {
    /// A histogram of each array, in the order of the layout.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Parameters, parameters::Layout};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let layout = Layout::new([("a.weight", DType::F32, vec![5]), ("b.weight", DType::F64, vec![3])])?;
    /// let mut parameters = Parameters::zeros(layout);
    /// parameters.flat_mut::<f32>()?.copy_from_slice(&[0.0, 1.0, 1.5, 4.0, f32::NAN]);
    /// let [a, b] = &parameters.histograms()[..] else { panic!("there are two arrays") };
    /// assert_eq!((a.low, a.high, &a.counts[..], a.n_not_finite), (0.0, 4.0, &[1, 2, 0, 1][..], 1));
    /// assert_eq!((b.low, b.high, &b.counts[..]), (0.0, 0.0, &[3][..]));
    /// assert_eq!(parameters.histograms_of(["*.weight"])?[0].counts.iter().sum::<u64>(), 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn histograms(&self) -> Vec<Histogram> {
        self.layout().iter().map(|(name, slot)| Histogram::new(name, &self.numbers_of(slot))).collect()
    }

    /// A histogram for each pattern, of all arrays whose names match it. In a pattern `*` stands for any letters or none, and `?` for
    /// one.
    ///
    /// # Errors
    /// A pattern matches no array.
    pub fn histograms_of<P: Into<String>>(
        &self,
        patterns: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Histogram>, ParameterError> {
        let histogram = |pattern: P| {
            let pattern: String = pattern.into();
            let checked = names::check_pattern(&pattern, self.names());
            checked.map_err(|nearest| ParameterError::Pattern { pattern: pattern.clone(), nearest })?;
            let patterns = std::slice::from_ref(&pattern);
            let matching = self.layout().iter().filter(|(name, _)| names::matches_any(patterns, name));
            let numbers: Vec<f64> = matching.flat_map(|(_, slot)| self.numbers_of(slot)).collect();
            Ok(Histogram::new(&pattern, &numbers))
        };
        patterns.into_iter().map(histogram).collect()
    }

    fn numbers_of(&self, slot: &Slot) -> Vec<f64> {
        match slot.dtype {
            DType::F32 => numbers::<f32>(self, slot),
            DType::F64 => numbers::<f64>(self, slot),
            DType::I64 | DType::Bool => unreachable!("invariant: a layout holds floats only"),
        }
    }
}

fn numbers<T: FloatElement + Into<f64>>(buffers: &Buffers, slot: &Slot) -> Vec<f64> {
    buffers.elements::<T>()[slot.range.clone()].iter().map(|number| (*number).into()).collect()
}

impl Histogram {
    fn new(name: &str, numbers: &[f64]) -> Histogram {
        let finite: Vec<f64> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
        let n = finite.len() as f64;
        let (low, high) = finite.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
        let (low, high) = if finite.is_empty() { (0.0, 0.0) } else { (low, high) };
        let n_bins = match n {
            0.0 => 0,
            _ if low == high => 1,
            _ => ((2.0 * libm::cbrt(n)).ceil() as usize).min(MAX_BINS),
        };
        let mut counts = vec![0; n_bins];
        for number in &finite {
            // Halves, since a difference of large numbers may be infinite.
            let part = if low == high { 0.0 } else { (number / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) };
            counts[((part * n_bins as f64) as usize).min(n_bins - 1)] += 1;
        }
        let mean: f64 = finite.iter().map(|number| number / n).sum();
        // Numbers at the end of their range have squares beyond it.
        let scale = low.abs().max(high.abs()).max(f64::MIN_POSITIVE);
        let distance = |number: &f64| number / scale - mean / scale;
        let squares = finite.iter().map(|number| distance(number) * distance(number) / n);
        let deviation = scale * squares.sum::<f64>().sqrt();
        let n_not_finite = (numbers.len() - finite.len()) as u64;
        Histogram { name: name.to_owned(), low, high, counts, n_not_finite, mean, deviation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_number_is_in_a_bin_whatever_the_numbers_are() {
        let cases: [(&[f64], u64, f64); 6] = [
            (&[], 0, 0.0),
            (&[f64::NAN, f64::INFINITY], 0, 0.0),
            (&[3.0; 9], 9, 0.0),
            (&[-f64::MAX, f64::MAX, 0.0], 3, f64::MAX * (2.0f64 / 3.0).sqrt()),
            (&[5e-324, 0.0], 2, 0.0),
            (&[1.0, 2.0, 3.0, 4.0, f64::NEG_INFINITY], 4, 1.25f64.sqrt()),
        ];
        for (numbers, n_finite, deviation) in cases {
            let histogram = Histogram::new("w", numbers);
            assert_eq!(histogram.counts.iter().sum::<u64>(), n_finite, "{numbers:?}");
            assert_eq!(histogram.n_not_finite, numbers.len() as u64 - n_finite, "{numbers:?}");
            // Two roundings of numbers of that size; beside 10⁻³⁰⁸ those of subnormal numbers are nothing.
            assert!((histogram.deviation - deviation).abs() <= 1e-15 * deviation + 1e-308, "{histogram:?}");
        }
        let many: Vec<f64> = (0..1_000_000).map(f64::from).collect();
        assert_eq!(Histogram::new("w", &many).counts.len(), MAX_BINS);
    }
}
