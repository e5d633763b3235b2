//! What a graph starts from: inputs, parameters, constants, counters and sizes; and the poison that stands for a
//! error.

use ndarray::{ArrayD, IxDyn};

use super::{
    axes::check_axis,
    real::{Number, Real},
    rule::{
        Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Rule, Traits, check_number,
        check_operands,
    },
    sample::{Sample, listed},
};
use crate::graph::{
    Argument, Constant, DType, Dim, DimSize, Expr, Graph, GraphError, Initializer, Input, Iota, Literal, Name, Op,
    Parameter, Poison, Shape, Site, State, Type, Value,
};

/// A leaf whose array is fed: its value is never computed.
macro_rules! fed_leaf {
    ($op:ident) => {
        impl Rule for $op {
            fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
                check_operands::<0>(operands)?;
                check_name(&self.name)?;
                check_sizes(&self.shape)?;
                self.check()?;
                Ok(Type::new(self.dtype, &self.shape))
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
                Batching::Leaf
            }

            fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
                Dependence::Nothing
            }

            fn evaluate<R: Real>(&self, _: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
                unreachable!("invariant: fed arrays are bound before evaluation")
            }

            fn flops(&self, _: &[Type], _: &Type) -> Dim {
                Dim::from(0)
            }

            fn samples() -> Vec<Sample> {
                Vec::new()
            }
        }
    };
}
fed_leaf!(Input);
fed_leaf!(Parameter);
fed_leaf!(State);

impl Rule for Argument {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_operands::<0>(operands)?;
        check_sizes(&self.shape)?;
        Ok(Type::new(self.dtype, &self.shape))
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Leaf
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Nothing
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Constant
    }

    fn evaluate<R: Real>(&self, _: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Err(OpError::EscapedArgument)
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        Vec::new()
    }
}

impl Input {
    fn check(&self) -> Result<(), GraphError> {
        Ok(())
    }
}

