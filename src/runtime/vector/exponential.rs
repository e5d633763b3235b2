//! Functions made of eˣ, for both floats. In: one number. Out: eˣ, eˣ − 1, tanh, sech², the logistic function, the normal density. The only
//! branches are selections between two numbers, so that loops over these functions become vector code.
//!
//! x = n·ln 2 + r with |r| ≤ ½ ln 2 (Cody and Waite, "Software Manual for the Elementary Functions", 1980), a polynomial
//! for eʳ, and a scaling by 2ⁿ. The constants of the reduction are such that it is exact without fused multiply-add.

use super::{
    arithmetic::{Arithmetic, fast_two_sum, product_error},
    float::Float,
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
    if x.abs() < T::TINY { x } else { T::TWO * (half + half_low) }
}

/// tanh x.
#[inline(always)]
pub(super) fn tanh<A: Arithmetic, T: Float>(x: T) -> T {
    // Where −2|x| is below this bound, tanh x rounds to ±1; above it, 2ⁿ is a normal number.
    let decay = Decay::new::<A>(x, T::EXPM1_LOW);
    decay.fraction(decay.rounded.power_of_two()).tanh::<A>(x)
}

/// 1/cosh²x.
#[inline(always)]
pub(super) fn sech_squared<A: Arithmetic, T: Float>(x: T) -> T {
    let [_, slope] = tanh_and_sech_squared::<A, T>(x);
    slope
}

/// tanh x and 1/cosh²x from one e^(−2|x|), each with the bits that it has alone.
#[inline(always)]
pub(super) fn tanh_and_sech_squared<A: Arithmetic, T: Float>(x: T) -> [T; 2] {
    let decay = Decay::new::<A>(x, T::EXP_RANGE.0);
    // 4·2ⁿ times the power of two `lift`, so that it is normal, or 0 where 4e rounds to 0.
    let (lift, exponent) = T::LIFT;
    let lifted = (decay.rounded + (exponent + T::TWO)).power_of_two();
    let fraction = decay.fraction(lifted * (T::HALF * T::HALF / lift));
    [fraction.tanh::<A>(x), fraction.sech_squared::<A>(&decay, lifted)]
}

/// e^(−2|x|) = 2ⁿ·(exponential + lost): `lost` is the rounding error of `exponential`, and `rounded` is `ROUNDER` + n.
struct Decay<T> {
    rounded: T,
    exponential: T,
    lost: T,
}

impl<T: Float> Decay<T> {
    /// With −2|x| clamped to `least` from below.
    #[inline(always)]
    fn new<A: Arithmetic>(x: T, least: T) -> Decay<T> {
        let magnitude = x.abs();
        let exponent = -(magnitude + magnitude);
        let exponent = if exponent < least { least } else { exponent };
        let (rounded, r) = reduce::<A, T>(exponent);
        let (square, polynomial) = (r * r, T::exp_polynomial::<A>(r));
        let one_less = A::fma(square, polynomial, r);
        let (exponential, lost) = fast_two_sum(T::ONE, one_less);
        Decay { rounded, exponential, lost: lost + (square * polynomial - (one_less - r)) }
    }

    /// `power` is 2ⁿ.
    #[inline(always)]
    fn fraction(&self, power: T) -> Fraction<T> {
        let (e, low) = (self.exponential * power, self.lost * power);
        let (divisor, divisor_lost) = fast_two_sum(T::ONE, e);
        Fraction { e, low, divisor, divisor_lost: divisor_lost + low }
    }
}

/// e = e^(−2|x|) and the divisor 1 + e, each with its rounding error.
struct Fraction<T> {
    e: T,
    low: T,
    divisor: T,
    divisor_lost: T,
}

impl<T: Float> Fraction<T> {
    /// tanh x = (1 − e)/(1 + e) with the sign of x, corrected to first order by the rounding errors of both. For tiny x the
    /// difference 1 − e rounds to 0, and its error, 2|x|, is the whole result.
    #[inline(always)]
    fn tanh<A: Arithmetic>(&self, x: T) -> T {
        let numerator = T::ONE - self.e;
        let numerator_lost = ((T::ONE - numerator) - self.e) - self.low;
        let quotient = numerator / self.divisor;
        // 1/(1 + e) is (1 + tanh)/2.
        let reciprocal = A::fma(T::HALF, quotient, T::HALF);
        A::fma(numerator_lost - quotient * self.divisor_lost, reciprocal, quotient).copysign(x)
    }

    /// 1/cosh²x = 4s(1 − s) with s = e/(1 + e), corrected to first order by the rounding errors. `lifted` is 4·2ⁿ times a power
    /// of two so great that no step before the last has a subnormal number.
    #[inline(always)]
    fn sech_squared<A: Arithmetic>(&self, decay: &Decay<T>, lifted: T) -> T {
        let down = T::ONE / T::LIFT.0;
        let quotient = decay.exponential * lifted / self.divisor;
        let s = T::HALF * T::HALF * down * quotient;
        let complement = T::ONE - s;
        let correction = (decay.lost * lifted - quotient * self.divisor_lost) * complement;
        (A::fma(-s, quotient, quotient) + correction * (complement - s)) * down
    }
}

/// σ(x) = 1/(1 + e⁻ˣ). With e = e^(−|x|) it is 1/(1 + e) for positive x and e/(1 + e) for negative x, which neither overflow nor
/// cancel; both are corrected by the rounding errors of e and of 1 + e.
#[inline(always)]
pub(super) fn sigmoid<A: Arithmetic, T: Float>(x: T) -> T {
    let (rounded, one_less) = exp_parts::<A, T>(-x.abs());
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
    let (limit, magnitude) = (T::from_f64(40.0), x.abs());
    let bounded = if magnitude > limit { limit } else { magnitude };
    let square = bounded * bounded;
    let low = product_error::<A, _>(bounded, bounded, square);
    let power = -square * T::HALF;
    let power = if power < T::EXP_RANGE.0 { T::EXP_RANGE.0 } else { power };
    let (rounded, one_less) = exp_parts_of_sum::<A, T>(power, -low * T::HALF);
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

/// (`ROUNDER` + n, eʳ − 1) with eˣ = 2ⁿ·eʳ. x is clamped to the range beyond which 4eˣ is 0 or eˣ is ∞.
#[inline(always)]
pub(super) fn exp_parts<A: Arithmetic, T: Float>(x: T) -> (T, T) {
    let (low, high) = T::EXP_RANGE;
    let x = if x < low { low } else { x };
    let x = if x > high { high } else { x };
    let (rounded, r) = reduce::<A, T>(x);
    (rounded, A::fma(r * r, T::exp_polynomial::<A>(r), r))
}

/// (eˣ − 1)/2 as a sum of two numbers, from (2ⁿ − 1) + 2ⁿ·(eʳ − 1). Half of it, because 2ⁿ may overflow where eˣ does not.
#[inline(always)]
fn half_expm1<A: Arithmetic, T: Float>(x: T) -> (T, T) {
    let x = if x < T::EXPM1_LOW { T::EXPM1_LOW } else { x };
    let x = if x > T::EXP_RANGE.1 { T::EXP_RANGE.1 } else { x };
    let (rounded, r) = reduce::<A, T>(x);
    let half_power = (rounded - T::ONE).power_of_two();
    let (sum, lost) = fast_two_sum(half_power - T::HALF, half_power * r);
    (sum, A::fma(half_power, r * r * T::exp_polynomial::<A>(r), lost))
}

/// Argument reduction: (`ROUNDER` + n, r) with x = n·ln 2 + r and |r| ≤ ½ ln 2.
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
