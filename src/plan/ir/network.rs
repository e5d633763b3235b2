//! Networks, as types: the lowered graph with numeric sizes. Each vertex computes or holds an array; its operands are
//! read by strided layouts, so movements such as transposes and broadcasts are gone.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    contraction::{Contraction, MatrixVector},
    function::Function,
    layout::{Sizes, StridedLayout, count},
    nested::Nested,
};
use crate::{
    graph::{DType, Op, Reduction, Site, Type, Value},
    ops::{self, OpError},
};

/// The lowered graph: vertices, operands before their users, and the results.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) vertices: Vec<Vertex>,
    /// The vertex of each result; it computes the contiguous result, and no two results share one.
    pub(crate) results: Vec<usize>,
}

/// One operation with the contiguous array that it computes or holds.
#[derive(Debug, Clone)]
pub(crate) struct Vertex {
    pub(crate) kind: VertexKind,
    pub(crate) dtype: DType,
    pub(crate) sizes: Sizes,
    pub(crate) operands: SmallVec<[StridedOperand; 3]>,
    pub(crate) origin: Origin,
}

/// The node of the graph that a vertex came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Origin {
    pub(crate) operation: &'static str,
    /// The operation as the user called it.
    pub(crate) call: &'static str,
    pub(crate) node: usize,
    pub(crate) site: Site,
}

/// An operand: the array of a vertex, read by a strided layout.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StridedOperand {
    /// Position of the vertex that holds it.
    pub(crate) vertex: usize,
    pub(crate) layout: StridedLayout,
}

/// What a vertex is.
#[derive(Debug, Clone)]
pub(crate) enum VertexKind {
    /// An input or parameter, by its position among them.
    Leaf(usize),
    /// A constant array, contiguous.
    Constant(Arc<Value>),
    /// One number repeated.
    Splat(ScalarValue),
    /// An elementwise function.
    Map(Function),
    /// The elements of the operand in row-major order: a movement of data that strides cannot say.
    Copy,
    /// The operand inside of an array of zeros, from an offset on.
    Pad(PadOffset),
    /// A reduction of the operand, seen as a matrix.
    Reduce(ReduceVertex),
    /// A sum of products.
    Contraction(Contraction),
    /// The products of the rows of a matrix with a vector, of which a fused step computes some at a time.
    DotRows(MatrixVector),
    /// The product of a vector with the columns of a matrix, to which a fused step adds some rows at a time.
    DotColumns(MatrixVector),
    /// Any other primitive, with operands in row-major order, but for those of a convolution, which may have any
    /// strides.
    Primitive(Op),
    /// The first output of an operation with bodies, with operands in row-major order.
    Nested(Arc<Nested>),
    /// A further output of the operation before it; it has the same operands.
    FurtherOutput,
}

impl VertexKind {
    /// Whether an operand is read in an order of its own, so that all of it must be there before.
    pub(in crate::plan) fn reads_whole(&self, position: usize) -> bool {
        match self {
            VertexKind::Copy
            | VertexKind::Pad(_)
            | VertexKind::Contraction(_)
            | VertexKind::DotRows(_)
            | VertexKind::Primitive(_)
            | VertexKind::Nested(_)
            | VertexKind::FurtherOutput => true,
            VertexKind::DotColumns(_) => position == 0,
            VertexKind::Map(_)
            | VertexKind::Reduce(_)
            | VertexKind::Leaf(_)
            | VertexKind::Constant(_)
            | VertexKind::Splat(_) => false,
        }
    }
}

/// One number, as the bits of its dtype.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ScalarValue {
    pub(crate) dtype: DType,
    pub(crate) bits: [u8; 8],
}

/// Where the operand of a padding begins, along each axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PadOffset {
    pub(crate) low: Sizes,
}

/// What is left of a matrix of `rows` and `columns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReduceVertex {
    pub(crate) kind: Reduction,
    pub(crate) along: ReductionAxis,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// Which elements of a matrix make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReductionAxis {
    /// Those of a row.
    Rows,
    /// Those of a column.
    Columns,
    /// Those of every row whose number has the same remainder modulo so many: of each channel in a batch of images.
    Channels(usize),
}

