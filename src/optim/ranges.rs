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
pub(super) fn run<U: Ranges>(update: U) {
    let n_elements = update.n_elements();
    run_each(std::iter::once(update), n_elements);
}

/// Runs several updates, of so many elements in all, as one.
pub(super) fn run_each<U: Ranges>(updates: impl Iterator<Item = U>, n_elements: usize) {
    run_on(updates, n_elements, range_length(n_elements, U::BYTES), available_threads());
}

/// Runs an update in ranges of so many elements.
pub(super) fn run_cut(update: impl Ranges, length: usize) {
    let n_elements = update.n_elements();
    run_on(std::iter::once(update), n_elements, length, available_threads());
}

fn run_on<U: Ranges>(updates: impl Iterator<Item = U>, n_elements: usize, length: usize, n_threads: usize) {
    if n_threads == 1 || length >= n_elements {
        return updates.for_each(vectorize::run);
    }
    let run_all = |ranges: &mut [Option<U>]| {
        Team::gather(n_threads).run_each(ranges, &|range| range.take().into_iter().for_each(vectorize::run));
    };
    let mut ranges: SmallVec<[Option<U>; MAX_RANGES]> = SmallVec::new();
    for update in updates {
        let mut rest = Some(update);
        while let Some(update) = rest.take() {
            let first = if update.n_elements() > length {
                let (first, others) = update.split_at(length);
                rest = Some(others);
                first
            } else {
                update
            };
            // More updates than ranges at most: those that there are go first.
            if ranges.len() == MAX_RANGES {
                run_all(&mut ranges);
                ranges.clear();
            }
            ranges.push(Some(first));
        }
    }
    run_all(&mut ranges);
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
                run_on(std::iter::once(Mark(&mut marks)), n, length, n_threads);
                assert!(marks.iter().enumerate().all(|(position, mark)| *mark == want(position)), "{n} elements");
            }
        }
    }

    #[test]
    fn more_updates_than_ranges_are_each_run_once() {
        let n = MIN_BYTES / 4 + 1;
        for n_each in [n / (3 * MAX_RANGES), n / 7] {
            let mut marks = vec![0; n];
            run_on(marks.chunks_mut(n_each).map(Mark), n, range_length(n, 4), 2);
            assert!(marks.iter().all(|mark| (1..=n as u32).contains(mark)), "{n_each} elements each");
            assert!(marks.chunks(n_each).all(|marks| marks[0] as usize == range_length(n, 4).min(marks.len())));
        }
    }
}
