//! The functions of f32 that are computed in f64 and rounded once: erf, erfc, the normal distribution, sine, cosine, atan2 and pow. In: one or two
//! f32. Out: an f32. In f64 the polynomials are short, no sum needs to be carried in two parts, and subnormals of f32 are
//! ordinary numbers; what that costs is the narrower vectors, which is less than the care that f32 would need.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, LOG2_E, PI};

use super::{
    arithmetic::{Arithmetic, polynomial},
    coefficients,
    float::Float,
    power::with_limits,
};

/// Up to here the multiples of π/2 have 26 bits, so that their products with 26 bits of π/2 are exact.
pub(super) const HUGE_ANGLE: f32 = 105_414_357.0;

/// π/2 in three parts, the first two of 26 bits.
const HALF_PI: [f64; 3] = [1.570_796_310_901_641_8, 1.589_325_471_229_585_7e-8, 6.123_233_995_736_766e-17];

/// An odd polynomial, which has reached 1 in f32 before it ends at 4.
#[inline(always)]
pub(super) fn erf<A: Arithmetic>(x: f32) -> f32 {
    let x = f64::from(x);
    let x = if x > 4.0 { 4.0 } else { x };
    let x = if x < -4.0 { -4.0 } else { x };
    let centred = A::fma(x * x, 0.125, -1.0);
    (x * polynomial::<A, _, _>(centred, &coefficients::ERF_MIDDLE)) as f32
}

/// The tail of the magnitude, and 2 less that for negative x.
#[inline(always)]
pub(super) fn erfc<A: Arithmetic>(x: f32) -> f32 {
    let magnitude = f64::from(x).abs();
    let bounded = if magnitude > 10.5 { 10.5 } else { magnitude };
    let tail = tail::<A>(bounded, -(bounded * bounded), 3.5, &coefficients::ERFC_MIDDLE);
    (if x < 0.0 { 2.0 - tail } else { tail }) as f32
}

/// The tail of the magnitude, and 1 less that for positive x.
#[inline(always)]
pub(super) fn normal_cdf<A: Arithmetic>(x: f32) -> f32 {
    let magnitude = f64::from(x).abs();
    let bounded = if magnitude > 15.0 { 15.0 } else { magnitude };
    let tail = tail::<A>(bounded, -0.5 * (bounded * bounded), 5.0, &coefficients::NORMAL_MIDDLE);
    (if x > 0.0 { 1.0 - tail } else { tail }) as f32
}

/// eᵖ·q(t)/(1 + 2x), t = (x − centre)/(x + centre), after Shepherd and Laframboise, "Chebyshev approximation of
/// (1 + 2x)exp(x²)erfc x", Math. Comp. 36, 1981.
#[inline(always)]
fn tail<A: Arithmetic>(x: f64, power: f64, centre: f64, q: &[f64; 12]) -> f64 {
    let power = power * LOG2_E;
    let rounded = power + f64::ROUNDER;
    let r = (power - (rounded - f64::ROUNDER)) * std::f64::consts::LN_2;
    let exponential = 1.0 + A::fma(r * r, polynomial::<A, _, _>(r, &coefficients::EXP_MIDDLE), r);
    let scaled = polynomial::<A, _, _>((x - centre) / (x + centre), q) / A::fma(2.0, x, 1.0);
    exponential * rounded.power_of_two() * scaled
}

/// sin x for |x| ≤ [`HUGE_ANGLE`].
#[inline(always)]
pub(super) fn sin<A: Arithmetic>(x: f32) -> f32 {
    let (quadrant, r) = reduce::<A>(f64::from(x));
    let result = of_quadrant::<A>(quadrant, r) as f32;
    // The polynomial would lose the sign of −0.
    if x.abs() < f32::TINY { x } else { result }
}

/// cos x for |x| ≤ [`HUGE_ANGLE`].
#[inline(always)]
pub(super) fn cos<A: Arithmetic>(x: f32) -> f32 {
    let (quadrant, r) = reduce::<A>(f64::from(x));
    of_quadrant::<A>(quadrant.wrapping_add(1), r) as f32
}

/// (n, r) with x = n·π/2 + r and |r| ≤ π/4; of n the two lowest bits count.
#[inline(always)]
fn reduce<A: Arithmetic>(x: f64) -> (u64, f64) {
    let rounded = A::fma(x, FRAC_2_PI, f64::ROUNDER);
    let n = rounded - f64::ROUNDER;
    let r = A::fma(-n, HALF_PI[2], A::fma(-n, HALF_PI[1], A::fma(-n, HALF_PI[0], x)));
    (rounded.to_bits(), r)
}

/// sin(n·π/2 + r).
#[inline(always)]
fn of_quadrant<A: Arithmetic>(n: u64, r: f64) -> f64 {
    let z = r * r;
    let sine = A::fma(r * z, polynomial::<A, _, _>(z, &coefficients::SIN_MIDDLE), r);
    let cosine = A::fma(z, A::fma(z, polynomial::<A, _, _>(z, &coefficients::COS_MIDDLE), -0.5), 1.0);
    let value = if n & 1 == 0 { sine } else { cosine };
    f64::from_bits(value.to_bits() ^ ((n & 2) << 62))
}

/// The angle of the point (x, y).
#[inline(always)]
pub(super) fn atan2<A: Arithmetic>(y: f32, x: f32) -> f32 {
    let (wide_y, wide_x) = (f64::from(y), f64::from(x));
    let (ay, ax) = (wide_y.abs(), wide_x.abs());
    let is_steep = ay > ax;
    let quotient = if is_steep { ax / ay } else { ay / ax };
    let quotient = if ay == ax { if ay == 0.0 { 0.0 } else { 1.0 } } else { quotient };
    let z = quotient * quotient;
    let angle = A::fma(quotient * z, polynomial::<A, _, _>(z, &coefficients::ATAN_MIDDLE), quotient);
    let angle = if is_steep { FRAC_PI_2 - angle } else { angle };
    let angle = if x.is_sign_negative() { PI - angle } else { angle };
    if x.is_nan() | y.is_nan() { f32::NAN } else { angle.copysign(wide_y) as f32 }
}

/// xʸ = 2^(y·log₂ x).
#[inline(always)]
pub(super) fn pow<A: Arithmetic>(x: f32, y: f32) -> f32 {
    let (wide_x, wide_y) = (f64::from(x), f64::from(y));
    let (exponent, m) = wide_x.abs().split();
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let log = A::fma(s * z, f64::log_polynomial::<A>(z), 2.0 * s);
    // An infinite y must not meet the logarithm 0 of 1.
    let bounded = if wide_y > 1e30 { 1e30 } else { wide_y };
    let bounded = if bounded < -1e30 { -1e30 } else { bounded };
    let power = bounded * A::fma(log, LOG2_E, exponent);
    let power = if power > 200.0 { 200.0 } else { power };
    let power = if power < -200.0 { -200.0 } else { power };
    let rounded = power + f64::ROUNDER;
    let r = (power - (rounded - f64::ROUNDER)) * std::f64::consts::LN_2;
    let exponential = 1.0 + A::fma(r * r, polynomial::<A, _, _>(r, &coefficients::EXP_MIDDLE), r);
    with_limits(x, y, (exponential * rounded.power_of_two()) as f32)
}
