//! Elementwise kernels of the tile interpreter. In: a function, the dtype of its operands, which of them are splats,
//! and an instruction set. Out: a pointer to a function that computes `n` elements. It holds no arrays, and nothing
//! here runs more than one operation.
//!
//! Every function of analysis is within 2 units in the last place over its whole domain, subnormals, infinities, NaN
//! and signed zeros included; `accuracy.rs` measures it. Conventions are those of `ops/real.rs`.

mod accuracy;
mod arithmetic;
mod coefficients;
mod double;
mod exponential;
mod float;
mod functions;
mod instantiate;
mod integer_power;
mod lane;
mod logarithm;
mod map;
mod power;
mod reduce;
mod select;
mod single;
mod table;
#[cfg(test)]
mod tests;

pub use accuracy::{AccuracyRow, error_table};
#[cfg(target_arch = "x86_64")]
pub(super) use arithmetic::Fused;
pub(super) use arithmetic::{Arithmetic, Baseline};
pub(super) use float::Float;
pub(super) use functions::SigmoidOfNegated;
#[cfg(feature = "jit")]
pub(super) use functions::{Sigmoids, SineAndCosine, TanhAndSlope};
pub(super) use map::Zip;
#[cfg(feature = "jit")]
pub(super) use map::{MapPair, values_of_both as values_of_pair};
pub(crate) use reduce::{accumulate, row_reduce};
#[cfg(feature = "jit")]
pub(super) use table::Exceptions;
pub(super) use table::{value_of_one, value_of_two};

use functions as f;
use map::{Map, multiply_add, pair, unary};
use table::laid_out;

use crate::{
    graph::{Comparison, Connective, DType, Predicate},
    ops::{Number, Real},
    plan::{Function, Pair, PairKind},
    runtime::instruction_set::InstructionSet,
};

/// Computes `n` elements. `operands[i]` points to `n` elements, or to one where it is a splat; a truth value is a byte,
/// 0 or 1. `out` never overlaps an operand.
///
/// # Safety
/// Every pointer is aligned for its dtype and points to as many elements as said; the machine has the instruction set
/// that the kernel was asked for.
pub(crate) type Kernel = unsafe fn(out: *mut u8, operands: &[*const u8; 3], n: usize);

/// Computes `n` elements of two functions of `x`.
///
/// # Safety
/// Both outputs and `x` are aligned for the dtype and point to `n` elements each, none of which overlaps another; the
/// machine has the instruction set that the kernel was asked for.
pub(crate) type PairKernel = unsafe fn(outputs: &[*mut u8; 2], x: *const u8, n: usize);

/// Reduces each row of `columns` contiguous elements to one, with several partial results in a fixed order.
///
/// # Safety
/// `out` points to `rows` elements and `x` to `rows · columns`, aligned and apart; the machine has the instruction set.
/// `columns` is not 0 for extremes.
pub(crate) type RowReduce = unsafe fn(out: *mut u8, x: *const u8, rows: usize, columns: usize);

/// `acc[i]` = `acc[i]` combined with `x[i]`.
///
/// # Safety
/// `acc` and `x` point to `n` elements each, aligned and apart; the machine has the instruction set.
pub(crate) type Accumulate = unsafe fn(acc: *mut u8, x: *const u8, n: usize);

/// Which operands are splats: one element for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Splats(u8);

impl Splats {
    /// Every operand has its own elements.
    pub(crate) const NONE: Splats = Splats(0);

    /// The same, and operand `index`.
    pub(crate) fn with(self, index: usize) -> Splats {
        Splats(self.0 | 1 << index)
    }

