//! The primitives that have attributes: one row each, with the types of the attributes.
//!
//! The table is a macro, so that each stage takes from a row what it needs: [`op`](super::op) the struct and the
//! variant of [`Op`](super::Op), `text/attribute.rs` the words. A row is
//!
//! ```text
//! /// What it computes.
//! Variant = "name in the text form" {
//!     /// What the attribute says.
//!     attribute: its type,
//! }
//! ```
//!
//! or `Variant = Kind { … }` where the attribute `kind` gives the name. An attribute of type `Shape` or `DType` is the
//! output's, so the text has it as the type of the node.

/// Calls `$consumer! { rows }`.
macro_rules! operations {
    ($consumer:ident) => {
        $consumer! {
                /// An error stands here: it was reported once, and what is built on it stays silent.
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
                /// An array that a training step sets anew, not by a gradient: a running mean, a counter.
                State = "state" {
                    /// Its name, scopes included.
                    name: Name,
                    /// How it starts.
                    initializer: Initializer,
                    /// The type's element type.
                    dtype: DType,
                    /// The type's shape, without symbols.
                    shape: Shape,
                }
                /// Whether this is run to train: settled when the graph is compiled.
                IsTraining = "is_training" {}
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
                /// Uniform random integers in `[0, 2^width)` by Philox-4x32-10, from `i64` key and counter of one shape, the
                /// first axes of the result; each key counts its own elements, of which element i depends on key, counter
                /// and i alone.
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
                /// The same values in another dtype; float to integer truncates and saturates, NaN to 0; to bool is x ≠
                /// 0.
                Cast = "cast" {
                    /// The new element type.
                    dtype: DType,
                }
                /// The operand, whose derivative is taken as 0.
                StopGradient = "stop_gradient" {}
                /// Repeats: axis i of the operand becomes axis `axes[i]` of the output; axes of size 1 stretch, others
                /// are added.
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
                /// `out[b…, o…, i…, r…] = x[b…, o…, index[b…, i…], r…]`: picks positions along an axis; the first
                /// `batch` axes of operand and index go together.
                Gather = "gather" {
                    /// The axis of x that the index selects from, at least `batch`.
                    axis: usize,
                    /// How many leading axes x and the index share.
                    batch: usize,
                }
                /// `base` with `updates` added where a gather with the same index would have read; duplicates add in
                /// index order. Operands: base, index, updates.
                ScatterAdd = "scatter_add" {
                    /// As for gather.
                    axis: usize,
                    /// As for gather.
                    batch: usize,
                }
                /// Removes axes by adding, multiplying, or taking the extreme.
                Reduce = Reduction {
                    /// What is taken.
                    kind: Reduction,
                    /// The axes removed, ascending.
                    axes: Axes,
                }
                /// Positions by order of value along one axis, in `i64`; argmax and argmin remove the axis, the others
                /// keep it.
                Rank = Ranking {
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
                    direction: ScanDirection,
                }
                /// A linear recurrence along an axis: yᵢ = aᵢ·yᵢ₋₁ + bᵢ, the first y being its b. Operands: a, b.
                LinearRecurrence = "linear_recurrence" {
                    /// The axis.
                    axis: usize,
                    /// From which end.
                    direction: ScanDirection,
                }
                /// Sum of products: batch axes go together, contracted axes are summed. Axes of the output: batch, the
                /// left operand's others, the right operand's others.
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
                /// Cross-correlation of `[batch, in, spatial…]` with a kernel `[out, in / groups, spatial…]` to
                /// `[batch, out, spatial…]`: `out[n, o, p] = Σ_{c, k} x̂[n, c, p·stride + k·kernel_dilation] ·
                /// kernel[o, c, k]`, where x̂ is x with `input_dilation − 1` zeros between its elements and `low`,
                /// `high` zeros around it (negative ones crop).
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
                Window = WindowReduction {
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
                /// The lower triangular L with L·Lᵀ = (A + Aᵀ)/2, over the last two axes; NaN where A is not positive
                /// definite.
                Cholesky = "cholesky" {}
                /// X with A·X = B (or Aᵀ·X = B), A triangular, over the last two axes; the other half of A is not read.
                TriangularSolve = "triangular_solve" {
                    /// The half of A that is meant.
                    triangle: Triangle,
                    /// Whether A is transposed.
                    orientation: Orientation,
                }
                /// An argument of a body. Outside of one it is an error.
                Argument = "argument" {
                    /// Which, from 0.
                    index: usize,
                    /// The closure that is building the body; 0 in a body that is made.
                    trace: TraceNumber,
                    /// The type's element type.
                    dtype: DType,
                    /// The type's shape.
                    shape: Shape,
                }
                /// A body, run once on the operands.
                Call = "call" {
                    /// The function.
                    body: Body,
                    /// Which node of the body this gives.
                    output: usize,
                }
                /// One of two bodies, run once on all operands but the first, a `bool` scalar that says which. Both have
                /// results of the same types.
                Conditional = "cond" {
                    /// Run where the first operand is true.
                    then_body: Body,
                    /// Run where it is false.
                    else_body: Body,
                    /// Which result this gives.
                    output: usize,
                }
                /// A body, run once for each position along the leading axis of some operands. Arguments of the body:
                /// carries, slices, and what stays the same; its results are the carries of the next iteration.
                /// Operands: first carries, arrays to slice, and what stays the same.
                Scan = "scan" {
                    /// What is done in each iteration.
                    body: Body,
                    /// How many values are handed from iteration to iteration.
                    carries: usize,
                    /// How many operands are sliced.
                    slices: usize,
                    /// How many iterations.
                    length: Dim,
                    /// From which end.
                    direction: ScanDirection,
                    /// Which carries a plan keeps for derivatives.
                    checkpoints: Checkpoints,
                    /// What this gives.
                    output: ScanOutput,
                }
                /// A body, run as long as a condition on the carries holds. Arguments of both: carries, and what stays the
                /// same. The results of the body are the next carries, that of the condition a `bool` scalar.
                While = "while" {
                    /// Whether there is another iteration.
                    condition: Body,
                    /// What is done in each.
                    body: Body,
                    /// How many values are handed from iteration to iteration.
                    carries: usize,
                    /// More iterations than this are an error; where it is stated, there is a reverse mode.
                    bound: Bound,
                    /// Which carry this gives, after the last iteration.
                    output: usize,
                }
                /// A value of several, with a derivative of the user's own: the body gives the tangents of the values. Operands: the
                /// values, what the derivative is by, and what the body captures. Arguments of the body: the same, with a
                /// tangent of each that the derivative is by before what is captured.
                WithDerivative = "with_derivative" {
                    /// The tangents of the values, linear in those that it is given.
                    body: Body,
                    /// How many values there are.
                    values: usize,
                    /// Which value this gives.
                    output: usize,
                }
                /// L − I + U with P·A = L·U, over the last two axes, by partial pivoting; a row more has for each row of L·U
                /// its row of A.
                Lu = "lu" {}
                /// X with A·X = B (or Aᵀ·X = B), over the last two axes, by elimination with partial pivoting.
                Solve = "solve" {
                    /// Whether A is transposed.
                    orientation: Orientation,
                }
                /// Q, m rows, and below it R, n rows, of A = Q·R for matrices A of m rows and n ≤ m columns, over the last two
                /// axes; no element of the diagonal of R is negative.
                Qr = "qr" {}
                /// Eigenvectors of (A + Aᵀ)/2 in columns, and a row more with the eigenvalues, ascending, over the last two axes.
                Eigh = "eigh" {}
                /// The eigenvalues of (A + Aᵀ)/2, ascending, over the last two axes.
                Eigvalsh = "eigvalsh" {}
                /// U, m rows, below it V, n rows, and a row more with s, descending, of A = U·diag(s)·Vᵀ for matrices A of m
                /// rows and n ≤ m columns, over the last two axes.
                Svd = "svd" {}
                /// The singular values of matrices with no more columns than rows, descending, over the last two axes.
                Svdvals = "svdvals" {}
                /// The discrete Fourier transform, over the last two axes: a row of real parts and one of imaginary ones.
                Fft = "fft" {
                    /// Plain with e^(−2πi·jk/n); transposed, which is with +i and not divided by n.
                    orientation: Orientation,
                }
                /// How many elements of a sorted array, along the last axis, are before each of some values, in `i64`. NaN
                /// comes last. Operands: the sorted array, the values.
                SearchSorted = "search_sorted" {
                    /// Whether equal elements are after the value or before.
                    side: Side,
                }
                /// An operation of the user's own, a [`CustomOp`](crate::ops::CustomOp).
                Custom = CustomKind {
                    /// Which.
                    kind: CustomKind,
                }
        }
    };
}
pub(crate) use operations;
