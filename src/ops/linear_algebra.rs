//! Determinants, exponentials of matrices and systems from the right. In: matrices over the last two axes. Out: composites
//! of decompositions, systems and products, so that derivatives and batches are theirs.

use super::{lu::PackedLu, triangular_solve::matrix_product};
use crate::graph::{DType, Expr, Lu, Orientation, Solve, Triangle};

/// How often the exponential of a matrix is squared at most.
const MAX_SQUARINGS: i64 = 16;
/// Coefficients of the Padé approximants of e^x, of 1, x, x², …, and the norm up to which they are accurate.
///
/// Higham, The scaling and squaring method for the matrix exponential revisited (2005), tables 2.3 and 2.4.
const PADE_OF_F64: (&[f64], f64) = (
    &[
        64_764_752_532_480_000.0,
        32_382_376_266_240_000.0,
        7_771_770_303_897_600.0,
        1_187_353_796_428_800.0,
        129_060_195_264_000.0,
        10_559_470_521_600.0,
        670_442_572_800.0,
        33_522_128_640.0,
        1_323_241_920.0,
        40_840_800.0,
        960_960.0,
        16_380.0,
        182.0,
        1.0,
    ],
    5.371_920_351_148_152,
);
const PADE_OF_F32: (&[f64], f64) =
    (&[17_297_280.0, 8_648_640.0, 1_995_840.0, 277_200.0, 25_200.0, 1_512.0, 56.0, 1.0], 3.925_724_783_138_66);

impl<'g> Expr<'g> {
    /// The sign of the determinant of each matrix, and the logarithm of its absolute value, which neither over- nor
    /// underflows: det A = sign·exp(logarithm). Of a singular matrix 0 and −∞. The derivative of the sign is 0.
    ///
    /// # Shapes
    /// `[…, n, n]` → twice `[…]`.
    ///
    /// # Errors
    /// An error is recorded if this is no float, or if the last two sizes are not equal. Both results then stand for it. The
    /// derivative at a singular matrix is NaN or infinite.
    ///
    /// # Complexity
    /// 2n³/3 for each matrix.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (sign, logarithm) = g.input_of(DType::F64, "a", (2, 2)).slogdet();
    /// let mut program = g.compile([("sign", sign), ("log", logarithm)])?;
    /// let out = program.call(("a", &array![[0.0, 2.0], [1.0, 0.0]]))?;
    /// assert_eq!((out.scalar("sign")?, out.scalar("log")?), (-1.0, 2f64.ln()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "logdet")]
    #[track_caller]
    pub fn slogdet(self) -> (Expr<'g>, Expr<'g>) {
        let _frame = self.enter("slogdet");
        match self.pivots() {
            Ok((pivots, parity)) => {
                // An empty matrix has determinant 1.
                (pivots.sign().prod_over(-1) * parity, pivots.abs().log().sum_over(-1))
            }
            Err(poison) => (poison, poison),
        }
    }

