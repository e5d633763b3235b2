//! The QR decomposition, packed into one array.

use std::ops::Range;

use super::{
    decomposition::{
        Decomposition, MatrixSize, Tall, answers_of_decompositions, below, check_tall, evaluate, matrix_dims,
        n_matrices, rows, with_rows,
    },
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, JacobianProducts, Linearization, OpError, Rule,
        Traits, check_float, check_operands,
    },
    sample::{Sample, listed, reals},
    triangular_solve::matrix_product,
};
use crate::graph::{Concat, Dim, Expr, GraphError, Orientation, Qr, Slice, Triangle, Type, Value};

impl Rule for Qr {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [a] = check_operands(operands)?;
        check_float(a)?;
        check_tall(&a.shape)?;
        let (m, n) = matrix_dims(&a.shape);
        Ok(Type::new(a.dtype, with_rows(&a.shape, m + n)))
    }

    answers_of_decompositions!(Domain::Checked(&Tall));

    /// 4mn² for each matrix: reflections of what is right of a column, and of the columns of Q, which are mostly shorter.
    fn flops(&self, operands: &[Type], _: &Type) -> Dim {
        let (m, n) = matrix_dims(&operands[0].shape);
        n_matrices(&operands[0].shape) * m * &n * &n * 4
    }

    fn samples() -> Vec<Sample> {
        vec![
            Sample::smooth(Qr {}, [reals(&[3, 3], -1.0, 2.0)]),
            Sample::smooth(Qr {}, [reals(&[4, 2], -1.0, 1.0)]),
            Sample::smooth(Qr {}, [reals(&[2, 3, 2], -1.0, 1.5)]),
            // Zeros below the diagonal already, and a diagonal of both signs.
            Sample::smooth(Qr {}, [listed(&[3, 2], &[-2.0, 0.5, 0.0, 3.0, 0.0, 0.0])]),
            Sample::smooth(Qr {}, [reals(&[1, 1], -2.0, -1.0)]),
            Sample::smooth(Qr {}, [reals(&[3, 0], 0.0, 1.0)]),
            Sample::smooth(Qr {}, [reals(&[0, 2, 2], 0.0, 1.0)]),
            Sample::smooth(Qr {}, [reals(&[0, 0], 0.0, 1.0)]),
        ]
    }
}

/// Reflections H = I − β·v·vᵀ, one for each column, that put the column on the multiple of a unit vector: their product is Q,
/// what they leave is R. β = 1/(‖x‖·(‖x‖ + |x₀|)) for the column x and v = x but for v₀ = x₀ ± ‖x‖, of the sign in which
/// nothing cancels. A column of zeros is left, and Q is orthogonal all the same.
///
/// Golub and Van Loan, *Matrix Computations*, 4th edition, 2013, algorithms 5.1.1 and 5.2.1.
impl<T: Real> Decomposition<T> for Qr {
    fn n_packed(&self, size: MatrixSize) -> usize {
        size.n_elements() + size.columns * size.columns
    }

    /// The β, the diagonal of R, and products of v with columns.
    fn n_scratch(&self, size: MatrixSize) -> usize {
        3 * size.columns
    }

    fn scaled(&self, size: MatrixSize) -> Range<usize> {
        size.n_elements()..size.n_elements() + size.columns * size.columns
    }

    fn decompose(&self, a: &mut [T], size: MatrixSize, packed: &mut [T], scratch: &mut [T]) {
        let n = size.columns;
        let (factors, rest) = scratch.split_at_mut(n);
        let (diagonal, products) = rest.split_at_mut(n);
        for k in 0..n {
            (factors[k], diagonal[k]) = reflection(&mut a[k * n + k..], n);
            reflect(a, k, factors[k], k + 1, &mut products[..n - k - 1]);
        }
        let (q, r) = packed.split_at_mut(size.n_elements());
        for (row, elements) in q.chunks_exact_mut(n).enumerate() {
            elements.iter_mut().enumerate().for_each(|(column, q)| *q = if row == column { T::ONE } else { T::ZERO });
        }
        for k in (0..n).rev() {
            reflect_other(a, k, factors[k], q, &mut products[..n - k]);
        }
        for (k, r) in r.chunks_exact_mut(n).enumerate() {
            r[..k].fill(T::ZERO);
            r[k] = diagonal[k];
            r[k + 1..].copy_from_slice(&a[k * n + k + 1..(k + 1) * n]);
            if diagonal[k] < T::ZERO {
                r[k..].iter_mut().for_each(|element| *element = element.neg());
                q.iter_mut().skip(k).step_by(n).for_each(|element| *element = element.neg());
            }
        }
    }
}

