//! Densities and probabilities of events that are rows: of categories, of points of a simplex, of vectors, and of mixtures. In: arrays
//! whose last axis is an event. Out: one logarithm for each event; what is shared by all is said in `mod.rs`.

use super::{
    parts::LN_SQRT_TWO_PI,
    support::{Support, is_positive, together},
};
use crate::{
    graph::{DType, Dim, Expr, GraphError, Orientation, Shape, Triangle},
    nn::check::either,
    ops::Operand,
};

/// Whether the elements of each event all fulfil a condition.
fn all<'g>(condition: Expr<'g>) -> Expr<'g> {
    condition.logical_not().cast(DType::I64).sum_over(-1).equal(0i64)
}

/// The probability of one of n categories whose probabilities are the softmax of `logits`: logits at k − ln Σⱼ e^(logits at j).
///
/// A label that is no category has the value −∞; a logit of −∞ is a category of probability 0. It is −[`crate::nn::cross_entropy`],
/// which takes wrong labels as errors instead.
///
/// # Shapes
/// labels: `i64[…]`, logits: `[…, n]` → `[…]`.
///
/// # Errors
/// An error is recorded if the logits are no floats or have no axis, or if the labels are not `i64` or of another shape.
///
/// # Source
/// Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.3.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{DType, Graph, densities::categorical_log_probability};
/// let g = Graph::new();
/// let labels = g.input_of(DType::I64, "labels", (2,));
/// let logits = g.constant(array![[0.0, 0.0], [0.0, 0.0]]);
/// let y = categorical_log_probability(labels, logits);
/// let out = g.compile([("y", y)])?.call(("labels", &array![1i64, 2]))?;
/// assert_eq!(out["y"], array![-(2f64.ln()), f64::NEG_INFINITY].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("categorical_logit_lpmf", "bernoulli_logit"))]
#[track_caller]
pub fn categorical_log_probability<'g>(labels: Expr<'g>, logits: Expr<'g>) -> Expr<'g> {
    let _frame = labels.enter("categorical_log_probability");
    either(check_labels(labels, logits).map(|n_categories| {
        let n_categories = labels.graph().dim_size(n_categories, DType::I64);
        let is_inside = labels.greater_equal(0i64).and(labels.less(n_categories));
        let safe = is_inside.select(labels, 0i64);
        let chosen = logits.log_softmax(-1).take_along(safe.unsqueeze(-1), -1).squeeze(-1);
        is_inside.select(chosen, f64::NEG_INFINITY)
    }))
}

/// The number of categories, of labels that are one for each row of the logits.
fn check_labels<'g>(labels: Expr<'g>, logits: Expr<'g>) -> Result<Dim, Expr<'g>> {
    let g = labels.graph();
    if let Some(poison) = g.refuse(&[labels, logits]) {
        return Err(poison);
    }
    let n_categories = logits.check_last_axis()?;
    labels.check_integer("i64 labels")?;
    let (expected, found) = (leading(&logits.shape(), 1), labels.shape());
    if found != expected {
        return Err(g.report(GraphError::WrongShape { what: "the labels", expected, found }, &[labels, logits]));
    }
    Ok(n_categories)
}

/// A shape without so many of its last axes.
fn leading(shape: &Shape, n_last: usize) -> Shape {
    Shape::from(&shape[..shape.rank() - n_last])
}

