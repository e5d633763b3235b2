//! Factors that products share. In: a graph. Out: an equal one in which a pair of factors that several products of numbers have is multiplied
//! once: (x·a)·b and (y·a)·b become x·(a·b) and y·(a·b).
//!
//! Reverse mode takes each row of a Jacobian through the same partial derivatives, one after the other, so that what the rows have in
//! common is multiplied anew for each. A product is seen as a whole, from the multiplication or division that is used as something
//! else or more than once; its factors and divisors are what is neither. The pair that the most products have becomes one factor of each of them, and so
//! on until no two have one in common. A pair of k products saves k − 1 operations, so that none of it costs more.
//!
//! A shared product may overflow or underflow where none did before, which the class allows, and then 0 times it is NaN.
//!
//! Numbers alone, since the elements of arrays are multiplied while they are read, and a shared array would be stored.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use super::{Class, Swept, Uses, report::SimplifyReport};
use crate::graph::{Binary, Graph, NodeId, Op, Type};

/// The name under which shared pairs are reported.
pub(super) const SHARED_FACTORS: &str = "shared-factors";

/// Products of more factors are left as they are: their pairs grow with the square.
const MAX_FACTORS: usize = 16;

/// A factor or divisor: a node, or behind all nodes a pair that is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ProductFactor {
    number: usize,
    is_divisor: bool,
}

type FactorPair = [ProductFactor; 2];

/// The factors of products, by the last operation of each.
type Products = BTreeMap<NodeId, Vec<ProductFactor>>;

/// The graph with pairs of factors shared, if any two products have one in common. What products were made of before is still there.
pub(super) fn shared(swept: &Swept, report: &mut SimplifyReport) -> Option<Swept> {
    let graph = &swept.graph;
    let mut sharing = FactorSharing::new(graph, products(graph, &swept.results));
    sharing.share();
    let FactorSharing { products, pairs, changed, .. } = sharing;
    if pairs.is_empty() {
        return None;
    }
    let mut made = vec![None; pairs.len()];
    Some(swept.copied(|new, id, image| {
        let node = changed.contains(&id).then(|| graph.node(id))?;
        report.add(SHARED_FACTORS, Class::Ulp, node.provenance.site);
        let mut writer =
            ProductWriter { new, image, n_nodes: graph.len(), pairs: &pairs, made: &mut made, ty: &node.ty };
        Some(writer.product(&products[&id]))
    }))
}

/// The products of a graph, each as a whole.
fn products(graph: &Graph, results: &[NodeId]) -> Products {
    let needed = graph.needed(results);
    let uses = Uses::count(graph, &needed, results);
    let mut is_inside = vec![false; graph.len()];
    let mut found = Products::new();
    for id in needed.iter().rev().filter(|id| product_function(graph, **id).is_some()) {
        if is_inside[id.index()] {
            continue;
        }
        let (mut factors, mut waiting) = (Vec::new(), vec![ProductFactor { number: id.index(), is_divisor: false }]);
        while let Some(factor) = waiting.pop() {
            let inner = NodeId::new(factor.number);
            let is_own = inner == *id || !factor.is_divisor && uses.of(inner).count == 1;
            match product_function(graph, inner).filter(|_| is_own) {
                None => factors.push(factor),
                Some(function) => {
                    is_inside[inner.index()] = true;
                    let operands = graph.operands(inner);
                    let [left, right] = [operands[0], operands[1]].map(NodeId::index);
                    waiting.push(ProductFactor { number: right, is_divisor: function == Binary::Div });
                    waiting.push(ProductFactor { number: left, is_divisor: false });
                }
            }
        }
        found.insert(*id, factors);
    }
    found.retain(|_, factors| factors.len() <= MAX_FACTORS);
    found
}

/// The function, if a node is a product or quotient of numbers.
fn product_function(graph: &Graph, id: NodeId) -> Option<Binary> {
    let node = graph.node(id);
    match node.op {
        Op::Binary(function @ (Binary::Mul | Binary::Div)) if is_one_number(&node.ty) => Some(function),
        _ => None,
    }
}

/// Whether a type is that of one float.
pub(super) fn is_one_number(ty: &Type) -> bool {
    ty.dtype.is_float() && ty.shape.as_numbers().is_some_and(|sizes| sizes.iter().all(|size| *size == 1))
}

/// Products while pairs of their factors become one.
struct FactorSharing<'g> {
    graph: &'g Graph,
    products: Products,
    /// The products that have each pair.
    owners: BTreeMap<FactorPair, BTreeSet<NodeId>>,
    /// Pairs by how many products have them; some say more than there are by now.
    queue: BinaryHeap<(usize, Reverse<FactorPair>)>,
    /// What was shared, in order.
    pairs: Vec<FactorPair>,
    changed: BTreeSet<NodeId>,
}

