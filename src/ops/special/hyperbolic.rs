//! The inverse hyperbolic functions. In: an f64. Out: an f64.
//!
//! Each is `log1p` of a number that is carried in two parts, so that what remains is the error of that function and of one
//! addition.

use super::two_parts::{product, quotient, root, two_sum};

/// Beyond it 1 is nothing beside x².
const GREAT: f64 = 134_217_728.0;

/// ln(1 + |x| + x²/(1 + √(1 + x²))).
pub(super) fn asinh(x: f64) -> f64 {
    let magnitude = x.abs();
    let value = if magnitude > GREAT {
        libm::log(magnitude) + std::f64::consts::LN_2
    } else {
        let (square, square_low) = product(magnitude, magnitude);
        let (sum, sum_low) = two_sum(1.0, square);
        let (root, root_low) = root(sum, sum_low + square_low);
        let (divisor, divisor_low) = two_sum(1.0, root);
        let (ratio, ratio_low) = quotient((square, square_low), (divisor, divisor_low + root_low));
        let (argument, low) = two_sum(magnitude, ratio);
        log_1p(argument, low + ratio_low)
    };
    value.copysign(x)
}

/// ln(1 + t + √(t(t + 2))) with t = x − 1; NaN below 1.
pub(super) fn acosh(x: f64) -> f64 {
    if x.is_nan() || x < 1.0 {
        return f64::NAN;
    }
    if x > GREAT {
        return libm::log(x) + std::f64::consts::LN_2;
    }
    let (t, t_low) = two_sum(x, -1.0);
    let (square, square_low) = product(t, t);
    let (sum, sum_low) = two_sum(2.0 * t, square);
    let (root, root_low) = root(sum, sum_low + square_low + 2.0 * t_low * x);
    let (argument, low) = two_sum(root, t);
    log_1p(argument, low + (root_low + t_low))
}

/// ln(1 + 2x/(1 − x))/2 of |x|; NaN beyond 1, infinite there.
pub(super) fn atanh(x: f64) -> f64 {
    let magnitude = x.abs();
    let value = if magnitude == 1.0 {
        f64::INFINITY
    } else {
        let divisor = two_sum(1.0, -magnitude);
        let (ratio, low) = quotient((2.0 * magnitude, 0.0), divisor);
        0.5 * log_1p(ratio, low)
    };
    value.copysign(x)
}

/// ln(1 + x + low), to first order in low.
fn log_1p(x: f64, low: f64) -> f64 {
    libm::log1p(x) + low / (1.0 + x)
}
