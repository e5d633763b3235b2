//! Rematerialization: copies cheap producers into the groups that use them, so that they need not be stored. In: a
//! network and its fusion groups. Out: the same, with copies of vertices in the groups of their users, and without the
//! originals that have no use left.
//!
//! Training stores what the forward pass computed until the backward pass uses it. A sum or a product of values that
//! are stored anyway costs less to compute than to write and to read, and its memory is saved. The copy is the same
//! operation on the same operands, so it has the same bits.
//!
//! A vertex is rematerialized only if *all* of its uses in other groups can have a copy, since otherwise it is stored
//! all the same. Levels stay valid ([`fusion`](super::fusion)): a copy reads what the original read, from groups that
//! the original's group reads from or belongs to, and these have higher levels than every user of the original.

use smallvec::SmallVec;

use crate::{
    graph::DType,
    plan::{
        ir::{AccessPattern, Function, FusionGroups, Network, StridedOperand, Vertex, VertexKind, count},
        model::MachineModel,
    },
};

/// The most operations of a copied subgraph where a memory budget makes memory count more than time.
const MAX_REMAT_OPS: usize = 24;

/// Which functions may be computed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plan) enum RematPolicy {
    /// Those that cost less than loading their result from beyond the first-level cache.
    Cheap,
    /// Any elementwise function.
    AnyElementwise,
}

/// Copies vertices into the groups of their users, where that saves storing them.
pub(in crate::plan) fn rematerialize(
    network: &mut Network,
    groups: &mut FusionGroups,
    policy: RematPolicy,
    model: &MachineModel,
) {
    let readers = ExternalUses::new(network, groups);
    let is_kept = |network: &Network, vertex: usize| {
        let is_short = network.vertices[vertex].bytes() < model.cheap_bytes;
        is_short || !policy.allows(network, vertex) || network.results.contains(&vertex)
    };
    let mut n_copies = vec![0; groups.groups.len()];
    for vertex in 0..network.vertices.len() {
        if is_kept(network, vertex) {
            continue;
        }
        let outside = readers.outside(vertex);
        let remat = RematSubgraph::new(network, groups, vertex, policy, model);
        let saves = !outside.is_empty() && outside.iter().all(|reader| reader.saves(network, groups, vertex, &remat));
        if saves {
            outside.iter().for_each(|reader| reader.insert(network, (groups, &mut n_copies), vertex, &remat));
        }
    }
    drop_unread(network, groups);
}

/// Dead code elimination: takes the vertices without uses out of their groups.
fn drop_unread(network: &mut Network, groups: &mut FusionGroups) {
    let mut n_uses = vec![0usize; network.vertices.len()];
    network.vertices.iter().flat_map(|def| &def.operands).for_each(|operand| n_uses[operand.vertex] += 1);
    network.results.iter().for_each(|result| n_uses[*result] += 1);
    let is_unread = |vertex: &usize| groups.group_of[*vertex].is_some() && n_uses[*vertex] == 0;
    let mut unread: Vec<usize> = (0..n_uses.len()).filter(is_unread).collect();
    while let Some(vertex) = unread.pop() {
        groups.group_of[vertex] = None;
        for operand in std::mem::take(&mut network.vertices[vertex].operands) {
            n_uses[operand.vertex] -= 1;
            if n_uses[operand.vertex] == 0 && groups.group_of[operand.vertex].is_some() {
                unread.push(operand.vertex);
            }
        }
    }
    let group_of = &groups.group_of;
    for (position, group) in groups.groups.iter_mut().enumerate() {
        group.members.retain(|member| group_of[*member] == Some(position));
    }
}

impl RematPolicy {
    /// Whether a vertex is an elementwise function that may be computed again.
    fn allows(self, network: &Network, vertex: usize) -> bool {
        let def = &network.vertices[vertex];
        match def.kind {
            VertexKind::Map(_) if self == RematPolicy::AnyElementwise => def.dtype.is_float(),
            VertexKind::Map(Function::IntegerPower(exponent)) => (0..=4).contains(&exponent) && def.dtype != DType::I64,
            VertexKind::Map(function) => function.weight() == 1,
            VertexKind::Leaf(_)
            | VertexKind::Constant(_)
            | VertexKind::Splat(_)
            | VertexKind::Copy
            | VertexKind::Pad(_)
            | VertexKind::Reduce(_) => false,
            VertexKind::Contraction(_)
            | VertexKind::DotRows(_)
            | VertexKind::DotColumns(_)
            | VertexKind::Primitive(_)
            | VertexKind::Nested(_)
            | VertexKind::FurtherOutput => false,
        }
    }
}

/// The subgraph that computes a value from values that are stored anyway: the vertices to copy, operands first, and
/// what they read.
struct RematSubgraph {
    policy: RematPolicy,
    /// Arrays of fewer bytes are read at no cost.
    cheap_bytes: usize,
    copies: SmallVec<[usize; 4]>,
    reads: SmallVec<[StridedOperand; 4]>,
}

