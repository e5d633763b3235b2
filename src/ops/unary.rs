//! Functions of one number, elementwise: for each its derivative, its kernel and where it is proved.

use std::f64::consts::FRAC_2_SQRT_PI;

use super::{
    real::{Number, Real},
    rule::{Application, Evaluation, Fault, Linearization, Partial, Partials, Rule, expect_number, expect_operands},
    sample::{Sample, listed, reals},
};
use crate::graph::{DType, Dim, Expr, Mistake, Type, Unary, Value};

impl Rule for Unary {
    fn infer(&self, operands: &[Type]) -> Result<Type, Mistake> {
        let [x] = expect_operands(operands)?;
        expect_number(x)?;
        if x.dtype == DType::I64 && !self.is_for_integers() {
            return Err(Mistake::UnsupportedDType { expected: "a float", found: x.dtype });
        }
        Ok(x.clone())
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Partials(self)
    }

    fn evaluate<R: Real>(&self, at: &Evaluation<'_, R>) -> Result<Value<R>, Fault> {
        Ok(match at.operands[0] {
            Value::F32(x) => Value::F32(x.mapv(|x| self.of_real(x))),
            Value::F64(x) => Value::F64(x.mapv(|x| self.of_real(x))),
            Value::I64(x) => Value::I64(x.mapv(|x| self.of_number(x))),
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

impl Unary {
    fn is_for_integers(self) -> bool {
        matches!(self, Unary::Negate | Unary::Abs | Unary::Sign)
    }

    fn of_number<T: Number>(self, x: T) -> T {
        match self {
            Unary::Negate => x.neg(),
            Unary::Abs => x.abs(),
            Unary::Sign => x.sign(),
            _ => unreachable!("invariant: inference refuses integers"),
        }
    }

    /// The function of one number: the kernel of the reference, and of programs of a few numbers.
    pub(crate) fn of_real<T: Real>(self, x: T) -> T {
        match self {
            Unary::Negate | Unary::Abs | Unary::Sign => self.of_number(x),
            Unary::Exp => x.exp(),
            Unary::ExpM1 => x.exp_m1(),
            Unary::Log => x.ln(),
            Unary::Log1p => x.ln_1p(),
            Unary::Sqrt => x.sqrt(),
            Unary::Rsqrt => x.rsqrt(),
            Unary::Tanh => x.tanh(),
            Unary::SechSquared => x.sech_squared(),
            Unary::Sigmoid => x.sigmoid(),
            Unary::Softplus => x.softplus(),
            Unary::Erf => x.erf(),
            Unary::Erfc => x.erfc(),
            Unary::NormalCdf => x.normal_cdf(),
            Unary::NormalPdf => x.normal_pdf(),
            Unary::Relu => x.relu(),
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            Unary::Floor => x.floor(),
            Unary::Ceil => x.ceil(),
            Unary::Round => x.round(),
        }
    }

    /// Where the function is smooth, and the kinks worth a look.
    fn samples_of_one(self) -> Vec<Sample> {
        let (low, high) = match self {
            Unary::Log | Unary::Sqrt | Unary::Rsqrt => (0.3, 3.0),
            Unary::Log1p => (-0.7, 3.0),
            Unary::Floor | Unary::Ceil => (0.1, 0.9),
            Unary::Round => (-0.4, 0.4),
            _ => (-2.0, 2.0),
        };
        let op = || crate::graph::Op::Unary(self);
        let mut samples =
            vec![Sample::smooth(op(), [reals(&[2, 3], low, high)]), Sample::smooth(op(), [reals(&[0, 2], low, high)])];
        let has_kink =
            matches!(self, Unary::Abs | Unary::Sign | Unary::Relu | Unary::Floor | Unary::Ceil | Unary::Round);
        if has_kink {
            samples.push(Sample::kink(op(), [listed(&[3], &[0.0, -0.0, 0.5])]));
        }
        samples
    }
}

/// A partial is written from x wherever y has lost digits that the slope needs: y + 1 of expm1, (1 − y)(1 + y) of tanh and
/// y·(1 − y) of the logistic function are 0 where the slope is not.
impl Partials for Unary {
    fn partial<'g>(&self, _: usize, at: &Application<'g>) -> Partial<'g> {
        let (x, y) = (at.operands[0], at.output);
        match self {
            Unary::Negate => Partial::MinusOne,
            Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round => Partial::Zero,
            Unary::Relu => Partial::Where(x.greater(0.0)),
            Unary::Abs => Partial::Factor(x.sign()),
            Unary::Exp => Partial::Factor(y),
            Unary::ExpM1 => Partial::Factor(x.exp()),
            Unary::Log => Partial::Factor(1.0 / x),
            Unary::Log1p => Partial::Factor(1.0 / (1.0 + x)),
            Unary::Sqrt => Partial::Factor(0.5 / y),
            Unary::Rsqrt => Partial::Factor(-0.5 * y / x),
            Unary::Tanh => Partial::Factor(x.sech_squared()),
            Unary::SechSquared => Partial::Factor(-2.0 * y * x.tanh()),
            Unary::Sigmoid => Partial::Factor(y * (-x).sigmoid()),
            Unary::Softplus => Partial::Factor(x.sigmoid()),
            Unary::Erf => Partial::Factor(FRAC_2_SQRT_PI * (-(x * x)).exp()),
            Unary::Erfc => Partial::Factor(-FRAC_2_SQRT_PI * (-(x * x)).exp()),
            Unary::NormalCdf => Partial::Factor(x.normal_pdf()),
            Unary::NormalPdf => Partial::Factor(-x * y),
            Unary::Sin => Partial::Factor(x.cos()),
            Unary::Cos => Partial::Factor(-x.sin()),
        }
    }
}

macro_rules! unary_methods {
    ($($(#[$doc:meta])* $method:ident => $function:ident;)*) => {
        impl<'g> Expr<'g> {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $method(self) -> Expr<'g> {
                    let _frame = self.enter(Unary::$function.name());
                    self.graph().apply(crate::graph::Op::Unary(Unary::$function), &[self])
                }
            )*
        }
    };
}

unary_methods! {
    /// |x|, elementwise; derivative sign(x), 0 at 0.
    abs => Abs;
    /// −1, 0 or 1 by the sign of x, elementwise; derivative 0 everywhere.
    sign => Sign;
    /// eˣ, elementwise.
    exp => Exp;
    /// eˣ − 1, elementwise, without the cancellation near 0; derivative eˣ.
    expm1 => ExpM1;
    /// Natural logarithm, elementwise: −∞ at 0, NaN below.
    log => Log;
    /// ln(1 + x), elementwise, without the cancellation near 0.
    log1p => Log1p;
    /// √x, elementwise; derivative ½/√x, infinite at 0.
    sqrt => Sqrt;
    /// 1/√x, elementwise.
    rsqrt => Rsqrt;
    /// Hyperbolic tangent, elementwise; derivative sech²x, right where the value has reached ±1.
    tanh => Tanh;
    /// sech²x = 1/cosh²x = 1 − tanh²x, elementwise, without the cancellation far from 0; derivative −2·sech²x·tanh x.
    sech_squared => SechSquared;
    /// Logistic function 1/(1 + e⁻ˣ), elementwise, finite with the right derivative for every finite x.
    sigmoid => Sigmoid;
    /// ln(1 + eˣ), elementwise, finite with the right derivative for every finite x.
    softplus => Softplus;
    /// Error function 2/√π ∫₀ˣ e^(−t²) dt, elementwise.
    erf => Erf;
    /// Complementary error function 1 − erf x, elementwise, without the cancellation for positive x.
    erfc => Erfc;
    /// Standard normal distribution function Φ(x) = ½ erfc(−x/√2), elementwise, without the cancellation for negative x;
    /// derivative [`Expr::normal_pdf`].
    normal_cdf => NormalCdf;
    /// Standard normal density φ(x) = e^(−x²/2)/√(2π), elementwise, with x² held to twice the digits; derivative −x·φ(x).
    normal_pdf => NormalPdf;
    /// max(x, 0), elementwise; derivative 0 at 0; NaN passes through.
    relu => Relu;
    /// Sine of x in radians, elementwise.
    sin => Sin;
    /// Cosine of x in radians, elementwise.
    cos => Cos;
    /// Largest integer not above x, elementwise; derivative 0 everywhere.
    floor => Floor;
    /// Least integer not below x, elementwise; derivative 0 everywhere.
    ceil => Ceil;
    /// Nearest integer, ties to even, elementwise; derivative 0 everywhere.
    round => Round;
    /// −x, elementwise: the method behind the operator.
    negate => Negate;
}
