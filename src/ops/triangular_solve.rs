//! Systems of linear equations with triangular matrices, and the halves of a matrix.

use ndarray::{ArrayD, ArrayView2, ArrayViewMut2, IxDyn};

use super::{
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, JacobianProducts, Linearization, OpError, Rule,
        Traits, check_float, check_operands,
    },
    sample::{Sample, reals},
};
use crate::graph::{
    Axes, DType, Dim, DotGeneral, Expr, GraphError, Orientation, Shape, Triangle, TriangularSolve, Type, Value,
};

impl Rule for TriangularSolve {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_system(operands)
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
        Batching::Written(self)
    }

    fn dependence(&self, operand: usize, operands: &[Type]) -> Dependence {
        system_dependence(operand, operands[0].rank())
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(match (context.operands[0], context.operands[1]) {
            (Value::F32(a), Value::F32(b)) => Value::F32(self.solve_all(a, b)),
            (Value::F64(a), Value::F64(b)) => Value::F64(self.solve_all(a, b)),
            _ => unreachable!("invariant: inference refuses other dtypes"),
        })
    }

    /// n² for each right-hand side: n(n − 1)/2 multiply-subtracts and n divisions.
    fn flops(&self, operands: &[Type], output: &Type) -> Dim {
        let n = operands[0].shape[operands[0].rank() - 1].clone();
        output.shape.size() * n
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for (triangle, orientation) in Triangle::ALL.iter().flat_map(|t| Orientation::ALL.iter().map(|o| (*t, *o))) {
            for (a, n_right) in [(&[3, 3][..], 2), (&[2, 2, 2], 3), (&[1, 1], 1), (&[2, 2], 0), (&[0, 0], 2)] {
                let mut b = a.to_vec();
                b[a.len() - 1] = n_right;
                let operands = [diagonally_dominant(a), reals(&b, -1.0, 2.0)];
                samples.push(Sample::smooth(TriangularSolve { triangle, orientation }, operands));
            }
        }
        samples
    }
}

/// Numbers below 1 with 2 added on the diagonal; neither half is zero, so that reading the wrong one shows.
fn diagonally_dominant(shape: &[usize]) -> Value {
    let Value::F64(mut matrices) = reals(shape, -0.7, 0.9) else { unreachable!("invariant: reals are f64") };
    for (index, element) in matrices.indexed_iter_mut() {
        if index[shape.len() - 1] == index[shape.len() - 2] {
            *element += 2.0;
        }
    }
    Value::F64(matrices)
}

/// That the last two axes are there and of one size.
pub(super) fn check_square(shape: &Shape) -> Result<(), GraphError> {
    let rank = shape.rank();
    if rank < 2 {
        return Err(GraphError::Rank { expected: "at least 2".into(), found: shape.clone() });
    }
    if shape[rank - 2] != shape[rank - 1] {
        return Err(GraphError::Rank { expected: "equal last two".into(), found: shape.clone() });
    }
    Ok(())
}

/// Each column of X is of one column of B, and of all of A.
pub(super) fn system_dependence(operand: usize, rank: usize) -> Dependence {
    match operand {
        0 => Dependence::of_matrices(rank),
        _ => Dependence::along(rank - 2, rank),
    }
}

/// The type of X with A·X = B: matrices A, square, and B of as many rows over the same outer axes.
pub(super) fn check_system(operands: &[Type]) -> Result<Type, GraphError> {
    let [a, b] = check_operands(operands)?;
    check_float(a)?;
    if a.dtype != b.dtype {
        return Err(GraphError::DTypesDiffer { left: a.dtype, right: b.dtype });
    }
    check_square(&a.shape)?;
    if b.rank() != a.rank() {
        return Err(GraphError::Rank { expected: a.rank().to_string(), found: b.shape.clone() });
    }
    match (0..a.rank() - 1).find(|axis| a.shape[*axis] != b.shape[*axis]) {
        Some(axis) => Err(GraphError::SizesDiffer {
            left_axis: axis,
            left: a.shape[axis].clone(),
            right_axis: axis,
            right: b.shape[axis].clone(),
        }),
        None => Ok(b.clone()),
    }
}

impl TriangularSolve {
    fn solve_all<T: Real>(&self, a: &ArrayD<T>, b: &ArrayD<T>) -> ArrayD<T> {
        if b.is_empty() {
            // Of matrices without elements there may be more than anybody can count.
            return b.clone();
        }
        let (outer, matrix) = b.shape().split_at(b.ndim() - 2);
        let (n_matrices, n, n_right) = (outer.iter().product::<usize>(), matrix[0], matrix[1]);
        let matrices = a.to_shape((n_matrices, n, n)).expect("invariant: inference compared the sizes");
        // The shape is given back at the end, which only an array in row-major order can take.
        let solutions = b.as_standard_layout().into_owned().into_shape_with_order((n_matrices, n, n_right));
        let mut solutions = solutions.expect("invariant: as many elements as before");
        for (a, x) in matrices.outer_iter().zip(solutions.outer_iter_mut()) {
            self.substitute(a, x);
        }
        solutions.into_shape_with_order(IxDyn(b.shape())).expect("invariant: as many elements as before")
    }

