//! Pairs of products of one matrix with vectors, X·b and Xᵀ·r. In: a network. Out: the same network with both of each pair
//! in a form that fused steps can hold, so that X, too big for a cache, is read once for both where r comes from X·b
//! element by element, as in the gradient of a linear model.

use std::collections::HashMap;

use crate::plan::{
    ir::{Axis, Kind, MatrixVector, Network},
    model::MachineModel,
};

/// Rows of more elements than this make blocks that no cache holds.
const MOST_COLUMNS: usize = 4096;

/// A contraction of a matrix with a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Product {
    /// Which operand is the matrix.
    matrix: usize,
    free: Axis,
    contracted: Axis,
    vector: isize,
}

/// Puts the two products of each pair in the form of [`Kind::DotRows`] and [`Kind::DotColumns`], matrix first.
pub(in crate::plan) fn pair(network: &mut Network, model: &MachineModel) {
    let mut first_of: HashMap<(usize, isize, [Axis; 2]), usize> = HashMap::new();
    for vertex in 0..network.vertices.len() {
        let Some((product, key)) = product(network, vertex, model) else { continue };
        let (matrix, offset) = key;
        let turned = (matrix, offset, [product.contracted, product.free]);
        if let Some(other) = first_of.get(&turned).copied() {
            let partner = self::product(network, other, model).map(|(product, _)| product);
            if let Some(partner) = partner {
                rewrite(network, vertex, product);
                rewrite(network, other, partner);
            }
        }
        first_of.entry((matrix, offset, [product.free, product.contracted])).or_insert(vertex);
    }
}

/// The product that a vertex is, if it is one of a large matrix with a vector, with the matrix and where it begins.
fn product(network: &Network, vertex: usize, model: &MachineModel) -> Option<(Product, (usize, isize))> {
    let of = &network.vertices[vertex];
    let Kind::Contraction(contraction) = &of.kind else { return None };
    if !contraction.batch.is_empty() {
        return None;
    }
    let (a, b, k) = (contraction.a, contraction.b, contraction.k);
    let axis = |size: usize, stride: isize| Axis { size, stride };
    let product = match (contraction.m, contraction.n) {
        (m, 1) => Product { matrix: 0, free: axis(m, a[0]), contracted: axis(k, a[1]), vector: b[0] },
        (1, n) => Product { matrix: 1, free: axis(n, b[1]), contracted: axis(k, b[0]), vector: a[1] },
        _ => return None,
    };
    let (long, short) = (product.free.size.max(k), product.free.size.min(k));
    let is_large = long * short * of.dtype.size() >= model.matrix_vector_bytes
        && (2..=MOST_COLUMNS).contains(&short)
        && long > short;
    let matrix = &of.operands[product.matrix];
    is_large.then_some((product, (matrix.vertex, matrix.access.offset)))
}

fn rewrite(network: &mut Network, vertex: usize, product: Product) {
    let of = &mut network.vertices[vertex];
    if product.matrix == 1 {
        of.operands.swap(0, 1);
    }
    let Product { free, contracted, vector, .. } = product;
    of.kind = if free.size > contracted.size {
        Kind::DotRows(MatrixVector { rows: free, columns: contracted, vector })
    } else {
        Kind::DotColumns(MatrixVector { rows: contracted, columns: free, vector })
    };
}
