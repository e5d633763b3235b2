//! What a kernel needs of a vector of numbers, written once for every width. In: elements behind pointers. Out: vectors
//! and elements behind pointers. It knows no loop and no shape.

use super::tile::TileKernels;
use crate::runtime::vector::{Arithmetic, Baseline};

/// What a product asks of its elements. Integers wrap.
pub(in crate::runtime) trait MatmulElement: Copy + PartialEq + std::fmt::Debug + 'static {
    const ZERO: Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// self · factor + addend, rounded once.
    fn multiply_add(self, factor: Self, addend: Self) -> Self;
    fn is_nan(self) -> bool;
}

macro_rules! number {
    ($number:ty, $zero:literal, $plus:expr, $minus:expr, $times:expr, $multiply_add:expr) => {
        impl MatmulElement for $number {
            const ZERO: Self = $zero;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                $plus(self, other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                $minus(self, other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                $times(self, other)
            }
            #[inline(always)]
            fn multiply_add(self, factor: Self, addend: Self) -> Self {
                $multiply_add(self, factor, addend)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self.partial_cmp(&self).is_none()
            }
        }
    };
}

number!(f32, 0.0, std::ops::Add::add, std::ops::Sub::sub, std::ops::Mul::mul, Baseline::fma);
number!(f64, 0.0, std::ops::Add::add, std::ops::Sub::sub, std::ops::Mul::mul, Baseline::fma);
number!(i64, 0, i64::wrapping_add, i64::wrapping_sub, i64::wrapping_mul, |x: i64, y: i64, z: i64| x
    .wrapping_mul(y)
    .wrapping_add(z));

/// The most lanes that any set has, which sizes the arrays that hold one vector or one square of them.
pub(in crate::runtime) const MAX_LANES: usize = 16;

/// As many elements as one register of an instruction set holds.
///
/// # Safety
/// Every method asks that this machine has the instruction set that the vector belongs to, and that pointers are valid
/// for the lanes that the method touches. Pointers need no more alignment than an element.
pub(in crate::runtime) trait Vector: Copy {
    type Element: MatmulElement;
    const LANES: usize;
    /// The kernels of tiles, by rows − 1, and in there by vectors of columns − 1. Its length is the most rows of a tile.
    const TILES: &'static [TileKernels<Self::Element>];

    unsafe fn splat(element: Self::Element) -> Self;
    unsafe fn load(from: *const Self::Element) -> Self;
    /// The first `count` lanes (at most `LANES`); the others are 0 and their memory is not touched.
    unsafe fn load_first(from: *const Self::Element, count: usize) -> Self;
    /// The first `count` lanes of self, then those at `from`; memory of the first is not touched.
    unsafe fn load_behind(self, count: usize, from: *const Self::Element) -> Self;
    unsafe fn store(self, to: *mut Self::Element);
    unsafe fn store_first(self, to: *mut Self::Element, count: usize);
    /// self · factor + addend, rounded once.
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self;
    unsafe fn plus(self, other: Self) -> Self;
    unsafe fn minus(self, other: Self) -> Self;
    /// The riffle of two vectors: (a₀ b₀ a₁ b₁ …) cut in two.
    unsafe fn interleave(self, other: Self) -> (Self, Self);

    /// [`Self::load`] where all lanes are wanted, else [`Self::load_first`].
    #[inline(always)]
    unsafe fn load_lanes(from: *const Self::Element, lanes: usize) -> Self {
        // SAFETY: the caller vouches for the machine and for `lanes` elements.
        unsafe { if lanes == Self::LANES { Self::load(from) } else { Self::load_first(from, lanes) } }
    }

    /// The sum of the lanes, by halves.
    #[inline(always)]
    unsafe fn sum(self) -> Self::Element {
        let mut lanes = [Self::Element::ZERO; MAX_LANES];
        // SAFETY: LANES is at most MAX_LANES; the machine is the caller's promise.
        unsafe { self.store(lanes.as_mut_ptr()) };
        let mut width = Self::LANES / 2;
        while width > 0 {
            for lane in 0..width {
                lanes[lane] = lanes[lane].plus(lanes[lane + width]);
            }
            width /= 2;
        }
        lanes[0]
    }

    /// The sums of the lanes of one or four vectors, each with the bits of [`Self::sum`]. Four are first riffled into one, half by
    /// half.
    #[inline(always)]
    unsafe fn sums<const COUNT: usize>(vectors: [Self; COUNT]) -> [Self::Element; COUNT] {
        let mut sums = [Self::Element::ZERO; COUNT];
        // SAFETY: LANES is at most MAX_LANES; the machine is the caller's promise.
        unsafe {
            if COUNT == 4 {
                let fold = |a: Self, b: Self| {
                    let (low, high) = a.interleave(b);
                    low.plus(high)
                };
                // Lanes now belong to the vectors 0, 1, 2, 3, 0, 1, …
                let folded = fold(fold(vectors[0], vectors[2]), fold(vectors[1], vectors[3]));
                let mut lanes = [Self::Element::ZERO; MAX_LANES];
                folded.store(lanes.as_mut_ptr());
                let mut width = Self::LANES / 2;
                while width >= 4 {
                    for lane in 0..width {
                        lanes[lane] = lanes[lane].plus(lanes[lane + width]);
                    }
                    width /= 2;
                }
                sums.copy_from_slice(&lanes[..COUNT]);
            } else {
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = vector.sum();
                }
            }
        }
        sums
    }

    /// Transposes the square of the first LANES vectors by log₂ LANES riffles of its two halves.
    #[inline(always)]
    unsafe fn transpose(square: [Self; MAX_LANES]) -> [Self; MAX_LANES] {
        let mut square = square;
        let mut stage = 1;
        while stage < Self::LANES {
            let mut next = square;
            for row in 0..Self::LANES / 2 {
                // SAFETY: no memory is touched; the machine is the caller's promise.
                let (low, high) = unsafe { square[row].interleave(square[row + Self::LANES / 2]) };
                next[2 * row] = low;
                next[2 * row + 1] = high;
            }
            square = next;
            stage *= 2;
        }
        square
    }
}
