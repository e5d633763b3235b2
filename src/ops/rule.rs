//! What a primitive must tell: its row in the table. In: operands. Out: the output's type, derivative, value and cost.
//!
//! [`Rule`] has no default methods, so a primitive with a missing rule does not compile. Both modes of differentiation
//! follow from the one [`Linearization`].

use smallvec::SmallVec;
use thiserror::Error;

use super::{real::Real, sample::Sample};
use crate::{
    cancel::CancelToken,
    graph::{Bindings, Dim, Expr, GraphError, MAX_ITERATIONS, Op, Site, Type, Value},
};

/// Everything that the other stages ask of a primitive.
pub(crate) trait Rule: Sized {
    /// The output's type, or why these operands have none.
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError>;

    /// What kind of primitive it is, for rewrites that ask only that.
    fn traits(&self) -> Traits;

    /// For which sizes it has a value.
    fn domain(&self) -> Domain<'_>;

    /// The derivative.
    fn linearization(&self) -> Linearization<'_>;

    /// How it is applied to operands of which some have one more axis, the batch.
    fn batching(&self) -> Batching<'_>;

    /// Which elements of one operand the derivative of an element of the output is by: all that have a part in it for any numbers.
    fn dependence(&self, operand: usize, operands: &[Type]) -> Dependence;

    /// The output's value by the plainest means: the reference that everything faster is compared with.
    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError>;

    /// How many floating-point operations it takes, as a polynomial in the symbols. A function of one number counts as
    /// one, a multiply-add as two, moving data as none.
    fn flops(&self, operands: &[Type], output: &Type) -> Dim;

    /// Instances with operands at which the rule is proved: corners among them.
    fn samples() -> Vec<Sample>;
}

/// The kind of a primitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traits {
    /// A function of one element of each operand. What gives its operand back, such as `stop_gradient`, is none.
    pub(crate) is_elementwise: bool,
    /// Its elements are elements of its operands, or zeros.
    pub(crate) is_movement: bool,
    /// Its two operands may come in either order and give the same bits. Those of maximum and minimum may not, because
    /// the sign of a zero depends on it.
    pub(crate) is_commutative: bool,
    /// It may be an error of the run for some elements of its operands. What is wrong with sizes is found when a plan is made,
    /// whether the primitive runs or not. What runs a body may fail where the body may, whatever this says.
    pub(crate) may_fail: bool,
}

impl Traits {
    /// None of them.
    pub(crate) const NONE: Traits =
        Traits { is_elementwise: false, is_movement: false, is_commutative: false, may_fail: false };
    /// A function of elements.
    pub(crate) const ELEMENTWISE: Traits = Traits { is_elementwise: true, ..Traits::NONE };
    /// What has no value for some elements.
    pub(crate) const FALLIBLE: Traits = Traits { may_fail: true, ..Traits::NONE };
    /// A movement of data.
    pub(crate) const MOVEMENT: Traits = Traits { is_movement: true, ..Traits::NONE };
}

/// For which sizes of the operands, once they are numbers, a primitive has a value.
pub(crate) enum Domain<'r> {
    /// For all that its shape rule accepts, whatever else their elements decide.
    All,
    /// For those that a check accepts: whether a slice, a window or a kernel lies within its array.
    Checked(&'r dyn CheckSizes),
}

/// What is decided by sizes alone. Both engines ask it before anything else, and what unsafe code leans on is
/// established here.
pub(crate) trait CheckSizes {
    /// # Errors
    /// The error that the primitive has for any operands of these shapes.
    fn check_sizes(&self, operands: &[&[usize]], bindings: &Bindings) -> Result<(), OpError>;
}

