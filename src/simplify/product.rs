//! Products of matrices: transposes are absorbed into the axes that a product contracts, and scale factors move to
//! where there are fewer elements. In: a product, or a transpose of one. Out: an equal product that moves or multiplies
//! less.

use super::{
    guard::is_normal,
    movement::is_ascending,
    reduction::{is_smaller, scaled},
    rewriter::Rewriter,
    term::Term,
};
use crate::graph::{Axes, Binary, Broadcast, DotGeneral, NodeId, Op, Reduce, Reduction, Reshape, Unary};

/// Where the axes that neither go together nor are contracted keep their order.
pub(super) fn of_transpose(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::DotGeneral(dot) = &term.op else { return None };
    (0..2).find_map(|side| {
        let Op::Transpose(transpose) = rewriter.op(term.operands[side]) else { return None };
        let before = |axes: &[usize]| -> Axes { axes.iter().map(|axis| transpose.permutation[*axis]).collect() };
        let free = free_axes(dot, side, transpose.permutation.len());
        if !is_ascending(&before(&free)) {
            return None;
        }
        let (mut dot, mut operands) = (dot.clone(), term.operands.clone());
        let [batch, contract] = match side {
            0 => [&mut dot.left_batch, &mut dot.left_contract],
            _ => [&mut dot.right_batch, &mut dot.right_contract],
        };
        *batch = before(batch);
        *contract = before(contract);
        operands[side] = rewriter.operand(operands[side]);
        Some(rewriter.build(dot, &operands))
    })
}

/// A kernel as large as what it goes over has one place: a product of matrices, whose rows nobody copies first.
pub(super) fn of_convolution(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::Convolution(convolution) = &term.op else { return None };
    let (x, kernel) = (rewriter.shape(term.operands[0]), rewriter.shape(term.operands[1]));
    let is_whole = |axis: usize| {
        let is_padded = [&convolution.low[axis], &convolution.high[axis]].iter().any(|side| !side.is(0));
        let is_spread = convolution.input_dilation[axis] > 1 || convolution.kernel_dilation[axis] > 1;
        x[axis + 2] == kernel[axis + 2] && !is_padded && (!is_spread || x[axis + 2].is(1))
    };
    if convolution.groups > 1 || !(0..convolution.low.len()).all(is_whole) {
        return None;
    }
    let contract: Axes = (1..x.rank()).collect();
    let dot = DotGeneral {
        left_batch: Axes::new(),
        right_batch: Axes::new(),
        left_contract: contract.clone(),
        right_contract: contract,
    };
    let product = rewriter.build(dot, &term.operands);
    Some(rewriter.build(Reshape { shape: term.ty.shape.clone() }, &[product]))
}

fn free_axes(dot: &DotGeneral, side: usize, rank: usize) -> Axes {
    let (batch, contract) =
        if side == 0 { (&dot.left_batch, &dot.left_contract) } else { (&dot.right_batch, &dot.right_contract) };
    (0..rank).filter(|axis| !batch.contains(axis) && !contract.contains(axis)).collect()
}

/// A transpose that puts the right operand's axes before the left one's swaps the operands.
pub(super) fn transposed(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let (Op::Transpose(transpose), product) = (&term.op, term.operands[0]) else { return None };
    let Op::DotGeneral(dot) = rewriter.op(product) else { return None };
    let operands = rewriter.operands(product);
    let rows = free_axes(&dot, 0, rewriter.shape(operands[0]).rank()).len();
    let (batch, rank) = (dot.left_batch.len(), term.ty.rank());
    let swapped = (0..batch).chain(batch + rows..rank).chain(batch..batch + rows);
    if !transpose.permutation.iter().copied().eq(swapped) || !rewriter.has_one_use(product) {
        return None;
    }
    let swapped = DotGeneral {
        left_batch: dot.right_batch,
        right_batch: dot.left_batch,
        left_contract: dot.right_contract,
        right_contract: dot.left_contract,
    };
    Some(rewriter.build(swapped, &[operands[1], operands[0]]))
}

/// A product with one literal everywhere is a sum.
pub(super) fn of_literal(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::DotGeneral(dot) = &term.op else { return None };
    let is_literal =
        |side: &usize| rewriter.float(term.operands[*side]).is_some_and(|number| is_normal(number, term.ty.dtype));
    let side = (0..2).find(is_literal)?;
    let (x, number) = (term.operands[1 - side], rewriter.float(term.operands[side])?);
    let (batch, contract) =
        if side == 1 { (&dot.left_batch, &dot.left_contract) } else { (&dot.right_batch, &dot.right_contract) };
    let mut summed = contract.clone();
    summed.sort_unstable();
    let rank = rewriter.shape(x).rank();
    // The axes that are left must come as they do in the product: batch first, then the others, ascending.
    let order: Axes = batch.iter().copied().chain(free_axes(dot, 1 - side, rank)).collect();
    if !is_ascending(&order) {
        return None;
    }
    let sum = rewriter.build(Reduce { kind: Reduction::Sum, axes: summed }, &[x]);
    let small = rewriter.ty(sum);
    let factor = rewriter.fill(number, &small);
    let scaled = rewriter.build(Op::Binary(Binary::Mul), &[factor, sum]);
    let skipped = if side == 0 { term.ty.rank() - order.len() } else { 0 };
    let place = |axis: usize| if axis < batch.len() { axis } else { axis + skipped };
    let axes = (0..order.len()).map(place).collect();
    Some(rewriter.build(Broadcast { axes, shape: term.ty.shape.clone() }, &[scaled]))
}

pub(super) fn of_scaled(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let side = (0..2).find(|side| scaled(rewriter, term.operands[*side]).is_some())?;
    let (function, number, x) = scaled(rewriter, term.operands[side])?;
    if !is_smaller(&term.ty.shape, &rewriter.shape(x)) {
        return None;
    }
    let mut operands = term.operands.clone();
    operands[side] = x;
    let product = rewriter.build(term.op.clone(), &operands);
    let factor = rewriter.fill(number, &term.ty);
    Some(rewriter.build(Op::Binary(function), &[product, factor]))
}

pub(super) fn of_negated(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let is_negated = |side: &usize| {
        let operand = term.operands[*side];
        rewriter.node(operand).op == Op::Unary(Unary::Negate) && rewriter.has_one_use(operand)
    };
    let side = (0..2).find(is_negated)?;
    let mut operands = term.operands.clone();
    operands[side] = rewriter.operand(operands[side]);
    if !is_smaller(&term.ty.shape, &rewriter.shape(operands[side])) {
        return None;
    }
    let product = rewriter.build(term.op.clone(), &operands);
    Some(rewriter.build(Op::Unary(Unary::Negate), &[product]))
}
