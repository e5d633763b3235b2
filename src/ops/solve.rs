//! Systems of linear equations with any square matrix.

use std::ops::Range;

use ndarray::{Array2, ArrayD, ArrayView2, IxDyn};

use super::{
    lu::decompose,
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, JacobianProducts, Linearization, OpError, Rule,
        Traits, check_float,
    },
    sample::{Sample, reals},
    triangular_solve::{check_square, check_system, matrix_product, system_dependence},
};
use crate::graph::{Dim, Expr, GraphError, Orientation, Solve, Type, Value};

impl Rule for Solve {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_system(operands)
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Written(self)
    }

    fn dependence(&self, operand: usize, operands: &[Type]) -> Dependence {
        system_dependence(operand, operands[0].rank())
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Products(self)
    }

    /// In f64 for both dtypes, rounded once: what pivoting does not save of digits, f32 does not have to spare.
    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(match (context.operands[0], context.operands[1]) {
            (Value::F32(a), Value::F32(b)) => {
                Value::F32(self.solve_all(&a.mapv(f64::from), &b.mapv(f64::from)).mapv(|x| x as f32))
            }
            (Value::F64(a), Value::F64(b)) => Value::F64(self.solve_all(a, b)),
            _ => unreachable!("invariant: inference refuses other dtypes"),
        })
    }

    /// n³ for each matrix, a little more than its decomposition takes, and 2n² for each column of B.
    fn flops(&self, operands: &[Type], output: &Type) -> Dim {
        let n = operands[0].shape[operands[0].rank() - 1].clone();
        operands[0].shape.size() * &n + output.shape.size() * n * 2
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for orientation in Orientation::ALL {
            for (a, n_right) in [(&[3, 3][..], 2), (&[2, 2, 2], 3), (&[1, 1], 1), (&[2, 2], 0), (&[0, 0], 2)] {
                let mut b = a.to_vec();
                b[a.len() - 1] = n_right;
                let operands = [well_conditioned(a), reals(&b, -1.0, 2.0)];
                samples.push(Sample::smooth(Solve { orientation: *orientation }, operands));
            }
        }
        samples
    }
}

/// Numbers below 1 with 3 added beside the diagonal, so that rows must change places.
fn well_conditioned(shape: &[usize]) -> Value {
    let Value::F64(mut matrices) = reals(shape, -0.7, 0.9) else { unreachable!("invariant: reals are f64") };
    let (rank, n) = (shape.len(), shape[shape.len() - 1]);
    for (index, element) in matrices.indexed_iter_mut() {
        if (index[rank - 2] + 1) % n == index[rank - 1] {
            *element += 3.0;
        }
    }
    Value::F64(matrices)
}

impl Solve {
    fn solve_all<T: Real>(&self, a: &ArrayD<T>, b: &ArrayD<T>) -> ArrayD<T> {
        let mut solutions = ArrayD::from_elem(IxDyn(b.shape()), T::ZERO);
        if b.is_empty() {
            // Of matrices without elements there may be more than anybody can count.
            return solutions;
        }
        let (outer, matrix) = b.shape().split_at(b.ndim() - 2);
        let (n_matrices, n, n_right) = (outer.iter().product::<usize>(), matrix[0], matrix[1]);
        let matrices = a.to_shape((n_matrices, n, n)).expect("invariant: inference compared the sizes");
        let rights = b.to_shape((n_matrices, n, n_right)).expect("invariant: it is B's own size");
        let mut views =
            solutions.view_mut().into_shape_with_order((n_matrices, n, n_right)).expect("invariant: as many elements");
        for ((a, b), mut x) in matrices.outer_iter().zip(rights.outer_iter()).zip(views.outer_iter_mut()) {
            let a = if self.orientation == Orientation::Plain { a } else { a.reversed_axes() };
            x.assign(&solve(a, b));
        }
        solutions
    }

    /// The same system with the matrix transposed.
    fn transposed(&self) -> Solve {
        let orientation = match self.orientation {
            Orientation::Plain => Orientation::Transposed,
            Orientation::Transposed => Orientation::Plain,
        };
        Solve { orientation }
    }
}

/// X with A·X = B by elimination: unknowns are taken out of the equations that are left as they become known.
fn solve<T: Real>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>) -> Array2<T> {
    let mut factors = a.as_standard_layout().into_owned();
    let permutation = decompose(&mut factors);
    let n = factors.nrows();
    let mut x = Array2::from_shape_fn(b.raw_dim(), |(row, column)| b[[permutation[row], column]]);
    for known in 0..n {
        eliminate(&mut x, &factors, known, known + 1..n);
    }
    for known in (0..n).rev() {
        x.row_mut(known).iter_mut().for_each(|x| *x = x.div(factors[[known, known]]));
        eliminate(&mut x, &factors, known, 0..known);
    }
    x
}

