//! The discrete Fourier transform of pairs of real arrays, and of real ones.

use ndarray::{ArrayD, IxDyn};

use super::{
    decomposition::{below, matrix_dims, rows},
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, LinearMap, Linearization, OpError, Rule, Traits,
        check_float, check_operands, same_type,
    },
    sample::{Sample, reals},
};
use crate::graph::{DType, Dim, Expr, Fft, GraphError, Orientation, Shape, Slice, Type, Value};

impl Rule for Fft {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        check_float(x)?;
        if x.rank() < 2 || !x.shape[x.rank() - 2].is(2) {
            return Err(GraphError::Rank {
                expected: "rows of real and of imaginary parts in the last two".into(),
                found: x.shape.clone(),
            });
        }
        Ok(x.clone())
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
        Linearization::Linear(self)
    }

    /// By the definition, in f64 for both dtypes, rounded once.
    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(self.transform_all(&x.mapv(f64::from)).mapv(|number| number as f32)),
            Value::F64(x) => Value::F64(self.transform_all(x)),
            _ => unreachable!("invariant: inference asks for floats"),
        })
    }

    /// 5n·log₂ n for each pair of rows; where n is a symbol there is no such polynomial, and 8n², which is never less, stands
    /// in its place.
    fn flops(&self, operands: &[Type], _: &Type) -> Dim {
        let (_, n) = matrix_dims(&operands[0].shape);
        let outer: Dim = operands[0].shape[..operands[0].rank() - 2].iter().cloned().product();
        let factor = match n.as_number().and_then(|n| u64::try_from(n).ok()) {
            Some(number) => Dim::from(5 * i64::from(number.max(1).ilog2())),
            None => n.clone() * 8,
        };
        outer * n * factor
    }

    fn samples() -> Vec<Sample> {
        let shapes: [&[usize]; 8] = [&[2, 4], &[2, 3], &[2, 2, 6], &[2, 1], &[2, 17], &[2, 0], &[0, 2, 3], &[3, 2, 5]];
        let sample = |shape: &[usize], orientation| Sample::smooth(Fft { orientation }, [reals(shape, -1.0, 1.5)]);
        Orientation::ALL.iter().flat_map(|orientation| shapes.map(|shape| sample(shape, *orientation))).collect()
    }
}

impl Fft {
    fn transform_all<T: Real>(&self, x: &ArrayD<T>) -> ArrayD<T> {
        let mut transformed = ArrayD::from_elem(IxDyn(x.shape()), T::ZERO);
        if x.is_empty() {
            return transformed;
        }
        let n = x.shape()[x.ndim() - 1];
        let sign = if self.orientation == Orientation::Plain { -1.0 } else { 1.0 };
        let roots: Vec<[T; 2]> = (0..n)
            .map(|k| {
                let [cosine, sine] = root_of_unity(k, n);
                [T::from_f64(cosine), T::from_f64(sign * sine)]
            })
            .collect();
        let elements: Vec<T> = x.iter().copied().collect();
        let out = transformed.as_slice_mut().expect("invariant: a new array is in row-major order");
        for (x, y) in elements.chunks_exact(2 * n).zip(out.chunks_exact_mut(2 * n)) {
            for k in 0..n {
                let terms = (0..n).map(|j| (roots[(j as u128 * k as u128 % n as u128) as usize], [x[j], x[n + j]]));
                let [real, imaginary] = terms.fold([T::ZERO; 2], |[real, imaginary], ([cosine, sine], [x, y])| {
                    [real.add(cosine.mul(x)).sub(sine.mul(y)), imaginary.add(cosine.mul(y)).add(sine.mul(x))]
                });
                (y[k], y[n + k]) = (real, imaginary);
            }
        }
        transformed
    }
}

/// Cosine and sine of 2πk/n for k < n, by an angle of at most an eighth of a turn, so that 0, 1, −1 and √½ are what they are.
pub(crate) fn root_of_unity(k: usize, n: usize) -> [f64; 2] {
    // In units of which 8n are a turn.
    let angle = 8 * k;
    if angle > 4 * n {
        let [cosine, sine] = root_of_unity(n - k, n);
        return [cosine, -sine];
    }
    let (is_obtuse, acute) = if angle > 2 * n { (true, 4 * n - angle) } else { (false, angle) };
    let (is_steep, small) = if acute > n { (true, 2 * n - acute) } else { (false, acute) };
    let radians = std::f64::consts::FRAC_PI_4 * (small as f64 / n as f64);
    let (cosine, sine) = (libm::cos(radians), libm::sin(radians));
    let (cosine, sine) = if is_steep { (sine, cosine) } else { (cosine, sine) };
    [if is_obtuse { -cosine } else { cosine }, sine]
}

