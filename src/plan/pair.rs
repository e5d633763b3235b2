//! Functions of one number that one instruction computes together. In: a network and its clusters. Out: which two of a
//! cluster are such a pair; and clusters in which the later of two came to the earlier, where that pays.
//!
//! A derivative is made of functions of what the value is made of: the slope of tanh is another function of the same
//! exponential. Both are read in different clusters, the slope when the gradient comes back. It is computed beside the
//! value and kept until then, if what that saves is worth more than what keeping a value costs. Where its operand is
//! kept for it alone, that memory is free instead.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::{
    access::Access,
    cluster::{Clusters, MOST_MEMBERS},
    function::{Function, PAIRS, Pair},
    network::{Kind, Network},
    recompute,
};

/// The pair that a member of a cluster is one half of, and its vertices in the order of the pair.
pub(super) fn partner(network: &Network, member: usize, members: &[usize]) -> Option<(Pair, [usize; 2])> {
    let own = function_of(network, member)?;
    PAIRS.iter().find_map(|pair| {
        let side = pair.functions.iter().position(|function| *function == own)?;
        // Copies of a value have copies of its partner: the first of each.
        let first = |function: Function| {
            members
                .iter()
                .copied()
                .find(|other| function_of(network, *other) == Some(function) && reads_the_same(network, member, *other))
        };
        let vertices = [first(pair.functions[0])?, first(pair.functions[1])?];
        (vertices[side] == member).then_some((*pair, vertices))
    })
}

/// Moves the later of two functions of one operand into the cluster of the earlier.
pub(super) fn gather(network: &Network, clusters: &mut Clusters) {
    let is_half = |vertex: &usize| {
        let function = function_of(network, *vertex);
        function.is_some_and(|function| PAIRS.iter().any(|pair| pair.functions.contains(&function)))
    };
    let halves: Vec<usize> = (0..network.vertices.len()).filter(is_half).collect();
    let operand = |half: usize| (network.vertices[half].operands[0].vertex, &network.vertices[half].operands[0].access);
    let mut halves_of: HashMap<(usize, &Access), SmallVec<[usize; 2]>> = HashMap::new();
    halves.iter().for_each(|half| halves_of.entry(operand(*half)).or_default().push(*half));
    for half in halves {
        match partner(network, half, &halves_of[&operand(half)]) {
            Some((pair, vertices)) if vertices[0] == half && pair.saves() > recompute::KEPT => {
                unite(clusters, vertices);
            }
            _ => {}
        }
    }
    drop_empty(clusters);
}

/// The function of one operand, or more, that a vertex is.
fn function_of(network: &Network, vertex: usize) -> Option<Function> {
    match network.vertices[vertex].kind {
        Kind::Map(function) => Some(function),
        _ => None,
    }
}

/// Whether the first operands of two functions are the same elements.
fn reads_the_same(network: &Network, one: usize, other: usize) -> bool {
    let (one, other) = (&network.vertices[one], &network.vertices[other]);
    one.sizes == other.sizes && one.operands[0] == other.operands[0]
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
    if clusters.clusters[to].members.len() >= 2 * MOST_MEMBERS {
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
