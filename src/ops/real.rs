//! Numbers that kernels compute with. In: `f32`, `f64`, `i64`, and whatever else a check puts in place of `f64`. Out:
//! arithmetic with the library's conventions: integers wrap, NaN propagates through maximum and minimum.

use std::fmt;

use ndarray::{Array2, ArrayView2};

/// Numbers with arithmetic.
pub(crate) trait Number: Copy + PartialOrd + fmt::Debug + 'static {
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
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    fn sign(self) -> Self;
    fn maximum(self, other: Self) -> Self;
    fn minimum(self, other: Self) -> Self;

    /// `a · b`, of matrices.
    fn matrix_product(a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>) -> Array2<Self> {
        Array2::from_shape_fn((a.nrows(), b.ncols()), |(row, column)| {
            let products = a.row(row).into_iter().zip(b.column(column)).map(|(left, right)| left.mul(*right));
            products.fold(Self::ZERO, Self::add)
        })
    }
}

/// Numbers with the functions of analysis.
pub(crate) trait Real: Number {
    fn div(self, other: Self) -> Self;
    fn is_finite(self) -> bool;
    fn exp(self) -> Self;
    fn exp_m1(self) -> Self;
    fn ln(self) -> Self;
    fn ln_1p(self) -> Self;
    fn sqrt(self) -> Self;
    fn rsqrt(self) -> Self;
    fn tanh(self) -> Self;
    fn sech_squared(self) -> Self;
    fn sigmoid(self) -> Self;
    fn softplus(self) -> Self;
    fn erf(self) -> Self;
    fn erfc(self) -> Self;
    fn relu(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn round(self) -> Self;
    fn pow(self, exponent: Self) -> Self;
    fn integer_power(self, exponent: i64) -> Self;
    fn atan2(self, other: Self) -> Self;
}

macro_rules! float {
    ($float:ident, $erf:path, $erfc:expr) => {
        impl Number for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            fn from_i64(integer: i64) -> Self {
                integer as $float
            }
            fn from_f64(number: f64) -> Self {
                number as $float
            }
            fn to_i64(self) -> i64 {
                self as i64
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn is_nan(self) -> bool {
                $float::is_nan(self)
            }
            fn add(self, other: Self) -> Self {
                self + other
            }
            fn sub(self, other: Self) -> Self {
                self - other
            }
            fn mul(self, other: Self) -> Self {
                self * other
            }
            fn neg(self) -> Self {
                -self
            }
            fn abs(self) -> Self {
                $float::abs(self)
            }
            fn sign(self) -> Self {
                if self > 0.0 {
                    1.0
                } else if self < 0.0 {
                    -1.0
                } else {
                    self
                }
            }
            fn maximum(self, other: Self) -> Self {
                if self.is_nan() || self > other { self } else { other }
            }
            fn minimum(self, other: Self) -> Self {
                if self.is_nan() || self < other { self } else { other }
            }
            fn matrix_product(a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>) -> Array2<Self> {
                a.dot(&b)
            }
        }

        impl Real for $float {
            fn div(self, other: Self) -> Self {
                self / other
            }
            fn is_finite(self) -> bool {
                $float::is_finite(self)
            }
            fn exp(self) -> Self {
                $float::exp(self)
            }
            fn exp_m1(self) -> Self {
                $float::exp_m1(self)
            }
            fn ln(self) -> Self {
                $float::ln(self)
            }
            fn ln_1p(self) -> Self {
                $float::ln_1p(self)
            }
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }
            fn rsqrt(self) -> Self {
                1.0 / $float::sqrt(self)
            }
            fn tanh(self) -> Self {
                $float::tanh(self)
            }
            /// 4e/(1 + e)² with e = e^(−2|x|).
            fn sech_squared(self) -> Self {
                let e = (-2.0 * $float::abs(self)).exp();
                let sum = 1.0 + e;
                4.0 * e / (sum * sum)
            }
            /// Neither branch overflows.
            fn sigmoid(self) -> Self {
                if self >= 0.0 {
                    1.0 / (1.0 + (-self).exp())
                } else {
                    let e = $float::exp(self);
                    e / (1.0 + e)
                }
            }
            /// max(x, 0) + ln(1 + e^−|x|).
            fn softplus(self) -> Self {
                Number::maximum(self, 0.0) + (-$float::abs(self)).exp().ln_1p()
            }
            fn erf(self) -> Self {
                $erf(self)
            }
            fn erfc(self) -> Self {
                $erfc(self)
            }
            fn relu(self) -> Self {
                if self <= 0.0 { 0.0 } else { self }
            }
            fn sin(self) -> Self {
                $float::sin(self)
            }
            fn cos(self) -> Self {
                $float::cos(self)
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
                $float::powf(self, exponent)
            }
            fn integer_power(self, exponent: i64) -> Self {
                match i32::try_from(exponent) {
                    Ok(exponent) => $float::powi(self, exponent),
                    Err(_) => $float::powf(self, exponent as $float),
                }
            }
            fn atan2(self, other: Self) -> Self {
                $float::atan2(self, other)
            }
        }
    };
}
// erfc of an f32 is rounded once from that of an f64, as the kernels for vectors do it.
float!(f32, libm::erff, |x: f32| libm::erfc(f64::from(x)) as f32);
float!(f64, libm::erf, libm::erfc);

impl Number for i64 {
    const ZERO: Self = 0;
    const ONE: Self = 1;

    fn from_i64(integer: i64) -> Self {
        integer
    }
    fn from_f64(number: f64) -> Self {
        number as i64
    }
    fn to_i64(self) -> i64 {
        self
    }
    fn to_f64(self) -> f64 {
        self as f64
    }
    fn is_nan(self) -> bool {
        false
    }
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    fn mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    fn neg(self) -> Self {
        self.wrapping_neg()
    }
    fn abs(self) -> Self {
        self.wrapping_abs()
    }
    fn sign(self) -> Self {
        self.signum()
    }
    fn maximum(self, other: Self) -> Self {
        self.max(other)
    }
    fn minimum(self, other: Self) -> Self {
        self.min(other)
    }
}
