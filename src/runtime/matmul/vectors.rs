//! Matrix times vector, dot product and outer product: n or k is 1. In: a block
//! of A and a vector. Out: the block of C. Such products read each element of A once, so nothing is packed.

use super::{
    product::Accumulation,
    tile::write_vector,
    vector::{MatmulElement, Vector},
};

/// Elements of a dot product that are added to the same running sums; the sums of such chunks are then added up in order,
/// which keeps rounding errors small.
const CHUNK: usize = 4096;
/// Rows that are summed at a time. Scratch memory holds two sums of each: of the present block of columns, and of all blocks
/// before it.
pub(super) const COLUMN_BLOCK: usize = 1024;
/// Columns of a block; the sums of blocks are then added up in order, as those of chunks are.
const STEP_BLOCK: usize = 512;

/// A matrix A of `m` by `k`, with contiguous rows or columns as the function says, times a vector x into y. Strides are
/// in elements; x is contiguous for rows.
#[derive(Clone, Copy)]
pub(super) struct GemvOperands<T> {
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) a: *const T,
    pub(super) a_stride: isize,
    pub(super) x: *const T,
    pub(super) x_stride: isize,
    pub(super) y: *mut T,
    pub(super) y_stride: isize,
    pub(super) output: Accumulation,
}

impl<T: MatmulElement> GemvOperands<T> {
    /// # Safety
    /// `row` is below `m`, and y is valid for it.
    #[inline(always)]
    unsafe fn write(&self, row: usize, sum: T) {
        // SAFETY: the caller's promise.
        unsafe {
            let y = self.y.offset(row as isize * self.y_stride);
            *y = if self.output == Accumulation::Add { (*y).plus(sum) } else { sum };
        }
    }
}

/// y = A·x by dot products of contiguous rows. `gathered` has room for x where x is not contiguous.
///
/// # Safety
/// The machine has the vector's set; all pointers are valid for the sizes and strides.
#[inline(always)]
pub(super) unsafe fn dot_rows<V: Vector>(product: &GemvOperands<V::Element>, gathered: *mut V::Element) {
    // SAFETY: rows below m and elements below k are the caller's promise.
    unsafe {
        let mut x = product.x;
        if product.x_stride != 1 {
            for step in 0..product.k {
                *gathered.add(step) = *x.offset(step as isize * product.x_stride);
            }
            x = gathered;
        }
        let mut row = 0;
        while row + 4 <= product.m {
            let sums = dot_some_rows::<V, 4, 2>(product, row, x);
            for (next, sum) in sums.iter().enumerate() {
                product.write(row + next, *sum);
            }
            row += 4;
        }
        while row < product.m {
            let [sum] = dot_some_rows::<V, 1, 8>(product, row, x);
            product.write(row, sum);
            row += 1;
        }
    }
}

/// The dot products of `ROWS` rows with x, each in `CHAINS` independent chains of sums.
///
/// # Safety
/// As for [`dot_rows`], with `ROWS` rows from `row` inside A.
#[inline(always)]
unsafe fn dot_some_rows<V: Vector, const ROWS: usize, const CHAINS: usize>(
    product: &GemvOperands<V::Element>,
    row: usize,
    x: *const V::Element,
) -> [V::Element; ROWS] {
    let mut totals = [V::Element::ZERO; ROWS];
    let mut start = 0;
    while start < product.k {
        let end = product.k.min(start + CHUNK);
        // SAFETY: elements `start..end` of each row and of x are the caller's promise.
        unsafe {
            let mut sums = [[V::splat(V::Element::ZERO); CHAINS]; ROWS];
            let lines: [*const V::Element; ROWS] =
                std::array::from_fn(|next| product.a.wrapping_offset((row + next) as isize * product.a_stride));
            let mut step = start;
            while step + CHAINS * V::LANES <= end {
                for chain in 0..CHAINS {
                    let from = step + chain * V::LANES;
                    let factor = V::load(x.add(from));
                    for (line, sums) in lines.iter().zip(sums.iter_mut()) {
                        sums[chain] = V::load(line.add(from)).multiply_add(factor, sums[chain]);
                    }
                }
                step += CHAINS * V::LANES;
            }
            while step < end {
                let lanes = V::LANES.min(end - step);
                let factor = V::load_lanes(x.add(step), lanes);
                for (line, sums) in lines.iter().zip(sums.iter_mut()) {
                    sums[0] = V::load_lanes(line.add(step), lanes).multiply_add(factor, sums[0]);
                }
                step += lanes;
            }
            let chains: [V; ROWS] = std::array::from_fn(|next| {
                let mut sum = sums[next][0];
                for chain in &sums[next][1..] {
                    sum = sum.plus(*chain);
                }
                sum
            });
            for (total, sum) in totals.iter_mut().zip(V::sums(chains)) {
                *total = total.plus(sum);
            }
        }
        start = end;
    }
    totals
}

