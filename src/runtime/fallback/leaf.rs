//! Iota: counters. In: nothing. Out: 0, 1, 2, … along one axis.

use super::{FallbackRun, KernelPart, ResolveContext, data::each_number, lanes::Lanes, partition::Partition};
use crate::{
    graph::Iota as Op,
    ops::{Number, OpError},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct IotaKernel {
    lanes: Lanes,
}

impl IotaKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> IotaKernel {
        IotaKernel { lanes: Lanes::along(place.output.1, op.axis) }
    }

    fn count<T: Number>(&self, out: &mut [T]) {
        if out.is_empty() {
            return;
        }
        for slab in out.chunks_exact_mut(self.lanes.slab()) {
            slab.chunks_exact_mut(self.lanes.inner).zip(0..).for_each(|(row, place)| row.fill(T::from_i64(place)));
        }
    }
}

impl FallbackRun for IotaKernel {
    fn partition(&self) -> Partition {
        Partition::new(self.lanes.outer, self.lanes.slab(), self.lanes.slab() / 4)
    }

    fn run(&self, KernelPart { out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        each_number!(out, out => self.count(out));
        Ok(())
    }
}
