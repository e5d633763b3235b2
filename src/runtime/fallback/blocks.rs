//! Blocks of a matrix in memory, and the algorithms whose work is almost all products of blocks: the Cholesky and LU decompositions and
//! triangular systems. In: a block. Out: its factors or solutions in its place.
//!
//! A matrix is halved until it is small (Gustavson, "Recursion leads to automatic variable blocking for dense linear-algebra
//! algorithms", 1997; Toledo, "Locality of reference in LU decomposition with partial pivoting", 1997), so every size of cache is used
//! and there is no block size to choose. How it is halved depends on its size alone, and so do all bits.

#![allow(unsafe_code, reason = "blocks of one matrix lie between each other's rows")]

use std::{marker::PhantomData, ops::Range, slice};

use crate::{
    graph::DType,
    ops::Real,
    runtime::{
        instruction_set::InstructionSet,
        matmul::{Accumulation, MatmulDescriptor, MatmulOperands, ProductPlan},
    },
    vectorize::{self, Loop},
};

/// A matrix of up to so many rows is one block: a product of smaller ones costs more than it gains.
const MAX_WHOLE_ROWS: usize = 40;
/// Larger ones are halved down to blocks of this size at most.
const MAX_LEAF_COLUMNS: usize = 16;
/// Rows of a system with the unknowns along rows that are solved together.
const ROWS_AT_ONCE: usize = 16;
/// The lower half of a product with its own transpose is cut until it has so many rows.
const MAX_SQUARE_ROWS: usize = 64;
/// Words in which scratch memory may begin before it is aligned for products.
const ALIGNMENT_WORDS: usize = 8;

/// Floats that matrices are made of.
pub(super) trait BlockElement: Real {
    const DTYPE: DType;
}

impl BlockElement for f32 {
    const DTYPE: DType = DType::F32;
}

impl BlockElement for f64 {
    const DTYPE: DType = DType::F64;
}

/// A block of a matrix that is borrowed for as long. It is a place, and not the elements: two blocks may share some, and whoever reads or
/// writes one promises that nobody else does.
#[derive(Debug, Clone, Copy)]
struct MatrixBlock<'m, T> {
    first: *mut T,
    rows: usize,
    columns: usize,
    strides: [isize; 2],
    matrix: PhantomData<&'m mut [T]>,
}

impl<'m, T: BlockElement> MatrixBlock<'m, T> {
    /// A whole matrix with contiguous rows.
    ///
    /// # Panics
    /// If it has other than `rows · columns` elements.
    fn whole(elements: &'m mut [T], [rows, columns]: [usize; 2]) -> MatrixBlock<'m, T> {
        assert_eq!(elements.len(), rows * columns, "invariant: matrices have their sizes");
        MatrixBlock { first: elements.as_mut_ptr(), rows, columns, strides: [columns as isize, 1], matrix: PhantomData }
    }

    /// A square matrix that is read alone, transposed or not.
    ///
    /// # Panics
    /// If it has other than n² elements.
    fn read(elements: &'m [T], n: usize, is_transposed: bool) -> MatrixBlock<'m, T> {
        assert_eq!(elements.len(), n * n, "invariant: matrices have their sizes");
        let strides = if is_transposed { [1, n as isize] } else { [n as isize, 1] };
        MatrixBlock { first: elements.as_ptr().cast_mut(), rows: n, columns: n, strides, matrix: PhantomData }
    }

    fn part(self, rows: Range<usize>, columns: Range<usize>) -> MatrixBlock<'m, T> {
        assert!(rows.end <= self.rows && columns.end <= self.columns, "invariant: parts lie within their block");
        let offset = rows.start as isize * self.strides[0] + columns.start as isize * self.strides[1];
        MatrixBlock { first: self.first.wrapping_offset(offset), rows: rows.len(), columns: columns.len(), ..self }
    }

    fn transposed(self) -> MatrixBlock<'m, T> {
        let [down, right] = self.strides;
        MatrixBlock { rows: self.columns, columns: self.rows, strides: [right, down], ..self }
    }

    /// # Safety
    /// The element is within the block, and nobody else writes it.
    #[inline(always)]
    unsafe fn at(self, row: usize, column: usize) -> T {
        debug_assert!(row < self.rows && column < self.columns);
        // SAFETY: the element is within the block, and so within the borrowed matrix.
        unsafe { *self.first.offset(row as isize * self.strides[0] + column as isize * self.strides[1]) }
    }

