//! Which elements of x each element of an array depends on, as sets. In: a graph with numbers for its sizes. Out: a set for each element of
//! y. Equal sets are one, so that what depends on everything is as cheap as what depends on nothing.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use smallvec::SmallVec;

use super::{error::SparsityError, positions::Positions, terms::is_structural};
use crate::{
    autodiff,
    graph::{Bindings, Expr, NodeId, Type},
    ops::{self, Application, Dependence, Ties},
};

/// The number of a set; that of the empty one is 0.
type SetId = u32;

/// Sets of numbers, each once.
pub(super) struct Sets {
    starts: Vec<usize>,
    elements: Vec<u32>,
    by_hash: HashMap<u64, SmallVec<[SetId; 1]>>,
    unions: HashMap<(SetId, SetId), SetId>,
}

impl Sets {
    fn new() -> Sets {
        let mut sets = Sets { starts: vec![0], elements: Vec::new(), by_hash: HashMap::new(), unions: HashMap::new() };
        sets.insert(&[]);
        sets
    }

    /// The numbers in a set, ascending.
    pub(super) fn get(&self, set: SetId) -> &[u32] {
        &self.elements[self.starts[set as usize]..self.starts[set as usize + 1]]
    }

    fn insert(&mut self, elements: &[u32]) -> SetId {
        let mut hasher = DefaultHasher::new();
        elements.hash(&mut hasher);
        let hash = hasher.finish();
        let known = self.by_hash.get(&hash).into_iter().flatten().copied();
        if let Some(set) = known.into_iter().find(|set| self.get(*set) == elements) {
            return set;
        }
        let set = (self.starts.len() - 1) as SetId;
        self.elements.extend_from_slice(elements);
        self.starts.push(self.elements.len());
        self.by_hash.entry(hash).or_default().push(set);
        set
    }

    fn union(&mut self, one: SetId, other: SetId) -> SetId {
        let pair = (one.min(other), one.max(other));
        if pair.0 == 0 || pair.0 == pair.1 {
            return pair.1;
        }
        if let Some(set) = self.unions.get(&pair) {
            return *set;
        }
        let set = self.merged(&[one, other]);
        self.unions.insert(pair, set);
        set
    }

    /// The union of many, at once.
    fn union_of(&mut self, mut sets: Vec<SetId>) -> SetId {
        sets.sort_unstable();
        sets.dedup();
        match sets[..] {
            [] => 0,
            [one] => one,
            [one, other] => self.union(one, other),
            _ => self.merged(&sets),
        }
    }

    fn merged(&mut self, sets: &[SetId]) -> SetId {
        let mut elements: Vec<u32> = sets.iter().flat_map(|set| self.get(*set)).copied().collect();
        elements.sort_unstable();
        elements.dedup();
        self.insert(&elements)
    }
}

/// What an operation reads or where it adds, as an expression of positions that must be known.
pub(super) struct Moves<'g> {
    y: Expr<'g>,
    x: Expr<'g>,
    /// The nodes between x and y, in order.
    nodes: Vec<NodeId>,
    /// For operands that are moved, the expression among [`Moves::expressions`].
    tables: HashMap<(NodeId, usize), usize>,
    expressions: Vec<Expr<'g>>,
}

