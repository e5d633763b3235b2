//! The functions of f64 whose algorithms differ from those of f32: erf, erfc, the normal distribution, sine, cosine, atan2 and pow. In: one or two
//! f64. Out: an f64. Selections between two numbers are the only branches.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, PI};

use super::{
    arithmetic::{Arithmetic, fast_two_sum, polynomial, product_error, two_sum},
    coefficients,
    exponential::{exp, exp_parts_of_sum, scale},
    float::Float,
    power::with_limits,
};

/// Up to here the multiples of π/2 have 20 bits, so that their products with 33 bits of π/2 are exact.
pub(super) const HUGE_ANGLE: f64 = 1_647_098.0;

/// π/2 in four parts, the first three of 33 bits, as in fdlibm.
const HALF_PI: [f64; 4] =
    [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_711_166_5e-21, 8.478_427_660_368_9e-32];

/// π/2 and π less their values in f64.
const HALF_PI_LOW: f64 = 6.123_233_995_736_766e-17;
const PI_LOW: f64 = 1.224_646_799_147_353_2e-16;

/// 1/3 less its value in f64.
const THIRD_LOW: f64 = 1.850_371_707_708_594e-17;

/// An odd polynomial up to 1, else 1 − e^(−q): there the complement is so small that its own error hardly counts.
#[inline(always)]
pub(super) fn erf<A: Arithmetic>(x: f64) -> f64 {
    let magnitude = x.abs();
    let bounded = if magnitude > 5.95 { 5.95 } else { magnitude };
    let exponent = polynomial::<A, _, _>(bounded - 1.0, &coefficients::ERFC_LOGARITHM);
    let great = (1.0 - exp::<A, f64>(-exponent)).copysign(x);
    let small = A::fma(x, polynomial::<A, _, _>(x * x, &coefficients::ERF_SMALL), x);
    if magnitude < 1.0 { small } else { great }
}

/// 1 − erf x up to ½, else the tail of the magnitude, and 2 less that for negative x.
#[inline(always)]
pub(super) fn erfc<A: Arithmetic>(x: f64) -> f64 {
    let magnitude = x.abs();
    let bounded = if magnitude > 27.5 { 27.5 } else { magnitude };
    let square = bounded * bounded;
    let square_low = product_error::<A, _>(bounded, bounded, square);
    let tail = tail::<A>(bounded, (-square, -square_low), 3.5, &coefficients::ERFC_SCALED);
    let great = if x < 0.0 { 2.0 - tail } else { tail };
    let small = 1.0 - A::fma(x, polynomial::<A, _, _>(x * x, &coefficients::ERF_SMALL), x);
    if magnitude < 0.5 { small } else { great }
}

/// ½ + x/√(2π) + x³·p(x²) up to 1, the first two terms exactly, else the tail of the magnitude, and 1 less that for positive
/// x. x itself is what the tail is a function of: x/√2 would be rounded.
#[inline(always)]
pub(super) fn normal_cdf<A: Arithmetic>(x: f64) -> f64 {
    let magnitude = x.abs();
    let bounded = if magnitude > 38.9 { 38.9 } else { magnitude };
    let square = bounded * bounded;
    let square_low = product_error::<A, _>(bounded, bounded, square);
    let tail = tail::<A>(bounded, (-0.5 * square, -0.5 * square_low), 5.0, &coefficients::NORMAL_SCALED);
    let great = if x > 0.0 { 1.0 - tail } else { tail };

    let (density, density_low) = f64::NORMAL_DENSITY_AT_0;
    let linear = x * density;
    let (sum, lost) = fast_two_sum(0.5, linear);
    let rest = A::fma(x * x, polynomial::<A, _, _>(x * x, &coefficients::NORMAL_SMALL), density_low);
    let small = sum + A::fma(x, rest, product_error::<A, _>(x, density, linear) + lost);
    if magnitude < 1.0 { small } else { great }
}

