//! What one instruction of a tile program computes. In: a primitive. Out: the elementwise function that it is, if any.

use crate::{
    graph::{Binary, Comparison, Connective, DType, Op, Predicate, Unary},
    ops,
};

/// A function of at most three operands, elementwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// a·b + c, each of both operations rounded; no operand is a splat.
    MultiplyAdd,
    /// σ(−x), from x and y = σ(x).
    SigmoidOfNegated,
}

impl Function {
    /// The function that a primitive is, if it is elementwise.
    pub(crate) fn from_op(op: &Op) -> Option<Function> {
        match op {
            Op::Unary(function) => Some(Function::Unary(*function)),
            Op::Binary(function) => Some(Function::Binary(*function)),
            Op::Comparison(function) => Some(Function::Comparison(*function)),
            Op::Connective(function) => Some(Function::Connective(*function)),
            Op::Predicate(function) => Some(Function::Predicate(*function)),
            Op::IntegerPower(power) => Some(Function::IntegerPower(power.exponent)),
            Op::Select(_) => Some(Function::Select),
            Op::Cast(cast) => Some(Function::Cast(cast.dtype)),
            other => {
                assert!(!ops::traits(other).is_elementwise, "invariant: {} has a function", other.name());
                None
            }
        }
    }

    /// The name, as in the text of a graph.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Function::Unary(function) => function.name(),
            Function::Binary(function) => function.name(),
            Function::Comparison(function) => function.name(),
            Function::Connective(function) => function.name(),
            Function::Predicate(function) => function.name(),
            Function::IntegerPower(_) => "integer_power",
            Function::Select => "select",
            Function::Cast(_) => "cast",
            Function::MultiplyAdd => "multiply_add",
            Function::SigmoidOfNegated => "sigmoid_of_negated",
        }
    }

    /// Operations on floats of an element, counted as in the graph that it stands for.
    pub(crate) fn flops(self) -> usize {
        match self {
            Function::MultiplyAdd => 2,
            Function::Unary(_) | Function::Binary(_) | Function::IntegerPower(_) | Function::SigmoidOfNegated => 1,
            Function::Comparison(_) | Function::Select => 1,
            Function::Connective(_) | Function::Predicate(_) | Function::Cast(_) => 0,
        }
    }

    /// How much longer it takes than an addition, roughly: what tasks are cut by.
    pub(crate) fn weight(self) -> usize {
        match self {
            Function::Unary(function) => function.cost(),
            Function::Binary(function) => function.cost(),
            Function::SigmoidOfNegated => 5,
            Function::Comparison(_) | Function::Connective(_) | Function::Predicate(_) => 1,
            Function::IntegerPower(_) | Function::Select | Function::Cast(_) | Function::MultiplyAdd => 1,
        }
    }
}
