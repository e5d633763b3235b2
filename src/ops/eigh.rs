//! Eigenvalues and eigenvectors of symmetric matrices.

use std::ops::Range;

use super::{
    cholesky::symmetrized,
    decomposition::{
        Decomposition, MatrixSize, answers_of_decompositions, below, evaluate, is_turned, matrix_dims, n_matrices,
        over_gaps, rows, sort, with_rows,
    },
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, JacobianProducts, Linearization, OpError, Rule,
        Traits, check_float, check_operands,
    },
    sample::{Sample, listed, reals},
    symmetric::Spectrum,
    triangular_solve::{check_square, matrix_product},
};
use crate::graph::{Dim, Eigh, Eigvalsh, Expr, GraphError, Type, Value};

/// More sweeps than any matrix of finite numbers takes; ten are many.
const MAX_SWEEPS: usize = 60;

impl Rule for Eigh {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [a] = check_operands(operands)?;
        check_float(a)?;
        check_square(&a.shape)?;
        let (n, _) = matrix_dims(&a.shape);
        Ok(Type::new(a.dtype, with_rows(&a.shape, n + 1)))
    }

    answers_of_decompositions!(Domain::All);

    /// 9n³ for each matrix: reflections to tridiagonal form, their product, and some two rotations of all rows for each
    /// eigenvalue.
    fn flops(&self, operands: &[Type], _: &Type) -> Dim {
        let (n, _) = matrix_dims(&operands[0].shape);
        n_matrices(&operands[0].shape) * n.clone() * &n * &n * 9
    }

    fn samples() -> Vec<Sample> {
        symmetric_operands().into_iter().map(|operand| Sample::smooth(Eigh {}, [operand])).collect()
    }
}

impl Rule for Eigvalsh {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [a] = check_operands(operands)?;
        check_float(a)?;
        check_square(&a.shape)?;
        Ok(Type::new(a.dtype, a.shape.without(&[a.rank() - 1])))
    }

    answers_of_decompositions!(Domain::All);

    /// 2n³ for each matrix: reflections to tridiagonal form.
    fn flops(&self, operands: &[Type], _: &Type) -> Dim {
        let (n, _) = matrix_dims(&operands[0].shape);
        n_matrices(&operands[0].shape) * n.clone() * &n * &n * 2
    }

    fn samples() -> Vec<Sample> {
        symmetric_operands().into_iter().map(|operand| Sample::smooth(Eigvalsh {}, [operand])).collect()
    }
}

/// Matrices that are not symmetric, of which the symmetric part counts, with eigenvalues that are apart.
fn symmetric_operands() -> Vec<Value> {
    vec![
        spread(&[3, 3]),
        spread(&[2, 2, 2]),
        listed(&[3, 3], &[-1.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.5]),
        reals(&[1, 1], -2.0, 1.0),
        reals(&[0, 2, 2], 0.0, 1.0),
        reals(&[0, 0], 0.0, 1.0),
    ]
}

/// Irregular numbers with 2, 0, −2, … added to the diagonal.
fn spread(shape: &[usize]) -> Value {
    let Value::F64(mut matrices) = reals(shape, -1.0, 0.8) else { unreachable!("invariant: reals are f64") };
    let rank = shape.len();
    for (index, element) in matrices.indexed_iter_mut().filter(|(index, _)| index[rank - 2] == index[rank - 1]) {
        *element += 2.0 - 2.0 * index[rank - 1] as f64;
    }
    Value::F64(matrices)
}

/// Numbers are decomposed as in compiled programs. Dual numbers cannot be, since what counts as 0 there has a tangent: they
/// take rotations, and `check::prove` compares the values of both.
impl<T: Real> Decomposition<T> for Eigh {
    fn n_packed(&self, size: MatrixSize) -> usize {
        size.n_elements() + size.columns
    }

    fn n_scratch(&self, size: MatrixSize) -> usize {
        size.n_elements() + size.columns
    }

    fn scaled(&self, size: MatrixSize) -> Range<usize> {
        size.n_elements()..size.n_elements() + size.columns
    }

    fn decompose(&self, a: &mut [T], size: MatrixSize, packed: &mut [T], scratch: &mut [T]) {
        if !T::HAS_TANGENT {
            return decompose_numbers(Spectrum::Vectors, a, size, packed);
        }
        let (vectors, values) = scratch.split_at_mut(size.n_elements());
        jacobi(a, size.columns, vectors, values);
        pack(vectors, values, packed);
    }
}

