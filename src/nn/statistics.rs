//! Numbers about arrays: means, variances, norms, and the layer norm that is made of them; one-hot rows. In: an array
//! and axes. Out: the array without those axes, or normalized over the last.

use super::check::either;
use crate::{
    graph::{Axes, DType, Dim, Expr, GraphError, Shape},
    ops::{AllAxes, IntoAxes},
};

/// What the sum of squared deviations from the mean is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// n: the variance of these n numbers themselves.
    None,
    /// n − 1: the unbiased estimate of the variance of what they were drawn from.
    Bessel,
}

impl Correction {
    fn divisor(self, count: Dim) -> Dim {
        match self {
            Correction::None => count,
            Correction::Bessel => count - 1,
        }
    }
}

/// The mean with the axes it is over.
struct Centre<'g> {
    axes: Axes,
    /// x less its mean.
    deviations: Expr<'g>,
}

impl<'g> Centre<'g> {
    fn over(x: Expr<'g>, axes: Axes) -> Centre<'g> {
        let mean = x.mean_axes(&axes).reshape(x.shape().with_ones(&axes));
        Centre { axes, deviations: x - mean }
    }

    /// √variance.
    fn deviation(&self, correction: Correction) -> Expr<'g> {
        let count = correction.divisor(self.deviations.count(&self.axes));
        self.deviations.root_of_squares(&self.axes, |sum| sum.divided_by_size(count))
    }

    fn variance(&self, correction: Correction) -> Expr<'g> {
        let squares = self.deviations * self.deviations;
        let count = correction.divisor(squares.count(&self.axes));
        squares.sum_axes(&self.axes).divided_by_size(count)
    }

    /// The deviations over √(σ² + ε).
    fn standardized(&self, epsilon: f64) -> Expr<'g> {
        let scale = (self.variance(Correction::None) + epsilon).rsqrt();
        self.deviations * scale.reshape(self.deviations.shape().with_ones(&self.axes))
    }
}

