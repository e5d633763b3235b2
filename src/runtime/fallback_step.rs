//! A step of one primitive on whole arrays, by a fallback kernel. In: a primitive with its sizes. Out: a step that
//! gives typed slices to the kernel, in parts if the kernel can compute parts.

#![allow(unsafe_code, reason = "slices are made of addresses")]

use std::sync::Mutex;

use super::{
    fallback::{Data, DataMut, FallbackKernel, ResolveContext},
    instruction_set::InstructionSet,
};
use crate::{
    graph::{Bindings, DType, Op},
    ops::OpError,
    plan::{WholeArrays, count},
    pool::Team,
};

/// A primitive with its kernel and sizes, ready to run.
#[derive(Debug)]
pub(super) struct FallbackStep {
    fallback: FallbackKernel,
    operands: Vec<(DType, usize)>,
    output: (DType, usize),
    /// Memory for the operands of a run; empty between runs.
    data: Vec<Data<'static>>,
}

impl FallbackStep {
    /// The step of a primitive on these contiguous arrays.
    ///
    /// # Errors
    /// [`OpError`] if the sizes alone say that the primitive has no value.
    pub(super) fn new(
        op: &Op,
        arrays: &WholeArrays,
        bindings: &Bindings,
        instruction_set: InstructionSet,
    ) -> Result<FallbackStep, OpError> {
        let holders: Vec<(DType, Vec<usize>)> =
            arrays.operands.iter().map(|read| (read.dtype, read.layout.sizes().to_vec())).collect();
        let types: Vec<(DType, &[usize])> = holders.iter().map(|(dtype, sizes)| (*dtype, sizes.as_slice())).collect();
        let place =
            ResolveContext { operands: &types, output: (arrays.dtype, &arrays.sizes), bindings, instruction_set };
        let fallback = FallbackKernel::resolve(op, place)?;
        let operands: Vec<(DType, usize)> = holders.iter().map(|(dtype, sizes)| (*dtype, count(sizes))).collect();
        let data = Vec::with_capacity(operands.len());
        Ok(FallbackStep { fallback, operands, output: (arrays.dtype, count(&arrays.sizes)), data })
    }

    pub(super) fn n_tasks(&self) -> usize {
        self.fallback.n_parts()
    }

    pub(super) fn scratch_bytes(&self) -> usize {
        self.fallback.n_scratch() * size_of::<u64>()
    }

    /// Runs the step; `memory` has the operands and then the output, and `scratch` gives each worker its own.
    ///
    /// # Safety
    /// Each address is that of an array of the types that the step was made for, and nothing else uses the output, but that an
    /// operand which the kernel overwrites may lie in the very place of the output. The
    /// scratch of a worker is as large as was asked for, aligned to any number, and nothing else uses it meanwhile.
    pub(super) unsafe fn run(
        &mut self,
        memory: &[*mut u8],
        scratch: &(dyn Fn(usize) -> *mut u8 + Sync),
        team: &Team,
    ) -> Result<(), OpError> {
        let (output, operands) = memory.split_last().expect("invariant: a step has an output");
        let overwritten = self.fallback.overwritten();
        // Nothing of an earlier run stays, whatever became of it.
        self.data.clear();
        for (operand, (dtype, n)) in
            self.operands.iter().enumerate().filter(|(operand, _)| Some(*operand) != overwritten)
        {
            // SAFETY: by this function's contract; the slices are forgotten before it returns.
            self.data.push(unsafe { slice(operands[operand], *dtype, *n) });
        }
        let first = overwritten.map(|operand| Shared(operands[operand]));
        // SAFETY: by this function's contract.
        let done = unsafe { self.compute(first, *output, scratch, team) };
        self.data.clear();
        done
    }

    /// Writes the output from the operands that `data` holds; `first` is where the elements are that it has before.
    ///
    /// # Safety
    /// As for [`FallbackStep::run`].
    unsafe fn compute(
        &self,
        first: Option<Shared>,
        output: *mut u8,
        scratch: &(dyn Fn(usize) -> *mut u8 + Sync),
        team: &Team,
    ) -> Result<(), OpError> {
        let (out, data) = (Shared(output), &self.data);
        let error: Mutex<Option<(usize, OpError)>> = Mutex::new(None);
        team.run(self.fallback.n_parts(), &|part, worker| {
            let range = self.fallback.part_range(part);
            let offset = range.start * self.output.0.size();
            let start = out.offset_by(offset);
            if let Some(first) = first.as_ref().map(|first| first.offset_by(offset)).filter(|first| *first != start) {
                // SAFETY: the operand has the type of the output, and the plan gives it either the same memory or memory apart.
                unsafe { std::ptr::copy_nonoverlapping(first, start, range.len() * self.output.0.size()) };
            }
            // SAFETY: by this function's contract; parts are apart, and within the output.
            let out = unsafe { slice_mut(start, self.output.0, range.len()) };
            // SAFETY: by this function's contract; scratch memory was written when the executable was made.
            let scratch = unsafe { std::slice::from_raw_parts_mut(scratch(worker).cast(), self.fallback.n_scratch()) };
            if let Err(found) = self.fallback.run_part(part, data, out, scratch) {
                let mut error = error.lock().expect("invariant: nothing panics here");
                if error.as_ref().is_none_or(|(earlier, _)| part < *earlier) {
                    *error = Some((part, found));
                }
            }
        });
        error.into_inner().expect("invariant: nothing panics here").map_or(Ok(()), |(_, error)| Err(error))
    }
}

/// An address that tasks share: each writes its own part.
struct Shared(*mut u8);

// SAFETY: what is behind the address is written by parts that are apart.
unsafe impl Sync for Shared {}

impl Shared {
    fn offset_by(&self, offset: usize) -> *mut u8 {
        self.0.wrapping_add(offset)
    }
}

/// # Safety
/// `address` points to `n` elements of `dtype` that nothing writes for as long as the slice lives.
unsafe fn slice<'a>(address: *const u8, dtype: DType, n: usize) -> Data<'a> {
    // SAFETY: by this function's contract.
    unsafe {
        match dtype {
            DType::F32 => Data::F32(std::slice::from_raw_parts(address.cast(), n)),
            DType::F64 => Data::F64(std::slice::from_raw_parts(address.cast(), n)),
            DType::I64 => Data::I64(std::slice::from_raw_parts(address.cast(), n)),
            DType::Bool => Data::Bool(std::slice::from_raw_parts(address.cast(), n)),
        }
    }
}

/// # Safety
/// As for [`slice`], and nothing else uses the elements at all.
unsafe fn slice_mut<'a>(address: *mut u8, dtype: DType, n: usize) -> DataMut<'a> {
    // SAFETY: by this function's contract.
    unsafe {
        match dtype {
            DType::F32 => DataMut::F32(std::slice::from_raw_parts_mut(address.cast(), n)),
            DType::F64 => DataMut::F64(std::slice::from_raw_parts_mut(address.cast(), n)),
            DType::I64 => DataMut::I64(std::slice::from_raw_parts_mut(address.cast(), n)),
            DType::Bool => DataMut::Bool(std::slice::from_raw_parts_mut(address.cast(), n)),
        }
    }
}