/// Takes a known row of X out of other equations.
fn eliminate<T: Real>(x: &mut Array2<T>, factors: &Array2<T>, known: usize, rows: Range<usize>) {
    for row in rows {
        for column in 0..x.ncols() {
            x[[row, column]] = x[[row, column]].sub(factors[[row, known]].mul(x[[known, column]]));
        }
    }
}

/// With S = A or its transpose, S·X = B gives S·Ẋ = Ḃ − Ṡ·X; so B̄ = S⁻ᵀ·X̄ and S̄ = −B̄·Xᵀ.
impl JacobianProducts for Solve {
    fn vjp<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (a, x) = (application.operands[0], application.output);
        let right = cotangent.graph().apply(self.transposed(), &[a, cotangent]);
        match (operand, self.orientation) {
            (1, _) => right,
            (_, Orientation::Plain) => -matrix_product(right, x.t()),
            (_, Orientation::Transposed) => -matrix_product(x, right.t()),
        }
    }

    fn jvp<'g>(&self, operand: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (a, x) = (application.operands[0], application.output);
        let right = match (operand, self.orientation) {
            (1, _) => tangent,
            (_, Orientation::Plain) => -matrix_product(tangent, x),
            (_, Orientation::Transposed) => -matrix_product(tangent.t(), x),
        };
        a.graph().apply(self.clone(), &[a, right])
    }
}

impl<'g> Expr<'g> {
    /// X with A·X = B for any square A, by an LU decomposition with partial pivoting; computed in f64 and rounded once,
    /// for f32 too.
    ///
    /// A singular matrix gives infinities and NaN. [`Expr::solve_positive_definite`] takes half the time where A is
    /// symmetric and positive definite, and [`Expr::solve_triangular`] much less where it is triangular.
    ///
    /// # Shapes
    /// self: `[…, n, n]`, right: `[…, n, k]` → `[…, n, k]`; or right: `[…, n]` → `[…, n]`. The outer axes are equal.
    ///
    /// # Errors
    /// An error is recorded if dtypes or sizes differ, or if A is not square or no float.
    ///
    /// # Complexity
    /// 2n³/3 for each matrix and 2n² for each column of B; each derivative by A solves one more system of the same size.
    ///
    /// # Source
    /// Giles, An extended collection of matrix derivative results (2008), section 2.3.1.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (a, b) = (g.input_of(DType::F64, "a", (2, 2)), g.input_of(DType::F64, "b", (2,)));
    /// let mut program = g.compile(a.solve(b))?;
    /// let out = program.call((("a", &array![[0.0, 2.0], [4.0, 0.0]]), ("b", &array![6.0, 8.0])))?;
    /// assert_eq!(out["result"], array![2.0, 3.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("gesv", "linsolve"))]
    #[track_caller]
    pub fn solve(self, right: Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("solve");
        let solve = Solve { orientation: Orientation::Plain };
        if right.is_poisoned() || self.is_poisoned() || right.rank() + 1 != self.rank() {
            return self.graph().apply(solve, &[self, right]);
        }
        let solution = self.graph().apply(solve, &[self, right.unsqueeze(-1)]);
        if solution.is_poisoned() { solution } else { solution.reshape(right.shape()) }
    }

    /// The inverse of each matrix. Solving with a matrix takes less time, and loses fewer digits, than multiplying by its
    /// inverse.
    ///
    /// # Shapes
    /// `[…, n, n]` → `[…, n, n]`.
    ///
    /// # Errors
    /// An error is recorded if this is no float, or if the last two sizes are not equal. A singular matrix gives infinities
    /// and NaN.
    ///
    /// # Complexity
    /// 8n³/3 for each matrix.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let mut program = g.compile(g.input_of(DType::F64, "a", ("batch", 2, 2)).inverse())?;
    /// let out = program.call(("a", &array![[[0.0, 2.0], [4.0, 0.0]]]))?;
    /// assert_eq!(out["result"], array![[[0.0, 0.25], [0.5, 0.0]]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "inv")]
    #[track_caller]
    pub fn inverse(self) -> Expr<'g> {
        let _frame = self.enter("inverse");
        match self.identity_like() {
            Ok(identity) => self.graph().apply(Solve { orientation: Orientation::Plain }, &[self, identity]),
            Err(poison) => poison,
        }
    }

    /// The identity in the shape of these square matrices.
    pub(super) fn identity_like(self) -> Result<Expr<'g>, Expr<'g>> {
        if self.is_poisoned() {
            return Err(self);
        }
        if let Err(error) = check_square(&self.shape()).and_then(|()| check_float(&self.ty())) {
            return Err(self.graph().report(error, &[self]));
        }
        let (row, column) = self.positions_in_matrix();
        Ok(row.equal(column).select(self.ones_like(), 0.0))
    }
}
