//! Functions made of eˣ, for both floats. In: one number. Out: eˣ, eˣ − 1, tanh, sech², the logistic function, the normal density. The only
//! branches are selections between two numbers, so that loops over these functions become vector code.
//!
//! x = n·ln 2 + r with |r| ≤ ½ ln 2 (Cody and Waite, "Software Manual for the Elementary Functions", 1980), a polynomial
//! for eʳ, and a scaling by 2ⁿ. The constants of the reduction are such that it is exact without fused multiply-add.

use super::{
    arithmetic::{Arithmetic, fast_two_sum},
    number::Float,
};

/// eˣ.
#[inline(always)]
pub(super) fn exp<A: Arithmetic, T: Float>(x: T) -> T {
    let (rounded, one_less) = exp_parts::<A, T>(x);
    scale(T::ONE + one_less, rounded)
}

/// eˣ − 1.
#[inline(always)]
pub(super) fn expm1<A: Arithmetic, T: Float>(x: T) -> T {
    let (half, half_low) = half_expm1::<A, T>(x);
    if x.magnitude() < T::TINY { x } else { T::TWO * (half + half_low) }
}

/// tanh x, from t = e^(2|x|) − 1: t/(t + 2) near 0, with what the roundings of t and t + 2 lost, else 1 − 2/(t + 2).
#[inline(always)]
pub(super) fn tanh<A: Arithmetic, T: Float>(x: T) -> T {
    let magnitude = x.magnitude();
    let (half, half_low) = half_expm1::<A, T>(magnitude + magnitude);
    let (half, half_low) = fast_two_sum(half, half_low);
    let half_divisor = half + T::ONE;
    let divisor_lost = (half - (half_divisor - T::ONE)) + half_low;

    let is_small = half < T::ONE;
    let quotient = (if is_small { half } else { T::ONE }) / half_divisor;
    // 1/(t/2 + 1) is 1 − t/(t + 2).
    let correction = (half_low - quotient * divisor_lost) * (T::ONE - quotient);
    let result = if is_small { quotient + correction } else { T::ONE - quotient };
    if magnitude < T::TINY { x } else { result.copysign(x) }
}

/// 1/cosh²x = 4s(1 − s) with s = e/(1 + e) and e = e^(−2|x|), and what the roundings of e and 1 + e lost to first order.
/// 4e is scaled at once, so that one rounding alone is at the place of subnormal numbers.
#[inline(always)]
pub(super) fn sech_squared<A: Arithmetic, T: Float>(x: T) -> T {
    let magnitude = x.magnitude();
    let (rounded, one_less) = exp_parts::<A, T>(-(magnitude + magnitude));
    let rounded = rounded + T::TWO;
    let (exponential, lost) = fast_two_sum(T::ONE, one_less);
    let (quadruple, quadruple_low) = (scale(exponential, rounded), scale(lost, rounded));
    let quarter = T::HALF * T::HALF;
    let (divisor, divisor_lost) = fast_two_sum(T::ONE, quadruple * quarter);

    let quotient = quadruple / divisor;
    let complement = T::ONE - quotient * quarter;
    let correction = (quadruple_low - quotient * (divisor_lost + quadruple_low * quarter)) * complement;
    A::fma(quotient, complement, correction * (complement - quotient * quarter))
}

/// 1/(1 + e⁻ˣ), as e^(−|x|) over its sum with 1 for negative x, with what the roundings of both lost: neither form
/// overflows or cancels.
#[inline(always)]
pub(super) fn sigmoid<A: Arithmetic, T: Float>(x: T) -> T {
    let (rounded, one_less) = exp_parts::<A, T>(-x.magnitude());
    let (exponential, lost) = fast_two_sum(T::ONE, one_less);
    let (e, e_low) = (scale(exponential, rounded), scale(lost, rounded));
    let (divisor, divisor_lost) = fast_two_sum(T::ONE, e);

    let is_negative = x < T::ZERO;
    let quotient = (if is_negative { e } else { T::ONE }) / divisor;
    let reciprocal = if is_negative { T::ONE - quotient } else { quotient };
    let numerator_lost = if is_negative { e_low } else { T::ZERO };
    quotient + (numerator_lost - quotient * (divisor_lost + e_low)) * reciprocal
}

