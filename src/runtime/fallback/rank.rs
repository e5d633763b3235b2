//! Ranking along one axis: argmax, argmin, these of all elements up to each, and argsort. In: numbers. Out: `i64` positions, ties in order of position; NaN
//! counts as the greatest when sorted, and is found first by argmax and argmin.

use std::{cmp::Ordering, ops::Range};

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{Data, DataMut},
    lanes::Lanes,
    partition::Partition,
};
use crate::{
    graph::{Rank as Op, Ranking},
    ops::{Number, OpError},
};

/// How many neighbouring lanes are searched together.
const N_LANES: usize = 16;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct RankKernel {
    kind: Ranking,
    lanes: Lanes,
}

impl RankKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> Result<RankKernel, OpError> {
        let lanes = Lanes::along(place.operands[0].1, op.axis);
        if lanes.size == 0 && matches!(op.kind, Ranking::ArgMax | Ranking::ArgMin) {
            return Err(OpError::Empty { axis: op.axis });
        }
        Ok(RankKernel { kind: op.kind, lanes })
    }

    fn rank<T: Number>(&self, x: &[T], out: &mut [i64]) {
        if out.is_empty() {
            return;
        }
        let Lanes { inner, .. } = self.lanes;
        let slabs = x.chunks_exact(self.lanes.slab());
        match self.kind {
            Ranking::ArgMax => slabs.zip(out.chunks_exact_mut(inner)).for_each(|(x, out)| {
                first_of_slab(x, out, |element, best| element > best);
            }),
            Ranking::ArgMin => slabs.zip(out.chunks_exact_mut(inner)).for_each(|(x, out)| {
                first_of_slab(x, out, |element, best| element < best);
            }),
            Ranking::ArgSort => slabs.zip(out.chunks_exact_mut(self.lanes.slab())).for_each(|(x, out)| {
                sort_slab(x, inner, out);
            }),
            Ranking::CumulativeArgMax => slabs.zip(out.chunks_exact_mut(self.lanes.slab())).for_each(|(x, out)| {
                firsts_of_slab(x, inner, out, |element, best| element > best);
            }),
            Ranking::CumulativeArgMin => slabs.zip(out.chunks_exact_mut(self.lanes.slab())).for_each(|(x, out)| {
                firsts_of_slab(x, inner, out, |element, best| element < best);
            }),
        }
    }
}

impl FallbackRun for RankKernel {
    fn partition(&self) -> Partition {
        let Lanes { outer, size, inner } = self.lanes;
        match self.kind {
            Ranking::ArgMax | Ranking::ArgMin => Partition::new(outer, inner, self.lanes.slab()),
            Ranking::CumulativeArgMax | Ranking::CumulativeArgMin => {
                Partition::new(outer, self.lanes.slab(), 2 * self.lanes.slab())
            }
            Ranking::ArgSort => {
                Partition::new(outer, self.lanes.slab(), self.lanes.slab() * (2 + size.max(1).ilog2() as usize))
            }
        }
    }

    fn run(&self, KernelPart { units, operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        let DataMut::I64(out) = out else { unreachable!("invariant: positions are i64") };
        let elements = units.start * self.lanes.slab()..units.end * self.lanes.slab();
        match operands[0] {
            Data::F32(x) => self.rank(&x[elements], out),
            Data::F64(x) => self.rank(&x[elements], out),
            Data::I64(x) => self.rank(&x[elements], out),
            Data::Bool(_) => unreachable!("invariant: inference asks for numbers"),
        }
        Ok(())
    }
}

/// For each lane of `[size, inner]` the position of the first NaN, else of the first element that no other beats.
fn first_of_slab<T: Number>(x: &[T], out: &mut [i64], beats: impl Fn(T, T) -> bool + Copy) {
    let inner = out.len();
    let mut done = 0;
    while inner - done >= N_LANES {
        first_of_lanes::<T, N_LANES>(&x[done..], inner, &mut out[done..], beats);
        done += N_LANES;
    }
    while done < inner {
        first_of_lanes::<T, 1>(&x[done..], inner, &mut out[done..], beats);
        done += 1;
    }
}

/// The first `N` lanes, side by side so that they are compared in one vector.
fn first_of_lanes<T: Number, const N: usize>(
    x: &[T],
    inner: usize,
    out: &mut [i64],
    beats: impl Fn(T, T) -> bool + Copy,
) {
    let mut best: [T; N] = std::array::from_fn(|lane| x[lane]);
    let mut positions = [0i64; N];
    for (position, row) in x.chunks(inner).enumerate().skip(1) {
        for (lane, element) in row[..N].iter().enumerate() {
            let wins = !best[lane].is_nan() && (element.is_nan() || beats(*element, best[lane]));
            best[lane] = if wins { *element } else { best[lane] };
            positions[lane] = if wins { position as i64 } else { positions[lane] };
        }
    }
    out[..N].copy_from_slice(&positions);
}

/// For each element of `[size, inner]` the position of the first up to it that no other up to it beats.
fn firsts_of_slab<T: Number>(x: &[T], inner: usize, out: &mut [i64], beats: impl Fn(T, T) -> bool) {
    out[..inner].fill(0);
    for (position, row) in x.chunks_exact(inner).enumerate().skip(1) {
        let (before, current) = out.split_at_mut(position * inner);
        let before = &before[(position - 1) * inner..];
        for (lane, element) in row.iter().enumerate() {
            let best = x[before[lane] as usize * inner + lane];
            let wins = !best.is_nan() && (element.is_nan() || beats(*element, best));
            current[lane] = if wins { position as i64 } else { before[lane] };
        }
    }
}

fn sort_slab<T: Number>(x: &[T], inner: usize, out: &mut [i64]) {
    out.chunks_exact_mut(inner).zip(0..).for_each(|(row, position)| row.fill(position));
    if inner == 1 {
        out.sort_unstable_by(|left, right| order(x, *left as usize, *right as usize));
        return;
    }
    for lane in 0..inner {
        heap_sort(&x[lane..], inner, &mut out[lane..]);
    }
}

/// NaN last, and ties by position, so that no two are equal and any way of sorting is a stable one.
fn order<T: Number>(x: &[T], left: usize, right: usize) -> Ordering {
    let (a, b) = (x[left], x[right]);
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())).then(left.cmp(&right))
}

/// Sorts every `inner`-th element of `out`: in place where they lie, because a lane that is not contiguous has no other
/// place to be sorted in.
fn heap_sort<T: Number>(x: &[T], inner: usize, out: &mut [i64]) {
    let n = x.len().div_ceil(inner);
    for root in (0..n / 2).rev() {
        sift_down(x, inner, out, root..n);
    }
    for end in (1..n).rev() {
        out.swap(0, end * inner);
        sift_down(x, inner, out, 0..end);
    }
}

/// Makes a heap of `heap`, of which only the first may be out of place.
fn sift_down<T: Number>(x: &[T], inner: usize, out: &mut [i64], heap: Range<usize>) {
    let position = |out: &[i64], place: usize| out[place * inner] as usize * inner;
    let mut root = heap.start;
    loop {
        let (left, right) = (2 * root + 1, 2 * root + 2);
        if left >= heap.end {
            return;
        }
        let is_right = right < heap.end && order(x, position(out, left), position(out, right)) == Ordering::Less;
        let child = if is_right { right } else { left };
        if order(x, position(out, root), position(out, child)) != Ordering::Less {
            return;
        }
        out.swap(root * inner, child * inner);
        root = child;
    }
}
