//! Buffer assignment: the storage of every value. In: steps in order. Out: for each value whether it is fed, a
//! constant, a result of the caller or in the arena, and at which offset there; and for each step the offset of its
//! partial results.
//!
//! A value is live from the step that writes it to the last step that reads it. A value that is written in place shares
//! the buffer of the value that it replaces, whose lifetime is extended. [`memory`] gives offsets to the buffers.

use super::{
    in_place,
    memory::{self, Lifetime},
};
use crate::{
    ops::OpError,
    plan::{
        ir::{Network, PlanError, PlanStep, Storage, VertexKind},
        model::MachineModel,
    },
};

/// More bytes than any address space has, and few enough that offsets never overflow.
const MAX_BYTES: usize = 1 << 56;

/// Assigns storage to every value that is stored, and arena memory to the partial results of each step.
pub(in crate::plan) fn assign_buffers(
    network: &Network,
    steps: &mut [PlanStep],
    model: &MachineModel,
) -> Result<(Vec<Storage>, memory::ArenaLayout), PlanError> {
    let mut storage: Vec<Storage> = network.vertices.iter().map(|def| given(&def.kind)).collect();
    network.results.iter().enumerate().for_each(|(position, result)| storage[*result] = Storage::Output(position));
    let mut last_read = vec![0; network.vertices.len()];
    for (position, step) in steps.iter().enumerate() {
        step.reads.iter().chain(&step.writes).for_each(|vertex| last_read[*vertex] = position);
    }
    let reuses = in_place::find(network, steps, &storage, &last_read, model);
    let (mut buffer_of, mut partials_of) = (vec![None; network.vertices.len()], vec![None; steps.len()]);
    let mut lifetimes: Vec<Lifetime> = Vec::new();
    for (position, step) in steps.iter().enumerate() {
        for vertex in step.writes.iter().filter(|vertex| storage[**vertex] == Storage::Nowhere) {
            let (bytes, last) = (network.vertices[*vertex].bytes(), last_read[*vertex]);
            buffer_of[*vertex] = match reuses[*vertex].and_then(|old: usize| buffer_of[old]) {
                Some(buffer) => {
                    let lifetime: &mut Lifetime = &mut lifetimes[buffer];
                    lifetime.last = lifetime.last.max(last);
                    Some(buffer)
                }
                None => {
                    lifetimes.push(Lifetime { first: position, last, bytes });
                    Some(lifetimes.len() - 1)
                }
            };
        }
        if let Some(bytes) = step.work.own_bytes() {
            partials_of[position] = Some(lifetimes.len());
            lifetimes.push(Lifetime { first: position, last: position, bytes });
        }
    }
    let total = lifetimes.iter().fold(0usize, |sum, lifetime| sum.saturating_add(lifetime.bytes));
    if let Some(largest) = lifetimes.iter().max_by_key(|lifetime| lifetime.bytes).filter(|_| total > MAX_BYTES) {
        return Err(PlanError { origin: steps[largest.first].origin, error: OpError::Memory { bytes: total } });
    }
    let layout = memory::lay_out(&lifetimes);
    for (slot, buffer) in storage.iter_mut().zip(buffer_of) {
        *slot = buffer.map_or(*slot, |buffer: usize| Storage::Arena(layout.offsets[buffer]));
    }
    for (step, buffer) in steps.iter_mut().zip(partials_of) {
        step.partials = buffer.map_or((0, 0), |buffer: usize| (layout.offsets[buffer], lifetimes[buffer].bytes));
    }
    Ok((storage, layout))
}

/// Where a value lies that no step computes.
fn given(kind: &VertexKind) -> Storage {
    match kind {
        VertexKind::Leaf(position) => Storage::Leaf(*position),
        VertexKind::Constant(_) => Storage::Constant,
        VertexKind::Splat(_)
        | VertexKind::Map(_)
        | VertexKind::Copy
        | VertexKind::Pad(_)
        | VertexKind::Reduce(_)
        | VertexKind::Contraction(_)
        | VertexKind::DotRows(_)
        | VertexKind::DotColumns(_)
        | VertexKind::Primitive(_)
        | VertexKind::Nested(_)
        | VertexKind::FurtherOutput => Storage::Nowhere,
    }
}
