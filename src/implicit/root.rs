//! Roots and fixed points. In: a guess, or a solution that was found elsewhere, and a closure. Out: a [`Solution`].

use super::{
    equation::{Equation, check_type, traced},
    iterations::{Ended, Iterations},
};
use crate::{
    graph::{Expr, Site},
    ops::Function,
};

/// A solution with its derivative, and how far to believe it; see [the table](crate::implicit#what-is-reported).
#[derive(Debug, Clone, Copy)]
pub struct Solution<'g> {
    /// The solution: its derivatives are by all that the closure reads from outside. NaN where iterations did not converge.
    pub value: Expr<'g>,
    /// The greatest |Fᵢ| at the solution, a scalar of its dtype; NaN where iterations did not converge.
    pub residual: Expr<'g>,
    /// 1/(‖J‖₁·‖J⁻¹‖₁) at the solution, a scalar of its dtype; 0 where J is singular, or where iterations did not converge.
    pub reciprocal_condition: Expr<'g>,
    /// How many iterations there were, an `i64` scalar; 0 where the solution was given.
    pub iterations: Expr<'g>,
}

impl<'g> Solution<'g> {
    /// What stands for an error.
    pub(super) fn poisoned(poison: Expr<'g>) -> Solution<'g> {
        Solution { value: poison, residual: poison, reciprocal_condition: poison, iterations: poison }
    }
}

/// z with F(z) = 0, by Newton's method from a guess: z ← z − J⁻¹·F(z). Its derivative is that of the root by everything that F
/// reads from outside; see [the module](crate::implicit).
///
/// The method is the plain one: from a guess that is too far away it may find another root, or none, and then gives NaN. For a
/// method of your own there is [`root_at`].
///
/// # Shapes
/// guess: S, F: S → S; the value has shape S.
///
/// # Errors
/// An error is recorded if the guess is no float, if F gives another shape or dtype, or if the tolerance is not positive.
///
/// # Complexity
/// Each iteration takes n forward derivatives of F, in one batch, and 2n³/3 for n elements; so does a derivative, whatever it is
/// by.
///
/// # Source
/// Griewank and Walther, *Evaluating Derivatives*, 2nd edition, 2008, section 15.1.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, implicit::{self, Iterations}};
/// let g = Graph::new();
/// let a = g.input_of(DType::F64, "a", ());
/// let root = implicit::root(g.full(1.0, ()), &Iterations::default(), |z| z * z - a);
/// let slope = g.gradient(root.value, a);
/// let results = [("root", root.value), ("slope", slope), ("curvature", g.gradient(slope, a))];
/// let out = g.compile(results)?.call(("a", 4.0))?;
/// assert_eq!(out.scalar::<f64>("root")?, 2.0);
/// assert_eq!(out.scalar::<f64>("slope")?, 0.25);      // 1/(2√a)
/// assert_eq!(out.scalar::<f64>("curvature")?, -0.03125); // −1/(4·a^(3/2))
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("newton", "fsolve", "custom_root"))]
#[track_caller]
pub fn root<'g>(guess: Expr<'g>, iterations: &Iterations, residual: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Solution<'g> {
    let _frame = guess.graph().enter("root", Site::caller());
    match endomorphism(guess, residual) {
        Ok(function) => {
            let equation =
                Equation::new(guess.graph(), function.captures(), |z, captures| function.inline(z, captures));
            equation.solved(equation.newton(guess, iterations))
        }
        Err(poison) => Solution::poisoned(poison),
    }
}