impl RematSubgraph {
    fn new(
        network: &Network,
        groups: &FusionGroups,
        vertex: usize,
        policy: RematPolicy,
        model: &MachineModel,
    ) -> RematSubgraph {
        let max_remat_ops = match policy {
            RematPolicy::Cheap => model.store_cost,
            RematPolicy::AnyElementwise => MAX_REMAT_OPS,
        };
        let (mut copies, mut reads) = (SmallVec::<[usize; 4]>::from_iter([vertex]), SmallVec::new());
        let mut next = 0;
        while next < copies.len() {
            for operand in &network.vertices[copies[next]].operands {
                let producer = &network.vertices[operand.vertex];
                let is_own = groups.group_of[operand.vertex] == groups.group_of[vertex];
                let is_same = operand.layout.access_pattern(count(&producer.sizes)) == AccessPattern::Elementwise;
                if copies.contains(&operand.vertex) || matches!(producer.kind, VertexKind::Splat(_)) {
                    continue;
                }
                if is_own && is_same && policy.allows(network, operand.vertex) && copies.len() < max_remat_ops {
                    copies.push(operand.vertex);
                } else {
                    reads.push(operand.clone());
                }
            }
            next += 1;
        }
        let members = groups.group_of[vertex].map_or(&[][..], |group| &groups.groups[group].members);
        copies.sort_unstable_by_key(|copy| members.iter().position(|member| member == copy));
        RematSubgraph { policy, cheap_bytes: model.cheap_bytes, copies, reads }
    }
}

/// For each vertex its uses in other groups than its own.
struct ExternalUses(Vec<SmallVec<[ExternalUse; 2]>>);

/// A group that uses a vertex of another group, with the uses: member and position of the operand.
#[derive(Debug, Clone)]
struct ExternalUse {
    group: usize,
    edges: SmallVec<[(usize, usize); 2]>,
}

impl ExternalUses {
    fn new(network: &Network, groups: &FusionGroups) -> ExternalUses {
        let mut readers: Vec<SmallVec<[ExternalUse; 2]>> = vec![SmallVec::new(); network.vertices.len()];
        // Group by group, so that only the last entry of a vertex can be of the same group.
        for (group, reader_group) in groups.groups.iter().enumerate() {
            for user in reader_group.members.iter().copied() {
                for (position, operand) in network.vertices[user].operands.iter().enumerate() {
                    let made_by = groups.group_of[operand.vertex];
                    if made_by.is_none() || made_by == Some(group) {
                        continue;
                    }
                    let found = &mut readers[operand.vertex];
                    match found.last_mut().filter(|reader| reader.group == group) {
                        Some(reader) => reader.edges.push((user, position)),
                        None => found.push(ExternalUse { group, edges: SmallVec::from_iter([(user, position)]) }),
                    }
                }
            }
        }
        ExternalUses(readers)
    }

    fn outside(&self, vertex: usize) -> SmallVec<[ExternalUse; 2]> {
        self.0[vertex].clone()
    }
}

impl ExternalUse {
    /// Whether the group can compute the value elementwise without reading more arrays than it does now: at most one
    /// new array in place of the value, beside those that it reads already or that are small.
    fn saves(&self, network: &Network, groups: &FusionGroups, vertex: usize, remat: &RematSubgraph) -> bool {
        let n_elements = count(&network.vertices[vertex].sizes);
        let is_elementwise = self.edges.iter().all(|(user, position)| {
            let reader = &network.vertices[*user];
            matches!(reader.kind, VertexKind::Map(_) | VertexKind::Reduce(_))
                && reader.operands[*position].layout.access_pattern(n_elements) == AccessPattern::Elementwise
        });
        let has_room = groups.groups[self.group].members.len() + remat.copies.len() <= 2 * super::fusion::MAX_MEMBERS;
        let reads = |vertex: usize| {
            let members = groups.groups[self.group].members.iter();
            members.flat_map(|member| &network.vertices[*member].operands).any(|operand| operand.vertex == vertex)
        };
        let home = groups.group_of[vertex];
        let is_kept = |read: usize| !remat.policy.allows(network, read) || groups.group_of[read] != home || reads(read);
        let is_new = |operand: &&StridedOperand| {
            network.vertices[operand.vertex].bytes() >= remat.cheap_bytes && !reads(operand.vertex)
        };
        is_elementwise
            && has_room
            && groups.groups[self.group].space.is_some()
            && remat.reads.iter().all(|operand| is_kept(operand.vertex))
            && remat.reads.iter().filter(is_new).count() <= 1
    }

    /// Puts the copies before the members of the group, behind the copies that are there already and may be read, and lets the uses read
    /// them.
    fn insert(
        &self,
        network: &mut Network,
        (groups, n_copies): (&mut FusionGroups, &mut [usize]),
        vertex: usize,
        remat: &RematSubgraph,
    ) {
        let mut copy_of: SmallVec<[(usize, usize); 4]> = SmallVec::new();
        for original in &remat.copies {
            let mut copy = network.vertices[*original].clone();
            for operand in &mut copy.operands {
                if let Some((_, copy_id)) = copy_of.iter().find(|(from, _)| *from == operand.vertex) {
                    operand.vertex = *copy_id;
                }
            }
            let members = &mut groups.groups[self.group].members;
            let copies = &members[..n_copies[self.group]];
            let known = copies.iter().copied().find(|known| is_same(&network.vertices[*known], &copy));
            copy_of.push((*original, known.unwrap_or(network.vertices.len())));
            if known.is_none() {
                members.insert(n_copies[self.group], network.vertices.len());
                n_copies[self.group] += 1;
                network.vertices.push(copy);
                groups.group_of.push(Some(self.group));
            }
        }
        let (_, copy_id) = copy_of.last().expect("invariant: the subgraph has the vertex itself");
        debug_assert_eq!(remat.copies.last(), Some(&vertex));
        for (user, position) in &self.edges {
            network.vertices[*user].operands[*position].vertex = *copy_id;
        }
    }
}

/// Whether two elementwise functions have the same value.
fn is_same(left: &Vertex, right: &Vertex) -> bool {
    let functions = match (&left.kind, &right.kind) {
        (VertexKind::Map(left), VertexKind::Map(right)) => left == right,
        _ => false,
    };
    functions && left.dtype == right.dtype && left.sizes == right.sizes && left.operands == right.operands
}
