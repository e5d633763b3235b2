//! Adding at positions that are computed: the transpose of a gather. In: base, index and updates. Out: the base with the
//! updates added, duplicates in index order whatever the cut.
//!
//! Most positions occur a few times, and adding in order to the output is as good as it is fast. A sum of many would lose
//! what is small beside it, so a position that occurs more than [`MOST_IN_ORDER`] times is added to with what its additions
//! round away kept in scratch memory. A sum in more digits for every element would take twice or four times the memory of
//! the output, and its time, where a large table has few updates.

use std::ops::Range;

use super::{
    Place, Run,
    cut::Cut,
    data::{Data, DataMut, Stored, each_number},
    gather::Gather,
};
use crate::{
    graph::{Gather as GatherOp, ScatterAdd as Op},
    ops::{Fault, Number, Total},
};

/// Each part that a slab is cut into reads the whole index of the slab, so there are few.
const MOST_PARTS_OF_A_SLAB: usize = 8;

/// Rows shorter than this take about as long to add as their positions to read: a slab of them is not cut.
const LEAST_ROW: usize = 32;

/// How many updates one place takes in plain additions: so many roundings are off by some 1.5 ε for random numbers.
const MOST_IN_ORDER: u64 = 128;

/// Counters of places in one word of scratch memory. They stop at the greatest byte.
const COUNTERS: usize = 8;

/// The output is `[batch, outer, size, row]`, as x is for the gather.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ScatterAdd {
    gather: Gather,
    /// How many of those rows are one unit: all of a slab, or one.
    n_rows: usize,
    /// Words of scratch memory: a counter for each row of a part, and a word for each element.
    n_scratch: usize,
}

impl ScatterAdd {
    pub(super) fn resolve(op: &Op, place: Place<'_>) -> ScatterAdd {
        let gather = GatherOp { axis: op.axis, batch: op.batch };
        let gather = Gather::of_shapes(&gather, place.operands[0].1, place.operands[1].1);
        let is_one_slab = gather.n_batch * gather.n_outer == 1;
        let n_rows = if is_one_slab && gather.row >= LEAST_ROW { 1 } else { gather.size };
        let scatter = ScatterAdd { gather, n_rows, n_scratch: 0 };
        let elements = scatter.cut().largest().min(scatter.gather.size * scatter.gather.row);
        let counters = elements.div_ceil(scatter.gather.row.max(1)).div_ceil(COUNTERS);
        let is_long = scatter.gather.n_positions as u64 > MOST_IN_ORDER && place.output.0.is_float();
        ScatterAdd { n_scratch: if is_long { counters + elements } else { 0 }, ..scatter }
    }

    /// Adds to the rows `rows` of the output, counted over all slabs, which hold the base.
    fn add<T: Number>(
        &self,
        rows: Range<usize>,
        (index, updates): (&[i64], &[T]),
        mut out: &mut [T],
        scratch: &mut [u64],
    ) {
        if out.is_empty() {
            return;
        }
        let Gather { n_outer, n_positions, row, size, .. } = self.gather;
        let (mut slab, mut first) = (rows.start / size, rows.start % size);
        while !out.is_empty() {
            let n_rows = (size - first).min(out.len() / row);
            let (now, later) = out.split_at_mut(n_rows * row);
            let positions = &index[slab / n_outer * n_positions..][..n_positions];
            let updates = &updates[slab * n_positions * row..][..n_positions * row];
            match self.frequent(first as i64, positions, n_rows, scratch) {
                Some(frequent) => self.add_exactly(first as i64, (positions, updates), now, frequent),
                None => self.add_to_slab(first as i64, positions, updates, now),
            }
            (slab, first, out) = (slab + 1, 0, later);
        }
    }

    /// Which of so many rows from `first` on are added to often, if any is, with room for what is rounded away there.
    fn frequent<'s>(
        &self,
        first: i64,
        positions: &[i64],
        n_rows: usize,
        scratch: &'s mut [u64],
    ) -> Option<Frequent<'s>> {
        if self.n_scratch == 0 {
            return None;
        }
        let (counters, rests) = scratch.split_at_mut(n_rows.div_ceil(COUNTERS));
        counters.fill(0);
        let mut is_any = false;
        for place in positions.iter().filter_map(|position| usize::try_from(position.wrapping_sub(first)).ok()) {
            if let Some(counters) = counters.get_mut(place / COUNTERS) {
                let shift = place % COUNTERS * 8;
                let count = *counters >> shift & 0xff;
                *counters += u64::from(count < 0xff) << shift;
                is_any |= count >= MOST_IN_ORDER;
            }
        }
        let frequent = Frequent { counters, rests };
        if !is_any {
            return None;
        }
        for place in 0..n_rows {
            if frequent.has(place) {
                frequent.rests[place * self.gather.row..][..self.gather.row].fill(0);
            }
        }
        Some(frequent)
    }

    /// Adds to the rows of a slab from `first` on, with what is rounded away where that is much.
    fn add_exactly<T: Number>(
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
            let sums = out[place * row..][..row].iter_mut().zip(update);
            if !frequent.has(place) {
                sums.for_each(|(sum, update)| *sum = sum.add(*update));
                continue;
            }
            for ((sum, update), rest) in sums.zip(&mut frequent.rests[place * row..][..row]) {
                let total = T::Total::joined(*sum, f64::from_bits(*rest)).add(*update);
                let (now, left) = total.split();
                (*sum, *rest) = (now, left.to_bits());
            }
        }
        for place in (0..n_rows).filter(|place| frequent.has(*place)) {
            for (sum, rest) in out[place * row..][..row].iter_mut().zip(&frequent.rests[place * row..][..row]) {
                *sum = T::Total::joined(*sum, f64::from_bits(*rest)).rounded();
            }
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

/// How often each row of a part occurs, and for those that do often what was rounded away from each of their elements.
struct Frequent<'s> {
    counters: &'s [u64],
    rests: &'s mut [u64],
}

impl Frequent<'_> {
    fn has(&self, place: usize) -> bool {
        self.counters[place / COUNTERS] >> (place % COUNTERS * 8) & 0xff > MOST_IN_ORDER
    }
}

impl Run for ScatterAdd {
    fn cut(&self) -> Cut {
        let Gather { n_batch, n_outer, n_positions, row, size, .. } = self.gather;
        let n_slabs = n_batch * n_outer;
        let work = (n_positions * (2 + row) + size * row / 4) / (size / self.n_rows.max(1)).max(1);
        let n_units = if size == 0 { 0 } else { n_slabs * size / self.n_rows };
        let cut = Cut::new(n_units, self.n_rows * row, work);
        if n_slabs == 1 { cut.at_most(MOST_PARTS_OF_A_SLAB) } else { cut }
    }

    fn n_scratch(&self) -> usize {
        self.n_scratch
    }

    fn run(
        &self,
        units: Range<usize>,
        operands: &[Data<'_>],
        out: DataMut<'_>,
        scratch: &mut [u64],
    ) -> Result<(), Fault> {
        let index = i64::of(&operands[1]);
        if units.start == 0 {
            self.gather.check(index)?;
        }
        let rows = units.start * self.n_rows..units.end * self.n_rows;
        each_number!(out, out => {
            let base = Stored::of(&operands[0]);
            out.copy_from_slice(&base[rows.start * self.gather.row..rows.end * self.gather.row]);
            self.add(rows, (index, Stored::of(&operands[2])), out, scratch);
        });
        Ok(())
    }
}
