//! `lse`: log Σ exp(x), and its gradient. Written with a maximum, exponentials and a sum, as the evaluation asks, not with the library's
//! `logsumexp`.

use pullback::{Expr, Graph, Options};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{error::EvalError, prepared::Inputs, timed::Timed};

#[derive(Debug, Deserialize)]
struct Input {
    x: Vec<f64>,
}

fn log_sum_exp(x: Expr<'_>) -> Expr<'_> {
    let greatest = x.max();
    greatest + (x - greatest).exp().sum().log()
}

pub(crate) fn primal(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let input: Input = serde_json::from_value(input)?;
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let x = inputs.vector("x", &input.x);
    Ok(inputs.compile([("value", log_sum_exp(x))], options)?.timed(|program| program.json("value")))
}

pub(crate) fn gradient(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let input: Input = serde_json::from_value(input)?;
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let x = inputs.vector("x", &input.x);
    Ok(inputs
        .compile([("gradient", g.gradient(log_sum_exp(x), x))], options)?
        .timed(|program| program.json("gradient")))
}
