//! The floats that the kernels compute with. In: elements. Out: the constants and bit patterns that generic algorithms need.
//! The algorithms are not here, and conventions are those of [`Number`].

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{
    arithmetic::{self, Arithmetic, polynomial},
    coefficients, double, single,
};
use crate::ops::Number;

/// Floats with what the algorithms of `exponential.rs` and `logarithm.rs` need, and with the functions whose algorithms
/// differ between the two.
pub(in crate::runtime) trait Float:
    Number + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    const HALF: Self;
    const TWO: Self;
    const INFINITY: Self;
    const NAN: Self;
    /// 1/ln 2.
    const LOG2_E: Self;
    /// ln 2 with so few bits that its product with any exponent is exact.
    const LN2_HIGH: Self;
    /// ln 2 − `LN2_HIGH`.
    const LN2_LOW: Self;
    /// 1.5·2^(bits of the fraction): adding it rounds to an integer and leaves that integer in the low bits.
    const ROUNDER: Self;
    /// 2^(bits of the fraction): floats of at least this magnitude are integers.
    const INTEGERS: Self;
    /// Where 4eˣ is 0 below and eˣ is ∞ above.
    const EXP_RANGE: (Self, Self);
    /// Below it eˣ − 1 is −1.
    const EXPM1_LOW: Self;
    /// Below this magnitude x is the correctly rounded x + O(x²).
    const TINY: Self;
    /// The least normal number.
    const MIN_NORMAL: Self;
    /// 1/√(2π), rounded, and what that lost.
    const NORMAL_DENSITY_AT_0: (Self, Self);
    /// A power of two that makes subnormals normal, and its exponent.
    const LIFT: (Self, Self);

    /// self·b + c in one rounding, by the instruction where the loop is compiled with it.
    #[cfg(any(test, target_arch = "x86_64", target_arch = "aarch64"))]
    fn fused(self, b: Self, c: Self) -> Self;
    /// The same bits without the instruction.
    #[cfg(any(test, not(target_arch = "aarch64")))]
    fn emulated_fused(self, b: Self, c: Self) -> Self;
    fn root(self) -> Self;
    fn copysign(self, sign: Self) -> Self;
    /// 2ⁿ for `self` = `ROUNDER` + n, n an exponent of a normal number.
    fn power_of_two(self) -> Self;
    /// (k, m) with x = 2ᵏ·m and m in [√½, √2), of a normal positive x.
    fn split(self) -> (Self, Self);
    fn exp_polynomial<A: Arithmetic>(r: Self) -> Self;
    fn log_polynomial<A: Arithmetic>(z: Self) -> Self;

    fn erf<A: Arithmetic>(self) -> Self;
    fn erfc<A: Arithmetic>(self) -> Self;
    fn normal_cdf<A: Arithmetic>(self) -> Self;
    fn sin<A: Arithmetic>(self) -> Self;
    fn cos<A: Arithmetic>(self) -> Self;
    /// Whether sine and cosine above are wrong because x is too great for their reduction.
    fn is_huge_angle(self) -> bool;
    fn atan2<A: Arithmetic>(self, x: Self) -> Self;
    fn pow<A: Arithmetic>(self, exponent: Self) -> Self;
}

