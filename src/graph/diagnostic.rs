//! Errors in a graph, told once each with the user's file and line. In: what is wrong. Out: a report in the manner of
//! a compiler. Nothing here stops the building of the graph.

use std::{error::Error, fmt};

use thiserror::Error;

use super::{
    dim::Dim,
    dtype::DType,
    initializer::Initializer,
    shape::{Axes, Shape, Type},
    site::Site,
};

/// What is wrong with an operation.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Shapes that differ where neither is 1.
    #[error("shapes {left} and {right} do not broadcast together")]
    NotBroadcastable {
        /// Shape of the left operand.
        left: Shape,
        /// Shape of the right operand.
        right: Shape,
    },
    /// A shape that cannot be stretched to another.
    #[error("shape {from} does not broadcast to {to}")]
    NotBroadcastableTo {
        /// The operand's shape.
        from: Shape,
        /// The shape asked for.
        to: Shape,
    },
    /// Operands that must have the same shape and do not.
    #[error("expected operands of one shape, found {left} and {right}")]
    ShapesDiffer {
        /// Shape of one operand.
        left: Shape,
        /// Shape of another.
        right: Shape,
    },
    /// An operand of another shape than the others ask for.
    #[error("{what} must have shape {expected}, found {found}")]
    WrongShape {
        /// What the operand is.
        what: &'static str,
        /// The shape that it must have.
        expected: Shape,
        /// The shape that it has.
        found: Shape,
    },
    /// Operands of two dtypes.
    #[error("operands have different dtypes, {left} and {right}")]
    DTypesDiffer {
        /// Dtype of one operand.
        left: DType,
        /// Dtype of another.
        right: DType,
    },
    /// An operation that is not defined for this dtype.
    #[error("expected {expected}, found {found}")]
    UnsupportedDType {
        /// What the operation is defined for.
        expected: &'static str,
        /// The operand's dtype.
        found: DType,
    },
    /// An operation with another number of operands than it takes.
    #[error("expected {expected} operands, found {found}")]
    OperandCount {
        /// How many it takes.
        expected: usize,
        /// How many it was given.
        found: usize,
    },
    /// An operand of another number of axes than it must have.
    #[error("expected {expected} axes, found shape {found}")]
    Rank {
        /// What is expected, in words or a number.
        expected: String,
        /// The shape found.
        found: Shape,
    },
    /// Matrices with more columns than rows where there must not be.
    #[error("expected matrices with no more columns than rows, found shape {shape}")]
    Wide {
        /// The shape found.
        shape: Shape,
    },
    /// An axis that the operand does not have.
    #[error("axis {axis} is out of range for {rank} axes")]
    AxisOutOfRange {
        /// The axis as written, negative from the end.
        axis: i64,
        /// How many axes there are.
        rank: usize,
    },
    /// Axes that are not distinct, or not in the order required.
    #[error("axes {axes:?} are not distinct and ascending within {rank} axes")]
    BadAxes {
        /// The axes.
        axes: Axes,
        /// How many axes there are.
        rank: usize,
    },
    /// An order of axes that is not a permutation.
    #[error("{permutation:?} is not a permutation of {rank} axes")]
    NotAPermutation {
        /// The order as written.
        permutation: Axes,
        /// How many axes there are.
        rank: usize,
    },
    /// A reshape that would change the number of elements.
    #[error("{from} has {} elements, {to} has {}", .from.size(), .to.size())]
    ElementsDiffer {
        /// The operand's shape.
        from: Shape,
        /// The shape asked for.
        to: Shape,
    },
    /// The free axis of a reshape has no whole size.
    #[error("no size in place of −1 in {to} keeps the {} elements of {from}", .from.size())]
    FreeAxis {
        /// The operand's shape.
        from: Shape,
        /// The shape asked for, −1 the free axis.
        to: Shape,
    },
    /// Two axes that must be of one size.
    #[error("axis {left_axis} of the left operand has size {left}, axis {right_axis} of the right has {right}")]
    SizesDiffer {
        /// Axis of the left operand.
        left_axis: usize,
        /// Its size.
        left: Dim,
        /// Axis of the right operand.
        right_axis: usize,
        /// Its size.
        right: Dim,
    },
    /// A slice outside its axis.
    #[error("slice {start}..{stop} is out of range for axis {axis} of size {size}")]
    SliceOutOfRange {
        /// The axis.
        axis: usize,
        /// First element.
        start: Dim,
        /// Bound above.
        stop: Dim,
        /// Size of the axis.
        size: Dim,
    },
    /// A number that must be positive.
    #[error("{what} must be at least 1, found {found}")]
    NotPositive {
        /// What the number is.
        what: &'static str,
        /// The number.
        found: Dim,
    },
    /// A size that would be negative.
    #[error("axis {axis} would have the negative size {size}")]
    NegativeSize {
        /// The axis.
        axis: usize,
        /// The size.
        size: Dim,
    },
    /// A count of attributes that is not the number of axes.
    #[error("{what} has {found} entries for {expected} axes")]
    AttributeCount {
        /// Which attribute.
        what: &'static str,
        /// One for each of these axes.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// An axis that has no equal parts.
    #[error("axis {axis} of size {size} has no {parts} equal parts")]
    UnequalParts {
        /// The axis.
        axis: usize,
        /// Its size.
        size: Dim,
        /// How many parts were asked for.
        parts: usize,
    },
    /// Parts that are not all of an axis.
    #[error("the parts add up to {sum}, and axis {axis} has size {size}")]
    PartsDiffer {
        /// The axis.
        axis: usize,
        /// Its size.
        size: Dim,
        /// The sum of the sizes of the parts.
        sum: Dim,
    },
    /// A symbolic size that a stride does not divide.
    #[error("a stride of {stride} over size {size} has no size that is a polynomial")]
    SymbolicStride {
        /// The stride.
        stride: usize,
        /// The size it goes over.
        size: Dim,
    },
    /// A size that must be a number.
    #[error("{what} must be a number, found {found}")]
    Symbolic {
        /// What it is.
        what: &'static str,
        /// The size found.
        found: Dim,
    },
    /// The greatest or least of no elements.
    #[error("`{operation}` over axis {axis} of size 0 has no value")]
    EmptyReduction {
        /// The operation.
        operation: &'static str,
        /// The empty axis.
        axis: usize,
    },
    /// Padding that leaves a window without an element.
    #[error("padding {padding} on axis {axis} can leave a window of {window} without an element")]
    PaddingTooWide {
        /// The axis.
        axis: usize,
        /// The padding.
        padding: usize,
        /// The extent of the window.
        window: usize,
    },
    /// Channels that the groups do not divide, or kernels for another number of channels.
    #[error(
        "{} input and {kernels} output channels do not fit a kernel for {kernel_channels} in {groups} groups",
        .input[1]
    )]
    Channels {
        /// Shape of the input; its channels are axis 1.
        input: Shape,
        /// Output channels.
        kernels: Dim,
        /// Input channels of a kernel.
        kernel_channels: Dim,
        /// Groups.
        groups: usize,
    },
    /// Text that is not an einsum for these operands.
    #[error("einsum {specification:?}: {error}")]
    Einsum {
        /// The string as written.
        specification: String,
        /// What is wrong with it.
        error: EinsumError,
    },
    /// Two inputs or parameters of one name.
    #[error("the name {name:?} is taken")]
    DuplicateName {
        /// The name, scopes included.
        name: String,
        /// Where it was taken.
        first: Site,
    },
    /// A name that is empty or has a character that the text form does not allow.
    #[error("{name:?} is not a name: use letters, digits, `_` and `.`, starting with a letter or `_`")]
    BadName {
        /// The name as written.
        name: String,
    },
    /// A literal that the other operand's dtype cannot hold.
    #[error("the literal {literal:?} is no {dtype}")]
    Literal {
        /// The literal as written.
        literal: f64,
        /// The dtype of the other operand.
        dtype: DType,
    },
    /// An operand of another graph than the others, or than the one that is asked.
    #[error("an operand belongs to another graph")]
    ForeignGraph,
    /// A gradient of something that is not a scalar.
    #[error("a gradient is of a scalar, found {found}")]
    GradientOfArray {
        /// The type found.
        found: Type,
    },
    /// A derivative of or with respect to integers or truth values.
    #[error("{found} has no derivative: only floats have")]
    NoDerivative {
        /// The type found.
        found: Type,
    },
    /// Parameters have fixed sizes.
    #[error("the shape {shape} of a parameter or state has a symbol in it")]
    SymbolicParameter {
        /// The shape.
        shape: Shape,
    },
    /// A parameter or state starts from numbers of another dtype.
    #[error("nothing of {dtype} starts by {initializer:?}")]
    InitializerDType {
        /// How it was to start.
        initializer: Initializer,
        /// Its dtype.
        dtype: DType,
    },
    /// What is to be updated is no state.
    #[error("only a state is updated")]
    NotState,
    /// A state is updated for good by one call, and by another for a pass over data.
    #[error("the state {name:?} is updated by `carry` and by `update`")]
    UpdateKinds {
        /// Its name.
        name: String,
    },
    /// Nobody knows with what a pass over data begins.
    #[error("the state {name:?} is carried from batch to batch, but starts by {initializer:?}")]
    CarriedInitializer {
        /// Its name.
        name: String,
        /// How it starts.
        initializer: Initializer,
    },
    /// The new value of a state is one of many.
    #[error("the new value of the state {name:?} depends on an argument of the closure that it is computed in")]
    UpdateInBody {
        /// Its name.
        name: String,
    },
    /// The new value of a state has another type.
    #[error("the state {name:?} is {expected}, its new value {found}")]
    UpdateType {
        /// Its name.
        name: String,
        /// Its type.
        expected: Type,
        /// The type of the new value.
        found: Type,
    },
    /// An array of more elements than memory can have.
    #[error("an array of shape {shape} has too many elements")]
    TooLarge {
        /// The shape.
        shape: Shape,
    },
    /// A size, step or position that is larger than any array has elements.
    #[error("{what} must be at most {max}, found {found}")]
    NumberTooLarge {
        /// The attribute, or "a size".
        what: &'static str,
        /// The number, or the size with symbols that has it.
        found: String,
        /// The largest number that an operation takes.
        max: u64,
    },
    /// A window, or a kernel, that has no place in its array.
    #[error("axis {axis} has size {size} with its padding, and the window spans {window}")]
    WindowTooLarge {
        /// The axis.
        axis: usize,
        /// From the first element of the window to the last, dilation included.
        window: Dim,
        /// The size of the axis, spread and padded.
        size: Dim,
    },
    /// Padding or dilation that makes an array almost all zeros.
    #[error("padding and dilation make {positions} positions of {elements} elements")]
    MostlyZeros {
        /// Positions of the spread and padded array, or of its window.
        positions: u64,
        /// Elements that are read and written.
        elements: u64,
    },
    /// A body that gives the next value of a carry in another type.
    #[error("carry {carry} is {expected} before the first iteration, and {found} after one")]
    CarryType {
        /// Which carry, from 0.
        carry: usize,
        /// Its type before the first iteration.
        expected: Type,
        /// That of its next value.
        found: Type,
    },
    /// Branches that give different types.
    #[error("result {result} is {then_type} in one branch and {else_type} in the other")]
    BranchType {
        /// Which result, from 0.
        result: usize,
        /// Its type where the condition holds.
        then_type: Type,
        /// Its type where it does not.
        else_type: Type,
    },
    /// A derivative that gives a tangent of another type than the value that it is of.
    #[error("tangent {result} must be {expected}, as the value is, found {found}")]
    TangentType {
        /// Which tangent, from 0.
        result: usize,
        /// The type of the value.
        expected: Type,
        /// That of the tangent.
        found: Type,
    },
    /// A derivative that is not linear in the tangents that it is given.
    #[error("the tangents that this derivative gives are not linear in those that it is given")]
    NotLinear,
    /// A body with another number of results than its operation takes.
    #[error("{what} gives {found} results, expected {expected}")]
    ResultCount {
        /// Which body.
        what: &'static str,
        /// How many are expected.
        expected: usize,
        /// How many it gives.
        found: usize,
    },
    /// An operand of another type than the argument of the body that it becomes.
    #[error("operand {operand} must be {expected}, found {found}")]
    OperandType {
        /// Which operand, from 0.
        operand: usize,
        /// The type that the body asks for.
        expected: Type,
        /// The type that it has.
        found: Type,
    },
    /// A condition that is not one truth value.
    #[error("a condition is one truth value, found {found}")]
    Condition {
        /// The type found.
        found: Type,
    },
    /// Bodies in bodies, deeper than passes go.
    #[error("bodies lie {depth} deep in each other, at most {max} are allowed")]
    TooDeep {
        /// How deep.
        depth: usize,
        /// How deep they may.
        max: usize,
    },
    /// Functions that call each other so often that no pass gets through.
    #[error("the body has {operations} operations with those of the bodies inside, at most {max} are allowed")]
    BodyTooLarge {
        /// How many.
        operations: u64,
        /// How many there may be.
        max: u64,
    },
    /// A loop that is not told how many iterations it has.
    #[error("a loop that slices nothing has no length")]
    NoLength,
    /// Reverse mode through a loop whose number of iterations is not known.
    #[error("a gradient goes back through a loop that has no bound, written at {site}")]
    UnboundedLoop {
        /// Where the loop was written.
        site: Site,
    },
    /// What an operation of the user's own says of its operands, or something that it gives and cannot be.
    #[error("{message}")]
    Custom {
        /// What is wrong.
        message: String,
    },
    /// A value outside the range that an operation takes.
    #[error("{what} must be {expected}, found {found}")]
    OutOfRange {
        /// What the value is.
        what: &'static str,
        /// The range.
        expected: &'static str,
        /// The value.
        found: String,
    },
}

