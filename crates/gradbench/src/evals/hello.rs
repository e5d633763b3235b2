//! `hello`: x², and its derivative.

use pullback::{Graph, Options};
use serde_json::Value as Json;

use crate::{error::EvalError, prepared::Inputs, timed::Timed};

pub(crate) fn square(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let x = inputs.scalar("x", serde_json::from_value(input)?);
    Ok(inputs.compile([("square", x.square())], options)?.timed(|program| program.json("square")))
}

pub(crate) fn double(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let x = inputs.scalar("x", serde_json::from_value(input)?);
    Ok(inputs.compile([("slope", g.gradient(x.square(), x))], options)?.timed(|program| program.json("slope")))
}
