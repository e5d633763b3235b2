//! The sawtooth and other functions that are affine between places. In: places and values. Out: distances and pieces,
//! exactly but for rounding.

use std::error::Error;

use ndarray::Array2;
use pullback::{Parameters, Program};

/// The sawtooth of 2ᵏ pieces by itself, not by a network: the distance of 2ᵏx from the even numbers.
pub(super) fn sawtooth(k: usize, x: f64) -> f64 {
    let scaled = x * 2f64.powi(k as i32);
    1.0 - (1.0 - scaled.rem_euclid(2.0)).abs()
}

/// What no function of so many affine pieces comes under.
pub(super) fn lower_bound(k: usize, n_pieces: usize) -> f64 {
    0.125 - n_pieces as f64 / 2f64.powi(k as i32 + 1)
}

/// Where the sawtooth of 2ᵏ pieces bends or ends, and where another function does.
pub(super) fn breaks(k: usize, others: &[f64]) -> Vec<f64> {
    let n = 1usize << k;
    let mut breaks: Vec<f64> = (0..=n).map(|piece| piece as f64 / n as f64).chain(others.iter().copied()).collect();
    breaks.sort_by(f64::total_cmp);
    breaks
}

pub(super) fn evaluate(
    program: &mut Program,
    parameters: &Parameters,
    places: &[f64],
) -> Result<Vec<f64>, Box<dyn Error>> {
    let x = Array2::from_shape_fn((places.len(), 1), |(point, _)| places[point]);
    let out = program.run(parameters, ("x", &x))?;
    Ok(out["value"].array::<f64>().ok_or("the value is of f64")?.iter().copied().collect())
}

/// ∫₀¹|f − g| for a g that is affine between places, as the sawtooth is.
pub(super) fn distance(k: usize, places: &[f64], values: &[f64]) -> f64 {
    let gaps: Vec<f64> = places.iter().zip(values).map(|(x, value)| value - sawtooth(k, *x)).collect();
    let between = |(ends, gaps): (&[f64], &[f64])| {
        let (a, b) = (gaps[0], gaps[1]);
        let size = a.abs() + b.abs();
        let mean = if a * b < 0.0 { (a * a + b * b) / (2.0 * size) } else { size / 2.0 };
        mean * (ends[1] - ends[0])
    };
    places.windows(2).zip(gaps.windows(2)).map(between).sum()
}

/// How often the slope between places changes, and one.
pub(super) fn n_pieces(places: &[f64], values: &[f64]) -> usize {
    let slope = |(x, y): (&[f64], &[f64])| (y[1] - y[0]) / (x[1] - x[0]);
    let slopes: Vec<f64> = places.windows(2).zip(values.windows(2)).map(slope).collect();
    1 + slopes.windows(2).filter(|pair| pair[0] != pair[1]).count()
}
