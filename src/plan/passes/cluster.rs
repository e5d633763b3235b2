//! What is computed together. In: a network. Out: its computing vertices in clusters, each of which is one step: a single
//! primitive, or elementwise functions and reductions that make one visit of their data.
//!
//! One sweep from the results to the leaves: a vertex joins the clusters of its users where it is read element by
//! element, so values are computed where they are needed, and clusters that share a producer become one. Each cluster
//! has a *height*, less than those of all clusters that it reads from; that keeps the graph of clusters without cycles
//! at the cost of a comparison (the same idea as the depths by which XLA's fusion forbids cycles, but kept incrementally).
//! A value is never computed twice.

use smallvec::SmallVec;

use crate::plan::{
    ir::{Cluster, Clusters, Domain, Kind, Network, Reduce, Relation, Vertex, count, is_terminal},
    model::MachineModel,
};

/// Clusters of more vertices than this gain nothing and need many registers.
pub(in crate::plan) const MOST_MEMBERS: usize = 96;

/// The clusters of `network`.
///
/// # Complexity
/// Linear in the number of edges, but for merging lists of members.
pub(in crate::plan) fn find(network: &Network, model: &MachineModel) -> Clusters {
    let mut sweep = Sweep::new(network, model.longest_row);
    for vertex in (0..network.vertices.len()).rev() {
        sweep.place(vertex);
    }
    sweep.finish()
}

/// A vertex that is to be placed: the domain that it has by itself, and its users with the positions of the operands.
struct Candidate<'e> {
    vertex: usize,
    own: Domain,
    /// Sorted by the cluster of the user, which comes first.
    edges: &'e [(usize, usize, usize)],
}

/// A cluster while it grows.
#[derive(Debug)]
struct Growing {
    members: Vec<usize>,
    domain: Option<Domain>,
    height: usize,
    /// The least height of the clusters that it reads from: its own must stay below.
    limit: usize,
    /// The cluster that took it over.
    merged_into: Option<usize>,
}

struct Sweep<'n> {
    network: &'n Network,
    /// A row of more elements is not held between a reduction and its reader.
    longest_row: usize,
    clusters: Vec<Growing>,
    of: Vec<Option<usize>>,
    /// For each vertex the users with the position of the operand, one after another; `starts` delimits them.
    users: Vec<(usize, usize)>,
    starts: Vec<usize>,
}

