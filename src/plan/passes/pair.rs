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
    ir::{Access, Clusters, Network, PAIRS, function_of, partner},
    model::MachineModel,
};

/// Moves the later of two functions of one operand into the cluster of the earlier.
pub(in crate::plan) fn gather(network: &Network, clusters: &mut Clusters, model: &MachineModel) {
    let is_half = |vertex: &usize| {
        let function = function_of(network, *vertex);
        function.is_some_and(|function| PAIRS.iter().any(|pair| pair.functions.contains(&function)))
    };
    let halves: Vec<usize> = (0..network.vertices.len()).filter(is_half).collect();
    let operand = |half: usize| (network.vertices[half].operands[0].vertex, &network.vertices[half].operands[0].access);
    let mut halves_of: HashMap<(usize, &Access), SmallVec<[usize; 2]>> = HashMap::new();
    halves.iter().for_each(|half| halves_of.entry(operand(*half)).or_default().push(*half));
    for half in halves {
        let Some((pair, vertices)) = partner(network, half, &halves_of[&operand(half)]) else { continue };
        if vertices[0] == half && pair.saves() > model.cost_of_keeping {
            unite(clusters, vertices);
        }
    }
    drop_empty(clusters);
}

/// Both in the cluster that comes first, if one does.
fn unite(clusters: &mut Clusters, vertices: [usize; 2]) {
    let [Some(one), Some(other)] = vertices.map(|vertex| clusters.of[vertex]) else { return };
    let [height, other_height] = [one, other].map(|cluster| clusters.clusters[cluster].height);
    // Who stands higher never waits for who stands lower, nor for those that read from there.
    let (moved, from, to) = match height.cmp(&other_height) {
        std::cmp::Ordering::Greater => (vertices[1], other, one),
        std::cmp::Ordering::Less => (vertices[0], one, other),
        std::cmp::Ordering::Equal => return,
    };
    if clusters.clusters[to].members.len() >= 2 * super::cluster::MOST_MEMBERS {
        return;
    }
    clusters.clusters[from].members.retain(|member| *member != moved);
    let members = &mut clusters.clusters[to].members;
    let position = members.partition_point(|member| *member < moved);
    members.insert(position, moved);
    clusters.of[moved] = Some(to);
}

/// Takes away the clusters whose members have all gone.
fn drop_empty(clusters: &mut Clusters) {
    let mut n_left = 0;
    let renamed: Vec<usize> = clusters
        .clusters
        .iter()
        .map(|cluster| {
            n_left += usize::from(!cluster.members.is_empty());
            n_left.saturating_sub(1)
        })
        .collect();
    clusters.clusters.retain(|cluster| !cluster.members.is_empty());
    clusters.of.iter_mut().flatten().for_each(|cluster| *cluster = renamed[*cluster]);
}
