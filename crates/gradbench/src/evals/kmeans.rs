//! `kmeans`: the sum over points of the squared distance to the nearest centroid, and the direction of a step of Newton's method by the
//! centroids: the gradient over the diagonal of the Hessian.
//!
//! Which centroid is the nearest has no derivative; the distance to it does, so that the derivatives read one centroid for each point
//! instead of all. The Hessian is diagonal, and its product with a vector of ones is its diagonal.

use pullback::{Expr, Graph, Options};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{error::EvalError, prepared::Inputs, timed::Timed};

#[derive(Debug, Deserialize)]
struct Input {
    points: Vec<Vec<f64>>,
    centroids: Vec<Vec<f64>>,
}

pub(crate) fn cost(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let (cost, _) = build(&mut inputs, &serde_json::from_value(input)?)?;
    Ok(inputs.compile([("cost", cost)], options)?.timed(|program| program.json("cost")))
}

pub(crate) fn direction(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let (cost, centroids) = build(&mut inputs, &serde_json::from_value(input)?)?;
    let diagonal = g.hvp(cost, &[(centroids, centroids.ones_like())])[0];
    let direction = g.gradient(cost, centroids) / diagonal;
    Ok(inputs.compile([("direction", direction)], options)?.timed(|program| program.json("direction")))
}

/// The cost, and the centroids.
fn build<'g>(inputs: &mut Inputs<'g>, input: &Input) -> Result<(Expr<'g>, Expr<'g>), EvalError> {
    let width = input.points.first().ok_or(EvalError::Empty { name: "points" })?.len();
    let points = inputs.matrix("points", &input.points, width)?;
    let centroids = inputs.matrix("centroids", &input.centroids, width)?;
    // ‖p − c‖² without ‖p‖², which is the same for all centroids.
    let distances = centroids.square().sum_over(-1) - 2.0 * points.dot(centroids.t());
    let nearest = distances.argmin(-1);
    Ok(((points - centroids.gather(nearest, 0)).square().sum(), centroids))
}