impl<'g> FactorSharing<'g> {
    fn new(graph: &'g Graph, products: Products) -> FactorSharing<'g> {
        let (owners, queue) = (BTreeMap::new(), BinaryHeap::new());
        let mut sharing = FactorSharing { graph, products, owners, queue, pairs: Vec::new(), changed: BTreeSet::new() };
        let ids: Vec<NodeId> = sharing.products.keys().copied().collect();
        for id in ids {
            sharing.pairs_of(id).into_iter().for_each(|pair| sharing.add(pair, id));
        }
        sharing
    }

    fn pairs_of(&self, id: NodeId) -> Vec<FactorPair> {
        let factors = &self.products[&id];
        let others = |first: usize| (first + 1..factors.len()).map(move |second| (first, second));
        let pair = |(first, second): (usize, usize)| {
            let mut pair = [factors[first], factors[second]];
            pair.sort_unstable();
            pair
        };
        let is_worth = |pair: &FactorPair| !pair.iter().all(|factor| self.is_literal(factor.number));
        (0..factors.len()).flat_map(others).map(pair).filter(is_worth).collect()
    }

    fn is_literal(&self, number: usize) -> bool {
        number < self.graph.len() && matches!(self.graph.node(NodeId::new(number)).op, Op::Constant(_))
    }

    fn add(&mut self, pair: FactorPair, id: NodeId) {
        let owners = self.owners.entry(pair).or_default();
        if owners.insert(id) && owners.len() > 1 {
            self.queue.push((owners.len(), Reverse(pair)));
        }
    }

    /// Makes pairs one factor, the one that the most products have first.
    fn share(&mut self) {
        while let Some((n_owners, Reverse(pair))) = self.queue.pop() {
            let n_left = self.owners.get(&pair).map_or(0, BTreeSet::len);
            if n_left < n_owners {
                // It is asked for again, with as many as there are.
                if n_left > 1 {
                    self.queue.push((n_left, Reverse(pair)));
                }
                continue;
            }
            let owners = self.owners[&pair].clone();
            let number = self.graph.len() + self.pairs.len();
            self.pairs.push(pair);
            let is_divisor = pair.iter().all(|factor| factor.is_divisor);
            for id in owners {
                self.replace(id, pair, ProductFactor { number, is_divisor });
            }
        }
    }

    fn replace(&mut self, id: NodeId, pair: FactorPair, shared: ProductFactor) {
        for old in self.pairs_of(id) {
            self.owners.get_mut(&old).map(|owners| owners.remove(&id));
        }
        let factors = self.products.get_mut(&id).expect("invariant: an owner is a product");
        for factor in pair {
            let position = factors.iter().position(|known| *known == factor);
            factors.remove(position.expect("invariant: an owner has both factors"));
        }
        factors.push(shared);
        self.changed.insert(id);
        self.pairs_of(id).into_iter().for_each(|pair| self.add(pair, id));
    }
}

/// Writes products into a new graph.
struct ProductWriter<'w> {
    new: &'w Graph,
    image: &'w dyn Fn(NodeId) -> NodeId,
    /// Nodes of the old graph, behind which numbers are those of pairs.
    n_nodes: usize,
    pairs: &'w [FactorPair],
    /// The nodes of pairs that are there already.
    made: &'w mut [Option<NodeId>],
    ty: &'w Type,
}

impl ProductWriter<'_> {
    fn product(&mut self, factors: &[ProductFactor]) -> NodeId {
        let [factors, divisors] = [false, true].map(|is_divisor| {
            let side = factors.iter().filter(|factor| factor.is_divisor == is_divisor);
            side.map(|factor| self.factor(factor.number)).collect::<Vec<NodeId>>()
        });
        let (first, factors) = factors.split_first().expect("invariant: a product begins with a factor");
        let product = factors.iter().fold(*first, |product, factor| self.apply(Binary::Mul, [product, *factor]));
        divisors.iter().fold(product, |product, divisor| self.apply(Binary::Div, [product, *divisor]))
    }

    /// The node of a factor; a pair is made where it is needed first.
    fn factor(&mut self, number: usize) -> NodeId {
        let Some(pair) = number.checked_sub(self.n_nodes) else { return (self.image)(NodeId::new(number)) };
        if let Some(made) = self.made[pair] {
            return made;
        }
        let [left, right] = self.pairs[pair];
        let (function, operands) = match (left.is_divisor, right.is_divisor) {
            (false, true) => (Binary::Div, [left, right]),
            (true, false) => (Binary::Div, [right, left]),
            (false, false) | (true, true) => (Binary::Mul, [left, right]),
        };
        let operands = operands.map(|factor| self.factor(factor.number));
        let node = self.apply(function, operands);
        self.made[pair] = Some(node);
        node
    }

    fn apply(&self, function: Binary, operands: [NodeId; 2]) -> NodeId {
        self.new.insert(Op::Binary(function), self.ty.clone(), &operands)
    }
}