impl<T: Real> Decomposition<T> for Eigvalsh {
    fn n_packed(&self, size: MatrixSize) -> usize {
        size.columns
    }

    fn n_scratch(&self, size: MatrixSize) -> usize {
        size.n_elements()
    }

    fn scaled(&self, size: MatrixSize) -> Range<usize> {
        0..size.columns
    }

    fn decompose(&self, a: &mut [T], size: MatrixSize, packed: &mut [T], scratch: &mut [T]) {
        if !T::HAS_TANGENT {
            return decompose_numbers(Spectrum::Values, a, size, packed);
        }
        jacobi(a, size.columns, scratch, packed);
        sort(packed, |left, right| left < right, |_, _| {});
    }
}

fn decompose_numbers<T: Real>(spectrum: Spectrum, a: &[T], size: MatrixSize, packed: &mut [T]) {
    let mut numbers: Vec<f64> = a.iter().map(|element| element.to_f64()).collect();
    let mut scratch = vec![0.0; spectrum.n_scratch(size)];
    let mut results = vec![0.0; spectrum.n_packed(size)];
    spectrum.decompose(&mut numbers, size, &mut results, &mut scratch);
    packed.iter_mut().zip(results).for_each(|(place, number)| *place = T::from_f64(number));
}

/// Sorts eigenvalues, and writes the eigenvectors, each a row here, into columns, turned as they are to be, and the values
/// below.
pub(super) fn pack<T: Real>(vectors: &mut [T], values: &mut [T], packed: &mut [T]) {
    let n = values.len();
    sort(
        values,
        |left, right| left < right,
        |upper, lower| (0..n).for_each(|k| vectors.swap(upper * n + k, lower * n + k)),
    );
    for (column, vector) in vectors.chunks_exact(n).enumerate() {
        let is_turned = is_turned(vector.iter().copied());
        for (element, row) in vector.iter().zip(packed.chunks_exact_mut(n)) {
            row[column] = if is_turned { element.neg() } else { *element };
        }
    }
    packed[n * n..].copy_from_slice(values);
}

/// Eigenvalues of the symmetric part of A and eigenvectors, each a row, by rotations in the plane of two axes after another,
/// each of which makes the element of both zero; and two sweeps more, since tangents converge after the values do.
///
/// Golub and Van Loan, *Matrix Computations*, 4th edition, 2013, section 8.5.
fn jacobi<T: Real>(a: &mut [T], n: usize, vectors: &mut [T], values: &mut [T]) {
    let half = T::from_f64(0.5);
    for (row, column) in (0..n).flat_map(|row| (0..row).map(move |column| (row, column))) {
        let mean = a[row * n + column].add(a[column * n + row]).mul(half);
        (a[row * n + column], a[column * n + row]) = (mean, mean);
    }
    vectors.iter_mut().enumerate().for_each(|(place, v)| *v = if place % (n + 1) == 0 { T::ONE } else { T::ZERO });
    let mut sweeps_left = 2;
    for _ in 0..MAX_SWEEPS {
        let largest = (0..n * n).filter(|place| place % (n + 1) != 0).map(|place| a[place].to_f64().abs());
        if largest.fold(0.0, f64::max) <= f64::EPSILON * f64::EPSILON {
            if sweeps_left == 0 {
                break;
            }
            sweeps_left -= 1;
        }
        for (p, q) in (0..n).flat_map(|p| (p + 1..n).map(move |q| (p, q))) {
            let Some(rotation) = Rotation::new(a[p * n + p], a[q * n + q], a[p * n + q]) else { continue };
            for k in 0..n {
                (a[k * n + p], a[k * n + q]) = rotation.apply(a[k * n + p], a[k * n + q]);
                (vectors[p * n + k], vectors[q * n + k]) = rotation.apply(vectors[p * n + k], vectors[q * n + k]);
            }
            for k in 0..n {
                (a[p * n + k], a[q * n + k]) = rotation.apply(a[p * n + k], a[q * n + k]);
            }
        }
    }
    values.iter_mut().enumerate().for_each(|(place, value)| *value = a[place * (n + 1)]);
}