impl<'g> Expr<'g> {
    /// The sum divided by the number of elements; NaN of nothing.
    ///
    /// Over all axes, to a scalar.
    #[track_caller]
    pub fn mean(self) -> Expr<'g> {
        let _frame = self.enter("mean");
        self.mean_over(AllAxes)
    }

    /// The sum divided by the number of elements; NaN of nothing, with derivative 0 for all that it would depend on.
    ///
    /// Over the axes given, which are removed; negative ones count from the end. Sizes that are symbols are read from
    /// the arrays at each run.
    ///
    /// # Shapes
    /// `[batch, n]` over 0 → `[n]`.
    ///
    /// # Errors
    /// An error is recorded if x is no float or has no such axis.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 2));
    /// let mut program = g.compile(x.mean_over(0))?;
    /// let x = array![[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]];
    /// let out = program.call(("x", &x))?;
    /// assert_eq!(out["result"], array![3.0f32, 4.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("average", "reduce_mean"))]
    #[track_caller]
    pub fn mean_over(self, axes: impl IntoAxes) -> Expr<'g> {
        let _frame = self.enter("mean_over");
        either(self.float_axes(axes).map(|axes| self.mean_axes(&axes)))
    }

    /// The mean of the squared deviations from the mean: Σ(x − μ)²/n, or /(n − 1) with [`Correction::Bessel`]. NaN
    /// where the divisor is not positive. Computed in two passes, so that nothing cancels.
    ///
    /// # Shapes
    /// `[batch, n]` over 0 → `[n]`.
    ///
    /// # Errors
    /// An error is recorded if x is no float or has no such axis.
    ///
    /// # Source
    /// Chan, Golub and LeVeque, *Algorithms for computing the sample variance*, The American Statistician 37, 1983, the
    /// two-pass algorithm.
    #[doc(alias = "var")]
    #[track_caller]
    pub fn variance_over(self, axes: impl IntoAxes, correction: Correction) -> Expr<'g> {
        let _frame = self.enter("variance_over");
        either(self.float_axes(axes).map(|axes| Centre::over(self, axes).variance(correction)))
    }

    /// The square root of [`Expr::variance_over`], though finite where that overflows; derivative 0 where it is 0.
    ///
    /// # Shapes
    /// `[batch, n]` over 0 → `[n]`.
    ///
    /// # Errors
    /// An error is recorded if x is no float or has no such axis.
    #[doc(alias("std", "stddev"))]
    #[track_caller]
    pub fn standard_deviation_over(self, axes: impl IntoAxes, correction: Correction) -> Expr<'g> {
        let _frame = self.enter("standard_deviation_over");
        either(self.float_axes(axes).map(|axes| Centre::over(self, axes).deviation(correction)))
    }

    /// Euclidean length √Σx² of all elements, right wherever it can be represented: squares that would over- or
    /// underflow are scaled. The derivative is x/‖x‖, and 0 at 0 to every order, so that `norm().square()` has second
    /// derivative 0 there; write `x.square().sum()` for that.
    ///
    /// # Source
    /// Blue, *A portable Fortran program to find the Euclidean norm of a vector*, 1978.
    ///
    /// # Shapes
    /// any → `[]`
    #[doc(alias("l2_norm", "vector_norm"))]
    #[track_caller]
    pub fn norm(self) -> Expr<'g> {
        let _frame = self.enter("norm");
        self.norm_over(AllAxes)
    }

    /// Euclidean length √Σx² over axes, which are removed; see [`Expr::norm`].
    ///
    /// # Shapes
    /// `[batch, n]` over −1 → `[batch]`.
    ///
    /// # Errors
    /// An error is recorded if x is no float or has no such axis.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", (2, 2));
    /// let length = x.norm_over(-1);
    /// let mut program = g.compile([("length", length), ("slope", g.gradient(length.sum(), x))])?;
    /// let x = array![[0.0, 2.0], [0.0, 0.0]];
    /// let out = program.call(("x", &x))?;
    /// assert_eq!(out["length"], array![2.0, 0.0].into());
    /// assert_eq!(out["slope"], array![[0.0, 1.0], [0.0, 0.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn norm_over(self, axes: impl IntoAxes) -> Expr<'g> {
        let _frame = self.enter("norm_over");
        either(self.float_axes(axes).map(|axes| self.root_of_squares(&axes, |sum| sum)))
    }

    /// Σ|x| of all elements; derivative sign(x), 0 at 0.
    ///
    /// # Shapes
    /// any → `[]`
    #[doc(alias = "l1_norm")]
    #[track_caller]
    pub fn norm_l1(self) -> Expr<'g> {
        let _frame = self.enter("norm_l1");
        self.norm_l1_over(AllAxes)
    }

    /// Σ|x| over axes, which are removed; derivative sign(x), 0 at 0.
    ///
    /// # Shapes
    /// `[batch, n]` over −1 → `[batch]`.
    ///
    /// # Errors
    /// An error is recorded if x is no float or has no such axis.
    #[track_caller]
    pub fn norm_l1_over(self, axes: impl IntoAxes) -> Expr<'g> {
        let _frame = self.enter("norm_l1_over");
        either(self.float_axes(axes).map(|axes| self.abs().sum_axes(&axes)))
    }

    /// Mean 0 and variance 1 over the last axis, then scaled and shifted: (x − μ)/√(σ² + ε)·gain + bias, with the
    /// variance divided by n. ε = `epsilon` > 0 keeps value and derivative finite where all x are equal.
    /// [`nn::layer_norm`](crate::nn::layer_norm) declares the gain and the bias.
    ///
    /// # Shapes
    /// x: `[…, n]`, gain and bias: `[n]` → `[…, n]`.
    ///
    /// # Errors
    /// An error is recorded if x is no float or has no axis, if gain or bias has another type than `[n]` of the dtype
    /// of x, or if ε is not positive.
    ///
    /// # Source
    /// Ba, Kiros and Hinton, *Layer normalization*, 2016, eq. 3 and 4.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let (x, gain, bias) = (g.input("x", ("batch", 8)), g.input("gain", (8,)), g.input("bias", (8,)));
    /// assert_eq!(x.layer_norm(gain, bias, 1e-5).shape().to_string(), "[batch, 8]");
    /// ```
    #[track_caller]
    pub fn layer_norm(self, gain: Expr<'g>, bias: Expr<'g>, epsilon: f64) -> Expr<'g> {
        let _frame = self.enter("layer_norm");
        either(self.check_layer(gain, bias, epsilon).map(|()| {
            let last = [self.rank() - 1].as_slice().into();
            Centre::over(self, last).standardized(epsilon) * gain + bias
        }))
    }

    /// Mean 0 and variance 1 over axes: (x − μ)/√(σ² + ε), with the variance divided by n. ε = `epsilon` > 0 keeps value
    /// and derivative finite where all x are equal. It is what the norms of layers, groups and instances begin with.
    ///
    /// # Shapes
    /// any → the same
    ///
    /// # Errors
    /// An error is recorded if x is no float or has no such axis, or if ε is not positive.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ("batch", 2));
    /// let mut program = g.compile(x.standardize(-1, 1e-12))?;
    /// let out = program.call(("x", &array![[1.0, 3.0], [5.0, 5.0]]))?;
    /// let found = out["result"].array::<f64>().expect("it is f64").mapv(f64::round);
    /// assert_eq!(found, array![[-1.0, 1.0], [0.0, 0.0]].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("whiten", "z_score"))]
    #[track_caller]
    pub fn standardize(self, axes: impl IntoAxes, epsilon: f64) -> Expr<'g> {
        let _frame = self.enter("standardize");
        let build = |axes| self.check_epsilon(epsilon).map(|()| Centre::over(self, axes).standardized(epsilon));
        either(self.float_axes(axes).and_then(build))
    }

    /// Root mean square 1 over axes: x/√(mean of x² + ε). ε = `epsilon` > 0 keeps value and derivative finite where all x are
    /// 0. It is what [`RmsNorm`](crate::nn::RmsNorm) begins with.
    ///
    /// # Shapes
    /// any → the same
    ///
    /// # Errors
    /// An error is recorded if x is no float or has no such axis, or if ε is not positive.
    ///
    /// # Source
    /// Zhang and Sennrich, *Root mean square layer normalization*, 2019, eq. 4.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 8));
    /// assert_eq!(x.divide_by_rms(-1, 1e-6).shape(), x.shape());
    /// ```
    #[doc(alias("rms_norm", "root_mean_square"))]
    #[track_caller]
    pub fn divide_by_rms(self, axes: impl IntoAxes, epsilon: f64) -> Expr<'g> {
        let _frame = self.enter("divide_by_rms");
        let build = |axes: Axes| {
            self.check_epsilon(epsilon)?;
            let scale = ((self * self).mean_axes(&axes) + epsilon).rsqrt();
            Ok(self * scale.reshape(self.shape().with_ones(&axes)))
        };
        either(self.float_axes(axes).and_then(build))
    }

    fn check_layer(self, gain: Expr<'g>, bias: Expr<'g>, epsilon: f64) -> Result<(), Expr<'g>> {
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, gain, bias]) {
            return Err(poison);
        }
        let features = Shape::from((self.check_last_axis()?,));
        for (operand, what) in [(gain, "the gain"), (bias, "the bias")] {
            let found = operand.ty();
            if found.dtype != self.dtype() {
                let error = GraphError::DTypesDiffer { left: self.dtype(), right: found.dtype };
                return Err(g.report(error, &[self, operand]));
            }
            if found.shape != features {
                let error = GraphError::WrongShape { what, expected: features, found: found.shape };
                return Err(g.report(error, &[self, operand]));
            }
        }
        self.check_epsilon(epsilon)
    }

    /// A row for each integer: 1 at its position, 0 elsewhere, as `dtype`. An integer below 0 or not below `classes`
    /// gives a row of zeros.
    ///
    /// # Shapes
    /// `i64[…]` → `[…, classes]`.
    ///
    /// # Errors
    /// An error is recorded if this is not `i64`.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let label = g.input_of(DType::I64, "label", ("batch",));
    /// let mut program = g.compile(label.one_hot(3, DType::F32))?;
    /// let out = program.call(("label", &array![2i64, 0]))?;
    /// assert_eq!(out["result"], array![[0.0f32, 0.0, 1.0], [1.0, 0.0, 0.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "to_categorical")]
    #[track_caller]
    pub fn one_hot(self, classes: impl Into<Dim>, dtype: DType) -> Expr<'g> {
        let _frame = self.enter("one_hot");
        either(self.check_integer("i64 labels").map(|()| {
            let shape: Shape = self.shape().iter().cloned().chain([classes.into()]).collect();
            let class = self.graph().iota(DType::I64, shape, -1);
            self.unsqueeze(-1).equal(class).cast(dtype)
        }))
    }

    fn float_axes(self, axes: impl IntoAxes) -> Result<Axes, Expr<'g>> {
        self.check_float()?;
        self.axes(axes)
    }

    fn mean_axes(self, axes: &[usize]) -> Expr<'g> {
        self.sum_axes(axes).divided_by_size(self.count(axes))
    }

    /// √f(Σx²) for an f that is a multiple. Where the sum of squares is near the ends of the dtype's range, x is scaled
    /// by a power of two before and the root after, which rounds nothing; elsewhere the bits are those of the formula.
    fn root_of_squares(self, axes: &[usize], multiple: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
        // (least, its scale, greatest, its scale): a scaled sum stays within [2⁻⁹⁴⁸, 2¹⁰⁰⁰], for f32 within [2⁻¹³⁸,
        // 2¹¹⁶].
        let [least, up, greatest, down] =
            if self.dtype() == DType::F32 { [-100, 80, 100, -70] } else { [-800, 600, 800, -560] }
                .map(|n| libm::ldexp(1.0, n));
        let sum = (self * self).sum_axes(axes);
        let scale = sum.greater(greatest).select(down, sum.ones_like());
        let scale = sum.less(least).select(up, scale);
        let scaled = self * scale.reshape(self.shape().with_ones(axes));
        multiple((scaled * scaled).sum_axes(axes)).root() / scale
    }

    /// The number of elements over axes.
    fn count(self, axes: &[usize]) -> Dim {
        let shape = self.shape();
        axes.iter().map(|axis| shape[*axis].clone()).product()
    }

    /// Divided by a size, which counts as 0 where it is negative. A division and no product with 1/n: the mean of equal
    /// numbers is that number.
    fn divided_by_size(self, size: Dim) -> Expr<'g> {
        match size.as_number() {
            Some(number) => self / number.max(0) as f64,
            None => self / self.graph().dim_size(size, self.dtype()).maximum(0.0),
        }
    }
}
