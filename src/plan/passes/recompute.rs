//! Values are computed again where they are read, instead of being kept: cheap ones, or all elementwise ones where memory
//! is short. In: a network and its clusters. Out: the same with copies of vertices in the clusters that read them, so that
//! nobody outside of their own needs them.
//!
//! Training keeps what the forward part made for the backward part. A sum or a product of what is kept anyway costs less
//! to compute than to write and to read, and its memory is saved. The copy is the same operation on the same numbers, so
//! it has the same bits.

use smallvec::SmallVec;

use crate::{
    graph::DType,
    plan::{
        ir::{Clusters, Function, Kind, Network, Operand, Relation, count},
        model::MachineModel,
    },
};

/// Operations that one value is worth where memory is what counts.
const MOST_COPIES: usize = 24;

/// The dearest functions that are computed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plan) enum Dearest {
    /// Those that take less than reading their result from beyond the first cache.
    Cheap,
    /// All that are elementwise.
    Any,
}

/// Copies vertices into the clusters that read them, where that saves keeping them.
pub(in crate::plan) fn recompute(
    network: &mut Network,
    clusters: &mut Clusters,
    dearest: Dearest,
    model: &MachineModel,
) {
    let readers = Readers::new(network, clusters);
    let is_kept = |network: &Network, vertex: usize| {
        let is_short = network.vertices[vertex].bytes() < model.cheap_bytes;
        is_short || !dearest.has(network, vertex) || network.results.contains(&vertex)
    };
    for vertex in 0..network.vertices.len() {
        if is_kept(network, vertex) {
            continue;
        }
        let outside = readers.outside(vertex);
        let recipe = Recipe::of(network, clusters, vertex, dearest, model);
        let saves =
            !outside.is_empty() && outside.iter().all(|reader| reader.saves(network, clusters, vertex, &recipe));
        if saves {
            outside.iter().for_each(|reader| reader.insert(network, clusters, vertex, &recipe));
        }
    }
    drop_unread(network, clusters);
}

/// Takes out of their clusters the vertices that nobody reads any more.
fn drop_unread(network: &mut Network, clusters: &mut Clusters) {
    let mut n_uses = vec![0usize; network.vertices.len()];
    network.vertices.iter().flat_map(|of| &of.operands).for_each(|operand| n_uses[operand.vertex] += 1);
    network.results.iter().for_each(|result| n_uses[*result] += 1);
    let is_unread = |vertex: &usize| clusters.of[*vertex].is_some() && n_uses[*vertex] == 0;
    let mut unread: Vec<usize> = (0..n_uses.len()).filter(is_unread).collect();
    while let Some(vertex) = unread.pop() {
        clusters.of[vertex] = None;
        for operand in std::mem::take(&mut network.vertices[vertex].operands) {
            n_uses[operand.vertex] -= 1;
            if n_uses[operand.vertex] == 0 && clusters.of[operand.vertex].is_some() {
                unread.push(operand.vertex);
            }
        }
    }
    let of = &clusters.of;
    for (position, cluster) in clusters.clusters.iter_mut().enumerate() {
        cluster.members.retain(|member| of[*member] == Some(position));
    }
}

impl Dearest {
    /// Whether a vertex is an elementwise function that is no dearer.
    fn has(self, network: &Network, vertex: usize) -> bool {
        let of = &network.vertices[vertex];
        match of.kind {
            Kind::Map(_) if self == Dearest::Any => of.dtype.is_float(),
            Kind::Map(Function::IntegerPower(exponent)) => (0..=4).contains(&exponent) && of.dtype != DType::I64,
            Kind::Map(function) => function.weight() == 1,
            Kind::Leaf(_) | Kind::Constant(_) | Kind::Splat(_) | Kind::Copy | Kind::Pad(_) | Kind::Reduce(_) => false,
            Kind::Contraction(_) | Kind::DotRows(_) | Kind::DotColumns(_) | Kind::Primitive(_) => false,
        }
    }
}

/// How to compute a value from what is kept anyway: vertices that are cheap enough, operands first, and what they read.
struct Recipe {
    dearest: Dearest,
    /// Arrays of fewer bytes are read at no cost.
    cheap_bytes: usize,
    copies: SmallVec<[usize; 4]>,
    reads: SmallVec<[Operand; 4]>,
}