/// A rotation by at most 45°: its sine, and the tangent of half the angle.
#[derive(Clone, Copy)]
pub(super) struct Rotation<T> {
    sine: T,
    half_tangent: T,
}

impl<T: Real> Rotation<T> {
    /// The one by which a symmetric matrix of two rows, [[upper, beside], [beside, lower]], becomes diagonal. `None` if it is
    /// a multiple of the identity, as far as squares do not underflow.
    pub(super) fn new(upper: T, lower: T, beside: T) -> Option<Rotation<T>> {
        let (difference, twice) = (lower.sub(upper), beside.add(beside));
        let square = difference.mul(difference).add(twice.mul(twice));
        if square == T::ZERO {
            return None;
        }
        let root = if difference < T::ZERO { square.sqrt().neg() } else { square.sqrt() };
        let tangent = twice.div(difference.add(root));
        let cosine = T::ONE.div(T::ONE.add(tangent.mul(tangent)).sqrt());
        let sine = tangent.mul(cosine);
        Some(Rotation { sine, half_tangent: sine.div(T::ONE.add(cosine)) })
    }

    /// (c·left − s·right, s·left + c·right), as a change of both: by a small angle their length stays as it is, however often
    /// they are turned.
    #[inline(always)]
    pub(super) fn apply(self, left: T, right: T) -> (T, T) {
        let Rotation { sine, half_tangent } = self;
        let of_left = left.sub(sine.mul(right.add(half_tangent.mul(left))));
        (of_left, right.add(sine.mul(left.sub(half_tangent.mul(right)))))
    }
}

/// With S the symmetrized tangent, F = VᵀSV and G = F over the gaps λⱼ − λᵢ, 0 on its diagonal: V̇ = V·G, and λ̇ is the
/// diagonal of F.
impl JacobianProducts for Eigh {
    /// Ā = sym(V·(Λ̄ + VᵀV̄ over the gaps)·Vᵀ).
    fn vjp<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let parts = EighParts::new(application.output);
        let EighParts { values, vectors } = EighParts::new(cotangent);
        let inner = over_gaps(matrix_product(parts.vectors.t(), vectors), parts.gaps()) + values.diag();
        symmetrized(matrix_product(matrix_product(parts.vectors, inner), parts.vectors.t()))
    }

    fn jvp<'g>(&self, _: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let parts = EighParts::new(application.output);
        let inner = parts.in_basis(symmetrized(tangent));
        let vectors = matrix_product(parts.vectors, over_gaps(inner, parts.gaps()));
        below(&[vectors, inner.diagonal().unsqueeze(-2)])
    }
}

/// λ̇ is the diagonal of VᵀSV, with S the symmetrized tangent: no gap is divided by.
impl JacobianProducts for Eigvalsh {
    fn vjp<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let packed = cotangent.graph().apply(Eigh {}, &application.operands);
        if packed.is_poisoned() {
            return packed;
        }
        let parts = EighParts::new(packed);
        matrix_product(parts.vectors * cotangent.unsqueeze(-2), parts.vectors.t())
    }

    fn jvp<'g>(&self, _: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let packed = tangent.graph().apply(Eigh {}, &application.operands);
        if packed.is_poisoned() {
            return packed;
        }
        let parts = EighParts::new(packed);
        parts.in_basis(symmetrized(tangent)).diagonal()
    }
}

/// Eigenvalues and eigenvectors of symmetric matrices; made by [`Expr::eigh`].
#[derive(Debug, Clone, Copy)]
pub struct EighParts<'g> {
    /// The eigenvalues, in ascending order.
    pub values: Expr<'g>,
    /// V: column j is the eigenvector of eigenvalue j, of length 1.
    pub vectors: Expr<'g>,
}

impl<'g> EighParts<'g> {
    /// `packed` is no poison.
    fn new(packed: Expr<'g>) -> EighParts<'g> {
        let (n_rows, n) = matrix_dims(&packed.shape());
        let values = rows(packed, n.clone(), n_rows);
        let shape = values.shape();
        let values = values.reshape(shape.without(&[shape.rank() - 2]));
        EighParts { values, vectors: rows(packed, Dim::from(0), n) }
    }

    /// λⱼ − λᵢ in row i and column j.
    fn gaps(&self) -> Expr<'g> {
        self.values.unsqueeze(-2) - self.values.unsqueeze(-1)
    }

