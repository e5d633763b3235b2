//! Numbers that are carried as a sum of two f64, of which the second is small. In: f64. Out: what an operation gives, and
//! what its rounding lost.

pub(super) use super::super::real::two_sum;

/// The greatest number whose factorial is finite.
pub(super) const MAX_FACTORIAL: f64 = 170.0;

/// a·b rounded, and what the rounding lost.
pub(super) fn product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, libm::fma(a, b, -product))
}

/// a + b in two parts, of numbers in two parts.
pub(super) fn sum(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let (high, low) = two_sum(a.0, b.0);
    two_sum(high, low + (a.1 + b.1))
}

/// √(x + low) in two parts.
pub(super) fn root(x: f64, low: f64) -> (f64, f64) {
    let root = x.sqrt();
    if root == 0.0 {
        return (root, 0.0);
    }
    (root, (libm::fma(-root, root, x) + low) / (2.0 * root))
}

/// a/b in two parts, of numbers in two parts.
pub(super) fn quotient(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let quotient = a.0 / b.0;
    (quotient, (libm::fma(-quotient, b.0, a.0) + (a.1 - quotient * b.1)) / b.0)
}

/// n! in two parts.
pub(super) fn factorial(n: f64) -> (f64, f64) {
    let (mut high, mut low) = (1.0, 0.0);
    let mut factor = 2.0;
    while factor <= n {
        let (next, lost) = product(high, factor);
        (high, low) = two_sum(next, low * factor + lost);
        factor += 1.0;
    }
    (high, low)
}