    /// Whether operand `index` is one element.
    pub(crate) fn has(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}

/// The kernel, or `None` if the function has none for that dtype (eˣ of i64) or those splats.
///
/// `dtype` is that of the operands: for `Select` of the second and third, for `CastMap` of the source. The operand of a
/// function of one element is never a splat, and of two operands at most one: what is computed from splats alone is a
/// splat, and one element of it is computed with [`Splats::NONE`]. `IntegerPower(n)` has kernels of one operand for
/// n = −2 … 4; for any other n operand 1 points to one `i64`, which is n, whatever `splats` says of it. `MultiplyAdd`
/// has no splats.
pub(crate) fn kernel(function: Function, dtype: DType, splats: Splats, set: InstructionSet) -> Option<Kernel> {
    match (function, dtype) {
        (Function::Unary(function), DType::F32) => Some(table::float_unary::<f32>(function, set)),
        (Function::Unary(function), DType::F64) => Some(table::float_unary::<f64>(function, set)),
        (Function::Unary(function), DType::I64) => table::integer_unary(function, set),
        (Function::Binary(function), DType::F32) => table::float_binary::<f32>(function, splats, set),
        (Function::Binary(function), DType::F64) => table::float_binary::<f64>(function, splats, set),
        (Function::Binary(function), DType::I64) => table::integer_binary(function, splats, set),
        (Function::Comparison(function), DType::F32) => comparison::<f32>(function, splats, set),
        (Function::Comparison(function), DType::F64) => comparison::<f64>(function, splats, set),
        (Function::Comparison(function), DType::I64) => comparison::<i64>(function, splats, set),
        (Function::Connective(function), DType::Bool) => connective(function, splats, set),
        (Function::Predicate(Predicate::Not), DType::Bool) => Some(unary::<f::Not>(set)),
        (Function::Predicate(function), DType::F32) => predicate::<f32>(function, set),
        (Function::Predicate(function), DType::F64) => predicate::<f64>(function, set),
        (Function::IntegerPower(exponent), DType::F32) => Some(integer_power::kernel::<f32>(exponent, set)),
        (Function::IntegerPower(exponent), DType::F64) => Some(integer_power::kernel::<f64>(exponent, set)),
        (Function::SigmoidOfNegated, DType::F32) => laid_out::<f::SigmoidOfNegated<f32>>(splats, set),
        (Function::SigmoidOfNegated, DType::F64) => laid_out::<f::SigmoidOfNegated<f64>>(splats, set),
        (Function::MultiplyAdd, DType::F32) => Some(multiply_add::<f32>(set)),
        (Function::MultiplyAdd, DType::F64) => Some(multiply_add::<f64>(set)),
        (Function::Select, dtype) => Some(select::kernel(dtype, splats, set)),
        (Function::Cast(target), source) => Some(cast(source, target, set)),
        _ => None,
    }
}

/// The kernel of two functions of one operand, which is no splat, or `None` if there is none for that dtype.
pub(crate) fn pair_kernel(pair: Pair, dtype: DType, set: InstructionSet) -> Option<PairKernel> {
    match dtype {
        DType::F32 => Some(float_pair::<f32>(pair.both, set)),
        DType::F64 => Some(float_pair::<f64>(pair.both, set)),
        DType::I64 | DType::Bool => None,
    }
}

/// The values of both functions of a pair, with the bits of its kernels.
#[inline(always)]
pub(super) fn values_of_both<T: Float + Real, A: Arithmetic>(kind: PairKind, x: T) -> [T; 2] {
    match kind {
        PairKind::TanhAndSlope => map::values_of_both::<f::TanhAndSlope<T>, A>(x),
        PairKind::Sigmoids => map::values_of_both::<f::Sigmoids<T>, A>(x),
        PairKind::SineAndCosine => map::values_of_both::<f::SineAndCosine<T>, A>(x),
    }
}

fn float_pair<T: Float + Real>(kind: PairKind, set: InstructionSet) -> PairKernel {
    match kind {
        PairKind::TanhAndSlope => pair::<f::TanhAndSlope<T>>(set),
        PairKind::Sigmoids => pair::<f::Sigmoids<T>>(set),
        PairKind::SineAndCosine => pair::<f::SineAndCosine<T>>(set),
    }
}

fn comparison<T: Number>(function: Comparison, splats: Splats, set: InstructionSet) -> Option<Kernel> {
    match function {
        Comparison::Equal => laid_out::<f::Equal<T>>(splats, set),
        Comparison::NotEqual => laid_out::<f::NotEqual<T>>(splats, set),
        Comparison::Less => laid_out::<f::Less<T>>(splats, set),
        Comparison::LessEqual => laid_out::<f::LessEqual<T>>(splats, set),
        Comparison::Greater => laid_out::<f::Greater<T>>(splats, set),
        Comparison::GreaterEqual => laid_out::<f::GreaterEqual<T>>(splats, set),
    }
}

fn connective(function: Connective, splats: Splats, set: InstructionSet) -> Option<Kernel> {
    match function {
        Connective::And => laid_out::<f::And>(splats, set),
        Connective::Or => laid_out::<f::Or>(splats, set),
        Connective::Xor => laid_out::<f::Xor>(splats, set),
    }
}

fn predicate<T: Float>(function: Predicate, set: InstructionSet) -> Option<Kernel> {
    match function {
        Predicate::IsFinite => Some(unary::<f::IsFinite<T>>(set)),
        Predicate::IsNan => Some(unary::<f::IsNan<T>>(set)),
        Predicate::Not => None,
    }
}

fn cast(source: DType, target: DType, set: InstructionSet) -> Kernel {
    match source {
        DType::F32 => cast_from::<f32>(target, set),
        DType::F64 => cast_from::<f64>(target, set),
        DType::I64 => cast_from::<i64>(target, set),
        DType::Bool => cast_from::<u8>(target, set),
    }
}

fn cast_from<T>(target: DType, set: InstructionSet) -> Kernel
where
    f::CastMap<T, f32>: Map,
    f::CastMap<T, f64>: Map,
    f::CastMap<T, i64>: Map,
    f::CastMap<T, u8>: Map,
{
    match target {
        DType::F32 => unary::<f::CastMap<T, f32>>(set),
        DType::F64 => unary::<f::CastMap<T, f64>>(set),
        DType::I64 => unary::<f::CastMap<T, i64>>(set),
        DType::Bool => unary::<f::CastMap<T, u8>>(set),
    }
}