/// What is wrong with an einsum string.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EinsumError {
    /// A character that is no letter.
    #[error("{0:?} is not a letter")]
    NotALetter(char),
    /// `...` twice in what stands for one array.
    #[error("`...` is twice in {0:?}")]
    RepeatedEllipsis(String),
    /// `...` has axes that the result does not mention.
    #[error("`...` has axes, and is not on the right of `->`")]
    LostEllipsis,
    /// The axes of `...` in two operands.
    #[error("`...` is {left} in one operand and {right} in another, which do not broadcast together")]
    NotBroadcastable {
        /// Its sizes in the operands before.
        left: Shape,
        /// Its sizes in the operand that does not fit.
        right: Shape,
    },
    /// Another number of operands than the string names.
    #[error("it names {named} operands, {found} were given")]
    OperandCount {
        /// As many as the string names.
        named: usize,
        /// As many as were given.
        found: usize,
    },
    /// An operand with another number of axes than letters.
    #[error("operand {operand} has {rank} axes for {letters} letters")]
    Rank {
        /// Which operand, from 0.
        operand: usize,
        /// Its axes.
        rank: usize,
        /// Its letters.
        letters: usize,
    },
    /// One letter for two sizes.
    #[error("{letter:?} is {left} in one place and {right} in another")]
    SizesDiffer {
        /// The letter.
        letter: char,
        /// One size.
        left: Dim,
        /// The other.
        right: Dim,
    },
    /// A letter after the arrow that is not before it.
    #[error("{0:?} is not on the left of `->`")]
    UnknownOutput(char),
    /// A letter twice after the arrow.
    #[error("{0:?} is twice on the right of `->`")]
    RepeatedOutput(char),
}

