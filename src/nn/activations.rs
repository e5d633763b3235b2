//! Functions between layers: softmax and its logarithm over an axis, and elementwise functions with their conventions
//! at the kinks. In: a float. Out: a float of the same shape, or without the reduced axes.

use std::f64::consts::PI;

use super::check::either;
use crate::{
    graph::{Axes, Dim, Expr, GraphError, Reduce, Reduction},
    numbers::short,
    ops::{Choice, IntoAxes, Operand},
};

/// e^(x − max) over some axes, with what it takes to make softmax and logsumexp of it. The axes are kept with size 1.
struct Exponentials<'g> {
    /// The greatest element, as a constant of the derivative.
    max: Expr<'g>,
    /// x less the greatest element, where that is finite.
    shifted: Expr<'g>,
    /// e^shifted.
    exponentials: Expr<'g>,
    /// Their sum; 1 where all elements are −∞ and the sum is 0.
    total: Expr<'g>,
}

impl<'g> Exponentials<'g> {
    fn over(x: Expr<'g>, axes: &Axes) -> Exponentials<'g> {
        let max = reduce(Reduction::Max, axes, x).stop_gradient();
        let shifted = x - max.is_finite().select(max, 0.0);
        let exponentials = shifted.exp();
        let sum = reduce(Reduction::Sum, axes, exponentials);
        Exponentials { max, shifted, exponentials, total: sum.equal(0.0).select(1.0, sum) }
    }
}

/// The reduced value with its axes kept at size 1.
fn reduce<'g>(kind: Reduction, axes: &Axes, x: Expr<'g>) -> Expr<'g> {
    x.graph().apply(Reduce { kind, axes: axes.clone() }, &[x]).reshape(x.shape().with_ones(axes))
}

impl<'g> Expr<'g> {
    fn exponentials(self, axes: impl IntoAxes) -> Result<(Exponentials<'g>, Axes), Expr<'g>> {
        self.check_float()?;
        let axes = self.axes(axes)?;
        if axes.iter().any(|axis| self.shape()[*axis].is(0)) {
            let error = GraphError::NotPositive { what: "the size of the axis", found: Dim::from(0) };
            return Err(self.graph().report(error, &[self]));
        }
        Ok((Exponentials::over(self, &axes), axes))
    }

    /// Positive numbers that sum to 1 along `axis`: yᵢ = e^xᵢ / Σⱼ e^xⱼ, with the greatest x subtracted first so that
    /// nothing overflows. Where all x are −∞ (everything is masked) y is 0, and so is its derivative; +∞ and NaN give
    /// NaN.
    ///
    /// # Shapes
    /// `[…, n, …]` → the same.
    ///
    /// # Errors
    /// An error is recorded if x is no float, or if there is no such axis or it has size 0.
    ///
    /// # Source
    /// Bridle, *Probabilistic interpretation of feedforward classification network outputs*, 1990; for the shift,
    /// Blanchard, Higham and Higham, *Accurately computing the log-sum-exp and softmax functions*, IMA J. Numer. Anal.
    /// 41, 2021.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", (2, 2));
    /// let mut program = g.compile(x.softmax(-1))?;
    /// let x = array![[1e300, 1e300], [0.0, f64::NEG_INFINITY]];
    /// let out = program.call(("x", &x))?;
    /// assert_eq!(out["result"], array![[0.5, 0.5], [1.0, 0.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn softmax(self, axis: i64) -> Expr<'g> {
        let _frame = self.enter("softmax");
        either(self.exponentials(axis).map(|(terms, _)| terms.exponentials / terms.total))
    }