/// The derivative of an operation, in the form that gives both modes.
///
/// With y = f(x₁, …) and Jᵢ = ∂y/∂xᵢ, forward mode needs ẏ = Σᵢ Jᵢẋᵢ and reverse mode x̄ᵢ = Jᵢᵀȳ.
pub enum Linearization<'r> {
    /// The derivative is 0 or there is none: integers, truth values, steps.
    Constant,
    /// Elementwise: Jᵢ is diagonal.
    Partials(&'r dyn Partials),
    /// Linear in all float operands together: forward mode applies the primitive to the tangents.
    Linear(&'r dyn LinearMap),
    /// Linear in each float operand while the others stay: forward mode applies it with one tangent at a time.
    Multilinear(&'r dyn LinearMap),
    /// Both modes are written out.
    Products(&'r dyn JacobianProducts),
}

/// The derivative of an elementwise operation: its operands have the output's shape.
pub trait Partials {
    /// ∂output/∂operand.
    fn partial<'g>(&self, operand: usize, application: &Application<'g>) -> Partial<'g>;
}

/// One entry of a diagonal Jacobian, as an expression of the output's shape: a float of its dtype, or a truth value.
///
/// Masks are variants of their own, since a product with 0 does not hide an infinity.
#[derive(Debug, Clone, Copy)]
pub enum Partial<'g> {
    /// 0.
    Zero,
    /// 1.
    One,
    /// −1.
    MinusOne,
    /// A number.
    Factor(Expr<'g>),
    /// 1 where true, 0 elsewhere.
    Where(Expr<'g>),
    /// 0 where true, 1 elsewhere.
    Unless(Expr<'g>),
    /// 1 where it wins, ½ where it ties, 0 elsewhere.
    Contest {
        /// Where this operand is the output.
        wins: Expr<'g>,
        /// Where both operands are.
        ties: Expr<'g>,
    },
}

/// The transpose of a linear map: the operation applied to a tangent is forward mode, this is reverse mode.
pub trait LinearMap {
    /// The cotangent of one operand, of its type, for the cotangent of the output.
    fn transpose<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g>;
}

/// A derivative of which both modes are written out, as nodes of the graph, so that either can be differentiated again.
pub trait JacobianProducts {
    /// x̄ᵢ = Jᵢᵀȳ, of the type of the operand.
    fn vjp<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g>;

    /// Jᵢẋᵢ, this operand's part of ẏ, of the type of the output.
    fn jvp<'g>(&self, operand: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g>;
}

/// Which elements of one operand the derivative of an element of the output is by. It may name more than there are, never fewer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Dependence {
    /// None: integers, truth values, steps.
    Nothing,
    /// The one at the same index.
    SameIndex,
    /// At most one, which it is; and no two elements of the output are the same. Which one, the primitive tells when it is applied to
    /// positions, and its transpose tells where an element goes.
    Moved,
    /// The one that it is, which others may be too. The primitive tells which, applied to positions.
    Picked,
    /// Those that are added to it; none is added to two. The transpose of the primitive tells to which, applied to positions.
    Added,
    /// All whose index is that of the output along the axes that are tied.
    Tied {
        /// An axis of the operand, and the one of the output that has the same index.
        ties: Ties,
        /// The derivative by each of these elements.
        coefficient: Coefficient,
    },
}

/// Pairs of an axis of an operand and an axis of the output.
pub(crate) type Ties = SmallVec<[(usize, usize); 4]>;

/// The derivative of an element of the output by an element of an operand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Coefficient {
    /// 1.
    One,
    /// An element of another operand.
    Factor {
        /// Which.
        operand: usize,
        /// Where each of its axes has its index from.
        axes: SmallVec<[FactorAxis; 4]>,
    },
    /// What the linearization says.
    Other,
}

/// An axis of a coefficient, in terms of the two elements that it stands between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FactorAxis {
    /// The index along an axis of the output.
    Output(usize),
    /// The index along an axis of the operand.
    Operand(usize),
}

impl Dependence {
    /// All elements.
    pub(crate) fn everything() -> Dependence {
        Dependence::tied(Ties::new())
    }

    /// All along the axes that are not tied.
    pub(crate) fn tied(ties: Ties) -> Dependence {
        Dependence::Tied { ties, coefficient: Coefficient::Other }
    }

    /// All along one axis.
    pub(crate) fn along(axis: usize, rank: usize) -> Dependence {
        Dependence::tied((0..rank).filter(|other| *other != axis).map(|other| (other, other)).collect())
    }

    /// All of a matrix, which the last two axes are.
    pub(crate) fn of_matrices(rank: usize) -> Dependence {
        Dependence::tied((0..rank - 2).map(|axis| (axis, axis)).collect())
    }
}

/// How a primitive is applied for each example of a batch at once. Operands that differ from example to example are
/// *stacked*: they have the batch as one more axis in front. The others are *shared*. The result is stacked.
pub(crate) enum Batching<'r> {
    /// It has no operands, so that nothing of it is stacked.
    Leaf,
    /// The primitive as it is, shared operands repeated along the batch: functions of elements, and what works on the
    /// last axes.
    Same,
    /// The primitive with attributes for one more axis in front, shared operands repeated.
    Shifted(&'r dyn AxisRule),
    /// Written out: where repeating a shared operand would cost, or the attributes do not say it.
    Written(&'r dyn BatchRule),
    /// That of the bodies inside.
    Nested,
}

/// A primitive that works on axes.
pub(crate) trait AxisRule {
    /// The same of arrays with one more axis of this size in front, which it leaves as it is.
    fn shifted(&self, batch: &Dim) -> Op;
}

/// The use of a primitive on a batch, written out.
pub(crate) trait BatchRule {
    /// The stacked result.
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Expr<'g>;
}

/// One use of an operation for each example of a batch.
#[derive(Debug)]
pub struct BatchApplication<'g> {
    pub(crate) operands: SmallVec<[BatchOperand<'g>; 3]>,
    /// The type of the result of one example.
    pub(crate) output: Type,
    /// The number of examples.
    pub(crate) size: Dim,
}

impl<'g> BatchApplication<'g> {
    /// The operands, each stacked or shared.
    pub fn operands(&self) -> &[BatchOperand<'g>] {
        &self.operands
    }

    /// The type of the result for one example.
    pub fn output(&self) -> &Type {
        &self.output
    }

    /// The number of examples.
    pub fn size(&self) -> &Dim {
        &self.size
    }

    /// The operands, shared ones repeated along the batch.
    pub fn repeated(&self) -> Vec<Expr<'g>> {
        self.operands.iter().map(|operand| operand.repeated(&self.size)).collect()
    }
}

/// An operand of an operation that is applied to a batch.
#[derive(Debug, Clone, Copy)]
pub enum BatchOperand<'g> {
    /// One for each example, with the batch as the first axis.
    Stacked(Expr<'g>),
    /// The same for all examples.
    Shared(Expr<'g>),
}

/// One use of an operation in a graph.
#[derive(Debug)]
pub struct Application<'g> {
    pub(crate) operands: SmallVec<[Expr<'g>; 3]>,
    pub(crate) output: Expr<'g>,
}

impl<'g> Application<'g> {
    /// What it is applied to.
    pub fn operands(&self) -> &[Expr<'g>] {
        &self.operands
    }

    /// What it gives.
    pub fn output(&self) -> Expr<'g> {
        self.output
    }
}

/// One use of a primitive on numbers.
pub(crate) struct EvaluationContext<'a, R> {
    pub(crate) operands: &'a [&'a Value<R>],
    /// The output's type as inferred; its symbols are in `bindings`.
    pub(crate) ty: &'a Type,
    pub(crate) bindings: &'a Bindings,
    pub(crate) limits: RunLimits<'a>,
}

