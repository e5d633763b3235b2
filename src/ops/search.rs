//! Searching in sorted arrays, and linear interpolation between points.

use ndarray::{ArrayD, IxDyn};

use super::{
    real::{Number, Real},
    rule::{
        Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Rule, Traits, check_number,
        check_operands,
    },
    sample::{Sample, listed, reals},
};
use crate::graph::{DType, Dim, Expr, GraphError, SearchSorted, Side, Type, Value};

impl Rule for SearchSorted {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [sorted, values] = check_operands(operands)?;
        check_number(sorted)?;
        if sorted.dtype != values.dtype {
            return Err(GraphError::DTypesDiffer { left: sorted.dtype, right: values.dtype });
        }
        if sorted.rank() == 0 {
            return Err(GraphError::Rank { expected: "at least 1".into(), found: sorted.shape.clone() });
        }
        if values.rank() != sorted.rank() {
            return Err(GraphError::Rank { expected: sorted.rank().to_string(), found: values.shape.clone() });
        }
        match (0..sorted.rank() - 1).find(|axis| sorted.shape[*axis] != values.shape[*axis]) {
            Some(axis) => Err(GraphError::SizesDiffer {
                left_axis: axis,
                left: sorted.shape[axis].clone(),
                right_axis: axis,
                right: values.shape[axis].clone(),
            }),
            None => Ok(Type::new(DType::I64, &values.shape)),
        }
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

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Nothing
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Constant
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(Value::I64(match (context.operands[0], context.operands[1]) {
            (Value::F32(sorted), Value::F32(values)) => self.search_all(sorted, values),
            (Value::F64(sorted), Value::F64(values)) => self.search_all(sorted, values),
            (Value::I64(sorted), Value::I64(values)) => self.search_all(sorted, values),
            _ => unreachable!("invariant: inference asks for numbers of one dtype"),
        }))
    }

    /// One comparison a value: the logarithm of a size is no polynomial.
    fn flops(&self, _: &[Type], output: &Type) -> Dim {
        output.shape.size()
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for side in Side::ALL {
            let search = SearchSorted { side: *side };
            let sorted = listed(&[2, 4], &[-0.6, -0.1, 0.2, 0.7, -0.9, 0.0, 0.5, 0.8]);
            let tied = listed(&[5], &[1.0, 2.0, 2.0, f64::INFINITY, f64::NAN]);
            let among = listed(&[6], &[2.0, 0.5, -0.0, f64::INFINITY, f64::NAN, 3.0]);
            samples.extend([
                Sample::smooth(search.clone(), [sorted, reals(&[2, 3], -1.0, 1.0)]),
                Sample::kink(search.clone(), [tied, among]),
                Sample::kink(search.clone(), [listed(&[3], &[-1i64, 4, 4]), listed(&[4], &[4i64, -1, 9, -7])]),
                Sample::smooth(search.clone(), [reals(&[0], 0.0, 1.0), reals(&[2], 0.0, 1.0)]),
                Sample::smooth(search.clone(), [reals(&[1], 0.0, 1.0), reals(&[0], 0.0, 1.0)]),
                Sample::smooth(search, [reals(&[0, 3], 0.0, 1.0), reals(&[0, 2], 0.0, 1.0)]),
            ]);
        }
        samples
    }
}

impl SearchSorted {
    /// By halving, so that a lane that is not sorted has the same answer in every engine.
    fn search_all<T: Number>(&self, sorted: &ArrayD<T>, values: &ArrayD<T>) -> ArrayD<i64> {
        let mut counts = ArrayD::zeros(IxDyn(values.shape()));
        if values.is_empty() {
            // Of lanes without elements there may be more than anybody can count.
            return counts;
        }
        let axis = ndarray::Axis(values.ndim() - 1);
        let lanes = sorted.lanes(axis).into_iter().zip(values.lanes(axis));
        for ((sorted, values), mut counts) in lanes.zip(counts.lanes_mut(axis)) {
            let sorted = sorted.to_vec();
            for (value, count) in values.iter().zip(&mut counts) {
                *count = sorted.partition_point(|element| is_before(*element, *value, self.side)) as i64;
            }
        }
        counts
    }
}

/// Whether an element comes before the place of a value, NaN being greater than all else and equal to itself.
pub(crate) fn is_before<T: Number>(element: T, value: T, side: Side) -> bool {
    match side {
        Side::Left => element < value || value.is_nan() && !element.is_nan(),
        Side::Right => element <= value || value.is_nan(),
    }
}

