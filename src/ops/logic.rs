//! Comparisons, connectives and questions: everything elementwise that gives truth values. None has a derivative.

use ndarray::Zip;

use super::{
    apply::Operand,
    real::{Number, Real},
    rule::{
        Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Rule, Traits, check_float,
        check_number, check_operands, same_type,
    },
    sample::{Sample, listed},
};
use crate::graph::{Comparison, Connective, DType, Dim, Expr, GraphError, Op, Predicate, Type, Value};

impl Rule for Comparison {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_operands::<2>(operands)?;
        let ty = same_type(operands)?;
        check_number(&ty)?;
        Ok(Type { dtype: DType::Bool, ..ty })
    }

    fn traits(&self) -> Traits {
        Traits { is_commutative: matches!(self, Comparison::Equal | Comparison::NotEqual), ..Traits::ELEMENTWISE }
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
        Ok(Value::Bool(match (context.operands[0], context.operands[1]) {
            (Value::F32(a), Value::F32(b)) => Zip::from(a).and(b).map_collect(|a, b| self.holds(*a, *b)),
            (Value::F64(a), Value::F64(b)) => Zip::from(a).and(b).map_collect(|a, b| self.holds(*a, *b)),
            (Value::I64(a), Value::I64(b)) => Zip::from(a).and(b).map_collect(|a, b| self.holds(*a, *b)),
            _ => unreachable!("invariant: inference refuses other dtypes"),
        }))
    }

    fn flops(&self, _: &[Type], output: &Type) -> Dim {
        output.shape.size()
    }

    fn samples() -> Vec<Sample> {
        let (a, b) = ([1.0, 2.0, 0.0, f64::NAN], [1.0, 1.0, -0.0, 0.0]);
        Comparison::ALL
            .iter()
            .map(|op| Sample::kink(Op::Comparison(*op), [listed(&[4], &a), listed(&[4], &b)]))
            .collect()
    }
}

impl Comparison {
    /// Whether it holds of two numbers.
    pub(crate) fn holds<T: Number>(self, a: T, b: T) -> bool {
        match self {
            Comparison::Equal => a == b,
            Comparison::NotEqual => a != b,
            Comparison::Less => a < b,
            Comparison::LessEqual => a <= b,
            Comparison::Greater => a > b,
            Comparison::GreaterEqual => a >= b,
        }
    }
}

impl Rule for Connective {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_operands::<2>(operands)?;
        let ty = same_type(operands)?;
        check_bool(&ty)?;
        Ok(ty)
    }

    fn traits(&self) -> Traits {
        Traits { is_commutative: true, ..Traits::ELEMENTWISE }
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
        let (Value::Bool(a), Value::Bool(b)) = (context.operands[0], context.operands[1]) else {
            unreachable!("invariant: inference refuses other dtypes")
        };
        Ok(Value::Bool(Zip::from(a).and(b).map_collect(|a, b| self.holds(*a, *b))))
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let (a, b) = ([false, false, true, true], [false, true, false, true]);
        Connective::ALL
            .iter()
            .map(|op| Sample::kink(Op::Connective(*op), [listed(&[4], &a), listed(&[4], &b)]))
            .collect()
    }
}

impl Connective {
    /// Whether it holds of two truth values.
    pub(crate) fn holds(self, a: bool, b: bool) -> bool {
        match self {
            Connective::And => a && b,
            Connective::Or => a || b,
            Connective::Xor => a != b,
        }
    }
}

impl Rule for Predicate {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        match self {
            Predicate::Not => check_bool(x)?,
            Predicate::IsFinite | Predicate::IsNan => check_float(x)?,
        }
        Ok(Type { dtype: DType::Bool, ..x.clone() })
    }

    fn traits(&self) -> Traits {
        Traits::ELEMENTWISE
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
        Ok(Value::Bool(match context.operands[0] {
            Value::F32(x) => x.mapv(|x| self.holds(x)),
            Value::F64(x) => x.mapv(|x| self.holds(x)),
            Value::Bool(x) => x.mapv(|x| !x),
            Value::I64(_) => unreachable!("invariant: inference refuses integers"),
        }))
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let floats = || listed(&[3], &[1.0, f64::INFINITY, f64::NAN]);
        vec![
            Sample::kink(Op::Predicate(Predicate::Not), [listed(&[2], &[false, true])]),
            Sample::kink(Op::Predicate(Predicate::IsFinite), [floats()]),
            Sample::kink(Op::Predicate(Predicate::IsNan), [floats()]),
        ]
    }
}

impl Predicate {
    /// Whether it holds of a float.
    pub(crate) fn holds<T: Real>(self, x: T) -> bool {
        match self {
            Predicate::IsFinite => x.is_finite(),
            Predicate::IsNan => x.is_nan(),
            Predicate::Not => unreachable!("invariant: inference refuses floats"),
        }
    }
}

fn check_bool(ty: &Type) -> Result<(), GraphError> {
    if ty.dtype == DType::Bool {
        Ok(())
    } else {
        Err(GraphError::UnsupportedDType { expected: "bool", found: ty.dtype })
    }
}

macro_rules! logic_methods {
    ($($(#[$doc:meta])* $method:ident => $kind:ident :: $variant:ident;)*) => {
        impl<'g> Expr<'g> {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $method(self, other: impl Operand<'g>) -> Expr<'g> {
                    let _frame = self.enter($kind::$variant.name());
                    self.pairwise(Op::$kind($kind::$variant), other)
                }
            )*
        }
    };
}

logic_methods! {
    /// Where self = other, elementwise, as `bool`.
    #[doc(alias = "eq")]
    equal => Comparison::Equal;
    /// Where self ≠ other, elementwise, as `bool`.
    #[doc(alias = "ne")]
    not_equal => Comparison::NotEqual;
    /// Where self < other, elementwise, as `bool`.
    #[doc(alias = "lt")]
    less => Comparison::Less;
    /// Where self ≤ other, elementwise, as `bool`.
    #[doc(alias = "le")]
    less_equal => Comparison::LessEqual;
    /// Where self > other, elementwise, as `bool`.
    #[doc(alias = "gt")]
    greater => Comparison::Greater;
    /// Where self ≥ other, elementwise, as `bool`.
    #[doc(alias = "ge")]
    greater_equal => Comparison::GreaterEqual;
    /// Where both are true, elementwise.
    #[doc(alias = "logical_and")]
    and => Connective::And;
    /// Where either is true, elementwise.
    #[doc(alias = "logical_or")]
    or => Connective::Or;
    /// Where exactly one is true, elementwise.
    #[doc(alias = "logical_xor")]
    xor => Connective::Xor;
}

macro_rules! predicate_methods {
    ($($(#[$doc:meta])* $method:ident => $variant:ident;)*) => {
        impl<'g> Expr<'g> {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $method(self) -> Expr<'g> {
                    let _frame = self.enter(Predicate::$variant.name());
                    self.graph().apply(Op::Predicate(Predicate::$variant), &[self])
                }
            )*
        }
    };
}

predicate_methods! {
    /// Where a truth value is false, elementwise.
    #[doc(alias = "not")]
    logical_not => Not;
    /// Where a float is neither infinite nor NaN, elementwise, as `bool`.
    #[doc(alias = "isfinite")]
    is_finite => IsFinite;
    /// Where a float is NaN, elementwise, as `bool`.
    #[doc(alias = "isnan")]
    is_nan => IsNan;
}
