//! Positions by order of value, and what follows from them: sorting and the greatest few.

use ndarray::{ArrayD, ArrayView1, Axis, Zip};

use super::{
    axes::check_axis,
    real::{Number, Real},
    rule::{
        Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Rule, Traits, check_number,
        check_operands,
    },
    sample::{Sample, listed, reals},
    slice::Index,
};
use crate::graph::{DType, Dim, Expr, GraphError, Rank, Ranking, Type, Value};

impl Rule for Rank {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        check_number(x)?;
        check_axis(self.axis, x.rank())?;
        match self.kind {
            Ranking::ArgSort | Ranking::CumulativeArgMax | Ranking::CumulativeArgMin => {
                Ok(Type::new(DType::I64, &x.shape))
            }
            Ranking::ArgMax | Ranking::ArgMin if x.shape[self.axis].is(0) => {
                Err(GraphError::EmptyReduction { operation: self.kind.name(), axis: self.axis })
            }
            Ranking::ArgMax | Ranking::ArgMin => Ok(Type::new(DType::I64, x.shape.without(&[self.axis]))),
        }
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Constant
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Shifted(self)
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Nothing
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(Value::I64(match context.operands[0] {
            Value::F32(x) => self.rank(x)?,
            Value::F64(x) => self.rank(x)?,
            Value::I64(x) => self.rank(x)?,
            Value::Bool(_) => unreachable!("invariant: inference asks for numbers"),
        }))
    }

    /// One comparison an element: the logarithm of a sort is no polynomial.
    fn flops(&self, operands: &[Type], _: &Type) -> Dim {
        operands[0].shape.size()
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for kind in Ranking::ALL {
            let along = |axis| Rank { kind: *kind, axis };
            samples.extend([
                Sample::smooth(along(0), [reals(&[3, 2], -1.0, 1.0)]),
                Sample::smooth(along(1), [reals(&[2, 4, 2], -1.0, 1.0)]),
                Sample::smooth(along(0), [reals(&[1], -1.0, 1.0)]),
                Sample::smooth(along(1), [reals(&[0, 3], -1.0, 1.0)]),
                Sample::kink(along(0), [listed(&[5], &[1.0, -0.0, f64::NAN, 0.0, f64::NAN])]),
                Sample::kink(along(1), [listed(&[2, 3], &[2i64, -1, 2, 0, 0, 0])]),
            ]);
        }
        for kind in [Ranking::ArgSort, Ranking::CumulativeArgMax, Ranking::CumulativeArgMin] {
            samples.push(Sample::smooth(Rank { kind, axis: 0 }, [reals(&[0, 2], -1.0, 1.0)]));
        }
        samples
    }
}

impl Rank {
    fn rank<T: Number>(&self, x: &ArrayD<T>) -> Result<ArrayD<i64>, OpError> {
        let axis = Axis(self.axis);
        match self.kind {
            Ranking::ArgSort => {
                Ok(lane_by_lane(x, axis, |lane| ascending(lane).into_iter().map(|position| position as i64).collect()))
            }
            Ranking::CumulativeArgMax => Ok(lane_by_lane(x, axis, |lane| firsts(lane, |element, best| element > best))),
            Ranking::CumulativeArgMin => Ok(lane_by_lane(x, axis, |lane| firsts(lane, |element, best| element < best))),
            Ranking::ArgMax | Ranking::ArgMin if x.len_of(axis) == 0 => Err(OpError::Empty { axis: self.axis }),
            Ranking::ArgMax => Ok(x.map_axis(axis, |lane| first(lane, |element, best| element > best))),
            Ranking::ArgMin => Ok(x.map_axis(axis, |lane| first(lane, |element, best| element < best))),
        }
    }
}