impl<'g> Expr<'g> {
    /// Where values belong in this sorted array, along the last axis: the number of elements that are less
    /// ([`Side::Left`]), or not greater ([`Side::Right`]), as `i64`. A value put there keeps the array sorted.
    ///
    /// NaN counts as the greatest and as equal to NaN. Of an array that is not sorted, the answer is some number from 0 to
    /// its size.
    ///
    /// # Shapes
    /// self: `[n]`, values: any shape → that shape; or self: `[…, n]`, values: `[…, m]` → `i64[…, m]`, the outer axes equal.
    ///
    /// # Errors
    /// An error is recorded if dtypes differ or are `bool`, or if the outer axes differ.
    ///
    /// # Complexity
    /// O(log n) for each value.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph, Side};
    /// let g = Graph::new();
    /// let (edges, x) = (g.constant(array![0.0, 1.0, 2.0]), g.input_of(DType::F64, "x", ("n",)));
    /// let mut program = g.compile(edges.search_sorted(x, Side::Right))?;
    /// let out = program.call(("x", &array![-0.5, 0.0, 1.5, 2.0]))?;
    /// assert_eq!(out["result"], array![0i64, 1, 2, 3].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("searchsorted", "digitize"))]
    #[doc(alias = "bucketize")]
    #[track_caller]
    pub fn search_sorted(self, values: Expr<'g>, side: Side) -> Expr<'g> {
        let _frame = self.enter("search_sorted");
        let search = SearchSorted { side };
        if self.is_poisoned() || values.is_poisoned() || self.rank() != 1 || values.rank() == 1 {
            return self.graph().apply(search, &[self, values]);
        }
        let shape = values.shape();
        let positions = self.graph().apply(search, &[self, values.reshape([shape.size()])]);
        if positions.is_poisoned() { positions } else { positions.reshape(shape) }
    }

    /// The piecewise linear function through points at these places: `y = yᵢ + (yᵢ₊₁ − yᵢ)·(x − xᵢ)/(xᵢ₊₁ − xᵢ)` for the
    /// points beside x, and the first or last height beyond them, as NumPy's `interp`.
    ///
    /// The places of the points ascend; of points at one place the last counts, so that the function is continuous from the
    /// right there, and so is its slope. Beyond the points the slope is 0. NaN gives NaN. Derivatives are by x, and by
    /// places and heights of the points.
    ///
    /// # Shapes
    /// self: any shape, `places` and `heights`: `[n]`, n at least 2 → the shape of self.
    ///
    /// # Errors
    /// An error is recorded if dtypes differ or are no floats, or if places and heights are not of one shape of one axis.
    /// A single point is an error of the run.
    ///
    /// # Complexity
    /// O(log n) for each element.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ("n",));
    /// let (places, heights) = (g.constant(array![0.0, 1.0, 3.0]), g.constant(array![0.0, 2.0, -2.0]));
    /// let mut program = g.compile(x.interpolate(places, heights))?;
    /// let out = program.call(("x", &array![-1.0, 0.5, 2.0, 9.0]))?;
    /// assert_eq!(out["result"], array![0.0, 1.0, 0.0, -2.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "interp")]
    #[track_caller]
    pub fn interpolate(self, places: Expr<'g>, heights: Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("interpolate");
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, places, heights]) {
            return poison;
        }
        if let Err(error) = check_points(&self.ty(), &places.ty(), &heights.ty()) {
            return g.report(error, &[self, places, heights]);
        }
        let last = g.dim_size(places.shape()[0].clone() - 1, DType::I64);
        let above = places.search_sorted(self, Side::Right).maximum(1).minimum(last.broadcast_to(self.shape()));
        let at = |points: Expr<'g>| (points.gather(above - 1, 0), points.gather(above, 0));
        let ((left, right), (low, high)) = (at(places), at(heights));
        let between = low + (high - low) * ((self - left) / (right - left));
        let end = |points: Expr<'g>, position: i64| points.slice(position).broadcast_to(self.shape());
        let before = self.less(end(places, 0)).select(end(heights, 0), between);
        self.greater_equal(end(places, -1)).select(end(heights, -1), before)
    }
}

fn check_points(x: &Type, places: &Type, heights: &Type) -> Result<(), GraphError> {
    super::rule::check_float(x)?;
    if let Some(other) = [places, heights].into_iter().find(|other| other.dtype != x.dtype) {
        return Err(GraphError::DTypesDiffer { left: x.dtype, right: other.dtype });
    }
    if places.rank() != 1 {
        return Err(GraphError::Rank { expected: "1".into(), found: places.shape.clone() });
    }
    if places.shape != heights.shape {
        return Err(GraphError::ShapesDiffer { left: places.shape.clone(), right: heights.shape.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::{graph::Graph, ops::testing::value};

    #[test]
    fn as_many_are_before_as_are_less_one_by_one() {
        let g = Graph::new();
        let sorted = [f64::NEG_INFINITY, -1.0, -0.0, 0.0, 0.0, 2.5, f64::INFINITY, f64::NAN, f64::NAN];
        let among = [f64::NAN, f64::INFINITY, 9.0, 2.5, 1.0, 0.0, -0.0, -1.0, -7.0, f64::NEG_INFINITY];
        let count = |is_counted: fn(f64, f64) -> bool| {
            let before = |x: f64| sorted.iter().filter(|element| is_counted(**element, x)).count() as i64;
            Value::from(ndarray::Array1::from_iter(among.map(before)))
        };
        let (sorted, values) = (g.constant(sorted.to_vec()), g.constant(among.to_vec()));
        let less = count(|element, x| element < x || x.is_nan() && !element.is_nan());
        let not_greater = count(|element, x| element <= x || x.is_nan());
        assert_eq!(value(sorted.search_sorted(values, Side::Left)), less);
        assert_eq!(value(sorted.search_sorted(values, Side::Right)), not_greater);
    }

    #[test]
    fn each_row_is_searched_for_its_own_values() {
        let g = Graph::new();
        let (sorted, values) = (g.constant(array![[1i64, 3], [2, 2]]), g.constant(array![[2i64], [2]]));
        assert_eq!(value(sorted.search_sorted(values, Side::Left)), Value::from(array![[1i64], [0]]));
        let row = g.constant(array![1i64, 3, 3]);
        assert_eq!(value(row.search_sorted(g.constant(3i64), Side::Right)), Value::from(ndarray::arr0(3i64)));
    }
}