    /// A row, which must be contiguous.
    ///
    /// # Safety
    /// The row is within the block, whose matrix was made by [`MatrixBlock::whole`], and nobody else uses it while the slice lives.
    #[inline(always)]
    unsafe fn row(self, row: usize) -> &'m mut [T] {
        debug_assert!(row < self.rows && (self.strides[1] == 1 || self.columns == 1));
        // SAFETY: the row is within the block, and so within the borrowed matrix.
        unsafe { slice::from_raw_parts_mut(self.first.offset(row as isize * self.strides[0]), self.columns) }
    }

    /// Columns before which a block is halved.
    fn half(n: usize) -> usize {
        (n / 2).next_multiple_of(MAX_LEAF_COLUMNS).min(n - 1)
    }
}

/// Algorithms on a matrix and the parts of it, whose products are computed by the kernels of an instruction set.
pub(super) struct BlockAlgorithms<'s> {
    n: usize,
    set: InstructionSet,
    /// Blocks of so many rows are halved no further.
    leaf: usize,
    scratch: &'s mut [u64],
}

impl<'s> BlockAlgorithms<'s> {
    /// For a matrix of `n` rows; `scratch` has as many words as [`n_scratch`] says.
    pub(super) fn new(n: usize, set: InstructionSet, scratch: &'s mut [u64]) -> BlockAlgorithms<'s> {
        BlockAlgorithms { n, set, leaf: if n <= MAX_WHOLE_ROWS { MAX_WHOLE_ROWS } else { MAX_LEAF_COLUMNS }, scratch }
    }

    /// Replaces the lower half of a symmetric matrix by its Cholesky factor; `None` at a pivot that is not positive, NaN among them. What is
    /// above the diagonal is used up.
    ///
    /// # Panics
    /// If the matrix has other sizes than was said; so do the others.
    pub(super) fn cholesky<T: BlockElement>(&mut self, a: &mut [T]) -> Option<()> {
        // SAFETY: the matrix is borrowed here alone.
        unsafe { self.cholesky_of(MatrixBlock::whole(a, [self.n; 2])) }
    }

    /// Replaces A by L − I + U with rows exchanged so that no factor exceeds 1, and tells which rows change places.
    pub(super) fn lu<T: BlockElement>(&mut self, a: &mut [T], mut swapped: impl FnMut(usize, usize)) {
        // SAFETY: the matrix is borrowed here alone.
        unsafe { self.lu_of_columns(MatrixBlock::whole(a, [self.n; 2]), 0..self.n, &mut swapped) }
    }

    /// Replaces B by X with A·X = B.
    pub(super) fn solve<T: BlockElement>(&mut self, a: &TriangularMatrix<'_, T>, b: &mut [T]) {
        let TriangularMatrix { elements, is_transposed, is_lower, has_ones } = *a;
        let matrix = MatrixBlock::read(elements, self.n, is_transposed);
        let n_right = b.len() / self.n;
        // SAFETY: A is borrowed for reading, and B here alone.
        unsafe {
            self.solve_block(TriangularBlock { matrix, is_lower, has_ones }, MatrixBlock::whole(b, [self.n, n_right]))
        }
    }

    /// C −= A·B.
    ///
    /// # Safety
    /// The three have sizes that fit, C is a part of a matrix that was made by [`MatrixBlock::whole`], shares no element with the others and has
    /// contiguous rows, and nobody else writes A and B or uses C.
    unsafe fn subtract<T: BlockElement>(
        &mut self,
        c: MatrixBlock<'_, T>,
        a: MatrixBlock<'_, T>,
        b: MatrixBlock<'_, T>,
    ) {
        if c.rows * c.columns * a.columns == 0 {
            return;
        }
        let product = descriptor::<T>([c.rows, c.columns, a.columns], [a.strides, b.strides], c.strides);
        let plan = ProductPlan::whole(&product, self.set);
        let start = self.scratch.as_mut_ptr().cast::<u8>();
        let aligned = start.align_offset(64);
        let has_room = aligned + plan.scratch_bytes() <= size_of_val(self.scratch);
        assert!(plan.scratch_bytes() == 0 || has_room, "invariant: scratch memory is that of the largest product");
        let operands = MatmulOperands { a: a.first.cast(), b: b.first.cast(), c: c.first.cast() };
        // SAFETY: the blocks lie in memory of their sizes and strides, by their constructors; that they may be read and written is the
        // caller's promise; the scratch memory is large enough, as was just seen, and the plan has one task.
        unsafe { plan.run_task(0, operands, start.wrapping_add(aligned)) };
    }

    /// The lower half of C −= A·Aᵀ, with some of the upper one.
    ///
    /// # Safety
    /// As for [`Self::subtract`].
    unsafe fn subtract_square<T: BlockElement>(&mut self, c: MatrixBlock<'_, T>, a: MatrixBlock<'_, T>) {
        let (n, k) = (c.rows, a.columns);
        // SAFETY: the caller's promises, for parts of the blocks.
        unsafe {
            if n <= MAX_SQUARE_ROWS {
                return self.subtract(c, a, a.transposed());
            }
            let half = MatrixBlock::<T>::half(n);
            let (upper, lower) = (a.part(0..half, 0..k), a.part(half..n, 0..k));
            self.subtract_square(c.part(0..half, 0..half), upper);
            self.subtract(c.part(half..n, 0..half), lower, upper.transposed());
            self.subtract_square(c.part(half..n, half..n), lower);
        }
    }

    /// [`Self::cholesky`] of a block.
    ///
    /// # Safety
    /// Nobody else uses the block, which was made by [`MatrixBlock::whole`] and whose rows are contiguous.
    unsafe fn cholesky_of<T: BlockElement>(&mut self, a: MatrixBlock<'_, T>) -> Option<()> {
        let n = a.rows;
        // SAFETY: the caller's promise; the parts that are written share no element with those that are read.
        unsafe {
            if n <= self.leaf {
                let mut is_positive = true;
                vectorize::run(CholeskyLoop { a, is_positive: &mut is_positive });
                return is_positive.then_some(());
            }
            let half = MatrixBlock::<T>::half(n);
            let (upper, lower) = (a.part(0..half, 0..half), a.part(half..n, half..n));
            self.cholesky_of(upper)?;
            let left = a.part(half..n, 0..half);
            self.solve_from_right(upper, left);
            self.subtract_square(lower, left);
            self.cholesky_of(lower)
        }
    }

    /// Replaces B by X with X·Lᵀ = B, for a lower triangular L.
    ///
    /// # Safety
    /// Nobody else writes L or uses B, which share no element and have contiguous rows, and B was made by [`MatrixBlock::whole`].
    unsafe fn solve_from_right<T: BlockElement>(&mut self, l: MatrixBlock<'_, T>, b: MatrixBlock<'_, T>) {
        let n = l.rows;
        // SAFETY: the caller's promise, for parts of the blocks.
        unsafe {
            if n <= MAX_LEAF_COLUMNS {
                return vectorize::run(RightSolveLoop { l, b });
            }
            let half = MatrixBlock::<T>::half(n);
            let (known, rest) = (b.part(0..b.rows, 0..half), b.part(0..b.rows, half..n));
            self.solve_from_right(l.part(0..half, 0..half), known);
            self.subtract(rest, known, l.part(half..n, 0..half).transposed());
            self.solve_from_right(l.part(half..n, half..n), rest);
        }
    }

    /// Replaces B by X with A·X = B, for a triangular A.
    ///
    /// # Safety
    /// Nobody else writes A or uses B, which share no element; B was made by [`MatrixBlock::whole`] and has contiguous rows.
    unsafe fn solve_block<T: BlockElement>(&mut self, a: TriangularBlock<'_, T>, b: MatrixBlock<'_, T>) {
        let (n, matrix) = (a.matrix.rows, a.matrix);
        // SAFETY: the caller's promise, for parts of the blocks.
        unsafe {
            if n <= self.leaf {
                return vectorize::run(SolveLoop { a, b });
            }
            let half = MatrixBlock::<T>::half(n);
            let (first, second) = (b.part(0..half, 0..b.columns), b.part(half..n, 0..b.columns));
            let upper_left = TriangularBlock { matrix: matrix.part(0..half, 0..half), ..a };
            let lower_right = TriangularBlock { matrix: matrix.part(half..n, half..n), ..a };
            if a.is_lower {
                self.solve_block(upper_left, first);
                self.subtract(second, matrix.part(half..n, 0..half), first);
                self.solve_block(lower_right, second);
            } else {
                self.solve_block(lower_right, second);
                self.subtract(first, matrix.part(0..half, half..n), second);
                self.solve_block(upper_left, first);
            }
        }
    }

    /// The elimination of some columns, from the row of the first on, after that of the columns before.
    ///
    /// # Safety
    /// Nobody else uses A, which was made by [`MatrixBlock::whole`] and whose rows are contiguous; the columns are its own.
    unsafe fn lu_of_columns<T: BlockElement>(
        &mut self,
        a: MatrixBlock<'_, T>,
        columns: Range<usize>,
        swapped: &mut impl FnMut(usize, usize),
    ) {
        let (n, Range { start, end }) = (a.rows, columns.clone());
        // SAFETY: the caller's promise; the parts that are written share no element with those that are read.
        unsafe {
            if columns.len() <= self.leaf {
                let mut exchange = |upper: usize, lower: usize| {
                    a.row(upper).swap_with_slice(a.row(lower));
                    swapped(upper, lower);
                };
                return vectorize::run(LuLoop { a, columns, exchange: &mut exchange });
            }
            let middle = start + MatrixBlock::<T>::half(end - start);
            self.lu_of_columns(a, start..middle, swapped);
            let factors =
                TriangularBlock { matrix: a.part(start..middle, start..middle), is_lower: true, has_ones: true };
            let right = a.part(start..middle, middle..end);
            self.solve_block(factors, right);
            self.subtract(a.part(middle..n, middle..end), a.part(middle..n, start..middle), right);
            self.lu_of_columns(a, middle..end, swapped);
        }
    }
}

/// Words that algorithms on `n` rows of a float type, and systems of so many right sides, need.
pub(super) fn n_scratch(dtype: DType, [n, n_right]: [usize; 2], set: InstructionSet) -> usize {
    match dtype {
        _ if n <= MAX_WHOLE_ROWS => 0,
        DType::F32 => n_scratch_of::<f32>(n, n_right, set),
        _ => n_scratch_of::<f64>(n, n_right, set),
    }
}

fn n_scratch_of<T: BlockElement>(n: usize, n_right: usize, set: InstructionSet) -> usize {
    // Other strides ask for no more than those for which both operands are packed, or a vector is summed column by column.
    let (scattered, columns, row) = ([3 * n as isize, 3], [1, n as isize], [n as isize, 1]);
    let width = n.max(n_right);
    let products = [
        descriptor::<T>([n, width, n], [scattered; 2], [width as isize, 1]),
        descriptor::<T>([n, 1, n], [columns, row], [1, 1]),
    ];
    let bytes = products.map(|product| ProductPlan::whole(&product, set).scratch_bytes());
    bytes[0].max(bytes[1]).div_ceil(size_of::<u64>()) + ALIGNMENT_WORDS
}

fn descriptor<T: BlockElement>([m, n, k]: [usize; 3], [a, b]: [[isize; 2]; 2], c: [isize; 2]) -> MatmulDescriptor {
    MatmulDescriptor { batch: Default::default(), m, n, k, a, b, c, output: Accumulation::Subtract, dtype: T::DTYPE }
}

/// A triangular matrix by its elements, row by row; what is on its other side is not read, nor is its diagonal where that has ones.
pub(super) struct TriangularMatrix<'a, T> {
    pub(super) elements: &'a [T],
    /// Whether its rows are the columns of what is meant.
    pub(super) is_transposed: bool,
    /// Whether the first equation has one unknown, once it is transposed.
    pub(super) is_lower: bool,
    pub(super) has_ones: bool,
}

