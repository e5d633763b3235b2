//! Sums of arrays that are zero but for a part: what the slices and gathers of one array leave of its cotangent. In: the
//! last addition of a sum. Out: an equal sum in which the parts are put together once.
//!
//! T slices of an array of n elements have T cotangents of n elements each, zeros but for their parts, and adding these
//! takes T·n operations. Parts along an axis that do not overlap are concatenated, with zeros in the gaps; parts that do,
//! or that are spread, are added into zeros at their positions by one scatter, where that is less work; and of several
//! scatters into zeros one is made that has the indices and updates of all. Parts of one array along several axes are
//! joined along one axis after the other, so that a grid of them becomes rows, and then the array.
//!
//! A sum is seen as a whole from its last addition: each node of it goes through this once.

use std::collections::BTreeMap;

use ndarray::Array1;

use super::{rewriter::Rewriter, term::Term};
use crate::graph::{
    Binary, Concat, Constant, DType, Dim, Dims, Literal, NodeId, Op, Pad, Reshape, ScatterAdd, Shape, Type, Value,
};

/// A scatter of an update writes and reads about as much as so many additions of an element.
const SCATTER_COST: usize = 4;

/// Fewer parts are padded and added by the fused step that makes them for less than a step of its own takes.
const MIN_PARTS: usize = 4;

/// The terms of a sum by what they are.
#[derive(Default)]
struct Terms {
    parts: Vec<Part>,
    /// Scatters into zeros by axis and number of batch axes: indices and updates.
    scatters: BTreeMap<(usize, usize), Vec<(NodeId, NodeId)>>,
    others: Vec<NodeId>,
}

/// An array at a place of a larger one of zeros.
#[derive(Debug, Clone)]
struct Part {
    id: NodeId,
    axes: Vec<Placement>,
}

/// Where a part lies along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Placement {
    low: usize,
    size: usize,
    /// How far its elements are apart; 1 if there are fewer than two.
    step: usize,
}

/// A sum with several parts or several scatters into zeros → one that has fewer.
pub(super) fn sum_of_parts(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    if !rewriter.is_top_of_sum() {
        return None;
    }
    let mut terms = Terms::of(rewriter, term);
    let n_parts = terms.parts.len();
    // One that is an operand of this very addition is `add-to-scatter`'s.
    let is_at_top = term.operands.iter().any(|id| matches!(rewriter.op(*id), Op::ScatterAdd(_)));
    let n_scatters: usize = terms.scatters.values().map(Vec::len).sum();
    let has_scatters = n_scatters > 1 || n_scatters == 1 && !is_at_top;
    if n_parts < MIN_PARTS && !has_scatters {
        return None;
    }
    let sizes: Vec<usize> = term.ty.shape.as_numbers().unwrap_or_default();
    for axis in (0..sizes.len()).rev() {
        terms.parts = join_along(rewriter, axis, sizes[axis], std::mem::take(&mut terms.parts));
    }
    if terms.parts.len() == n_parts && !has_scatters {
        return None;
    }
    let parts: Vec<NodeId> = terms.parts.iter().map(|part| part.padded(rewriter, &sizes)).collect();
    let sum = parts.into_iter().chain(terms.others).reduce(|sum, other| add(rewriter, sum, other));
    let zeros = rewriter.fill(0.0, &term.ty);
    let scatters = std::mem::take(&mut terms.scatters).into_iter();
    Some(scatters.fold(sum.unwrap_or(zeros), |base, ((axis, batch), scatters)| {
        let (index, updates) = joined_scatters(rewriter, axis, batch, &scatters);
        rewriter.build(ScatterAdd { axis, batch }, &[base, index, updates])
    }))
}

fn add(rewriter: &mut Rewriter<'_>, left: NodeId, right: NodeId) -> NodeId {
    rewriter.build(Op::Binary(Binary::Add), &[left, right])
}

