//! Functions of one number, elementwise: what their rows in `functions.rs` say, as a [`Rule`], and the methods of `Expr`.

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LOG2_E, LOG10_E};

use super::{
    apply::Operand,
    binary::slope_of_angle,
    real::{Number, Real},
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, Linearization, OpError,
        Partial::{self, Factor, MinusOne, Where, Zero},
        Partials, Rule, Traits, check_number, check_operands,
    },
    sample::{Sample, listed, reals},
    special,
};
use crate::{
    functions::{elementwise_functions, if_for_integers},
    graph::{DType, Dim, Expr, GraphError, Op, Type, Unary, Value},
};

/// A function of one float, and of whatever checks put in its place.
pub(crate) trait UnaryFunction: 'static {
    /// How much longer it takes than an addition, roughly.
    const COST: usize;

    fn value<T: Real>(x: T) -> T;
}

/// A function of one number, integers included.
pub(crate) trait UnaryNumberFunction: UnaryFunction {
    fn value_of_number<T: Number>(x: T) -> T;
}

impl Rule for Unary {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        check_number(x)?;
        if x.dtype == DType::I64 && !self.is_for_integers() {
            return Err(GraphError::UnsupportedDType { expected: "a float", found: x.dtype });
        }
        Ok(x.clone())
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
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(x.mapv(|x| self.of_real(x))),
            Value::F64(x) => Value::F64(x.mapv(|x| self.of_real(x))),
            Value::I64(x) => Value::I64(x.mapv(|x| self.of_integer(x))),
            Value::Bool(_) => unreachable!("invariant: inference refuses truth values"),
        })
    }

    fn flops(&self, _: &[Type], output: &Type) -> Dim {
        output.shape.size()
    }

    fn samples() -> Vec<Sample> {
        Unary::ALL.iter().flat_map(|function| function.samples_of_one()).collect()
    }
}

/// What the table says of functions of one number.
macro_rules! unary_rules {
    (
        unary { $(
            $(#[$doc:meta])* $function:ident = $name:literal, $method:ident($x:ident: $numbers:ident) -> $y:ident {
                value: $value:expr,
                partial: $partial:expr,
                cost: $cost:literal,
                error: $error:literal,
                samples: $samples:expr,
                $(kinks: [$($kink:expr),*],)?
                $(scalar: $scalar:expr,)?
            }
        )* }
        binary { $($binary:tt)* }
    ) => {
        /// The functions as types, for code that is compiled for each of them.
        pub(crate) mod unary_functions {
            use super::{Number, Real, UnaryFunction, UnaryNumberFunction, if_for_integers, special};

            $(
                pub(crate) struct $function;

                impl UnaryFunction for $function {
                    const COST: usize = $cost;

                    #[inline(always)]
                    fn value<T: Real>($x: T) -> T {
                        $value
                    }
                }

                if_for_integers! { $numbers, {
                    impl UnaryNumberFunction for $function {
                        #[inline(always)]
                        fn value_of_number<T: Number>($x: T) -> T {
                            $value
                        }
                    }
                } else {} }
            )*
        }

        impl Unary {
            /// Whether it is defined on `i64` too.
            pub(crate) fn is_for_integers(self) -> bool {
                match self {
                    $(Unary::$function => if_for_integers!($numbers, { true } else { false }),)*
                }
            }

            fn of_integer(self, x: i64) -> i64 {
                match self {
                    $(Unary::$function => if_for_integers!($numbers,
                        { unary_functions::$function::value_of_number(x) }
                        else { unreachable!("invariant: inference refuses integers") }),)*
                }
            }

            /// The function of one number: the kernel of the reference.
            pub(crate) fn of_real<T: Real>(self, x: T) -> T {
                match self {
                    $(Unary::$function => unary_functions::$function::value(x),)*
                }
            }

            /// How much longer it takes than an addition, roughly.
            pub(crate) fn cost(self) -> usize {
                match self {
                    $(Unary::$function => unary_functions::$function::COST,)*
                }
            }

            /// The greatest error of its kernels, in units in the last place.
            pub(crate) fn max_error(self) -> f64 {
                match self {
                    $(Unary::$function => $error,)*
                }
            }

            /// Where the function is smooth, and the kinks worth a look.
            fn samples_of_one(self) -> Vec<Sample> {
                let (smooth, kinks): (std::ops::Range<f64>, &[f64]) = match self {
                    $(Unary::$function => ($samples, &[$($($kink),*)?]),)*
                };
                let samples_over = |shape: &[usize]| [reals(shape, smooth.start, smooth.end)];
                let mut samples =
                    vec![Sample::smooth(Op::Unary(self), samples_over(&[2, 3])), Sample::smooth(Op::Unary(self), samples_over(&[0, 2]))];
                if !kinks.is_empty() {
                    samples.push(Sample::kink(Op::Unary(self), [listed(&[kinks.len()], kinks)]));
                }
                samples
            }
        }

        /// A partial is written from x wherever y has lost digits that the slope needs: y + 1 of expm1, (1 − y)(1 + y) of
        /// tanh and y·(1 − y) of the logistic function are 0 where the slope is not.
        impl Partials for Unary {
            fn partial<'g>(&self, _: usize, application: &Application<'g>) -> Partial<'g> {
                match self {
                    $(Unary::$function => {
                        let ($x, $y) = (application.operands[0], application.output);
                        let _ = ($x, $y);
                        $partial
                    })*
                }
            }
        }

        impl<'g> Expr<'g> {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $method(self) -> Expr<'g> {
                    let _frame = self.enter($name);
                    self.graph().apply(Op::Unary(Unary::$function), &[self])
                }
            )*
        }
    };
}
elementwise_functions!(unary_rules);
