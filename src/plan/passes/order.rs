//! In which order steps run. In: clusters. Out: orders of them in which each comes after those it reads from, to choose
//! from by the memory that they take.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::plan::ir::{Clusters, Network, Vertex};

/// With more clusters than this, only the order of the graph is offered: the other looks at all that are ready at each
/// step.
const MOST_COMPARED: usize = 1024;

/// Which clusters read from which.
struct Dependencies {
    n_missing: Vec<usize>,
    readers: Vec<Vec<usize>>,
}

/// The order of the graph, since there a value is used soon after it is made; and one that, of the steps that could run,
/// takes the one that frees most.
pub(in crate::plan) fn candidates(network: &Network, clusters: &Clusters) -> Vec<Vec<usize>> {
    let dependencies = Dependencies::new(network, clusters);
    let mut orders = vec![dependencies.by_graph(clusters)];
    if clusters.clusters.len() <= MOST_COMPARED {
        orders.push(dependencies.by_memory(network, clusters));
    }
    orders.iter_mut().for_each(|order| order.retain(|cluster| !clusters.clusters[*cluster].members.is_empty()));
    orders
}

impl Dependencies {
    fn new(network: &Network, clusters: &Clusters) -> Dependencies {
        let n_clusters = clusters.clusters.len();
        let (mut n_missing, mut readers) = (vec![0; n_clusters], vec![Vec::new(); n_clusters]);
        for (position, cluster) in clusters.clusters.iter().enumerate() {
            let operands = cluster.members.iter().flat_map(|member| &network.vertices[*member].operands);
            let mut producers: Vec<usize> = operands.filter_map(|operand| clusters.of[operand.vertex]).collect();
            producers.retain(|producer| *producer != position);
            producers.sort_unstable();
            producers.dedup();
            n_missing[position] = producers.len();
            producers.iter().for_each(|producer| readers[*producer].push(position));
        }
        Dependencies { n_missing, readers }
    }

    fn by_graph(&self, clusters: &Clusters) -> Vec<usize> {
        let key = |cluster: usize| Reverse((clusters.clusters[cluster].members.last().copied(), cluster));
        let mut n_missing = self.n_missing.clone();
        let mut ready: BinaryHeap<_> =
            (0..n_missing.len()).filter(|cluster| n_missing[*cluster] == 0).map(key).collect();
        let mut order = Vec::with_capacity(n_missing.len());
        while let Some(Reverse((_, cluster))) = ready.pop() {
            order.push(cluster);
            for reader in &self.readers[cluster] {
                n_missing[*reader] -= 1;
                if n_missing[*reader] == 0 {
                    ready.push(key(*reader));
                }
            }
        }
        assert_eq!(order.len(), n_missing.len(), "invariant: clusters have no cycle");
        order
    }

    fn by_memory(&self, network: &Network, clusters: &Clusters) -> Vec<usize> {
        let mut account = Account::new(network, clusters);
        let mut n_missing = self.n_missing.clone();
        let mut ready: Vec<usize> = (0..n_missing.len()).filter(|cluster| n_missing[*cluster] == 0).collect();
        let mut order = Vec::with_capacity(n_missing.len());
        let latest = |cluster: usize| clusters.clusters[cluster].members.last().copied();
        let best = |ready: &[usize], account: &Account| {
            let gain = |cluster: usize| (Reverse(account.freed(cluster)), latest(cluster), cluster);
            (0..ready.len()).min_by_key(|position| gain(ready[*position]))
        };
        while let Some(position) = best(&ready, &account) {
            let cluster = ready.swap_remove(position);
            account.run(cluster);
            order.push(cluster);
            for reader in &self.readers[cluster] {
                n_missing[*reader] -= 1;
                if n_missing[*reader] == 0 {
                    ready.push(*reader);
                }
            }
        }
        order
    }
}

/// What each cluster would free and take.
struct Account {
    /// Values that each cluster reads from others, and bytes that it makes for them.
    reads: Vec<Vec<usize>>,
    makes: Vec<usize>,
    n_readers: Vec<usize>,
    bytes: Vec<usize>,
}

impl Account {
    fn new(network: &Network, clusters: &Clusters) -> Account {
        let n_vertices = network.vertices.len();
        let (mut n_readers, mut makes) = (vec![0; n_vertices], vec![0; clusters.clusters.len()]);
        let mut reads: Vec<Vec<usize>> = Vec::with_capacity(clusters.clusters.len());
        for (position, cluster) in clusters.clusters.iter().enumerate() {
            let operands = cluster.members.iter().flat_map(|member| &network.vertices[*member].operands);
            let is_outside = |vertex: &usize| clusters.of[*vertex].is_some_and(|other| other != position);
            let mut read: Vec<usize> = operands.map(|operand| operand.vertex).filter(is_outside).collect();
            read.sort_unstable();
            read.dedup();
            read.iter().for_each(|vertex| n_readers[*vertex] += 1);
            reads.push(read);
        }
        // Results are the caller's memory.
        let mut bytes: Vec<usize> = network.vertices.iter().map(Vertex::bytes).collect();
        network.results.iter().for_each(|result| bytes[*result] = 0);
        for (vertex, of) in clusters.of.iter().enumerate() {
            if let Some(cluster) = of.filter(|_| n_readers[vertex] > 0) {
                makes[cluster] += bytes[vertex];
            }
        }
        Account { reads, makes, n_readers, bytes }
    }

    /// Bytes that running a cluster now would free, less those that it would take.
    fn freed(&self, cluster: usize) -> isize {
        let last = self.reads[cluster].iter().filter(|vertex| self.n_readers[**vertex] == 1);
        last.map(|vertex| self.bytes[*vertex] as isize).sum::<isize>() - self.makes[cluster] as isize
    }

    fn run(&mut self, cluster: usize) {
        for vertex in &self.reads[cluster] {
            self.n_readers[*vertex] -= 1;
        }
    }
}