/// The matrix of the transform over complex numbers is its own transpose; over pairs of reals, [[C, S], [−S, C]], transposing it
/// turns the sign of S: the transform with the other sign.
impl LinearMap for Fft {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, _: &Application<'g>) -> Expr<'g> {
        let orientation = match self.orientation {
            Orientation::Plain => Orientation::Transposed,
            Orientation::Transposed => Orientation::Plain,
        };
        cotangent.graph().apply(Fft { orientation }, &[cotangent])
    }
}

impl<'g> Expr<'g> {
    /// The discrete Fourier transform along the last axis of the complex numbers x + i·y, x these and y other real numbers:
    /// Xₖ = Σⱼ (xⱼ + i·yⱼ)·e^(−2πi·jk/n), as its real and its imaginary part. There are no complex numbers in this library:
    /// they are pairs of real arrays. [`Expr::rfft`] is for real numbers, [`Expr::ifft`] the inverse.
    ///
    /// Computed in f64 and rounded once, for f32 too. It is linear: its derivative is the transform of the tangents, and in
    /// reverse mode that with +i, without a division.
    ///
    /// # Shapes
    /// self, imaginary: `[…, n]` → twice `[…, n]`.
    ///
    /// # Errors
    /// An error is recorded if there is no axis, if dtypes or shapes differ, or if they are no floats. Both results then stand
    /// for it.
    ///
    /// # Complexity
    /// O(n·log n) for any n: by factors up to 31; an n with a greater prime factor takes about four times as long.
    ///
    /// # Source
    /// Van Loan, *Computational Frameworks for the Fast Fourier Transform*, 1992: Stockham's algorithm in section 1.7, Bluestein's
    /// in 4.2.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, y) = (g.input_of(DType::F64, "x", (4,)), g.input_of(DType::F64, "y", (4,)));
    /// let (real, imaginary) = x.fft(y);
    /// let mut program = g.compile([("real", real), ("imaginary", imaginary)])?;
    /// let out = program.call((("x", &array![0.0, 1.0, 0.0, 0.0]), ("y", &array![0.0, 0.0, 0.0, 0.0])))?;
    /// assert_eq!(out["real"], array![1.0, 0.0, -1.0, 0.0].into());
    /// assert_eq!(out["imaginary"], array![0.0, -1.0, 0.0, 1.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("fourier", "dft"))]
    #[track_caller]
    pub fn fft(self, imaginary: Expr<'g>) -> (Expr<'g>, Expr<'g>) {
        let _frame = self.enter("fft");
        match self.transformed(imaginary, Orientation::Plain) {
            Ok((real, imaginary, _)) => (real, imaginary),
            Err(poison) => (poison, poison),
        }
    }

    /// The inverse of [`Expr::fft`]: xⱼ = 1/n·Σₖ Xₖ·e^(2πi·jk/n).
    ///
    /// # Shapes
    /// self, imaginary: `[…, n]` → twice `[…, n]`.
    ///
    /// # Errors
    /// As [`Expr::fft`].
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let (x, y) = (g.input("x", ("batch", "time")), g.input("y", ("batch", "time")));
    /// let (real, imaginary) = x.fft(y);
    /// assert_eq!(real.ifft(imaginary).0.shape(), x.shape());
    /// ```
    #[doc(alias("inverse_fourier"))]
    #[track_caller]
    pub fn ifft(self, imaginary: Expr<'g>) -> (Expr<'g>, Expr<'g>) {
        let _frame = self.enter("ifft");
        match self.transformed(imaginary, Orientation::Transposed) {
            Ok((real, imaginary, n)) => {
                let n = self.graph().dim_size(n, self.dtype());
                (real / n, imaginary / n)
            }
            Err(poison) => (poison, poison),
        }
    }

