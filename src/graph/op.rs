//! The vocabulary: the closed set of primitives, their names and their attributes, as data.
//!
//! In: attributes. Out: [`Op`], the weight of a node. What a primitive means (its shape rule, its linearization, its
//! kernel) is not here but in `ops/`, so that a stage which only looks at a graph needs only this file.

use std::sync::Arc;

use super::{
    attribute::{Attribute, Declared, Writer},
    cursor::{Cursor, ParseError, Problem},
    dim::Dim,
    dtype::DType,
    initializer::Initializer,
    kinds::{
        Binary, Comparison, Connective, Direction, Orientation, Predicate, Ranking, Reduction, Triangle, Unary,
        WindowReduction,
    },
    shape::{Axes, Shape},
};

/// A size, stride or padding for each axis.
pub type Dims = smallvec::SmallVec<[Dim; 4]>;

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
    /// Whether every element is known to be 0 (of either sign) from the literal alone.
    pub fn is_zero(&self) -> bool {
        matches!(self, Literal::Number(0.0) | Literal::Integer(0))
    }
}

/// The name of an input or parameter, scopes included: `encoder.hidden.weight`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub Arc<str>);

/// Primitives that the text form calls by their kind: a reduction is written `sum`, not `reduce`.
const FAMILIES: [&str; 3] = ["reduce", "rank", "window"];

fn family(name: &str) -> &str {
    match name {
        name if Reduction::from_name(name).is_some() => "reduce",
        name if Ranking::from_name(name).is_some() => "rank",
        name if WindowReduction::from_name(name).is_some() => "window",
        name if FAMILIES.contains(&name) => "",
        name => name,
    }
}

/// Declares the primitives that have attributes: for each a struct, a variant of [`Op`], and both ways between its
/// attributes and text. A field of type `Shape` or `DType` is the output's, so the text has it as the node's type.
macro_rules! operations {
    ($($(#[$doc:meta])* $op:ident = $name:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })*) => {
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
                let mut names: Vec<&'static str> = Vec::new();
                names.extend(Unary::ALL.iter().map(|function| function.name()));
                names.extend(Binary::ALL.iter().map(|function| function.name()));
                names.extend(Comparison::ALL.iter().map(|function| function.name()));
                names.extend(Connective::ALL.iter().map(|function| function.name()));
                names.extend(Predicate::ALL.iter().map(|function| function.name()));
                names.extend(Reduction::ALL.iter().map(|kind| kind.name()));
                names.extend(Ranking::ALL.iter().map(|kind| kind.name()));
                names.extend(WindowReduction::ALL.iter().map(|kind| kind.name()));
                names.extend([$($name),*].into_iter().filter(|name| !FAMILIES.contains(name)));
                names
            }

            /// The name in the text form.
            pub fn name(&self) -> &'static str {
                match self {
                    Op::Unary(function) => function.name(),
                    Op::Binary(function) => function.name(),
                    Op::Comparison(function) => function.name(),
                    Op::Connective(function) => function.name(),
                    Op::Predicate(function) => function.name(),
                    Op::Reduce(reduce) => reduce.kind.name(),
                    Op::Rank(rank) => rank.kind.name(),
                    Op::Window(window) => window.kind.name(),
                    $(#[allow(unreachable_patterns, reason = "the families above are named by their kind")]
                    Op::$op(_) => $name),*
                }
            }

            /// Writes the attributes, in the order of declaration.
            pub(crate) fn write_attributes(&self, writer: &mut Writer) {
                match self {
                    Op::Unary(_) | Op::Binary(_) | Op::Comparison(_) | Op::Connective(_) | Op::Predicate(_) => {}
                    $(Op::$op($op { $($field),* }) => { $($field.write(stringify!($field), writer);)* })*
                }
            }

            /// The name of an attribute that holds a size, step or position of more than `most` in magnitude, and that
            /// number.
            pub(crate) fn excess(&self, most: u64) -> Option<(&'static str, String)> {
                match self {
                    Op::Unary(_) | Op::Binary(_) | Op::Comparison(_) | Op::Connective(_) | Op::Predicate(_) => None,
                    $(Op::$op($op { $($field),* }) => {
                        None$(.or_else(|| Some((stringify!($field), $field.excess(most)?))))*
                    })*
                }
            }

            /// Reads the primitive `name` with its attributes; `declared` is the type written for the node.
            pub(crate) fn read(declared: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Op, ParseError> {
                if let Some(op) = Op::elementwise_from_name(declared.operation) {
                    return Ok(op);
                }
                match family(declared.operation) {
                    $($name => Ok(Op::$op($op { $($field: Attribute::read(stringify!($field), declared, cursor)?),* })),)*
                    _ => Err(cursor.error(Problem::UnknownOperation(declared.operation.to_string()))),
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
                let mut all = Vec::new();
                all.extend($crate::graph::Unary::$function());
                all.extend($crate::graph::Binary::$function());
                all.extend($crate::graph::Comparison::$function());
                all.extend($crate::graph::Connective::$function());
                all.extend($crate::graph::Predicate::$function());
                $(all.extend($crate::graph::$op::$function());)*
                all
            }};
        }
        pub(crate) use collect_operations;
    };
}

