//! Functions on arrays that generated code brings along where it calls them. In: a name and a float type. Out: the text. Elements are
//! asked for, not indexed, so that no function can panic.

use crate::graph::DType;

/// A function of arrays: in the text `T` is the float type and `S` the suffix for it, as in `functions.rs`.
#[derive(Debug)]
pub(super) struct Support {
    pub(super) name: &'static str,
    /// Whether one text does for all types.
    pub(super) is_generic: bool,
    pub(super) math: &'static [&'static str],
    /// Others that it calls.
    pub(super) support: &'static [&'static str],
    pub(super) text: &'static str,
}

pub(super) fn find(name: &str) -> &'static Support {
    SUPPORT.iter().find(|support| support.name == name).expect("invariant: helpers are in the table")
}

pub(super) fn is_generic(name: &str) -> bool {
    find(name).is_generic
}

/// Whether it takes the trait `Math`; `name` may have the suffix of a float type.
pub(super) fn needs_math(name: &str) -> bool {
    let support = SUPPORT.iter().find(|support| support.name == name || name.strip_suffix('f') == Some(support.name));
    support.is_some_and(|support| !support.math.is_empty())
}

/// What text a name has for a type: one text for all where it is generic.
pub(super) fn key(name: &'static str, dtype: DType) -> (&'static str, DType) {
    (name, if is_generic(name) { DType::F64 } else { dtype })
}

