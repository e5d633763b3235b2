//! Running sums along an axis; the transpose runs the other way.

use ndarray::{ArrayD, Axis};

use super::{
    axes::check_axis,
    real::{Number, Real, Total},
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, LinearMap, Linearization, OpError, Rule, Traits,
        check_number, check_operands,
    },
    sample::{Sample, reals},
};
use crate::graph::{CumulativeSum, Dim, Expr, GraphError, ScanDirection, Type, Value};

impl Rule for CumulativeSum {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        check_number(x)?;
        check_axis(self.axis, x.rank())?;
        Ok(x.clone())
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Linear(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Shifted(self)
    }

    fn dependence(&self, _: usize, operands: &[Type]) -> Dependence {
        Dependence::along(self.axis, operands[0].rank())
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(self.accumulate(x)),
            Value::F64(x) => Value::F64(self.accumulate(x)),
            Value::I64(x) => Value::I64(self.accumulate(x)),
            Value::Bool(_) => unreachable!("invariant: inference asks for numbers"),
        })
    }

    fn flops(&self, _: &[Type], output: &Type) -> Dim {
        output.shape.size()
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for direction in ScanDirection::ALL {
            let along = |axis, shape: &[usize]| {
                Sample::smooth(CumulativeSum { axis, direction: *direction }, [reals(shape, -1.0, 1.0)])
            };
            samples.extend([
                along(0, &[4]),
                along(0, &[3, 2]),
                along(1, &[2, 3, 2]),
                along(0, &[1]),
                along(0, &[0, 2]),
                along(1, &[0, 2]),
            ]);
        }
        samples
    }
}

impl CumulativeSum {
    fn accumulate<T: Number>(&self, x: &ArrayD<T>) -> ArrayD<T> {
        if x.is_empty() {
            // Of lanes without elements there may be more than anybody can count.
            return x.clone();
        }
        let mut sums = x.as_standard_layout().into_owned();
        for mut lane in sums.lanes_mut(Axis(self.axis)) {
            if self.direction == ScanDirection::Backward {
                lane.invert_axis(Axis(0));
            }
            let mut elements = lane.iter_mut();
            let Some(first) = elements.next() else { continue };
            let mut total = T::Total::start(*first);
            for element in elements {
                total = total.add(*element);
                *element = total.rounded();
            }
        }
        sums
    }
}

impl LinearMap for CumulativeSum {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, _: &Application<'g>) -> Expr<'g> {
        let direction = match self.direction {
            ScanDirection::Forward => ScanDirection::Backward,
            ScanDirection::Backward => ScanDirection::Forward,
        };
        cotangent.graph().apply(CumulativeSum { axis: self.axis, direction }, &[cotangent])
    }
}

impl<'g> Expr<'g> {
    /// Running sums along `axis` from its first element: yᵢ = Σ_{j ≤ i} xⱼ. Negative axes count from the end.
    ///
    /// # Shapes
    /// `[m, n]` → `[m, n]`.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let steps = g.input("steps", ("batch", 100));
    /// let path = steps.cumulative_sum(-1);
    /// assert_eq!(path.shape(), steps.shape());
    /// ```
    #[doc(alias = "cumsum")]
    #[track_caller]
    pub fn cumulative_sum(self, axis: i64) -> Expr<'g> {
        let _frame = self.enter("cumulative_sum");
        self.accumulate(axis, ScanDirection::Forward)
    }

    /// Running sums along `axis` from its last element: yᵢ = Σ_{j ≥ i} xⱼ, what is still to come. Negative axes count
    /// from the end.
    ///
    /// # Shapes
    /// `[m, n]` → `[m, n]`.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let reward = g.input("reward", ("episode", 50));
    /// assert_eq!(reward.cumulative_sum_from_end(1).shape(), reward.shape());
    /// ```
    #[doc(alias = "reverse_cumsum")]
    #[track_caller]
    pub fn cumulative_sum_from_end(self, axis: i64) -> Expr<'g> {
        let _frame = self.enter("cumulative_sum_from_end");
        self.accumulate(axis, ScanDirection::Backward)
    }

    fn accumulate(self, axis: i64, direction: ScanDirection) -> Expr<'g> {
        match self.axis(axis) {
            Ok(axis) => self.graph().apply(CumulativeSum { axis, direction }, &[self]),
            Err(poison) => poison,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::{graph::Graph, ops::testing::value};

    #[test]
    fn sums_run_from_either_end() {
        let g = Graph::new();
        let x = g.constant(array![[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]);
        assert_eq!(value(x.cumulative_sum(1)), Value::from(array![[1.0, 3.0, 6.0], [10.0, 30.0, 60.0]]));
        assert_eq!(value(x.cumulative_sum_from_end(-1)), Value::from(array![[6.0, 5.0, 3.0], [60.0, 50.0, 30.0]]));
        assert_eq!(value(x.cumulative_sum(0)), Value::from(array![[1.0, 2.0, 3.0], [11.0, 22.0, 33.0]]));
    }
}
