//! Which multiples of a number leave a remainder. In: a step, a modulus and a remainder. Out: the first such multiple, the
//! distance of the others, and how many pairs of multiples there are, without going through them. Spread arrays ask for
//! it: a place and a tap meet an element where their positions leave the remainder of the first.

/// The greatest number that divides both.
pub(crate) fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The solutions x ≥ 0 of x·step ≡ remainder (mod modulus).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Solutions {
    /// The least.
    pub(crate) first: usize,
    /// From one to the next.
    pub(crate) distance: usize,
}

/// The solutions, if there are any. No number is above 2⁶³, so that no product of two leaves `i128`.
pub(crate) fn solutions(step: usize, remainder: i128, modulus: usize) -> Option<Solutions> {
    let divisor = greatest_common_divisor(step, modulus);
    if remainder % divisor as i128 != 0 {
        return None;
    }
    let distance = modulus / divisor;
    let inverse = inverse((step / divisor % distance) as i128, distance as i128);
    let first = (remainder / divisor as i128).rem_euclid(distance as i128) * inverse % distance as i128;
    Some(Solutions { first: first as usize, distance })
}

/// The x in 0..modulus with x·number ≡ 1 (mod modulus), by Euclid's algorithm, of numbers without a common divisor.
fn inverse(number: i128, modulus: i128) -> i128 {
    let (mut rest, mut next_rest) = (modulus, number);
    let (mut factor, mut next_factor) = (0, 1);
    while next_rest != 0 {
        let quotient = rest / next_rest;
        (rest, next_rest) = (next_rest, rest - quotient * next_rest);
        (factor, next_factor) = (next_factor, factor - quotient * next_factor);
    }
    factor.rem_euclid(modulus)
}

/// How many there are of a number that is counted up in steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Multiples {
    pub(super) count: usize,
    pub(super) step: usize,
}

/// How many pairs of p below `places.count` and t below `taps.count` have
/// p·places.step + t·taps.step ≡ remainder (mod modulus). No number is above 2⁶³.
///
/// The p that meet any t are an arithmetic progression, and each meets one of `between` neighbouring t, so it meets
/// ⌊count / between⌋ of them, and one more if the first that it meets is among the rest. The first ones are an arithmetic
/// progression modulo `between`, so those below a bound are counted by a difference of sums of quotients.
///
/// # Complexity
/// That of Euclid's algorithm.
pub(super) fn pairs(places: Multiples, taps: Multiples, remainder: i128, modulus: usize) -> i128 {
    let divisor = greatest_common_divisor(taps.step, modulus);
    let Some(Solutions { first, distance }) = solutions(places.step % divisor, remainder, divisor) else { return 0 };
    let n_meeting = places.count.saturating_sub(first).div_ceil(distance) as i128;
    let between = (modulus / divisor) as i128;
    // The first tap that a place meets is its remainder, over the divisor, times this.
    let inverse = inverse((taps.step / divisor) as i128 % between, between);
    let tap = |place: i128| (place / divisor as i128).rem_euclid(between) * inverse % between;
    let first_tap = tap(remainder - first as i128 * places.step as i128);
    let next = tap(-(distance as i128 * places.step as i128));
    let (n_taps_per_residue, rest) = (taps.count as i128 / between, taps.count as i128 % between);
    // ⌊x/m⌋ − ⌊(x − r)/m⌋ is 1 where x mod m < r, else 0.
    let sum = |offset: i128| sum_of_quotients(n_meeting, between, next, offset);
    n_meeting * n_taps_per_residue + sum(first_tap) - (sum(first_tap + between - rest) - n_meeting)
}

/// Σ ⌊(step·i + offset) / modulus⌋ over i in 0..n, none of them negative.
///
/// Whole quotients are taken out; what is left counts the points below a line, which are counted along the other axis.
fn sum_of_quotients(n: i128, modulus: i128, step: i128, offset: i128) -> i128 {
    let (mut n, mut modulus, mut step, mut offset, mut sum) = (n, modulus, step, offset, 0);
    while n > 0 {
        sum += n * (n - 1) / 2 * (step / modulus) + n * (offset / modulus);
        (step, offset) = (step % modulus, offset % modulus);
        let height = step * n + offset;
        (n, offset) = (height / modulus, height % modulus);
        (modulus, step) = (step, modulus);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solutions_are_those_that_are_found_by_trying() {
        for (step, modulus) in (0..13usize).flat_map(|step| (1..13).map(move |modulus| (step, modulus))) {
            for remainder in -15..15i128 {
                let is_one = |x: &usize| ((x * step) as i128 - remainder) % modulus as i128 == 0;
                let mut found = (0..2 * modulus).filter(is_one);
                let want = found.next().map(|first| {
                    let distance = found.next().expect("they come again after the modulus") - first;
                    Solutions { first, distance }
                });
                assert_eq!(solutions(step, remainder, modulus), want, "{step} {remainder} {modulus}");
            }
        }
    }

    #[test]
    fn pairs_are_as_many_as_are_found_by_trying() {
        let small = 0..=7usize;
        for (places, taps) in small.clone().flat_map(|places| small.clone().map(move |taps| (places, taps))) {
            for (step, dilation) in (1..=6usize).flat_map(|step| (1..=6).map(move |dilation| (step, dilation))) {
                for modulus in 1..=7 {
                    for remainder in -4..=9i128 {
                        let meets = |place: usize, tap: usize| {
                            ((place * step + tap * dilation) as i128 - remainder) % modulus as i128 == 0
                        };
                        let of_place = |place| (0..taps).filter(|tap| meets(place, *tap)).count() as i128;
                        let want: i128 = (0..places).map(of_place).sum();
                        let (p, t) = (Multiples { count: places, step }, Multiples { count: taps, step: dilation });
                        assert_eq!(pairs(p, t, remainder, modulus), want, "{p:?} {t:?} {remainder} mod {modulus}");
                    }
                }
            }
        }
    }

    /// Of numbers as large as an operation takes: with modulus 1 all pairs meet; where the steps are 1, each of
    /// `count` places meets one of `modulus` taps that follow each other.
    #[test]
    fn pairs_of_huge_numbers_are_counted_at_once() {
        let most = 1usize << 46;
        let multiples = |count, step| Multiples { count, step };
        for remainder in [0, 1, most as i128, -(most as i128)] {
            assert_eq!(pairs(multiples(most, most - 1), multiples(most, most), remainder, 1), 1 << 92);
            assert_eq!(pairs(multiples(most, 1), multiples(most, 1), remainder, most), most as i128);
            assert_eq!(pairs(multiples(most - 1, 1), multiples(most, 1), remainder, most), most as i128 - 1);
            // Of as many places as the modulus, each a step of 1 further, one meets each tap.
            assert_eq!(pairs(multiples(most - 1, most), multiples(most - 1, 3), remainder, most - 1), most as i128 - 1);
            // Both positions are even.
            let want = if remainder % 2 == 0 { most as i128 / 2 * most as i128 } else { 0 };
            assert_eq!(pairs(multiples(most, 2), multiples(most, 6), remainder, 4), want, "{remainder}");
        }
    }
}
