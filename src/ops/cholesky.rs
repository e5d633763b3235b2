//! The Cholesky decomposition, and what positive definite systems are solved with.

use ndarray::{ArrayD, ArrayView2, ArrayViewMut2, IxDyn};

use super::{
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, JacobianProducts, Linearization, OpError, Rule,
        Traits, check_float, check_operands,
    },
    sample::{Sample, listed, reals},
    triangular_solve::{check_square, matrix_product},
};
use crate::graph::{Cholesky, Dim, Expr, GraphError, Orientation, Triangle, Type, Value};

impl Rule for Cholesky {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [a] = check_operands(operands)?;
        check_float(a)?;
        check_square(&a.shape)?;
        Ok(a.clone())
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Products(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Same
    }

    fn dependence(&self, _: usize, operands: &[Type]) -> Dependence {
        Dependence::of_matrices(operands[0].rank())
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(match context.operands[0] {
            Value::F32(a) => Value::F32(decompose_all(a)),
            Value::F64(a) => Value::F64(decompose_all(a)),
            _ => unreachable!("invariant: inference asks for floats"),
        })
    }

    /// n(n + 1)(2n + 1)/6 of the decomposition and n(n + 1) of the symmetrization. Where n is a symbol the first has no
    /// integer coefficients, and n³, which is never less, stands in its place.
    fn flops(&self, operands: &[Type], _: &Type) -> Dim {
        let shape = &operands[0].shape;
        let n = shape[shape.rank() - 1].clone();
        let pairs = n.clone() * (n.clone() + 1);
        let sixth = (pairs.clone() * (n.clone() * 2 + 1)).divided_by(&Dim::from(6));
        let decomposition = sixth.unwrap_or_else(|| n.clone() * &n * &n);
        shape[..shape.rank() - 2].iter().cloned().product::<Dim>() * (decomposition + pairs)
    }

    fn samples() -> Vec<Sample> {
        vec![
            Sample::smooth(Cholesky {}, [positive_definite(&[3, 3])]),
            Sample::smooth(Cholesky {}, [positive_definite(&[2, 2, 2])]),
            Sample::smooth(Cholesky {}, [positive_definite(&[1, 1])]),
            Sample::smooth(Cholesky {}, [listed(&[2, 2], &[2.0, 0.3, 0.9, 3.0])]),
            Sample::smooth(Cholesky {}, [reals(&[0, 2, 2], 0.0, 1.0)]),
            Sample::smooth(Cholesky {}, [reals(&[0, 0], 0.0, 1.0)]),
        ]
    }
}

/// M·Mᵀ + 2I for each matrix M of irregular numbers.
fn positive_definite(shape: &[usize]) -> Value {
    let Value::F64(roots) = reals(shape, -1.0, 1.0) else { unreachable!("invariant: reals are f64") };
    let (last, n) = (shape.len() - 1, shape[shape.len() - 1]);
    let matrices = ArrayD::from_shape_fn(IxDyn(shape), |index| {
        let (mut row, mut column) = (index.clone(), index.clone());
        let products = (0..n).map(|k| {
            (row[last - 1], row[last]) = (index[last - 1], k);
            (column[last - 1], column[last]) = (index[last], k);
            roots[&row] * roots[&column]
        });
        products.sum::<f64>() + if index[last - 1] == index[last] { 2.0 } else { 0.0 }
    });
    Value::F64(matrices)
}

fn decompose_all<T: Real>(a: &ArrayD<T>) -> ArrayD<T> {
    if a.is_empty() {
        // Of matrices without elements there may be more than anybody can count.
        return a.clone();
    }
    let (outer, n) = (&a.shape()[..a.ndim() - 2], a.shape()[a.ndim() - 1]);
    let matrices =
        a.to_shape((outer.iter().product::<usize>(), n, n)).expect("invariant: inference asks for square matrices");
    let mut factors = ndarray::Array3::from_elem(matrices.raw_dim(), T::ZERO);
    for (a, mut factor) in matrices.outer_iter().zip(factors.outer_iter_mut()) {
        if decompose(a, factor.view_mut()).is_none() {
            factor.fill(T::from_f64(f64::NAN));
        }
    }
    factors.into_shape_with_order(IxDyn(a.shape())).expect("invariant: as many elements as before")
}