impl Parameter {
    fn check(&self) -> Result<(), GraphError> {
        if !self.dtype.is_float() {
            return Err(GraphError::UnsupportedDType { expected: "a float", found: self.dtype });
        }
        if self.initializer == Initializer::Key {
            let (initializer, dtype) = (self.initializer, self.dtype);
            return Err(GraphError::InitializerDType { initializer, dtype });
        }
        match self.shape.as_numbers() {
            Some(_) => Ok(()),
            None => Err(GraphError::SymbolicParameter { shape: self.shape.clone() }),
        }
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

pub(super) fn check_name(Name(name): &Name) -> Result<(), GraphError> {
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'));
    if is_name { Ok(()) } else { Err(GraphError::BadName { name: name.to_string() }) }
}

/// That no size is a negative number and every symbol is a word.
pub(super) fn check_sizes(shape: &Shape) -> Result<(), GraphError> {
    for (axis, size) in shape.iter().enumerate() {
        if size.as_number().is_some_and(|size| size < 0) {
            return Err(GraphError::NegativeSize { axis, size: size.clone() });
        }
        if let Some(symbol) = size.symbols().iter().find(|symbol| !is_word(symbol)) {
            return Err(GraphError::BadName { name: symbol.to_string() });
        }
    }
    Ok(())
}

impl Rule for Poison {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_operands::<0>(operands)?;
        Ok(Type::new(DType::F32, ()))
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
        Batching::Leaf
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Nothing
    }

    fn evaluate<R: Real>(&self, _: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        unreachable!("invariant: a graph with a mistake is not compiled")
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        Vec::new()
    }
}

impl Rule for Constant {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_operands::<0>(operands)?;
        check_sizes(&self.shape)?;
        let ty = Type::new(self.dtype, &self.shape);
        match &self.value {
            Literal::Array(value) if value.dtype() != self.dtype => {
                Err(GraphError::DTypesDiffer { left: value.dtype(), right: self.dtype })
            }
            Literal::Array(value) if Shape::from(value.shape()) != self.shape => {
                Err(GraphError::ShapesDiffer { left: value.shape().into(), right: self.shape.clone() })
            }
            Literal::Number(number) if self.dtype == DType::I64 => {
                Err(GraphError::Literal { literal: *number, dtype: self.dtype })
            }
            Literal::Number(number)
                if self.dtype == DType::F32 && number.is_finite() && !(*number as f32).is_finite() =>
            {
                Err(GraphError::Literal { literal: *number, dtype: self.dtype })
            }
            Literal::Integer(integer) if self.dtype != DType::I64 => {
                Err(GraphError::Literal { literal: *integer as f64, dtype: self.dtype })
            }
            _ => Ok(ty),
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
        Batching::Leaf
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Nothing
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let shape = IxDyn(&context.shape()?);
        Ok(match &self.value {
            Literal::Array(value) => match value.as_ref() {
                Value::F32(array) => Value::F32(array.clone()),
                Value::F64(array) => Value::F64(array.mapv(R::from_f64)),
                Value::I64(array) => Value::I64(array.clone()),
                Value::Bool(array) => Value::Bool(array.clone()),
            },
            Literal::Integer(integer) => Value::I64(ArrayD::from_elem(shape, *integer)),
            Literal::Number(number) => match self.dtype {
                DType::F32 => Value::F32(ArrayD::from_elem(shape, f32::from_f64(*number))),
                DType::F64 => Value::F64(ArrayD::from_elem(shape, R::from_f64(*number))),
                DType::Bool => Value::Bool(ArrayD::from_elem(shape, *number != 0.0)),
                DType::I64 => unreachable!("invariant: inference refuses a float literal for i64"),
            },
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let constant = |value, dtype, shape| Sample::smooth(Constant { value, dtype, shape: Shape::from(shape) }, []);
        let array = |value: Value| constant(Literal::from(value.clone()), value.dtype(), value.shape().to_vec());
        vec![
            constant(Literal::Number(-0.5), DType::F64, vec![2, 0]),
            constant(Literal::Number(f64::NEG_INFINITY), DType::F32, vec![]),
            constant(Literal::Number(1.0), DType::Bool, vec![2]),
            constant(Literal::Integer(i64::MIN), DType::I64, vec![2]),
            array(listed(&[2, 2], &[0.1f32, -0.0, f32::MAX, f32::NAN])),
            array(listed(&[3], &[0.1f64, f64::MIN_POSITIVE, f64::INFINITY])),
            array(listed(&[8], &[0i64, 1, 2, 3, 4, 5, 6, i64::MAX])),
            array(listed(&[2], &[true, false])),
        ]
    }
}

impl Rule for Iota {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_operands::<0>(operands)?;
        let ty = Type::new(self.dtype, &self.shape);
        check_number(&ty)?;
        check_axis(self.axis, ty.rank())?;
        check_sizes(&self.shape)?;
        Ok(ty)
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
        Batching::Leaf
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Nothing
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        fn count<T: Number>(shape: &[usize], axis: usize) -> ArrayD<T> {
            ArrayD::from_shape_fn(IxDyn(shape), |index| T::from_i64(index[axis] as i64))
        }
        let shape = context.shape()?;
        Ok(match self.dtype {
            DType::F32 => Value::F32(count(&shape, self.axis)),
            DType::F64 => Value::F64(count(&shape, self.axis)),
            DType::I64 => Value::I64(count(&shape, self.axis)),
            DType::Bool => unreachable!("invariant: inference asks for numbers"),
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let iota = |axis, dtype| Sample::smooth(Iota { axis, dtype, shape: Shape::from((2, 3)) }, []);
        vec![iota(0, DType::I64), iota(1, DType::F64), iota(1, DType::F32)]
    }
}

impl Rule for DimSize {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_operands::<0>(operands)?;
        let ty = Type::new(self.dtype, ());
        check_number(&ty)?;
        Ok(ty)
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
        Batching::Leaf
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Nothing
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let size = context.number(&self.dim)?;
        Ok(match self.dtype {
            DType::F32 => Value::F32(ArrayD::from_elem(IxDyn(&[]), f32::from_i64(size))),
            DType::F64 => Value::F64(ArrayD::from_elem(IxDyn(&[]), R::from_i64(size))),
            DType::I64 => Value::I64(ArrayD::from_elem(IxDyn(&[]), size)),
            DType::Bool => unreachable!("invariant: inference asks for numbers"),
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        [DType::F32, DType::F64, DType::I64]
            .map(|dtype| Sample::smooth(DimSize { dim: Dim::from(6), dtype }, []))
            .into()
    }
}

impl Graph {
    /// An `f32` array that is fed at each run, under `name` with the open scopes before it.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 64));
    /// assert_eq!(x.ty().to_string(), "f32[batch, 64]");
    /// ```
    #[doc(alias = "placeholder")]
    #[track_caller]
    pub fn input(&self, name: &str, shape: impl Into<Shape>) -> Expr<'_> {
        self.input_of(DType::F32, name, shape)
    }

    /// An array of any dtype that is fed at each run.
    ///
    /// # Example
    /// ```
    /// # use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let label = g.input_of(DType::I64, "label", ("batch",));
    /// assert_eq!(label.ty().to_string(), "i64[batch]");
    /// ```
    #[track_caller]
    pub fn input_of(&self, dtype: DType, name: &str, shape: impl Into<Shape>) -> Expr<'_> {
        let _frame = self.enter("input", Site::caller());
        let name = self.scoped(name);
        self.declare(Input { name, dtype, shape: shape.into() })
    }

    /// An `f32` array that is learned, under `name` with the open scopes before it.
    ///
    /// # Example
    /// ```
    /// # use pullback::{Graph, Initializer};
    /// let g = Graph::new();
    /// let weight = g.parameter("weight", (64, 10), Initializer::GlorotUniform);
    /// assert_eq!(weight.ty().to_string(), "f32[64, 10]");
    /// ```
    #[doc(alias("variable", "weight"))]
    #[track_caller]
    pub fn parameter(&self, name: &str, shape: impl Into<Shape>, initializer: Initializer) -> Expr<'_> {
        self.parameter_of(DType::F32, name, shape, initializer)
    }

    /// An array of the float type `dtype` that is learned.
    #[track_caller]
    pub fn parameter_of(
        &self,
        dtype: DType,
        name: &str,
        shape: impl Into<Shape>,
        initializer: Initializer,
    ) -> Expr<'_> {
        let _frame = self.enter("parameter", Site::caller());
        let name = self.scoped(name);
        self.declare(Parameter { name, initializer, dtype, shape: shape.into() })
    }

