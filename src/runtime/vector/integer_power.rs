//! Integer powers. In: a float and an integer known when the plan is made. Out: a kernel: one of its own for the exponents −2 … 4,
//! which gradients and moments are full of, else one that reads the exponent at run time.
#![allow(unsafe_code, reason = "kernels take untyped pointers into the arena; each block names who keeps its bounds")]

use super::{
    Kernel,
    arithmetic::Arithmetic,
    float::Float,
    functions as f,
    instantiate::for_each_set,
    map::{exclusive, shared, unary},
    power,
};
use crate::runtime::instruction_set::InstructionSet;

/// The kernel of xⁿ for one n.
pub(super) fn kernel<T: Float>(exponent: i64, set: InstructionSet) -> Kernel {
    match exponent {
        0 => unary::<f::PowerOf0<T>>(set),
        1 => unary::<f::PowerOf1<T>>(set),
        2 => unary::<f::PowerOf2<T>>(set),
        3 => unary::<f::PowerOf3<T>>(set),
        4 => unary::<f::PowerOf4<T>>(set),
        -1 => unary::<f::PowerOfMinus1<T>>(set),
        -2 => unary::<f::PowerOfMinus2<T>>(set),
        _ => general::<T>(set),
    }
}

for_each_set! {
    /// The kernel that reads its exponent, an `i64`, from operand 1.
    fn general<T: Float> = general_body: Kernel(out: *mut u8, operands: &[*const u8; 3], n: usize)
}

/// # Safety
/// `out` points to `n` elements, operand 0 to `n`, operand 1 to one `i64`, and `out` overlaps neither.
#[inline(always)]
unsafe fn general_body<T: Float, A: Arithmetic>(out: *mut u8, operands: &[*const u8; 3], n: usize) {
    // SAFETY: the caller's contract is that of the slices.
    let (out, x, exponent) =
        unsafe { (exclusive::<T>(out, n), shared::<T>(operands[0], n), shared::<i64>(operands[1], 1)[0]) };
    if i32::try_from(exponent).is_ok() {
        power::integer_power(out, x, exponent);
    } else {
        // So many squarings would lose every bit, so this is the real power, as in the reference.
        let exponent = T::from_i64(exponent);
        out.iter_mut().zip(x).for_each(|(out, x)| *out = x.pow::<A>(exponent));
    }
}
