//! The parts of log densities that cancel where they are written by definition: each is close to 0, or grows slowly, where the
//! terms that it is the sum of are large. In and out: floats of one shape, elementwise.
//!
//! A part is a sum of terms of one sign, so that no digits are lost in it, and has a derivative whose terms do not cancel either:
//! that of what is written, or one that is given beside it.
//!
//! Loader, *Fast and accurate computation of binomial probabilities*, 2000.

use crate::graph::Expr;

/// ln √(2π).
pub(super) const LN_SQRT_TWO_PI: f64 = 0.918_938_533_204_672_7;

/// B₂ⱼ/(2j(2j − 1)) for j from 1 on, of Stirling's series (DLMF 5.11.1).
const STIRLING: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 360.0,
    1.0 / 1260.0,
    -1.0 / 1680.0,
    1.0 / 1188.0,
    -691.0 / 360_360.0,
    1.0 / 156.0,
    -3617.0 / 122_400.0,
];

/// The same times 2^(1 − 2j) − 2, which is how ln Γ(a + ½) − ln Γ(a) differs from ½ ln a (DLMF 5.11.8).
const HALF_STEP: [f64; 8] = [
    -1.0 / 8.0,
    1.0 / 192.0,
    -1.0 / 640.0,
    17.0 / 14_336.0,
    -31.0 / 18_432.0,
    691.0 / 180_224.0,
    -5461.0 / 425_984.0,
    929_569.0 / 15_728_640.0,
];

/// From here on the first term that is left out of either series is less than 2·10⁻¹⁹. Its first and second derivatives are less than
/// 3·10⁻¹⁶ and 3·10⁻¹⁵ times those of the function.
const MIN_OF_SERIES: f64 = 12.0;

/// Below this magnitude of t the logarithm ln(1 + t) is a series; beyond it t − ln(1 + t) loses less than four bits.
const MAX_NEAR: f64 = 0.25;

/// ln Γ(a + 1) − a·ln a + a for a ≥ 0: what Stirling's formula has beside a·ln a − a, which is about ln √(2πa), and 0 at a = 0.
pub(super) fn stirling<'g>(a: Expr<'g>) -> Expr<'g> {
    let is_great = a.greater_equal(MIN_OF_SERIES);
    let great = is_great.select(a, MIN_OF_SERIES);
    let of_great = 0.5 * great.log() + LN_SQRT_TWO_PI + odd_series(great, &STIRLING);
    let small = is_great.select(1.0, a);
    let positive = small.equal(0.0).select(1.0, small);
    let of_small = (small + 1.0).lgamma() - small * positive.log() + small;
    is_great.select(of_great, of_small)
}

/// ln Γ(a + ½) − ln Γ(a) − ½ ln a for a > 0, which is negative and about −1/(8a).
///
/// With b = a + k the difference between its values at b and at b + 1 is ½ ln(b(b + 1)/(b + ½)²), and the second factor below is
/// 1 − 1/(2b + 1)². Twelve of these lead to where the series holds.
pub(super) fn half_step<'g>(a: Expr<'g>) -> Expr<'g> {
    let is_great = a.greater_equal(MIN_OF_SERIES);
    let small = is_great.select(1.0, a);
    let first = small * (small + 1.0) / (small + 0.5).square();
    let ratio = (1..MIN_OF_SERIES as u32).fold(first, |product, k| {
        let twice = 2.0 * small + f64::from(2 * k + 1);
        product * (1.0 - twice.powi(-2))
    });
    let great = is_great.select(a, small + MIN_OF_SERIES);
    odd_series(great, &HALF_STEP) + is_great.select(0.0, 0.5 * ratio.log())
}

