//! Scatter-add: adds rows at computed positions; the transpose of a gather. In: base, index and updates. Out: the base
//! with the updates added, duplicates in the order of the index, however the output is partitioned.
//!
//! A long sum would lose small terms, so long sums are kept in scratch memory with more digits than the element type.
//! With short rows, and at least as many updates as rows, all sums are; otherwise only those of rows that occur more
//! than [`MAX_IN_ORDER`] times. Adding a few updates in order directly to the output is as accurate and faster: wider
//! sums for every element would take two or four times the memory of the output, and the time for it, where a large
//! table has few updates.

use std::ops::Range;

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{SliceElement, each_number},
    gather::GatherKernel,
    partition::Partition,
};
use crate::{
    graph::{Gather as GatherOp, ScatterAdd as Op},
    ops::{Number, OpError, Total},
};

/// The most parts of a slab: each of them reads the whole index of the slab.
const MAX_PARTS_OF_A_SLAB: usize = 8;

/// Rows shorter than this take about as long to add as their positions to read: a slab of them is not cut.
const MIN_ROW: usize = 32;

/// The most updates of one row that are added directly, in order: the roundings of so many are off by some 1.5 ε for
/// random numbers.
const MAX_IN_ORDER: u64 = 128;

/// For [`is_spread`]: positions in a run, and the number of runs that may overlap; together as many positions as one
/// row takes in order.
const RUN: usize = 16;
const MEETING: usize = MAX_IN_ORDER as usize / RUN;

/// The number of row counters in one word of scratch memory. A counter is a byte and saturates.
const COUNTERS: usize = 8;

/// The output is `[batch, outer, size, row]`, as x is for the gather.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ScatterAddKernel {
    gather: GatherKernel,
    /// How many of those rows are one unit: all of a slab, or one.
    n_rows: usize,
    /// Words of scratch memory: a counter for each row of a part if rows are counted, and a word for each element.
    n_scratch: usize,
    long: Long,
}

/// Which sums are kept in scratch memory with more digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Long {
    /// None: there are too few updates to lose digits, or they are integers.
    None,
    /// Those of rows that occur often in the index.
    Frequent,
    /// All: counting rows would take as long.
    All,
}

/// Numbers whose sums are kept in an element of the output and a word of scratch memory.
trait Kept: Number {
    /// The word of a sum of one number.
    fn begin(number: Self) -> u64;
    fn add_to(sum: &mut Self, word: &mut u64, number: Self);
    /// Rounds the sum to the element of the output.
    fn finish(sum: &mut Self, word: u64);
}

/// The word holds the whole sum, in a wider type.
impl Kept for f32 {
    #[inline(always)]
    fn begin(number: f32) -> u64 {
        f64::from(number).to_bits()
    }
    #[inline(always)]
    fn add_to(_: &mut f32, word: &mut u64, number: f32) {
        *word = <f64 as Total<f32>>::add(f64::from_bits(*word), number).to_bits();
    }
    #[inline(always)]
    fn finish(sum: &mut f32, word: u64) {
        *sum = <f64 as Total<f32>>::rounded(f64::from_bits(word));
    }
}

type Total64 = <f64 as Number>::Total;

/// The word holds what was rounded away (a compensated sum).
impl Kept for f64 {
    #[inline(always)]
    fn begin(_: f64) -> u64 {
        0
    }
    #[inline(always)]
    fn add_to(sum: &mut f64, word: &mut u64, number: f64) {
        let (high, low) = Total64::joined(*sum, f64::from_bits(*word)).add(number).split();
        (*sum, *word) = (high, low.to_bits());
    }
    #[inline(always)]
    fn finish(sum: &mut f64, word: u64) {
        *sum = Total64::joined(*sum, f64::from_bits(word)).rounded();
    }
}

