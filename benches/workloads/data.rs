//! The numbers that go in, the same bits in every language that is compared. In: seeds, shapes and scales. Out: arrays.

use std::error::Error;

use ndarray::{Array, ArrayD, Axis, IxDyn, Slice};
use pullback::{Parameters, Value};

/// How a parameter starts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    /// Uniform within ± this.
    Uniform(f64),
    /// All of one number.
    Constant(f32),
}

/// `parameters` with these values in place of their own; those of the parameter at position k are drawn with the seed
/// k + 1.
pub(super) fn start(mut parameters: Parameters, starts: &[Start]) -> Result<Parameters, Box<dyn Error>> {
    let names: Vec<String> = parameters.names().map(str::to_owned).collect();
    if names.len() != starts.len() {
        return Err(format!("{} parameters and {} starts", names.len(), starts.len()).into());
    }
    for (position, (name, start)) in names.iter().zip(starts).enumerate() {
        let mut array = parameters.array_mut::<f32>(name)?;
        match start {
            Start::Uniform(scale) => {
                let shape = array.shape().to_vec();
                array.assign(&uniform(position as u64 + 1, &shape, *scale).mapv(|x| x as f32));
            }
            Start::Constant(number) => array.fill(*number),
        }
    }
    Ok(parameters)
}

/// `f32` numbers, uniform on [−scale, scale).
pub(super) fn fill(seed: u64, shape: &[usize], scale: f64) -> Value {
    uniform(seed, shape, scale).mapv(|x| x as f32).into()
}

/// `f64` numbers, uniform on [−scale, scale).
pub(super) fn fill_double(seed: u64, shape: &[usize], scale: f64) -> Value {
    uniform(seed, shape, scale).into()
}

/// Rows of tokens below `n_tokens`, each with its last token left out or its first.
pub(super) fn tokens(seed: u64, [rows, length]: [usize; 2], n_tokens: usize) -> [Value; 2] {
    let unit = uniform(seed, &[rows, length + 1], 1.0).mapv(|x| (x + 1.0) / 2.0);
    let tokens = unit.mapv(|x| (x * n_tokens as f64).floor() as i64);
    [0..length, 1..length + 1].map(|range| tokens.slice_axis(Axis(1), Slice::from(range)).to_owned().into())
}

/// One of ten classes for each row.
pub(super) fn labels(rows: usize) -> Value {
    Array::from_shape_fn(rows, |row| ((row * 7 + 3) % 10) as i64).into()
}

/// Element i is the upper 24 bits of the mixed counter seed·2⁴⁴ + i + 1.
pub(super) fn uniform(seed: u64, shape: &[usize], scale: f64) -> ArrayD<f64> {
    let number = |i: u64| {
        let mixed = mix(seed.wrapping_mul(1 << 44).wrapping_add(i).wrapping_add(1));
        (2.0 * ((mixed >> 40) as f64 / f64::from(1 << 24)) - 1.0) * scale
    };
    let size: usize = shape.iter().product();
    let numbers = (0..size as u64).map(number).collect();
    ArrayD::from_shape_vec(IxDyn(shape), numbers).expect("invariant: as many numbers as the shape has elements")
}

/// SplitMix64: the counter times the golden ratio, then Stafford's thirteenth mixer.
///
/// # Source
/// Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014, figure 14.
fn mix(counter: u64) -> u64 {
    let z = counter.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
