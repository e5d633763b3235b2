//! Primitives whose attributes say what they do to each axis: the same attributes for one more axis in front, which stays
//! as it is. In: an operation. Out: the operation for stacked operands.

use super::{in_front, one_later, with_first};
use crate::{
    graph::{
        Broadcast, Concat, CumulativeSum, Dim, LinearRecurrence, Op, Pad, RandomBits, Rank, Reduce, Reshape, Reverse,
        Slice, Transpose, Window,
    },
    ops::rule::AxisRule,
};

impl AxisRule for Broadcast {
    fn shifted(&self, batch: &Dim) -> Op {
        Broadcast { axes: with_first(0, &one_later(&self.axes)), shape: in_front(batch, &self.shape) }.into()
    }
}

impl AxisRule for Reshape {
    fn shifted(&self, batch: &Dim) -> Op {
        Reshape { shape: in_front(batch, &self.shape) }.into()
    }
}

impl AxisRule for Transpose {
    fn shifted(&self, _: &Dim) -> Op {
        Transpose { permutation: with_first(0, &one_later(&self.permutation)) }.into()
    }
}

impl AxisRule for Slice {
    fn shifted(&self, batch: &Dim) -> Op {
        let (start, stop) = (with_first(Dim::from(0), &self.start), with_first(batch.clone(), &self.stop));
        Slice { start, stop, step: with_first(1, &self.step) }.into()
    }
}

impl AxisRule for Pad {
    fn shifted(&self, _: &Dim) -> Op {
        let zeros = |side| with_first(Dim::from(0), side);
        Pad { low: zeros(&self.low), high: zeros(&self.high), interior: with_first(0, &self.interior) }.into()
    }
}

impl AxisRule for Concat {
    fn shifted(&self, _: &Dim) -> Op {
        Concat { axis: self.axis + 1 }.into()
    }
}

impl AxisRule for Reverse {
    fn shifted(&self, _: &Dim) -> Op {
        Reverse { axes: one_later(&self.axes) }.into()
    }
}

impl AxisRule for Reduce {
    fn shifted(&self, _: &Dim) -> Op {
        Reduce { kind: self.kind, axes: one_later(&self.axes) }.into()
    }
}

impl AxisRule for Rank {
    fn shifted(&self, _: &Dim) -> Op {
        Rank { kind: self.kind, axis: self.axis + 1 }.into()
    }
}

impl AxisRule for CumulativeSum {
    fn shifted(&self, _: &Dim) -> Op {
        CumulativeSum { axis: self.axis + 1, direction: self.direction }.into()
    }
}

impl AxisRule for LinearRecurrence {
    fn shifted(&self, _: &Dim) -> Op {
        LinearRecurrence { axis: self.axis + 1, direction: self.direction }.into()
    }
}

impl AxisRule for Window {
    fn shifted(&self, _: &Dim) -> Op {
        let window = Window {
            kind: self.kind,
            size: with_first(1, &self.size),
            stride: with_first(1, &self.stride),
            dilation: with_first(1, &self.dilation),
            low: with_first(0, &self.low),
            high: with_first(0, &self.high),
        };
        window.into()
    }
}

impl AxisRule for RandomBits {
    /// Each example counts its own elements from 0, with its own key and counter.
    fn shifted(&self, batch: &Dim) -> Op {
        RandomBits { width: self.width, shape: in_front(batch, &self.shape) }.into()
    }
}
