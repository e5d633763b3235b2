//! From a cluster to a step. In: clusters, and which vertices others read. Out: what the step does, reads and writes.

use super::tile;
use crate::plan::{
    ir::{Clusters, Kind, Network, Step, WholeArrays, Work},
    model::MachineModel,
};

/// The step of each cluster, in the order of the clusters; none of one whose members are all computed elsewhere.
pub(in crate::plan) fn steps(network: &Network, clusters: &Clusters, model: &MachineModel) -> Vec<Option<Step>> {
    let is_stored = stored(network, clusters);
    let step = |position: usize| {
        let last = *clusters.clusters[position].members.last()?;
        Some(step(network, clusters, (position, last), &is_stored, model))
    };
    (0..clusters.clusters.len()).map(step).collect()
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

/// The step of one cluster, whose last member is `last`.
fn step(
    network: &Network,
    clusters: &Clusters,
    (position, last): (usize, usize),
    is_stored: &[bool],
    model: &MachineModel,
) -> Step {
    let cluster = &clusters.clusters[position];
    let work = match (cluster.domain, &network.vertices[last].kind) {
        (Some(_), _) => Work::Tile(tile::program(network, cluster, &|vertex| is_stored[vertex], model)),
        (None, Kind::Contraction(contraction)) => {
            Work::Contraction(WholeArrays::of(network, last), contraction.clone())
        }
        (None, Kind::Primitive(op)) => Work::Primitive(WholeArrays::of(network, last), op.clone()),
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
