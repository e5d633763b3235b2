//! Vectors in the last axis, and matrices in the last two, with batches in front. In and out: floats.

use ndarray::Array2;

use crate::{
    graph::{Dim, Expr, GraphError, Shape},
    nn::check::either,
    ops::broadcast_shapes,
};

/// An operand whose last axis has this size, or the error that it has not.
pub(super) fn checked<'g>(x: Expr<'g>, what: &'static str, size: usize) -> Expr<'g> {
    either(x.check_width(what, &Dim::from(size)).map(|()| x))
}

/// Two operands of one dtype whose outer axes broadcast, or the error in place of both.
pub(super) fn paired<'g>(a: Expr<'g>, b: Expr<'g>) -> [Expr<'g>; 2] {
    match check_pair(a, b) {
        Ok(()) => [a, b],
        Err(poison) => [poison, poison],
    }
}

fn check_pair<'g>(a: Expr<'g>, b: Expr<'g>) -> Result<(), Expr<'g>> {
    let g = a.graph();
    if let Some(poison) = g.refuse(&[a, b]) {
        return Err(poison);
    }
    let (left, right) = (a.dtype(), b.dtype());
    if left != right {
        return Err(g.report(GraphError::DTypesDiffer { left, right }, &[a, b]));
    }
    let (left, right) = (a.shape(), b.shape());
    let outer = |shape: &Shape| Shape::from(&shape[..shape.rank() - 1]);
    if broadcast_shapes(&outer(&left), &outer(&right)).is_none() {
        return Err(g.report(GraphError::NotBroadcastable { left, right }, &[a, b]));
    }
    Ok(())
}

/// The parts of these sizes along the last axis.
pub(super) fn parts<'g, const N: usize>(x: Expr<'g>, sizes: [usize; N]) -> [Expr<'g>; N] {
    x.split(sizes, -1).try_into().expect("invariant: there is one part for each size")
}

/// The parts along the last axis as one vector.
pub(super) fn vector<'g, const N: usize>(parts: [Expr<'g>; N]) -> Expr<'g> {
    parts[0].concat(parts[1..].iter().copied(), -1)
}

/// a·b, with the last axis kept at size 1.
pub(super) fn inner<'g>(a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    (a * b).keep_axes(-1, |x| x.sum_over(-1))
}

/// a × b.
pub(super) fn cross<'g>(a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    a.roll(-1, -1) * b.roll(-2, -1) - a.roll(-2, -1) * b.roll(-1, -1)
}

/// The matrix K of the cross product: K·w = v × w.
pub(super) fn cross_matrix<'g>(v: Expr<'g>) -> Expr<'g> {
    let mut generators = Array2::zeros((3, 9));
    for axis in 0..3 {
        let (next, last) = ((axis + 1) % 3, (axis + 2) % 3);
        generators[[axis, 3 * last + next]] = 1.0;
        generators[[axis, 3 * next + last]] = -1.0;
    }
    square(v.dot(v.graph().constant_of(v.dtype(), generators)), 3)
}

/// The matrix with these rows of numbers, each of which is in a last axis of size 1.
pub(super) fn matrix<'g, const N: usize>(rows: [[Expr<'g>; N]; N]) -> Expr<'g> {
    let [first, others] = [&rows.as_flattened()[..1], &rows.as_flattened()[1..]];
    square(first[0].concat(others.iter().copied(), -1), N)
}

/// n² numbers in the last axis as a matrix, row by row.
fn square<'g>(entries: Expr<'g>, n: usize) -> Expr<'g> {
    if entries.is_poisoned() {
        return entries;
    }
    let shape = entries.shape();
    let sizes: Shape = shape[..shape.rank() - 1].iter().cloned().chain([Dim::from(n), Dim::from(n)]).collect();
    entries.reshape(sizes)
}

/// The matrix of four blocks.
pub(super) fn blocks<'g>([[a, b], [c, d]]: [[Expr<'g>; 2]; 2]) -> Expr<'g> {
    a.concat([b], -1).concat([c.concat([d], -1)], -2)
}

/// A number in a last axis of size 1 as a factor of matrices.
pub(super) fn of_matrices<'g>(x: Expr<'g>) -> Expr<'g> {
    x.unsqueeze(-1)
}

/// (1 − ½θ·cot ½θ)/θ² of s = θ², 1/12 at 0.
pub(super) fn inverse_term<'g>(s: Expr<'g>) -> Expr<'g> {
    let quarter = 0.25 * s;
    (quarter.stumpff(2) - quarter.stumpff(3)) / (4.0 * quarter.stumpff(1))
}