/// A block of it.
#[derive(Clone, Copy)]
struct TriangularBlock<'m, T> {
    matrix: MatrixBlock<'m, T>,
    is_lower: bool,
    has_ones: bool,
}

/// A decomposition of a small block.
struct CholeskyLoop<'a, 'm, T> {
    a: MatrixBlock<'m, T>,
    is_positive: &'a mut bool,
}

impl<T: BlockElement> Loop for CholeskyLoop<'_, '_, T> {
    /// While it runs, column k of the factor is above the diagonal too, as row k, so that the loop over what is left reads along
    /// rows.
    #[inline(always)]
    fn run(self) {
        let (a, n) = (self.a, self.a.rows);
        for k in 0..n {
            // SAFETY: rows of the block, of which two are different; whoever asked for the loop promised that nobody else uses it.
            unsafe {
                let above = a.row(k);
                let rest = above[k];
                // NaN is not positive either.
                *self.is_positive = rest > T::ZERO;
                if !*self.is_positive {
                    return;
                }
                let pivot = rest.sqrt();
                above[k] = pivot;
                for row in k + 1..n {
                    let left = a.row(row);
                    let element = left[k].div(pivot);
                    left[k] = element;
                    above[row] = element;
                    let products = above[k + 1..=row].iter().map(|other| element.mul(*other));
                    left[k + 1..=row].iter_mut().zip(products).for_each(|(rest, product)| *rest = rest.sub(product));
                }
            }
        }
    }
}

