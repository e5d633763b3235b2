//! The innermost kernel: a tile of C held in registers while k runs. In: a strip of A with any strides and a strip of B
//! whose rows are contiguous. Out: the tile, written to or added to C. Blocking and packing are in `panels.rs`.

use super::{
    product::Accumulation,
    vector::{MatmulElement, Vector},
};

/// Where the strips of one tile lie. Strides are in elements.
#[derive(Clone, Copy)]
pub(in crate::runtime) struct MicroTile<T> {
    pub(in crate::runtime) k: usize,
    pub(in crate::runtime) a: *const T,
    pub(in crate::runtime) a_row: isize,
    pub(in crate::runtime) a_step: isize,
    /// Whole vectors are read from each row of B, also where the tile is narrower.
    pub(in crate::runtime) b: *const T,
    pub(in crate::runtime) b_step: isize,
    pub(in crate::runtime) c: *mut T,
    pub(in crate::runtime) c_row: isize,
    /// The lanes of the last vector that are columns of C.
    pub(in crate::runtime) last_lanes: usize,
    pub(in crate::runtime) output: Accumulation,
}

/// A kernel for one number of rows and of vectors of columns.
///
/// # Safety
/// The machine has the kernel's instruction set, and the strips are as long as the tile says.
pub(in crate::runtime) type TileKernel<T> = unsafe fn(&MicroTile<T>);

/// The table of kernels of one set: `tiles!(wrapper, Vector; 1, 2, …)` with the numbers of rows from 1 upwards.
macro_rules! tiles {
    ($wrapper:ident, $vector:ty; $($rows:literal),*) => {
        &[$([$wrapper::<$vector, $rows, 1>, $wrapper::<$vector, $rows, 2>]),*]
    };
}
pub(super) use tiles;

/// # Safety
/// As for [`TileKernel`].
#[inline(always)]
pub(super) unsafe fn multiply_tile<V: Vector, const ROWS: usize, const VECTORS: usize>(tile: &MicroTile<V::Element>) {
    // SAFETY: rows of A and C are counted by ROWS and rows of B by VECTORS whole vectors, as the caller promises; only
    // `last_lanes` of the last vector are read from or written to C.
    unsafe {
        let mut sums = [[V::splat(V::Element::ZERO); VECTORS]; ROWS];
        let (mut a, mut b) = (tile.a, tile.b);
        for _ in 0..tile.k {
            let mut columns = [sums[0][0]; VECTORS];
            for (vector, column) in columns.iter_mut().enumerate() {
                *column = V::load(b.add(vector * V::LANES));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let factor = V::splat(*a.offset(row as isize * tile.a_row));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = factor.multiply_add(column, *sum);
                }
            }
            a = a.wrapping_offset(tile.a_step);
            b = b.wrapping_offset(tile.b_step);
        }
        for (row, sums) in sums.iter().enumerate() {
            let c = tile.c.offset(row as isize * tile.c_row);
            for (vector, sum) in sums.iter().enumerate() {
                let lanes = if vector + 1 == VECTORS { tile.last_lanes } else { V::LANES };
                write_vector(*sum, c.add(vector * V::LANES), lanes, tile.output);
            }
        }
    }
}

/// Writes the first `lanes` of a vector to C, or adds them to what is there.
///
/// # Safety
/// The machine has the vector's set, and `c` is valid for `lanes` elements.
#[inline(always)]
pub(in crate::runtime) unsafe fn write_vector<V: Vector>(
    sum: V,
    c: *mut V::Element,
    lanes: usize,
    output: Accumulation,
) {
    // SAFETY: only the lanes that the caller vouches for are touched.
    unsafe {
        match (output, lanes == V::LANES) {
            (Accumulation::Overwrite, true) => sum.store(c),
            (Accumulation::Overwrite, false) => sum.store_first(c, lanes),
            (Accumulation::Add, true) => sum.plus(V::load(c)).store(c),
            (Accumulation::Add, false) => sum.plus(V::load_first(c, lanes)).store_first(c, lanes),
            (Accumulation::Subtract, true) => V::load(c).minus(sum).store(c),
            (Accumulation::Subtract, false) => V::load_first(c, lanes).minus(sum).store_first(c, lanes),
        }
    }
}