impl<'n> Sweep<'n> {
    fn new(network: &'n Network, longest_row: usize) -> Sweep<'n> {
        let n_vertices = network.vertices.len();
        let mut starts = vec![0; n_vertices + 1];
        let edges = || {
            let of = |(user, vertex): (usize, &'n Vertex)| {
                vertex.operands.iter().enumerate().map(move |(position, operand)| (operand.vertex, user, position))
            };
            network.vertices.iter().enumerate().flat_map(of)
        };
        edges().for_each(|(vertex, ..)| starts[vertex + 1] += 1);
        for vertex in 0..n_vertices {
            starts[vertex + 1] += starts[vertex];
        }
        let mut next = starts.clone();
        let mut users = vec![(0, 0); starts[n_vertices]];
        for (vertex, user, position) in edges() {
            users[next[vertex]] = (user, position);
            next[vertex] += 1;
        }
        Sweep { network, longest_row, clusters: Vec::new(), of: vec![None; n_vertices], users, starts }
    }

    fn cluster_of(&mut self, vertex: usize) -> Option<usize> {
        let mut cluster = self.of[vertex]?;
        while let Some(next) = self.clusters[cluster].merged_into {
            cluster = next;
        }
        self.of[vertex] = Some(cluster);
        Some(cluster)
    }

    /// Puts one vertex into a cluster; all of its users are in one.
    fn place(&mut self, vertex: usize) {
        let own = match &self.network.vertices[vertex].kind {
            Kind::Leaf(_) | Kind::Constant(_) | Kind::Splat(_) => return,
            Kind::Contraction(_) | Kind::Primitive(_) => None,
            Kind::DotColumns(product) => Some(Domain::Line(product.rows.size)),
            Kind::Map(_) | Kind::Copy | Kind::Pad(_) | Kind::DotRows(_) => {
                Some(Domain::Line(count(&self.network.vertices[vertex].sizes)))
            }
            Kind::Reduce(reduce) if reduce.rows == 1 => Some(Domain::Line(reduce.columns)),
            Kind::Reduce(reduce) => Some(Domain::Matrix { rows: reduce.rows, columns: reduce.columns }),
        };
        let mut edges: SmallVec<[(usize, usize, usize); 8]> = SmallVec::new();
        for edge in self.starts[vertex]..self.starts[vertex + 1] {
            let (user, position) = self.users[edge];
            edges.extend(self.cluster_of(user).map(|cluster| (cluster, user, position)));
        }
        edges.sort_unstable();
        let mut around: SmallVec<[usize; 8]> = edges.iter().map(|(cluster, ..)| *cluster).collect();
        around.dedup();
        let joined = own.and_then(|own| self.join(&Candidate { vertex, own, edges: &edges }, &around));
        let cluster = joined.unwrap_or_else(|| {
            let height = around.iter().map(|cluster| self.clusters[*cluster].height + 1).max().unwrap_or(0);
            self.clusters.push(Growing {
                members: vec![vertex],
                domain: own,
                height,
                limit: usize::MAX,
                merged_into: None,
            });
            self.clusters.len() - 1
        });
        self.of[vertex] = Some(cluster);
        let height = self.clusters[cluster].height;
        for user in around.into_iter().filter(|user| *user != cluster) {
            let user = self.resolve(user);
            if user != cluster {
                self.clusters[user].limit = self.clusters[user].limit.min(height);
            }
        }
    }

    fn resolve(&self, mut cluster: usize) -> usize {
        while let Some(next) = self.clusters[cluster].merged_into {
            cluster = next;
        }
        cluster
    }

    /// Joins as many of the clusters around as may become one with the vertex; none if it must stand alone.
    fn join(&mut self, candidate: &Candidate<'_>, around: &[usize]) -> Option<usize> {
        if self.is_terminal(candidate.vertex) {
            return None;
        }
        let mut chosen: SmallVec<[usize; 8]> = SmallVec::new();
        let mut domain: Option<Domain> = None;
        let mut n_members = 1;
        for cluster in around {
            let Some(wanted) = self.domain_with(candidate, *cluster) else { continue };
            let Some(unified) = domain.map_or(Some(wanted), |domain| domain.unified(wanted)) else { continue };
            let n_more = self.clusters[*cluster].members.len();
            if n_members + n_more <= MOST_MEMBERS {
                domain = Some(unified);
                n_members += n_more;
                chosen.push(*cluster);
            }
        }
        // A cluster whose producers stand too low is left out, which may raise the others: until nothing changes.
        loop {
            let outside = around.iter().filter(|cluster| !chosen.contains(cluster));
            let above = outside.map(|cluster| self.clusters[*cluster].height + 1);
            let inside = chosen.iter().map(|cluster| self.clusters[*cluster].height);
            let height = above.chain(inside).max()?;
            match chosen.iter().position(|cluster| self.clusters[*cluster].limit <= height) {
                Some(position) => _ = chosen.remove(position),
                None if chosen.is_empty() => return None,
                None => return Some(self.merge(candidate, &chosen, height)),
            }
        }
    }

    fn is_terminal(&self, vertex: usize) -> bool {
        match &self.network.vertices[vertex].kind {
            Kind::Reduce(reduce) => is_terminal(reduce),
            kind => matches!(kind, Kind::DotColumns(_)),
        }
    }

    /// The domain of a cluster once the vertex has joined it, if each of its users there reads it element by element.
    fn domain_with(&mut self, candidate: &Candidate<'_>, cluster: usize) -> Option<Domain> {
        let Candidate { vertex, own, edges } = *candidate;
        let mut domain = self.clusters[cluster].domain?;
        let first = edges.partition_point(|(other, ..)| *other < cluster);
        for (_, user, position) in edges[first..].iter().take_while(|(other, ..)| *other == cluster) {
            domain = domain.unified(self.domain_of_edge(vertex, *user, *position, domain)?)?;
        }
        let size = count(&self.network.vertices[vertex].sizes);
        match (own, domain) {
            // A reduction along rows brings the domain of what it reads.
            (Domain::Matrix { rows, columns }, _) => {
                let is_held = (2..=self.longest_row).contains(&columns);
                let matrix = Domain::Matrix { rows, columns };
                let becomes = match domain {
                    Domain::Line(n) if n == rows => Some(matrix),
                    other => (other == matrix).then_some(matrix),
                };
                becomes.filter(|_| is_held)
            }
            (_, Domain::Line(n)) => (size == n).then_some(domain),
            (_, Domain::Matrix { rows, columns }) => (size == rows || size == rows * columns).then_some(domain),
        }
    }

    /// The domain in which `user` reads the vertex element by element.
    fn domain_of_edge(&self, vertex: usize, user: usize, position: usize, domain: Domain) -> Option<Domain> {
        let reader = &self.network.vertices[user];
        let n_elements = count(&self.network.vertices[vertex].sizes);
        if reader.kind.reads_whole(position) {
            return None;
        }
        match (reader.operands[position].access.relation(n_elements), &reader.kind) {
            (Relation::Same, Kind::Reduce(reduce)) if reduce.rows == 1 => match domain {
                Domain::Matrix { rows, columns } if n_elements == rows || n_elements == rows * columns => Some(domain),
                Domain::Line(n) if n == n_elements => Some(domain),
                Domain::Matrix { .. } | Domain::Line(_) => None,
            },
            (Relation::Same, Kind::Reduce(Reduce { rows, columns, .. })) => {
                Some(Domain::Matrix { rows: *rows, columns: *columns })
            }
            (Relation::Same, _) => Some(domain),
            (Relation::Expanded { columns }, Kind::Map(_)) => {
                (columns <= self.longest_row && n_elements > 1).then_some(Domain::Matrix { rows: n_elements, columns })
            }
            (Relation::Expanded { .. } | Relation::Other, _) => None,
        }
    }

    /// Makes one cluster of the chosen ones and the vertex.
    fn merge(&mut self, candidate: &Candidate<'_>, chosen: &[usize], height: usize) -> usize {
        let domains: SmallVec<[Domain; 8]> =
            chosen.iter().filter_map(|cluster| self.domain_with(candidate, *cluster)).collect();
        let domain = domains.into_iter().reduce(|one, other| one.unified(other).expect("invariant: they were unified"));
        let largest = chosen.iter().copied().max_by_key(|cluster| (self.clusters[*cluster].members.len(), *cluster));
        let target = largest.expect("invariant: something was chosen");
        let mut limit = self.clusters[target].limit;
        for cluster in chosen.iter().filter(|cluster| **cluster != target) {
            let members = std::mem::take(&mut self.clusters[*cluster].members);
            limit = limit.min(self.clusters[*cluster].limit);
            self.clusters[*cluster].merged_into = Some(target);
            self.clusters[target].members.extend(members);
        }
        let merged = &mut self.clusters[target];
        merged.members.push(candidate.vertex);
        (merged.domain, merged.height, merged.limit) = (domain, height, limit);
        target
    }

    fn finish(mut self) -> Clusters {
        let mut renamed = vec![None; self.clusters.len()];
        let mut clusters = Vec::new();
        for (position, growing) in self.clusters.iter_mut().enumerate() {
            if growing.merged_into.is_none() {
                renamed[position] = Some(clusters.len());
                let mut members = std::mem::take(&mut growing.members);
                members.sort_unstable();
                clusters.push(Cluster { members, domain: growing.domain, height: growing.height });
            }
        }
        let of =
            (0..self.of.len()).map(|vertex| self.cluster_of(vertex).and_then(|cluster| renamed[cluster])).collect();
        Clusters { clusters, of }
    }
}
