//! The primitives: for each its shape rule, its linearization, its reference kernel, its cost and its samples.
//!
//! In: operands. Out: nodes ([`Expr`](crate::graph::Expr) methods), types, derivatives and values. Nothing here knows a
//! sweep, a plan or a thread. A primitive is a row of `graph/operations.rs` and a `Rule` here; a missing rule does not compile.

mod apply;
mod arrange;
mod assign;
mod axes;
mod batching;
mod binary;
mod blocks;
mod broadcast;
mod cast;
mod cholesky;
mod concat;
mod congruence;
mod convolution;
mod convolve;
mod convolve_transpose;
mod cost;
mod cumulative_sum;
mod custom;
mod decomposition;
mod dot;
mod eigh;
mod einsum;
mod fft;
mod fill;
mod gather;
mod labelled;
mod leaf;
mod linear_algebra;
mod logic;
mod lu;
mod matmul;
mod nested;
mod pool;
mod power;
mod qr;
mod random;
mod rank;
mod real;
mod recurrence;
mod reduce;
mod reshape;
mod rule;
mod running;
mod sample;
mod search;
mod segments;
mod select;
mod slice;
mod solve;
mod spatial;
pub(crate) mod special;
mod state;
mod svd;
mod symmetric;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod triangular_solve;
mod unary;
mod verify;
mod window;

pub use apply::Operand;
pub(crate) use apply::{MAX_ATTRIBUTE, broadcast_shapes, infer};
pub use arrange::IntoParts;
pub(crate) use axes::normalize;
pub use axes::{AllAxes, IntoAxes};
pub(crate) use batching::{batch, in_front};
pub(crate) use binary::{BinaryFunction, BinaryNumberFunction, binary_functions};
pub(crate) use congruence::{Solutions, greatest_common_divisor, solutions};
pub use convolve::Convolve;
pub use convolve_transpose::ConvolveTranspose;
pub use custom::{CustomError, CustomOp};
pub(crate) use custom::{caught, check_types, erased, evaluate_custom, kind_of};
pub(crate) use decomposition::{Decomposition, MatrixSize, decompose};
pub use eigh::EighParts;
pub(crate) use fft::root_of_unity;
pub use lu::LuParts;
pub use nested::{Function, ScanOptions, Tree};
pub(crate) use nested::{leaves, poisoned};
pub use pool::Pool;
pub use qr::QrParts;
pub(crate) use random::{PHILOX_MULTIPLIERS, PHILOX_ROUNDS, PHILOX_WEYL};
pub(crate) use real::{Number, Real, Total, own_total, power_by_squaring};
pub use rule::{
    Application, BatchApplication, BatchOperand, JacobianProducts, LinearMap, Linearization, NestedError, OpError,
    Partial, Partials,
};
pub(crate) use rule::{
    CheckSizes, Coefficient, Dependence, Domain, EvaluationContext, FactorAxis, Rule, RunLimits, Ties, Traits,
};
pub(crate) use sample::reals;
pub use sample::{Sample, Smoothness};
pub(crate) use search::is_before;
pub use select::Choice;
pub use slice::{Index, IntoIndices, range};
pub use spatial::{Padding, PerAxis};
pub use svd::SvdParts;
pub(crate) use symmetric::{Spectrum, diagonalize};
pub(crate) use unary::{UnaryFunction, UnaryNumberFunction, unary_functions};
pub use verify::{VerifyError, VerifyErrorKind, verify};

use smallvec::SmallVec;

use crate::graph::{Bindings, Dim, Op, Type, Value, collect_operations, each_operation};

/// The kind of a primitive.
pub(crate) fn traits(op: &Op) -> Traits {
    each_operation!(op, rule => rule.traits())
}

/// That a primitive has a value for operands of these shapes, as far as shapes tell.
///
/// # Errors
/// The error that it has for any operands of these shapes.
pub(crate) fn check_sizes(op: &Op, operands: &[&[usize]], bindings: &Bindings) -> Result<(), OpError> {
    match each_operation!(op, rule => rule.domain()) {
        Domain::All => Ok(()),
        Domain::Checked(rule) => rule.check_sizes(operands, bindings),
    }
}

/// Whether [`check_sizes`] refuses any shapes.
pub(crate) fn has_checked_sizes(op: &Op) -> bool {
    matches!(each_operation!(op, rule => rule.domain()), Domain::Checked(_))
}

/// The derivative of a primitive.
pub(crate) fn linearization(op: &Op) -> Linearization<'_> {
    each_operation!(op, rule => rule.linearization())
}

/// Which elements of one operand the derivative of an element of the output of a primitive is by.
pub(crate) fn dependence(op: &Op, operand: usize, operands: &[Type]) -> Dependence {
    each_operation!(op, rule => rule.dependence(operand, operands))
}

/// The value of a primitive by its reference kernel.
pub(crate) fn evaluate<R: Real>(op: &Op, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
    let shapes: SmallVec<[&[usize]; 3]> = context.operands.iter().map(|operand| operand.shape()).collect();
    check_sizes(op, &shapes, context.bindings)?;
    each_operation!(op, rule => rule.evaluate(context))
}

/// Whether computing a primitive again costs no more than reading a stored value of it: what is known beforehand, movements
/// and cheap functions of elements.
pub(crate) fn is_cheap(op: &Op) -> bool {
    match op {
        Op::Unary(function) => function.cost() <= MAX_CHEAP_COST,
        Op::Binary(function) => function.cost() <= MAX_CHEAP_COST,
        Op::Constant(_) | Op::DimSize(_) | Op::StopGradient(_) => true,
        Op::Transpose(_) | Op::Broadcast(_) | Op::Reverse(_) | Op::Slice(_) | Op::Reshape(_) => true,
        other => traits(other).is_elementwise,
    }
}

/// The highest cost of a cheap function, in additions.
const MAX_CHEAP_COST: usize = 4;

/// The operand whose elements the output must have when a primitive is computed, if it is one that only changes some of them.
pub(crate) fn overwritten(op: &Op) -> Option<usize> {
    match op {
        Op::Custom(custom) => erased(&custom.kind).overwrites(),
        // The kernels of our own write every element.
        _ => None,
    }
}

/// How many floating-point operations a primitive takes.
pub(crate) fn flops(op: &Op, operands: &[Type], output: &Type) -> Dim {
    each_operation!(op, rule => rule.flops(operands, output))
}

/// Operands at which every primitive is proved.
pub fn samples() -> Vec<Sample> {
    collect_operations!(samples)
}