operations! {
    /// A mistake stands here: it was reported once, and what is built on it stays silent.
    Poison = "poison" {}
    /// An array that is fed at each run.
    Input = "input" {
        /// Its name, scopes included.
        name: Name,
        /// The type's element type.
        dtype: DType,
        /// The type's shape.
        shape: Shape,
    }
    /// An array that is learned.
    Parameter = "parameter" {
        /// Its name, scopes included.
        name: Name,
        /// How it starts.
        initializer: Initializer,
        /// The type's element type.
        dtype: DType,
        /// The type's shape, without symbols.
        shape: Shape,
    }
    /// An array known beforehand.
    Constant = "constant" {
        /// Its elements.
        value: Literal,
        /// The type's element type.
        dtype: DType,
        /// The type's shape.
        shape: Shape,
    }
    /// 0, 1, 2, … along one axis, the same along the others.
    Iota = "iota" {
        /// The axis that counts.
        axis: usize,
        /// The type's element type.
        dtype: DType,
        /// The type's shape.
        shape: Shape,
    }
    /// The value of a dim, as a scalar: how a mean knows its count when the batch is a symbol.
    DimSize = "dim_size" {
        /// The dim.
        dim: Dim,
        /// The type's element type.
        dtype: DType,
    }
    /// Uniform random integers in `[0, 2^width)` from the `i64` scalars key and counter, by Philox-4x32-10: element i
    /// depends on key, counter and i alone.
    RandomBits = "random_bits" {
        /// How many random bits, 1 to 62.
        width: usize,
        /// The type's shape.
        shape: Shape,
    }
    /// xⁿ for an integer n known beforehand.
    IntegerPower = "integer_power" {
        /// n.
        exponent: i64,
    }
    /// The second operand where the first is true, else the third.
    Select = "select" {}
    /// The same values in another dtype; float to integer truncates and saturates, NaN to 0; to bool is x ≠ 0.
    Cast = "cast" {
        /// The new element type.
        dtype: DType,
    }
    /// The operand, whose derivative is taken as 0.
    StopGradient = "stop_gradient" {}
    /// Repeats: axis i of the operand becomes axis `axes[i]` of the output; axes of size 1 stretch, others are added.
    Broadcast = "broadcast" {
        /// Where each of the operand's axes goes, ascending.
        axes: Axes,
        /// The output's shape.
        shape: Shape,
    }
    /// The same elements in the same row-major order in another shape.
    Reshape = "reshape" {
        /// The output's shape.
        shape: Shape,
    }
    /// Reorders axes: axis i of the output is axis `permutation[i]` of the operand.
    Transpose = "transpose" {
        /// A permutation of the axes.
        permutation: Axes,
    }
    /// Elements `start`, `start + step`, … below `stop` along each axis.
    Slice = "slice" {
        /// The first element along each axis.
        start: Dims,
        /// The bound above along each axis, not reached.
        stop: Dims,
        /// The stride along each axis, at least 1.
        step: Axes,
    }
    /// Zeros around (`low`, `high`) and between (`interior`) the elements along each axis.
    Pad = "pad" {
        /// Zeros before the first element.
        low: Dims,
        /// Zeros after the last element.
        high: Dims,
        /// Zeros between neighbours.
        interior: Axes,
    }
    /// The operands one after another along an axis.
    Concat = "concat" {
        /// The axis.
        axis: usize,
    }
    /// The elements in reverse order along axes.
    Reverse = "reverse" {
        /// The axes.
        axes: Axes,
    }
    /// `out[b…, o…, i…, r…] = x[b…, o…, index[b…, i…], r…]`: picks positions along an axis; the first `batch` axes of
    /// operand and index go together.
    Gather = "gather" {
        /// The axis of x that the index selects from, at least `batch`.
        axis: usize,
        /// How many leading axes x and the index share.
        batch: usize,
    }
    /// `base` with `updates` added where a gather with the same index would have read; duplicates add in index order.
    /// Operands: base, index, updates.
    ScatterAdd = "scatter_add" {
        /// As for gather.
        axis: usize,
        /// As for gather.
        batch: usize,
    }
    /// Removes axes by adding, multiplying, or taking the extreme.
    Reduce = "reduce" {
        /// What is taken.
        kind: Reduction,
        /// The axes removed, ascending.
        axes: Axes,
    }
    /// Positions by order of value along one axis, in `i64`; argmax and argmin remove the axis, argsort keeps it.
    Rank = "rank" {
        /// What is asked.
        kind: Ranking,
        /// The axis.
        axis: usize,
    }
    /// Running sums along an axis.
    CumulativeSum = "cumulative_sum" {
        /// The axis.
        axis: usize,
        /// From which end.
        direction: Direction,
    }
    /// A linear recurrence along an axis: yᵢ = aᵢ·yᵢ₋₁ + bᵢ, the first y being its b. Operands: a, b.
    LinearRecurrence = "linear_recurrence" {
        /// The axis.
        axis: usize,
        /// From which end.
        direction: Direction,
    }
    /// Sum of products: batch axes go together, contracted axes are summed. Axes of the output: batch, the left
    /// operand's others, the right operand's others.
    DotGeneral = "dot" {
        /// Batch axes of the left operand.
        left_batch: Axes,
        /// Batch axes of the right operand, in the same order.
        right_batch: Axes,
        /// Contracted axes of the left operand.
        left_contract: Axes,
        /// Contracted axes of the right operand, in the same order.
        right_contract: Axes,
    }
    /// Cross-correlation of `[batch, in, spatial…]` with a kernel `[out, in / groups, spatial…]` to `[batch, out,
    /// spatial…]`: `out[n, o, p] = Σ_{c, k} x̂[n, c, p·stride + k·kernel_dilation] · kernel[o, c, k]`, where x̂ is x with
    /// `input_dilation − 1` zeros between its elements and `low`, `high` zeros around it (negative ones crop).
    Convolution = "convolution" {
        /// Step of the window.
        stride: Axes,
        /// Zeros before, along each spatial axis.
        low: Dims,
        /// Zeros after, along each spatial axis.
        high: Dims,
        /// Spread of the input, 1 for none.
        input_dilation: Axes,
        /// Spread of the kernel, 1 for none.
        kernel_dilation: Axes,
        /// Parts into which the channels are cut, each convolved with its own kernels.
        groups: usize,
    }
    /// Reduces each window, over all axes of the operand.
    Window = "window" {
        /// What is taken.
        kind: WindowReduction,
        /// Size of the window along each axis.
        size: Axes,
        /// Step of the window along each axis.
        stride: Axes,
        /// Spread of the window along each axis, 1 for none.
        dilation: Axes,
        /// Padding before, along each axis; less than the spread window.
        low: Axes,
        /// Padding after, along each axis; less than the spread window.
        high: Axes,
    }
    /// The lower triangular L with L·Lᵀ = (A + Aᵀ)/2, over the last two axes; NaN where A is not positive definite.
    Cholesky = "cholesky" {}
    /// X with A·X = B (or Aᵀ·X = B), A triangular, over the last two axes; the other half of A is not read.
    TriangularSolve = "triangular_solve" {
        /// The half of A that is meant.
        triangle: Triangle,
        /// Whether A is transposed.
        orientation: Orientation,
    }
}

impl Op {
    /// The elementwise primitive of that name that has no attributes but its kind.
    pub(crate) fn elementwise_from_name(name: &str) -> Option<Op> {
        None.or_else(|| Unary::from_name(name).map(Op::Unary))
            .or_else(|| Binary::from_name(name).map(Op::Binary))
            .or_else(|| Comparison::from_name(name).map(Op::Comparison))
            .or_else(|| Connective::from_name(name).map(Op::Connective))
            .or_else(|| Predicate::from_name(name).map(Op::Predicate))
    }

    /// The name, if this is an input or a parameter.
    pub fn leaf_name(&self) -> Option<&Name> {
        match self {
            Op::Input(input) => Some(&input.name),
            Op::Parameter(parameter) => Some(&parameter.name),
            _ => None,
        }
    }
}
