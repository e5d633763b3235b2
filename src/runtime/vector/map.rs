//! Elementwise loops. In: a function of one, two or three elements, as a type. Out: kernels that apply it to `n`
//! elements, for each instruction set and each combination of contiguous operands and splats. The functions themselves
//! are elsewhere.
#![allow(unsafe_code, reason = "kernels take untyped pointers into the arena; each block names who keeps its bounds")]

use std::slice;

use super::{
    Kernel, PairKernel,
    arithmetic::{Arithmetic, Baseline},
    instantiate::for_each_set,
};
use crate::{ops::Number, runtime::instruction_set::InstructionSet};

/// Elements of a long function that are computed together: one AVX-512 vector of f32, two of f64. A remainder is computed by a
/// last block that ends with the array and overlaps the block before it; elements of both are computed twice, to the same
/// bits. An array shorter than a block is padded.
const BLOCK: usize = 16;

/// The same for a pair of functions, while so many elements are left: twice as many independent elements hide the latency of
/// a pair's longer chains of operations.
const WIDE_BLOCK: usize = 2 * BLOCK;

/// The shortest array for which a padded block is faster than one element after the other.
const MIN_PADDED: usize = 4;

/// A function of one element.
pub(super) trait Map: 'static {
    type In: Copy;
    type Out: Copy + Default;
    /// Whether the function is so expensive that a whole vector, partly padding, takes less time than a few single elements.
    const IS_LONG: bool = false;

    fn apply<A: Arithmetic>(x: Self::In) -> Self::Out;

    /// Whether `apply` does not hold for this element, so that `apply_rare` has to compute it.
    #[inline(always)]
    fn is_rare(_: Self::In) -> bool {
        false
    }

    fn apply_rare(x: Self::In) -> Self::Out {
        Self::apply::<Baseline>(x)
    }
}

/// A function of two elements.
pub(in crate::runtime) trait Zip: 'static {
    type In: Copy;
    type Out: Copy + Default;
    /// As for [`Map`].
    const IS_LONG: bool = false;

    fn apply<A: Arithmetic>(a: Self::In, b: Self::In) -> Self::Out;
}

/// Two functions of one element, computed together.
pub(in crate::runtime) trait MapPair: 'static {
    type Element: Copy + Default;

    fn apply<A: Arithmetic>(x: Self::Element) -> [Self::Element; 2];

    /// As for [`Map`].
    #[inline(always)]
    fn is_rare(_: Self::Element) -> bool {
        false
    }

    fn apply_rare(x: Self::Element) -> [Self::Element; 2] {
        Self::apply::<Baseline>(x)
    }
}

/// Both values of a pair at one element.
#[inline(always)]
pub(in crate::runtime) fn values_of_both<F: MapPair, A: Arithmetic>(x: F::Element) -> [F::Element; 2] {
    if F::is_rare(x) { F::apply_rare(x) } else { F::apply::<A>(x) }
}

/// How an operand is read: contiguous, or one element for all.
pub(super) trait OperandLayout: 'static {
    /// How many elements the operand has for `n` elements of the output.
    fn len(n: usize) -> usize;
    fn get<T: Copy>(elements: &[T], index: usize) -> T;
    /// The elements of the block that begins at `start`.
    fn block<T>(elements: &[T], start: usize) -> &[T];
}

/// Contiguous: one element for each index.
pub(super) struct Contiguous;

/// A splat: one element for all indices.
pub(super) struct Splat;

impl OperandLayout for Contiguous {
    #[inline(always)]
    fn len(n: usize) -> usize {
        n
    }
    #[inline(always)]
    fn get<T: Copy>(elements: &[T], index: usize) -> T {
        elements[index]
    }
    #[inline(always)]
    fn block<T>(elements: &[T], start: usize) -> &[T] {
        &elements[start..start + BLOCK]
    }
}

impl OperandLayout for Splat {
    #[inline(always)]
    fn len(_: usize) -> usize {
        1
    }
    #[inline(always)]
    fn get<T: Copy>(elements: &[T], _: usize) -> T {
        elements[0]
    }
    #[inline(always)]
    fn block<T>(elements: &[T], _: usize) -> &[T] {
        elements
    }
}

for_each_set! {
    /// The kernel of a function of one element.
    pub(super) fn unary<F: Map> = unary_body: Kernel(out: *mut u8, operands: &[*const u8; 3], n: usize)
}

for_each_set! {
    /// The kernel of two functions of one element.
    pub(super) fn pair<F: MapPair> = pair_body: PairKernel(outputs: &[*mut u8; 2], x: *const u8, n: usize)
}

for_each_set! {
    /// The kernel of a function of two elements that lie as `L` and `R`.
    pub(super) fn binary<F: Zip, L: OperandLayout, R: OperandLayout> = binary_body: Kernel(out: *mut u8, operands: &[*const u8; 3], n: usize)
}

