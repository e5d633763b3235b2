//! The singular value decomposition, packed into one array, and singular values alone.

use std::ops::Range;

use super::{
    decomposition::{
        Decomposition, MatrixSize, Tall, answers_of_decompositions, below, check_tall, evaluate, is_turned,
        matrix_dims, n_matrices, over_gaps, rows, sort, with_rows,
    },
    eigh::Rotation,
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, JacobianProducts, Linearization, OpError, Rule,
        Traits, check_float, check_operands,
    },
    sample::{Sample, listed, reals},
    triangular_solve::matrix_product,
};
use crate::graph::{Dim, Expr, GraphError, Svd, Svdvals, Type, Value};

/// More sweeps than any matrix of finite numbers takes; ten are many.
const MAX_SWEEPS: usize = 60;

impl Rule for Svd {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [a] = check_operands(operands)?;
        check_float(a)?;
        check_tall(&a.shape)?;
        let (m, n) = matrix_dims(&a.shape);
        Ok(Type::new(a.dtype, with_rows(&a.shape, m + n + 1)))
    }

    answers_of_decompositions!(Domain::Checked(&Tall));

    /// (36m + 18n)n² for each matrix: six sweeps of n²/2 rotations of two columns.
    fn flops(&self, operands: &[Type], _: &Type) -> Dim {
        let (m, n) = matrix_dims(&operands[0].shape);
        n_matrices(&operands[0].shape) * n.clone() * &n * (m * 36 + n * 18)
    }

    fn samples() -> Vec<Sample> {
        operands().into_iter().map(|operand| Sample::smooth(Svd {}, [operand])).collect()
    }
}

impl Rule for Svdvals {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [a] = check_operands(operands)?;
        check_float(a)?;
        check_tall(&a.shape)?;
        Ok(Type::new(a.dtype, a.shape.without(&[a.rank() - 2])))
    }

    answers_of_decompositions!(Domain::Checked(&Tall));

    /// 36mn² for each matrix.
    fn flops(&self, operands: &[Type], _: &Type) -> Dim {
        let (m, n) = matrix_dims(&operands[0].shape);
        n_matrices(&operands[0].shape) * n.clone() * &n * m * 36
    }

    fn samples() -> Vec<Sample> {
        operands().into_iter().map(|operand| Sample::smooth(Svdvals {}, [operand])).collect()
    }
}

/// Matrices with singular values that are apart, and none of them near 0.
fn operands() -> Vec<Value> {
    vec![
        listed(&[3, 3], &[1.5, -0.3, 0.4, 0.2, 0.1, -1.0, 0.7, 2.5, 0.6]),
        listed(&[4, 2], &[1.0, 0.3, -0.2, 2.0, 0.8, 0.5, 0.1, -0.4]),
        listed(&[2, 2, 2], &[1.0, 0.3, -0.2, 2.0, 0.1, 3.0, 1.5, 0.2]),
        listed(&[3, 2], &[0.0, -2.0, 0.5, 0.0, 0.0, 0.0]),
        reals(&[1, 1], -2.0, -1.0),
        reals(&[3, 0], 0.0, 1.0),
        reals(&[0, 2, 2], 0.0, 1.0),
        reals(&[0, 0], 0.0, 1.0),
    ]
}

impl<T: Real> Decomposition<T> for Svd {
    fn n_packed(&self, size: MatrixSize) -> usize {
        size.n_elements() + size.columns * (size.columns + 1)
    }

    fn n_scratch(&self, size: MatrixSize) -> usize {
        size.n_elements() + size.columns * (size.columns + 1)
    }

    fn scaled(&self, size: MatrixSize) -> Range<usize> {
        let n_packed = Decomposition::<T>::n_packed(self, size);
        n_packed - size.columns..n_packed
    }

