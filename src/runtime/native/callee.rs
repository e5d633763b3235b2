//! What machine code calls: the functions of the table that are more than an instruction or two, as the interpreter computes them. In: a
//! code of the interpreter. Out: an address.

#![allow(unsafe_code, reason = "functions for an instruction set are called by address")]

#[cfg(target_arch = "x86_64")]
use crate::runtime::{instruction_set::SetKind, vector::Fused};
use crate::{
    functions::elementwise_functions,
    ops::{BinaryFunction, Real, binary_functions, unary_functions},
    plan::PairKind,
    runtime::{
        instruction_set::InstructionSet,
        scalar::Opcode,
        vector::{
            Baseline, Exceptions, Float, MapPair, SigmoidOfNegated, Sigmoids, SineAndCosine, TanhAndSlope, Zip,
            value_of_one, value_of_two, values_of_pair,
        },
    },
};

/// The address of a function with the calling convention of C.
#[derive(Debug, Clone, Copy)]
pub(super) enum Callee {
    OfOne(*const u8),
    OfTwo(*const u8),
    /// Of one number and an address, to which it writes a second result.
    Pair(*const u8),
}

/// What computes an operation that machine code does not do by itself.
pub(super) fn callee<T: Float + Real>(code: Opcode, set: InstructionSet) -> Option<Callee> {
    match set.kind() {
        #[cfg(target_arch = "x86_64")]
        SetKind::Avx2 | SetKind::Avx512 => callee_by::<T, Fused>(code),
        _ => callee_by::<T, Baseline>(code),
    }
}

/// The functions in the arithmetic of a set as code that may be called where the machine has the set.
trait CalleesOf {
    fn one<F: Exceptions, T: Float + Real>() -> Callee;
    fn two<F: BinaryFunction, T: Float + Real>() -> Callee;
    fn pair<F: MapPair>() -> Callee;
    fn sigmoid_of_negated<T: Float + Real>() -> Callee;
}

/// `CalleesOf` an arithmetic, by functions that are compiled with these features.
macro_rules! callees_of {
    ($arithmetic:ident $(, #[$features:meta])?) => {
        impl CalleesOf for $arithmetic {
            fn one<F: Exceptions, T: Float + Real>() -> Callee {
                /// # Safety
                /// The machine has the instructions of the arithmetic.
                $(#[$features])?
                unsafe extern "C" fn one<F: Exceptions, T: Float + Real>(x: T) -> T {
                    value_of_one::<F, T, $arithmetic>(x)
                }
                Callee::OfOne(one::<F, T> as *const u8)
            }

            fn two<F: BinaryFunction, T: Float + Real>() -> Callee {
                /// # Safety
                /// The machine has the instructions of the arithmetic.
                $(#[$features])?
                unsafe extern "C" fn two<F: BinaryFunction, T: Float + Real>(a: T, b: T) -> T {
                    value_of_two::<F, T, $arithmetic>(a, b)
                }
                Callee::OfTwo(two::<F, T> as *const u8)
            }

            fn pair<F: MapPair>() -> Callee {
                /// # Safety
                /// The machine has the instructions of the arithmetic, and a number may be written to `second`.
                $(#[$features])?
                unsafe extern "C" fn pair<F: MapPair>(x: F::Element, second: *mut F::Element) -> F::Element {
                    let [first, other] = values_of_pair::<F, $arithmetic>(x);
                    // SAFETY: by this function's contract.
                    unsafe { second.write(other) };
                    first
                }
                Callee::Pair(pair::<F> as *const u8)
            }

            fn sigmoid_of_negated<T: Float + Real>() -> Callee {
                /// # Safety
                /// The machine has the instructions of the arithmetic.
                $(#[$features])?
                unsafe extern "C" fn sigmoid_of_negated<T: Float + Real>(x: T, y: T) -> T {
                    SigmoidOfNegated::apply::<$arithmetic>(x, y)
                }
                Callee::OfTwo(sigmoid_of_negated::<T> as *const u8)
            }
        }
    };
}
callees_of!(Baseline);
#[cfg(target_arch = "x86_64")]
callees_of!(Fused, #[target_feature(enable = "avx2,fma")]);

/// A match on the codes, with an arm for each row of the table.
macro_rules! callee_of_code {
    (
        unary { $(
            $(#[$unary_doc:meta])* $unary:ident = $unary_name:literal, $unary_method:ident($($x:tt)*) -> $unary_y:ident {
                $($unary_facts:tt)*
            }
        )* }
        binary { $(
            $(#[$binary_doc:meta])* $binary:ident = $binary_name:literal, $binary_method:ident($($a:tt)*) -> $binary_y:ident {
                $($binary_facts:tt)*
            }
        )* }
    ) => {
        fn callee_by<T: Float + Real, C: CalleesOf>(code: Opcode) -> Option<Callee> {
            Some(match code {
                $(Opcode::$unary => C::one::<unary_functions::$unary, T>(),)*
                $(Opcode::$binary => C::two::<binary_functions::$binary, T>(),)*
                Opcode::Both(PairKind::TanhAndSlope) => C::pair::<TanhAndSlope<T>>(),
                Opcode::Both(PairKind::Sigmoids) => C::pair::<Sigmoids<T>>(),
                Opcode::Both(PairKind::SineAndCosine) => C::pair::<SineAndCosine<T>>(),
                Opcode::SigmoidOfNegated => C::sigmoid_of_negated::<T>(),
                Opcode::Move | Opcode::Square | Opcode::Select | Opcode::MultiplyAdd => return None,
                Opcode::Comparison(_) | Opcode::Connective(_) | Opcode::Predicate(_) => return None,
                Opcode::IntegerPower(_) => return None,
            })
        }
    };
}
elementwise_functions!(callee_of_code);