/// Column by column into zeros; `None` at a pivot that is not positive, NaN among them.
fn decompose<T: Real>(a: ArrayView2<'_, T>, mut factor: ArrayViewMut2<'_, T>) -> Option<()> {
    let half = T::from_f64(0.5);
    for column in 0..a.nrows() {
        for row in column..a.nrows() {
            let products = (0..column).map(|k| factor[[row, k]].mul(factor[[column, k]]));
            let rest = products.fold(a[[row, column]].add(a[[column, row]]).mul(half), T::sub);
            if row > column {
                factor[[row, column]] = rest.div(factor[[column, column]]);
            } else if rest > T::ZERO {
                factor[[row, column]] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    Some(())
}

/// With S the symmetrized tangent and Φ the lower half with its diagonal halved, L̇ = L·Φ(L⁻¹·S·L⁻ᵀ).
impl JacobianProducts for Cholesky {
    /// Ā = sym(L⁻ᵀ·Φ(Lᵀ·L̄)·L⁻¹); the upper half of L is constant, so that of L̄ counts for nothing.
    fn vjp<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let factor = application.output;
        let inner = halved(matrix_product(factor.t(), cotangent.lower_triangle()));
        let left = factor.solve_triangular(inner, Triangle::Lower, Orientation::Transposed);
        symmetrized(factor.solve_triangular(left.t(), Triangle::Lower, Orientation::Transposed))
    }

    fn jvp<'g>(&self, _: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let factor = application.output;
        let left = factor.solve_triangular(symmetrized(tangent), Triangle::Lower, Orientation::Plain);
        let solved = factor.solve_triangular(left.t(), Triangle::Lower, Orientation::Plain);
        matrix_product(factor, halved(solved))
    }
}

/// (A + Aᵀ)/2.
pub(super) fn symmetrized(a: Expr<'_>) -> Expr<'_> {
    (a + a.t()) * 0.5
}

/// Φ: the lower half with its diagonal halved.
fn halved(a: Expr<'_>) -> Expr<'_> {
    let (row, column) = a.positions_in_matrix();
    row.equal(column).select(a * 0.5, a.lower_triangle())
}

impl<'g> Expr<'g> {
    /// The lower triangular L with L·Lᵀ = (A + Aᵀ)/2, for each matrix; all of it NaN where that is not positive
    /// definite. The elements above the diagonal are 0.
    ///
    /// The derivative is that of the symmetrized matrix, itself symmetric.
    ///
    /// # Shapes
    /// `[…, n, n]` → `[…, n, n]`.
    ///
    /// # Complexity
    /// n³/3 for each matrix.
    ///
    /// # Source
    /// Murray, Differentiation of the Cholesky decomposition (2016), equations 7 to 10.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let covariance = g.input("covariance", ("batch", 3, 3));
    /// let factor = covariance.cholesky();
    /// assert_eq!(factor.shape(), covariance.shape());
    /// ```
    #[doc(alias = "potrf")]
    #[track_caller]
    pub fn cholesky(self) -> Expr<'g> {
        let _frame = self.enter("cholesky");
        self.graph().apply(Cholesky {}, &[self])
    }

    /// X with A·X = B for a positive definite A, by its Cholesky decomposition; NaN where A is not positive definite.
    ///
    /// A is symmetrized first, as in [`Expr::cholesky`].
    ///
    /// # Shapes
    /// self: `[…, n, n]`, right: `[…, n, k]` → `[…, n, k]`; or right: `[…, n]` → `[…, n]`. The outer axes are equal.
    ///
    /// # Complexity
    /// n³/3 for each matrix and 2n² for each column of B.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let (hessian, gradient) = (g.input("hessian", (5, 5)), g.input("gradient", (5,)));
    /// let newton_step = -hessian.solve_positive_definite(gradient);
    /// assert_eq!(newton_step.shape().to_string(), "[5]");
    /// ```
    #[doc(alias("cho_solve", "cholesky_solve"))]
    #[track_caller]
    pub fn solve_positive_definite(self, right: Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("solve_positive_definite");
        let factor = self.cholesky();
        let half_way = factor.solve_triangular(right, Triangle::Lower, Orientation::Plain);
        factor.solve_triangular(half_way, Triangle::Lower, Orientation::Transposed)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_matrix_worked_by_hand() {
        let a = array![[4.0, 12.0, -16.0], [12.0, 37.0, -43.0], [-16.0, -43.0, 98.0]].into_dyn();
        let expected = array![[2.0, 0.0, 0.0], [6.0, 1.0, 0.0], [-8.0, 5.0, 3.0]].into_dyn();
        assert_eq!(decompose_all(&a), expected);
    }

    #[test]
    fn the_mean_of_both_halves_is_decomposed() {
        let a = array![[4.0, 20.0], [4.0, 37.0]].into_dyn();
        assert_eq!(decompose_all(&a), array![[2.0, 0.0], [6.0, 1.0]].into_dyn());
    }

    #[test]
    fn only_the_matrix_that_is_not_positive_definite_is_nan() {
        let a = array![[[1.0, 2.0], [2.0, 1.0]], [[4.0, 0.0], [0.0, 9.0]], [[f64::NAN, 0.0], [0.0, 1.0]]].into_dyn();
        let factors = decompose_all(&a);
        let is_nan = |matrix: usize| factors.index_axis(ndarray::Axis(0), matrix).mapv(f64::is_nan);
        assert!(is_nan(0).iter().all(|nan| *nan) && is_nan(2).iter().all(|nan| *nan));
        assert_eq!(factors.index_axis(ndarray::Axis(0), 1), array![[2.0, 0.0], [0.0, 3.0]].into_dyn());
    }

    #[test]
    fn operations_are_counted_exactly_for_a_known_size() {
        let flops = |shape: (&str, i64, i64)| {
            let ty = Type::new(crate::graph::DType::F64, shape);
            Cholesky {}.flops(std::slice::from_ref(&ty), &ty).to_string()
        };
        // One root, one division and one root after one multiply-subtract; six to symmetrize three elements.
        assert_eq!(flops(("batch", 2, 2)), "11*batch");
    }
}