/// When loops end that would go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunLimits<'a> {
    /// The most iterations of a loop that states none.
    pub(crate) max_iterations: usize,
    /// Looked at before each iteration.
    pub(crate) cancel: Option<&'a CancelToken>,
}

impl RunLimits<'_> {
    /// Those of what is computed beside a run of a program.
    pub(crate) const DEFAULT: RunLimits<'static> = RunLimits { max_iterations: MAX_ITERATIONS, cancel: None };

    /// That nobody cancelled the run.
    pub(crate) fn check(&self) -> Result<(), OpError> {
        if self.cancel.is_some_and(CancelToken::is_cancelled) { Err(OpError::Cancelled) } else { Ok(()) }
    }
}

impl<R> EvaluationContext<'_, R> {
    /// The output's shape in numbers.
    pub(crate) fn shape(&self) -> Result<Vec<usize>, OpError> {
        self.ty.shape.evaluate(self.bindings).map_err(OpError::Size)
    }

    /// An attribute in numbers.
    pub(crate) fn number(&self, dim: &Dim) -> Result<i64, OpError> {
        dim.evaluate(self.bindings).map_err(OpError::Size)
    }
}

/// Why a primitive has no value for these numbers.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OpError {
    /// A size that is unbound, negative or too large.
    #[error("the size {0} is unbound, negative or too large")]
    Size(Dim),
    /// An index outside its axis.
    #[error("index {index} is out of range for axis {axis} of size {size}")]
    Index {
        /// The index.
        index: i64,
        /// The axis it selects from.
        axis: usize,
        /// The size of that axis.
        size: usize,
    },
    /// A slice outside its axis, once symbols are bound.
    #[error("slice {start}..{stop} is out of range for axis {axis} of size {size}")]
    Slice {
        /// The axis.
        axis: usize,
        /// First element.
        start: i64,
        /// Bound above.
        stop: i64,
        /// The size of the axis.
        size: usize,
    },
    /// An array, or what lies between steps, that the machine has no memory for.
    #[error("{bytes} bytes of memory are needed, and cannot be had")]
    Memory {
        /// How many.
        bytes: usize,
    },
    /// A decomposition of matrices with more columns than rows, where a size is a symbol.
    #[error("a matrix has {rows} rows and {columns} columns, and is to have no more columns than rows")]
    Wide {
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// The greatest or least of no elements.
    #[error("there is no element along axis {axis} to take the greatest or least of")]
    Empty {
        /// The axis.
        axis: usize,
    },
    /// A window, or a kernel, that has no place in its array.
    #[error("axis {axis} has size {size} with its padding, and the window spans {window}")]
    Window {
        /// The axis.
        axis: usize,
        /// From the first element of the window to the last, dilation included.
        window: usize,
        /// The size of the axis, spread and padded.
        size: usize,
    },
    /// Padding or dilation that makes an array almost all zeros.
    #[error("padding and dilation make {positions} positions of {elements} elements")]
    MostlyZeros {
        /// Positions of the spread and padded array, or of its window.
        positions: u64,
        /// Elements that are read and written.
        elements: u64,
    },
    /// A loop that goes on.
    #[error("the condition of a loop still holds after {bound} iterations")]
    TooManyIterations {
        /// How many iterations it may take.
        bound: usize,
    },
    /// A run that somebody ended by its [`CancelToken`](crate::CancelToken).
    #[error("the run was cancelled")]
    Cancelled,
    /// A handle of a body that is used outside of it.
    #[error("an argument of a body is used outside of it")]
    EscapedArgument,
    /// An operation of the user's own that gives an error, or that panicked.
    #[error("{message}")]
    Custom {
        /// What it says.
        message: String,
    },
    /// An operation of the user's own on numbers other than its own floats.
    #[error("an operation of the user's own takes no dual numbers")]
    DualNumbers,
    /// An operation inside of a body.
    #[error(transparent)]
    Nested(Box<NestedError>),
}

