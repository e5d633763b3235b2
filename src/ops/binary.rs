//! Functions of two numbers, elementwise: what their rows in `functions.rs` say, as a [`Rule`], the methods of `Expr` and
//! its operators.

use ndarray::Zip;

use super::{
    apply::Operand,
    real::{Number, Real},
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, Linearization, OpError,
        Partial::{self, Contest, Factor, MinusOne, One, Zero},
        Partials, Rule, Traits, check_number, check_operands, same_type,
    },
    sample::{Sample, listed, reals},
    special,
};
use crate::{
    functions::{elementwise_functions, if_for_integers},
    graph::{Binary, DType, Dim, Expr, GraphError, Op, Type, Value},
};

/// A function of two floats, and of whatever checks put in their place.
pub(crate) trait BinaryFunction: 'static {
    /// How much longer it takes than an addition, roughly.
    const COST: usize;

    fn value<T: Real>(a: T, b: T) -> T;
}

/// A function of two numbers, integers included.
pub(crate) trait BinaryNumberFunction: BinaryFunction {
    fn value_of_numbers<T: Number>(a: T, b: T) -> T;
}

impl Rule for Binary {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_operands::<2>(operands)?;
        let ty = same_type(operands)?;
        check_number(&ty)?;
        if ty.dtype == DType::I64 && !self.is_for_integers() {
            return Err(GraphError::UnsupportedDType { expected: "a float", found: ty.dtype });
        }
        Ok(ty)
    }

    fn traits(&self) -> Traits {
        Traits { is_commutative: self.is_commutative(), ..Traits::ELEMENTWISE }
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
        Ok(match (context.operands[0], context.operands[1]) {
            (Value::F32(a), Value::F32(b)) => Value::F32(Zip::from(a).and(b).map_collect(|a, b| self.of_reals(*a, *b))),
            (Value::F64(a), Value::F64(b)) => Value::F64(Zip::from(a).and(b).map_collect(|a, b| self.of_reals(*a, *b))),
            (Value::I64(a), Value::I64(b)) => {
                Value::I64(Zip::from(a).and(b).map_collect(|a, b| self.of_integers(*a, *b)))
            }
            _ => unreachable!("invariant: inference refuses other dtypes"),
        })
    }

    fn flops(&self, _: &[Type], output: &Type) -> Dim {
        output.shape.size()
    }

    fn samples() -> Vec<Sample> {
        Binary::ALL.iter().flat_map(|function| function.samples_of_one()).collect()
    }
}

