//! Random bits: Philox-4x32-10 written out, to the bits of `ops/random.rs`. In: key and counter. Out: lines of the text.
//!
//! Words of 32 bits are the low halves of integers of 64, of which sums are masked and products are halved.

use super::{
    lower::Lowering,
    writer::{Tensor, TensorType, Writer},
};
use crate::{
    graph::DType,
    ops::{PHILOX_MULTIPLIERS, PHILOX_ROUNDS, PHILOX_WEYL},
};

impl Lowering<'_> {
    pub(super) fn random_bits(&mut self, width: usize, operands: &[Tensor], ty: &TensorType) -> Tensor {
        let writer = &mut self.writer;
        let (key, counter) = (&operands[0], &operands[1]);
        let rest = &ty.sizes[key.rank()..];
        let n_each: usize = rest.iter().product();
        let places = writer.iota(0, TensorType::new(DType::I64, [n_each]));
        let places = writer.reshaped(&places, rest);
        let behind: Vec<usize> = (key.rank()..ty.sizes.len()).collect();
        let in_front: Vec<usize> = (0..key.rank()).collect();
        let [key, counter, place] = [key, counter, &places].map(|number| words(writer, number));
        let place = place.map(|word| writer.broadcast(&word, &behind, &ty.sizes));
        let counter = counter.map(|word| writer.broadcast(&word, &in_front, &ty.sizes));
        let [place_low, place_high] = place;
        let [low, high] = counter;
        let [first, second, ..] = philox(writer, [place_low, place_high, low, high], (key, &in_front));
        let half = writer.integer(32, ty.sizes.clone());
        let mask = writer.integer((1 << width) - 1, ty.sizes.clone());
        let second = writer.same("stablehlo.shift_left", &[second, half]);
        let joined = writer.same("stablehlo.or", &[first, second]);
        writer.same("stablehlo.and", &[joined, mask])
    }
}

/// All rounds; the words of the key are the first axes of those of the counter.
fn philox(writer: &mut Writer, mut counter: [Tensor; 4], (mut key, in_front): ([Tensor; 2], &[usize])) -> [Tensor; 4] {
    let sizes = counter[0].sizes().to_vec();
    let multipliers = PHILOX_MULTIPLIERS.map(|number| writer.integer(number.into(), sizes.clone()));
    let weyl = PHILOX_WEYL.map(|number| writer.integer(number.into(), key[0].sizes()));
    let mask = writer.integer(u32::MAX.into(), key[0].sizes());
    for _ in 0..PHILOX_ROUNDS {
        let [a, b, c, d] = counter;
        let [left, right] = [(a, &multipliers[0]), (c, &multipliers[1])].map(|(word, multiplier)| {
            let product = writer.same("stablehlo.multiply", &[word, multiplier.clone()]);
            words(writer, &product)
        });
        let [first_key, second_key] = [0, 1].map(|word| writer.broadcast(&key[word], in_front, &sizes));
        let [left_low, left_high] = left;
        let [right_low, right_high] = right;
        let first = writer.same("stablehlo.xor", &[right_high, b]);
        let third = writer.same("stablehlo.xor", &[left_high, d]);
        counter = [
            writer.same("stablehlo.xor", &[first, first_key]),
            right_low,
            writer.same("stablehlo.xor", &[third, second_key]),
            left_low,
        ];
        key = [0, 1].map(|word: usize| {
            let sum = writer.same("stablehlo.add", &[key[word].clone(), weyl[word].clone()]);
            writer.same("stablehlo.and", &[sum, mask.clone()])
        });
    }
    counter
}

/// The low and the high half.
fn words(writer: &mut Writer, number: &Tensor) -> [Tensor; 2] {
    let mask = writer.integer(u32::MAX.into(), number.sizes());
    let half = writer.integer(32, number.sizes());
    let low = writer.same("stablehlo.and", &[number.clone(), mask]);
    [low, writer.same("stablehlo.shift_right_logical", &[number.clone(), half])]
}
