//! Densities of positive numbers. In: a value and parameters. Out: the logarithm of the density, elementwise; what is shared by all is
//! said in `mod.rs`.

use std::f64::consts::LN_2;

use super::{
    parts::{LN_SQRT_TWO_PI, deviance, log1p_square, stirling},
    real::LN_PI,
    support::{Support, elementwise, is_positive},
};
use crate::{
    graph::{DType, Expr},
    ops::Operand,
};

/// Whether a value is in [0, ∞).
fn is_not_negative<'g>(x: Expr<'g>) -> Expr<'g> {
    x.greater_equal(0.0).and(x.less(f64::INFINITY))
}

/// The exponential distribution with `rate` λ, of mean 1/λ: ln λ − λx for x ≥ 0.
///
/// # Shapes
/// x, rate: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; the rate must be positive.
///
/// # Source
/// Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 1, 2nd edition, 1994, eq. 19.1.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{DType, Graph, densities::exponential_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", (2,));
/// let out = g.compile([("y", exponential_log_density(x, 1.0))])?.call(("x", &array![2.0, -1.0]))?;
/// assert_eq!(out["y"], array![-2.0, f64::NEG_INFINITY].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("exponential_lpdf", "expon"))]
#[track_caller]
pub fn exponential_log_density<'g>(x: Expr<'g>, rate: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("exponential_log_density");
    elementwise(
        x,
        || [x, rate.into_expr(x)],
        |operands| {
            let [x, rate] = operands;
            let support = Support { is_valid: is_positive(rate), is_inside: is_not_negative(x) };
            support.density(operands, [1.0, 1.0], |[x, rate]| rate.log() - rate * x)
        },
    )
}

/// The gamma distribution with `shape` α and `rate` β, of mean α/β: α·ln β − ln Γ(α) + (α − 1)·ln x − βx for x > 0.
///
/// # Shapes
/// x, shape, rate: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; shape and rate must be positive.
///
/// # Source
/// Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 1, 2nd edition, 1994, eq. 17.23; for the form
/// that is computed, Loader, *Fast and accurate computation of binomial probabilities*, 2000.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::gamma_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let out = g.compile([("y", gamma_log_density(x, 1.0, 2.0))])?.call(("x", 3.0))?;
/// assert!((out.scalar::<f64>("y")? - (2f64.ln() - 6.0)).abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("gamma_lpdf", "erlang", "chi2"))]
#[track_caller]
pub fn gamma_log_density<'g>(x: Expr<'g>, shape: impl Operand<'g>, rate: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("gamma_log_density");
    elementwise(
        x,
        || [x, shape.into_expr(x), rate.into_expr(x)],
        |operands| {
            let [x, shape, rate] = operands;
            let support = Support { is_valid: is_positive(shape).and(is_positive(rate)), is_inside: is_positive(x) };
            support.density(operands, [1.0, 1.0, 1.0], |[x, shape, rate]| {
                gamma(shape, [rate, x], |rate, x| rate * x, |rate, x| rate + x) - x.log()
            })
        },
    )
}

/// α·ln y − y − ln Γ(α), as −D(α, y) + ln α − G(α) with the deviance D and G(α) = ln Γ(α + 1) − α·ln α + α, for the y that is made of two
/// operands. Where that is too small for the dtype, y is nothing beside α, and ln y is made of their logarithms.
fn gamma<'g>(
    shape: Expr<'g>,
    operands: [Expr<'g>; 2],
    y: impl Fn(Expr<'g>, Expr<'g>) -> Expr<'g>,
    logarithm: impl Fn(Expr<'g>, Expr<'g>) -> Expr<'g>,
) -> Expr<'g> {
    let [a, b] = operands;
    let y = y(a, b);
    let is_tiny = y.less(least_normal(y.dtype()));
    let [a, b] = operands.map(|operand| is_tiny.select(operand, 1.0).log());
    let of_tiny = shape * (shape.log() - logarithm(a, b)) - shape;
    shape.log() - stirling(shape) - is_tiny.select(of_tiny, deviance(shape, is_tiny.select(1.0, y)))
}

/// The least number of a dtype that has all its digits.
fn least_normal(dtype: DType) -> f64 {
    if dtype == DType::F32 { f32::MIN_POSITIVE.into() } else { f64::MIN_POSITIVE }
}

