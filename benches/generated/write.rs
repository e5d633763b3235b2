//! Writes the functions that `benches/generated/run` times beside those of wrenfold and CasADi, as one Rust file: W7, W8a, W8b and W14 of
//! `docs/reference/performance.md`, and those of `geometry.rs`.
//!
//! ```text
//! cargo run --release --example generated_functions -- FILE
//! ```

mod geometry;
#[path = "../workloads/runge_kutta.rs"]
mod runge_kutta;

use std::{error::Error, time::Instant};

use pullback::{CodeOptions, DType, Expr, Graph, MathProvider, Program, RustModule, range};

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("say which file to write")?;
    let mut module = RustModule::new(MathProvider::Std);
    let programs = [
        ("w7", rosenbrock(1000)?),
        ("w8a", product()?),
        ("w8b", thirty_operations()?),
        ("w14", lorenz(200)?),
        ("w14_fused", lorenz(200)?),
        ("quat_local_coords", geometry::quaternion_difference()?),
        ("imu_integration", geometry::imu_integration()?),
        ("quat_interpolation", geometry::quaternion_interpolation()?),
        ("rolling_shutter_camera", geometry::rolling_shutter_camera()?),
    ];
    for (name, program) in &programs {
        let start = Instant::now();
        let fused_multiply_add = name.ends_with("_fused");
        module.add(program, &CodeOptions { fused_multiply_add, ..CodeOptions::new(*name) })?;
        eprintln!("{name} planned and lowered in {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    }
    let start = Instant::now();
    module.write(file)?;
    eprintln!("all written in {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

/// The product of the Hessian of Rosenbrock's function with a vector.
fn rosenbrock(n: i64) -> Result<Program, Box<dyn Error>> {
    let g = Graph::new();
    let [x, v] = ["x", "v"].map(|name| g.input_of(DType::F64, name, (n as usize,)));
    let (next, this) = (x.slice(range(1, n)), x.slice(range(0, n - 1)));
    let f = (100.0 * (next - this.square()).square() + (1.0 - this).square()).sum();
    Ok(g.compile([("hv", g.gradient((g.gradient(f, x) * v).sum(), x))])?)
}

fn product() -> Result<Program, Box<dyn Error>> {
    let g = Graph::new();
    let weights = ["w1", "w2"].map(|name| g.input_of(DType::F64, name, ()));
    let f = (1.0 - weights[1] * weights[0]).square();
    with_gradient(&g, f, &weights)
}

fn thirty_operations() -> Result<Program, Box<dyn Error>> {
    let g = Graph::new();
    let inputs = ["a", "b", "c", "d", "e"].map(|name| g.input_of(DType::F64, name, ()));
    let [a, b, c, d, e] = inputs;
    let t6 = ((a * b).sin() + c) * (d * 0.1).exp();
    let t13 = (t6 - e).tanh() * a + (b * b + 1.0).log();
    let t21 = t13 * (c * d).cos() / (e * e + 2.0).sqrt() + a;
    let t22 = t21 * t21;
    let t27 = (t22 + b * c).sin() * e + d;
    with_gradient(&g, (-t27).exp() + t22, &inputs)
}

/// The squared distance of the end of a path of Lorenz's system from a point, by steps of Runge and Kutta's fourth order.
fn lorenz(n_steps: usize) -> Result<Program, Box<dyn Error>> {
    let g = Graph::new();
    let inputs = ["x", "y", "z", "sigma", "rho", "beta"].map(|name| g.input_of(DType::F64, name, ()));
    let [x, y, z, sigma, rho, beta] = inputs;
    let (x, y, z) = g.fori(n_steps, (x, y, z), |_, (x, y, z)| {
        let slope = |at| runge_kutta::lorenz(at, [sigma, rho, beta]);
        let [x, y, z] = runge_kutta::step([x, y, z], slope, 0.01);
        (x, y, z)
    });
    with_gradient(&g, (x - 2.0).square() + (y + 1.0).square() + (z - 25.0).square(), &inputs)
}

fn with_gradient<'g>(g: &'g Graph, f: Expr<'g>, by: &[Expr<'g>]) -> Result<Program, Box<dyn Error>> {
    let gradients = g.gradients(f, by).into_iter().enumerate();
    let named = gradients.map(|(position, gradient)| (format!("d{position}"), gradient));
    Ok(g.compile([("f".to_owned(), f)].into_iter().chain(named).collect::<Vec<_>>())?)
}
