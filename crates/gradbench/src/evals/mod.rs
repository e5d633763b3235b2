//! The evaluations: a module for each, and the table of their functions.

mod ba;
mod det;
mod gmm;
mod hello;
mod ht;
mod kmeans;
mod llsq;
mod lse;
mod lstm;
mod ode;
mod particle;
mod saddle;

use pullback::Options;
use serde_json::Value as Json;

use crate::{error::EvalError, timed::Timed};

/// From an input to what is timed.
pub(crate) type Prepare = fn(Json, &Options) -> Result<Box<dyn Timed>, EvalError>;

/// Module and function, as messages name them, with what prepares it.
const FUNCTIONS: &[(&str, &str, Prepare)] = &[
    ("hello", "square", hello::square),
    ("hello", "double", hello::double),
    ("gmm", "objective", gmm::objective),
    ("gmm", "jacobian", gmm::jacobian),
    ("ba", "objective", ba::objective),
    ("ba", "jacobian", ba::jacobian),
    ("ode", "primal", ode::primal),
    ("ode", "gradient", ode::gradient),
    ("lstm", "objective", lstm::objective),
    ("lstm", "jacobian", lstm::jacobian),
    ("ht", "objective", ht::objective),
    ("ht", "jacobian", ht::jacobian),
    ("det", "primal", det::primal),
    ("det", "gradient", det::gradient),
    ("llsq", "primal", llsq::primal),
    ("llsq", "gradient", llsq::gradient),
    ("lse", "primal", lse::primal),
    ("lse", "gradient", lse::gradient),
    ("kmeans", "cost", kmeans::cost),
    ("kmeans", "dir", kmeans::direction),
    ("particle", "ff", particle::forward_over_forward),
    ("particle", "fr", particle::forward_over_reverse),
    ("particle", "rf", particle::reverse_over_forward),
    ("particle", "rr", particle::reverse_over_reverse),
    ("saddle", "ff", saddle::forward_over_forward),
    ("saddle", "fr", saddle::forward_over_reverse),
    ("saddle", "rf", saddle::reverse_over_forward),
    ("saddle", "rr", saddle::reverse_over_reverse),
];

pub(crate) fn has_module(name: &str) -> bool {
    FUNCTIONS.iter().any(|(module, ..)| *module == name)
}

pub(crate) fn find(module: &str, function: &str) -> Option<Prepare> {
    FUNCTIONS.iter().find(|row| row.0 == module && row.1 == function).map(|row| row.2)
}
