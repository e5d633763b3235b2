//! How the elements of an array lie in memory. In: shapes and movements of data. Out: an [`StridedLayout`], sizes with
//! strides, so that a movement of data costs nothing. It does not say whose memory it is.

use smallvec::SmallVec;

/// Sizes of axes in numbers.
pub(crate) type Sizes = SmallVec<[usize; 4]>;

/// One axis: how many elements, and how far apart they are, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StridedAxis {
    pub(crate) size: usize,
    pub(crate) stride: isize,
}

/// A strided layout: element i of the index is at `offset + Σ iₐ·strideₐ`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct StridedLayout {
    pub(crate) offset: isize,
    pub(crate) axes: SmallVec<[StridedAxis; 4]>,
}

/// The number of elements of an array.
pub(crate) fn count(sizes: &[usize]) -> usize {
    sizes.iter().product()
}

impl StridedLayout {
    /// Row-major order without gaps.
    pub(crate) fn contiguous(sizes: &[usize]) -> StridedLayout {
        let mut stride = 1isize;
        let mut axes: SmallVec<[StridedAxis; 4]> = SmallVec::with_capacity(sizes.len());
        for size in sizes.iter().rev() {
            axes.push(StridedAxis { size: *size, stride });
            stride *= (*size).max(1) as isize;
        }
        axes.reverse();
        StridedLayout { offset: 0, axes }
    }

    /// The number of elements.
    pub(crate) fn count(&self) -> usize {
        self.axes.iter().map(|axis| axis.size).product()
    }

    /// The sizes of the axes.
    pub(crate) fn sizes(&self) -> Sizes {
        self.axes.iter().map(|axis| axis.size).collect()
    }

    /// This, or row-major order if there is no element: strides that lead nowhere are all the same, and whoever merges
    /// axes or compares orders need not ask for empty arrays.
    fn normal(self) -> StridedLayout {
        if self.count() == 0 { StridedLayout::contiguous(&self.sizes()) } else { self }
    }

    /// Whether the elements lie in row-major order without gaps, from the start.
    pub(crate) fn is_contiguous(&self) -> bool {
        if self.count() == 0 {
            return true;
        }
        let mut expected = 1isize;
        for axis in self.axes.iter().rev().filter(|axis| axis.size != 1) {
            if axis.stride != expected {
                return false;
            }
            expected *= axis.size as isize;
        }
        self.offset == 0
    }

    /// Axis i of the result is axis `permutation[i]` of this.
    pub(crate) fn transposed(&self, permutation: &[usize]) -> StridedLayout {
        StridedLayout { offset: self.offset, axes: permutation.iter().map(|axis| self.axes[*axis]).collect() }.normal()
    }

    /// Axis i of this becomes axis `places[i]` of an array of `sizes`; axes of size 1 stretch, others are added.
    pub(crate) fn broadcast(&self, places: &[usize], sizes: &[usize]) -> StridedLayout {
        let mut axes: SmallVec<[StridedAxis; 4]> =
            sizes.iter().map(|size| StridedAxis { size: *size, stride: 0 }).collect();
        for (axis, place) in self.axes.iter().zip(places) {
            if axis.size != 1 {
                axes[*place].stride = axis.stride;
            }
        }
        StridedLayout { offset: self.offset, axes }.normal()
    }

    /// Every `steps[i]`-th element from `starts[i]`, `sizes[i]` of them.
    pub(crate) fn sliced(&self, starts: &[usize], steps: &[usize], sizes: &[usize]) -> StridedLayout {
        let mut sliced = self.clone();
        if count(sizes) == 0 {
            return StridedLayout::contiguous(sizes);
        }
        for (position, axis) in sliced.axes.iter_mut().enumerate() {
            sliced.offset += axis.stride * starts[position] as isize;
            // A step may be larger than the axis where one element is taken. Where two are, it is within the axis, so
            // that every product here is below the number of elements of the memory, which fits.
            let step = if sizes[position] == 1 { 0 } else { steps[position] as isize };
            *axis = StridedAxis { size: sizes[position], stride: axis.stride * step };
        }
        sliced
    }

    /// The elements in reverse order along `axes`.
    pub(crate) fn reversed(&self, axes: &[usize]) -> StridedLayout {
        let mut reversed = self.clone();
        for position in axes {
            let axis = &mut reversed.axes[*position];
            reversed.offset += axis.stride * (axis.size as isize - 1);
            axis.stride = -axis.stride;
        }
        reversed.normal()
    }

    /// The same order of elements with as few axes as possible; axes of size 1 are gone.
    pub(crate) fn coalesced(&self) -> StridedLayout {
        let mut axes: SmallVec<[StridedAxis; 4]> = SmallVec::new();
        for axis in self.axes.iter().filter(|axis| axis.size != 1) {
            match axes.last_mut() {
                Some(last) if last.stride == axis.stride * axis.size as isize => {
                    *last = StridedAxis { size: last.size * axis.size, stride: axis.stride };
                }
                _ => axes.push(*axis),
            }
        }
        StridedLayout { offset: self.offset, axes }
    }