    pub(super) fn declare(&self, op: impl Into<Op>) -> Expr<'_> {
        let op = op.into();
        match self.taken_name(&op) {
            Some(error) => self.report(error, &[]),
            None => self.apply(op, &[]),
        }
    }

    /// The error, if `op` is a leaf whose name another one has.
    pub(super) fn taken_name(&self, op: &Op) -> Option<GraphError> {
        let Name(name) = op.leaf_name()?;
        let first = self.named(name)?.site();
        Some(GraphError::DuplicateName { name: name.to_string(), first })
    }

    /// An array known beforehand, of any rank and dtype. [`Graph::constant_of`] converts it to a dtype that is known at
    /// run time.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let kernel = g.constant(ndarray::array![[1.0f32, -1.0]]);
    /// let rate = g.constant(0.1f64);
    /// assert_eq!(kernel.ty().to_string(), "f32[1, 2]");
    /// assert_eq!(rate.ty().to_string(), "f64[]");
    /// ```
    #[doc(alias("tensor", "array", "literal"))]
    #[track_caller]
    pub fn constant(&self, value: impl Into<Value>) -> Expr<'_> {
        let _frame = self.enter("constant", Site::caller());
        let value = value.into();
        let ty = value.ty();
        let literal = match (value.scalar::<f32>(), value.scalar::<f64>(), value.scalar::<i64>()) {
            (Some(number), ..) => Literal::Number(f64::from(number)),
            (_, Some(number), _) => Literal::Number(number),
            (_, _, Some(integer)) => Literal::Integer(integer),
            _ => Literal::from(value),
        };
        self.splat(literal, ty)
    }

    /// 0, 1, 2, … along `axis` of an array of `dtype` and `shape`; negative axes count from the end.
    #[doc(alias("range", "linspace"))]
    #[doc(alias = "arange")]
    #[track_caller]
    pub fn iota(&self, dtype: DType, shape: impl Into<Shape>, axis: i64) -> Expr<'_> {
        let _frame = self.enter("iota", Site::caller());
        let shape = shape.into();
        match super::axes::normalize(axis, shape.rank()) {
            Ok(axis) => self.apply(Iota { axis, dtype, shape }, &[]),
            Err(error) => self.report(error, &[]),
        }
    }

    /// The value of a dim as a scalar of `dtype`.
    #[doc(alias = "size")]
    #[track_caller]
    pub fn dim_size(&self, dim: impl Into<Dim>, dtype: DType) -> Expr<'_> {
        let _frame = self.enter("dim_size", Site::caller());
        self.apply(DimSize { dim: dim.into(), dtype }, &[])
    }
}
