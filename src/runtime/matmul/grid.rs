//! The task grid: how a product is cut into tasks. In: its sizes and the cost of work. Out: a grid of blocks, by shape
//! alone: the same on any number of threads.

use std::ops::Range;

use super::product::MatmulBlock;

/// The least work of a task, in nanoseconds, that pays for handing it to a thread that is awake. Products of up to
/// [`FEW_TASKS`] such tasks get more tasks the longer they take.
const MIN_TASK_NANOSECONDS: f64 = 900.0;
/// A product has this many tasks, whatever they take, until they take [`LONG_TASK_NANOSECONDS`] each.
const FEW_TASKS: f64 = 8.0;
/// The work of a task of a long product: more tasks would pack operands more often, and balance no better.
const LONG_TASK_NANOSECONDS: f64 = 40_000.0;
/// The most tasks of a product.
const MAX_TASKS: usize = 32;

/// A product that is to be cut into tasks.
#[derive(Debug, Clone, Copy)]
pub(in crate::runtime) struct GridProblem {
    pub(in crate::runtime) batches: usize,
    pub(in crate::runtime) m: usize,
    pub(in crate::runtime) n: usize,
    /// Blocks have a multiple of so many rows and of so many columns, but for the last ones.
    pub(in crate::runtime) unit: [usize; 2],
    /// The time of the whole, in nanoseconds.
    pub(in crate::runtime) nanoseconds: f64,
    /// The time it takes to pack the A of a row and the B of a column, relative to that of a row times a column.
    pub(in crate::runtime) packing: [f64; 2],
}

/// A grid of blocks along batch, rows and columns. Tasks are numbered with columns running fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) struct TaskGrid {
    batches: PartitionedAxis,
    rows: PartitionedAxis,
    columns: PartitionedAxis,
}

/// An axis in equal parts of whole units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PartitionedAxis {
    size: usize,
    unit: usize,
    parts: usize,
}

impl PartitionedAxis {
    fn new(size: usize, unit: usize, parts: usize) -> PartitionedAxis {
        PartitionedAxis { size, unit, parts: parts.clamp(1, size.div_ceil(unit).max(1)) }
    }

    fn range(self, part: usize) -> Range<usize> {
        if self.parts == 1 {
            return 0..self.size;
        }
        let units = self.size.div_ceil(self.unit);
        let start = |part: usize| (units * part / self.parts * self.unit).min(self.size);
        start(part)..start(part + 1)
    }

    fn largest(self) -> usize {
        (self.size.div_ceil(self.unit).div_ceil(self.parts) * self.unit).min(self.size)
    }
}

impl TaskGrid {
    /// Cuts the batch first, since its parts share nothing; then, where there are not enough tasks, each product so
    /// that what is packed more than once, and what is left for one thread at the end, cost least.
    pub(in crate::runtime) fn new(cut: &GridProblem) -> TaskGrid {
        let wanted = wanted_tasks(cut.nanoseconds);
        let batches = PartitionedAxis::new(cut.batches, 1, wanted);
        let (rows, columns) = cut_product(cut, wanted.div_ceil(batches.parts));
        TaskGrid { batches, rows, columns }
    }

    pub(in crate::runtime) fn n_tasks(&self) -> usize {
        if self.batches.size * self.rows.size * self.columns.size == 0 {
            return 0;
        }
        self.batches.parts * self.rows.parts * self.columns.parts
    }

    pub(in crate::runtime) fn block(&self, task: usize) -> MatmulBlock {
        if self.batches.parts * self.rows.parts * self.columns.parts == 1 {
            return MatmulBlock {
                batches: 0..self.batches.size,
                rows: 0..self.rows.size,
                columns: 0..self.columns.size,
            };
        }
        let (rest, column) = (task / self.columns.parts, task % self.columns.parts);
        let (batch, row) = (rest / self.rows.parts, rest % self.rows.parts);
        MatmulBlock {
            batches: self.batches.range(batch),
            rows: self.rows.range(row),
            columns: self.columns.range(column),
        }
    }

    /// No block has more rows and columns than these.
    pub(in crate::runtime) fn largest(&self) -> [usize; 2] {
        [self.rows.largest(), self.columns.largest()]
    }
}

fn wanted_tasks(nanoseconds: f64) -> usize {
    let few = (nanoseconds / MIN_TASK_NANOSECONDS).min(FEW_TASKS);
    few.max(nanoseconds / LONG_TASK_NANOSECONDS).clamp(1.0, MAX_TASKS as f64) as usize
}

fn cut_product(cut: &GridProblem, wanted: usize) -> (PartitionedAxis, PartitionedAxis) {
    let mut best =
        (f64::INFINITY, PartitionedAxis::new(cut.m, cut.unit[0], 1), PartitionedAxis::new(cut.n, cut.unit[1], 1));
    for row_parts in 1..=wanted {
        for column_parts in 1..=wanted / row_parts {
            let rows = PartitionedAxis::new(cut.m, cut.unit[0], row_parts);
            let columns = PartitionedAxis::new(cut.n, cut.unit[1], column_parts);
            let (m, n) = (rows.largest() as f64, columns.largest() as f64);
            let block = m * n + m * cut.packing[0] + n * cut.packing[1];
            // All blocks, and one more, for the time that threads wait for the last one at the end.
            let cost = block * (rows.parts * columns.parts + 1) as f64;
            if cost < best.0 {
                best = (cost, rows, columns);
            }
        }
    }
    (best.1, best.2)
}
