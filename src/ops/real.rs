//! Numbers that kernels compute with. In: `f32`, `f64`, `i64`, and whatever else a check puts in place of `f64`. Out:
//! arithmetic with the library's conventions: integers wrap, NaN propagates through maximum and minimum.

use std::{
    f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI},
    fmt,
};

use ndarray::{Array2, ArrayView2, Axis};

use super::special::Special;

/// Numbers with arithmetic.
pub(crate) trait Number: Copy + Default + PartialOrd + fmt::Debug + 'static {
    /// What sums of many are kept in until they are done.
    type Total: Total<Self>;

    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    fn from_i64(integer: i64) -> Self;
    fn from_f64(number: f64) -> Self;
    /// Truncates and saturates; NaN gives 0.
    fn to_i64(self) -> i64;
    fn to_f64(self) -> f64;
    fn is_nan(self) -> bool;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// Of integers without the fraction, and −1 by 0.
    fn div(self, other: Self) -> Self;
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    fn sign(self) -> Self;
    fn maximum(self, other: Self) -> Self;
    fn minimum(self, other: Self) -> Self;
    /// self − n·other, with n the quotient without its fraction; it has the sign of `self`. Of integers by 0 it is `self`.
    fn remainder(self, other: Self) -> Self;

    /// The sum of all, rounded once.
    fn sum(numbers: impl Iterator<Item = Self>) -> Self {
        numbers.fold(Self::Total::ZERO, Total::add).rounded()
    }

    /// `a · b`, of matrices.
    fn matrix_product(a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>) -> Array2<Self> {
        Array2::from_shape_fn((a.nrows(), b.ncols()), |(row, column)| {
            Self::sum(a.row(row).into_iter().zip(b.column(column)).map(|(left, right)| left.mul(*right)))
        })
    }
}

/// A sum that still goes on, with more digits than its numbers have where these are floats: an element of a long sum is
/// not lost because the sum is large.
pub(crate) trait Total<T>: Copy {
    /// The sum of nothing.
    const ZERO: Self;

    /// The sum of one number; unlike 0 + x, it keeps the sign of zero.
    fn start(number: T) -> Self;
    fn add(self, number: T) -> Self;
    /// The nearest number.
    fn rounded(self) -> T;
    /// The sum in two parts, of which the second is small, as they are kept where there is no room for a total.
    fn split(self) -> (T, f64);
    fn joined(number: T, rest: f64) -> Self;
}

/// Sums of `f32` in `f64`: 2²⁹ terms before an error of half a unit in the last place.
impl Total<f32> for f64 {
    const ZERO: f64 = 0.0;

    #[inline(always)]
    fn start(number: f32) -> f64 {
        f64::from(number)
    }
    #[inline(always)]
    fn add(self, number: f32) -> f64 {
        self + f64::from(number)
    }
    #[inline(always)]
    fn rounded(self) -> f32 {
        self as f32
    }
    #[inline(always)]
    fn split(self) -> (f32, f64) {
        let number = self as f32;
        (number, if number.is_finite() { self - f64::from(number) } else { 0.0 })
    }
    #[inline(always)]
    fn joined(number: f32, rest: f64) -> f64 {
        if rest == 0.0 { f64::from(number) } else { f64::from(number) + rest }
    }
}

/// A sum of `f64` and what its additions rounded away, which is added at the end: Ogita, Rump and Oishi, *Accurate sum and
/// dot product* (2005), algorithm 4.4.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compensated {
    sum: f64,
    rest: f64,
}

impl Total<f64> for Compensated {
    const ZERO: Compensated = Compensated { sum: 0.0, rest: 0.0 };

    #[inline(always)]
    fn start(number: f64) -> Compensated {
        Compensated { sum: number, rest: 0.0 }
    }
    #[inline(always)]
    fn add(self, number: f64) -> Compensated {
        let (sum, rest) = two_sum(self.sum, number);
        Compensated { sum, rest: self.rest + rest }
    }
    /// Once the sum is infinite or NaN the rest means nothing, and a rest of 0 is not to change the sign of 0.
    #[inline(always)]
    fn rounded(self) -> f64 {
        if self.rest.is_finite() && self.rest != 0.0 { self.sum + self.rest } else { self.sum }
    }
    #[inline(always)]
    fn split(self) -> (f64, f64) {
        (self.sum, self.rest)
    }
    #[inline(always)]
    fn joined(number: f64, rest: f64) -> Compensated {
        Compensated { sum: number, rest }
    }
}

