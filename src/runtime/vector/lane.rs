//! A float together with the arithmetic of an instruction set. In: floats. Out: [`Real`] by the algorithms for vectors, so
//! that what a function's row says becomes a loop of vector code.

use std::{cmp::Ordering, fmt, marker::PhantomData};

use super::{arithmetic::Arithmetic, exponential, float::Float, logarithm};
use crate::ops::{Number, Real, own_total, special::Special};

/// A float in a loop that is compiled for the instruction set of `A`.
#[derive(Clone, Copy, Default)]
pub(super) struct Lane<T, A> {
    pub(super) float: T,
    arithmetic: PhantomData<A>,
}

impl<T, A> Lane<T, A> {
    #[inline(always)]
    pub(super) fn new(float: T) -> Lane<T, A> {
        Lane { float, arithmetic: PhantomData }
    }
}

impl<T: fmt::Debug, A> fmt::Debug for Lane<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.float.fmt(f)
    }
}

impl<T: PartialEq, A> PartialEq for Lane<T, A> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.float == other.float
    }
}

/// Each comparison is written out, because the ones derived from `partial_cmp` are several instructions.
impl<T: PartialOrd, A> PartialOrd for Lane<T, A> {
    #[inline(always)]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.float.partial_cmp(&other.float)
    }
    #[inline(always)]
    fn lt(&self, other: &Self) -> bool {
        self.float < other.float
    }
    #[inline(always)]
    fn le(&self, other: &Self) -> bool {
        self.float <= other.float
    }
    #[inline(always)]
    fn gt(&self, other: &Self) -> bool {
        self.float > other.float
    }
    #[inline(always)]
    fn ge(&self, other: &Self) -> bool {
        self.float >= other.float
    }
}

own_total!([T: Float, A: Arithmetic] Lane<T, A>);

/// The conventions are those of the float.
impl<T: Float, A: Arithmetic> Number for Lane<T, A> {
    type Total = Self;

    const ZERO: Self = Lane { float: T::ZERO, arithmetic: PhantomData };
    const ONE: Self = Lane { float: T::ONE, arithmetic: PhantomData };

    #[inline(always)]
    fn from_i64(integer: i64) -> Self {
        Lane::new(T::from_i64(integer))
    }
    #[inline(always)]
    fn from_f64(number: f64) -> Self {
        Lane::new(T::from_f64(number))
    }
    #[inline(always)]
    fn to_i64(self) -> i64 {
        self.float.to_i64()
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.float.to_f64()
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.float.is_nan()
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Lane::new(self.float + other.float)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Lane::new(self.float - other.float)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Lane::new(self.float * other.float)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Lane::new(self.float / other.float)
    }
    #[inline(always)]
    fn neg(self) -> Self {
        Lane::new(-self.float)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Lane::new(self.float.abs())
    }
    #[inline(always)]
    fn sign(self) -> Self {
        Lane::new(self.float.sign())
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        Lane::new(self.float.maximum(other.float))
    }
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        Lane::new(self.float.minimum(other.float))
    }
    #[inline(always)]
    fn remainder(self, other: Self) -> Self {
        Lane::new(self.float.remainder(other.float))
    }
}

impl<T: Float, A: Arithmetic> Real for Lane<T, A> {
    const HAS_TANGENT: bool = false;

    #[inline(always)]
    fn is_finite(self) -> bool {
        self.float.abs() < T::INFINITY
    }
    #[inline(always)]
    fn exp(self) -> Self {
        Lane::new(exponential::exp::<A, T>(self.float))
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        Lane::new(exponential::expm1::<A, T>(self.float))
    }
    #[inline(always)]
    fn ln(self) -> Self {
        Lane::new(logarithm::log::<A, T>(self.float))
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        Lane::new(logarithm::log1p::<A, T>(self.float))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Lane::new(self.float.root())
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        Lane::new(exponential::tanh::<A, T>(self.float))
    }
    #[inline(always)]
    fn sech_squared(self) -> Self {
        Lane::new(exponential::sech_squared::<A, T>(self.float))
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Lane::new(exponential::sigmoid::<A, T>(self.float))
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        Lane::new(logarithm::softplus::<A, T>(self.float))
    }
    #[inline(always)]
    fn erf(self) -> Self {
        Lane::new(self.float.erf::<A>())
    }
    #[inline(always)]
    fn erfc(self) -> Self {
        Lane::new(self.float.erfc::<A>())
    }
    #[inline(always)]
    fn normal_cdf(self) -> Self {
        Lane::new(self.float.normal_cdf::<A>())
    }
    #[inline(always)]
    fn normal_pdf(self) -> Self {
        Lane::new(exponential::normal_pdf::<A, T>(self.float))
    }
    #[inline(always)]
    fn sin(self) -> Self {
        Lane::new(self.float.sin::<A>())
    }
    #[inline(always)]
    fn cos(self) -> Self {
        Lane::new(self.float.cos::<A>())
    }
    #[inline(always)]
    fn floor(self) -> Self {
        let nearest = nearest(self.float);
        Lane::new(if nearest > self.float { nearest - T::ONE } else { nearest })
    }
    #[inline(always)]
    fn ceil(self) -> Self {
        let nearest = nearest(self.float);
        Lane::new((if nearest < self.float { nearest + T::ONE } else { nearest }).copysign(self.float))
    }
    #[inline(always)]
    fn round(self) -> Self {
        Lane::new(nearest(self.float))
    }
    #[inline(always)]
    fn pow(self, exponent: Self) -> Self {
        Lane::new(self.float.pow::<A>(exponent.float))
    }
    /// Kernels of integer powers are in `integer_power.rs`; this is for rows that are made of one.
    #[inline(always)]
    fn integer_power(self, exponent: i64) -> Self {
        self.pow(Lane::from_i64(exponent))
    }
    #[inline(always)]
    fn atan2(self, other: Self) -> Self {
        Lane::new(self.float.atan2::<A>(other.float))
    }
    /// One element after the other.
    #[inline(always)]
    fn call<const N: usize>(function: impl Special<N>, operands: [Self; N]) -> Self {
        Lane::from_f64(function.value(operands.map(Lane::to_f64)))
    }
}

/// The nearest integer, ties to even: adding 2^(bits of the fraction) rounds to an integer. Older sets have no instruction for it.
#[inline(always)]
fn nearest<T: Float>(x: T) -> T {
    let magnitude = x.abs();
    let rounded = (magnitude + T::INTEGERS) - T::INTEGERS;
    if magnitude < T::INTEGERS { rounded.copysign(x) } else { x }
}
