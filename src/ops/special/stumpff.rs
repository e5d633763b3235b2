//! The functions of Stumpff, cₖ(s) = Σ (−s)ⁱ/(k + 2i)!: cos √s, sin √s/√s and what follows, for s of either sign. In: an f64 and
//! an order. Out: an f64.
//!
//! Stumpff, *Himmelsmechanik I*, 1959, section 41; Danby, *Fundamentals of Celestial Mechanics*, 2nd edition, 1988, section 6.9.

use super::two_parts::{MAX_FACTORIAL, factorial, product, quotient, root, sum, two_sum};

/// Up to this magnitude of s the terms of the series are less than 10¹³ times their sum, and two parts keep enough of it.
const MAX_OF_SERIES: f64 = 900.0;

/// cₖ(s) for the integer k that is not above `order`; NaN for negative ones and for those beyond [`MAX_FACTORIAL`].
pub(super) fn stumpff(s: f64, order: f64) -> f64 {
    let k = order.floor();
    if !(0.0..=MAX_FACTORIAL).contains(&k) || s.is_nan() {
        return f64::NAN;
    }
    if s.is_infinite() {
        let oscillating = if k == 0.0 { f64::NAN } else { 0.0 };
        return if s > 0.0 { oscillating } else { f64::INFINITY };
    }
    let is_near = s.abs() < MAX_OF_SERIES || s.abs() < (k + 1.0) * (k + 2.0);
    let (high, low) = if is_near { series(s, k) } else { recurrence(s, k) };
    if low.is_finite() { high + low } else { high }
}

/// The sum of the terms up to where they become less and no longer count.
fn series(s: f64, k: f64) -> (f64, f64) {
    let mut term = quotient((1.0, 0.0), factorial(k));
    let mut value = term;
    let mut index = k;
    loop {
        let divisor = (index + 1.0) * (index + 2.0);
        let (high, low) = product(term.0, -s);
        term = quotient((high, low - s * term.1), (divisor, 0.0));
        value = sum(value, term);
        index += 2.0;
        if divisor > s.abs() && term.0.abs() <= 1e-20 * value.0.abs() {
            return value;
        }
    }
}

/// cₖ₊₂ = (1/k! − cₖ)/s, from c₀ or c₁: far from 0 the two are far apart, but for c₂ = 2·sin²(√s/2)/s.
fn recurrence(s: f64, k: f64) -> (f64, f64) {
    let (r, r_low) = root(s.abs(), 0.0);
    let is_odd = k % 2.0 == 1.0;
    let (mut index, mut value) = match (s > 0.0, is_odd) {
        (true, true) => (1.0, quotient(sine(r, r_low), (r, r_low))),
        (true, false) if k == 0.0 => return (libm::cos(r) * libm::cos(r_low) - libm::sin(r) * libm::sin(r_low), 0.0),
        (true, false) => {
            let (sine, sine_low) = sine(0.5 * r, 0.5 * r_low);
            let (square, low) = product(sine, sine);
            (2.0, quotient((2.0 * square, 2.0 * (low + 2.0 * sine * sine_low)), (s, 0.0)))
        }
        // Here both are half of e^r.
        (false, true) => (1.0, quotient(growing(r, r_low), (r, r_low))),
        (false, false) => (0.0, growing(r, r_low)),
    };
    if value.0.is_infinite() {
        return (value.0, 0.0);
    }
    while index < k {
        let reciprocal = quotient((1.0, 0.0), factorial(index));
        value = quotient(sum(reciprocal, (-value.0, -value.1)), (s, 0.0));
        index += 2.0;
    }
    value
}

/// sin(x + low), for a low of any size.
fn sine(x: f64, low: f64) -> (f64, f64) {
    two_sum(libm::sin(x) * libm::cos(low), libm::cos(x) * libm::sin(low))
}

/// e^(x + low)/2, as cosh is of a great x. Where it overflows, so does what is made of it here.
fn growing(x: f64, low: f64) -> (f64, f64) {
    let value = libm::cosh(x);
    (value, value * low)
}
