//! Graph with sizes → plan. In: a graph, its results and a number for each symbol. Out: a [`Plan`]: steps in order, and
//! where every value lies. Nothing here runs anything, and nothing is left for the runtime to decide.
//!
//! [`network`] puts the graph into numbers and movements of data into strides; [`cluster`] decides what is computed
//! together, [`pair`] which functions of one number are, [`recompute`] what is computed again instead of kept; [`order`]
//! puts clusters in a row; [`tile`] writes the program of each fused one, [`epilogue`] puts products into those that go on
//! with them; [`memory`] places what is kept; [`check`] proves the places right without having made them.

mod access;
pub(crate) mod check;
mod cluster;
mod epilogue;
mod function;
mod in_place;
mod instruction;
mod matrix_vector;
pub(crate) mod memory;
mod network;
mod order;
mod pair;
mod product;
mod recompute;
mod registers;
mod show;
mod superinstruction;
#[cfg(test)]
mod tests;
mod tile;

pub(crate) use access::{Access, count, offsets};
pub(crate) use epilogue::{Banded, Keep};
#[cfg(test)]
pub(crate) use function::PAIRS;
pub(crate) use function::{Both, Function, Pair};
pub(crate) use instruction::{Action, Extent, Instruction, Padding, Place, Read, Write};
pub(crate) use matrix_vector::MatrixVector;
pub(crate) use network::{Along, Kind, Network, Number, Operand, Origin, PlanError, Vertex};
pub(crate) use product::{Batch, Contraction};
pub(crate) use tile::{Accumulated, TileProgram};

use self::{cluster::Clusters, memory::Lifetime, recompute::Dearest};
use crate::{
    graph::{Bindings, Graph, NodeId, Op, Type},
    ops::{self, Fault},
};

/// What a program does, for one set of sizes.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) network: Network,
    pub(crate) steps: Vec<Step>,
    /// Where the value of each vertex lies.
    pub(crate) places: Vec<Storage>,
    /// Bytes of the arena.
    pub(crate) arena_bytes: usize,
    /// The least that any layout of these steps in this order needs.
    pub(crate) lower_bound: usize,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Nowhere: no step but its own reads it, or it is one number.
    Nowhere,
    /// An input or parameter.
    Leaf(usize),
    /// An array that the program owns.
    Constant,
    /// The arena, from this byte.
    Arena(usize),
    /// A result.
    Output(usize),
}

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) work: Work,
    /// Vertices whose memory it reads.
    pub(crate) reads: Vec<usize>,
    /// Vertices whose memory it writes.
    pub(crate) writes: Vec<usize>,
    /// First byte of what the step alone uses of the arena, and how many.
    pub(crate) partials: (usize, usize),
    /// The node that a report names: the last of those that it computes.
    pub(crate) origin: Origin,
    /// Operations on floats, a multiply-add as two.
    pub(crate) flops: usize,
    /// Bytes read and written, each value once.
    pub(crate) bytes: usize,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Work {
    /// Fused functions and reductions, and perhaps the product of matrices that they go on with.
    Tile(TileProgram),
    /// A product of matrices.
    Contraction(usize, Contraction),
    /// Any other primitive.
    Primitive(usize, Op),
}

impl Plan {
    /// The plan of the part of `graph` that `results` need; `leaves` are fed, in this order. With a budget that it would
    /// exceed, a plan that takes less memory and more time, if there is one.
    pub(crate) fn new(
        graph: &Graph,
        leaves: &[Option<NodeId>],
        results: &[NodeId],
        bindings: &Bindings,
        memory_budget: Option<usize>,
    ) -> Result<Plan, PlanError> {
        let plan = |dearest| Plan::of(Network::new(graph, leaves, results, bindings)?, dearest);
        let fast = plan(Dearest::Cheap)?;
        if memory_budget.is_none_or(|budget| fast.arena_bytes <= budget) {
            return Ok(fast);
        }
        let small = plan(Dearest::Any)?;
        Ok(if small.arena_bytes < fast.arena_bytes { small } else { fast })
    }

    fn of(mut network: Network, dearest: Dearest) -> Result<Plan, PlanError> {
        let mut clusters = Clusters::new(&network);
        if dearest == Dearest::Cheap {
            pair::gather(&network, &mut clusters);
        }
        recompute::recompute(&mut network, &mut clusters, dearest);
        let is_stored = stored(&network, &clusters);
        let orders = order::candidates(&network, &clusters);
        let laid_out = orders.iter().map(|order| {
            let steps = order.iter().map(|cluster| step(&network, &clusters, *cluster, &is_stored)).collect();
            let mut steps = epilogue::fuse(&network, steps);
            let (places, layout) = place(&network, &mut steps)?;
            Ok((steps, places, layout))
        });
        let laid_out: Vec<_> = laid_out.collect::<Result<_, PlanError>>()?;
        let least = laid_out.into_iter().min_by_key(|(_, _, layout)| layout.bytes);
        let (steps, places, layout) = least.expect("invariant: there is an order");
        let plan = Plan { network, steps, places, arena_bytes: layout.bytes, lower_bound: layout.lower_bound };
        // Steps read and write by address, so this holds in every build.
        assert_eq!(check::check(&plan), Ok(()), "invariant: buffers that are alive do not overlap");
        Ok(plan)
    }
}

