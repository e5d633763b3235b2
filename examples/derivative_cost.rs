//! The lecture's comparison: what all derivatives of a network of k layers of H units cost by backpropagation, naively,
//! and by central differences. Prints the table of docs/derivative-cost.md, and fails if the exponents are not those of
//! O(kH²), O(k²H²) and O(k²H⁴).
//!
//! ```text
//! cargo run --release --example derivative_cost
//! ```

#[path = "../benches/network.rs"]
mod network;

use std::{error::Error, time::Instant};

use network::{Method, input, program, results};
use pullback::Graph;

const DEPTHS: [usize; 4] = [4, 8, 16, 32];
const WIDTHS: [usize; 4] = [16, 32, 64, 128];
const DEPTH: usize = 8;
const WIDTH: usize = 64;
const REPEATS: usize = 15;

/// Floating-point operations and median seconds of one way to all derivatives.
#[derive(Clone, Copy)]
struct Cost {
    flops: f64,
    seconds: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("| k | H | backpropagation, FLOP | naive | differences | backpropagation, µs | naive | differences |");
    println!("|---|---|---|---|---|---|---|---|");
    let over_depth = DEPTHS.map(|depth| (depth, row(depth, WIDTH)));
    let over_width = WIDTHS.map(|width| (width, row(DEPTH, width)));
    println!("\n| exponent | backpropagation | naive | differences |\n|---|---|---|---|");
    let in_k = exponents("k, FLOP", &over_depth, |cost| cost.flops);
    exponents("k, time", &over_depth, |cost| cost.seconds);
    let in_h = exponents("H, FLOP", &over_width, |cost| cost.flops);
    exponents("H, time", &over_width, |cost| cost.seconds);
    for (name, found, expected) in [("k", in_k, [1.0, 2.0, 2.0]), ("H", in_h, [2.0, 2.0, 4.0])] {
        let is_near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 0.25);
        if !is_near {
            return Err(format!("the exponents in {name} are {found:.2?}, not about {expected:?}").into());
        }
    }
    Ok(())
}

fn row(depth: usize, width: usize) -> [Cost; 3] {
    let shared = measure(depth, width, Method::Backpropagation);
    let naive = measure(depth, width, Method::Naive);
    let function = measure(depth, width, Method::Function);
    // Two evaluations for each of the k·H² weights.
    let evaluations = 2.0 * (depth * width * width) as f64;
    let differences = Cost { flops: function.flops * evaluations, seconds: function.seconds * evaluations };
    let costs = [shared, naive, differences];
    let flops = costs.map(|cost| format!("{:.0}", cost.flops)).join(" | ");
    let micros = costs.map(|cost| format!("{:.0}", cost.seconds * 1e6)).join(" | ");
    println!("| {depth} | {width} | {flops} | {micros} |");
    costs
}

fn measure(depth: usize, width: usize, method: Method) -> Cost {
    let counted = Graph::new();
    let flops = counted.flops(results(&counted, depth, width, method)).as_number().expect("the sizes are numbers");
    let g = Graph::new();
    let mut program = program(&g, depth, width, method);
    let parameters = g.initialize(0).expect("the network has no mistake");
    let x = input(width);
    let mut seconds: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            program.run(&parameters, [("x", (&x).into())]).expect("the input fits");
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    Cost { flops: flops as f64, seconds: seconds[REPEATS / 2] }
}

/// Slopes in a log-log plot, by least squares.
fn exponents<const N: usize>(name: &str, rows: &[(usize, [Cost; 3]); N], of: impl Fn(&Cost) -> f64) -> [f64; 3] {
    let slopes = [0, 1, 2].map(|method: usize| {
        let points = rows.iter().map(|(size, costs)| ((*size as f64).ln(), of(&costs[method]).ln()));
        let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
        let (x_mean, y_mean) = (x.iter().sum::<f64>() / N as f64, y.iter().sum::<f64>() / N as f64);
        let covariance: f64 = x.iter().zip(&y).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
        covariance / x.iter().map(|x| (x - x_mean).powi(2)).sum::<f64>()
    });
    println!("| in {name} | {} |", slopes.map(|slope| format!("{slope:.2}")).join(" | "));
    slopes
}