/// Replaces the column that starts here, in rows of `n`, by v; its β, 0 where the column is, and the number that it becomes.
fn reflection<T: Real>(column: &mut [T], n: usize) -> (T, T) {
    let square = column.iter().step_by(n).fold(T::ZERO, |sum, x| sum.add(x.mul(*x)));
    let first = column[0];
    if square == T::ZERO {
        return (T::ZERO, first);
    }
    let norm = square.sqrt();
    let image = if first < T::ZERO { norm } else { norm.neg() };
    column[0] = first.sub(image);
    (T::ONE.div(norm.mul(norm.add(first.abs()))), image)
}

/// Reflects the columns of `a` from `start` on by the vector in its column k.
fn reflect<T: Real>(a: &mut [T], k: usize, factor: T, start: usize, products: &mut [T]) {
    let n = start + products.len();
    products.fill(T::ZERO);
    for row in a[k * n..].chunks_exact(n) {
        products.iter_mut().zip(&row[start..]).for_each(|(sum, element)| *sum = sum.add(row[k].mul(*element)));
    }
    for row in a[k * n..].chunks_exact_mut(n) {
        let factor = row[k].mul(factor);
        row[start..]
            .iter_mut()
            .zip(&*products)
            .for_each(|(element, product)| *element = element.sub(factor.mul(*product)));
    }
}

/// Reflects the columns of `q` from k on by the vector in column k of `a`.
fn reflect_other<T: Real>(a: &[T], k: usize, factor: T, q: &mut [T], products: &mut [T]) {
    let n = k + products.len();
    products.fill(T::ZERO);
    for (a, q) in a[k * n..].chunks_exact(n).zip(q[k * n..].chunks_exact(n)) {
        products.iter_mut().zip(&q[k..]).for_each(|(sum, element)| *sum = sum.add(a[k].mul(*element)));
    }
    for (a, q) in a[k * n..].chunks_exact(n).zip(q[k * n..].chunks_exact_mut(n)) {
        let factor = a[k].mul(factor);
        q[k..].iter_mut().zip(&*products).for_each(|(element, product)| *element = element.sub(factor.mul(*product)));
    }
}

/// With C = Qᵀ·Ȧ·R⁻¹ and Ω = L − Lᵀ for L its strictly lower half: Q̇ = Ȧ·R⁻¹ − Q·(C − Ω) and Ṙ = (C − Ω)·R.
impl JacobianProducts for Qr {
    /// Ā = (Q̄ + Q·M)·R⁻ᵀ, where M is symmetric with the lower half of R·R̄ᵀ − Q̄ᵀ·Q; the lower half of R is constant.
    fn vjp<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (q, r) = parts(application.output);
        let (of_q, of_r) = parts(cotangent);
        let inner = matrix_product(r, of_r.upper_triangle().t()) - matrix_product(of_q.t(), q);
        let lower = inner.lower_triangle();
        let strictly_upper = inner.t().upper_triangle() - inner.diagonal().diag();
        let right = of_q + matrix_product(q, lower + strictly_upper);
        r.solve_triangular(right.t(), Triangle::Upper, Orientation::Plain).t()
    }

    fn jvp<'g>(&self, _: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (q, r) = parts(application.output);
        let moved = r.solve_triangular(tangent.t(), Triangle::Upper, Orientation::Transposed).t();
        let inner = matrix_product(q.t(), moved);
        let strictly_lower = inner.lower_triangle() - inner.diagonal().diag();
        let upper = inner.upper_triangle() + strictly_lower.t();
        below(&[moved - matrix_product(q, upper), matrix_product(upper, r)])
    }
}

