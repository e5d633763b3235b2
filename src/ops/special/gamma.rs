//! The derivatives of the logarithm of the gamma function. In: an order n and an f64. Out: ψ⁽ⁿ⁾(x).
//!
//! ψ⁽ⁿ⁾(x) = (−1)ⁿ⁺¹·n!·ζ(n + 1, x) for n ≥ 1, with the zeta function of Hurwitz by the formula of Euler and Maclaurin: DLMF,
//! 5.15 and 25.11.28.

use super::two_parts::{MAX_FACTORIAL, factorial, product, quotient, two_sum};

/// B₂ⱼ/(2j)!.
const BERNOULLI: [f64; 12] = [
    1.0 / 12.0,
    -1.0 / 720.0,
    1.0 / 30_240.0,
    -1.0 / 1_209_600.0,
    1.0 / 47_900_160.0,
    -691.0 / 1_307_674_368_000.0,
    1.0 / 74_724_249_600.0,
    -3617.0 / 10_670_622_842_880_000.0,
    43_867.0 / 5_109_094_217_170_944_000.0,
    -174_611.0 / 802_857_662_698_291_200_000.0,
    77_683.0 / 14_101_100_039_391_805_440_000.0,
    -236_364_091.0 / 1_693_824_136_731_743_669_452_800_000.0,
];

/// A sum in two parts.
#[derive(Clone, Copy, Default)]
struct TwoPartSum {
    high: f64,
    low: f64,
}

impl TwoPartSum {
    fn add(&mut self, term: f64) {
        let (high, low) = two_sum(self.high, term);
        (self.high, self.low) = (high, self.low + low);
    }

    fn rounded(self) -> f64 {
        if self.high.is_finite() { self.high + self.low } else { self.high }
    }
}

/// ψ⁽ⁿ⁾(x) for the integer n that is not above `order`; NaN for negative ones and for those beyond [`MAX_FACTORIAL`]. At the
/// poles 0, −1, −2, … it is ∞ for odd n; for even n the sign of zero tells the side, and the others are NaN.
pub(super) fn polygamma(x: f64, order: f64) -> f64 {
    let n = order.floor();
    if !(0.0..=MAX_FACTORIAL).contains(&n) || x.is_nan() || x == f64::NEG_INFINITY {
        return f64::NAN;
    }
    let is_odd = n % 2.0 == 1.0;
    if x <= 0.0 && x == x.floor() {
        let of_even = if x == 0.0 { -f64::INFINITY.copysign(x) } else { f64::NAN };
        return if is_odd { f64::INFINITY } else { of_even };
    }
    if n == 0.0 {
        return digamma(x);
    }
    if x == f64::INFINITY {
        return if is_odd { 0.0 } else { -0.0 };
    }
    let (zeta, (factor, factor_low)) = (zeta(n + 1.0, x), factorial(n));
    let (value, lost) = product(zeta.high, factor);
    let low = lost + (zeta.high * factor_low + zeta.low * factor);
    let value = if low.is_finite() { value + low } else { value };
    if is_odd { value } else { -value }
}

/// ln x − 1/(2x) − Σ B₂ⱼ/(2j)·x^(−2j) from 10 on, reached by ψ(x) = ψ(x + 1) − 1/x, and ψ(1 − x) − π·cot(πx) below 0.
fn digamma(x: f64) -> f64 {
    if x < 0.0 {
        let angle = std::f64::consts::PI * (x - x.round());
        return digamma(1.0 - x) - std::f64::consts::PI / libm::tan(angle);
    }
    let mut sum = TwoPartSum::default();
    let mut count = 0.0;
    let (mut argument, mut lost) = (x, 0.0);
    while argument < 10.0 {
        let (term, low) = quotient((-1.0, 0.0), (argument, lost));
        sum.add(term);
        sum.low += low;
        count += 1.0;
        (argument, lost) = two_sum(x, count);
    }
    if argument == f64::INFINITY {
        return argument;
    }
    let square = 1.0 / argument / argument;
    let mut factorial = 1.0;
    let mut power = square;
    for (index, coefficient) in BERNOULLI.iter().enumerate() {
        sum.low -= coefficient * factorial * power;
        let even = 2.0 * (index as f64 + 1.0);
        factorial *= even * (even + 1.0);
        power *= square;
    }
    sum.add(libm::log(argument));
    sum.add(-0.5 / argument);
    sum.low += lost / argument;
    sum.rounded()
}

/// Σ (x + k)^(−s) over k ≥ 0. Below 0 the sum over all integers is that to both sides of the nearest one, whose distance is exact.
fn zeta(s: f64, x: f64) -> TwoPartSum {
    if x > 0.0 {
        return zeta_of_positive(s, x);
    }
    let distance = x - x.round();
    let (above, below) = if distance > 0.0 { (distance, 1.0 - distance) } else { (1.0 + distance, -distance) };
    let mut sum = zeta_of_positive(s, above);
    let sign = if s % 2.0 == 0.0 { 1.0 } else { -1.0 };
    for (sign, part) in [(sign, zeta_of_positive(s, below)), (-sign, zeta_of_positive(s, 1.0 - x))] {
        sum.add(sign * part.high);
        sum.low += sign * part.low;
    }
    sum
}

/// Terms until x is as great as their number and s ask, then the integral and its corrections.
fn zeta_of_positive(s: f64, x: f64) -> TwoPartSum {
    let mut sum = TwoPartSum::default();
    let mut count = 0.0;
    let (mut argument, mut lost) = (x, 0.0);
    while argument < 10.0 + 0.5 * s {
        let (term, low) = power(argument, s);
        sum.add(term);
        sum.low += low - s * term * lost / argument;
        if term < 1e-20 * sum.high {
            return sum;
        }
        count += 1.0;
        (argument, lost) = two_sum(x, count);
    }
    let (integral, low) = quotient(power(argument, s - 1.0), (s - 1.0, 0.0));
    let (term, term_low) = power(argument, s);
    sum.add(integral);
    sum.low += low - term * lost;
    sum.add(0.5 * term);
    sum.low += 0.5 * term_low;
    let mut factor = term * s / argument;
    for (index, coefficient) in BERNOULLI.iter().enumerate() {
        sum.low += coefficient * factor;
        let odd = s + 2.0 * index as f64 + 1.0;
        factor *= odd * (odd + 1.0) / argument / argument;
    }
    sum
}

/// x^(−n) in two parts, by squarings; where these would leave the range in which products lose nothing, in one.
fn power(x: f64, n: f64) -> (f64, f64) {
    const ORDINARY: std::ops::Range<f64> = 1e-250..1e250;
    let rough = libm::pow(x, -n);
    if !ORDINARY.contains(&rough) {
        return (rough, 0.0);
    }
    let times = |a: (f64, f64), b: (f64, f64)| {
        let (high, low) = product(a.0, b.0);
        two_sum(high, low + (a.0 * b.1 + a.1 * b.0))
    };
    let (mut rest, mut square, mut value) = (n as u32, (x, 0.0), (1.0, 0.0));
    loop {
        if rest & 1 == 1 {
            value = times(value, square);
        }
        rest >>= 1;
        if rest == 0 {
            return quotient((1.0, 0.0), value);
        }
        square = times(square, square);
    }
}