    fn decompose(&self, a: &mut [T], size: MatrixSize, packed: &mut [T], scratch: &mut [T]) {
        let MatrixSize { rows: m, columns: n } = size;
        let (left, rest) = scratch.split_at_mut(size.n_elements());
        let (right, values) = rest.split_at_mut(n * n);
        transpose(a, n, left);
        right.iter_mut().enumerate().for_each(|(place, v)| *v = if place % (n + 1) == 0 { T::ONE } else { T::ZERO });
        make_orthogonal(left, m, right, n);
        lengths(left, m, values);
        sort(
            values,
            |one, other| one > other,
            |one, other| {
                (0..m).for_each(|k| left.swap(one * m + k, other * m + k));
                (0..n).for_each(|k| right.swap(one * n + k, other * n + k));
            },
        );
        for (column, value) in values.iter().enumerate() {
            if *value == T::ZERO {
                complete(left, m, column);
            } else {
                left[column * m..][..m].iter_mut().for_each(|element| *element = element.div(*value));
            }
        }
        for (left, right) in left.chunks_exact_mut(m).zip(right.chunks_exact_mut(n)) {
            if is_turned(right.iter().copied()) {
                left.iter_mut().chain(right).for_each(|element| *element = element.neg());
            }
        }
        let (u, rest) = packed.split_at_mut(size.n_elements());
        let (v, s) = rest.split_at_mut(n * n);
        transpose(left, m, u);
        transpose(right, n, v);
        s.copy_from_slice(values);
    }
}

impl<T: Real> Decomposition<T> for Svdvals {
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
        transpose(a, size.columns, scratch);
        make_orthogonal(scratch, size.rows, &mut [], 0);
        lengths(scratch, size.rows, packed);
        sort(packed, |one, other| one > other, |_, _| {});
    }
}

/// Rows of `width` elements as columns.
fn transpose<T: Copy>(rows: &[T], width: usize, columns: &mut [T]) {
    let n_rows = rows.len() / width;
    for (row, elements) in rows.chunks_exact(width).enumerate() {
        elements.iter().enumerate().for_each(|(column, element)| columns[column * n_rows + row] = *element);
    }
}

/// Turns columns of A, which are rows of `m` here, in the plane of two after another, until all are orthogonal to each other,
/// and rows of `right`, of `n` elements, with them: A·V = U·S. Columns of any two lengths become orthogonal relative to both,
/// which is why small singular values have as many digits as A lets them have. Of dual numbers, whose tangents
/// converge after the values do, all are turned, in two sweeps more.
///
/// Demmel and Veselić, *Jacobi's method is more accurate than QR*, 1992, algorithm 4.1.
fn make_orthogonal<T: Real>(columns: &mut [T], m: usize, right: &mut [T], n: usize) {
    let n_columns = columns.len() / m;
    // What rounding leaves of a product of orthogonal columns.
    let small = 2.0 * f64::EPSILON * (m as f64).sqrt();
    let mut sweeps_left = if T::HAS_TANGENT { 2 } else { 0 };
    for _ in 0..MAX_SWEEPS {
        let mut is_done = true;
        for (p, q) in (0..n_columns).flat_map(|p| (p + 1..n_columns).map(move |q| (p, q))) {
            let (upper, lower) = pair(columns, m, p, q);
            let [p_square, q_square, product] = products(upper, lower);
            let is_small = product.to_f64().abs() <= small * (p_square.to_f64() * q_square.to_f64()).sqrt();
            is_done &= is_small;
            if is_small && !T::HAS_TANGENT {
                continue;
            }
            let Some(rotation) = Rotation::new(p_square, q_square, product) else { continue };
            turn(rotation, upper, lower);
            if n > 0 {
                let (upper, lower) = pair(right, n, p, q);
                turn(rotation, upper, lower);
            }
        }
        if is_done {
            if sweeps_left == 0 {
                break;
            }
            sweeps_left -= 1;
        }
    }
}

/// Rows p < q.
fn pair<T>(rows: &mut [T], width: usize, p: usize, q: usize) -> (&mut [T], &mut [T]) {
    let (above, below) = rows.split_at_mut(q * width);
    (&mut above[p * width..][..width], &mut below[..width])
}

