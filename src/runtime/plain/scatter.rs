//! Adding at positions that are computed: the transpose of a gather. In: base, index and updates. Out: the base with the
//! updates added, duplicates in index order whatever the cut.

use std::ops::Range;

use super::{
    Place, Run,
    cut::Cut,
    data::{Data, DataMut, Stored, each_number},
    gather::Gather,
};
use crate::{
    graph::{Gather as GatherOp, ScatterAdd as Op},
    ops::{Fault, Number},
};

/// Each part that a slab is cut into reads the whole index of the slab, so there are few.
const MOST_PARTS_OF_A_SLAB: usize = 8;

/// Rows shorter than this take about as long to add as their positions to read: a slab of them is not cut.
const LEAST_ROW: usize = 32;

/// The output is `[batch, outer, size, row]`, as x is for the gather.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ScatterAdd {
    gather: Gather,
    /// How many of those rows are one unit: all of a slab, or one.
    n_rows: usize,
}

impl ScatterAdd {
    pub(super) fn resolve(op: &Op, place: Place<'_>) -> ScatterAdd {
        let gather = GatherOp { axis: op.axis, batch: op.batch };
        let gather = Gather::of_shapes(&gather, place.operands[0].1, place.operands[1].1);
        let is_one_slab = gather.n_batch * gather.n_outer == 1;
        let n_rows = if is_one_slab && gather.row >= LEAST_ROW { 1 } else { gather.size };
        ScatterAdd { gather, n_rows }
    }

    /// Adds to the rows `rows` of the output, counted over all slabs, which hold the base.
    fn add<T: Number>(&self, rows: Range<usize>, (index, updates): (&[i64], &[T]), mut out: &mut [T]) {
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
            self.add_to_slab(first as i64, positions, updates, now);
            (slab, first, out) = (slab + 1, 0, later);
        }
    }

    /// Adds to the rows of a slab from `first` on, as many as `out` has.
    fn add_to_slab<T: Number>(&self, first: i64, positions: &[i64], updates: &[T], out: &mut [T]) {
        if self.gather.row == 1 {
            for (position, update) in positions.iter().zip(updates) {
                if let Some(sum) = usize::try_from(position - first).ok().and_then(|row| out.get_mut(row)) {
                    *sum = sum.add(*update);
                }
            }
            return;
        }
        let row = self.gather.row;
        let n_rows = out.len() / row;
        for (position, update) in positions.iter().zip(updates.chunks_exact(row)) {
            if let Some(place) = usize::try_from(position - first).ok().filter(|place| *place < n_rows) {
                let sums = &mut out[place * row..][..row];
                sums.iter_mut().zip(update).for_each(|(sum, update)| *sum = sum.add(*update));
            }
        }
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

    fn run(&self, units: Range<usize>, operands: &[Data<'_>], out: DataMut<'_>) -> Result<(), Fault> {
        let index = i64::of(&operands[1]);
        if units.start == 0 {
            self.gather.check(index)?;
        }
        let rows = units.start * self.n_rows..units.end * self.n_rows;
        each_number!(out, out => {
            let base = Stored::of(&operands[0]);
            out.copy_from_slice(&base[rows.start * self.gather.row..rows.end * self.gather.row]);
            self.add(rows, (index, Stored::of(&operands[2])), out);
        });
        Ok(())
    }
}
