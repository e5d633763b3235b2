//! Multiply-add in one rounding, on every instruction set: what is computed has the same bits everywhere. In: an instruction set,
//! as a type. Out: a·b + c. Which set runs is not decided here.

use super::float::Float;

/// The arithmetic of an instruction set.
pub(in crate::runtime) trait Arithmetic: Copy + Default + 'static {
    /// a·b + c, rounded once.
    fn fma<T: Float>(a: T, b: T, c: T) -> T;
}

/// Multiply-add by an instruction that the caller knows the machine to have.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy, Default)]
pub(in crate::runtime) struct Fused;

/// Multiply-add by additions and multiplications, with the bits of the instruction. It is a call, so that the kernels of a set which
/// is slow anyway do not take most of the time in which the library is compiled.
#[cfg(any(test, not(target_arch = "aarch64")))]
#[derive(Clone, Copy, Default)]
pub(in crate::runtime) struct Emulated;

/// The arithmetic that every machine of the target has.
#[cfg(not(target_arch = "aarch64"))]
pub(in crate::runtime) type Baseline = Emulated;

/// The arithmetic that every machine of the target has.
#[cfg(target_arch = "aarch64")]
pub(in crate::runtime) type Baseline = Fused;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Arithmetic for Fused {
    #[inline(always)]
    fn fma<T: Float>(a: T, b: T, c: T) -> T {
        a.fused(b, c)
    }
}

#[cfg(any(test, not(target_arch = "aarch64")))]
impl Arithmetic for Emulated {
    #[inline(always)]
    fn fma<T: Float>(a: T, b: T, c: T) -> T {
        a.emulated_fused(b, c)
    }
}

/// a·b − product, exactly, where `product` is a·b rounded and nothing overflows or underflows.
#[inline(always)]
pub(super) fn product_error<A: Arithmetic, T: Float>(a: T, b: T, product: T) -> T {
    A::fma(a, b, -product)
}

/// a·b + c of f32, rounded once: the product is exact in f64, and a sum there that is rounded to odd loses nothing that the
/// rounding to f32 needs (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to
/// odd", 2008).
#[cfg(any(test, not(target_arch = "aarch64")))]
#[inline(never)]
pub(super) fn emulated_fused_f32(a: f32, b: f32, c: f32) -> f32 {
    let (sum, lost) = two_sum(f64::from(a) * f64::from(b), f64::from(c));
    rounded_to_odd(sum, lost) as f32
}

/// a·b + c of f64, rounded once: the sum of three numbers of which the least two are added with rounding to odd, as above; by the
/// crate `libm` where a part of the product might overflow or underflow.
#[cfg(any(test, not(target_arch = "aarch64")))]
#[inline(never)]
pub(super) fn emulated_fused_f64(a: f64, b: f64, c: f64) -> f64 {
    let product = a * b;
    let is_within = |x: f64, least: f64, most: f64| (x.abs() > least) & (x.abs() < most);
    let is_safe = is_within(a, 0.0, MAX_SPLIT)
        & is_within(b, 0.0, MAX_SPLIT)
        & is_within(product, MIN_PRODUCT, MAX_SUMMAND)
        & (c.abs() < MAX_SUMMAND);
    if !is_safe {
        return if a == 0.0 || b == 0.0 { product + c } else { libm::fma(a, b, c) };
    }
    let ((a_high, a_low), (b_high, b_low)) = (halves(a), halves(b));
    // Dekker, "A floating-point technique for extending the available precision" (1971).
    let product_low = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
    let (low, lowest) = two_sum(c, product_low);
    let (high, rest) = two_sum(product, low);
    let (small, lost) = two_sum(rest, lowest);
    high + rounded_to_odd(small, lost)
}

/// Below it a number can be split and its halves multiplied.
#[cfg(any(test, not(target_arch = "aarch64")))]
const MAX_SPLIT: f64 = f64::from_bits((1023 + 900) << 52);
/// Above it the parts of a product are normal numbers, and so is what is left if it cancels.
#[cfg(any(test, not(target_arch = "aarch64")))]
const MIN_PRODUCT: f64 = f64::from_bits((1023 - 800) << 52);
/// Below it two numbers can be added.
#[cfg(any(test, not(target_arch = "aarch64")))]
const MAX_SUMMAND: f64 = f64::from_bits((1023 + 1000) << 52);

/// The sum of a rounded sum and what it lost, rounded to the one of its two neighbours whose last bit is 1 where it is between two.
#[cfg(any(test, not(target_arch = "aarch64")))]
#[inline(always)]
fn rounded_to_odd(sum: f64, lost: f64) -> f64 {
    let bits = sum.to_bits();
    // Away from zero where both have one sign, else towards it; what is infinite or NaN lost NaN, which is neither above nor below.
    let is_outward = (lost > 0.0) == (sum > 0.0);
    let is_inexact = (lost > 0.0) | (lost < 0.0);
    let neighbour = if is_outward { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
    f64::from_bits(if is_inexact & (bits & 1 == 0) { neighbour } else { bits })
}

/// x as a sum of two numbers of half its bits.
#[cfg(any(test, not(target_arch = "aarch64")))]
#[inline(always)]
fn halves(x: f64) -> (f64, f64) {
    let scaled = x * 134_217_729.0;
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