    /// Replaces B by X, row by row from the end where a row of the triangle has one element.
    fn substitute<T: Real>(&self, a: ArrayView2<'_, T>, mut x: ArrayViewMut2<'_, T>) {
        let (n, is_lower) = (a.nrows(), (self.triangle == Triangle::Lower) == (self.orientation == Orientation::Plain));
        let a = if self.orientation == Orientation::Plain { a } else { a.reversed_axes() };
        for step in 0..n {
            let row = if is_lower { step } else { n - 1 - step };
            let known = if is_lower { 0..row } else { row + 1..n };
            for column in 0..x.ncols() {
                let products = known.clone().map(|other| a[[row, other]].mul(x[[other, column]]));
                let rest = products.fold(x[[row, column]], T::sub);
                x[[row, column]] = rest.div(a[[row, row]]);
            }
        }
    }

    /// The same system with the matrix transposed.
    fn transposed(&self) -> TriangularSolve {
        let orientation = match self.orientation {
            Orientation::Plain => Orientation::Transposed,
            Orientation::Transposed => Orientation::Plain,
        };
        TriangularSolve { triangle: self.triangle, orientation }
    }
}

/// With S = tri(A) or its transpose, S·X = B gives S·Ẋ = Ḃ − Ṡ·X; so B̄ = S⁻ᵀ·X̄ and S̄ = −B̄·Xᵀ, of which A has its half.
impl JacobianProducts for TriangularSolve {
    fn vjp<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (a, x) = (application.operands[0], application.output);
        let right = cotangent.graph().apply(self.transposed(), &[a, cotangent]);
        let product = match (operand, self.orientation) {
            (1, _) => return right,
            (_, Orientation::Plain) => matrix_product(right, x.t()),
            (_, Orientation::Transposed) => matrix_product(x, right.t()),
        };
        -product.half(self.triangle)
    }

    fn jvp<'g>(&self, operand: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (a, x) = (application.operands[0], application.output);
        let right = match (operand, self.orientation) {
            (1, _) => tangent,
            (_, Orientation::Plain) => -matrix_product(tangent.half(self.triangle), x),
            (_, Orientation::Transposed) => -matrix_product(tangent.half(self.triangle).t(), x),
        };
        a.graph().apply(self.clone(), &[a, right])
    }
}

/// `[…, m, k]` · `[…, k, n]` → `[…, m, n]`, the batches equal.
pub(super) fn matrix_product<'g>(a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    let n_batch = a.rank().saturating_sub(2);
    let batch: Axes = (0..n_batch).collect();
    let dot = DotGeneral {
        left_batch: batch.clone(),
        right_batch: batch,
        left_contract: Axes::from_elem(n_batch + 1, 1),
        right_contract: Axes::from_elem(n_batch, 1),
    };
    a.graph().apply(dot, &[a, b])
}

