//! Steps that are convolutions. In: a convolution with its sizes and strides. Out: a step that computes it block by block.

#![allow(unsafe_code, reason = "convolutions take addresses")]

use super::{
    convolution::{self, ConvolutionOperands, ConvolutionPlan, SpatialAxis},
    instruction_set::InstructionSet,
};
use crate::{
    graph::{Bindings, Convolution},
    ops::{CheckSizes, OpError},
    plan::{StridedLayout, WholeArrays},
};

/// A convolution that is ready to run.
#[derive(Debug)]
pub(super) struct ConvolutionStep {
    plan: ConvolutionPlan,
}

impl ConvolutionStep {
    /// The convolution of these arrays.
    ///
    /// # Errors
    /// A padding whose symbols are not bound, or a kernel that does not fit.
    pub(super) fn new(
        op: &Convolution,
        arrays: &WholeArrays,
        bindings: &Bindings,
        set: InstructionSet,
    ) -> Result<ConvolutionStep, OpError> {
        let (x, w) = (&arrays.operands[0].layout, &arrays.operands[1].layout);
        let out = StridedLayout::contiguous(&arrays.sizes);
        // Blocks are addressed without further checks: all positions are within what this bounds.
        op.check_sizes(&[&x.sizes(), &w.sizes()], bindings)?;
        let first_two = |layout: &StridedLayout| [layout.axes[0].stride, layout.axes[1].stride];
        let axis = |axis: usize| -> Result<SpatialAxis, OpError> {
            let low = op.low[axis].evaluate(bindings).map_err(OpError::Size)?;
            let (input, kernel, output) = (x.axes[axis + 2], w.axes[axis + 2], out.axes[axis + 2]);
            Ok(SpatialAxis {
                input: input.size,
                kernel: kernel.size,
                output: output.size,
                stride: op.stride[axis],
                low: low as isize,
                input_dilation: op.input_dilation[axis],
                kernel_dilation: op.kernel_dilation[axis],
                x: input.stride,
                w: kernel.stride,
                out: output.stride,
            })
        };
        let convolution = convolution::ConvolutionDescriptor {
            batch: x.axes[0].size,
            groups: op.groups,
            channels: w.axes[1].size,
            kernels: w.axes[0].size / op.groups,
            x: first_two(x),
            w: first_two(w),
            out: first_two(&out),
            axes: (0..op.low.len()).map(axis).collect::<Result<_, _>>()?,
            dtype: arrays.dtype,
        };
        Ok(ConvolutionStep { plan: ConvolutionPlan::new(&convolution, set) })
    }

    pub(super) fn n_tasks(&self) -> usize {
        self.plan.n_tasks()
    }

    pub(super) fn scratch_bytes(&self) -> usize {
        self.plan.scratch_bytes()
    }

    /// Computes one block; `memory` has the input, the kernel and the output.
    ///
    /// # Safety
    /// Each address is that of an array as the convolution describes it; the scratch is as large as was asked for, and
    /// nothing else uses it or the block.
    pub(super) unsafe fn run(&self, task: usize, memory: &[*mut u8], scratch: *mut u8) {
        let operands = ConvolutionOperands { x: memory[0], w: memory[1], out: memory[2] };
        // SAFETY: by this function's contract.
        unsafe { self.plan.run_task(task, operands, scratch) };
    }
}
