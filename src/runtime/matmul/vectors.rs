//! Matrix times vector, dot product and outer product: n or k is 1. In: a block
//! of A and a vector. Out: the block of C. Such products read each element of A once, so nothing is packed.

use std::ops::Range;

use super::{
    product::Accumulation,
    tile::write_vector,
    vector::{MAX_LANES, MatmulElement, Vector},
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
            *y = self.output.apply(|| *y, sum);
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
        if Unit::<V>::REGISTERS == 1 {
            // As many independent sums as hide the latency of one; a row's own sums are those of four rows at a time.
            row = write_some_rows::<V, 8>(product, row, x);
        }
        row = write_some_rows::<V, 4>(product, row, x);
        while row < product.m {
            let [sum] = dot_some_rows::<V, 1, 4>(product, row, x);
            product.write(row, sum);
            row += 1;
        }
    }
}

/// Writes the dot products from a row on, while there are `ROWS` more, and gives the first row that is left.
///
/// # Safety
/// As for [`dot_rows`].
#[inline(always)]
unsafe fn write_some_rows<V: Vector, const ROWS: usize>(
    product: &GemvOperands<V::Element>,
    from: usize,
    x: *const V::Element,
) -> usize {
    let mut row = from;
    while row + ROWS <= product.m {
        // SAFETY: the rows are inside A.
        unsafe {
            for (next, sum) in dot_some_rows::<V, ROWS, 1>(product, row, x).iter().enumerate() {
                product.write(row + next, *sum);
            }
        }
        row += ROWS;
    }
    row
}

/// As many lanes as the widest register has, in one register or several: which elements share a running sum, and so every bit of
/// a dot product, is the same on every instruction set.
#[derive(Clone, Copy)]
struct Unit<V>([V; MAX_REGISTERS]);

/// The most registers of a unit: those of four f32.
const MAX_REGISTERS: usize = 4;

impl<V: Vector> Unit<V> {
    const LANES: usize = MAX_LANES * size_of::<f32>() / size_of::<V::Element>();
    const REGISTERS: usize = Self::LANES / V::LANES;

    /// # Safety
    /// The machine has the vector's set.
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's promise.
        Unit([unsafe { V::splat(V::Element::ZERO) }; MAX_REGISTERS])
    }

    /// So many elements, at most all lanes, and zeros behind them.
    ///
    /// # Safety
    /// The machine has the vector's set, and the elements are readable.
    #[inline(always)]
    unsafe fn load(from: *const V::Element, count: usize) -> Self {
        // SAFETY: the caller's promises; registers behind the last element read nothing.
        unsafe {
            let mut unit = Self::zero();
            for (register, lanes) in unit.0.iter_mut().enumerate().take(Self::REGISTERS) {
                let first = register * V::LANES;
                *lanes = V::load_lanes(from.wrapping_add(first), count.saturating_sub(first).min(V::LANES));
            }
            unit
        }
    }

    /// self · factor + addend, lane by lane.
    ///
    /// # Safety
    /// The machine has the vector's set.
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        let mut sum = addend;
        for (register, sum) in sum.0.iter_mut().enumerate().take(Self::REGISTERS) {
            // SAFETY: the caller's promise.
            *sum = unsafe { self.0[register].multiply_add(factor.0[register], *sum) };
        }
        sum
    }

    /// The sum of several units as one register, whose halves are to be added further.
    ///
    /// # Safety
    /// The machine has the vector's set.
    #[inline(always)]
    unsafe fn folded(units: &[Self]) -> V {
        let mut sum = units[0];
        // SAFETY: the caller's promise.
        unsafe {
            for unit in &units[1..] {
                for (register, sum) in sum.0.iter_mut().enumerate().take(Self::REGISTERS) {
                    *sum = sum.plus(unit.0[register]);
                }
            }
            let mut registers = Self::REGISTERS;
            while registers > 1 {
                registers /= 2;
                for register in 0..registers {
                    sum.0[register] = sum.0[register].plus(sum.0[register + registers]);
                }
            }
        }
        sum.0[0]
    }
}

/// The dot products of `ROWS` rows with x, each in `CHAINS` independent chains of sums: one row, or a multiple of four.
///
/// # Safety
/// As for [`dot_rows`], with `ROWS` rows from `row` inside A.
#[inline(always)]
unsafe fn dot_some_rows<V: Vector, const ROWS: usize, const CHAINS: usize>(
    product: &GemvOperands<V::Element>,
    row: usize,
    x: *const V::Element,
) -> [V::Element; ROWS] {
    // SAFETY: elements below k of each row and of x are the caller's promise.
    unsafe {
        let mut totals = [V::Element::ZERO; ROWS];
        for start in (0..product.k).step_by(CHUNK) {
            let end = product.k.min(start + CHUNK);
            let sums = dot_chunk::<V, ROWS, CHAINS>(product, row, x, start..end).map(|sums| Unit::folded(&sums));
            if ROWS == 1 {
                totals[0] = totals[0].plus(sums[0].sum());
            } else {
                for (totals, sums) in totals.chunks_exact_mut(4).zip(sums.chunks_exact(4)) {
                    for (total, sum) in totals.iter_mut().zip(V::sums([sums[0], sums[1], sums[2], sums[3]])) {
                        *total = total.plus(sum);
                    }
                }
            }
        }
        totals
    }
}

/// The sums over some steps: element i belongs to lane i modulo those of all chains together.
///
/// # Safety
/// As for [`dot_some_rows`], with steps below k.
#[inline(always)]
unsafe fn dot_chunk<V: Vector, const ROWS: usize, const CHAINS: usize>(
    product: &GemvOperands<V::Element>,
    row: usize,
    x: *const V::Element,
    steps: Range<usize>,
) -> [[Unit<V>; CHAINS]; ROWS] {
    let lanes = Unit::<V>::LANES;
    let lines: [*const V::Element; ROWS] =
        std::array::from_fn(|next| product.a.wrapping_offset((row + next) as isize * product.a_stride));
    // SAFETY: elements of each row and of x at these steps are the caller's promise.
    unsafe {
        let mut sums = [[Unit::<V>::zero(); CHAINS]; ROWS];
        let mut step = steps.start;
        while step + CHAINS * lanes <= steps.end {
            for chain in 0..CHAINS {
                let from = step + chain * lanes;
                let factor = Unit::<V>::load(x.add(from), lanes);
                for (line, sums) in lines.iter().zip(sums.iter_mut()) {
                    sums[chain] = Unit::<V>::load(line.add(from), lanes).multiply_add(factor, sums[chain]);
                }
            }
            step += CHAINS * lanes;
        }
        for chain in 0..CHAINS {
            let from = step + chain * lanes;
            if from < steps.end {
                let count = lanes.min(steps.end - from);
                let factor = Unit::<V>::load(x.add(from), count);
                for (line, sums) in lines.iter().zip(sums.iter_mut()) {
                    sums[chain] = Unit::<V>::load(line.add(from), count).multiply_add(factor, sums[chain]);
                }
            }
        }
        sums
    }
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

/// `C[i, j] = a[i]·b[j]` (or `+=`, `−=`), C with contiguous rows.
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
                Accumulation::Subtract => scale_row(factor, b, c, product.n, Accumulation::Subtract),
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
