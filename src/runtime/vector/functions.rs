//! The elementwise functions that have no row in the table, as types: comparisons, connectives, predicates, casts, integer
//! powers, and functions that planning introduces. In: one or two elements. Out: one. Truth values are bytes, 0 or 1.

use std::marker::PhantomData;

use super::{
    arithmetic::Arithmetic,
    exponential,
    float::Float,
    map::{Map, MapPair, Zip},
};
use crate::ops::{Number, Real};

/// Functions of one element. `$length` is [`Map::IS_LONG`].
macro_rules! maps {
    ($($(#[$doc:meta])* $name:ident<$bound:ident>($x:ident) -> $out:ty, $length:literal = $value:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name<T>(PhantomData<T>);

        impl<T: $bound> Map for $name<T> {
            type In = T;
            type Out = $out;
            const IS_LONG: bool = $length;

            #[inline(always)]
            fn apply<A: Arithmetic>($x: T) -> $out {
                $value
            }
        }
    )*};
}

/// Functions of two elements of one type.
macro_rules! zips {
    ($($(#[$doc:meta])* $name:ident<$bound:ident>($a:ident, $b:ident) -> $out:ty, $length:literal = $value:expr;)*) => {$(
        $(#[$doc])*
        pub(in crate::runtime) struct $name<T>(PhantomData<T>);

        impl<T: $bound> Zip for $name<T> {
            type In = T;
            type Out = $out;
            const IS_LONG: bool = $length;

            #[inline(always)]
            fn apply<A: Arithmetic>($a: T, $b: T) -> $out {
                $value
            }
        }
    )*};
}

maps! {
    /// Neither infinite nor NaN.
    IsFinite<Float>(x) -> u8, false = u8::from(x.abs() < T::INFINITY);
    /// NaN.
    IsNan<Float>(x) -> u8, false = u8::from(x.partial_cmp(&x).is_none());
    /// x⁰.
    PowerOf0<Float>(_x) -> T, false = T::ONE;
    /// x¹.
    PowerOf1<Float>(x) -> T, false = x;
    /// x².
    PowerOf2<Float>(x) -> T, false = x * x;
    /// x³.
    PowerOf3<Float>(x) -> T, false = x * (x * x);
    /// x⁴.
    PowerOf4<Float>(x) -> T, false = (x * x) * (x * x);
    /// x⁻¹.
    PowerOfMinus1<Float>(x) -> T, false = T::ONE / x;
    /// x⁻².
    PowerOfMinus2<Float>(x) -> T, false = T::ONE / (x * x);
}

zips! {
    /// σ(−x) from x and y = σ(x): e^(−x)·y for positive x, where 1 − y would cancel, else 1 − y.
    SigmoidOfNegated<Float>(x, y) -> T, true = {
        let product = exponential::exp::<A, T>(-x.abs()) * y;
        if x > T::ZERO { product } else { T::ONE - y }
    };
    /// a = b.
    Equal<Number>(a, b) -> u8, false = u8::from(a == b);
    /// a ≠ b.
    NotEqual<Number>(a, b) -> u8, false = u8::from(a != b);
    /// a < b.
    Less<Number>(a, b) -> u8, false = u8::from(a < b);
    /// a ≤ b.
    LessEqual<Number>(a, b) -> u8, false = u8::from(a <= b);
    /// a > b.
    Greater<Number>(a, b) -> u8, false = u8::from(a > b);
    /// a ≥ b.
    GreaterEqual<Number>(a, b) -> u8, false = u8::from(a >= b);
}

/// Pairs of functions of one element. Each has the bits that it has alone; the compiler computes what both have in common once.
macro_rules! pairs {
    ($($(#[$doc:meta])* $name:ident($x:ident) = $value:expr $(, rare $is_rare:expr => $apply_rare:expr)?;)*) => {$(
        $(#[$doc])*
        pub(in crate::runtime) struct $name<T>(PhantomData<T>);

        impl<T: Float + Real> MapPair for $name<T> {
            type Element = T;

            #[inline(always)]
            fn apply<A: Arithmetic>($x: T) -> [T; 2] {
                $value
            }
            $(
                #[inline(always)]
                fn is_rare($x: T) -> bool {
                    $is_rare
                }
                fn apply_rare($x: T) -> [T; 2] {
                    $apply_rare
                }
            )?
        }
    )*};
}

pairs! {
    /// tanh x and 1/cosh²x.
    TanhAndSlope(x) = exponential::tanh_and_sech_squared::<A, T>(x);
    /// σ(x) and σ(−x).
    Sigmoids(x) = [exponential::sigmoid::<A, T>(x), exponential::sigmoid::<A, T>(-x)];
    /// Sine and cosine.
    SineAndCosine(x) = [Float::sin::<A>(x), Float::cos::<A>(x)], rare x.is_huge_angle() => [Real::sin(x), Real::cos(x)];
}

/// Functions of truth values.
macro_rules! connectives {
    ($($(#[$doc:meta])* $name:ident($a:ident, $b:ident) = $value:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Zip for $name {
            type In = u8;
            type Out = u8;

            #[inline(always)]
            fn apply<A: Arithmetic>($a: u8, $b: u8) -> u8 {
                $value
            }
        }
    )*};
}

connectives! {
    /// Both.
    And(a, b) = a & b;
    /// Either.
    Or(a, b) = a | b;
    /// Exactly one.
    Xor(a, b) = a ^ b;
}

/// Not x, of truth values.
pub(super) struct Not;

impl Map for Not {
    type In = u8;
    type Out = u8;

    #[inline(always)]
    fn apply<A: Arithmetic>(x: u8) -> u8 {
        x ^ 1
    }
}

/// The same value in another type.
pub(super) struct CastMap<From, To>(PhantomData<(From, To)>);

macro_rules! casts {
    ($($from:ident -> $to:ident: $x:ident => $value:expr;)*) => {$(
        impl Map for CastMap<$from, $to> {
            type In = $from;
            type Out = $to;

            #[inline(always)]
            fn apply<A: Arithmetic>($x: $from) -> $to {
                $value
            }
        }
    )*};
}

// Truth values are u8 here, and an i64 becomes an f32 by way of f64, as in the reference.
casts! {
    f32 -> f32: x => x;
    f32 -> f64: x => f64::from(x);
    f32 -> i64: x => x as i64;
    f32 -> u8: x => u8::from(x != 0.0);
    f64 -> f32: x => x as f32;
    f64 -> f64: x => x;
    f64 -> i64: x => x as i64;
    f64 -> u8: x => u8::from(x != 0.0);
    i64 -> f32: x => x as f64 as f32;
    i64 -> f64: x => x as f64;
    i64 -> i64: x => x;
    i64 -> u8: x => u8::from(x != 0);
    u8 -> f32: x => f32::from(x);
    u8 -> f64: x => f64::from(x);
    u8 -> i64: x => i64::from(x);
    u8 -> u8: x => x;
}
