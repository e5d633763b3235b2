//! Topological orders of fusion groups. In: fusion groups. Out: one or two orders in which every group comes after the
//! groups that it reads from; the plan is made for each, and the one with the smaller arena is kept.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::plan::ir::{FusionGroups, Network, Vertex};

/// With more groups than this only the order of the graph is offered: the greedy order looks at every ready group at
/// each step.
const MAX_COMPARED: usize = 1024;

/// The edges between groups.
struct Dependencies {
    in_degrees: Vec<usize>,
    users: Vec<Vec<usize>>,
}

/// The order of the graph, in which a value is used soon after it is made; and a greedy one, which takes of the ready
/// groups the one that frees most memory.
pub(in crate::plan) fn candidates(network: &Network, groups: &FusionGroups) -> Vec<Vec<usize>> {
    let dependencies = Dependencies::new(network, groups);
    let mut orders = vec![dependencies.by_graph(groups)];
    if groups.groups.len() <= MAX_COMPARED {
        orders.push(dependencies.by_memory(network, groups));
    }
    orders.iter_mut().for_each(|order| order.retain(|group| !groups.groups[*group].members.is_empty()));
    orders
}

impl Dependencies {
    fn new(network: &Network, groups: &FusionGroups) -> Dependencies {
        let n_groups = groups.groups.len();
        let (mut in_degrees, mut users) = (vec![0; n_groups], vec![Vec::new(); n_groups]);
        for (position, group) in groups.groups.iter().enumerate() {
            let operands = group.members.iter().flat_map(|member| &network.vertices[*member].operands);
            let mut producers: Vec<usize> = operands.filter_map(|operand| groups.group_of[operand.vertex]).collect();
            producers.retain(|producer| *producer != position);
            producers.sort_unstable();
            producers.dedup();
            in_degrees[position] = producers.len();
            producers.iter().for_each(|producer| users[*producer].push(position));
        }
        Dependencies { in_degrees, users }
    }

    fn by_graph(&self, groups: &FusionGroups) -> Vec<usize> {
        let key = |group: usize| Reverse((groups.groups[group].members.last().copied(), group));
        let mut in_degrees = self.in_degrees.clone();
        let mut ready: BinaryHeap<_> = (0..in_degrees.len()).filter(|group| in_degrees[*group] == 0).map(key).collect();
        let mut order = Vec::with_capacity(in_degrees.len());
        while let Some(Reverse((_, group))) = ready.pop() {
            order.push(group);
            for reader in &self.users[group] {
                in_degrees[*reader] -= 1;
                if in_degrees[*reader] == 0 {
                    ready.push(key(*reader));
                }
            }
        }
        assert_eq!(order.len(), in_degrees.len(), "invariant: fusion groups have no cycle");
        order
    }

    fn by_memory(&self, network: &Network, groups: &FusionGroups) -> Vec<usize> {
        let mut account = Account::new(network, groups);
        let mut in_degrees = self.in_degrees.clone();
        let mut ready: Vec<usize> = (0..in_degrees.len()).filter(|group| in_degrees[*group] == 0).collect();
        let mut order = Vec::with_capacity(in_degrees.len());
        let latest = |group: usize| groups.groups[group].members.last().copied();
        let best = |ready: &[usize], account: &Account| {
            let gain = |group: usize| (Reverse(account.freed(group)), latest(group), group);
            (0..ready.len()).min_by_key(|position| gain(ready[*position]))
        };
        while let Some(position) = best(&ready, &account) {
            let group = ready.swap_remove(position);
            account.run(group);
            order.push(group);
            for reader in &self.users[group] {
                in_degrees[*reader] -= 1;
                if in_degrees[*reader] == 0 {
                    ready.push(*reader);
                }
            }
        }
        order
    }
}

/// How many bytes each group would free and take.
struct Account {
    /// For each group the values that it reads from others, and the bytes that it computes for others.
    reads: Vec<Vec<usize>>,
    makes: Vec<usize>,
    n_users: Vec<usize>,
    bytes: Vec<usize>,
}

impl Account {
    fn new(network: &Network, groups: &FusionGroups) -> Account {
        let n_vertices = network.vertices.len();
        let (mut n_users, mut makes) = (vec![0; n_vertices], vec![0; groups.groups.len()]);
        let mut reads: Vec<Vec<usize>> = Vec::with_capacity(groups.groups.len());
        for (position, group) in groups.groups.iter().enumerate() {
            let operands = group.members.iter().flat_map(|member| &network.vertices[*member].operands);
            let is_outside =
                |vertex: &usize| groups.group_of[*vertex].is_some_and(|producer_group| producer_group != position);
            let mut read: Vec<usize> = operands.map(|operand| operand.vertex).filter(is_outside).collect();
            read.sort_unstable();
            read.dedup();
            read.iter().for_each(|vertex| n_users[*vertex] += 1);
            reads.push(read);
        }
        // Results are the caller's memory.
        let mut bytes: Vec<usize> = network.vertices.iter().map(Vertex::bytes).collect();
        network.results.iter().for_each(|result| bytes[*result] = 0);
        for (vertex, group) in groups.group_of.iter().enumerate() {
            if let Some(group) = group.filter(|_| n_users[vertex] > 0) {
                makes[group] += bytes[vertex];
            }
        }
        Account { reads, makes, n_users, bytes }
    }

    /// The bytes that running a group now would free, less those that it would take.
    fn freed(&self, group: usize) -> isize {
        let last = self.reads[group].iter().filter(|vertex| self.n_users[**vertex] == 1);
        last.map(|vertex| self.bytes[*vertex] as isize).sum::<isize>() - self.makes[group] as isize
    }

    fn run(&mut self, group: usize) {
        for vertex in &self.reads[group] {
            self.n_users[*vertex] -= 1;
        }
    }
}