    /// The discrete Fourier transform of real numbers along the last axis: Xₖ = Σⱼ xⱼ·e^(−2πi·jk/n) for k up to n/2, as its real
    /// and its imaginary part. The others are the conjugates of these.
    ///
    /// # Shapes
    /// `[…, n]` → twice `[…, ⌊n/2⌋ + 1]`. Where n is a symbol it must be one of which half is known, as 2·m is.
    ///
    /// # Errors
    /// An error is recorded if there is no axis or none of such a size, or if this is no float. Both results then stand for it.
    ///
    /// # Complexity
    /// As [`Expr::fft`], of which it is a part.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (real, imaginary) = g.input_of(DType::F64, "x", (4,)).rfft();
    /// let power = real.square() + imaginary.square();
    /// let mut program = g.compile([("power", power)])?;
    /// let out = program.call(("x", &array![1.0, 0.0, -1.0, 0.0]))?;
    /// assert_eq!(out["power"], array![0.0, 4.0, 0.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("periodogram", "spectrum"))]
    #[track_caller]
    pub fn rfft(self) -> (Expr<'g>, Expr<'g>) {
        let _frame = self.enter("rfft");
        if self.is_poisoned() {
            return (self, self);
        }
        let found = match self.shape().last() {
            Some(n) => n
                .floor_div(2)
                .ok_or_else(|| GraphError::Symbolic { what: "the size of a real transform", found: n.clone() }),
            None => Err(GraphError::Rank { expected: "at least 1".into(), found: self.shape() }),
        };
        let half = match found {
            Ok(half) => half,
            Err(error) => {
                let poison = self.graph().report(error, &[self]);
                return (poison, poison);
            }
        };
        match self.transformed(self.zeros_like(), Orientation::Plain) {
            Ok((real, imaginary, _)) => {
                let shape = real.shape();
                let slice = Slice::along(&shape, shape.rank() - 1, Dim::from(0), half + 1);
                (self.graph().apply(slice.clone(), &[real]), self.graph().apply(slice, &[imaginary]))
            }
            Err(poison) => (poison, poison),
        }
    }

    /// The inverse of [`Expr::rfft`]: the n real numbers whose transform begins with these complex ones and goes on with their
    /// conjugates. The imaginary parts of the first and, for even n, of the last are not read.
    ///
    /// # Shapes
    /// self, imaginary: `[…, ⌊n/2⌋ + 1]` → `[…, n]`.
    ///
    /// # Errors
    /// As [`Expr::fft`], and if there are not ⌊n/2⌋ + 1 numbers.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 7));
    /// let (real, imaginary) = x.rfft();
    /// assert_eq!(real.irfft(imaginary, 7).shape(), x.shape());
    /// ```
    #[track_caller]
    pub fn irfft(self, imaginary: Expr<'g>, n: impl Into<Dim>) -> Expr<'g> {
        let _frame = self.enter("irfft");
        let (g, n) = (self.graph(), n.into());
        if let Some(poison) = g.refuse(&[self, imaginary]) {
            return poison;
        }
        let shape = self.shape();
        let expected = n.floor_div(2).map(|half| half + 1);
        match (shape.last(), expected) {
            (None, _) => return g.report(GraphError::Rank { expected: "at least 1".into(), found: shape }, &[self]),
            (_, None) => {
                return g.report(GraphError::Symbolic { what: "the size of a real transform", found: n }, &[self]);
            }
            (Some(found), Some(size)) if *found != size => {
                let expected = shape.iter().take(shape.rank() - 1).chain([&size]).cloned().collect();
                let error =
                    GraphError::WrongShape { what: "half of the transform of real numbers", expected, found: shape };
                return g.report(error, &[self]);
            }
            _ => {}
        }
        // What stands for its conjugate too counts twice.
        let place = g.iota(DType::I64, shape.clone(), -1);
        let is_alone = place.equal(0).or((place * 2i64).equal(g.dim_size(n.clone(), DType::I64)));
        let twice = |x: Expr<'g>| is_alone.select(x, x * 2.0);
        let missing = n.clone() - &shape[shape.rank() - 1];
        let widths: Vec<(Dim, Dim)> = (1..=shape.rank())
            .map(|axis| (Dim::from(0), if axis == shape.rank() { missing.clone() } else { Dim::from(0) }))
            .collect();
        let whole = |x: Expr<'g>| x.pad(widths.clone(), 0.0);
        match whole(twice(self)).transformed(whole(twice(imaginary)), Orientation::Transposed) {
            Ok((real, _, n)) => real / g.dim_size(n, self.dtype()),
            Err(poison) => poison,
        }
    }

    /// The transform without a division, and its size; or what stands for a mistake.
    fn transformed(self, imaginary: Expr<'g>, orientation: Orientation) -> Result<(Expr<'g>, Expr<'g>, Dim), Expr<'g>> {
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, imaginary]) {
            return Err(poison);
        }
        let checked = same_type(&[self.ty(), imaginary.ty()]).and_then(|ty| {
            if ty.rank() == 0 {
                Err(GraphError::Rank { expected: "at least 1".into(), found: ty.shape })
            } else {
                check_float(&ty)
            }
        });
        if let Err(error) = checked {
            return Err(g.report(error, &[self, imaginary]));
        }
        let shape: Shape = self.shape();
        let packed = g.apply(Fft { orientation }, &[below(&[self.unsqueeze(-2), imaginary.unsqueeze(-2)])]);
        if packed.is_poisoned() {
            return Err(packed);
        }
        let part = |row: i64| rows(packed, Dim::from(row), Dim::from(row + 1)).reshape(shape.clone());
        Ok((part(0), part(1), shape[shape.rank() - 1].clone()))
    }
}