for_each_set! {
    /// The kernel that selects between elements of type `T`, whose condition and choices lie as `C`, `L` and `R`.
    pub(super) fn select<T: RawElement, C: OperandLayout, L: OperandLayout, R: OperandLayout> =
        select_body: Kernel(out: *mut u8, operands: &[*const u8; 3], n: usize)
}

for_each_set! {
    /// The kernel of a·b + c, each of both operations rounded.
    pub(super) fn multiply_add<T: Number> = multiply_add_body: Kernel(out: *mut u8, operands: &[*const u8; 3], n: usize)
}

/// Elements that are moved as bits: only their size matters.
pub(super) trait RawElement: Copy + 'static {}
impl RawElement for u8 {}
impl RawElement for u32 {}
impl RawElement for u64 {}

/// # Safety
/// `out` points to `n` elements of `F::Out`, operand 0 to `n` of `F::In`, and they do not overlap.
#[inline(always)]
unsafe fn unary_body<F: Map, A: Arithmetic>(out: *mut u8, operands: &[*const u8; 3], n: usize) {
    // SAFETY: the caller's contract is that of the slices.
    let (out, x) = unsafe { (exclusive::<F::Out>(out, n), shared::<F::In>(operands[0], n)) };
    map::<F, A>(out, x);
    if x.iter().fold(false, |any, x| any | F::is_rare(*x)) {
        for (out, x) in out.iter_mut().zip(x).filter(|(_, x)| F::is_rare(**x)) {
            *out = F::apply_rare(*x);
        }
    }
}

#[inline(always)]
fn map<F: Map, A: Arithmetic>(out: &mut [F::Out], x: &[F::In]) {
    if !F::IS_LONG || x.len() < MIN_PADDED {
        map_each::<F, A>(out, x);
    } else if x.len() < BLOCK {
        let mut results = [F::Out::default(); BLOCK];
        map_blocks::<F, A>(&mut results, &padded(x));
        copy(&results, out);
    } else {
        map_blocks::<F, A>(out, x);
    }
}

#[inline(always)]
fn map_blocks<F: Map, A: Arithmetic>(out: &mut [F::Out], x: &[F::In]) {
    let n = x.len();
    for start in (0..n).step_by(BLOCK).map(|start| start.min(n - BLOCK)) {
        map_each::<F, A>(&mut out[start..start + BLOCK], &x[start..start + BLOCK]);
    }
}

#[inline(always)]
fn map_each<F: Map, A: Arithmetic>(out: &mut [F::Out], x: &[F::In]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = F::apply::<A>(*x);
    }
}

/// # Safety
/// Both outputs and `x` point to `n` elements of `F::Element` each, and none overlaps another.
#[inline(always)]
unsafe fn pair_body<F: MapPair, A: Arithmetic>(outputs: &[*mut u8; 2], x: *const u8, n: usize) {
    // SAFETY: the caller's contract is that of the slices.
    let (first, second, x) = unsafe {
        (exclusive::<F::Element>(outputs[0], n), exclusive::<F::Element>(outputs[1], n), shared::<F::Element>(x, n))
    };
    match n {
        0 => {}
        1..BLOCK => {
            let (mut firsts, mut seconds) = ([F::Element::default(); BLOCK], [F::Element::default(); BLOCK]);
            pair_each::<F, A>(&mut firsts, &mut seconds, &padded(x));
            copy(&firsts, first);
            copy(&seconds, second);
        }
        BLOCK..WIDE_BLOCK => pair_blocks::<F, A, BLOCK>(first, second, x),
        _ => pair_blocks::<F, A, WIDE_BLOCK>(first, second, x),
    }
    if x.iter().fold(false, |any, x| any | F::is_rare(*x)) {
        for (index, x) in x.iter().enumerate().filter(|(_, x)| F::is_rare(**x)) {
            [first[index], second[index]] = F::apply_rare(*x);
        }
    }
}

/// `N` elements at once, the last of them with the end of the arrays.
#[inline(always)]
fn pair_blocks<F: MapPair, A: Arithmetic, const N: usize>(
    first: &mut [F::Element],
    second: &mut [F::Element],
    x: &[F::Element],
) {
    let n = x.len();
    for start in (0..n).step_by(N).map(|start| start.min(n - N)) {
        let block = start..start + N;
        pair_each::<F, A>(&mut first[block.clone()], &mut second[block.clone()], &x[block]);
    }
}

#[inline(always)]
fn pair_each<F: MapPair, A: Arithmetic>(first: &mut [F::Element], second: &mut [F::Element], x: &[F::Element]) {
    for ((first, second), x) in first.iter_mut().zip(second).zip(x) {
        [*first, *second] = F::apply::<A>(*x);
    }
}

/// # Safety
/// `out` points to `n` elements of `F::Out`; operands 0 and 1 to as many of `F::In` as their layout says; `out`
/// overlaps neither.
#[inline(always)]
unsafe fn binary_body<F: Zip, L: OperandLayout, R: OperandLayout, A: Arithmetic>(
    out: *mut u8,
    operands: &[*const u8; 3],
    n: usize,
) {
    // SAFETY: the caller's contract is that of the slices.
    let (out, a, b) = unsafe {
        (exclusive::<F::Out>(out, n), shared::<F::In>(operands[0], L::len(n)), shared::<F::In>(operands[1], R::len(n)))
    };
    zip::<F, L, R, A>(out, a, b);
}

