//! Searches in sorted arrays. In: sorted lanes and values. Out: for each value how many elements are before it, by halving.

use std::ops::Range;

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{Data, DataMut},
    partition::Partition,
};
use crate::{
    graph::{SearchSorted as Op, Side},
    ops::{Number, OpError, is_before},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct SearchSortedKernel {
    side: Side,
    n_values: usize,
    /// Elements and values of a lane.
    size: usize,
    width: usize,
}

impl SearchSortedKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> SearchSortedKernel {
        let last = |operand: usize| place.operands[operand].1.last().copied().expect("invariant: there is an axis");
        let n_values = place.output.1.iter().product();
        SearchSortedKernel { side: op.side, n_values, size: last(0), width: last(1) }
    }

    fn search_all<T: Number>(&self, units: Range<usize>, sorted: &[T], values: &[T], out: &mut [i64]) {
        for (unit, out) in units.zip(out) {
            let lane = &sorted[unit / self.width * self.size..][..self.size];
            let value = values[unit];
            *out = lane.partition_point(|element| is_before(*element, value, self.side)) as i64;
        }
    }
}

impl FallbackRun for SearchSortedKernel {
    fn partition(&self) -> Partition {
        Partition::new(self.n_values, 1, 4 + 2 * self.size.max(1).ilog2() as usize)
    }

    fn run(&self, KernelPart { units, operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        let DataMut::I64(out) = out else { unreachable!("invariant: positions are i64") };
        match (operands[0], operands[1]) {
            (Data::F32(sorted), Data::F32(values)) => self.search_all(units, sorted, values, out),
            (Data::F64(sorted), Data::F64(values)) => self.search_all(units, sorted, values, out),
            (Data::I64(sorted), Data::I64(values)) => self.search_all(units, sorted, values, out),
            _ => unreachable!("invariant: inference asks for numbers of one dtype"),
        }
        Ok(())
    }
}
