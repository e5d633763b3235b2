//! What decompositions of matrices share. In: the algorithm for one matrix of finite numbers of the size of 1. Out: the
//! results of all matrices of an array, packed into one, block of rows below block of rows; and the blocks as expressions.

use std::ops::Range;

use ndarray::{ArrayD, IxDyn};

use super::{
    real::Real,
    rule::{CheckSizes, EvaluationContext, OpError},
};
use crate::graph::{Bindings, Concat, Dim, Expr, GraphError, Shape, Slice, Value};

/// What the rules of all decompositions answer alike; of which sizes they are is said by each.
macro_rules! answers_of_decompositions {
    ($domain:expr) => {
        fn traits(&self) -> Traits {
            Traits::NONE
        }

        fn domain(&self) -> Domain<'_> {
            $domain
        }

        fn batching(&self) -> Batching<'_> {
            Batching::Same
        }

        fn dependence(&self, _: usize, operands: &[Type]) -> Dependence {
            Dependence::of_matrices(operands[0].rank())
        }

        fn linearization(&self) -> Linearization<'_> {
            Linearization::Products(self)
        }

        fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
            evaluate(self, context)
        }
    };
}
pub(super) use answers_of_decompositions;

/// Rows and columns of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MatrixSize {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl MatrixSize {
    pub(crate) fn n_elements(self) -> usize {
        self.rows * self.columns
    }
}

/// An algorithm for one matrix in row-major order.
pub(crate) trait Decomposition<T> {
    /// How many numbers the packed result has.
    fn n_packed(&self, size: MatrixSize) -> usize;

    /// How many numbers it needs beside matrix and result.
    fn n_scratch(&self, size: MatrixSize) -> usize;

    /// Which numbers of the result are twice as large for a matrix twice as large; the others stay.
    fn scaled(&self, size: MatrixSize) -> Range<usize>;

    /// Writes the result for a matrix of finite numbers, the greatest from 1 to 2, or of zeros. The matrix may be
    /// overwritten; scratch memory has any contents.
    fn decompose(&self, a: &mut [T], size: MatrixSize, packed: &mut [T], scratch: &mut [T]);
}

/// The packed result for any matrix. It is divided by a power of two first, so that no square of an element over- or
/// underflows and no digit is lost; one with a number that is not finite gives NaN alone.
pub(crate) fn decompose<T: Real>(
    algorithm: &impl Decomposition<T>,
    a: &mut [T],
    size: MatrixSize,
    packed: &mut [T],
    scratch: &mut [T],
) {
    if !a.iter().all(|element| element.is_finite()) {
        return packed.fill(T::from_f64(f64::NAN));
    }
    let greatest = a.iter().fold(0.0, |greatest: f64, element| greatest.max(element.to_f64().abs()));
    let scale = T::from_f64(power_of_two(greatest));
    a.iter_mut().for_each(|element| *element = element.div(scale));
    algorithm.decompose(a, size, packed, scratch);
    packed[algorithm.scaled(size)].iter_mut().for_each(|number| *number = number.mul(scale));
}

/// The greatest power of two up to a normal number; the least normal number for what is less, 1 for 0.
fn power_of_two(number: f64) -> f64 {
    if number == 0.0 { 1.0 } else { f64::from_bits(number.max(f64::MIN_POSITIVE).to_bits() & (0x7FF << 52)) }
}

/// The result of all matrices, by the plainest means; in f64 for both dtypes, rounded once.
pub(super) fn evaluate<R: Real>(
    algorithm: &(impl Decomposition<f64> + Decomposition<R>),
    context: &EvaluationContext<'_, R>,
) -> Result<Value<R>, OpError> {
    let shape = context.shape()?;
    Ok(match context.operands[0] {
        Value::F32(a) => Value::F32(decompose_all(algorithm, &a.mapv(f64::from), &shape).mapv(|number| number as f32)),
        Value::F64(a) => Value::F64(decompose_all(algorithm, a, &shape)),
        _ => unreachable!("invariant: inference asks for floats"),
    })
}

