//! Functions that are computed one number at a time, in f64, for every engine. In: a function as a value of its own type. Out:
//! its number, and its slopes over any [`Real`].
//!
//! A function of the table (`functions.rs` of the root) is written over `Real` where `Real` has what it is made of, and becomes
//! vector code. Where it would be long, its row is `T::call(special::Name, [x])` and its algorithm is one over f64: of the crate
//! `libm`, which gives the same bits on every machine, or of a file here. An f32 is rounded once from the f64.

mod gamma;
mod hyperbolic;
mod quantile;
mod stumpff;
#[cfg(test)]
mod tests;
mod two_parts;

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LOG2_E, LOG10_E};

use super::real::Real;

/// A function of `N` numbers.
pub(crate) trait Special<const N: usize>: Copy {
    fn value(self, x: [f64; N]) -> f64;

    /// The derivative by each number, given y = f(x): what checks differentiate by. It is written beside the partial of the row
    /// and not from it, so that each proves the other.
    fn slopes<T: Real>(self, x: [T; N], y: T) -> [T; N];
}

macro_rules! special_functions {
    ($($name:ident($($x:ident),*) -> $y:ident = $value:expr, [$($slope:expr),*];)*) => {$(
        #[derive(Clone, Copy)]
        pub(crate) struct $name;

        impl Special<{ [$(stringify!($x)),*].len() }> for $name {
            // One copy, and not one for each kernel.
            #[inline(never)]
            fn value(self, x: [f64; { [$(stringify!($x)),*].len() }]) -> f64 {
                let function: fn($(special_functions!(@float $x)),*) -> f64 = $value;
                let [$($x),*] = x;
                function($($x),*)
            }

            fn slopes<T: Real>(self, x: [T; { [$(stringify!($x)),*].len() }], $y: T) -> [T; { [$(stringify!($x)),*].len() }] {
                let [$($x),*] = x;
                let _ = ($($x,)* $y);
                [$($slope),*]
            }
        }
    )*};
    (@float $x:ident) => { f64 };
}

special_functions! {
    Tan(x) -> y = libm::tan, [T::ONE.add(y.mul(y))];
    Asin(x) -> y = libm::asin, [T::ONE.div(one_less_square(x).sqrt())];
    Acos(x) -> y = libm::acos, [T::ONE.div(one_less_square(x).sqrt()).neg()];
    Sinh(x) -> y = libm::sinh, [T::call(Cosh, [x])];
    Cosh(x) -> y = libm::cosh, [T::call(Sinh, [x])];
    Asinh(x) -> y = hyperbolic::asinh, [T::ONE.div(T::call(Hypot, [x, T::ONE]))];
    Acosh(x) -> y = hyperbolic::acosh, [T::ONE.div(x.sub(T::ONE).sqrt().mul(x.add(T::ONE).sqrt()))];
    Atanh(x) -> y = hyperbolic::atanh, [T::ONE.div(one_less_square(x))];
    Log2(x) -> y = libm::log2, [T::from_f64(LOG2_E).div(x)];
    Log10(x) -> y = libm::log10, [T::from_f64(LOG10_E).div(x)];
    Exp2(x) -> y = libm::exp2, [T::from_f64(LN_2).mul(y)];
    Cbrt(x) -> y = libm::cbrt, [T::ONE.div(T::from_f64(3.0).mul(y).mul(y))];
    ErfInv(x) -> y = quantile::erf_inv, [y.mul(y).exp().div(T::from_f64(FRAC_2_SQRT_PI))];
    LogGamma(x) -> y = log_gamma, [T::call(Polygamma, [x, T::ZERO])];
    Hypot(a, b) -> y = libm::hypot, [share(a, y), share(b, y)];
    Polygamma(x, order) -> y = gamma::polygamma, [T::call(Polygamma, [x, order.floor().add(T::ONE)]), T::ZERO];
    Stumpff(x, order) -> y = stumpff::stumpff, [slope_of_stumpff(x, order.floor()), T::ZERO];
}

/// ln|Γ(x)|; NaN at −∞, where it has no limit.
fn log_gamma(x: f64) -> f64 {
    if x == f64::NEG_INFINITY { f64::NAN } else { libm::lgamma(x) }
}

fn one_less_square<T: Real>(x: T) -> T {
    T::ONE.sub(x).mul(T::ONE.add(x))
}

/// ½(k·cₖ₊₂ − cₖ₊₁), the sum of the derivatives of the terms.
fn slope_of_stumpff<T: Real>(s: T, k: T) -> T {
    let value = |step: f64| T::call(Stumpff, [s, k.add(T::from_f64(step))]);
    T::from_f64(0.5).mul(k.mul(value(2.0)).sub(value(1.0)))
}

/// x/y, 0 where y is 0.
fn share<T: Real>(x: T, y: T) -> T {
    if y == T::ZERO { T::ZERO } else { x.div(y) }
}
