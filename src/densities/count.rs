//! Probabilities of counts. In: a count as a float, and parameters. Out: the logarithm of the probability, elementwise, whose derivative
//! by the count is 0; what is shared by all is said in `mod.rs`.

use super::{
    interval::powers,
    parts::{deviance, stirling},
    support::{Support, elementwise, is_count, is_positive},
};
use crate::{graph::Expr, ops::Operand};

/// The Poisson distribution with mean λ = `rate`: k·ln λ − λ − ln k! for k = 0, 1, 2, …
///
/// # Shapes
/// k, rate: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; the rate must be positive.
///
/// # Source
/// Johnson, Kemp and Kotz, *Univariate Discrete Distributions*, 3rd edition, 2005, eq. 4.1; for the form that is computed, Loader,
/// *Fast and accurate computation of binomial probabilities*, 2000.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::poisson_log_probability};
/// let g = Graph::new();
/// let (k, rate) = (g.input_of(DType::F64, "k", ()), g.input_of(DType::F64, "rate", ()));
/// let y = poisson_log_probability(k, rate);
/// let mut program = g.compile([("y", y), ("slope", g.gradient(y, rate))])?;
/// let out = program.call((("k", 0.0), ("rate", 1e9)))?;
/// assert_eq!((out.scalar::<f64>("y")?, out.scalar::<f64>("slope")?), (-1e9, -1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("poisson_lpmf", "logpmf"))]
#[track_caller]
pub fn poisson_log_probability<'g>(k: Expr<'g>, rate: impl Operand<'g>) -> Expr<'g> {
    let _frame = k.enter("poisson_log_probability");
    elementwise(
        k,
        || [k.stop_gradient(), rate.into_expr(k)],
        |operands| {
            let [k, rate] = operands;
            let support = Support { is_valid: is_positive(rate), is_inside: is_count(k) };
            support.density(operands, [1.0, 1.0], |[k, rate]| -stirling(k) - deviance(k, rate))
        },
    )
}

/// The binomial distribution of the number k of successes among n = `trials`, each with `probability` p:
/// ln n! − ln k! − ln (n − k)! + k·ln p + (n − k)·ln(1 − p) for k = 0, …, n.
///
/// The derivative by the number of trials is 0, as it is by k.
///
/// # Shapes
/// k, trials, probability: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; the number of trials must be a whole number from 0 on, and the probability between 0 and 1,
/// neither of them.
///
/// # Source
/// Johnson, Kemp and Kotz, *Univariate Discrete Distributions*, 3rd edition, 2005, eq. 3.2; for the form that is computed, Loader,
/// *Fast and accurate computation of binomial probabilities*, 2000.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::binomial_log_probability};
/// let g = Graph::new();
/// let k = g.input_of(DType::F64, "k", ());
/// let out = g.compile([("y", binomial_log_probability(k, 2.0, 0.5))])?.call(("k", 1.0))?;
/// assert!((out.scalar::<f64>("y")? + 2f64.ln()).abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("binomial_lpmf", "binom", "bernoulli"))]
#[track_caller]
pub fn binomial_log_probability<'g>(k: Expr<'g>, trials: impl Operand<'g>, probability: impl Operand<'g>) -> Expr<'g> {
    let _frame = k.enter("binomial_log_probability");
    elementwise(
        k,
        || [k.stop_gradient(), trials.into_expr(k).stop_gradient(), probability.into_expr(k)],
        |operands| {
            let [k, trials, probability] = operands;
            let is_valid = is_count(trials).and(probability.greater(0.0)).and(probability.less(1.0));
            let support = Support { is_valid, is_inside: is_count(k).and(k.less_equal(trials)) };
            support.density(operands, [1.0, 2.0, 0.5], |[k, trials, probability]| powers(probability, [k, trials - k]))
        },
    )
}

/// The negative binomial distribution of the number k of failures before r = `size` successes, each with `probability` p, for any
/// r > 0: ln Γ(k + r) − ln Γ(r) − ln k! + r·ln p + k·ln(1 − p) for k = 0, 1, 2, …; of mean r(1 − p)/p.
///
/// Stan's `neg_binomial(α, β)` has r = α and p = β/(β + 1), and its `neg_binomial_2(μ, φ)` has r = φ and p = φ/(φ + μ).
///
/// # Shapes
/// k, size, probability: broadcast together.
///
/// # Errors
/// As [the module](crate::densities#errors) says; the size must be positive, and the probability between 0 and 1, neither of them.
///
/// # Source
/// Johnson, Kemp and Kotz, *Univariate Discrete Distributions*, 3rd edition, 2005, section 5.1.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::negative_binomial_log_probability};
/// let g = Graph::new();
/// let k = g.input_of(DType::F64, "k", ());
/// let out = g.compile([("y", negative_binomial_log_probability(k, 1.0, 0.5))])?.call(("k", 2.0))?;
/// assert!((out.scalar::<f64>("y")? - 0.125f64.ln()).abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("neg_binomial_lpmf", "nbinom"))]
#[track_caller]
pub fn negative_binomial_log_probability<'g>(
    k: Expr<'g>,
    size: impl Operand<'g>,
    probability: impl Operand<'g>,
) -> Expr<'g> {
    let _frame = k.enter("negative_binomial_log_probability");
    elementwise(
        k,
        || [k.stop_gradient(), size.into_expr(k), probability.into_expr(k)],
        |operands| {
            let [k, size, probability] = operands;
            let is_valid = is_positive(size).and(probability.greater(0.0)).and(probability.less(1.0));
            let support = Support { is_valid, is_inside: is_count(k) };
            support.density(operands, [1.0, 1.0, 0.5], |[k, size, probability]| {
                powers(probability, [size, k]) + (size.log() - (size + k).log())
            })
        },
    )
}
