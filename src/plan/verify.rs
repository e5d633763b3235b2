//! Verifies the output of the passes: networks, fusion groups and orders after each pass, and the memory of a finished
//! plan. In: a plan. Out: the first step that reads bytes which do not hold the value it names, or that writes where it
//! must not, if there is one. An error here is a bug of the passes.
//!
//! # The argument
//!
//! [`plan`] is an abstract interpreter of the steps (the idea of regalloc2's checker). The state is a map from the
//! bytes of the arena to the vertex that wrote them last ([`Owners`]), and the set of written vertices. The transfer
//! function of a step is:
//!
//! 1. every vertex that the step reads must own all of its bytes, or be fed, constant, or a result that is written
//!    ([`MemoryState::holds`]);
//! 2. the step must write exactly the vertices that it declares, within the arena, and without overlap with anything
//!    else that it uses, except where writing in place is legal ([`MemoryState::may_write_over`]);
//! 3. then the written vertices own their bytes, and the previous owners of any of those bytes lose them.
//!
//! Steps run one after another with a barrier between them, so if (1) holds at every step, every read sees the value
//! of the vertex that it names; lifetimes and offsets need not be known. Inside of a step, two conditions on its
//! program take the place of this: no instruction reads in arbitrary order an array that the same step computes
//! ([`read_while_computed`]), and each tile reads of a banded product only rows of the band before it ([`tile_outside_band`]).
//!
//! Which operands an instruction reads, and in what order, is stated again in this file. `Action::facts`, by which the
//! passes decide, is not used here, so that an error in it is found.

mod nested;

use std::{collections::BTreeMap, ops::Range};

use thiserror::Error;

use super::ir::{
    Action, FusionGroups, Granularity, Instruction, Keep, Location, NestedArrays, Network, Plan, PlanStep, StepKind,
    Storage, StridedAxis, TileProgram, VertexKind, WholeArrays, count,
};
use crate::ops;

/// A read or write that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PlanMemoryError {
    /// A step reads a value that is not there, not there yet, or not there any more.
    #[error("step {step} reads vertex {vertex}, whose bytes are not (or no longer) there")]
    NotLive {
        /// The step.
        step: usize,
        /// What it reads.
        vertex: usize,
    },
    /// A step writes over what it reads or writes itself.
    #[error("step {step} writes over vertex {vertex}, which it uses too")]
    Overwritten {
        /// The step.
        step: usize,
        /// What it writes over.
        vertex: usize,
    },
    /// A step writes what it does not say, or says that it writes what it does not.
    #[error("step {step} does not write the vertices that it says")]
    Undeclared {
        /// The step.
        step: usize,
    },
    /// A step writes a vertex whose storage is read-only (fed or constant), missing, or another vertex's result.
    #[error("step {step} writes vertex {vertex}, which lies nowhere, in an input or constant, or in another's result")]
    Misplaced {
        /// The step.
        step: usize,
        /// What it writes.
        vertex: usize,
    },
    /// A step uses bytes beyond the end of the arena.
    #[error("step {step} writes beyond the arena")]
    Outside {
        /// The step.
        step: usize,
    },
    /// A step reads an array as a whole that it computes itself.
    #[error("step {step} reads vertex {vertex} as a whole while it computes it")]
    ReadWhileComputed {
        /// The step.
        step: usize,
        /// What it reads.
        vertex: usize,
    },
    /// The bands of a product are not what the tiles that follow them read.
    #[error("step {step} computes vertex {vertex} in bands that are not those of its tiles")]
    WrongBand {
        /// The step.
        step: usize,
        /// The product.
        vertex: usize,
    },
    /// A result is never computed.
    #[error("result {result} is never written")]
    Missing {
        /// The result.
        result: usize,
    },
}

/// What is wrong with what a pass left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PassError {
    /// An operand is read beyond the array that holds it.
    Layout { vertex: usize, operand: usize },
    /// A vertex is in two groups, or `group_of` and the members of the groups disagree about it.
    Member { vertex: usize },
    /// Groups read from each other in a cycle.
    Cycle { group: usize },
    /// A step reads what no step before it writes.
    Order { step: usize, vertex: usize },
}

