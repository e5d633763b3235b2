//! What a program keeps between its steps. In: sizes. Out: a [`MemoryMap`], whose rows are bytes of the arena with the steps between
//! which they are in use, and sums of these by step and by line.

use std::collections::BTreeMap;

use super::{RunError, Runner};
use crate::graph::Site;

/// Bytes of the arena of a program with the steps between which they are in use; of [`MemoryMap`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MemoryRow {
    /// The first byte.
    pub offset: usize,
    /// How many bytes.
    pub bytes: usize,
    /// The position of the step that writes them.
    pub first_step: usize,
    /// The position of the last step that reads them.
    pub last_step: usize,
    /// Whether the last step writes another value into the same bytes, which are that value's from there on.
    pub is_overwritten: bool,
    /// The operation that makes the value with its type; or that a step keeps partial results here, or the arena of its bodies.
    pub description: String,
    /// The line of the user's that it comes from.
    pub site: Site,
}

/// What lies in the arena of a program, and when; of [`Runner::memory`]. The arrays that are fed and given are the caller's and not
/// in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MemoryMap {
    /// How many steps the plan has.
    pub n_steps: usize,
    /// Bytes of the arena.
    pub arena_bytes: usize,
    /// What lies in it, by offset.
    pub rows: Vec<MemoryRow>,
}

/// What a line of the user's keeps at one step; of [`MemoryMap::lines_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LineBytes {
    /// Path of the file as the compiler was given it.
    pub file: &'static str,
    /// Line, from 1.
    pub line: u32,
    /// Bytes that are live.
    pub bytes: usize,
    /// How many values they are.
    pub n_values: usize,
}

impl MemoryRow {
    /// Whether the bytes are this row's at a step: it writes them, reads them, or a later one does.
    pub fn is_live_at(&self, step: usize) -> bool {
        let is_last = step == self.last_step;
        self.first_step <= step && (step < self.last_step || (is_last && !self.is_overwritten))
    }
}

impl MemoryMap {
    /// Bytes that are live at each step. Each value begins at a multiple of 64 bytes, and gaps between values are not counted.
    ///
    /// # Complexity
    /// Linear in rows and steps.
    pub fn live_bytes(&self) -> Vec<usize> {
        let mut changes = vec![0isize; self.n_steps + 1];
        for row in &self.rows {
            changes[row.first_step] += row.bytes as isize;
            changes[row.last_step + usize::from(!row.is_overwritten)] -= row.bytes as isize;
        }
        let sums = changes[..self.n_steps].iter().scan(0isize, |live, change| {
            *live += change;
            Some(*live)
        });
        sums.map(|live| usize::try_from(live).expect("invariant: a row ends after it begins")).collect()
    }

    /// The first step at which the most bytes are live, and how many; none for a plan without steps.
    pub fn peak(&self) -> Option<(usize, usize)> {
        let live = self.live_bytes();
        let most = *live.iter().max()?;
        live.iter().position(|bytes| *bytes == most).map(|step| (step, most))
    }

    /// What each line keeps at a step, the largest first; lines that keep nothing then are left out.
    pub fn lines_at(&self, step: usize) -> Vec<LineBytes> {
        let mut lines: BTreeMap<(&'static str, u32), (usize, usize)> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.is_live_at(step)) {
            let (bytes, n_values) = lines.entry((row.site.file, row.site.line)).or_default();
            (*bytes, *n_values) = (*bytes + row.bytes, *n_values + 1);
        }
        let lines = lines.into_iter();
        let mut lines: Vec<LineBytes> =
            lines.map(|((file, line), (bytes, n_values))| LineBytes { file, line, bytes, n_values }).collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.bytes));
        lines
    }
}

impl Runner {
    /// What lies between the steps of the plan for these values of the symbols (those of the last call where none is given):
    /// offset, bytes, first and last step and line of each value in the arena. A reference program has no arena, and no rows.
    ///
    /// # Errors
    /// [`RunError`] if a symbol has no value, or if there is no plan for these sizes.
    ///
    /// # Complexity
    /// One planning, unless these sizes were met before.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Initializer};
    /// let g = Graph::new();
    /// let hidden = g.input("x", ("batch", 64)).dot(g.parameter("w", (64, 10), Initializer::Zeros));
    /// let program = g.compile(hidden.softmax(-1))?;
    /// let memory = program.memory([("batch", 32)])?;
    /// let (step, bytes) = memory.peak().expect("there are steps");
    /// // The product, which the softmax reads.
    /// assert_eq!(bytes, 4 * 32 * 10);
    /// assert_eq!(memory.lines_at(step)[0].bytes, bytes);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn memory<'n>(&self, sizes: impl IntoIterator<Item = (&'n str, i64)>) -> Result<MemoryMap, RunError> {
        self.engine.memory(&self.bindings(sizes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row at a line of its own.
    fn row((first_step, last_step): (usize, usize), bytes: usize, line: u32) -> MemoryRow {
        let site = Site { file: "a.rs", line, column: 1 };
        let description = String::new();
        MemoryRow { offset: 0, bytes, first_step, last_step, is_overwritten: false, description, site }
    }

    #[test]
    fn bytes_are_live_from_the_first_to_the_last_step_and_counted_once() {
        let overwritten = MemoryRow { is_overwritten: true, ..row((0, 2), 100, 1) };
        let rows = vec![overwritten, row((2, 3), 100, 2), row((1, 1), 7, 3), row((3, 3), 5, 3)];
        let map = MemoryMap { n_steps: 5, arena_bytes: 128, rows };
        assert_eq!(map.live_bytes(), [100, 107, 100, 105, 0]);
        assert_eq!(map.peak(), Some((1, 107)));
        for (step, live) in map.live_bytes().into_iter().enumerate() {
            assert_eq!(map.lines_at(step).iter().map(|line| line.bytes).sum::<usize>(), live);
        }
        let lines = map.lines_at(1);
        assert_eq!([(lines[0].line, lines[0].bytes), (lines[1].line, lines[1].bytes)], [(1, 100), (3, 7)]);
        assert_eq!(MemoryMap::default().peak(), None);
    }
}
