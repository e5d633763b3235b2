//! Writes the functions that the program calls: a Kalman filter with the derivatives of its likelihood, and steps of a model-predictive
//! controller; and what the library itself computes for the numbers of `src/main.rs`, to compare.

use std::{error::Error, fmt::Write as _, path::Path};

use ndarray::{Array2, IxDyn, arr1, array};
use pullback::{CodeOptions, DType, Expr, Graph, MathProvider, Orientation, Program, RustModule, Triangle};

/// Measurements of a position in the plane.
const STEPS: usize = 20;
/// Seconds between two.
const DT: f64 = 0.1;
/// How far the controller looks ahead.
const HORIZON: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let (filter, control) = (filter()?, control()?);
    let mut module = RustModule::new(MathProvider::Libm);
    module.add(&filter, &CodeOptions::new("filter"))?;
    module.add(&control, &CodeOptions::new("control"))?;
    module.write_to_out_dir("functions.rs")?;
    write_expected(filter, control)?;
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}

/// A body in the plane with position and velocity, pushed at random, of which the position is measured: the log-likelihood of all
/// measurements, its derivatives by the two variances, and the last state.
fn filter() -> Result<Program, Box<dyn Error>> {
    let g = Graph::new();
    let measured = g.input_of(DType::F64, "measured", (STEPS, 2));
    let (push, noise) = (g.input_of(DType::F64, "push", ()), g.input_of(DType::F64, "noise", ()));
    let transition =
        g.constant(array![[1.0, 0.0, DT, 0.0], [0.0, 1.0, 0.0, DT], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]);
    let (a, b, c) = (DT.powi(4) / 4.0, DT.powi(3) / 2.0, DT * DT);
    let pushed = g.constant(array![[a, 0.0, b, 0.0], [0.0, a, 0.0, b], [b, 0.0, c, 0.0], [0.0, b, 0.0, c]]);
    let observe = g.constant(array![[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]);
    let start = (g.constant(arr1(&[0.0; 4])), 10.0 * g.eye(4, DType::F64), g.constant(0.0));
    let ((state, _, likelihood), ()) = g.scan(start, measured, |(state, covariance, likelihood), measured| {
        let state = transition.dot(state);
        let covariance = transition.dot(covariance).dot(transition.t()) + push * pushed;
        let innovation = measured - observe.dot(state);
        let factor = (observe.dot(covariance).dot(observe.t()) + noise * g.eye(2, DType::F64)).cholesky();
        let white = factor.solve_triangular(innovation.unsqueeze(-1), Triangle::Lower, Orientation::Plain);
        let cross = factor.solve_triangular(observe.dot(covariance), Triangle::Lower, Orientation::Plain);
        let likelihood = likelihood - 0.5 * white.square().sum() - factor.diagonal().log().sum();
        let state = state + cross.t().dot(white).squeeze(-1);
        ((state, covariance - cross.t().dot(cross), likelihood), ())
    });
    let slopes = g.gradients(likelihood, &[push, noise]);
    Ok(g.compile([("likelihood", likelihood), ("by_push", slopes[0]), ("by_noise", slopes[1]), ("state", state)])?)
}

/// Accelerations that bring a body to a target and leave it at rest there, held within ±1 by a barrier: some steps of gradient descent
/// from accelerations that are given, as a controller makes them at each tick from those of the last one.
fn control() -> Result<Program, Box<dyn Error>> {
    let g = Graph::new();
    let (state, target) = (g.input_of(DType::F64, "state", (2,)), g.input_of(DType::F64, "target", ()));
    let first = g.input_of(DType::F64, "first", (HORIZON,));
    let plan = g.fori(10, first, |_, plan| {
        let slope = g.gradient(cost(state_of(plan, state), target, plan), plan);
        (plan - 0.02 * slope).maximum(-0.99).minimum(0.99)
    });
    Ok(g.compile([("plan", plan), ("cost", cost(state_of(plan, state), target, plan))])?)
}

/// Positions and velocities after each acceleration.
fn state_of<'g>(plan: Expr<'g>, state: Expr<'g>) -> (Expr<'g>, Expr<'g>) {
    let velocity = state.slice(1) + 0.25 * plan.cumulative_sum(0);
    let position = state.slice(0) + 0.25 * velocity.cumulative_sum(0);
    (position, velocity)
}

fn cost<'g>((position, velocity): (Expr<'g>, Expr<'g>), target: Expr<'g>, plan: Expr<'g>) -> Expr<'g> {
    let barrier = -(1.0 - plan.square()).log().sum();
    (position - target).square().mean()
        + 4.0 * velocity.slice(-1).square()
        + 0.05 * plan.square().sum()
        + 0.01 * barrier
}

/// The numbers that `src/main.rs` feeds, and what the library computes of them.
fn write_expected(mut filter: Program, mut control: Program) -> Result<(), Box<dyn Error>> {
    let measured = Array2::from_shape_fn((STEPS, 2), |(step, axis)| {
        let t = step as f64 * DT;
        [t, 0.5 * t * t][axis] + 0.05 * (17.0 * t + axis as f64).sin()
    });
    let filtered = filter.call((("measured", &measured), ("push", 0.5), ("noise", 0.01)))?;
    let first = arr1(&[0.0; HORIZON]);
    let controlled = control.call((("state", [0.0, 0.2]), ("target", 1.0), ("first", &first)))?;
    let mut text = String::new();
    let mut list =
        |name: &str, numbers: Vec<f64>| writeln!(text, "pub const {name}: [f64; {}] = {numbers:?};", numbers.len());
    list("MEASURED", measured.iter().copied().collect())?;
    for name in ["likelihood", "by_push", "by_noise", "state"] {
        list(&name.to_uppercase(), filtered.array::<f64, IxDyn>(name)?.iter().copied().collect())?;
    }
    list("PLAN", controlled.array::<f64, IxDyn>("plan")?.iter().copied().collect())?;
    list("COST", vec![controlled.scalar("cost")?])?;
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("expected.rs"), text)?;
    Ok(())
}
