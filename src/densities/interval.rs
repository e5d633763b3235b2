//! Densities on a bounded interval. In: a value and parameters. Out: the logarithm of the density, elementwise; what is shared by all is
//! said in `mod.rs`.

use super::{
    parts::{deviance, stirling},
    support::{Support, elementwise, is_positive},
};
use crate::{graph::Expr, ops::Operand};

/// The beta distribution with shapes `alpha` and `beta`, of mean α/(α + β):
/// ln Γ(α + β) − ln Γ(α) − ln Γ(β) + (α − 1)·ln x + (β − 1)·ln(1 − x) for 0 < x < 1.
///
/// # Shapes
/// x, alpha, beta: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; alpha and beta must be positive.
///
/// # Source
/// Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 2, 2nd edition, 1995, eq. 25.2; for the form that
/// is computed, Loader, *Fast and accurate computation of binomial probabilities*, 2000.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::beta_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let out = g.compile([("y", beta_log_density(x, 2.0, 1.0))])?.call(("x", 0.5))?;
/// assert!(out.scalar::<f64>("y")?.abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "beta_lpdf")]
#[track_caller]
pub fn beta_log_density<'g>(x: Expr<'g>, alpha: impl Operand<'g>, beta: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("beta_log_density");
    elementwise(
        x,
        || [x, alpha.into_expr(x), beta.into_expr(x)],
        |operands| {
            let [x, alpha, beta] = operands;
            let is_inside = x.greater(0.0).and(x.less(1.0));
            let support = Support { is_valid: is_positive(alpha).and(is_positive(beta)), is_inside };
            support.density(operands, [0.5, 1.0, 1.0], |[x, alpha, beta]| {
                powers(x, [alpha, beta]) + (alpha.log() + beta.log() - (alpha + beta).log()) - x.log() - (-x).log1p()
            })
        },
    )
}

/// ln Γ(n + 1) − ln Γ(a + 1) − ln Γ(b + 1) + a·ln p + b·ln(1 − p) with n = a + b, as G(n) − G(a) − G(b) − D(a, np) − D(b, n(1 − p))
/// with the deviance D and G(a) = ln Γ(a + 1) − a·ln a + a.
pub(super) fn powers<'g>(p: Expr<'g>, [a, b]: [Expr<'g>; 2]) -> Expr<'g> {
    let n = a + b;
    let constant = stirling(n) - stirling(a) - stirling(b);
    constant - deviance(a, n * p) - deviance(b, n * (1.0 - p))
}

/// The uniform distribution on the interval from `low` to `high`, its ends included: −ln(high − low).
///
/// # Shapes
/// x, low, high: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; low must be below high.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{DType, Graph, densities::uniform_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", (2,));
/// let out = g.compile([("y", uniform_log_density(x, 2.0, 3.0))])?.call(("x", &array![2.0, 1.0]))?;
/// assert_eq!(out["y"], array![0.0, f64::NEG_INFINITY].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "uniform_lpdf")]
#[track_caller]
pub fn uniform_log_density<'g>(x: Expr<'g>, low: impl Operand<'g>, high: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("uniform_log_density");
    elementwise(
        x,
        || [x, low.into_expr(x), high.into_expr(x)],
        |operands| {
            let [x, low, high] = operands;
            let is_inside = x.greater_equal(low).and(x.less_equal(high));
            let support = Support { is_valid: is_positive(high - low), is_inside };
            support.density(operands, [0.5, 0.0, 1.0], |[_, low, high]| -(high - low).log())
        },
    )
}