/// e^(−x²/2)/√(2π), with x² and 1/√(2π) in two parts. Beyond 40 it is 0 in both floats.
#[inline(always)]
pub(super) fn normal_pdf<A: Arithmetic, T: Float>(x: T) -> T {
    let (limit, magnitude) = (T::from_integer(40), x.magnitude());
    let bounded = if magnitude > limit { limit } else { magnitude };
    let square = bounded * bounded;
    let low = A::product_error(bounded, bounded, square);
    let power = square.negated() * T::HALF;
    let power = if power < T::EXP_RANGE.0 { T::EXP_RANGE.0 } else { power };
    let (rounded, one_less) = exp_parts_of_sum::<A, T>(power, low.negated() * T::HALF);
    let (density, density_low) = T::NORMAL_DENSITY_AT_0;
    scale(density + A::fma(density, one_less, density_low), rounded)
}

/// (`ROUNDER` + n, eʳ − 1) with e^(x + low) = 2ⁿ·eʳ, for an x within the range of [`exp_parts`] and a low that is small
/// against it.
#[inline(always)]
pub(super) fn exp_parts_of_sum<A: Arithmetic, T: Float>(x: T, low: T) -> (T, T) {
    let (rounded, r) = reduce::<A, T>(x);
    let r = r + low;
    (rounded, A::fma(r * r, T::exp_polynomial::<A>(r), r))
}

/// (`ROUNDER` + n, eʳ − 1) with eˣ = 2ⁿ·eʳ, or of the nearest x for which 4eˣ is 0 or eˣ is ∞.
#[inline(always)]
pub(super) fn exp_parts<A: Arithmetic, T: Float>(x: T) -> (T, T) {
    let (low, high) = T::EXP_RANGE;
    let x = if x < low { low } else { x };
    let x = if x > high { high } else { x };
    let (rounded, r) = reduce::<A, T>(x);
    (rounded, A::fma(r * r, T::exp_polynomial::<A>(r), r))
}

/// (eˣ − 1)/2 in two parts, from (2ⁿ − 1) + 2ⁿ·(eʳ − 1). It is half because 2ⁿ may be beyond the greatest number where
/// eˣ is not.
#[inline(always)]
fn half_expm1<A: Arithmetic, T: Float>(x: T) -> (T, T) {
    let x = if x < T::EXPM1_LOW { T::EXPM1_LOW } else { x };
    let x = if x > T::EXP_RANGE.1 { T::EXP_RANGE.1 } else { x };
    let (rounded, r) = reduce::<A, T>(x);
    let half_power = (rounded - T::ONE).power_of_two();
    let (sum, lost) = fast_two_sum(half_power - T::HALF, half_power * r);
    (sum, A::fma(half_power, r * r * T::exp_polynomial::<A>(r), lost))
}

/// (`ROUNDER` + n, r).
#[inline(always)]
fn reduce<A: Arithmetic, T: Float>(x: T) -> (T, T) {
    let rounded = A::fma(x, T::LOG2_E, T::ROUNDER);
    let n = rounded - T::ROUNDER;
    (rounded, A::fma(-n, T::LN2_LOW, A::fma(-n, T::LN2_HIGH, x)))
}

/// x·2ⁿ in two steps, of which only the last rounds: 2ⁿ itself may be subnormal or beyond the greatest number.
#[inline(always)]
pub(super) fn scale<T: Float>(x: T, rounded: T) -> T {
    let n = rounded - T::ROUNDER;
    let half_rounded = n * T::HALF + T::ROUNDER;
    let rest = n - (half_rounded - T::ROUNDER);
    x * half_rounded.power_of_two() * (rest + T::ROUNDER).power_of_two()
}
