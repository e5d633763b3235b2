//! The elementwise functions of one and of two numbers: one row each, and everything that the library asks of them.
//!
//! The table is a macro, so that each stage takes from a row what it needs: `graph/` the name, `ops/` the value, the partial,
//! the samples and the method of `Expr`, `plan/` the cost, `runtime/` the kernels. A row is
//!
//! ```text
//! /// What the method of `Expr` says: formula, convention, derivative where it has one.
//! Variant = "name in the text form", method(operand: Number or Real) -> y {
//!     value: over any `Number`, i64 included, or any `Real`,
//!     partial: ∂y/∂operand as a `Partial` (`partials`, one for each of two operands),
//!     commutes: whether two operands may come in either order and give the same bits,
//!     cost: how much longer it takes than an addition, roughly,
//!     error: the greatest error of its kernels in units in the last place,
//!     samples: where it is smooth and is proved,
//!     kinks: where modes are compared and differences are not,
//!     scalar: where kernels for vectors leave an element to the reference,
//! }
//! ```
//!
//! the last two left out where there is nothing to say. A method called `operator` is written as one (`ops/binary.rs`).

/// Calls `$consumer! { unary { rows } binary { rows } }`.
macro_rules! elementwise_functions {
    ($consumer:ident) => {
        $consumer! {
            unary {
                /// −x, elementwise: the method behind the operator.
                #[doc(alias = "neg")]
                Negate = "neg", negate(x: Number) -> y {
                    value: x.neg(),
                    partial: MinusOne,
                    cost: 1,
                    error: 0.0,
                    samples: -2.0..2.0,
                }
                /// |x|, elementwise; derivative sign(x), 0 at 0.
                #[doc(alias("absolute", "fabs"))]
                Abs = "abs", abs(x: Number) -> y {
                    value: x.abs(),
                    partial: Factor(x.sign()),
                    cost: 1,
                    error: 0.0,
                    samples: -2.0..2.0,
                    kinks: [0.0, -0.0, 0.5],
                }
                /// −1, 0 or 1 by the sign of x, elementwise; NaN stays NaN; derivative 0 everywhere.
                #[doc(alias("signum", "sgn"))]
                Sign = "sign", sign(x: Number) -> y {
                    value: x.sign(),
                    partial: Zero,
                    cost: 1,
                    error: 0.0,
                    samples: -2.0..2.0,
                    kinks: [0.0, -0.0, 0.5],
                }
                /// eˣ, elementwise.
                Exp = "exp", exp(x: Real) -> y {
                    value: x.exp(),
                    partial: Factor(y),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// eˣ − 1, elementwise, without the cancellation near 0; derivative eˣ.
                #[doc(alias = "exp_m1")]
                ExpM1 = "expm1", expm1(x: Real) -> y {
                    value: x.exp_m1(),
                    partial: Factor(x.exp()),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// Natural logarithm, elementwise: −∞ at 0, NaN below.
                #[doc(alias = "ln")]
                Log = "log", log(x: Real) -> y {
                    value: x.ln(),
                    partial: Factor(1.0 / x),
                    cost: 8,
                    error: 2.0,
                    samples: 0.3..3.0,
                }
                /// ln(1 + x), elementwise, without the cancellation near 0.
                #[doc(alias = "ln_1p")]
                Log1p = "log1p", log1p(x: Real) -> y {
                    value: x.ln_1p(),
                    partial: Factor(1.0 / (1.0 + x)),
                    cost: 8,
                    error: 2.0,
                    samples: -0.7..3.0,
                }
                /// √x, elementwise; derivative ½/√x, infinite at 0.
                Sqrt = "sqrt", sqrt(x: Real) -> y {
                    value: x.sqrt(),
                    partial: Factor(0.5 / y),
                    cost: 4,
                    error: 0.5,
                    samples: 0.3..3.0,
                }
                /// 1/√x, elementwise.
                Rsqrt = "rsqrt", rsqrt(x: Real) -> y {
                    value: T::ONE.div(x.sqrt()),
                    partial: Factor(-0.5 * y / x),
                    cost: 4,
                    error: 2.0,
                    samples: 0.3..3.0,
                }
                /// Hyperbolic tangent, elementwise; derivative sech²x, right where the value has reached ±1.
                Tanh = "tanh", tanh(x: Real) -> y {
                    value: x.tanh(),
                    partial: Factor(x.sech_squared()),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// sech²x = 1/cosh²x = 1 − tanh²x, elementwise, without the cancellation far from 0; derivative
                /// −2·sech²x·tanh x.
                SechSquared = "sech_squared", sech_squared(x: Real) -> y {
                    value: x.sech_squared(),
                    partial: Factor(-2.0 * y * x.tanh()),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// Logistic function 1/(1 + e⁻ˣ), elementwise, finite with the right derivative for every finite x.
                #[doc(alias("logistic", "expit"))]
                Sigmoid = "sigmoid", sigmoid(x: Real) -> y {
                    value: x.sigmoid(),
                    partial: Factor(y * (-x).sigmoid()),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// ln(1 + eˣ), elementwise, finite with the right derivative for every finite x.
                Softplus = "softplus", softplus(x: Real) -> y {
                    value: x.softplus(),
                    partial: Factor(x.sigmoid()),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// Error function 2/√π ∫₀ˣ e^(−t²) dt, elementwise.
                Erf = "erf", erf(x: Real) -> y {
                    value: x.erf(),
                    partial: Factor(FRAC_2_SQRT_PI * (-(x * x)).exp()),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// Complementary error function 1 − erf x, elementwise, without the cancellation for positive x.
                Erfc = "erfc", erfc(x: Real) -> y {
                    value: x.erfc(),
                    partial: Factor(-FRAC_2_SQRT_PI * (-(x * x)).exp()),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// Standard normal distribution function Φ(x) = ½ erfc(−x/√2), elementwise, without the cancellation for
                /// negative x; derivative [`Expr::normal_pdf`](crate::Expr::normal_pdf).
                #[doc(alias = "ndtr")]
                NormalCdf = "normal_cdf", normal_cdf(x: Real) -> y {
                    value: x.normal_cdf(),
                    partial: Factor(x.normal_pdf()),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// Standard normal density φ(x) = e^(−x²/2)/√(2π), elementwise, with x² held to twice the digits;
                /// derivative −x·φ(x).
                NormalPdf = "normal_pdf", normal_pdf(x: Real) -> y {
                    value: x.normal_pdf(),
                    partial: Factor(-x * y),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// max(x, 0), elementwise; derivative 0 at 0; NaN passes through.
                Relu = "relu", relu(x: Real) -> y {
                    value: if x <= T::ZERO { T::ZERO } else { x },
                    partial: Where(x.greater(0.0)),
                    cost: 1,
                    error: 0.0,
                    samples: -2.0..2.0,
                    kinks: [0.0, -0.0, 0.5],
                }
                /// Sine of x in radians, elementwise.
                Sin = "sin", sin(x: Real) -> y {
                    value: x.sin(),
                    partial: Factor(x.cos()),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                    scalar: x.is_huge_angle(),
                }
                /// Cosine of x in radians, elementwise.
                Cos = "cos", cos(x: Real) -> y {
                    value: x.cos(),
                    partial: Factor(-x.sin()),
                    cost: 8,
                    error: 2.0,
                    samples: -2.0..2.0,
                    scalar: x.is_huge_angle(),
                }
                /// Largest integer not above x, elementwise; derivative 0 everywhere.
                Floor = "floor", floor(x: Real) -> y {
                    value: x.floor(),
                    partial: Zero,
                    cost: 1,
                    error: 0.0,
                    samples: 0.1..0.9,
                    kinks: [0.0, -0.0, 0.5],
                }
                /// Least integer not below x, elementwise; derivative 0 everywhere.
                Ceil = "ceil", ceil(x: Real) -> y {
                    value: x.ceil(),
                    partial: Zero,
                    cost: 1,
                    error: 0.0,
                    samples: 0.1..0.9,
                    kinks: [0.0, -0.0, 0.5],
                }
                /// Nearest integer, ties to even, elementwise; derivative 0 everywhere.
                #[doc(alias = "rint")]
                Round = "round", round(x: Real) -> y {
                    value: x.round(),
                    partial: Zero,
                    cost: 1,
                    error: 0.0,
                    samples: -0.4..0.4,
                    kinks: [0.0, -0.0, 0.5],
                }
                /// Tangent of x in radians, elementwise; derivative 1 + tan²x.
                Tan = "tan", tan(x: Real) -> y {
                    value: T::call(special::Tan, [x]),
                    partial: Factor(1.0 + y * y),
                    cost: 30,
                    error: 2.0,
                    samples: -1.2..1.2,
                }
                /// Arcsine in radians, in [−π/2, π/2], elementwise; NaN outside of [−1, 1]; derivative 1/√(1 − x²).
                #[doc(alias = "arcsin")]
                Asin = "asin", asin(x: Real) -> y {
                    value: T::call(special::Asin, [x]),
                    partial: Factor((1.0 - x * x).rsqrt()),
                    cost: 30,
                    error: 2.0,
                    samples: -0.8..0.8,
                }
                /// Arccosine in radians, in [0, π], elementwise; NaN outside of [−1, 1]; derivative −1/√(1 − x²).
                #[doc(alias = "arccos")]
                Acos = "acos", acos(x: Real) -> y {
                    value: T::call(special::Acos, [x]),
                    partial: Factor(-(1.0 - x * x).rsqrt()),
                    cost: 30,
                    error: 2.0,
                    samples: -0.8..0.8,
                }
                /// Arctangent in radians, in [−π/2, π/2], elementwise; derivative 1/(1 + x²), without a square that overflows.
                #[doc(alias = "arctan")]
                Atan = "atan", atan(x: Real) -> y {
                    value: x.atan2(T::ONE),
                    partial: Factor(slope_of_angle(0, x, 1.0.into_expr(x))),
                    cost: 30,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// Hyperbolic sine, elementwise.
                Sinh = "sinh", sinh(x: Real) -> y {
                    value: T::call(special::Sinh, [x]),
                    partial: Factor(x.cosh()),
                    cost: 30,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// Hyperbolic cosine, elementwise.
                Cosh = "cosh", cosh(x: Real) -> y {
                    value: T::call(special::Cosh, [x]),
                    partial: Factor(x.sinh()),
                    cost: 30,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// Inverse hyperbolic sine, elementwise; derivative 1/√(1 + x²), without a square that overflows.
                Asinh = "asinh", asinh(x: Real) -> y {
                    value: T::call(special::Asinh, [x]),
                    partial: Factor(1.0 / x.hypot(1.0)),
                    cost: 30,
                    error: 2.0,
                    samples: -2.0..2.0,
                }
                /// Inverse hyperbolic cosine, elementwise; NaN below 1; derivative 1/√(x² − 1), infinite at 1.
                Acosh = "acosh", acosh(x: Real) -> y {
                    value: T::call(special::Acosh, [x]),
                    partial: Factor(1.0 / ((x - 1.0).sqrt() * (x + 1.0).sqrt())),
                    cost: 30,
                    error: 2.0,
                    samples: 1.3..3.0,
                }
                /// Inverse hyperbolic tangent, elementwise: ±∞ at ±1, NaN beyond; derivative 1/(1 − x²).
                Atanh = "atanh", atanh(x: Real) -> y {
                    value: T::call(special::Atanh, [x]),
                    partial: Factor(1.0 / (1.0 - x * x)),
                    cost: 30,
                    error: 2.0,
                    samples: -0.7..0.7,
                }
                /// Logarithm to the base 2, elementwise, exact at powers of two: −∞ at 0, NaN below.
                Log2 = "log2", log2(x: Real) -> y {
                    value: T::call(special::Log2, [x]),
                    partial: Factor(LOG2_E / x),
                    cost: 30,
                    error: 1.0,
                    samples: 0.3..3.0,
                }
                /// 2ˣ, elementwise, exact at integers; derivative ln 2·2ˣ.
                Exp2 = "exp2", exp2(x: Real) -> y {
                    value: T::call(special::Exp2, [x]),
                    partial: Factor(LN_2 * y),
                    cost: 30,
                    error: 1.0,
                    samples: -2.0..2.0,
                }
                /// Logarithm to the base 10, elementwise: −∞ at 0, NaN below.
                Log10 = "log10", log10(x: Real) -> y {
                    value: T::call(special::Log10, [x]),
                    partial: Factor(LOG10_E / x),
                    cost: 30,
                    error: 1.0,
                    samples: 0.3..3.0,
                }
                /// Cube root, elementwise, of negative numbers too; derivative 1/(3·y²), infinite at 0.
                Cbrt = "cbrt", cbrt(x: Real) -> y {
                    value: T::call(special::Cbrt, [x]),
                    partial: Factor(1.0 / (3.0 * y * y)),
                    cost: 30,
                    error: 1.0,
                    samples: 0.3..3.0,
                }
                /// The number whose error function is x, elementwise: ±∞ at ±1, NaN beyond.
                #[doc(alias = "erfinv")]
                ErfInv = "erf_inv", erf_inv(x: Real) -> y {
                    value: T::call(special::ErfInv, [x]),
                    partial: Factor((y * y).exp() / FRAC_2_SQRT_PI),
                    cost: 30,
                    error: 2.0,
                    samples: -0.8..0.8,
                }
                /// Logarithm of the magnitude of the gamma function, ln|Γ(x)|, elementwise: ∞ at 0 and the negative integers; derivative
                /// the digamma function, [`Expr::polygamma`](crate::Expr::polygamma) of order 0.
                #[doc(alias = "gammaln")]
                LogGamma = "lgamma", lgamma(x: Real) -> y {
                    value: T::call(special::LogGamma, [x]),
                    partial: Factor(x.polygamma(0.0)),
                    cost: 30,
                    error: 2.0,
                    samples: 0.4..4.0,
                }
            }
            binary {
                /// a + b.
                Add = "add", operator(a: Number, b) -> y {
                    value: a.add(b),
                    partials: [One, One],
                    commutes: true,
                    cost: 1,
                    error: 0.5,
                    samples: [-2.0..2.0, -1.7..2.2],
                }
                /// a − b.
                Sub = "sub", operator(a: Number, b) -> y {
                    value: a.sub(b),
                    partials: [One, MinusOne],
                    commutes: false,
                    cost: 1,
                    error: 0.5,
                    samples: [-2.0..2.0, -1.7..2.2],
                }
                /// a · b.
                Mul = "mul", operator(a: Number, b) -> y {
                    value: a.mul(b),
                    partials: [Factor(b), Factor(a)],
                    commutes: true,
                    cost: 1,
                    error: 0.5,
                    samples: [-2.0..2.0, -1.7..2.2],
                }
                /// a / b; of `i64` without the fraction, with −1 for a division by 0.
                Div = "div", operator(a: Number, b) -> y {
                    value: a.div(b),
                    partials: [Factor(1.0 / b), Factor(-y / b)],
                    commutes: false,
                    cost: 4,
                    error: 0.5,
                    samples: [-2.0..2.0, 0.4..2.0],
                }
                /// The greater of both, elementwise; NaN if either is; where equal, each side has derivative ½.
                #[doc(alias = "fmax")]
                Maximum = "maximum", maximum(a: Number, b) -> y {
                    value: a.maximum(b),
                    partials: [
                        Contest { wins: a.greater(b), ties: a.equal(b) },
                        Contest { wins: b.greater(a), ties: b.equal(a) },
                    ],
                    commutes: false,
                    cost: 1,
                    error: 0.0,
                    samples: [-2.0..2.0, -1.7..2.2],
                    kinks: [[0.0, -0.0, 2.0, 0.0], [0.0, 0.0, 2.0, 1.5]],
                }
                /// The lesser of both, elementwise; NaN if either is; where equal, each side has derivative ½.
                #[doc(alias = "fmin")]
                Minimum = "minimum", minimum(a: Number, b) -> y {
                    value: a.minimum(b),
                    partials: [
                        Contest { wins: a.less(b), ties: a.equal(b) },
                        Contest { wins: b.less(a), ties: b.equal(a) },
                    ],
                    commutes: false,
                    cost: 1,
                    error: 0.0,
                    samples: [-2.0..2.0, -1.7..2.2],
                    kinks: [[0.0, -0.0, 2.0, 0.0], [0.0, 0.0, 2.0, 1.5]],
                }
                /// selfᵇ, elementwise. The derivative with respect to the base is b·a^(b−1), 0 where both are 0; with
                /// respect to the exponent y·ln a, 0 where the base is 0 and the exponent positive. For an integer known
                /// beforehand use [`Expr::powi`](crate::Expr::powi), which takes negative bases too.
                #[doc(alias("powf", "power"))]
                Pow = "pow", pow(a: Real, b) -> y {
                    value: a.pow(b),
                    partials: [
                        // b·a^(b−1) is 0·∞ only where both are 0.
                        Factor(a.equal(0.0).and(b.equal(0.0)).select(0.0, b * one_power_less(a, b, y))),
                        // y·ln a is 0·(−∞) where a is 0 and b positive.
                        Factor(a.equal(0.0).and(b.greater(0.0)).select(0.0, y * a.log())),
                    ],
                    commutes: false,
                    cost: 30,
                    error: 2.0,
                    samples: [0.3..2.0, -1.7..2.2],
                    kinks: [[0.0, -0.0, 2.0, 0.0], [0.0, 0.0, 2.0, 1.5]],
                }
                /// The angle in radians of the point (`other`, `self`), in [−π, π], elementwise. At (0, 0), where it has
                /// no derivative, both slopes are 0.
                #[doc(alias = "arctan2")]
                Atan2 = "atan2", atan2(a: Real, b) -> y {
                    value: a.atan2(b),
                    partials: [Factor(slope_of_angle(0, a, b)), Factor(slope_of_angle(1, a, b))],
                    commutes: false,
                    cost: 30,
                    error: 2.0,
                    samples: [-2.0..2.0, -1.7..2.2],
                }
                /// √(a² + b²), elementwise, without squares that over- or underflow. At (0, 0), where it has no derivative, both
                /// slopes are 0.
                Hypot = "hypot", hypot(a: Real, b) -> y {
                    value: T::call(special::Hypot, [a, b]),
                    partials: [Factor(slope_of_hypot(0, a, b)), Factor(slope_of_hypot(1, a, b))],
                    commutes: true,
                    cost: 30,
                    error: 1.0,
                    samples: [0.3..2.0, -1.7..2.2],
                    kinks: [[0.0, -0.0, 2.0, 0.0], [0.0, 0.0, 2.0, 1.5]],
                }
                /// a − n·b with n = a/b without its fraction: the remainder, with the sign of a. Of `i64` by 0 it is a.
                Rem = "rem", operator(a: Number, b) -> y {
                    value: a.remainder(b),
                    partials: [One, Factor(-((a - y) / b).round())],
                    commutes: false,
                    cost: 10,
                    error: 0.0,
                    samples: [1.2..1.7, 0.9..1.1],
                    kinks: [[0.0, -0.0, -2.0, 3.0], [1.0, 1.0, 2.0, -1.5]],
                }
                /// The derivative of order n of the digamma function at x, elementwise, for n the integer part of `other` in
                /// 0, …, 170 and NaN for others: the digamma function for n = 0, the trigamma function for n = 1. The derivative
                /// by x is that of order n + 1; n steps, so that the derivative by it is 0. At the poles 0, −1, −2, … it is ∞
                /// for odd n, and NaN for even n but for ∓∞ at ±0.
                #[doc(alias("digamma", "psi", "trigamma"))]
                Polygamma = "polygamma", polygamma(a: Real, b) -> y {
                    value: T::call(special::Polygamma, [a, b]),
                    partials: [Factor(a.polygamma(b.floor() + 1.0)), Zero],
                    commutes: false,
                    cost: 200,
                    error: 2.0,
                    samples: [0.4..4.0, 1.1..1.9],
                }
                /// The Stumpff function cₖ(s) = Σ (−s)ⁱ/(k + 2i)! at s = `self`, elementwise, for k the integer part of `other` in
                /// 0, …, 170 and NaN for others.
                ///
                /// c₀(s) = cos √s and c₁(s) = sin √s/√s, which are cosh √−s and sinh √−s/√−s where s < 0, and
                /// cₖ₊₂(s) = (1/k! − cₖ(s))/s. At s = θ²
                ///
                /// - c₁ = sin θ/θ,
                /// - c₂ = (1 − cos θ)/θ²,
                /// - c₃ = (θ − sin θ)/θ³,
                ///
                /// with every derivative also at θ = 0, where these quotients are 0/0. The derivative by s is
                /// cₖ′ = ½(k·cₖ₊₂ − cₖ₊₁); k steps, so that the derivative by it is 0.
                ///
                /// # Example
                /// The matrix of the rotation by the vector v, that is by |v| about the axis v/|v|, is by the formula of Rodrigues
                /// 1 + c₁(v·v)·K + c₂(v·v)·K², where K is the matrix of the cross product with v. Near v = 0 it moves a point p by
                /// v × p, so that the gradient of q·(R p) is p × q there.
                /// ```
                /// use ndarray::array;
                /// use pullback::{DType, Graph};
                /// let g = Graph::new();
                /// let v = g.input_of::<f64>("v", (3,));
                /// let [x, y, z] = [0, 1, 2].map(|axis| v.slice(axis));
                /// let zero = x.zeros_like();
                /// let cross = zero.stack([-z, y, z, zero, -x, -y, x, zero], 0).reshape((3, 3));
                /// let s = v.square().sum();
                /// let rotation = g.eye(3, DType::F64) + s.stumpff(1) * cross + s.stumpff(2) * cross.dot(cross);
                ///
                /// let (p, q) = (g.constant(array![1.0, 0.0, 0.0]), g.constant(array![0.0, 1.0, 0.0]));
                /// let gradient = g.gradient((rotation.dot(p) * q).sum(), v);
                /// let mut program = g.compile([("rotation", rotation), ("gradient", gradient)])?;
                /// let out = program.call(("v", [0.0, 0.0, 0.0]))?;
                /// assert_eq!(out["rotation"], array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].into());
                /// assert_eq!(out["gradient"], array![0.0, 0.0, 1.0].into());
                /// # Ok::<(), Box<dyn std::error::Error>>(())
                /// ```
                Stumpff = "stumpff", stumpff(a: Real, b) -> y {
                    value: T::call(special::Stumpff, [a, b]),
                    partials: [Factor(slope_of_stumpff(a, b)), Zero],
                    commutes: false,
                    cost: 100,
                    error: 2.0,
                    samples: [-2.0..4.0, 1.1..1.9],
                    kinks: [[0.0, -0.0, 0.0, 0.0, 50.0, 50.0, 50.0, -50.0], [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 3.0, 2.0]],
                }
            }
        }
    };
}
pub(crate) use elementwise_functions;

/// What is in the first braces for functions of all numbers, what is in the second for those of floats alone.
macro_rules! if_for_integers {
    (Number, { $($yes:tt)* } else { $($no:tt)* }) => {
        $($yes)*
    };
    (Real, { $($yes:tt)* } else { $($no:tt)* }) => {
        $($no)*
    };
}
pub(crate) use if_for_integers;
