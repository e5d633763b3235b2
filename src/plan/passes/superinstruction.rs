//! Superinstructions: patterns of functions that one instruction computes with less work. In: a network. Out: the same
//! with the patterns replaced. Derivatives are full of them.
//!
//! | pattern | instruction | saves |
//! |---|---|---|
//! | a·b + c | multiply and add, the same bits | a pass over the tile |
//! | σ(−x) beside y = σ(x) | e^(−x)·y or 1 − y, a rounding or two apart | most of a sigmoid |

use std::collections::HashMap;

use crate::{
    graph::{Binary, Unary},
    plan::ir::{Function, Network, ScalarValue, StridedLayout, StridedOperand, VertexKind, count},
};

/// The first σ(x) of each x, which may be a part of an array.
type SigmoidOf = HashMap<(usize, StridedLayout), usize>;

/// Replaces every pattern that occurs.
pub(in crate::plan) fn introduce(network: &mut Network) {
    let mut n_uses = vec![0usize; network.vertices.len()];
    network.vertices.iter().flat_map(|def| &def.operands).for_each(|operand| n_uses[operand.vertex] += 1);
    network.results.iter().for_each(|result| n_uses[*result] += 1);
    let mut sigmoid_of = SigmoidOf::new();
    for vertex in 0..network.vertices.len() {
        if let VertexKind::Map(Function::Unary(Unary::Sigmoid)) = network.vertices[vertex].kind {
            let StridedOperand { vertex: x, layout } = &network.vertices[vertex].operands[0];
            sigmoid_of.entry((*x, layout.clone())).or_insert(vertex);
        }
    }
    for vertex in 0..network.vertices.len() {
        match network.vertices[vertex].kind {
            VertexKind::Map(Function::Unary(Unary::Sigmoid)) => {
                sigmoid_of_negated(network, vertex, &sigmoid_of, &mut n_uses);
            }
            VertexKind::Map(Function::Binary(Binary::Add)) => multiply_add(network, vertex, &mut n_uses),
            _ => {}
        }
    }
}

/// a·b + c or c + a·b, where the product has no other use.
fn multiply_add(network: &mut Network, vertex: usize, n_uses: &mut [usize]) {
    let def = &network.vertices[vertex];
    let is_whole = |operand: &StridedOperand| {
        let producer = &network.vertices[operand.vertex];
        let is_splat = matches!(producer.kind, VertexKind::Splat(_));
        !is_splat && operand.layout.is_contiguous() && operand.layout.count() == count(&producer.sizes)
    };
    let is_product = |operand: &StridedOperand| {
        let product = &network.vertices[operand.vertex];
        let multiplies = matches!(product.kind, VertexKind::Map(Function::Binary(Binary::Mul)));
        multiplies && n_uses[operand.vertex] == 1 && product.operands.iter().all(is_whole)
    };
    if !def.dtype.is_float() || count(&def.sizes) < 2 || !def.operands.iter().all(is_whole) {
        return;
    }
    let Some(position) = def.operands.iter().position(is_product) else { return };
    let (product, addend) = (def.operands[position].vertex, def.operands[1 - position].clone());
    let mut operands = network.vertices[product].operands.clone();
    operands.iter().for_each(|factor| n_uses[factor.vertex] += 1);
    operands.push(addend);
    let def = &mut network.vertices[vertex];
    (def.kind, def.operands) = (VertexKind::Map(Function::MultiplyAdd), operands);
    n_uses[product] -= 1;
    drop(network, product, n_uses);
}

/// σ(−x) where σ(x) is computed before it.
fn sigmoid_of_negated(network: &mut Network, vertex: usize, sigmoid_of: &SigmoidOf, n_uses: &mut [usize]) {
    let negated = network.vertices[vertex].operands[0].clone();
    let VertexKind::Map(Function::Unary(Unary::Negate)) = network.vertices[negated.vertex].kind else { return };
    let x = network.vertices[negated.vertex].operands[0].clone();
    let y = sigmoid_of.get(&(x.vertex, x.layout.clone())).copied();
    let Some(y) = y.filter(|y| *y < vertex) else { return };
    let is_same = negated.layout.is_contiguous()
        && network.vertices[y].sizes == network.vertices[vertex].sizes
        && matches!(network.vertices[y].kind, VertexKind::Map(Function::Unary(Unary::Sigmoid)));
    if is_same {
        let y = StridedOperand { vertex: y, layout: negated.layout.clone() };
        (n_uses[x.vertex], n_uses[y.vertex]) = (n_uses[x.vertex] + 1, n_uses[y.vertex] + 1);
        let def = &mut network.vertices[vertex];
        def.kind = VertexKind::Map(Function::SigmoidOfNegated);
        def.operands = smallvec::SmallVec::from_iter([x, y]);
        n_uses[negated.vertex] -= 1;
        if n_uses[negated.vertex] == 0 {
            drop(network, negated.vertex, n_uses);
        }
    }
}

/// Replaces a vertex without uses by a splat, which needs no step.
fn drop(network: &mut Network, unread: usize, n_uses: &mut [usize]) {
    let def = &mut network.vertices[unread];
    def.kind = VertexKind::Splat(ScalarValue::new(def.dtype, 0.0));
    for operand in std::mem::take(&mut def.operands) {
        let left = n_uses[operand.vertex].checked_sub(1);
        n_uses[operand.vertex] = left.expect("invariant: what is read has readers");
    }
}