impl Terms {
    /// The terms of a sum, in order: additions that nothing else reads are looked through.
    fn of(rewriter: &Rewriter<'_>, term: &Term) -> Terms {
        let mut terms = Terms::default();
        let mut left: Vec<NodeId> = term.operands.iter().rev().copied().collect();
        while let Some(id) = left.pop() {
            let is_own = rewriter.is_read_once(id);
            match rewriter.op(id) {
                Op::Binary(Binary::Add) if is_own => left.extend(rewriter.operands(id).iter().rev()),
                Op::Pad(pad) if is_own => match Part::new(rewriter, id, &pad) {
                    Some(part) => terms.parts.push(part),
                    None => terms.others.push(id),
                },
                Op::ScatterAdd(ScatterAdd { axis, batch })
                    if is_own && rewriter.is_number(rewriter.operand(id), 0.0) =>
                {
                    let operands = rewriter.operands(id);
                    terms.scatters.entry((axis, batch)).or_default().push((operands[1], operands[2]));
                }
                _ => terms.others.push(id),
            }
        }
        terms
    }
}

impl Part {
    /// What is padded, if all sizes are numbers.
    fn new(rewriter: &Rewriter<'_>, id: NodeId, pad: &Pad) -> Option<Part> {
        let operand = rewriter.operand(id);
        let sizes = rewriter.shape(operand).as_numbers()?;
        rewriter.shape(id).as_numbers()?;
        let placement = |(axis, size): (usize, usize)| {
            let low = usize::try_from(pad.low[axis].as_number()?).ok()?;
            Some(Placement { low, size, step: if size > 1 { pad.interior[axis] + 1 } else { 1 } })
        };
        let axes = sizes.into_iter().enumerate().map(placement).collect::<Option<Vec<_>>>()?;
        axes.iter().all(|axis| axis.size > 0).then_some(Part { id: operand, axes })
    }

    fn n_elements(&self) -> usize {
        self.axes.iter().map(|axis| axis.size).product()
    }

    /// The part among zeros.
    fn padded(&self, rewriter: &mut Rewriter<'_>, sizes: &[usize]) -> NodeId {
        let high = self.axes.iter().zip(sizes).map(|(axis, size)| Dim::from(size - axis.end()));
        let pad = Pad {
            low: self.axes.iter().map(|axis| Dim::from(axis.low)).collect(),
            high: high.collect::<Dims>(),
            interior: self.axes.iter().map(|axis| axis.step - 1).collect(),
        };
        rewriter.build(pad, &[self.id])
    }
}

impl Placement {
    /// After the last element.
    fn end(&self) -> usize {
        self.low + (self.size - 1) * self.step + 1
    }
}

/// Joins the parts that differ only in where they lie along one axis.
fn join_along(rewriter: &mut Rewriter<'_>, axis: usize, size: usize, parts: Vec<Part>) -> Vec<Part> {
    let mut groups: BTreeMap<Vec<Placement>, Vec<Part>> = BTreeMap::new();
    for part in parts {
        let mut key = part.axes.clone();
        key.remove(axis);
        groups.entry(key).or_default().push(part);
    }
    groups.into_values().flat_map(|group| joined(rewriter, axis, size, group)).collect()
}

fn joined(rewriter: &mut Rewriter<'_>, axis: usize, size: usize, mut parts: Vec<Part>) -> Vec<Part> {
    parts.sort_by_key(|part| part.axes[axis]);
    let mut distinct: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match distinct.last_mut().filter(|last| last.axes == part.axes) {
            Some(last) => last.id = add(rewriter, last.id, part.id),
            None => distinct.push(part),
        }
    }
    if distinct.len() < 2 {
        return distinct;
    }
    let is_apart = |pair: &[Part]| pair[0].axes[axis].end() <= pair[1].axes[axis].low;
    if distinct.windows(2).all(is_apart) && distinct.iter().all(|part| part.axes[axis].step == 1) {
        return vec![concatenated(rewriter, axis, &distinct)];
    }
    let n_updates: usize = distinct.iter().map(Part::n_elements).sum();
    let n_elements = distinct[0].n_elements() / distinct[0].axes[axis].size * size;
    if distinct.len() * n_elements <= SCATTER_COST * n_updates + n_elements {
        return distinct;
    }
    vec![scattered(rewriter, axis, size, &distinct)]
}