/// The squares of two vectors and their product, each in four partial sums, none of which waits for another.
fn products<T: Real>(left: &[T], right: &[T]) -> [T; 3] {
    let mut sums = [[T::ZERO; 4]; 3];
    let add = |[p, q, both]: &mut [[T; 4]; 3], lane: usize, (x, y): (&T, &T)| {
        p[lane] = p[lane].add(x.mul(*x));
        q[lane] = q[lane].add(y.mul(*y));
        both[lane] = both[lane].add(x.mul(*y));
    };
    let (blocks, others) = (left.chunks_exact(4), right.chunks_exact(4));
    let rest = blocks.remainder().iter().zip(others.remainder());
    for (left, right) in blocks.zip(others) {
        (0..4).for_each(|lane| add(&mut sums, lane, (&left[lane], &right[lane])));
    }
    rest.enumerate().for_each(|(lane, pair)| add(&mut sums, lane, pair));
    sums.map(|[a, b, c, d]| a.add(b).add(c.add(d)))
}

fn turn<T: Real>(rotation: Rotation<T>, upper: &mut [T], lower: &mut [T]) {
    for (upper, lower) in upper.iter_mut().zip(lower) {
        (*upper, *lower) = rotation.apply(*upper, *lower);
    }
}

/// The length of each row of `m`; 0 where its square underflows.
fn lengths<T: Real>(rows: &[T], m: usize, lengths: &mut [T]) {
    for (row, length) in rows.chunks_exact(m).zip(lengths) {
        let square = row.iter().fold(T::ZERO, |sum, x| sum.add(x.mul(*x)));
        *length = if square.to_f64() < f64::MIN_POSITIVE { T::ZERO } else { square.sqrt() };
    }
}

/// Makes row `place` of `m` elements orthogonal to those before it, and of length 1: the unit vector that these see least of,
/// without what they see, twice because of rounding.
fn complete<T: Real>(rows: &mut [T], m: usize, place: usize) {
    let (done, rest) = rows.split_at_mut(place * m);
    let vector = &mut rest[..m];
    let seen = |axis: usize| done.iter().skip(axis).step_by(m).map(|x| x.to_f64() * x.to_f64()).sum::<f64>();
    let mut axes = (0..m).map(|axis| (axis, seen(axis)));
    let first = axes.next().expect("invariant: there are no more columns than rows");
    let (axis, _) = axes.fold(first, |least, other| if other.1 < least.1 { other } else { least });
    vector.fill(T::ZERO);
    vector[axis] = T::ONE;
    for _ in 0..2 {
        for row in done.chunks_exact(m) {
            let [_, _, product] = products(row, vector);
            vector.iter_mut().zip(row).for_each(|(x, y)| *x = x.sub(product.mul(*y)));
        }
    }
    let [square, _, _] = products(vector, vector);
    let length = square.sqrt();
    vector.iter_mut().for_each(|x| *x = x.div(length));
}

/// With P = UᵀȦV and 1/Fᵢⱼ = sⱼ² − sᵢ² beside the diagonal, ∘ the product of elements: Ṡ is the diagonal of P,
/// U̇ = U·(F∘(P·S + S·Pᵀ)) + (Ȧ·V − U·P)·S⁻¹ and V̇ = V·(F∘(S·P + Pᵀ·S)).
impl JacobianProducts for Svd {
    /// Ā = (U·((F∘(UᵀŪ − ŪᵀU))·S + S·(F∘(VᵀV̄ − V̄ᵀV)) + S̄) + (I − U·Uᵀ)·Ū·S⁻¹)·Vᵀ.
    fn vjp<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let parts = SvdParts::new(application.output);
        let SvdParts { u, s, v } = SvdParts::new(cotangent);
        let left = over_gaps(antisymmetric(matrix_product(parts.u.t(), u)), parts.gaps()) * parts.s.unsqueeze(-2);
        let right = over_gaps(antisymmetric(matrix_product(parts.v.t(), v)), parts.gaps()) * parts.s.unsqueeze(-1);
        let mut inner = matrix_product(parts.u, left + right + s.diag());
        if !parts.is_square() {
            let scaled = u / parts.s.unsqueeze(-2);
            inner = inner + scaled - matrix_product(parts.u, matrix_product(parts.u.t(), scaled));
        }
        matrix_product(inner, parts.v.t())
    }

    fn jvp<'g>(&self, _: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let parts = SvdParts::new(application.output);
        let (of_columns, of_rows) = (parts.s.unsqueeze(-2), parts.s.unsqueeze(-1));
        let moved = matrix_product(tangent, parts.v);
        let inner = matrix_product(parts.u.t(), moved);
        let left = over_gaps(inner * of_columns + inner.t() * of_rows, parts.gaps());
        let right = over_gaps(inner * of_rows + inner.t() * of_columns, parts.gaps());
        let within = matrix_product(parts.u, left);
        let u = if parts.is_square() { within } else { within + (moved - matrix_product(parts.u, inner)) / of_columns };
        below(&[u, matrix_product(parts.v, right), inner.diagonal().unsqueeze(-2)])
    }
}