/// The Dirichlet distribution with `concentration` α: ln Γ(Σαⱼ) − Σ ln Γ(αⱼ) + Σ(αⱼ − 1)·ln xⱼ for xⱼ > 0 with Σxⱼ = 1.
///
/// That the sum is 1 is not checked; the derivative by xⱼ is (αⱼ − 1)/xⱼ, of free numbers.
///
/// # Shapes
/// x, concentration: `[…, n]`, broadcast together → `[…]`.
///
/// # Errors
/// As [the module](crate::densities#errors) says, and if x has no axis; all αⱼ must be positive.
///
/// # Source
/// Kotz, Balakrishnan and Johnson, *Continuous Multivariate Distributions*, volume 1, 2nd edition, 2000, eq. 49.2.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{DType, Graph, densities::dirichlet_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", (3,));
/// let out = g.compile([("y", dirichlet_log_density(x, 1.0))])?.call(("x", &array![0.2, 0.3, 0.5]))?;
/// assert!((out.scalar::<f64>("y")? - 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "dirichlet_lpdf")]
#[track_caller]
pub fn dirichlet_log_density<'g>(x: Expr<'g>, concentration: impl Operand<'g>) -> Expr<'g> {
    let _frame = x.enter("dirichlet_log_density");
    let operands = x.check_last_axis().and_then(|_| together([x, concentration.into_expr(x)]));
    either(operands.map(|[x, concentration]| {
        let support = Support { is_valid: all(is_positive(concentration)), is_inside: all(is_positive(x)) };
        let holds = support.holds().unsqueeze(-1);
        let is_nan = all(x.is_nan().logical_not()).logical_not();
        let (x, concentration) = (holds.select(x, 1.0), holds.select(concentration, 1.0));
        let constant = concentration.sum_over(-1).lgamma() - concentration.lgamma().sum_over(-1);
        support.choose(is_nan, constant + ((concentration - 1.0) * x.log()).sum_over(-1))
    }))
}

/// The normal distribution of vectors with mean μ = `location` and covariance L·Lᵀ, by the lower triangular `factor` L:
/// −½|z|² − Σ ln Lⱼⱼ − ½n·ln 2π with L·z = x − μ, for every x.
///
/// What is above the diagonal of L is not read. Of a covariance, L is its [`Expr::cholesky`]; a factor for all events is solved with at
/// once, as one matrix.
///
/// # Shapes
/// x, location: `[…, n]`, factor: `[…, n, n]`, outer axes broadcast together → `[…]`.
///
/// # Errors
/// As [the module](crate::densities#errors) says, and if an operand lacks its axes or n differs; all Lⱼⱼ must be positive.
///
/// # Complexity
/// n² for each event.
///
/// # Source
/// Kotz, Balakrishnan and Johnson, *Continuous Multivariate Distributions*, volume 1, 2nd edition, 2000, eq. 45.1.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{DType, Graph, densities::multivariate_normal_log_density};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ("n", 2));
/// let factor = g.constant(array![[2.0, 0.0], [1.0, 1.0]]);
/// let y = multivariate_normal_log_density(x, 0.0, factor);
/// let mut program = g.compile([("slope", g.gradient(y.sum(), x))])?;
/// let out = program.call(("x", &array![[2.0, 1.0]]))?;
/// assert_eq!(out["slope"], array![[-0.5, 0.0]].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("multi_normal_cholesky_lpdf", "mvn"))]
#[track_caller]
pub fn multivariate_normal_log_density<'g>(x: Expr<'g>, location: impl Operand<'g>, factor: Expr<'g>) -> Expr<'g> {
    let _frame = x.enter("multivariate_normal_log_density");
    let operands = x.check_last_axis().and_then(|_| together([x, location.into_expr(x)]));
    either(operands.and_then(|operands| {
        let [x, location, factor] = check_factor(operands, factor)?;
        Ok(multivariate_normal([x, location], factor))
    }))
}

/// The operands with the outer axes of all; a factor that is one matrix stays so.
fn check_factor<'g>([x, location]: [Expr<'g>; 2], factor: Expr<'g>) -> Result<[Expr<'g>; 3], Expr<'g>> {
    let g = x.graph();
    if let Some(poison) = g.refuse(&[x, location, factor]) {
        return Err(poison);
    }
    let (left, right, found) = (x.dtype(), factor.dtype(), factor.shape());
    if left != right {
        return Err(g.report(GraphError::DTypesDiffer { left, right }, &[x, factor]));
    }
    let Some(n_outer) = found.rank().checked_sub(2) else {
        return Err(g.report(GraphError::Rank { expected: "at least 2".into(), found }, &[factor]));
    };
    let n = x.shape()[x.rank() - 1].clone();
    let expected: Shape = found.iter().take(n_outer).chain([&n, &n]).cloned().collect();
    if found != expected {
        return Err(g.report(GraphError::WrongShape { what: "the factor", expected, found }, &[x, factor]));
    }
    if n_outer == 0 {
        return Ok([x, location, factor]);
    }
    let [x, location, _] = together([x, location, factor.diagonal()])?;
    let matrices: Shape = x.shape().iter().cloned().chain([n]).collect();
    Ok([x, location, factor.broadcast_to(&matrices)])
}

