//! Elementwise functions as Rust. In: a [`Function`] and its dtype. Out: how a call of it is written, and which functions of the
//! trait `Math` and which helpers that takes.

use crate::{
    graph::{Binary, Comparison, Connective, DType, Predicate, Unary},
    plan::Function,
};

/// How a function of operands `{0}`, `{1}`, `{2}` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FunctionForm {
    /// An operator between two operands, which binds as tightly as a sum, a product or a comparison.
    Operator(&'static str, Binding),
    /// An operator before the operand.
    Prefix(&'static str),
    /// A function of `core`, called on the first operand.
    Method(&'static str),
    /// A function of the trait `Math`.
    Math(&'static str),
    /// A function of [`HELPERS`].
    Helper(&'static str),
    /// A product of the operand with itself, so often.
    Power(i64),
    /// One of two operands, by the first.
    Select,
    /// The same number in another type.
    Cast(DType),
    /// `{0} * {1} + {2}`.
    MultiplyAdd,
    /// It cannot be written.
    None,
}

/// How tightly an expression holds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Binding {
    /// `if … { … } else { … }`.
    Open,
    Comparison,
    Sum,
    Product,
    Cast,
    Prefix,
    /// Names, numbers, calls.
    Atom,
}

/// A function that generated code brings along where it is called. In the text `T` is the float type, `S` the suffix that the
/// functions of `Math` have for it, and `M` the trait.
#[derive(Debug)]
pub(super) struct Helper {
    pub(super) name: &'static str,
    /// Functions of `Math` that it calls; none if it is not generic.
    pub(super) math: &'static [&'static str],
    /// Other helpers that it calls.
    pub(super) helpers: &'static [&'static str],
    /// Whether that of `f32` is that of `f64`, rounded.
    pub(super) is_by_f64: bool,
    pub(super) text: &'static str,
}

impl Function {
    /// How it is written for operands of this dtype.
    pub(super) fn form(self, dtype: DType) -> FunctionForm {
        match self {
            Function::Unary(function) if dtype == DType::I64 => integer_unary(function),
            Function::Binary(function) if dtype == DType::I64 => integer_binary(function),
            Function::Unary(function) => float_unary(function),
            Function::Binary(function) => float_binary(function),
            Function::Comparison(comparison) => FunctionForm::Operator(
                match comparison {
                    Comparison::Equal => "==",
                    Comparison::NotEqual => "!=",
                    Comparison::Less => "<",
                    Comparison::LessEqual => "<=",
                    Comparison::Greater => ">",
                    Comparison::GreaterEqual => ">=",
                },
                Binding::Comparison,
            ),
            // Without short circuits, so that nothing branches.
            Function::Connective(connective) => FunctionForm::Operator(
                match connective {
                    Connective::And => "&",
                    Connective::Or => "|",
                    Connective::Xor => "^",
                },
                Binding::Comparison,
            ),
            Function::Predicate(Predicate::Not) => FunctionForm::Prefix("!"),
            Function::Predicate(Predicate::IsFinite) => FunctionForm::Method("is_finite"),
            Function::Predicate(Predicate::IsNan) => FunctionForm::Method("is_nan"),
            Function::IntegerPower(exponent) => FunctionForm::Power(exponent),
            Function::Select => FunctionForm::Select,
            Function::Cast(to) => FunctionForm::Cast(to),
            Function::MultiplyAdd => FunctionForm::MultiplyAdd,
            Function::SigmoidOfNegated => FunctionForm::Helper("sigmoid_of_negated"),
        }
    }
}

fn integer_unary(function: Unary) -> FunctionForm {
    match function {
        Unary::Negate => FunctionForm::Method("wrapping_neg"),
        Unary::Abs => FunctionForm::Method("wrapping_abs"),
        Unary::Sign => FunctionForm::Method("signum"),
        other => unreachable!("invariant: `{}` is not of integers", other.name()),
    }
}

fn integer_binary(function: Binary) -> FunctionForm {
    match function {
        Binary::Add => FunctionForm::Method("wrapping_add"),
        Binary::Sub => FunctionForm::Method("wrapping_sub"),
        Binary::Mul => FunctionForm::Method("wrapping_mul"),
        Binary::Div => FunctionForm::Helper("quotient"),
        Binary::Rem => FunctionForm::Helper("remainder"),
        Binary::Maximum => FunctionForm::Method("max"),
        Binary::Minimum => FunctionForm::Method("min"),
        Binary::Pow | Binary::Atan2 | Binary::Hypot | Binary::Polygamma | Binary::Stumpff => {
            unreachable!("invariant: `{}` is not of integers", function.name())
        }
    }
}

fn float_unary(function: Unary) -> FunctionForm {
    match function {
        Unary::Negate => FunctionForm::Prefix("-"),
        Unary::Abs => FunctionForm::Method("abs"),
        Unary::Sign => FunctionForm::Helper("sign"),
        Unary::Exp => FunctionForm::Math("exp"),
        Unary::ExpM1 => FunctionForm::Math("expm1"),
        Unary::Log => FunctionForm::Math("log"),
        Unary::Log1p => FunctionForm::Math("log1p"),
        Unary::Sqrt => FunctionForm::Math("sqrt"),
        Unary::Rsqrt => FunctionForm::Helper("rsqrt"),
        Unary::Tanh => FunctionForm::Math("tanh"),
        Unary::SechSquared => FunctionForm::Helper("sech_squared"),
        Unary::Sigmoid => FunctionForm::Helper("sigmoid"),
        Unary::Softplus => FunctionForm::Helper("softplus"),
        Unary::Erf => FunctionForm::Math("erf"),
        Unary::Erfc => FunctionForm::Math("erfc"),
        Unary::NormalCdf => FunctionForm::Helper("normal_cdf"),
        Unary::NormalPdf => FunctionForm::Helper("normal_pdf"),
        Unary::Relu => FunctionForm::Helper("relu"),
        Unary::Sin => FunctionForm::Math("sin"),
        Unary::Cos => FunctionForm::Math("cos"),
        Unary::Floor => FunctionForm::Math("floor"),
        Unary::Ceil => FunctionForm::Math("ceil"),
        Unary::Round => FunctionForm::Math("rint"),
        Unary::Tan => FunctionForm::Math("tan"),
        Unary::Asin => FunctionForm::Math("asin"),
        Unary::Acos => FunctionForm::Math("acos"),
        Unary::Atan => FunctionForm::Math("atan"),
        Unary::Sinh => FunctionForm::Math("sinh"),
        Unary::Cosh => FunctionForm::Math("cosh"),
        Unary::Asinh => FunctionForm::Math("asinh"),
        Unary::Acosh => FunctionForm::Math("acosh"),
        Unary::Atanh => FunctionForm::Math("atanh"),
        Unary::Log2 => FunctionForm::Math("log2"),
        Unary::Exp2 => FunctionForm::Math("exp2"),
        Unary::Log10 => FunctionForm::Math("log10"),
        Unary::Cbrt => FunctionForm::Math("cbrt"),
        Unary::LogGamma => FunctionForm::Math("lgamma"),
        Unary::ErfInv => FunctionForm::None,
    }
}

fn float_binary(function: Binary) -> FunctionForm {
    match function {
        Binary::Add => FunctionForm::Operator("+", Binding::Sum),
        Binary::Sub => FunctionForm::Operator("-", Binding::Sum),
        Binary::Mul => FunctionForm::Operator("*", Binding::Product),
        Binary::Div => FunctionForm::Operator("/", Binding::Product),
        Binary::Maximum => FunctionForm::Helper("maximum"),
        Binary::Minimum => FunctionForm::Helper("minimum"),
        Binary::Pow => FunctionForm::Math("pow"),
        Binary::Atan2 => FunctionForm::Math("atan2"),
        Binary::Hypot => FunctionForm::Math("hypot"),
        Binary::Rem => FunctionForm::Math("fmod"),
        Binary::Polygamma | Binary::Stumpff => FunctionForm::None,
    }
}

/// One function of the trait `Math`: its name as in C, how many operands it has, and the method of Rust's floats that it is, if
/// they have it.
#[derive(Debug)]
pub(super) struct MathFunction {
    pub(super) name: &'static str,
    pub(super) n_operands: usize,
    pub(super) method: Option<&'static str>,
    pub(super) meaning: &'static str,
}

macro_rules! math {
    ($($name:literal($n:literal) = $method:expr, $meaning:literal;)*) => {
        &[$(MathFunction { name: $name, n_operands: $n, method: $method, meaning: $meaning }),*]
    };
}

/// All of them.
pub(super) const MATH: &[MathFunction] = math! {
    "sqrt"(1) = Some("sqrt"), "√x, rounded once.";
    "exp"(1) = Some("exp"), "eˣ.";
    "exp2"(1) = Some("exp2"), "2ˣ.";
    "expm1"(1) = Some("exp_m1"), "eˣ − 1.";
    "log"(1) = Some("ln"), "The natural logarithm.";
    "log1p"(1) = Some("ln_1p"), "ln(1 + x).";
    "log2"(1) = Some("log2"), "The logarithm to the base 2.";
    "log10"(1) = Some("log10"), "The logarithm to the base 10.";
    "cbrt"(1) = Some("cbrt"), "The cube root.";
    "sin"(1) = Some("sin"), "The sine of x in radians.";
    "cos"(1) = Some("cos"), "The cosine of x in radians.";
    "tan"(1) = Some("tan"), "The tangent of x in radians.";
    "asin"(1) = Some("asin"), "The arcsine in radians.";
    "acos"(1) = Some("acos"), "The arccosine in radians.";
    "atan"(1) = Some("atan"), "The arctangent in radians.";
    "sinh"(1) = Some("sinh"), "The hyperbolic sine.";
    "cosh"(1) = Some("cosh"), "The hyperbolic cosine.";
    "tanh"(1) = Some("tanh"), "The hyperbolic tangent.";
    "asinh"(1) = Some("asinh"), "The inverse hyperbolic sine.";
    "acosh"(1) = Some("acosh"), "The inverse hyperbolic cosine.";
    "atanh"(1) = Some("atanh"), "The inverse hyperbolic tangent.";
    "erf"(1) = None, "The error function.";
    "erfc"(1) = None, "The complementary error function.";
    "lgamma"(1) = None, "ln|Γ(x)|.";
    "floor"(1) = Some("floor"), "The largest integer not above x.";
    "ceil"(1) = Some("ceil"), "The least integer not below x.";
    "rint"(1) = Some("round_ties_even"), "The nearest integer, ties to even.";
    "pow"(2) = Some("powf"), "xʸ.";
    "atan2"(2) = Some("atan2"), "The angle in radians of the point (y, x).";
    "hypot"(2) = Some("hypot"), "√(x² + y²).";
    "fma"(3) = Some("mul_add"), "x·y + z, rounded once.";
    "fmod"(2) = None, "The remainder of x / y, with the sign of x: `x % y`.";
};

/// The helpers; they compute what the functions of the library's table say (`functions.rs`), for NaN, infinities and zeros too.
pub(super) const HELPERS: &[Helper] = &[
    Helper {
        name: "quotient",
        math: &[],
        helpers: &[],
        is_by_f64: false,
        text: "/// The quotient without its fraction; −1 by 0.
fn quotient(a: i64, b: i64) -> i64 {
    if b == 0 { -1 } else { a.wrapping_div(b) }
}
",
    },
    Helper {
        name: "remainder",
        math: &[],
        helpers: &[],
        is_by_f64: false,
        text: "/// The remainder with the sign of `a`; `a` by 0.
fn remainder(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { a.wrapping_rem(b) }
}
",
    },
    Helper {
        name: "sign",
        math: &[],
        helpers: &[],
        is_by_f64: false,
        text: "/// −1, 0 or 1 by the sign; NaN stays NaN.
#[inline(always)]
fn signS(x: T) -> T {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}
",
    },
    Helper {
        name: "maximum",
        math: &[],
        helpers: &[],
        is_by_f64: false,
        text: "/// The greater of both; NaN if either is.
#[inline(always)]
fn maximumS(a: T, b: T) -> T {
    if a > b || a.is_nan() { a } else { b }
}
",
    },
    Helper {
        name: "minimum",
        math: &[],
        helpers: &[],
        is_by_f64: false,
        text: "/// The lesser of both; NaN if either is.
#[inline(always)]
fn minimumS(a: T, b: T) -> T {
    if a < b || a.is_nan() { a } else { b }
}
",
    },
    Helper {
        name: "relu",
        math: &[],
        helpers: &[],
        is_by_f64: false,
        text: "/// max(x, 0); NaN stays NaN.
#[inline(always)]
fn reluS(x: T) -> T {
    if x <= 0.0 { 0.0 } else { x }
}
",
    },
    Helper {
        name: "rsqrt",
        math: &["sqrt"],
        helpers: &[],
        is_by_f64: false,
        text: "/// 1/√x.
#[inline(always)]
fn rsqrtS<M: Math>(x: T) -> T {
    1.0 / M::sqrtS(x)
}
",
    },
    Helper {
        name: "sigmoid",
        math: &["exp"],
        helpers: &[],
        is_by_f64: false,
        text: "/// 1/(1 + e⁻ˣ), by the exponential of −|x|.
fn sigmoidS<M: Math>(x: T) -> T {
    if x >= 0.0 {
        1.0 / (1.0 + M::expS(-x))
    } else {
        let e = M::expS(x);
        e / (1.0 + e)
    }
}
",
    },
    Helper {
        name: "sigmoid_of_negated",
        math: &[],
        helpers: &["sigmoid"],
        is_by_f64: false,
        text: "/// 1/(1 + eˣ), of x and its logistic function.
#[inline(always)]
fn sigmoid_of_negatedS<M: Math>(x: T, _: T) -> T {
    sigmoidS::<M>(-x)
}
",
    },
    Helper {
        name: "softplus",
        math: &["exp", "log1p"],
        helpers: &["maximum"],
        is_by_f64: false,
        text: "/// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|).
fn softplusS<M: Math>(x: T) -> T {
    maximumS(x, 0.0) + M::log1pS(M::expS(-x.abs()))
}
",
    },
    Helper {
        name: "sech_squared",
        math: &["exp"],
        helpers: &[],
        is_by_f64: false,
        text: "/// 1/cosh²x = 4e/(1 + e)² with e = e^(−2|x|).
fn sech_squaredS<M: Math>(x: T) -> T {
    let e = M::expS(-2.0 * x.abs());
    let sum = 1.0 + e;
    4.0 * e / (sum * sum)
}
",
    },
    Helper {
        name: "lost",
        math: &[],
        helpers: &[],
        is_by_f64: false,
        text: "/// What the product of two numbers loses when it is rounded: Dekker, A floating-point technique for extending the available
/// precision (1971).
#[inline(always)]
fn lost(a: f64, b: f64) -> f64 {
    let high = |x: f64| {
        let scaled = 134_217_729.0 * x;
        scaled - (scaled - x)
    };
    let (a1, b1) = (high(a), high(b));
    let (a2, b2) = (a - a1, b - b1);
    a2 * b2 - (((a * b - a1 * b1) - a2 * b1) - a1 * b2)
}
",
    },
    Helper {
        name: "tanh_and_slope",
        math: &["exp", "expm1"],
        helpers: &[],
        is_by_f64: false,
        text: "/// tanh x and 1/cosh²x, of e = e^(−2|x|): (1 − e)/(1 + e) and 4e/(1 + e)², near 0 by e − 1.
fn tanh_and_slopeS<M: Math>(x: T) -> (T, T) {
    let (difference, e) = if x.abs() > 0.3 {
        let e = M::expS(-2.0 * x.abs());
        (e - 1.0, e)
    } else {
        let difference = M::expm1S(-2.0 * x.abs());
        (difference, 1.0 + difference)
    };
    let sum = 1.0 + e;
    let tanh = -difference / sum;
    (if x < 0.0 { -tanh } else { tanh }, 4.0 * e / (sum * sum))
}
",
    },
    Helper {
        name: "normal_cdf",
        math: &["exp", "erfc"],
        helpers: &["lost"],
        is_by_f64: true,
        text: "/// ½ erfc(z) with z = −x/√2, and to first order what the roundings of z and √2 lost.
fn normal_cdf<M: Math>(x: f64) -> f64 {
    if x > 40.0 {
        return 1.0;
    }
    if x < -40.0 {
        return 0.0;
    }
    let root = core::f64::consts::FRAC_1_SQRT_2;
    let z = -x * root;
    let rest = lost(-x, root) + x * 4.833_646_656_726_457e-17;
    0.5 * (M::erfc(z) - core::f64::consts::FRAC_2_SQRT_PI * rest * M::exp(-z * z))
}
",
    },
    Helper {
        name: "normal_pdf",
        math: &["exp"],
        helpers: &["lost"],
        is_by_f64: true,
        text: "/// e^(−x²/2)/√(2π), with what the rounding of x² lost, to first order.
fn normal_pdf<M: Math>(x: f64) -> f64 {
    if !(-40.0..=40.0).contains(&x) {
        return if x.is_nan() { x } else { 0.0 };
    }
    let e = M::exp(-0.5 * (x * x));
    0.398_942_280_401_432_7 * (e - e * (0.5 * lost(x, x)))
}
",
    },
];
