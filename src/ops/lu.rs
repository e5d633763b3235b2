//! The LU decomposition with partial pivoting, packed into one array.

use ndarray::{Array2, ArrayD, IxDyn, s};

use super::{
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, JacobianProducts, Linearization, OpError, Rule,
        Traits, check_float, check_operands,
    },
    sample::{Sample, listed, reals},
    triangular_solve::{check_square, matrix_product},
};
use crate::graph::{
    Concat, DType, Dim, Expr, Gather, GraphError, Lu, Orientation, ScatterAdd, Slice, Triangle, Type, Value,
};

impl Rule for Lu {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [a] = check_operands(operands)?;
        check_float(a)?;
        check_square(&a.shape)?;
        let mut sizes = a.shape.to_vec();
        let rows = sizes.len() - 2;
        sizes[rows] = sizes[rows].clone() + 1;
        Ok(Type::new(a.dtype, sizes))
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
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
        let shape = context.shape()?;
        Ok(match context.operands[0] {
            Value::F32(a) => Value::F32(decompose_all(a, &shape)),
            Value::F64(a) => Value::F64(decompose_all(a, &shape)),
            _ => unreachable!("invariant: inference asks for floats"),
        })
    }

    /// n(n − 1)(4n + 1)/6 for each matrix; where n is a symbol that has no integer coefficients, and n³, which is never
    /// less, stands in its place.
    fn flops(&self, operands: &[Type], _: &Type) -> Dim {
        let shape = &operands[0].shape;
        let n = shape[shape.rank() - 1].clone();
        let sixth = (n.clone() * (n.clone() - 1) * (n.clone() * 4 + 1)).divided_by(&Dim::from(6));
        shape[..shape.rank() - 2].iter().cloned().product::<Dim>() * sixth.unwrap_or_else(|| n.clone() * &n * &n)
    }

    fn samples() -> Vec<Sample> {
        vec![
            Sample::smooth(Lu {}, [reals(&[3, 3], -1.0, 2.0)]),
            Sample::smooth(Lu {}, [reals(&[2, 2, 2], -1.0, 1.0)]),
            Sample::smooth(Lu {}, [listed(&[3, 3], &[0.1, 2.0, -1.0, 0.5, 0.2, 3.0, -4.0, 1.0, 0.3])]),
            Sample::smooth(Lu {}, [reals(&[1, 1], 1.0, 2.0)]),
            Sample::smooth(Lu {}, [reals(&[0, 2, 2], 0.0, 1.0)]),
            Sample::smooth(Lu {}, [reals(&[0, 0], 0.0, 1.0)]),
        ]
    }
}

fn decompose_all<T: Real>(a: &ArrayD<T>, shape: &[usize]) -> ArrayD<T> {
    let mut packed = ArrayD::from_elem(IxDyn(shape), T::ZERO);
    if packed.is_empty() {
        // Of matrices without elements there may be more than anybody can count.
        return packed;
    }
    let (outer, n) = (a.shape()[..a.ndim() - 2].iter().product::<usize>(), a.shape()[a.ndim() - 1]);
    let matrices = a.to_shape((outer, n, n)).expect("invariant: inference asks for square matrices");
    let mut rows = packed.view_mut().into_shape_with_order((outer, n + 1, n)).expect("invariant: as many elements");
    for (a, mut packed) in matrices.outer_iter().zip(rows.outer_iter_mut()) {
        let mut factors = a.to_owned();
        let permutation = decompose(&mut factors);
        packed.slice_mut(s![..n, ..]).assign(&factors);
        packed.row_mut(n).iter_mut().zip(permutation).for_each(|(place, row)| *place = T::from_i64(row as i64));
    }
    packed
}

/// Replaces A by L − I + U with P·A = L·U, and gives the rows of A in the order of P·A: in each column the row with the
/// greatest element goes up, the first of ties. A column of zeros is left as it is, and so are rows below NaN.
pub(super) fn decompose<T: Real>(a: &mut Array2<T>) -> Vec<usize> {
    let n = a.nrows();
    let mut permutation: Vec<usize> = (0..n).collect();
    for k in 0..n {
        let better = |best: usize, row: usize| if a[[row, k]].abs() > a[[best, k]].abs() { row } else { best };
        let pivot = (k + 1..n).fold(k, better);
        if pivot != k {
            permutation.swap(k, pivot);
            (0..n).for_each(|column| a.swap([k, column], [pivot, column]));
        }
        if a[[k, k]] == T::ZERO {
            continue;
        }
        for row in k + 1..n {
            a[[row, k]] = a[[row, k]].div(a[[k, k]]);
            for column in k + 1..n {
                a[[row, column]] = a[[row, column]].sub(a[[row, k]].mul(a[[k, column]]));
            }
        }
    }
    permutation
}