/// y = A·x as a sum of contiguous columns, scaled. `sums` has room for COLUMN_BLOCK elements twice, aligned or not.
///
/// # Safety
/// The machine has the vector's set; all pointers are valid for the sizes and strides.
#[inline(always)]
pub(super) unsafe fn sum_columns<V: Vector>(product: &GemvOperands<V::Element>, scratch: *mut V::Element) {
    for start in (0..product.m).step_by(COLUMN_BLOCK) {
        let rows = COLUMN_BLOCK.min(product.m - start);
        // SAFETY: rows `start..start + rows` and steps below k are the caller's promise, the sums' room too; the first
        // column is not added to what is there but replaces it.
        unsafe {
            let (mut step, mut sums) = (0, scratch);
            while step < product.k {
                let left = product.k - step;
                if left >= 8 {
                    add_some_columns::<V, 8>(product, [start, rows, step], sums);
                    step += 8;
                } else {
                    add_some_columns::<V, 1>(product, [start, rows, step], sums);
                    step += 1;
                }
                if step % STEP_BLOCK == 0 && step < product.k {
                    add_block::<V>(rows, step == STEP_BLOCK, sums);
                }
            }
            if product.k > STEP_BLOCK {
                add_block::<V>(rows, false, sums);
                sums = sums.add(COLUMN_BLOCK);
            }
            if product.y_stride == 1 {
                for row in (0..rows).step_by(V::LANES) {
                    let lanes = V::LANES.min(rows - row);
                    write_vector(V::load(sums.add(row)), product.y.add(start + row), lanes, product.output);
                }
            } else {
                for row in 0..rows {
                    product.write(start + row, *sums.add(row));
                }
            }
        }
    }
}

/// Adds the sums of a block of columns to those of the blocks before, or puts the first ones there.
///
/// # Safety
/// As for [`sum_columns`], with so many rows.
#[inline(always)]
unsafe fn add_block<V: Vector>(rows: usize, is_first: bool, sums: *mut V::Element) {
    for row in (0..rows).step_by(V::LANES) {
        // SAFETY: the sums are whole vectors, whatever the number of rows.
        unsafe {
            let (block, total) = (V::load(sums.add(row)), sums.add(COLUMN_BLOCK + row));
            let total_before = if is_first { V::splat(V::Element::ZERO) } else { V::load(total) };
            block.plus(total_before).store(total);
        }
    }
}

/// Adds `COUNT` scaled columns to the sums, from the first step of a block in place of what is there. The place: first
/// row, number of rows, first step.
///
/// # Safety
/// As for [`sum_columns`], with the place inside A.
#[inline(always)]
unsafe fn add_some_columns<V: Vector, const COUNT: usize>(
    product: &GemvOperands<V::Element>,
    [start, rows, step]: [usize; 3],
    sums: *mut V::Element,
) {
    // SAFETY: the place is inside A; the sums are whole vectors, whatever the number of rows.
    unsafe {
        let mut factors = [V::splat(V::Element::ZERO); COUNT];
        for (next, factor) in factors.iter_mut().enumerate() {
            *factor = V::splat(*product.x.offset((step + next) as isize * product.x_stride));
        }
        let a = product.a.offset(step as isize * product.a_stride).add(start);
        for row in (0..rows).step_by(V::LANES) {
            let lanes = V::LANES.min(rows - row);
            let mut sum = if step % STEP_BLOCK == 0 { V::splat(V::Element::ZERO) } else { V::load(sums.add(row)) };
            for (next, factor) in factors.iter().enumerate() {
                let from = a.offset(next as isize * product.a_stride).add(row);
                let column = V::load_lanes(from, lanes);
                sum = column.multiply_add(*factor, sum);
            }
            sum.store(sums.add(row));
        }
    }
}

/// `C[i, j] = a[i]·b[j]` (or `+=`), C with contiguous rows.
#[derive(Clone, Copy)]
pub(super) struct Outer<T> {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) a: *const T,
    pub(super) a_stride: isize,
    pub(super) b: *const T,
    pub(super) b_stride: isize,
    pub(super) c: *mut T,
    pub(super) c_row: isize,
    pub(super) output: Accumulation,
}

/// The outer product. `gathered` has room for b where b is not contiguous.
///
/// # Safety
/// The machine has the vector's set; all pointers are valid for the sizes and strides.
#[inline(always)]
pub(super) unsafe fn outer<V: Vector>(product: &Outer<V::Element>, gathered: *mut V::Element) {
    // SAFETY: rows below m and columns below n are the caller's promise.
    unsafe {
        let mut b = product.b;
        if product.b_stride != 1 {
            for column in 0..product.n {
                *gathered.add(column) = *b.offset(column as isize * product.b_stride);
            }
            b = gathered;
        }
        for row in 0..product.m {
            let factor = V::splat(*product.a.offset(row as isize * product.a_stride));
            let c = product.c.offset(row as isize * product.c_row);
            match product.output {
                Accumulation::Overwrite => scale_row(factor, b, c, product.n, Accumulation::Overwrite),
                Accumulation::Add => scale_row(factor, b, c, product.n, Accumulation::Add),
            }
        }
    }
}

/// One row of an outer product; inlined where the output is known, so that its loop does not ask.
///
/// # Safety
/// The machine has the vector's set; b and c are valid for `n` elements.
#[inline(always)]
unsafe fn scale_row<V: Vector>(factor: V, b: *const V::Element, c: *mut V::Element, n: usize, output: Accumulation) {
    // SAFETY: columns below n are the caller's promise.
    unsafe {
        let zero = V::splat(V::Element::ZERO);
        let mut column = 0;
        while column + V::LANES <= n {
            write_vector(factor.multiply_add(V::load(b.add(column)), zero), c.add(column), V::LANES, output);
            column += V::LANES;
        }
        if column < n {
            let lanes = n - column;
            let line = V::load_first(b.add(column), lanes);
            write_vector(factor.multiply_add(line, zero), c.add(column), lanes, output);
        }
    }
}