    /// The determinant of each matrix; [`Expr::slogdet`] where it may be too large or too small for a float.
    ///
    /// # Shapes
    /// `[…, n, n]` → `[…]`.
    ///
    /// # Errors
    /// As [`Expr::slogdet`].
    ///
    /// # Complexity
    /// 2n³/3 for each matrix.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let mut program = g.compile(g.input_of(DType::F64, "a", (2, 2)).det())?;
    /// assert_eq!(program.call(("a", &array![[1.0, 2.0], [4.0, 4.0]]))?.scalar::<f64>("result")?, -4.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "determinant")]
    #[track_caller]
    pub fn det(self) -> Expr<'g> {
        let _frame = self.enter("det");
        match self.pivots() {
            Ok((pivots, parity)) => pivots.prod_over(-1) * parity,
            Err(poison) => poison,
        }
    }

    /// The diagonal of U, and 1 or −1 for an even or odd permutation of rows.
    fn pivots(self) -> Result<(Expr<'g>, Expr<'g>), Expr<'g>> {
        let packed = self.graph().apply(Lu {}, &[self]);
        if packed.is_poisoned() {
            return Err(packed);
        }
        let parts = PackedLu::new(packed);
        let rows = parts.permutation();
        // Odd if an odd number of pairs of rows is in the wrong order.
        let (row, column) = parts.factors.positions_in_matrix();
        let is_wrong = rows.unsqueeze(-1).greater(rows.unsqueeze(-2)).and(row.less(column));
        let n_wrong = is_wrong.cast(DType::I64).sum_over([-2, -1]);
        let parity = 1i64 - (n_wrong - n_wrong / 2i64 * 2i64) * 2i64;
        Ok((parts.factors.diagonal(), parity.cast(self.dtype())))
    }

    /// X with X·S = B, where S is one half of this matrix; the other half is not read. [`Expr::solve_triangular`] solves
    /// S·X = B.
    ///
    /// # Shapes
    /// self: `[…, n, n]`, left: `[…, k, n]` → `[…, k, n]`. The outer axes are equal.
    ///
    /// # Errors
    /// As [`Expr::solve_triangular`].
    ///
    /// # Complexity
    /// n² for each row of B.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph, Triangle};
    /// let g = Graph::new();
    /// let (s, b) = (g.input_of(DType::F64, "s", (2, 2)), g.input_of(DType::F64, "b", (1, 2)));
    /// let mut program = g.compile(s.solve_triangular_right(b, Triangle::Upper))?;
    /// let out = program.call((("s", &array![[2.0, 1.0], [9.0, 4.0]]), ("b", &array![[2.0, 5.0]])))?;
    /// assert_eq!(out["result"], array![[1.0, 1.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn solve_triangular_right(self, left: Expr<'g>, triangle: Triangle) -> Expr<'g> {
        let _frame = self.enter("solve_triangular_right");
        if left.is_poisoned() || left.rank() < 2 {
            return self.solve_triangular(left, triangle, Orientation::Transposed);
        }
        let solution = self.solve_triangular(left.t(), triangle, Orientation::Transposed);
        if solution.is_poisoned() { solution } else { solution.t() }
    }

    /// The exponential of each matrix, Σ Aᵏ/k!, by scaling and squaring with a Padé approximant of order 13 (of order 7 in
    /// f32).
    ///
    /// Each matrix of a batch is scaled by a power of two of its own; that counts as constant for derivatives. All 16
    /// squarings that there may be are computed and the right one is taken, so a norm Σ|aᵢⱼ| of a column beyond
    /// 350,000 (250,000 in f32) gives NaN.
    ///
    /// # Shapes
    /// `[…, n, n]` → `[…, n, n]`.
    ///
    /// # Errors
    /// An error is recorded if this is no float, or if the last two sizes are not equal.
    ///
    /// # Complexity
    /// About 48n³ for each matrix.
    ///
    /// # Source
    /// Higham, The scaling and squaring method for the matrix exponential revisited (2005).
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let mut program = g.compile(g.input_of(DType::F64, "a", (2, 2)).expm())?;
    /// let out = program.call(("a", &array![[0.0, 1.0], [0.0, 0.0]]))?;
    /// assert_eq!(out["result"], array![[1.0, 1.0], [0.0, 1.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "matrix_exponential")]
    #[track_caller]
    pub fn expm(self) -> Expr<'g> {
        let _frame = self.enter("expm");
        let identity = match self.identity_like() {
            Ok(identity) => identity,
            Err(poison) => return poison,
        };
        let (coefficients, accurate) = if self.dtype() == DType::F32 { PADE_OF_F32 } else { PADE_OF_F64 };
        let norm = self.stop_gradient().abs().sum_over(-2).unsqueeze(-2).max_over_or_zero();
        let n_squarings = (norm / accurate).log2().ceil().maximum(0.0);
        let n_squarings = n_squarings.is_finite().select(n_squarings, (MAX_SQUARINGS + 1) as f64);
        let scaled = self * (-n_squarings).exp2();
        let root = scaled.pade(identity, coefficients);
        let power = (0..MAX_SQUARINGS).fold(root, |power, step| {
            let goes_on = n_squarings.greater(step as f64).broadcast_to(power.shape());
            // What is not squared is kept from overflowing in there.
            let base = goes_on.select(power, 0.0);
            goes_on.select(matrix_product(base, base), power)
        });
        let is_too_large = n_squarings.greater(MAX_SQUARINGS as f64).broadcast_to(power.shape());
        is_too_large.select(f64::NAN, power)
    }

    /// The greatest along the last axis, which stays with size 1, of numbers from 0 on; 0 of none.
    fn max_over_or_zero(self) -> Expr<'g> {
        let widths = (1..=self.rank()).map(|axis| (i64::from(axis == self.rank()), 0));
        self.pad(widths, 0.0).max_over(-1).unsqueeze(-1)
    }

    /// (V − U)⁻¹·(V + U), with U the odd powers of the approximant and V the even ones.
    fn pade(self, identity: Expr<'g>, coefficients: &[f64]) -> Expr<'g> {
        let square = matrix_product(self, self);
        let fourth = matrix_product(square, square);
        let sixth = matrix_product(fourth, square);
        let low = [identity, square, fourth, sixth];
        let sum = |first: usize| {
            let even: Vec<f64> = coefficients.iter().skip(first).step_by(2).copied().collect();
            let weighted = |powers: &[Expr<'g>], weights: &[f64]| {
                let terms = powers.iter().zip(weights).map(|(power, weight)| *power * *weight);
                terms.reduce(|sum, term| sum + term)
            };
            let rest = even.get(4..).filter(|rest| !rest.is_empty()).and_then(|rest| weighted(&low[1..], rest));
            let head = weighted(&low, &even).expect("invariant: there are coefficients");
            rest.map_or(head, |rest| matrix_product(sixth, rest) + head)
        };
        let (even, odd) = (sum(0), matrix_product(self, sum(1)));
        self.graph().apply(Solve { orientation: Orientation::Plain }, &[even - odd, even + odd])
    }
}
