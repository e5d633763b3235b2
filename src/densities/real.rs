//! Densities on the real line. In: a value and parameters. Out: the logarithm of the density, elementwise; what is shared by all is
//! said in `mod.rs`.

use std::f64::consts::LN_2;

use super::{
    parts::{LN_SQRT_TWO_PI, excess, half_step, log1p_square, with_slope},
    support::{Support, elementwise, is_positive},
};
use crate::{graph::Expr, ops::Operand};

/// ln π.
pub(super) const LN_PI: f64 = 1.144_729_885_849_400_2;

/// The normal distribution with mean μ = `location` and standard deviation σ = `scale`: −½z² − ln σ − ½ ln 2π with z = (x − μ)/σ, for
/// every real x.
///
/// # Shapes
/// x, location, scale: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; the scale must be positive.
///
/// # Source
/// Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 1, 2nd edition, 1994, eq. 13.1.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::normal_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let y = normal_log_density(x, 1.0, 0.5);
/// let mut program = g.compile([("y", y), ("slope", g.gradient(y, x))])?;
/// let out = program.call(("x", 2.0))?;
/// assert_eq!(out.scalar::<f64>("slope")?, -4.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("gaussian", "norm", "normal_lpdf", "logpdf"))]
#[track_caller]
pub fn normal_log_density<'g>(x: Expr<'g>, location: impl Operand<'g>, scale: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("normal_log_density");
    elementwise(
        x,
        || [x, location.into_expr(x), scale.into_expr(x)],
        |operands| location_scale(operands, |z| -0.5 * z.square() - LN_SQRT_TWO_PI),
    )
}

/// −ln σ and a function of z = (x − μ)/σ.
fn location_scale<'g>(operands: [Expr<'g>; 3], standard: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
    let [x, location, scale] = operands;
    let support = Support { is_valid: location.is_finite().and(is_positive(scale)), is_inside: x.is_finite() };
    support.density(operands, [0.0, 0.0, 1.0], |[x, location, scale]| standard((x - location) / scale) - scale.log())
}

/// Student's t distribution with ν = `degrees_of_freedom`, moved to μ = `location` and stretched by σ = `scale`:
/// ln Γ(½(ν + 1)) − ln Γ(½ν) − ½ ln(πν) − ln σ − ½(ν + 1)·ln(1 + z²/ν) with z = (x − μ)/σ, for every real x.
///
/// It goes over to the normal density without a loss of digits: terms of the size of ν or of z² that cancel are not computed.
///
/// # Shapes
/// x, degrees_of_freedom, location, scale: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; ν and the scale must be positive, and ν finite.
///
/// # Source
/// Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 2, 2nd edition, 1995, eq. 28.2.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::{cauchy_log_density, student_t_log_density}};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let difference = student_t_log_density(x, 1.0, 0.0, 1.0) - cauchy_log_density(x, 0.0, 1.0);
/// let out = g.compile([("difference", difference)])?.call(("x", 3.0))?;
/// assert!(out.scalar::<f64>("difference")?.abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("student_t_lpdf", "t"))]
#[track_caller]
pub fn student_t_log_density<'g>(
    x: Expr<'g>,
    degrees_of_freedom: impl Operand<'g>,
    location: impl Operand<'g>,
    scale: impl Operand<'g>,
) -> Expr<'g> {
    let _frame = x.enter("student_t_log_density");
    elementwise(
        x,
        || [x, degrees_of_freedom.into_expr(x), location.into_expr(x), scale.into_expr(x)],
        |operands| {
            let [x, freedom, location, scale] = operands;
            let is_valid = is_positive(freedom).and(location.is_finite()).and(is_positive(scale));
            let support = Support { is_valid, is_inside: x.is_finite() };
            support.density(operands, [0.0, 1.0, 0.0, 1.0], |[x, freedom, location, scale]| {
                student_t((x - location) / scale, freedom) - scale.log()
            })
        },
    )
}

