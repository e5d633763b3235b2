//! Colocation of pairs: two functions of one operand that share work, such as tanh and its slope, are computed
//! together. In: a network and its fusion groups. Out: the same, with one function of a pair moved into the group
//! of the other where that pays.
//!
//! A derivative is often a function of the same exponential as the value. The value is used in the forward pass and the
//! slope in the backward pass, so they are in different groups. Computed together, the slope costs little, but it has
//! to be stored until the backward pass; that pays if what is saved is worth more than a store and a load
//! ([`MachineModel`]). If its operand was stored only for the slope, that memory is freed instead.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::plan::{
    ir::{FusionGroups, Network, PAIRS, StridedLayout, function_of, partner},
    model::MachineModel,
};

/// Moves the later function of each pair into the group of the earlier one.
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
            colocate(network, groups, vertices);
        }
    }
    drop_empty(groups);
}

/// Puts both functions into the group that runs first, the one of the higher level; of two of one level both become one.
fn colocate(network: &Network, groups: &mut FusionGroups, vertices: [usize; 2]) {
    let [Some(left), Some(right)] = vertices.map(|vertex| groups.group_of[vertex]) else { return };
    let [level, other_level] = [left, right].map(|group| groups.groups[group].level);
    if left == right {
        return;
    }
    // A group reads only from groups of higher levels, so the one of the higher level never depends on the other, and
    // moving a vertex there makes no cycle. Of one level neither depends on the other, nor would one that is both.
    let (moved, from, to) = match level.cmp(&other_level) {
        std::cmp::Ordering::Greater => (vertices[1], right, left),
        std::cmp::Ordering::Less => (vertices[0], left, right),
        std::cmp::Ordering::Equal => return join(network, groups, [left, right]),
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

/// Two groups of one level as one, where the second only computes functions of elements, over the same elements.
fn join(network: &Network, groups: &mut FusionGroups, [to, from]: [usize; 2]) {
    let [one, other] = [to, from].map(|group| &groups.groups[group]);
    let is_function = |member: &usize| function_of(network, *member).is_some();
    let fits = one.members.len() + other.members.len() <= 2 * super::fusion::MAX_MEMBERS;
    if one.space != other.space || !fits || !other.members.iter().all(is_function) {
        return;
    }
    let moved = std::mem::take(&mut groups.groups[from].members);
    moved.iter().for_each(|member| groups.group_of[*member] = Some(to));
    let members = &mut groups.groups[to].members;
    members.extend(moved);
    members.sort_unstable();
}

/// Removes the groups without members.
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