impl<'g> Moves<'g> {
    pub(super) fn new(y: Expr<'g>, x: Expr<'g>, positions: &Positions<'g>) -> Moves<'g> {
        let graph = y.graph();
        let depends = autodiff::dependents(graph, &[x], y.id().index());
        let is_between = |id: &NodeId| depends[id.index()] && *id != x.id();
        let nodes: Vec<NodeId> = graph.ancestors(&[y.id()]).into_iter().filter(is_between).collect();
        let mut moves = Moves { y, x, nodes: Vec::new(), tables: HashMap::new(), expressions: Vec::new() };
        for id in &nodes {
            let operands = graph.operands(*id);
            let application = Application {
                operands: operands.iter().map(|operand| graph.expr(*operand)).collect(),
                output: graph.expr(*id),
            };
            for operand in (0..operands.len()).filter(|operand| depends[operands[*operand].index()]) {
                let table = match dependence(&application, operand) {
                    Dependence::Moved | Dependence::Picked => positions.sources(&application, operand),
                    Dependence::Added => positions.targets(&application, operand),
                    Dependence::Nothing | Dependence::SameIndex | Dependence::Tied { .. } => continue,
                };
                moves.tables.insert((*id, operand), moves.expressions.len());
                moves.expressions.push(table);
            }
        }
        Moves { nodes, ..moves }
    }

    /// The arrays of positions that [`Moves::sets`] needs.
    pub(super) fn expressions(&self) -> &[Expr<'g>] {
        &self.expressions
    }

    /// For each element of y the set of the elements of x that it may depend on.
    pub(super) fn sets(&self, tables: &[Vec<i64>], bindings: &Bindings) -> Result<(Sets, Vec<SetId>), SparsityError> {
        let graph = self.y.graph();
        let mut sets = Sets::new();
        let singles = (0..n_elements(self.x, bindings)? as u32).map(|element| sets.insert(&[element])).collect();
        let mut found: HashMap<NodeId, Vec<SetId>> = HashMap::from([(self.x.id(), singles)]);
        for id in &self.nodes {
            let operands = graph.operands(*id);
            let application = Application {
                operands: operands.iter().map(|operand| graph.expr(*operand)).collect(),
                output: graph.expr(*id),
            };
            let mut of_node = vec![0; n_elements(application.output, bindings)?];
            for (operand, operand_id) in operands.iter().enumerate() {
                let Some(of_operand) = found.get(operand_id) else { continue };
                let table = self.tables.get(&(*id, operand)).map(|table| &tables[*table][..]);
                let of_operand = match (dependence(&application, operand), table) {
                    (Dependence::Nothing, _) => continue,
                    (Dependence::SameIndex, _) => of_operand.clone(),
                    (Dependence::Moved | Dependence::Picked, Some(sources)) => picked(of_operand, sources),
                    (Dependence::Added, Some(targets)) => added(&mut sets, of_operand, targets, of_node.len()),
                    (Dependence::Tied { ties, .. }, _) => {
                        let from = sizes(application.operands[operand], bindings)?;
                        tied(&mut sets, of_operand, &ties, (&from, &sizes(application.output, bindings)?))
                    }
                    (Dependence::Moved | Dependence::Picked | Dependence::Added, None) => {
                        unreachable!("invariant: what moves has a table")
                    }
                };
                of_node.iter_mut().zip(of_operand).for_each(|(set, other)| *set = sets.union(*set, other));
            }
            found.insert(*id, of_node);
        }
        let of_y = match found.remove(&self.y.id()) {
            Some(of_y) => of_y,
            None => vec![0; n_elements(self.y, bindings)?],
        };
        Ok((sets, of_y))
    }
}

/// That of the primitive, or everything where it reads or adds at positions that follow from floats.
fn dependence(application: &Application<'_>, operand: usize) -> Dependence {
    let types: Vec<Type> = application.operands.iter().map(Expr::ty).collect();
    let found = ops::dependence(&application.output.op(), operand, &types);
    let mut indices = application.operands.iter().filter(|operand| !operand.dtype().is_float());
    match found {
        Dependence::Picked | Dependence::Added if !indices.all(|index| is_structural(*index)) => {
            Dependence::everything()
        }
        found => found,
    }
}

/// The sizes of an array.
pub(super) fn sizes(expr: Expr<'_>, bindings: &Bindings) -> Result<Vec<usize>, SparsityError> {
    expr.shape().evaluate(bindings).map_err(|size| SparsityError::Size { size, site: expr.site() })
}

/// How many elements an array has.
pub(super) fn n_elements(expr: Expr<'_>, bindings: &Bindings) -> Result<usize, SparsityError> {
    Ok(sizes(expr, bindings)?.iter().product())
}

fn picked(of_operand: &[SetId], sources: &[i64]) -> Vec<SetId> {
    let at = |source: &i64| usize::try_from(*source).map_or(0, |source| of_operand[source]);
    sources.iter().map(at).collect()
}

fn added(sets: &mut Sets, of_operand: &[SetId], targets: &[i64], n_elements: usize) -> Vec<SetId> {
    let mut parts: Vec<Vec<SetId>> = vec![Vec::new(); n_elements];
    for (set, target) in of_operand.iter().zip(targets) {
        if let Ok(target) = usize::try_from(*target) {
            parts[target].push(*set);
        }
    }
    parts.into_iter().map(|parts| sets.union_of(parts)).collect()
}

/// The union of all elements with the same index along tied axes, for each element of the output.
fn tied(sets: &mut Sets, of_operand: &[SetId], ties: &Ties, (from, to): (&[usize], &[usize])) -> Vec<SetId> {
    let mut strides: SmallVec<[(usize, usize, usize); 4]> = SmallVec::new();
    let mut n_groups = 1;
    for (of_operand, of_output) in ties {
        strides.push((*of_operand, *of_output, n_groups));
        n_groups *= from[*of_operand];
    }
    let mut parts: Vec<Vec<SetId>> = vec![Vec::new(); n_groups];
    let of_operand_axes: SmallVec<[(usize, usize); 4]> = strides.iter().map(|(from, _, n)| (*from, *n)).collect();
    for (set, group) in of_operand.iter().zip(groups(from, &of_operand_axes)) {
        if parts[group].last() != Some(set) {
            parts[group].push(*set);
        }
    }
    let unions: Vec<SetId> = parts.into_iter().map(|parts| sets.union_of(parts)).collect();
    let of_output_axes: SmallVec<[(usize, usize); 4]> = strides.iter().map(|(_, to, n)| (*to, *n)).collect();
    groups(to, &of_output_axes).map(|group| unions[group]).collect()
}

/// For each element of an array, in order, the sum of its index along some axes times their strides.
fn groups(shape: &[usize], axes: &[(usize, usize)]) -> impl Iterator<Item = usize> {
    let mut strides = vec![0; shape.len()];
    axes.iter().for_each(|(axis, stride)| strides[*axis] += stride);
    let (shape, n_elements) = (shape.to_vec(), shape.iter().product::<usize>());
    let (mut index, mut group) = (vec![0; shape.len()], 0);
    (0..n_elements).map(move |_| {
        let found = group;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            group += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            group -= strides[axis] * index[axis];
            index[axis] = 0;
        }
        found
    })
}