/// Q and R of a packed decomposition.
fn parts(packed: Expr<'_>) -> (Expr<'_>, Expr<'_>) {
    let (n_rows, n) = matrix_dims(&packed.shape());
    let m = n_rows.clone() - n;
    (rows(packed, Dim::from(0), m.clone()), rows(packed, m, n_rows))
}

/// The parts of a QR decomposition; made by [`Expr::qr`].
#[derive(Debug, Clone, Copy)]
pub struct QrParts<'g> {
    /// Q, its columns orthonormal.
    pub q: Expr<'g>,
    /// R, upper triangular or, of a wide matrix, trapezoidal; no element of its diagonal is negative.
    pub r: Expr<'g>,
}

impl<'g> Expr<'g> {
    /// The QR decomposition of each matrix in its reduced form: A = Q·R, QᵀQ = I and R upper triangular. The elements on the
    /// diagonal of R are not negative, which makes both unique and continuous where A has full rank. Computed in f64 and
    /// rounded once, for f32 too.
    ///
    /// The columns of Q are orthonormal whatever the rank of A is. Where it has not full rank (of a wide matrix: its first
    /// columns), R has a zero, or what rounding leaves of one, on its diagonal, and the derivative is infinite or NaN. A
    /// matrix with a number that is not finite gives NaN alone.
    ///
    /// With C = Qᵀ·Ȧ·R⁻¹ and L its strictly lower half, Ṙ = (C − L + Lᵀ)·R and Q̇ = (Ȧ − Q·Ṙ)·R⁻¹.
    ///
    /// # Shapes
    /// `[…, m, n]` → Q: `[…, m, k]`, R: `[…, k, n]`, where k is the smaller of m and n. Where one of them is a symbol, m must
    /// not be less than n.
    ///
    /// # Errors
    /// An error is recorded if this is no float or has less than two axes. Both parts then stand for it. The run has an error
    /// where a size is a symbol and a matrix is wide: of the transposed one there is an LQ decomposition, `a.t().qr()`.
    ///
    /// # Complexity
    /// About 4mn² for each matrix; its derivatives about 8mn².
    ///
    /// # Source
    /// Golub and Van Loan, *Matrix Computations*, 4th edition, 2013, section 5.2; Walter and Lehmann, *Algorithmic
    /// differentiation of linear algebra functions with application in optimum experimental design*, 2010, section 3.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let parts = g.input_of(DType::F64, "a", (2, 2)).qr();
    /// let mut program = g.compile([("q", parts.q), ("r", parts.r)])?;
    /// let out = program.call(("a", &array![[0.0, -2.0], [4.0, 1.0]]))?;
    /// assert_eq!(out["q"], array![[0.0, -1.0], [1.0, 0.0]].into());
    /// assert_eq!(out["r"], array![[4.0, 1.0], [0.0, 2.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("geqrf", "orthonormalize", "gram_schmidt"))]
    #[track_caller]
    pub fn qr(self) -> QrParts<'g> {
        let _frame = self.enter("qr");
        let g = self.graph();
        if let Some((m, n)) = self.wide_sizes() {
            let (shape, axis) = (self.shape(), self.rank() - 1);
            let columns =
                |start: &Dim, stop: &Dim| g.apply(Slice::along(&shape, axis, start.clone(), stop.clone()), &[self]);
            let (q, r) = parts(g.apply(Qr {}, &[columns(&Dim::from(0), &m)]));
            return QrParts { q, r: g.apply(Concat { axis }, &[r, matrix_product(q.t(), columns(&m, &n))]) };
        }
        let packed = g.apply(Qr {}, &[self]);
        if packed.is_poisoned() {
            return QrParts { q: packed, r: packed };
        }
        let (q, r) = parts(packed);
        QrParts { q, r }
    }

    /// Rows and columns of floats that are known to have more columns than rows.
    pub(super) fn wide_sizes(self) -> Option<(Dim, Dim)> {
        if self.is_poisoned() || !self.dtype().is_float() {
            return None;
        }
        match check_tall(&self.shape()) {
            Err(GraphError::Wide { shape }) => Some(matrix_dims(&shape)),
            _ => None,
        }
    }
}
