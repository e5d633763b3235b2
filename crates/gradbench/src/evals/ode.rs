//! `ode`: y(2) of y₀' = x₀, yᵢ' = xᵢ·yᵢ₋₁ from y(0) = 0, by s steps of Runge and Kutta's method, and the gradient of its last element by x.

use pullback::{Expr, Graph, Options};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    error::EvalError,
    prepared::{Inputs, Program},
    timed::Timed,
};

/// Where the integration ends.
const END: f64 = 2.0;

#[derive(Debug, Deserialize)]
struct Input {
    x: Vec<f64>,
    s: usize,
}

pub(crate) fn primal(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let program = prepare(input, options, |_, end, _| end)?;
    Ok(program.timed(|program| program.json("result")))
}

pub(crate) fn gradient(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let program = prepare(input, options, |g, end, x| g.gradient(end.slice(-1), x))?;
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
    let h = END / input.s as f64;
    let end = g.fori(input.s, x.zeros_like(), |_, y| {
        let k1 = slope(x, y);
        let k2 = slope(x, y + h / 2.0 * k1);
        let k3 = slope(x, y + h / 2.0 * k2);
        let k4 = slope(x, y + h * k3);
        y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    });
    inputs.compile(result(&g, end, x), options)
}

/// The slope of the first element is x₀ alone, as if it came after a 1.
fn slope<'g>(x: Expr<'g>, y: Expr<'g>) -> Expr<'g> {
    x * y.slice(..-1).pad([(1, 0)], 1.0)
}
