//! `llsq`: half the sum of squares of sign(tᵢ) − Σⱼ xⱼ·tᵢʲ over n points tᵢ from −1 to 1, and its gradient by x.
//!
//! The polynomial is evaluated in blocks of √m coefficients: one product of matrices gives, for each point, the value of each block, and
//! these are added up with the powers of t^√m. That takes 2·√m powers of each point instead of m. (Paterson and Stockmeyer, SIAM Journal on
//! Computing 2, 1973.)

use pullback::{DType, Expr, Graph, Options};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    error::EvalError,
    prepared::{Inputs, Program},
    timed::Timed,
};

#[derive(Debug, Deserialize)]
struct Input {
    x: Vec<f64>,
    n: usize,
}

pub(crate) fn primal(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let program = prepare(input, options, |_, objective, _| objective)?;
    Ok(program.timed(|program| program.json("result")))
}

pub(crate) fn gradient(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let program = prepare(input, options, |g, objective, x| g.gradient(objective, x))?;
    Ok(program.timed(|program| program.json("result")))
}

fn prepare(
    input: Json,
    options: &Options,
    result: impl for<'g> FnOnce(&'g Graph, Expr<'g>, Expr<'g>) -> Expr<'g>,
) -> Result<Program, EvalError> {
    let input: Input = serde_json::from_value(input)?;
    if input.x.is_empty() {
        return Err(EvalError::Empty { name: "x" });
    }
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let x = inputs.vector("x", &input.x);
    // n is fed too, or the points, their signs and their powers would be constants that are computed beforehand.
    let n = inputs.scalar("n", input.n as f64);
    let points = g.iota(DType::F64, (input.n,), 0) * 2.0 / (n - 1.0) - 1.0;
    let residuals = points.sign() - polynomial(x, input.x.len(), points);
    inputs.compile(result(&g, 0.5 * residuals.square().sum(), x), options)
}

/// x: `[n_coefficients]`, points: `[n]` → `[n]`.
fn polynomial<'g>(x: Expr<'g>, n_coefficients: usize, points: Expr<'g>) -> Expr<'g> {
    let width = (n_coefficients as f64).sqrt().ceil() as usize;
    let n_blocks = n_coefficients.div_ceil(width);
    let blocks = x.pad([(0, n_blocks * width - n_coefficients)], 0.0).reshape((n_blocks, width));
    let (low, step) = powers(points, width);
    let (high, _) = powers(step, n_blocks);
    (blocks.dot(low) * high).sum_over(0)
}

/// The powers of points from 0 on below `count`, a row each, and the power `count`.
fn powers<'g>(points: Expr<'g>, count: usize) -> (Expr<'g>, Expr<'g>) {
    let mut rows = vec![points.ones_like()];
    for position in 0..count {
        rows.push(rows[position] * points);
    }
    let next = rows[count];
    (rows[0].stack(rows[1..count].iter().copied(), 0), next)
}
