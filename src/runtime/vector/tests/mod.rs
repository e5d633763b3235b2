//! Tests of the kernels: exactness of the functions of analysis, conventions of the others, and every kernel at many
//! lengths against one element at a time.
#![allow(unsafe_code, reason = "calls kernels on arrays of its own")]

mod conventions;
mod double_double;
mod exactness;
mod fused;
mod lengths;
mod recorded;
mod reductions;

use super::{InstructionSet, Kernel};

/// What a kernel makes of two operands of `n` elements each, or of one where the kernel was asked for a splat.
fn run<In, Out: Copy + Default>(kernel: Kernel, operands: [&[In]; 2], n: usize) -> Vec<Out> {
    let mut out = vec![Out::default(); n];
    let [a, b] = operands.map(|operand| operand.as_ptr().cast::<u8>());
    // SAFETY: the callers give as many elements as the summary says, of the dtype that the kernel was asked for, and
    // a set from `sets`.
    unsafe { kernel(out.as_mut_ptr().cast(), &[a, b, b], n) };
    out
}

/// A small generator of test numbers (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in [low, high).
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Of every magnitude and both signs, but neither infinite nor NaN.
    fn finite(&mut self) -> f64 {
        let x = f64::from_bits(self.bits());
        if x.is_finite() { x } else { self.finite() }
    }
}
