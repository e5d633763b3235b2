//! Stationary points, with or without equality constraints. In: a guess, or a point that was found elsewhere, and a closure for the
//! function and its constraints. Out: the point with its derivative, the multipliers, and whether it is a minimum.

use super::{
    equation::{Equation, check_type, flat, largest, matrix, traced},
    iterations::{Ended, Iterations, epsilon},
    root::Solution,
};
use crate::{
    graph::{DType, Dim, Expr, GraphError, Site, Type},
    ops::Function,
};

/// A stationary point of a function, with its derivative.
#[derive(Debug, Clone, Copy)]
pub struct Minimum<'g> {
    /// The point; J is the Hessian, and the residual the greatest element of the gradient.
    pub point: Solution<'g>,
    /// Whether the Hessian is positive definite there, a `bool` scalar. Elsewhere it is a maximum, a saddle point, or nobody knows.
    pub is_minimum: Expr<'g>,
}

/// A stationary point of a function on the set where constraints are 0, with its derivative.
#[derive(Debug, Clone, Copy)]
pub struct ConstrainedMinimum<'g> {
    /// The point; J is the matrix of the Karush–Kuhn–Tucker conditions, and the residual what they leave.
    pub point: Solution<'g>,
    /// λ with ∇f + Σ λᵢ·∇cᵢ = 0, in the shape of the constraints, with its derivative. For c(z) − b in place of c, λᵢ is the
    /// derivative of the minimum by bᵢ with the other sign.
    pub multipliers: Expr<'g>,
    /// Whether the Hessian of f + Σ λᵢ·cᵢ is positive definite along the constraints there, and their gradients are independent: a
    /// `bool` scalar.
    pub is_minimum: Expr<'g>,
}

/// z with ∇f(z) = 0, by Newton's method from a guess: z ← z − H⁻¹·∇f(z). Its derivative is that of the stationary point by
/// everything that f reads from outside: ż = −H⁻¹·(∂∇f/∂θ)·θ̇; see [the module](crate::implicit).
///
/// The method is the plain one, and goes to any stationary point: [`Minimum::is_minimum`] tells which kind was found. For a
/// function that is far from quadratic between guess and minimum take a method of your own, and [`minimum_at`].
///
/// # Shapes
/// guess: S, f: S → `[]`; the point has shape S.
///
/// # Errors
/// An error is recorded if the guess is no float, if f is no float scalar, or if the tolerance is not positive.
///
/// # Complexity
/// Each iteration takes n Hessian–vector products, in one batch, and 2n³/3 for n elements; so does a derivative, whatever it is by.
/// `is_minimum` takes 4n³/3.
///
/// # Source
/// Griewank and Walther, *Evaluating Derivatives*, 2nd edition, 2008, section 15.1.
///
/// # Example
/// How the weight of a ridge regression moves with the strength of the penalty:
/// ```
/// use pullback::{DType, Graph, implicit::{self, Iterations}};
/// let g = Graph::new();
/// let (x, y) = (g.constant([1.0, 2.0, 3.0]), g.constant([1.0, 2.5, 2.5]));
/// let strength = g.input_of(DType::F64, "strength", ());
/// let fit = implicit::minimize(g.full(0.0, ()), &Iterations::default(), |w| {
///     (w * x - y).square().sum() + strength * w * w
/// });
/// let weight = fit.point.value;
/// let mut program =
///     g.compile([("weight", weight), ("slope", g.gradient(weight, strength)), ("is minimum", fit.is_minimum)])?;
/// let out = program.call(("strength", 1.0))?;
/// // w = x·y/(x·x + strength), with x·y = 13.5 and x·x = 14.
/// assert!((out.scalar::<f64>("weight")? - 0.9).abs() < 1e-15);
/// assert!((out.scalar::<f64>("slope")? + 0.06).abs() < 1e-15);
/// assert_eq!(out["is minimum"], true.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("argmin", "bilevel", "hypergradient"))]
#[track_caller]
pub fn minimize<'g>(guess: Expr<'g>, iterations: &Iterations, f: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Minimum<'g> {
    let _frame = guess.graph().enter("minimize", Site::caller());
    minimum(guess, Start::Guess(iterations), f)
}

/// A stationary point that was found elsewhere, with its derivative, as [`minimize`] gives it. The value is that of `point`, whose
/// own derivative is not asked for; that the gradient is 0 there is told by [`Solution::residual`].
///
/// # Errors
/// As for [`minimize`].
#[track_caller]
pub fn minimum_at<'g>(point: Expr<'g>, f: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Minimum<'g> {
    let _frame = point.graph().enter("minimum_at", Site::caller());
    minimum(point, Start::Found, f)
}

