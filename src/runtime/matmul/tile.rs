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

/// Where the strips of one tile of a convolution lie: for each channel and tap, vectors are read where they lie in padded input.
/// Offsets and strides are in elements.
#[derive(Clone, Copy)]
pub(in crate::runtime) struct PatchTile<'t, T> {
    pub(in crate::runtime) channels: usize,
    pub(in crate::runtime) channel_stride: isize,
    /// Where each tap lies, relative to the place of an output.
    pub(in crate::runtime) taps: &'t [isize],
    /// The places of the first output of each vector, of the first channel.
    pub(in crate::runtime) b: [*const T; 2],
    pub(in crate::runtime) a: *const T,
    pub(in crate::runtime) a_row: isize,
    pub(in crate::runtime) a_step: isize,
    /// The first row of each vector.
    pub(in crate::runtime) c: [*mut T; 2],
    pub(in crate::runtime) c_row: isize,
    /// The lanes of each vector that are outputs.
    pub(in crate::runtime) lanes: [usize; 2],
    pub(in crate::runtime) output: Accumulation,
}

/// The kernels for one number of rows, for one and for two vectors.
#[derive(Clone, Copy)]
pub(in crate::runtime) struct TileKernels<T> {
    pub(in crate::runtime) panels: [TileKernel<T>; 2],
    pub(in crate::runtime) patches: [PatchKernel<T>; 2],
}

/// A kernel for one number of rows and of vectors of outputs.
///
/// # Safety
/// The machine has the kernel's instruction set, and what the tile points to is as long as it says.
pub(in crate::runtime) type PatchKernel<T> = unsafe fn(&PatchTile<'_, T>);

/// A kernel for one number of rows and of vectors of columns.
///
/// # Safety
/// The machine has the kernel's instruction set, and the strips are as long as the tile says.
pub(in crate::runtime) type TileKernel<T> = unsafe fn(&MicroTile<T>);

/// The table of kernels of one set: `tiles!(panels, patches, Vector; 1, 2, …)` with the functions that have the set's instructions, and
/// the numbers of rows from 1 upwards.
macro_rules! tiles {
    ($panels:ident, $patches:ident, $vector:ty; $($rows:literal),*) => {
        &[$($crate::runtime::matmul::tile::TileKernels {
            panels: [$panels::<$vector, $rows, 1>, $panels::<$vector, $rows, 2>],
            patches: [$patches::<$vector, $rows, 1>, $patches::<$vector, $rows, 2>],
        }),*]
    };
}
pub(super) use tiles;

/// Adds the products of one step: of an element of each row with all columns.
///
/// # Safety
/// The machine has the vector's set, and `a` is valid for the rows.
#[inline(always)]
unsafe fn add_step<V: Vector, const ROWS: usize, const VECTORS: usize>(
    sums: &mut [[V; VECTORS]; ROWS],
    columns: [V; VECTORS],
    a: *const V::Element,
    a_row: isize,
) {
    for (row, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the caller's promises.
        unsafe {
            let factor = V::splat(*a.offset(row as isize * a_row));
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum = factor.multiply_add(column, *sum);
            }
        }
    }
}

/// The sums as an array that is indexed by rows in a loop. Without this border the compiler may index the array that it adds to, and
/// then stores every sum after every step, which takes twice as long.
#[inline(always)]
fn to_memory<V: Vector, const ROWS: usize, const VECTORS: usize>(sums: [[V; VECTORS]; ROWS]) -> [[V; VECTORS]; ROWS] {
    std::hint::black_box(sums)
}

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
            add_step(&mut sums, columns, a, tile.a_row);
            a = a.wrapping_offset(tile.a_step);
            b = b.wrapping_offset(tile.b_step);
        }
        for (row, sums) in to_memory(sums).iter().enumerate() {
            let c = tile.c.offset(row as isize * tile.c_row);
            for (vector, sum) in sums.iter().enumerate() {
                let lanes = if vector + 1 == VECTORS { tile.last_lanes } else { V::LANES };
                write_vector(*sum, c.add(vector * V::LANES), lanes, tile.output);
            }
        }
    }
}

/// # Safety
/// As for [`PatchKernel`].
#[inline(always)]
pub(super) unsafe fn multiply_patches<V: Vector, const ROWS: usize, const VECTORS: usize>(
    tile: &PatchTile<'_, V::Element>,
) {
    // SAFETY: rows of A and C are counted by ROWS and vectors of outputs by VECTORS, as the caller promises; a whole vector is readable
    // at each place under each tap of each channel, and only the lanes that are outputs are read from or written to C.
    unsafe {
        let mut sums = [[V::splat(V::Element::ZERO); VECTORS]; ROWS];
        let mut a = tile.a;
        for channel in 0..tile.channels {
            let offset = channel as isize * tile.channel_stride;
            for tap in tile.taps {
                let mut columns = [sums[0][0]; VECTORS];
                for (column, place) in columns.iter_mut().zip(tile.b) {
                    *column = V::load(place.offset(offset + tap));
                }
                add_step(&mut sums, columns, a, tile.a_row);
                a = a.wrapping_offset(tile.a_step);
            }
        }
        for (row, sums) in to_memory(sums).iter().enumerate() {
            for ((sum, c), lanes) in sums.iter().zip(tile.c).zip(tile.lanes) {
                write_vector(*sum, c.offset(row as isize * tile.c_row), lanes, tile.output);
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
