//! Fusion: which vertices are computed together. In: a network. Out: its computing vertices in fusion groups, each of
//! which becomes one step: a single primitive, or elementwise functions and reductions computed in one pass over their
//! data.
//!
//! # The algorithm
//!
//! One sweep over the vertices from the results to the leaves. Users come after producers in the network, so when a
//! vertex is visited all of its users are in groups. The vertex joins every group of a user that may take it, and those
//! groups are merged into one. A vertex that no group may take opens a group. Each vertex is in exactly one group, so
//! fusion alone computes no value twice.
//!
//! # Why it is legal
//!
//! Two things must hold of each group.
//!
//! *One iteration space.* All members are computed in one pass, so element i of a member may depend on element i of
//! another member only (or on its row). A vertex joins a group only if each of its users in there reads it elementwise,
//! or one element for each row, and the spaces agree: [`Sweep::space_of_edge`] is the transfer function of one edge,
//! and [`IterationSpace::unified`] the meet of two. Reductions to one number, or to one for each column or channel, are known only
//! at the end of the pass, so nothing in their own group may read them ([`is_terminal`]).
//!
//! *No cycles.* A group must not read, through another, what it computes itself. Each group has a *level* that is lower
//! than the level of every group that it reads from. The invariant is
//!
//! ```text
//! level(reader) < level(producer)   for every edge between two different groups
//! ```
//!
//! Levels would fall forever along a cycle, so there is none. A new group gets 1 + the highest level of its users.
//! Merging may raise levels: the merged group gets the maximum of the levels of its parts and of 1 + the level of each
//! group that reads the vertex and is not merged. Raising the level of a group is legal as long as it stays below the
//! group's *level bound*, the lowest level among the groups that it reads from: then every edge into it and out of it
//! still keeps the invariant. So the test for a merge is a comparison instead of a search for paths. The test is
//! conservative: it may refuse a merge that is legal; it never allows one that is not. (XLA forbids cycles in fusions
//! by depths in the same way; here levels are kept up to date while groups grow.)

use smallvec::SmallVec;

use crate::plan::{
    ir::{AccessPattern, FusionGroup, FusionGroups, IterationSpace, Network, Vertex, VertexKind, count, is_terminal},
    model::MachineModel,
};

/// The most members of a group: larger groups gain nothing and need many registers.
pub(in crate::plan) const MAX_MEMBERS: usize = 96;

/// The fusion groups of `network`.
///
/// # Complexity
/// Linear in the number of edges, but for merging lists of members.
pub(in crate::plan) fn find(network: &Network, model: &MachineModel) -> FusionGroups {
    let mut sweep = Sweep::new(network, model.max_row);
    for vertex in (0..network.vertices.len()).rev() {
        sweep.visit(vertex);
    }
    sweep.finish()
}

/// A vertex that looks for a group: the iteration space that it has by itself, and its uses.
struct Candidate<'e> {
    vertex: usize,
    vertex_space: IterationSpace,
    /// For each use the group of the user, the user and the position of the operand, sorted by group.
    edges: &'e [(usize, usize, usize)],
}

/// A group while it grows.
#[derive(Debug)]
struct OpenGroup {
    members: Vec<usize>,
    space: Option<IterationSpace>,
    level: usize,
    /// The lowest level of the groups that it reads from: its own level must stay below.
    level_bound: usize,
    /// The group that it was merged into.
    merged_into: Option<usize>,
}

struct Sweep<'n> {
    network: &'n Network,
    /// The longest row that is kept in the scratch memory of a tile between a reduction along it and its user.
    max_row: usize,
    groups: Vec<OpenGroup>,
    group_of: Vec<Option<usize>>,
    /// The uses of all vertices, each as user and position of the operand; those of vertex v are
    /// `users[starts[v]..starts[v + 1]]`.
    users: Vec<(usize, usize)>,
    starts: Vec<usize>,
}