    /// The same row-major order of elements in other sizes, if strides can say so.
    pub(crate) fn reshaped(&self, sizes: &[usize]) -> Option<StridedLayout> {
        if self.count() == 0 {
            return Some(StridedLayout::contiguous(sizes));
        }
        let coalesced = self.coalesced();
        let mut rest: SmallVec<[StridedAxis; 4]> = coalesced.axes.clone();
        let mut axes: SmallVec<[StridedAxis; 4]> = SmallVec::with_capacity(sizes.len());
        // From the innermost axis outwards, each new axis is cut off the innermost axis that is left.
        for size in sizes.iter().rev() {
            if *size == 1 {
                axes.push(StridedAxis { size: 1, stride: 0 });
                continue;
            }
            let last = rest.last_mut()?;
            if last.size % size != 0 {
                return None;
            }
            axes.push(StridedAxis { size: *size, stride: last.stride });
            *last = StridedAxis { size: last.size / size, stride: last.stride * *size as isize };
            if last.size == 1 {
                rest.pop();
            }
        }
        axes.reverse();
        Some(StridedLayout { offset: self.offset, axes })
    }

    /// The one axis that `axes` of this make together, if strides can say so.
    pub(crate) fn merged(&self, axes: &[usize]) -> Option<StridedAxis> {
        if axes.iter().any(|axis| self.axes[*axis].size == 0) {
            return Some(StridedAxis { size: 0, stride: 0 });
        }
        let coalesced = self.transposed(axes).coalesced();
        match coalesced.axes.as_slice() {
            [] => Some(StridedAxis { size: 1, stride: 0 }),
            [axis] => Some(*axis),
            _ => None,
        }
    }
}

/// The offsets of all elements in row-major order.
pub(crate) fn offsets(layout: &StridedLayout) -> impl Iterator<Item = isize> {
    (0..layout.count()).map(|element| {
        let mut rest = element;
        layout.axes.iter().rev().fold(layout.offset, |offset, axis| {
            let index = rest % axis.size;
            rest /= axis.size;
            offset + axis.stride * index as isize
        })
    })
}

/// How a user with an iteration space of the same size, or a larger one, reads an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessPattern {
    /// Element i is read by element i, in row-major order.
    Elementwise,
    /// Element r is read by all of `r·columns .. (r + 1)·columns`.
    RowBroadcast {
        /// How often each element is read.
        columns: usize,
    },
    /// In any other way.
    General,
}

impl StridedLayout {
    /// How the elements of an array of `n_elements` in row-major order are read through this.
    pub(crate) fn access_pattern(&self, n_elements: usize) -> AccessPattern {
        let coalesced = self.coalesced();
        if coalesced.offset != 0 {
            return AccessPattern::General;
        }
        match coalesced.axes.as_slice() {
            [] if n_elements == 1 => AccessPattern::Elementwise,
            [axis] if axis.stride == 1 && axis.size == n_elements => AccessPattern::Elementwise,
            [axis] if axis.stride == 0 && n_elements == 1 => AccessPattern::RowBroadcast { columns: axis.size },
            [rows, columns] if rows.stride == 1 && rows.size == n_elements && columns.stride == 0 => {
                AccessPattern::RowBroadcast { columns: columns.size }
            }
            _ => AccessPattern::General,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn movements_compose_into_strides() {
        let x = StridedLayout::contiguous(&[2, 3, 4]);
        let t = x.transposed(&[2, 0, 1]);
        assert_eq!(t.sizes().as_slice(), [4, 2, 3]);
        assert_eq!(
            t.coalesced().axes.as_slice(),
            [StridedAxis { size: 4, stride: 1 }, StridedAxis { size: 6, stride: 4 }]
        );
        assert_eq!(t.reshaped(&[4, 6]).map(|layout| layout.axes[1].stride), Some(4));
        assert_eq!(t.reshaped(&[8, 3]), None);
        let r = x.reversed(&[2]);
        assert_eq!((r.offset, r.axes[2].stride), (3, -1));
        let s = x.sliced(&[1, 0, 1], &[1, 2, 2], &[1, 2, 2]);
        assert_eq!((s.offset, s.axes[1].stride, s.axes[2].stride), (13, 8, 2));
    }

    #[test]
    fn relations_are_told_from_strides() {
        let rows = StridedLayout::contiguous(&[5]).reshaped(&[5, 1]).expect("axes of size 1 are free");
        assert_eq!(rows.broadcast(&[0, 1], &[5, 7]).access_pattern(5), AccessPattern::RowBroadcast { columns: 7 });
        assert_eq!(StridedLayout::contiguous(&[5, 7]).access_pattern(35), AccessPattern::Elementwise);
        assert_eq!(StridedLayout::contiguous(&[7]).broadcast(&[1], &[5, 7]).access_pattern(7), AccessPattern::General);
        assert_eq!(
            StridedLayout::contiguous(&[]).broadcast(&[], &[9]).access_pattern(1),
            AccessPattern::RowBroadcast { columns: 9 }
        );
    }
}