/// X·Lᵀ = B of few unknowns, [`ROWS_AT_ONCE`] rows of X at a time, with each unknown of all of them side by side.
struct RightSolveLoop<'m, T> {
    l: MatrixBlock<'m, T>,
    b: MatrixBlock<'m, T>,
}

impl<T: BlockElement> Loop for RightSolveLoop<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (l, b, n) = (self.l, self.b, self.l.rows);
        for first in (0..b.rows).step_by(ROWS_AT_ONCE) {
            let n_rows = ROWS_AT_ONCE.min(b.rows - first);
            let mut unknowns = [[T::ZERO; ROWS_AT_ONCE]; MAX_LEAF_COLUMNS];
            // SAFETY: rows of B and elements of L, which nobody else uses or writes, by the promise of whoever asked for the loop.
            unsafe {
                for row in 0..n_rows {
                    unknowns.iter_mut().zip(&*b.row(first + row)).for_each(|(unknown, x)| unknown[row] = *x);
                }
                for known in 0..n {
                    let (solved, rest) = unknowns.split_at_mut(known);
                    let unknown = &mut rest[0];
                    for (column, solved) in solved.iter().enumerate() {
                        let factor = l.at(known, column);
                        unknown.iter_mut().zip(solved).for_each(|(x, solved)| *x = x.sub(factor.mul(*solved)));
                    }
                    let pivot = l.at(known, known);
                    unknown.iter_mut().for_each(|x| *x = x.div(pivot));
                }
                for row in 0..n_rows {
                    b.row(first + row).iter_mut().zip(&unknowns).for_each(|(x, unknown)| *x = unknown[row]);
                }
            }
        }
    }
}

