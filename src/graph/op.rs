//! The vocabulary: the closed set of primitives, their names and their attributes, as data.
//!
//! In: attributes. Out: [`Op`], the weight of a node. What a primitive means (its shape rule, its linearization, its
//! kernel) is not here but in `ops/`, so that a stage which only looks at a graph needs only this file.

use std::sync::Arc;

use super::{
    attribute::BoundedAttribute,
    body::Body,
    custom::CustomKind,
    dim::Dim,
    dtype::DType,
    initializer::Initializer,
    kinds::{
        Binary, Comparison, Connective, Orientation, Predicate, Ranking, Reduction, ScanDirection, Side, Triangle,
        Unary, WindowReduction,
    },
    list::List,
    nested::{Checkpoints, ScanOutput},
    operations::operations,
    shape::{Axes, Shape},
};

/// A size, stride or padding for each axis.
pub type Dims = List<Dim>;

/// The elements of a constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Every element is this number, rounded to the constant's dtype; for `bool`, 0 is false.
    Number(f64),
    /// Every element is this integer, of an `i64` constant.
    Integer(i64),
    /// All the elements, in any order in memory.
    Array(Arc<super::value::Value>),
}

impl From<super::value::Value> for Literal {
    /// All the elements, put into row-major order in memory once, so that no plan has to.
    fn from(value: super::value::Value) -> Literal {
        Literal::Array(Arc::new(value.into_row_major()))
    }
}

impl Literal {
    /// Whether both are the same in every bit: NaN is NaN, and −0 is not 0.
    pub(crate) fn is_identical(&self, other: &Literal) -> bool {
        match (self, other) {
            (Literal::Number(one), Literal::Number(other)) => one.to_bits() == other.to_bits(),
            (Literal::Array(one), Literal::Array(other)) => is_identical_array(one, other),
            (one, other) => one == other,
        }
    }

    /// Whether every element is known to be 0 (of either sign) from the literal alone.
    pub fn is_zero(&self) -> bool {
        matches!(self, Literal::Number(0.0) | Literal::Integer(0))
    }
}

/// The name of an input, parameter or state, scopes included: `encoder.hidden.weight`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub Arc<str>);

/// Which closure an argument belongs to while a body is built; 0 in a body that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceNumber(pub usize);

/// The most iterations of a loop whose end depends on its values, where no bound is stated and
/// [`Options::max_iterations`](crate::Options::max_iterations) is left as it is: more are an error of the run.
pub const MAX_ITERATIONS: usize = 100_000_000;

/// The most iterations of a loop whose end depends on its values, if one is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bound(pub Option<usize>);

/// What the name of a primitive is: one, or that of its kind.
macro_rules! name {
    (of $op:ident, $name:literal) => {
        $name
    };
    (of $op:ident, $kind:ident) => {
        $op.kind.name()
    };
    (all of $name:literal) => {
        vec![$name]
    };
    (all of $kind:ident) => {
        $kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>()
    };
}