/// z and λ with ∇f(z) + Σ λᵢ·∇cᵢ(z) = 0 and c(z) = 0, by Newton's method on these equations from a guess of z. The closure gives f
/// and c, and the derivatives of z and λ are by everything that it reads from outside; see [the module](crate::implicit).
///
/// The first λ is that which makes the first equation least in the sense of least squares. A quadratic function with linear
/// constraints takes one step, and one more that sees it.
///
/// # Shapes
/// guess: S, f: S → `[]`, c: S → T; the point has shape S, the multipliers T.
///
/// # Errors
/// As for [`minimize`]; also if c is not of the dtype of the guess.
///
/// # Complexity
/// As for [`minimize`], with n + m for n, for m constraints.
///
/// # Source
/// Nocedal and Wright, *Numerical Optimization*, 2nd edition, 2006, section 18.1; for `is_minimum`, theorem 16.3.
///
/// # Example
/// The point of the line a·z = 1 that is nearest to 0, which is a/(a·a):
/// ```
/// use ndarray::array;
/// use pullback::{DType, Graph, Value, implicit::{self, Iterations}};
/// let g = Graph::new();
/// let a = g.input_of(DType::F64, "a", (2,));
/// let nearest = implicit::minimize_subject_to(g.full(0.0, (2,)), &Iterations::default(), |z| {
///     (0.5 * z.square().sum(), a.dot(z) - 1.0)
/// });
/// let mut program = g.compile([("z", nearest.point.value), ("J", g.jacobian(nearest.point.value, a))])?;
/// let out = program.call(("a", array![2.0, 0.0]))?;
/// assert_eq!(out["z"], Value::from([0.5, 0.0]));
/// assert_eq!(out["J"], array![[-0.25, 0.0], [0.0, 0.25]].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("kkt", "lagrange", "equality_constrained", "optlayer"))]
#[track_caller]
pub fn minimize_subject_to<'g>(
    guess: Expr<'g>,
    iterations: &Iterations,
    closure: impl FnOnce(Expr<'g>) -> (Expr<'g>, Expr<'g>),
) -> ConstrainedMinimum<'g> {
    let _frame = guess.graph().enter("minimize_subject_to", Site::caller());
    constrained_minimum(guess, Start::Guess(iterations), closure)
}

/// A stationary point on a set of constraints that was found elsewhere, with its derivative, as [`minimize_subject_to`] gives it.
/// The value is that of `point`, whose own derivative is not asked for; the multipliers are computed by least squares.
///
/// # Errors
/// As for [`minimize_subject_to`].
#[track_caller]
pub fn constrained_minimum_at<'g>(
    point: Expr<'g>,
    closure: impl FnOnce(Expr<'g>) -> (Expr<'g>, Expr<'g>),
) -> ConstrainedMinimum<'g> {
    let _frame = point.graph().enter("constrained_minimum_at", Site::caller());
    constrained_minimum(point, Start::Found, closure)
}

/// What the first point is.
enum Start<'i> {
    Guess(&'i Iterations),
    Found,
}

impl Start<'_> {
    /// The solution of an equation from here.
    fn solve<'g, F: Fn(Expr<'g>, &[Expr<'g>]) -> Expr<'g>>(
        &self,
        first: Expr<'g>,
        equation: &Equation<'g, F>,
    ) -> Solution<'g> {
        equation.solved(match self {
            Start::Guess(iterations) => equation.newton(first, iterations),
            Start::Found => Ended { value: first, iterations: first.graph().full(0i64, ()) },
        })
    }
}

fn minimum<'g>(first: Expr<'g>, start: Start<'_>, f: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Minimum<'g> {
    let g = first.graph();
    match traced(first, f).and_then(|function| check_scalar(*function.results()?).map(|()| function)) {
        Ok(function) => {
            let gradient = |z, captures: &[Expr<'g>]| g.gradient(function.inline(z, captures), z);
            let equation = Equation::new(g, function.captures(), gradient);
            let point = start.solve(first, &equation);
            let hessian = equation.jacobian(point.value.stop_gradient());
            Minimum { point, is_minimum: has_inertia(hessian, &first.shape().size(), &Dim::from(0)) }
        }
        Err(poison) => Minimum { point: Solution::poisoned(poison), is_minimum: poison },
    }
}

fn constrained_minimum<'g>(
    first: Expr<'g>,
    start: Start<'_>,
    closure: impl FnOnce(Expr<'g>) -> (Expr<'g>, Expr<'g>),
) -> ConstrainedMinimum<'g> {
    match Lagrangian::new(first, closure) {
        Ok(lagrangian) => {
            let equation = Equation::new(first.graph(), lagrangian.function.captures(), |u, captures| {
                lagrangian.residual(u, captures)
            });
            let joined = start.solve(lagrangian.first(first), &equation);
            let matrix = equation.jacobian(joined.value.stop_gradient());
            let [z, multipliers] = lagrangian.parts(joined.value);
            let (n, m) = lagrangian.sizes();
            let is_minimum = has_inertia(matrix, &n, &m);
            ConstrainedMinimum { point: Solution { value: z, ..joined }, multipliers, is_minimum }
        }
        Err(poison) => {
            ConstrainedMinimum { point: Solution::poisoned(poison), multipliers: poison, is_minimum: poison }
        }
    }
}