#[inline(always)]
fn zip<F: Zip, L: OperandLayout, R: OperandLayout, A: Arithmetic>(out: &mut [F::Out], a: &[F::In], b: &[F::In]) {
    if !F::IS_LONG || out.len() < MIN_PADDED {
        zip_each::<F, L, R, A>(out, a, b);
    } else if out.len() < BLOCK {
        let mut results = [F::Out::default(); BLOCK];
        zip_blocks::<F, L, R, A>(&mut results, &padded(a), &padded(b));
        copy(&results, out);
    } else {
        zip_blocks::<F, L, R, A>(out, a, b);
    }
}

#[inline(always)]
fn zip_blocks<F: Zip, L: OperandLayout, R: OperandLayout, A: Arithmetic>(out: &mut [F::Out], a: &[F::In], b: &[F::In]) {
    let n = out.len();
    for start in (0..n).step_by(BLOCK).map(|start| start.min(n - BLOCK)) {
        zip_each::<F, L, R, A>(&mut out[start..start + BLOCK], L::block(a, start), R::block(b, start));
    }
}

#[inline(always)]
fn zip_each<F: Zip, L: OperandLayout, R: OperandLayout, A: Arithmetic>(out: &mut [F::Out], a: &[F::In], b: &[F::In]) {
    // The lengths are known, but the compiler has to see them here to leave out bounds checks inside the loop.
    let (a, b) = (&a[..L::len(out.len())], &b[..R::len(out.len())]);
    for (index, out) in out.iter_mut().enumerate() {
        *out = F::apply::<A>(L::get(a, index), R::get(b, index));
    }
}

/// # Safety
/// `out` and the operands point to `n` elements of `T` each; `out` overlaps none.
#[inline(always)]
unsafe fn multiply_add_body<T: Number, A: Arithmetic>(out: *mut u8, operands: &[*const u8; 3], n: usize) {
    // SAFETY: the caller's contract is that of the slices.
    let (out, [a, b, c]) = unsafe { (exclusive::<T>(out, n), operands.map(|operand| shared::<T>(operand, n))) };
    for (((out, a), b), c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *out = a.mul(*b).add(*c);
    }
}

/// # Safety
/// `out` points to `n` elements of `T`; operand 0 to as many bytes, and 1 and 2 to as many elements of `T`, as their
/// layouts say; `out` overlaps none.
#[inline(always)]
unsafe fn select_body<T: RawElement, C: OperandLayout, L: OperandLayout, R: OperandLayout, A: Arithmetic>(
    out: *mut u8,
    operands: &[*const u8; 3],
    n: usize,
) {
    // SAFETY: the caller's contract is that of the slices.
    let (out, condition) = unsafe { (exclusive::<T>(out, n), shared::<u8>(operands[0], C::len(n))) };
    // SAFETY: as above.
    let (a, b) = unsafe { (shared::<T>(operands[1], L::len(n)), shared::<T>(operands[2], R::len(n))) };
    select_each::<T, C, L, R>(out, condition, a, b);
}

#[inline(always)]
fn select_each<T: RawElement, C: OperandLayout, L: OperandLayout, R: OperandLayout>(
    out: &mut [T],
    condition: &[u8],
    a: &[T],
    b: &[T],
) {
    for (index, out) in out.iter_mut().enumerate() {
        let (a, b) = (L::get(a, index), R::get(b, index));
        *out = if C::get(condition, index) != 0 { a } else { b };
    }
}

/// At least one and at most a block of elements, the first repeated behind them.
#[inline(always)]
fn padded<T: Copy>(elements: &[T]) -> [T; BLOCK] {
    let mut block = [elements[0]; BLOCK];
    copy(elements, &mut block);
    block
}

/// Copies as many elements as both have, by a loop, which is faster than a call for so few.
#[inline(always)]
fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// # Safety
/// `start` is aligned for `T` and points to `n` elements that nothing else reads or writes meanwhile.
#[inline(always)]
pub(super) unsafe fn exclusive<'a, T>(start: *mut u8, n: usize) -> &'a mut [T] {
    // SAFETY: the caller's contract; the elements are plain numbers, valid whatever their bits.
    unsafe { slice::from_raw_parts_mut(start.cast::<T>(), n) }
}

/// # Safety
/// `start` is aligned for `T` and points to `n` elements that nothing writes meanwhile.
#[inline(always)]
pub(super) unsafe fn shared<'a, T>(start: *const u8, n: usize) -> &'a [T] {
    // SAFETY: the caller's contract; the elements are plain numbers, valid whatever their bits.
    unsafe { slice::from_raw_parts(start.cast::<T>(), n) }
}