/// Declares a struct for each row of the table, [`Op`] over all of them, and what is asked of any.
macro_rules! declare_operations {
    ($($(#[$doc:meta])* $op:ident = $name:tt { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq)]
            pub struct $op { $($(#[$field_doc])* pub $field: $type),* }

            impl From<$op> for Op {
                fn from(op: $op) -> Op {
                    Op::$op(op)
                }
            }
        )*

        /// What a node computes: a primitive with its attributes.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Op {
            /// A function of one number.
            Unary(Unary),
            /// A function of two numbers.
            Binary(Binary),
            /// A comparison.
            Comparison(Comparison),
            /// A connective of truth values.
            Connective(Connective),
            /// A question about one value.
            Predicate(Predicate),
            $($(#[$doc])* $op($op)),*
        }

        impl Op {
            /// The name of every primitive, elementwise ones first.
            pub fn names() -> Vec<&'static str> {
                let elementwise = [
                    name!(all of Unary),
                    name!(all of Binary),
                    name!(all of Comparison),
                    name!(all of Connective),
                    name!(all of Predicate),
                ];
                elementwise.into_iter().chain([$(name!(all of $name)),*]).flatten().collect()
            }

            /// The name in the text form.
            pub fn name(&self) -> &'static str {
                match self {
                    Op::Unary(function) => function.name(),
                    Op::Binary(function) => function.name(),
                    Op::Comparison(function) => function.name(),
                    Op::Connective(function) => function.name(),
                    Op::Predicate(function) => function.name(),
                    $(Op::$op(_op) => name!(of _op, $name)),*
                }
            }

            /// The name of an attribute that holds a size, step or position of more than `max` in magnitude, and that
            /// number.
            pub(crate) fn excess(&self, max: u64) -> Option<(&'static str, String)> {
                match self {
                    Op::Unary(_) | Op::Binary(_) | Op::Comparison(_) | Op::Connective(_) | Op::Predicate(_) => None,
                    $(Op::$op($op { $($field),* }) => {
                        None$(.or_else(|| Some((stringify!($field), $field.excess(max)?))))*
                    })*
                }
            }
        }

        /// Runs `$body` with `$rule` bound to the primitive inside an [`Op`], whichever it is.
        macro_rules! each_operation {
            ($value:expr, $rule:ident => $body:expr) => {
                match $value {
                    $crate::graph::Op::Unary($rule) => $body,
                    $crate::graph::Op::Binary($rule) => $body,
                    $crate::graph::Op::Comparison($rule) => $body,
                    $crate::graph::Op::Connective($rule) => $body,
                    $crate::graph::Op::Predicate($rule) => $body,
                    $($crate::graph::Op::$op($rule) => $body),*
                }
            };
        }
        pub(crate) use each_operation;

        /// Collects `$function()` of every kind of primitive into one `Vec`.
        macro_rules! collect_operations {
            ($function:ident) => {{
                let mut items = Vec::new();
                items.extend($crate::graph::Unary::$function());
                items.extend($crate::graph::Binary::$function());
                items.extend($crate::graph::Comparison::$function());
                items.extend($crate::graph::Connective::$function());
                items.extend($crate::graph::Predicate::$function());
                $(items.extend($crate::graph::$op::$function());)*
                items
            }};
        }
        pub(crate) use collect_operations;
    };
}
operations!(declare_operations);

impl Op {
    /// The elementwise primitive of that name that has no attributes but its kind.
    pub(crate) fn elementwise_from_name(name: &str) -> Option<Op> {
        None.or_else(|| Unary::from_name(name).map(Op::Unary))
            .or_else(|| Binary::from_name(name).map(Op::Binary))
            .or_else(|| Comparison::from_name(name).map(Op::Comparison))
            .or_else(|| Connective::from_name(name).map(Op::Connective))
            .or_else(|| Predicate::from_name(name).map(Op::Predicate))
    }

    /// The name, if this is an input, a parameter or a state.
    pub fn leaf_name(&self) -> Option<&Name> {
        match self {
            Op::Input(input) => Some(&input.name),
            Op::Parameter(parameter) => Some(&parameter.name),
            Op::State(state) => Some(&state.name),
            _ => None,
        }
    }

    /// Whether its array comes from outside of every graph: an input, a parameter or a state.
    pub(crate) fn is_fed(&self) -> bool {
        self.leaf_name().is_some()
    }

    /// Whether both are the same in every bit: NaN is NaN, and −0 is not 0.
    pub(crate) fn is_identical(&self, other: &Op) -> bool {
        match (self, other) {
            (Op::Constant(one), Op::Constant(other)) => {
                one.value.is_identical(&other.value) && one.dtype == other.dtype && one.shape == other.shape
            }
            _ => self == other,
        }
    }
}

fn is_identical_array(one: &super::value::Value, other: &super::value::Value) -> bool {
    use super::value::Value;
    match (one, other) {
        (Value::F32(one), Value::F32(other)) => one.iter().map(|x| x.to_bits()).eq(other.iter().map(|x| x.to_bits())),
        (Value::F64(one), Value::F64(other)) => one.iter().map(|x| x.to_bits()).eq(other.iter().map(|x| x.to_bits())),
        _ => one == other,
    }
}