/// Integers: nothing is rounded.
impl Kept for i64 {
    fn begin(_: i64) -> u64 {
        0
    }
    fn add_to(sum: &mut i64, _: &mut u64, number: i64) {
        *sum = Number::add(*sum, number);
    }
    fn finish(_: &mut i64, _: u64) {}
}

impl ScatterAddKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> ScatterAddKernel {
        let gather = GatherOp { axis: op.axis, batch: op.batch };
        let gather = GatherKernel::of_shapes(&gather, place.operands[0].1, place.operands[1].1);
        let is_one_slab = gather.n_batch * gather.n_outer == 1;
        let n_rows = if is_one_slab && gather.row >= MIN_ROW { 1 } else { gather.size };
        let is_long = gather.n_positions as u64 > MAX_IN_ORDER && place.output.0.is_float();
        let long = match is_long {
            false => Long::None,
            true if gather.row < MIN_ROW && gather.size <= gather.n_positions => Long::All,
            true => Long::Frequent,
        };
        let scatter = ScatterAddKernel { gather, n_rows, n_scratch: 0, long };
        let elements = scatter.partition().largest().min(scatter.gather.size * scatter.gather.row);
        let counters = elements.div_ceil(scatter.gather.row.max(1)).div_ceil(COUNTERS);
        let n_scratch = match long {
            Long::None => 0,
            Long::Frequent => counters + elements,
            Long::All => elements,
        };
        ScatterAddKernel { n_scratch, ..scatter }
    }

    /// Adds to the rows `rows` of the output, counted over all slabs, which hold the base.
    fn add<T: Kept>(
        &self,
        rows: Range<usize>,
        (index, updates): (&[i64], &[T]),
        mut out: &mut [T],
        scratch: &mut [u64],
    ) {
        if out.is_empty() {
            return;
        }
        let GatherKernel { n_outer, n_positions, row, size, .. } = self.gather;
        let (mut slab, mut first) = (rows.start / size, rows.start % size);
        while !out.is_empty() {
            let n_rows = (size - first).min(out.len() / row);
            let (segment, later) = out.split_at_mut(n_rows * row);
            let positions = &index[slab / n_outer * n_positions..][..n_positions];
            let updates = &updates[slab * n_positions * row..][..n_positions * row];
            match self.long {
                Long::None => self.add_to_slab(first as i64, positions, updates, segment),
                Long::All => self.add_all_exactly(first as i64, (positions, updates), segment, scratch),
                Long::Frequent => match self.frequent(first as i64, positions, segment, scratch) {
                    Some(frequent) => self.add_exactly(first as i64, (positions, updates), segment, frequent),
                    None => self.add_to_slab(first as i64, positions, updates, segment),
                },
            }
            (slab, first, out) = (slab + 1, 0, later);
        }
    }

    /// Which of the rows from `first` on are added to often, if any is, with the words of their sums.
    fn frequent<'s, T: Kept>(
        &self,
        first: i64,
        positions: &[i64],
        out: &[T],
        scratch: &'s mut [u64],
    ) -> Option<Frequent<'s>> {
        if is_spread(positions) {
            return None;
        }
        let row = self.gather.row;
        let n_rows = out.len() / row;
        let (counters, rests) = scratch.split_at_mut(n_rows.div_ceil(COUNTERS));
        counters.fill(0);
        let mut is_any = false;
        for place in positions.iter().filter_map(|position| usize::try_from(position.wrapping_sub(first)).ok()) {
            if let Some(counters) = counters.get_mut(place / COUNTERS) {
                let shift = place % COUNTERS * 8;
                let count = *counters >> shift & 0xff;
                *counters += u64::from(count < 0xff) << shift;
                is_any |= count >= MAX_IN_ORDER;
            }
        }
        let frequent = Frequent { counters, rests };
        if !is_any {
            return None;
        }
        for place in 0..n_rows {
            if frequent.has(place) {
                let words = &mut frequent.rests[place * row..][..row];
                words.iter_mut().zip(&out[place * row..]).for_each(|(word, base)| *word = T::begin(*base));
            }
        }
        Some(frequent)
    }

    /// Adds to the rows of a slab from `first` on, all of whose sums are kept with more digits.
    fn add_all_exactly<T: Kept>(
        &self,
        first: i64,
        (positions, updates): (&[i64], &[T]),
        out: &mut [T],
        scratch: &mut [u64],
    ) {
        let row = self.gather.row;
        let n_rows = out.len() / row;
        let words = &mut scratch[..out.len()];
        words.iter_mut().zip(&*out).for_each(|(word, base)| *word = T::begin(*base));
        if row == 1 {
            for (position, update) in positions.iter().zip(updates) {
                let place = usize::try_from(position.wrapping_sub(first)).ok().filter(|place| *place < n_rows);
                let Some(place) = place else { continue };
                T::add_to(&mut out[place], &mut words[place], *update);
            }
        } else {
            for (position, update) in positions.iter().zip(updates.chunks_exact(row)) {
                let place = usize::try_from(position.wrapping_sub(first)).ok().filter(|place| *place < n_rows);
                let Some(place) = place else { continue };
                add_row(&mut out[place * row..][..row], &mut words[place * row..][..row], update);
            }
        }
        out.iter_mut().zip(words).for_each(|(sum, word)| T::finish(sum, *word));
    }

    /// Adds to the rows of a slab from `first` on, with more digits to those that are added to often.
    fn add_exactly<T: Kept>(
        &self,
        first: i64,
        (positions, updates): (&[i64], &[T]),
        out: &mut [T],
        frequent: Frequent<'_>,
    ) {
        let row = self.gather.row;
        let n_rows = out.len() / row;
        for (position, update) in positions.iter().zip(updates.chunks_exact(row)) {
            let place = usize::try_from(position.wrapping_sub(first)).ok().filter(|place| *place < n_rows);
            let Some(place) = place else { continue };
            let sums = &mut out[place * row..][..row];
            if frequent.has(place) {
                add_row(sums, &mut frequent.rests[place * row..][..row], update);
            } else {
                sums.iter_mut().zip(update).for_each(|(sum, update)| *sum = sum.add(*update));
            }
        }
        for place in (0..n_rows).filter(|place| frequent.has(*place)) {
            let words = &frequent.rests[place * row..][..row];
            out[place * row..][..row].iter_mut().zip(words).for_each(|(sum, word)| T::finish(sum, *word));
        }
    }

    /// Adds to the rows of a slab from `first` on, as many as `out` has.
    fn add_to_slab<T: Number>(&self, first: i64, positions: &[i64], updates: &[T], out: &mut [T]) {
        if self.gather.row == 1 {
            for (position, update) in positions.iter().zip(updates) {
                if let Some(sum) = usize::try_from(position.wrapping_sub(first)).ok().and_then(|row| out.get_mut(row)) {
                    *sum = sum.add(*update);
                }
            }
            return;
        }
        let row = self.gather.row;
        let n_rows = out.len() / row;
        for (position, update) in positions.iter().zip(updates.chunks_exact(row)) {
            if let Some(place) = usize::try_from(position.wrapping_sub(first)).ok().filter(|place| *place < n_rows) {
                let sums = &mut out[place * row..][..row];
                sums.iter_mut().zip(update).for_each(|(sum, update)| *sum = sum.add(*update));
            }
        }
    }
}

