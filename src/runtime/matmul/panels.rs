//! The general product (GEMM), by the scheme of BLIS (Van Zee and van de Geijn, 2015): blocks of k and of columns, with
//! B packed into panels where it is not read in place, and register tiles over all of it. In: one block of one product,
//! C with contiguous rows. Out: that block of C. It allocates nothing: packed panels go into scratch memory.

use std::ops::Range;

use super::{
    naive::Pointers,
    pack::{PackSource, pack_columns, pack_rows},
    product::Accumulation,
    tile::MicroTile,
    vector::Vector,
};
use crate::plan::MachineModel;

/// Bytes of a column of B in one block of k: a panel of B, two vectors wide, and the rows of A of a tile then fit the
/// first-level cache together.
const BLOCK_K_BYTES: usize = 1024;
/// The length of a block of k is a multiple of this.
const STEP_UNIT: usize = 8;
/// For k up to this, a tile of C takes longer to write than to compute.
pub(in crate::runtime) const FEW_STEPS: usize = 64;
/// Rows of A that pass a block of B at a time: BLOCK_M · BLOCK_K_BYTES fit half of a second-level cache of 512 KiB.
const BLOCK_M: usize = 168;
/// Bytes of a packed block of B: half of such a cache.
const PACKED_BYTES: usize = MachineModel::DEFAULT.resident_bytes;

/// How an operand reaches the tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// Read where it lies.
    InPlace,
    /// Copied to panels.
    Packed,
}

/// One block of a product, with everything that is the same for each block of a plan. Strides are in elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: [isize; 2],
    pub(super) b: [isize; 2],
    pub(super) c_row: isize,
    pub(super) pack_a: Packing,
    pub(super) pack_b: Packing,
    pub(super) output: Accumulation,
}

/// A block of B as tiles read it: panels of two vectors, the last of one or two.
#[derive(Clone, Copy)]
pub(in crate::runtime) struct Strips<T> {
    pub(in crate::runtime) k: usize,
    pub(in crate::runtime) n: usize,
    /// The packed panels, one behind the other.
    pub(in crate::runtime) packed: *const T,
    /// If B is read in place: the block and the stride of its rows. A last panel that is not of whole vectors is packed even then.
    pub(in crate::runtime) in_place: Option<(*const T, isize)>,
}

/// A block of A with the block of C that it makes. A panel of A is packed where `packed` says so.
#[derive(Clone, Copy)]
pub(in crate::runtime) struct RowBlock<T> {
    pub(in crate::runtime) m: usize,
    pub(in crate::runtime) a: *const T,
    pub(in crate::runtime) strides: [isize; 2],
    pub(in crate::runtime) packed: Option<*const T>,
    pub(in crate::runtime) c: *mut T,
    pub(in crate::runtime) c_row: isize,
    pub(in crate::runtime) output: Accumulation,
}

/// How many panels `m` rows are cut into, none of more rows than a tile has.
#[inline(always)]
pub(in crate::runtime) fn n_panels<V: Vector>(m: usize) -> usize {
    m.div_ceil(V::TILES.len())
}

/// The rows of one of the panels that `m` rows are cut into: all have about as many.
#[inline(always)]
pub(in crate::runtime) fn panel_rows<V: Vector>(m: usize, panel: usize) -> Range<usize> {
    let n_panels = n_panels::<V>(m);
    m * panel / n_panels..m * (panel + 1) / n_panels
}

impl<T> RowBlock<T> {
    /// The first element of a panel of `k` steps, and how far its rows and its steps are apart.
    #[inline(always)]
    pub(in crate::runtime) fn strip(&self, rows: &Range<usize>, k: usize) -> (*const T, isize, isize) {
        match self.packed {
            Some(packed) => (packed.wrapping_add(rows.start * k), 1, rows.len() as isize),
            None => (self.a.wrapping_offset(rows.start as isize * self.strides[0]), self.strides[0], self.strides[1]),
        }
    }
}

/// Columns that are packed at once.
const BLOCK_COLUMNS: usize = PACKED_BYTES / BLOCK_K_BYTES;

