//! An array seen along one axis. In: a shape and an axis. Out: how many axes' worth of elements are before, on and
//! after it.

/// The shape `[outer, size, inner]` that an array has once the axes before and after one are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lanes {
    pub(super) outer: usize,
    pub(super) size: usize,
    pub(super) inner: usize,
}

impl Lanes {
    pub(super) fn along(shape: &[usize], axis: usize) -> Lanes {
        let (before, rest) = shape.split_at(axis);
        Lanes { outer: before.iter().product(), size: rest[0], inner: rest[1..].iter().product() }
    }

    /// Elements of `[size, inner]`.
    pub(super) fn slab(&self) -> usize {
        self.size * self.inner
    }
}
