//! What to do about each mistake. In: a [`Mistake`]. Out: a sentence for the line below it. What is wrong is said in
//! `diagnostic.rs`.

use super::{
    diagnostic::{EinsumProblem, Mistake},
    dim::Dim,
    dtype::DType,
    shape::Shape,
};

impl Mistake {
    /// What to do about it: every mistake says so.
    pub fn help(&self) -> String {
        match self {
            Mistake::NotBroadcastable { left, right } if left.rank() == right.rank() => {
                "sizes must be equal or 1, axis by axis; `reshape`, `expand` or `transpose` one operand".into()
            }
            Mistake::NotBroadcastable { .. } => {
                "axes are aligned at the end; add axes of size 1 with `expand` where they belong".into()
            }
            Mistake::NotBroadcastableTo { .. } => {
                "axes are aligned at the end; only axes of size 1 stretch, and missing ones are added in front".into()
            }
            Mistake::DTypesDiffer { left, right } => format!(
                "convert one operand: `.cast(DType::{left:?})` on the {right} operand or `.cast(DType::{right:?})` on the \
                 {left} one"
            ),
            Mistake::UnsupportedDType { expected, found } => help_with_dtype(expected, *found).into(),
            Mistake::AxisOutOfRange { rank: 0, .. } => "a scalar has no axes".into(),
            Mistake::AxisOutOfRange { rank, .. } => format!("axes are 0 to {}, or −{rank} to −1", rank - 1),
            Mistake::NotAPermutation { rank, .. } => format!("name each of the {rank} axes once"),
            Mistake::OperandCount { expected, .. } => format!("give it {expected}"),
            Mistake::FreeAxis { from, to } => help_with_free_axis(from, to),
            Mistake::NegativeSize { size, .. } => help_with_negative_size(size),
            Mistake::Channels { input, kernel_channels, groups, .. } => {
                help_with_channels(input, &(kernel_channels.clone() * Dim::from(*groups)))
            }
            Mistake::Einsum { problem, .. } => help_with_einsum(problem).into(),
            Mistake::DuplicateName { first, .. } => {
                format!("it was taken at {first}; open a scope with `graph.scope(…)` or choose another name")
            }
            Mistake::OutOfRange { expected, .. } => format!("choose a value that is {expected}"),
            Mistake::NumberTooLarge { most, .. } => format!("no array has more than {most} elements"),
            Mistake::BadAxes { axes, .. } if has_repetition(axes) => {
                "name each axis once; negative axes count from the end".into()
            }
            other => other.fixed_help().into(),
        }
    }

    /// The same for mistakes whose mend depends on nothing in them.
    fn fixed_help(&self) -> &'static str {
        match self {
            Mistake::ShapesDiffer { .. } => {
                "`reshape`, `expand` or `broadcast_to` one operand: nothing is broadcast here"
            }
            Mistake::WrongShape { .. } => "`reshape` it to this shape, or build it in this shape",
            Mistake::Rank { .. } => "add axes of size 1 with `expand`, or merge axes with `reshape`",
            Mistake::BadAxes { .. } => "list the axes from the first to the last",
            Mistake::ElementsDiffer { .. } => {
                "keep the number of elements; one size may be −1, which is then what keeps it"
            }
            Mistake::SizesDiffer { .. } => {
                "these axes go together, so their sizes must be equal; `transpose` or `reshape` one operand"
            }
            Mistake::SliceOutOfRange { .. } => {
                "bounds go from 0 to the size, or are negative and count from the end; they are not cut to fit"
            }
            Mistake::NotPositive { .. } => "use 1 or more",
            Mistake::AttributeCount { .. } => "give one number for each axis, or one for all of them",
            Mistake::SymbolicStride { .. } => "give the axis a fixed size, or use a stride of 1",
            Mistake::Symbolic { .. } => "give the axis a fixed size where it is declared",
            Mistake::EmptyReduction { .. } => "`sum` and `prod` of nothing are 0 and 1",
            Mistake::PaddingTooWide { .. } => "pad by less than the window spans, dilation included",
            Mistake::UnequalParts { .. } => {
                "choose a number that divides the size, or give the size of each part, as in `split([4, 3, 3], 0)`"
            }
            Mistake::PartsDiffer { .. } => "give sizes that add up to that of the axis, one for each part",
            Mistake::BadName { .. } => "choose another; `graph.scope(…)` puts words before it",
            Mistake::Literal { dtype: DType::F32, .. } => {
                "the greatest f32 is about 3.4e38: use an f64 operand, or `f64::INFINITY` if that is meant"
            }
            Mistake::Literal { .. } => "cast the operand to a float, or write an integer",
            Mistake::ForeignGraph => "build all of it with one graph, and call `gradient` and the like on that graph",
            Mistake::GradientOfArray { .. } => {
                "reduce it with `sum` or `mean`, or use `vjp` with a cotangent of its shape"
            }
            Mistake::NoDerivative { .. } => {
                "differentiate with respect to a float; a cast from an integer passes no derivative back"
            }
            Mistake::SymbolicParameter { .. } => "only inputs may have symbolic sizes",
            Mistake::TooLarge { .. } => "work on parts of it; no memory holds more than 2^46 elements",
            Mistake::WindowTooLarge { .. } => "pad the array, or take a smaller window, kernel or dilation",
            Mistake::MostlyZeros { .. } => "pad or spread less: nearly all of the work would be on zeros",
            Mistake::NotBroadcastable { .. }
            | Mistake::NotBroadcastableTo { .. }
            | Mistake::DTypesDiffer { .. }
            | Mistake::UnsupportedDType { .. }
            | Mistake::AxisOutOfRange { .. }
            | Mistake::NotAPermutation { .. }
            | Mistake::OperandCount { .. }
            | Mistake::FreeAxis { .. }
            | Mistake::NegativeSize { .. }
            | Mistake::Channels { .. }
            | Mistake::Einsum { .. }
            | Mistake::DuplicateName { .. }
            | Mistake::OutOfRange { .. }
            | Mistake::NumberTooLarge { .. } => unreachable!("invariant: help that depends on its mistake is above"),
        }
    }
}

/// How to come by what an operation expects, in the words of [`Mistake::UnsupportedDType`].
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

fn help_with_einsum(problem: &EinsumProblem) -> &'static str {
    match problem {
        EinsumProblem::LostEllipsis => "write `...` in the result too, or sum these axes first",
        EinsumProblem::NotBroadcastable { .. } => {
            "the axes of `...` are aligned at their end; sizes must be equal or 1, axis by axis"
        }
        EinsumProblem::RepeatedEllipsis(_) => "write `...` once, and letters for the axes that are not meant by it",
        EinsumProblem::NotALetter(_)
        | EinsumProblem::OperandCount { .. }
        | EinsumProblem::Rank { .. }
        | EinsumProblem::SizesDiffer { .. }
        | EinsumProblem::UnknownOutput(_)
        | EinsumProblem::RepeatedOutput(_) => {
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
    "the input is [batch, in, spatial…] and the kernel [out, in / groups, spatial…]; `Convolve::groups` sets the groups"
        .into()
}

fn has_repetition(axes: &[usize]) -> bool {
    (1..axes.len()).any(|position| axes[..position].contains(&axes[position]))
}
