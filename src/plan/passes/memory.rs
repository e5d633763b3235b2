//! The layout of the arena: offsets for buffers with known lifetimes. In: for each buffer its size, the step that
//! writes it first and the step that reads it last. Out: an offset for each, and a lower bound of the bytes that any
//! layout needs.
//!
//! The invariant: two buffers whose lifetimes overlap do not overlap in the arena. The problem (dynamic storage
//! allocation) is NP-hard, so three greedy layouts are tried (one, if there are very many buffers) and the smallest is
//! kept. Each keeps the invariant because it places a buffer only in a gap between the buffers placed so far whose
//! lifetimes overlap its own (`best_fit`), or in memory that was freed before its first step (`by_time`).

use std::collections::BTreeSet;

/// Every buffer begins at a multiple of so many bytes.
pub(crate) const ALIGNMENT: usize = 64;

/// With more buffers than this only `by_time` is tried: `best_fit` compares all pairs.
const MAX_COMPARED: usize = 2048;

/// A buffer: `first` writes it, `last` is the last step that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) bytes: usize,
}

/// Offsets of buffers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArenaLayout {
    pub(crate) offsets: Vec<usize>,
    pub(crate) bytes: usize,
    /// The bytes that are live at the fullest step: no layout needs less.
    pub(crate) lower_bound: usize,
}

impl Lifetime {
    fn overlaps(&self, other: &Lifetime) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The smallest of three layouts: best fit by decreasing size, best fit by decreasing length of lifetime, and by time.
///
/// # Source
/// Pisarchyk and Lee, *Efficient memory management for deep neural net inference*, 2020, for the first.
pub(crate) fn lay_out(lifetimes: &[Lifetime]) -> ArenaLayout {
    let rounded: Vec<Lifetime> = lifetimes
        .iter()
        .map(|lifetime| Lifetime { bytes: lifetime.bytes.next_multiple_of(ALIGNMENT), ..*lifetime })
        .collect();
    let lower_bound = fullest(&rounded);
    let mut best = by_time(&rounded);
    if rounded.len() <= MAX_COMPARED {
        let mut order: Vec<usize> = (0..rounded.len()).collect();
        order.sort_by_key(|buffer| (std::cmp::Reverse(rounded[*buffer].bytes), *buffer));
        let by_size = best_fit(&rounded, &order);
        order.sort_by_key(|buffer| (std::cmp::Reverse(rounded[*buffer].last - rounded[*buffer].first), *buffer));
        let by_life = best_fit(&rounded, &order);
        for layout in [by_size, by_life] {
            if layout.1 < best.1 {
                best = layout;
            }
        }
    }
    ArenaLayout { offsets: best.0, bytes: best.1, lower_bound }
}

fn fullest(lifetimes: &[Lifetime]) -> usize {
    let mut changes: Vec<(usize, isize)> = Vec::with_capacity(2 * lifetimes.len());
    for lifetime in lifetimes {
        changes.push((lifetime.first, lifetime.bytes as isize));
        changes.push((lifetime.last + 1, -(lifetime.bytes as isize)));
    }
    changes.sort_unstable();
    let mut live = 0;
    let sums = changes.into_iter().map(|(_, change)| {
        live += change;
        live
    });
    sums.max().unwrap_or(0).max(0) as usize
}

/// Places buffers in the given order, each in the smallest gap that is large enough between the placed buffers that are
/// live at the same time.
fn best_fit(lifetimes: &[Lifetime], order: &[usize]) -> (Vec<usize>, usize) {
    let mut offsets = vec![0usize; lifetimes.len()];
    let mut placed: Vec<usize> = Vec::with_capacity(order.len());
    let mut end = 0;
    for buffer in order.iter().copied() {
        let lifetime = &lifetimes[buffer];
        let (mut offset, mut gap, mut start) = (None, usize::MAX, 0);
        for placed_buffer in placed.iter().filter(|placed_buffer| lifetimes[**placed_buffer].overlaps(lifetime)) {
            let room = offsets[*placed_buffer].saturating_sub(start);
            if room >= lifetime.bytes && room < gap {
                (offset, gap) = (Some(start), room);
            }
            start = start.max(offsets[*placed_buffer] + lifetimes[*placed_buffer].bytes);
        }
        offsets[buffer] = offset.unwrap_or(start);
        end = end.max(offsets[buffer] + lifetime.bytes);
        let position = placed.partition_point(|placed_buffer| offsets[*placed_buffer] <= offsets[buffer]);
        placed.insert(position, buffer);
    }
    (offsets, end)
}

/// Places buffers by their first step, each in the smallest hole that is free at that step.
fn by_time(lifetimes: &[Lifetime]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..lifetimes.len()).collect();
    order.sort_by_key(|buffer| (lifetimes[*buffer].first, *buffer));
    let mut ends: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut holes: BTreeSet<(usize, usize)> = BTreeSet::new();
    let (mut offsets, mut end) = (vec![0usize; lifetimes.len()], 0usize);
    for buffer in order {
        let lifetime = &lifetimes[buffer];
        while let Some((last, over)) = ends.first().copied().filter(|(last, _)| *last < lifetime.first) {
            ends.remove(&(last, over));
            give_back(&mut holes, offsets[over], lifetimes[over].bytes);
        }
        let hole =
            holes.iter().copied().filter(|(_, bytes)| *bytes >= lifetime.bytes).min_by_key(|hole| (hole.1, hole.0));
        offsets[buffer] = match hole {
            Some((offset, bytes)) => {
                holes.remove(&(offset, bytes));
                give_back(&mut holes, offset + lifetime.bytes, bytes - lifetime.bytes);
                offset
            }
            None => {
                // The hole at the end grows.
                let last = holes.last().copied().filter(|(offset, bytes)| offset + bytes == end);
                let offset = last.map_or(end, |(offset, _)| offset);
                last.iter().for_each(|hole| _ = holes.remove(hole));
                end = offset + lifetime.bytes;
                offset
            }
        };
        ends.insert((lifetime.last, buffer));
    }
    (offsets, end)
}