/// What the two floats share but for their widths. `$bits` is the unsigned integer of the same width, `$fraction` the
/// bits of the fraction, `$bias` the exponent's bias, `$root_half` the pattern of √½ rounded down.
macro_rules! float_bits {
    ($float:ident, $bits:ident, $fraction:literal, $bias:literal, $root_half:literal, $functions:ident, $emulated:ident) => {
        const HALF: Self = 0.5;
        const TWO: Self = 2.0;
        const INFINITY: Self = $float::INFINITY;
        const NAN: Self = $float::NAN;
        const LOG2_E: Self = std::$float::consts::LOG2_E;
        const ROUNDER: Self = 1.5 * Self::INTEGERS;
        const INTEGERS: Self = (1u64 << $fraction) as $float;
        const MIN_NORMAL: Self = $float::MIN_POSITIVE;
        const LIFT: (Self, Self) = (4.0 * Self::INTEGERS, $fraction as $float + 2.0);

        #[cfg(any(test, target_arch = "x86_64", target_arch = "aarch64"))]
        #[inline(always)]
        #[allow(clippy::disallowed_methods, reason = "it is the instruction where the loop is compiled with it")]
        fn fused(self, b: Self, c: Self) -> Self {
            self.mul_add(b, c)
        }
        #[cfg(any(test, not(target_arch = "aarch64")))]
        #[inline(always)]
        fn emulated_fused(self, b: Self, c: Self) -> Self {
            arithmetic::$emulated(self, b, c)
        }
        #[inline(always)]
        fn root(self) -> Self {
            self.sqrt()
        }
        #[inline(always)]
        fn copysign(self, sign: Self) -> Self {
            $float::copysign(self, sign)
        }
        #[inline(always)]
        fn power_of_two(self) -> Self {
            $float::from_bits((self.to_bits() << $fraction).wrapping_add($bias << $fraction))
        }
        /// The exponent is read as an integer in the fraction of 2^`$fraction`, because older sets cannot convert it.
        #[inline(always)]
        fn split(self) -> (Self, Self) {
            let shifted = self.to_bits().wrapping_add(($bias << $fraction) - $root_half);
            let exponent = $float::from_bits((shifted >> $fraction) | Self::INTEGERS.to_bits());
            let fraction = (shifted & ((1 << $fraction) - 1)) + $root_half;
            (exponent - (Self::INTEGERS + $bias as $float), $float::from_bits(fraction))
        }
        #[inline(always)]
        fn erf<A: Arithmetic>(self) -> Self {
            $functions::erf::<A>(self)
        }
        #[inline(always)]
        fn erfc<A: Arithmetic>(self) -> Self {
            $functions::erfc::<A>(self)
        }
        #[inline(always)]
        fn normal_cdf<A: Arithmetic>(self) -> Self {
            $functions::normal_cdf::<A>(self)
        }
        #[inline(always)]
        fn sin<A: Arithmetic>(self) -> Self {
            $functions::sin::<A>(self)
        }
        #[inline(always)]
        fn cos<A: Arithmetic>(self) -> Self {
            $functions::cos::<A>(self)
        }
        #[inline(always)]
        fn is_huge_angle(self) -> bool {
            self.abs() > $functions::HUGE_ANGLE
        }
        #[inline(always)]
        fn atan2<A: Arithmetic>(self, x: Self) -> Self {
            $functions::atan2::<A>(self, x)
        }
        #[inline(always)]
        fn pow<A: Arithmetic>(self, exponent: Self) -> Self {
            $functions::pow::<A>(self, exponent)
        }
    };
}

impl Float for f32 {
    float_bits!(f32, u32, 23, 127, 0x3f35_04f3, single, emulated_fused_f32);

    const LN2_HIGH: Self = 0.693_145_75;
    const LN2_LOW: Self = 1.428_606_8e-6;
    const EXP_RANGE: (Self, Self) = (-106.0, 89.0);
    const EXPM1_LOW: Self = -20.0;
    const TINY: Self = 1.0 / (1u64 << 25) as f32;
    const NORMAL_DENSITY_AT_0: (Self, Self) = (0.398_942_3, -1.133_517e-8);

    #[inline(always)]
    fn exp_polynomial<A: Arithmetic>(r: Self) -> Self {
        polynomial::<A, _, _>(r, &coefficients::EXP_F32)
    }
    #[inline(always)]
    fn log_polynomial<A: Arithmetic>(z: Self) -> Self {
        polynomial::<A, _, _>(z, &coefficients::LOG_F32)
    }
}

impl Float for f64 {
    float_bits!(f64, u64, 52, 1023, 0x3fe6_a09e_667f_3bcc, double, emulated_fused_f64);

    const LN2_HIGH: Self = 6.931_471_803_691_238e-1;
    const LN2_LOW: Self = 1.908_214_929_270_587_7e-10;
    const EXP_RANGE: (Self, Self) = (-748.0, 710.0);
    const EXPM1_LOW: Self = -40.0;
    const TINY: Self = 1.0 / (1u64 << 54) as f64;
    const NORMAL_DENSITY_AT_0: (Self, Self) = (0.398_942_280_401_432_7, -2.492_327_202_277_73e-17);

    #[inline(always)]
    fn exp_polynomial<A: Arithmetic>(r: Self) -> Self {
        polynomial::<A, _, _>(r, &coefficients::EXP_F64)
    }
    #[inline(always)]
    fn log_polynomial<A: Arithmetic>(z: Self) -> Self {
        polynomial::<A, _, _>(z, &coefficients::LOG_F64)
    }
}
