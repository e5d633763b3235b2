//! In which order steps run. In: clusters. Out: a permutation of them in which each comes after those it reads from: the
//! order of the graph as far as fusion leaves it, since there a value is used soon after it is made.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{cluster::Clusters, network::Network};

/// Clusters in the order in which they run.
pub(super) fn order(network: &Network, clusters: &Clusters) -> Vec<usize> {
    let n_clusters = clusters.clusters.len();
    let mut producers: Vec<Vec<usize>> = vec![Vec::new(); n_clusters];
    for (position, cluster) in clusters.clusters.iter().enumerate() {
        let operands = cluster.members.iter().flat_map(|member| &network.vertices[*member].operands);
        producers[position].extend(operands.filter_map(|operand| clusters.of[operand.vertex]));
        producers[position].retain(|producer| *producer != position);
        producers[position].sort_unstable();
        producers[position].dedup();
    }
    let mut n_missing: Vec<usize> = producers.iter().map(Vec::len).collect();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); n_clusters];
    for (position, producers) in producers.iter().enumerate() {
        producers.iter().for_each(|producer| readers[*producer].push(position));
    }
    let key = |cluster: usize| Reverse((clusters.clusters[cluster].members.last().copied(), cluster));
    let mut ready: BinaryHeap<_> = (0..n_clusters).filter(|cluster| n_missing[*cluster] == 0).map(key).collect();
    let (mut order, mut n_ordered) = (Vec::with_capacity(n_clusters), 0);
    while let Some(Reverse((_, cluster))) = ready.pop() {
        if !clusters.clusters[cluster].members.is_empty() {
            order.push(cluster);
        }
        n_ordered += 1;
        for reader in &readers[cluster] {
            n_missing[*reader] -= 1;
            if n_missing[*reader] == 0 {
                ready.push(key(*reader));
            }
        }
    }
    assert_eq!(n_ordered, n_clusters, "invariant: clusters have no cycle");
    order
}