fn decompose_all<T: Real>(algorithm: &impl Decomposition<T>, a: &ArrayD<T>, shape: &[usize]) -> ArrayD<T> {
    let mut results = ArrayD::from_elem(IxDyn(shape), T::ZERO);
    if results.is_empty() {
        // Of matrices without elements there may be more than anybody can count.
        return results;
    }
    let matrix = &a.shape()[a.ndim() - 2..];
    let size = MatrixSize { rows: matrix[0], columns: matrix[1] };
    let mut elements: Vec<T> = a.iter().copied().collect();
    let mut scratch = vec![T::ZERO; algorithm.n_scratch(size)];
    let packed = results.as_slice_mut().expect("invariant: a new array is in row-major order");
    let packed = packed.chunks_exact_mut(algorithm.n_packed(size));
    for (a, packed) in elements.chunks_exact_mut(size.n_elements()).zip(packed) {
        decompose(algorithm, a, size, packed, &mut scratch);
    }
    results
}

/// That the last two axes are there, and that no matrix is known to have more columns than rows.
pub(super) fn check_tall(shape: &Shape) -> Result<(), GraphError> {
    let rank = shape.rank();
    if rank < 2 {
        return Err(GraphError::Rank { expected: "at least 2".into(), found: shape.clone() });
    }
    match (shape[rank - 2].as_number(), shape[rank - 1].as_number()) {
        (Some(rows), Some(columns)) if rows < columns => Err(GraphError::Wide { shape: shape.clone() }),
        _ => Ok(()),
    }
}

/// The same once sizes are numbers.
pub(super) struct Tall;

impl CheckSizes for Tall {
    fn check_sizes(&self, operands: &[&[usize]], _: &Bindings) -> Result<(), OpError> {
        let shape = operands[0];
        let (rows, columns) = (shape[shape.len() - 2], shape[shape.len() - 1]);
        if rows < columns { Err(OpError::Wide { rows, columns }) } else { Ok(()) }
    }
}

/// Rows and columns of the matrices of a shape.
pub(super) fn matrix_dims(shape: &Shape) -> (Dim, Dim) {
    (shape[shape.rank() - 2].clone(), shape[shape.rank() - 1].clone())
}

/// How many matrices there are.
pub(super) fn n_matrices(shape: &Shape) -> Dim {
    shape[..shape.rank() - 2].iter().cloned().product()
}

/// A shape whose matrices have another number of rows.
pub(super) fn with_rows(shape: &Shape, rows: Dim) -> Shape {
    let mut sizes = shape.to_vec();
    let axis = sizes.len() - 2;
    sizes[axis] = rows;
    Shape::from(sizes)
}

/// Rows of each matrix, from one on below another.
pub(super) fn rows<'g>(packed: Expr<'g>, start: Dim, stop: Dim) -> Expr<'g> {
    let shape = packed.shape();
    packed.graph().apply(Slice::along(&shape, shape.rank() - 2, start, stop), &[packed])
}

/// Matrices of as many columns, one below the other.
pub(super) fn below<'g>(blocks: &[Expr<'g>]) -> Expr<'g> {
    blocks[0].graph().apply(Concat { axis: blocks[0].rank() - 2 }, blocks)
}

/// X over the gaps, 0 on the diagonal.
pub(super) fn over_gaps<'g>(x: Expr<'g>, gaps: Expr<'g>) -> Expr<'g> {
    let (row, column) = x.positions_in_matrix();
    let is_diagonal = row.equal(column).broadcast_to(x.shape());
    is_diagonal.select(0.0, x / is_diagonal.select(1.0, gaps))
}

/// Sorts numbers, of which there are few, and tells which change places.
pub(crate) fn sort<T: Copy>(values: &mut [T], is_before: impl Fn(T, T) -> bool, mut swapped: impl FnMut(usize, usize)) {
    for place in 0..values.len() {
        let first = (place + 1..values.len())
            .fold(place, |first, other| if is_before(values[other], values[first]) { other } else { first });
        if first != place {
            values.swap(place, first);
            swapped(place, first);
        }
    }
}

/// Whether a vector is to be turned around: where the first element that is at least 0.9 of the greatest is negative. Of
/// elements whose magnitudes are equal but for rounding, the first decides.
pub(crate) fn is_turned<T: Real>(vector: impl Iterator<Item = T> + Clone) -> bool {
    let greatest = vector.clone().fold(0.0, |greatest: f64, element| greatest.max(element.to_f64().abs()));
    let mut large = vector.map(T::to_f64).filter(|element| element.abs() >= 0.9 * greatest);
    large.next().is_some_and(|element| element < 0.0)
}
