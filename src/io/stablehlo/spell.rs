//! How elementwise functions are said in StableHLO: one row a function. In: a function. Out: a [`Spelling`]. The compiler asks for a row of
//! each; `lower.rs` has the other primitives.

use super::{
    compositions as composed, special as written,
    writer::{Tensor, Writer},
};
use crate::graph::{Binary, Comparison, Connective, Expr, Predicate, Unary};

/// A function of expressions that says a primitive by others.
pub(super) type Composition = for<'g> fn(&[Expr<'g>]) -> Expr<'g>;

/// How a primitive is said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spelling {
    /// By one operation on the same operands: of StableHLO, or of CHLO, which XLA reads beside it.
    Word(&'static str),
    /// By a comparison of the operands.
    Compare(&'static str),
    /// By other primitives of this library.
    Composed(Composition),
    /// By several operations.
    Written(fn(&mut Writer, &[Tensor]) -> Tensor),
}

use Spelling::{Compare, Composed, Word, Written};

pub(super) fn unary(function: Unary) -> Spelling {
    match function {
        Unary::Negate => Word("stablehlo.negate"),
        Unary::Abs => Word("stablehlo.abs"),
        Unary::Sign => Word("stablehlo.sign"),
        Unary::Exp => Word("stablehlo.exponential"),
        Unary::ExpM1 => Word("stablehlo.exponential_minus_one"),
        Unary::Log => Word("stablehlo.log"),
        Unary::Log1p => Word("stablehlo.log_plus_one"),
        Unary::Sqrt => Word("stablehlo.sqrt"),
        Unary::Rsqrt => Word("stablehlo.rsqrt"),
        Unary::Tanh => Word("stablehlo.tanh"),
        Unary::SechSquared => Composed(composed::sech_squared),
        Unary::Sigmoid => Word("stablehlo.logistic"),
        Unary::Softplus => Composed(composed::softplus),
        Unary::Erf => Word("chlo.erf"),
        Unary::Erfc => Word("chlo.erfc"),
        Unary::NormalCdf => Composed(composed::normal_cdf),
        Unary::NormalPdf => Composed(composed::normal_pdf),
        Unary::Relu => Composed(composed::relu),
        Unary::Sin => Word("stablehlo.sine"),
        Unary::Cos => Word("stablehlo.cosine"),
        Unary::Floor => Word("stablehlo.floor"),
        Unary::Ceil => Word("stablehlo.ceil"),
        Unary::Round => Word("stablehlo.round_nearest_even"),
        Unary::Tan => Word("stablehlo.tan"),
        Unary::Asin => Word("chlo.asin"),
        Unary::Acos => Word("chlo.acos"),
        Unary::Atan => Word("chlo.atan"),
        Unary::Sinh => Word("chlo.sinh"),
        Unary::Cosh => Word("chlo.cosh"),
        Unary::Asinh => Word("chlo.asinh"),
        Unary::Acosh => Word("chlo.acosh"),
        Unary::Atanh => Word("chlo.atanh"),
        Unary::Log2 => Composed(composed::log2),
        Unary::Exp2 => Composed(composed::exp2),
        Unary::Log10 => Composed(composed::log10),
        Unary::Cbrt => Word("stablehlo.cbrt"),
        Unary::ErfInv => Word("chlo.erf_inv"),
        Unary::LogGamma => Word("chlo.lgamma"),
    }
}

pub(super) fn binary(function: Binary) -> Spelling {
    match function {
        Binary::Add => Word("stablehlo.add"),
        Binary::Sub => Word("stablehlo.subtract"),
        Binary::Mul => Word("stablehlo.multiply"),
        Binary::Div => Word("stablehlo.divide"),
        Binary::Maximum => Word("stablehlo.maximum"),
        Binary::Minimum => Word("stablehlo.minimum"),
        Binary::Pow => Word("stablehlo.power"),
        Binary::Atan2 => Word("stablehlo.atan2"),
        Binary::Hypot => Composed(composed::hypot),
        Binary::Rem => Word("stablehlo.remainder"),
        Binary::Polygamma => Written(written::polygamma),
        Binary::Stumpff => Composed(composed::stumpff),
    }
}

pub(super) fn comparison(comparison: Comparison) -> Spelling {
    Compare(match comparison {
        Comparison::Equal => "EQ",
        Comparison::NotEqual => "NE",
        Comparison::Less => "LT",
        Comparison::LessEqual => "LE",
        Comparison::Greater => "GT",
        Comparison::GreaterEqual => "GE",
    })
}

pub(super) fn connective(connective: Connective) -> Spelling {
    Word(match connective {
        Connective::And => "stablehlo.and",
        Connective::Or => "stablehlo.or",
        Connective::Xor => "stablehlo.xor",
    })
}

pub(super) fn predicate(predicate: Predicate) -> Spelling {
    match predicate {
        Predicate::Not => Word("stablehlo.not"),
        Predicate::IsFinite => Word("stablehlo.is_finite"),
        Predicate::IsNan => Composed(composed::is_nan),
    }
}