    /// VᵀSV.
    fn in_basis(&self, symmetric: Expr<'g>) -> Expr<'g> {
        matrix_product(matrix_product(self.vectors.t(), symmetric), self.vectors)
    }
}

impl<'g> Expr<'g> {
    /// The eigenvalues, in ascending order, and eigenvectors of the symmetric part (A + Aᵀ)/2 of each matrix, which is
    /// V·diag(λ)·Vᵀ with VᵀV = I. Computed in f64 and rounded once, for f32 too.
    ///
    /// In each eigenvector the first element whose magnitude is at least 0.9 of the greatest is positive, so that values and
    /// derivatives are continuous but for where another element becomes that one. To equal eigenvalues belongs a space of
    /// eigenvectors, of which any orthonormal basis may come. A matrix with a number that is not finite gives NaN alone.
    ///
    /// With S the symmetric part of the tangent and F = VᵀSV: λ̇ᵢ = Fᵢᵢ, and V̇ = V·G with Gᵢⱼ = Fᵢⱼ/(λⱼ − λᵢ) beside the
    /// diagonal. The derivative with respect to A is symmetric. Where two eigenvalues are equal, single eigenvectors have no
    /// derivative, and all of it is infinite or NaN; where they nearly are, it has lost as many digits as their difference
    /// has. What needs only eigenvalues should ask for [`Expr::eigvalsh`], whose first derivative divides by no gap.
    ///
    /// # Shapes
    /// `[…, n, n]` → values: `[…, n]`, vectors: `[…, n, n]`.
    ///
    /// # Errors
    /// An error is recorded if this is no float, or if the last two sizes are not equal. Both parts then stand for it.
    ///
    /// # Complexity
    /// About 9n³ for each matrix; its derivatives about 8n³ each.
    ///
    /// # Source
    /// Golub and Van Loan, *Matrix Computations*, 4th edition, 2013, sections 8.3 and 8.5; Giles, *An extended collection of
    /// matrix derivative results*, 2008, section 3.1.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let parts = g.input_of(DType::F64, "a", (2, 2)).eigh();
    /// let mut program = g.compile([("values", parts.values), ("vectors", parts.vectors)])?;
    /// let out = program.call(("a", &array![[2.0, 0.0], [0.0, -1.0]]))?;
    /// assert_eq!(out["values"], array![-1.0, 2.0].into());
    /// assert_eq!(out["vectors"], array![[0.0, 1.0], [1.0, 0.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("syev", "eigenvectors", "eigendecomposition"))]
    #[track_caller]
    pub fn eigh(self) -> EighParts<'g> {
        let _frame = self.enter("eigh");
        let packed = self.graph().apply(Eigh {}, &[self]);
        if packed.is_poisoned() {
            return EighParts { values: packed, vectors: packed };
        }
        EighParts::new(packed)
    }

    /// The eigenvalues of the symmetric part of each matrix, in ascending order: those of [`Expr::eigh`] in a
    /// fraction of the time.
    ///
    /// λ̇ᵢ = vᵢᵀ·S·vᵢ with the eigenvectors vᵢ and S the symmetric part of the tangent, for which the eigenvectors are
    /// computed. Where eigenvalues are equal, it is that of one choice of eigenvectors, and right for what treats equal
    /// eigenvalues alike, such as a sum of a function of each; the second derivative is then infinite or NaN.
    ///
    /// # Shapes
    /// `[…, n, n]` → `[…, n]`.
    ///
    /// # Errors
    /// As [`Expr::eigh`].
    ///
    /// # Complexity
    /// About 4n³/3 for each matrix; its derivative as much as [`Expr::eigh`].
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let a = g.input_of(DType::F64, "a", (2, 2));
    /// // Both eigenvalues are 3: the derivative of λ₁² + λ₂² is 2A all the same.
    /// let mut program = g.compile(g.gradient(a.eigvalsh().square().sum(), a))?;
    /// let out = program.call(("a", &array![[3.0, 0.0], [0.0, 3.0]]))?;
    /// assert_eq!(out["result"], array![[6.0, 0.0], [0.0, 6.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("eigenvalues", "spectrum"))]
    #[track_caller]
    pub fn eigvalsh(self) -> Expr<'g> {
        let _frame = self.enter("eigvalsh");
        self.graph().apply(Eigvalsh {}, &[self])
    }
}
