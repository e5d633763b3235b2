//! Vectors of the portable set: arrays of four, which every target's compiler turns into what registers it has. A multiply-add has
//! the bits of the instruction, by which or by emulation.

use super::{
    tile::{MicroTile, PatchTile, TileKernels, multiply_patches, multiply_tile, tiles},
    vector::{MatmulElement, Vector},
};

/// Four elements.
#[derive(Clone, Copy)]
pub(in crate::runtime) struct Portable<T>([T; 4]);

/// # Safety
/// As for [`TileKernel`](super::tile::TileKernel).
unsafe fn portable_tile<V: Vector, const ROWS: usize, const VECTORS: usize>(tile: &MicroTile<V::Element>) {
    // SAFETY: the caller promises what the kernel asks for.
    unsafe { multiply_tile::<V, ROWS, VECTORS>(tile) }
}

/// # Safety
/// As for [`PatchKernel`](super::tile::PatchKernel).
unsafe fn portable_patches<V: Vector, const ROWS: usize, const VECTORS: usize>(tile: &PatchTile<'_, V::Element>) {
    // SAFETY: the caller promises what the kernel asks for.
    unsafe { multiply_patches::<V, ROWS, VECTORS>(tile) }
}

impl<T: MatmulElement> Vector for Portable<T> {
    type Element = T;
    const LANES: usize = 4;
    const TILES: &'static [TileKernels<T>] = tiles!(portable_tile, portable_patches, Portable<T>; 1, 2, 3, 4);

    #[inline(always)]
    unsafe fn splat(element: T) -> Self {
        Portable([element; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller vouches for four elements; the read asks for no alignment beyond theirs.
        Portable(unsafe { from.cast::<[T; 4]>().read() })
    }

    #[inline(always)]
    unsafe fn load_first(from: *const T, count: usize) -> Self {
        let mut lanes = [T::ZERO; 4];
        for (lane, element) in lanes.iter_mut().enumerate().take(count) {
            // SAFETY: the caller vouches for `count` elements.
            *element = unsafe { *from.add(lane) };
        }
        Portable(lanes)
    }

    #[inline(always)]
    unsafe fn load_behind(self, count: usize, from: *const T) -> Self {
        let mut lanes = self.0;
        for (lane, element) in lanes.iter_mut().enumerate().skip(count) {
            // SAFETY: the caller vouches for the lanes behind the first `count`.
            *element = unsafe { *from.wrapping_add(lane) };
        }
        Portable(lanes)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller vouches for four elements; the write asks for no alignment beyond theirs.
        unsafe { to.cast::<[T; 4]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, count: usize) {
        for (lane, element) in self.0.iter().enumerate().take(count) {
            // SAFETY: the caller vouches for `count` elements.
            unsafe { *to.add(lane) = *element };
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        Portable([0, 1, 2, 3].map(|lane| self.0[lane].multiply_add(factor.0[lane], addend.0[lane])))
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        Portable([0, 1, 2, 3].map(|lane| self.0[lane].plus(other.0[lane])))
    }

    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        Portable([0, 1, 2, 3].map(|lane| self.0[lane].minus(other.0[lane])))
    }

    #[inline(always)]
    unsafe fn interleave(self, other: Self) -> (Self, Self) {
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (self.0, other.0);
        (Portable([a0, b0, a1, b1]), Portable([a2, b2, a3, b3]))
    }
}