/// X − Xᵀ.
fn antisymmetric(x: Expr<'_>) -> Expr<'_> {
    x - x.t()
}

/// ṡᵢ = uᵢᵀ·Ȧ·vᵢ: no gap is divided by.
impl JacobianProducts for Svdvals {
    fn vjp<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let packed = cotangent.graph().apply(Svd {}, &application.operands);
        if packed.is_poisoned() {
            return packed;
        }
        let parts = SvdParts::new(packed);
        matrix_product(parts.u * cotangent.unsqueeze(-2), parts.v.t())
    }

    fn jvp<'g>(&self, _: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let packed = tangent.graph().apply(Svd {}, &application.operands);
        if packed.is_poisoned() {
            return packed;
        }
        let parts = SvdParts::new(packed);
        (parts.u * matrix_product(tangent, parts.v)).sum_over(-2)
    }
}

/// The parts of a singular value decomposition; made by [`Expr::svd`].
#[derive(Debug, Clone, Copy)]
pub struct SvdParts<'g> {
    /// U: column j is the left singular vector of singular value j, of length 1.
    pub u: Expr<'g>,
    /// The singular values, in descending order; none is negative.
    pub s: Expr<'g>,
    /// V, not transposed: column j is the right singular vector of singular value j, of length 1.
    pub v: Expr<'g>,
}

impl<'g> SvdParts<'g> {
    /// `packed` is no poison.
    fn new(packed: Expr<'g>) -> SvdParts<'g> {
        let (n_rows, n) = matrix_dims(&packed.shape());
        let below = n_rows.clone() - 1;
        let m = below.clone() - &n;
        let values = rows(packed, below.clone(), n_rows);
        let shape = values.shape();
        SvdParts {
            u: rows(packed, Dim::from(0), m.clone()),
            s: values.reshape(shape.without(&[shape.rank() - 2])),
            v: rows(packed, m, below),
        }
    }

    /// Whether U is a square matrix, so that no vector is orthogonal to its columns.
    fn is_square(&self) -> bool {
        self.u.shape() == self.v.shape()
    }

    /// sⱼ² − sᵢ² in row i and column j.
    fn gaps(&self) -> Expr<'g> {
        let (of_columns, of_rows) = (self.s.unsqueeze(-2), self.s.unsqueeze(-1));
        (of_columns - of_rows) * (of_columns + of_rows)
    }
}

