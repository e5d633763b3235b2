//! Where an axis has its marks. In: an axis and its ends. Out: coordinates for plotters, with round numbers marked:
//! those of an axis by powers of ten are 1, 2 and 5 times the powers where there is room, all multiples of them where
//! there is more, and the powers alone otherwise.

use std::ops::Range;

use plotters::coord::{
    ranged1d::{DefaultFormatting, KeyPointHint, Ranged},
    types::RangedCoordf64,
};

use super::chart::Axis;

/// Decades up to which there are marks within them, and up to which all of these are there.
const FEW_DECADES: f64 = 2.5;
const ONE_DECADE: f64 = 0.9;

/// Positions along an axis: numbers, or their logarithms to base 10.
pub(super) struct AxisScale {
    positions: RangedCoordf64,
    ends: (f64, f64),
    is_logarithmic: bool,
    is_whole: bool,
}

impl AxisScale {
    /// The positions of an axis from `ends.0` to `ends.1`.
    pub(super) fn new(axis: &Axis, ends: (f64, f64)) -> AxisScale {
        AxisScale {
            positions: (ends.0..ends.1).into(),
            ends,
            is_logarithmic: axis.is_logarithmic,
            is_whole: axis.is_whole,
        }
    }
}

impl Ranged for AxisScale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, limit: (i32, i32)) -> i32 {
        self.positions.map(position, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if self.is_whole && !self.is_logarithmic {
            return whole_marks(self.ends, hint.max_num_points());
        }
        let marks = if self.is_logarithmic { logarithmic_marks(self.ends, hint.max_num_points()) } else { Vec::new() };
        // Between 2.1 and 2.9 there is no round number, and evenly parted logarithms are better than none.
        if marks.len() < 2 { self.positions.key_points(hint) } else { marks }
    }

    fn range(&self) -> Range<f64> {
        self.ends.0..self.ends.1
    }
}

/// Whole numbers between two numbers, not more than `most` but for one: all of them, or multiples of 2, 5 or 10, of 20 and so on.
fn whole_marks((low, high): (f64, f64), most: usize) -> Vec<f64> {
    let steps = (0..300).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * libm::pow(10.0, f64::from(power))));
    let n_marks = |step: f64| (high / step).floor() - (low / step).ceil() + 1.0;
    let step = steps.into_iter().find(|step| n_marks(*step) <= most.max(1) as f64).unwrap_or(f64::MAX);
    let first = (low / step).ceil();
    (0..n_marks(step).max(0.0) as usize).map(|mark| (first + mark as f64) * step).collect()
}

/// Marks between two logarithms, not many more than `most`.
fn logarithmic_marks((low, high): (f64, f64), most: usize) -> Vec<f64> {
    let decades = low.floor() as i32..=high.floor() as i32;
    let within: &[f64] = match high - low {
        length if length <= ONE_DECADE => &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        length if length <= FEW_DECADES => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let step = ((high - low) / most.max(1) as f64).ceil().max(1.0) as usize;
    let marks =
        decades.step_by(step).flat_map(|decade| within.iter().map(move |mark| f64::from(decade) + libm::log10(*mark)));
    marks.filter(|mark| (low..=high).contains(mark)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_whole_numbers_are_whole_and_few() {
        assert_eq!(whole_marks((0.96, 1.04), 6), [1.0]);
        assert_eq!(whole_marks((0.8, 5.2), 6), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(whole_marks((-7.0, 208.0), 6), [0.0, 50.0, 100.0, 150.0, 200.0]);
        assert_eq!(whole_marks((3.1, 3.9), 6), [] as [f64; 0]);
        assert_eq!(whole_marks((0.0, 56_000.0), 6), [0.0, 10_000.0, 20_000.0, 30_000.0, 40_000.0, 50_000.0]);
    }

    #[test]
    fn marks_of_powers_are_round() {
        let numbers = |ends, most| -> Vec<f64> {
            logarithmic_marks(ends, most).into_iter().map(|mark| (1e6 * 10f64.powf(mark)).round() / 1e6).collect()
        };
        assert_eq!(numbers((-0.6, 0.1), 6), [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]);
        assert_eq!(numbers((0.8, 2.2), 6), [10.0, 20.0, 50.0, 100.0]);
        assert_eq!(numbers((-1.0, 3.0), 6), [0.1, 1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(numbers((0.0, 12.0), 6), [1e0, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12]);
    }
}