/// The most steps of k that are packed at once.
pub(in crate::runtime) fn block_steps(element_bytes: usize) -> usize {
    BLOCK_K_BYTES / element_bytes
}

/// Elements of scratch memory that [`multiply`] asks for, for vectors of `lanes` lanes.
pub(super) fn scratch_elements(panels: &Panels, lanes: usize, element_bytes: usize) -> usize {
    let rows = match panels.pack_a {
        Packing::Packed => panels.m.min(BLOCK_M),
        Packing::InPlace => 0,
    };
    panels.k.min(block_steps(element_bytes)) * (packed_columns(panels, panels.n.min(BLOCK_COLUMNS), lanes) + rows)
}

/// Columns of a packed block of B: all, or in place only those of a panel that is not of whole vectors.
fn packed_columns(panels: &Panels, n: usize, lanes: usize) -> usize {
    match panels.pack_b {
        Packing::Packed => n.next_multiple_of(lanes),
        Packing::InPlace => 2 * lanes,
    }
}

/// # Safety
/// The machine has the vector's set; the pointers are valid for the block and its strides; `scratch` has room for
/// [`scratch_elements`].
#[inline(always)]
pub(super) unsafe fn multiply<V: Vector>(panels: &Panels, pointers: Pointers<V::Element>, scratch: *mut V::Element) {
    let n_blocks = panels.k.div_ceil(block_steps(size_of::<V::Element>())).max(1);
    // The blocks of k are about equal, so that few are too short to hide the cost of writing C, and multiples of a
    // power of two, so that sums of ones stay multiples of it.
    let block = panels.k.div_ceil(n_blocks).next_multiple_of(STEP_UNIT);
    for from in (0..panels.k).step_by(block.max(1)) {
        let to = panels.k.min(from + block);
        let output = match panels.output {
            Accumulation::Overwrite if from > 0 => Accumulation::Add,
            output => output,
        };
        for column in (0..panels.n).step_by(BLOCK_COLUMNS) {
            let part = Panels { n: BLOCK_COLUMNS.min(panels.n - column), k: to - from, output, ..*panels };
            // SAFETY: the part's steps and columns lie inside the block that the caller vouches for.
            unsafe {
                let a = pointers.a.wrapping_offset(from as isize * panels.a[1]);
                let b = pointers.b.wrapping_offset(from as isize * panels.b[0] + column as isize * panels.b[1]);
                multiply_part::<V>(&part, Pointers { a, b, c: pointers.c.add(column) }, scratch);
            }
        }
    }
}

/// # Safety
/// As for [`multiply`], with k and n no more than are packed at once.
#[inline(always)]
unsafe fn multiply_part<V: Vector>(part: &Panels, pointers: Pointers<V::Element>, scratch: *mut V::Element) {
    // SAFETY: the pointers are the caller's; the scratch memory holds the columns first, the rows behind them, as
    // `scratch_elements` counts them.
    unsafe {
        let strips = pack_strips::<V>(part, pointers.b, scratch);
        let columns = packed_columns(part, part.n, V::LANES);
        let packed_rows = scratch.add(part.k * columns);
        for row in (0..part.m).step_by(BLOCK_M) {
            let m = BLOCK_M.min(part.m - row);
            let a = pointers.a.wrapping_offset(row as isize * part.a[0]);
            let packed = match part.pack_a {
                Packing::InPlace => None,
                Packing::Packed => {
                    pack_block_rows::<V>(part, m, a, packed_rows);
                    Some(packed_rows.cast_const())
                }
            };
            let c = pointers.c.offset(row as isize * part.c_row);
            let rows = RowBlock { m, a, strides: part.a, packed, c, c_row: part.c_row, output: part.output };
            multiply_strips::<V>(&rows, &strips);
        }
    }
}

