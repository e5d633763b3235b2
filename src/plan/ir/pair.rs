//! Pairs of functions of one number that one instruction computes together, and which two vertices of a group are a
//! pair.

use super::{
    function::Function,
    network::{Network, VertexKind},
};
use crate::graph::Unary;

/// Two functions of one number whose values one instruction gives together with less work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair {
    pub(crate) both: PairKind,
    /// The first operand of each is that of the instruction.
    pub(crate) functions: [Function; 2],
    /// As for [`Function::weight`], of both together.
    pub(crate) weight: usize,
}

/// What a pair computes, by which its kernel is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PairKind {
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
        both: PairKind::TanhAndSlope,
        functions: [Function::Unary(Unary::Tanh), Function::Unary(Unary::SechSquared)],
        weight: 10,
    },
    Pair {
        both: PairKind::Sigmoids,
        functions: [Function::Unary(Unary::Sigmoid), Function::SigmoidOfNegated],
        weight: 10,
    },
    Pair {
        both: PairKind::SineAndCosine,
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

/// The pair that a member of a group is one half of, and its vertices in the order of the pair.
pub(in crate::plan) fn partner(network: &Network, member: usize, members: &[usize]) -> Option<(Pair, [usize; 2])> {
    let member_function = function_of(network, member)?;
    PAIRS.iter().find_map(|pair| {
        let side = pair.functions.iter().position(|function| *function == member_function)?;
        // Copies of a value have copies of its partner: the first of each.
        let first = |function: Function| {
            members.iter().copied().find(|candidate| {
                function_of(network, *candidate) == Some(function) && reads_the_same(network, member, *candidate)
            })
        };
        let vertices = [first(pair.functions[0])?, first(pair.functions[1])?];
        (vertices[side] == member).then_some((*pair, vertices))
    })
}

/// The function of one operand, or more, that a vertex is.
pub(in crate::plan) fn function_of(network: &Network, vertex: usize) -> Option<Function> {
    match network.vertices[vertex].kind {
        VertexKind::Map(function) => Some(function),
        VertexKind::Leaf(_)
        | VertexKind::Constant(_)
        | VertexKind::Splat(_)
        | VertexKind::Copy
        | VertexKind::Pad(_)
        | VertexKind::Reduce(_) => None,
        VertexKind::Contraction(_) | VertexKind::DotRows(_) | VertexKind::DotColumns(_) => None,
        VertexKind::Primitive(_) | VertexKind::Nested(_) | VertexKind::FurtherOutput => None,
    }
}

/// Whether the first operands of two functions are the same elements.
fn reads_the_same(network: &Network, left: usize, right: usize) -> bool {
    let (left, right) = (&network.vertices[left], &network.vertices[right]);
    left.sizes == right.sizes && left.operands[0] == right.operands[0]
}
