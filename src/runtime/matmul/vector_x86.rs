//! Vectors of AVX2 and AVX-512. Intrinsics rather than loops over arrays: a tile of 28 registers must stay in registers
//! whatever the compiler's vectorizer thinks of it, and its edges are read and written under masks.

use std::arch::x86_64::*;

use super::{
    tile::{MicroTile, PatchTile, TileKernels, multiply_patches, multiply_tile, tiles},
    vector::Vector,
};

/// # Safety
/// As for [`TileKernel`](super::tile::TileKernel), with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_tile<V: Vector, const ROWS: usize, const VECTORS: usize>(tile: &MicroTile<V::Element>) {
    // SAFETY: the caller promises what the kernel asks for.
    unsafe { multiply_tile::<V, ROWS, VECTORS>(tile) }
}

/// # Safety
/// As for [`TileKernel`](super::tile::TileKernel), with AVX-512 F, BW, DQ and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn avx512_tile<V: Vector, const ROWS: usize, const VECTORS: usize>(tile: &MicroTile<V::Element>) {
    // SAFETY: the caller promises what the kernel asks for.
    unsafe { multiply_tile::<V, ROWS, VECTORS>(tile) }
}

/// # Safety
/// As for [`PatchKernel`](super::tile::PatchKernel), with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_patches<V: Vector, const ROWS: usize, const VECTORS: usize>(tile: &PatchTile<'_, V::Element>) {
    // SAFETY: the caller promises what the kernel asks for.
    unsafe { multiply_patches::<V, ROWS, VECTORS>(tile) }
}

/// # Safety
/// As for [`PatchKernel`](super::tile::PatchKernel), with AVX-512 F, BW, DQ and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn avx512_patches<V: Vector, const ROWS: usize, const VECTORS: usize>(tile: &PatchTile<'_, V::Element>) {
    // SAFETY: the caller promises what the kernel asks for.
    unsafe { multiply_patches::<V, ROWS, VECTORS>(tile) }
}

/// For each number of lanes, 8 or fewer, all ones in that many first words of 32 bits: read at 8 − count.
static FIRST_WORDS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
/// The same for words of 64 bits: read at 4 − count.
static FIRST_DOUBLE_WORDS: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

#[inline(always)]
unsafe fn words(count: usize) -> __m256i {
    debug_assert!(count <= 8);
    // SAFETY: `count` is at most 8, so eight words follow in the table; the machine has AVX2.
    unsafe { _mm256_loadu_si256(FIRST_WORDS.as_ptr().add(8 - count).cast()) }
}

#[inline(always)]
unsafe fn double_words(count: usize) -> __m256i {
    debug_assert!(count <= 4);
    // SAFETY: `count` is at most 4, so four words follow in the table; the machine has AVX2.
    unsafe { _mm256_loadu_si256(FIRST_DOUBLE_WORDS.as_ptr().add(4 - count).cast()) }
}

