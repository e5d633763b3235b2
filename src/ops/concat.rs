//! Arrays one after another, and the elements of one in reverse.

use ndarray::{ArrayD, Axis, concatenate};

use super::{
    axes::{IntoAxes, check_axis, normalize},
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, LinearMap, Linearization, OpError, Rule, Traits,
        check_ascending, check_operands,
    },
    sample::{Sample, reals},
};
use crate::graph::{Concat, Dim, Expr, GraphError, Reverse, Slice, Type, Value};

impl Rule for Concat {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let first = operands.first().ok_or(GraphError::OperandCount { expected: 1, found: 0 })?;
        check_axis(self.axis, first.rank())?;
        for operand in operands {
            if operand.dtype != first.dtype {
                return Err(GraphError::DTypesDiffer { left: first.dtype, right: operand.dtype });
            }
            if operand.rank() != first.rank()
                || operand.shape.without(&[self.axis]) != first.shape.without(&[self.axis])
            {
                return Err(GraphError::ShapesDiffer { left: first.shape.clone(), right: operand.shape.clone() });
            }
        }
        let mut dims = first.shape.to_vec();
        dims[self.axis] = operands.iter().map(|operand| operand.shape[self.axis].clone()).sum();
        Ok(Type::new(first.dtype, dims))
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

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Moved
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        macro_rules! join {
            ($variant:ident) => {{
                let views: Vec<_> = context
                    .operands
                    .iter()
                    .map(|operand| match operand {
                        Value::$variant(x) => x.view(),
                        _ => unreachable!("invariant: inference refuses two dtypes"),
                    })
                    .collect();
                Value::$variant(concatenate(Axis(self.axis), &views).expect("invariant: inference compared the shapes"))
            }};
        }
        Ok(match context.operands[0] {
            Value::F32(_) => join!(F32),
            Value::F64(_) => join!(F64),
            Value::I64(_) => join!(I64),
            Value::Bool(_) => join!(Bool),
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let part = |shape: &[usize]| reals(shape, -1.0, 1.0);
        vec![
            Sample::smooth(Concat { axis: 1 }, [part(&[2, 3]), part(&[2, 1]), part(&[2, 0])]),
            Sample::smooth(Concat { axis: 0 }, [part(&[4])]),
        ]
    }
}

impl LinearMap for Concat {
    fn transpose<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let before: Dim = application.operands[..operand].iter().map(|part| part.shape()[self.axis].clone()).sum();
        let part = application.operands[operand].shape();
        let after = before.clone() + &part[self.axis];
        cotangent.graph().apply(Slice::along(&part, self.axis, before, after), &[cotangent])
    }
}

impl Rule for Reverse {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        check_ascending(&self.axes, x.rank())?;
        Ok(x.clone())
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

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Moved
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(self.flip(x)),
            Value::F64(x) => Value::F64(self.flip(x)),
            Value::I64(x) => Value::I64(self.flip(x)),
            Value::Bool(x) => Value::Bool(self.flip(x)),
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let along = |axes: &[usize]| Sample::smooth(Reverse { axes: axes.into() }, [reals(&[2, 3], -1.0, 1.0)]);
        vec![along(&[0]), along(&[0, 1]), along(&[])]
    }
}

impl Reverse {
    fn flip<T: Clone>(&self, x: &ArrayD<T>) -> ArrayD<T> {
        let mut view = x.view();
        for axis in &self.axes {
            view.invert_axis(Axis(*axis));
        }
        view.as_standard_layout().into_owned()
    }
}

impl LinearMap for Reverse {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, _: &Application<'g>) -> Expr<'g> {
        cotangent.graph().apply(self.clone(), &[cotangent])
    }
}

impl<'g> Expr<'g> {
    /// This array and then the others, along `axis`; negative axes count from the end. [`Expr::stack`] joins along a new axis.
    ///
    /// # Shapes
    /// `[a, n]` and `[b, n]` along 0 → `[a + b, n]`.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let (x, y) = (g.input("x", ("n", 3)), g.input("y", (2, 3)));
    /// assert_eq!(x.concat([y], 0).shape().to_string(), "[n + 2, 3]");
    /// ```
    #[doc(alias("hstack", "vstack"))]
    #[doc(alias = "concatenate")]
    #[doc(alias = "cat")]
    #[track_caller]
    pub fn concat(self, others: impl IntoIterator<Item = Expr<'g>>, axis: i64) -> Expr<'g> {
        let _frame = self.enter("concat");
        let operands: Vec<Expr<'g>> = std::iter::once(self).chain(others).collect();
        match normalize(axis, self.rank()) {
            _ if self.is_poisoned() => self,
            Ok(axis) => self.graph().apply(Concat { axis }, &operands),
            Err(error) => self.graph().report(error, &operands),
        }
    }

    /// The elements in reverse order along axes. A slice may do it along some of them, by a step of −1.
    #[doc(alias = "flip")]
    #[track_caller]
    pub fn reverse(self, axes: impl IntoAxes) -> Expr<'g> {
        let _frame = self.enter("reverse");
        match self.axes(axes) {
            Ok(axes) => self.graph().apply(Reverse { axes }, &[self]),
            Err(poison) => poison,
        }
    }
}