/// What the table says of functions of two numbers.
macro_rules! binary_rules {
    (
        unary { $($unary:tt)* }
        binary { $(
            $(#[$doc:meta])* $function:ident = $name:literal, $method:ident($a:ident: $numbers:ident, $b:ident) -> $y:ident {
                value: $value:expr,
                partials: [$by_a:expr, $by_b:expr $(,)?],
                commutes: $commutes:literal,
                cost: $cost:literal,
                error: $error:literal,
                samples: [$samples_a:expr, $samples_b:expr],
                $(kinks: [$kinks_a:expr, $kinks_b:expr],)?
            }
        )* }
    ) => {
        /// The functions as types, for code that is compiled for each of them.
        pub(crate) mod binary_functions {
            use super::{BinaryFunction, BinaryNumberFunction, Number, Real, if_for_integers, special};

            $(
                pub(crate) struct $function;

                impl BinaryFunction for $function {
                    const COST: usize = $cost;

                    #[inline(always)]
                    fn value<T: Real>($a: T, $b: T) -> T {
                        $value
                    }
                }

                if_for_integers! { $numbers, {
                    impl BinaryNumberFunction for $function {
                        #[inline(always)]
                        fn value_of_numbers<T: Number>($a: T, $b: T) -> T {
                            $value
                        }
                    }
                } else {} }
            )*
        }

        impl Binary {
            /// Whether it is defined on `i64` too.
            pub(crate) fn is_for_integers(self) -> bool {
                match self {
                    $(Binary::$function => if_for_integers!($numbers, { true } else { false }),)*
                }
            }

            fn of_integers(self, a: i64, b: i64) -> i64 {
                match self {
                    $(Binary::$function => if_for_integers!($numbers,
                        { binary_functions::$function::value_of_numbers(a, b) }
                        else { unreachable!("invariant: inference refuses integers") }),)*
                }
            }

            /// The function of two numbers: the kernel of the reference.
            pub(crate) fn of_reals<T: Real>(self, a: T, b: T) -> T {
                match self {
                    $(Binary::$function => binary_functions::$function::value(a, b),)*
                }
            }

            fn is_commutative(self) -> bool {
                match self {
                    $(Binary::$function => $commutes,)*
                }
            }

            /// How much longer it takes than an addition, roughly.
            pub(crate) fn cost(self) -> usize {
                match self {
                    $(Binary::$function => binary_functions::$function::COST,)*
                }
            }

            /// The greatest error of its kernels, in units in the last place.
            pub(crate) fn max_error(self) -> f64 {
                match self {
                    $(Binary::$function => $error,)*
                }
            }

            /// Where the function is smooth, and the kinks worth a look.
            fn samples_of_one(self) -> Vec<Sample> {
                let (smooth, kinks): ([std::ops::Range<f64>; 2], &[[&[f64]; 2]]) = match self {
                    $(Binary::$function => ([$samples_a, $samples_b], &[$([&$kinks_a, &$kinks_b])?]),)*
                };
                let samples_over = |shape: &[usize]| smooth.clone().map(|range| reals(shape, range.start, range.end));
                let mut samples =
                    vec![Sample::smooth(Op::Binary(self), samples_over(&[2, 3])), Sample::smooth(Op::Binary(self), samples_over(&[0]))];
                let at_kinks = |kinks: &[&[f64]; 2]| kinks.map(|kinks| listed(&[kinks.len()], kinks));
                samples.extend(kinks.iter().map(|kinks| Sample::kink(Op::Binary(self), at_kinks(kinks))));
                samples
            }
        }

        impl Partials for Binary {
            fn partial<'g>(&self, operand: usize, application: &Application<'g>) -> Partial<'g> {
                match self {
                    $(Binary::$function => {
                        let ($a, $b, $y) = (application.operands[0], application.operands[1], application.output);
                        let _ = ($a, $b, $y);
                        if operand == 0 { $by_a } else { $by_b }
                    })*
                }
            }
        }

        $(binary_method! { $(#[$doc])* $function = $name, $method })*
    };
}

/// The method of a function that is not written as an operator.
macro_rules! binary_method {
    ($(#[$doc:meta])* $function:ident = $name:literal, operator) => {};
    ($(#[$doc:meta])* $function:ident = $name:literal, $method:ident) => {
        impl<'g> Expr<'g> {
            $(#[$doc])*
            #[track_caller]
            pub fn $method(self, other: impl Operand<'g>) -> Expr<'g> {
                let _frame = self.enter($name);
                self.pairwise(Op::Binary(Binary::$function), other)
            }
        }
    };
}
elementwise_functions!(binary_rules);

/// a^(b−1), given y = aᵇ. Where |b| < 1 it is y/a, because there b − 1 is rounded and ln a multiplies the error; at 0 and ∞
/// that would be 0/0 and ∞/∞, and 1/|a| has the same limit. Elsewhere b − 1 is exact, or is as rough as b.
fn one_power_less<'g>(a: Expr<'g>, b: Expr<'g>, y: Expr<'g>) -> Expr<'g> {
    let is_ordinary = a.not_equal(0.0).and(a.is_finite());
    let quotient = is_ordinary.select(y, 1.0) / is_ordinary.select(a, a.abs());
    b.abs().less(1.0).select(quotient, a.pow(b - 1.0))
}

/// b/(a² + b²) by a, −a/(a² + b²) by b, without squares that over- or underflow: with g the greater of both, r the lesser over
/// the greater, they are 1/g or r/g over 1 + r². Both are 0 at (0, 0), where the angle has no slope.
///
/// After Smith, *Algorithm 116: Complex division*, Comm. ACM 5, 1962.
pub(super) fn slope_of_angle<'g>(operand: usize, a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    let Ordered { is_steep, is_nowhere, greater, ratio } = Ordered::new(a, b);
    let numerator = if operand == 0 { is_steep.select(ratio, 1.0) } else { -is_steep.select(1.0, ratio) };
    is_nowhere.select(0.0, numerator / greater / (1.0 + ratio * ratio))
}

/// a/√(a² + b²) by a, b/√(a² + b²) by b, in the same way: the sign of g, or r times it, over √(1 + r²).
fn slope_of_hypot<'g>(operand: usize, a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    let Ordered { is_steep, is_nowhere, greater, ratio } = Ordered::new(a, b);
    let numerator = if operand == 0 { is_steep.select(1.0, ratio) } else { is_steep.select(ratio, 1.0) };
    is_nowhere.select(0.0, numerator * greater.sign() / (1.0 + ratio * ratio).sqrt())
}

/// ½(k·cₖ₊₂(s) − cₖ₊₁(s)), whose terms cancel where s is large. There it is (cₖ₋₁ − k·cₖ)/(2s), which is the same since
/// cₖ₊₂ = (1/k! − cₖ)/s. The orders are selected, and not the values, of which two would be computed in vain.
fn slope_of_stumpff<'g>(s: Expr<'g>, order: Expr<'g>) -> Expr<'g> {
    let k = order.floor();
    let is_far = k.greater(0.0).and(s.greater(0.5 * (k + 1.0) * (k + 2.0)));
    let greater_order = is_far.select(k, k + 2.0);
    (k * s.stumpff(greater_order) - s.stumpff(greater_order - 1.0)) / is_far.select(-2.0 * s, 2.0)
}

/// Two numbers by their magnitude.
struct Ordered<'g> {
    /// Whether the first is the greater.
    is_steep: Expr<'g>,
    /// Whether both are 0.
    is_nowhere: Expr<'g>,
    /// The greater, 1 where both are 0.
    greater: Expr<'g>,
    /// The lesser over the greater.
    ratio: Expr<'g>,
}

impl<'g> Ordered<'g> {
    fn new(a: Expr<'g>, b: Expr<'g>) -> Ordered<'g> {
        let is_steep = a.abs().greater(b.abs());
        let (greater, lesser) = (is_steep.select(a, b), is_steep.select(b, a));
        let is_nowhere = greater.equal(0.0).and(lesser.equal(0.0));
        let greater = is_nowhere.select(1.0, greater);
        Ordered { is_steep, is_nowhere, greater, ratio: lesser / greater }
    }
}