/// eᵖ·q(t)/(1 + 2x) with t = (x − centre)/(x + centre) and p in two parts, as in `single.rs`. q is so flat from ½ on that
/// the rounding of t does not count; the quotient is carried in two parts.
#[inline(always)]
fn tail<A: Arithmetic>(x: f64, power: (f64, f64), centre: f64, q: &[f64; 22]) -> f64 {
    let (rounded, one_less) = exp_parts_of_sum::<A, f64>(power.0, power.1);
    let numerator = polynomial::<A, _, _>((x - centre) / (x + centre), q);
    let (divisor, divisor_lost) = fast_two_sum(2.0 * x, 1.0);
    let quotient = numerator / divisor;
    let remainder = -product_error::<A, _>(quotient, divisor, numerator) - quotient * divisor_lost;
    let quotient_low = remainder / divisor;
    scale(quotient + A::fma(quotient, one_less, A::fma(quotient_low, one_less, quotient_low)), rounded)
}

/// sin x for |x| ≤ [`HUGE_ANGLE`].
#[inline(always)]
pub(super) fn sin<A: Arithmetic>(x: f64) -> f64 {
    let (quadrant, high, low) = reduce(x);
    let result = of_quadrant::<A>(quadrant, high, low);
    // The sums above would lose the sign of −0.
    if x.abs() < f64::TINY { x } else { result }
}

/// cos x for |x| ≤ [`HUGE_ANGLE`].
#[inline(always)]
pub(super) fn cos<A: Arithmetic>(x: f64) -> f64 {
    let (quadrant, high, low) = reduce(x);
    of_quadrant::<A>(quadrant.wrapping_add(1), high, low)
}

/// (n, high, low) with x = n·π/2 + high + low and |high| ≤ π/4; of n the two lowest bits count. The products with the
/// first three parts are exact and what the differences lose is kept, because x may be within 2⁻⁶⁰ of a multiple.
#[inline(always)]
fn reduce(x: f64) -> (u64, f64, f64) {
    let rounded = x * FRAC_2_PI + f64::ROUNDER;
    let n = rounded - f64::ROUNDER;
    let (second, second_lost) = two_sum(x - n * HALF_PI[0], -n * HALF_PI[1]);
    let (third, third_lost) = two_sum(second, -n * HALF_PI[2]);
    let (high, low) = fast_two_sum(third, (second_lost + third_lost) - n * HALF_PI[3]);
    (rounded.to_bits(), high, low)
}

/// sin(n·π/2 + high + low).
#[inline(always)]
fn of_quadrant<A: Arithmetic>(n: u64, high: f64, low: f64) -> f64 {
    let z = high * high;
    let cube_term = high * z * polynomial::<A, _, _>(z, &coefficients::SIN_F64);
    let sine = high + (cube_term + A::fma(-0.5 * z, low, low));

    let (parabola, lost) = fast_two_sum(1.0, -0.5 * z);
    let cosine = parabola + (lost + A::fma(z * z, polynomial::<A, _, _>(z, &coefficients::COS_F64), -(high * low)));

    let value = if n & 1 == 0 { sine } else { cosine };
    f64::from_bits(value.to_bits() ^ ((n & 2) << 62))
}

/// The angle of the point (x, y).
#[inline(always)]
pub(super) fn atan2<A: Arithmetic>(y: f64, x: f64) -> f64 {
    let (ay, ax) = (y.abs(), x.abs());
    let is_steep = ay > ax;
    let (least, greatest) = if is_steep { (ax, ay) } else { (ay, ax) };
    let quotient = least / greatest;
    let quotient = if ay == ax { if ay == 0.0 { 0.0 } else { 1.0 } } else { quotient };
    let z = quotient * quotient;
    let correction = quotient * z * polynomial::<A, _, _>(z, &coefficients::ATAN_F64);

    // The angle from the positive axis is a multiple of π/2, plus or minus atan of the quotient.
    let is_backward = x.is_sign_negative();
    let (start, start_low) = if is_backward { (PI, PI_LOW) } else { (0.0, 0.0) };
    let (start, start_low) = if is_steep { (FRAC_PI_2, HALF_PI_LOW) } else { (start, start_low) };
    let sign = if is_steep == is_backward { 1.0 } else { -1.0 };
    let (high, low) = fast_two_sum(start, sign * quotient);
    let angle = high + (low + A::fma(sign, correction, start_low));
    if x.is_nan() | y.is_nan() { f64::NAN } else { angle.copysign(y) }
}

