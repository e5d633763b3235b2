//! Functions of one number that one instruction computes together. In: a network and its clusters. Out: the same,
//! in which the later of two came to the earlier, where that pays.
//!
//! A derivative is made of functions of what the value is made of: the slope of tanh is another function of the same
//! exponential. Both are read in different clusters, the slope when the gradient comes back. It is computed beside the
//! value and kept until then, if what that saves is worth more than what keeping a value costs. Where its operand is
//! kept for it alone, that memory is free instead.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::plan::{
    ir::{FusionGroups, Network, PAIRS, StridedLayout, function_of, partner},
    model::MachineModel,
};

/// Moves the later of two functions of one operand into the cluster of the earlier.
pub(in crate::plan) fn gather(network: &Network, groups: &mut FusionGroups, model: &MachineModel) {
    let is_half = |vertex: &usize| {
        let function = function_of(network, *vertex);
        function.is_some_and(|function| PAIRS.iter().any(|pair| pair.functions.contains(&function)))
    };
    let halves: Vec<usize> = (0..network.vertices.len()).filter(is_half).collect();
    let operand = |half: usize| (network.vertices[half].operands[0].vertex, &network.vertices[half].operands[0].layout);
    let mut halves_of: HashMap<(usize, &StridedLayout), SmallVec<[usize; 2]>> = HashMap::new();
    halves.iter().for_each(|half| halves_of.entry(operand(*half)).or_default().push(*half));
    for half in halves {
        let Some((pair, vertices)) = partner(network, half, &halves_of[&operand(half)]) else { continue };
        if vertices[0] == half && pair.saves() > model.store_cost {
            colocate(groups, vertices);
        }
    }
    drop_empty(groups);
}

/// Both in the cluster that comes first, if one does.
fn colocate(groups: &mut FusionGroups, vertices: [usize; 2]) {
    let [Some(left), Some(right)] = vertices.map(|vertex| groups.group_of[vertex]) else { return };
    let [level, other_level] = [left, right].map(|group| groups.groups[group].level);
    // Who stands higher never waits for who stands lower, nor for those that read from there.
    let (moved, from, to) = match level.cmp(&other_level) {
        std::cmp::Ordering::Greater => (vertices[1], right, left),
        std::cmp::Ordering::Less => (vertices[0], left, right),
        std::cmp::Ordering::Equal => return,
    };
    if groups.groups[to].members.len() >= 2 * super::fusion::MAX_MEMBERS {
        return;
    }
    groups.groups[from].members.retain(|member| *member != moved);
    let members = &mut groups.groups[to].members;
    let position = members.partition_point(|member| *member < moved);
    members.insert(position, moved);
    groups.group_of[moved] = Some(to);
}

/// Takes away the clusters whose members have all gone.
fn drop_empty(groups: &mut FusionGroups) {
    let mut n_left = 0;
    let renamed: Vec<usize> = groups
        .groups
        .iter()
        .map(|group| {
            n_left += usize::from(!group.members.is_empty());
            n_left.saturating_sub(1)
        })
        .collect();
    groups.groups.retain(|group| !group.members.is_empty());
    groups.group_of.iter_mut().flatten().for_each(|group| *group = renamed[*group]);
}