impl<'g> Expr<'g> {
    /// Applies an elementwise primitive to this and the other side, after broadcasting.
    pub(super) fn pairwise(self, op: Op, other: impl Operand<'g>) -> Expr<'g> {
        let other = other.into_expr(self);
        match self.broadcast_with(other) {
            Ok((left, right)) => self.graph().apply(op, &[left, right]),
            Err(poison) => poison,
        }
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl<'g, B: Operand<'g>> std::ops::$trait<B> for Expr<'g> {
            type Output = Expr<'g>;

            #[track_caller]
            fn $method(self, other: B) -> Expr<'g> {
                let _frame = self.enter(Binary::$trait.name());
                self.pairwise(Op::Binary(Binary::$trait), other)
            }
        }

        // One float and one integer type only, so that the type of a literal on the left is inferred.
        operator!($trait, $method, f64, i64);
    };
    ($trait:ident, $method:ident, $($literal:ty),*) => {$(
        impl<'g> std::ops::$trait<Expr<'g>> for $literal {
            type Output = Expr<'g>;

            #[track_caller]
            fn $method(self, other: Expr<'g>) -> Expr<'g> {
                let _frame = other.enter(Binary::$trait.name());
                self.into_expr(other).pairwise(Op::Binary(Binary::$trait), other)
            }
        }
    )*};
}
operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);
operator!(Rem, rem);

impl<'g> std::ops::Neg for Expr<'g> {
    type Output = Expr<'g>;

    #[track_caller]
    fn neg(self) -> Expr<'g> {
        self.negate()
    }
}
