//! Choosing elementwise by a condition.

use ndarray::{ArrayD, Zip};

use super::{
    apply::{Operand, broadcast_shapes},
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Partial, Partials, Rule,
        Traits, check_operands, same_type,
    },
    sample::{Sample, listed, reals},
};
use crate::graph::{DType, Dim, Expr, GraphError, Select, Type, Value};

impl Rule for Select {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [condition, _, _] = check_operands(operands)?;
        if condition.dtype != DType::Bool {
            return Err(GraphError::UnsupportedDType { expected: "a bool condition", found: condition.dtype });
        }
        let ty = same_type(&operands[1..])?;
        if condition.shape != ty.shape {
            return Err(GraphError::ShapesDiffer { left: condition.shape.clone(), right: ty.shape });
        }
        Ok(ty)
    }

    fn traits(&self) -> Traits {
        Traits::ELEMENTWISE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Partials(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Same
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::SameIndex
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let Value::Bool(condition) = context.operands[0] else { unreachable!("invariant: inference asks for bool") };
        Ok(match (context.operands[1], context.operands[2]) {
            (Value::F32(a), Value::F32(b)) => Value::F32(choose(condition, a, b)),
            (Value::F64(a), Value::F64(b)) => Value::F64(choose(condition, a, b)),
            (Value::I64(a), Value::I64(b)) => Value::I64(choose(condition, a, b)),
            (Value::Bool(a), Value::Bool(b)) => Value::Bool(choose(condition, a, b)),
            _ => unreachable!("invariant: inference refuses two dtypes"),
        })
    }

    fn flops(&self, _: &[Type], output: &Type) -> Dim {
        output.shape.size()
    }

    fn samples() -> Vec<Sample> {
        let condition = listed(&[2, 2], &[true, false, false, true]);
        vec![Sample::smooth(Select {}, [condition, reals(&[2, 2], -1.0, 1.0), reals(&[2, 2], 2.0, 3.0)])]
    }
}

fn choose<T: Copy>(condition: &ArrayD<bool>, a: &ArrayD<T>, b: &ArrayD<T>) -> ArrayD<T> {
    Zip::from(condition).and(a).and(b).map_collect(|condition, a, b| if *condition { *a } else { *b })
}

impl Partials for Select {
    fn partial<'g>(&self, operand: usize, application: &Application<'g>) -> Partial<'g> {
        match operand {
            0 => Partial::Zero,
            1 => Partial::Where(application.operands[0]),
            _ => Partial::Unless(application.operands[0]),
        }
    }
}

impl<'g> Expr<'g> {
    /// `if_true` where this truth value is true, `if_false` elsewhere; all three broadcast together. At least one of
    /// the two is a handle; a literal takes the dtype of the other.
    ///
    /// A cotangent that a select masks stays masked through elementwise derivatives further up, so `select` guards a
    /// logarithm or a square root; the guard ends at a sum or a product of matrices, where `where_safe` is needed.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", (3,));
    /// let y = x.greater(0.0).select(x.log(), 0.0);
    /// assert_eq!(y.ty().to_string(), "f32[3]");
    /// ```
    #[doc(alias("cond", "masked_fill", "if_else"))]
    #[doc(alias = "where")]
    #[track_caller]
    pub fn select(self, if_true: impl Choice<'g>, if_false: impl Choice<'g>) -> Expr<'g> {
        let _frame = self.enter("select");
        let handles: smallvec::SmallVec<[Expr<'g>; 3]> =
            [Some(self), if_true.handle(), if_false.handle()].into_iter().flatten().collect();
        if let Some(poison) = self.graph().refuse(&handles) {
            return poison;
        }
        let dtype_source = if_true.handle().or(if_false.handle()).unwrap_or_else(|| self.cast(DType::F32));
        let (if_true, if_false) = (if_true.into_expr(dtype_source), if_false.into_expr(dtype_source));
        let operands = [self, if_true, if_false];
        if let Some(poison) = operands.iter().find(|operand| operand.is_poisoned()) {
            return *poison;
        }
        let common = broadcast_shapes(&if_true.shape(), &if_false.shape())
            .and_then(|branches| broadcast_shapes(&self.shape(), &branches));
        match common {
            Some(shape) => self.graph().apply(Select {}, &operands.map(|operand| operand.broadcast_to(&shape))),
            None => {
                let error = GraphError::NotBroadcastable { left: if_true.shape(), right: if_false.shape() };
                self.graph().report(error, &operands)
            }
        }
    }
}

/// A branch of [`Expr::select`]: a handle or a literal.
pub trait Choice<'g>: Operand<'g> {
    /// The handle, if it is one.
    fn handle(&self) -> Option<Expr<'g>>;
}

impl<'g> Choice<'g> for Expr<'g> {
    fn handle(&self) -> Option<Expr<'g>> {
        Some(*self)
    }
}

macro_rules! literal_choice {
    ($($type:ty),*) => {$(
        impl<'g> Choice<'g> for $type {
            fn handle(&self) -> Option<Expr<'g>> {
                None
            }
        }
    )*};
}
literal_choice!(f64, f32, i32, i64, bool);