/// One implementation of [`Vector`]: each argument after the shape is the instruction of that name.
macro_rules! vector {
    (
        $register:ident of $lanes:literal $element:ty, $tiles:expr, $mask:expr,
        $splat:ident, $load:ident, $store:ident, $load_first:expr, $load_behind:expr, $store_first:expr,
        $multiply_add:ident, $add:ident, $subtract:ident, $interleave:expr
    ) => {
        impl Vector for $register {
            type Element = $element;
            const LANES: usize = $lanes;
            const TILES: &'static [TileKernels<$element>] = $tiles;

            #[inline(always)]
            unsafe fn splat(element: $element) -> Self {
                // SAFETY: the caller promises that the machine has the instruction.
                unsafe { $splat(element) }
            }

            #[inline(always)]
            unsafe fn load(from: *const $element) -> Self {
                // SAFETY: the caller vouches for the machine and for a whole vector.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn load_first(from: *const $element, count: usize) -> Self {
                // SAFETY: the caller vouches for the machine and for `count` elements; the mask hides the others.
                unsafe { $load_first(from, $mask(count)) }
            }

            #[inline(always)]
            unsafe fn load_behind(self, count: usize, from: *const $element) -> Self {
                // SAFETY: the caller vouches for the machine and for the lanes behind `count`; the mask hides the others.
                unsafe { $load_behind(self, $mask(count), from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                // SAFETY: the caller vouches for the machine and for a whole vector.
                unsafe { $store(to, self) }
            }

            #[inline(always)]
            unsafe fn store_first(self, to: *mut $element, count: usize) {
                // SAFETY: the caller vouches for the machine and for `count` elements; the mask hides the others.
                unsafe { $store_first(to, $mask(count), self) }
            }

            #[inline(always)]
            unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: the caller promises that the machine has the instruction.
                unsafe { $multiply_add(self, factor, addend) }
            }

            #[inline(always)]
            unsafe fn plus(self, other: Self) -> Self {
                // SAFETY: the caller promises that the machine has the instruction.
                unsafe { $add(self, other) }
            }

            #[inline(always)]
            unsafe fn minus(self, other: Self) -> Self {
                // SAFETY: the caller promises that the machine has the instruction.
                unsafe { $subtract(self, other) }
            }

            #[inline(always)]
            unsafe fn interleave(self, other: Self) -> (Self, Self) {
                // SAFETY: the caller promises that the machine has the instructions.
                unsafe { $interleave(self, other) }
            }
        }
    };
}

vector!(
    __m256 of 8 f32, tiles!(avx2_tile, avx2_patches, __m256; 1, 2, 3, 4, 5, 6), words,
    _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_maskload_ps, load_behind_8_singles, _mm256_maskstore_ps,
    _mm256_fmadd_ps, _mm256_add_ps, _mm256_sub_ps, interleave_8_singles
);
vector!(
    __m256d of 4 f64, tiles!(avx2_tile, avx2_patches, __m256d; 1, 2, 3, 4, 5, 6), double_words,
    _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_maskload_pd, load_behind_4_doubles, _mm256_maskstore_pd,
    _mm256_fmadd_pd, _mm256_add_pd, _mm256_sub_pd, interleave_4_doubles
);
vector!(
    __m512 of 16 f32, tiles!(avx512_tile, avx512_patches, __m512; 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14),
    first_of_16,
    _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, load_16_singles, load_behind_16_singles, _mm512_mask_storeu_ps,
    _mm512_fmadd_ps, _mm512_add_ps, _mm512_sub_ps, interleave_16_singles
);
vector!(
    __m512d of 8 f64, tiles!(avx512_tile, avx512_patches, __m512d; 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14),
    first_of_8,
    _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, load_8_doubles, load_behind_8_doubles, _mm512_mask_storeu_pd,
    _mm512_fmadd_pd, _mm512_add_pd, _mm512_sub_pd, interleave_8_doubles
);

#[inline(always)]
fn first_of_16(count: usize) -> __mmask16 {
    ((1_u32 << count) - 1) as __mmask16
}

#[inline(always)]
fn first_of_8(count: usize) -> __mmask8 {
    ((1_u32 << count) - 1) as __mmask8
}

#[inline(always)]
unsafe fn load_16_singles(from: *const f32, mask: __mmask16) -> __m512 {
    // SAFETY: the caller vouches for the machine and for the elements under the mask.
    unsafe { _mm512_maskz_loadu_ps(mask, from) }
}

#[inline(always)]
unsafe fn load_8_doubles(from: *const f64, mask: __mmask8) -> __m512d {
    // SAFETY: the caller vouches for the machine and for the elements under the mask.
    unsafe { _mm512_maskz_loadu_pd(mask, from) }
}

#[inline(always)]
unsafe fn load_behind_8_singles(first: __m256, mask: __m256i, from: *const f32) -> __m256 {
    // SAFETY: the caller vouches for the machine and for the elements outside the mask.
    unsafe {
        let tail = _mm256_maskload_ps(from, _mm256_xor_si256(mask, _mm256_set1_epi32(-1)));
        _mm256_blendv_ps(tail, first, _mm256_castsi256_ps(mask))
    }
}

#[inline(always)]
unsafe fn load_behind_4_doubles(first: __m256d, mask: __m256i, from: *const f64) -> __m256d {
    // SAFETY: the caller vouches for the machine and for the elements outside the mask.
    unsafe {
        let tail = _mm256_maskload_pd(from, _mm256_xor_si256(mask, _mm256_set1_epi32(-1)));
        _mm256_blendv_pd(tail, first, _mm256_castsi256_pd(mask))
    }
}

#[inline(always)]
unsafe fn load_behind_16_singles(first: __m512, mask: __mmask16, from: *const f32) -> __m512 {
    // SAFETY: the caller vouches for the machine and for the elements outside the mask.
    unsafe { _mm512_mask_loadu_ps(first, !mask, from) }
}

#[inline(always)]
unsafe fn load_behind_8_doubles(first: __m512d, mask: __mmask8, from: *const f64) -> __m512d {
    // SAFETY: the caller vouches for the machine and for the elements outside the mask.
    unsafe { _mm512_mask_loadu_pd(first, !mask, from) }
}

#[inline(always)]
unsafe fn interleave_8_singles(a: __m256, b: __m256) -> (__m256, __m256) {
    // SAFETY: the caller promises that the machine has AVX2.
    unsafe {
        let (even, odd) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        (_mm256_permute2f128_ps::<0x20>(even, odd), _mm256_permute2f128_ps::<0x31>(even, odd))
    }
}

#[inline(always)]
unsafe fn interleave_4_doubles(a: __m256d, b: __m256d) -> (__m256d, __m256d) {
    // SAFETY: the caller promises that the machine has AVX2.
    unsafe {
        let (even, odd) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
        (_mm256_permute2f128_pd::<0x20>(even, odd), _mm256_permute2f128_pd::<0x31>(even, odd))
    }
}

#[inline(always)]
unsafe fn interleave_16_singles(a: __m512, b: __m512) -> (__m512, __m512) {
    // SAFETY: the caller promises that the machine has AVX-512.
    unsafe {
        let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        (_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b))
    }
}

#[inline(always)]
unsafe fn interleave_8_doubles(a: __m512d, b: __m512d) -> (__m512d, __m512d) {
    // SAFETY: the caller promises that the machine has AVX-512.
    unsafe {
        let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
        let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
        (_mm512_permutex2var_pd(a, low, b), _mm512_permutex2var_pd(a, high, b))
    }
}