/// A function and its constraints, of which z and λ, one behind the other, are the unknown u.
struct Lagrangian<'g> {
    function: Function<'g, Expr<'g>, (Expr<'g>, Expr<'g>)>,
    z: Type,
    constraints: Type,
}

impl<'g> Lagrangian<'g> {
    fn new(z: Expr<'g>, closure: impl FnOnce(Expr<'g>) -> (Expr<'g>, Expr<'g>)) -> Result<Lagrangian<'g>, Expr<'g>> {
        let function = traced(z, closure)?;
        let (f, c) = *function.results()?;
        check_scalar(f)?;
        check_type("the constraints", &Type::new(z.dtype(), c.shape()), c)?;
        Ok(Lagrangian { z: z.ty(), constraints: c.ty(), function })
    }

    /// How many elements z and λ have.
    fn sizes(&self) -> (Dim, Dim) {
        (self.z.shape.size(), self.constraints.shape.size())
    }

    /// z and λ in their shapes.
    fn parts(&self, u: Expr<'g>) -> [Expr<'g>; 2] {
        let (n, m) = self.sizes();
        match u.split([n, m], 0)[..] {
            [z, multipliers] => [z.reshape(&self.z.shape), multipliers.reshape(&self.constraints.shape)],
            _ => [u; 2],
        }
    }

    /// ∇f + Σ λᵢ·∇cᵢ, and behind it c.
    fn residual(&self, u: Expr<'g>, captures: &[Expr<'g>]) -> Expr<'g> {
        let [z, multipliers] = self.parts(u);
        let (f, c) = self.function.inline(z, captures);
        let gradient = u.graph().gradient(f + (multipliers * c).sum(), z);
        flat(gradient).concat([flat(c)], 0)
    }

    /// z, and behind it the λ that makes ‖∇f + Aᵀ·λ‖ least, A the Jacobian of the constraints: that of r + Aᵀ·λ = −∇f, A·r = 0.
    fn first(&self, z: Expr<'g>) -> Expr<'g> {
        let (n, m) = self.sizes();
        let z = z.stop_gradient();
        let (g, dtype) = (z.graph(), z.dtype());
        let (f, c) = self.function.inline(z, self.function.captures());
        let (gradient, a) = (flat(g.gradient(f, z)), matrix(c, z));
        if a.is_poisoned() {
            return a;
        }
        let upper = g.eye(n.clone(), dtype).concat([a.t()], 1);
        let lower = a.concat([g.eye(m.clone(), dtype).zeros_like()], 1);
        let right = (-gradient).concat([flat(c).zeros_like()], 0);
        let solution = upper.concat([lower], 0).solve(right);
        let multipliers = solution.split([n, m], 0)[1];
        flat(z).concat([multipliers], 0)
    }
}

/// That a function has one number.
fn check_scalar(f: Expr<'_>) -> Result<(), Expr<'_>> {
    if f.rank() == 0 && f.dtype().is_float() {
        return Ok(());
    }
    Err(f.graph().report(GraphError::GradientOfArray { found: f.ty() }, &[f]))
}

/// Whether a symmetric matrix has so many positive and so many negative eigenvalues, and none that rounding could have made.
fn has_inertia<'g>(matrix: Expr<'g>, n_positive: &Dim, n_negative: &Dim) -> Expr<'g> {
    if matrix.is_poisoned() {
        return matrix;
    }
    let g = matrix.graph();
    let values = matrix.eigvalsh();
    let size = g.dim_size(n_positive.clone() + n_negative, matrix.dtype());
    let bound = largest(values) * size * epsilon(matrix.dtype());
    let is_all =
        |is_counted: Expr<'g>, n: &Dim| is_counted.cast(DType::I64).sum().equal(g.dim_size(n.clone(), DType::I64));
    is_all(values.greater(bound), n_positive).and(is_all(values.less(-bound), n_negative))
}