/// a + b rounded, and what was rounded away: Knuth, *The Art of Computer Programming*, volume 2, section 4.2.2.
#[inline(always)]
pub(super) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// Numbers that are their own total: integers, which round nothing, and what checks put in place of `f64`.
macro_rules! own_total {
    ([$($parameter:ident: $bound:path),*] $number:ty) => {
        impl<$($parameter: $bound),*> $crate::ops::Total<$number> for $number {
            const ZERO: Self = <$number as $crate::ops::Number>::ZERO;

            fn start(number: Self) -> Self {
                number
            }
            fn add(self, number: Self) -> Self {
                $crate::ops::Number::add(self, number)
            }
            fn rounded(self) -> Self {
                self
            }
            fn split(self) -> (Self, f64) {
                (self, 0.0)
            }
            fn joined(number: Self, _: f64) -> Self {
                number
            }
        }
    };
}
pub(crate) use own_total;

own_total!([] i64);

/// Numbers with the functions of analysis. Those of floats are of the crate `libm`, which gives the same bits on every machine, as
/// the standard library does not; an f32 is rounded once from the f64.
pub(crate) trait Real: Number {
    /// Whether a derivative is carried along, which an iteration has to go on for when the value is found.
    const HAS_TANGENT: bool;

    fn is_finite(self) -> bool;
    fn exp(self) -> Self;
    fn exp_m1(self) -> Self;
    fn ln(self) -> Self;
    fn ln_1p(self) -> Self;
    fn sqrt(self) -> Self;
    fn tanh(self) -> Self;
    fn sech_squared(self) -> Self;
    fn sigmoid(self) -> Self;
    fn softplus(self) -> Self;
    fn erf(self) -> Self;
    fn erfc(self) -> Self;
    fn normal_cdf(self) -> Self;
    fn normal_pdf(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn round(self) -> Self;
    fn pow(self, exponent: Self) -> Self;
    fn integer_power(self, exponent: i64) -> Self;
    fn atan2(self, other: Self) -> Self;
    /// A function that is computed in f64.
    fn call<const N: usize>(function: impl Special<N>, operands: [Self; N]) -> Self;
}

/// xⁿ by repeated squaring, from the least bit of n on; for a negative n the reciprocal of that.
#[inline(always)]
pub(crate) fn power_by_squaring<T: Number>(x: T, exponent: i64) -> T {
    let (mut power, mut square, mut bits) = (T::ONE, x, exponent.unsigned_abs());
    loop {
        if bits & 1 == 1 {
            power = power.mul(square);
        }
        bits >>= 1;
        if bits == 0 {
            return if exponent < 0 { T::ONE.div(power) } else { power };
        }
        square = square.mul(square);
    }
}

macro_rules! float {
    ($float:ident, $total:ty, $product:path) => {
        impl Number for $float {
            type Total = $total;

            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn from_i64(integer: i64) -> Self {
                integer as $float
            }
            #[inline(always)]
            fn from_f64(number: f64) -> Self {
                number as $float
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $float::is_nan(self)
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                self / other
            }
            #[inline(always)]
            fn neg(self) -> Self {
                -self
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $float::abs(self)
            }
            #[inline(always)]
            fn sign(self) -> Self {
                let nonzero = if self > 0.0 { 1.0 } else { self };
                if self < 0.0 { -1.0 } else { nonzero }
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                let greater = if self > other { self } else { other };
                if self.is_nan() { self } else { greater }
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                let lesser = if self < other { self } else { other };
                if self.is_nan() { self } else { lesser }
            }
            #[inline(always)]
            fn remainder(self, other: Self) -> Self {
                self % other
            }
            fn matrix_product(a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>) -> Array2<Self> {
                $product(a, b)
            }
        }

        impl Real for $float {
            const HAS_TANGENT: bool = false;

            fn is_finite(self) -> bool {
                $float::is_finite(self)
            }
            fn exp(self) -> Self {
                libm::exp(f64::from(self)) as $float
            }
            fn exp_m1(self) -> Self {
                libm::expm1(f64::from(self)) as $float
            }
            fn ln(self) -> Self {
                libm::log(f64::from(self)) as $float
            }
            fn ln_1p(self) -> Self {
                libm::log1p(f64::from(self)) as $float
            }
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }
            fn tanh(self) -> Self {
                libm::tanh(f64::from(self)) as $float
            }
            /// 4e/(1 + e)² with e = e^(−2|x|).
            fn sech_squared(self) -> Self {
                let e = Real::exp(-2.0 * $float::abs(self));
                let sum = 1.0 + e;
                4.0 * e / (sum * sum)
            }
            /// Neither branch overflows.
            fn sigmoid(self) -> Self {
                if self >= 0.0 {
                    1.0 / (1.0 + Real::exp(-self))
                } else {
                    let e = Real::exp(self);
                    e / (1.0 + e)
                }
            }
            /// max(x, 0) + ln(1 + e^−|x|).
            fn softplus(self) -> Self {
                Number::maximum(self, 0.0) + Real::ln_1p(Real::exp(-$float::abs(self)))
            }
            fn erf(self) -> Self {
                libm::erf(f64::from(self)) as $float
            }
            fn erfc(self) -> Self {
                libm::erfc(f64::from(self)) as $float
            }
            fn normal_cdf(self) -> Self {
                normal_cdf(f64::from(self)) as $float
            }
            fn normal_pdf(self) -> Self {
                normal_pdf(f64::from(self)) as $float
            }
            fn sin(self) -> Self {
                libm::sin(f64::from(self)) as $float
            }
            fn cos(self) -> Self {
                libm::cos(f64::from(self)) as $float
            }
            fn floor(self) -> Self {
                $float::floor(self)
            }
            fn ceil(self) -> Self {
                $float::ceil(self)
            }
            fn round(self) -> Self {
                $float::round_ties_even(self)
            }
            fn pow(self, exponent: Self) -> Self {
                libm::pow(f64::from(self), f64::from(exponent)) as $float
            }
            fn integer_power(self, exponent: i64) -> Self {
                if i32::try_from(exponent).is_ok() {
                    power_by_squaring(self, exponent)
                } else {
                    Real::pow(self, exponent as $float)
                }
            }
            fn atan2(self, other: Self) -> Self {
                libm::atan2(f64::from(self), f64::from(other)) as $float
            }
            fn call<const N: usize>(function: impl Special<N>, operands: [Self; N]) -> Self {
                function.value(operands.map(f64::from)) as $float
            }
        }
    };
}
float!(f32, f64, product_in_f64);
float!(f64, Compensated, product_in_blocks);