/// Positions for each lane.
fn lane_by_lane<T: Number>(
    x: &ArrayD<T>,
    axis: Axis,
    positions_of: impl Fn(ArrayView1<'_, T>) -> Vec<i64>,
) -> ArrayD<i64> {
    let mut positions = ArrayD::zeros(x.raw_dim());
    // Of lanes without elements there may be more than anybody can count.
    if !x.is_empty() {
        Zip::from(positions.lanes_mut(axis)).and(x.lanes(axis)).for_each(|mut positions, lane| {
            positions.iter_mut().zip(positions_of(lane)).for_each(|(place, position)| *place = position);
        });
    }
    positions
}

/// The position of the first NaN, else of the first element that no other beats.
fn first<T: Number>(lane: ArrayView1<'_, T>, beats: fn(T, T) -> bool) -> i64 {
    firsts(lane, beats).last().copied().expect("invariant: a lane has an element")
}

/// [`first`] of the elements up to each.
fn firsts<T: Number>(lane: ArrayView1<'_, T>, beats: fn(T, T) -> bool) -> Vec<i64> {
    let mut best = 0;
    let better = |position: usize| {
        let wins = !lane[best].is_nan() && (lane[position].is_nan() || beats(lane[position], lane[best]));
        best = if wins { position } else { best };
        best as i64
    };
    (0..lane.len()).map(better).collect()
}

/// The positions in ascending order of value, ties in order of position, NaN last.
fn ascending<T: Number>(lane: ArrayView1<'_, T>) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..lane.len()).collect();
    positions.sort_by(|left, right| {
        let (left, right) = (lane[*left], lane[*right]);
        left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
    });
    positions
}

macro_rules! rank_methods {
    ($($(#[$doc:meta])* $method:ident => $kind:ident;)*) => {
        impl<'g> Expr<'g> {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $method(self, axis: i64) -> Expr<'g> {
                    let _frame = self.enter(Ranking::$kind.name());
                    match self.axis(axis) {
                        Ok(axis) => self.graph().apply(Rank { kind: Ranking::$kind, axis }, &[self]),
                        Err(poison) => poison,
                    }
                }
            )*
        }
    };
}

rank_methods! {
    /// Where the greatest is along `axis`, which is removed, as `i64`: the first of ties, the first NaN if there is
    /// one. Negative axes count from the end.
    ///
    /// # Shapes
    /// `[m, n]` along −1 → `i64[m]`.
    ///
    /// # Errors
    /// An error is recorded if the axis has size 0.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let scores = g.input("scores", ("batch", 10));
    /// assert_eq!(scores.argmax(-1).ty().to_string(), "i64[batch]");
    /// ```
    #[doc(alias = "arg_max")]
    argmax => ArgMax;
    /// Where the least is along `axis`, which is removed, as `i64`: the first of ties, the first NaN if there is one.
    /// Negative axes count from the end.
    ///
    /// # Shapes
    /// `[m, n]` along −1 → `i64[m]`.
    ///
    /// # Errors
    /// An error is recorded if the axis has size 0.
    #[doc(alias = "arg_min")]
    argmin => ArgMin;
    /// The positions along `axis` in ascending order of value, as `i64`: ties in order of position, NaN last. Negative
    /// axes count from the end.
    ///
    /// # Shapes
    /// `[m, n]` along −1 → `i64[m, n]`.
    argsort => ArgSort;
    /// At each position along `axis` where the greatest up to it is, as `i64`: the first of ties, the first NaN if there
    /// is one. Negative axes count from the end. [`Expr::cumulative_max`] has the elements.
    ///
    /// # Shapes
    /// `[m, n]` along −1 → `i64[m, n]`.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("n",));
    /// let mut program = g.compile(x.cumulative_argmax(0))?;
    /// let out = program.call(("x", &array![1.0f32, 3.0, 2.0, 3.0, 4.0]))?;
    /// assert_eq!(out["result"], array![0i64, 1, 1, 1, 4].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    cumulative_argmax => CumulativeArgMax;
    /// At each position along `axis` where the least up to it is, as `i64`: the first of ties, the first NaN if there is
    /// one. Negative axes count from the end.
    ///
    /// # Shapes
    /// `[m, n]` along −1 → `i64[m, n]`.
    cumulative_argmin => CumulativeArgMin;
}

impl<'g> Expr<'g> {
    /// The elements in ascending order along `axis`, NaN last; negative axes count from the end. The derivative goes to
    /// the place that an element came from; of ties, the first came first.
    ///
    /// # Shapes
    /// `[m, n]` → `[m, n]`.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 9));
    /// let median = x.sort(-1).slice((.., 4));
    /// assert_eq!(median.ty().to_string(), "f32[batch]");
    /// ```
    #[track_caller]
    pub fn sort(self, axis: i64) -> Expr<'g> {
        let _frame = self.enter("sort");
        let order = self.argsort(axis);
        self.take_along(order, axis)
    }

    /// The `k` greatest elements along `axis` in descending order, and their positions as `i64`. Ties come in order of
    /// position, and NaN counts as the greatest, so the first of them is where [`Expr::argmax`] points. Negative axes
    /// count from the end. The derivative goes to the places that the elements came from.
    ///
    /// # Shapes
    /// `[m, n]` along −1 → `[m, k]` and `i64[m, k]`.
    ///
    /// # Errors
    /// An error is recorded if `k` exceeds the size of the axis; an error of the run if that size is a symbol.
    ///
    /// # Complexity
    /// That of a sort, O(n log n) for each lane of n.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let (values, positions) = g.input("scores", ("batch", 10)).top_k(3, -1);
    /// assert_eq!(values.ty().to_string(), "f32[batch, 3]");
    /// assert_eq!(positions.ty().to_string(), "i64[batch, 3]");
    /// ```
    #[doc(alias = "topk")]
    #[track_caller]
    pub fn top_k(self, k: usize, axis: i64) -> (Expr<'g>, Expr<'g>) {
        let _frame = self.enter("top_k");
        let along = match self.axis(axis) {
            Ok(along) => along,
            Err(poison) => return (poison, poison),
        };
        let (g, size) = (self.graph(), self.shape()[along].clone());
        let is_short = |size: i64| usize::try_from(size).is_ok_and(|size| size < k);
        if size.as_number().is_some_and(is_short) {
            let error = GraphError::SliceOutOfRange { axis: along, start: Dim::from(0), stop: Dim::from(k), size };
            let poison = g.report(error, &[self]);
            return (poison, poison);
        }
        // A stable ascending sort has the last of ties last, so reversed first: the array goes in backwards too.
        let backwards = self.reverse(axis).argsort(axis).reverse(axis);
        let mut greatest = vec![Index::from(..); along + 1];
        // What is beyond `i64` is beyond every array, and the slice refuses it.
        greatest[along] = Index::from(..i64::try_from(k).unwrap_or(i64::MAX));
        let positions = g.dim_size(size - 1, DType::I64) - backwards.slice(greatest);
        (self.take_along(positions, axis), positions)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::{graph::Graph, ops::testing::value};

    const NAN: f64 = f64::NAN;

    #[test]
    fn ties_and_nan_follow_the_convention() {
        let g = Graph::new();
        let x = g.constant(array![[2.0, 5.0, 5.0, -1.0, -1.0], [0.0, -0.0, NAN, 7.0, NAN], [3.0, 2.0, 2.0, 3.0, 2.0]]);
        assert_eq!(value(x.argmax(1)), Value::from(array![1i64, 2, 0]));
        assert_eq!(value(x.argmin(1)), Value::from(array![3i64, 2, 1]));
        let order = array![[3i64, 4, 0, 1, 2], [0, 1, 3, 2, 4], [1, 2, 4, 0, 3]];
        assert_eq!(value(x.argsort(-1)), Value::from(order));
    }

    #[test]
    fn the_greatest_come_first() {
        let g = Graph::new();
        let x = g.constant(array![[2i64, 5, 5, i64::MIN], [1, 1, 1, 1]]);
        let (values, positions) = x.top_k(3, 1);
        assert_eq!(value(values), Value::from(array![[5i64, 5, 2], [1, 1, 1]]));
        assert_eq!(value(positions), Value::from(array![[1i64, 2, 0], [0, 1, 2]]));
        let (_, positions) = g.constant(array![1.0, NAN, f64::INFINITY, NAN]).top_k(4, 0);
        assert_eq!(value(positions), Value::from(array![1i64, 3, 2, 0]));
    }

    #[test]
    fn sorting_ascends_along_any_axis() {
        let g = Graph::new();
        let x = g.constant(array![[3.0, 1.0], [2.0, 5.0], [2.5, 0.0]]);
        assert_eq!(value(x.sort(0)), Value::from(array![[2.0, 0.0], [2.5, 1.0], [3.0, 5.0]]));
        assert_eq!(value(x.sort(1)), Value::from(array![[1.0, 3.0], [2.0, 5.0], [0.0, 2.5]]));
    }
}