impl<'g> Expr<'g> {
    /// One half of each matrix with zeros in the other; selected and not multiplied, so that NaN in the other half is
    /// not kept.
    fn half(self, triangle: Triangle) -> Expr<'g> {
        if self.is_poisoned() {
            return self;
        }
        if self.rank() < 2 {
            return self
                .graph()
                .report(GraphError::Rank { expected: "at least 2".into(), found: self.shape() }, &[self]);
        }
        let (row, column) = self.positions_in_matrix();
        let is_in_half = match triangle {
            Triangle::Lower => row.greater_equal(column),
            Triangle::Upper => row.less_equal(column),
        };
        is_in_half.select(self, 0.0)
    }

    /// Row and column of each element in the last two axes, as `i64`.
    pub(super) fn positions_in_matrix(self) -> (Expr<'g>, Expr<'g>) {
        let (g, shape) = (self.graph(), self.shape());
        let matrix = Shape::from(&shape[shape.rank() - 2..]);
        (g.iota(DType::I64, &matrix, 0), g.iota(DType::I64, &matrix, 1))
    }

    /// The elements on and below the diagonal of each matrix, zeros above.
    ///
    /// # Shapes
    /// `[…, m, n]` → `[…, m, n]`.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let scores = g.input("scores", ("batch", "time", "time"));
    /// assert_eq!(scores.lower_triangle().shape(), scores.shape());
    /// ```
    #[doc(alias = "tril")]
    #[track_caller]
    pub fn lower_triangle(self) -> Expr<'g> {
        let _frame = self.enter("lower_triangle");
        self.half(Triangle::Lower)
    }

    /// The elements on and above the diagonal of each matrix, zeros below.
    ///
    /// # Shapes
    /// `[…, m, n]` → `[…, m, n]`.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let a = g.input("a", (3, 4));
    /// assert_eq!(a.upper_triangle().shape(), a.shape());
    /// ```
    #[doc(alias = "triu")]
    #[track_caller]
    pub fn upper_triangle(self) -> Expr<'g> {
        let _frame = self.enter("upper_triangle");
        self.half(Triangle::Upper)
    }

    /// X with S·X = B, where S is one half of this matrix, or its transpose; the other half is not read.
    ///
    /// A 0 on the diagonal gives infinities and NaN, as the division by it does.
    ///
    /// # Shapes
    /// self: `[…, n, n]`, right: `[…, n, k]` → `[…, n, k]`; or right: `[…, n]` → `[…, n]`. The outer axes are equal.
    ///
    /// # Complexity
    /// n² for each column of B.
    ///
    /// # Source
    /// Giles, An extended collection of matrix derivative results (2008), section 2.2.3.
    ///
    /// # Example
    /// ```
    /// # use pullback::{Graph, Orientation, Triangle};
    /// let g = Graph::new();
    /// let (a, b) = (g.input("a", ("batch", 3, 3)), g.input("b", ("batch", 3)));
    /// let x = a.solve_triangular(b, Triangle::Lower, Orientation::Plain);
    /// assert_eq!(x.shape().to_string(), "[batch, 3]");
    /// ```
    #[doc(alias("trsm", "triangular_solve"))]
    #[track_caller]
    pub fn solve_triangular(self, right: Expr<'g>, triangle: Triangle, orientation: Orientation) -> Expr<'g> {
        let _frame = self.enter("solve_triangular");
        let solve = TriangularSolve { triangle, orientation };
        if right.is_poisoned() || self.is_poisoned() || right.rank() + 1 != self.rank() {
            return self.graph().apply(solve, &[self, right]);
        }
        let solution = self.graph().apply(solve, &[self, right.unsqueeze(-1)]);
        if solution.is_poisoned() { solution } else { solution.reshape(right.shape()) }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// S·X, elementwise by the definition of S.
    fn product(solve: &TriangularSolve, a: &ArrayD<f64>, x: &ArrayD<f64>) -> ArrayD<f64> {
        ArrayD::from_shape_fn(x.raw_dim(), |index| {
            let (row, column) = (index[0], index[1]);
            let terms = (0..x.shape()[0]).map(|other| {
                let (i, j) = if solve.orientation == Orientation::Plain { (row, other) } else { (other, row) };
                let is_in_half = if solve.triangle == Triangle::Lower { i >= j } else { i <= j };
                if is_in_half { a[[i, j]] * x[[other, column]] } else { 0.0 }
            });
            terms.sum()
        })
    }

    #[test]
    fn the_solution_satisfies_the_equations() {
        for sample in TriangularSolve::samples() {
            let crate::graph::Op::TriangularSolve(solve) = &sample.op else { unreachable!() };
            let [Value::F64(a), Value::F64(b)] = sample.operands.as_slice() else { unreachable!() };
            if a.ndim() == 2 {
                let residual = product(solve, a, &solve.solve_all(a, b)) - b;
                // Three terms of size 3 or less, each rounded a few times.
                assert!(residual.iter().all(|r| r.abs() < 1e-14), "{solve:?}: {residual}");
            }
        }
    }

    #[test]
    fn each_matrix_of_a_batch_is_solved_for_itself() {
        let solve = TriangularSolve { triangle: Triangle::Upper, orientation: Orientation::Plain };
        let a = array![[[2.0, 1.0], [9.0, 4.0]], [[1.0, 0.0], [9.0, 0.5]]].into_dyn();
        let b = array![[[5.0], [4.0]], [[3.0], [1.0]]].into_dyn();
        assert_eq!(solve.solve_all(&a, &b), array![[[2.0], [1.0]], [[3.0], [2.0]]].into_dyn());
    }

    #[test]
    fn a_zero_on_the_diagonal_divides() {
        let solve = TriangularSolve { triangle: Triangle::Lower, orientation: Orientation::Plain };
        let x = solve.solve_all(&array![[0.0]].into_dyn(), &array![[1.0, 0.0]].into_dyn());
        assert!(x[[0, 0]] == f64::INFINITY && x[[0, 1]].is_nan());
    }
}
