//! Gradient descent inside of a graph, as `particle` and `saddle` need it: a loop whose body asks for a value and its derivatives. In:
//! where it starts, and what to minimize. Out: where the minimum is.
//!
//! The rule is that of `cpp/gradbench/gd.hpp` of GradBench's repository, since the outputs depend on it: the step size doubles after ten
//! steps that went down, and halves after one that did not; it ends where the gradient or a step is short.
//!
//! Points are lists of scalars, so that the bodies of loops are straight-line code, which the feature `jit` makes machine code of.

use pullback::{Expr, Graph, graph::DerivativeMode};

const FIRST_STEP_SIZE: f64 = 1e-5;
/// A gradient or a step that is not longer ends the descent.
const SHORT: f64 = 1e-5;
/// After so many steps down in a row the step size doubles.
const STEPS_TO_DOUBLE: f64 = 10.0;

/// How long a descent may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Iterations {
    /// As long as it needs: it cannot be differentiated by reverse mode.
    Any,
    AtMost(usize),
}

/// Where a descent is.
type Carry<'g> = (Vec<Expr<'g>>, (Expr<'g>, Vec<Expr<'g>>), (Expr<'g>, Expr<'g>), Expr<'g>);

/// Where the value is least, from `start` downwards, with gradients by `mode`. `value` builds the value of a point.
pub(crate) fn argmin<'g>(
    g: &'g Graph,
    start: &[Expr<'g>],
    iterations: Iterations,
    mode: DerivativeMode,
    value: impl Fn(&[Expr<'g>]) -> Expr<'g>,
) -> Vec<Expr<'g>> {
    let evaluate = |point: &[Expr<'g>]| {
        let value = value(point);
        (value, derivatives(g, mode, value, point))
    };
    // Nodes of their own: what is minimized may depend on `start` by other ways too, which are no part of the gradient.
    let start: Vec<Expr<'g>> = start.iter().map(|coordinate| 1.0 * *coordinate).collect();
    let first_value = evaluate(&start);
    let first: Carry<'g> = (start, first_value, (g.constant(FIRST_STEP_SIZE), g.constant(0.0)), g.constant(false));
    let goes_on = |(_, (_, slope), _, stopped): Carry<'g>| length(&slope).greater(SHORT).and(stopped.logical_not());
    let step = |(point, (value, slope), (size, n_down), _): Carry<'g>| {
        let doubles = n_down.equal(STEPS_TO_DOUBLE);
        let (size, n_down) = (doubles.select(2.0 * size, size), doubles.select(0.0, n_down));
        let moved: Vec<Expr<'g>> = slope.iter().map(|slope| size * *slope).collect();
        let next: Vec<Expr<'g>> = point.iter().zip(&moved).map(|(point, moved)| *point - *moved).collect();
        let stopped = length(&moved).less_equal(SHORT);
        let (next_value, next_slope) = evaluate(&next);
        let is_down = next_value.less(value).and(stopped.logical_not());
        let either = |new: Vec<Expr<'g>>, old: Vec<Expr<'g>>| -> Vec<Expr<'g>> {
            new.into_iter().zip(old).map(|(new, old)| is_down.select(new, old)).collect()
        };
        let now = (is_down.select(next_value, value), either(next_slope, slope));
        (either(next, point), now, (is_down.select(size, 0.5 * size), is_down.select(n_down + 1.0, 0.0)), stopped)
    };
    let (point, ..) = match iterations {
        Iterations::Any => g.while_loop(first, goes_on, step),
        Iterations::AtMost(bound) => g.while_loop_bounded(first, bound, goes_on, step),
    };
    point
}

/// The derivatives of a scalar by scalars: one product for each in forward mode, one for all in reverse mode.
pub(crate) fn derivatives<'g>(g: &'g Graph, mode: DerivativeMode, value: Expr<'g>, by: &[Expr<'g>]) -> Vec<Expr<'g>> {
    match mode {
        DerivativeMode::Forward => {
            by.iter().map(|variable| g.jvp(value, &[(*variable, variable.ones_like())])).collect()
        }
        DerivativeMode::Reverse => g.gradients(value, by),
    }
}

fn length<'g>(vector: &[Expr<'g>]) -> Expr<'g> {
    let squares = vector.iter().map(|element| element.square());
    squares.reduce(|sum, square| sum + square).expect("invariant: a point has a coordinate").sqrt()
}