impl<'n> Sweep<'n> {
    fn new(network: &'n Network, max_row: usize) -> Sweep<'n> {
        let n_vertices = network.vertices.len();
        let mut starts = vec![0; n_vertices + 1];
        let edges = || {
            let edges_of = |(user, vertex): (usize, &'n Vertex)| {
                vertex.operands.iter().enumerate().map(move |(position, operand)| (operand.vertex, user, position))
            };
            network.vertices.iter().enumerate().flat_map(edges_of)
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
        Sweep { network, max_row, groups: Vec::new(), group_of: vec![None; n_vertices], users, starts }
    }

    fn group_of_vertex(&mut self, vertex: usize) -> Option<usize> {
        let mut group = self.group_of[vertex]?;
        while let Some(next) = self.groups[group].merged_into {
            group = next;
        }
        self.group_of[vertex] = Some(group);
        Some(group)
    }

    /// Puts one vertex into a group. All of its users are in groups already.
    fn visit(&mut self, vertex: usize) {
        let vertex_space = match &self.network.vertices[vertex].kind {
            VertexKind::Leaf(_) | VertexKind::Constant(_) | VertexKind::Splat(_) => return,
            // The first output takes it with it: it comes next, and no vertex lies between that could read either.
            VertexKind::FurtherOutput => return,
            VertexKind::Contraction(_) | VertexKind::Primitive(_) | VertexKind::Nested(_) => None,
            VertexKind::DotColumns(product) => Some(IterationSpace::Flat(product.rows.size)),
            VertexKind::Map(_) | VertexKind::Copy | VertexKind::Pad(_) | VertexKind::DotRows(_) => {
                Some(IterationSpace::Flat(count(&self.network.vertices[vertex].sizes)))
            }
            VertexKind::Reduce(reduce) if reduce.rows == 1 => Some(IterationSpace::Flat(reduce.columns)),
            VertexKind::Reduce(reduce) => Some(reduce.matrix()),
        };
        let mut edges: SmallVec<[(usize, usize, usize); 8]> = SmallVec::new();
        let outputs = self.network.outputs_of(vertex);
        for edge in self.starts[vertex]..self.starts[outputs.end] {
            let (user, position) = self.users[edge];
            edges.extend(self.group_of_vertex(user).map(|group| (group, user, position)));
        }
        edges.sort_unstable();
        let mut user_groups: SmallVec<[usize; 8]> = edges.iter().map(|(group, ..)| *group).collect();
        user_groups.dedup();
        let joined = vertex_space
            .and_then(|vertex_space| self.join(&Candidate { vertex, vertex_space, edges: &edges }, &user_groups));
        let group = joined.unwrap_or_else(|| {
            let level = user_groups.iter().map(|group| self.groups[*group].level + 1).max().unwrap_or(0);
            self.groups.push(OpenGroup {
                members: outputs.clone().collect(),
                space: vertex_space,
                level,
                level_bound: usize::MAX,
                merged_into: None,
            });
            self.groups.len() - 1
        });
        outputs.for_each(|output| self.group_of[output] = Some(group));
        let level = self.groups[group].level;
        for user in user_groups.into_iter().filter(|user| *user != group) {
            let user = self.resolve(user);
            if user != group {
                self.groups[user].level_bound = self.groups[user].level_bound.min(level);
            }
        }
    }

    fn resolve(&self, mut group: usize) -> usize {
        while let Some(next) = self.groups[group].merged_into {
            group = next;
        }
        group
    }

    /// Adds the vertex to every group of its users that can legally take it, and merges these groups into one; gives
    /// the merged group, or none if no group can.
    fn join(&mut self, candidate: &Candidate<'_>, user_groups: &[usize]) -> Option<usize> {
        if self.is_terminal(candidate.vertex) {
            return None;
        }
        let mut chosen: SmallVec<[usize; 8]> = SmallVec::new();
        let mut space: Option<IterationSpace> = None;
        let mut n_members = 1;
        for group in user_groups {
            let Some(joined_space) = self.space_with(candidate, *group) else { continue };
            let Some(unified) = space.map_or(Some(joined_space), |space| space.unified(joined_space)) else { continue };
            let n_more = self.groups[*group].members.len();
            if n_members + n_more <= MAX_MEMBERS {
                space = Some(unified);
                n_members += n_more;
                chosen.push(*group);
            }
        }
        // A group whose level bound is not above the merged level cannot be merged: it stays a separate reader of the
        // vertex, so the merged level must exceed its level, and the test is repeated until nothing changes.
        loop {
            let outside = user_groups.iter().filter(|group| !chosen.contains(group));
            let above = outside.map(|group| self.groups[*group].level + 1);
            let inside = chosen.iter().map(|group| self.groups[*group].level);
            let level = above.chain(inside).max()?;
            match chosen.iter().position(|group| self.groups[*group].level_bound <= level) {
                Some(position) => _ = chosen.remove(position),
                None if chosen.is_empty() => return None,
                None => return Some(self.merge(candidate, &chosen, level)),
            }
        }
    }

    fn is_terminal(&self, vertex: usize) -> bool {
        match &self.network.vertices[vertex].kind {
            VertexKind::Reduce(reduce) => is_terminal(reduce),
            kind => matches!(kind, VertexKind::DotColumns(_)),
        }
    }

    /// The iteration space of a group once the vertex has joined it; none if a user in there does not read the vertex
    /// elementwise or one element for each row.
    fn space_with(&mut self, candidate: &Candidate<'_>, group: usize) -> Option<IterationSpace> {
        let Candidate { vertex, vertex_space, edges } = *candidate;
        let mut space = self.groups[group].space?;
        let first = edges.partition_point(|(user_group, ..)| *user_group < group);
        for (_, user, position) in edges[first..].iter().take_while(|(user_group, ..)| *user_group == group) {
            space = space.unified(self.space_of_edge(vertex, *user, *position, space)?)?;
        }
        let size = count(&self.network.vertices[vertex].sizes);
        match (vertex_space, space) {
            // A reduction along rows makes the group iterate over the matrix that it reads.
            (matrix @ IterationSpace::Matrix { rows, columns, .. }, _) => {
                let is_held = (2..=self.max_row).contains(&columns);
                let becomes = match space {
                    IterationSpace::Flat(n) => (n == rows).then_some(matrix),
                    IterationSpace::Matrix { .. } => space.unified(matrix),
                };
                becomes.filter(|_| is_held)
            }
            (_, IterationSpace::Flat(n)) => (size == n).then_some(space),
            (_, IterationSpace::Matrix { rows, columns, .. }) => {
                (size == rows || size == rows * columns).then_some(space)
            }
        }
    }

    /// The transfer function of one edge: the iteration space that `user` gives to the vertex that it reads; none if
    /// the user needs elements of the vertex beyond its own element or row.
    fn space_of_edge(
        &self,
        vertex: usize,
        user: usize,
        position: usize,
        space: IterationSpace,
    ) -> Option<IterationSpace> {
        let reader = &self.network.vertices[user];
        let n_elements = count(&self.network.vertices[vertex].sizes);
        if reader.kind.reads_whole(position) {
            return None;
        }
        match (reader.operands[position].layout.access_pattern(n_elements), &reader.kind) {
            (AccessPattern::Elementwise, VertexKind::Reduce(reduce)) if reduce.rows == 1 => match space {
                IterationSpace::Matrix { rows, columns, .. } if n_elements == rows || n_elements == rows * columns => {
                    Some(space)
                }
                IterationSpace::Flat(n) if n == n_elements => Some(space),
                IterationSpace::Matrix { .. } | IterationSpace::Flat(_) => None,
            },
            (AccessPattern::Elementwise, VertexKind::Reduce(reduce)) => Some(reduce.matrix()),
            (AccessPattern::Elementwise, _) => Some(space),
            (AccessPattern::RowBroadcast { columns }, VertexKind::Map(_)) => (columns <= self.max_row
                && n_elements > 1)
                .then_some(IterationSpace::Matrix { rows: n_elements, columns, channels: None }),
            (AccessPattern::RowBroadcast { .. } | AccessPattern::General, _) => None,
        }
    }

    /// Merges the chosen groups and the vertex into the largest of them.
    fn merge(&mut self, candidate: &Candidate<'_>, chosen: &[usize], level: usize) -> usize {
        let spaces: SmallVec<[IterationSpace; 8]> =
            chosen.iter().filter_map(|group| self.space_with(candidate, *group)).collect();
        let space = spaces.into_iter().reduce(|left, right| left.unified(right).expect("invariant: they were unified"));
        let largest = chosen.iter().copied().max_by_key(|group| (self.groups[*group].members.len(), *group));
        let target = largest.expect("invariant: something was chosen");
        let mut level_bound = self.groups[target].level_bound;
        for group in chosen.iter().filter(|group| **group != target) {
            let members = std::mem::take(&mut self.groups[*group].members);
            level_bound = level_bound.min(self.groups[*group].level_bound);
            self.groups[*group].merged_into = Some(target);
            self.groups[target].members.extend(members);
        }
        let merged = &mut self.groups[target];
        merged.members.push(candidate.vertex);
        (merged.space, merged.level, merged.level_bound) = (space, level, level_bound);
        target
    }

    fn finish(mut self) -> FusionGroups {
        let mut renamed = vec![None; self.groups.len()];
        let mut groups = Vec::new();
        for (position, open) in self.groups.iter_mut().enumerate() {
            if open.merged_into.is_none() {
                renamed[position] = Some(groups.len());
                let mut members = std::mem::take(&mut open.members);
                members.sort_unstable();
                groups.push(FusionGroup { members, space: open.space, level: open.level });
            }
        }
        let group_of = (0..self.group_of.len())
            .map(|vertex| self.group_of_vertex(vertex).and_then(|group| renamed[group]))
            .collect();
        FusionGroups { groups, group_of }
    }
}