    /// The logarithm of [`Expr::softmax`]: yᵢ = xᵢ − ln Σⱼ e^xⱼ, without the loss of small probabilities. Where all x
    /// are −∞, so are all y, and the derivative is that of y = x; +∞ and NaN give NaN.
    ///
    /// # Shapes
    /// `[…, n, …]` → the same.
    ///
    /// # Errors
    /// As for [`Expr::softmax`].
    ///
    /// # Source
    /// Blanchard, Higham and Higham, *Accurately computing the log-sum-exp and softmax functions*, 2021.
    #[track_caller]
    pub fn log_softmax(self, axis: i64) -> Expr<'g> {
        let _frame = self.enter("log_softmax");
        either(self.exponentials(axis).map(|(terms, _)| terms.shifted - terms.total.log()))
    }

    /// ln Σ eˣ over axes, with the greatest x subtracted first so that nothing overflows. Where all x are −∞ it is −∞
    /// with derivative 0; where one is +∞ it is +∞; NaN if any is.
    ///
    /// # Shapes
    /// `[m, n]` over −1 → `[m]`.
    ///
    /// # Errors
    /// As for [`Expr::softmax`].
    ///
    /// # Source
    /// Blanchard, Higham and Higham, *Accurately computing the log-sum-exp and softmax functions*, 2021.
    ///
    /// # Example
    /// ```
    /// # use pullback::{AllAxes, Graph};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 10));
    /// assert_eq!(x.logsumexp(-1).shape().to_string(), "[batch]");
    /// assert_eq!(x.logsumexp(AllAxes).shape().to_string(), "[]");
    /// ```
    #[track_caller]
    pub fn logsumexp(self, axes: impl IntoAxes) -> Expr<'g> {
        let _frame = self.enter("logsumexp");
        either(
            self.exponentials(axes)
                .map(|(terms, axes)| (terms.total.log() + terms.max).reshape(self.shape().without(&axes))),
        )
    }

    /// ln(eᵃ + eᵇ) of this a and another b, elementwise: the greater plus softplus(less − greater), so that nothing
    /// overflows and no small part is lost. The slopes are σ(a − b) and σ(b − a), of every order and at ties too: where
    /// one is +∞ or the other −∞ they are 1 and 0, and ½ each where both are the same infinity, which is then the
    /// value. NaN if either is.
    ///
    /// # Shapes
    /// a, b: broadcast together.
    ///
    /// # Errors
    /// An error is recorded if a is no float, if b has another dtype, or if they do not broadcast.
    ///
    /// # Source
    /// Blanchard, Higham and Higham, *Accurately computing the log-sum-exp and softmax functions*, 2021.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let a = g.input_of(DType::F64, "a", ());
    /// let y = a.logaddexp(-1000.0);
    /// let mut program = g.compile([("y", y), ("slope", g.gradient(y, a))])?;
    /// let out = program.call(("a", -1000.0))?;
    /// assert_eq!((out.scalar("y")?, out.scalar("slope")?), (2f64.ln() - 1000.0, 0.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "log_add_exp")]
    #[track_caller]
    pub fn logaddexp(self, other: impl Operand<'g>) -> Expr<'g> {
        let _frame = self.enter("logaddexp");
        either(self.check_pair(other.into_expr(self)).map(|(a, b)| {
            let is_first = a.greater_equal(b);
            let (greater, less) = (is_first.select(a, b), is_first.select(b, a));
            // Two equal infinities have no difference, and the slope of their maximum is ½ for each.
            let is_one_infinity = a.equal(b).and(a.is_finite().logical_not());
            let difference = is_one_infinity.select(0.0, less - greater);
            is_one_infinity.select(a.maximum(b), greater + difference.softplus())
        }))
    }

    /// This float and another one of its dtype in one shape.
    fn check_pair(self, other: Expr<'g>) -> Result<(Expr<'g>, Expr<'g>), Expr<'g>> {
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, other]) {
            return Err(poison);
        }
        self.check_float()?;
        let (left, right) = (self.dtype(), other.dtype());
        if left != right {
            return Err(g.report(GraphError::DTypesDiffer { left, right }, &[self, other]));
        }
        self.broadcast_with(other)
    }

    /// `apply(x)` where this truth value is true, `otherwise` elsewhere, safe at any order of derivative: where it is
    /// false, `apply` is given `safe` in place of x, so that no infinity or NaN arises there that a derivative could
    /// multiply by 0.
    ///
    /// [`Expr::select`] alone masks infinities only through elementwise operations; this masks them through sums and
    /// products of matrices too. `apply` is elementwise, or at least its result broadcasts with the condition; what it
    /// builds keeps the lines of its own code.
    ///
    /// # Shapes
    /// condition, x, safe, otherwise: broadcast together.
    ///
    /// # Example
    /// x·ln x with its limit at 0:
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ());
    /// let y = x.greater(0.0).where_safe(x, 1.0, |x| x * x.log(), 0.0);
    /// let mut program = g.compile([("y", y), ("slope", g.gradient(y, x))])?;
    /// let out = program.call(("x", 0.0f64))?;
    /// assert_eq!((out.scalar("y")?, out.scalar("slope")?), (0.0, 0.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("safe_where", "double_where"))]
    #[track_caller]
    pub fn where_safe(
        self,
        x: Expr<'g>,
        safe: impl Choice<'g>,
        apply: impl FnOnce(Expr<'g>) -> Expr<'g>,
        otherwise: impl Choice<'g>,
    ) -> Expr<'g> {
        let guarded = {
            let _frame = self.enter("where_safe");
            self.select(x, safe)
        };
        let applied = apply(guarded);
        let _frame = self.enter("where_safe");
        self.select(applied, otherwise)
    }

    /// ln σ(x) = −softplus(−x), elementwise, finite with the right derivative σ(−x) for every finite x.
    ///
    /// # Example
    /// ```
    /// # use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ());
    /// let mut program = g.compile([("y", x.log_sigmoid())])?;
    /// let out = program.call(("x", -1e300f64))?;
    /// assert_eq!(out.scalar("y"), Ok(-1e300));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "logsigmoid")]
    #[track_caller]
    pub fn log_sigmoid(self) -> Expr<'g> {
        let _frame = self.enter("log_sigmoid");
        self.of_float(|x| -(-x).softplus())
    }

    /// Gaussian error linear unit: x·Φ(x), elementwise, Φ the normal distribution function [`Expr::normal_cdf`].
    ///
    /// # Source
    /// Hendrycks and Gimpel, *Gaussian error linear units (GELUs)*, 2016, section 2.
    #[track_caller]
    pub fn gelu(self) -> Expr<'g> {
        let _frame = self.enter("gelu");
        self.of_float(|x| x * x.normal_cdf())
    }

    /// The approximation of [`Expr::gelu`] by tanh: ½x(1 + tanh u) with u = √(2/π)(x + 0.044715x³), elementwise; within
    /// 5·10⁻⁴ of it. Computed as x·σ(2u), which has lost nothing where tanh is −1.
    ///
    /// # Source
    /// Hendrycks and Gimpel, *Gaussian error linear units (GELUs)*, 2016, section 2.
    #[doc(alias = "gelu_new")]
    #[track_caller]
    pub fn gelu_tanh(self) -> Expr<'g> {
        let _frame = self.enter("gelu_tanh");
        self.of_float(|x| {
            // Beyond 30 the logistic function is 0 or 1 in every dtype; the cube is kept from overflowing.
            let bounded = x.clamp(-30.0, 30.0);
            x * ((8.0 / PI).sqrt() * (bounded + 0.044715 * bounded.powi(3))).sigmoid()
        })
    }

    /// Sigmoid linear unit or swish: x·σ(x), elementwise.
    ///
    /// # Source
    /// Elfwing, Uchibe and Doya, *Sigmoid-weighted linear units for neural network function approximation in
    /// reinforcement learning*, 2018.
    #[doc(alias = "swish")]
    #[track_caller]
    pub fn silu(self) -> Expr<'g> {
        let _frame = self.enter("silu");
        self.of_float(|x| x * x.sigmoid())
    }

    /// x where x > 0, `slope`·x elsewhere; derivative `slope` at 0; NaN passes through.
    ///
    /// # Errors
    /// An error is recorded if x is no float, or if the slope is not finite in its dtype.
    ///
    /// # Source
    /// Maas, Hannun and Ng, *Rectifier nonlinearities improve neural network acoustic models*, 2013.
    #[doc(alias = "lrelu")]
    #[track_caller]
    pub fn leaky_relu(self, slope: f64) -> Expr<'g> {
        let _frame = self.enter("leaky_relu");
        either(self.check_finite("the slope", slope).map(|()| self.greater(0.0).select(self, slope * self)))
    }

    /// x where x > 0, `alpha`·(eˣ − 1) elsewhere; derivative `alpha` at 0; NaN passes through.
    ///
    /// # Errors
    /// An error is recorded if x is no float, or if `alpha` is not finite in its dtype.
    ///
    /// # Source
    /// Clevert, Unterthiner and Hochreiter, *Fast and accurate deep network learning by exponential linear units
    /// (ELUs)*, 2016, section 3.
    #[track_caller]
    pub fn elu(self, alpha: f64) -> Expr<'g> {
        let _frame = self.enter("elu");
        let elu = |()| self.less_equal(0.0).where_safe(self, 0.0, |x| alpha * x.expm1(), self);
        either(self.check_finite("alpha", alpha).map(elu))
    }

    /// x within `[low, high]`, elementwise: the nearest bound where it is outside. The derivative is 1 inside, the
    /// bounds included, and 0 outside; NaN passes through.
    ///
    /// # Errors
    /// An error is recorded unless low ≤ high, or if the dtype cannot hold a bound.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", (4,));
    /// let y = x.clamp(0.0, 1.0);
    /// let mut program = g.compile([("y", y), ("slope", g.gradient(y.sum(), x))])?;
    /// let x = array![-0.5, 0.0, 1.0, 1.5];
    /// let out = program.call(("x", &x))?;
    /// assert_eq!(out["y"], array![0.0, 0.0, 1.0, 1.0].into());
    /// assert_eq!(out["slope"], array![0.0, 1.0, 1.0, 0.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("clamp_min", "clamp_max"))]
    #[doc(alias = "clip")]
    #[track_caller]
    pub fn clamp(self, low: f64, high: f64) -> Expr<'g> {
        let _frame = self.enter("clamp");
        if self.is_poisoned() || low <= high {
            return self.less(low).select(low, self.greater(high).select(high, self));
        }
        let found = format!("{} to {}", short(low), short(high));
        let expected = "in order, low first, and neither NaN";
        self.graph().report(GraphError::OutOfRange { what: "the bounds", expected, found }, &[self])
    }

    /// min(max(x, 0), 6), elementwise; derivative 0 at both kinks, as [`Expr::relu`] has it at 0; NaN passes through.
    ///
    /// # Source
    /// Krizhevsky, *Convolutional deep belief networks on CIFAR-10*, 2010.
    #[track_caller]
    pub fn relu6(self) -> Expr<'g> {
        let _frame = self.enter("relu6");
        self.of_float(|x| x.greater_equal(6.0).select(6.0, x.relu()))
    }

    /// x within `[−1, 1]`, elementwise; derivative 1 at both kinks, as [`Expr::clamp`] has it at its bounds; NaN passes
    /// through.
    ///
    /// # Source
    /// Collobert, *Large scale machine learning*, 2004.
    #[doc(alias = "hardtanh")]
    #[track_caller]
    pub fn hard_tanh(self) -> Expr<'g> {
        let _frame = self.enter("hard_tanh");
        self.of_float(|x| x.clamp(-1.0, 1.0))
    }

    /// What a function builds of this float, or the error that it is none.
    fn of_float(self, build: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
        either(self.check_float().map(|()| build(self)))
    }

    /// √x, elementwise, with derivative 0 at 0: for roots of sums of squares.
    pub(super) fn root(self) -> Expr<'g> {
        self.not_equal(0.0).where_safe(self, 1.0, |x| x.sqrt(), 0.0)
    }
}