/// Whether positions go on and on, as those of windows do, so that no place can occur often: each run lies behind all
/// runs but the last few. Where they do not, that is found soon.
fn is_spread(positions: &[i64]) -> bool {
    let (mut greatest, mut previous) = ([i64::MIN; MEETING], i64::MIN);
    positions.chunks(RUN).enumerate().all(|(number, run)| {
        let last = &mut greatest[number % MEETING];
        previous = previous.max(*last);
        *last = run.iter().copied().fold(i64::MIN, i64::max);
        run.iter().copied().fold(i64::MAX, i64::min) > previous
    })
}

/// Adds an update to a row whose sums have words.
fn add_row<T: Kept>(sums: &mut [T], words: &mut [u64], update: &[T]) {
    for ((sum, word), update) in sums.iter_mut().zip(words).zip(update) {
        T::add_to(sum, word, *update);
    }
}

/// How often each row of a part occurs, and for those that do often the words of the sums of their elements.
struct Frequent<'s> {
    counters: &'s [u64],
    rests: &'s mut [u64],
}

impl Frequent<'_> {
    fn has(&self, place: usize) -> bool {
        self.counters[place / COUNTERS] >> (place % COUNTERS * 8) & 0xff > MAX_IN_ORDER
    }
}

impl FallbackRun for ScatterAddKernel {
    fn partition(&self) -> Partition {
        let GatherKernel { n_batch, n_outer, n_positions, row, size, .. } = self.gather;
        let n_slabs = n_batch * n_outer;
        let work = (n_positions * (2 + row) + size * row / 4) / (size / self.n_rows.max(1)).max(1);
        let n_units = if size == 0 { 0 } else { n_slabs * size / self.n_rows };
        let partition = Partition::new(n_units, self.n_rows * row, work);
        if n_slabs == 1 { partition.at_most(MAX_PARTS_OF_A_SLAB) } else { partition }
    }

