//! Sums and extremes of the rows of an array by segment. In: rows, and for each the segment it belongs to. Out: a row for
//! each segment.

use super::rule::check_number;
use crate::graph::{DType, Dim, Expr, GraphError, Literal, Shape, Type};

impl<'g> Expr<'g> {
    /// The sum of the rows of each segment: `y[s, …] = Σ x[i, …]` over the i with `segments[i] = s`; 0 where there is none.
    ///
    /// # Shapes
    /// x: `[n, …]`, segments: `i64[n]` → `[n_segments, …]`.
    ///
    /// # Errors
    /// An error is recorded if there is not one `i64` segment for each row. A segment below 0 or not below `n_segments` is
    /// an error of the run.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, s) = (g.input("x", ("n",)), g.input_of(DType::I64, "s", ("n",)));
    /// let mut program = g.compile(x.segment_sum(s, 3))?;
    /// let out = program.call((("x", &array![1.0f32, 2.0, 4.0]), ("s", &array![2i64, 0, 2])))?;
    /// assert_eq!(out["result"], array![2.0f32, 0.0, 5.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("unsorted_segment_sum", "bincount"))]
    #[track_caller]
    pub fn segment_sum(self, segments: Expr<'g>, n_segments: impl Into<Dim>) -> Expr<'g> {
        let _frame = self.enter("segment_sum");
        match self.check_segments(segments) {
            Ok(()) => self.filled_segments(0, n_segments.into()).scatter_add(segments, self, 0),
            Err(poison) => poison,
        }
    }

    /// The greatest of the rows of each segment, element by element; −∞ (or the least integer) where there is none, NaN
    /// where there is one. The derivative goes to the place that the element came from: of ties, the first.
    ///
    /// # Shapes
    /// x: `[n, …]`, segments: `i64[n]` → `[n_segments, …]`.
    ///
    /// # Errors
    /// As [`Expr::segment_sum`]; no row at all is an error of the run.
    ///
    /// # Complexity
    /// That of two sorts, O(n log n) for each column.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, s) = (g.input("x", ("n",)), g.input_of(DType::I64, "s", ("n",)));
    /// let mut program = g.compile(x.segment_max(s, 2))?;
    /// let out = program.call((("x", &array![1.0f32, 2.0, 4.0]), ("s", &array![1i64, 0, 1])))?;
    /// assert_eq!(out["result"], array![2.0f32, 4.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn segment_max(self, segments: Expr<'g>, n_segments: impl Into<Dim>) -> Expr<'g> {
        let _frame = self.enter("segment_max");
        match self.check_segments(segments) {
            Ok(()) => self.greatest_of_segments(segments, n_segments.into()),
            Err(poison) => poison,
        }
    }

    /// The least of the rows of each segment, element by element; +∞ (or the greatest integer) where there is none. As
    /// [`Expr::segment_max`] in all else.
    ///
    /// # Shapes
    /// x: `[n, …]`, segments: `i64[n]` → `[n_segments, …]`.
    ///
    /// # Errors
    /// As [`Expr::segment_max`].
    #[track_caller]
    pub fn segment_min(self, segments: Expr<'g>, n_segments: impl Into<Dim>) -> Expr<'g> {
        let _frame = self.enter("segment_min");
        // −x of the least integer is itself.
        let mirrored = |x: Expr<'g>| if x.dtype() == DType::I64 { -1i64 - x } else { -x };
        match self.check_segments(segments) {
            Ok(()) => mirrored(mirrored(self).greatest_of_segments(segments, n_segments.into())),
            Err(poison) => poison,
        }
    }

    fn check_segments(self, segments: Expr<'g>) -> Result<(), Expr<'g>> {
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, segments]) {
            return Err(poison);
        }
        let (shape, found) = (self.shape(), segments.ty());
        let expected: Shape = shape.iter().take(1).cloned().collect();
        let error = if let Err(error) = check_number(&self.ty()) {
            error
        } else if shape.rank() == 0 {
            GraphError::Rank { expected: "at least 1".into(), found: shape }
        } else if found.dtype != DType::I64 {
            GraphError::UnsupportedDType { expected: "an i64 segment for each row", found: found.dtype }
        } else if found.shape != expected {
            GraphError::WrongShape { what: "segments", expected, found: found.shape }
        } else {
            return Ok(());
        };
        Err(g.report(error, &[self, segments]))
    }

    /// A row of one number for each segment.
    fn filled_segments(self, number: i64, n_segments: Dim) -> Expr<'g> {
        let mut shape = self.shape().to_vec();
        shape[0] = n_segments;
        let literal =
            if self.dtype() == DType::I64 { Literal::Integer(number) } else { Literal::Number(number as f64) };
        self.graph().splat(literal, Type::new(self.dtype(), shape))
    }

    /// Rows are sorted by value, and these by segment, which keeps the order within: the last of each segment is the
    /// greatest. They go in backwards, so that of ties the first of all is the last.
    fn greatest_of_segments(self, segments: Expr<'g>, n_segments: Dim) -> Expr<'g> {
        let (g, shape) = (self.graph(), self.shape());
        let rest = shape.rank() - 1;
        let beside = |x: Expr<'g>| x.reshape([x.shape().to_vec(), vec![Dim::from(1); rest]].concat());
        let backwards = self.reverse(0);
        let by_value = backwards.argsort(0);
        let segments_by_value = beside(segments.reverse(0)).broadcast_to(&shape).take_along(by_value, 0);
        let order = by_value.take_along(segments_by_value.argsort(0), 0);

        let zeros = g.splat(Literal::Integer(0), Type::new(DType::I64, [n_segments.clone()]));
        let counts = zeros.scatter_add(segments, segments.ones_like(), 0);
        let last = (counts.cumulative_sum(0) - 1).maximum(0);
        let n_rows = g.dim_size(shape[0].clone(), DType::I64);
        let greatest = self.take_along(n_rows - 1 - order.gather(last, 0), 0);
        let least = match self.dtype() {
            DType::I64 => self.filled_segments(i64::MIN, n_segments),
            _ => greatest.filled(f64::NEG_INFINITY),
        };
        beside(counts).equal(0).broadcast_to(greatest.shape()).select(least, greatest)
    }
}
