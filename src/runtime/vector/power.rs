//! Powers: what pow and the integer powers share between the floats. In: bases and exponents. Out: IEEE 754's answers at
//! zeros, infinities, NaN and negative bases; powers by repeated squaring. The logarithms are elsewhere.

use super::float::Float;

/// xʸ with every special case of `powf`, given |x|ʸ for finite nonzero x.
#[inline(always)]
pub(super) fn with_limits<T: Float>(x: T, y: T, magnitude: T) -> T {
    let (base, exponent) = (x.abs(), y.abs());
    let at_zero = if y < T::ZERO { T::INFINITY } else { T::ZERO };
    let at_infinity = if y < T::ZERO { T::ZERO } else { T::INFINITY };
    let magnitude = if base == T::ZERO { at_zero } else { magnitude };
    let magnitude = if base == T::INFINITY { at_infinity } else { magnitude };

    let is_odd = is_integer(exponent) & !is_integer(exponent * T::HALF);
    let signed = if is_odd { magnitude.copysign(x) } else { magnitude };
    let has_no_power = (x < T::ZERO) & (base < T::INFINITY) & !is_integer(exponent);
    let power = if has_no_power { T::NAN } else { signed };
    let power = if is_nan(x) | is_nan(y) { T::NAN } else { power };
    if (x == T::ONE) | (y == T::ZERO) { T::ONE } else { power }
}

/// Whether a number that is not negative is an integer; infinity is, NaN is not.
#[inline(always)]
fn is_integer<T: Float>(x: T) -> bool {
    let rounded = (x + T::INTEGERS) - T::INTEGERS;
    (x >= T::INTEGERS) | (rounded == x)
}

#[inline(always)]
#[expect(clippy::eq_op, reason = "only NaN differs from itself")]
fn is_nan<T: Float>(x: T) -> bool {
    x != x
}

/// `out[i]` = `x[i]`ⁿ by repeated squaring, in the order of the compiler's own `powi`, a block at a time so that the loop
/// over the bits of n is outside and the loop over elements is vector code.
#[inline(always)]
pub(super) fn integer_power<T: Float>(out: &mut [T], x: &[T], exponent: i64) {
    const BLOCK: usize = 64;
    for (out, x) in out.chunks_mut(BLOCK).zip(x.chunks(BLOCK)) {
        let mut squares = [T::ONE; BLOCK];
        let mut powers = [T::ONE; BLOCK];
        squares[..x.len()].copy_from_slice(x);
        let mut bits = exponent.unsigned_abs();
        loop {
            if bits & 1 == 1 {
                multiply(&mut powers, &squares);
            }
            bits >>= 1;
            if bits == 0 {
                break;
            }
            squares.iter_mut().for_each(|square| *square = *square * *square);
        }
        if exponent < 0 {
            powers.iter_mut().for_each(|power| *power = T::ONE / *power);
        }
        out.copy_from_slice(&powers[..out.len()]);
    }
}

#[inline(always)]
fn multiply<T: Float>(powers: &mut [T], squares: &[T]) {
    for (power, square) in powers.iter_mut().zip(squares) {
        *power = *power * *square;
    }
}