/// With P·A = L·U, P constant, and F = L⁻¹·P·Ȧ·U⁻¹: L̇ is L times the strictly lower half of F, and U̇ its upper half times U.
impl JacobianProducts for Lu {
    /// P·Ā = L⁻ᵀ·(the strictly lower half of Lᵀ·L̄, and the upper half of Ū·Uᵀ)·U⁻ᵀ.
    fn vjp<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let parts = PackedLu::new(application.output);
        let cotangent = PackedLu::new(cotangent).factors;
        let lower = strictly_lower(matrix_product(parts.lower().t(), strictly_lower(cotangent)));
        let upper = matrix_product(cotangent.upper_triangle(), parts.factors.upper_triangle().t()).upper_triangle();
        let left = parts.lower().solve_triangular(lower + upper, Triangle::Lower, Orientation::Transposed);
        let rows = parts.factors.solve_triangular(left.t(), Triangle::Upper, Orientation::Plain).t();
        let (g, axis) = (rows.graph(), parts.n_outer());
        g.apply(ScatterAdd { axis, batch: axis }, &[rows.zeros_like(), parts.permutation(), rows])
    }

    fn jvp<'g>(&self, _: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let parts = PackedLu::new(application.output);
        let (g, axis) = (tangent.graph(), parts.n_outer());
        let rows = g.apply(Gather { axis, batch: axis }, &[tangent, parts.permutation()]);
        let left = parts.lower().solve_triangular(rows, Triangle::Lower, Orientation::Plain);
        let inner = parts.factors.solve_triangular(left.t(), Triangle::Upper, Orientation::Transposed).t();
        let lower = matrix_product(parts.lower(), strictly_lower(inner));
        let upper = matrix_product(inner.upper_triangle(), parts.factors.upper_triangle());
        let still = parts.last_row.zeros_like();
        g.apply(Concat { axis }, &[lower + upper, still])
    }
}

/// The elements below the diagonal of each matrix, zeros elsewhere.
fn strictly_lower(a: Expr<'_>) -> Expr<'_> {
    let (row, column) = a.positions_in_matrix();
    row.greater(column).select(a, 0.0)
}

/// The parts of a packed decomposition.
pub(super) struct PackedLu<'g> {
    /// L below the diagonal, U on it and above.
    pub(super) factors: Expr<'g>,
    last_row: Expr<'g>,
}

impl<'g> PackedLu<'g> {
    /// `packed` is no poison.
    pub(super) fn new(packed: Expr<'g>) -> PackedLu<'g> {
        let (g, shape) = (packed.graph(), packed.shape());
        let (axis, n) = (shape.rank() - 2, shape[shape.rank() - 1].clone());
        let part = |start: Dim, stop: Dim| g.apply(Slice::along(&shape, axis, start, stop), &[packed]);
        PackedLu { factors: part(Dim::from(0), n.clone()), last_row: part(n.clone(), n + 1) }
    }

    fn n_outer(&self) -> usize {
        self.factors.rank() - 2
    }

    /// L, its diagonal of ones too.
    pub(super) fn lower(&self) -> Expr<'g> {
        let (row, column) = self.factors.positions_in_matrix();
        let ones = row.equal(column).select(self.factors.ones_like(), 0.0);
        row.greater(column).select(self.factors, ones)
    }

    /// The row of A that each row of L·U is.
    pub(super) fn permutation(&self) -> Expr<'g> {
        let shape = self.last_row.shape();
        self.last_row.reshape(shape.without(&[self.n_outer()])).cast(DType::I64)
    }
}

/// The parts of an LU decomposition with partial pivoting; made by [`Expr::lu`].
#[derive(Debug, Clone, Copy)]
pub struct LuParts<'g> {
    /// `i64[…, n]`: row i of L·U is this row of A.
    pub permutation: Expr<'g>,
    /// L, lower triangular with ones on its diagonal.
    pub lower: Expr<'g>,
    /// U, upper triangular.
    pub upper: Expr<'g>,
}

impl<'g> Expr<'g> {
    /// The LU decomposition with partial pivoting of each matrix, P·A = L·U: in each column the row with the greatest
    /// element goes up, the first of ties, so that no element of L is beyond ±1. The permutation counts as constant for
    /// derivatives.
    ///
    /// A singular matrix has a decomposition with zeros on the diagonal of U, and no derivative: NaN or infinity. NaN stays
    /// in what it is computed with.
    ///
    /// # Shapes
    /// `[…, n, n]` → `i64[…, n]` and twice `[…, n, n]`.
    ///
    /// # Errors
    /// An error is recorded if this is no float, or if the last two sizes are not equal. Each part then stands for it.
    ///
    /// # Complexity
    /// 2n³/3 for each matrix; its derivatives about 6n³.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let a = g.input_of(DType::F64, "a", (2, 2));
    /// let parts = a.lu();
    /// let mut program = g.compile([("rows", parts.permutation), ("u", parts.upper)])?;
    /// let out = program.call(("a", &array![[1.0, 2.0], [4.0, 4.0]]))?;
    /// assert_eq!(out["rows"], array![1i64, 0].into());
    /// assert_eq!(out["u"], array![[4.0, 4.0], [0.0, 1.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("getrf", "lu_factor"))]
    #[track_caller]
    pub fn lu(self) -> LuParts<'g> {
        let _frame = self.enter("lu");
        let packed = self.graph().apply(Lu {}, &[self]);
        if packed.is_poisoned() {
            return LuParts { permutation: packed, lower: packed, upper: packed };
        }
        let parts = PackedLu::new(packed);
        LuParts { permutation: parts.permutation(), lower: parts.lower(), upper: parts.factors.upper_triangle() }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_matrix_worked_by_hand() {
        let mut a = array![[1.0, 2.0, 4.0], [2.0, 1.0, 3.0], [4.0, 2.0, 2.0]];
        assert_eq!(decompose(&mut a), [2, 0, 1]);
        assert_eq!(a, array![[4.0, 2.0, 2.0], [0.25, 1.5, 3.5], [0.5, 0.0, 2.0]]);
    }

    #[test]
    fn a_singular_matrix_has_a_zero_on_the_diagonal() {
        let mut a = array![[0.0, 1.0], [0.0, 2.0]];
        assert_eq!(decompose(&mut a), [0, 1]);
        assert_eq!(a, array![[0.0, 1.0], [0.0, 2.0]]);
    }
}