/// Parts in ascending order that do not overlap, one after another with zeros in the gaps.
fn concatenated(rewriter: &mut Rewriter<'_>, axis: usize, parts: &[Part]) -> Part {
    let ty = rewriter.ty(parts[0].id);
    let (low, mut end) = (parts[0].axes[axis].low, parts[0].axes[axis].low);
    let mut operands = Vec::with_capacity(parts.len());
    for part in parts {
        if part.axes[axis].low > end {
            let gap = with_size(&ty, axis, part.axes[axis].low - end);
            operands.push(rewriter.fill(0.0, &gap));
        }
        operands.push(part.id);
        end = part.axes[axis].end();
    }
    let id = rewriter.build(Concat { axis }, &operands);
    placed(&parts[0], id, axis, Placement { low, size: end - low, step: 1 })
}

/// Parts in any places of one axis, added into zeros.
fn scattered(rewriter: &mut Rewriter<'_>, axis: usize, size: usize, parts: &[Part]) -> Part {
    let positions = parts
        .iter()
        .map(|part| part.axes[axis])
        .flat_map(|Placement { low, size, step }| (0..size).map(move |element| (low + element * step) as i64));
    let positions = Array1::from_iter(positions);
    let shape = Shape::from([positions.len()].as_slice());
    let index = Constant { value: Literal::from(Value::from(positions)), dtype: DType::I64, shape };
    let index = rewriter.build(index, &[]);
    let ids: Vec<NodeId> = parts.iter().map(|part| part.id).collect();
    let updates = rewriter.build(Concat { axis }, &ids);
    let ty = with_size(&rewriter.ty(parts[0].id), axis, size);
    let zeros = rewriter.fill(0.0, &ty);
    let id = rewriter.build(ScatterAdd { axis, batch: 0 }, &[zeros, index, updates]);
    placed(&parts[0], id, axis, Placement { low: 0, size, step: 1 })
}

fn with_size(ty: &Type, axis: usize, size: usize) -> Type {
    let mut sizes = ty.shape.to_vec();
    sizes[axis] = Dim::from(size);
    Type::new(ty.dtype, sizes)
}

fn placed(part: &Part, id: NodeId, axis: usize, placement: Placement) -> Part {
    let mut axes = part.axes.clone();
    axes[axis] = placement;
    Part { id, axes }
}

/// The indices and the updates of several scatters, each one after another along one axis.
fn joined_scatters(
    rewriter: &mut Rewriter<'_>,
    axis: usize,
    batch: usize,
    scatters: &[(NodeId, NodeId)],
) -> (NodeId, NodeId) {
    if let [scatter] = scatters {
        return *scatter;
    }
    let (mut indices, mut all_updates) = (Vec::new(), Vec::new());
    for (index, updates) in scatters {
        let (index_shape, shape) = (rewriter.shape(*index), rewriter.shape(*updates));
        let n_positions: Dim = index_shape[batch..].iter().cloned().product();
        let after = axis + index_shape.rank() - batch;
        let flat = |before: &[Dim], rest: &[Dim]| -> Shape {
            before.iter().chain([&n_positions]).chain(rest).cloned().collect()
        };
        indices.push(rewriter.build(Reshape { shape: flat(&index_shape[..batch], &[]) }, &[*index]));
        all_updates.push(rewriter.build(Reshape { shape: flat(&shape[..axis], &shape[after..]) }, &[*updates]));
    }
    (rewriter.build(Concat { axis: batch }, &indices), rewriter.build(Concat { axis }, &all_updates))
}
