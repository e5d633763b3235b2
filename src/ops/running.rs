//! What runs along an axis: products, extremes and sums of exponentials of all elements up to each. In: arrays. Out:
//! composites of linear recurrences and positions.

use super::rule::check_float;
use crate::graph::{DType, Expr, LinearRecurrence, ScanDirection};

impl<'g> Expr<'g> {
    /// Running products along `axis` from its first element: yᵢ = Π_{j ≤ i} xⱼ. Negative axes count from the end.
    ///
    /// The derivative is right with one, two or more zeros, to any order.
    ///
    /// # Shapes
    /// `[m, n]` → `[m, n]`.
    ///
    /// # Errors
    /// An error is recorded if this is no float.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let mut program = g.compile(g.input("x", ("n",)).cumulative_product(0))?;
    /// let out = program.call(("x", &array![2.0f32, 3.0, 0.0, 5.0]))?;
    /// assert_eq!(out["result"], array![2.0f32, 6.0, 0.0, 0.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "cumprod")]
    #[track_caller]
    pub fn cumulative_product(self, axis: i64) -> Expr<'g> {
        let _frame = self.enter("cumulative_product");
        match self.float_axis(axis) {
            Ok(axis) => {
                let start = self.is_first(axis).select(self, 0.0);
                let recurrence = LinearRecurrence { axis, direction: ScanDirection::Forward };
                self.graph().apply(recurrence, &[self, start])
            }
            Err(poison) => poison,
        }
    }

    /// The greatest of all elements up to each along `axis`; NaN from the first NaN on. Negative axes count from the end.
    ///
    /// The derivative goes to the place that the element came from: of ties, the first.
    ///
    /// # Shapes
    /// `[m, n]` → `[m, n]`.
    ///
    /// # Errors
    /// An error is recorded if this is `bool`.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let mut program = g.compile(g.input("x", ("n",)).cumulative_max(0))?;
    /// let out = program.call(("x", &array![2.0f32, 3.0, 0.0, 5.0]))?;
    /// assert_eq!(out["result"], array![2.0f32, 3.0, 3.0, 5.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "cummax")]
    #[track_caller]
    pub fn cumulative_max(self, axis: i64) -> Expr<'g> {
        let _frame = self.enter("cumulative_max");
        self.take_along(self.cumulative_argmax(axis), axis)
    }

    /// The least of all elements up to each along `axis`; NaN from the first NaN on. As [`Expr::cumulative_max`] in all
    /// else.
    ///
    /// # Shapes
    /// `[m, n]` → `[m, n]`.
    ///
    /// # Errors
    /// An error is recorded if this is `bool`.
    #[doc(alias = "cummin")]
    #[track_caller]
    pub fn cumulative_min(self, axis: i64) -> Expr<'g> {
        let _frame = self.enter("cumulative_min");
        self.take_along(self.cumulative_argmin(axis), axis)
    }

    /// yᵢ = ln Σ_{j ≤ i} exp(xⱼ) along `axis`, finite for all finite numbers: sums are kept relative to the greatest
    /// element so far. Negative axes count from the end.
    ///
    /// Where all elements so far are −∞ the value is −∞ and the derivative 0.
    ///
    /// # Shapes
    /// `[m, n]` → `[m, n]`.
    ///
    /// # Errors
    /// An error is recorded if this is no float.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let mut program = g.compile(g.input_of(DType::F64, "x", ("n",)).cumulative_logsumexp(0))?;
    /// let out = program.call(("x", &array![1000.0, 1000.0]))?;
    /// assert_eq!(out["result"], array![1000.0, 1000.0 + 2f64.ln()].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "logcumsumexp")]
    #[track_caller]
    pub fn cumulative_logsumexp(self, axis: i64) -> Expr<'g> {
        let _frame = self.enter("cumulative_logsumexp");
        let along = match self.float_axis(axis) {
            Ok(axis) => axis,
            Err(poison) => return poison,
        };
        let greatest = self.stop_gradient().cumulative_max(axis);
        let shift = greatest.is_finite().select(greatest, 0.0);
        let recurrence = LinearRecurrence { axis: along, direction: ScanDirection::Forward };
        // The greatest so far only grows, but for where it is not finite and 0 stands in its place.
        let rescale = (recurrence.before(shift) - shift).minimum(0.0).exp();
        let sum = self.graph().apply(recurrence, &[rescale, (self - shift).exp()]);
        let is_nothing = sum.equal(0.0);
        let logarithm = is_nothing.select(1.0, sum).log() + shift;
        is_nothing.select(f64::NEG_INFINITY, logarithm)
    }

    fn float_axis(self, axis: i64) -> Result<usize, Expr<'g>> {
        if self.is_poisoned() {
            return Err(self);
        }
        match check_float(&self.ty()) {
            Ok(()) => self.axis(axis),
            Err(error) => Err(self.graph().report(error, &[self])),
        }
    }

    /// Whether each element is the first along an axis.
    fn is_first(self, axis: usize) -> Expr<'g> {
        self.graph().iota(DType::I64, self.shape(), axis as i64).equal(0)
    }
}
