//! Updates on several threads. In: an update of flat buffers. Out: the same update, range by range. Ranges are cut by size
//! alone and elements know nothing of each other, so the bits do not depend on who does what.

use smallvec::SmallVec;

use crate::{
    pool::{Team, available_threads},
    vectorize::{self, Loop},
};

/// Bytes of parameters from which on threads gain more than it costs to wake them.
const MIN_BYTES: usize = 1 << 20;

/// Bytes of parameters of a range: long enough that taking one costs nothing.
const RANGE_BYTES: usize = 1 << 17;

/// Ranges at most, so that their list lies on the stack.
const MAX_RANGES: usize = 64;

/// Ranges are whole blocks of so many elements, so that no two share a cache line.
pub(super) const BLOCK_ELEMENTS: usize = 64;

/// An update that can be cut: any cut into ranges gives the same.
pub(super) trait Ranges: Loop + Send + Sized {
    /// Bytes of an element of the parameters.
    const BYTES: usize;

    /// The number of elements.
    fn n_elements(&self) -> usize;

    /// The update of the first `n` elements, and that of the others.
    fn split_at(self, n: usize) -> (Self, Self);
}

/// Runs an update in the widest vectors there are, on all threads of the machine if it is large; on the caller's alone
/// while a program has the others.
pub(super) fn run(update: impl Ranges) {
    run_on(update, available_threads());
}

fn run_on<U: Ranges>(update: U, n_threads: usize) {
    let length = range_length(update.n_elements(), U::BYTES);
    if n_threads == 1 || length >= update.n_elements() {
        return vectorize::run(update);
    }
    let mut ranges: SmallVec<[Option<U>; MAX_RANGES]> = SmallVec::new();
    let mut rest = update;
    while rest.n_elements() > length {
        let (first, others) = rest.split_at(length);
        ranges.push(Some(first));
        rest = others;
    }
    ranges.push(Some(rest));
    Team::gather(n_threads).run_each(&mut ranges, &|range| range.take().into_iter().for_each(vectorize::run));
}

/// How many elements a range has, of so many of so many bytes each.
fn range_length(n_elements: usize, bytes: usize) -> usize {
    let n_bytes = n_elements.saturating_mul(bytes);
    if n_bytes < MIN_BYTES {
        return n_elements;
    }
    let n_ranges = (n_bytes / RANGE_BYTES).min(MAX_RANGES);
    n_elements.div_ceil(n_ranges).next_multiple_of(BLOCK_ELEMENTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks each element with the length of the range that it is in.
    struct Mark<'a>(&'a mut [u32]);

    impl Loop for Mark<'_> {
        #[inline(always)]
        fn run(self) {
            let length = self.0.len() as u32;
            self.0.iter_mut().for_each(|x| *x += length);
        }
    }

    impl Ranges for Mark<'_> {
        const BYTES: usize = 4;

        fn n_elements(&self) -> usize {
            self.0.len()
        }

        fn split_at(self, n: usize) -> (Self, Self) {
            let (first, others) = self.0.split_at_mut(n);
            (Mark(first), Mark(others))
        }
    }

    #[test]
    fn every_element_is_updated_once_in_ranges_cut_by_size() {
        let most = MAX_RANGES * RANGE_BYTES / 4;
        for n in [0, 1, 1000, (MIN_BYTES / 4) - 1, MIN_BYTES / 4, MIN_BYTES / 4 + 1, most - 1, 3 * most + 5] {
            let length = range_length(n, 4);
            assert!(length <= n.next_multiple_of(BLOCK_ELEMENTS) && n.div_ceil(length.max(1)) <= MAX_RANGES);
            let want = |position: usize| length.min(n - position / length * length) as u32;
            for n_threads in [2, 3] {
                let mut marks = vec![0; n];
                run_on(Mark(&mut marks), n_threads);
                assert!(marks.iter().enumerate().all(|(position, mark)| *mark == want(position)), "{n} elements");
            }
        }
    }
}