/// xʸ = e^(y·ln x), the logarithm in two parts so that y may multiply its error by up to 745.
#[inline(always)]
pub(super) fn pow<A: Arithmetic>(x: f64, y: f64) -> f64 {
    let (log, log_low) = two_part_log::<A>(x.abs());
    // Beyond this bound every power but that of 1 is 0 or ∞, and the splitting of a product would overflow.
    let bounded = if y > 1e20 { 1e20 } else { y };
    let bounded = if bounded < -1e20 { -1e20 } else { bounded };
    let product = bounded * log;
    let product_low = A::fma(bounded, log_low, product_error::<A, _>(bounded, log, product));
    let is_within = product.abs() < 750.0;
    let product_low = if is_within { product_low } else { 0.0 };
    let product = if product > 750.0 { 750.0 } else { product };
    let product = if product < -750.0 { -750.0 } else { product };
    with_limits(x, y, exp_of_sum::<A>(product, product_low))
}

/// ln x of a positive finite x as a sum, with a relative error of 2⁻⁶⁴ or so. ln m = 2s(1 + z(1/3 + z·q(z))) with
/// s = (m − 1)/(m + 1) and z = s²; every term that is not small against the rest is kept in two parts.
#[inline(always)]
fn two_part_log<A: Arithmetic>(x: f64) -> (f64, f64) {
    let is_subnormal = x < f64::MIN_NORMAL;
    let normal = if is_subnormal { x * f64::LIFT.0 } else { x };
    let (exponent, m) = normal.split();
    let exponent = exponent - if is_subnormal { f64::LIFT.1 } else { 0.0 };

    let f = m - 1.0;
    let (divisor, divisor_low) = two_sum(m, 1.0);
    let reciprocal = 1.0 / divisor;
    let s = f * reciprocal;
    let product = s * divisor;
    let remainder = (f - product) - product_error::<A, _>(s, divisor, product) - s * divisor_low;
    let s_low = remainder * reciprocal;

    let z = s * s;
    let z_low = product_error::<A, _>(s, s, z) + 2.0 * s * s_low;
    let tail = z * polynomial::<A, _, _>(z, &coefficients::ATANH_TAIL);
    let (inner, inner_low) = fast_two_sum(1.0 / 3.0, tail);
    let inner_low = inner_low + THIRD_LOW;
    let outer = z * inner;
    let outer_low = product_error::<A, _>(z, inner, outer) + (z * inner_low + z_low * inner);
    let correction = s * outer;
    let correction_low = product_error::<A, _>(s, outer, correction) + (s * outer_low + s_low * outer);

    let (half_log, half_log_low) = fast_two_sum(s, correction);
    let half_log_low = half_log_low + (correction_low + s_low);
    let (sum, lost) = fast_two_sum(exponent * f64::LN2_HIGH, 2.0 * half_log);
    fast_two_sum(sum, lost + A::fma(exponent, f64::LN2_LOW, 2.0 * half_log_low))
}

/// e^(x + low) for |x| ≤ 750 and a low that is small against x.
#[inline(always)]
fn exp_of_sum<A: Arithmetic>(x: f64, low: f64) -> f64 {
    let (rounded, one_less) = exp_parts_of_sum::<A, f64>(x, low);
    scale(1.0 + one_less, rounded)
}
