//! What lies in the arena, and when. In: a plan. Out: a row for each value that is stored there, and for the memory that a step uses
//! for itself.

use super::ir::{Plan, Storage};

/// What bytes of the arena are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holding {
    /// The value of a vertex.
    Value(usize),
    /// Partial results of a step, or the arena of its bodies.
    Scratch,
}

/// Bytes of the arena with the steps between which they are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ArenaRow {
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
    /// The step that writes them, or that uses them for itself.
    pub(crate) first: usize,
    /// The last step that reads them.
    pub(crate) last: usize,
    pub(crate) holding: Holding,
}

impl Plan {
    /// The rows of the arena, by where they begin. Linear in what the steps read and write, but for the sorting.
    pub(crate) fn arena_rows(&self) -> Vec<ArenaRow> {
        let mut uses: Vec<Option<(usize, usize)>> = vec![None; self.storage.len()];
        for (position, step) in self.steps.iter().enumerate() {
            for vertex in step.reads.iter().chain(&step.writes) {
                let (first, _) = uses[*vertex].unwrap_or((position, position));
                uses[*vertex] = Some((first, position));
            }
        }
        let value = |vertex: usize| {
            let (Storage::Arena(offset), Some((first, last))) = (self.storage[vertex], uses[vertex]) else {
                return None;
            };
            let bytes = self.network.vertices[vertex].bytes();
            Some(ArenaRow { offset, bytes, first, last, holding: Holding::Value(vertex) })
        };
        let scratch = self.steps.iter().enumerate().filter(|(_, step)| step.partials.1 > 0).map(|(position, step)| {
            let (offset, bytes) = step.partials;
            ArenaRow { offset, bytes, first: position, last: position, holding: Holding::Scratch }
        });
        let values = (0..uses.len()).filter_map(value);
        let mut rows: Vec<ArenaRow> = values.chain(scratch).collect();
        rows.sort_unstable();
        rows
    }
}