/// Beyond it the normal density is 0.
const NO_DENSITY: f64 = 40.0;

/// ½ erfc(z) with z = −x/√2, and to first order what the roundings of z and √2 lost, which erfc would multiply by x².
fn normal_cdf(x: f64) -> f64 {
    const FRAC_1_SQRT_2_LOW: f64 = -4.833_646_656_726_457e-17;
    if x.abs() > NO_DENSITY {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let z = -x * FRAC_1_SQRT_2;
    let lost = libm::fma(-x, FRAC_1_SQRT_2, -z) - x * FRAC_1_SQRT_2_LOW;
    0.5 * (libm::erfc(z) - FRAC_2_SQRT_PI * lost * libm::exp(-z * z))
}

/// e^(−x²/2)/√(2π), with what the rounding of x² lost, to first order.
fn normal_pdf(x: f64) -> f64 {
    const DENSITY_AT_0: f64 = 0.398_942_280_401_432_7;
    if x.abs() > NO_DENSITY {
        return 0.0;
    }
    let square = x * x;
    let exponential = libm::exp(-0.5 * square);
    DENSITY_AT_0 * (exponential - exponential * (0.5 * libm::fma(x, x, -square)))
}

fn product_in_f64(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f32> {
    product_in_blocks(a.mapv(f64::from).view(), b.mapv(f64::from).view()).mapv(|sum| sum as f32)
}

/// Steps that are summed in order; longer sums are sums of two halves.
const STEPS: usize = 128;

/// Sums from the first step to the last: the same bits on every machine, as `ndarray`'s product has not.
fn product_in_order(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut product = Array2::zeros((a.nrows(), b.ncols()));
    for (row, mut sums) in a.outer_iter().zip(product.outer_iter_mut()) {
        row.iter().zip(b.outer_iter()).for_each(|(factor, others)| sums.scaled_add(*factor, &others));
    }
    product
}

fn product_in_blocks(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    let half = a.ncols() / 2;
    if a.ncols() <= STEPS {
        return product_in_order(a, b);
    }
    let (left, right) = (a.split_at(Axis(1), half), b.split_at(Axis(0), half));
    product_in_blocks(left.0, right.0) + product_in_blocks(left.1, right.1)
}

impl Number for i64 {
    type Total = i64;

    const ZERO: Self = 0;
    const ONE: Self = 1;

    #[inline(always)]
    fn from_i64(integer: i64) -> Self {
        integer
    }
    #[inline(always)]
    fn from_f64(number: f64) -> Self {
        number as i64
    }
    #[inline(always)]
    fn to_i64(self) -> i64 {
        self
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self as f64
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        false
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        if other == 0 { -1 } else { self.wrapping_div(other) }
    }
    #[inline(always)]
    fn neg(self) -> Self {
        self.wrapping_neg()
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.wrapping_abs()
    }
    #[inline(always)]
    fn sign(self) -> Self {
        self.signum()
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        self.max(other)
    }
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        self.min(other)
    }
    #[inline(always)]
    fn remainder(self, other: Self) -> Self {
        if other == 0 { self } else { self.wrapping_rem(other) }
    }
}
