//! Steps that are products of matrices. In: a contraction of the plan. Out: a step that computes it block by block.

#![allow(unsafe_code, reason = "products take addresses")]

use super::{
    instruction_set::InstructionSet,
    matmul::{Accumulation, BatchStrides, MatmulDescriptor, MatmulOperands, ProductPlan},
};
use crate::{graph::DType, plan::Contraction};

/// A product that is ready to run.
#[derive(Debug)]
pub(super) struct ProductStep {
    plan: ProductPlan,
}

impl ProductStep {
    pub(super) fn new(contraction: &Contraction, dtype: DType, set: InstructionSet) -> ProductStep {
        ProductStep { plan: ProductPlan::new(&descriptor_of(contraction, dtype), set) }
    }

    pub(super) fn n_tasks(&self) -> usize {
        self.plan.n_tasks()
    }

    pub(super) fn scratch_bytes(&self) -> usize {
        self.plan.scratch_bytes()
    }

    /// Computes one block; `memory` has both factors and the product.
    ///
    /// # Safety
    /// Each address is that of an array as the contraction describes it; the scratch is as large as was asked for, and
    /// nothing else uses it or the block.
    pub(super) unsafe fn run(&self, task: usize, memory: &[*mut u8], scratch: *mut u8) {
        let operands = MatmulOperands { a: memory[0], b: memory[1], c: memory[2] };
        // SAFETY: by this function's contract.
        unsafe { self.plan.run_task(task, operands, scratch) };
    }
}

/// What a contraction of the plan is to the kernels.
pub(super) fn descriptor_of(contraction: &Contraction, dtype: DType) -> MatmulDescriptor {
    let batch = |batch: &crate::plan::BatchAxis| {
        let [a, b, c] = batch.strides;
        BatchStrides { size: batch.size, a, b, c }
    };
    MatmulDescriptor {
        batch: contraction.batch.iter().map(batch).collect(),
        m: contraction.m,
        n: contraction.n,
        k: contraction.k,
        a: contraction.a,
        b: contraction.b,
        c: contraction.c,
        output: Accumulation::Overwrite,
        dtype,
    }
}
