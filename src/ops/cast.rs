//! The same values in another dtype, and the same values without a derivative.

use ndarray::ArrayD;

use super::{
    real::{Number, Real},
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, LinearMap, Linearization, OpError, Rule, Traits,
        check_float, check_operands,
    },
    sample::{Sample, listed, reals},
};
use crate::graph::{Cast, DType, Dim, Expr, GraphError, StopGradient, Type, Value};

impl Rule for Cast {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        Ok(Type { dtype: self.dtype, shape: x.shape.clone() })
    }

    /// Linear between floats; the sweeps never ask where either side is no float.
    fn traits(&self) -> Traits {
        Traits::ELEMENTWISE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Linear(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Same
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::SameIndex
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(match context.operands[0] {
            Value::F32(x) => self.of_numbers(x),
            Value::F64(x) if self.dtype == DType::F64 => Value::F64(x.clone()),
            Value::F64(x) => self.of_numbers(x),
            Value::I64(x) => self.of_numbers(x),
            Value::Bool(x) => self.of_numbers(&x.mapv(i64::from)),
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let mut samples = vec![Sample::smooth(Cast { dtype: DType::F64 }, [reals(&[3], -2.0, 2.0)])];
        for dtype in [DType::F32, DType::I64, DType::Bool] {
            samples.push(Sample::kink(Cast { dtype }, [listed(&[4], &[0.0, -1.5, 1e300, f64::NAN])]));
        }
        samples.extend(DType::ALL.map(|dtype| Sample::kink(Cast { dtype }, [listed(&[2], &[false, true])])));
        samples.extend(DType::ALL.map(|dtype| Sample::kink(Cast { dtype }, [listed(&[2], &[0i64, -7])])));
        samples
    }
}

impl Cast {
    pub(super) fn of_numbers<T: Number, R: Real>(&self, x: &ArrayD<T>) -> Value<R> {
        match self.dtype {
            DType::F32 => Value::F32(x.mapv(|x| f32::from_f64(x.to_f64()))),
            DType::F64 => Value::F64(x.mapv(|x| R::from_f64(x.to_f64()))),
            DType::I64 => Value::I64(x.mapv(T::to_i64)),
            DType::Bool => Value::Bool(x.mapv(|x| x != T::ZERO)),
        }
    }
}

impl LinearMap for Cast {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        cotangent.cast(application.operands[0].dtype())
    }
}

impl Rule for StopGradient {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        check_float(x)?;
        Ok(x.clone())
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
        Batching::Same
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Nothing
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(context.operands[0].clone())
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    /// Its derivative is 0 by definition and not by its values.
    fn samples() -> Vec<Sample> {
        vec![Sample::kink(StopGradient {}, [reals(&[3], -2.0, 2.0)])]
    }
}

impl<'g> Expr<'g> {
    /// The same values as `dtype`: float to integer truncates towards 0 and saturates, NaN gives 0; anything to bool is
    /// x ≠ 0. The derivative passes between floats and stops at integers and truth values.
    ///
    /// # Example
    /// ```
    /// # use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let count = g.input_of(DType::I64, "count", ());
    /// assert_eq!(count.cast(DType::F64).ty().to_string(), "f64[]");
    /// ```
    #[doc(alias("astype", "to", "type_as"))]
    #[track_caller]
    pub fn cast(self, dtype: DType) -> Expr<'g> {
        let _frame = self.enter("cast");
        if self.dtype() == dtype { self } else { self.graph().apply(Cast { dtype }, &[self]) }
    }

    /// The same value, whose derivative is taken as 0.
    #[doc(alias("detach", "no_grad", "stop_grad"))]
    #[track_caller]
    pub fn stop_gradient(self) -> Expr<'g> {
        let _frame = self.enter("stop_gradient");
        self.graph().apply(StopGradient {}, &[self])
    }
}
