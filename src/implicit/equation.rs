//! Equations F(z, θ) = 0. In: F as a closure that was run once, with what it captured. Out: Newton's steps, the derivative of a
//! solution by everything that was captured, and how well J = ∂F/∂z can be inverted.

use super::{
    iterations::{Ended, Iterations},
    root::Solution,
};
use crate::{
    graph::{Expr, Graph, GraphError, Type},
    ops::{Function, Tree},
};

/// An equation for an unknown of one type: `residual` gives F at z, for what stands in place of the captures.
pub(super) struct Equation<'g, F> {
    graph: &'g Graph,
    captures: Vec<Expr<'g>>,
    residual: F,
}

impl<'g, F: Fn(Expr<'g>, &[Expr<'g>]) -> Expr<'g>> Equation<'g, F> {
    pub(super) fn new(graph: &'g Graph, captures: &[Expr<'g>], residual: F) -> Equation<'g, F> {
        Equation { graph, captures: captures.to_vec(), residual }
    }

    /// F(z, θ).
    pub(super) fn residual(&self, z: Expr<'g>) -> Expr<'g> {
        (self.residual)(z, &self.captures)
    }

    /// J at z, a matrix.
    pub(super) fn jacobian(&self, z: Expr<'g>) -> Expr<'g> {
        matrix(self.residual(z), z)
    }

    /// z − J⁻¹·F, until it does not move.
    pub(super) fn newton(&self, guess: Expr<'g>, iterations: &Iterations) -> Ended<'g> {
        iterations.run(guess, |z| {
            let residual = self.residual(z);
            let step = matrix(residual, z).solve(flat(residual));
            if step.is_poisoned() { step } else { z - step.reshape(z.shape()) }
        })
    }

    /// A value as the solution of this equation, with its derivative and what is to be told of it.
    pub(super) fn solved(&self, ended: Ended<'g>) -> Solution<'g> {
        let value = ended.value.stop_gradient();
        Solution {
            value: self.attach(value),
            residual: largest(self.residual(value)).stop_gradient(),
            reciprocal_condition: reciprocal_condition(self.jacobian(value)).stop_gradient(),
            iterations: ended.iterations,
        }
    }

    /// The value, with J·ż = −(∂F/∂θ)·θ̇ as its derivative by the captured floats θ.
    fn attach(&self, value: Expr<'g>) -> Expr<'g> {
        let parameters: Vec<Expr<'g>> =
            self.captures.iter().filter(|capture| capture.dtype().is_float()).copied().collect();
        if parameters.is_empty() {
            return value;
        }
        let frame = self.graph.frame();
        self.graph.with_derivative(parameters, value, |parameters, z, tangents| {
            let _frame = self.graph.reenter(frame);
            let residual = (self.residual)(z, &self.with_floats(&parameters));
            let pairs: Vec<_> = parameters.into_iter().zip(tangents).collect();
            let right = self.graph.jvp(residual, &pairs);
            let tangent = matrix(residual, z).solve(flat(-right));
            if tangent.is_poisoned() { tangent } else { tangent.reshape(z.shape()) * one_or_nan(z) }
        })
    }

    /// The captures with others in place of the floats.
    fn with_floats(&self, floats: &[Expr<'g>]) -> Vec<Expr<'g>> {
        let mut floats = floats.iter().copied();
        let mut replaced = |capture: &Expr<'g>| {
            if capture.dtype().is_float() {
                floats.next().expect("invariant: there is one for each float")
            } else {
                *capture
            }
        };
        self.captures.iter().map(&mut replaced).collect()
    }
}

/// A closure of the unknown, run once; or the poison if the unknown is no float or the closure makes an error.
pub(super) fn traced<'g, T: Tree<'g>>(
    z: Expr<'g>,
    closure: impl FnOnce(Expr<'g>) -> T,
) -> Result<Function<'g, Expr<'g>, T>, Expr<'g>> {
    let g = z.graph();
    if z.is_poisoned() {
        return Err(z);
    }
    if !z.dtype().is_float() {
        return Err(g.report(GraphError::NoDerivative { found: z.ty() }, &[z]));
    }
    let function = g.function(z, closure);
    function.results()?;
    Ok(function)
}

/// That what a closure gives has this type.
pub(super) fn check_type<'g>(what: &'static str, expected: &Type, found: Expr<'g>) -> Result<(), Expr<'g>> {
    let (g, ty) = (found.graph(), found.ty());
    if ty.dtype != expected.dtype {
        return Err(g.report(GraphError::DTypesDiffer { left: expected.dtype, right: ty.dtype }, &[found]));
    }
    if ty.shape != expected.shape {
        let (expected, found_shape) = (expected.shape.clone(), ty.shape);
        return Err(g.report(GraphError::WrongShape { what, expected, found: found_shape }, &[found]));
    }
    Ok(())
}

/// All elements as one vector.
pub(super) fn flat(x: Expr<'_>) -> Expr<'_> {
    if x.is_poisoned() { x } else { x.reshape([x.shape().size()]) }
}

/// ∂y/∂x as a matrix, a row for each element of y.
pub(super) fn matrix<'g>(y: Expr<'g>, x: Expr<'g>) -> Expr<'g> {
    if y.is_poisoned() {
        return y;
    }
    y.graph().jacobian(y, x).reshape([y.shape().size(), x.shape().size()])
}

/// The greatest magnitude; 0 of nothing.
pub(super) fn largest(x: Expr<'_>) -> Expr<'_> {
    flat(x).abs().pad([(1, 0)], 0.0).max()
}

/// 1/(‖A‖₁·‖A⁻¹‖₁), and 0 where that is no number.
fn reciprocal_condition(a: Expr<'_>) -> Expr<'_> {
    let condition = norm(a) * norm(a.inverse());
    // Rounding may say that a matrix is better than the best.
    condition.is_finite().select((1.0 / condition).minimum(1.0), 0.0)
}

/// The greatest sum of magnitudes of a column.
fn norm(a: Expr<'_>) -> Expr<'_> {
    largest(a.abs().sum_over(0))
}

/// 1, and NaN where z is no finite number: a factor that keeps the derivative of what did not converge from looking like one.
fn one_or_nan(z: Expr<'_>) -> Expr<'_> {
    z.is_finite().select(z.ones_like(), f64::NAN)
}