/// Which vertices are read outside of their cluster, or are results.
fn stored(network: &Network, clusters: &Clusters) -> Vec<bool> {
    let mut is_stored = vec![false; network.vertices.len()];
    for (vertex, of) in network.vertices.iter().enumerate() {
        for operand in &of.operands {
            is_stored[operand.vertex] |= clusters.of[operand.vertex] != clusters.of[vertex];
        }
    }
    network.results.iter().for_each(|result| is_stored[*result] = true);
    is_stored
}

fn step(network: &Network, clusters: &Clusters, position: usize, is_stored: &[bool]) -> Step {
    let cluster = &clusters.clusters[position];
    let last = *cluster.members.last().expect("invariant: a cluster has members");
    let work = match (cluster.domain, &network.vertices[last].kind) {
        (Some(_), _) => Work::Tile(TileProgram::new(network, cluster, &|vertex| is_stored[vertex])),
        (None, Kind::Contraction(contraction)) => Work::Contraction(last, contraction.clone()),
        (None, Kind::Primitive(op)) => Work::Primitive(last, op.clone()),
        (None, other) => unreachable!("invariant: {other:?} is fused"),
    };
    let operands = cluster.members.iter().flat_map(|member| &network.vertices[*member].operands);
    let has_memory = |vertex: &usize| !matches!(network.vertices[*vertex].kind, Kind::Splat(_));
    let mut reads: Vec<usize> = operands
        .map(|operand| operand.vertex)
        .filter(|vertex| clusters.of[*vertex] != Some(position))
        .filter(has_memory)
        .collect();
    reads.sort_unstable();
    reads.dedup();
    let writes: Vec<usize> = cluster.members.iter().copied().filter(|member| is_stored[*member]).collect();
    let touched = reads.iter().chain(&writes).map(|vertex| network.vertices[*vertex].bytes());
    let bytes = touched.sum();
    let flops = cluster.members.iter().map(|member| network.flops(*member)).fold(0, usize::saturating_add);
    Step { work, reads, writes, partials: (0, 0), origin: network.vertices[last].origin, flops, bytes }
}

impl Vertex {
    /// Bytes of its value.
    pub(crate) fn bytes(&self) -> usize {
        count(&self.sizes) * self.dtype.size()
    }
}

impl Network {
    /// Operations on floats of one vertex.
    fn flops(&self, vertex: usize) -> usize {
        let of = &self.vertices[vertex];
        match &of.kind {
            Kind::Map(function) => function.flops() * count(&of.sizes),
            // The first of n numbers is taken as it is.
            Kind::Reduce(reduce) => (reduce.rows * reduce.columns).saturating_sub(count(&of.sizes)),
            Kind::Contraction(contraction) => (2 * count(&of.sizes)).saturating_mul(contraction.k),
            Kind::DotRows(product) | Kind::DotColumns(product) => 2 * product.rows.size * product.columns.size,
            Kind::Primitive(op) => {
                // What is read has the sizes of the access; those of the vertex are of another shape behind a view.
                let read = |operand: &Operand| {
                    Type::new(self.vertices[operand.vertex].dtype, operand.access.sizes().as_slice())
                };
                let operands: Vec<Type> = of.operands.iter().map(read).collect();
                ops::flops(op, &operands, &Type::new(of.dtype, of.sizes.as_slice()))
                    .as_number()
                    .map_or(0, |flops| flops.max(0) as usize)
            }
            Kind::Leaf(_) | Kind::Constant(_) | Kind::Splat(_) | Kind::Copy | Kind::Pad(_) => 0,
        }
    }
}

/// More bytes than any address space has, and few enough that offsets never overflow.
const MOST_BYTES: usize = 1 << 56;

/// Places every value that is kept, and what each step needs for itself.
fn place(network: &Network, steps: &mut [Step]) -> Result<(Vec<Storage>, memory::Layout), PlanError> {
    let mut places = vec![Storage::Nowhere; network.vertices.len()];
    for (vertex, of) in network.vertices.iter().enumerate() {
        match &of.kind {
            Kind::Leaf(position) => places[vertex] = Storage::Leaf(*position),
            Kind::Constant(_) => places[vertex] = Storage::Constant,
            _ => {}
        }
    }
    network.results.iter().enumerate().for_each(|(position, result)| places[*result] = Storage::Output(position));
    let mut last_read = vec![0; network.vertices.len()];
    for (position, step) in steps.iter().enumerate() {
        step.reads.iter().chain(&step.writes).for_each(|vertex| last_read[*vertex] = position);
    }
    let taken_from = in_place::find(network, steps, &places, &last_read);
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
