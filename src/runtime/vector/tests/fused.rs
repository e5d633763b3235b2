//! Multiply-add that is emulated, against the standard library's, which rounds once.

use super::{
    super::{
        arithmetic::{Arithmetic, Emulated},
        float::Float,
    },
    Random,
};

/// Numbers of all magnitudes, near each other and far apart, and the ends of the range.
fn operands(random: &mut Random, count: usize) -> [f64; 3] {
    let special = [0.0, -0.0, 1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MIN_POSITIVE, f64::MAX, -5e-324];
    let mut operands = [0, 1, 2].map(|_| match count % 4 {
        0 => random.between(-4.0, 4.0),
        1 => random.finite(),
        // Few bits, so that sums are halfway between two numbers.
        2 => (random.between(-64.0, 64.0)).round() * libm::ldexp(1.0, random.between(-60.0, 60.0) as i32),
        _ => special[random.bits() as usize % special.len()],
    });
    if count.is_multiple_of(3) {
        // What cancels the product but for its last bits.
        operands[2] = -operands[0] * operands[1] * (1.0 + random.between(-4.0, 4.0).round() * f64::EPSILON);
    }
    operands
}

fn check<T: Float + PartialEq>(operands: [f64; 3], bits: fn(T) -> u64) {
    let [a, b, c] = operands.map(T::from_f64);
    let (found, expected) = (Emulated::fma(a, b, c), a.fused(b, c));
    let is_same = bits(found) == bits(expected) || (found.is_nan() && expected.is_nan());
    assert!(is_same, "{a:?}·{b:?} + {c:?} is {expected:?}, not {found:?}");
}

#[test]
fn emulated_multiply_adds_have_the_bits_of_the_instruction() {
    let mut random = Random(11);
    for count in 0..400_000 {
        let operands = operands(&mut random, count);
        check::<f64>(operands, f64::to_bits);
        check::<f32>(operands, |x| u64::from(x.to_bits()));
        // Of the magnitude of single precision too.
        let narrow = operands.map(|x| f64::from(f32::from_bits(x.to_bits() as u32)));
        check::<f32>(narrow, |x| u64::from(x.to_bits()));
    }
}