/// Packs what is to be packed of a block of B.
///
/// # Safety
/// As for [`multiply_part`].
#[inline(always)]
unsafe fn pack_strips<V: Vector>(part: &Panels, b: *const V::Element, scratch: *mut V::Element) -> Strips<V::Element> {
    let in_place = part.pack_b == Packing::InPlace;
    let (mut column, mut to) = (0, scratch);
    while column < part.n {
        let width = (part.n - column).min(2 * V::LANES);
        if !(in_place && width.is_multiple_of(V::LANES)) {
            let source = PackSource {
                from: b.wrapping_offset(column as isize * part.b[1]),
                length: part.k,
                width,
                step: part.b[0],
                across: part.b[1],
            };
            let vectors = width.div_ceil(V::LANES);
            // SAFETY: the columns are inside the block, and the scratch memory counts each panel in whole vectors.
            unsafe {
                pack_columns::<V>(source, vectors, to);
                to = to.add(part.k * vectors * V::LANES);
            }
        }
        column += width;
    }
    Strips { k: part.k, n: part.n, packed: scratch, in_place: in_place.then_some((b, part.b[0])) }
}

/// Packs a block of A as the panels that [`multiply_strips`] cuts it into.
///
/// # Safety
/// `a` is valid for `m` rows, and `to` has room for them.
#[inline(always)]
unsafe fn pack_block_rows<V: Vector>(part: &Panels, m: usize, a: *const V::Element, to: *mut V::Element) {
    for rows in (0..n_panels::<V>(m)).map(|panel| panel_rows::<V>(m, panel)) {
        let source = PackSource {
            from: a.wrapping_offset(rows.start as isize * part.a[0]),
            length: part.k,
            width: rows.len(),
            step: part.a[1],
            across: part.a[0],
        };
        // SAFETY: the rows are inside the block, and packed panels follow each other without gaps.
        unsafe { pack_rows::<V>(source, to.add(rows.start * part.k)) };
    }
}

/// All tiles of some rows and some columns.
///
/// # Safety
/// The machine has the vector's set; rows and strips are as large as they say; C is valid for `m` rows of `n` elements.
#[inline(always)]
pub(in crate::runtime) unsafe fn multiply_strips<V: Vector>(rows: &RowBlock<V::Element>, strips: &Strips<V::Element>) {
    let n_rows = n_panels::<V>(rows.m);
    let n_columns = strips.n.div_ceil(2 * V::LANES);
    // SAFETY: panels below these numbers are inside what the caller vouches for.
    unsafe {
        if strips.k <= FEW_STEPS {
            // Writing C takes most of the time, so it is written row after row.
            for row in 0..n_rows {
                for column in 0..n_columns {
                    multiply_panels::<V>(rows, strips, row, column);
                }
            }
        } else {
            // Each panel of B stays in the first-level cache while all panels of A pass it.
            for column in 0..n_columns {
                for row in 0..n_rows {
                    multiply_panels::<V>(rows, strips, row, column);
                }
            }
        }
    }
}

/// One panel of A times one panel of B.
///
/// # Safety
/// As for [`multiply_strips`], with panels that exist.
#[inline(always)]
unsafe fn multiply_panels<V: Vector>(
    rows: &RowBlock<V::Element>,
    strips: &Strips<V::Element>,
    panel: usize,
    column_panel: usize,
) {
    let column = column_panel * 2 * V::LANES;
    let width = (strips.n - column).min(2 * V::LANES);
    let vectors = width.div_ceil(V::LANES);
    let (b, b_step) = match strips.in_place {
        Some((b, step)) if width.is_multiple_of(V::LANES) => (b.wrapping_add(column), step),
        // In place, only the last panel can be packed.
        Some(_) => (strips.packed, (vectors * V::LANES) as isize),
        None => (strips.packed.wrapping_add(column * strips.k), (vectors * V::LANES) as isize),
    };
    let last_lanes = width - (vectors - 1) * V::LANES;
    let panel = panel_rows::<V>(rows.m, panel);
    let (a, a_row, a_step) = rows.strip(&panel, strips.k);
    let c = rows.c.wrapping_offset(panel.start as isize * rows.c_row + column as isize);
    let (c_row, output) = (rows.c_row, rows.output);
    let tile = MicroTile { k: strips.k, a, a_row, a_step, b, b_step, c, c_row, last_lanes, output };
    // SAFETY: the panels of A and B and the tile of C are inside what the caller vouches for; panels have at least one
    // row and at most as many as the table.
    unsafe { V::TILES.get_unchecked(panel.len() - 1).panels[vectors - 1](&tile) };
}