/// An operand of a mistaken operation: what it is and where it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct OperandNote {
    /// Its type.
    pub ty: Type,
    /// What made it: `input "x"`, or the name of an operation.
    pub made_by: String,
    /// Where that was written.
    pub site: Site,
}

/// One error, where it was made, with what.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// What is wrong.
    pub error: GraphError,
    /// The operation as the user called it.
    pub operation: &'static str,
    /// Where it was called.
    pub site: Site,
    /// What it was called with.
    pub operands: Vec<OperandNote>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error in `{}`: {}", self.operation, self.error)?;
        write!(f, "  --> {}", self.site)?;
        let width = self.operands.iter().map(|note| note.ty.to_string().chars().count()).max().unwrap_or(0);
        for (position, note) in self.operands.iter().enumerate() {
            let ty = note.ty.to_string();
            write!(f, "\n   | operand {position}: {ty:width$}  {} at {}", note.made_by, note.site)?;
        }
        write!(f, "\n   = help: {}", self.error.help())
    }
}

/// All the errors of a graph, in the order in which they were made.
#[derive(Clone, PartialEq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, diagnostic) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n\n" };
            write!(f, "{separator}{diagnostic}")?;
        }
        Ok(())
    }
}

/// The same text, because that is what a `main` that returns an error prints.
impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in the graph\n\n{self}", if self.0.len() == 1 { "an error" } else { "errors" })
    }
}

impl Error for Diagnostics {}
