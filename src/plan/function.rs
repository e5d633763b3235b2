//! What one instruction of a tile program computes. In: a primitive. Out: the elementwise function that it is, if any.

use crate::graph::{Binary, Comparison, Connective, DType, Op, Predicate, Unary};

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
    /// a·b + c, each of both operations rounded; no operand is a splat.
    MultiplyAdd,
    /// σ(−x), from x and y = σ(x).
    SigmoidOfNegated,
}

impl Function {
    /// The function that a primitive is, if it is elementwise.
    pub(crate) fn of(op: &Op) -> Option<Function> {
        match op {
            Op::Unary(function) => Some(Function::Unary(*function)),
            Op::Binary(function) => Some(Function::Binary(*function)),
            Op::Comparison(function) => Some(Function::Comparison(*function)),
            Op::Connective(function) => Some(Function::Connective(*function)),
            Op::Predicate(function) => Some(Function::Predicate(*function)),
            Op::IntegerPower(power) => Some(Function::IntegerPower(power.exponent)),
            Op::Select(_) => Some(Function::Select),
            Op::Cast(cast) => Some(Function::Cast(cast.dtype)),
            _ => None,
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

/// Two functions of one number whose values one instruction gives together with less work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair {
    pub(crate) both: Both,
    /// The first operand of each is that of the instruction.
    pub(crate) functions: [Function; 2],
    /// As for [`Function::weight`], of both together.
    pub(crate) weight: usize,
}

/// What a pair computes, by which its kernel is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Both {
    TanhAndSlope,
    Sigmoids,
    SineAndCosine,
}

/// | pair | shares |
/// |---|---|
/// | tanh x, 1/cosh²x | e^(−2\|x\|) |
/// | σ(x), σ(−x) | e^(−\|x\|) |
/// | sin x, cos x | all but the choice between two polynomials |
pub(crate) const PAIRS: [Pair; 3] = [
    Pair {
        both: Both::TanhAndSlope,
        functions: [Function::Unary(Unary::Tanh), Function::Unary(Unary::SechSquared)],
        weight: 10,
    },
    Pair { both: Both::Sigmoids, functions: [Function::Unary(Unary::Sigmoid), Function::SigmoidOfNegated], weight: 10 },
    Pair {
        both: Both::SineAndCosine,
        functions: [Function::Unary(Unary::Sin), Function::Unary(Unary::Cos)],
        weight: 9,
    },
];

impl Pair {
    /// Additions that it saves.
    pub(crate) fn saves(&self) -> usize {
        self.functions.iter().map(|function| function.weight()).sum::<usize>() - self.weight
    }
}