impl Recipe {
    fn of(network: &Network, clusters: &Clusters, vertex: usize, dearest: Dearest, model: &MachineModel) -> Recipe {
        let most_copies = match dearest {
            Dearest::Cheap => model.cost_of_keeping,
            Dearest::Any => MOST_COPIES,
        };
        let (mut copies, mut reads) = (SmallVec::<[usize; 4]>::from_iter([vertex]), SmallVec::new());
        let mut next = 0;
        while next < copies.len() {
            for operand in &network.vertices[copies[next]].operands {
                let holder = &network.vertices[operand.vertex];
                let is_own = clusters.of[operand.vertex] == clusters.of[vertex];
                let is_same = operand.access.relation(count(&holder.sizes)) == Relation::Same;
                if copies.contains(&operand.vertex) || matches!(holder.kind, Kind::Splat(_)) {
                    continue;
                }
                if is_own && is_same && dearest.has(network, operand.vertex) && copies.len() < most_copies {
                    copies.push(operand.vertex);
                } else {
                    reads.push(operand.clone());
                }
            }
            next += 1;
        }
        let members = clusters.of[vertex].map_or(&[][..], |cluster| &clusters.clusters[cluster].members);
        copies.sort_unstable_by_key(|copy| members.iter().position(|member| member == copy));
        Recipe { dearest, cheap_bytes: model.cheap_bytes, copies, reads }
    }
}

/// Who reads what from another cluster.
struct Readers(Vec<SmallVec<[Reader; 2]>>);

/// One cluster that reads a value of another, with the members and operands that do.
#[derive(Debug, Clone)]
struct Reader {
    cluster: usize,
    edges: SmallVec<[(usize, usize); 2]>,
}

impl Readers {
    fn new(network: &Network, clusters: &Clusters) -> Readers {
        let mut readers: Vec<SmallVec<[Reader; 2]>> = vec![SmallVec::new(); network.vertices.len()];
        // Cluster by cluster, so that the last reader found is the only one that may be found again.
        for (cluster, of) in clusters.clusters.iter().enumerate() {
            for user in of.members.iter().copied() {
                for (position, operand) in network.vertices[user].operands.iter().enumerate() {
                    let made_by = clusters.of[operand.vertex];
                    if made_by.is_none() || made_by == Some(cluster) {
                        continue;
                    }
                    let found = &mut readers[operand.vertex];
                    match found.last_mut().filter(|reader| reader.cluster == cluster) {
                        Some(reader) => reader.edges.push((user, position)),
                        None => found.push(Reader { cluster, edges: SmallVec::from_iter([(user, position)]) }),
                    }
                }
            }
        }
        Readers(readers)
    }

    fn outside(&self, vertex: usize) -> SmallVec<[Reader; 2]> {
        self.0[vertex].clone()
    }
}

impl Reader {
    /// Whether the reader can compute the value element by element from no more arrays than it reads now: one array in
    /// place of the value, and any that it reads already or that are small.
    fn saves(&self, network: &Network, clusters: &Clusters, vertex: usize, recipe: &Recipe) -> bool {
        let n_elements = count(&network.vertices[vertex].sizes);
        let is_elementwise = self.edges.iter().all(|(user, position)| {
            let reader = &network.vertices[*user];
            matches!(reader.kind, Kind::Map(_) | Kind::Reduce(_))
                && reader.operands[*position].access.relation(n_elements) == Relation::Same
        });
        let has_room =
            clusters.clusters[self.cluster].members.len() + recipe.copies.len() <= 2 * super::cluster::MOST_MEMBERS;
        let reads = |vertex: usize| {
            let members = clusters.clusters[self.cluster].members.iter();
            members.flat_map(|member| &network.vertices[*member].operands).any(|operand| operand.vertex == vertex)
        };
        let own = clusters.of[vertex];
        let is_kept = |read: usize| !recipe.dearest.has(network, read) || clusters.of[read] != own || reads(read);
        let is_new = |operand: &&Operand| {
            network.vertices[operand.vertex].bytes() >= recipe.cheap_bytes && !reads(operand.vertex)
        };
        is_elementwise
            && has_room
            && clusters.clusters[self.cluster].domain.is_some()
            && recipe.reads.iter().all(|operand| is_kept(operand.vertex))
            && recipe.reads.iter().filter(is_new).count() <= 1
    }

    /// Puts copies before the members of the cluster and lets those read them.
    fn insert(&self, network: &mut Network, clusters: &mut Clusters, vertex: usize, recipe: &Recipe) {
        let mut copy_of: SmallVec<[(usize, usize); 4]> = SmallVec::new();
        for original in &recipe.copies {
            let mut copy = network.vertices[*original].clone();
            for operand in &mut copy.operands {
                if let Some((_, made)) = copy_of.iter().find(|(from, _)| *from == operand.vertex) {
                    operand.vertex = *made;
                }
            }
            copy_of.push((*original, network.vertices.len()));
            network.vertices.push(copy);
            clusters.of.push(Some(self.cluster));
        }
        let members = &mut clusters.clusters[self.cluster].members;
        members.splice(0..0, copy_of.iter().map(|(_, made)| *made));
        let (_, made) = copy_of.last().expect("invariant: a recipe has the vertex itself");
        debug_assert_eq!(recipe.copies.last(), Some(&vertex));
        for (user, position) in &self.edges {
            network.vertices[*user].operands[*position].vertex = *made;
        }
    }
}
