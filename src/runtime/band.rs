//! A matrix product inside of a tile program, one band of rows at a time (epilogue fusion). In: the product, the
//! addresses of a run and the number of a band. Out: the rows of that band, where the tiles that follow read them.

#![allow(unsafe_code, reason = "products take addresses")]

use super::{
    instruction_set::InstructionSet,
    matmul::{MatmulDescriptor, MatmulOperands, ProductPlan},
    product::descriptor_of,
};
use crate::{
    graph::DType,
    plan::{Banded, Keep},
};

/// Products of as many rows as a full block has, and of those that the last one has.
#[derive(Debug)]
pub(super) struct Blocks {
    full: usize,
    plans: [ProductPlan; 2],
}

impl Blocks {
    /// `product` makes the product of so many rows.
    pub(super) fn new(
        full: usize,
        last: usize,
        set: InstructionSet,
        product: impl Fn(usize) -> MatmulDescriptor,
    ) -> Blocks {
        let plans = [full, last].map(|rows| ProductPlan::new(&product(rows), set));
        Blocks { full, plans }
    }

    /// The same, with nothing packed twice because it was cut for threads.
    fn whole(full: usize, last: usize, set: InstructionSet, product: impl Fn(usize) -> MatmulDescriptor) -> Blocks {
        let plans = [full, last].map(|rows| ProductPlan::whole(&product(rows), set));
        Blocks { full, plans }
    }

    pub(super) fn scratch_bytes(&self) -> usize {
        self.plans.iter().map(ProductPlan::scratch_bytes).max().unwrap_or(0)
    }

    /// # Safety
    /// As for [`ProductPlan::run_task`], for the product of `rows` rows.
    pub(super) unsafe fn run(&self, rows: usize, operands: MatmulOperands, scratch: *mut u8) {
        let plan = &self.plans[usize::from(rows != self.full)];
        // SAFETY: by this function's contract.
        (0..plan.n_tasks()).for_each(|task| unsafe { plan.run_task(task, operands, scratch) });
    }
}

/// A product that is ready to run band by band.
#[derive(Debug)]
pub(super) struct Bands {
    /// All of it, for its sizes and strides.
    product: MatmulDescriptor,
    blocks: Blocks,
    /// Rows of a band, of one matrix, and of all matrices.
    rows: [usize; 3],
    element_bytes: usize,
    keep: Keep,
    /// Which memory of the program A, B and C are.
    memory: [usize; 3],
}

impl Bands {
    pub(super) fn new(banded: &Banded, dtype: DType, set: InstructionSet) -> Bands {
        let product = descriptor_of(&banded.contraction, dtype);
        let n_rows = banded.n_rows();
        let of_rows = |m: usize| MatmulDescriptor { m, batch: Default::default(), ..product.clone() };
        Bands {
            blocks: Blocks::whole(banded.rows, n_rows % banded.rows, set, of_rows),
            rows: [banded.rows, product.m, n_rows],
            element_bytes: dtype.size(),
            keep: banded.keep,
            memory: banded.memory,
            product,
        }
    }

    /// The scratch memory of each worker: that of the product, and the rows of a band if they are not stored.
    pub(super) fn scratch_bytes(&self) -> usize {
        self.band_start() + if self.keep == Keep::Band { self.rows[0] * self.row_bytes() } else { 0 }
    }

    /// Where the rows of a band begin in the scratch memory.
    fn band_start(&self) -> usize {
        self.blocks.scratch_bytes().next_multiple_of(64)
    }

    fn row_bytes(&self) -> usize {
        self.product.n * self.element_bytes
    }

    /// Which memory of the program is the product, and where its first element would be if the worker's band were a
    /// part of the whole, unless it is one.
    pub(super) fn location(&self, band: usize, scratch: *mut u8) -> Option<(usize, *mut u8)> {
        let first = band * self.rows[0] * self.row_bytes();
        (self.keep == Keep::Band).then(|| (self.memory[2], scratch.wrapping_add(self.band_start()).wrapping_sub(first)))
    }

    /// Computes the rows of a band.
    ///
    /// # Safety
    /// `memory` has the first elements of the program's arrays, as the plan describes them, that of C by
    /// [`Self::location`] if there is one; the scratch is as large as was asked for and nothing else uses it, nor the
    /// band.
    pub(super) unsafe fn run(&self, band: usize, memory: impl Fn(usize) -> *mut u8, scratch: *mut u8) {
        let [rows, m, n_rows] = self.rows;
        let first = band * rows;
        let n = rows.min(n_rows - first);
        let [a, b, _] = self.product.offsets(first / m);
        let a = a + (first % m) as isize * self.product.a[0];
        let offset_by =
            |memory: *mut u8, elements: isize| memory.wrapping_offset(elements * self.element_bytes as isize);
        let operands = MatmulOperands {
            a: offset_by(memory(self.memory[0]), a),
            b: offset_by(memory(self.memory[1]), b),
            c: memory(self.memory[2]).wrapping_add(first * self.row_bytes()),
        };
        // SAFETY: the rows lie within one matrix of the batch, and C within what the caller vouches for.
        unsafe { self.blocks.run(n, operands, scratch) };
    }
}
