//! Linear recurrences along an axis: what running products are made of. Both derivatives are recurrences again.

use ndarray::{ArrayD, Axis};

use super::{
    axes::check_axis,
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, JacobianProducts, Linearization, OpError, Rule,
        Traits, check_float, check_operands,
    },
    sample::{Sample, listed, reals},
};
use crate::graph::{
    Axes, DType, Dim, Dims, Expr, GraphError, LinearRecurrence, Pad, ScanDirection, Slice, Type, Value,
};

impl Rule for LinearRecurrence {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [a, b] = check_operands(operands)?;
        check_float(a)?;
        check_axis(self.axis, a.rank())?;
        if a.dtype != b.dtype {
            return Err(GraphError::DTypesDiffer { left: a.dtype, right: b.dtype });
        }
        if a.shape != b.shape {
            return Err(GraphError::ShapesDiffer { left: a.shape.clone(), right: b.shape.clone() });
        }
        Ok(a.clone())
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Products(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Shifted(self)
    }

    fn dependence(&self, _: usize, operands: &[Type]) -> Dependence {
        Dependence::along(self.axis, operands[0].rank())
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(match (context.operands[0], context.operands[1]) {
            (Value::F32(a), Value::F32(b)) => Value::F32(self.run(a, b)),
            (Value::F64(a), Value::F64(b)) => Value::F64(self.run(a, b)),
            _ => unreachable!("invariant: inference asks for floats of one dtype"),
        })
    }

    /// A multiply-add for each element.
    fn flops(&self, _: &[Type], output: &Type) -> Dim {
        output.shape.size() * 2
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for direction in ScanDirection::ALL {
            for (axis, shape) in [(0, &[4][..]), (0, &[3, 2]), (1, &[2, 3, 2]), (0, &[1]), (0, &[0, 2]), (1, &[0, 2])] {
                let operands = [reals(shape, -1.5, 1.0), reals(shape, -1.0, 2.0)];
                samples.push(Sample::smooth(LinearRecurrence { axis, direction: *direction }, operands));
            }
            let operands = [listed(&[4], &[2.0, 0.0, 0.0, 3.0]), listed(&[4], &[1.0, 0.0, 0.5, 0.0])];
            samples.push(Sample::smooth(LinearRecurrence { axis: 0, direction: *direction }, operands));
        }
        samples
    }
}

impl LinearRecurrence {
    fn run<T: Real>(&self, a: &ArrayD<T>, b: &ArrayD<T>) -> ArrayD<T> {
        if b.is_empty() {
            // Of lanes without elements there may be more than anybody can count.
            return b.clone();
        }
        let mut y = b.as_standard_layout().into_owned();
        for (mut a, mut y) in a.lanes(Axis(self.axis)).into_iter().zip(y.lanes_mut(Axis(self.axis))) {
            if self.direction == ScanDirection::Backward {
                a.invert_axis(Axis(0));
                y.invert_axis(Axis(0));
            }
            for place in 1..y.len() {
                y[place] = a[place].mul(y[place - 1]).add(y[place]);
            }
        }
        y
    }

    fn reversed(&self) -> LinearRecurrence {
        LinearRecurrence { axis: self.axis, direction: self.direction.reversed() }
    }

    /// At each place what x has at the place before, in this direction, and 0 at the first.
    pub(super) fn before<'g>(&self, x: Expr<'g>) -> Expr<'g> {
        let shape = x.shape();
        let one_at = |axis: usize, wanted: bool| Dim::from(i64::from(axis == self.axis && wanted));
        let is_forward = self.direction == ScanDirection::Forward;
        let axes = 0..shape.rank();
        let low: Dims = axes.clone().map(|axis| one_at(axis, is_forward)).collect();
        let start: Dims = axes.clone().map(|axis| one_at(axis, !is_forward)).collect();
        let pad = Pad { low, high: start.clone(), interior: Axes::from_elem(0, shape.rank()) };
        let stop: Dims = axes.map(|axis| start[axis].clone() + &shape[axis]).collect();
        let padded = x.graph().apply(pad, &[x]);
        x.graph().apply(Slice { start, stop, step: Axes::from_elem(1, shape.rank()) }, &[padded])
    }
}

/// With y = L·b, where L depends on a, b̄ = Lᵀ·ȳ is gᵢ = ȳᵢ + aᵢ₊₁·gᵢ₊₁, the recurrence from the other end. Where a moves,
/// ẏᵢ = aᵢ·ẏᵢ₋₁ + ȧᵢ·yᵢ₋₁: as if ȧᵢ·yᵢ₋₁ were ḃᵢ.
impl JacobianProducts for LinearRecurrence {
    fn vjp<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (a, reversed) = (application.operands[0], self.reversed());
        let of_b = a.graph().apply(reversed.clone(), &[reversed.before(a), cotangent]);
        if operand == 1 { of_b } else { of_b * self.before(application.output) }
    }

    fn jvp<'g>(&self, operand: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let a = application.operands[0];
        let of_b = if operand == 1 { tangent } else { tangent * self.before(application.output) };
        a.graph().apply(self.clone(), &[a, of_b])
    }
}

impl<'g> Expr<'g> {
    /// For each element along the last axis the product of those on one side of it, in O(n): 1 at the end where it begins.
    ///
    /// It is the recurrence yᵢ = xᵢ₋₁·yᵢ₋₁ from y₀ = 1.
    pub(super) fn products_before(self, direction: ScanDirection) -> Expr<'g> {
        if self.is_poisoned() {
            return self;
        }
        let (g, shape) = (self.graph(), self.shape());
        let recurrence = LinearRecurrence { axis: shape.rank() - 1, direction };
        let positions = g.iota(DType::I64, &shape, -1);
        let steps = if direction == ScanDirection::Forward { positions } else { positions.reverse(-1) };
        let start = steps.equal(0).select(self.ones_like(), 0.0);
        g.apply(recurrence.clone(), &[recurrence.before(self), start])
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::{graph::Graph, ops::testing::value};

    #[test]
    fn a_recurrence_worked_by_hand() {
        let g = Graph::new();
        let (a, b) = (g.constant(array![9.0, 2.0, -1.0]), g.constant(array![1.0, 0.5, 4.0]));
        let recurrence = |direction| value(g.apply_op(LinearRecurrence { axis: 0, direction }.into(), &[a, b]));
        assert_eq!(recurrence(ScanDirection::Forward), Value::from(array![1.0, 2.5, 1.5]));
        assert_eq!(recurrence(ScanDirection::Backward), Value::from(array![77.5, 8.5, 4.0]));
    }

    #[test]
    fn products_of_those_before_begin_with_one() {
        let g = Graph::new();
        let x = g.constant(array![[2.0, 3.0, 0.0, 5.0]]);
        let _frame = x.enter("products_before");
        assert_eq!(value(x.products_before(ScanDirection::Forward)), Value::from(array![[1.0, 2.0, 6.0, 0.0]]));
        assert_eq!(value(x.products_before(ScanDirection::Backward)), Value::from(array![[0.0, 0.0, 5.0, 1.0]]));
    }
}