/// The inverse gamma distribution with `shape` α and `scale` β: that of 1/x if x has a gamma distribution of rate β;
/// α·ln β − ln Γ(α) − (α + 1)·ln x − β/x for x > 0.
///
/// # Shapes
/// x, shape, scale: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; shape and scale must be positive.
///
/// # Source
/// Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 1, 2nd edition, 1994, section 17.8.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::inverse_gamma_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let out = g.compile([("y", inverse_gamma_log_density(x, 1.0, 1.0))])?.call(("x", 1.0))?;
/// assert!((out.scalar::<f64>("y")? + 1.0).abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("inv_gamma_lpdf", "invgamma"))]
#[track_caller]
pub fn inverse_gamma_log_density<'g>(x: Expr<'g>, shape: impl Operand<'g>, scale: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("inverse_gamma_log_density");
    elementwise(
        x,
        || [x, shape.into_expr(x), scale.into_expr(x)],
        |operands| {
            let [x, shape, scale] = operands;
            let support = Support { is_valid: is_positive(shape).and(is_positive(scale)), is_inside: is_positive(x) };
            support.density(operands, [1.0, 1.0, 1.0], |[x, shape, scale]| {
                gamma(shape, [scale, x], |scale, x| scale / x, |scale, x| scale - x) - x.log()
            })
        },
    )
}

/// The log-normal distribution, whose logarithm is normal with mean μ = `location` and standard deviation σ = `scale`:
/// −½z² − ln σ − ½ ln 2π − ln x with z = (ln x − μ)/σ, for x > 0.
///
/// # Shapes
/// x, location, scale: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; the scale must be positive.
///
/// # Source
/// Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 1, 2nd edition, 1994, eq. 14.2.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::{log_normal_log_density, normal_log_density}};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let difference = log_normal_log_density(x, 0.5, 2.0) - (normal_log_density(x.log(), 0.5, 2.0) - x.log());
/// let out = g.compile([("difference", difference)])?.call(("x", 3.0))?;
/// assert!(out.scalar::<f64>("difference")?.abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("lognormal_lpdf", "lognorm"))]
#[track_caller]
pub fn log_normal_log_density<'g>(x: Expr<'g>, location: impl Operand<'g>, scale: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("log_normal_log_density");
    elementwise(
        x,
        || [x, location.into_expr(x), scale.into_expr(x)],
        |operands| {
            let [x, location, scale] = operands;
            let support = Support { is_valid: location.is_finite().and(is_positive(scale)), is_inside: is_positive(x) };
            support.density(operands, [1.0, 0.0, 1.0], |[x, location, scale]| {
                let logarithm = x.log();
                -0.5 * ((logarithm - location) / scale).square() - LN_SQRT_TWO_PI - scale.log() - logarithm
            })
        },
    )
}

/// The half-normal distribution, of |x| if x is normal with mean 0 and standard deviation σ = `scale`:
/// ½ ln(2/π) − ln σ − ½z² with z = x/σ, for x ≥ 0.
///
/// # Shapes
/// x, scale: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; the scale must be positive.
///
/// # Source
/// Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 1, 2nd edition, 1994, section 13.10.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::{half_normal_log_density, normal_log_density}};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let difference = half_normal_log_density(x, 2.0) - normal_log_density(x, 0.0, 2.0);
/// let out = g.compile([("difference", difference)])?.call(("x", 3.0))?;
/// assert!((out.scalar::<f64>("difference")? - 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "halfnorm")]
#[track_caller]
pub fn half_normal_log_density<'g>(x: Expr<'g>, scale: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("half_normal_log_density");
    elementwise(
        x,
        || [x, scale.into_expr(x)],
        |operands| half(operands, |z| -0.5 * z.square() + (LN_2 - LN_SQRT_TWO_PI)),
    )
}

/// The half-Cauchy distribution, of |x| if x has a Cauchy distribution around 0 with this `scale` σ:
/// ln(2/π) − ln σ − ln(1 + z²) with z = x/σ, for x ≥ 0.
///
/// # Shapes
/// x, scale: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; the scale must be positive.
///
/// # Source
/// Gelman, *Prior distributions for variance parameters in hierarchical models*, 2006, section 3.2.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::half_cauchy_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let y = half_cauchy_log_density(x, 1.0);
/// let mut program = g.compile([("y", y), ("slope", g.gradient(y, x))])?;
/// assert!((program.call(("x", 1.0))?.scalar::<f64>("slope")? + 1.0).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "halfcauchy")]
#[track_caller]
pub fn half_cauchy_log_density<'g>(x: Expr<'g>, scale: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("half_cauchy_log_density");
    elementwise(x, || [x, scale.into_expr(x)], |operands| half(operands, |z| -log1p_square(z) + (LN_2 - LN_PI)))
}

/// −ln σ and a function of z = x/σ.
fn half<'g>(operands: [Expr<'g>; 2], standard: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
    let [x, scale] = operands;
    let support = Support { is_valid: is_positive(scale), is_inside: is_not_negative(x) };
    support.density(operands, [1.0, 1.0], |[x, scale]| standard(x / scale) - scale.log())
}
