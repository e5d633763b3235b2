//! Groups of functions that one instruction computes with less work. In: a network. Out: the same with those groups
//! replaced. Derivatives are made of them.
//!
//! | group | instruction | saves |
//! |---|---|---|
//! | a·b + c | multiply and add, the same bits | a visit |
//! | σ(−x) beside y = σ(x) | e^(−x)·y or 1 − y, a rounding or two apart | most of a sigmoid |

use crate::{
    graph::{Binary, Unary},
    plan::ir::{Function, Kind, Network, Number, Operand, count},
};

/// Replaces the groups that there are.
pub(in crate::plan) fn introduce(network: &mut Network) {
    let mut n_uses = vec![0usize; network.vertices.len()];
    network.vertices.iter().flat_map(|of| &of.operands).for_each(|operand| n_uses[operand.vertex] += 1);
    network.results.iter().for_each(|result| n_uses[*result] += 1);
    let mut sigmoid_of = vec![None; network.vertices.len()];
    for vertex in 0..network.vertices.len() {
        if let Kind::Map(Function::Unary(Unary::Sigmoid)) = network.vertices[vertex].kind {
            let x = &network.vertices[vertex].operands[0];
            if x.access.is_contiguous() {
                sigmoid_of[x.vertex].get_or_insert(vertex);
            }
        }
    }
    for vertex in 0..network.vertices.len() {
        match network.vertices[vertex].kind {
            Kind::Map(Function::Unary(Unary::Sigmoid)) => {
                sigmoid_of_negated(network, vertex, &sigmoid_of, &mut n_uses);
            }
            Kind::Map(Function::Binary(Binary::Add)) => multiply_add(network, vertex, &mut n_uses),
            _ => {}
        }
    }
}

/// a·b + c or c + a·b, where nothing else reads the product.
fn multiply_add(network: &mut Network, vertex: usize, n_uses: &mut [usize]) {
    let of = &network.vertices[vertex];
    let is_whole = |operand: &Operand| {
        let holder = &network.vertices[operand.vertex];
        let is_splat = matches!(holder.kind, Kind::Splat(_));
        !is_splat && operand.access.is_contiguous() && operand.access.count() == count(&holder.sizes)
    };
    let is_product = |operand: &Operand| {
        let product = &network.vertices[operand.vertex];
        let multiplies = matches!(product.kind, Kind::Map(Function::Binary(Binary::Mul)));
        multiplies && n_uses[operand.vertex] == 1 && product.operands.iter().all(is_whole)
    };
    if !of.dtype.is_float() || count(&of.sizes) < 2 || !of.operands.iter().all(is_whole) {
        return;
    }
    let Some(position) = of.operands.iter().position(is_product) else { return };
    let (product, addend) = (of.operands[position].vertex, of.operands[1 - position].clone());
    let mut operands = network.vertices[product].operands.clone();
    operands.iter().for_each(|factor| n_uses[factor.vertex] += 1);
    operands.push(addend);
    let of = &mut network.vertices[vertex];
    (of.kind, of.operands) = (Kind::Map(Function::MultiplyAdd), operands);
    n_uses[product] -= 1;
    drop(network, product, n_uses);
}

/// σ(−x) where σ(x) is computed before it.
fn sigmoid_of_negated(network: &mut Network, vertex: usize, sigmoid_of: &[Option<usize>], n_uses: &mut [usize]) {
    let negated = network.vertices[vertex].operands[0].clone();
    let Kind::Map(Function::Unary(Unary::Negate)) = network.vertices[negated.vertex].kind else { return };
    let x = network.vertices[negated.vertex].operands[0].clone();
    let Some(y) = sigmoid_of[x.vertex].filter(|y| *y < vertex) else { return };
    let is_same = negated.access.is_contiguous()
        && x.access == network.vertices[y].operands[0].access
        && network.vertices[y].sizes == network.vertices[vertex].sizes
        && matches!(network.vertices[y].kind, Kind::Map(Function::Unary(Unary::Sigmoid)));
    if is_same {
        let y = Operand { vertex: y, access: negated.access.clone() };
        (n_uses[x.vertex], n_uses[y.vertex]) = (n_uses[x.vertex] + 1, n_uses[y.vertex] + 1);
        let of = &mut network.vertices[vertex];
        of.kind = Kind::Map(Function::SigmoidOfNegated);
        of.operands = smallvec::SmallVec::from_iter([x, y]);
        n_uses[negated.vertex] -= 1;
        if n_uses[negated.vertex] == 0 {
            drop(network, negated.vertex, n_uses);
        }
    }
}

/// Leaves a number, which takes no step, in place of what nobody reads.
fn drop(network: &mut Network, unread: usize, n_uses: &mut [usize]) {
    let of = &mut network.vertices[unread];
    of.kind = Kind::Splat(Number::new(of.dtype, 0.0));
    for operand in std::mem::take(&mut of.operands) {
        let left = n_uses[operand.vertex].checked_sub(1);
        n_uses[operand.vertex] = left.expect("invariant: what is read has readers");
    }
}