    fn n_scratch(&self) -> usize {
        self.n_scratch
    }

    fn run(&self, KernelPart { units, operands, out, scratch }: KernelPart<'_>) -> Result<(), OpError> {
        let index = i64::as_slice(&operands[1]);
        if units.start == 0 {
            self.gather.check(index)?;
        }
        let rows = units.start * self.n_rows..units.end * self.n_rows;
        each_number!(out, out => {
            let base = SliceElement::as_slice(&operands[0]);
            out.copy_from_slice(&base[rows.start * self.gather.row..rows.end * self.gather.row]);
            self.add(rows, (index, SliceElement::as_slice(&operands[2])), out, scratch);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the greatest element of each window of an image may be: somewhere in the window.
    fn of_windows(columns: usize, [size, stride]: [usize; 2], mut within: impl FnMut(usize) -> usize) -> Vec<i64> {
        let n_places = (columns - size) / stride + 1;
        let window = |place: usize| {
            let [row, column] = [place / n_places, place % n_places].map(|place| place * stride + within(size));
            (row * columns + column) as i64
        };
        (0..n_places * 40).map(window).collect()
    }

    #[test]
    fn positions_that_are_spread_occur_no_more_often_than_is_added_in_order() {
        let mut state = 1u64;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 33) as usize % bound
        };
        let mut n_spread = 0;
        for trial in 0..2000 {
            let (n, slope, noise) = (below(1500), 1 + below(40), 1 + below(200));
            let positions: Vec<i64> = (0..n).map(|place| (place * slope / 40 + below(noise)) as i64).collect();
            let mut counts = vec![0u64; 2000];
            positions.iter().for_each(|position| counts[*position as usize] += 1);
            if is_spread(&positions) {
                n_spread += 1;
                assert!(counts.iter().all(|count| *count <= MAX_IN_ORDER), "trial {trial}: {positions:?}");
            }
        }
        assert!((200..1800).contains(&n_spread), "{n_spread} of 2000 were spread");
        let most = [0; MAX_IN_ORDER as usize];
        assert!(is_spread(&most) && !is_spread(&[&most[..], &[0]].concat()));
        for (columns, window) in [(28, [2, 2]), (56, [2, 2]), (28, [3, 2]), (9, [3, 3])] {
            assert!(is_spread(&of_windows(columns, window, &mut below)), "{columns} {window:?}");
        }
        assert!(!is_spread(&(0..1000).map(|_| below(1000) as i64).collect::<Vec<_>>()));
    }
}