/// A·X = B of few unknowns: eliminates each from all equations that are left, so that no number waits for the one just computed.
struct SolveLoop<'m, T> {
    a: TriangularBlock<'m, T>,
    b: MatrixBlock<'m, T>,
}

impl<T: BlockElement> Loop for SolveLoop<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (TriangularBlock { matrix, is_lower, has_ones }, b) = (self.a, self.b);
        let n = matrix.rows;
        if b.columns == 1 && b.strides[0] == 1 {
            // SAFETY: as below; the one column is contiguous.
            return unsafe { solve_for_vector(self.a, b.transposed().row(0)) };
        }
        for step in 0..n {
            let known = if is_lower { step } else { n - 1 - step };
            // SAFETY: rows of B, of which two are different, and elements of A, which nobody else uses or writes, by the promise of
            // whoever asked for the loop.
            unsafe {
                let solved = b.row(known);
                if !has_ones {
                    let pivot = matrix.at(known, known);
                    solved.iter_mut().for_each(|x| *x = x.div(pivot));
                }
                for left in if is_lower { known + 1..n } else { 0..known } {
                    let factor = matrix.at(left, known);
                    b.row(left).iter_mut().zip(&*solved).for_each(|(x, solved)| *x = x.sub(factor.mul(*solved)));
                }
            }
        }
    }
}

/// The same for one right side.
///
/// # Safety
/// Nobody else writes A.
#[inline(always)]
unsafe fn solve_for_vector<T: BlockElement>(a: TriangularBlock<'_, T>, x: &mut [T]) {
    let n = a.matrix.rows;
    for step in 0..n {
        let known = if a.is_lower { step } else { n - 1 - step };
        // SAFETY: elements of A.
        unsafe {
            if !a.has_ones {
                x[known] = x[known].div(a.matrix.at(known, known));
            }
            let solved = x[known];
            for left in if a.is_lower { known + 1..n } else { 0..known } {
                x[left] = x[left].sub(a.matrix.at(left, known).mul(solved));
            }
        }
    }
}

/// The elimination of few columns.
struct LuLoop<'a, 'm, T> {
    a: MatrixBlock<'m, T>,
    columns: Range<usize>,
    exchange: &'a mut dyn FnMut(usize, usize),
}

impl<T: BlockElement> Loop for LuLoop<'_, '_, T> {
    #[inline(always)]
    fn run(self) {
        let (a, n, end) = (self.a, self.a.rows, self.columns.end);
        for k in self.columns {
            // SAFETY: elements of A, and rows of it of which two are different; nobody else uses it, by the promise of whoever asked for
            // the loop.
            unsafe {
                let mut pivot = k;
                let mut greatest = a.at(k, k).abs();
                for row in k + 1..n {
                    let size = a.at(row, k).abs();
                    if size > greatest {
                        (pivot, greatest) = (row, size);
                    }
                }
                if pivot != k {
                    (self.exchange)(k, pivot);
                }
                let row_of_pivot = &a.row(k)[..end];
                let divisor = row_of_pivot[k];
                if divisor == T::ZERO {
                    continue;
                }
                for row in k + 1..n {
                    let left = &mut a.row(row)[..end];
                    let factor = left[k].div(divisor);
                    left[k] = factor;
                    let pairs = left[k + 1..].iter_mut().zip(&row_of_pivot[k + 1..]);
                    pairs.for_each(|(element, above)| *element = element.sub(factor.mul(*above)));
                }
            }
        }
    }
}
