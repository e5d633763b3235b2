//! What to do about each error. In: a [`GraphError`]. Out: a sentence for the line below it. What is wrong is said in
//! `diagnostic.rs`.

use super::{
    diagnostic::{EinsumError, GraphError},
    dim::Dim,
    dtype::DType,
    shape::Shape,
};

impl GraphError {
    /// What to do about it: every error says so.
    pub fn help(&self) -> String {
        match self {
            GraphError::NotBroadcastable { left, right } if left.rank() == right.rank() => {
                "sizes must be equal or 1, axis by axis; `reshape`, `unsqueeze` or `transpose` one operand".into()
            }
            GraphError::NotBroadcastable { .. } => {
                "axes are aligned at the end; add axes of size 1 with `unsqueeze` where they belong".into()
            }
            GraphError::NotBroadcastableTo { .. } => {
                "axes are aligned at the end; only axes of size 1 stretch, and missing ones are added in front".into()
            }
            GraphError::DTypesDiffer { left, right } => format!(
                "convert one operand: `.cast(DType::{left:?})` on the {right} operand or `.cast(DType::{right:?})` on the \
                 {left} one"
            ),
            GraphError::UnsupportedDType { expected, found } => help_with_dtype(expected, *found).into(),
            GraphError::AxisOutOfRange { rank: 0, .. } => "a scalar has no axes".into(),
            GraphError::AxisOutOfRange { rank, .. } => format!("axes are 0 to {}, or −{rank} to −1", rank - 1),
            GraphError::NotAPermutation { rank, .. } => format!("name each of the {rank} axes once"),
            GraphError::OperandCount { expected, .. } => format!("give it {expected}"),
            GraphError::FreeAxis { from, to } => help_with_free_axis(from, to),
            GraphError::NegativeSize { size, .. } => help_with_negative_size(size),
            GraphError::Channels { input, kernel_channels, groups, .. } => {
                help_with_channels(input, &(kernel_channels.clone() * Dim::from(*groups)))
            }
            GraphError::Einsum { error, .. } => help_with_einsum(error).into(),
            GraphError::DuplicateName { first, .. } => {
                format!("it was taken at {first}; open a scope with `graph.scope(…)` or choose another name")
            }
            GraphError::OutOfRange { expected, .. } => format!("choose a value that is {expected}"),
            GraphError::NumberTooLarge { max, .. } => format!("no array has more than {max} elements"),
            GraphError::BadAxes { axes, .. } if has_repetition(axes) => {
                "name each axis once; negative axes count from the end".into()
            }
            other => other.fixed_help().into(),
        }
    }

    /// The same for errors whose mend depends on nothing in them.
    #[expect(clippy::too_many_lines, reason = "a table: one row for each error")]
    fn fixed_help(&self) -> &'static str {
        match self {
            GraphError::ShapesDiffer { .. } => {
                "`reshape`, `unsqueeze` or `broadcast_to` one operand: nothing is broadcast here"
            }
            GraphError::WrongShape { .. } => "`reshape` it to this shape, or build it in this shape",
            GraphError::Rank { .. } => "add axes of size 1 with `unsqueeze`, or merge axes with `reshape`",
            GraphError::Wide { .. } => "decompose the transpose, by `.t()`",
            GraphError::BadAxes { .. } => "list the axes from the first to the last",
            GraphError::ElementsDiffer { .. } => {
                "keep the number of elements; one size may be −1, which is then what keeps it"
            }
            GraphError::SizesDiffer { .. } => {
                "these axes go together, so their sizes must be equal; `transpose` or `reshape` one operand"
            }
            GraphError::SliceOutOfRange { .. } => {
                "bounds go from 0 to the size, or are negative and count from the end; they are not cut to fit"
            }
            GraphError::NotPositive { .. } => "use 1 or more",
            GraphError::AttributeCount { .. } => "give one number for each axis, or one for all of them",
            GraphError::SymbolicStride { .. } => "give the axis a fixed size, or use a stride of 1",
            GraphError::Symbolic { .. } => "give the axis a fixed size where it is declared",
            GraphError::EmptyReduction { .. } => "`sum` and `prod` of nothing are 0 and 1",
            GraphError::PaddingTooWide { .. } => "pad by less than the window spans, dilation included",
            GraphError::UnequalParts { .. } => {
                "choose a number that divides the size, or give the size of each part, as in `split([4, 3, 3], 0)`"
            }
            GraphError::PartsDiffer { .. } => "give sizes that add up to that of the axis, one for each part",
            GraphError::BadName { .. } => "choose another; `graph.scope(…)` puts words before it",
            GraphError::Literal { dtype: DType::F32, .. } => {
                "the greatest f32 is about 3.4e38: use an f64 operand, or `f64::INFINITY` if that is meant"
            }
            GraphError::Literal { .. } => "cast the operand to a float, or write an integer",
            GraphError::ForeignGraph => {
                "build all of it with one graph, and call `gradient` and the like on that graph"
            }
            GraphError::GradientOfArray { .. } => {
                "reduce it with `sum` or `mean`, or use `vjp` with a cotangent of its shape"
            }
            GraphError::NoDerivative { .. } => {
                "differentiate with respect to a float; a cast from an integer passes no derivative back"
            }
            GraphError::SymbolicParameter { .. } => "only inputs may have symbolic sizes",
            GraphError::InitializerDType { .. } => {
                "of i64 and bool start `Zeros` or a `Constant` that the dtype holds; `Key` is of i64"
            }
            GraphError::NotState => "declare it by `state` or `state_of`; a parameter is an optimizer's to update",
            GraphError::UpdateKinds { .. } => {
                "carry one state, and update another: the one ends with a pass over data, the other stays"
            }
            GraphError::CarriedInitializer { .. } => {
                "let it start by `Zeros` or a `Constant`: every pass over data begins with that again"
            }
            GraphError::UpdateInBody { .. } => "return the value from the closure, and update the state behind it",
            GraphError::UpdateType { .. } => {
                "a state keeps dtype and shape: `cast`, `mean` or `broadcast_to` the new value"
            }
            GraphError::TooLarge { .. } => "work on parts of it; no memory holds more than 2^46 elements",
            GraphError::WindowTooLarge { .. } => "pad the array, or take a smaller window, kernel or dilation",
            GraphError::MostlyZeros { .. } => "pad or spread less: nearly all of the work would be on zeros",
            GraphError::CarryType { .. } => {
                "a carry keeps dtype and shape: `cast` or `broadcast_to` its first value, or the next one"
            }
            GraphError::BranchType { .. } => {
                "give both branches results of the same types, by `cast` or `broadcast_to`"
            }
            GraphError::TangentType { .. } => "a tangent has dtype and shape of its value: `cast` or `broadcast_to` it",
            GraphError::NotLinear => {
                "multiply each tangent by what the derivative is, and add; a tangent is in no exponential and in no other tangent's factor"
            }
            GraphError::ResultCount { .. } => "return as many values, in the same order",
            GraphError::OperandType { .. } => "give it an array of the type that the function was made for",
            GraphError::Condition { .. } => "compare scalars; where it is decided for each element, use `select`",
            GraphError::TooDeep { .. } => "call functions one after another instead of inside of each other",
            GraphError::BodyTooLarge { .. } => "call less often inside of functions, or loop with `scan`",
            GraphError::Custom { .. } => "what it takes and gives is in the `impl CustomOp` of this name",
            GraphError::NoLength => "give it by `ScanOptions::length`, or use `fori`",
            GraphError::UnboundedLoop { .. } => {
                "state the most iterations that it can take (`while_loop_bounded`), or use `scan`, or forward mode (`jvp`)"
            }
            GraphError::NotBroadcastable { .. }
            | GraphError::NotBroadcastableTo { .. }
            | GraphError::DTypesDiffer { .. }
            | GraphError::UnsupportedDType { .. }
            | GraphError::AxisOutOfRange { .. }
            | GraphError::NotAPermutation { .. }
            | GraphError::OperandCount { .. }
            | GraphError::FreeAxis { .. }
            | GraphError::NegativeSize { .. }
            | GraphError::Channels { .. }
            | GraphError::Einsum { .. }
            | GraphError::DuplicateName { .. }
            | GraphError::OutOfRange { .. }
            | GraphError::NumberTooLarge { .. } => unreachable!("invariant: help that depends on its mistake is above"),
        }
    }
}

