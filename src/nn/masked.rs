//! Numbers about the elements where a mask is true: sums, means, extremes and softmax. In: an array and a mask of truth
//! values that broadcasts to it. Out: as without the mask; what is masked is never computed with, so NaN there is not seen,
//! and no derivative goes there.

use super::check::either;
use crate::{
    graph::{DType, Expr, GraphError},
    ops::IntoAxes,
};

impl<'g> Expr<'g> {
    /// The elements where the mask is true, and `value` elsewhere.
    ///
    /// # Shapes
    /// self: `[…]`, mask: `bool`, of a shape that broadcasts to that → `[…]`.
    ///
    /// # Errors
    /// An error is recorded if the mask is not `bool`, does not broadcast to this shape, or if the dtype cannot hold the
    /// value.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, mask) = (g.input("x", ("n",)), g.input_of(DType::Bool, "mask", ("n",)));
    /// let mut program = g.compile(x.masked_fill(mask, -1.0))?;
    /// let out = program.call((("x", &array![1.0f32, 2.0]), ("mask", &array![true, false])))?;
    /// assert_eq!(out["result"], array![1.0f32, -1.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn masked_fill(self, mask: Expr<'g>, value: f64) -> Expr<'g> {
        let _frame = self.enter("masked_fill");
        either(self.mask_of(mask).map(|mask| mask.select(self, value)))
    }

    /// The sum over `axes` of the elements where the mask is true; 0 where there is none.
    ///
    /// # Shapes
    /// `[m, n]` over 1 → `[m]`.
    ///
    /// # Errors
    /// As [`Expr::masked_fill`].
    #[track_caller]
    pub fn masked_sum_over(self, mask: Expr<'g>, axes: impl IntoAxes) -> Expr<'g> {
        let _frame = self.enter("masked_sum_over");
        either(self.mask_of(mask).map(|mask| mask.select(self, 0.0).sum_over(axes)))
    }

    /// The mean over `axes` of the elements where the mask is true; NaN where there is none.
    ///
    /// # Shapes
    /// `[m, n]` over 1 → `[m]`.
    ///
    /// # Errors
    /// As [`Expr::masked_fill`], and if this is no float.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, length) = (g.input("x", ("batch", 3)), g.input_of(DType::I64, "length", ("batch",)));
    /// let mask = g.iota(DType::I64, (3,), 0).less(length.unsqueeze(-1));
    /// let mut program = g.compile(x.masked_mean_over(mask, 1))?;
    /// let out = program.call((("x", &array![[1.0f32, 3.0, 9.0]]), ("length", &array![2i64])))?;
    /// assert_eq!(out["result"], array![2.0f32].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn masked_mean_over(self, mask: Expr<'g>, axes: impl IntoAxes) -> Expr<'g> {
        let _frame = self.enter("masked_mean_over");
        either(self.check_float().and_then(|()| self.mask_of(mask)).and_then(|mask| {
            let axes = self.axes(axes)?;
            let count = mask.cast(self.dtype()).sum_axes(&axes);
            Ok(mask.select(self, 0.0).sum_axes(&axes) / count)
        }))
    }

    /// The greatest over `axes` of the elements where the mask is true; −∞ where there is none. NaN that is not masked is
    /// kept, and ties share the derivative.
    ///
    /// # Shapes
    /// `[m, n]` over 1 → `[m]`.
    ///
    /// # Errors
    /// As [`Expr::masked_mean_over`]; an axis of size 0 is an error as for [`Expr::max_over`].
    #[track_caller]
    pub fn masked_max_over(self, mask: Expr<'g>, axes: impl IntoAxes) -> Expr<'g> {
        let _frame = self.enter("masked_max_over");
        let masked = self.check_float().and_then(|()| self.mask_of(mask));
        either(masked.map(|mask| mask.select(self, f64::NEG_INFINITY).max_over(axes)))
    }

    /// The least over `axes` of the elements where the mask is true; +∞ where there is none. As [`Expr::masked_max_over`] in
    /// all else.
    ///
    /// # Shapes
    /// `[m, n]` over 1 → `[m]`.
    ///
    /// # Errors
    /// As [`Expr::masked_max_over`].
    #[track_caller]
    pub fn masked_min_over(self, mask: Expr<'g>, axes: impl IntoAxes) -> Expr<'g> {
        let _frame = self.enter("masked_min_over");
        let masked = self.check_float().and_then(|()| self.mask_of(mask));
        either(masked.map(|mask| mask.select(self, f64::INFINITY).min_over(axes)))
    }

    /// The softmax along `axis` of the elements where the mask is true, and 0 elsewhere, as attention takes it. A row
    /// without any is all 0, with derivative 0.
    ///
    /// # Shapes
    /// `[m, n]` along −1 → `[m, n]`.
    ///
    /// # Errors
    /// As [`Expr::masked_mean_over`].
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let scores = g.input("scores", (2, 2));
    /// let causal = g.iota(DType::I64, (2, 1), 0).greater_equal(g.iota(DType::I64, (1, 2), 1));
    /// let mut program = g.compile(scores.masked_softmax(causal, -1))?;
    /// let out = program.call(("scores", &array![[0.0f32, 7.0], [0.0, 0.0]]))?;
    /// assert_eq!(out["result"], array![[1.0f32, 0.0], [0.5, 0.5]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn masked_softmax(self, mask: Expr<'g>, axis: i64) -> Expr<'g> {
        let _frame = self.enter("masked_softmax");
        let masked = self.check_float().and_then(|()| self.mask_of(mask));
        either(masked.map(|mask| mask.select(mask.select(self, f64::NEG_INFINITY).softmax(axis), 0.0)))
    }

    /// The mask in the shape of this array.
    fn mask_of(self, mask: Expr<'g>) -> Result<Expr<'g>, Expr<'g>> {
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, mask]) {
            return Err(poison);
        }
        if mask.dtype() != DType::Bool {
            let error = GraphError::UnsupportedDType { expected: "a bool mask", found: mask.dtype() };
            return Err(g.report(error, &[self, mask]));
        }
        let mask = mask.broadcast_to(self.shape());
        if mask.is_poisoned() { Err(mask) } else { Ok(mask) }
    }
}
