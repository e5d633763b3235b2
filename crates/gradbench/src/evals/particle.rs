//! `particle`: where a charge has to be for a charged particle to cross the x axis at the origin, by a descent on the squared place of its
//! crossing. The path is integrated by Euler's method, with a force that is the derivative of a potential, and the derivative of the
//! descent goes through all of it. All of it is one graph.

use pullback::{
    Expr, Graph, Options,
    graph::DerivativeMode::{self, Forward, Reverse},
    ops::Tree,
};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    descent::{Iterations, argmin, derivatives},
    error::EvalError,
    prepared::Inputs,
    timed::Timed,
};

const TIME_STEP: f64 = 0.1;
const START: [f64; 2] = [0.0, 8.0];
const FIRST_VELOCITY: [f64; 2] = [0.75, 0.0];
/// A path takes fewer steps. Reverse mode takes as many whatever is needed.
const MAX_STEPS: usize = 500;

#[derive(Debug, Deserialize)]
struct Input {
    w: f64,
}

/// By which mode the descent finds its gradient, and the path its force.
#[derive(Debug, Clone, Copy)]
struct Modes {
    descent: DerivativeMode,
    force: DerivativeMode,
}

pub(crate) fn forward_over_forward(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    prepare(input, options, Modes { descent: Forward, force: Forward })
}

pub(crate) fn forward_over_reverse(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    prepare(input, options, Modes { descent: Forward, force: Reverse })
}

pub(crate) fn reverse_over_forward(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    prepare(input, options, Modes { descent: Reverse, force: Forward })
}

pub(crate) fn reverse_over_reverse(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    prepare(input, options, Modes { descent: Reverse, force: Reverse })
}

fn prepare(input: Json, options: &Options, modes: Modes) -> Result<Box<dyn Timed>, EvalError> {
    let input: Input = serde_json::from_value(input)?;
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let start = inputs.scalar("w", input.w);
    // What the evaluation states is fed too, or the first path would be a constant but for w.
    let particle = Particle {
        position: [inputs.scalar("x", START[0]), inputs.scalar("y", START[1])],
        velocity: [inputs.scalar("x_velocity", FIRST_VELOCITY[0]), inputs.scalar("y_velocity", FIRST_VELOCITY[1])],
    };
    let w =
        argmin(&g, &[start], Iterations::Any, modes.descent, |w| crossing(&g, w[0], particle, modes.force).square());
    Ok(inputs.compile([("w", w[0])], options)?.timed(|program| program.json("w")))
}

/// Where the particle is, and how fast.
#[derive(Debug, Clone, Copy)]
struct Particle<'g> {
    position: [Expr<'g>; 2],
    velocity: [Expr<'g>; 2],
}

impl<'g> Particle<'g> {
    /// Where it is one step of time later.
    fn next_position(self) -> [Expr<'g>; 2] {
        [0, 1].map(|axis| self.position[axis] + TIME_STEP * self.velocity[axis])
    }
}

impl<'g> Tree<'g> for Particle<'g> {
    fn push_to(&self, leaves: &mut Vec<Expr<'g>>) {
        (self.position, self.velocity).push_to(leaves);
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Expr<'g>>) -> Particle<'g> {
        let (position, velocity) = (self.position, self.velocity).rebuild(leaves);
        Particle { position, velocity }
    }
}

/// Where the particle crosses the x axis.
fn crossing<'g>(g: &'g Graph, w: Expr<'g>, particle: Particle<'g>, mode: DerivativeMode) -> Expr<'g> {
    let last = g.while_loop_bounded(
        particle,
        MAX_STEPS,
        |particle| particle.next_position()[1].greater(0.0),
        |particle| {
            let slopes = derivatives(g, mode, potential(w, particle.position), &particle.position);
            let velocity = [0, 1].map(|axis| particle.velocity[axis] - TIME_STEP * slopes[axis]);
            Particle { position: particle.next_position(), velocity }
        },
    );
    // On the line through the last place, along the velocity.
    let [x, y] = last.next_position();
    x - y / last.velocity[1] * last.velocity[0]
}

/// Of the charges at (10, 10 − w) and (10, 0).
fn potential<'g>(w: Expr<'g>, [x, y]: [Expr<'g>; 2]) -> Expr<'g> {
    let inverse_distance = |above: Expr<'g>| 1.0 / ((x - 10.0).square() + above.square()).sqrt();
    inverse_distance(y - (10.0 - w)) + inverse_distance(y)
}
