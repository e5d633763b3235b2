//! Steps of one primitive on whole arrays. In: a primitive with its sizes. Out: a step that hands typed slices to a kernel,
//! in parts if there are any.

#![allow(unsafe_code, reason = "slices are made of addresses")]

use std::sync::Mutex;

use super::plain::{Data, DataMut, Place, Plain};
use crate::{
    graph::{Bindings, DType, Op, Type, Value, ValueView},
    ops::{self, Evaluation, Fault},
    plan::{Network, count},
    pool::Team,
};

/// A primitive that is ready to run.
#[derive(Debug)]
pub(super) struct PlainStep {
    kernel: Kernel,
    operands: Vec<(DType, usize)>,
    output: (DType, usize),
}

#[derive(Debug)]
enum Kernel {
    Plain(Plain),
    /// The reference kernel, for what nobody needs fast: products of integers.
    Reference(Box<Reference>),
}

#[derive(Debug)]
struct Reference {
    op: Op,
    operands: Vec<Vec<usize>>,
    ty: Type,
    bindings: Bindings,
}

impl PlainStep {
    /// The step of vertex `vertex`.
    ///
    /// # Errors
    /// What is known from sizes alone to have no value.
    pub(super) fn new(op: &Op, vertex: usize, network: &Network, bindings: &Bindings) -> Result<PlainStep, Fault> {
        let of = &network.vertices[vertex];
        let holders: Vec<(DType, Vec<usize>)> = of
            .operands
            .iter()
            .map(|operand| (network.vertices[operand.vertex].dtype, operand.access.sizes().to_vec()))
            .collect();
        let types: Vec<(DType, &[usize])> = holders.iter().map(|(dtype, sizes)| (*dtype, sizes.as_slice())).collect();
        let place = Place { operands: &types, output: (of.dtype, &of.sizes), bindings };
        let kernel = match Plain::resolve(op, place) {
            Some(plain) => Kernel::Plain(plain?),
            None => Kernel::Reference(Box::new(Reference {
                op: op.clone(),
                operands: holders.iter().map(|(_, sizes)| sizes.clone()).collect(),
                ty: Type::new(of.dtype, of.sizes.as_slice()),
                bindings: bindings.clone(),
            })),
        };
        let operands = holders.iter().map(|(dtype, sizes)| (*dtype, count(sizes))).collect();
        Ok(PlainStep { kernel, operands, output: (of.dtype, count(&of.sizes)) })
    }

    pub(super) fn n_tasks(&self) -> usize {
        match &self.kernel {
            Kernel::Plain(plain) => plain.n_parts(),
            Kernel::Reference(_) => 1,
        }
    }

    /// Runs the step; `memory` has the operands and then the output.
    ///
    /// # Safety
    /// Each address is that of an array of the types that the step was made for, and nothing else uses the output.
    pub(super) unsafe fn run(&self, memory: &[*mut u8], team: &Team) -> Result<(), Fault> {
        let (output, operands) = memory.split_last().expect("invariant: a step has an output");
        let mut data: smallvec::SmallVec<[Data<'_>; 8]> = smallvec::SmallVec::new();
        for (address, (dtype, n)) in operands.iter().zip(&self.operands) {
            // SAFETY: by this function's contract.
            data.push(unsafe { slice(*address, *dtype, *n) });
        }
        match &self.kernel {
            Kernel::Plain(plain) => {
                let out = Shared(*output);
                let data = &data;
                let fault: Mutex<Option<Fault>> = Mutex::new(None);
                team.run(plain.n_parts(), &|part, _| {
                    let range = plain.part_range(part);
                    let start = out.at(range.start * self.output.0.size());
                    // SAFETY: parts are apart, and within the output.
                    let out = unsafe { slice_mut(start, self.output.0, range.len()) };
                    if let (Err(found), 0) = (plain.run_part(part, data, out), part) {
                        *fault.lock().expect("invariant: nothing panics here") = Some(found);
                    }
                });
                fault.into_inner().expect("invariant: nothing panics here").map_or(Ok(()), Err)
            }
            // SAFETY: by this function's contract.
            Kernel::Reference(reference) => unsafe { reference.run(&data, *output, self.output) },
        }
    }
}

/// An address that tasks share: each writes its own part.
struct Shared(*mut u8);

// SAFETY: what is behind the address is written by parts that are apart.
unsafe impl Sync for Shared {}

impl Shared {
    fn at(&self, offset: usize) -> *mut u8 {
        self.0.wrapping_add(offset)
    }
}

impl Reference {
    /// # Safety
    /// `output` points to as many elements as the output has, which nothing else uses.
    unsafe fn run(&self, data: &[Data<'_>], output: *mut u8, (dtype, n): (DType, usize)) -> Result<(), Fault> {
        let values: Vec<Value> = data.iter().zip(&self.operands).map(|(data, sizes)| value(*data, sizes)).collect();
        let operands: Vec<&Value> = values.iter().collect();
        let at = Evaluation { operands: &operands, ty: &self.ty, bindings: &self.bindings };
        let result = ops::evaluate(&self.op, &at)?;
        // SAFETY: by this function's contract.
        match (unsafe { slice_mut(output, dtype, n) }, &result) {
            (DataMut::F32(out), Value::F32(array)) => out.iter_mut().zip(array).for_each(|(out, x)| *out = *x),
            (DataMut::F64(out), Value::F64(array)) => out.iter_mut().zip(array).for_each(|(out, x)| *out = *x),
            (DataMut::I64(out), Value::I64(array)) => out.iter_mut().zip(array).for_each(|(out, x)| *out = *x),
            (DataMut::Bool(out), Value::Bool(array)) => out.iter_mut().zip(array).for_each(|(out, x)| *out = *x),
            _ => unreachable!("invariant: inference gave the output's dtype"),
        }
        Ok(())
    }
}

fn value(data: Data<'_>, sizes: &[usize]) -> Value {
    fn view<'a, T: crate::graph::Element>(elements: &'a [T], sizes: &[usize]) -> ValueView<'a> {
        T::wrap_view(ndarray::ArrayViewD::from_shape(sizes, elements).expect("invariant: the sizes are the slice's"))
    }
    match data {
        Data::F32(elements) => view(elements, sizes),
        Data::F64(elements) => view(elements, sizes),
        Data::I64(elements) => view(elements, sizes),
        Data::Bool(elements) => view(elements, sizes),
    }
    .to_value()
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
