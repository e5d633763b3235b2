//! Functions made of ln x, for both floats. In: one number. Out: ln x, ln(1 + x), ln(1 + eˣ), without branches other than
//! selections between two numbers.
//!
//! x = 2ᵏ·m with m = 1 + f in [√½, √2), and ln m = 2 atanh s = f − f²/2 + s·(f²/2 + s²·q(s²)) with s = f/(2 + f). The
//! arrangement of the sums is fdlibm's (`e_log.c`, Sun Microsystems, 1993).

use super::{
    arithmetic::{Arithmetic, two_sum},
    exponential::exp,
    float::Float,
};

/// ln x.
#[inline(always)]
pub(super) fn log<A: Arithmetic, T: Float>(x: T) -> T {
    let is_subnormal = x < T::MIN_NORMAL;
    let (lift, lifted_by) = T::LIFT;
    let normal = if is_subnormal { x * lift } else { x };
    let (exponent, m) = normal.split();
    let exponent = exponent - if is_subnormal { lifted_by } else { T::ZERO };
    with_limits(x, sum::<A, T>(exponent, m - T::ONE, T::ZERO))
}

/// ln(1 + x).
#[inline(always)]
pub(super) fn log1p<A: Arithmetic, T: Float>(x: T) -> T {
    let result = with_limits(T::ONE + x, of_sum_with_one::<A, T>(x));
    if x.abs() < T::TINY { x } else { result }
}

/// ln(1 + eˣ) = max(x, 0) + ln(1 + e^(−|x|)).
#[inline(always)]
pub(super) fn softplus<A: Arithmetic, T: Float>(x: T) -> T {
    let e = exp::<A, T>(-x.abs());
    let positive = if x > T::ZERO { x } else { T::ZERO };
    positive + of_sum_with_one::<A, T>(e)
}

/// ln(1 + x) of a finite x > −1: the logarithm of the rounded sum, and to first order what the rounding lost.
#[inline(always)]
fn of_sum_with_one<A: Arithmetic, T: Float>(x: T) -> T {
    let (one_and_x, lost) = two_sum(T::ONE, x);
    let (exponent, m) = one_and_x.split();
    // Beyond the precision nothing is lost, so that the power of two need not follow the exponent further.
    let bounded = if exponent > T::LIFT.1 { T::LIFT.1 } else { exponent };
    let lost = lost * (T::ROUNDER - bounded).power_of_two();
    // lost/m, by three terms of the series of 1/(1 + f).
    let f = m - T::ONE;
    sum::<A, T>(exponent, f, lost * A::fma(f, f - T::ONE, T::ONE))
}

/// k·ln 2 + ln(1 + f) + correction.
#[inline(always)]
fn sum<A: Arithmetic, T: Float>(k: T, f: T, correction: T) -> T {
    let s = f / (T::TWO + f);
    let z = s * s;
    let half_square = T::HALF * f * f;
    let tail = A::fma(s, A::fma(z, T::log_polynomial::<A>(z), half_square), A::fma(k, T::LN2_LOW, correction));
    A::fma(k, T::LN2_HIGH, -((half_square - tail) - f))
}

/// The logarithm where it is finite, else its limit: −∞ at 0, NaN below, ∞ and NaN as they are.
#[inline(always)]
fn with_limits<T: Float>(x: T, logarithm: T) -> T {
    let limit = if x == T::ZERO { -T::INFINITY } else { x };
    let limit = if x < T::ZERO { T::NAN } else { limit };
    if x > T::ZERO && x < T::INFINITY { logarithm } else { limit }
}
