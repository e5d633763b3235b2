//! What is batched and over what, as a user says it. In: expressions in an array or a vector, pairs of a node and an array. Out: the
//! arrays with the batch in front and its size, or the error.

use crate::{
    graph::{Dim, Expr, Graph, GraphError},
    ops::normalize,
};

/// One expression or several, in an array, a vector or a slice.
pub trait Exprs<'g> {
    /// The same for the results: an expression for one, an array of as many for an array, else a vector.
    type Batched;

    /// What a function of all of them gives, as many as there are.
    fn batched(self, function: impl FnOnce(&[Expr<'g>]) -> Vec<Expr<'g>>) -> Self::Batched;
}

impl<'g> Exprs<'g> for Expr<'g> {
    type Batched = Expr<'g>;

    fn batched(self, function: impl FnOnce(&[Expr<'g>]) -> Vec<Expr<'g>>) -> Expr<'g> {
        function(&[self])[0]
    }
}

impl<'g, const N: usize> Exprs<'g> for [Expr<'g>; N] {
    type Batched = [Expr<'g>; N];

    fn batched(self, function: impl FnOnce(&[Expr<'g>]) -> Vec<Expr<'g>>) -> [Expr<'g>; N] {
        function(&self).try_into().expect("invariant: as many results as expressions")
    }
}

impl<'g> Exprs<'g> for &[Expr<'g>] {
    type Batched = Vec<Expr<'g>>;

    fn batched(self, function: impl FnOnce(&[Expr<'g>]) -> Vec<Expr<'g>>) -> Vec<Expr<'g>> {
        function(self)
    }
}

impl<'g> Exprs<'g> for Vec<Expr<'g>> {
    type Batched = Vec<Expr<'g>>;

    fn batched(self, function: impl FnOnce(&[Expr<'g>]) -> Vec<Expr<'g>>) -> Vec<Expr<'g>> {
        function(&self)
    }
}

/// An array whose slices stand for a node: `(x, xs)` along the first axis, or `(x, xs, axis)`, which counts from the end
/// where it is negative.
#[derive(Debug, Clone, Copy)]
pub struct Slices<'g> {
    x: Expr<'g>,
    xs: Expr<'g>,
    axis: i64,
}

impl<'g> From<(Expr<'g>, Expr<'g>)> for Slices<'g> {
    fn from((x, xs): (Expr<'g>, Expr<'g>)) -> Slices<'g> {
        Slices { x, xs, axis: 0 }
    }
}

impl<'g> From<(Expr<'g>, Expr<'g>, i64)> for Slices<'g> {
    fn from((x, xs, axis): (Expr<'g>, Expr<'g>, i64)) -> Slices<'g> {
        Slices { x, xs, axis }
    }
}

/// Nodes with the stacked arrays in their place.
pub(super) struct Stacks<'g> {
    pub(super) pairs: Vec<(Expr<'g>, Expr<'g>)>,
    pub(super) size: Dim,
}

/// The stacked arrays, or the poison in their place.
pub(super) fn check<'g>(graph: &'g Graph, outputs: &[Expr<'g>], slices: &[Slices<'g>]) -> Result<Stacks<'g>, Expr<'g>> {
    let operands: Vec<Expr<'g>> =
        slices.iter().flat_map(|slices| [slices.x, slices.xs]).chain(outputs.iter().copied()).collect();
    if let Some(poison) = graph.refuse(&operands) {
        return Err(poison);
    }
    let Some(first) = slices.first() else {
        let what = "the number of arrays to take slices of";
        let error = GraphError::OutOfRange { what, expected: "at least 1", found: "0".to_string() };
        return Err(graph.report(error, outputs));
    };
    let axes: Vec<usize> = slices.iter().map(|slices| slices.axis(graph)).collect::<Result<_, _>>()?;
    let size = first.xs.shape()[axes[0]].clone();
    for (position, (slices, axis)) in slices.iter().zip(&axes).enumerate() {
        let found = slices.xs.shape()[*axis].clone();
        if found != size {
            let error = GraphError::SizesDiffer { left_axis: axes[0], left: size, right_axis: *axis, right: found };
            return Err(graph.report(error, &[first.xs, slices.xs]));
        }
        if operands[..2 * position].iter().step_by(2).any(|x| x.is_same(slices.x)) {
            let what = "the number of arrays that stand for one node";
            let error = GraphError::OutOfRange { what, expected: "1", found: "2".to_string() };
            return Err(graph.report(error, &[slices.x]));
        }
    }
    let pairs = slices.iter().zip(axes).map(|(slices, axis)| (slices.x, slices.xs.with_axis_moved(axis, 0))).collect();
    Ok(Stacks { pairs, size })
}

impl<'g> Slices<'g> {
    /// The axis that is meant, if the slices along it can stand for x; else the poison in its place.
    fn axis(&self, graph: &'g Graph) -> Result<usize, Expr<'g>> {
        let (x, xs) = (self.x.ty(), self.xs.ty());
        let checked = normalize(self.axis, xs.rank()).and_then(|axis| {
            let slice = xs.shape.without(&[axis]);
            if x.dtype != xs.dtype {
                Err(GraphError::DTypesDiffer { left: x.dtype, right: xs.dtype })
            } else if x.shape != slice {
                let what = "a slice that stands for a node";
                Err(GraphError::WrongShape { what, expected: x.shape.clone(), found: slice })
            } else {
                Ok(axis)
            }
        });
        checked.map_err(|error| graph.report(error, &[self.x, self.xs]))
    }
}