/// Verifies that every operand is read within the array that holds it.
pub(super) fn network(network: &Network) -> Result<(), PassError> {
    for (vertex, def) in network.vertices.iter().enumerate() {
        for (operand, read) in def.operands.iter().enumerate() {
            let error = PassError::Layout { vertex, operand };
            let producer = network.vertices.get(read.vertex).ok_or_else(|| error.clone())?;
            let span = |sign: isize| -> isize {
                let reach = |axis: &StridedAxis| (axis.size as isize - 1) * axis.stride;
                read.layout.axes.iter().map(reach).filter(|reach| reach.signum() == sign).sum()
            };
            let (first, last) = (read.layout.offset + span(-1), read.layout.offset + span(1));
            let is_within = first >= 0 && last < count(&producer.sizes) as isize;
            // A splat has no memory.
            let has_memory = !matches!(producer.kind, VertexKind::Splat(_));
            if has_memory && read.layout.count() > 0 && !is_within {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Verifies that no vertex is in two groups, that `group_of` agrees with the members, and that no groups form a cycle.
pub(super) fn groups(network: &Network, groups: &FusionGroups) -> Result<(), PassError> {
    let mut found = vec![None; network.vertices.len()];
    for (position, group) in groups.groups.iter().enumerate() {
        for member in &group.members {
            if found[*member].replace(position).is_some() {
                return Err(PassError::Member { vertex: *member });
            }
        }
    }
    if let Some(vertex) = (0..found.len()).find(|vertex| found[*vertex] != groups.group_of[*vertex]) {
        return Err(PassError::Member { vertex });
    }
    // Kahn's algorithm: what is left after removing all groups that read from no group that is left is a cycle.
    let reads_from = |group: usize| -> Vec<usize> {
        let operands = groups.groups[group].members.iter().flat_map(|member| &network.vertices[*member].operands);
        operands.filter_map(|operand| found[operand.vertex]).filter(|producer_group| *producer_group != group).collect()
    };
    let producers: Vec<Vec<usize>> = (0..groups.groups.len()).map(reads_from).collect();
    let mut in_degrees: Vec<usize> = producers.iter().map(Vec::len).collect();
    let mut users = vec![Vec::new(); producers.len()];
    for (group, producers) in producers.iter().enumerate() {
        producers.iter().for_each(|producer| users[*producer].push(group));
    }
    let mut ready: Vec<usize> = (0..in_degrees.len()).filter(|group| in_degrees[*group] == 0).collect();
    while let Some(group) = ready.pop() {
        for reader in &users[group] {
            in_degrees[*reader] -= 1;
            if in_degrees[*reader] == 0 {
                ready.push(*reader);
            }
        }
    }
    let on_cycle = in_degrees.iter().position(|missing| *missing > 0);
    on_cycle.map_or(Ok(()), |group| Err(PassError::Cycle { group }))
}

/// Verifies that every step reads only what is fed, constant, or written by an earlier step.
pub(super) fn order(network: &Network, steps: &[PlanStep]) -> Result<(), PassError> {
    let is_there = |kind: &VertexKind| matches!(kind, VertexKind::Leaf(_) | VertexKind::Constant(_));
    let mut is_written: Vec<bool> = network.vertices.iter().map(|def| is_there(&def.kind)).collect();
    for (step, plan_step) in steps.iter().enumerate() {
        if let Some(vertex) = plan_step.reads.iter().copied().find(|vertex| !is_written[*vertex]) {
            return Err(PassError::Order { step, vertex });
        }
        plan_step.writes.iter().for_each(|vertex| is_written[*vertex] = true);
    }
    Ok(())
}

/// Verifies that every read of every step sees the value that it means.
pub(crate) fn plan(plan: &Plan) -> Result<(), PlanMemoryError> {
    let mut memory =
        MemoryState { plan, arena: Owners::default(), is_written: vec![false; plan.network.vertices.len()] };
    for (position, step) in plan.steps.iter().enumerate() {
        let reads = operands(&step.work);
        if let Some(vertex) = reads.iter().copied().find(|vertex| !memory.holds(*vertex)) {
            return Err(PlanMemoryError::NotLive { step: position, vertex });
        }
        let mut declared = step.writes.clone();
        declared.sort_unstable();
        let is_as_meant = match &step.work {
            StepKind::Tile(_) => true,
            StepKind::Contraction(arrays, _) | StepKind::Primitive(arrays, _) => {
                *arrays == WholeArrays::of_vertex(&plan.network, arrays.vertex)
            }
            StepKind::Nested(arrays, nested) => {
                let first = arrays.outputs.first();
                first.is_some_and(|first| *arrays == NestedArrays::of_vertex(&plan.network, *first))
                    && step.partials.1 >= nested.region.bytes
                    && nested::fits(plan, arrays, nested)
            }
        };
        if !is_as_meant || declared != written(&step.work) {
            return Err(PlanMemoryError::Undeclared { step: position });
        }
        if let Some(vertex) = read_while_computed(&step.work) {
            return Err(PlanMemoryError::ReadWhileComputed { step: position, vertex });
        }
        if let Some(vertex) = tile_outside_band(plan, &step.work) {
            return Err(PlanMemoryError::WrongBand { step: position, vertex });
        }
        memory.check_room(position, &reads)?;
        memory.write(step);
    }
    let missing = plan.network.results.iter().position(|result| !memory.is_written[*result]);
    missing.map_or(Ok(()), |result| Err(PlanMemoryError::Missing { result }))
}

/// The state between two steps: who owns which bytes of the arena, and which vertices are written.
struct MemoryState<'p> {
    plan: &'p Plan,
    arena: Owners,
    is_written: Vec<bool>,
}

impl MemoryState<'_> {
    /// Whether the whole value of a vertex can be read now.
    fn holds(&self, vertex: usize) -> bool {
        let def = &self.plan.network.vertices[vertex];
        match (self.plan.storage[vertex], &def.kind) {
            (Storage::Leaf(location), kind) => matches!(kind, VertexKind::Leaf(leaf) if location == *leaf),
            (Storage::Constant, kind) => matches!(kind, VertexKind::Constant(_)),
            (Storage::Output(_), _) => self.is_written[vertex],
            (Storage::Arena(start), _) => self.arena.owns(vertex, start, def.bytes()),
            (Storage::Nowhere, _) => false,
        }
    }

    /// The bytes of the arena that the plan gives to a vertex.
    fn range(&self, vertex: usize) -> Option<Range<usize>> {
        match self.plan.storage[vertex] {
            Storage::Arena(start) => Some(start..start + self.plan.network.vertices[vertex].bytes()),
            Storage::Nowhere | Storage::Leaf(_) | Storage::Constant | Storage::Output(_) => None,
        }
    }

    /// Verifies that what a step writes lies within the arena, overlaps nothing that the step uses, and may be written.
    fn check_room(&self, position: usize, reads: &[usize]) -> Result<(), PlanMemoryError> {
        let step = &self.plan.steps[position];
        let partials = step.partials.0..step.partials.0 + step.partials.1;
        let ranges = |vertices: &[usize]| -> Vec<(usize, Range<usize>)> {
            vertices.iter().filter_map(|vertex| Some((*vertex, self.range(*vertex)?))).collect()
        };
        let (mut used, writes) = (ranges(reads), ranges(&step.writes));
        if writes.iter().map(|(_, range)| range).chain([&partials]).any(|range| range.end > self.plan.arena_bytes) {
            return Err(PlanMemoryError::Outside { step: position });
        }
        for (vertex, range) in writes {
            let is_wrong = |used_range: &(usize, Range<usize>)| {
                overlap(&used_range.1, &range)
                    && !(used_range.1 == range && self.may_write_over(step, used_range.0, vertex))
            };
            if let Some((vertex, _)) = used.iter().find(|used_range| is_wrong(used_range)) {
                return Err(PlanMemoryError::Overwritten { step: position, vertex: *vertex });
            }
            used.push((vertex, range));
        }
        if let Some((vertex, _)) = used.iter().find(|(_, other)| overlap(other, &partials)) {
            return Err(PlanMemoryError::Overwritten { step: position, vertex: *vertex });
        }
        let may_be_written = |vertex: &&usize| match self.plan.storage[**vertex] {
            Storage::Arena(_) => true,
            Storage::Output(result) => self.plan.network.results.get(result) == Some(*vertex),
            Storage::Nowhere | Storage::Leaf(_) | Storage::Constant => false,
        };
        match step.writes.iter().find(|vertex| !may_be_written(vertex)) {
            Some(vertex) => Err(PlanMemoryError::Misplaced { step: position, vertex: *vertex }),
            None => Ok(()),
        }
    }

    /// Whether a step may write a value over one that it reads: element i is read for element i only, and a tile is
    /// stored after all other instructions of the tile; or a primitive only changes elements of the operand, and no other
    /// operand reads them.
    fn may_write_over(&self, step: &PlanStep, read: usize, written: usize) -> bool {
        let program = match &step.work {
            StepKind::Tile(program) => program,
            StepKind::Primitive(arrays, op) => {
                let readers: Vec<usize> =
                    (0..arrays.operands.len()).filter(|operand| arrays.operands[*operand].vertex == read).collect();
                return arrays.vertex == written
                    && readers.len() == 1
                    && readers.first().copied() == ops::overwritten(op)
                    && arrays.operands[readers[0]].layout.offset == 0
                    && arrays.operands[readers[0]].layout.is_contiguous()
                    && arrays.operands[readers[0]].layout.count() == count(&arrays.sizes)
                    && arrays.operands[readers[0]].dtype == arrays.dtype;
            }
            StepKind::Contraction(..) | StepKind::Nested(..) => return false,
        };
        let is_store = |instruction: &Instruction| instruction.action == Action::Store;
        let first = program.instructions.iter().position(is_store).unwrap_or(program.instructions.len());
        let (before, stores) = program.instructions.split_at(first);
        let size = |vertex: usize| self.plan.network.vertices[vertex].dtype.size();
        stores.iter().all(is_store)
            && stores.iter().any(|store| store.vertex == written && store.granularity == Granularity::Element)
            && !before.iter().flat_map(Instruction::outputs).any(|output| writes(output) == Some(written))
            && size(read) == size(written)
            && stays_in_tile(program, read)
    }

    fn write(&mut self, step: &PlanStep) {
        self.arena.write(usize::MAX, step.partials.0, step.partials.1);
        for vertex in step.writes.iter().copied() {
            self.is_written[vertex] = true;
            if let Some(range) = self.range(vertex) {
                self.arena.write(vertex, range.start, range.len());
            }
        }
    }
}

fn overlap(left: &Range<usize>, right: &Range<usize>) -> bool {
    left.start.max(right.start) < left.end.min(right.end)
}

/// The vertices whose memory a step reads, by its instructions.
pub(crate) fn operands(work: &StepKind) -> Vec<usize> {
    match work {
        StepKind::Contraction(arrays, _) | StepKind::Primitive(arrays, _) => {
            arrays.operands.iter().map(|operand| operand.vertex).collect()
        }
        StepKind::Nested(arrays, _) => arrays.operands.iter().map(|operand| operand.vertex).collect(),
        StepKind::Tile(program) => {
            let computed: Vec<usize> = program.computed().collect();
            let accessed = program.memory.iter().map(|memory| memory.vertex);
            accessed.filter(|vertex| !computed.contains(vertex)).collect()
        }
    }
}

/// A vertex that a step computes and also reads in another order than elementwise, so that it would see unwritten
/// elements.
fn read_while_computed(work: &StepKind) -> Option<usize> {
    let StepKind::Tile(program) = work else { return None };
    let computed: Vec<usize> = program.computed().collect();
    let factors = program.product.iter().flat_map(|product| &product.memory[..2]);
    let whole = program.instructions.iter().flat_map(|instruction| {
        let n_whole = match instruction.action {
            Action::Load(_) | Action::LoadPadded(..) | Action::AccumulateDot(_) => 1,
            Action::DotRows(_) => 2,
            Action::Apply(_) | Action::ApplyBoth(_) | Action::Store | Action::Expand => 0,
            Action::ReduceRows(_) | Action::Accumulate(..) => 0,
        };
        instruction.operands.iter().take(n_whole)
    });
    let storage = whole.filter_map(|location| match location {
        Location::Memory(memory) | Location::Element(memory) => Some(memory),
        Location::Register(_) | Location::Number(_) => None,
    });
    let mut read = factors.chain(storage).map(|memory| program.memory[*memory].vertex);
    read.find(|vertex| computed.contains(vertex))
}

/// A banded product whose bands do not match the tiles of its step: each tile must read only rows of the band computed
/// before it, and a band must not reach from one matrix of the batch into the next.
fn tile_outside_band(plan: &Plan, work: &StepKind) -> Option<usize> {
    let StepKind::Tile(program) = work else { return None };
    let product = program.product.as_ref()?;
    let (def, contraction) = (&plan.network.vertices[product.vertex], &product.contraction);
    let factors = def.operands.iter().map(|operand| (operand.vertex, operand.layout.offset));
    let expected = factors.chain([(product.vertex, 0)]);
    let mut held = product.memory.iter().map(|memory| &program.memory[*memory]).zip(expected);
    let across = program.columns.div_ceil(program.tile[1]);
    let (down, rest) = (product.tiles / across, product.tiles % across);
    let fits = held.all(|(memory, expected)| (memory.vertex, memory.offset) == expected)
        && product.n_rows() * contraction.n == program.rows * program.columns
        && (rest, down * program.tile[0] * program.columns) == (0, product.rows * contraction.n)
        && (contraction.batch.is_empty() || contraction.m.is_multiple_of(product.rows))
        // A product of which only a band is kept has no storage that another step could read.
        && (product.keep == Keep::Band) == (plan.storage[product.vertex] == Storage::Nowhere)
        && stays_in_tile(program, product.vertex);
    (!fits).then_some(product.vertex)
}

/// Whether a tile reads of a vertex only the elements of that tile.
fn stays_in_tile(program: &TileProgram, vertex: usize) -> bool {
    let is_of = |memory: usize| program.memory[memory].vertex == vertex;
    let is_factor =
        program.product.as_ref().is_some_and(|product| product.memory[..2].iter().any(|factor| is_of(*factor)));
    let mut reads = program
        .instructions
        .iter()
        .flat_map(|instruction| instruction.operands.iter().map(move |location| (instruction, *location)));
    let stays = |(instruction, location): (&Instruction, Location)| match location {
        Location::Memory(memory) if is_of(memory) => {
            let stays_in_its_tile = match instruction.action {
                Action::Apply(_) | Action::ApplyBoth(_) | Action::Accumulate(..) => {
                    instruction.granularity == Granularity::Element
                }
                Action::ReduceRows(_) => true,
                Action::Load(_) | Action::LoadPadded(..) | Action::Store | Action::Expand => false,
                Action::DotRows(_) | Action::AccumulateDot(_) => false,
            };
            stays_in_its_tile && program.memory[memory].offset == 0
        }
        Location::Element(memory) => !is_of(memory),
        Location::Memory(_) | Location::Register(_) | Location::Number(_) => true,
    };
    !is_factor && reads.all(stays)
}

/// The vertices whose memory a step writes, by its instructions, in ascending order.
fn written(work: &StepKind) -> Vec<usize> {
    match work {
        StepKind::Contraction(arrays, _) | StepKind::Primitive(arrays, _) => vec![arrays.vertex],
        StepKind::Nested(arrays, _) => arrays.outputs.clone(),
        StepKind::Tile(program) => {
            let kept = program.product.iter().filter(|product| product.keep == Keep::Whole);
            let outputs = program.instructions.iter().flat_map(Instruction::outputs);
            let mut written: Vec<usize> = outputs.filter_map(writes).collect();
            written.extend(kept.map(|product| product.vertex));
            written.sort_unstable();
            written.dedup();
            written
        }
    }
}

/// The vertex that an output is, if it lies in memory.
fn writes((location, vertex): (Location, usize)) -> Option<usize> {
    matches!(location, Location::Memory(_) | Location::Element(_)).then_some(vertex)
}

/// Which vertex wrote which bytes last: the start of each range → its end and its owner.
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
