//! The elementwise functions as types. In: one or two elements. Out: one. Truth values are bytes, 0 or 1. How the longer
//! functions are computed is in `exponential.rs`, `logarithm.rs`, `single.rs`, `double.rs` and `power.rs`.

use std::marker::PhantomData;

use super::{
    arithmetic::Arithmetic,
    exponential, logarithm,
    map::{Map, Zip},
    number::{Float, Number},
};

/// Functions of one element. `$length` is whether a padded vector pays for the remainder.
macro_rules! maps {
    ($($(#[$doc:meta])* $name:ident<$bound:ident>($x:ident) -> $out:ty, $length:literal = $value:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name<T>(PhantomData<T>);

        impl<T: $bound> Map for $name<T> {
            type In = T;
            type Out = $out;
            const IS_LONG: bool = $length;

            #[inline(always)]
            fn of<A: Arithmetic>($x: T) -> $out {
                $value
            }
        }
    )*};
}

/// Functions of two elements of one type.
macro_rules! zips {
    ($($(#[$doc:meta])* $name:ident<$bound:ident>($a:ident, $b:ident) -> $out:ty, $length:literal = $value:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name<T>(PhantomData<T>);

        impl<T: $bound> Zip for $name<T> {
            type In = T;
            type Out = $out;
            const IS_LONG: bool = $length;

            #[inline(always)]
            fn of<A: Arithmetic>($a: T, $b: T) -> $out {
                $value
            }
        }
    )*};
}

maps! {
    /// −x.
    Negate<Number>(x) -> T, false = x.negated();
    /// |x|.
    Abs<Number>(x) -> T, false = x.magnitude();
    /// −1, 0 or 1.
    Sign<Number>(x) -> T, false = x.sign();
    /// eˣ.
    Exp<Float>(x) -> T, true = exponential::exp::<A, T>(x);
    /// eˣ − 1.
    ExpM1<Float>(x) -> T, true = exponential::expm1::<A, T>(x);
    /// ln x.
    Log<Float>(x) -> T, true = logarithm::log::<A, T>(x);
    /// ln(1 + x).
    Log1p<Float>(x) -> T, true = logarithm::log1p::<A, T>(x);
    /// √x.
    Sqrt<Float>(x) -> T, false = x.root();
    /// 1/√x.
    Rsqrt<Float>(x) -> T, false = T::ONE / x.root();
    /// Hyperbolic tangent.
    Tanh<Float>(x) -> T, true = exponential::tanh::<A, T>(x);
    /// 1/cosh²x.
    SechSquared<Float>(x) -> T, true = exponential::sech_squared::<A, T>(x);
    /// 1/(1 + e⁻ˣ).
    Sigmoid<Float>(x) -> T, true = exponential::sigmoid::<A, T>(x);
    /// ln(1 + eˣ).
    Softplus<Float>(x) -> T, true = logarithm::softplus::<A, T>(x);
    /// The error function.
    Erf<Float>(x) -> T, true = x.erf::<A>();
    /// 1 less the error function.
    Erfc<Float>(x) -> T, true = x.erfc::<A>();
    /// The standard normal distribution function.
    NormalCdf<Float>(x) -> T, true = x.normal_cdf::<A>();
    /// The standard normal density.
    NormalPdf<Float>(x) -> T, true = exponential::normal_pdf::<A, T>(x);
    /// 0 where x ≤ 0, else x.
    Relu<Float>(x) -> T, false = if x <= T::ZERO { T::ZERO } else { x };
    /// ⌊x⌋.
    Floor<Float>(x) -> T, false = {
        let nearest = nearest(x);
        if nearest > x { nearest - T::ONE } else { nearest }
    };
    /// ⌈x⌉.
    Ceil<Float>(x) -> T, false = {
        let nearest = nearest(x);
        (if nearest < x { nearest + T::ONE } else { nearest }).copysign(x)
    };
    /// The nearest integer, ties to even.
    Round<Float>(x) -> T, false = nearest(x);
    /// Neither infinite nor NaN.
    IsFinite<Float>(x) -> u8, false = u8::from(x.magnitude() < T::INFINITY);
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
    /// a + b.
    Add<Number>(a, b) -> T, false = a.plus(b);
    /// a − b.
    Sub<Number>(a, b) -> T, false = a.minus(b);
    /// a·b.
    Mul<Number>(a, b) -> T, false = a.times(b);
    /// a/b.
    Div<Float>(a, b) -> T, false = a / b;
    /// The greater; NaN if either is.
    Maximum<Number>(a, b) -> T, false = a.maximum(b);
    /// The lesser; NaN if either is.
    Minimum<Number>(a, b) -> T, false = a.minimum(b);
    /// aᵇ.
    Pow<Float>(a, b) -> T, true = a.pow::<A>(b);
    /// The angle of the point (b, a).
    Atan2<Float>(a, b) -> T, true = a.atan2::<A>(b);
    /// σ(−x) from x and y = σ(x): e^(−x)·y, and 1 − y where that does not cancel.
    SigmoidOfNegated<Float>(x, y) -> T, true = {
        let product = exponential::exp::<A, T>(-x.magnitude()) * y;
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

/// The nearest integer, ties to even, by a sum that leaves no room for a fraction: older sets have no instruction.
#[inline(always)]
fn nearest<T: Float>(x: T) -> T {
    let magnitude = x.magnitude();
    let rounded = (magnitude + T::INTEGERS) - T::INTEGERS;
    if magnitude < T::INTEGERS { rounded.copysign(x) } else { x }
}

/// Functions of angles, which give very great ones to a scalar function.
macro_rules! angles {
    ($($(#[$doc:meta])* $name:ident = $function:ident, $of_huge:ident;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name<T>(PhantomData<T>);

        impl<T: Float> Map for $name<T> {
            type In = T;
            type Out = T;
            const IS_LONG: bool = true;

            #[inline(always)]
            fn of<A: Arithmetic>(x: T) -> T {
                x.$function::<A>()
            }
            #[inline(always)]
            fn is_rare(x: T) -> bool {
                x.is_huge_angle()
            }
            fn of_rare(x: T) -> T {
                x.$of_huge()
            }
        }
    )*};
}

angles! {
    /// Sine.
    Sin = sin, sin_of_huge;
    /// Cosine.
    Cos = cos, cos_of_huge;
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
            fn of<A: Arithmetic>($a: u8, $b: u8) -> u8 {
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
    fn of<A: Arithmetic>(x: u8) -> u8 {
        x ^ 1
    }
}

/// The same value in another type.
pub(super) struct Cast<From, To>(PhantomData<(From, To)>);

macro_rules! casts {
    ($($from:ident -> $to:ident: $x:ident => $value:expr;)*) => {$(
        impl Map for Cast<$from, $to> {
            type In = $from;
            type Out = $to;

            #[inline(always)]
            fn of<A: Arithmetic>($x: $from) -> $to {
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
