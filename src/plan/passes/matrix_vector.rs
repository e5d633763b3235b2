//! Pairs of products of one matrix with vectors, X·b and Xᵀ·r. In: a network. Out: the same network with both of each pair
//! in a form that fused steps can hold, so that X, too big for a cache, is read once for both where r comes from X·b
//! element by element, as in the gradient of a linear model.

use std::collections::HashMap;

use crate::plan::{
    ir::{MatrixVector, Network, StridedAxis, VertexKind},
    model::MachineModel,
};

/// Rows of more elements than this make blocks that no cache holds.
const MAX_COLUMNS: usize = 4096;

/// A contraction of a matrix with a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LargeMatrixVector {
    /// Which operand is the matrix.
    matrix: usize,
    free: StridedAxis,
    contracted: StridedAxis,
    vector: isize,
}

/// Puts the two products of each pair in the form of [`VertexKind::DotRows`] and [`VertexKind::DotColumns`], matrix first.
pub(in crate::plan) fn pair(network: &mut Network, model: &MachineModel) {
    let mut first_of: HashMap<(usize, isize, [StridedAxis; 2]), usize> = HashMap::new();
    for vertex in 0..network.vertices.len() {
        let Some((product, key)) = product(network, vertex, model) else { continue };
        let (matrix, offset) = key;
        let turned = (matrix, offset, [product.contracted, product.free]);
        if let Some(partner_vertex) = first_of.get(&turned).copied() {
            let partner = self::product(network, partner_vertex, model).map(|(product, _)| product);
            if let Some(partner) = partner {
                rewrite(network, vertex, product);
                rewrite(network, partner_vertex, partner);
            }
        }
        first_of.entry((matrix, offset, [product.free, product.contracted])).or_insert(vertex);
    }
}

/// The product that a vertex is, if it is one of a large matrix with a vector, with the matrix and where it begins.
fn product(network: &Network, vertex: usize, model: &MachineModel) -> Option<(LargeMatrixVector, (usize, isize))> {
    let def = &network.vertices[vertex];
    let VertexKind::Contraction(contraction) = &def.kind else { return None };
    if !contraction.batch.is_empty() {
        return None;
    }
    let (a, b, k) = (contraction.a, contraction.b, contraction.k);
    let axis = |size: usize, stride: isize| StridedAxis { size, stride };
    let product = match (contraction.m, contraction.n) {
        (m, 1) => LargeMatrixVector { matrix: 0, free: axis(m, a[0]), contracted: axis(k, a[1]), vector: b[0] },
        (1, n) => LargeMatrixVector { matrix: 1, free: axis(n, b[1]), contracted: axis(k, b[0]), vector: a[1] },
        _ => return None,
    };
    let (long, short) = (product.free.size.max(k), product.free.size.min(k));
    let is_large = long * short * def.dtype.size() >= model.matrix_vector_bytes
        && (2..=MAX_COLUMNS).contains(&short)
        && long > short;
    let matrix = &def.operands[product.matrix];
    is_large.then_some((product, (matrix.vertex, matrix.layout.offset)))
}

fn rewrite(network: &mut Network, vertex: usize, product: LargeMatrixVector) {
    let def = &mut network.vertices[vertex];
    if product.matrix == 1 {
        def.operands.swap(0, 1);
    }
    let LargeMatrixVector { free, contracted, vector, .. } = product;
    def.kind = if free.size > contracted.size {
        VertexKind::DotRows(MatrixVector { rows: free, columns: contracted, vector })
    } else {
        VertexKind::DotColumns(MatrixVector { rows: contracted, columns: free, vector })
    };
}
