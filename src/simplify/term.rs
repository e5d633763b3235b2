//! Terms: an application of a primitive to nodes, which may or may not be in the graph yet. In: a primitive, its type,
//! its operands. Out: equality, in which floats are equal if their bits are, and a hash that agrees with it, for
//! hash-consing.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::graph::{Constant, Literal, Node, Op, Operands, Type, Value};

/// How many elements of a constant array enter its hash.
const HASHED_ELEMENTS: usize = 16;

/// A primitive with its type and operands.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) op: Op,
    pub(super) ty: Type,
    pub(super) operands: Operands,
}

impl Term {
    /// Whether a node computes this; operands are compared by the caller.
    pub(super) fn is_computed_by(&self, node: &Node) -> bool {
        node.ty == self.ty && node.op.is_identical(&self.op)
    }

    /// Equal for terms that are the same, on every run of every program.
    pub(super) fn fingerprint(&self) -> u64 {
        // The keys of this hasher are fixed, and nothing is iterated in the order of hashes anyway.
        let mut hasher = DefaultHasher::new();
        self.op.name().hash(&mut hasher);
        self.ty.hash(&mut hasher);
        self.operands.hash(&mut hasher);
        hash_attributes(&self.op, &mut hasher);
        hasher.finish()
    }
}

/// The attributes that nodes of one type with the same operands are likely to differ in.
fn hash_attributes(op: &Op, hasher: &mut DefaultHasher) {
    op.bodies().iter().for_each(|body| body.fingerprint().hash(hasher));
    op.leaf_name().hash(hasher);
    match op {
        Op::Constant(Constant { value, .. }) => hash_literal(value, hasher),
        Op::DimSize(size) => size.dim.hash(hasher),
        Op::IntegerPower(power) => power.exponent.hash(hasher),
        Op::Broadcast(broadcast) => broadcast.axes.hash(hasher),
        Op::Transpose(transpose) => transpose.permutation.hash(hasher),
        Op::Slice(slice) => (&slice.start, &slice.stop, &slice.step).hash(hasher),
        Op::Pad(pad) => (&pad.low, &pad.high).hash(hasher),
        Op::Reduce(reduce) => reduce.axes.hash(hasher),
        Op::Argument(argument) => (argument.index, argument.trace).hash(hasher),
        Op::Scan(scan) => scan.output.hash(hasher),
        Op::Custom(custom) => custom.kind.hash(hasher),
        _ => {}
    }
}

fn hash_literal(literal: &Literal, hasher: &mut DefaultHasher) {
    match literal {
        Literal::Number(number) => number.to_bits().hash(hasher),
        Literal::Integer(integer) => integer.hash(hasher),
        Literal::Array(value) => match value.as_ref() {
            Value::F32(array) => array.iter().take(HASHED_ELEMENTS).for_each(|x| x.to_bits().hash(hasher)),
            Value::F64(array) => array.iter().take(HASHED_ELEMENTS).for_each(|x| x.to_bits().hash(hasher)),
            Value::I64(array) => array.iter().take(HASHED_ELEMENTS).for_each(|x| x.hash(hasher)),
            Value::Bool(array) => array.iter().take(HASHED_ELEMENTS).for_each(|x| x.hash(hasher)),
        },
    }
}
