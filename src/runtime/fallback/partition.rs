//! How an output is cut into parts. In: the number of units that are computed by themselves, and their size and work.
//! Out: ranges. Only shapes decide, never a number of threads, so that results do not depend on it.

use std::ops::Range;

/// Work of a part, in operations of about a nanosecond, below which handing it to another thread does not pay.
const GRAIN: usize = 1 << 15;

/// More parts than this only cost their starts.
const MAX_PARTS: usize = 64;

/// An output as a sequence of equal units, so many of them to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partition {
    n_units: usize,
    n_elements: usize,
    n_units_each: usize,
}

impl Partition {
    /// `n_units` of `n_elements` each, of which one takes `work` operations.
    pub(super) fn new(n_units: usize, n_elements: usize, work: usize) -> Partition {
        let enough = GRAIN.div_ceil(work.max(1));
        Partition { n_units, n_elements, n_units_each: enough.max(n_units.div_ceil(MAX_PARTS)) }
    }

    /// As [`Partition::new`], in at most `n_parts`.
    pub(super) fn at_most(self, n_parts: usize) -> Partition {
        Partition { n_units_each: self.n_units_each.max(self.n_units.div_ceil(n_parts)), ..self }
    }

    /// At least 1, so that an empty output has somebody to look for faults.
    pub(super) fn n_parts(&self) -> usize {
        self.n_units.div_ceil(self.n_units_each).max(1)
    }

    pub(super) fn units(&self, part: usize) -> Range<usize> {
        let start = part * self.n_units_each;
        start..(start + self.n_units_each).min(self.n_units)
    }

    pub(super) fn elements(&self, part: usize) -> Range<usize> {
        let units = self.units(part);
        units.start * self.n_elements..units.end * self.n_elements
    }

    /// The most elements of a part.
    pub(super) fn largest(&self) -> usize {
        self.n_units_each.min(self.n_units) * self.n_elements
    }

    /// Every unit a part, so that small shapes have parts too.
    #[cfg(test)]
    pub(super) fn finest(self) -> Partition {
        Partition { n_units_each: 1, ..self }
    }
}
