//! Dual numbers: a value and its derivative along one direction, carried through every operation together.
//!
//! In: numbers with a tangent. Out: the same from any kernel, since kernels compute with [`Real`]. This differentiates
//! without a graph and without the linearizations of `ops/`, so it is an independent truth for both. Duals of duals give
//! second derivatives.
//!
//! # Source
//! Clifford, *Preliminary sketch of biquaternions*, 1873; as automatic differentiation: Griewank and Walther, *Evaluating
//! Derivatives*, 2nd edition, 2008, section 3.1.

use std::cmp::Ordering;

use crate::ops::{Number, Real, own_total, special::Special};

/// value + tangent·ε with ε² = 0.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Dual<T> {
    pub(crate) value: T,
    pub(crate) tangent: T,
}

impl<T: Real> Dual<T> {
    /// A number that does not move.
    pub(crate) fn constant(value: T) -> Dual<T> {
        Dual { value, tangent: T::ZERO }
    }

    /// f(x) where f'(x) is known.
    fn chain(self, value: T, slope: T) -> Dual<T> {
        Dual { value, tangent: slope.mul(self.tangent) }
    }
}

impl<T: PartialEq> PartialEq for Dual<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: PartialOrd> PartialOrd for Dual<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

own_total!([T: Real] Dual<T>);

impl<T: Real> Number for Dual<T> {
    type Total = Self;

    const ZERO: Self = Dual { value: T::ZERO, tangent: T::ZERO };
    const ONE: Self = Dual { value: T::ONE, tangent: T::ZERO };

    fn from_i64(integer: i64) -> Self {
        Dual::constant(T::from_i64(integer))
    }
    fn from_f64(number: f64) -> Self {
        Dual::constant(T::from_f64(number))
    }
    fn to_i64(self) -> i64 {
        self.value.to_i64()
    }
    fn to_f64(self) -> f64 {
        self.value.to_f64()
    }
    fn is_nan(self) -> bool {
        self.value.is_nan()
    }
    fn add(self, other: Self) -> Self {
        Dual { value: self.value.add(other.value), tangent: self.tangent.add(other.tangent) }
    }
    fn sub(self, other: Self) -> Self {
        Dual { value: self.value.sub(other.value), tangent: self.tangent.sub(other.tangent) }
    }
    fn mul(self, other: Self) -> Self {
        let tangent = self.tangent.mul(other.value).add(self.value.mul(other.tangent));
        Dual { value: self.value.mul(other.value), tangent }
    }
    fn div(self, other: Self) -> Self {
        let value = self.value.div(other.value);
        Dual { value, tangent: self.tangent.sub(value.mul(other.tangent)).div(other.value) }
    }
    fn neg(self) -> Self {
        Dual { value: self.value.neg(), tangent: self.tangent.neg() }
    }
    fn abs(self) -> Self {
        self.chain(self.value.abs(), self.value.sign())
    }
    fn sign(self) -> Self {
        Dual::constant(self.value.sign())
    }
    fn maximum(self, other: Self) -> Self {
        if self.is_nan() || self > other { self } else { other }
    }
    fn minimum(self, other: Self) -> Self {
        if self.is_nan() || self < other { self } else { other }
    }
    fn remainder(self, other: Self) -> Self {
        let value = self.value.remainder(other.value);
        let quotient = self.value.sub(value).div(other.value).round();
        Dual { value, tangent: self.tangent.sub(quotient.mul(other.tangent)) }
    }
}

impl<T: Real> Real for Dual<T> {
    const HAS_TANGENT: bool = true;

    fn is_finite(self) -> bool {
        self.value.is_finite()
    }
    fn exp(self) -> Self {
        let value = self.value.exp();
        self.chain(value, value)
    }
    fn exp_m1(self) -> Self {
        self.chain(self.value.exp_m1(), self.value.exp())
    }
    fn ln(self) -> Self {
        self.chain(self.value.ln(), T::ONE.div(self.value))
    }
    fn ln_1p(self) -> Self {
        self.chain(self.value.ln_1p(), T::ONE.div(T::ONE.add(self.value)))
    }
    fn sqrt(self) -> Self {
        let value = self.value.sqrt();
        self.chain(value, T::ONE.div(value.add(value)))
    }
    fn tanh(self) -> Self {
        let value = self.value.tanh();
        self.chain(value, T::ONE.sub(value.mul(value)))
    }
    fn sech_squared(self) -> Self {
        let value = self.value.sech_squared();
        self.chain(value, T::from_f64(-2.0).mul(value).mul(self.value.tanh()))
    }
    fn sigmoid(self) -> Self {
        let value = self.value.sigmoid();
        self.chain(value, value.mul(T::ONE.sub(value)))
    }
    fn softplus(self) -> Self {
        self.chain(self.value.softplus(), self.value.sigmoid())
    }
    fn erf(self) -> Self {
        let slope = T::from_f64(std::f64::consts::FRAC_2_SQRT_PI).mul(self.value.mul(self.value).neg().exp());
        self.chain(self.value.erf(), slope)
    }
    fn erfc(self) -> Self {
        let slope = T::from_f64(-std::f64::consts::FRAC_2_SQRT_PI).mul(self.value.mul(self.value).neg().exp());
        self.chain(self.value.erfc(), slope)
    }
    fn normal_cdf(self) -> Self {
        self.chain(self.value.normal_cdf(), self.value.normal_pdf())
    }
    fn normal_pdf(self) -> Self {
        let value = self.value.normal_pdf();
        self.chain(value, self.value.neg().mul(value))
    }
    fn sin(self) -> Self {
        self.chain(self.value.sin(), self.value.cos())
    }
    fn cos(self) -> Self {
        self.chain(self.value.cos(), self.value.sin().neg())
    }
    fn floor(self) -> Self {
        Dual::constant(self.value.floor())
    }
    fn ceil(self) -> Self {
        Dual::constant(self.value.ceil())
    }
    fn round(self) -> Self {
        Dual::constant(self.value.round())
    }
    /// e^(b·ln a): for a > 0.
    fn pow(self, exponent: Self) -> Self {
        exponent.mul(self.ln()).exp()
    }
    /// By repeated multiplication.
    fn integer_power(self, exponent: i64) -> Self {
        let product = (0..exponent.unsigned_abs()).fold(Self::ONE, |product, _| product.mul(self));
        if exponent < 0 { Self::ONE.div(product) } else { product }
    }
    fn atan2(self, other: Self) -> Self {
        let square = self.value.mul(self.value).add(other.value.mul(other.value));
        let turn = other.value.mul(self.tangent).sub(self.value.mul(other.tangent));
        Dual { value: self.value.atan2(other.value), tangent: turn.div(square) }
    }
    fn call<const N: usize>(function: impl Special<N>, operands: [Self; N]) -> Self {
        let values = operands.map(|operand| operand.value);
        let value = T::call(function, values);
        let slopes = function.slopes(values, value);
        let tangents = slopes.iter().zip(operands).map(|(slope, operand)| slope.mul(operand.tangent));
        Dual { value, tangent: tangents.fold(T::ZERO, T::add) }
    }
}
