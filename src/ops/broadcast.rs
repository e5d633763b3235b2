//! Repeating along axes: the one primitive whose transpose is "sum over what was broadcast".

use ndarray::{ArrayD, Axis, IxDyn};

use super::{
    real::Real,
    rule::{
        Application, Batching, Coefficient, Dependence, Domain, EvaluationContext, LinearMap, Linearization, OpError,
        Rule, Traits, check_ascending, check_operands,
    },
    sample::{Sample, reals},
};
use crate::graph::{Axes, Broadcast, Dim, Expr, GraphError, Shape, Type, Value};

impl Rule for Broadcast {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        if self.axes.len() != x.rank() {
            return Err(GraphError::AttributeCount { what: "axes", expected: x.rank(), found: self.axes.len() });
        }
        check_ascending(&self.axes, self.shape.rank())?;
        let fits = x.shape.iter().zip(&self.axes).all(|(size, axis)| size.is(1) || *size == self.shape[*axis]);
        if !fits {
            return Err(GraphError::NotBroadcastableTo { from: x.shape.clone(), to: self.shape.clone() });
        }
        Ok(Type::new(x.dtype, &self.shape))
    }

    fn traits(&self) -> Traits {
        Traits::MOVEMENT
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
        let sizes = operands[0].shape.iter().zip(self.axes.iter());
        let is_stretched = |(_, (size, to)): &(usize, (&Dim, &usize))| **size != self.shape[**to];
        let ties = sizes.enumerate().filter(|pair| !is_stretched(pair)).map(|(from, (_, to))| (from, *to)).collect();
        Dependence::Tied { ties, coefficient: Coefficient::One }
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let shape = context.shape()?;
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(self.repeat(x, &shape)),
            Value::F64(x) => Value::F64(self.repeat(x, &shape)),
            Value::I64(x) => Value::I64(self.repeat(x, &shape)),
            Value::Bool(x) => Value::Bool(self.repeat(x, &shape)),
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let to = |axes: &[usize], shape: &[usize], operand: &[usize]| {
            Sample::smooth(Broadcast { axes: axes.into(), shape: Shape::from(shape) }, [reals(operand, -1.0, 1.0)])
        };
        vec![
            to(&[], &[2, 3], &[]),
            to(&[1], &[2, 3], &[3]),
            to(&[0], &[2, 3], &[2]),
            to(&[0, 2], &[2, 3, 4], &[2, 1]),
            to(&[0, 1], &[0, 3], &[1, 3]),
            to(&[0], &[1], &[1]),
        ]
    }
}

impl Broadcast {
    fn repeat<T: Clone>(&self, x: &ArrayD<T>, shape: &[usize]) -> ArrayD<T> {
        let mut view = x.view();
        for axis in 0..shape.len() {
            if !self.axes.contains(&axis) {
                view = view.insert_axis(Axis(axis));
            }
        }
        view.broadcast(IxDyn(shape)).expect("invariant: inference compared the shapes").to_owned()
    }
}

impl LinearMap for Broadcast {
    /// Sums over the added axes and the stretched ones.
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let operand = application.operands[0].shape();
        let is_repeated = |axis: &usize| match self.axes.iter().position(|kept| kept == axis) {
            None => true,
            Some(position) => operand[position].is(1) && !self.shape[*axis].is(1),
        };
        let repeated: Axes = (0..self.shape.rank()).filter(is_repeated).collect();
        cotangent.sum_axes(&repeated).reshape(operand)
    }
}