fn multivariate_normal<'g>(operands: [Expr<'g>; 2], factor: Expr<'g>) -> Expr<'g> {
    let [x, location] = operands;
    let diagonal = factor.diagonal();
    let is_factor = all(is_positive(diagonal));
    let support = Support { is_valid: is_factor.and(all(location.is_finite())), is_inside: all(x.is_finite()) };
    let holds = support.holds();
    let difference = {
        let holds = holds.unsqueeze(-1);
        holds.select(x, 0.0) - holds.select(location, 0.0)
    };
    let n = x.shape()[x.rank() - 1].clone();
    let identity = x.graph().eye(n.clone(), x.dtype());
    let factor = is_factor.unsqueeze(-1).unsqueeze(-1).select(factor, identity);
    let logarithms = is_factor.unsqueeze(-1).select(diagonal, 1.0).log().sum_over(-1);
    let constant = LN_SQRT_TWO_PI * x.graph().dim_size(n, x.dtype());
    let density = -0.5 * squared_norm(difference, factor) - logarithms - constant;
    support.choose(all(x.is_nan().logical_not()).logical_not(), density)
}

/// |z|² with L·z = `difference`, for one matrix L or one for each event.
fn squared_norm<'g>(difference: Expr<'g>, factor: Expr<'g>) -> Expr<'g> {
    let shape = difference.shape();
    if factor.rank() > 2 || shape.rank() == 1 {
        return factor.solve_triangular(difference, Triangle::Lower, Orientation::Plain).square().sum_over(-1);
    }
    let outer = leading(&shape, 1);
    let rows = difference.reshape([outer.size(), shape[shape.rank() - 1].clone()]);
    let solution = factor.solve_triangular(rows.t(), Triangle::Lower, Orientation::Plain);
    solution.square().sum_over(0).reshape(outer)
}

/// The mixture of distributions whose log densities at one value are `components`, with the softmax of `logits` as weights:
/// ln Σⱼ wⱼ·e^(components at j). It is −∞ with derivative 0 where all components are −∞.
///
/// Weights that are probabilities are given by their logarithms.
///
/// # Shapes
/// components, logits: `[…, n]`, broadcast together → `[…]`.
///
/// # Errors
/// As [the module](crate::densities#errors) says, and if the components have no axis.
///
/// # Source
/// McLachlan and Peel, *Finite Mixture Models*, 2000, eq. 1.1; for the sum, [`Expr::logsumexp`].
///
/// # Example
/// ```
/// use pullback::{DType, Graph, densities::{mixture_log_density, normal_log_density}};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ("n",));
/// let (means, logits) = (g.input_of(DType::F64, "means", (3,)), g.input_of(DType::F64, "logits", (3,)));
/// let y = mixture_log_density(normal_log_density(x.unsqueeze(-1), means, 1.0), logits);
/// assert_eq!(y.shape().to_string(), "[n]");
/// ```
#[doc(alias("log_mix", "MixtureSameFamily"))]
#[track_caller]
pub fn mixture_log_density<'g>(components: Expr<'g>, logits: impl Operand<'g>) -> Expr<'g> {
    let _frame = components.enter("mixture_log_density");
    let operands = components.check_last_axis().and_then(|_| together([components, logits.into_expr(components)]));
    either(operands.map(|[components, logits]| (components + logits.log_softmax(-1)).logsumexp(-1)))
}