/// A root that was found elsewhere, with its derivative: by a loop of one's own, a custom operation, or a program that ran before.
/// The value is that of `solution`, whose own derivative is not asked for.
///
/// That F is 0 there is not checked but told by [`Solution::residual`]. A fixed point of f is a root of f(z) − z.
///
/// # Shapes
/// solution: S, F: S → S; the value has shape S.
///
/// # Errors
/// As for [`root`].
///
/// # Complexity
/// A derivative takes n forward derivatives of F, in one batch, and 2n³/3 for n elements.
///
/// # Example
/// A root by bisection:
/// ```
/// use pullback::{DType, Graph, implicit};
/// let g = Graph::new();
/// let a = g.input_of(DType::F64, "a", ());
/// let (low, high) = g.fori(60, (a.zeros_like(), 1.0 + a), |_, (low, high)| {
///     let middle = 0.5 * (low + high);
///     let is_high = (middle * middle).greater(a);
///     (is_high.select(low, middle), is_high.select(middle, high))
/// });
/// let root = implicit::root_at(0.5 * (low + high), |z| z * z - a).value;
/// let mut program = g.compile([("root", root), ("slope", g.gradient(root, a))])?;
/// let out = program.call(("a", 4.0))?;
/// assert!((out.scalar::<f64>("root")? - 2.0).abs() < 1e-15);
/// assert!((out.scalar::<f64>("slope")? - 0.25).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("implicit_diff", "custom_root"))]
#[track_caller]
pub fn root_at<'g>(solution: Expr<'g>, residual: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Solution<'g> {
    let g = solution.graph();
    let _frame = g.enter("root_at", Site::caller());
    match endomorphism(solution, residual) {
        Ok(function) => {
            let equation = Equation::new(g, function.captures(), |z, captures| function.inline(z, captures));
            equation.solved(Ended { value: solution, iterations: g.full(0i64, ()) })
        }
        Err(poison) => Solution::poisoned(poison),
    }
}

/// z with z = f(z), by plain iteration from a guess: z ← f(z). Its derivative is ż = (I − ∂f/∂z)⁻¹·(∂f/∂θ)·θ̇ by everything that f
/// reads from outside; see [the module](crate::implicit).
///
/// It converges where f contracts. If a step shrinks the distance by ρ, the last one leaves an error of ρ/(1 − ρ) times the
/// tolerance: for ρ near 1 ask for less than the default, or take [`root`] of f(z) − z.
///
/// # Shapes
/// guess: S, f: S → S; the value has shape S. [`Solution::residual`] is the greatest |f(z) − z|, and J is ∂f/∂z − I.
///
/// # Errors
/// As for [`root`].
///
/// # Complexity
/// Each iteration evaluates f once. A derivative takes n forward derivatives of f, in one batch, and 2n³/3 for n elements.
///
/// # Source
/// Griewank and Walther, *Evaluating Derivatives*, 2nd edition, 2008, section 15.1.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, implicit::{self, Iterations}};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let y = implicit::fixed_point(g.full(1.0, ()), &Iterations::default(), |y| (x * y).cos()).value;
/// let mut program = g.compile([("y", y), ("slope", g.gradient(y, x))])?;
/// let out = program.call(("x", 0.7))?;
/// let (y, slope) = (out.scalar::<f64>("y")?, out.scalar::<f64>("slope")?);
/// assert!((y - (0.7 * y).cos()).abs() < 1e-11);
/// assert!((slope + y * (0.7 * y).sin() / (1.0 + 0.7 * (0.7 * y).sin())).abs() < 1e-11);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("deq", "picard"))]
#[track_caller]
pub fn fixed_point<'g>(
    guess: Expr<'g>,
    iterations: &Iterations,
    function: impl FnOnce(Expr<'g>) -> Expr<'g>,
) -> Solution<'g> {
    let _frame = guess.graph().enter("fixed_point", Site::caller());
    match endomorphism(guess, function) {
        Ok(function) => {
            let captures = function.captures();
            let equation = Equation::new(guess.graph(), captures, |z, captures| function.inline(z, captures) - z);
            equation.solved(iterations.run(guess, |z| function.inline(z, captures)))
        }
        Err(poison) => Solution::poisoned(poison),
    }
}

/// A closure that gives what is of the type of the unknown, run once.
fn endomorphism<'g>(
    z: Expr<'g>,
    closure: impl FnOnce(Expr<'g>) -> Expr<'g>,
) -> Result<Function<'g, Expr<'g>, Expr<'g>>, Expr<'g>> {
    let function = traced(z, closure)?;
    check_type("what the closure gives", &z.ty(), *function.results()?)?;
    Ok(function)
}
