//! What is decided by sizes alone, once they are numbers: whether a slice, a window or a kernel lies within its array. In:
//! a primitive, the shapes of its operands, the values of symbols. Out: nothing, or why it has no value. Both engines ask
//! it before anything else, and what unsafe code leans on is established here.

use super::rule::Fault;
use crate::graph::{Bindings, Op};

/// That a primitive has a value for operands of these shapes, as far as shapes tell.
///
/// # Errors
/// The fault that it has for any operands of these shapes.
pub(crate) fn expect_fit(op: &Op, operands: &[&[usize]], bindings: &Bindings) -> Result<(), Fault> {
    match op {
        Op::Slice(slice) => slice.starts(operands[0], bindings).map(drop),
        Op::Pad(pad) => pad.expect_fit(operands[0], bindings),
        Op::Convolution(convolution) => convolution.expect_fit(operands[0], operands[1], bindings),
        Op::Window(window) => window.expect_fit(operands[0]),
        // Their sizes follow from their operands', or differ at worst by what the operands hold.
        Op::Unary(_) | Op::Binary(_) | Op::Comparison(_) | Op::Connective(_) | Op::Predicate(_) => Ok(()),
        Op::Poison(_) | Op::Input(_) | Op::Parameter(_) | Op::Constant(_) | Op::Iota(_) | Op::DimSize(_) => Ok(()),
        Op::RandomBits(_) | Op::IntegerPower(_) | Op::Select(_) | Op::Cast(_) | Op::StopGradient(_) => Ok(()),
        Op::Broadcast(_) | Op::Reshape(_) | Op::Transpose(_) | Op::Concat(_) | Op::Reverse(_) => Ok(()),
        Op::Gather(_) | Op::ScatterAdd(_) | Op::Reduce(_) | Op::Rank(_) | Op::CumulativeSum(_) => Ok(()),
        Op::DotGeneral(_) | Op::Cholesky(_) | Op::TriangularSolve(_) | Op::LinearRecurrence(_) => Ok(()),
    }
}

/// Whether [`expect_fit`] looks at sizes.
pub(crate) fn asks_about_sizes(op: &Op) -> bool {
    matches!(op, Op::Slice(_) | Op::Pad(_) | Op::Convolution(_) | Op::Window(_))
}
