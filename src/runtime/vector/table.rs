//! The kernels of the functions that have rows in `functions.rs` of the root. In: a function. Out: its kernel: the value that its
//! row states, computed in the arithmetic of an instruction set.

use std::marker::PhantomData;

use super::{
    Kernel, Splats,
    arithmetic::Arithmetic,
    float::Float,
    lane::Lane,
    map::{Contiguous, Map, Splat, Zip, binary, unary},
};
use crate::{
    functions::{elementwise_functions, if_for_integers},
    graph::{Binary, Unary},
    ops::{
        BinaryFunction, BinaryNumberFunction, Real, UnaryFunction, UnaryNumberFunction, binary_functions,
        unary_functions,
    },
    runtime::instruction_set::InstructionSet,
};

/// From this cost on a function is long ([`Map::IS_LONG`]).
const LONG: usize = 8;

/// A function of one float.
struct OfFloat<F, T>(PhantomData<(F, T)>);

/// A function of one integer.
struct OfInteger<F>(PhantomData<F>);

/// A function of two floats.
struct OfFloats<F, T>(PhantomData<(F, T)>);

/// A function of two integers.
struct OfIntegers<F>(PhantomData<F>);

/// Which elements kernels leave to the reference.
pub(in crate::runtime) trait Exceptions: UnaryFunction {
    fn is_scalar<T: Float>(x: T) -> bool;
}

/// The value of a function of one number, with the bits of its kernels.
#[inline(always)]
pub(in crate::runtime) fn value_of_one<F: Exceptions, T: Float + Real, A: Arithmetic>(x: T) -> T {
    if F::is_scalar(x) { F::value(x) } else { F::value(Lane::<T, A>::new(x)).float }
}

/// The value of a function of two numbers, with the bits of its kernels.
#[inline(always)]
pub(in crate::runtime) fn value_of_two<F: BinaryFunction, T: Float, A: Arithmetic>(a: T, b: T) -> T {
    F::value(Lane::<T, A>::new(a), Lane::new(b)).float
}

impl<F: Exceptions, T: Float + Real> Map for OfFloat<F, T> {
    type In = T;
    type Out = T;
    const IS_LONG: bool = F::COST >= LONG;

    #[inline(always)]
    fn apply<A: Arithmetic>(x: T) -> T {
        F::value(Lane::<T, A>::new(x)).float
    }
    #[inline(always)]
    fn is_rare(x: T) -> bool {
        F::is_scalar(x)
    }
    fn apply_rare(x: T) -> T {
        F::value(x)
    }
}

impl<F: UnaryNumberFunction> Map for OfInteger<F> {
    type In = i64;
    type Out = i64;

    #[inline(always)]
    fn apply<A: Arithmetic>(x: i64) -> i64 {
        F::value_of_number(x)
    }
}

impl<F: BinaryFunction, T: Float> Zip for OfFloats<F, T> {
    type In = T;
    type Out = T;
    const IS_LONG: bool = F::COST >= LONG;

    #[inline(always)]
    fn apply<A: Arithmetic>(a: T, b: T) -> T {
        F::value(Lane::<T, A>::new(a), Lane::new(b)).float
    }
}

impl<F: BinaryNumberFunction> Zip for OfIntegers<F> {
    type In = i64;
    type Out = i64;

    #[inline(always)]
    fn apply<A: Arithmetic>(a: i64, b: i64) -> i64 {
        F::value_of_numbers(a, b)
    }
}

/// The kernel of a function of two elements, of which one may be a splat.
pub(super) fn laid_out<F: Zip>(splats: Splats, set: InstructionSet) -> Option<Kernel> {
    match (splats.has(0), splats.has(1)) {
        (false, false) => Some(binary::<F, Contiguous, Contiguous>(set)),
        (true, false) => Some(binary::<F, Splat, Contiguous>(set)),
        (false, true) => Some(binary::<F, Contiguous, Splat>(set)),
        (true, true) => None,
    }
}

macro_rules! function_kernels {
    (
        unary { $(
            $(#[$unary_doc:meta])* $unary:ident = $unary_name:literal,
            $unary_method:ident($x:ident: $unary_numbers:ident) -> $unary_y:ident {
                value: $unary_value:expr,
                partial: $partial:expr,
                cost: $unary_cost:literal,
                error: $unary_error:literal,
                samples: $unary_samples:expr,
                $(kinks: $unary_kinks:expr,)?
                $(scalar: $scalar:expr,)?
            }
        )* }
        binary { $(
            $(#[$binary_doc:meta])* $binary:ident = $binary_name:literal,
            $binary_method:ident($a:ident: $binary_numbers:ident, $b:ident) -> $binary_y:ident {
                $($binary_facts:tt)*
            }
        )* }
    ) => {
        $(
            impl Exceptions for unary_functions::$unary {
                #[inline(always)]
                fn is_scalar<T: Float>($x: T) -> bool {
                    let _ = $x;
                    false $(|| $scalar)?
                }
            }
        )*

        pub(super) fn float_unary<T: Float + Real>(function: Unary, set: InstructionSet) -> Kernel {
            match function {
                $(Unary::$unary => unary::<OfFloat<unary_functions::$unary, T>>(set),)*
            }
        }

        pub(super) fn integer_unary(function: Unary, set: InstructionSet) -> Option<Kernel> {
            match function {
                $(Unary::$unary => if_for_integers!($unary_numbers,
                    { Some(unary::<OfInteger<unary_functions::$unary>>(set)) } else { None }),)*
            }
        }

        pub(super) fn float_binary<T: Float>(function: Binary, splats: Splats, set: InstructionSet) -> Option<Kernel> {
            match function {
                $(Binary::$binary => laid_out::<OfFloats<binary_functions::$binary, T>>(splats, set),)*
            }
        }

        pub(super) fn integer_binary(function: Binary, splats: Splats, set: InstructionSet) -> Option<Kernel> {
            match function {
                $(Binary::$binary => if_for_integers!($binary_numbers,
                    { laid_out::<OfIntegers<binary_functions::$binary>>(splats, set) } else { None }),)*
            }
        }
    };
}
elementwise_functions!(function_kernels);
