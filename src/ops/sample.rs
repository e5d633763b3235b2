//! Operands to prove a rule at. In: shapes and ranges. Out: a [`Sample`], the same at every run.

use ndarray::{ArrayD, IxDyn};

use crate::graph::{Op, Value};

/// A primitive with operands at which its rule is proved.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The primitive with its attributes.
    pub op: Op,
    /// Its operands; floats are `f64`.
    pub operands: Vec<Value>,
    /// Whether finite differences must agree with the derivative there.
    pub smoothness: Smoothness,
}

/// Whether a function has one derivative at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Smoothness {
    /// It has: finite differences must agree with the rule.
    Smooth,
    /// It has a kink or a pole there: the rule's convention stands, and forward and reverse mode must agree on it.
    Kink,
}

impl Sample {
    /// A sample at a point where the function is smooth.
    pub(crate) fn smooth(op: impl Into<Op>, operands: impl IntoIterator<Item = Value>) -> Sample {
        Sample { op: op.into(), operands: operands.into_iter().collect(), smoothness: Smoothness::Smooth }
    }

    /// A sample at a kink: ties, zeros of either sign, ends of a domain.
    pub(crate) fn kink(op: impl Into<Op>, operands: impl IntoIterator<Item = Value>) -> Sample {
        Sample { smoothness: Smoothness::Kink, ..Sample::smooth(op, operands) }
    }
}

/// `f64` numbers spread over `low..high` by the golden ratio: irregular, distinct, the same at every run.
pub(crate) fn reals(shape: &[usize], low: f64, high: f64) -> Value {
    let mut position = 0.37;
    let array = ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        position = (position + 0.618_033_988_749_894_9_f64).fract();
        low + (high - low) * position
    });
    Value::F64(array)
}

/// The `f64` numbers given, in a shape.
pub(crate) fn listed<T>(shape: &[usize], elements: &[T]) -> Value
where
    T: crate::graph::Element,
{
    let array = ArrayD::from_shape_vec(IxDyn(shape), elements.to_vec());
    T::wrap(array.expect("invariant: a sample has as many elements as its shape says"))
}