/// An operation inside of a body that has no value.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("`{operation}` at {site}: {error}")]
pub struct NestedError {
    /// The operation as the user called it.
    pub call: &'static str,
    /// The primitive.
    pub operation: &'static str,
    /// Its number in the body.
    pub node: usize,
    /// Where it was written.
    pub site: Site,
    /// What is wrong.
    pub error: OpError,
}

impl OpError {
    /// Whether an operation takes no dual numbers.
    pub(crate) fn is_about_duals(&self) -> bool {
        match self {
            OpError::DualNumbers => true,
            OpError::Nested(nested) => nested.error.is_about_duals(),
            _ => false,
        }
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> &'static str {
        match self {
            OpError::Size(_) => "feed arrays whose sizes make it a number from 0 to 2^46",
            OpError::Index { .. } => "positions count from 0; negative ones are not counted from the end",
            OpError::Slice { .. } => "feed an array that is long enough, or slice from the end with a negative bound",
            OpError::Memory { .. } => "feed smaller arrays, or compute less at a time",
            OpError::Wide { .. } => "decompose its transpose, or declare both sizes as numbers",
            OpError::Empty { .. } => "feed at least one element there; `sum` and `prod` of nothing are 0 and 1",
            OpError::Window { .. } => "feed a larger array, pad it, or take a smaller window, kernel or dilation",
            OpError::MostlyZeros { .. } => "pad or spread less: nearly all of the work would be on zeros",
            OpError::TooManyIterations { .. } => {
                "look at what the condition asks for, or state a larger bound: `while_loop_bounded`, or \
                 `Options::max_iterations` for all loops that state none"
            }
            OpError::Cancelled => "reset its token to run the program again",
            OpError::EscapedArgument => "return it from the closure, and use what the loop or call gives",
            OpError::Custom { .. } => "feed what this operation has a value for, or mend its `impl CustomOp`",
            OpError::DualNumbers => "check its derivatives by differences",
            OpError::Nested(nested) => nested.error.help(),
        }
    }
}

/// The one type of all operands, for elementwise primitives.
pub(crate) fn same_type(operands: &[Type]) -> Result<Type, GraphError> {
    let first = operands.first().ok_or(GraphError::OperandCount { expected: 1, found: 0 })?;
    for other in &operands[1..] {
        if first.dtype != other.dtype {
            return Err(GraphError::DTypesDiffer { left: first.dtype, right: other.dtype });
        }
        if first.shape != other.shape {
            return Err(GraphError::ShapesDiffer { left: first.shape.clone(), right: other.shape.clone() });
        }
    }
    Ok(first.clone())
}

/// Exactly `N` operands.
pub(crate) fn check_operands<const N: usize>(operands: &[Type]) -> Result<&[Type; N], GraphError> {
    operands.try_into().map_err(|_| GraphError::OperandCount { expected: N, found: operands.len() })
}

/// That a dtype is a float.
pub(crate) fn check_float(ty: &Type) -> Result<(), GraphError> {
    if ty.dtype.is_float() {
        Ok(())
    } else {
        Err(GraphError::UnsupportedDType { expected: "a float", found: ty.dtype })
    }
}

/// That a dtype has arithmetic.
pub(crate) fn check_number(ty: &Type) -> Result<(), GraphError> {
    if ty.dtype.is_number() {
        Ok(())
    } else {
        Err(GraphError::UnsupportedDType { expected: "a number", found: ty.dtype })
    }
}

/// That axes are within the rank, distinct and ascending.
pub(crate) fn check_ascending(axes: &[usize], rank: usize) -> Result<(), GraphError> {
    let is_ascending = axes.windows(2).all(|pair| pair[0] < pair[1]);
    if is_ascending && axes.last().is_none_or(|last| *last < rank) {
        return Ok(());
    }
    Err(GraphError::BadAxes { axes: axes.into(), rank })
}
