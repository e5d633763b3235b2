//! Reductions of rows, and combination of an array with an accumulator. In: elements. Out: sums, products, extremes. The
//! order is fixed by the length of a row alone, so a row gives the same bits however many are reduced at once.
#![allow(unsafe_code, reason = "kernels take untyped pointers into the arena; each block names who keeps its bounds")]

use std::marker::PhantomData;

use super::{
    Accumulate, RowReduce,
    arithmetic::Arithmetic,
    instantiate::for_each_set,
    map::{exclusive, shared},
};
use crate::{
    graph::{DType, Reduction},
    ops::Number,
    runtime::instruction_set::InstructionSet,
};

/// From this length on a row has as many partial results, which are combined pairwise at its end.
const MEDIUM: usize = 8;

/// The same for long rows, where more partial results hide the latency of a sum.
const LONG: usize = 32;

/// The kernel that reduces rows, or `None` for truth values.
pub(crate) fn row_reduce(kind: Reduction, dtype: DType, set: InstructionSet) -> Option<RowReduce> {
    match dtype {
        DType::F32 => Some(row_reduce_of::<f32>(kind, set)),
        DType::F64 => Some(row_reduce_of::<f64>(kind, set)),
        DType::I64 => Some(row_reduce_of::<i64>(kind, set)),
        DType::Bool => None,
    }
}

/// The kernel that combines with an accumulator, or `None` for truth values.
pub(crate) fn accumulate(kind: Reduction, dtype: DType, set: InstructionSet) -> Option<Accumulate> {
    match dtype {
        DType::F32 => Some(accumulate_of::<f32>(kind, set)),
        DType::F64 => Some(accumulate_of::<f64>(kind, set)),
        DType::I64 => Some(accumulate_of::<i64>(kind, set)),
        DType::Bool => None,
    }
}

fn row_reduce_of<T: Number>(kind: Reduction, set: InstructionSet) -> RowReduce {
    match kind {
        Reduction::Sum => rows::<Sum<T>>(set),
        Reduction::Product => rows::<Product<T>>(set),
        Reduction::Max => rows::<Max<T>>(set),
        Reduction::Min => rows::<Min<T>>(set),
    }
}

fn accumulate_of<T: Number>(kind: Reduction, set: InstructionSet) -> Accumulate {
    match kind {
        Reduction::Sum => combined::<Sum<T>>(set),
        Reduction::Product => combined::<Product<T>>(set),
        Reduction::Max => combined::<Max<T>>(set),
        Reduction::Min => combined::<Min<T>>(set),
    }
}

/// A reduction.
trait ReduceOp: 'static {
    type Item: Number;
    /// What nothing reduces to, if anything.
    const OF_NOTHING: Option<Self::Item>;

    fn combine(a: Self::Item, b: Self::Item) -> Self::Item;
}

macro_rules! folds {
    ($($name:ident = $of_nothing:expr, $combine:ident;)*) => {$(
        struct $name<T>(PhantomData<T>);

        impl<T: Number> ReduceOp for $name<T> {
            type Item = T;
            const OF_NOTHING: Option<T> = $of_nothing;

            #[inline(always)]
            fn combine(a: T, b: T) -> T {
                a.$combine(b)
            }
        }
    )*};
}

folds! {
    Sum = Some(T::ZERO), add;
    Product = Some(T::ONE), mul;
    Max = None, maximum;
    Min = None, minimum;
}

for_each_set! {
    fn rows<F: ReduceOp> = rows_body: RowReduce(out: *mut u8, x: *const u8, rows: usize, columns: usize)
}

for_each_set! {
    fn combined<F: ReduceOp> = combined_body: Accumulate(acc: *mut u8, x: *const u8, n: usize)
}

/// # Safety
/// `out` points to `rows` elements, `x` to `rows · columns`, and they do not overlap.
#[inline(always)]
unsafe fn rows_body<F: ReduceOp, A: Arithmetic>(out: *mut u8, x: *const u8, rows: usize, columns: usize) {
    // SAFETY: the caller's contract is that of the slices.
    let (out, x) = unsafe { (exclusive::<F::Item>(out, rows), shared::<F::Item>(x, rows * columns)) };
    match columns {
        0 => out.fill(F::OF_NOTHING.expect("invariant: inference refuses extremes of nothing")),
        1 => out.copy_from_slice(x),
        2 => short_rows::<F, 2>(out, x),
        3 => short_rows::<F, 3>(out, x),
        4 => short_rows::<F, 4>(out, x),
        10 => short_rows::<F, 10>(out, x),
        5..MEDIUM => out.iter_mut().zip(x.chunks_exact(columns)).for_each(|(out, row)| *out = in_order::<F>(row)),
        MEDIUM..LONG => each_in_lanes::<F, MEDIUM>(out, x, columns),
        LONG.. => each_in_lanes::<F, LONG>(out, x, columns),
    }
}

/// Rows of a length known to the compiler.
#[inline(always)]
fn short_rows<F: ReduceOp, const COLUMNS: usize>(out: &mut [F::Item], x: &[F::Item]) {
    for (out, row) in out.iter_mut().zip(x.chunks_exact(COLUMNS)) {
        *out = in_order::<F>(row);
    }
}

/// A row that is not empty, from its first element to its last.
#[inline(always)]
fn in_order<F: ReduceOp>(row: &[F::Item]) -> F::Item {
    row[1..].iter().fold(row[0], |result, x| F::combine(result, *x))
}

#[inline(always)]
fn each_in_lanes<F: ReduceOp, const LANES: usize>(out: &mut [F::Item], x: &[F::Item], columns: usize) {
    for (out, row) in out.iter_mut().zip(x.chunks_exact(columns)) {
        *out = in_lanes::<F, LANES>(row);
    }
}

/// A row of at least `LANES` elements: lane i combines every element whose index is i modulo the lanes.
#[inline(always)]
fn in_lanes<F: ReduceOp, const LANES: usize>(row: &[F::Item]) -> F::Item {
    let mut chunks = row.chunks_exact(LANES);
    let mut lanes = [F::Item::ZERO; LANES];
    lanes.copy_from_slice(chunks.next().expect("invariant: the row has at least as many elements as lanes"));
    for chunk in chunks.by_ref() {
        combine_each::<F>(&mut lanes, chunk);
    }
    let rest = chunks.remainder();
    combine_each::<F>(&mut lanes[..rest.len()], rest);
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        let (low, high) = lanes.split_at_mut(width);
        combine_each::<F>(low, &high[..width]);
    }
    lanes[0]
}

/// # Safety
/// `acc` and `x` point to `n` elements each and do not overlap.
#[inline(always)]
unsafe fn combined_body<F: ReduceOp, A: Arithmetic>(acc: *mut u8, x: *const u8, n: usize) {
    // SAFETY: the caller's contract is that of the slices.
    let (acc, x) = unsafe { (exclusive::<F::Item>(acc, n), shared::<F::Item>(x, n)) };
    combine_each::<F>(acc, x);
}

#[inline(always)]
fn combine_each<F: ReduceOp>(acc: &mut [F::Item], x: &[F::Item]) {
    for (acc, x) in acc.iter_mut().zip(x) {
        *acc = F::combine(*acc, *x);
    }
}