/// Why there is no plan for these sizes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlanError {
    pub(crate) origin: Origin,
    pub(crate) error: OpError,
}

impl ScalarValue {
    /// `number` in `dtype`, as a constant of it would be.
    pub(crate) fn new(dtype: DType, number: f64) -> ScalarValue {
        let mut bits = [0; 8];
        match dtype {
            DType::F32 => bits[..4].copy_from_slice(&(number as f32).to_ne_bytes()),
            DType::F64 => bits = number.to_ne_bytes(),
            DType::I64 => bits = (number as i64).to_ne_bytes(),
            DType::Bool => bits[0] = u8::from(number != 0.0),
        }
        ScalarValue { dtype, bits }
    }

    /// The number as an array of no axes.
    pub(in crate::plan) fn to_value(self) -> Value {
        match self.dtype {
            DType::F32 => Value::from(f32::from_ne_bytes(self.first())),
            DType::F64 => Value::from(f64::from_ne_bytes(self.bits)),
            DType::I64 => Value::from(i64::from_ne_bytes(self.bits)),
            DType::Bool => Value::from(self.bits[0] != 0),
        }
    }

    /// The one element of an array.
    pub(in crate::plan) fn from_value(value: &Value) -> Option<ScalarValue> {
        let mut bits = [0; 8];
        match value.dtype() {
            DType::F32 => bits[..4].copy_from_slice(&value.scalar::<f32>()?.to_ne_bytes()),
            DType::F64 => bits = value.scalar::<f64>()?.to_ne_bytes(),
            DType::I64 => bits = value.scalar::<i64>()?.to_ne_bytes(),
            DType::Bool => bits[0] = u8::from(value.scalar::<bool>()?),
        }
        Some(ScalarValue { dtype: value.dtype(), bits })
    }

    /// The first four bytes.
    pub(crate) fn first(self) -> [u8; 4] {
        [self.bits[0], self.bits[1], self.bits[2], self.bits[3]]
    }

    /// An integer in `dtype`.
    pub(crate) fn integer(dtype: DType, integer: i64) -> ScalarValue {
        match dtype {
            DType::I64 => ScalarValue { dtype, bits: integer.to_ne_bytes() },
            _ => ScalarValue::new(dtype, integer as f64),
        }
    }
}

impl StridedOperand {
    pub(in crate::plan) fn whole(vertex: usize, sizes: &[usize]) -> StridedOperand {
        StridedOperand { vertex, layout: StridedLayout::contiguous(sizes) }
    }
}

impl Vertex {
    /// Bytes of its value.
    pub(crate) fn bytes(&self) -> usize {
        count(&self.sizes) * self.dtype.size()
    }
}

impl Network {
    /// Operations on floats of one vertex.
    pub(in crate::plan) fn flops(&self, vertex: usize) -> usize {
        let def = &self.vertices[vertex];
        match &def.kind {
            VertexKind::Map(function) => function.flops() * count(&def.sizes),
            // The first of n numbers is taken as it is.
            VertexKind::Reduce(reduce) => (reduce.rows * reduce.columns).saturating_sub(count(&def.sizes)),
            VertexKind::Contraction(contraction) => (2 * count(&def.sizes)).saturating_mul(contraction.k),
            VertexKind::DotRows(product) | VertexKind::DotColumns(product) => {
                2 * product.rows.size * product.columns.size
            }
            VertexKind::Primitive(op) => {
                // What is read has the sizes of the access; those of the vertex are of another shape behind a view.
                let read = |operand: &StridedOperand| {
                    Type::new(self.vertices[operand.vertex].dtype, operand.layout.sizes().as_slice())
                };
                let operands: Vec<Type> = def.operands.iter().map(read).collect();
                ops::flops(op, &operands, &Type::new(def.dtype, def.sizes.as_slice()))
                    .as_number()
                    .map_or(0, |flops| flops.max(0) as usize)
            }
            VertexKind::Nested(nested) => nested.flops(),
            VertexKind::Leaf(_)
            | VertexKind::Constant(_)
            | VertexKind::Splat(_)
            | VertexKind::Copy
            | VertexKind::FurtherOutput
            | VertexKind::Pad(_) => 0,
        }
    }
}
