//! An independent check of a plan's memory. In: a plan. Out: whether every read sees the value it means, or the first that
//! does not. It follows the steps with a map of who wrote which byte, and knows nothing of how places were chosen (the
//! idea of regalloc2's checker).

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Plan, Storage, Work};

/// A read or write that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Clash {
    /// A step reads a value that is not there, not there yet, or not there any more.
    #[error("step {step} reads vertex {vertex}, whose bytes are not (or no longer) there")]
    Lost {
        /// The step.
        step: usize,
        /// What it reads.
        vertex: usize,
    },
    /// A step writes over what it reads or writes itself.
    #[error("step {step} writes vertex {vertex} over another array that it uses")]
    Overwritten {
        /// The step.
        step: usize,
        /// What it writes.
        vertex: usize,
    },
    /// A value lies beyond the end of the arena.
    #[error("vertex {vertex} lies beyond the arena")]
    Outside {
        /// The value.
        vertex: usize,
    },
    /// A result is never computed.
    #[error("result {result} is never written")]
    Missing {
        /// The result.
        result: usize,
    },
}

/// That every read of every step sees the value that it means.
pub(crate) fn check(plan: &Plan) -> Result<(), Clash> {
    let mut arena = Owners::default();
    let mut is_written = vec![false; plan.network.vertices.len()];
    for (position, step) in plan.steps.iter().enumerate() {
        for vertex in operands(plan, &step.work) {
            let is_there = match plan.places[vertex] {
                Storage::Nowhere => false,
                Storage::Leaf(_) | Storage::Constant => true,
                Storage::Output(_) => is_written[vertex],
                Storage::Arena(start) => arena.owns(vertex, start, plan.network.vertices[vertex].bytes()),
            };
            if !is_there {
                return Err(Clash::Lost { step: position, vertex });
            }
        }
        let mut used: Vec<(usize, usize)> = Vec::new();
        let range = |vertex: usize| match plan.places[vertex] {
            Storage::Arena(start) => Some((start, start + plan.network.vertices[vertex].bytes())),
            _ => None,
        };
        used.extend(operands(plan, &step.work).into_iter().filter_map(range));
        used.push((step.partials.0, step.partials.0 + step.partials.1));
        for vertex in step.writes.iter().copied() {
            is_written[vertex] = true;
            let Some((start, end)) = range(vertex) else { continue };
            if end > plan.arena_bytes {
                return Err(Clash::Outside { vertex });
            }
            if used.iter().any(|(from, to)| from.max(&start) < to.min(&end)) {
                return Err(Clash::Overwritten { step: position, vertex });
            }
            used.push((start, end));
        }
        arena.write(usize::MAX, step.partials.0, step.partials.1);
        for vertex in step.writes.iter().copied() {
            if let Some((start, end)) = range(vertex) {
                arena.write(vertex, start, end - start);
            }
        }
    }
    let missing = plan.network.results.iter().position(|result| !is_written[*result]);
    missing.map_or(Ok(()), |result| Err(Clash::Missing { result }))
}

/// The vertices whose memory a step's own description reads.
fn operands(plan: &Plan, work: &Work) -> Vec<usize> {
    let of = |vertex: &usize| plan.network.vertices[*vertex].operands.iter().map(|operand| operand.vertex).collect();
    match work {
        Work::Contraction(vertex, _) | Work::Primitive(vertex, _) => of(vertex),
        Work::Tile(program) => {
            let own: Vec<usize> = program.instructions.iter().map(|instruction| instruction.vertex).collect();
            let all = program.memory.iter().map(|memory| memory.vertex);
            all.filter(|vertex| !own.contains(vertex)).collect()
        }
    }
}

/// Who wrote which bytes: the start of each range → its end and its owner.
#[derive(Default)]
struct Owners(BTreeMap<usize, (usize, usize)>);

impl Owners {
    fn write(&mut self, owner: usize, start: usize, bytes: usize) {
        let end = start + bytes;
        if bytes == 0 {
            return;
        }
        let before = self.0.range(..start).next_back().map(|(from, entry)| (*from, *entry));
        if let Some((from, (to, previous))) = before.filter(|(_, (to, _))| *to > start) {
            self.0.insert(from, (start, previous));
            if to > end {
                self.0.insert(end, (to, previous));
            }
        }
        let inside: Vec<usize> = self.0.range(start..end).map(|(from, _)| *from).collect();
        for from in inside {
            if let Some((to, previous)) = self.0.remove(&from).filter(|(to, _)| *to > end) {
                self.0.insert(end, (to, previous));
            }
        }
        self.0.insert(start, (end, owner));
    }

    fn owns(&self, owner: usize, start: usize, bytes: usize) -> bool {
        bytes == 0 || self.0.get(&start).is_some_and(|(end, found)| *found == owner && *end == start + bytes)
    }
}
