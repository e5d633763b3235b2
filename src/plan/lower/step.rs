//! From a fusion group to a step. In: fusion groups. Out: for each what its step does, reads and writes.

use super::tile;
use crate::plan::{
    ir::{FusionGroups, NestedArrays, Network, PlanStep, StepKind, VertexKind, WholeArrays},
    model::MachineModel,
};

/// The step of each group, in the order of the groups; none for a group without members.
pub(in crate::plan) fn steps(network: &Network, groups: &FusionGroups, model: &MachineModel) -> Vec<Option<PlanStep>> {
    let is_stored = stored(network, groups);
    let step = |position: usize| {
        let last = *groups.groups[position].members.last()?;
        Some(step(network, groups, (position, last), &is_stored, model))
    };
    (0..groups.groups.len()).map(step).collect()
}

/// Which vertices must be stored: they are read outside of their group, or are results.
fn stored(network: &Network, groups: &FusionGroups) -> Vec<bool> {
    let mut is_stored = vec![false; network.vertices.len()];
    for (vertex, def) in network.vertices.iter().enumerate() {
        for operand in &def.operands {
            is_stored[operand.vertex] |= groups.group_of[operand.vertex] != groups.group_of[vertex];
        }
    }
    network.results.iter().for_each(|result| is_stored[*result] = true);
    // A step with bodies writes all of its outputs, and each was asked for.
    for (vertex, def) in network.vertices.iter().enumerate() {
        is_stored[vertex] |= matches!(def.kind, VertexKind::Nested(_) | VertexKind::FurtherOutput);
    }
    is_stored
}

/// The step of one group, whose last member is `last`.
fn step(
    network: &Network,
    groups: &FusionGroups,
    (position, last): (usize, usize),
    is_stored: &[bool],
    model: &MachineModel,
) -> PlanStep {
    let group = &groups.groups[position];
    let work = match (group.space, &network.vertices[last].kind) {
        (Some(_), _) => StepKind::Tile(tile::program(network, group, &|vertex| is_stored[vertex], model)),
        (None, VertexKind::Contraction(contraction)) => {
            StepKind::Contraction(WholeArrays::of_vertex(network, last), contraction.clone())
        }
        // Its further outputs are the members behind it.
        (None, VertexKind::Nested(_) | VertexKind::FurtherOutput) => {
            let first = group.members[0];
            let VertexKind::Nested(nested) = &network.vertices[first].kind else {
                unreachable!("invariant: the first output has the bodies")
            };
            StepKind::Nested(NestedArrays::of_vertex(network, first), nested.clone())
        }
        (None, VertexKind::Primitive(op)) => StepKind::Primitive(WholeArrays::of_vertex(network, last), op.clone()),
        (None, other) => unreachable!("invariant: {other:?} is fused"),
    };
    let operands = group.members.iter().flat_map(|member| &network.vertices[*member].operands);
    let has_memory = |vertex: &usize| !matches!(network.vertices[*vertex].kind, VertexKind::Splat(_));
    let mut reads: Vec<usize> = operands
        .map(|operand| operand.vertex)
        .filter(|vertex| groups.group_of[*vertex] != Some(position))
        .filter(has_memory)
        .collect();
    reads.sort_unstable();
    reads.dedup();
    let writes: Vec<usize> = group.members.iter().copied().filter(|member| is_stored[*member]).collect();
    let touched = reads.iter().chain(&writes).map(|vertex| network.vertices[*vertex].bytes());
    let bytes = match &work {
        StepKind::Nested(_, nested) => nested.moved_bytes(),
        StepKind::Tile(_) | StepKind::Contraction(..) | StepKind::Primitive(..) => touched.sum(),
    };
    let flops = group.members.iter().map(|member| network.flops(*member)).fold(0, usize::saturating_add);
    PlanStep { work, reads, writes, partials: (0, 0), origin: network.vertices[last].origin, flops, bytes }
}