/// Adds a hole, as one with its neighbours.
fn give_back(holes: &mut BTreeSet<(usize, usize)>, mut offset: usize, mut bytes: usize) {
    if bytes == 0 {
        return;
    }
    if let Some(before) = holes.range(..(offset, 0)).next_back().copied().filter(|hole| hole.0 + hole.1 == offset) {
        holes.remove(&before);
        (offset, bytes) = (before.0, before.1 + bytes);
    }
    if let Some(after) = holes.range((offset, 0)..).next().copied().filter(|hole| hole.0 == offset + bytes) {
        holes.remove(&after);
        bytes += after.1;
    }
    holes.insert((offset, bytes));
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn buffers_that_live_at_once_do_not_overlap() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for n_buffers in [0usize, 1, 5, 60, 3000] {
            let lifetimes: Vec<Lifetime> = (0..n_buffers)
                .map(|_| {
                    let first = rng.random_range(0..40);
                    Lifetime { first, last: first + rng.random_range(0..9), bytes: rng.random_range(0..5000) }
                })
                .collect();
            let layout = lay_out(&lifetimes);
            assert!(layout.bytes >= layout.lower_bound);
            for (one, a) in lifetimes.iter().enumerate() {
                for (other, b) in lifetimes.iter().enumerate().skip(one + 1) {
                    let (start, second) = (layout.offsets[one], layout.offsets[other]);
                    let is_apart = start + a.bytes <= second || second + b.bytes <= start;
                    assert!(!a.overlaps(b) || is_apart, "{a:?} at {start} and {b:?} at {second}");
                }
            }
        }
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let chain: Vec<Lifetime> = (0..100).map(|step| Lifetime { first: step, last: step + 1, bytes: 1000 }).collect();
        let layout = lay_out(&chain);
        assert_eq!((layout.bytes, layout.lower_bound), (2048, 2048));
    }
}
