//! What one instruction of a tile program computes. In: a primitive. Out: the elementwise function that it is, if any.

use crate::graph::{Binary, Comparison, Connective, DType, Predicate, Unary};

/// A function of at most three operands, elementwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Function {
    /// A function of one number.
    Unary(Unary),
    /// A function of two numbers.
    Binary(Binary),
    /// A comparison, to `bool`.
    Comparison(Comparison),
    /// A connective of truth values.
    Connective(Connective),
    /// A question about one value, to `bool`.
    Predicate(Predicate),
    /// xⁿ.
    IntegerPower(i64),
    /// The second operand where the first is true, else the third.
    Select,
    /// The same value in another dtype.
    Cast(DType),
}
