//! How a product and a sum are rounded. In: an instruction set, as a type. Out: multiply-add in one rounding where the
//! set has the instruction, in two where it would be a call of the standard library. Which set runs is not decided here.

use super::float::Float;

/// The arithmetic of an instruction set.
pub(super) trait Arithmetic: Copy + Default + 'static {
    /// a·b + c.
    fn fma<T: Float>(a: T, b: T, c: T) -> T;

    /// a·b − product, exactly, where `product` is a·b rounded and nothing overflows or underflows.
    fn product_error<T: Float>(a: T, b: T, product: T) -> T;
}

/// Multiply-add with two roundings, of the product and of the sum.
#[cfg(not(target_arch = "aarch64"))]
#[derive(Clone, Copy, Default)]
pub(super) struct Separate;

/// Multiply-add with one rounding, by an instruction that the caller knows the machine to have.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy, Default)]
pub(super) struct Fused;

/// The arithmetic that every machine of the target has.
#[cfg(not(target_arch = "aarch64"))]
pub(super) type Baseline = Separate;

/// The arithmetic that every machine of the target has.
#[cfg(target_arch = "aarch64")]
pub(super) type Baseline = Fused;

#[cfg(not(target_arch = "aarch64"))]
impl Arithmetic for Separate {
    #[inline(always)]
    fn fma<T: Float>(a: T, b: T, c: T) -> T {
        a * b + c
    }

    /// Dekker, "A floating-point technique for extending the available precision" (1971).
    #[inline(always)]
    fn product_error<T: Float>(a: T, b: T, product: T) -> T {
        let (a_high, a_low) = halves(a);
        let (b_high, b_low) = halves(b);
        ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Arithmetic for Fused {
    #[inline(always)]
    fn fma<T: Float>(a: T, b: T, c: T) -> T {
        a.fused(b, c)
    }

    #[inline(always)]
    fn product_error<T: Float>(a: T, b: T, product: T) -> T {
        a.fused(b, -product)
    }
}

/// x as a sum of two numbers of half its bits.
#[cfg(not(target_arch = "aarch64"))]
#[inline(always)]
fn halves<T: Float>(x: T) -> (T, T) {
    let scaled = x * T::SPLITTER;
    let high = scaled - (scaled - x);
    (high, x - high)
}

/// c₀ + c₁x + c₂x² + …
#[inline(always)]
pub(super) fn polynomial<A: Arithmetic, T: Float, const N: usize>(x: T, coefficients: &[T; N]) -> T {
    let mut sum = coefficients[N - 1];
    for coefficient in coefficients[..N - 1].iter().rev() {
        sum = A::fma(sum, x, *coefficient);
    }
    sum
}

/// a + b rounded, and the rounding error.
#[inline(always)]
pub(super) fn two_sum<T: Float>(a: T, b: T) -> (T, T) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// The same where |a| ≥ |b| or a = 0.
#[inline(always)]
pub(super) fn fast_two_sum<T: Float>(a: T, b: T) -> (T, T) {
    let sum = a + b;
    (sum, b - (sum - a))
}
