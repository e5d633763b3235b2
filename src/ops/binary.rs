//! Functions of two numbers, elementwise: for each its derivatives, its kernel and where it is proved.

use ndarray::Zip;

use super::{
    apply::Operand,
    real::{Number, Real},
    rule::{
        Application, Evaluation, Fault, Linearization, Partial, Partials, Rule, expect_number, expect_operands,
        same_type,
    },
    sample::{Sample, listed, reals},
};
use crate::graph::{Binary, DType, Dim, Expr, Mistake, Op, Type, Value};

impl Rule for Binary {
    fn infer(&self, operands: &[Type]) -> Result<Type, Mistake> {
        expect_operands::<2>(operands)?;
        let ty = same_type(operands)?;
        expect_number(&ty)?;
        if ty.dtype == DType::I64 && !self.is_for_integers() {
            return Err(Mistake::UnsupportedDType { expected: "a float", found: ty.dtype });
        }
        Ok(ty)
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Partials(self)
    }

    fn evaluate<R: Real>(&self, at: &Evaluation<'_, R>) -> Result<Value<R>, Fault> {
        Ok(match (at.operands[0], at.operands[1]) {
            (Value::F32(a), Value::F32(b)) => Value::F32(Zip::from(a).and(b).map_collect(|a, b| self.of_reals(*a, *b))),
            (Value::F64(a), Value::F64(b)) => Value::F64(Zip::from(a).and(b).map_collect(|a, b| self.of_reals(*a, *b))),
            (Value::I64(a), Value::I64(b)) => {
                Value::I64(Zip::from(a).and(b).map_collect(|a, b| self.of_numbers(*a, *b)))
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

impl Binary {
    fn is_for_integers(self) -> bool {
        !matches!(self, Binary::Div | Binary::Pow | Binary::Atan2)
    }

    fn of_numbers<T: Number>(self, a: T, b: T) -> T {
        match self {
            Binary::Add => a.add(b),
            Binary::Sub => a.sub(b),
            Binary::Mul => a.mul(b),
            Binary::Maximum => a.maximum(b),
            Binary::Minimum => a.minimum(b),
            Binary::Div | Binary::Pow | Binary::Atan2 => unreachable!("invariant: inference refuses integers"),
        }
    }

    /// The function of two numbers: the kernel of the reference, and of programs of a few numbers.
    pub(crate) fn of_reals<T: Real>(self, a: T, b: T) -> T {
        match self {
            Binary::Div => a.div(b),
            Binary::Pow => a.pow(b),
            Binary::Atan2 => a.atan2(b),
            _ => self.of_numbers(a, b),
        }
    }

    fn samples_of_one(self) -> Vec<Sample> {
        let (low, high) = if self == Binary::Pow { (0.3, 2.0) } else { (-2.0, 2.0) };
        let divisor = || if self == Binary::Div { reals(&[2, 3], 0.4, 2.0) } else { reals(&[2, 3], -1.7, 2.2) };
        let mut samples = vec![
            Sample::smooth(Op::Binary(self), [reals(&[2, 3], low, high), divisor()]),
            Sample::smooth(Op::Binary(self), [reals(&[0], low, high), reals(&[0], low, high)]),
        ];
        if matches!(self, Binary::Maximum | Binary::Minimum | Binary::Pow) {
            let (a, b) = (listed(&[4], &[0.0, -0.0, 2.0, 0.0]), listed(&[4], &[0.0, 0.0, 2.0, 1.5]));
            samples.push(Sample::kink(Op::Binary(self), [a, b]));
        }
        samples
    }
}

impl Partials for Binary {
    fn partial<'g>(&self, operand: usize, at: &Application<'g>) -> Partial<'g> {
        let (a, b, y) = (at.operands[0], at.operands[1], at.output);
        let (own, other) = if operand == 0 { (a, b) } else { (b, a) };
        match (self, operand) {
            (Binary::Add, _) | (Binary::Sub, 0) => Partial::One,
            (Binary::Sub, _) => Partial::MinusOne,
            (Binary::Mul, _) => Partial::Factor(other),
            (Binary::Div, 0) => Partial::Factor(1.0 / b),
            (Binary::Div, _) => Partial::Factor(-y / b),
            (Binary::Maximum, _) => Partial::Contest { wins: own.greater(other), ties: own.equal(other) },
            (Binary::Minimum, _) => Partial::Contest { wins: own.less(other), ties: own.equal(other) },
            // b·a^(b−1) is 0·∞ only where both are 0.
            (Binary::Pow, 0) => {
                Partial::Factor(a.equal(0.0).and(b.equal(0.0)).select(0.0, b * one_power_less(a, b, y)))
            }
            // y·ln a is 0·(−∞) where a is 0 and b positive.
            (Binary::Pow, _) => Partial::Factor(a.equal(0.0).and(b.greater(0.0)).select(0.0, y * a.log())),
            (Binary::Atan2, _) => Partial::Factor(slope_of_angle(operand, a, b)),
        }
    }
}

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
fn slope_of_angle<'g>(operand: usize, a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    let is_steep = a.abs().greater(b.abs());
    let (greater, lesser) = (is_steep.select(a, b), is_steep.select(b, a));
    let is_nowhere = greater.equal(0.0).and(lesser.equal(0.0));
    let greater = is_nowhere.select(1.0, greater);
    let ratio = lesser / greater;
    let numerator = if operand == 0 { is_steep.select(ratio, 1.0) } else { -is_steep.select(1.0, ratio) };
    is_nowhere.select(0.0, numerator / greater / (1.0 + ratio * ratio))
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

macro_rules! binary_methods {
    ($($(#[$doc:meta])* $method:ident => $function:ident;)*) => {
        impl<'g> Expr<'g> {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $method(self, other: impl Operand<'g>) -> Expr<'g> {
                    let _frame = self.enter(Binary::$function.name());
                    self.pairwise(Op::Binary(Binary::$function), other)
                }
            )*
        }
    };
}

binary_methods! {
    /// The greater of both, elementwise; NaN if either is; where equal, each side has derivative ½.
    maximum => Maximum;
    /// The lesser of both, elementwise; NaN if either is; where equal, each side has derivative ½.
    minimum => Minimum;
    /// selfᵇ, elementwise. The derivative with respect to the base is b·a^(b−1), 0 where both are 0; with respect to
    /// the exponent y·ln a, 0 where the base is 0 and the exponent positive. For an integer known beforehand use
    /// [`Expr::powi`], which takes negative bases too.
    pow => Pow;
    /// The angle in radians of the point (`other`, `self`), in [−π, π], elementwise. At (0, 0), where it has no derivative,
    /// both slopes are 0.
    atan2 => Atan2;
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

impl<'g> std::ops::Neg for Expr<'g> {
    type Output = Expr<'g>;

    #[track_caller]
    fn neg(self) -> Expr<'g> {
        self.negate()
    }
}
