//! `saddle`: the saddle point of (x₁² + y₁²) − (x₂² + y₂²), by a descent whose objective is the end of another one: the derivative of the
//! outer goes through all steps of the inner. Both are loops of one graph.

use pullback::{
    Expr, Graph, Options,
    graph::DerivativeMode::{self, Forward, Reverse},
};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    descent::{Iterations, argmin},
    error::EvalError,
    prepared::Inputs,
    timed::Timed,
};

/// The inner descent takes 170 from starts within a thousand of the saddle point. Reverse mode takes as many as this whatever is needed.
const MAX_INNER: usize = 256;

#[derive(Debug, Deserialize)]
struct Input {
    start: [f64; 2],
}

/// By which mode the outer and the inner descent find their gradients.
#[derive(Debug, Clone, Copy)]
struct Modes {
    outer: DerivativeMode,
    inner: DerivativeMode,
}

pub(crate) fn forward_over_forward(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    prepare(input, options, Modes { outer: Forward, inner: Forward })
}

pub(crate) fn forward_over_reverse(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    prepare(input, options, Modes { outer: Forward, inner: Reverse })
}

pub(crate) fn reverse_over_forward(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    prepare(input, options, Modes { outer: Reverse, inner: Forward })
}

pub(crate) fn reverse_over_reverse(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    prepare(input, options, Modes { outer: Reverse, inner: Reverse })
}

fn prepare(input: Json, options: &Options, modes: Modes) -> Result<Box<dyn Timed>, EvalError> {
    let input: Input = serde_json::from_value(input)?;
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let start = [inputs.scalar("x", input.start[0]), inputs.scalar("y", input.start[1])];
    let low =
        argmin(&g, &start, Iterations::Any, modes.outer, |low| objective(low, &argmax(&g, low, &start, modes.inner)));
    let high = argmax(&g, &low, &start, modes.inner);
    let saddle = low[0].stack([low[1], high[0], high[1]], 0);
    Ok(inputs.compile([("saddle", saddle)], options)?.timed(|program| program.json("saddle")))
}

fn objective<'g>(low: &[Expr<'g>], high: &[Expr<'g>]) -> Expr<'g> {
    (low[0].square() + low[1].square()) - (high[0].square() + high[1].square())
}

/// Where the objective is greatest by its second point.
fn argmax<'g>(g: &'g Graph, low: &[Expr<'g>], start: &[Expr<'g>], mode: DerivativeMode) -> Vec<Expr<'g>> {
    argmin(g, start, Iterations::AtMost(MAX_INNER), mode, |high| -objective(low, high))
}