/// How to come by what an operation expects, in the words of [`GraphError::UnsupportedDType`].
fn help_with_dtype(expected: &str, found: DType) -> &'static str {
    if expected == "i64 labels" && found.is_float() {
        return "`.cast(DType::I64)` if these are classes; for probabilities `cross_entropy_with_probabilities`";
    }
    match expected {
        _ if expected.contains("i64") => "convert it first, as with `.cast(DType::I64)`",
        _ if expected.contains("bool") => "compare it with something, as with `.not_equal(0)`",
        _ => "convert it first, as with `.cast(DType::F32)`",
    }
}

/// The free axis is −1 as it was written.
fn help_with_free_axis(from: &Shape, to: &Shape) -> String {
    let others: Dim = to.iter().filter(|size| !size.is(-1)).cloned().product();
    format!("the other sizes make {others}, which must divide {}", from.size())
}

fn help_with_negative_size(size: &Dim) -> String {
    if size.is(-1) {
        return "a size that is not known beforehand is a symbol, as in `(\"batch\", 3)`; −1 is for `reshape`".into();
    }
    "sizes are 0 or more".into()
}

fn help_with_einsum(error: &EinsumError) -> &'static str {
    match error {
        EinsumError::LostEllipsis => "write `...` in the result too, or sum these axes first",
        EinsumError::NotBroadcastable { .. } => {
            "the axes of `...` are aligned at their end; sizes must be equal or 1, axis by axis"
        }
        EinsumError::RepeatedEllipsis(_) => "write `...` once, and letters for the axes that are not meant by it",
        EinsumError::NotALetter(_)
        | EinsumError::OperandCount { .. }
        | EinsumError::Rank { .. }
        | EinsumError::SizesDiffer { .. }
        | EinsumError::UnknownOutput(_)
        | EinsumError::RepeatedOutput(_) => {
            "write one letter for each axis of each operand, an arrow, and the letters of the result, as in \
             \"bij,bjk->bik\"; `...` stands for axes that broadcast"
        }
    }
}

/// Arrays with channels last are told from those with the wrong number of channels.
fn help_with_channels(input: &Shape, expected: &Dim) -> String {
    let last = input.rank() - 1;
    if input[last] == *expected {
        let order: Vec<usize> = [0, last].into_iter().chain(1..last).collect();
        return format!("the channels seem to be last; `.transpose({order:?})` puts them second, where they belong");
    }
    "the input is [batch, in, spatial…] and the kernel [out, in / groups, spatial…], of a transposed convolution \
     [in, out / groups, spatial…]; `Convolve::groups` sets the groups"
        .into()
}

fn has_repetition(axes: &[usize]) -> bool {
    (1..axes.len()).any(|position| axes[..position].contains(&axes[position]))
}