pub(super) const SUPPORT: &[Support] = &[
    Support {
        name: "at",
        is_generic: true,
        math: &[],
        support: &[],
        text: "/// An element. No index here is beyond the end, so that what stands there for it is never read; but nothing can panic.
#[inline(always)]
fn at<T: Copy + Default>(a: &[T], i: usize) -> T {
    match a.get(i) {
        Some(element) => *element,
        None => T::default(),
    }
}
",
    },
    Support {
        name: "behind_loop",
        is_generic: true,
        math: &[],
        support: &["at"],
        text: "/// An element that a loop has written: from memory, since a compiler that kept it from the last iteration would not make vectors
/// of the loop.
#[inline(always)]
fn behind_loop<T: Copy + Default>(a: &[T], i: usize) -> T {
    at(core::hint::black_box(a), i)
}
",
    },
    Support {
        name: "put",
        is_generic: true,
        math: &[],
        support: &[],
        text: "/// Sets an element.
#[inline(always)]
fn put<T>(a: &mut [T], i: usize, element: T) {
    if let Some(place) = a.get_mut(i) {
        *place = element;
    }
}
",
    },
    Support {
        name: "copy",
        is_generic: true,
        math: &[],
        support: &["at", "put"],
        text: "/// Copies `n` elements.
#[inline(always)]
fn copy<T: Copy + Default>(a: &[T], a0: usize, y: &mut [T], y0: usize, n: usize) {
    for i in 0..n {
        put(y, y0 + i, at(a, a0 + i));
    }
}
",
    },
    Support {
        name: "fill",
        is_generic: true,
        math: &[],
        support: &["put"],
        text: "/// Sets `n` elements.
#[inline(always)]
fn fill<T: Copy>(y: &mut [T], y0: usize, n: usize, element: T) {
    for i in 0..n {
        put(y, y0 + i, element);
    }
}
",
    },
    Support {
        name: "power",
        is_generic: false,
        math: &[],
        support: &[],
        text: "/// xⁿ by squares.
#[inline(always)]
fn powerS(x: T, n: i64) -> T {
    let (mut square, mut rest, mut product) = (x, n.unsigned_abs(), 1.0);
    loop {
        if rest & 1 == 1 {
            product *= square;
        }
        rest /= 2;
        if rest == 0 {
            return if n < 0 { 1.0 / product } else { product };
        }
        square *= square;
    }
}
",
    },
    Support {
        name: "gather",
        is_generic: true,
        math: &[],
        support: &["at", "copy"],
        text: "/// y[b, o, j, ..] = x[b, o, index[b, j], ..]; false if a position is beyond the axis.
#[allow(clippy::too_many_arguments)]
fn gather<T: Copy + Default>(
    x: &[T],
    x0: usize,
    index: &[i64],
    index0: usize,
    y: &mut [T],
    y0: usize,
    n_batches: usize,
    n_outer: usize,
    size: usize,
    n_positions: usize,
    n_inner: usize,
) -> bool {
    for b in 0..n_batches {
        for j in 0..n_positions {
            let position = at(index, index0 + b * n_positions + j);
            if position < 0 || position >= size as i64 {
                return false;
            }
            for o in 0..n_outer {
                let from = x0 + ((b * n_outer + o) * size + position as usize) * n_inner;
                let to = y0 + ((b * n_outer + o) * n_positions + j) * n_inner;
                copy(x, from, y, to, n_inner);
            }
        }
    }
    true
}
",
    },
    Support {
        name: "scatter_add",
        is_generic: true,
        math: &[],
        support: &["at", "put", "copy"],
        text: "/// y = x with updates[b, o, j, ..] added at [b, o, index[b, j], ..]; false if a position is beyond the axis.
#[allow(clippy::too_many_arguments)]
fn scatter_add<T: Copy + Default + core::ops::Add<Output = T>>(
    x: &[T],
    x0: usize,
    index: &[i64],
    index0: usize,
    updates: &[T],
    updates0: usize,
    y: &mut [T],
    y0: usize,
    n_batches: usize,
    n_outer: usize,
    size: usize,
    n_positions: usize,
    n_inner: usize,
) -> bool {
    copy(x, x0, y, y0, n_batches * n_outer * size * n_inner);
    for b in 0..n_batches {
        for j in 0..n_positions {
            let position = at(index, index0 + b * n_positions + j);
            if position < 0 || position >= size as i64 {
                return false;
            }
            for o in 0..n_outer {
                let to = y0 + ((b * n_outer + o) * size + position as usize) * n_inner;
                let from = updates0 + ((b * n_outer + o) * n_positions + j) * n_inner;
                for i in 0..n_inner {
                    put(y, to + i, at(y, to + i) + at(updates, from + i));
                }
            }
        }
    }
    true
}
",
    },
    Support {
        name: "argmax",
        is_generic: true,
        math: &[],
        support: &["at", "put"],
        text: "/// The position of the greatest element of each lane, or of the least; the first of ties, and of NaN the first.
#[allow(clippy::too_many_arguments, clippy::eq_op)]
fn argmax<T: Copy + Default + PartialOrd>(
    x: &[T],
    x0: usize,
    y: &mut [i64],
    y0: usize,
    n_outer: usize,
    size: usize,
    n_inner: usize,
    greatest: usize,
) {
    for outer in 0..n_outer {
        for inner in 0..n_inner {
            let lane = x0 + outer * size * n_inner + inner;
            let (mut best, mut found) = (at(x, lane), 0);
            for i in 1..size {
                let element = at(x, lane + i * n_inner);
                let is_better = if greatest == 1 { element > best } else { element < best };
                if best == best && (is_better || element != element) {
                    (best, found) = (element, i as i64);
                }
            }
            put(y, y0 + outer * n_inner + inner, found);
        }
    }
}
",
    },
    Support {
        name: "cholesky",
        is_generic: false,
        math: &["sqrt"],
        support: &["at", "put"],
        text: "/// The lower triangular L with L·Lᵀ = (A + Aᵀ)/2 of each matrix; NaN where that is not positive definite.
fn choleskyS<M: Math>(a: &[T], a0: usize, l: &mut [T], l0: usize, n_matrices: usize, n: usize) {
    for matrix in 0..n_matrices {
        let (a0, l0) = (a0 + matrix * n * n, l0 + matrix * n * n);
        let mut is_positive = true;
        for column in 0..n {
            for row in 0..column {
                put(l, l0 + row * n + column, 0.0);
            }
            for row in column..n {
                let mut rest = (at(a, a0 + row * n + column) + at(a, a0 + column * n + row)) * 0.5;
                for k in 0..column {
                    rest -= at(l, l0 + row * n + k) * at(l, l0 + column * n + k);
                }
                if row == column {
                    is_positive &= rest > 0.0;
                    rest = M::sqrtS(rest);
                } else {
                    rest /= at(l, l0 + column * n + column);
                }
                put(l, l0 + row * n + column, rest);
            }
        }
        if !is_positive {
            for i in 0..n * n {
                put(l, l0 + i, T::NAN);
            }
        }
    }
}
",
    },
    Support {
        name: "triangular_solve",
        is_generic: false,
        math: &[],
        support: &["at", "put"],
        text: "/// X with A·X = B for triangular matrices A, whose rows and columns are so many elements apart.
#[allow(clippy::too_many_arguments)]
fn triangular_solveS(
    a: &[T],
    a0: usize,
    b: &[T],
    b0: usize,
    x: &mut [T],
    x0: usize,
    n_matrices: usize,
    n: usize,
    n_right: usize,
    row_stride: usize,
    column_stride: usize,
    lower: usize,
) {
    for matrix in 0..n_matrices {
        let a0 = a0 + matrix * n * n;
        let (b0, x0) = (b0 + matrix * n * n_right, x0 + matrix * n * n_right);
        for step in 0..n {
            let row = if lower == 1 { step } else { n - 1 - step };
            let (first, last) = if lower == 1 { (0, row) } else { (row + 1, n) };
            for column in 0..n_right {
                let mut rest = at(b, b0 + row * n_right + column);
                for k in first..last {
                    rest -= at(a, a0 + row * row_stride + k * column_stride) * at(x, x0 + k * n_right + column);
                }
                put(x, x0 + row * n_right + column, rest / at(a, a0 + row * (row_stride + column_stride)));
            }
        }
    }
}
",
    },
    Support {
        name: "eliminate",
        is_generic: false,
        math: &[],
        support: &["at", "put"],
        text: "/// Replaces A by L − I + U with P·A = L·U, by partial pivoting; calls `swap` for rows that change places.
fn eliminateS(a: &mut [T], a0: usize, n: usize, mut swap: impl FnMut(usize, usize)) {
    for k in 0..n {
        let mut pivot = k;
        for row in k + 1..n {
            if at(a, a0 + row * n + k).abs() > at(a, a0 + pivot * n + k).abs() {
                pivot = row;
            }
        }
        if pivot != k {
            for column in 0..n {
                let (one, other) = (at(a, a0 + k * n + column), at(a, a0 + pivot * n + column));
                put(a, a0 + k * n + column, other);
                put(a, a0 + pivot * n + column, one);
            }
            swap(k, pivot);
        }
        let diagonal = at(a, a0 + k * n + k);
        if diagonal == 0.0 {
            continue;
        }
        for row in k + 1..n {
            let factor = at(a, a0 + row * n + k) / diagonal;
            put(a, a0 + row * n + k, factor);
            for column in k + 1..n {
                put(a, a0 + row * n + column, at(a, a0 + row * n + column) - factor * at(a, a0 + k * n + column));
            }
        }
    }
}
",
    },
    Support {
        name: "lu",
        is_generic: false,
        math: &[],
        support: &["at", "put", "copy", "eliminate"],
        text: "/// L − I + U with P·A = L·U of each matrix, and a row more with the row of A that each row of L·U is.
fn luS(a: &[T], a0: usize, y: &mut [T], y0: usize, n_matrices: usize, n: usize) {
    for matrix in 0..n_matrices {
        let y0 = y0 + matrix * n * (n + 1);
        copy(a, a0 + matrix * n * n, y, y0, n * n);
        for row in 0..n {
            put(y, y0 + n * n + row, row as T);
        }
        let Some((factors, rows)) = y.split_at_mut_checked(y0 + n * n) else { return };
        eliminateS(factors, y0, n, |one, other| {
            let (first, second) = (at(rows, one), at(rows, other));
            put(rows, one, second);
            put(rows, other, first);
        });
    }
}
",
    },
    Support {
        name: "solve",
        is_generic: false,
        math: &[],
        support: &["at", "put", "eliminate"],
        text: "/// X with A·X = B by elimination with partial pivoting, for matrices A whose rows and columns are so many elements apart.
#[allow(clippy::too_many_arguments)]
fn solveS(
    a: &[T],
    a0: usize,
    b: &[T],
    b0: usize,
    x: &mut [T],
    x0: usize,
    factors: &mut [T],
    f0: usize,
    rows: &mut [i64],
    r0: usize,
    n_matrices: usize,
    n: usize,
    n_right: usize,
    row_stride: usize,
    column_stride: usize,
) {
    for matrix in 0..n_matrices {
        let a0 = a0 + matrix * n * n;
        let (b0, x0) = (b0 + matrix * n * n_right, x0 + matrix * n * n_right);
        for row in 0..n {
            put(rows, r0 + row, row as i64);
            for column in 0..n {
                put(factors, f0 + row * n + column, at(a, a0 + row * row_stride + column * column_stride));
            }
        }
        eliminateS(factors, f0, n, |one, other| {
            let (first, second) = (at(rows, r0 + one), at(rows, r0 + other));
            put(rows, r0 + one, second);
            put(rows, r0 + other, first);
        });
        for row in 0..n {
            for column in 0..n_right {
                put(x, x0 + row * n_right + column, at(b, b0 + at(rows, r0 + row) as usize * n_right + column));
            }
        }
        for column in 0..n_right {
            for known in 0..n {
                let element = at(x, x0 + known * n_right + column);
                for row in known + 1..n {
                    let place = x0 + row * n_right + column;
                    put(x, place, at(x, place) - at(factors, f0 + row * n + known) * element);
                }
            }
            for step in 0..n {
                let known = n - 1 - step;
                let element = at(x, x0 + known * n_right + column) / at(factors, f0 + known * (n + 1));
                put(x, x0 + known * n_right + column, element);
                for row in 0..known {
                    let place = x0 + row * n_right + column;
                    put(x, place, at(x, place) - at(factors, f0 + row * n + known) * element);
                }
            }
        }
    }
}
",
    },
    Support {
        name: "convolve",
        is_generic: false,
        math: &[],
        support: &["at", "put"],
        text: "/// The cross-correlation of planes with kernels. Sizes: of the output batch, channels, groups, rows and columns; of the input
/// and of the kernel channels, rows and columns; strides of both in memory; steps, zeros before, and spreads of input and kernel.
fn convolveS(x: &[T], x0: usize, kernel: &[T], k0: usize, y: &mut [T], y0: usize, sizes: &[isize; 27]) {
    let [n_batches, n_out, n_groups, rows, columns, _, x_rows, x_columns, k_in, k_rows, k_columns, ..] = *sizes;
    let [.., xb, xc, xr, xs, kb, kc, kr, ks, step_r, step_s, low_r, low_s, in_r, in_s, of_r, of_s] = *sizes;
    let per_group = if n_groups > 0 { n_out / n_groups } else { 1 };
    let mut place = y0;
    for batch in 0..n_batches {
        for out in 0..n_out {
            let group = if per_group > 0 { out / per_group } else { 0 };
            for row in 0..rows {
                for column in 0..columns {
                    let mut sum = 0.0;
                    for c in 0..k_in {
                        for i in 0..k_rows {
                            let r = row * step_r + i * of_r - low_r;
                            if r < 0 || r % in_r.max(1) != 0 || r / in_r.max(1) >= x_rows {
                                continue;
                            }
                            for j in 0..k_columns {
                                let s = column * step_s + j * of_s - low_s;
                                if s < 0 || s % in_s.max(1) != 0 || s / in_s.max(1) >= x_columns {
                                    continue;
                                }
                                let channel = group * k_in + c;
                                let from = batch * xb + channel * xc + r / in_r.max(1) * xr + s / in_s.max(1) * xs;
                                let tap = out * kb + c * kc + i * kr + j * ks;
                                sum += at(x, x0.wrapping_add_signed(from)) * at(kernel, k0.wrapping_add_signed(tap));
                            }
                        }
                    }
                    put(y, place, sum);
                    place += 1;
                }
            }
        }
    }
}
",
    },
    Support {
        name: "windows",
        is_generic: true,
        math: &[],
        support: &["at"],
        text: "/// Calls `each` for each output with its place and its window: the places of elements and of no padding. Sizes of the input, of the
/// output, of the window, steps, spreads, and padding before, of four axes each.
fn windows(sizes: &[isize; 24], mut each: impl FnMut(usize, &mut dyn FnMut(&mut dyn FnMut(usize)))) {
    let [x0, x1, x2, x3, y0, y1, y2, y3, w0, w1, w2, w3, s0, s1, s2, s3, d0, d1, d2, d3, l0, l1, l2, l3] = *sizes;
    let mut place = 0;
    for a in 0..y0 {
        for b in 0..y1 {
            for c in 0..y2 {
                for d in 0..y3 {
                    each(place, &mut |element: &mut dyn FnMut(usize)| {
                        for e in 0..w0 {
                            for f in 0..w1 {
                                for g in 0..w2 {
                                    for h in 0..w3 {
                                        let (i, j) = (a * s0 + e * d0 - l0, b * s1 + f * d1 - l1);
                                        let (k, l) = (c * s2 + g * d2 - l2, d * s3 + h * d3 - l3);
                                        let is_in = |position: isize, size: isize| position >= 0 && position < size;
                                        if is_in(i, x0) && is_in(j, x1) && is_in(k, x2) && is_in(l, x3) {
                                            element((((i * x1 + j) * x2 + k) * x3 + l) as usize);
                                        }
                                    }
                                }
                            }
                        }
                    });
                    place += 1;
                }
            }
        }
    }
}
",
    },
    Support {
        name: "window_sum",
        is_generic: true,
        math: &[],
        support: &["at", "put", "windows"],
        text: "/// The sum over each window.
fn window_sum<T: Copy + Default + core::ops::Add<Output = T>>(x: &[T], x0: usize, y: &mut [T], y0: usize, sizes: &[isize; 24]) {
    windows(sizes, |place, window| {
        let mut sum = T::default();
        window(&mut |element| sum = sum + at(x, x0 + element));
        put(y, y0 + place, sum);
    });
}
",
    },
    Support {
        name: "window_max",
        is_generic: true,
        math: &[],
        support: &["at", "put", "windows"],
        text: "/// The greatest of each window; NaN if any is.
#[allow(clippy::eq_op)]
fn window_max<T: Copy + Default + PartialOrd>(x: &[T], x0: usize, y: &mut [T], y0: usize, sizes: &[isize; 24]) {
    windows(sizes, |place, window| {
        let mut greatest: Option<T> = None;
        window(&mut |element| {
            let element = at(x, x0 + element);
            if greatest.is_none_or(|best| best == best && (element > best || element != element)) {
                greatest = Some(element);
            }
        });
        put(y, y0 + place, greatest.unwrap_or_default());
    });
}
",
    },
    Support {
        name: "window_argmax",
        is_generic: true,
        math: &[],
        support: &["at", "put", "windows"],
        text: "/// The place of the greatest of each window, the first of ties.
#[allow(clippy::eq_op)]
fn window_argmax<T: Copy + Default + PartialOrd>(x: &[T], x0: usize, y: &mut [i64], y0: usize, sizes: &[isize; 24]) {
    windows(sizes, |place, window| {
        let mut greatest: Option<(T, usize)> = None;
        window(&mut |position| {
            let element = at(x, x0 + position);
            if greatest.is_none_or(|(best, _)| best == best && (element > best || element != element)) {
                greatest = Some((element, position));
            }
        });
        put(y, y0 + place, greatest.map_or(0, |(_, position)| position as i64));
    });
}
",
    },
];
