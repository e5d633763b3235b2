//! Where every value lies. In: steps in order. Out: a place for each value that is kept, and for what each step needs for
//! itself.

use super::{
    in_place,
    memory::{self, Lifetime},
};
use crate::{
    ops::Fault,
    plan::{
        ir::{Kind, Network, PlanError, Step, Storage, Work},
        model::MachineModel,
    },
};

/// More bytes than any address space has, and few enough that offsets never overflow.
const MOST_BYTES: usize = 1 << 56;

/// Places every value that is kept, and what each step needs for itself.
pub(in crate::plan) fn place(
    network: &Network,
    steps: &mut [Step],
    model: &MachineModel,
) -> Result<(Vec<Storage>, memory::Layout), PlanError> {
    let mut places = vec![Storage::Nowhere; network.vertices.len()];
    for (vertex, of) in network.vertices.iter().enumerate() {
        places[vertex] = match &of.kind {
            Kind::Leaf(position) => Storage::Leaf(*position),
            Kind::Constant(_) => Storage::Constant,
            Kind::Splat(_) | Kind::Map(_) | Kind::Copy | Kind::Pad(_) | Kind::Reduce(_) => Storage::Nowhere,
            Kind::Contraction(_) | Kind::DotRows(_) | Kind::DotColumns(_) | Kind::Primitive(_) => Storage::Nowhere,
        };
    }
    network.results.iter().enumerate().for_each(|(position, result)| places[*result] = Storage::Output(position));
    let mut last_read = vec![0; network.vertices.len()];
    for (position, step) in steps.iter().enumerate() {
        step.reads.iter().chain(&step.writes).for_each(|vertex| last_read[*vertex] = position);
    }
    let taken_from = in_place::find(network, steps, &places, &last_read, model);
    let (mut buffer_of, mut partials_of) = (vec![None; network.vertices.len()], vec![None; steps.len()]);
    let mut lifetimes: Vec<Lifetime> = Vec::new();
    for (position, step) in steps.iter().enumerate() {
        for vertex in step.writes.iter().filter(|vertex| places[**vertex] == Storage::Nowhere) {
            let (bytes, last) = (network.vertices[*vertex].bytes(), last_read[*vertex]);
            buffer_of[*vertex] = match taken_from[*vertex].and_then(|old: usize| buffer_of[old]) {
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
        if let Work::Tile(program) = &step.work {
            partials_of[position] = Some(lifetimes.len());
            lifetimes.push(Lifetime { first: position, last: position, bytes: program.partial_bytes() });
        }
    }
    let total = lifetimes.iter().fold(0usize, |sum, lifetime| sum.saturating_add(lifetime.bytes));
    if let Some(largest) = lifetimes.iter().max_by_key(|lifetime| lifetime.bytes).filter(|_| total > MOST_BYTES) {
        return Err(PlanError { origin: steps[largest.first].origin, fault: Fault::Memory { bytes: total } });
    }
    let layout = memory::lay_out(&lifetimes);
    for (place, buffer) in places.iter_mut().zip(buffer_of) {
        *place = buffer.map_or(*place, |buffer: usize| Storage::Arena(layout.offsets[buffer]));
    }
    for (step, buffer) in steps.iter_mut().zip(partials_of) {
        step.partials = buffer.map_or((0, 0), |buffer: usize| (layout.offsets[buffer], lifetimes[buffer].bytes));
    }
    Ok((places, layout))
}