/// a·ln(a/y) + y − a, the deviance of y from a count a ≥ 0, for y > 0; 0 where both are equal, and infinite with y.
///
/// The derivatives are ln(a/y) and (y − a)/y.
pub(super) fn deviance<'g>(a: Expr<'g>, y: Expr<'g>) -> Expr<'g> {
    let is_near = (y - a).abs().less_equal(MAX_NEAR * a);
    let (difference, divisor) = (is_near.select(y - a, 0.0), is_near.select(a, 1.0));
    let near = divisor * excess(difference / divisor);
    let far = a * log_ratio(a, y) + (y - a);
    let value = is_near.and(a.greater(0.0)).select(near, far);
    let g = a.graph();
    let frame = g.frame();
    g.with_derivative((a, y), value, |(a, y), _, (tangent_of_a, tangent_of_y)| {
        let _frame = g.reenter(frame);
        let slope = y.less(f64::INFINITY).select((y - a) / measurable(y), 1.0);
        log_ratio(a, y) * tangent_of_a + slope * tangent_of_y
    })
}

/// y, or 1 where it is 0 or infinite.
fn measurable<'g>(y: Expr<'g>) -> Expr<'g> {
    y.greater(0.0).and(y.less(f64::INFINITY)).select(y, 1.0)
}

/// ln(a/y), also where the quotient leaves the range of the dtype; some number for a = 0, which is then multiplied by 0, and for an infinite
/// y, beside which it is nothing.
fn log_ratio<'g>(a: Expr<'g>, y: Expr<'g>) -> Expr<'g> {
    const MAX_QUOTIENT: f64 = 1e15;
    let (a, y) = (measurable(a), measurable(y));
    let quotient = a / y;
    let is_plain = quotient.less(MAX_QUOTIENT).and(quotient.greater(1.0 / MAX_QUOTIENT));
    is_plain.select(is_plain.select(quotient, 1.0).log(), a.log() - y.log())
}

/// t − ln(1 + t) for t > −1, with the derivative t/(1 + t).
///
/// Near 0, with v = t/(2 + t), ln(1 + t) is 2·artanh v = 2(v + v³/3 + …) and t − 2v is t·v. There |v| ≤ 1/7, so that the first term
/// that is left out is less than 10⁻¹⁷ times t·v.
pub(super) fn excess<'g>(t: Expr<'g>) -> Expr<'g> {
    let is_near = t.abs().less_equal(MAX_NEAR);
    let near = is_near.select(t, 0.0);
    let v = near / (near + 2.0);
    let of_near = v * near - 2.0 * v.powi(3) * polynomial(v.square(), (1..=10).map(|j| 1.0 / f64::from(2 * j + 1)));
    let far = is_near.select(1.0, t);
    with_slope(t, is_near.select(of_near, far - far.log1p()), |t| t / (1.0 + t))
}

/// ln(1 + w²), without the square where it could overflow.
pub(super) fn log1p_square<'g>(w: Expr<'g>) -> Expr<'g> {
    let is_near = w.abs().less(0.5);
    let near = is_near.select(w, 0.0).square().log1p();
    is_near.select(near, 2.0 * is_near.select(1.0, w).hypot(1.0).log())
}

/// A value of one operand with its derivative as an expression of that operand.
pub(super) fn with_slope<'g>(x: Expr<'g>, value: Expr<'g>, slope: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
    let g = x.graph();
    let frame = g.frame();
    g.with_derivative(x, value, |x, _, tangent| {
        let _frame = g.reenter(frame);
        slope(x) * tangent
    })
}

/// Σ cⱼ·a^(1 − 2j) for j from 1 on.
fn odd_series<'g>(a: Expr<'g>, coefficients: &[f64]) -> Expr<'g> {
    let reciprocal = 1.0 / a;
    reciprocal * polynomial(reciprocal.square(), coefficients.iter().copied())
}

/// Σ cⱼ·xʲ for j from 0 on, by Horner's rule.
fn polynomial<'g>(x: Expr<'g>, coefficients: impl DoubleEndedIterator<Item = f64>) -> Expr<'g> {
    coefficients.rev().fold(x.zeros_like(), |sum, coefficient| sum * x + coefficient)
}