/// With s = z²/ν, ½(ν + 1)·ln(1 + s) is ½z² − ½ν(s − ln(1 + s)) + ½ ln(1 + s), of which nothing cancels for small s.
fn student_t<'g>(z: Expr<'g>, freedom: Expr<'g>) -> Expr<'g> {
    let constant = half_step(0.5 * freedom) - LN_SQRT_TWO_PI;
    let root = z / freedom.sqrt();
    let is_near = root.abs().less(0.5);
    let near = {
        let (z, freedom) = (is_near.select(z, 0.0), is_near.select(freedom, 1.0));
        let s = z.square() / freedom;
        0.5 * z.square() - 0.5 * freedom * excess(s) + 0.5 * s.log1p()
    };
    let far = 0.5 * (freedom + 1.0) * log1p_square(is_near.select(1.0, root));
    constant - is_near.select(near, far)
}

/// The Cauchy distribution with median μ = `location` and σ = `scale`: −ln π − ln σ − ln(1 + z²) with z = (x − μ)/σ, for every real x.
///
/// # Shapes
/// x, location, scale: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; the scale must be positive.
///
/// # Source
/// Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 1, 2nd edition, 1994, eq. 16.1.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::cauchy_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let y = cauchy_log_density(x, 0.0, 1.0);
/// let mut program = g.compile([("y", y), ("slope", g.gradient(y, x))])?;
/// assert!((program.call(("x", 1.0))?.scalar::<f64>("slope")? + 1.0).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "cauchy_lpdf")]
#[track_caller]
pub fn cauchy_log_density<'g>(x: Expr<'g>, location: impl Operand<'g>, scale: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("cauchy_log_density");
    elementwise(
        x,
        || [x, location.into_expr(x), scale.into_expr(x)],
        |operands| location_scale(operands, |z| -log1p_square(z) - LN_PI),
    )
}

/// The Laplace distribution with median μ = `location` and mean distance σ = `scale` from it: −|z| − ln 2σ with z = (x − μ)/σ, for every
/// real x. The derivative by x is 0 at the kink x = μ.
///
/// # Shapes
/// x, location, scale: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; the scale must be positive.
///
/// # Source
/// Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 2, 2nd edition, 1995, eq. 24.1.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::laplace_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let out = g.compile([("y", laplace_log_density(x, 1.0, 0.5))])?.call(("x", 3.0))?;
/// assert_eq!(out.scalar::<f64>("y")?, -4.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("double_exponential", "double_exponential_lpdf"))]
#[track_caller]
pub fn laplace_log_density<'g>(x: Expr<'g>, location: impl Operand<'g>, scale: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("laplace_log_density");
    elementwise(
        x,
        || [x, location.into_expr(x), scale.into_expr(x)],
        |operands| location_scale(operands, |z| -z.abs() - LN_2),
    )
}

/// The logistic distribution with mean μ = `location` and σ = `scale`: −z − 2·ln(1 + e^(−z)) − ln σ with z = (x − μ)/σ, for every real x.
///
/// # Shapes
/// x, location, scale: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; the scale must be positive.
///
/// # Source
/// Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 2, 2nd edition, 1995, eq. 23.5.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::logistic_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let out = g.compile([("y", logistic_log_density(x, 0.0, 1.0))])?.call(("x", -800.0))?;
/// assert_eq!(out.scalar::<f64>("y")?, -800.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "logistic_lpdf")]
#[track_caller]
pub fn logistic_log_density<'g>(x: Expr<'g>, location: impl Operand<'g>, scale: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("logistic_log_density");
    elementwise(
        x,
        || [x, location.into_expr(x), scale.into_expr(x)],
        |operands| {
            // −z − 2·softplus(−z), whose derivative 2σ(−z) − 1 would cancel near 0.
            let standard = |z: Expr<'g>| -z.softplus() - (-z).softplus();
            location_scale(operands, |z| with_slope(z, standard(z), |z| -(0.5 * z).tanh()))
        },
    )
}