impl<'g> Expr<'g> {
    /// The singular value decomposition of each matrix in its reduced form: A = U·diag(s)·Vᵀ with UᵀU = I, VᵀV = I and s
    /// descending. Computed in f64 and rounded once, for f32 too.
    ///
    /// Signs: in each column of V (of a wide matrix: of U) the first element whose magnitude is at least 0.9 of the greatest is
    /// positive. The columns of U and V are orthonormal whatever the rank is. To equal singular values belong spaces of
    /// vectors, of which any orthonormal bases may come. A matrix with a number that is not finite gives NaN alone.
    ///
    /// With P = UᵀȦV and Fᵢⱼ = 1/(sⱼ² − sᵢ²) beside the diagonal, F∘X the product of elements: ṡᵢ = Pᵢᵢ,
    /// V̇ = V·(F∘(S·P + Pᵀ·S)) and U̇ = U·(F∘(P·S + S·Pᵀ)) + (Ȧ·V − U·P)·S⁻¹, of a wide matrix with U and V exchanged. Where
    /// two singular values are equal, or where one is 0 and the matrix is not square, single vectors have no derivative, and all
    /// of it is infinite or NaN; close to that it has lost as many digits as the difference. What needs only singular values
    /// should ask for [`Expr::svdvals`], whose first derivative divides by nothing.
    ///
    /// # Shapes
    /// `[…, m, n]` → u: `[…, m, k]`, s: `[…, k]`, v: `[…, n, k]`, where k is the smaller of m and n. Where one of them is a
    /// symbol, m must not be less than n.
    ///
    /// # Errors
    /// An error is recorded if this is no float or has less than two axes. All parts then stand for it. The run has an error
    /// where a size is a symbol and a matrix is wide: decompose `a.t()`, and exchange U and V.
    ///
    /// # Complexity
    /// About (36m + 18n)n² for each tall matrix: it is by rotations of columns, which give small singular values as many digits
    /// as the matrix lets them have. Its derivatives about 8mn² + 6n³ each.
    ///
    /// # Source
    /// Demmel and Veselić, *Jacobi's method is more accurate than QR*, 1992; Townsend, *Differentiating the singular value
    /// decomposition*, 2016.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let parts = g.input_of(DType::F64, "a", (2, 2)).svd();
    /// let mut program = g.compile([("u", parts.u), ("s", parts.s), ("v", parts.v)])?;
    /// let out = program.call(("a", &array![[0.0, -2.0], [3.0, 0.0]]))?;
    /// assert_eq!(out["s"], array![3.0, 2.0].into());
    /// assert_eq!(out["u"], array![[0.0, -1.0], [1.0, 0.0]].into());
    /// assert_eq!(out["v"], array![[1.0, 0.0], [0.0, 1.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("gesvd", "singular_value_decomposition", "pca"))]
    #[track_caller]
    pub fn svd(self) -> SvdParts<'g> {
        let _frame = self.enter("svd");
        let is_wide = self.wide_sizes().is_some();
        let packed = self.graph().apply(Svd {}, &[if is_wide { self.t() } else { self }]);
        if packed.is_poisoned() {
            return SvdParts { u: packed, s: packed, v: packed };
        }
        let parts = SvdParts::new(packed);
        if is_wide { SvdParts { u: parts.v, s: parts.s, v: parts.u } } else { parts }
    }

    /// The singular values of each matrix, in descending order, as those of [`Expr::svd`].
    ///
    /// ṡᵢ = uᵢᵀ·Ȧ·vᵢ with the singular vectors uᵢ and vᵢ, which are computed for it. Where singular values are equal, it is that of
    /// one choice of vectors, and right for what treats equal singular values alike, such as their sum, the nuclear norm; the
    /// second derivative is then infinite or NaN. At a singular value of 0 it is one subgradient.
    ///
    /// # Shapes
    /// `[…, m, n]` → `[…, k]`, where k is the smaller of m and n. Where one of them is a symbol, m must not be less than n.
    ///
    /// # Errors
    /// As [`Expr::svd`].
    ///
    /// # Complexity
    /// About 36mn² for each tall matrix; its derivative as much as [`Expr::svd`].
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let nuclear_norm = g.input_of(DType::F64, "a", (2, 3)).svdvals().sum();
    /// let mut program = g.compile([("norm", nuclear_norm)])?;
    /// let out = program.call(("a", &array![[0.0, -2.0, 0.0], [3.0, 0.0, 0.0]]))?;
    /// assert_eq!(out.scalar::<f64>("norm")?, 5.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("singular_values", "nuclear_norm", "spectral_norm"))]
    #[track_caller]
    pub fn svdvals(self) -> Expr<'g> {
        let _frame = self.enter("svdvals");
        let is_wide = self.wide_sizes().is_some();
        self.graph().apply(Svdvals {}, &[if is_wide { self.t() } else { self }])
    }
}
