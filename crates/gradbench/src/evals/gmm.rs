//! `gmm`: the log posterior of a Gaussian mixture with a Wishart prior on the precision matrices, and its gradient by weights, means and
//! the factors of the precision matrices.

use std::f64::consts::PI;

use pullback::{DType, Expr, Graph, Options};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{
    error::EvalError,
    prepared::{Inputs, table},
    timed::Timed,
};

#[derive(Debug, Deserialize)]
struct Input {
    d: usize,
    k: usize,
    n: usize,
    x: Vec<Vec<f64>>,
    m: f64,
    gamma: f64,
    alpha: Vec<f64>,
    mu: Vec<Vec<f64>>,
    q: Vec<Vec<f64>>,
    l: Vec<Vec<f64>>,
}

/// What the gradient is by, with names as in the output.
struct Variables<'g> {
    alpha: Expr<'g>,
    mu: Expr<'g>,
    q: Expr<'g>,
    l: Expr<'g>,
}

/// What the prior is told.
struct Wishart<'g> {
    /// Degrees of freedom in excess of d + 1.
    excess: Expr<'g>,
    gamma: Expr<'g>,
}

pub(crate) fn objective(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let (log_posterior, _) = build(&g, &mut inputs, &serde_json::from_value(input)?)?;
    Ok(inputs.compile([("log_posterior", log_posterior)], options)?.timed(|program| program.json("log_posterior")))
}

pub(crate) fn jacobian(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    const NAMES: [&str; 4] = ["alpha", "mu", "q", "l"];
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let (log_posterior, variables) = build(&g, &mut inputs, &serde_json::from_value(input)?)?;
    let gradients = g.gradients(log_posterior, &[variables.alpha, variables.mu, variables.q, variables.l]);
    let results: Vec<(&str, Expr<'_>)> = NAMES.into_iter().zip(gradients).collect();
    Ok(inputs.compile(results, options)?.timed(|program| {
        let [alpha, mu, q, l] = NAMES.map(|name| program.json(name));
        json!({ "alpha": alpha, "mu": mu, "q": q, "l": l })
    }))
}

fn build<'g>(g: &'g Graph, inputs: &mut Inputs<'g>, input: &Input) -> Result<(Expr<'g>, Variables<'g>), EvalError> {
    let (d, k, n) = (input.d, input.k, input.n);
    for (name, expected, found) in [("alpha", k, input.alpha.len()), ("x", n, input.x.len()), ("mu", k, input.mu.len())]
    {
        if found != expected {
            return Err(EvalError::Length { name, expected, found });
        }
    }
    if d == 0 {
        return Err(EvalError::Empty { name: "a point" });
    }
    let x = inputs.matrix("x", &input.x, d)?;
    let variables = Variables {
        alpha: inputs.vector("alpha", &input.alpha),
        mu: inputs.matrix("mu", &input.mu, d)?,
        q: inputs.matrix("q", &input.q, d)?,
        l: inputs.matrix("l", &input.l, d * (d - 1) / 2)?,
    };
    let wishart = Wishart { excess: inputs.scalar("m", input.m), gamma: inputs.scalar("gamma", input.gamma) };
    let diagonals = variables.q.exp();
    let factors = factors(g, diagonals, variables.l, d);
    let log_posterior = log_likelihood(x, &variables, factors, input)
        + log_prior(g, &wishart, input, variables.q.sum(), diagonals.square().sum() + variables.l.square().sum());
    Ok((log_posterior, variables))
}

/// The lower triangular factors `[k, d, d]`: `diagonals` on the diagonal, and below it `lower`, column by column.
fn factors<'g>(g: &'g Graph, diagonals: Expr<'g>, lower: Expr<'g>, d: usize) -> Expr<'g> {
    let n_lower = d * (d - 1) / 2;
    let mut positions = Vec::with_capacity(d * d);
    for row in 0..d {
        for column in 0..d {
            positions.push(match row.cmp(&column) {
                // Column j has d − 1 − j elements.
                std::cmp::Ordering::Greater => column * (2 * d - 1 - column) / 2 + row - column - 1,
                std::cmp::Ordering::Equal => n_lower + row,
                std::cmp::Ordering::Less => n_lower + d,
            } as i64);
        }
    }
    let elements = lower.concat([diagonals], 1).pad([(0, 0), (0, 1)], 0.0);
    elements.gather(table(g, &[d, d], &positions), 1)
}

/// log p(x | θ, φ), with ‖Qₖ(xᵢ − μₖ)‖ by one product of matrices for all i and k.
fn log_likelihood<'g>(x: Expr<'g>, variables: &Variables<'g>, factors: Expr<'g>, input: &Input) -> Expr<'g> {
    let (d, k, n) = (input.d, input.k, input.n);
    let projected = factors.reshape((k * d, d)).dot(x.t()).reshape((k, d, n));
    let centers = factors.dot(variables.mu.unsqueeze(-1));
    let distances = (projected - centers).square().sum_over(1);
    let beta = (variables.alpha + variables.q.sum_over(-1)).unsqueeze(-1) - 0.5 * distances;
    beta.logsumexp(0).sum() - n as f64 * (variables.alpha.logsumexp(0) + 0.5 * d as f64 * (2.0 * PI).ln())
}

/// log p(θ), by the sum of all q and the sum of the squares of all factors.
fn log_prior<'g>(g: &'g Graph, wishart: &Wishart<'g>, input: &Input, sum_q: Expr<'g>, squares: Expr<'g>) -> Expr<'g> {
    let d = input.d as f64;
    let degrees = wishart.excess + (d + 1.0);
    // log Γ_d(a) = d·(d − 1)/4·log π + Σⱼ log Γ(a − j/2), j from 0 on below d.
    let halves = 0.5 * g.iota(DType::F64, (input.d,), 0);
    let log_gamma = 0.25 * d * (d - 1.0) * PI.ln() + (0.5 * degrees - halves).lgamma().sum();
    let constant = degrees * d * (wishart.gamma.log() - 0.5 * 2f64.ln()) - log_gamma;
    input.k as f64 * constant - 0.5 * wishart.gamma.square() * squares + wishart.excess * sum_q
}
